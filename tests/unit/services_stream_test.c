/* A service that takes pieces, and a client that does not keep to the rules, frame by frame. */
#include "service_fixture.h"

#define CLIENT "_INBOX.x.y"

typedef struct served {
    nrt_exchange *exchange;
    size_t got;
    int ends;
    int canceled;
} served;

static served s;
static char stream_sid[24];
static char from[600]; /* where the exchange listens */

static void on_data(nrt_exchange *exchange, nrt_str bytes, void *arg) {
    (void)exchange;
    (void)arg;
    assert_int_equal(s.canceled, 0);
    s.got += bytes.len;
}

static void on_end(nrt_exchange *exchange, const nrt_fields *trailers, void *arg) {
    (void)exchange;
    (void)trailers;
    (void)arg;
    assert_int_equal(s.canceled, 0);
    s.ends++;
}

static void on_canceled(nrt_exchange *exchange, void *arg) {
    (void)exchange;
    (void)arg;
    s.canceled++;
}

static const nrt_exchange_events events = {
    .size = sizeof(nrt_exchange_events),
    .hold = true,
    .data = on_data,
    .end = on_end,
    .canceled = on_canceled,
};

static void take_pieces(nrt_exchange *exchange, void *arg) {
    (void)arg;
    s.exchange = exchange;
    nrt_exchange_defer(exchange);
    nrt__exchange_stream(exchange, &events, NULL);
}

static int setup(void **state) {
    memset(&s, 0, sizeof(s));
    int error = service_setup_with(state, false, true);
    char subject[600];
    snprintf(subject, sizeof(subject), "%.*s*", NRT__ARG(service->stream_prefix));
    engine_sid(e->greeting, subject, stream_sid);
    service->options.streaming = true;
    service->handler = take_pieces;
    return error;
}

#define STREAM_TEST(name) cmocka_unit_test_setup_teardown(name, setup, service_teardown)

static void message(const char *to, const char *which, const char *header, nrt_str payload) {
    char line[1024];
    char block[256];
    size_t len = (size_t)snprintf(block, sizeof(block), "NATS/1.0%s\r\n\r\n", header);
    snprintf(line, sizeof(line), "HMSG %s %s " CLIENT " %zu %zu\r\n%s", to, which, len,
             len + payload.len, block);
    assert_int_equal(engine_feed(e, line), 0);
    assert_int_equal(engine_feed_bytes(e, payload), 0);
    assert_int_equal(engine_feed(e, "\r\n"), 0);
}

static void frame(const char *text, nrt_str payload) {
    char header[128];
    snprintf(header, sizeof(header), "\r\nNRT-Frame: %s", text);
    message(from, stream_sid, header, payload);
}

/* What the service sent last says where it listens. */
static void learn(void) {
    engine_pub pub;
    assert_non_null(engine_read_pub(engine_take(e), &pub));
    assert_string_equal(pub.subject, CLIENT);
    assert_true(pub.reply[0] != '\0');
    snprintf(from, sizeof(from), "%s", pub.reply);
}

static void open_stream(const char *fields) {
    char text[512];
    memset(&s, 0, sizeof(s));
    snprintf(text, sizeof(text),
             "NRT/1\r\nPOST / HTTP/1.1\r\nHost: weather.nats\r\nNRT-Accept: v=1, window=262144, "
             "timeout=30000\r\n%s\r\nab",
             fields);
    message(SUBJECT "post", sid, "\r\nNRT-Frame: t=open, n=0", nrt_str_from(text));
    assert_non_null(s.exchange);
    assert_int_equal(s.got, 2);
    learn();
}

static void end(void) {
    assert_true(nrt__exchange_end_one(s.exchange));
    nrt__exchange_finish(s.exchange);
    assert_int_equal(nrt__services_in_flight(e->services), 0);
}

