/* The writer: its bytes are what they should be, and the reader gets back what was meant. Whole
 * payloads (h1_whole) are read here too. */
#include "unit.h"

#include "core/http/h1_whole.h"
#include "core/http/h1_writer.h"
#include "h1_feed.h"

static nrt__message m;
static nrt__buf out;
static nrt__buf wire; /* both parts */

static int setup(void **state) {
    (void)state;
    nrt__message_init(&m, false);
    nrt__buf_init(&out, 100000);
    nrt__buf_init(&wire, 100000);
    m.status = 200;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    nrt__message_free(&m);
    nrt__buf_free(&out);
    nrt__buf_free(&wire);
    return 0;
}

static void request(const char *method, const char *target) {
    m.is_request = true;
    m.method = nrt_str_from(method);
    m.target = nrt_str_from(target);
    m.host = NRT__STR("a.nats");
}

static void add(const char *name, const char *value) {
    assert_int_equal(nrt_fields_add(&m.fields, nrt_str_from(name), nrt_str_from(value)), 0);
}

static nrt_str written(unsigned skip, const char *extra, bool to_head) {
    nrt_str parts[2];
    nrt__buf_clear(&out);
    nrt__buf_clear(&wire);
    assert_true(nrt__h1_write_parts(&out, &m, skip, nrt_str_from(extra), to_head, parts));
    assert_true(nrt__buf_put(&wire, parts[0]) && nrt__buf_put(&wire, parts[1]));
    return nrt__buf_view(&wire);
}

/* As a payload and as a stream, the same message comes back. */
static void assert_read_back(unsigned flags, const char *want) {
    nrt__h1_reader reader;
    nrt__message message;
    nrt__buf text;
    nrt_str raw = nrt__buf_view(&wire);
    nrt__h1_reader_init(&reader, NULL);
    nrt__message_init(&message, true);
    nrt__buf_init(&text, 100000);
    nrt_str guarded = {h1_guarded(raw), raw.len};
    assert_int_equal(nrt__h1_read_whole(&reader, &message, flags, guarded), 0);
    h1_describe(&text, &message, message.body);
    assert_view(nrt__buf_view(&text), want);
    nrt__buf_free(&text);
    nrt__message_free(&message);
    nrt__h1_reader_free(&reader);

    h1_outcome outcome;
    h1_feed(&outcome, raw, flags, NULL, H1_BYTES, false);
    assert_int_equal(outcome.event, NRT__H1_END);
    assert_view(nrt__buf_view(&outcome.text), want);
    h1_outcome_free(&outcome);
}

static void a_request_is_written_and_read_back(void **state) {
    (void)state;
    request("GET", "/x?y");
    add("A", "b");
    add("Empty", "");
    assert_view(written(0, "", false),
                "GET /x?y HTTP/1.1\r\nHost: a.nats\r\nA: b\r\nEmpty: \r\n\r\n");
    assert_read_back(NRT__H1_REQUEST, "GET /x?y 1\nHost: a.nats\nA: b\nEmpty: \n\n");
}

static void a_body_is_framed_by_its_length(void **state) {
    (void)state;
    request("POST", "/");
    m.body = NRT__STR("hello\r\n\0world");
    static const char want[] =
        "POST / HTTP/1.1\r\nHost: a.nats\r\nContent-Length: 13\r\n\r\nhello\r\n\0world";
    nrt_str got = written(0, "", false);
    assert_int_equal(got.len, sizeof(want) - 1);
    assert_memory_equal(got.ptr, want, got.len);
}

static void methods_with_content_say_that_there_is_none(void **state) {
    (void)state;
    static const char *const with[] = {"POST", "PUT", "PATCH"};
    static const char *const without[] = {"GET", "HEAD", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < COUNT(with); i++) {
        request(with[i], "/");
        m.framing = NRT__FRAMING_NONE;
        written(0, "", false);
        nrt__buf_add(&wire, "", 1);
        assert_non_null(strstr(wire.bytes, "\r\nContent-Length: 0\r\n\r\n"));
    }
    for (size_t i = 0; i < COUNT(without); i++) {
        request(without[i], "/");
        m.framing = NRT__FRAMING_NONE;
        written(0, "", false);
        nrt__buf_add(&wire, "", 1);
        assert_null(strstr(wire.bytes, "Content-Length"));
    }
}

