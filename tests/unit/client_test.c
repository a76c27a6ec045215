/* The client half of exchanges, without I/O: who may answer, how each failure comes back, and when.
 */
#include "client_fixture.h"

static void a_request_goes_to_its_subject_and_the_answer_comes_back(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    engine_pub pub = sent();
    assert_string_equal(pub.subject, "nrt.requests.weather.nats.get");
    assert_view(pub.payload, "GET /city HTTP/1.1\r\nHost: weather.nats\r\n" ACCEPT "\r\n");
    assert_int_equal(strncmp(pub.reply, "_INBOX.", 7), 0);
    assert_int_equal(nrt__client_in_flight(e->client), 1);
    reply(pub.reply, OK_REPLY);
    assert_int_equal(a.calls, 1);
    assert_int_equal(a.error, 0);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "hi");
    assert_string_equal(a.detail, "");
    assert_int_equal(nrt__client_in_flight(e->client), 0);
}

static void fields_that_are_ours_are_not_sent(void **state) {
    (void)state;
    answer a = {0};
    nrt_request *request = nrt_request_create("POST", "http://weather.nats:80/x?y#z", NULL);
    nrt_fields *fields = nrt_request_edit(request);
    static const char *const names[] = {"NRT-ID",         "Connection",        "Host",
                                        "Content-Length", "Transfer-Encoding", "Keep-Alive",
                                        "Upgrade"};
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(nrt_fields_add(fields, nrt_str_from(names[i]), NRT__STR("close")), 0);
    }
    assert_int_equal(nrt_fields_add(fields, NRT__STR("X-Mine"), NRT__STR("1")), 0);
    assert_int_equal(nrt_request_set_body(request, NRT__STR("body")), 0);
    assert_int_equal(nrt__client_send(e->client, &request->message, 0, on_result, &a, NULL), 0);
    engine_pub pub = sent();
    assert_view(pub.payload, "POST /x?y HTTP/1.1\r\nHost: weather.nats\r\nX-Mine: 1\r\n"
                             "Content-Length: 4\r\n" ACCEPT "\r\nbody");
    nrt_request_destroy(request);
}

static void a_reply_needs_the_secret(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    engine_pub pub = sent();
    char forged[600];
    size_t len = strlen(pub.reply);
    for (size_t i = len - 20; i < len; i++) { /* any one character of slot and secret */
        strcpy(forged, pub.reply);
        forged[i] = forged[i] == 'x' ? 'y' : 'x';
        reply(forged, OK_REPLY);
    }
    strcpy(forged, pub.reply);
    forged[len - 1] = '\0';
    reply(forged, OK_REPLY);
    snprintf(forged, sizeof(forged), "%sx", pub.reply);
    reply(forged, OK_REPLY);
    reply("_INBOX.x", OK_REPLY);
    strcpy(forged, pub.reply);
    forged[len - 20] = '!';
    reply(forged, OK_REPLY);
    forged[len - 20] = '\xff';
    reply(forged, OK_REPLY);
    assert_int_equal(a.calls, 0);
    reply(pub.reply, OK_REPLY);
    assert_int_equal(a.calls, 1);
}

