/* Lines of the access log, and what peers cannot do to them. */
#include "unit.h"

#include <jansson.h>

#include "cli/daemon/access_log.h"
#include "core/base/str.h"

enum { WHEN = 1795774824 }; /* 2026-11-27 10:20:24 UTC */

static nrt__message request_with(nrt_str target, nrt_str agent) {
    nrt__message request;
    nrt__message_init(&request, true);
    request.method = NRT__STR("GET");
    request.target = target;
    request.minor = 1;
    nrt__fields_append(&request.fields, NRT__STR("Host"), NRT__STR("www.example"));
    nrt__fields_append(&request.fields, NRT__STR("Referer"), NRT__STR("http://a/"));
    nrt__fields_append(&request.fields, NRT__STR("user-agent"), agent);
    return request;
}

static nrt__access access_of(const nrt__message *request) {
    return (nrt__access){.peer = NRT__STR("127.0.0.1"),
                         .request = request,
                         .service = NRT__STR("a.nats"),
                         .status = 200,
                         .request_bytes = 3,
                         .bytes = 1234,
                         .duration_ns = 1234567,
                         .upstream_ns = 999999,
                         .attempts = 2,
                         .id = NRT__STR("ID"),
                         .server = NRT__STR("n1"),
                         .client = NRT__STR("5"),
                         .cluster = NRT__STR("C1"),
                         .error = "",
                         .detail = ""};
}

static void assert_line(nrt__access_format format, const nrt__access *access, const char *want) {
    nrt__buf out;
    nrt__buf_init(&out, 1 << 20);
    nrt__access_write(&out, format, access, WHEN, 7);
    nrt__buf_add(&out, "", 1);
    assert_false(out.failed);
    assert_string_equal(nrt__buf_view(&out).ptr, want);
    nrt__buf_free(&out);
}

static void combined_is_what_web_servers_write(void **state) {
    (void)state;
    nrt__message request = request_with(NRT__STR("/a?b"), NRT__STR("curl/8"));
    nrt__access access = access_of(&request);
    assert_line(NRT__ACCESS_COMBINED, &access,
                "127.0.0.1 - - [27/Nov/2026:10:20:24 +0000] \"GET /a?b HTTP/1.1\" 200 1234 "
                "\"http://a/\" \"curl/8\"\n");
    nrt__message_free(&request);
}

static void json_tells_who_answered_and_how_long_that_took(void **state) {
    (void)state;
    nrt__message request = request_with(NRT__STR("/a?b"), NRT__STR("curl/8"));
    nrt__access access = access_of(&request);
    assert_line(NRT__ACCESS_JSON, &access,
                "{\"time\":\"2026-11-27T10:20:24.007Z\",\"peer\":\"127.0.0.1\",\"method\":\"GET\","
                "\"target\":\"/a?b\",\"protocol\":\"HTTP/1.1\",\"host\":\"www.example\","
                "\"service\":\"a.nats\",\"status\":200,\"request_bytes\":3,\"bytes\":1234,"
                "\"duration_ms\":1.234,\"upstream_ms\":0.999,\"attempts\":2,\"id\":\"ID\","
                "\"instance\":\"n1/5\",\"cluster\":\"C1\",\"referer\":\"http://a/\","
                "\"user_agent\":\"curl/8\"}\n");
    nrt__message_free(&request);
}

static void a_request_that_could_not_be_read_has_a_line_too(void **state) {
    (void)state;
    nrt__message request;
    nrt__message_init(&request, true);
    nrt__access access = {.peer = NRT__STR("::1"),
                          .request = &request,
                          .status = 400,
                          .duration_ns = -3,
                          .upstream_ns = -1,
                          .error = "bad-request",
                          .detail = "why"};
    assert_line(NRT__ACCESS_COMBINED, &access,
                "::1 - - [27/Nov/2026:10:20:24 +0000] \"-\" 400 0 \"-\" \"-\"\n");
    assert_line(NRT__ACCESS_JSON, &access,
                "{\"time\":\"2026-11-27T10:20:24.007Z\",\"peer\":\"::1\",\"status\":400,"
                "\"request_bytes\":0,\"bytes\":0,\"duration_ms\":0.000,\"error\":\"bad-request\","
                "\"detail\":\"why\"}\n");
    nrt__message_free(&request);
}

/* Every byte there is, in a field that a peer chooses. */
static void no_byte_of_a_peer_ends_a_line_or_a_field(void **state) {
    (void)state;
    char bytes[256];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)i;
    }
    nrt__message request = request_with((nrt_str){bytes, sizeof(bytes)}, (nrt_str){bytes, 256});
    request.method = (nrt_str){bytes, sizeof(bytes)};
    nrt__access access = access_of(&request);
    for (int format = 0; format <= NRT__ACCESS_JSON; format++) {
        nrt__buf out;
        nrt__buf_init(&out, 1 << 20);
        nrt__access_write(&out, (nrt__access_format)format, &access, WHEN, 7);
        nrt_str line = nrt__buf_view(&out);
        size_t quotes = 0;
        for (size_t i = 0; i + 1 < line.len; i++) {
            unsigned char c = (unsigned char)line.ptr[i];
            assert_true(c >= 0x20 && c != 0x7f);
            assert_true(c < 0x7f || format == NRT__ACCESS_JSON);
            quotes += c == '"';
        }
        assert_int_equal(line.ptr[line.len - 1], '\n');
        if (format == NRT__ACCESS_COMBINED) {
            assert_int_equal(quotes, 6);
        } else {
            json_t *object =
                json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
            assert_non_null(object);
            json_decref(object);
        }
        nrt__buf_free(&out);
    }
    nrt__message_free(&request);
}

static void what_is_long_is_cut(void **state) {
    (void)state;
    size_t size = 100000;
    char *text = malloc(size);
    memset(text, '\xff', size);
    nrt__message request = request_with((nrt_str){text, size}, (nrt_str){text, size});
    request.method = (nrt_str){text, size};
    nrt__access access = access_of(&request);
    access.peer = access.service = access.server = access.client = (nrt_str){text, size};
    for (int format = 0; format <= NRT__ACCESS_JSON; format++) {
        nrt__buf out;
        nrt__buf_init(&out, 1 << 20);
        nrt__access_write(&out, (nrt__access_format)format, &access, WHEN, 7);
        assert_false(out.failed);
        assert_true(nrt__buf_len(&out) < 50000);
        nrt__buf_free(&out);
    }
    nrt__message_free(&request);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(combined_is_what_web_servers_write),
        cmocka_unit_test(json_tells_who_answered_and_how_long_that_took),
        cmocka_unit_test(a_request_that_could_not_be_read_has_a_line_too),
        cmocka_unit_test(no_byte_of_a_peer_ends_a_line_or_a_field),
        cmocka_unit_test(what_is_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