static void a_response_always_says_its_length(void **state) {
    (void)state;
    assert_view(written(0, "", false), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_read_back(0, "200 1 OK\nContent-Length: 0\n\n");
    m.status = 404;
    m.body = NRT__STR("no");
    assert_view(written(0, "X: y\r\n", false),
                "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX: y\r\n\r\nno");
    assert_read_back(0, "404 1 Not Found\nContent-Length: 2\nX: y\n\nno");
    m.status = 299;
    m.reason = NRT__STR("My Own");
    written(0, "", false);
    assert_read_back(0, "299 1 My Own\nContent-Length: 2\n\nno");
    m.status = 298;
    m.reason = NRT__STR("");
    assert_view(written(0, "", false), "HTTP/1.1 298 \r\nContent-Length: 2\r\n\r\nno");
    assert_read_back(0, "298 1 \nContent-Length: 2\n\nno");
}

static void an_answer_to_head_says_the_length_and_has_no_body(void **state) {
    (void)state;
    m.body = NRT__STR("hello");
    assert_view(written(0, "", true), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_read_back(NRT__H1_TO_HEAD, "200 1 OK\nContent-Length: 5\n\n");
}

static void statuses_without_a_body_get_none(void **state) {
    (void)state;
    m.status = 204;
    m.body = NRT__STR("hello");
    assert_view(written(0, "", false), "HTTP/1.1 204 No Content\r\n\r\n");
    assert_read_back(0, "204 1 No Content\n\n");
    m.status = 304;
    m.body = NRT__STR("hello");
    assert_view(written(0, "", false), "HTTP/1.1 304 Not Modified\r\n\r\n");
    m.has_length = true; /* of what a 200 would have had */
    m.length = 77;
    assert_view(written(0, "", false), "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n");
    assert_read_back(0, "304 1 Not Modified\nContent-Length: 77\n\n");
}

static void trailers_make_it_chunked(void **state) {
    (void)state;
    m.body = NRT__STR("hello world, hello");
    assert_int_equal(nrt_fields_add(&m.trailers, NRT__STR("Digest"), NRT__STR("d")), 0);
    assert_int_equal(nrt_fields_add(&m.trailers, NRT__STR("Content-Length"), NRT__STR("1")), 0);
    assert_int_equal(nrt_fields_add(&m.trailers, NRT__STR("NRT-Error"), NRT__STR("x")), 0);
    assert_view(written(0, "", false), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                       "12\r\nhello world, hello\r\n0\r\nDigest: d\r\n\r\n");
    assert_read_back(0, "200 1 OK\nTransfer-Encoding: chunked\n\nhello world, hello\n--\n"
                        "Digest: d\n");
    m.body = NRT__STR("");
    assert_view(written(0, "", false), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                       "0\r\nDigest: d\r\n\r\n");
    assert_read_back(0, "200 1 OK\nTransfer-Encoding: chunked\n\n\n--\nDigest: d\n");
}

static void framing_and_hop_by_hop_fields_never_pass(void **state) {
    (void)state;
    request("GET", "/");
    static const char *const names[] = {"Host",
                                        "Content-Length",
                                        "Transfer-Encoding",
                                        "Connection",
                                        "Keep-Alive",
                                        "TE",
                                        "Trailer",
                                        "Upgrade",
                                        "NRT-ID",
                                        "nrt-error",
                                        "Proxy-Authorization",
                                        "Proxy-Connection",
                                        "Proxy-Authenticate"};
    for (size_t i = 0; i < COUNT(names); i++) {
        add(names[i], "evil");
    }
    add("A", "b");
    assert_view(written(NRT__FIELD_NRT, "", false),
                "GET / HTTP/1.1\r\nHost: a.nats\r\nA: b\r\n\r\n");
    assert_view(written(0, "", false), "GET / HTTP/1.1\r\nHost: a.nats\r\nNRT-ID: evil\r\n"
                                       "nrt-error: evil\r\nA: b\r\n\r\n");
}

static void no_value_can_add_a_line(void **state) {
    (void)state;
    static const char *const values[] = {"x\r\nSet-Cookie: evil", "x\nB: c", "x\rB: c",
                                         "x\r\n\r\nbody"};
    for (size_t i = 0; i < COUNT(values); i++) {
        assert_int_equal(nrt_fields_add(&m.fields, NRT__STR("A"), nrt_str_from(values[i])),
                         NRT_ERR_FIELD);
        assert_int_equal(nrt_fields_set(&m.fields, nrt_str_from(values[i]), NRT__STR("A")),
                         NRT_ERR_FIELD);
        char url[100];
        snprintf(url, sizeof(url), "http://a.nats/%s", values[i]);
        int error = 0;
        assert_null(nrt_request_create("GET", url, &error));
        assert_int_equal(error, NRT_ERR_URL);
        assert_null(nrt_request_create(values[i], "http://a.nats/", &error));
        assert_int_equal(error, NRT_ERR_METHOD);
    }
    assert_view(written(0, "", false), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static void what_does_not_fit_is_told(void **state) {
    (void)state;
    nrt_str parts[2];
    for (size_t size = 0; size < 38; size++) {
        nrt__buf small;
        nrt__buf_init(&small, size);
        assert_false(nrt__h1_write_parts(&small, &m, 0, NRT__STR(""), false, parts));
        nrt__buf_free(&small);
    }
    nrt__buf enough;
    nrt__buf_init(&enough, 38);
    assert_true(nrt__h1_write_parts(&enough, &m, 0, NRT__STR(""), false, parts));
    nrt__buf_free(&enough);
}

static void an_empty_chunk_is_not_written(void **state) {
    (void)state;
    nrt__h1_write_chunk(&out, NRT__STR(""));
    assert_view(nrt__buf_view(&out), "");
    nrt__h1_write_chunk(&out, NRT__STR("0123456789abcdef"));
    nrt__h1_write_last_chunk(&out, NULL);
    assert_view(nrt__buf_view(&out), "10\r\n0123456789abcdef\r\n0\r\n\r\n");
}

static void a_payload_is_exactly_one_message(void **state) {
    (void)state;
    static const struct {
        const char *payload;
        unsigned flags;
        int error;
        const char *body;
    } rows[] = {
        {"", NRT__H1_REQUEST, NRT_ERR_BAD_REQUEST, NULL},
        {"", 0, NRT_ERR_PROTOCOL, NULL},
        {"GET / HTTP/1.0\r\n\r\n", NRT__H1_REQUEST, 0, ""},
        {"GET / HTTP/1.0\r\n\r\n\r\n", NRT__H1_REQUEST, NRT_ERR_BAD_REQUEST, NULL},
        {"\r\nGET / HTTP/1.0\r\n\r\n", NRT__H1_REQUEST, NRT_ERR_BAD_REQUEST, NULL},
        {"GET / HTTP/1.0\r\n\r", NRT__H1_REQUEST, NRT_ERR_BAD_REQUEST, NULL},
        {"HTTP/1.1 200 OK\r\n\r\nto the end", 0, 0, "to the end"},
        {"HTTP/1.1 200 OK\r\n\r\n", 0, 0, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", 0, NRT_ERR_PROTOCOL, NULL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", 0, NRT_ERR_PROTOCOL, NULL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", NRT__H1_TO_HEAD, 0, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n"
         "0\r\n\r\n",
         0, 0, "abcdef"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", 0, NRT_ERR_PROTOCOL,
         NULL},
    };
    nrt__h1_reader reader;
    nrt__h1_reader_init(&reader, NULL);
    for (size_t i = 0; i < COUNT(rows); i++) {
        nrt_str payload = nrt_str_from(rows[i].payload);
        payload.ptr = h1_guarded(payload);
        assert_int_equal(nrt__h1_read_whole(&reader, &m, rows[i].flags, payload), rows[i].error);
        if (rows[i].body) {
            assert_view(m.body, rows[i].body);
        } else {
            assert_string_not_equal(reader.reason, "");
        }
    }
    nrt__h1_reader_free(&reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_written_and_read_back),
        TEST(a_body_is_framed_by_its_length),
        TEST(methods_with_content_say_that_there_is_none),
        TEST(a_response_always_says_its_length),
        TEST(an_answer_to_head_says_the_length_and_has_no_body),
        TEST(statuses_without_a_body_get_none),
        TEST(trailers_make_it_chunked),
        TEST(framing_and_hop_by_hop_fields_never_pass),
        TEST(no_value_can_add_a_line),
        TEST(what_does_not_fit_is_told),
        TEST(an_empty_chunk_is_not_written),
        TEST(a_payload_is_exactly_one_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
