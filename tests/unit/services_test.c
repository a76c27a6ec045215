/* What a service refuses, and how; what its handlers see. How exchanges and services end is in
 * services_ends_test.c. */
#include "service_fixture.h"

static void a_service_joins_the_queue_group(void **state) {
    (void)state;
    assert_non_null(strstr(e->greeting, "SUB nrt.requests.weather.nats.* nrt "));
    assert_string_equal(told, "ready 0 \n");
    assert_view(service->host, "weather.nats");
}

static void a_request_is_handled_and_answered(void **state) {
    (void)state;
    ask("post",
        "POST /city?x HTTP/1.1\r\nHost: weather.nats\r\nA: b\r\nContent-Length: 2\r\n\r\nhi");
    assert_string_equal(seen, "POST /city?x\nHost: weather.nats\nA: b\nContent-Length: 2\n\nhi");
    read_reply_as(0);
    assert_int_equal(r.message.status, 200);
    assert_view(nrt__buf_view(&r.body), "fine");
    assert_view(field("Content-Type"), "text/plain");
    assert_view(field("Content-Length"), "4");
    assert_view(field("Date"), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_view(field("NRT-Connected-Server"), "n1");
    assert_view(field("NRT-Connected-Cluster"), "c1");
    assert_view(field("NRT-Client"), "7");
    assert_absent(field("NRT-Error"));
    assert_int_equal(nrt__services_in_flight(e->services), 0);
}

static void ids_are_unique(void **state) {
    (void)state;
    char ids[100][32];
    for (size_t i = 0; i < COUNT(ids); i++) {
        ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
        read_reply_as(0);
        snprintf(ids[i], sizeof(ids[i]), "%.*s", NRT__ARG(field("NRT-ID")));
        assert_int_equal(strlen(ids[i]), 23);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(ids[i], ids[j]);
        }
    }
}

static void the_prefix_of_the_subject_is_not_compared(void **state) {
    (void)state;
    assert_int_equal(engine_message(e, sid, "v2.requests.other.nats.get", "_INBOX.x.y",
                                    "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n"),
                     0);
    read_reply_as(0);
    assert_int_equal(r.message.status, 200);
    assert_int_equal(handled, 1);
}

