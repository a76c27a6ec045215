/* The service half of exchanges, without I/O: what is refused and how, what a handler sees, what goes out. */
#include "unit.h"

#include "engine.h"

#define SUBJECT "nrt.requests.weather.nats."

static engine *e; /* of the test that runs */
static char sid[24];
static nrt_service *service;
static int handled;
static char seen[4096]; /* by the last handler: request line, fields, body */
static char told[256];

static void on_ready(nrt_service *which, int error, const char *detail, void *arg) {
    (void)arg;
    (void)which;
    snprintf(told + strlen(told), sizeof(told) - strlen(told), "ready %d %s\n", error, detail);
}

static void look(nrt_exchange *exchange, void *arg) {
    const nrt_request *request = nrt_exchange_request(exchange);
    (void)arg;
    handled++;
    int len = snprintf(seen, sizeof(seen), "%.*s %.*s\n", NRT__ARG(nrt_request_method(request)),
                       NRT__ARG(nrt_request_target(request)));
    for (size_t i = 0; i < nrt_fields_count(nrt_request_fields(request)); i++) {
        nrt_str name;
        nrt_str value;
        nrt_fields_at(nrt_request_fields(request), i, &name, &value);
        len += snprintf(seen + len, sizeof(seen) - (size_t)len, "%.*s: %.*s\n", NRT__ARG(name),
                        NRT__ARG(value));
    }
    snprintf(seen + len, sizeof(seen) - (size_t)len, "\n%.*s", NRT__ARG(nrt_request_body(request)));
    nrt_exchange_reply(exchange, 200, "text/plain", NRT__STR("fine"));
}

static nrt_service *serve(const char *host, nrt_handler_fn handler, unsigned max_in_flight) {
    nrt_service_options options = {.size = sizeof(options), .on_ready = on_ready};
    nrt_service *made = NULL;
    options.max_in_flight = max_in_flight;
    assert_int_equal(nrt__services_add(e->services, host, handler, NULL, &options, &made), 0);
    return made;
}

static int setup(void **state) {
    (void)state;
    handled = 0;
    seen[0] = told[0] = '\0';
    e = calloc(1, sizeof(*e));
    int error = engine_init(e, ENGINE_SERVICES);
    service = serve("Weather.nats", look, 2);
    if (error == 0) {
        error = engine_connect(e);
    }
    engine_sid(e->greeting, SUBJECT "*", sid);
    return error;
}

static int teardown(void **state) {
    (void)state;
    engine_finish(e);
    free(e);
    return 0;
}

static void ask(const char *method_token, const char *request) {
    char subject[200];
    snprintf(subject, sizeof(subject), SUBJECT "%s", method_token);
    assert_int_equal(engine_message(e, sid, subject, "_INBOX.x.y", request), 0);
}

/* The one response that was sent, as a message; it must be valid. */
typedef struct reply {
    nrt__h1_reader reader;
    nrt__message message;
    nrt__buf body;
    char raw[8192];
} reply;

static reply r;

static void read_reply_as(unsigned flags) {
    engine_pub pub;
    const char *rest = engine_read_pub(engine_take(e), &pub);
    assert_non_null(rest);
    assert_string_equal(rest, "");
    assert_string_equal(pub.subject, "_INBOX.x.y");
    assert_string_equal(pub.reply, "");
    assert_true(pub.payload.len < sizeof(r.raw));
    memcpy(r.raw, pub.payload.ptr, pub.payload.len);
    r.raw[pub.payload.len] = '\0';
    nrt__message_free(&r.message);
    nrt__h1_reader_free(&r.reader);
    nrt__h1_reader_init(&r.reader, NULL);
    nrt__message_init(&r.message, false);
    size_t used;
    nrt_str piece;
    nrt__buf_free(&r.body);
    nrt__buf_init(&r.body, sizeof(r.raw));
    nrt__h1_begin(&r.reader, &r.message, flags);
    size_t at = 0;
    int event = NRT__H1_MORE;
    do {
        event = nrt__h1_read(&r.reader, r.raw + at, pub.payload.len - at, &used, &piece);
        at += used;
        if (event == NRT__H1_BODY) {
            nrt__buf_put(&r.body, piece);
        }
    } while (event == NRT__H1_HEAD || event == NRT__H1_BODY);
    assert_int_equal(event, NRT__H1_END);
    assert_int_equal(at, pub.payload.len);
}

