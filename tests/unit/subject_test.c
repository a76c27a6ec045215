/* Hosts, methods, prefixes and subjects: nothing that NATS would read as a wildcard, a space or an
 * empty token. */
#include "unit.h"

#include "core/nats/subject.h"

static void assert_host(const char *host, const char *want) {
    char out[NRT__HOST_MAX + 1];
    assert_int_equal(nrt__host_canonical(nrt_str_from(host), out), 0);
    assert_string_equal(out, want);
}

static void hosts_come_out_in_lower_case(void **state) {
    (void)state;
    assert_host("weather.nats", "weather.nats");
    assert_host("Weather.NATS", "weather.nats");
    assert_host("a.b-c.d_e.1.nats", "a.b-c.d_e.1.nats");
    assert_host("n.nats", "n.nats");
    assert_host("nats.nats", "nats.nats");
}

static void hosts_that_could_harm_a_subject_are_refused(void **state) {
    (void)state;
    static const nrt_str bad[] = {
        {"", 0},          {".nats", 5},        {"nats", 4},
        {"weather", 7},   {"weather.com", 11}, {"weathernats", 11},
        {"..nats", 6},    {"a..nats", 7},      {".a.nats", 7},
        {"a.nats.", 7},   {"*.nats", 6},       {">.nats", 6},
        {"a b.nats", 8},  {"a\tb.nats", 8},    {"a\r\nb.nats", 9},
        {"a\0b.nats", 8}, {"a$.nats", 7},      {"a:1.nats", 8},
        {"a/b.nats", 8},  {"a%2e.nats", 9},    {"\xc3\xa4.nats", 7},
        {"a.nats:80", 9},
    };
    char out[NRT__HOST_MAX + 1];
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(nrt__host_canonical(bad[i], out), NRT_ERR_HOST);
    }
}

static void every_byte_but_those_of_names_is_refused_in_a_host(void **state) {
    (void)state;
    char out[NRT__HOST_MAX + 1];
    for (int c = 0; c < 256; c++) {
        char host[] = {'a', (char)c, 'b', '.', 'n', 'a', 't', 's'};
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_' || c == '.';
        assert_int_equal(nrt__host_canonical((nrt_str){host, 8}, out), good ? 0 : NRT_ERR_HOST);
    }
}

static void labels_have_63_bytes_and_hosts_253_at_most(void **state) {
    (void)state;
    char text[300];
    char out[NRT__HOST_MAX + 1];
    memset(text, 'a', sizeof(text));
    memcpy(text + 63, ".nats", 5);
    assert_int_equal(nrt__host_canonical((nrt_str){text, 68}, out), 0);
    memset(text, 'a', sizeof(text));
    memcpy(text + 64, ".nats", 5);
    assert_int_equal(nrt__host_canonical((nrt_str){text, 69}, out), NRT_ERR_HOST);

    for (size_t len = 253; len <= 254; len++) {
        memset(text, 'a', sizeof(text));
        for (size_t i = 50; i < len - 5; i += 51) {
            text[i] = '.';
        }
        memcpy(text + len - 5, ".nats", 5);
        assert_int_equal(nrt__host_canonical((nrt_str){text, len}, out),
                         len == 253 ? 0 : NRT_ERR_HOST);
    }
}

static void methods_are_subject_tokens(void **state) {
    (void)state;
    static const char *const good[] = {"GET", "get", "M-SEARCH", "X_1", "!#$%&'+^`|~"};
    static const char *const bad[] = {"",     "Get",   "gET", "GE.T", "*",     "G*",  ">",
                                      "GE T", "GET\t", "G/T", "\xc4", "GET\r", "a(b)"};
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(nrt__method_check(nrt_str_from(good[i])), 0);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(nrt__method_check(nrt_str_from(bad[i])), NRT_ERR_METHOD);
    }
    char text[NRT__METHOD_MAX + 1];
    memset(text, 'M', sizeof(text));
    assert_int_equal(nrt__method_check((nrt_str){text, NRT__METHOD_MAX}), 0);
    assert_int_equal(nrt__method_check((nrt_str){text, NRT__METHOD_MAX + 1}), NRT_ERR_METHOD);
    assert_int_equal(nrt__method_check((nrt_str){"G\0T", 3}), NRT_ERR_METHOD);
}

static void prefixes_are_literal_tokens(void **state) {
    (void)state;
    static const char *const good[] = {"nrt", "v2", "a.b.c", "Team-1", "x$y"};
    static const char *const bad[] = {"",    ".", "a.",  ".a",   "a..b",    "*",   "a.*",  "a*",
                                      "a.>", ">", "a>b", "$SYS", "$JS.API", "a b", "a\tb", "\xe4"};
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(nrt__prefix_check(nrt_str_from(good[i])), 0);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(nrt__prefix_check(nrt_str_from(bad[i])), NRT_ERR_HOST);
    }
    char text[NRT__PREFIX_MAX + 1];
    memset(text, 'p', sizeof(text));
    assert_int_equal(nrt__prefix_check((nrt_str){text, NRT__PREFIX_MAX}), 0);
    assert_int_equal(nrt__prefix_check((nrt_str){text, NRT__PREFIX_MAX + 1}), NRT_ERR_HOST);
}

