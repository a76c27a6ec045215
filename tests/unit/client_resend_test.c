/* Requests whose connection is lost or comes late, and exchanges that are ended from outside, in
 * every state. A second session is in client_switch_test.c. */
#include "client_fixture.h"

static const nrt_client_stats *stats(void) {
    return nrt__client_stats(e->client);
}

static void refuse(const char *subject) {
    reply_frame(subject, "t=refuse, reason=busy");
}

static nrt_request *post(const char *body) {
    nrt_request *request = nrt_request_create("POST", URL, NULL);
    assert_int_equal(nrt_request_set_body(request, nrt_str_from(body)), 0);
    return request;
}

static void send_request(nrt_request *request, nrt_result_fn fn, answer *a) {
    assert_int_equal(nrt__client_send(e->client, &request->message, 0, fn, a, NULL), 0);
    nrt_request_destroy(request);
}

/* Only so much of the output is handed to the socket. */
static void hand_over(size_t len) {
    nrt__session_sent(e->session, len);
}

/* ---- one connection ---- */

static void a_get_waits_and_is_sent_again(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    engine_pub first = sent();
    engine_disconnect(e);
    assert_int_equal(a.calls, 0);
    engine_advance(e, 1500);
    assert_int_equal(engine_connect(e), 0);
    engine_pub again = sent();
    assert_string_equal(again.subject, first.subject);
    assert_string_not_equal(again.reply, first.reply);
    reply(first.reply, OK_REPLY); /* the answer to the first one, too late */
    assert_int_equal(stats()->orphans, 1);
    assert_int_equal(a.calls, 0);
    engine_advance(e, 1000); /* it does not wait for a connection any more */
    reply(again.reply, OK_REPLY);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.attempts, 2);
    assert_int_equal(stats()->retries_idempotent, 1);
}

static void a_post_is_aborted_unless_it_has_a_key(void **state) {
    (void)state;
    answer plain = {0};
    answer keyed = {0};
    send_request(post("1"), on_result, &plain);
    nrt_request *request = post("2");
    nrt_fields *fields = nrt_request_edit(request);
    assert_int_equal(nrt_fields_add(fields, NRT__STR("Idempotency-Key"), NRT__STR("\"k\"")), 0);
    send_request(request, on_result, &keyed);
    engine_take(e);
    engine_disconnect(e);
    assert_int_equal(plain.error, NRT_ERR_ABORTED);
    assert_int_equal(keyed.calls, 0);
    assert_int_equal(engine_connect(e), 0);
    reply(sent().reply, OK_REPLY);
    assert_int_equal(keyed.status, 200);
}

static void safe_methods_are_those_of_the_registry(void **state) {
    (void)state;
    static const struct {
        const char *method;
        bool again;
    } methods[] = {{"GET", true},     {"HEAD", true},  {"PUT", true},      {"DELETE", true},
                   {"OPTIONS", true}, {"QUERY", true}, {"PROPFIND", true}, {"SEARCH", true},
                   {"REPORT", true},  {"POST", false}, {"PATCH", false},   {"LOCK", false},
                   {"GETTER", false}};
    for (size_t i = 0; i < COUNT(methods); i++) {
        answer a = {0};
        char url[64];
        snprintf(url, sizeof(url), "http://host%zu.nats/", i);
        assert_int_equal(send_for(&a, methods[i].method, url, 0, NULL), 0);
        engine_take(e);
        engine_disconnect(e);
        assert_int_equal(a.error, methods[i].again ? 0 : NRT_ERR_ABORTED);
        assert_int_equal(a.calls, !methods[i].again);
        assert_int_equal(engine_connect(e), 0);
        if (methods[i].again) {
            reply(sent().reply, "HTTP/1.1 204 No Content\r\n\r\n");
            assert_int_equal(a.status, 204);
        }
        assert_nothing_sent();
    }
}

