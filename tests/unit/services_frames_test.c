/* What a service says besides its responses, to whom and when; leaving the queue group for a while;
 * two sessions. */
#include "service_fixture.h"

#define GET(accept) "GET / HTTP/1.1\r\nHost: weather.nats\r\n" accept "\r\n"
#define FRAMED GET("NRT-Accept: v=1, window=262144, timeout=30000\r\n")
#define PROBE "PUB _INBOX.nrt.probe 0\r\n\r\nPING\r\n"
#define DENIAL "-ERR 'Permissions Violation for Publish to \"_INBOX.nrt.probe\"'\r\n"

#define SUBSCRIBED "PONG\r\nPONG\r\n" /* to streams, and to requests */

enum { LATE_MS = 8 /* the wheel's */ };

/* The probe is out; nobody has answered. */
static int setup_asked(void **state) {
    int error = service_setup_with(state, true, false);
    assert_ptr_equal(strstr(e->greeting, PROBE "SUB nrt.streams"), e->greeting);
    service->options.max_in_flight = 8;
    return error;
}

static int setup_framed(void **state) {
    int error = setup_asked(state);
    return error < 0 ? error : engine_feed(e, "PONG\r\n" SUBSCRIBED);
}

static int setup_refused(void **state) {
    int error = setup_asked(state);
    return error < 0 ? error : engine_feed(e, DENIAL "PONG\r\n" SUBSCRIBED);
}

static int setup_known(void **state) {
    int error = service_setup_with(state, false, true);
    service->options.max_in_flight = 8;
    return error;
}

static void ask_for(const char *reply_to, const char *request) {
    assert_int_equal(engine_message(e, sid, SUBJECT "get", reply_to, request), 0);
}

/* The exchange whose handler has not run yet. */
static nrt_exchange *hold(const char *reply_to, const char *request) {
    e->hold = true;
    size_t before = e->held_count;
    ask_for(reply_to, request);
    assert_int_equal(e->held_count, before + 1);
    return e->held[before];
}

static void assert_frame(const char *to, const char *value) {
    engine_pub pub;
    char want[256];
    bool accept = strcmp(value, "t=accept") == 0;
    assert_string_equal(engine_read_pub(engine_take(e), &pub), "");
    snprintf(want, sizeof(want), "NATS/1.0\r\nNRT-Frame: %s%s\r\n\r\n", value,
             accept ? ", max=262144" : "");
    assert_view(pub.header, want);
    assert_view(pub.payload, "");
    assert_string_equal(pub.subject, to);
    /* Who accepts says where it listens. */
    assert_int_equal(strncmp(pub.reply, "nrt.streams.weather.nats.", 25) == 0, accept);
}

static void assert_quiet(void) {
    assert_string_equal(engine_take(e), "");
}

static void assert_response(int status, bool framed) {
    read_reply_as(0);
    assert_int_equal(r.message.status, status);
    assert_int_equal(field("NRT-Version").ptr != NULL, framed);
}

/* ---- the question whether there may be more than one reply ---- */

static void it_is_asked_once_a_connection(void **state) {
    (void)state;
    nrt_service *more = NULL;
    nrt_service_options options = {.size = sizeof(options), .max_in_flight = 5};
    assert_int_equal(nrt__services_add(e->services, "b.nats", look, NULL, &options, &more), 0);
    assert_null(strstr(engine_take(e), "probe"));
    engine_disconnect(e);
    assert_int_equal(engine_connect(e), 0);
    assert_non_null(
        strstr(e->greeting, "}\r\n" PROBE "SUB ")); /* no request comes before the answer */
    assert_int_equal(nrt__services_add(e->services, "c.nats", look, NULL, &options, &more), 0);
    assert_null(strstr(engine_take(e), "probe"));
}