static void a_request_goes_to_prefix_requests_host_method(void **state) {
    (void)state;
    nrt__buf out;
    nrt__buf_init(&out, NRT__SUBJECT_MAX);
    assert_true(
        nrt__subject_request(&out, NRT__STR("nrt"), NRT__STR("weather.nats"), NRT__STR("GET")));
    assert_view(nrt__buf_view(&out), "nrt.requests.weather.nats.get");
    nrt__buf_clear(&out);
    assert_true(nrt__subject_service(&out, NRT__STR("v2.x"), NRT__STR("Weather.nats")));
    assert_view(nrt__buf_view(&out), "v2.x.requests.weather.nats.*");
    nrt__buf_free(&out);
}

static void the_longest_parts_make_a_subject_that_fits(void **state) {
    (void)state;
    char text[256];
    memset(text, 'x', sizeof(text));
    nrt__buf out;
    nrt__buf_init(&out, NRT__SUBJECT_MAX);
    assert_true(nrt__subject_request(&out, (nrt_str){text, NRT__PREFIX_MAX},
                                     (nrt_str){text, NRT__HOST_MAX},
                                     (nrt_str){text, NRT__METHOD_MAX}));
    assert_int_equal(nrt__buf_len(&out),
                     NRT__PREFIX_MAX + 10 + NRT__HOST_MAX + 1 + NRT__METHOD_MAX);
    nrt__buf_free(&out);
}

static void the_last_token_is_the_method_in_lower_case(void **state) {
    (void)state;
    assert_view(nrt__subject_last(NRT__STR("a.b.get")), "get");
    assert_view(nrt__subject_last(NRT__STR("get")), "get");
    assert_view(nrt__subject_last(NRT__STR("a.")), "");
    assert_view(nrt__subject_last(NRT__STR("")), "");
    assert_true(nrt__method_is_token(NRT__STR("GET"), NRT__STR("get")));
    assert_false(nrt__method_is_token(NRT__STR("GET"), NRT__STR("GET")));
    assert_false(nrt__method_is_token(NRT__STR("GET"), NRT__STR("post")));
    assert_false(nrt__method_is_token(NRT__STR("GET"), NRT__STR("ge")));
    assert_false(nrt__method_is_token(NRT__STR("GET"), NRT__STR("")));
}

static void replies_go_to_literal_subjects_only(void **state) {
    (void)state;
    static const char *const good[] = {
        "_INBOX.abc.def",
        "_R_.x.y",
        "a",
        "a.b>c.d",
        "nrt.requests",
        "nats.get",
        "nrt.requests.weather.nats.get.more",
        "nrt.requestsx.weather.nats.get",
        "xrequests.weather.nats.get",
    };
    static const char *const bad[] = {
        "",
        "$SYS.REQ.SERVER.PING",
        "$JS.API.STREAM.DELETE.orders",
        "$SRV.PING",
        "$",
        "*",
        ">",
        "a.*",
        "a.>",
        "a.*.b",
        "a.>.b",
        "a b",
        "a\tb",
        "a\r\nPUB x 0",
        ".a",
        "a.",
        "a..b",
        "\xc3\xa4",
        "nrt.requests.weather.nats.get",
        "v2.x.requests.weather.nats.post",
        "requests.weather.nats.get",
        "a.requests.b.requests.c.nats.get",
        "nrt.requests.Weather.NATS.get",
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(nrt__reply_is_safe(nrt_str_from(good[i])));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(nrt__reply_is_safe(nrt_str_from(bad[i])));
    }
    assert_false(nrt__reply_is_safe((nrt_str){NULL, 0}));
    assert_false(nrt__reply_is_safe((nrt_str){"a\0b", 3}));
}

static void a_reply_subject_has_512_bytes_at_most(void **state) {
    (void)state;
    char text[NRT__SUBJECT_MAX + 1];
    memset(text, 'r', sizeof(text));
    assert_true(nrt__reply_is_safe((nrt_str){text, NRT__SUBJECT_MAX}));
    assert_false(nrt__reply_is_safe((nrt_str){text, NRT__SUBJECT_MAX + 1}));
}

static void a_nats_host_is_known_by_its_end(void **state) {
    (void)state;
    assert_true(nrt__host_is_nats(NRT__STR("weather.nats")));
    assert_true(nrt__host_is_nats(NRT__STR("WEATHER.NATS")));
    assert_true(nrt__host_is_nats(NRT__STR("*.nats")));
    assert_false(nrt__host_is_nats(NRT__STR("weather.nats.example")));
    assert_false(nrt__host_is_nats(NRT__STR("nats")));
    assert_false(nrt__host_is_nats((nrt_str){NULL, 0}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_come_out_in_lower_case),
        cmocka_unit_test(hosts_that_could_harm_a_subject_are_refused),
        cmocka_unit_test(every_byte_but_those_of_names_is_refused_in_a_host),
        cmocka_unit_test(labels_have_63_bytes_and_hosts_253_at_most),
        cmocka_unit_test(methods_are_subject_tokens),
        cmocka_unit_test(prefixes_are_literal_tokens),
        cmocka_unit_test(a_request_goes_to_prefix_requests_host_method),
        cmocka_unit_test(the_longest_parts_make_a_subject_that_fits),
        cmocka_unit_test(the_last_token_is_the_method_in_lower_case),
        cmocka_unit_test(replies_go_to_literal_subjects_only),
        cmocka_unit_test(a_reply_subject_has_512_bytes_at_most),
        cmocka_unit_test(a_nats_host_is_known_by_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
