/* Bodies of all lengths, both ways, between a client and a service; and either of them doing
 * something else in the middle. */
#include "play.h"

static const size_t sizes[] = {
    0, 1, 16384, 16385, 65536, PLAY_WINDOW - 1, PLAY_WINDOW, PLAY_WINDOW + 1, 1 << 20};

/* All four: who takes pieces and who takes messages. */
static void each_kind(void (*fn)(bool by_pieces, bool streaming)) {
    for (int kind = 0; kind < 4; kind++) {
        fn(kind & 1, kind & 2);
    }
}

static void play_sizes(bool by_pieces, bool streaming) {
    for (size_t up = 0; up < COUNT(sizes); up++) {
        for (size_t down = 0; down < COUNT(sizes); down++) {
            play *p = play_create(by_pieces, streaming, sizes[up], sizes[down]);
            play_begin(p);
            broker_run(&p->net);
            assert_int_equal(p->closed, 1); /* at once, no time has gone by */
            assert_int_equal(p->error, 0);
            assert_int_equal(p->runs, 1);
            assert_int_equal(p->taken, p->up);
            play_finish(p);
            play_destroy(p);
        }
    }
}

static void test_bodies_of_all_lengths_arrive(void **state) {
    (void)state;
    each_kind(play_sizes);
}

/* ---- things that happen in callbacks ---- */

static void cancel(play *p) {
    (void)nrt__client_cancel(p->client.client, p->id);
}

static void end_early(play *p) {
    play_end_exchange(p);
}

static void give_up(play *p) {
    if (!p->exchange || p->done) {
        return;
    }
    nrt__exchange_abort(p->exchange, "origin");
    play_end_exchange(p);
}

static void stop_service(play *p) {
    if (p->service) {
        nrt__service_stop(p->service, NULL, NULL);
        p->service = NULL;
    }
}

static void act_everywhere(void (*act)(play *), bool by_pieces, bool streaming) {
    for (play_place place = PLAY_HEAD; place < PLAY_PLACES; place++) {
        play *p = play_create(by_pieces, streaming, 700000, 800000);
        p->place = place;
        p->act = act;
        play_begin(p);
        play_finish(p);
        play_destroy(p);
    }
}

static void play_cancel(bool by_pieces, bool streaming) {
    act_everywhere(cancel, by_pieces, streaming);
}

static void play_stop(bool by_pieces, bool streaming) {
    act_everywhere(stop_service, by_pieces, streaming);
}

static void test_the_client_cancels_in_any_callback(void **state) {
    (void)state;
    each_kind(play_cancel);
}

static void test_a_service_stops_in_any_callback(void **state) {
    (void)state;
    each_kind(play_stop);
}

/* What the client gets is then shorter than what is played. */
static void test_the_service_gives_up_in_any_callback(void **state) {
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        act_everywhere(give_up, kind, true);
    }
}

static void test_the_service_ends_before_the_request_does(void **state) {
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        play *p = play_create(kind, true, 700000, 0);
        p->place = PLAY_BODY;
        p->act = end_early;
        play_begin(p);
        play_finish(p);
        assert_int_equal(p->error, 0);
        play_destroy(p);
    }
}

/* ---- things that happen between two messages ---- */

static void (*doing)(play *);
static int doing_at;

static void before(int number, void *arg) {
    if (number == doing_at) {
        doing(arg);
    }
}

/* Plays it as often as it has messages, something happening before another one each time. */
static void at_each_message(void (*act)(play *), bool by_pieces, bool streaming) {
    int last = 0;
    doing = act;
    for (doing_at = 0; doing_at <= last; doing_at++) {
        play *p = play_create(by_pieces, streaming, 300000, 400000);
        p->net.before = before;
        p->net.arg = p;
        play_begin(p);
        broker_run(&p->net);
        last = p->net.count > last && doing_at == 0 ? 60 : last;
        play_finish(p);
        play_destroy(p);
    }
    assert_true(last > 0);
}

static void play_cancel_at_each(bool by_pieces, bool streaming) {
    at_each_message(cancel, by_pieces, streaming);
}

