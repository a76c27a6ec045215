/* Conditional requests and ranges: RFC 9110 sections 13 and 14, as tables. */
#include "unit.h"

#include "core/handler/conditional.h"
#include "core/http/fields.h"

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define EARLIER "Sun, 06 Nov 1994 08:49:36 GMT"
#define LATER "Sun, 06 Nov 1994 08:49:38 GMT"

static const nrt__representation what = {
    .etag = {"\"v1\"", 4}, .modified_s = 784111777, .now_s = 784112000, .size = 100};

static nrt__arena arena;
static nrt_fields fields;

/* Fields as "Name: value\n..." */
static void read_fields(const char *text) {
    nrt__arena_reset(&arena);
    nrt__fields_init(&fields, &arena);
    while (*text) {
        const char *colon = strchr(text, ':');
        const char *end = strchr(colon, '\n');
        end = end ? end : colon + strlen(colon);
        nrt__fields_append(&fields, (nrt_str){text, (size_t)(colon - text)},
                           (nrt_str){colon + 2, (size_t)(end - colon - 2)});
        text = *end ? end + 1 : end;
    }
}

static int finish(void **state) {
    (void)state;
    nrt__arena_free(&arena);
    return 0;
}

static void conditions_are_weighed_in_the_order_of_the_rfc(void **state) {
    (void)state;
    static const struct {
        const char *method;
        const char *fields;
        int status;
    } rows[] = {
        {"GET", "", 0},
        /* If-Match: strong */
        {"GET", "If-Match: \"v1\"", 0},
        {"GET", "If-Match: *", 0},
        {"PUT", "If-Match: \"v2\"", 412},
        {"GET", "If-Match: W/\"v1\"", 412},
        {"GET", "If-Match: \"v2\", \"v1\"", 0},
        {"GET", "If-Match: \"v2\"\nIf-Match: \"v1\"", 0},
        {"GET", "If-Match: \"a,\\\",\"v1\"", 0}, /* a backslash escapes nothing */
        {"GET", "If-Match: v1", 412},
        {"GET", "If-Match: \"v1", 412},
        {"GET", "If-Match: ", 412},
        {"GET", "If-Match: \"v1\" \"v2\"", 0},
        {"GET", "If-Match: \"v2\" \"v1\"", 412},
        {"GET", "If-Match: *, \"v2\"", 412},
        /* If-Unmodified-Since */
        {"GET", "If-Unmodified-Since: " DATE, 0},
        {"GET", "If-Unmodified-Since: " LATER, 0},
        {"PUT", "If-Unmodified-Since: " EARLIER, 412},
        {"GET", "If-Unmodified-Since: yesterday", 0},
        {"GET", "If-Match: \"v1\"\nIf-Unmodified-Since: " EARLIER, 0},
        /* If-None-Match: weak */
        {"GET", "If-None-Match: \"v1\"", 304},
        {"HEAD", "If-None-Match: \"v1\"", 304},
        {"GET", "If-None-Match: W/\"v1\"", 304},
        {"GET", "If-None-Match: *", 304},
        {"PUT", "If-None-Match: *", 412},
        {"PUT", "If-None-Match: \"v1\"", 412},
        {"GET", "If-None-Match: \"v2\"", 0},
        {"GET", "If-None-Match: \"v2\", W/\"v1\"", 304},
        {"GET", "If-None-Match: , ,\"v1\"", 304},
        {"GET", "If-None-Match: w/\"v1\"", 0},
        {"GET", "If-None-Match: v1", 0},
        {"GET", "If-None-Match: \"V1\"", 0},
        {"GET", "If-None-Match: \"v1 \"", 0},
        {"GET", "If-None-Match: \"v 1\", \"v1\"", 0},
        /* If-Modified-Since */
        {"GET", "If-Modified-Since: " DATE, 304},
        {"HEAD", "If-Modified-Since: " LATER, 304},
        {"GET", "If-Modified-Since: " EARLIER, 0},
        {"PUT", "If-Modified-Since: " DATE, 0},
        {"GET", "If-Modified-Since: 0", 0},
        {"GET", "If-None-Match: \"v2\"\nIf-Modified-Since: " DATE, 0},
        /* together */
        {"GET", "If-Match: \"v2\"\nIf-None-Match: \"v1\"", 412},
        {"GET", "If-Match: \"v1\"\nIf-None-Match: \"v1\"", 304},
        {"GET", "If-Unmodified-Since: " EARLIER "\nIf-None-Match: \"v1\"", 412},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        read_fields(rows[i].fields);
        int status = nrt__conditional_check(nrt_str_from(rows[i].method), &fields, &what);
        if (status != rows[i].status) {
            fail_msg("%s %s: %d, not %d", rows[i].method, rows[i].fields, status, rows[i].status);
        }
    }
}

