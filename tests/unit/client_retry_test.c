/* Requests that are sent again while the connection stands: after what, when, how often, and what
 * becomes of the attempts before. What a lost connection does is in client_resend_test.c. */
#include "client_fixture.h"

enum {
    LATE_MS = 8, /* the wheel's */
    PAUSE_MS = 10 + LATE_MS,
    MANY = 20,
};

static const nrt_client_stats *stats(void) {
    return nrt__client_stats(e->client);
}

static void refuse(const char *subject) {
    reply_frame(subject, "t=refuse, reason=busy, retry-after=1");
}

/* What is sent when the pause before the second attempt is over. */
static engine_pub second(void) {
    assert_nothing_sent();
    engine_advance(e, PAUSE_MS);
    return sent();
}

/* The host is known to send frames. */
static void learn(void) {
    answer a = {0};
    get(&a, NULL);
    reply(sent().reply, FRAMED_REPLY);
    assert_int_equal(a.status, 200);
}

/* With Idempotency-Key. */
static void post_once(answer *a) {
    nrt_request *request = nrt_request_create("POST", URL, NULL);
    nrt_fields *fields = nrt_request_edit(request);
    assert_int_equal(nrt_fields_add(fields, NRT__STR("idempotency-key"), NRT__STR("\"1\"")), 0);
    assert_int_equal(nrt__client_send(e->client, &request->message, 0, on_result, a, NULL), 0);
    nrt_request_destroy(request);
}

static void a_refused_request_is_sent_again_with_another_token(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    engine_pub first = sent();
    char payload[512];
    snprintf(payload, sizeof(payload), "%.*s", NRT__ARG(first.payload));
    refuse(first.reply);
    engine_pub again = second();
    assert_string_equal(again.subject, first.subject);
    assert_view(again.payload, payload);
    assert_string_not_equal(again.reply, first.reply);
    size_t slot = strlen(first.reply) - 16;
    assert_memory_equal(again.reply, first.reply, slot);
    reply(first.reply, OK_REPLY); /* the token of an attempt that is over */
    refuse(first.reply);
    assert_int_equal(stats()->orphans, 2);
    assert_int_equal(a.calls, 0);
    reply(again.reply, OK_REPLY);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.attempts, 2);
    assert_int_equal(stats()->requests, 1);
    assert_int_equal(stats()->attempts, 2);
    assert_int_equal(stats()->retries_refused, 1);
    assert_int_equal(stats()->failures, 0);
}

static void a_reply_between_two_attempts_is_for_nobody(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    engine_pub first = sent();
    refuse(first.reply);
    reply(first.reply, OK_REPLY);
    assert_int_equal(a.calls, 0);
    assert_int_equal(stats()->orphans, 1);
    reply(second().reply, OK_REPLY);
    assert_int_equal(a.calls, 1);
}

static void there_are_no_more_attempts_than_allowed(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(a.calls, 0);
        refuse(sent().reply);
        engine_advance(e, 2 * PAUSE_MS);
    }
    assert_nothing_sent();
    assert_int_equal(a.error, NRT_ERR_REFUSED);
    assert_int_equal(a.attempts, 3);
    assert_non_null(strstr(a.detail, "busy"));
    assert_int_equal(stats()->retries_refused, 2);
    assert_int_equal(stats()->retries_denied, 0);
    assert_int_equal(stats()->failures, 1);
    assert_int_equal(nrt__client_in_flight(e->client), 0);
}

static void without_retries_a_refusal_is_told(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    reply_frame(sent().reply, "t=refuse");
    assert_int_equal(a.error, NRT_ERR_REFUSED);
    assert_string_not_equal(a.detail, "");
    assert_int_equal(stats()->retries_denied, 0);
}

/* Steps of a millisecond until it is sent. */
static int measure_pause(engine_pub *pub) {
    for (int ms = 1; ms < 3000; ms++) {
        engine_advance(e, 1);
        const char *output = engine_take(e);
        if (engine_read_pub(output, pub)) {
            return ms;
        }
    }
    return -1;
}

static int setup_many_retries(void **state) {
    (void)state;
    return client_setup_with(9, NRT_RETRY_REFUSED);
}

