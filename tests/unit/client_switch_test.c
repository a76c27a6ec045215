/* A second session that takes over while the first one is there: where requests go out, by which
 * replies come, and what the end of either does. */
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

/* It stands, and requests go out on it: e->session is the new one. */
static void take_over(void) {
    assert_int_equal(engine_add_session(e), 0);
    engine_swap(e);
    assert_int_equal(engine_connect(e), 0);
    char again_sid[24] = "";
    sscanf(strstr(e->greeting, "SUB _INBOX."), "SUB %*s %23s", again_sid);
    assert_string_equal(again_sid, sid);
    nrt__client_switch(e->client, e->session);
}

static void requests_go_out_on_the_new_session(void **state) {
    (void)state;
    answer before = {0};
    answer after = {0};
    answer too = {0};
    get(&before, NULL);
    engine_pub old = sent();
    get(&too, NULL);
    engine_pub second = sent();
    nrt__session *first = e->session;
    take_over();
    get(&after, NULL);
    engine_pub new = sent();
    assert_int_equal(nrt__client_in_flight_on(e->client, first), 2);
    assert_int_equal(nrt__client_in_flight_on(e->client, e->session), 1);
    reply(old.reply, OK_REPLY); /* by the new one */
    assert_int_equal(before.status, 200);
    engine_swap(e);
    reply(old.reply, OK_REPLY); /* and by the old one */
    assert_int_equal(before.calls, 1);
    assert_int_equal(stats()->orphans, 1);
    reply(second.reply, OK_REPLY);
    assert_int_equal(too.status, 200);
    assert_int_equal(nrt__client_in_flight_on(e->client, first), 0);
    engine_swap(e);
    engine_drop_other(e);
    assert_int_equal(after.calls, 0);
    reply(new.reply, OK_REPLY);
    assert_int_equal(after.status, 200);
}

static void what_waits_goes_to_the_new_session(void **state) {
    (void)state;
    answer waiting = {0};
    answer paused = {0};
    get(&paused, NULL);
    refuse(sent().reply);
    nrt__session_stop(e->session);
    get(&waiting, NULL);
    assert_int_equal(engine_add_session(e), 0);
    engine_swap(e);
    assert_int_equal(engine_connect(e), 0);
    assert_nothing_sent();
    nrt__client_switch(e->client, e->session);
    reply(sent().reply, OK_REPLY);
    assert_int_equal(waiting.status, 200);
    engine_advance(e, 18);
    reply(sent().reply, OK_REPLY);
    assert_int_equal(paused.status, 200);
}

static void the_end_of_the_old_session_loses_nothing(void **state) {
    (void)state;
    answer whole = {0};
    answer partly = {0};
    answer unsent = {0};
    send_request(post("111"), on_result, &whole);
    size_t one = nrt__session_output(e->session).len;
    engine_pub pub;
    char text[2048];
    snprintf(text, sizeof(text), "%.*s", (int)one, nrt__session_output(e->session).ptr);
    assert_non_null(engine_read_pub(text, &pub));
    send_request(post("222"), on_result, &partly);
    send_request(post("333"), on_result, &unsent);
    hand_over(2 * one - 1);
    take_over();
    engine_drop_other(e);
    assert_int_equal(whole.calls + partly.calls + unsent.calls, 0);
    assert_int_equal(nrt__client_in_flight_on(e->client, e->session), 3);
    engine_pub pubs[2];
    const char *rest = engine_read_pub(engine_take(e), &pubs[0]);
    assert_non_null(rest);
    rest = engine_read_pub(rest, &pubs[1]);
    assert_string_equal(rest, "");
    reply(pubs[0].reply, OK_REPLY);
    reply(pubs[1].reply, OK_REPLY);
    reply(pub.reply, OK_REPLY);
    assert_int_equal(whole.status + partly.status + unsent.status, 600);
}

/* What was cut in the middle and is not kept: nobody will ever answer it. */
static void what_the_old_session_cut_is_told_at_once(void **state) {
    (void)state;
    answer partly = {0};
    send_request(post("222"), on_result, &partly);
    hand_over(20);
    take_over();
    engine_drop_other(e);
    assert_int_equal(partly.error, NRT_ERR_DISCONNECTED);
    assert_int_equal(nrt__client_in_flight(e->client), 0);
}