static void what_was_not_sent_is_no_attempt(void **state) {
    (void)state;
    answer whole = {0};
    answer partly = {0};
    answer not_at_all = {0};
    send_request(post("111"), on_result, &whole);
    size_t one = nrt__session_output(e->session).len;
    send_request(post("222"), on_result, &partly);
    send_request(post("333"), on_result, &not_at_all);
    hand_over(2 * one - 1);
    engine_disconnect(e);
    assert_int_equal(whole.error, NRT_ERR_ABORTED);
    assert_int_equal(partly.calls + not_at_all.calls, 0);
    assert_int_equal(engine_connect(e), 0);
    engine_pub pubs[2];
    const char *rest = engine_read_pub(engine_take(e), &pubs[0]);
    assert_non_null(rest);
    assert_non_null(engine_read_pub(rest, &pubs[1]));
    assert_memory_equal(pubs[0].payload.ptr + pubs[0].payload.len - 3, "222", 3);
    assert_memory_equal(pubs[1].payload.ptr + pubs[1].payload.len - 3, "333", 3);
    reply(pubs[0].reply, OK_REPLY);
    reply(pubs[1].reply, OK_REPLY);
    assert_int_equal(partly.status, 200);
    assert_int_equal(partly.attempts, 1);
    assert_int_equal(not_at_all.attempts, 1);
    assert_int_equal(stats()->attempts, 3);
    assert_int_equal(stats()->retries_idempotent, 0); /* and costs none of the budget */
}

static void without_retries_too_it_is_sent_later(void **state) {
    (void)state;
    answer a = {0};
    send_request(post("body"), on_result, &a);
    engine_disconnect(e);
    engine_disconnect(e); /* attempts that fail */
    assert_int_equal(a.calls, 0);
    assert_int_equal(engine_connect(e), 0);
    engine_pub pub = sent();
    assert_string_equal(pub.subject, "nrt.requests.weather.nats.post");
    assert_view(pub.payload,
                "POST /city HTTP/1.1\r\nHost: weather.nats\r\nContent-Length: 4\r\n" ACCEPT
                "\r\nbody");
    reply(pub.reply, OK_REPLY);
    assert_int_equal(a.status, 200);
}

/* It had been accepted, which is for nothing now. */
static void another_instance_may_refuse_it(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    reply_frame(sent().reply, "t=accept");
    engine_disconnect(e);
    assert_int_equal(engine_connect(e), 0);
    refuse(sent().reply);
    assert_int_equal(a.calls, 0);
    engine_advance(e, 28);
    reply(sent().reply, OK_REPLY);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.attempts, 3);
}

/* Whether it may have been executed is in the error. */
static void errors_tell_what_may_have_happened(void **state) {
    (void)state;
    answer lost = {0};
    answer unsent = {0};
    answer refused = {0};
    get(&lost, NULL);
    get(&refused, NULL);
    engine_pub pub;
    assert_non_null(engine_read_pub(engine_read_pub(engine_take(e), &pub), &pub));
    refuse(pub.reply);
    get(&unsent, NULL);
    engine_disconnect(e);
    assert_int_equal(lost.calls + unsent.calls + refused.calls, 0);
    engine_advance(e, 2100);
    assert_int_equal(lost.error, NRT_ERR_ABORTED);
    assert_int_equal(unsent.error, NRT_ERR_DISCONNECTED);
    assert_int_equal(refused.error, NRT_ERR_DISCONNECTED);
    assert_non_null(strstr(unsent.detail, "cut"));
    assert_int_equal(lost.attempts, 1);
    assert_int_equal(unsent.attempts, 0);
    assert_int_equal(nrt__client_in_flight(e->client), 0);
}

/* Silence made a second attempt, and that could not go out. */
static void a_silent_attempt_may_have_happened(void **state) {
    (void)state;
    answer a = {0};
    answer b = {0};
    get(&a, NULL);
    reply(sent().reply, FRAMED_REPLY);
    get(&b, NULL);
    engine_take(e);
    engine_advance(e, 1008); /* it is paused before the second one */
    engine_disconnect(e);
    assert_int_equal(b.calls, 0);
    engine_advance(e, 2100);
    assert_int_equal(b.error, NRT_ERR_ABORTED);
}

static int setup_refused(void **state) {
    (void)state;
    return client_setup_with(2, NRT_RETRY_REFUSED);
}

/* It was silent, and then it says that it has done nothing. */
static void a_late_refusal_is_believed(void **state) {
    (void)state;
    answer a = {0};
    answer b = {0};
    get(&a, NULL);
    reply(sent().reply, FRAMED_REPLY);
    get(&b, NULL);
    engine_pub pub = sent();
    engine_advance(e, 1500);
    refuse(pub.reply);
    engine_disconnect(e);
    engine_advance(e, 2100);
    assert_int_equal(b.error, NRT_ERR_DISCONNECTED);
}

