/* The library's loop on a loop of the caller's that refuses: what was refused is asked for again.
 */
#include "unit.h"

#include <nrt/error.h>

#include "lib/loop.h"

static struct {
    int soon;
    int timer;
    int refuse; /* so many calls */
} asked;

static nrt_turn_fn turn;
static void *turn_arg;
static int ran;

static int refused(void) {
    return asked.refuse > 0 && asked.refuse-- ? NRT_ERR_SYSTEM : 0;
}

static int attach(void *data, nrt_turn_fn fn, void *arg) {
    (void)data;
    turn = fn;
    turn_arg = arg;
    return 0;
}

/* No descriptor is watched here. */
static void *io_add(void *data, int fd, unsigned events, nrt_io_fn fn, void *arg) {
    (void)data, (void)fd, (void)events, (void)fn, (void)arg;
    return NULL;
}

static int io_set(void *data, void *io, unsigned events) {
    (void)data, (void)io, (void)events;
    return NRT_ERR_SYSTEM;
}

static void io_remove(void *data, void *io) {
    (void)data, (void)io;
}

static void detach(void *data) {
    (void)data;
}

static int timer_set(void *data, int64_t delay_ms) {
    (void)data;
    (void)delay_ms;
    asked.timer++;
    return refused();
}

static int soon(void *data) {
    (void)data;
    asked.soon++;
    return refused();
}

static void idle(void *arg) {
    (void)arg;
}

static void task(void *arg) {
    (void)arg;
    ran++;
}

static void on_timer(nrt__timer *timer, void *arg) {
    (void)timer;
    (void)arg;
}

static void init(nrt__loop *loop) {
    nrt_loop ops = {.size = sizeof(ops),
                    .attach = attach,
                    .io_add = io_add,
                    .io_set = io_set,
                    .io_remove = io_remove,
                    .timer_set = timer_set,
                    .soon = soon,
                    .detach = detach};
    memset(loop, 0, sizeof(*loop));
    memset(&asked, 0, sizeof(asked));
    ran = 0;
    assert_int_equal(nrt__loop_init(loop, &ops, idle, NULL), 0);
}

static void a_turn_that_was_refused_is_asked_for_again(void **state) {
    (void)state;
    nrt__loop loop;
    nrt__task work = {0};
    init(&loop);
    asked.refuse = 1;
    nrt__loop_defer(&loop, &work, task, NULL);
    assert_int_equal(asked.soon, 1);
    nrt__loop_enter(&loop);
    nrt__loop_leave(&loop);
    assert_int_equal(asked.soon, 2);
    nrt__loop_enter(&loop);
    nrt__loop_leave(&loop);
    assert_int_equal(asked.soon, 2); /* it is to come */
    turn(turn_arg);
    assert_int_equal(ran, 1);
    nrt__loop_finish(&loop);
}

static void a_deadline_that_was_refused_is_set_again(void **state) {
    (void)state;
    nrt__loop loop;
    nrt__timer timer = {0};
    init(&loop);
    asked.refuse = 1;
    nrt__timer_set(&loop.timers, &timer, loop.env.now_ms + 60000, on_timer, NULL);
    nrt__loop_enter(&loop);
    nrt__loop_leave(&loop);
    assert_int_equal(asked.timer, 1);
    nrt__loop_enter(&loop);
    nrt__loop_leave(&loop);
    assert_int_equal(asked.timer, 2);
    nrt__loop_enter(&loop);
    nrt__loop_leave(&loop);
    assert_int_equal(asked.timer, 2);
    nrt__timer_clear(&loop.timers, &timer);
    nrt__loop_finish(&loop);
}

/* nginx and libevent count from a time they have kept: then it comes before it is due. */
static void a_timer_that_comes_early_is_set_again(void **state) {
    (void)state;
    nrt__loop loop;
    nrt__task work = {0};
    nrt__timer timer = {0};
    init(&loop);
    nrt__timer_set(&loop.timers, &timer, loop.env.now_ms + 60000, on_timer, NULL);
    nrt__loop_enter(&loop);
    nrt__loop_leave(&loop);
    assert_int_equal(asked.timer, 1);
    turn(turn_arg);
    assert_int_equal(asked.timer, 2);
    /* Of two turns, one was asked for: the other one is the timer's. */
    nrt__loop_defer(&loop, &work, task, NULL);
    turn(turn_arg);
    assert_int_equal(asked.timer, 2);
    turn(turn_arg);
    assert_int_equal(asked.timer, 3);
    nrt__timer_clear(&loop.timers, &timer);
    nrt__loop_finish(&loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_that_was_refused_is_asked_for_again),
        cmocka_unit_test(a_deadline_that_was_refused_is_set_again),
        cmocka_unit_test(a_timer_that_comes_early_is_set_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