static const struct {
    const char *what;
    bool tells; /* the client is told */
    const char *fields;
    const char *frames[4]; /* each with "abc" where it is data */
} cases[] = {
    {"a repeat", true, "", {"t=data, n=0"}},
    {"a gap", true, "", {"t=data, n=1", "t=data, n=3"}},
    {"no number", true, "", {"t=data"}},
    {"a length that is less", true, "", {"t=data, n=1", "t=end, n=2, length=4"}},
    {"a length that is more", true, "", {"t=end, n=1, length=3"}},
    {"no length", true, "", {"t=end, n=1"}},
    {"data after the end", true, "", {"t=end, n=1, length=2", "t=data, n=2"}},
    {"two ends", true, "", {"t=end, n=1, length=2", "t=end, n=2, length=2"}},
    {"a ping that counts more", true, "", {"t=ping, n=2, max=1"}},
    {"a head", true, "", {"t=head, n=1"}},
    {"an accept", true, "", {"t=accept, max=9"}},
    {"opened again", true, "", {"t=open, n=1"}},
    {"no frame", true, "", {"t=nothing"}},
    {"longer than its head says", true, "Content-Length: 4\r\n", {"t=data, n=1"}},
    {"shorter", true, "Content-Length: 9\r\n", {"t=data, n=1", "t=end, n=2, length=5"}},
    {"aborted", false, "", {"t=abort, code=canceled"}},
    {"aborted after the end", false, "", {"t=end, n=1, length=2", "t=abort, code=canceled"}},
};

static void test_frames_that_have_no_place_cancel_it(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_stream(cases[i].fields);
        for (size_t n = 0; n < COUNT(cases[i].frames) && cases[i].frames[n]; n++) {
            const char *text = cases[i].frames[n];
            assert_int_equal(s.canceled, 0);
            frame(text, strstr(text, "data") ? NRT__STR("abc") : NRT__STR(""));
        }
        if (s.canceled != 1) {
            fail_msg("%s: canceled %d times", cases[i].what, s.canceled);
        }
        assert_int_equal(strstr(engine_take(e), "t=abort") != NULL, cases[i].tells);
        frame("t=data, n=2", NRT__STR("late")); /* the handler hears no more of it */
        frame("t=abort, code=canceled", NRT__STR(""));
        assert_int_equal(s.canceled, 1);
        end();
        assert_string_equal(engine_take(e), "");
    }
}

static void test_a_client_gets_no_more_in_than_was_allowed(void **state) {
    (void)state;
    static char bytes[10000];
    open_stream("");
    for (int n = 1; s.canceled == 0 && n < 100; n++) {
        char text[64];
        snprintf(text, sizeof(text), "t=data, n=%d", n);
        frame(text, (nrt_str){bytes, sizeof(bytes)});
    }
    assert_int_equal(s.canceled, 1);
    assert_true(s.got <= NRT__WINDOW_MAX && s.got > NRT__WINDOW_MAX - sizeof(bytes));
    end();
}

static void test_a_forged_token_is_nobody(void **state) {
    (void)state;
    open_stream("");
    char *last = &from[strlen(from) - 1];
    *last ^= 1;
    frame("t=abort, code=canceled", NRT__STR(""));
    assert_string_equal(engine_take(e), ""); /* no answer to an abort */
    frame("t=data, n=1", NRT__STR("abc"));
    assert_non_null(strstr(engine_take(e), "t=abort, code=unknown"));
    frame("t=data, n=1", NRT__STR("abc"));
    assert_string_equal(engine_take(e), ""); /* nor to everybody at once */
    *last ^= 1;
    assert_int_equal(s.got, 2);
    assert_int_equal(s.canceled, 0);
    frame("t=end, n=1, length=2", NRT__STR(""));
    assert_int_equal(s.ends, 1);
    end();
}

