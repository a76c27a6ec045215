/* The two ends of a body, one feeding the other. */
#include "core/exchange/flow.h"

#include "engine.h"
#include "unit.h"

static engine *e;
static nrt__flow flow;
static char bytes[40000];

static int setup(void **state) {
    (void)state;
    e = calloc(1, sizeof(*e));
    int error = engine_init(e, 0);
    if (error == 0) {
        error = engine_connect(e); /* max_payload 4096 */
    }
    nrt__flow_init(&flow, e->session, 16384);
    memset(bytes, 'x', sizeof(bytes));
    return error;
}

static int teardown(void **state) {
    (void)state;
    engine_finish(e);
    free(e);
    return 0;
}

static int receive(nrt__frame frame, nrt_str payload) {
    const char *reason = NULL;
    int event = nrt__flow_receive(&flow, &frame, payload, 5, &reason);
    assert_int_equal(event < 0, reason != NULL);
    return event;
}

static nrt__frame data(uint64_t n) {
    return (nrt__frame){.type = NRT__FRAME_DATA, .has = NRT__FRAME_HAS_N, .n = n};
}

static nrt__frame with_max(nrt__frame_type type, uint64_t max) {
    return (nrt__frame){.type = type, .has = NRT__FRAME_HAS_N | NRT__FRAME_HAS_MAX, .max = max};
}

static void test_nothing_is_sent_to_nowhere(void **state) {
    (void)state;
    size_t sent;
    flow.out_max = 100;
    assert_int_equal(nrt__flow_write(&flow, NRT__STR("abc"), &sent, 1), 0);
    assert_int_equal(sent, 0);
    assert_int_equal(nrt__flow_end(&flow, NRT__STR(""), 1), NRT_ERR_STATE);
    assert_int_equal(nrt__flow_ping(&flow, 1), NRT_ERR_STATE);
    assert_int_equal(nrt__flow_accept(&flow, 1), NRT_ERR_STATE);
    nrt__flow_abort(&flow, "canceled");
    assert_string_equal(engine_take(e), "");
}

static void test_a_body_goes_out_in_frames_as_far_as_credit_reaches(void **state) {
    (void)state;
    size_t sent;
    flow.to = NRT__STR("peer");
    flow.out_max = 10000;
    assert_int_equal(nrt__flow_write(&flow, (nrt_str){bytes, 12000}, &sent, 1), 0);
    assert_int_equal(sent, 10000);
    engine_pub pub;
    size_t got = 0;
    int count = 0;
    for (const char *at = engine_take(e); (at = engine_read_pub(at, &pub));) {
        nrt__frame frame;
        assert_int_equal(nrt__frame_read(&frame, pub.header), 1);
        assert_int_equal(frame.n, count++);
        assert_true(pub.header.len + pub.payload.len <= 4096);
        got += pub.payload.len;
    }
    assert_int_equal(got, 10000);
    assert_int_equal(nrt__flow_room(&flow), 0);
    assert_int_equal(receive(with_max(NRT__FRAME_CREDIT, 9000), NRT__STR("")), NRT__FLOW_NOTHING);
    assert_int_equal(receive(with_max(NRT__FRAME_CREDIT, 11000), NRT__STR("")), NRT__FLOW_WRITABLE);
    assert_int_equal(nrt__flow_room(&flow), 1000);
    assert_int_equal(receive(with_max(NRT__FRAME_CREDIT, UINT64_MAX), NRT__STR("")),
                     NRT__FLOW_WRITABLE);
    assert_true(nrt__flow_room(&flow) <= 64 * 1024); /* what a session takes */
}

static void test_output_that_is_full_makes_bodies_wait(void **state) {
    (void)state;
    size_t sent;
    size_t all = 0;
    flow.to = NRT__STR("peer");
    flow.out_max = UINT64_MAX;
    do {
        assert_int_equal(nrt__flow_write(&flow, (nrt_str){bytes, sizeof(bytes)}, &sent, 1), 0);
        all += sent;
    } while (sent > 0);
    assert_true(all > 0 && all <= 32 * 1024); /* half of it: the rest is for others */
    (void)engine_take(e);
    assert_true(nrt__flow_room(&flow) > 0);
}

static void test_credit_comes_by_quarters_and_never_for_nothing(void **state) {
    (void)state;
    flow.to = NRT__STR("peer");
    assert_int_equal(receive(data(0), (nrt_str){bytes, 16384}), NRT__FLOW_DATA);
    nrt__flow_take(&flow, 4095, 1);
    assert_string_equal(engine_take(e), "");
    nrt__flow_take(&flow, 1, 1);
    assert_non_null(strstr(engine_take(e), "t=credit, max=20480"));
    nrt__flow_take(&flow, SIZE_MAX / 2, 1); /* more than came */
    assert_non_null(strstr(engine_take(e), "t=credit, max=32768"));
}

static void test_more_than_the_window_is_broken(void **state) {
    (void)state;
    assert_int_equal(receive(data(0), (nrt_str){bytes, 16384}), NRT__FLOW_DATA);
    assert_int_equal(receive(data(1), (nrt_str){bytes, 1}), NRT_ERR_PROTOCOL);
}

static void test_a_ping_tells_of_a_lost_frame(void **state) {
    (void)state;
    nrt__frame ping = with_max(NRT__FRAME_PING, 0);
    assert_int_equal(receive(ping, NRT__STR("")), NRT__FLOW_NOTHING);
    assert_int_equal(receive(data(0), NRT__STR("a")), NRT__FLOW_DATA);
    assert_int_equal(receive(ping, NRT__STR("")), NRT_ERR_PROTOCOL);
    ping.n = 1;
    assert_int_equal(receive(ping, NRT__STR("")), NRT__FLOW_NOTHING);
}

