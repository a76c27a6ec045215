/* The line that shows how far a transfer is. */
#include "unit.h"

#include "cli/get/get.h"

static nrt__progress progress;
static char line[200];

static const char *at_width(uint64_t total, uint64_t done, double seconds, size_t width) {
    memset(&progress, 0, sizeof(progress));
    nrt__progress_begin(&progress, "received", total, 100);
    nrt__progress_note(&progress, done, 100 + seconds);
    nrt__progress_write(&progress, done, width, line, sizeof(line));
    return line;
}

static const char *at(uint64_t total, uint64_t done, double seconds) {
    return at_width(total, done, seconds, 62);
}

static void test_a_known_length_gives_a_share_and_the_time_left(void **state) {
    (void)state;
    assert_string_equal(at(200 << 20, 50 << 20, 10),
                        "received  25 %  50.0 MiB of 200 MiB, 5.0 MiB/s, 0:30 left");
    assert_string_equal(at(4ull << 30, 1 << 20, 10),
                        "received   0 %  1.0 MiB of 4.0 GiB, 102 KiB/s, 11:22:30 left");
}

static void test_a_wide_terminal_has_a_bar(void **state) {
    (void)state;
    assert_string_equal(at_width(200 << 20, 50 << 20, 10, 80),
                        "received  25 % [====>              ]  50.0 MiB of 200 MiB, 5.0 MiB/s, "
                        "0:30 left");
    assert_non_null(strstr(at_width(100, 100, 10, 80), "100 % [========"));
    assert_null(strchr(line, '>'));
    assert_true(strlen(at_width(200 << 20, 50 << 20, 10, 1000)) < 140);
}

static void test_no_line_is_as_long_as_the_terminal_is_wide(void **state) {
    (void)state;
    for (size_t width = 1; width < 200; width++) {
        assert_true(strlen(at_width(200 << 20, 50 << 20, 10, width)) < width);
        assert_true(strlen(at_width(0, 50 << 20, 10, width)) < width);
    }
}

static void test_it_is_done_only_when_all_is_there(void **state) {
    (void)state;
    assert_non_null(strstr(at(1000000, 999999, 10), " 99 %"));
    assert_non_null(strstr(at(1000000, 1000000, 10), "100 %"));
}

static void test_nothing_yet_says_nothing_of_the_time(void **state) {
    (void)state;
    assert_string_equal(at(1000, 0, 5),
                        "received   0 % [>         ]  0 B of 1.0 KiB, 0 B/s, -:-- left");
    assert_string_equal(at(1000, 0, 0),
                        "received   0 % [>         ]  0 B of 1.0 KiB, 0 B/s, -:-- left");
}

static void test_an_unknown_length_has_a_rate_only(void **state) {
    (void)state;
    assert_string_equal(at(0, 3 << 20, 2), "received 3.0 MiB, 1.5 MiB/s");
    assert_string_equal(at(10, 11, 1), "received 11 B, 11 B/s"); /* not what was said */
}

static void test_a_very_long_time_is_not_told(void **state) {
    (void)state;
    assert_non_null(strstr(at(UINT64_MAX, 1, 10), "-:-- left"));
}

static void test_the_rate_is_that_of_the_last_seconds(void **state) {
    (void)state;
    (void)at(1000, 500, 5);
    assert_true(progress.per_s > 99 && progress.per_s < 101);
    for (int i = 1; i <= 60; i++) { /* it stands still */
        nrt__progress_note(&progress, 500, 105 + i * 0.25);
    }
    assert_true(progress.per_s < 2);
    for (int i = 1; i <= 60; i++) {
        nrt__progress_note(&progress, 500 + (uint64_t)i * 5, 120 + i * 0.25);
    }
    assert_true(progress.per_s > 18 && progress.per_s < 21);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_known_length_gives_a_share_and_the_time_left),
        cmocka_unit_test(test_a_wide_terminal_has_a_bar),
        cmocka_unit_test(test_no_line_is_as_long_as_the_terminal_is_wide),
        cmocka_unit_test(test_it_is_done_only_when_all_is_there),
        cmocka_unit_test(test_nothing_yet_says_nothing_of_the_time),
        cmocka_unit_test(test_an_unknown_length_has_a_rate_only),
        cmocka_unit_test(test_a_very_long_time_is_not_told),
        cmocka_unit_test(test_the_rate_is_that_of_the_last_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