static void pauses_grow_and_differ(void **state) {
    (void)state;
    int least[9];
    int most[9] = {0};
    for (int i = 0; i < MANY; i++) {
        answer a = {0};
        char url[64];
        snprintf(url, sizeof(url), "http://host%d.nats/", i); /* each with a budget of its own */
        engine_take(e);
        assert_int_equal(send_for(&a, "POST", url, 0, NULL), 0);
        engine_pub pub = sent();
        for (int n = 0; n < 9; n++) {
            refuse(pub.reply);
            int pause = measure_pause(&pub);
            assert_true(pause > 0);
            least[n] = i > 0 && least[n] < pause ? least[n] : pause;
            most[n] = most[n] > pause ? most[n] : pause;
        }
        refuse(pub.reply);
        assert_int_equal(a.error, NRT_ERR_REFUSED);
    }
    int limit = 10;
    for (int n = 0; n < 9; n++) {
        assert_in_range(most[n], limit / 2, limit + LATE_MS);
        assert_true(least[n] <= limit / 2 + LATE_MS);
        limit = limit < 1000 ? limit * 2 : limit;
    }
}

static void no_pause_goes_beyond_the_deadline(void **state) {
    (void)state;
    answer a = {0};
    assert_int_equal(send_for(&a, "GET", URL, 1, NULL), 0);
    refuse(sent().reply);
    assert_int_equal(a.error, NRT_ERR_REFUSED);
    assert_int_equal(stats()->retries_refused, 0);
    answer b = {0};
    assert_int_equal(send_for(&b, "GET", URL, 100, NULL), 0);
    refuse(sent().reply);
    second();
    engine_advance(e, 100); /* counted from the send */
    assert_int_equal(b.error, NRT_ERR_TIMEOUT);
    assert_int_equal(b.attempts, 2);
}

static void a_post_is_sent_again_when_it_was_refused(void **state) {
    (void)state;
    answer a = {0};
    nrt_request *request = nrt_request_create("POST", URL, NULL);
    assert_int_equal(nrt_request_set_body(request, NRT__STR("body")), 0);
    assert_int_equal(nrt__client_send(e->client, &request->message, 0, on_result, &a, NULL), 0);
    nrt_request_destroy(request);
    refuse(sent().reply);
    engine_pub again = second();
    assert_view(again.payload,
                "POST /city HTTP/1.1\r\nHost: weather.nats\r\nContent-Length: 4\r\n" ACCEPT
                "\r\nbody");
    reply(again.reply, OK_REPLY);
    assert_int_equal(a.status, 200);
}

static int setup_idempotent(void **state) {
    (void)state;
    return client_setup_with(2, NRT_RETRY_IDEMPOTENT);
}

static void a_refusal_is_no_reason_where_it_was_not_made_one(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    refuse(sent().reply);
    assert_int_equal(a.error, NRT_ERR_REFUSED);
}

/* ---- nobody listens ---- */

static void no_service_is_told_at_once(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    reply_no_responders(sent().reply);
    assert_int_equal(a.error, NRT_ERR_NO_SERVICE);
    assert_int_equal(stats()->retries_no_service, 0);
}

static int setup_no_service(void **state) {
    (void)state;
    return client_setup_with(2, NRT_RETRY_REFUSED | NRT_RETRY_NO_SERVICE);
}

static void who_wants_it_gets_one_more_attempt_soon(void **state) {
    (void)state;
    answer a = {0};
    answer b = {0};
    assert_int_equal(send_for(&a, "POST", URL, 0, NULL), 0);
    reply_no_responders(sent().reply);
    assert_int_equal(a.calls, 0);
    engine_advance(e, 20 + LATE_MS);
    reply_no_responders(sent().reply);
    assert_int_equal(a.error, NRT_ERR_NO_SERVICE);
    assert_int_equal(a.attempts, 2);
    get(&b, NULL);
    reply_no_responders(sent().reply);
    engine_advance(e, 20 + LATE_MS);
    reply(sent().reply, OK_REPLY);
    assert_int_equal(b.status, 200);
    assert_int_equal(stats()->retries_no_service, 2);
}

/* ---- what there is no room for ---- */