static void test_an_end_counts_the_bytes(void **state) {
    (void)state;
    nrt__frame end = {.type = NRT__FRAME_END,
                      .has = NRT__FRAME_HAS_N | NRT__FRAME_HAS_LENGTH,
                      .n = 1,
                      .length = 3};
    assert_int_equal(receive(data(0), NRT__STR("abc")), NRT__FLOW_DATA);
    assert_int_equal(receive(end, NRT__STR("")), NRT__FLOW_END);
    end.n = 2;
    assert_int_equal(receive(end, NRT__STR("")), NRT_ERR_PROTOCOL);
    assert_int_equal(receive(data(2), NRT__STR("")), NRT_ERR_PROTOCOL);
}

static void test_where_to_reply_is_said_again_while_other_frames_go(void **state) {
    (void)state;
    size_t sent;
    int64_t now = 1000;
    flow.to = NRT__STR("_INBOX.x");
    flow.from = NRT__STR("nrt.streams.weather.nats.a.b");
    flow.out_max = 1000;
    assert_int_equal(nrt__flow_ping(&flow, now), 0);
    engine_take(e);
    for (; now < 30000; now += 1000) {
        assert_false(nrt__flow_is_ping_due(&flow, now));
        assert_int_equal(nrt__flow_write(&flow, NRT__STR("a"), &sent, now), 0);
    }
    assert_true(nrt__flow_is_ping_due(&flow, now + 1000));
    assert_int_equal(nrt__flow_ping(&flow, now + 1000), 0);
    assert_non_null(strstr(engine_take(e), "_INBOX.x nrt.streams.weather.nats.a.b"));
    assert_false(nrt__flow_is_ping_due(&flow, now + 5999));
    assert_true(nrt__flow_is_ping_due(&flow, now + 6000)); /* and in silence */
}

static void went(nrt__flow *one, void *arg) {
    char *at = arg;
    at[strlen(at)] = one->out_max == 101 ? 'a' : one->out_max == 102 ? 'b' : 'c';
    if (one->out_max != 102) {
        nrt__flow_wait(one, (nrt__waiter *)one->from.ptr, false); /* it wants more */
    }
    if (one->out_max == 103) { /* and leaves no room for others */
        static char all[60000];
        size_t len = sizeof(all) / 20;
        while (nrt__session_capacity(one->session) > 0) {
            assert_int_equal(nrt__session_publish(one->session, NRT__STR("x"), NRT__STR(""),
                                                  &(nrt_str){all, len}, 1),
                             0);
        }
    }
}

static void test_those_that_wait_have_their_turn(void **state) {
    (void)state;
    nrt__waiter ring = {&ring, &ring};
    char order[16] = "";
    nrt__flow flows[4];
    for (size_t i = 0; i < 4; i++) {
        nrt__flow_init(&flows[i], e->session, 16384);
        flows[i].to = NRT__STR("PEER");
        flows[i].from = (nrt_str){(const char *)&ring, 0};
        flows[i].out_max = 101 + i;
        nrt__flow_wait(&flows[i], &ring, false);
        nrt__flow_wait(&flows[i], &ring, false); /* once */
    }
    flows[3].out_sent = flows[3].out_max; /* lacks credit, not room */
    nrt__flow_wait_no_more(&flows[3]);
    nrt__flow_wait(&flows[3], &ring, false);
    assert_null(flows[3].waiter.next);
    nrt__flow_go_on(&ring, went, order);
    assert_string_equal(order, "abc");
    nrt__flow_go_on(&ring, went, order); /* there is no room */
    assert_string_equal(order, "abc");
    nrt__flow_wait(&flows[1], &ring, false);
    engine_take(e);
    nrt__flow_go_on(&ring, went, order); /* who came last is last */
    assert_string_equal(order, "abcac");
    engine_take(e);
    nrt__flow_go_on(&ring, went, order);
    assert_string_equal(order, "abcacbac");
    nrt__flow_wait_no_more(&flows[0]);
    nrt__flow_wait_no_more(&flows[2]);
    assert_ptr_equal(ring.next, &ring);
}

static void test_another_account_has_more_time(void **state) {
    (void)state;
    flow.to = NRT__STR("PEER");
    flow.heard_ms = 1000;
    assert_false(nrt__flow_is_dead(&flow, 10999));
    assert_true(nrt__flow_is_dead(&flow, 11000));
    flow.to = NRT__STR("_R_.x.y");
    assert_false(nrt__flow_is_dead(&flow, 15999));
    assert_true(nrt__flow_is_dead(&flow, 16000));
}

#define FLOW_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_nothing_is_sent_to_nowhere),
        FLOW_TEST(test_a_body_goes_out_in_frames_as_far_as_credit_reaches),
        FLOW_TEST(test_output_that_is_full_makes_bodies_wait),
        FLOW_TEST(test_credit_comes_by_quarters_and_never_for_nothing),
        FLOW_TEST(test_more_than_the_window_is_broken),
        FLOW_TEST(test_a_ping_tells_of_a_lost_frame),
        FLOW_TEST(test_an_end_counts_the_bytes),
        FLOW_TEST(test_where_to_reply_is_said_again_while_other_frames_go),
        FLOW_TEST(test_those_that_wait_have_their_turn),
        FLOW_TEST(test_another_account_has_more_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
