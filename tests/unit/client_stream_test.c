/* A client and a service that does not keep to the rules, frame by frame. */
#include "client_fixture.h"

#define PEER "nrt.streams.weather.nats.instance.token"

typedef struct told {
    int heads;
    int ends;
    size_t got;
    int writable;
    int closed;
    int error;
} told;

static told t; /* outlives each test: what is left is told when the client is destroyed */

static void on_head(const nrt_response *response, bool whole, void *arg) {
    (void)arg;
    (void)response;
    (void)whole;
    t.heads++;
}

static void on_data(nrt_str bytes, void *arg) {
    (void)arg;
    t.got += bytes.len;
}

static void on_end(const nrt_fields *trailers, void *arg) {
    (void)arg;
    (void)trailers;
    t.ends++;
}

static void on_writable(void *arg) {
    (void)arg;
    t.writable++;
}

static void on_closed(const nrt_result *result, void *arg) {
    (void)arg;
    t.closed++;
    t.error = result->error;
}

static const nrt__call_events events = {
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .writable = on_writable,
    .closed = on_closed,
};

static nrt_exchange_id open_call(void) {
    int error;
    nrt_exchange_id id;
    nrt_request *request = nrt_request_create("POST", URL, &error);
    assert_non_null(request);
    memset(&t, 0, sizeof(t));
    size_t taken;
    assert_int_equal(nrt__client_open(e->client, &request->message, 0, &events, NULL, &id, &taken),
                     0);
    nrt_request_destroy(request);
    return id;
}

static void frame(const char *subject, const char *from, const char *text, nrt_str payload) {
    char line[1024];
    char header[256];
    size_t len =
        (size_t)snprintf(header, sizeof(header), "NATS/1.0\r\nNRT-Frame: %s\r\n\r\n", text);
    snprintf(line, sizeof(line), "HMSG %s %s %s %zu %zu\r\n%s", subject, sid, from, len,
             len + payload.len, header);
    assert_int_equal(engine_feed(e, line), 0);
    assert_int_equal(engine_feed_bytes(e, payload), 0);
    assert_int_equal(engine_feed(e, "\r\n"), 0);
}

typedef struct step {
    const char *from;
    const char *frame;
    const char *payload;
} step;

#define HEAD "HTTP/1.1 200 OK\r\n\r\n"
#define HEAD_OF(text) "HTTP/1.1 200 OK\r\nContent-Length: " text "\r\n\r\n"
#define ACCEPTED                                                                                   \
    { PEER, "t=accept, max=262144", "" }