static void who_serves_nothing_does_not_ask(void **state) {
    (void)state;
    service_teardown(state);
    e = calloc(1, sizeof(*e));
    e->probe = true;
    assert_int_equal(engine_init(e, ENGINE_SERVICES), 0);
    assert_int_equal(engine_connect(e), 0);
    assert_quiet();
    nrt_service_options options = {.size = sizeof(options), .max_in_flight = 5};
    assert_int_equal(nrt__services_add(e->services, "b.nats", look, NULL, &options, &service), 0);
    assert_non_null(strstr(engine_take(e), PROBE));
}

static void the_version_is_told_only_when_it_is_allowed(void **state) {
    (void)state;
    ask_for("_INBOX.x.y", FRAMED); /* not answered yet */
    assert_response(200, false);
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    ask_for("_INBOX.x.y", GET("")); /* whoever asks */
    assert_response(200, true);
    engine_disconnect(e);
    nrt__session_start(e->session, &e->login);
    assert_int_equal(engine_feed(e, ENGINE_INFO), 0);
    assert_non_null(strstr(engine_take(e), PROBE)); /* another server may have another opinion */
    assert_int_equal(engine_feed(e, DENIAL "PONG\r\nPONG\r\n"), 0);
    ask_for("_INBOX.x.y", FRAMED);
    assert_response(200, false);
    assert_non_null(strstr(e->log, "one reply"));
}

static void other_denials_are_not_its_answer(void **state) {
    (void)state;
    assert_int_equal(
        engine_feed(e, "-ERR 'Permissions Violation for Publish to \"_INBOX.nrt.probes\"'\r\n"
                       "PONG\r\n"),
        0);
    ask_for("_INBOX.x.y", FRAMED);
    assert_response(200, true);
}

/* ---- accept ---- */

static void a_slow_request_is_accepted_once(void **state) {
    (void)state;
    nrt_exchange *slow = hold("_INBOX.x.y", FRAMED);
    engine_advance(e, 99);
    assert_quiet();
    engine_advance(e, 1 + LATE_MS);
    assert_frame("_INBOX.x.y", "t=accept");
    engine_advance(e, 4000);
    assert_quiet();
    end_both(slow);
    assert_response(200, true);
    engine_advance(e, 500);
    assert_quiet();
}

static void a_fast_one_is_not(void **state) {
    (void)state;
    nrt_exchange *fast = hold("_INBOX.x.y", FRAMED);
    engine_advance(e, 95);
    end_both(fast);
    assert_response(200, true);
    engine_advance(e, 500);
    assert_quiet();
}

static void each_gets_its_own_in_order(void **state) {
    (void)state;
    nrt_exchange *held[4];
    static const char *const to[] = {"_INBOX.0", "_INBOX.1", "_INBOX.2", "_INBOX.3"};
    for (size_t i = 0; i < COUNT(held); i++) {
        held[i] = hold(to[i], FRAMED);
        engine_advance(e, 20);
    }
    end_both(held[2]); /* at 80 ms */
    engine_take(e);
    engine_advance(e, 20 + LATE_MS);
    assert_frame(to[0], "t=accept");
    end_both(held[0]);
    engine_take(e);
    engine_advance(e, 20);
    assert_frame(to[1], "t=accept");
    engine_advance(e, 20);
    assert_quiet();
    engine_advance(e, 20);
    assert_frame(to[3], "t=accept");
    nrt_exchange *later = hold("_INBOX.4", FRAMED);
    engine_advance(e, 90);
    assert_quiet();
    engine_advance(e, 10 + LATE_MS);
    assert_frame("_INBOX.4", "t=accept");
    end_both(held[3]);
    end_both(held[1]);
    end_both(later);
    assert_int_equal(nrt__services_in_flight(e->services), 0);
}