static void test_a_client_that_is_gone_is_noticed(void **state) {
    (void)state;
    open_stream("");
    message(from, stream_sid, " 503", NRT__STR(""));
    assert_int_equal(s.canceled, 1);
    end();
    open_stream("");
    engine_advance(e, 12000); /* never heard since */
    assert_int_equal(s.canceled, 1);
    assert_non_null(strstr(engine_take(e), "t=abort, code=aborted")); /* it may have slept */
    end();
}

/* Sends a piece each second, for seven seconds; how many pings went out beside them. */
static int count_pings(void) {
    int pings = 0;
    for (int i = 0; i < 7; i++) {
        size_t sent;
        engine_advance(e, 1000);
        assert_int_equal(nrt__exchange_send(s.exchange, NRT__STR("data"), &sent), 0);
        assert_int_equal(sent, 4);
        const char *out = engine_take(e);
        assert_non_null(strstr(out, "t=data"));
        pings += strstr(out, "t=ping") != NULL;
    }
    return pings;
}

static void test_who_was_never_heard_is_asked_for_also_while_it_is_sent_to(void **state) {
    (void)state;
    message(SUBJECT "get", sid, "",
            NRT__STR("GET / HTTP/1.1\r\nHost: weather.nats\r\nNRT-Accept: v=1, window=262144, "
                     "timeout=30000\r\n\r\n"));
    engine_advance(e, 150);
    learn();
    assert_int_equal(nrt__exchange_start(s.exchange), 0);
    assert_int_equal(count_pings(), 1);
    frame("t=credit, max=300000", NRT__STR(""));
    assert_int_equal(count_pings(), 0);
    message(from, stream_sid, " 503", NRT__STR(""));
    assert_int_equal(s.canceled, 1);
    end();
}

static void test_a_whole_request_has_no_more_body(void **state) {
    (void)state;
    message(SUBJECT "get", sid, "",
            NRT__STR("GET / HTTP/1.1\r\nHost: weather.nats\r\nNRT-Accept: v=1, window=262144, "
                     "timeout=30000\r\n\r\n"));
    engine_advance(e, 150);
    learn();
    frame("t=data, n=0", NRT__STR("abc"));
    assert_int_equal(s.got, 0);
    assert_int_equal(s.canceled, 1);
    end();
}

static void test_nothing_follows_an_abort(void **state) {
    (void)state;
    open_stream("");
    nrt__exchange_abort(s.exchange, "origin");
    assert_non_null(strstr(engine_take(e), "t=abort, code=origin"));
    assert_int_equal(nrt__exchange_start(s.exchange), NRT_ERR_STATE);
    frame("t=data, n=1", NRT__STR("abc"));
    assert_int_equal(s.got, 2);
    end();
    assert_string_equal(engine_take(e), "");
}

/* In a lame duck the end of the response may go by the other session: an abort would overtake it.
 */
static void test_who_asks_for_what_is_over_is_told_where_nothing_is_overtaken(void **state) {
    (void)state;
    open_stream("");
    end();
    engine_take(e);
    assert_int_equal(engine_add_session(e), 0);
    frame("t=ping, n=1, max=262144", NRT__STR(""));
    assert_string_equal(engine_take(e), "");
    engine_drop_other(e);
    frame("t=ping, n=1, max=262144", NRT__STR(""));
    assert_non_null(strstr(engine_take(e), "t=abort, code=unknown"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STREAM_TEST(test_frames_that_have_no_place_cancel_it),
        STREAM_TEST(test_a_client_gets_no_more_in_than_was_allowed),
        STREAM_TEST(test_a_forged_token_is_nobody),
        STREAM_TEST(test_a_client_that_is_gone_is_noticed),
        STREAM_TEST(test_who_was_never_heard_is_asked_for_also_while_it_is_sent_to),
        STREAM_TEST(test_a_whole_request_has_no_more_body),
        STREAM_TEST(test_nothing_follows_an_abort),
        STREAM_TEST(test_who_asks_for_what_is_over_is_told_where_nothing_is_overtaken),
    };
    return cmocka_run_group_tests(tests, NULL, service_group_teardown);
}
