/* The gateway's routes: whole path segments, the longest pattern, a host before none. */
#include "unit.h"

#include "bridge/route.h"

static int setup(void **state) {
    *state = nrt__routes_create();
    return *state ? 0 : -1;
}

static int teardown(void **state) {
    nrt__routes_destroy(*state);
    return 0;
}

static void add(nrt__routes *routes, const char *text) {
    assert_int_equal(nrt__routes_add(routes, text), 0);
}

static void assert_route(nrt__routes *routes, const char *authority, const char *path,
                         const char *want) {
    nrt_str host = nrt__routes_find(routes, nrt_str_from(authority), nrt_str_from(path), NULL);
    if (!want) {
        assert_absent(host);
    } else {
        assert_view(host, want);
    }
}

static void a_pattern_is_a_path_and_what_is_below(void **state) {
    nrt__routes *routes = *state;
    add(routes, "/city=weather.nats");
    assert_route(routes, NULL, "/city", "weather.nats");
    assert_route(routes, NULL, "/city/", "weather.nats");
    assert_route(routes, NULL, "/city/berlin?x", "weather.nats");
    assert_route(routes, NULL, "/city?x", "weather.nats");
    assert_route(routes, "any.example", "/city", "weather.nats");
    assert_route(routes, NULL, "/cityx", NULL);
    assert_route(routes, NULL, "/City", NULL);
    assert_route(routes, NULL, "/cit", NULL);
    assert_route(routes, NULL, "/", NULL);
    assert_route(routes, NULL, "*", NULL);
    assert_route(routes, NULL, "", NULL);
}

static void the_longest_pattern_wins_in_any_order(void **state) {
    nrt__routes *routes = *state;
    add(routes, "/a/b=long.nats");
    add(routes, "/=root.nats");
    add(routes, "/a=short.nats");
    add(routes, "/a/b/c=longest.nats");
    assert_route(routes, NULL, "/", "root.nats");
    assert_route(routes, NULL, "/x", "root.nats");
    assert_route(routes, NULL, "/a", "short.nats");
    assert_route(routes, NULL, "/a/x", "short.nats");
    assert_route(routes, NULL, "/a/b", "long.nats");
    assert_route(routes, NULL, "/a/b/c/d", "longest.nats");
    assert_route(routes, NULL, "/a/b/cd", "long.nats");
}

static void a_pattern_with_a_host_wins_over_one_without(void **state) {
    nrt__routes *routes = *state;
    add(routes, "/very/long/path=any.nats");
    add(routes, "www.Example.net/=host.nats");
    add(routes, "other.example/x=other.nats");
    assert_route(routes, "www.example.net", "/very/long/path", "host.nats");
    assert_route(routes, "www.example.org", "/very/long/path", "any.nats");
    assert_route(routes, NULL, "/very/long/path", "any.nats");
    assert_route(routes, "other.example", "/x/y", "other.nats");
    assert_route(routes, "other.example", "/y", NULL);
    assert_route(routes, NULL, "/x", NULL);
}

static void paths_keep_their_case_and_hosts_do_not(void **state) {
    nrt__routes *routes = *state;
    add(routes, "WWW.example/City=Weather.NATS");
    assert_route(routes, "www.example", "/City", "weather.nats");
    assert_route(routes, "www.example", "/city", NULL);
}

static void a_slash_at_the_end_says_nothing_more(void **state) {
    nrt__routes *routes = *state;
    add(routes, "/city/=weather.nats");
    assert_route(routes, NULL, "/city", "weather.nats");
    assert_route(routes, NULL, "/city/x", "weather.nats");
    assert_int_equal(nrt__routes_add(routes, "/city=other.nats"), NRT_ERR_USAGE);
}

static void what_is_not_a_route_is_refused(void **state) {
    nrt__routes *routes = *state;
    static const char *const usage[] = {
        "",
        "/city",
        "city=weather.nats",
        "=weather.nats",
        "/a b=a.nats",
        "/a?b=a.nats",
        "/a#b=a.nats",
        "www.example:80/=a.nats",
        "a b/=a.nats",
        "u@h/=a.nats",
        "/\xc3\xa4=a.nats",
        "/a\r\n=a.nats",
    };
    static const char *const host[] = {"/=",        "/=weather", "/=weather.example", "/=*.nats",
                                       "/=a.nats ", "/=a..nats", "/=a.nats/x"};
    for (size_t i = 0; i < COUNT(usage); i++) {
        int error = nrt__routes_add(routes, usage[i]);
        assert_true(error == NRT_ERR_USAGE);
    }
    for (size_t i = 0; i < COUNT(host); i++) {
        assert_int_equal(nrt__routes_add(routes, host[i]), NRT_ERR_HOST);
    }
    assert_int_equal(nrt__routes_count(routes), 0);
}

static void the_same_pattern_twice_is_refused(void **state) {
    nrt__routes *routes = *state;
    add(routes, "/a=one.nats");
    add(routes, "h.example/a=two.nats");
    assert_int_equal(nrt__routes_add(routes, "/a=two.nats"), NRT_ERR_USAGE);
    assert_int_equal(nrt__routes_add(routes, "H.example/a/=two.nats"), NRT_ERR_USAGE);
    assert_int_equal(nrt__routes_count(routes), 2);
    assert_route(routes, NULL, "/a", "one.nats");
}

static void the_table_can_be_read_for_messages(void **state) {
    nrt__routes *routes = *state;
    const char *pattern;
    const char *host;
    add(routes, "/a=one.nats");
    add(routes, "H.example/b/=two.nats");
    nrt__routes_at(routes, 0, &pattern, &host);
    assert_string_equal(pattern, "/a");
    assert_string_equal(host, "one.nats");
    nrt__routes_at(routes, 1, &pattern, &host);
    assert_string_equal(pattern, "h.example/b/");
    assert_string_equal(host, "two.nats");
}

static void a_route_may_have_settings_of_its_own(void **state) {
    nrt__routes *routes = *state;
    nrt__route_settings got = {.timeout_ms = 7};
    const nrt__route_settings own = {.timeout_ms = 5, .max_body = 6, .long_poll = true};
    add(routes, "/=plain.nats");
    assert_int_equal(nrt__routes_add_with(routes, "/own=own.nats", &own), 0);
    assert_view(nrt__routes_find(routes, NRT__STR("a"), NRT__STR("/own/x"), &got), "own.nats");
    assert_int_equal(got.timeout_ms, 5);
    assert_int_equal(got.max_body, 6);
    assert_true(got.long_poll);
    assert_view(nrt__routes_find(routes, NRT__STR("a"), NRT__STR("/x"), &got), "plain.nats");
    assert_int_equal(got.timeout_ms, 0);
    assert_int_equal(got.max_body, 0);
    assert_false(got.long_poll);
}

static void without_a_table_nothing_is_found(void **state) {
    (void)state;
    assert_absent(nrt__routes_find(NULL, NRT__STR("a"), NRT__STR("/"), NULL));
    assert_int_equal(nrt__routes_count(NULL), 0);
    nrt__routes_destroy(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_pattern_is_a_path_and_what_is_below),
        TEST(the_longest_pattern_wins_in_any_order),
        TEST(a_pattern_with_a_host_wins_over_one_without),
        TEST(paths_keep_their_case_and_hosts_do_not),
        TEST(a_slash_at_the_end_says_nothing_more),
        TEST(what_is_not_a_route_is_refused),
        TEST(the_same_pattern_twice_is_refused),
        TEST(a_route_may_have_settings_of_its_own),
        TEST(the_table_can_be_read_for_messages),
        cmocka_unit_test(without_a_table_nothing_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
