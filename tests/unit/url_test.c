/* URLs: split and checked, resolved as RFC 3986 section 5.4 shows, authorities as RFC 9110
 * section 7.2 has them. */
#include "unit.h"

#include "core/http/url.h"

static void a_url_comes_apart(void **state) {
    (void)state;
    nrt__url url;
    assert_int_equal(
        nrt__url_parse(NRT__STR("HTTPS://me:pw@Weather.nats:8080/city/x?u=1?2#f?g"), &url), 0);
    assert_view(url.scheme, "HTTPS");
    assert_view(url.userinfo, "me:pw");
    assert_view(url.host, "Weather.nats");
    assert_view(url.port, "8080");
    assert_view(url.path, "/city/x");
    assert_view(url.query, "?u=1?2");
    assert_view(url.fragment, "#f?g");
}

static void what_is_not_there_is_absent_or_empty(void **state) {
    (void)state;
    nrt__url url;
    assert_int_equal(nrt__url_parse(NRT__STR("http://a"), &url), 0);
    assert_absent(url.userinfo);
    assert_view(url.host, "a");
    assert_int_equal(url.port.len, 0);
    assert_view(url.path, "");
    assert_view(url.query, "");
    assert_view(url.fragment, "");

    assert_int_equal(nrt__url_parse(NRT__STR("http://a:?q"), &url), 0);
    assert_int_equal(url.port.len, 0);
    assert_view(url.path, "");
    assert_view(url.query, "?q");

    assert_int_equal(nrt__url_parse(NRT__STR("http://@a/"), &url), 0);
    assert_non_null(url.userinfo.ptr);
    assert_view(url.userinfo, "");
}

static void the_last_at_sign_ends_the_userinfo(void **state) {
    (void)state;
    nrt__url url;
    assert_int_equal(nrt__url_parse(NRT__STR("http://a@b@c.nats/d@e"), &url), 0);
    assert_view(url.userinfo, "a@b");
    assert_view(url.host, "c.nats");
    assert_view(url.path, "/d@e");
}

static void what_is_not_a_url_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "http",
        "http:",
        "http:/a",
        "http://",
        "http:///path",
        "http://:80/",
        "http://a:0/",
        "http://a:65536/",
        "http://a:8x/",
        "http://a:-1/",
        "http://a:1:2/",
        "ftp://a/",
        "httpx://a/",
        "//a/",
        "/a",
        "http://a b/",
        "http://a/ b",
        "http://a/\tb",
        "http://a/\r\nb",
        "http://a/\xc3\xa4",
        "http://\xc3\xa4/",
        "http://a%/",
        "http://a%4/",
        "http://a%4g/",
        "http://a\\b/",
        "http://a\"/",
        "http://<a>/",
        "http://[::1/",
        "http://[::1]x/",
        "http://::1/",
        "http://[]/",
        " http://a/",
    };
    nrt__url url;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (nrt__url_parse(nrt_str_from(bad[i]), &url) != NRT_ERR_URL) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    assert_int_equal(nrt__url_parse((nrt_str){"http://a/\0b", 11}, &url), NRT_ERR_URL);
    assert_int_equal(nrt__url_parse((nrt_str){NULL, 0}, &url), NRT_ERR_URL);
}

static void assert_authority(const char *text, const char *want_host, const char *want_port) {
    nrt_str host;
    nrt_str port;
    assert_true(nrt__authority_split(nrt_str_from(text), &host, &port));
    assert_view(host, want_host);
    assert_int_equal(port.len, strlen(want_port));
    assert_memory_equal(port.ptr ? port.ptr : "", want_port, port.len);
}

static void an_authority_is_host_and_port(void **state) {
    (void)state;
    assert_authority("weather.nats", "weather.nats", "");
    assert_authority("weather.nats:443", "weather.nats", "443");
    assert_authority("a:", "a", "");
    assert_authority("a:65535", "a", "65535");
    assert_authority("a%2Fb!$&'()*+,;=-._~", "a%2Fb!$&'()*+,;=-._~", "");
    assert_authority("192.0.2.1:80", "192.0.2.1", "80");
    assert_authority("[::1]:8080", "[::1]", "8080");
    assert_authority("[2001:db8::192.0.2.1]", "[2001:db8::192.0.2.1]", "");
    assert_authority("[v1F.a:b]:1", "[v1F.a:b]", "1");
}

static void what_is_no_authority_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",     ":",   ":80",     "a:0",   "a:65536", "a:+1", "a: 1",  "a:1:1",   "a b",    "a/b",
        "a?b",  "a#b", "a@b",     "u:p@h", "a%",      "a%zz", "[",     "]",       "[]",     "[:]x",
        "[::1", "::1", "[::1]80", "[::g]", "[v.a]",   "[v1]", "[v1.]", "[v1.a%]", "[vg.a]", "a\\b",
        "a|b",  "a^b", "a`b",     "{a}",   "a\"b",    "<a>",  "a\x7f", "\xe4",    "a\r\nb",
    };
    nrt_str host;
    nrt_str port;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (nrt__authority_split(nrt_str_from(bad[i]), &host, &port)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    assert_false(nrt__authority_split((nrt_str){"a\0b", 3}, &host, &port));
    assert_false(nrt__authority_split((nrt_str){NULL, 0}, &host, &port));
}

