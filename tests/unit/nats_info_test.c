/* INFO as a hostile server might send it, and CONNECT as every server reads it. */
#include "unit.h"

#include <jansson.h>

#include "core/nats/info.h"

static nrt__nats_info info;

static int read_info(const char *json) {
    memset(&info, 0xff, sizeof(info));
    return nrt__nats_info_read(&info, nrt_str_from(json));
}

static void what_a_server_says_of_itself_is_read(void **state) {
    (void)state;
    assert_int_equal(
        read_info(
            "{\"server_id\":\"X\",\"server_name\":\"n1\",\"version\":\"2.10.1\",\"cluster\":\"c\","
            "\"client_id\":12345678901,\"max_payload\":1048576,\"headers\":true,"
            "\"auth_required\":true,\"tls_required\":true,\"ldm\":true,\"nonce\":\"abc\","
            "\"connect_urls\":[\"10.0.0.1:4222\",\"[::1]:4222\"],\"unknown\":{\"a\":[1]}}"),
        0);
    assert_string_equal(info.server_name, "n1");
    assert_string_equal(info.version, "2.10.1");
    assert_string_equal(info.cluster, "c");
    assert_string_equal(info.nonce, "abc");
    assert_true(info.client_id == UINT64_C(12345678901));
    assert_int_equal(info.max_payload, 1048576);
    assert_true(info.headers && info.auth_required && info.tls_required && info.lame_duck);
    assert_int_equal(info.url_count, 2);
    assert_string_equal(info.urls[0], "10.0.0.1:4222");
    assert_string_equal(info.urls[1], "[::1]:4222");
}

static void what_is_not_said_is_empty(void **state) {
    (void)state;
    assert_int_equal(read_info("{}"), 0);
    assert_string_equal(info.server_name, "");
    assert_string_equal(info.cluster, "");
    assert_int_equal(info.max_payload, 0);
    assert_int_equal(info.client_id, 0);
    assert_false(info.headers || info.auth_required || info.tls_required || info.lame_duck);
    assert_int_equal(info.url_count, 0);
}

static void what_is_not_a_json_object_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "1",
                                      "null",
                                      "{\"a\":}",
                                      "{} {}",
                                      "{\"a\":1,\"a\":2}",
                                      "\"x\"",
                                      "{\"a\":\"\\u0000\"}",
                                      "{\"a\":\"\xff\"}"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(read_info(bad[i]), NRT_ERR_SERVER);
    }
    static char deep[100001];
    memset(deep, '[', sizeof(deep) - 1);
    assert_int_equal(read_info(deep), NRT_ERR_SERVER);
}

/* Else a server could make us promise any amount of memory. */
static void an_enormous_max_payload_is_not_believed(void **state) {
    (void)state;
    assert_int_equal(read_info("{\"max_payload\":9223372036854775807}"), 0);
    assert_int_equal(info.max_payload, NRT__NATS_PAYLOAD_MAX);
}

static void values_of_the_wrong_kind_count_as_not_said(void **state) {
    (void)state;
    assert_int_equal(read_info("{\"server_name\":5,\"max_payload\":\"many\",\"client_id\":-3,"
                               "\"headers\":\"yes\",\"tls_required\":1,\"connect_urls\":\"a\"}"),
                     0);
    assert_string_equal(info.server_name, "");
    assert_int_equal(info.max_payload, 0);
    assert_int_equal(info.client_id, 0);
    assert_false(info.headers);
    assert_false(info.tls_required);
    assert_int_equal(info.url_count, 0);
}

static void names_that_could_inject_a_field_come_out_empty(void **state) {
    (void)state;
    static const char *const bad[] = {"a\\r\\nB: c", "a\\n", "\\u001b[0m", " a", "a ", "\\u007f"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        char json[200];
        snprintf(json, sizeof(json), "{\"server_name\":\"%s\",\"cluster\":\"%s\"}", bad[i], bad[i]);
        assert_int_equal(read_info(json), 0);
        assert_string_equal(info.server_name, "");
        assert_string_equal(info.cluster, "");
    }
}

static void names_longer_than_their_place_come_out_empty(void **state) {
    (void)state;
    for (size_t len = NRT__NATS_NAME_MAX; len <= NRT__NATS_NAME_MAX + 1; len++) {
        char name[300];
        char json[400];
        memset(name, 'n', len);
        name[len] = '\0';
        snprintf(json, sizeof(json), "{\"server_name\":\"%s\"}", name);
        assert_int_equal(read_info(json), 0);
        assert_string_equal(info.server_name, len == NRT__NATS_NAME_MAX ? name : "");
    }
}

static void urls_are_bounded_in_number_and_length(void **state) {
    (void)state;
    static char json[100000];
    char longest[300];
    memset(longest, 'u', sizeof(longest));
    longest[sizeof(info.urls[0])] = '\0';
    int len = snprintf(json, sizeof(json), "{\"connect_urls\":[5,null,\"a b\",\"\",\"%s\",\"%s\"",
                       longest, longest + 1);
    for (int i = 0; i < 1000; i++) {
        len += snprintf(json + len, sizeof(json) - (size_t)len, ",\"h%d:1\"", i);
    }
    snprintf(json + len, sizeof(json) - (size_t)len, "]}");
    assert_int_equal(read_info(json), 0);
    assert_int_equal(info.url_count, NRT__NATS_URLS_MAX);
    assert_string_equal(info.urls[0], longest + 1);
    assert_string_equal(info.urls[1], "h0:1");
    assert_string_equal(info.urls[63], "h62:1");
}