static void the_budget_holds_for_lost_ones_too(void **state) {
    (void)state;
    static answer a[20];
    memset(a, 0, sizeof(a));
    for (size_t i = 0; i < COUNT(a); i++) {
        get(&a[i], NULL);
    }
    engine_take(e);
    engine_disconnect(e);
    size_t aborted = 0;
    for (size_t i = 0; i < COUNT(a); i++) {
        aborted += a[i].error == NRT_ERR_ABORTED;
    }
    assert_int_equal(aborted, 20 - 14);
    assert_int_equal(stats()->retries_denied, aborted);
    assert_int_equal(nrt__client_in_flight(e->client), 14);
}

static void losing_it_again_and_again_ends(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(a.calls, 0);
        sent();
        engine_disconnect(e);
        assert_int_equal(engine_connect(e), 0);
    }
    assert_nothing_sent();
    assert_int_equal(a.error, NRT_ERR_ABORTED);
    assert_int_equal(a.attempts, 3);
}

/* ---- callbacks ---- */

static answer again;
static nrt_exchange_id others[2];

static void send_another(const nrt_result *result, void *arg) {
    on_result(result, arg);
    if (again.calls == 0 && result->error != NRT_ERR_CANCELED) {
        get(&again, NULL);
    }
}

static void cancel_others(const nrt_result *result, void *arg) {
    on_result(result, arg);
    for (size_t i = 0; i < COUNT(others); i++) {
        nrt__client_cancel(e->client, others[i]);
    }
}

static void callbacks_may_send_when_a_connection_is_lost(void **state) {
    (void)state;
    answer a = {0};
    memset(&again, 0, sizeof(again));
    send_request(post("x"), send_another, &a);
    engine_take(e);
    engine_disconnect(e);
    assert_int_equal(a.error, NRT_ERR_ABORTED);
    assert_int_equal(again.calls, 0);
    assert_int_equal(engine_connect(e), 0);
    reply(sent().reply, OK_REPLY);
    assert_int_equal(again.status, 200);
}

static void callbacks_may_cancel_others(void **state) {
    (void)state;
    answer a = {0};
    answer b = {0};
    answer c = {0};
    send_request(post("x"), cancel_others, &a);
    assert_int_equal(send_for(&b, "POST", URL, 0, &others[0]), 0); /* lost as well */
    get(&c, &others[1]);                                           /* will wait */
    engine_take(e);
    engine_disconnect(e);
    assert_int_equal(a.error, NRT_ERR_ABORTED);
    assert_int_equal(b.error, NRT_ERR_CANCELED);
    assert_int_equal(c.error, NRT_ERR_CANCELED);
    assert_int_equal(a.calls + b.calls + c.calls, 3);
    assert_int_equal(nrt__client_in_flight(e->client), 0);
}

static void callbacks_may_do_so_on_a_refusal(void **state) {
    (void)state;
    answer a = {0};
    answer b = {0};
    memset(&again, 0, sizeof(again));
    memset(others, 0, sizeof(others));
    send_request(post("x"), send_another, &a);
    get(&b, &others[0]);
    engine_pub pub;
    engine_read_pub(engine_take(e), &pub);
    reply_frame(pub.reply, "t=nothing");
    assert_int_equal(a.error, NRT_ERR_PROTOCOL);
    reply(sent().reply, OK_REPLY); /* sent from inside */
    assert_int_equal(again.status, 200);
    answer c = {0};
    send_request(post("x"), cancel_others, &c);
    refuse(sent().reply);
    engine_disconnect(e);
    engine_advance(e, 2100); /* both wait: the first to be told cancels the other */
    assert_int_equal(b.calls + c.calls, 2);
    assert_int_equal(nrt__client_in_flight(e->client), 0);
}

/* ---- ended from outside ---- */

typedef enum phase {
    SENT = 0,
    PAUSED,
    WAITING,
    PHASES,
} phase;

/* Brings an exchange there; the token of its first attempt. */
static void bring_to(phase where, answer *a, nrt_exchange_id *id, char token[600]) {
    get(a, id);
    engine_pub pub = sent();
    strcpy(token, pub.reply);
    if (where == PAUSED) {
        refuse(pub.reply);
    } else if (where == WAITING) {
        engine_disconnect(e);
    }
    assert_int_equal(a->calls, 0);
}