/* PROTOCOL: "What a server checks before any handler or origin sees a request". */
static void each_row_of_the_table_has_its_answer(void **state) {
    (void)state;
    static const struct {
        const char *token;
        const char *request;
        int status;
        const char *code;
    } rows[] = {
        {"get", "", 400, "bad-request"},
        {"get", "nonsense", 400, "bad-request"},
        {"get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n", 400, "bad-request"},
        {"get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\nmore", 400, "bad-request"},
        {"get", "\r\nGET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n", 400, "bad-request"},
        {"get", "GET / HTTP/2.0\r\nHost: weather.nats\r\n\r\n", 400, "bad-request"},
        {"get", "HTTP/1.1 200 OK\r\n\r\n", 400, "bad-request"},
        {"get", "NRT/1\r\nGET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n", 400, "bad-request"},
        {"post", "POST / HTTP/1.1\r\nHost: weather.nats\r\nContent-Length: 5\r\n\r\nhi", 400,
         "bad-request"},
        {"post",
         "POST / HTTP/1.1\r\nHost: weather.nats\r\nContent-Length: 3\r\n"
         "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         400, "bad-request"},
        {"post",
         "POST / HTTP/1.1\r\nHost: weather.nats\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
         "0\r\n\r\n",
         501, "unsupported"},
        {"get", "POST / HTTP/1.1\r\nHost: weather.nats\r\n\r\n", 403, "method-mismatch"},
        {"GET", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n", 403, "method-mismatch"},
        {"get", "GeT / HTTP/1.1\r\nHost: weather.nats\r\n\r\n", 501, "bad-method"},
        {"get", "GET / HTTP/1.1\r\n\r\n", 400, "bad-request"},
        {"get", "GET / HTTP/1.0\r\n\r\n", 400, "bad-request"},
        {"get", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, "bad-request"},
        {"get", "GET / HTTP/1.1\r\nHost: weather.nats\r\nHost: weather.nats\r\n\r\n", 400,
         "bad-request"},
        {"get", "GET / HTTP/1.1\r\nHost: weather nats\r\n\r\n", 400, "bad-request"},
        {"get", "GET / HTTP/1.1\r\nHost: other.nats\r\n\r\n", 421, "misdirected"},
        {"get", "GET / HTTP/1.1\r\nHost: weather.nats.\r\n\r\n", 421, "misdirected"},
        {"get", "GET http://other.nats/ HTTP/1.1\r\nHost: weather.nats\r\n\r\n", 421,
         "misdirected"},
        {"connect", "CONNECT weather.nats:80 HTTP/1.1\r\nHost: weather.nats\r\n\r\n", 501,
         "unsupported"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        ask(rows[i].token, rows[i].request);
        assert_problem(rows[i].status, rows[i].code);
        assert_int_equal(nrt__services_in_flight(e->services), 0);
    }
    assert_int_equal(handled, 0);
}

static void heads_and_targets_have_limits(void **state) {
    (void)state;
    static char text[16 * 1024];
    for (size_t target = 8192; target <= 8193; target++) {
        memset(text, 't', sizeof(text));
        memcpy(text, "GET /", 5);
        strcpy(text + 4 + target, " HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
        ask("get", text);
        if (target == 8192) {
            read_reply_as(0);
            assert_int_equal(r.message.status, 200);
        } else {
            assert_problem(414, "target-too-long");
        }
    }
    assert_int_equal(handled, 1);
    for (int fields = 100; fields <= 101; fields++) {
        int len = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: weather.nats\r\n");
        for (int i = 1; i < fields; i++) {
            len += snprintf(text + len, sizeof(text) - (size_t)len, "A%d: b\r\n", i);
        }
        strcpy(text + len, "\r\n");
        ask("get", text);
        if (fields == 100) {
            read_reply_as(0);
            assert_int_equal(r.message.status, 200);
        } else {
            assert_problem(431, "head-too-large");
        }
    }
    assert_int_equal(handled, 2);
}

static void the_host_may_have_another_case_and_a_port(void **state) {
    (void)state;
    ask("get", "GET / HTTP/1.1\r\nHost: Weather.nats:443\r\n\r\n");
    read_reply_as(0);
    assert_int_equal(r.message.status, 200);
    ask("get", "GET http://WEATHER.nats:80?q HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    read_reply_as(0);
    assert_int_equal(r.message.status, 200);
    assert_int_equal(strncmp(seen, "GET /?q\n", 8), 0);
    ask("get", "GET http://weather.nats/a/b?c HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    read_reply_as(0);
    assert_int_equal(strncmp(seen, "GET /a/b?c\n", 11), 0);
}

/* RFC 9112 section 3.2.2: with a target in absolute form, Host as received is ignored and made from
 * the target. */
static void a_handler_sees_the_host_that_was_checked(void **state) {
    (void)state;
    ask("get", "GET http://weather.nats/ HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    read_reply_as(0);
    assert_int_equal(r.message.status, 200);
    assert_null(strstr(seen, "evil.example"));
}

static void a_handler_sees_nothing_of_the_transport(void **state) {
    (void)state;
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\nNRT-Accept: v=1\r\nnrt-error: x\r\n"
               "Connection: X-Hop, Host, Authorization\r\nX-Hop: 1\r\nAuthorization: a\r\n"
               "Keep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nExpect: 100-continue\r\n"
               "Proxy-Authorization: p\r\nA: b\r\n\r\n");
    assert_string_equal(seen, "GET /\nHost: weather.nats\nAuthorization: a\nA: b\n\n");
}

static void unsafe_reply_subjects_get_no_answer(void **state) {
    (void)state;
    static const char *const unsafe[] = {NULL,  "$SYS.x", "$JS.API.STREAM.DELETE.x",    "a.*",
                                         "a.>", "a..b",   "nrt.requests.other.nats.get"};
    for (size_t i = 0; i < COUNT(unsafe); i++) {
        assert_int_equal(engine_message(e, sid, SUBJECT "get", unsafe[i],
                                        "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n"),
                         0);
        assert_int_equal(engine_message(e, sid, SUBJECT "get", unsafe[i], "nonsense"), 0);
    }
    assert_string_equal(engine_take(e), "");
    assert_int_equal(handled, 0);
}

static void a_message_larger_than_the_service_takes_in_is_413(void **state) {
    (void)state;
    static char text[20000];
    memset(text, 'x', sizeof(text) - 1);
    ask("put", text);
    assert_problem(413, "too-large");
    assert_int_equal(handled, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(a_service_joins_the_queue_group),
        SERVICE_TEST(a_request_is_handled_and_answered),
        SERVICE_TEST(ids_are_unique),
        SERVICE_TEST(the_prefix_of_the_subject_is_not_compared),
        SERVICE_TEST(each_row_of_the_table_has_its_answer),
        SERVICE_TEST(heads_and_targets_have_limits),
        SERVICE_TEST(the_host_may_have_another_case_and_a_port),
        SERVICE_TEST(a_handler_sees_the_host_that_was_checked),
        SERVICE_TEST(a_handler_sees_nothing_of_the_transport),
        SERVICE_TEST(unsafe_reply_subjects_get_no_answer),
        SERVICE_TEST(a_message_larger_than_the_service_takes_in_is_413),
    };
    return cmocka_run_group_tests(tests, NULL, service_group_teardown);
}