static void cut_client(play *p) {
    broker_detach(&p->net, p->client.session);
    engine_disconnect(&p->client);
}

static void cut_service(play *p) {
    broker_detach(&p->net, p->services.session);
    engine_disconnect(&p->services);
}

static void play_cut_at_each(bool by_pieces, bool streaming) {
    at_each_message(cut_client, by_pieces, streaming);
    at_each_message(cut_service, by_pieces, streaming);
}

static void play_stop_at_each(bool by_pieces, bool streaming) {
    at_each_message(stop_service, by_pieces, streaming);
}

static void test_the_client_cancels_at_any_message(void **state) {
    (void)state;
    each_kind(play_cancel_at_each);
}

static void test_a_connection_is_lost_at_any_message(void **state) {
    (void)state;
    each_kind(play_cut_at_each);
}

static void test_a_service_stops_at_any_message(void **state) {
    (void)state;
    each_kind(play_stop_at_each);
}

/* ---- two sessions ---- */

/* The client hears all by both of them, by the new one first. */
static play *play_beside(bool by_pieces, bool streaming) {
    play *p = play_create(by_pieces, streaming, 700000, 800000);
    assert_int_equal(engine_add_session(&p->client), 0);
    broker_attach(&p->net, p->client.other, &p->client.login);
    broker_turn_round(&p->net);
    p->net.count = 0;
    return p;
}

static void leave_old(play *p) {
    engine_swap(&p->client);
    nrt__client_switch(p->client.client, p->client.session);
    broker_detach(&p->net, p->client.other);
    engine_drop_other(&p->client);
}

static void play_two(bool by_pieces, bool streaming) {
    for (doing_at = 4; doing_at < 30; doing_at++) { /* first with both to the end */
        play *p = play_beside(by_pieces, streaming);
        doing = leave_old;
        p->net.before = doing_at == 4 ? NULL : before;
        p->net.arg = p;
        play_begin(p);
        play_finish(p);
        assert_int_equal(p->error, 0); /* it lives on the one that brought the first frame */
        assert_int_equal(p->got, p->down);
        play_destroy(p);
    }
}

static void test_a_stream_keeps_to_one_of_two_sessions(void **state) {
    (void)state;
    each_kind(play_two);
}

/* ---- the end of it all ---- */

static void cut_both(play *p) {
    cut_client(p);
    cut_service(p);
}

static void play_silence(bool by_pieces, bool streaming) {
    for (doing_at = 0; doing_at < 30; doing_at++) {
        play *p = play_create(by_pieces, streaming, 300000, 400000);
        doing = cut_both;
        p->net.before = before;
        p->net.arg = p;
        play_begin(p);
        broker_run(&p->net);
        play_destroy(p); /* in the middle: what is left is freed, and told */
    }
}

static void detach_both(play *p) {
    broker_detach(&p->net, p->client.session);
    broker_detach(&p->net, p->services.session);
}

static void play_destroyed(bool by_pieces, bool streaming) {
    for (doing_at = 0; doing_at < 30; doing_at++) {
        play *p = play_create(by_pieces, streaming, 300000, 400000);
        doing = detach_both;
        p->net.before = before;
        p->net.arg = p;
        play_begin(p);
        broker_run(&p->net);
        play_destroy(p);
    }
}

static void test_both_are_destroyed_in_the_middle(void **state) {
    (void)state;
    each_kind(play_silence);
    each_kind(play_destroyed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies_of_all_lengths_arrive),
        cmocka_unit_test(test_the_client_cancels_in_any_callback),
        cmocka_unit_test(test_a_service_stops_in_any_callback),
        cmocka_unit_test(test_the_service_gives_up_in_any_callback),
        cmocka_unit_test(test_the_service_ends_before_the_request_does),
        cmocka_unit_test(test_the_client_cancels_at_any_message),
        cmocka_unit_test(test_a_connection_is_lost_at_any_message),
        cmocka_unit_test(test_a_service_stops_at_any_message),
        cmocka_unit_test(test_a_stream_keeps_to_one_of_two_sessions),
        cmocka_unit_test(test_both_are_destroyed_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