static void a_token_is_good_for_one_answer(void **state) {
    (void)state;
    answer first = {0};
    answer second = {0};
    get(&first, NULL);
    engine_pub old = sent();
    reply(old.reply, OK_REPLY);
    get(&second, NULL); /* in the same slot */
    engine_pub new = sent();
    size_t slot = strlen(old.reply) - 16;
    assert_memory_equal(old.reply, new.reply, slot);
    assert_string_not_equal(old.reply, new.reply);
    reply(old.reply, "HTTP/1.1 500 Old\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(first.calls, 1);
    assert_int_equal(second.calls, 0);
    reply(new.reply, OK_REPLY);
    reply(new.reply, OK_REPLY);
    assert_int_equal(second.calls, 1);
    assert_int_equal(second.status, 200);
}

static void answers_may_come_in_any_order(void **state) {
    (void)state;
    static answer a[100];
    static engine_pub pubs[100];
    memset(a, 0, sizeof(a));
    for (size_t i = 0; i < COUNT(a); i++) {
        get(&a[i], NULL);
        pubs[i] = sent();
    }
    answer more = {0};
    assert_int_equal(send_for(&more, "GET", "http://weather.nats/", 0, NULL), NRT_ERR_BUSY);
    for (size_t i = 0; i < COUNT(a); i++) {
        char text[100];
        size_t one = i * 37 % COUNT(a);
        snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%02zu", one);
        reply(pubs[one].reply, text);
    }
    for (size_t i = 0; i < COUNT(a); i++) {
        char text[8];
        snprintf(text, sizeof(text), "%02zu", i);
        assert_int_equal(a[i].calls, 1);
        assert_string_equal(a[i].body, text);
    }
}

static void no_responders_are_told_at_once(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    reply_no_responders(sent().reply);
    assert_int_equal(a.calls, 1);
    assert_int_equal(a.error, NRT_ERR_NO_SERVICE);
}

static void what_failed_is_noted_but_not_what_was_canceled(void **state) {
    (void)state;
    answer a = {0};
    nrt_exchange_id id = 0;
    nrt__buf out;
    nrt__buf_init(&out, 4096);
    nrt__failures *failures = nrt__failures_create();
    nrt__client_note_failures(e->client, failures);
    get(&a, NULL);
    reply_no_responders(sent().reply);
    get(&a, NULL);
    reply(sent().reply, OK_REPLY);
    get(&a, &id);
    (void)sent();
    assert_int_equal(nrt__client_cancel(e->client, id), 0);
    nrt__failures_write(failures, &out);
    nrt__buf_add(&out, "", 1);
    assert_non_null(strstr(out.bytes, "\"code\":\"no-service\""));
    assert_non_null(strstr(out.bytes, "\"count\":1}]"));
    assert_null(strstr(out.bytes, "canceled"));
    nrt__client_note_failures(e->client, NULL);
    get(&a, NULL);
    reply_no_responders(sent().reply);
    nrt__failures_destroy(failures);
    nrt__buf_free(&out);
}

static void replies_that_are_not_http_are_protocol_errors(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "hello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nh",
        "HTTP/1.1 103 Early Hints\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 000 \r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        answer a = {0};
        get(&a, NULL);
        reply(sent().reply, bad[i]);
        assert_int_equal(a.calls, 1);
        assert_int_equal(a.error, NRT_ERR_PROTOCOL);
        assert_string_not_equal(a.detail, "");
    }
}

static void what_old_servers_write_is_understood(void **state) {
    (void)state;
    answer a = {0};
    get(&a, NULL);
    reply(sent().reply, "HTTP/0.0 418 I'm a teapot\r\n\r\nshort and stout");
    assert_int_equal(a.status, 418);
    assert_string_equal(a.body, "short and stout");
    answer head = {0};
    assert_int_equal(send_for(&head, "HEAD", "http://weather.nats/", 0, NULL), 0);
    reply(sent().reply, "HTTP/0.0 200 OK\r\nContent-Length: 4\r\n\r\nbody");
    assert_int_equal(head.status, 200);
    assert_string_equal(head.body, "");
}

static void a_reply_larger_than_the_limit_is_told(void **state) {
    (void)state;
    static char payload[20000];
    answer a = {0};
    memset(payload, 'x', sizeof(payload) - 1);
    get(&a, NULL);
    reply(sent().reply, payload);
    assert_int_equal(a.calls, 1);
    assert_int_equal(a.error, NRT_ERR_RESPONSE_TOO_LARGE);
}

static void a_timeout_comes_when_it_was_to(void **state) {
    (void)state;
    answer usual = {0};
    answer brief = {0};
    get(&usual, NULL);
    engine_pub pub = sent();
    assert_int_equal(send_for(&brief, "GET", "http://weather.nats/", 50, NULL), 0);
    engine_advance(e, 49);
    assert_int_equal(brief.calls, 0);
    engine_advance(e, 9);
    assert_int_equal(brief.error, NRT_ERR_TIMEOUT);
    for (int i = 0; i < 3; i++) { /* so that it does not go stale */
        engine_advance(e, 9980);
        assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    }
    assert_int_equal(usual.calls, 0);
    engine_advance(e, 10);
    assert_int_equal(usual.error, NRT_ERR_TIMEOUT);
    reply(pub.reply, OK_REPLY);
    assert_int_equal(usual.calls, 1);
}