static void the_budget_limits_retries(void **state) {
    (void)state;
    static answer a[MANY];
    static engine_pub pubs[MANY];
    memset(a, 0, sizeof(a));
    for (size_t i = 0; i < MANY; i++) {
        get(&a[i], NULL);
        pubs[i] = sent();
    }
    size_t denied = 0;
    for (size_t i = 0; i < MANY; i++) {
        refuse(pubs[i].reply);
        denied += a[i].error == NRT_ERR_REFUSED;
    }
    assert_int_equal(denied, MANY - 10 - MANY / 5); /* ten, and a fifth of the requests */
    assert_int_equal(stats()->retries_denied, denied);
    assert_int_equal(stats()->retries_refused, MANY - denied);
    answer other = {0};
    assert_int_equal(send_for(&other, "GET", "http://other.nats/", 0, NULL), 0);
    refuse(sent().reply);
    assert_int_equal(other.calls, 0);
}

static void what_is_kept_has_a_ceiling(void **state) {
    (void)state;
    static answer a[60];
    static engine_pub pubs[60];
    for (int round = 0; round < 2; round++) { /* all of it is given back */
        size_t kept = 0;
        memset(a, 0, sizeof(a));
        for (size_t i = 0; i < COUNT(a); i++) {
            char url[64];
            snprintf(url, sizeof(url), "http://host%zu.nats/", i);
            assert_int_equal(send_for(&a[i], "GET", url, 0, NULL), 0); /* it is sent in any case */
            pubs[i] = sent();
        }
        for (size_t i = 0; i < COUNT(a); i++) {
            refuse(pubs[i].reply);
            kept += a[i].calls == 0;
        }
        assert_in_range(kept, 4096 / 150, 4096 / 75);
        assert_int_equal(stats()->retries_denied, 0);
        engine_advance(e, PAUSE_MS);
        const char *output = engine_take(e);
        for (size_t i = 0; i < kept; i++) {
            output = engine_read_pub(output, &pubs[i]);
            assert_non_null(output);
        }
        assert_null(engine_read_pub(output, &pubs[kept]));
        for (size_t i = 0; i < kept; i++) {
            reply(pubs[i].reply, OK_REPLY);
        }
        assert_int_equal(nrt__client_in_flight(e->client), 0);
    }
}

/* ---- silence ---- */

static void silence_of_a_host_with_frames_sends_a_get_again(void **state) {
    (void)state;
    answer a = {0};
    learn();
    get(&a, NULL);
    engine_pub first = sent();
    engine_advance(e, 999);
    assert_nothing_sent();
    engine_advance(e, 1 + LATE_MS + PAUSE_MS);
    engine_pub again = sent();
    assert_string_not_equal(again.reply, first.reply);
    reply(first.reply, OK_REPLY);
    assert_int_equal(stats()->orphans, 1);
    assert_int_equal(a.calls, 0);
    engine_advance(e, 1000 + LATE_MS + 20 + LATE_MS);
    sent();
    engine_advance(e, 5000); /* all attempts are made: the deadline is left */
    assert_nothing_sent();
    assert_int_equal(a.calls, 0);
    engine_advance(e, 23000);
    assert_int_equal(a.error, NRT_ERR_TIMEOUT);
    assert_int_equal(a.attempts, 3);
    assert_int_equal(stats()->retries_idempotent, 2);
}

/* The first attempt may be executed at any time: "certainly not executed" would be a lie. */
static void after_a_silent_attempt_nothing_is_certain(void **state) {
    (void)state;
    answer refused = {0};
    answer nobody = {0};
    learn();
    get(&refused, NULL);
    sent();
    engine_advance(e, 1000 + LATE_MS + PAUSE_MS);
    refuse(sent().reply);
    engine_advance(e, 2 * PAUSE_MS);
    refuse(sent().reply);
    assert_int_equal(refused.error, NRT_ERR_ABORTED);
    assert_int_equal(refused.attempts, 3);
    get(&nobody, NULL);
    sent();
    engine_advance(e, 1000 + LATE_MS + PAUSE_MS);
    reply_no_responders(sent().reply);
    assert_int_equal(nobody.error, NRT_ERR_ABORTED);
}