static void the_end_of_the_new_session_leaves_those_of_the_old(void **state) {
    (void)state;
    answer old = {0};
    answer new = {0};
    answer lost = {0};
    get(&old, NULL);
    engine_pub pub = sent();
    take_over();
    get(&new, NULL);
    send_request(post("x"), on_result, &lost);
    engine_take(e);
    engine_disconnect(e);
    assert_int_equal(lost.error, NRT_ERR_ABORTED);
    assert_int_equal(old.calls + new.calls, 0);
    engine_swap(e);
    reply(pub.reply, OK_REPLY);
    assert_int_equal(old.status, 200);
    engine_swap(e);
    engine_advance(e, 2100);
    assert_int_equal(new.error, NRT_ERR_ABORTED);
}

static void both_sessions_may_bring_the_same_frame(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    engine_pub pub = sent();
    take_over();
    reply_frame(pub.reply, "t=accept");
    engine_swap(e);
    reply_frame(pub.reply, "t=accept");
    assert_int_equal(a.calls, 0);
    reply(pub.reply, OK_REPLY);
    assert_int_equal(a.status, 200);
    answer b = {0};
    engine_swap(e);
    get(&b, NULL);
    pub = sent();
    refuse(pub.reply);
    engine_swap(e);
    refuse(pub.reply);
    assert_int_equal(b.calls, 0);
    assert_int_equal(stats()->retries_refused, 1);
    engine_swap(e);
}

/* What waits in the output of the new one is none of the old one's. */
static void the_end_of_the_old_session_is_its_own(void **state) {
    (void)state;
    answer a = {0};
    take_over();
    for (int i = 0; i < 10; i++) { /* beyond anything that went by the old one */
        const nrt_str payload = NRT__STR("a message that is somewhat longer than a request is");
        assert_int_equal(
            nrt__session_publish(e->session, NRT__STR("x"), (nrt_str){NULL, 0}, &payload, 1), 0);
    }
    engine_take(e);
    get(&a, NULL);
    engine_drop_other(e);
    reply(sent().reply, OK_REPLY); /* once */
    assert_int_equal(a.status, 200);
    assert_int_equal(a.attempts, 1);
}

static void the_inbox_stays_with_who_retires(void **state) {
    (void)state;
    take_over();
    engine_swap(e);
    nrt__session_retire(e->session);
    assert_nothing_sent();
    engine_swap(e);
}

/* One that was accepted is told of its end, by the session that is left. */
static void who_has_accepted_is_told_by_the_new_session(void **state) {
    (void)state;
    answer a = {0};
    nrt_exchange_id id;
    char line[1024];
    get(&a, &id);
    engine_pub pub = sent();
    snprintf(line, sizeof(line),
             "HMSG %s %s PEER 33 33\r\nNATS/1.0\r\nNRT-Frame: t=accept\r\n\r\n\r\n", pub.reply,
             sid);
    assert_int_equal(engine_feed(e, line), 0);
    take_over();
    engine_drop_other(e);
    assert_int_equal(a.calls, 0);
    assert_int_equal(nrt__client_cancel(e->client, id), 0);
    engine_pub abort = sent();
    assert_string_equal(abort.subject, "PEER");
    assert_non_null(memmem(abort.header.ptr, abort.header.len, "t=abort, code=canceled", 22));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RETRY_TEST(requests_go_out_on_the_new_session),
        RETRY_TEST(what_waits_goes_to_the_new_session),
        RETRY_TEST(the_end_of_the_old_session_loses_nothing),
        CLIENT_TEST(what_the_old_session_cut_is_told_at_once),
        RETRY_TEST(the_end_of_the_new_session_leaves_those_of_the_old),
        RETRY_TEST(both_sessions_may_bring_the_same_frame),
        RETRY_TEST(the_end_of_the_old_session_is_its_own),
        RETRY_TEST(the_inbox_stays_with_who_retires),
        CLIENT_TEST(who_has_accepted_is_told_by_the_new_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
