/* Quantities as people type and read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/base/duration.h"

static char why[128];

static void a_duration_is_a_number_with_a_unit(void **state) {
    static const struct {
        const char *text;
        uint32_t ms;
    } cases[] = {
        {"500ms", 500},
        {"30s", 30000},
        {"2m", 120000},
        {"2min", 120000},
        {"1h", 3600000},
        {"1.5s", 1500},
        {"0.25s", 250},
        {"0s", 0},
        {"0.5ms", 0},
        {"1m30s", 90000},
        {"1h0m0.5s", 3600500},
        {"1000h", 3600000000},
        {"4294967295ms", 4294967295},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t ms = 99;
        assert_int_equal(nrt__duration_parse(cases[i].text, &ms, why, sizeof(why)), 0);
        assert_int_equal(ms, cases[i].ms);
    }
}

static void a_bare_number_is_refused_and_the_error_says_what_to_write(void **state) {
    uint32_t ms = 99;
    (void)state;
    assert_int_equal(nrt__duration_parse("30", &ms, why, sizeof(why)), -1);
    assert_string_equal(why, "has no unit: write 30s for seconds or 30ms for milliseconds");
    assert_int_equal(ms, 99);
}

static void what_is_no_duration_is_refused(void **state) {
    static const char *const cases[] = {
        "",           "s",     "-1s",          "+1s",    " 1s",
        "1 s",        "1sec",  "1S",           "1.s",    ".5s",
        "1e3s",       "1s1",   "4294967296ms", "2000h",  "999999999999999999s",
        "1.1234567s", "0x10s", "nans",         "1.5.5s", "1m30",
        "1m-1s",      "1m 1s", "1193h3h",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t ms = 99;
        why[0] = '\0';
        assert_int_equal(nrt__duration_parse(cases[i], &ms, why, sizeof(why)), -1);
        assert_int_not_equal(strlen(why), 0);
        assert_int_equal(ms, 99);
    }
}

static void a_size_counts_bytes_and_its_units_are_powers_of_1024(void **state) {
    static const struct {
        const char *text;
        size_t bytes;
    } cases[] = {
        {"0", 0},          {"65536", 65536}, {"64k", 65536}, {"64K", 65536},     {"8M", 8388608},
        {"8MiB", 8388608}, {"8mb", 8388608}, {"1.5k", 1536}, {"1G", 1073741824}, {"12B", 12},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t bytes = 99;
        assert_int_equal(nrt__size_parse(cases[i].text, &bytes, why, sizeof(why)), 0);
        assert_int_equal(bytes, cases[i].bytes);
    }
}

static void what_is_no_size_is_refused(void **state) {
    static const char *const cases[] = {
        "", "k", "-1", "1 k", "1x", "1kk", "99999999999999999999", "999999999999G"};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t bytes = 99;
        assert_int_equal(nrt__size_parse(cases[i], &bytes, why, sizeof(why)), -1);
        assert_int_equal(bytes, 99);
    }
}

static void durations_and_sizes_are_written_for_people(void **state) {
    char text[40];
    (void)state;
    assert_string_equal(nrt__duration_format(0, text, sizeof(text)), "0 ms");
    assert_string_equal(nrt__duration_format(999, text, sizeof(text)), "999 ms");
    assert_string_equal(nrt__duration_format(1250, text, sizeof(text)), "1.2 s");
    assert_string_equal(nrt__duration_format(200000, text, sizeof(text)), "3 min 20 s");
    assert_string_equal(nrt__duration_format(7260000, text, sizeof(text)), "2 h 1 min");
    assert_string_equal(nrt__size_format(999, text, sizeof(text)), "999 B");
    assert_string_equal(nrt__size_format(1450, text, sizeof(text)), "1.4 kB");
    assert_string_equal(nrt__size_format(UINT64_MAX, text, sizeof(text)), "18446744.0 TB");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_duration_is_a_number_with_a_unit),
        cmocka_unit_test(a_bare_number_is_refused_and_the_error_says_what_to_write),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(a_size_counts_bytes_and_its_units_are_powers_of_1024),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(durations_and_sizes_are_written_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
