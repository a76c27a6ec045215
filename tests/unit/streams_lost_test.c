/* Streams whose messages are lost, or come twice. */
#include "play.h"

enum { UP = 300000, DOWN = 400000, MESSAGES_MAX = 200 };

/* How many messages it takes where nothing is lost. */
static int count_messages(bool by_pieces, bool streaming) {
    play *p = play_create(by_pieces, streaming, UP, DOWN);
    play_begin(p);
    broker_run(&p->net);
    assert_int_equal(p->closed, 1);
    int count = p->net.count;
    play_destroy(p);
    assert_true(count > 10 && count < MESSAGES_MAX);
    return count;
}

static void lose_each(bool by_pieces, bool streaming, bool silent) {
    int count = count_messages(by_pieces, streaming);
    for (int i = 0; i < count; i++) {
        play *p = play_create(by_pieces, streaming, UP, DOWN);
        p->net.lose = i;
        p->net.silent = silent;
        play_begin(p);
        play_finish(p); /* no body that was cut passes for a whole one */
        play_destroy(p);
    }
}

static void test_any_message_may_be_lost(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        lose_each(kind & 1, kind & 2, false);
        lose_each(kind & 1, kind & 2, true);
    }
}

static void test_any_message_may_come_twice(void **state) {
    (void)state;
    for (int kind = 0; kind < 2; kind++) { /* two opens are two requests: not with one handler */
        int count = count_messages(kind, true);
        for (int i = 1; i < count; i++) {
            play *p = play_create(kind, true, UP, DOWN);
            p->net.repeat = i;
            play_begin(p);
            play_finish(p);
            play_destroy(p);
        }
    }
}

/* All that comes after a message is lost: the other side notices by the silence. */
static void go_silent(int number, void *arg) {
    play *p = arg;
    if (number >= p->net.repeat) {
        p->net.lose = number;
    }
}

static void test_silence_is_noticed(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        int count = count_messages(kind & 1, kind & 2);
        for (int i = 0; i < count; i++) {
            play *p = play_create(kind & 1, kind & 2, UP, DOWN);
            p->net.repeat = i;
            p->net.silent = true;
            p->net.before = go_silent;
            p->net.arg = p;
            play_begin(p);
            play_finish(p);
            play_destroy(p);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_message_may_be_lost),
        cmocka_unit_test(test_any_message_may_come_twice),
        cmocka_unit_test(test_silence_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