static void those_due_together_are_accepted_together(void **state) {
    (void)state;
    nrt_exchange *held[3];
    for (size_t i = 0; i < COUNT(held); i++) {
        held[i] = hold("_INBOX.x.y", FRAMED);
    }
    engine_advance(e, 100 + LATE_MS);
    const char *output = engine_take(e);
    engine_pub pub;
    for (size_t i = 0; i < COUNT(held); i++) {
        output = engine_read_pub(output, &pub);
        assert_non_null(output);
        assert_view(pub.header, "NATS/1.0\r\nNRT-Frame: t=accept, max=262144\r\n\r\n");
        end_both(held[i]);
    }
    assert_string_equal(output, "");
}

static const struct {
    const char *request;
    const char *reply_to;
} silent[] = {
    {GET(""), "_INBOX.x.y"},
    {GET("NRT-Accept: v=0\r\n"), "_INBOX.x.y"},
    {GET("NRT-Accept: timeout=30000\r\n"), "_INBOX.x.y"},
    {GET("NRT-Accept: v=1,\r\n"), "_INBOX.x.y"},
    {GET("NRT-Accept: 1\r\n"), "_INBOX.x.y"},
    {GET("X-NRT-Accept: v=1\r\n"), "_INBOX.x.y"},
    {FRAMED, "_R_.x.y"}, /* across accounts, where the server takes one reply */
};

static void who_does_not_understand_it_gets_none(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(silent); i++) {
        nrt_exchange *exchange = hold(silent[i].reply_to, silent[i].request);
        engine_advance(e, 300);
        assert_quiet();
        end_both(exchange);
        engine_take(e);
    }
    nrt_exchange *last = hold("_R_x.y", FRAMED); /* this is none of those */
    engine_advance(e, 100 + LATE_MS);
    assert_frame("_R_x.y", "t=accept");
    end_both(last);
}

static void where_one_reply_is_allowed_there_is_none(void **state) {
    (void)state;
    nrt_exchange *exchange = hold("_INBOX.x.y", FRAMED);
    engine_advance(e, 5000);
    assert_quiet();
    end_both(exchange);
    assert_response(200, false);
}

static void what_is_known_to_be_allowed_is_not_asked(void **state) {
    (void)state;
    nrt_exchange *here = hold("_INBOX.x.y", FRAMED);
    engine_advance(e, 100 + LATE_MS);
    assert_frame("_INBOX.x.y", "t=accept");
    nrt_exchange *mapped = hold("_R_.x.y", FRAMED);
    engine_advance(e, 100 + LATE_MS);
    assert_frame("_R_.x.y", "t=accept");
    end_both(here);
    assert_response(200, true);
    end_both(mapped);
}

#define NOT_PERMITTED(subject) "-ERR 'Permissions Violation for Publish to \"" subject "\"'\r\n"

/* allow_responses for one of them, and an option that says more. */
static void a_reply_that_is_refused_all_the_same_ends_its_exchange(void **state) {
    (void)state;
    nrt_exchange *other = hold("_INBOX.other", FRAMED);
    nrt_exchange *exchange = hold("_INBOX.x.y", FRAMED);
    engine_advance(e, 100 + LATE_MS);
    engine_take(e);
    assert_int_equal(engine_feed(e, NOT_PERMITTED("nrt.requests.b.nats.get")), 0);
    assert_null(strstr(e->log, "further reply")); /* a request of our own */
    assert_int_equal(engine_feed(e, NOT_PERMITTED("_INBOX.x.y")), 0);
    assert_true(nrt_exchange_is_canceled(exchange));
    assert_false(nrt_exchange_is_canceled(other));
    assert_non_null(strstr(e->log, "further reply to _INBOX.x.y"));
    assert_non_null(strstr(e->log, "allow_responses { max: -1 }"));
    end_both(exchange);
    end_both(other);
    assert_int_equal(nrt__services_in_flight(e->services), 0);
}

