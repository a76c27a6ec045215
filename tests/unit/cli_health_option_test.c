/* --health as people type it. */
#include "unit.h"

#include "cli/daemon/health_option.h"

static char why[256];

static void assert_health(const char *text, const char *path, uint32_t interval_ms, unsigned fall,
                          unsigned rise) {
    nrt__health_options options;
    assert_int_equal(nrt__health_option_parse(text, &options, why, sizeof(why)), 0);
    assert_view(options.path, path);
    assert_int_equal(options.interval_ms, interval_ms);
    assert_int_equal(options.fall, fall);
    assert_int_equal(options.rise, rise);
}

static void assert_wrong(const char *text, const char *reason) {
    nrt__health_options options;
    why[0] = '\0';
    assert_int_equal(nrt__health_option_parse(text, &options, why, sizeof(why)), -1);
    if (!strstr(why, reason)) {
        fail_msg("\"%s\": \"%s\" does not say \"%s\"", text, why, reason);
    }
}

static void a_path_alone_has_the_defaults(void **state) {
    (void)state;
    assert_health("/healthz", "/healthz", 5000, 2, 1);
    assert_health("/", "/", 5000, 2, 1);
    assert_health("/a?b=c&d=%2C", "/a?b=c&d=%2C", 5000, 2, 1);
}

static void what_follows_is_the_interval_or_has_a_name(void **state) {
    (void)state;
    assert_health("/h,2s", "/h", 2000, 2, 1);
    assert_health("/h,500ms", "/h", 500, 2, 1);
    assert_health("/h,100ms", "/h", 100, 2, 1);
    assert_health("/h,1h", "/h", 3600000, 2, 1);
    assert_health("/h,interval=1.5s", "/h", 1500, 2, 1);
    assert_health("/h,2s,fall=3,rise=4", "/h", 2000, 3, 4);
    assert_health("/h,rise=100,fall=1,interval=1m", "/h", 60000, 1, 100);
    assert_health("/h?x=1,fall=5", "/h?x=1", 5000, 5, 1);
}

static void a_path_that_could_break_a_request_line_is_refused(void **state) {
    char endless[2048];
    static const char *const paths[] = {"",    "healthz",   ",2s",       "2s",   "/a b", "/a\r\nX",
                                        "/\t", "/\xc3\xa4", "http://x/", "/a#b", "*",    "/a\x7f"};
    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        assert_wrong(paths[i], "begins with the path");
    }
    memset(endless, '/', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    assert_wrong(endless, "at most 1024 bytes");
}

static void what_is_wrong_is_named(void **state) {
    (void)state;
    assert_wrong("/h,2", "has no unit");
    assert_wrong("/h,", "is not a duration");
    assert_wrong("/h,99ms", "from 100ms to 1h");
    assert_wrong("/h,61m", "from 100ms to 1h");
    assert_wrong("/h,0s", "from 100ms to 1h");
    assert_wrong("/h,111111111111111111111111111111111111111111s", "no duration");
    assert_wrong("/h,fall=0", "fall=0: it is a number of checks from 1 to 100");
    assert_wrong("/h,rise=101", "rise=101: it is a number of checks from 1 to 100");
    assert_wrong("/h,fall=-1", "fall=-1");
    assert_wrong("/h,fall=", "fall=:");
    assert_wrong("/h,fall", "is not a duration");
    assert_wrong("/h,2s,3s", "\"3s\"");
    assert_wrong("/h,fall=2,2s", "\"2s\"");
    assert_wrong("/h,Fall=2", "\"Fall=2\"");
    assert_wrong("/h,timeout=2s", "\"timeout=2s\"");
    assert_wrong("/h,=2s", "\"=2s\"");
    assert_wrong("/h,2s,", "\"\"");
    assert_wrong("/h,2s,interval=2s", "twice");
    assert_wrong("/h,fall=2,fall=2", "twice");
    assert_wrong("/h,rise=2,rise=3", "twice");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_alone_has_the_defaults),
        cmocka_unit_test(what_follows_is_the_interval_or_has_a_name),
        cmocka_unit_test(a_path_that_could_break_a_request_line_is_refused),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