typedef struct range_row {
    const char *fields;
    nrt__range range;
    uint64_t first;
    uint64_t last;
} range_row;

static void check_ranges(const range_row *rows, size_t count, const nrt__representation *of) {
    for (size_t i = 0; i < count; i++) {
        uint64_t first = 0;
        uint64_t last = 0;
        read_fields(rows[i].fields);
        nrt__range range = nrt__range_read(NRT__STR("GET"), &fields, of, &first, &last);
        bool same = range == rows[i].range;
        if (same && range == NRT__RANGE_PART) {
            same = first == rows[i].first && last == rows[i].last;
        }
        if (!same) {
            fail_msg("%s: %d, %llu to %llu", rows[i].fields, range, (unsigned long long)first,
                     (unsigned long long)last);
        }
    }
}

static void one_range_is_found(void **state) {
    (void)state;
    static const range_row rows[] = {
        {"", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=0-0", NRT__RANGE_PART, 0, 0},
        {"Range: bytes=0-99", NRT__RANGE_PART, 0, 99},
        {"Range: bytes=10-19", NRT__RANGE_PART, 10, 19},
        {"Range: bytes=99-", NRT__RANGE_PART, 99, 99},
        {"Range: bytes=50-1000", NRT__RANGE_PART, 50, 99},
        {"Range: bytes=50-18446744073709551615", NRT__RANGE_PART, 50, 99},
        {"Range: bytes=50-99999999999999999999999", NRT__RANGE_PART, 50, 99},
        {"Range: bytes=-1", NRT__RANGE_PART, 99, 99},
        {"Range: bytes=-100", NRT__RANGE_PART, 0, 99},
        {"Range: bytes=-1000", NRT__RANGE_PART, 0, 99},
        {"Range: bytes=-99999999999999999999999", NRT__RANGE_PART, 0, 99},
        {"Range: BYTES=1-2", NRT__RANGE_PART, 1, 2}, /* units are compared without case */
        {"Range: bytes=1-2,", NRT__RANGE_PART, 1, 2},
        {"Range: bytes= 1-2", NRT__RANGE_PART, 1, 2},
        /* 416 */
        {"Range: bytes=100-", NRT__RANGE_NONE, 0, 0},
        {"Range: bytes=100-200", NRT__RANGE_NONE, 0, 0},
        {"Range: bytes=99999999999999999999999-", NRT__RANGE_NONE, 0, 0},
        {"Range: bytes=-0", NRT__RANGE_NONE, 0, 0},
        /* passed over */
        {"Range: bytes=", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=-", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=1", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=2-1", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=1-2-3", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=1 - 2", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=--1", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=+1-2", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=0x1-2", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=a-b", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes 1-2", NRT__RANGE_WHOLE, 0, 0},
        {"Range: lines=1-2", NRT__RANGE_WHOLE, 0, 0},
        {"Range: 1-2", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=1-2,4-5", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=1-2, nonsense", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=1-2\nRange: bytes=4-5", NRT__RANGE_WHOLE, 0, 0},
        /* If-Range */
        {"Range: bytes=1-2\nIf-Range: \"v1\"", NRT__RANGE_PART, 1, 2},
        {"Range: bytes=1-2\nIf-Range: W/\"v1\"", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=1-2\nIf-Range: \"v2\"", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=1-2\nIf-Range: \"v1\", \"v1\"", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=1-2\nIf-Range: *", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=1-2\nIf-Range: " DATE, NRT__RANGE_PART, 1, 2},
        {"Range: bytes=1-2\nIf-Range: " LATER, NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=1-2\nIf-Range: " EARLIER, NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=100-\nIf-Range: \"v2\"", NRT__RANGE_WHOLE, 0, 0},
    };
    check_ranges(rows, COUNT(rows), &what);
}

static void an_empty_file_has_no_part(void **state) {
    (void)state;
    nrt__representation empty = what;
    static const range_row rows[] = {
        {"Range: bytes=0-", NRT__RANGE_NONE, 0, 0},
        {"Range: bytes=0-0", NRT__RANGE_NONE, 0, 0},
        {"Range: bytes=-1", NRT__RANGE_WHOLE, 0, 0},
        {"Range: bytes=-0", NRT__RANGE_NONE, 0, 0},
    };
    empty.size = 0;
    check_ranges(rows, COUNT(rows), &empty);
}

static void a_date_of_this_very_second_is_no_strong_validator(void **state) {
    (void)state;
    nrt__representation fresh = what;
    static const range_row rows[] = {
        {"Range: bytes=1-2\nIf-Range: " DATE, NRT__RANGE_WHOLE, 0, 0},
    };
    fresh.now_s = fresh.modified_s;
    check_ranges(rows, COUNT(rows), &fresh);
}

static void ranges_are_for_get_only(void **state) {
    (void)state;
    uint64_t first;
    uint64_t last;
    read_fields("Range: bytes=1-2");
    assert_int_equal(nrt__range_read(NRT__STR("HEAD"), &fields, &what, &first, &last),
                     NRT__RANGE_WHOLE);
    assert_int_equal(nrt__range_read(NRT__STR("PUT"), &fields, &what, &first, &last),
                     NRT__RANGE_WHOLE);
}

static void every_prefix_is_read_within_its_bounds(void **state) {
    (void)state;
    static const char *const values[] = {"bytes=12-34, 5-", "W/\"a\", \"v1\"", DATE};
    static const char *const names[] = {"Range", "If-Range", "If-Match", "If-None-Match",
                                        "If-Modified-Since"};
    for (size_t i = 0; i < COUNT(values) * COUNT(names); i++) {
        const char *text = values[i % COUNT(values)];
        for (size_t len = 0; len <= strlen(text); len++) {
            char *exact = malloc(len + 1);
            uint64_t first;
            uint64_t last;
            memcpy(exact + 1, text, len);
            read_fields("Range: bytes=1-2");
            fields.count = i / COUNT(values) == 1; /* If-Range wants one */
            nrt__fields_append(&fields, nrt_str_from(names[i / COUNT(values)]),
                               (nrt_str){exact + 1, len});
            int status = nrt__conditional_check(NRT__STR("GET"), &fields, &what);
            assert_true(status == 0 || status == 304 || status == 412);
            nrt__range range = nrt__range_read(NRT__STR("GET"), &fields, &what, &first, &last);
            assert_true(range != NRT__RANGE_PART || (first <= last && last < what.size));
            free(exact);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_are_weighed_in_the_order_of_the_rfc),
        cmocka_unit_test(one_range_is_found),
        cmocka_unit_test(an_empty_file_has_no_part),
        cmocka_unit_test(a_date_of_this_very_second_is_no_strong_validator),
        cmocka_unit_test(ranges_are_for_get_only),
        cmocka_unit_test(every_prefix_is_read_within_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, finish);
}
