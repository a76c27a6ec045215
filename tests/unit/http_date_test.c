/* Dates of HTTP. */
#include "unit.h"

#include <time.h>

#include "core/http/http_date.h"

enum { NOW = 1764311475 }; /* 28 November 2025 */

static void the_three_forms_say_the_same(void **state) {
    (void)state;
    static const char *const texts[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                        "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        int64_t seconds;
        assert_true(nrt__http_date_read(nrt_str_from(texts[i]), NOW, &seconds));
        assert_int_equal(seconds, 784111777);
    }
}

static void what_is_written_is_what_the_c_library_writes_and_is_read_again(void **state) {
    (void)state;
    /* Steps that meet all days of the week, months and leap years. */
    for (int64_t at = -62135596800; at < 253402300800; at += 86400 * 97 + 12345) {
        char out[NRT__HTTP_DATE_SIZE];
        char wanted[64];
        time_t when = (time_t)at;
        struct tm tm;
        int64_t back;
        gmtime_r(&when, &tm);
        size_t len = strftime(wanted, sizeof(wanted), "%a, %d %b ", &tm);
        snprintf(wanted + len, sizeof(wanted) - len, "%04d %02d:%02d:%02d GMT", tm.tm_year + 1900,
                 tm.tm_hour, tm.tm_min, tm.tm_sec);
        assert_true(nrt__http_date_write(at, out));
        assert_string_equal(out, wanted);
        assert_true(nrt__http_date_read(nrt_str_from(out), NOW, &back));
        assert_int_equal(back, at);
    }
}

static void years_that_have_no_four_digits_are_not_written(void **state) {
    (void)state;
    char out[NRT__HTTP_DATE_SIZE];
    static const int64_t outside[] = {-62135596801, 253402300800, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < COUNT(outside); i++) {
        assert_false(nrt__http_date_write(outside[i], out));
    }
    assert_true(nrt__http_date_write(253402300799, out));
    assert_string_equal(out, "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_true(nrt__http_date_write(-62135596800, out));
    assert_string_equal(out, "Mon, 01 Jan 0001 00:00:00 GMT");
}

static void what_is_no_date_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "Sun",
        "now",
        "784111777",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun,06 Nov 1994 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 gmt",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49:+7 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Someday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov 06 08:49:37 94",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        int64_t seconds;
        if (nrt__http_date_read(nrt_str_from(texts[i]), NOW, &seconds)) {
            fail_msg("\"%s\" was taken for a date", texts[i]);
        }
    }
}

static void no_prefix_is_a_date(void **state) {
    (void)state;
    static const char *const texts[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                        "Wednesday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov 16 08:49:37 1994"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        for (size_t len = 0; len < strlen(texts[i]); len++) {
            char *exact = malloc(len + 1);
            int64_t seconds;
            memcpy(exact + 1, texts[i], len);
            assert_false(nrt__http_date_read((nrt_str){exact + 1, len}, NOW, &seconds));
            free(exact);
        }
    }
}

static void leap_days_and_leap_seconds_are_known(void **state) {
    (void)state;
    int64_t seconds;
    assert_true(nrt__http_date_read(NRT__STR("Tue, 29 Feb 2000 23:59:59 GMT"), NOW, &seconds));
    assert_int_equal(seconds, 951868799);
    assert_true(nrt__http_date_read(NRT__STR("Sat, 31 Dec 2016 23:59:60 GMT"), NOW, &seconds));
    assert_int_equal(seconds, 1483228800);
}

static void two_digits_of_a_year_are_near_us(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } rows[] = {
        {"Monday, 01-Jan-75 00:00:00 GMT", 3313526400}, /* 2075: 50 years ahead */
        {"Thursday, 01-Jan-76 00:00:00 GMT", 189302400},
        {"Tuesday, 01-Jan-70 00:00:00 GMT", 3155760000},
        {"Saturday, 01-Jan-00 00:00:00 GMT", 946684800},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t seconds;
        assert_true(nrt__http_date_read(nrt_str_from(rows[i].text), NOW, &seconds));
        assert_int_equal(seconds, rows[i].seconds);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_forms_say_the_same),
        cmocka_unit_test(what_is_written_is_what_the_c_library_writes_and_is_read_again),
        cmocka_unit_test(years_that_have_no_four_digits_are_not_written),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(no_prefix_is_a_date),
        cmocka_unit_test(leap_days_and_leap_seconds_are_known),
        cmocka_unit_test(two_digits_of_a_year_are_near_us),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