static json_t *connect_with(const nrt__nats_login *login) {
    nrt__buf out;
    nrt__buf_init(&out, 4096);
    assert_int_equal(nrt__nats_connect_write(&out, login, "nonce"), 0);
    nrt_str text = nrt__buf_view(&out);
    assert_true(nrt__str_starts(text, NRT__STR("CONNECT {")));
    assert_memory_equal(text.ptr + text.len - 3, "}\r\n", 3);
    for (size_t i = 0; i < text.len - 2; i++) {
        assert_in_range(text.ptr[i], 0x20, 0x7e); /* one line, whatever is in it */
    }
    json_t *json = json_loadb(text.ptr + 8, text.len - 8, 0, NULL);
    assert_non_null(json);
    nrt__buf_free(&out);
    return json;
}

static void connect_says_what_is_needed(void **state) {
    (void)state;
    json_t *json = connect_with(&(nrt__nats_login){.name = "nrt"});
    assert_true(json_is_false(json_object_get(json, "verbose")));
    assert_true(json_is_false(json_object_get(json, "pedantic")));
    assert_true(json_is_true(json_object_get(json, "headers")));
    assert_true(json_is_true(json_object_get(json, "no_responders")));
    assert_int_equal(json_integer_value(json_object_get(json, "protocol")), 1);
    assert_string_equal(json_string_value(json_object_get(json, "name")), "nrt");
    assert_string_equal(json_string_value(json_object_get(json, "version")), nrt_version());
    assert_null(json_object_get(json, "user"));
    assert_null(json_object_get(json, "pass"));
    assert_null(json_object_get(json, "auth_token"));
    json_decref(json);
}

static void credentials_cannot_break_out_of_connect(void **state) {
    (void)state;
    const nrt__nats_login login = {.name = "a\"b",
                                   .user = "me\r\nPUB x 0\r\n",
                                   .password = "p\\\"w\xc3\xa9",
                                   .token = "t\x01\x1b"};
    json_t *json = connect_with(&login);
    assert_string_equal(json_string_value(json_object_get(json, "name")), login.name);
    assert_string_equal(json_string_value(json_object_get(json, "user")), login.user);
    assert_string_equal(json_string_value(json_object_get(json, "pass")), login.password);
    assert_string_equal(json_string_value(json_object_get(json, "auth_token")), login.token);
    json_decref(json);
}

static bool sign(void *arg, nrt_str nonce, char sig[NRT__NATS_SIG_SIZE]) {
    if (!arg) {
        return false;
    }
    snprintf(sig, NRT__NATS_SIG_SIZE, "%s of %.*s", (const char *)arg, NRT__ARG(nonce));
    return true;
}

static void a_nonce_is_signed_and_a_server_without_one_gets_no_signature(void **state) {
    (void)state;
    nrt__nats_login login = {.jwt = "a.b.c", .sign = sign, .sign_arg = "mine", .tls = true};
    json_t *json = connect_with(&login);
    assert_string_equal(json_string_value(json_object_get(json, "jwt")), "a.b.c");
    assert_string_equal(json_string_value(json_object_get(json, "sig")), "mine of nonce");
    assert_true(json_is_true(json_object_get(json, "tls_required")));
    assert_null(json_object_get(json, "nkey"));
    json_decref(json);

    nrt__buf out;
    nrt__buf_init(&out, 4096);
    login = (nrt__nats_login){.nkey = "UABC", .sign = sign, .sign_arg = "mine"};
    assert_int_equal(nrt__nats_connect_write(&out, &login, ""), 0);
    nrt_str text = nrt__buf_view(&out);
    assert_non_null(memmem(text.ptr, text.len, "\"nkey\":\"UABC\"", 13));
    assert_null(memmem(text.ptr, text.len, "\"sig\"", 5));
    login.sign_arg = NULL;
    assert_int_equal(nrt__nats_connect_write(&out, &login, "nonce"), NRT_ERR_AUTH);
    nrt__buf_free(&out);
}

static void what_does_not_fit_is_told(void **state) {
    (void)state;
    nrt__buf out;
    nrt__buf_init(&out, 40);
    assert_int_equal(nrt__nats_connect_write(&out, &(nrt__nats_login){.name = "nrt"}, ""),
                     NRT_ERR_MEMORY);
    nrt__buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_server_says_of_itself_is_read),
        cmocka_unit_test(what_is_not_said_is_empty),
        cmocka_unit_test(what_is_not_a_json_object_is_refused),
        cmocka_unit_test(an_enormous_max_payload_is_not_believed),
        cmocka_unit_test(values_of_the_wrong_kind_count_as_not_said),
        cmocka_unit_test(names_that_could_inject_a_field_come_out_empty),
        cmocka_unit_test(names_longer_than_their_place_come_out_empty),
        cmocka_unit_test(urls_are_bounded_in_number_and_length),
        cmocka_unit_test(connect_says_what_is_needed),
        cmocka_unit_test(credentials_cannot_break_out_of_connect),
        cmocka_unit_test(a_nonce_is_signed_and_a_server_without_one_gets_no_signature),
        cmocka_unit_test(what_does_not_fit_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