static void without_a_connection_a_request_waits_and_is_then_sent(void **state) {
    (void)state;
    answer a = {0};
    answer b = {0};
    get(&a, NULL);
    assert_int_equal(send_for(&b, "GET", "http://two.nats/b", 0, NULL), 0);
    assert_string_equal(engine_take(e), "");
    engine_advance(e, 1900);
    assert_int_equal(engine_connect(e), 0);
    engine_pub first;
    engine_pub second;
    const char *rest = engine_read_pub(engine_take(e), &first);
    assert_non_null(rest);
    assert_string_equal(first.subject, "nrt.requests.weather.nats.get");
    assert_non_null(engine_read_pub(rest, &second));
    assert_view(second.payload, "GET /b HTTP/1.1\r\nHost: two.nats\r\n" ACCEPT "\r\n");
    engine_advance(e, 500); /* the wait for a connection is over, the request is not */
    assert_int_equal(a.calls, 0);
    reply(first.reply, OK_REPLY);
    assert_int_equal(a.error, 0);
    for (int i = 0; i < 3; i++) {
        engine_advance(e, 9200);
        assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    }
    assert_int_equal(b.error, NRT_ERR_TIMEOUT); /* counted from the send */
}

static void a_request_waits_for_a_connection_only_so_long(void **state) {
    (void)state;
    answer a = {0};
    answer brief = {0};
    nrt__client_disconnected(e->client, e->session, "refused");
    get(&a, NULL);
    assert_int_equal(send_for(&brief, "GET", "http://weather.nats/", 100, NULL), 0);
    engine_advance(e, 108);
    assert_int_equal(brief.error, NRT_ERR_DISCONNECTED);
    engine_advance(e, 1891);
    assert_int_equal(a.calls, 0);
    engine_advance(e, 9);
    assert_int_equal(a.error, NRT_ERR_DISCONNECTED);
    assert_non_null(strstr(a.detail, "refused"));
    assert_int_equal(engine_connect(e), 0);
    assert_string_equal(engine_take(e), "");
}

static void waiting_requests_have_a_ceiling(void **state) {
    (void)state;
    static answer a[100];
    memset(a, 0, sizeof(a));
    size_t taken = 0;
    while (taken < COUNT(a) && send_for(&a[taken], "GET", "http://weather.nats/", 0, NULL) == 0) {
        taken++;
    }
    assert_in_range(taken, 4096 / 150, 4096 / 75);
    assert_int_equal(send_for(&a[99], "GET", "http://weather.nats/", 0, NULL), NRT_ERR_BUSY);
    assert_int_equal(nrt__client_in_flight(e->client), taken);
    assert_int_equal(engine_connect(e), 0);
    engine_take(e);
    engine_disconnect(e);
    assert_int_equal(send_for(&a[99], "GET", "http://weather.nats/", 0, NULL), 0);
}

static void what_turns_out_too_large_after_waiting_is_told(void **state) {
    (void)state;
    answer a = {0};
    nrt_request *request = nrt_request_create("PUT", "http://weather.nats/", NULL);
    static char body[3000];
    memset(body, 'b', sizeof(body));
    assert_int_equal(nrt_request_set_body(request, (nrt_str){body, sizeof(body)}), 0);
    assert_int_equal(nrt__client_send(e->client, &request->message, 0, on_result, &a, NULL), 0);
    nrt_request_destroy(request);
    nrt__session_start(e->session, &e->login);
    assert_int_equal(engine_feed(e, "INFO {\"max_payload\":2000,\"headers\":true}\r\nPONG\r\n"), 0);
    assert_int_equal(a.error, NRT_ERR_TOO_LARGE);
    assert_int_equal(nrt__client_in_flight(e->client), 0);
}