/* RFC 3986 section 3.2.2: eight groups of at most four hex digits, or fewer around one "::". */
static void what_is_in_brackets_is_an_ipv6_address(void **state) {
    (void)state;
    static const char *const bad[] = {"[:::]",     "[1:2]",       "[abcd]", "[1::2::3]",
                                      "[12345::]", "[192.0.2.1]", "[...]",  "[::256.0.0.1]"};
    nrt_str host;
    nrt_str port;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (nrt__authority_split(nrt_str_from(bad[i]), &host, &port)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

static void assert_resolved(const char *base, const char *reference, const char *want) {
    char out[256];
    int error = nrt__url_resolve(nrt_str_from(base), nrt_str_from(reference), out, sizeof(out));
    if (error != 0) {
        fail_msg("%s on %s: refused", reference, base);
    }
    if (strcmp(out, want) != 0) {
        fail_msg("%s on %s: got %s, want %s", reference, base, out, want);
    }
}

static void references_resolve_as_in_rfc_3986(void **state) {
    (void)state;
    /* Sections 5.4.1 and 5.4.2, those that stay with http. */
    static const char *const rows[][2] = {
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q#s"},
        {"g#s", "http://a/b/c/g#s"},
        {"g?y#s", "http://a/b/c/g?y#s"},
        {";x", "http://a/b/c/;x"},
        {"g;x", "http://a/b/c/g;x"},
        {"g;x?y#s", "http://a/b/c/g;x?y#s"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"../../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {".g", "http://a/b/c/.g"},
        {"g..", "http://a/b/c/g.."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/./x", "http://a/b/c/g?y/./x"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"g#s/../x", "http://a/b/c/g#s/../x"},
        {"https://x/y", "https://x/y"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_resolved("http://a/b/c/d;p?q", rows[i][0], rows[i][1]);
    }
}

static void a_base_without_a_path_has_a_root(void **state) {
    (void)state;
    assert_resolved("http://a.nats", "x", "http://a.nats/x");
    assert_resolved("http://a.nats", "../x", "http://a.nats/x");
    assert_resolved("http://a.nats?q", "#f", "http://a.nats?q#f");
    assert_resolved("http://u@a.nats:81/b?c#d", "x", "http://u@a.nats:81/x");
}

/* Section 5.2.2 removes dot segments from references with a scheme or an authority as well. */
static void absolute_references_lose_their_dots_too(void **state) {
    (void)state;
    assert_resolved("http://a/b", "http://c/d/../e", "http://c/e");
    assert_resolved("http://a/b", "//c/./d/../e?x/../y", "http://c/e?x/../y");
}

static void references_that_leave_http_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "ftp://x/", "javascript:alert(1)", "http:g", "mailto:a@b", "//", "g h", "g\r\nh", "\xe4"};
    char out[256];
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(
            nrt__url_resolve(NRT__STR("http://a/b"), nrt_str_from(bad[i]), out, sizeof(out)),
            NRT_ERR_URL);
    }
    assert_int_equal(nrt__url_resolve(NRT__STR("a/b"), NRT__STR("/c"), out, sizeof(out)),
                     NRT_ERR_URL);
}

static void what_does_not_fit_is_refused_and_nothing_is_written_behind(void **state) {
    (void)state;
    char out[16];
    const char *fits = "http://a/b";
    memset(out, '!', sizeof(out));
    assert_int_equal(nrt__url_resolve(NRT__STR("http://a/"), NRT__STR("b"), out, 11), 0);
    assert_string_equal(out, fits);
    assert_int_equal(out[11], '!');
    memset(out, '!', sizeof(out));
    for (size_t size = 0; size < 11; size++) {
        assert_int_equal(nrt__url_resolve(NRT__STR("http://a/"), NRT__STR("b"), out, size),
                         NRT_ERR_URL);
        assert_int_equal(out[size], '!');
    }
}

/* A server behind a base path would climb out of it. */
static void dot_segments_are_found_however_they_are_written(void **state) {
    (void)state;
    static const char *const with[] = {
        "/..",         "/.",        "/a/../b",     "/a/./b",      "/a/%2e%2E/b", "/a/.%2e",
        "/a/%2E?x",    "/a\\..\\b", "/a%2f..%2Fb", "/a%5C..%5cb", "/..;x=1/b",   "/a/..;/b",
        "/%2e%2e%2fb", "..",        "/a/..?x/y",   "/a;b/../c",
    };
    static const char *const without[] = {
        "",         "/",          "/a/b",    "/...", "/a/...b", "/a..b/",      "/..a/b",
        "/a?/../b", "/%2e%2e%2e", "/a/b;..", "/%2",  "/%",      "/%252e%252e", "/a;../b",
    };
    for (size_t i = 0; i < COUNT(with); i++) {
        if (!nrt__path_has_dots(nrt_str_from(with[i]))) {
            fail_msg("%s", with[i]);
        }
    }
    for (size_t i = 0; i < COUNT(without); i++) {
        if (nrt__path_has_dots(nrt_str_from(without[i]))) {
            fail_msg("%s", without[i]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_comes_apart),
        cmocka_unit_test(what_is_not_there_is_absent_or_empty),
        cmocka_unit_test(the_last_at_sign_ends_the_userinfo),
        cmocka_unit_test(what_is_not_a_url_is_refused),
        cmocka_unit_test(an_authority_is_host_and_port),
        cmocka_unit_test(what_is_no_authority_is_refused),
        cmocka_unit_test(what_is_in_brackets_is_an_ipv6_address),
        cmocka_unit_test(references_resolve_as_in_rfc_3986),
        cmocka_unit_test(a_base_without_a_path_has_a_root),
        cmocka_unit_test(absolute_references_lose_their_dots_too),
        cmocka_unit_test(references_that_leave_http_are_refused),
        cmocka_unit_test(what_does_not_fit_is_refused_and_nothing_is_written_behind),
        cmocka_unit_test(dot_segments_are_found_however_they_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
