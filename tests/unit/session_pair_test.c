/* Two sessions beside each other, as during a lame duck: one set of subscriptions, two
 * connections. e->session is the one whose turn it is. */
#include "unit.h"

#include "engine.h"

static engine *e;
static nrt__session *first;
static nrt__session *second;
static nrt__sub *work;  /* a.b in queue group q */
static nrt__sub *inbox; /* i.*, which stays */
static char work_sid[24];
static char inbox_sid[24];
static char seen[512]; /* "payload by session;" for each message */
static int states;     /* reports of `work` */
static int last_state;
static int fences;
static int last_fence;

static void on_msg(const nrt__nats_msg *msg, void *arg) {
    (void)arg;
    const nrt__session *by = nrt__session_delivering(e->session);
    snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%.*s by %s;",
             NRT__ARG(msg->payload),
             by == first    ? "first"
             : by == second ? "second"
                            : "nobody");
}

static void on_state(int error, void *arg) {
    (void)arg;
    states++;
    last_state = error;
}

static void on_fence(int error, void *arg) {
    (void)arg;
    fences++;
    last_fence = error;
}

/* Both stand; the turn is the second one's. */
static int setup(void **state) {
    (void)state;
    seen[0] = '\0';
    states = fences = 0;
    last_state = last_fence = 1;
    e = calloc(1, sizeof(*e));
    int error = engine_init(e, 0);
    if (error == 0) {
        error = engine_add_session(e);
    }
    if (error == 0) {
        error = engine_connect(e);
    }
    first = e->session;
    second = e->other;
    work = nrt__session_subscribe(first, NRT__STR("a.b"), NRT__STR("q"), on_msg, on_state, NULL);
    inbox = nrt__session_subscribe(first, NRT__STR("i.*"), NRT__STR(""), on_msg, NULL, NULL);
    nrt__session_sub_stays(inbox);
    const char *output = engine_take(e);
    engine_sid(output, "a.b", work_sid);
    engine_sid(output, "i.*", inbox_sid);
    engine_swap(e);
    return error < 0 ? error : engine_connect(e);
}

static int teardown(void **state) {
    (void)state;
    engine_finish(e);
    free(e);
    return 0;
}

static void turn(nrt__session *session) {
    if (e->session != session) {
        engine_swap(e);
    }
    assert_ptr_equal(e->session, session);
}

static const char *taken_from(nrt__session *session) {
    turn(session);
    return engine_take(e);
}

static void pong(nrt__session *session) {
    turn(session);
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
}

static void message(nrt__session *session, const char *to_sid, const char *subject,
                    const char *payload) {
    turn(session);
    assert_int_equal(engine_message(e, to_sid, subject, NULL, payload), 0);
}

static void a_sid_is_the_same_in_both(void **state) {
    (void)state;
    char again[24];
    assert_true(work_sid[0] && inbox_sid[0]);
    assert_string_equal(engine_sid(e->greeting, "a.b", again), work_sid);
    assert_string_equal(engine_sid(e->greeting, "i.*", again), inbox_sid);
}

static void messages_come_by_either(void **state) {
    (void)state;
    message(first, work_sid, "a.b", "1");
    message(second, work_sid, "a.b", "2");
    message(first, inbox_sid, "i.x", "3");
    message(second, inbox_sid, "i.x", "4");
    assert_string_equal(seen, "1 by first;2 by second;3 by first;4 by second;");
}

static void a_subscription_is_sent_on_both(void **state) {
    (void)state;
    char one[24];
    char other[24];
    states = 0;
    nrt__sub *sub =
        nrt__session_subscribe(first, NRT__STR("c"), NRT__STR(""), on_msg, on_state, NULL);
    assert_non_null(sub);
    engine_sid(taken_from(first), "c", one);
    engine_sid(taken_from(second), "c", other);
    assert_true(one[0] != '\0');
    assert_string_equal(one, other);
    /* Two PONGs stand before on the first one: for those of the setup. */
    pong(first);
    pong(first);
    states = 0;
    pong(first);
    assert_int_equal(states, 1);
    pong(second);
    assert_int_equal(states, 1); /* it is told once */
    assert_int_equal(last_state, 0);
    char want[64];
    snprintf(want, sizeof(want), "UNSUB %s\r\n", one);
    nrt__session_sub_destroy(second, sub);
    assert_string_equal(taken_from(first), want);
    assert_string_equal(taken_from(second), want);
    message(second, one, "c", "late");
    assert_string_equal(seen, "");
}