static void a_request_too_large_is_refused_at_once(void **state) {
    (void)state;
    answer a = {0};
    static char body[300001]; /* more than it may hold: max_body */
    memset(body, 'b', sizeof(body));
    nrt_request *request = nrt_request_create("PUT", "http://weather.nats/", NULL);
    assert_int_equal(nrt_request_set_body(request, (nrt_str){body, sizeof(body)}), 0);
    assert_int_equal(nrt__client_send(e->client, &request->message, 0, on_result, &a, NULL),
                     NRT_ERR_TOO_LARGE);
    nrt_request_destroy(request);
    assert_int_equal(nrt__client_in_flight(e->client), 0);
    assert_string_equal(engine_take(e), "");
    engine_advance(e, 8000);
    assert_int_equal(a.calls, 0);
}

static void a_lost_connection_aborts_what_was_sent_wholly(void **state) {
    (void)state;
    answer whole = {0};
    answer partly = {0};
    answer not_at_all = {0};
    get(&whole, NULL);
    size_t one = nrt__session_output(e->session).len;
    get(&partly, NULL);
    get(&not_at_all, NULL);
    nrt__session_sent(e->session, 2 * one - 1);
    engine_disconnect(e);
    assert_int_equal(whole.error, NRT_ERR_ABORTED);
    assert_int_equal(partly.error, NRT_ERR_DISCONNECTED); /* its beginning alone is no request */
    assert_int_equal(whole.calls + partly.calls, 2);
    assert_int_equal(not_at_all.calls, 0);
    assert_int_equal(nrt__client_in_flight(e->client), 1);
    assert_int_equal(engine_connect(e), 0);
    reply(sent().reply, OK_REPLY); /* it is all that is sent */
    assert_int_equal(not_at_all.status, 200);
}

static void send_again(const nrt_result *result, void *arg) {
    (void)result;
    get(arg, NULL);
}

static void a_callback_of_a_lost_connection_may_send_again(void **state) {
    (void)state;
    answer again = {0};
    nrt_request *request = nrt_request_create("GET", "http://weather.nats/", NULL);
    assert_int_equal(nrt__client_send(e->client, &request->message, 0, send_again, &again, NULL),
                     0);
    nrt_request_destroy(request);
    engine_take(e);
    engine_disconnect(e);
    assert_int_equal(again.calls, 0);
    assert_int_equal(engine_connect(e), 0);
    reply(sent().reply, OK_REPLY);
    assert_int_equal(again.status, 200);
}

static void a_denial_is_for_the_oldest_on_that_subject(void **state) {
    (void)state;
    answer other = {0};
    answer first = {0};
    answer second = {0};
    assert_int_equal(send_for(&other, "POST", "http://weather.nats/", 0, NULL), 0);
    get(&first, NULL);
    get(&second, NULL);
    static const char denial[] =
        "-ERR 'Permissions Violation for Publish to \"nrt.requests.weather.nats.get\"'\r\n";
    assert_int_equal(engine_feed(e, denial), 0);
    assert_int_equal(first.error, NRT_ERR_PERMISSION);
    assert_non_null(strstr(first.detail, "nrt.requests.weather.nats.get"));
    assert_int_equal(second.calls, 0);
    assert_int_equal(engine_feed(e, denial), 0);
    assert_int_equal(second.error, NRT_ERR_PERMISSION);
    assert_int_equal(engine_feed(e, denial), 0);
    assert_int_equal(other.calls, 0);
}

static void a_canceled_exchange_is_over_at_once(void **state) {
    (void)state;
    answer a = {0};
    nrt_exchange_id id = 0;
    get(&a, &id);
    engine_pub pub = sent();
    assert_int_equal(nrt__client_cancel(e->client, id), 0);
    assert_int_equal(a.error, NRT_ERR_CANCELED);
    assert_int_equal(nrt__client_cancel(e->client, id), NRT_ERR_STATE);
    reply(pub.reply, OK_REPLY);
    engine_advance(e, 9000);
    assert_int_equal(a.calls, 1);
    assert_int_equal(nrt__client_cancel(e->client, 0), NRT_ERR_STATE);
    assert_int_equal(nrt__client_cancel(e->client, UINT64_MAX), NRT_ERR_STATE);
}

