/* The edges of a session: what is too much at once, what is ended from inside, and what a server
 * says that can be understood in two ways. */
#include "unit.h"

#include "engine.h"

static engine *e; /* of the test that runs */
static int calls;
static int last_error;

static int setup(void **state) {
    (void)state;
    e = calloc(1, sizeof(*e));
    calls = 0;
    last_error = 1;
    e->session_options.max_message = 400 * 1024;
    int error = engine_init(e, 0);
    return error < 0 ? error : engine_connect(e);
}

static int teardown(void **state) {
    (void)state;
    engine_finish(e);
    free(e);
    return 0;
}

static void on_flush(int error, void *arg) {
    (void)arg;
    calls++;
    last_error = error;
}

static void on_msg(const nrt__nats_msg *msg, void *arg) {
    size_t *len = arg;
    calls++;
    *len = msg->payload.len;
    for (size_t i = 0; i < msg->payload.len; i++) {
        if (msg->payload.ptr[i] != 'p') {
            fail_msg("byte %zu is not what was sent", i);
        }
    }
}

static void flushes_have_a_ceiling(void **state) {
    (void)state;
    int taken = 0;
    while (taken < 10000 && nrt__session_flush(e->session, on_flush, NULL) == 0) {
        taken++;
    }
    assert_in_range(taken, 1000, 9000);
    assert_int_equal(nrt__session_flush(e->session, on_flush, NULL), NRT_ERR_BUSY);
    assert_int_equal(calls, 0);
    engine_take(e);
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_int_equal(nrt__session_flush(e->session, on_flush, NULL), 0);
    nrt__session_stop(e->session);
    assert_int_equal(calls, taken + 1); /* each of those that were taken is told */
    assert_int_equal(last_error, NRT_ERR_DISCONNECTED);
}

static void in_a_forked_child_no_flush_is_told(void **state) {
    (void)state;
    assert_int_equal(nrt__session_flush(e->session, on_flush, NULL), 0);
    nrt__session_mute(e->session);
    nrt__session_stop(e->session);
    assert_int_equal(calls, 0);
}

static void received_bytes_are_counted_anew_in_each_session(void **state) {
    (void)state;
    uint64_t before = nrt__session_received_total(e->session);
    assert_int_equal(engine_feed(e, "PI"), 0);
    assert_int_equal(nrt__session_received_total(e->session), before + 2);
    nrt__session_stop(e->session);
    assert_int_equal(engine_connect(e), 0);
    assert_int_equal(nrt__session_received_total(e->session), before);
}

static void what_was_written_can_be_taken_back_until_it_is_sent(void **state) {
    (void)state;
    nrt_str payload = NRT__STR("hello");
    nrt_str none = {NULL, 0};
    uint64_t from = nrt__session_mark(e->session);
    assert_int_equal(nrt__session_publish(e->session, NRT__STR("a"), none, &payload, 1), 0);
    uint64_t between = nrt__session_mark(e->session);
    assert_int_equal(nrt__session_publish(e->session, NRT__STR("b"), none, &payload, 1), 0);
    uint64_t to = nrt__session_mark(e->session);
    assert_view(nrt__session_unsent(e->session, from, between), "PUB a 5\r\nhello\r\n");
    nrt__session_sent(e->session, 1);
    assert_absent(nrt__session_unsent(e->session, from, between));
    assert_view(nrt__session_unsent(e->session, between, to), "PUB b 5\r\nhello\r\n");
    assert_absent(nrt__session_unsent(e->session, between, to + 1));
}

static void a_later_info_changes_only_what_it_says(void **state) {
    (void)state;
    assert_int_equal(engine_feed(e, "INFO {\"server_name\":\"n2\",\"connect_urls\":[]}\r\n"), 0);
    assert_int_equal(nrt__session_info(e->session)->max_payload, 4096);
    assert_string_equal(nrt__session_info(e->session)->server_name, "n2");
    assert_int_equal(nrt__session_state_get(e->session), NRT__SESSION_READY);
}

/* Taken as the end of the connection, not as a refusal of nobody knows what. */
static void a_violation_without_a_subject_is_an_error_of_the_server(void **state) {
    (void)state;
    static const char *const lines[] = {
        "-ERR 'Permissions Violation for Publish'\r\n",
        "-ERR 'Permissions Violation for Publish to \"a.b'\r\n",
        "-ERR 'Permissions Violation for Subscription to \"'\r\n",
    };
    for (size_t i = 0; i < COUNT(lines); i++) {
        assert_int_equal(engine_feed(e, lines[i]), NRT_ERR_SERVER);
        assert_non_null(strstr(nrt__session_reason(e->session), "Permissions Violation"));
        nrt__session_stop(e->session);
        assert_int_equal(engine_connect(e), 0);
    }
    assert_null(strstr(e->events, "denied"));
}

static void a_message_of_several_reads_arrives_in_one_piece(void **state) {
    (void)state;
    static char payload[300 * 1024];
    char sid[24];
    size_t len = 0;
    assert_non_null(
        nrt__session_subscribe(e->session, NRT__STR("a"), NRT__STR(""), on_msg, NULL, &len));
    engine_sid(engine_take(e), "a", sid);
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    memset(payload, 'p', sizeof(payload) - 1);
    assert_int_equal(engine_message(e, sid, "a", NULL, payload), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(len, sizeof(payload) - 1);
    size_t room = 0; /* the memory of the large one is given back */
    assert_non_null(nrt__session_room(e->session, &room));
    assert_true(room < sizeof(payload));
}

static void stop(const nrt__nats_msg *msg, void *arg) {
    (void)msg;
    (void)arg;
    calls++;
    nrt__session_stop(e->session);
}

static void a_callback_may_stop_the_session_and_nothing_more_comes(void **state) {
    (void)state;
    char sid[24];
    char text[200];
    assert_non_null(
        nrt__session_subscribe(e->session, NRT__STR("a"), NRT__STR(""), stop, NULL, NULL));
    engine_sid(engine_take(e), "a", sid);
    snprintf(text, sizeof(text), "MSG a %s 1\r\nx\r\nMSG a %s 1\r\ny\r\n", sid, sid);
    assert_int_equal(engine_feed(e, text), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(nrt__session_state_get(e->session), NRT__SESSION_CLOSED);
}

/* There is room for bodies once a session is ready: whoever asks before that is told then. */
static void who_asks_for_room_too_early_is_told_later(void **state) {
    (void)state;
    engine_disconnect(e);
    nrt__session_start(e->session, &e->login);
    assert_int_equal(engine_feed(e, ENGINE_INFO), 0);
    engine_events(e);
    assert_int_equal(nrt__session_capacity(e->session), 0);
    engine_take(e);
    assert_string_equal(engine_events(e), "");
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_string_equal(engine_events(e), "ready\ndrained\n");
    assert_true(nrt__session_capacity(e->session) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(flushes_have_a_ceiling),
        TEST(in_a_forked_child_no_flush_is_told),
        TEST(received_bytes_are_counted_anew_in_each_session),
        TEST(what_was_written_can_be_taken_back_until_it_is_sent),
        TEST(a_later_info_changes_only_what_it_says),
        TEST(a_violation_without_a_subject_is_an_error_of_the_server),
        TEST(a_message_of_several_reads_arrives_in_one_piece),
        TEST(a_callback_may_stop_the_session_and_nothing_more_comes),
        TEST(who_asks_for_room_too_early_is_told_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