static void silence_that_may_do_harm_is_waited_out(void **state) {
    (void)state;
    answer post = {0};
    answer unknown = {0};
    answer brief = {0};
    learn();
    assert_int_equal(send_for(&post, "POST", URL, 3000, NULL), 0);
    assert_int_equal(send_for(&unknown, "GET", "http://old.nats/", 3000, NULL), 0);
    assert_int_equal(send_for(&brief, "GET", URL, 500, NULL), 0);
    engine_take(e);
    engine_advance(e, 500 + LATE_MS);
    assert_int_equal(brief.error, NRT_ERR_TIMEOUT);
    engine_advance(e, 2400);
    assert_nothing_sent();
    assert_int_equal(post.calls + unknown.calls, 0);
    engine_advance(e, 100 + LATE_MS);
    assert_int_equal(post.error, NRT_ERR_TIMEOUT);
    assert_int_equal(unknown.error, NRT_ERR_TIMEOUT);
}

static void a_post_with_a_key_does_no_harm(void **state) {
    (void)state;
    answer a = {0};
    learn();
    post_once(&a);
    sent();
    engine_advance(e, 1000 + LATE_MS + PAUSE_MS);
    reply(sent().reply, OK_REPLY);
    assert_int_equal(a.status, 200);
}

static void who_has_accepted_may_be_silent(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    reply(sent().reply, FRAMED_REPLY);
    answer b = {0};
    get(&b, NULL);
    engine_pub pub = sent();
    engine_advance(e, 900);
    reply_frame(pub.reply, "t=accept");
    engine_advance(e, 8000);
    assert_nothing_sent();
    assert_int_equal(b.calls, 0);
    reply(pub.reply, OK_REPLY);
    assert_int_equal(b.status, 200);
    assert_int_equal(b.attempts, 1);
    answer c = {0};
    get(&c, NULL);
    pub = sent();
    reply_frame(pub.reply, "t=accept");
    engine_advance(e, 30000 + LATE_MS);
    assert_int_equal(c.error, NRT_ERR_TIMEOUT);
}

static void any_frame_shows_that_a_host_knows_them(void **state) {
    (void)state;
    static const char *const frames[] = {"t=accept", "t=refuse"};
    for (size_t i = 0; i < COUNT(frames); i++) {
        answer a = {0};
        answer b = {0};
        char url[64];
        snprintf(url, sizeof(url), "http://host%zu.nats/", i);
        assert_int_equal(send_for(&a, "GET", url, 0, NULL), 0);
        reply_frame(sent().reply, frames[i]);
        engine_advance(e, PAUSE_MS);
        engine_take(e);
        assert_int_equal(send_for(&b, "GET", url, 0, NULL), 0);
        engine_take(e);
        engine_advance(e, 1000 + LATE_MS + PAUSE_MS);
        engine_pub pub;
        assert_non_null(engine_read_pub(engine_take(e), &pub));
        assert_memory_equal(pub.subject, "nrt.requests.host", 17);
    }
}

static void what_was_known_of_a_host_ages(void **state) {
    (void)state;
    answer a = {0};
    learn();
    engine_advance(e, 60000);
    engine_take(e);
    assert_int_equal(send_for(&a, "GET", URL, 3000, NULL), 0);
    sent();
    engine_advance(e, 2900);
    assert_nothing_sent();
}

/* ---- frames that do not belong ---- */

static void frames_without_a_place_end_the_exchange(void **state) {
    (void)state;
    static const char *const frames[] = {
        "t=open, n=0",
        "t=info, n=0",
        "t=head, n=0",
        "t=data, n=0",
        "t=end, n=0",
        "t=credit, max=100",
        "t=ping, n=0, max=0",
        "t=nothing",
        "t=refuse, reason=\"\"",
        "",
    };
    for (size_t i = 0; i < COUNT(frames); i++) {
        answer a = {0};
        get(&a, NULL);
        reply_frame(sent().reply, frames[i]);
        assert_int_equal(a.error, NRT_ERR_PROTOCOL);
        assert_string_not_equal(a.detail, "");
        assert_nothing_sent();
    }
    answer late = {0};
    get(&late, NULL);
    engine_pub pub = sent();
    reply_frame(pub.reply, "t=accept");
    refuse(pub.reply); /* it says that it has begun */
    assert_int_equal(late.error, NRT_ERR_PROTOCOL);
    answer twice = {0};
    get(&twice, NULL);
    pub = sent();
    reply_frame(pub.reply, "t=accept");
    reply_frame(pub.reply, "t=accept");
    assert_int_equal(twice.error, NRT_ERR_PROTOCOL);
    assert_int_equal(nrt__client_in_flight(e->client), 0);
}