static void a_lost_connection_leaves_nothing_to_accept(void **state) {
    (void)state;
    nrt_exchange *exchange = hold("_INBOX.x.y", FRAMED);
    engine_disconnect(e);
    engine_advance(e, 500);
    assert_int_equal(engine_connect(e), 0);
    engine_advance(e, 500);
    assert_quiet();
    end_both(exchange);
    read_reply_as(0);
    nrt_exchange *cut = hold("_INBOX.x.y", FRAMED);
    engine_finish(e); /* with it */
    assert_true(nrt__exchange_end_one(cut) || nrt__exchange_end_one(cut));
    nrt__exchange_finish(cut);
    engine_advance(e, 500);
}

/* ---- refuse ---- */

static void fill(void) {
    service->options.max_in_flight = 1;
    hold("_INBOX.full", GET(""));
}

static void who_understands_it_is_refused_with_a_frame(void **state) {
    (void)state;
    fill();
    ask_for("_INBOX.x.y", FRAMED);
    assert_frame("_INBOX.x.y", "t=refuse, reason=busy, retry-after=1");
    ask_for("_R_.x.y", FRAMED); /* one reply is allowed anywhere */
    assert_frame("_R_.x.y", "t=refuse, reason=busy, retry-after=1");
    assert_int_equal(handled, 0);
    assert_int_equal(nrt__services_in_flight(e->services), 1);
    engine_advance(e, 500);
    assert_quiet(); /* it is the only frame */
    end_both(e->held[0]);
    engine_take(e);
    e->hold = false;
    ask_for("_INBOX.x.y", FRAMED);
    assert_int_equal(handled, 2);
}

static void others_are_refused_in_http(void **state) {
    (void)state;
    fill();
    ask_for("_INBOX.x.y", GET(""));
    assert_problem(503, "refused");
    ask_for("_INBOX.x.y", GET("NRT-Accept: v=x\r\n"));
    assert_problem(503, "refused");
    assert_int_equal(nrt__services_in_flight(e->services), 1);
    end_both(e->held[0]);
}

static void a_bad_request_is_answered_in_http(void **state) {
    (void)state;
    fill();
    ask_for("_INBOX.x.y", "GET / HTTP/1.1\r\nHost: other.nats\r\nNRT-Accept: v=1\r\n\r\n");
    assert_problem(421, "misdirected");
    end_both(e->held[0]);
}

/* ---- pause and resume ---- */

static const char *unsub(const char *which) {
    static char text[64];
    snprintf(text, sizeof(text), "UNSUB %s\r\nPING\r\n", which);
    return text;
}

static void while_it_pauses_others_get_the_requests(void **state) {
    (void)state;
    char old[24];
    strcpy(old, sid);
    assert_int_equal(nrt__service_pause(service), 0);
    assert_string_equal(engine_take(e), unsub(old));
    assert_int_equal(nrt__service_pause(service), 0);
    assert_quiet();
    ask_for("_INBOX.x.y", FRAMED); /* it was on its way */
    assert_response(200, true);
    told[0] = '\0';
    assert_int_equal(nrt__service_resume(service), 0);
    engine_sid(engine_take(e), SUBJECT "*", sid);
    assert_true(sid[0] && strcmp(sid, old) != 0);
    assert_int_equal(nrt__service_resume(service), 0);
    assert_quiet();
    ask_for("_INBOX.x.y", FRAMED); /* by the new one, before the old one is done with */
    assert_response(200, true);
    assert_int_equal(engine_feed(e, "PONG\r\nPONG\r\n"), 0);
    assert_string_equal(told, "ready 0 \n");
    assert_int_equal(engine_message(e, old, SUBJECT "get", "_INBOX.x.y", FRAMED), 0);
    assert_quiet();
    assert_int_equal(handled, 2);
    ask_for("_INBOX.x.y", FRAMED);
    assert_response(200, true);
}

