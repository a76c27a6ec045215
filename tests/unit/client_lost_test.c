/* What becomes of requests when the connection goes, or may not have replies: which are kept for
 * the next one, and that nobody is told twice, or at all where nobody is there. */
#include "unit.h"

#include "engine.h"

enum { WAITING_MAX = 4096 }; /* what engine_init lets wait */

typedef struct answer {
    int calls;
    int error;
    int status;
} answer;

static engine *e; /* of the test that runs */
static char sid[24];

static void on_result(const nrt_result *result, void *arg) {
    answer *a = arg;
    a->calls++;
    a->error = result->error;
    a->status = result->response ? nrt_response_status(result->response) : 0;
}

static int setup(void **state) {
    (void)state;
    e = calloc(1, sizeof(*e));
    int error = engine_init(e, ENGINE_CLIENT);
    if (error == 0) {
        error = engine_connect(e);
    }
    sscanf(strstr(e->greeting, "SUB _INBOX."), "SUB %*s %23s", sid);
    return error;
}

static int teardown(void **state) {
    (void)state;
    engine_finish(e);
    free(e);
    return 0;
}

static int post(answer *a, const char *url, size_t size) {
    static char body[WAITING_MAX];
    nrt_request *request = nrt_request_create("POST", url, NULL);
    assert_non_null(request);
    memset(body, 'b', sizeof(body));
    assert_int_equal(nrt_request_set_body(request, (nrt_str){body, size}), 0);
    int error = nrt__client_send(e->client, &request->message, 0, on_result, a, NULL);
    nrt_request_destroy(request);
    return error;
}

/* The socket is gone: as lib/link.c does it. */
static void lose(void) {
    nrt__client_save(e->client, e->session);
    nrt__session_stop(e->session);
    nrt__client_disconnected(e->client, e->session, "cut");
}

static void what_had_not_begun_to_go_out_goes_with_the_next_connection(void **state) {
    (void)state;
    answer sent = {0};
    answer cut = {0};
    answer kept = {0};
    assert_int_equal(post(&sent, "http://one.nats/", 3), 0);
    size_t one = nrt__session_output(e->session).len;
    assert_int_equal(post(&cut, "http://two.nats/", 3), 0);
    assert_int_equal(post(&kept, "http://six.nats/", 3), 0);
    nrt__session_sent(e->session, one + 1);
    lose();
    assert_int_equal(sent.error, NRT_ERR_ABORTED);
    assert_int_equal(cut.error, NRT_ERR_DISCONNECTED);
    assert_int_equal(kept.calls, 0);
    assert_int_equal(nrt__client_in_flight(e->client), 1);
    assert_int_equal(engine_connect(e), 0);
    engine_pub pub;
    const char *rest = engine_read_pub(engine_take(e), &pub);
    assert_string_equal(rest, "");
    assert_string_equal(pub.subject, "nrt.requests.six.nats.post");
    assert_int_equal(engine_message(e, sid, pub.reply, NULL, "HTTP/1.1 204 No Content\r\n\r\n"), 0);
    assert_int_equal(kept.status, 204);
    assert_int_equal(sent.calls + cut.calls + kept.calls, 3);
}

static void what_is_kept_waits_for_a_connection_only_so_long(void **state) {
    (void)state;
    answer a = {0};
    assert_int_equal(post(&a, "http://one.nats/", 3), 0);
    lose();
    engine_advance(e, 1990);
    assert_int_equal(a.calls, 0);
    engine_advance(e, 20);
    assert_int_equal(a.error, NRT_ERR_DISCONNECTED);
    assert_int_equal(engine_connect(e), 0);
    assert_string_equal(engine_take(e), "");
}

static void no_more_is_kept_than_may_wait(void **state) {
    (void)state;
    static answer a[3]; /* two are told when the client is destroyed */
    memset(a, 0, sizeof(a));
    for (size_t i = 0; i < COUNT(a); i++) {
        assert_int_equal(post(&a[i], "http://one.nats/", WAITING_MAX / 3), 0);
    }
    lose();
    assert_int_equal(a[0].calls + a[1].calls, 0);
    assert_int_equal(a[2].error, NRT_ERR_DISCONNECTED);
    assert_int_equal(nrt__client_in_flight(e->client), 2);
}

static void without_an_inbox_everybody_is_told_and_nobody_begins(void **state) {
    (void)state;
    answer sent = {0};
    answer waiting = {0};
    answer late = {0};
    char denied[200];
    char inbox[100];
    engine_disconnect(e);
    assert_int_equal(post(&waiting, "http://one.nats/", 0), 0);
    nrt__session_start(e->session, &e->login);
    assert_int_equal(engine_feed(e, ENGINE_INFO), 0);
    assert_int_equal(sscanf(strstr(e->greeting, "SUB _INBOX."), "SUB %99s", inbox), 1);
    snprintf(denied, sizeof(denied), "-ERR 'Permissions Violation for Subscription to \"%s\"'\r\n",
             inbox);
    assert_int_equal(engine_feed(e, denied), 0);
    assert_int_equal(waiting.error, NRT_ERR_PERMISSION);
    assert_non_null(strstr(e->log, "_INBOX"));
    assert_int_equal(post(&late, "http://one.nats/", 0), NRT_ERR_PERMISSION);
    assert_int_equal(nrt__client_in_flight(e->client), 0);

    engine_disconnect(e);
    assert_int_equal(engine_connect(e), 0); /* to a server that allows it */
    assert_int_equal(post(&sent, "http://one.nats/", 0), 0);
    assert_int_equal(engine_feed(e, denied), 0); /* and changes its mind */
    assert_int_equal(sent.error, NRT_ERR_PERMISSION);
    assert_int_equal(waiting.calls + sent.calls, 2);
    assert_int_equal(late.calls, 0);
}

static void in_a_forked_child_no_callback_comes(void **state) {
    (void)state;
    answer sent = {0};
    answer waiting = {0};
    assert_int_equal(post(&sent, "http://one.nats/", 3), 0);
    engine_take(e);
    nrt__client_mute(e->client);
    nrt__session_stop(e->session);
    nrt__client_disconnected(e->client, e->session, "cut");
    assert_int_equal(sent.calls, 0);
    assert_int_equal(post(&waiting, "http://one.nats/", 3), 0);
    nrt__client_mute(e->client);
    nrt__client_destroy(e->client);
    e->client = NULL;
    assert_int_equal(waiting.calls, 0);
}

static void a_client_cannot_be_without_secrets(void **state) {
    (void)state;
    nrt__client_options options = {.prefix = NRT__STR("nrt"), .limits = NRT__H1_LIMITS_DEFAULT};
    e->env.random_left = 0;
    e->random_fails = true;
    assert_null(nrt__client_create(&e->env, &e->timers, e->session, &options));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_had_not_begun_to_go_out_goes_with_the_next_connection),
        TEST(what_is_kept_waits_for_a_connection_only_so_long),
        TEST(no_more_is_kept_than_may_wait),
        TEST(without_an_inbox_everybody_is_told_and_nobody_begins),
        TEST(in_a_forked_child_no_callback_comes),
        TEST(a_client_cannot_be_without_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