static void it_can_be_canceled_in_every_state(void **state) {
    (void)state;
    for (phase where = SENT; where < PHASES; where++) {
        answer a = {0};
        nrt_exchange_id id;
        char token[600];
        bring_to(where, &a, &id, token);
        assert_int_equal(nrt__client_cancel(e->client, id), 0);
        assert_int_equal(a.error, NRT_ERR_CANCELED);
        assert_int_equal(nrt__client_cancel(e->client, id), NRT_ERR_STATE);
        if (where == WAITING) {
            assert_int_equal(engine_connect(e), 0);
        }
        engine_advance(e, 3000);
        assert_nothing_sent();
        reply(token, OK_REPLY);
        assert_int_equal(a.calls, 1);
        assert_int_equal(nrt__client_in_flight(e->client), 0);
    }
}

static void it_can_be_destroyed_in_every_state(void **state) {
    for (phase where = SENT; where < PHASES; where++) {
        answer a = {0};
        char token[600];
        bring_to(where, &a, NULL, token);
        nrt__client_destroy(e->client);
        e->client = NULL;
        assert_int_equal(a.error, NRT_ERR_CANCELED);
        engine_advance(e, 40000); /* no timer of it is left */
        assert_int_equal(a.calls, 1);
        client_teardown(state);
        assert_int_equal(client_setup_retries(state), 0);
    }
}

static void a_muted_client_tells_nobody(void **state) {
    (void)state;
    answer a = {0};
    answer b = {0};
    char token[600];
    bring_to(PAUSED, &a, NULL, token);
    bring_to(WAITING, &b, NULL, token);
    nrt__client_mute(e->client);
    nrt__client_destroy(e->client);
    e->client = NULL;
    assert_int_equal(a.calls + b.calls, 0);
}

static void a_denial_reaches_a_second_attempt(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    refuse(sent().reply);
    static const char denial[] =
        "-ERR 'Permissions Violation for Publish to \"nrt.requests.weather.nats.get\"'\r\n";
    assert_int_equal(engine_feed(e, denial), 0); /* nothing is out: it is for nobody */
    assert_int_equal(a.calls, 0);
    engine_advance(e, 18);
    sent();
    assert_int_equal(engine_feed(e, denial), 0);
    assert_int_equal(a.error, NRT_ERR_PERMISSION);
}

static void without_an_inbox_those_that_pause_and_wait_are_told(void **state) {
    (void)state;
    answer paused = {0};
    answer lost = {0};
    char token[600];
    char text[700];
    bring_to(PAUSED, &paused, NULL, token);
    bring_to(SENT, &lost, NULL, token);
    token[strlen(token) - 20] = '\0'; /* without slot and secret */
    snprintf(text, sizeof(text), "-ERR 'Permissions Violation for Subscription to \"%s*\"'\r\n",
             token);
    assert_int_equal(engine_feed(e, text), 0);
    assert_int_equal(paused.error, NRT_ERR_PERMISSION);
    assert_int_equal(lost.error, NRT_ERR_PERMISSION);
    engine_advance(e, 100);
    assert_nothing_sent();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RETRY_TEST(a_get_waits_and_is_sent_again),
        RETRY_TEST(a_post_is_aborted_unless_it_has_a_key),
        RETRY_TEST(safe_methods_are_those_of_the_registry),
        RETRY_TEST(what_was_not_sent_is_no_attempt),
        CLIENT_TEST(without_retries_too_it_is_sent_later),
        RETRY_TEST(another_instance_may_refuse_it),
        RETRY_TEST(errors_tell_what_may_have_happened),
        RETRY_TEST(a_silent_attempt_may_have_happened),
        cmocka_unit_test_setup_teardown(a_late_refusal_is_believed, setup_refused, client_teardown),
        RETRY_TEST(the_budget_holds_for_lost_ones_too),
        RETRY_TEST(losing_it_again_and_again_ends),
        RETRY_TEST(callbacks_may_send_when_a_connection_is_lost),
        RETRY_TEST(callbacks_may_cancel_others),
        RETRY_TEST(callbacks_may_do_so_on_a_refusal),
        RETRY_TEST(it_can_be_canceled_in_every_state),
        RETRY_TEST(it_can_be_destroyed_in_every_state),
        RETRY_TEST(a_muted_client_tells_nobody),
        RETRY_TEST(a_denial_reaches_a_second_attempt),
        RETRY_TEST(without_an_inbox_those_that_pause_and_wait_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