static void a_paused_one_stays_so_in_the_next_session(void **state) {
    (void)state;
    assert_int_equal(nrt__service_pause(service), 0);
    engine_disconnect(e);
    assert_int_equal(engine_connect(e), 0);
    assert_null(strstr(e->greeting, SUBJECT));
    engine_take(e);
    assert_int_equal(nrt__service_resume(service), 0);
    assert_non_null(strstr(engine_take(e), SUBJECT));
    engine_disconnect(e);
    assert_int_equal(nrt__service_pause(service), 0); /* without a connection */
    assert_int_equal(nrt__service_resume(service), 0);
    assert_int_equal(engine_connect(e), 0);
    const char *once = strstr(e->greeting, SUBJECT);
    assert_non_null(once);
    assert_null(strstr(once + 1, SUBJECT));
}

static int stopped;

static void on_stopped(nrt_service *which, void *arg) {
    (void)which;
    (void)arg;
    stopped++;
}

static void a_paused_one_can_be_stopped(void **state) {
    (void)state;
    stopped = 0;
    for (int i = 0; i < 2; i++) { /* with two subscriptions that it has left */
        assert_int_equal(nrt__service_pause(service), 0);
        assert_int_equal(nrt__service_resume(service), 0);
    }
    assert_int_equal(nrt__service_pause(service), 0);
    nrt_exchange *late = hold("_INBOX.x.y", FRAMED);
    nrt__service_stop(service, on_stopped, NULL);
    assert_int_equal(nrt__service_pause(service), NRT_ERR_STATE);
    assert_int_equal(nrt__service_resume(service), NRT_ERR_STATE);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    }
    assert_int_equal(stopped, 0);
    engine_take(e);
    end_both(late);
    assert_int_equal(stopped, 1);
    assert_null(nrt__services_first(e->services));
    assert_non_null(strstr(engine_take(e), "HTTP/1.1 200 OK"));
}

static void pauses_end_with_the_connection(void **state) {
    (void)state;
    stopped = 0;
    assert_int_equal(nrt__service_pause(service), 0);
    assert_int_equal(nrt__service_resume(service), 0);
    assert_int_equal(nrt__service_pause(service), 0);
    nrt__service_stop(service, on_stopped, NULL);
    engine_disconnect(e);
    assert_int_equal(stopped, 1);
}

/* ---- a second session ---- */

/* It stands and has taken over; its probe is out. */
static void take_over(void) {
    assert_int_equal(engine_add_session(e), 0);
    engine_swap(e);
    e->probe = false; /* the services are told with the switch */
    nrt__session_start(e->session, &e->login);
    assert_int_equal(engine_feed(e, "INFO {\"server_name\":\"n2\",\"headers\":true,"
                                    "\"max_payload\":4096,\"client_id\":8}\r\n"),
                     0);
    engine_take(e);
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    nrt__services_switch(e->services, e->session);
    assert_string_equal(engine_take(e), PROBE);
}

static void answers_go_by_the_session_of_the_request(void **state) {
    (void)state;
    nrt_exchange *old = hold("_INBOX.x.y", FRAMED);
    nrt__session *first = e->session;
    take_over();
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    nrt_exchange *new = hold("_INBOX.x.y", FRAMED);
    assert_int_equal(nrt__services_in_flight_on(e->services, first), 1);
    assert_int_equal(nrt__services_in_flight_on(e->services, e->session), 1);
    engine_advance(e, 100 + LATE_MS);
    assert_frame("_INBOX.x.y", "t=accept");
    end_both(new);
    assert_response(200, true);
    assert_view(field("NRT-Connected-Server"), "n2");
    engine_swap(e);
    assert_frame("_INBOX.x.y", "t=accept");
    end_both(old);
    assert_response(200, true);
    assert_int_equal(nrt__services_in_flight_on(e->services, first), 0);
    engine_swap(e);
    engine_drop_other(e);
}