static nrt_str field(const char *name) {
    return nrt_fields_get(&r.message.fields, name);
}

static void assert_problem(int status, const char *code) {
    read_reply_as(0);
    assert_int_equal(r.message.status, status);
    assert_view(field("NRT-Error"), code);
    assert_view(field("Content-Type"), "application/problem+json");
    assert_int_equal(field("Retry-After").ptr != NULL, status == 503);
    assert_non_null(strstr(r.raw, "\r\n\r\n{"));
    assert_true(field("NRT-ID").len > 0);
}

static void group_end(void) {
    nrt__message_free(&r.message);
    nrt__h1_reader_free(&r.reader);
    nrt__buf_free(&r.body);
}

static void a_service_joins_the_queue_group(void **state) {
    (void)state;
    assert_non_null(strstr(e->greeting, "SUB nrt.requests.weather.nats.* nrt "));
    assert_string_equal(told, "ready 0 \n");
    assert_view(service->host, "weather.nats");
}

static void a_request_is_handled_and_answered(void **state) {
    (void)state;
    ask("post", "POST /city?x HTTP/1.1\r\nHost: weather.nats\r\nA: b\r\nContent-Length: 2\r\n\r\nhi");
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
    static const char *const unsafe[] = {NULL, "$SYS.x", "$JS.API.STREAM.DELETE.x", "a.*", "a.>",
                                         "a..b", "nrt.requests.other.nats.get"};
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

static void end_both(nrt_exchange *exchange) {
    exchange->handler(exchange, exchange->arg);
    nrt__exchange_end_one(exchange);
    assert_true(nrt__exchange_end_one(exchange));
    nrt__exchange_finish(exchange);
}

static void above_max_in_flight_requests_are_refused(void **state) {
    (void)state;
    static const char request[] = "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n";
    e->hold = true;
    ask("get", request);
    ask("get", request);
    assert_string_equal(engine_take(e), "");
    assert_int_equal(nrt__services_in_flight(e->services), 2);
    ask("get", request);
    assert_problem(503, "refused");
    end_both(e->held[0]);
    read_reply_as(0);
    assert_int_equal(r.message.status, 200);
    ask("get", request); /* there is room again */
    assert_string_equal(engine_take(e), "");
    end_both(e->held[1]);
    end_both(e->held[2]);
    assert_int_equal(handled, 3);
}

static void defer(nrt_exchange *exchange, void *arg) {
    (void)arg;
    handled++;
    nrt_exchange_defer(exchange);
}

/* The handler's return and nrt_exchange_end may come in either order; the answer goes out with the second. */
static void deferred_exchanges_end_in_both_orders(void **state) {
    (void)state;
    service->handler = defer;
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n"); /* returned first */
    assert_string_equal(engine_take(e), "");
    assert_int_equal(nrt__services_in_flight(e->services), 1);

    e->hold = true;
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n"); /* still inside */
    nrt_exchange *inside = e->held[0];
    inside->handler(inside, NULL);
    nrt_exchange_reply(inside, 201, NULL, NRT__STR("b"));
    assert_false(nrt__exchange_end_one(inside)); /* the end, while the handler runs */
    assert_string_equal(engine_take(e), "");
    assert_true(nrt__exchange_end_one(inside));
    nrt__exchange_finish(inside);
    read_reply_as(0);
    assert_int_equal(r.message.status, 201);
    assert_int_equal(nrt__services_in_flight(e->services), 1);
}

static void stopped(nrt_service *which, void *arg) {
    (void)which;
    snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s\n", (const char *)arg);
}

static void a_stop_waits_for_the_fence_and_for_what_is_handled(void **state) {
    (void)state;
    char want[64];
    told[0] = '\0';
    e->hold = true;
    ask("get", "GET /1 HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    nrt__service_stop(service, stopped, "stopped");
    snprintf(want, sizeof(want), "UNSUB %s\r\nPING\r\n", sid);
    assert_string_equal(engine_take(e), want);
    ask("get", "GET /2 HTTP/1.1\r\nHost: weather.nats\r\n\r\n"); /* was on its way */
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_string_equal(told, "");
    end_both(e->held[0]);
    assert_string_equal(told, "");
    end_both(e->held[1]);
    assert_string_equal(told, "stopped\n");
    assert_null(nrt__services_first(e->services));
    assert_string_equal(seen, "GET /2\nHost: weather.nats\n\n");
    ask("get", "GET /3 HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    assert_int_equal(e->held_count, 2);
}

static void a_stop_without_work_waits_for_the_fence_only(void **state) {
    (void)state;
    told[0] = '\0';
    nrt__service_stop(service, stopped, "stopped");
    nrt__service_stop(service, stopped, "twice");
    assert_string_equal(told, "");
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_string_equal(told, "stopped\n");
}

static void a_stop_without_a_connection_is_done_at_once(void **state) {
    (void)state;
    nrt__session_stop(e->session);
    told[0] = '\0';
    nrt__service_stop(service, stopped, "stopped");
    assert_string_equal(told, "stopped\n");
}

static void a_lost_connection_ends_the_fence(void **state) {
    (void)state;
    told[0] = '\0';
    nrt__service_stop(service, stopped, "stopped");
    nrt__session_stop(e->session);
    assert_string_equal(told, "stopped\n");
}

static void a_host_is_served_once_until_it_is_stopped(void **state) {
    (void)state;
    nrt_service_options options = {.size = sizeof(options), .max_in_flight = 1};
    nrt_service *other;
    assert_int_equal(
        nrt__services_add(e->services, "WEATHER.nats", look, NULL, &options, &other),
        NRT_ERR_USAGE);
    assert_int_equal(nrt__services_add(e->services, "weather", look, NULL, &options, &other),
                     NRT_ERR_HOST);
    nrt__service_stop(service, NULL, NULL);
    assert_int_equal(nrt__services_add(e->services, "weather.nats", look, NULL, &options, &other),
                     0);
    assert_int_equal(engine_feed(e, "PONG\r\nPONG\r\n"), 0);
    assert_ptr_equal(nrt__services_first(e->services), other);
}

static void a_refused_subscription_names_the_subject(void **state) {
    (void)state;
    told[0] = '\0';
    assert_int_equal(engine_feed(e, "-ERR 'Permissions Violation for Subscription to "
                                    "\"nrt.requests.weather.nats.*\" using queue \"nrt\"'\r\n"),
                     0);
    assert_int_equal(strncmp(told, "ready -22 ", 10), 0);
    assert_non_null(strstr(told, "nrt.requests.weather.nats.*"));
}

static void write_too_much(nrt_exchange *exchange, void *arg) {
    (void)arg;
    static char bytes[1000];
    memset(bytes, 'x', sizeof(bytes));
    nrt_fields_add(nrt_exchange_fields(exchange), NRT__STR("Secret"), NRT__STR("s"));
    int error = 0;
    for (int i = 0; i < 5; i++) {
        error = nrt_exchange_write(exchange, (nrt_str){bytes, sizeof(bytes)});
    }
    assert_int_equal(error, NRT_ERR_RESPONSE_TOO_LARGE);
}

static void fill(nrt_exchange *exchange, void *arg) {
    static char bytes[4096];
    (void)arg;
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(nrt_exchange_write(exchange, (nrt_str){bytes, 4096}), 0);
}

static void a_response_that_does_not_fit_one_message_is_502(void **state) {
    (void)state;
    service->handler = write_too_much;
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    assert_problem(502, "response-too-large");
    assert_absent(field("Secret"));
    service->handler = fill; /* the body fits, with its head it does not */
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    assert_problem(502, "response-too-large");
}

static void answer_badly(nrt_exchange *exchange, void *arg) {
    nrt_fields *fields = nrt_exchange_fields(exchange);
    (void)arg;
    assert_int_equal(nrt_exchange_set_status(exchange, 199), NRT_ERR_USAGE);
    assert_int_equal(nrt_exchange_set_status(exchange, 600), NRT_ERR_USAGE);
    assert_int_equal(nrt_exchange_set_status(exchange, 404), 0);
    static const char *const names[] = {"NRT-Error", "Connection", "Content-Length",
                                        "Transfer-Encoding", "Keep-Alive"};
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(nrt_fields_add(fields, nrt_str_from(names[i]), NRT__STR("9")), 0);
    }
    assert_int_equal(nrt_fields_add(fields, NRT__STR("Date"), NRT__STR("mine")), 0);
    assert_int_equal(nrt_exchange_write(exchange, NRT__STR("no")), 0);
}

static void a_handler_cannot_break_framing_or_pose_as_the_system(void **state) {
    (void)state;
    service->handler = answer_badly;
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    read_reply_as(0);
    assert_int_equal(r.message.status, 404);
    assert_view(r.message.reason, "Not Found");
    assert_view(nrt__buf_view(&r.body), "no");
    assert_absent(field("NRT-Error"));
    assert_absent(field("Connection"));
    assert_absent(field("Keep-Alive"));
    assert_view(field("Date"), "mine");
    assert_int_equal(r.message.length, 2);
}

static void answers_to_head_say_a_length_and_have_no_body(void **state) {
    (void)state;
    ask("head", "HEAD / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    read_reply_as(NRT__H1_TO_HEAD);
    assert_view(field("Content-Length"), "4");
    assert_string_equal(strstr(r.raw, "\r\n\r\n"), "\r\n\r\n");
    ask("head", "HEAD / HTTP/1.1\r\nHost: other.nats\r\n\r\n");
    read_reply_as(NRT__H1_TO_HEAD);
    assert_int_equal(r.message.status, 421);
}

static void tell_a_problem(nrt_exchange *exchange, void *arg) {
    (void)arg;
    nrt_exchange_write(exchange, NRT__STR("half of"));
    assert_int_equal(nrt_exchange_problem(exchange, 399, "no"), NRT_ERR_USAGE);
    assert_int_equal(nrt_exchange_problem(exchange, 409, "in use"), 0);
    nrt_fields_add(nrt_exchange_fields(exchange), NRT__STR("NRT-Error"), NRT__STR("forged"));
}

static void a_handler_can_answer_a_problem_without_a_code(void **state) {
    (void)state;
    service->handler = tell_a_problem;
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    read_reply_as(0);
    assert_int_equal(r.message.status, 409);
    assert_absent(field("NRT-Error"));
    assert_non_null(strstr(r.raw, "in use"));
    assert_null(strstr(r.raw, "half of"));
}

/* Between the server's reading of SUB and its PONG, work may come already. */
static void a_request_that_comes_before_the_pong_is_answered(void **state) {
    (void)state;
    nrt__session_stop(e->session);
    nrt__session_start(e->session, &e->login);
    assert_int_equal(engine_feed(e, ENGINE_INFO), 0);
    engine_take(e);
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_int_equal(handled, 1);
    read_reply_as(0);
    assert_int_equal(r.message.status, 200);
}

static void an_exchange_outlives_its_connection(void **state) {
    (void)state;
    e->hold = true;
    ask("get", "GET /kept HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    nrt__session_stop(e->session);
    nrt__services_destroy(e->services);
    e->services = NULL;
    end_both(e->held[0]);
    assert_int_equal(strncmp(seen, "GET /kept\n", 10), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_service_joins_the_queue_group),
        TEST(a_request_is_handled_and_answered),
        TEST(ids_are_unique),
        TEST(the_prefix_of_the_subject_is_not_compared),
        TEST(each_row_of_the_table_has_its_answer),
        TEST(heads_and_targets_have_limits),
        TEST(the_host_may_have_another_case_and_a_port),
        TEST(a_handler_sees_nothing_of_the_transport),
        TEST(unsafe_reply_subjects_get_no_answer),
        TEST(a_message_larger_than_the_service_takes_in_is_413),
        TEST(above_max_in_flight_requests_are_refused),
        TEST(deferred_exchanges_end_in_both_orders),
        TEST(a_stop_waits_for_the_fence_and_for_what_is_handled),
        TEST(a_stop_without_work_waits_for_the_fence_only),
        TEST(a_stop_without_a_connection_is_done_at_once),
        TEST(a_lost_connection_ends_the_fence),
        TEST(a_host_is_served_once_until_it_is_stopped),
        TEST(a_refused_subscription_names_the_subject),
        TEST(a_response_that_does_not_fit_one_message_is_502),
        TEST(a_handler_cannot_break_framing_or_pose_as_the_system),
        TEST(answers_to_head_say_a_length_and_have_no_body),
        TEST(a_handler_can_answer_a_problem_without_a_code),
        TEST(a_request_that_comes_before_the_pong_is_answered),
        TEST(an_exchange_outlives_its_connection),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    group_end();
    return failed;
}