static const struct {
    const char *what;
    int error;
    step steps[6];
} cases[] = {
    {"all is well",
     0,
     {ACCEPTED,
      {"", "t=head, n=0", HEAD_OF("3")},
      {"", "t=data, n=1", "abc"},
      {"", "t=end, n=2, length=3", ""}}},
    {"a head with its body",
     0,
     {{PEER, "t=head, n=0", HEAD "abc"}, {"", "t=end, n=1, length=3", ""}}},
    {"304 has no body",
     0,
     {{PEER, "t=head, n=0", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"},
      {"", "t=end, n=1, length=0", ""}}},
    {"a body before its head", NRT_ERR_PROTOCOL, {ACCEPTED, {"", "t=data, n=0", "abc"}}},
    {"an end before the head", NRT_ERR_PROTOCOL, {ACCEPTED, {"", "t=end, n=0, length=0", ""}}},
    {"a head from nowhere", NRT_ERR_PROTOCOL, {{"", "t=head, n=0", HEAD}}},
    {"a first frame that is lost", NRT_ERR_PROTOCOL, {ACCEPTED, {"", "t=head, n=1", HEAD}}},
    {"two heads",
     NRT_ERR_PROTOCOL,
     {ACCEPTED, {"", "t=head, n=0", HEAD}, {"", "t=head, n=1", HEAD}}},
    {"a gap", NRT_ERR_PROTOCOL, {ACCEPTED, {"", "t=head, n=0", HEAD}, {"", "t=data, n=2", "abc"}}},
    {"a repeat",
     NRT_ERR_PROTOCOL,
     {ACCEPTED, {"", "t=head, n=0", HEAD}, {"", "t=data, n=1", "abc"}, {"", "t=data, n=1", "abc"}}},
    {"no number", NRT_ERR_PROTOCOL, {ACCEPTED, {"", "t=head", HEAD}}},
    {"a length that is less",
     NRT_ERR_PROTOCOL,
     {ACCEPTED, {"", "t=head, n=0", HEAD "abc"}, {"", "t=end, n=1, length=2", ""}}},
    {"a length that is more",
     NRT_ERR_PROTOCOL,
     {ACCEPTED, {"", "t=head, n=0", HEAD "abc"}, {"", "t=end, n=1, length=4", ""}}},
    {"no length", NRT_ERR_PROTOCOL, {ACCEPTED, {"", "t=head, n=0", HEAD}, {"", "t=end, n=1", ""}}},
    {"longer than its head says",
     NRT_ERR_PROTOCOL,
     {ACCEPTED, {"", "t=head, n=0", HEAD_OF("2")}, {"", "t=data, n=1", "abc"}}},
    {"longer in the first frame",
     NRT_ERR_PROTOCOL,
     {ACCEPTED, {"", "t=head, n=0", HEAD_OF("2") "abc"}}},
    {"shorter than its head says",
     NRT_ERR_PROTOCOL,
     {ACCEPTED, {"", "t=head, n=0", HEAD_OF("4") "abc"}, {"", "t=end, n=1, length=3", ""}}},
    {"a ping that counts more", NRT_ERR_PROTOCOL, {ACCEPTED, {"", "t=ping, n=1, max=1", ""}}},
    {"accepted twice", NRT_ERR_PROTOCOL, {ACCEPTED, ACCEPTED}},
    {"refused when accepted", NRT_ERR_PROTOCOL, {ACCEPTED, {"", "t=refuse, reason=busy", ""}}},
    {"opened by a service", NRT_ERR_PROTOCOL, {ACCEPTED, {"", "t=open, n=0", HEAD}}},
    {"credit at first", NRT_ERR_PROTOCOL, {{PEER, "t=credit, max=9", ""}}},
    {"aimed at JetStream", NRT_ERR_PROTOCOL, {{"$JS.API.STREAM.DELETE.x", "t=accept, max=9", ""}}},
    {"aimed at a service", NRT_ERR_PROTOCOL, {{"nrt.requests.a.nats.get", "t=accept, max=9", ""}}},
    {"an upgrade nobody asked for",
     NRT_ERR_PROTOCOL,
     {ACCEPTED,
      {"", "t=head, n=0",
       "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"}}},
    {"a coding in frames",
     NRT_ERR_PROTOCOL,
     {ACCEPTED, {"", "t=head, n=0", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"}}},
    {"a final response as interim", NRT_ERR_PROTOCOL, {ACCEPTED, {"", "t=info, n=0", HEAD}}},
    {"an interim response as final",
     NRT_ERR_PROTOCOL,
     {ACCEPTED, {"", "t=head, n=0", "HTTP/1.1 103 Early Hints\r\n\r\n"}}},
    {"no frame", NRT_ERR_PROTOCOL, {ACCEPTED, {"", "t=nothing, n=0", ""}}},
    {"aborted at once", NRT_ERR_ABORTED, {{"", "t=abort, code=origin", ""}}},
    {"aborted", NRT_ERR_ABORTED, {ACCEPTED, {"", "t=abort, code=origin", ""}}},
    {"aborted in its body",
     NRT_ERR_ABORTED,
     {ACCEPTED, {"", "t=head, n=0", HEAD}, {"", "t=abort, code=origin", ""}}},
};

static void test_frames_that_have_no_place_end_it(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_call();
        char subject[600];
        snprintf(subject, sizeof(subject), "%s", sent().reply);
        for (size_t n = 0; n < COUNT(cases[i].steps) && cases[i].steps[n].frame; n++) {
            const step *s = &cases[i].steps[n];
            assert_int_equal(t.closed, 0);
            frame(subject, s->from, s->frame, nrt_str_from(s->payload));
        }
        if (t.closed != 1 || t.error != cases[i].error) {
            fail_msg("%s: closed %d, error %d", cases[i].what, t.closed, t.error);
        }
        assert_int_equal(t.ends, t.error == 0);
        assert_int_equal(nrt__client_in_flight(e->client), 0);
        /* The service is told, unless it was the one to say so, or must not be written to. */
        bool tells = strcmp(cases[i].steps[0].from, PEER) == 0 && t.error != NRT_ERR_ABORTED &&
                     strcmp(cases[i].what, "credit at first") != 0;
        assert_int_equal(strstr(engine_take(e), "t=abort") != NULL, tells);
        frame(subject, PEER, "t=data, n=1", NRT__STR("late"));
        assert_int_equal(t.closed, 1);
        assert_nothing_sent();
    }
}

static void test_a_service_gets_no_more_in_than_was_allowed(void **state) {
    (void)state;
    static char bytes[10000];
    char subject[600];
    open_call();
    snprintf(subject, sizeof(subject), "%s", sent().reply);
    frame(subject, PEER, "t=head, n=0", NRT__STR(HEAD));
    for (int n = 1; t.closed == 0 && n < 100; n++) { /* nothing of it is taken */
        char text[64];
        snprintf(text, sizeof(text), "t=data, n=%d", n);
        frame(subject, "", text, (nrt_str){bytes, sizeof(bytes)});
    }
    assert_int_equal(t.error, NRT_ERR_PROTOCOL);
    assert_true(t.got <= NRT__WINDOW_MAX);
    assert_true(t.got > NRT__WINDOW_MAX - sizeof(bytes));
}

static void test_a_forged_token_is_nobody(void **state) {
    (void)state;
    char subject[600];
    open_call();
    snprintf(subject, sizeof(subject), "%s", sent().reply);
    subject[strlen(subject) - 1] ^= 1;
    frame(subject, PEER, "t=abort, code=origin", NRT__STR(""));
    frame(subject, PEER, "t=head, n=0", NRT__STR(HEAD));
    assert_int_equal(t.heads + t.closed, 0);
    assert_nothing_sent();
}

static void test_the_client_keeps_to_its_credit(void **state) {
    (void)state;
    static char bytes[30000];
    char subject[600];
    nrt_exchange_id id = open_call();
    snprintf(subject, sizeof(subject), "%s", sent().reply);
    size_t written;
    assert_int_equal(nrt__client_write(e->client, id, (nrt_str){bytes, sizeof(bytes)}, &written),
                     0);
    assert_int_equal(written, 0);
    frame(subject, PEER, "t=accept, max=20000", NRT__STR(""));
    assert_int_equal(t.writable, 1);
    assert_int_equal(nrt__client_write(e->client, id, (nrt_str){bytes, sizeof(bytes)}, &written),
                     0);
    assert_int_equal(written, 20000);
    frame(subject, "", "t=credit, max=19000", NRT__STR("")); /* nothing is taken back */
    frame(subject, "", "t=credit, max=20001", NRT__STR(""));
    assert_int_equal(t.writable, 2);
    assert_int_equal(nrt__client_write(e->client, id, (nrt_str){bytes, sizeof(bytes)}, &written),
                     0);
    assert_int_equal(written, 1);
}

static void test_an_end_waits_for_the_accept(void **state) {
    (void)state;
    char subject[600];
    nrt_exchange_id id = open_call();
    snprintf(subject, sizeof(subject), "%s", sent().reply);
    assert_int_equal(nrt__client_end(e->client, id, NULL), 0);
    assert_nothing_sent();
    size_t written;
    assert_int_equal(nrt__client_write(e->client, id, NRT__STR("x"), &written), NRT_ERR_STATE);
    assert_int_equal(nrt__client_end(e->client, id, NULL), NRT_ERR_STATE);
    frame(subject, PEER, "t=accept, max=20000", NRT__STR(""));
    engine_pub end = sent();
    assert_string_equal(end.subject, PEER);
    assert_non_null(memmem(end.header.ptr, end.header.len, "t=end, n=1, length=0", 20));
}

/* `accept` may be lost: any frame says where the service is. */
static void test_an_end_goes_out_with_the_first_frame_that_comes(void **state) {
    (void)state;
    char subject[600];
    nrt_exchange_id id = open_call();
    snprintf(subject, sizeof(subject), "%s", sent().reply);
    assert_int_equal(nrt__client_end(e->client, id, NULL), 0);
    frame(subject, PEER, "t=head, n=0", NRT__STR(HEAD));
    engine_pub end = sent();
    assert_string_equal(end.subject, PEER);
    assert_non_null(memmem(end.header.ptr, end.header.len, "t=end, n=1, length=0", 20));
    frame(subject, PEER, "t=ping, n=1, max=16384", NRT__STR("")); /* once */
    assert_nothing_sent();
}

/* What goes with the head is written, whether or not there is a connection. */
static void test_a_body_may_be_complete_before_there_is_a_connection(void **state) {
    (void)state;
    nrt_exchange_id id;
    size_t taken;
    size_t written;
    nrt_request *request = nrt_request_create("POST", URL, NULL);
    memset(&t, 0, sizeof(t));
    nrt__session_stop(e->session);
    request->message.body = NRT__STR("abc");
    request->message.has_length = true;
    request->message.length = 4;
    assert_int_equal(nrt__client_open(e->client, &request->message, 0, &events, NULL, &id, &taken),
                     0);
    nrt_request_destroy(request);
    assert_int_equal(taken, 3);
    assert_int_equal(nrt__client_end(e->client, id, NULL), NRT_ERR_USAGE); /* one is missing */
    assert_int_equal(nrt__client_write(e->client, id, NRT__STR("de"), &written), NRT_ERR_USAGE);
    nrt__client_cancel(e->client, id);

    request = nrt_request_create("POST", URL, NULL);
    request->message.body = NRT__STR("abc");
    request->message.has_length = true;
    request->message.length = 3;
    assert_int_equal(nrt__client_open(e->client, &request->message, 0, &events, NULL, &id, &taken),
                     0);
    nrt_request_destroy(request);
    assert_int_equal(nrt__client_end(e->client, id, NULL), 0);
    assert_int_equal(engine_connect(e), 0);
    engine_pub open = sent();
    assert_non_null(memmem(open.header.ptr, open.header.len, "t=open, n=0", 11));
    frame(open.reply, PEER, "t=accept", NRT__STR(""));
    engine_pub end = sent();
    assert_non_null(memmem(end.header.ptr, end.header.len, "t=end, n=1, length=3", 20));
}

static void test_what_was_not_sent_begins_anew(void **state) {
    (void)state;
    open_call();
    engine_disconnect(e); /* with the first frame in the output */
    assert_int_equal(t.closed, 0);
    assert_int_equal(engine_connect(e), 0);
    engine_pub open = sent();
    assert_non_null(memmem(open.header.ptr, open.header.len, "t=open, n=0", 11));
}

static void test_the_service_learns_that_time_is_over(void **state) {
    (void)state;
    char subject[600];
    open_call();
    snprintf(subject, sizeof(subject), "%s", sent().reply);
    frame(subject, PEER, "t=accept, max=20000", NRT__STR(""));
    for (int s = 0; s < 8; s++) { /* it lives, but does not answer */
        engine_advance(e, 4000);
        frame(subject, "", t.closed ? "t=abort" : "t=ping, n=0, max=20000", NRT__STR(""));
    }
    assert_int_equal(t.closed, 1);
    assert_int_equal(t.error, NRT_ERR_TIMEOUT);
    assert_non_null(strstr(engine_take(e), "t=abort, code=timeout"));
}

static void test_no_answer_is_late_while_the_request_goes_on(void **state) {
    (void)state;
    char subject[600];
    size_t written;
    nrt_exchange_id id = open_call();
    snprintf(subject, sizeof(subject), "%s", sent().reply);
    frame(subject, PEER, "t=accept, max=20000", NRT__STR(""));
    for (int s = 0; s < 20; s++) { /* 80 s */
        char text[64];
        engine_advance(e, 4000);
        assert_int_equal(nrt__client_write(e->client, id, NRT__STR("more"), &written), 0);
        assert_int_equal(written, 4);
        snprintf(text, sizeof(text), "t=ping, n=0, max=%d", 20000 + s);
        frame(subject, "", text, NRT__STR(""));
    }
    assert_int_equal(t.closed, 0);
    for (int s = 0; s < 8; s++) { /* and then it has its time */
        assert_int_equal(t.closed, s * 4000 >= 30000);
        frame(subject, "", "t=ping, n=0, max=30000", NRT__STR(""));
        engine_advance(e, 4000);
    }
    assert_int_equal(t.error, NRT_ERR_TIMEOUT);
}

static const char denial[] = "-ERR 'Permissions Violation for Publish to \"" PEER "\"'\r\n";

/* Its body cannot get there. */
static void test_frames_that_are_refused_end_an_upload_at_once(void **state) {
    (void)state;
    char subject[600];
    open_call();
    snprintf(subject, sizeof(subject), "%s", sent().reply);
    assert_int_equal(engine_feed(e, denial), 0); /* of another exchange */
    assert_int_equal(t.closed, 0);
    frame(subject, PEER, "t=accept, max=20000", NRT__STR(""));
    assert_int_equal(engine_feed(e, denial), 0);
    assert_int_equal(t.closed, 1);
    assert_int_equal(t.error, NRT_ERR_PERMISSION);
    assert_nothing_sent();
}

/* A response that fits the window needs no word of ours, nor does one that takes its time. */
static void test_frames_that_are_refused_end_a_download_that_needs_more_credit(void **state) {
    (void)state;
    static char bytes[8 * 1024];
    for (int needs = 0; needs < 2; needs++) {
        char subject[600];
        nrt_exchange_id id = open_call();
        snprintf(subject, sizeof(subject), "%s", sent().reply);
        frame(subject, PEER, "t=accept, max=20000", NRT__STR(""));
        assert_int_equal(nrt__client_end(e->client, id, NULL), 0);
        sent();
        assert_int_equal(engine_feed(e, denial), 0);
        engine_advance(e, 6000); /* no ping: it would be refused as well */
        assert_null(strstr(engine_take(e), "t=ping"));
        frame(subject, "", "t=ping, n=0, max=20000", NRT__STR(""));
        frame(subject, "", "t=head, n=0", NRT__STR(HEAD));
        for (int i = 0; i < 31 + needs; i++) {
            char text[32];
            assert_int_equal(t.closed, 0);
            snprintf(text, sizeof(text), "t=data, n=%d", i + 1);
            frame(subject, "", text, (nrt_str){bytes, sizeof(bytes)});
        }
        if (!needs) {
            char text[64];
            snprintf(text, sizeof(text), "t=end, n=32, length=%zu", 31 * sizeof(bytes));
            frame(subject, "", text, NRT__STR(""));
        }
        assert_int_equal(t.closed, 1);
        assert_int_equal(t.error, needs ? NRT_ERR_PERMISSION : 0);
        engine_take(e);
    }
}

static void test_a_service_that_works_for_nobody_is_told(void **state) {
    (void)state;
    static const char *const asking[] = {"t=ping, n=0, max=1", "t=accept, max=1"};
    static const char *const others[] = {"t=abort, code=x", "t=data, n=1", "t=credit, max=1"};
    char subject[600];
    open_call();
    snprintf(subject, sizeof(subject), "%s", sent().reply);
    frame(subject, PEER, "t=accept, max=20000", NRT__STR(""));
    engine_disconnect(e);
    assert_int_equal(t.error, NRT_ERR_ABORTED);
    assert_int_equal(engine_connect(e), 0);
    engine_take(e);
    for (size_t i = 0; i < COUNT(asking); i++) {
        frame(subject, PEER, asking[i], NRT__STR(""));
        engine_pub pub = sent();
        assert_string_equal(pub.subject, PEER);
        assert_non_null(memmem(pub.header.ptr, pub.header.len, "t=abort, code=unknown", 21));
        frame(subject, "nrt.requests.weather.nats.get", asking[i], NRT__STR(""));
        frame(subject, "$SYS.REQ", asking[i], NRT__STR(""));
        assert_nothing_sent();
    }
    for (size_t i = 0; i < COUNT(others); i++) {
        frame(subject, PEER, others[i], NRT__STR(""));
        assert_nothing_sent();
    }
    size_t aborts = 0;
    for (int i = 0; i < 3000; i++) {
        frame(subject, PEER, asking[0], NRT__STR(""));
        aborts += *engine_take(e) != '\0';
    }
    assert_in_range(aborts, 900, 1000);
    engine_advance(e, 1000);
    frame(subject, PEER, asking[0], NRT__STR(""));
    assert_string_equal(sent().subject, PEER);
}

static void test_a_service_that_falls_silent_is_given_up(void **state) {
    (void)state;
    char subject[600];
    open_call();
    snprintf(subject, sizeof(subject), "%s", sent().reply);
    frame(subject, PEER, "t=head, n=0", NRT__STR(HEAD));
    engine_advance(e, 9000);
    assert_int_equal(t.closed, 0);
    engine_advance(e, 2100);
    assert_int_equal(t.error, NRT_ERR_ABORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(test_frames_that_have_no_place_end_it),
        CLIENT_TEST(test_a_service_gets_no_more_in_than_was_allowed),
        CLIENT_TEST(test_a_forged_token_is_nobody),
        CLIENT_TEST(test_the_client_keeps_to_its_credit),
        CLIENT_TEST(test_an_end_waits_for_the_accept),
        CLIENT_TEST(test_an_end_goes_out_with_the_first_frame_that_comes),
        CLIENT_TEST(test_a_body_may_be_complete_before_there_is_a_connection),
        CLIENT_TEST(test_what_was_not_sent_begins_anew),
        CLIENT_TEST(test_the_service_learns_that_time_is_over),
        CLIENT_TEST(test_no_answer_is_late_while_the_request_goes_on),
        CLIENT_TEST(test_a_service_that_works_for_nobody_is_told),
        CLIENT_TEST(test_frames_that_are_refused_end_an_upload_at_once),
        CLIENT_TEST(test_frames_that_are_refused_end_a_download_that_needs_more_credit),
        CLIENT_TEST(test_a_service_that_falls_silent_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