static void what_the_old_one_left_is_answered_by_the_new(void **state) {
    (void)state;
    nrt_exchange *old = hold("_INBOX.x.y", FRAMED);
    nrt_exchange *slow = hold("_INBOX.x.z", FRAMED);
    nrt_exchange *plain = hold("_INBOX.x.y", GET(""));
    take_over();
    engine_drop_other(e);
    end_both(old);
    assert_response(200, true);
    end_both(plain);
    assert_response(200, true);
    engine_advance(e, 100 + LATE_MS);
    assert_frame("_INBOX.x.z", "t=accept");
    end_both(slow);
    engine_take(e);
    assert_int_equal(nrt__services_in_flight(e->services), 0);
}

static void the_new_one_is_asked_for_itself(void **state) {
    (void)state;
    take_over();
    ask_for("_INBOX.x.y", FRAMED);
    assert_response(200, true);
    assert_int_equal(engine_feed(e, DENIAL "PONG\r\n"), 0);
    ask_for("_INBOX.x.y", FRAMED);
    assert_response(200, false);
}

/* It ends before it has answered, which says nothing of the new one. */
static void the_end_of_the_old_one_answers_nothing(void **state) {
    (void)state;
    for (int answered = 0; answered < 2; answered++) {
        take_over();
        if (answered) {
            assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
        }
        engine_drop_other(e);
        ask_for("_INBOX.x.y", FRAMED);
        assert_response(200, answered);
    }
}

static void a_pause_waits_for_both_sessions(void **state) {
    (void)state;
    take_over();
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_int_equal(nrt__service_pause(service), 0);
    assert_string_equal(engine_take(e), unsub(sid));
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    engine_swap(e);
    assert_string_equal(engine_take(e), unsub(sid));
    ask_for("_INBOX.x.y", FRAMED); /* still on its way by the old one */
    assert_response(200, true);
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    ask_for("_INBOX.x.y", FRAMED);
    assert_quiet();
    engine_swap(e);
    engine_drop_other(e);
}

#define TEST(setup, name) cmocka_unit_test_setup_teardown(name, setup, service_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(setup_framed, it_is_asked_once_a_connection),
        TEST(setup_framed, who_serves_nothing_does_not_ask),
        TEST(setup_asked, the_version_is_told_only_when_it_is_allowed),
        TEST(setup_asked, other_denials_are_not_its_answer),
        TEST(setup_framed, a_slow_request_is_accepted_once),
        TEST(setup_framed, a_fast_one_is_not),
        TEST(setup_framed, each_gets_its_own_in_order),
        TEST(setup_framed, those_due_together_are_accepted_together),
        TEST(setup_framed, who_does_not_understand_it_gets_none),
        TEST(setup_asked, where_one_reply_is_allowed_there_is_none),
        TEST(setup_refused, where_one_reply_is_allowed_there_is_none),
        TEST(setup_known, what_is_known_to_be_allowed_is_not_asked),
        TEST(setup_known, a_reply_that_is_refused_all_the_same_ends_its_exchange),
        TEST(setup_framed, a_lost_connection_leaves_nothing_to_accept),
        TEST(setup_framed, who_understands_it_is_refused_with_a_frame),
        TEST(setup_refused, who_understands_it_is_refused_with_a_frame),
        TEST(setup_framed, others_are_refused_in_http),
        TEST(setup_framed, a_bad_request_is_answered_in_http),
        TEST(setup_framed, while_it_pauses_others_get_the_requests),
        TEST(setup_framed, a_paused_one_stays_so_in_the_next_session),
        TEST(setup_framed, a_paused_one_can_be_stopped),
        TEST(setup_framed, pauses_end_with_the_connection),
        TEST(setup_framed, answers_go_by_the_session_of_the_request),
        TEST(setup_framed, what_the_old_one_left_is_answered_by_the_new),
        TEST(setup_framed, the_new_one_is_asked_for_itself),
        TEST(setup_asked, the_end_of_the_old_one_answers_nothing),
        TEST(setup_framed, a_pause_waits_for_both_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, service_group_teardown);
}