static void a_refusal_by_one_is_told(void **state) {
    (void)state;
    nrt__sub *sub =
        nrt__session_subscribe(second, NRT__STR("c"), NRT__STR(""), on_msg, on_state, NULL);
    assert_non_null(sub);
    pong(first);
    pong(first);
    states = 0;
    pong(first);
    assert_int_equal(last_state, 0);
    turn(second);
    assert_int_equal(engine_feed(e, "-ERR 'Permissions Violation for Subscription to \"c\"'\r\n"),
                     0);
    pong(second);
    assert_int_equal(states, 2);
    assert_int_equal(last_state, NRT_ERR_PERMISSION);
}

static void one_that_is_not_connected_gets_it_when_it_is(void **state) {
    (void)state;
    char one[24];
    turn(first);
    nrt__session_stop(first);
    nrt__sub *sub = nrt__session_subscribe(first, NRT__STR("c"), NRT__STR(""), on_msg, NULL, NULL);
    assert_non_null(sub);
    engine_sid(taken_from(second), "c", one);
    assert_string_not_equal(one, "");
    turn(first);
    assert_int_equal(engine_connect(e), 0);
    char again[24];
    assert_string_equal(engine_sid(e->greeting, "c", again), one);
    assert_string_equal(engine_sid(e->greeting, "a.b", again), work_sid);
}

static void who_retires_leaves_all_but_what_stays(void **state) {
    (void)state;
    char want[64];
    nrt__session_retire(first);
    snprintf(want, sizeof(want), "UNSUB %s\r\n", work_sid);
    assert_string_equal(taken_from(first), want);
    assert_string_equal(taken_from(second), "");
    message(first, work_sid, "a.b", "1"); /* it was on its way */
    message(first, inbox_sid, "i.x", "2");
    message(second, work_sid, "a.b", "3");
    assert_string_equal(seen, "1 by first;2 by first;3 by second;");
    nrt__sub *sub = nrt__session_subscribe(first, NRT__STR("c"), NRT__STR("q"), on_msg, NULL, NULL);
    assert_non_null(sub);
    assert_string_equal(taken_from(first), ""); /* no new work */
    char new_sid[24];
    assert_string_not_equal(engine_sid(taken_from(second), "c", new_sid), "");
    turn(first);
    nrt__session_stop(first);
    assert_int_equal(engine_connect(e), 0); /* a new connection has not retired */
    assert_string_equal(engine_sid(e->greeting, "c", want), new_sid);
    assert_non_null(
        nrt__session_subscribe(first, NRT__STR("d"), NRT__STR("q"), on_msg, NULL, NULL));
    assert_non_null(strstr(taken_from(first), "SUB d q "));
}

static void retiring_without_a_connection_sends_nothing(void **state) {
    (void)state;
    turn(first);
    nrt__session_stop(first);
    nrt__session_retire(first);
    assert_string_equal(taken_from(first), "");
    assert_string_equal(taken_from(second), "");
}

/* The setup's subscriptions wait for PONGs of the first session. */
static void answer_setup(void) {
    pong(first);
    pong(first);
    taken_from(first);
    taken_from(second);
}

static void a_fence_waits_for_both(void **state) {
    (void)state;
    nrt__session *const orders[2][2] = {{first, second}, {second, first}};
    answer_setup();
    for (size_t i = 0; i < 2; i++) {
        fences = 0;
        assert_int_equal(nrt__session_fence(first, on_fence, NULL), 0);
        assert_string_equal(taken_from(first), "PING\r\n");
        assert_string_equal(taken_from(second), "PING\r\n");
        pong(orders[i][0]);
        assert_int_equal(fences, 0);
        pong(orders[i][1]);
        assert_int_equal(fences, 1);
        assert_int_equal(last_fence, 0);
    }
}