static void headers_of_others_do_no_harm(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    assert_int_equal(
        engine_header_message(e, sid, sent().reply, "\r\nNats-Request-Info: {}", OK_REPLY), 0);
    assert_int_equal(a.status, 200);
}

static void frames_for_nobody_are_dropped(void **state) {
    (void)state;
    answer a = {0};
    nrt_exchange_id id;
    get(&a, &id);
    engine_pub pub = sent();
    assert_int_equal(nrt__client_cancel(e->client, id), 0);
    refuse(pub.reply);
    reply_frame(pub.reply, "t=accept");
    reply_no_responders(pub.reply);
    engine_advance(e, 100);
    assert_nothing_sent();
    assert_int_equal(stats()->orphans, 2); /* the first one ended what was kept to tell it */
    assert_int_equal(a.calls, 1);
}

/* ---- */

static void without_random_bytes_nothing_is_sent_again(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    engine_pub pub = sent();
    e->random_fails = true;
    e->env.random_left = 0;
    refuse(pub.reply);
    engine_advance(e, 100);
    assert_nothing_sent();
    assert_int_equal(a.error, NRT_ERR_REFUSED);
}

static void a_retry_that_finds_no_room_is_told(void **state) {
    (void)state;
    answer a = {0};
    static char body[4000];
    memset(body, 'b', sizeof(body));
    get(&a, NULL);
    refuse(sent().reply);
    const nrt_str part = {body, sizeof(body)};
    while (nrt__session_publish(e->session, NRT__STR("x"), (nrt_str){NULL, 0}, &part, 1) == 0) {
    }
    const nrt_str little = {body, 100};
    while (nrt__session_publish(e->session, NRT__STR("x"), (nrt_str){NULL, 0}, &little, 1) == 0) {
    }
    engine_advance(e, PAUSE_MS);
    assert_int_equal(a.error, NRT_ERR_BUSY);
    assert_int_equal(a.calls, 1);
}

#define TEST_WITH(setup, name) cmocka_unit_test_setup_teardown(name, setup, client_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        RETRY_TEST(a_refused_request_is_sent_again_with_another_token),
        RETRY_TEST(a_reply_between_two_attempts_is_for_nobody),
        RETRY_TEST(there_are_no_more_attempts_than_allowed),
        CLIENT_TEST(without_retries_a_refusal_is_told),
        TEST_WITH(setup_many_retries, pauses_grow_and_differ),
        RETRY_TEST(no_pause_goes_beyond_the_deadline),
        RETRY_TEST(a_post_is_sent_again_when_it_was_refused),
        TEST_WITH(setup_idempotent, a_refusal_is_no_reason_where_it_was_not_made_one),
        RETRY_TEST(no_service_is_told_at_once),
        TEST_WITH(setup_no_service, who_wants_it_gets_one_more_attempt_soon),
        RETRY_TEST(the_budget_limits_retries),
        RETRY_TEST(what_is_kept_has_a_ceiling),
        RETRY_TEST(silence_of_a_host_with_frames_sends_a_get_again),
        RETRY_TEST(after_a_silent_attempt_nothing_is_certain),
        RETRY_TEST(silence_that_may_do_harm_is_waited_out),
        RETRY_TEST(a_post_with_a_key_does_no_harm),
        RETRY_TEST(who_has_accepted_may_be_silent),
        RETRY_TEST(any_frame_shows_that_a_host_knows_them),
        RETRY_TEST(what_was_known_of_a_host_ages),
        RETRY_TEST(frames_without_a_place_end_the_exchange),
        RETRY_TEST(headers_of_others_do_no_harm),
        RETRY_TEST(frames_for_nobody_are_dropped),
        RETRY_TEST(without_random_bytes_nothing_is_sent_again),
        RETRY_TEST(a_retry_that_finds_no_room_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
