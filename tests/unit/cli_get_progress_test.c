/* The line that shows how far a transfer is. */
#include "unit.h"

#include "cli/get/get.h"

static nrt__progress progress;
static char line[160];

static const char *at(uint64_t total, uint64_t done, double seconds) {
    memset(&progress, 0, sizeof(progress));
    nrt__progress_begin(&progress, "received", total, 100);
    nrt__progress_write(&progress, done, 100 + seconds, line, sizeof(line));
    return line;
}

static void test_a_known_length_gives_a_share_and_the_time_left(void **state) {
    (void)state;
    assert_string_equal(at(200 << 20, 50 << 20, 10),
                        "received  25 %  50.0 MiB of 200 MiB, 5.0 MiB/s, 0:30 left");
    assert_string_equal(at(4ull << 30, 1 << 20, 10),
                        "received   0 %  1.0 MiB of 4.0 GiB, 102 KiB/s, 11:22:30 left");
}

static void test_it_is_done_only_when_all_is_there(void **state) {
    (void)state;
    assert_non_null(strstr(at(1000000, 999999, 10), " 99 %"));
    assert_non_null(strstr(at(1000000, 1000000, 10), "100 %"));
}

static void test_nothing_yet_says_nothing_of_the_time(void **state) {
    (void)state;
    assert_string_equal(at(1000, 0, 5), "received   0 %  0 B of 1.0 KiB, 0 B/s, -:-- left");
    assert_string_equal(at(1000, 0, 0), "received   0 %  0 B of 1.0 KiB, 0 B/s, -:-- left");
}

static void test_an_unknown_length_has_a_rate_only(void **state) {
    (void)state;
    assert_string_equal(at(0, 3 << 20, 2), "received 3.0 MiB, 1.5 MiB/s");
    assert_string_equal(at(10, 11, 1), "received 11 B, 11 B/s"); /* not what was said */
}

static void test_a_very_long_time_stays_readable(void **state) {
    (void)state;
    assert_non_null(strstr(at(UINT64_MAX, 1, 10), "100:00:00 left"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_known_length_gives_a_share_and_the_time_left),
        cmocka_unit_test(test_it_is_done_only_when_all_is_there),
        cmocka_unit_test(test_nothing_yet_says_nothing_of_the_time),
        cmocka_unit_test(test_an_unknown_length_has_a_rate_only),
        cmocka_unit_test(test_a_very_long_time_stays_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