static void a_waiting_exchange_can_be_canceled_too(void **state) {
    (void)state;
    answer a = {0};
    nrt_exchange_id id = 0;
    get(&a, &id);
    assert_int_equal(nrt__client_cancel(e->client, id), 0);
    assert_int_equal(a.error, NRT_ERR_CANCELED);
    assert_int_equal(engine_connect(e), 0);
    assert_string_equal(engine_take(e), "");
}

static void ids_are_never_used_again(void **state) {
    (void)state;
    static nrt_exchange_id ids[300];
    for (size_t i = 0; i < COUNT(ids); i++) {
        answer a = {0};
        get(&a, &ids[i]);
        assert_int_not_equal(ids[i], 0);
        reply(sent().reply, OK_REPLY);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(ids[i], ids[j]);
        }
        answer next = {0};
        get(&next, NULL); /* the slot is in use again: the old id must not reach it */
        assert_int_equal(nrt__client_cancel(e->client, ids[i]), NRT_ERR_STATE);
        reply(sent().reply, OK_REPLY);
        assert_int_equal(next.error, 0);
    }
}

static void destroying_cancels_what_is_left(void **state) {
    (void)state;
    answer sent_one = {0};
    answer waiting = {0};
    get(&sent_one, NULL);
    nrt__session_stop(e->session);
    get(&waiting, NULL);
    nrt__client_destroy(e->client);
    e->client = NULL;
    assert_int_equal(sent_one.error, NRT_ERR_CANCELED);
    assert_int_equal(waiting.error, NRT_ERR_CANCELED);
    assert_int_equal(sent_one.calls + waiting.calls, 2);
    nrt__client_destroy(NULL);
}

static void without_random_bytes_nothing_is_sent(void **state) {
    (void)state;
    answer a = {0};
    e->random_fails = true;
    e->env.random_left = 0;
    assert_true(send_for(&a, "GET", "http://weather.nats/", 0, NULL) < 0);
    assert_string_equal(engine_take(e), "");
    assert_int_equal(nrt__client_in_flight(e->client), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(a_request_goes_to_its_subject_and_the_answer_comes_back),
        CLIENT_TEST(fields_that_are_ours_are_not_sent),
        CLIENT_TEST(a_reply_needs_the_secret),
        CLIENT_TEST(a_token_is_good_for_one_answer),
        CLIENT_TEST(answers_may_come_in_any_order),
        CLIENT_TEST(no_responders_are_told_at_once),
        CLIENT_TEST(what_failed_is_noted_but_not_what_was_canceled),
        CLIENT_TEST(replies_that_are_not_http_are_protocol_errors),
        CLIENT_TEST(what_old_servers_write_is_understood),
        CLIENT_TEST(a_reply_larger_than_the_limit_is_told),
        CLIENT_TEST(a_timeout_comes_when_it_was_to),
        DISCONNECTED_TEST(without_a_connection_a_request_waits_and_is_then_sent),
        DISCONNECTED_TEST(a_request_waits_for_a_connection_only_so_long),
        DISCONNECTED_TEST(waiting_requests_have_a_ceiling),
        DISCONNECTED_TEST(what_turns_out_too_large_after_waiting_is_told),
        CLIENT_TEST(a_request_too_large_is_refused_at_once),
        CLIENT_TEST(a_lost_connection_aborts_what_was_sent_wholly),
        CLIENT_TEST(a_callback_of_a_lost_connection_may_send_again),
        CLIENT_TEST(a_denial_is_for_the_oldest_on_that_subject),
        CLIENT_TEST(a_canceled_exchange_is_over_at_once),
        DISCONNECTED_TEST(a_waiting_exchange_can_be_canceled_too),
        CLIENT_TEST(ids_are_never_used_again),
        CLIENT_TEST(destroying_cancels_what_is_left),
        CLIENT_TEST(without_random_bytes_nothing_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