static void a_session_that_ends_is_waited_for_no_longer(void **state) {
    (void)state;
    answer_setup();
    assert_int_equal(nrt__session_fence(second, on_fence, NULL), 0);
    assert_int_equal(nrt__session_fence(second, on_fence, NULL), 0);
    pong(first);
    assert_int_equal(fences, 0);
    nrt__session_stop(second);
    assert_int_equal(fences, 1); /* the other one still waits for the first session */
    pong(first);
    assert_int_equal(fences, 2);
    assert_int_equal(nrt__session_fence(second, on_fence, NULL), 0); /* of the one that is there */
    pong(first);
    assert_int_equal(fences, 3);
    nrt__session_stop(first);
    assert_int_equal(nrt__session_fence(first, on_fence, NULL), NRT_ERR_DISCONNECTED);
    assert_int_equal(fences, 3);
}

static void a_flush_asks_one(void **state) {
    (void)state;
    answer_setup();
    assert_int_equal(nrt__session_flush(second, on_fence, NULL), 0);
    assert_string_equal(taken_from(first), "");
    pong(first);
    assert_int_equal(fences, 0);
    pong(second);
    assert_int_equal(fences, 1);
}

static void a_muted_fence_is_for_nobody(void **state) {
    (void)state;
    answer_setup();
    assert_int_equal(nrt__session_fence(first, on_fence, NULL), 0);
    assert_int_equal(nrt__session_flush(first, on_fence, NULL), 0);
    assert_int_equal(nrt__session_fence(first, on_fence, NULL), 0);
    nrt__session_mute(first);
    pong(first);
    pong(first);
    nrt__session_stop(first);
    pong(second);
    pong(second);
    assert_int_equal(fences, 0);
}

static void either_may_be_destroyed_first(void **state) {
    (void)state;
    nrt__session *gone = first;
    nrt__session *left = second;
    answer_setup();
    for (int i = 0; i < 2; i++) {
        fences = 0;
        seen[0] = '\0';
        assert_int_equal(nrt__session_fence(gone, on_fence, NULL), 0);
        message(gone, work_sid, "a.b", "1");
        turn(left);
        engine_drop_other(e);
        assert_int_equal(fences, 0);
        assert_null(nrt__session_delivering(left)); /* not a session that is gone */
        pong(left);
        assert_int_equal(fences, 1);
        message(left, work_sid, "a.b", "2");
        assert_non_null(strstr(seen, "2 by "));
        engine_take(e);
        nrt__sub *sub =
            nrt__session_subscribe(left, NRT__STR("c"), NRT__STR(""), on_msg, NULL, NULL);
        char new_sid[24];
        engine_sid(engine_take(e), "c", new_sid);
        pong(left);
        message(left, new_sid, "c", "3");
        assert_non_null(strstr(seen, "3 by "));
        nrt__session_sub_destroy(left, sub);
        if (i == 0) { /* and once more, the other way round: the elder one goes */
            assert_int_equal(engine_add_session(e), 0);
            gone = left;
            left = second = e->other;
            first = gone;
            turn(left);
            assert_int_equal(engine_connect(e), 0);
        }
    }
}

static void what_is_sent_is_counted_apart(void **state) {
    (void)state;
    const nrt_str payload = NRT__STR("x");
    answer_setup();
    uint64_t before = nrt__session_mark(second);
    assert_int_equal(nrt__session_publish(second, NRT__STR("s"), (nrt_str){NULL, 0}, &payload, 1),
                     0);
    uint64_t mark = nrt__session_mark(second);
    assert_true(mark > before);
    assert_string_equal(taken_from(first), "");
    assert_false(nrt__session_was_sent(second, mark));
    assert_view(nrt__session_unsent(second, before, mark), "PUB s 1\r\nx\r\n");
    assert_string_equal(taken_from(second), "PUB s 1\r\nx\r\n");
    assert_true(nrt__session_was_sent(second, mark));
    assert_absent(nrt__session_unsent(second, before, mark));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_sid_is_the_same_in_both),
        TEST(messages_come_by_either),
        TEST(a_subscription_is_sent_on_both),
        TEST(a_refusal_by_one_is_told),
        TEST(one_that_is_not_connected_gets_it_when_it_is),
        TEST(who_retires_leaves_all_but_what_stays),
        TEST(retiring_without_a_connection_sends_nothing),
        TEST(a_fence_waits_for_both),
        TEST(a_session_that_ends_is_waited_for_no_longer),
        TEST(a_flush_asks_one),
        TEST(a_muted_fence_is_for_nobody),
        TEST(either_may_be_destroyed_first),
        TEST(what_is_sent_is_counted_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
