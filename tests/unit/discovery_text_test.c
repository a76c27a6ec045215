/* What may be said of a service, and how it is called. */
#include "unit.h"

#include <nrt/discovery.h>

#include "core/discovery/discovery.h"
#include "core/discovery/text.h"

static void versions_are_semantic(void **state) {
    (void)state;
    static const char *const good[] = {
        "0.0.0",        "1.2.3",      "10.20.30",         "1.0.0-rc.1", "1.0.0-alpha",
        "1.0.0-0a.b-c", "1.0.0+x.01", "1.0.0-beta+exp.5", "1.0.0--"};
    static const char *const bad[] = {"",       "1",        "1.2",        "1.2.3.4", "v1.2.3",
                                      "01.2.3", "1.02.3",   "1.2.03",     "1.2.x",   "1.2.3-",
                                      "1.2.3+", "1.2.3-01", "1.2.3-a..b", "1.2.3 ",  "1.2.3-a_b",
                                      "-1.2.3", "1..3",     "1.2.3+a+b",  "1.2.3\n"};
    for (size_t i = 0; i < COUNT(good); i++) {
        if (!nrt__is_semver(nrt_str_from(good[i]))) {
            fail_msg("%s was refused", good[i]);
        }
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (nrt__is_semver(nrt_str_from(bad[i]))) {
            fail_msg("%s was taken", bad[i]);
        }
    }
}

static void text_that_moves_a_cursor_is_not_plain(void **state) {
    (void)state;
    static const char *const good[] = {
        "", "a b", "gr\xc3\xbc\xc3\x9f", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xc2\xa0"};
    static const char *const bad[] = {"a\nb",
                                      "\x1b[2J",
                                      "\x7f",
                                      ("\xc2\x9b"
                                       "2J"),
                                      "\xff",
                                      "\xc3",
                                      "\xc0\x80",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xe2\x80\xae",
                                      "\xe2\x81\xa6",
                                      "\x80",
                                      "\xe2\x80\xa8",
                                      "\xe0\x80\x80"};
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(nrt__is_plain_text(nrt_str_from(good[i])));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (nrt__is_plain_text(nrt_str_from(bad[i]))) {
            fail_msg("number %zu was taken", i);
        }
    }
    assert_false(nrt__is_plain_text((nrt_str){"a\0b", 3}));
}

static void a_name_is_the_host_without_its_dots(void **state) {
    (void)state;
    char name[254];
    assert_int_equal(nrt_discover_name("weather.nats", name), 0);
    assert_string_equal(name, "weather");
    assert_int_equal(nrt_discover_name("My.Weather_2.x-y.nats", name), 0);
    assert_string_equal(name, "my-weather_2-x-y");
    assert_int_equal(nrt_discover_name("weather", name), NRT_ERR_HOST);
    assert_int_equal(nrt_discover_name("", name), NRT_ERR_HOST);
    assert_int_equal(nrt_discover_name(NULL, name), NRT_ERR_HOST);
    assert_true(nrt__discovery_is_name(NRT__STR("Aa-_9")));
    assert_false(nrt__discovery_is_name(NRT__STR("")));
    assert_false(nrt__discovery_is_name(NRT__STR("a.b")));
    assert_false(nrt__discovery_is_name(NRT__STR("a*")));
}

static void dates_are_rewritten(void **state) {
    (void)state;
    char out[24];
    nrt__discovery_rfc3339("Sun, 06 Nov 1994 08:49:37 GMT", out);
    assert_string_equal(out, "1994-11-06T08:49:37Z");
    nrt__discovery_rfc3339("Sun, 06 Nvo 1994 08:49:37 GMT", out);
    assert_string_equal(out, "");
    nrt__discovery_rfc3339("", out);
    assert_string_equal(out, "");
}

static void what_cannot_be_told_is_refused(void **state) {
    (void)state;
    static char long_text[600];
    memset(long_text, '1', sizeof(long_text) - 1);
    static const char *const unpaired[] = {"team", NULL};
    static const char *const ours[] = {"nrt.host", "x.nats", NULL};
    static const char *const control[] = {"team", "a\x1b[2J", NULL};
    static const char *const empty[] = {"", "a", NULL};
    const char *const longer[] = {"team", long_text, NULL};
    const char *many[2 * (NRT__DISCOVERY_METADATA_MAX + 1) + 1];
    for (size_t i = 0; i < COUNT(many) - 1; i++) {
        many[i] = "x";
    }
    many[COUNT(many) - 1] = NULL;
    const nrt_service_options bad[] = {
        {.version = "1.2"},      {.version = ""},        {.description = long_text},
        {.description = "a\nb"}, {.metadata = unpaired}, {.metadata = ours},
        {.metadata = control},   {.metadata = empty},    {.metadata = longer},
        {.metadata = many},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        const char *why = NULL;
        assert_int_equal(nrt__discovery_check(&bad[i], &why), NRT_ERR_USAGE);
        assert_non_null(why);
    }
    const char *const pairs[] = {"team", "a", "note", "", NULL};
    const nrt_service_options good = {
        .version = "1.2.3-rc.1", .description = "gr\xc3\xbc\xc3\x9f", .metadata = pairs};
    const nrt_service_options none = {.size = 0};
    const char *why = NULL;
    assert_int_equal(nrt__discovery_check(&good, &why), 0);
    assert_int_equal(nrt__discovery_check(&none, &why), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_semantic),
        cmocka_unit_test(text_that_moves_a_cursor_is_not_plain),
        cmocka_unit_test(a_name_is_the_host_without_its_dots),
        cmocka_unit_test(dates_are_rewritten),
        cmocka_unit_test(what_cannot_be_told_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
