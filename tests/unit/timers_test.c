/* Deadlines in virtual time: never early, at most a tick late, whatever callbacks do. */
#include "unit.h"

#include "core/base/timers.h"

typedef struct probe {
    nrt__timer timer;
    int fired;
    int64_t at; /* when it did */
} probe;

typedef struct clock {
    nrt__timers timers;
    int64_t now;
} clock;

static clock wheel; /* too large for a stack, and callbacks want it */

static void start(int64_t now) {
    nrt__timers_init(&wheel.timers, now);
    wheel.now = now;
}

static void run_to(int64_t now) {
    wheel.now = now;
    nrt__timers_run(&wheel.timers, now);
}

/* As a loop does: sleeps until the wheel says, never past `end`. */
static void follow_to(int64_t end) {
    for (;;) {
        int64_t next = nrt__timers_next(&wheel.timers);
        if (next < 0 || next > end) {
            break;
        }
        run_to(next > wheel.now ? next : wheel.now + 1);
    }
    run_to(end);
}

static void note(nrt__timer *timer, void *arg) {
    probe *p = arg;
    assert_ptr_equal(timer, &p->timer);
    assert_false(nrt__timer_is_set(timer));
    p->fired++;
    p->at = wheel.now;
}

static void set(probe *p, int64_t at) {
    nrt__timer_set(&wheel.timers, &p->timer, at, note, p);
}

static void a_timer_fires_once_and_never_early(void **state) {
    (void)state;
    for (int64_t base = 0; base < 20; base++) {
        for (int64_t delay = 0; delay < 40; delay++) {
            probe p = {0};
            start(base);
            set(&p, base + delay);
            for (int64_t now = base; now <= base + delay + NRT__WHEEL_TICK_MS; now++) {
                run_to(now);
            }
            assert_int_equal(p.fired, 1);
            assert_true(p.at >= base + delay);
            assert_true(p.at <= base + delay + NRT__WHEEL_TICK_MS);
            assert_int_equal(nrt__timers_next(&wheel.timers), -1);
        }
    }
}

static void nothing_set_means_nothing_to_wait_for(void **state) {
    (void)state;
    start(1000);
    assert_int_equal(nrt__timers_next(&wheel.timers), -1);
    probe p = {0};
    set(&p, 2000);
    assert_true(nrt__timer_is_set(&p.timer));
    nrt__timer_clear(&wheel.timers, &p.timer);
    assert_false(nrt__timer_is_set(&p.timer));
    nrt__timer_clear(&wheel.timers, &p.timer);
    assert_int_equal(nrt__timers_next(&wheel.timers), -1);
    run_to(5000);
    assert_int_equal(p.fired, 0);
}

static void far_deadlines_wait_for_their_turn_of_the_wheel(void **state) {
    (void)state;
    static const int64_t delays[] = {
        4095, 4096, 4097, 8192, 30000, 3600 * 1000, INT64_C(30) * 24 * 3600 * 1000};
    for (size_t i = 0; i < COUNT(delays); i++) {
        probe p = {0};
        start(12345);
        set(&p, 12345 + delays[i]);
        follow_to(12345 + delays[i] - 1);
        assert_int_equal(p.fired, 0);
        follow_to(12345 + delays[i] + NRT__WHEEL_TICK_MS);
        assert_int_equal(p.fired, 1);
        assert_true(p.at >= 12345 + delays[i]);
    }
}

static void the_next_run_is_never_later_than_the_earliest_deadline_allows(void **state) {
    (void)state;
    for (int64_t delay = 0; delay < 9000; delay += 7) {
        probe near = {0};
        probe far = {0};
        start(777);
        run_to(780);
        set(&far, 780 + delay + 5000);
        set(&near, 780 + delay);
        int64_t next = nrt__timers_next(&wheel.timers);
        assert_true(next >= 0);
        assert_true(next <= 780 + delay + NRT__WHEEL_TICK_MS);
        follow_to(780 + delay + NRT__WHEEL_TICK_MS);
        assert_int_equal(near.fired, 1);
        assert_int_equal(far.fired, 0);
        nrt__timer_clear(&wheel.timers, &far.timer);
    }
}

static void following_the_wheel_does_not_spin(void **state) {
    (void)state;
    probe p = {0};
    start(3);
    set(&p, 60000);
    int runs = 0;
    while (!p.fired) {
        int64_t next = nrt__timers_next(&wheel.timers);
        assert_true(next > wheel.now);
        run_to(next);
        assert_true(++runs < 40); /* a minute has 15 turns of the wheel */
    }
}

static void a_timer_can_be_moved(void **state) {
    (void)state;
    probe p = {0};
    start(0);
    set(&p, 100);
    set(&p, 5000);
    follow_to(4999);
    assert_int_equal(p.fired, 0);
    set(&p, 5010);
    follow_to(5009);
    assert_int_equal(p.fired, 0);
    follow_to(5018);
    assert_int_equal(p.fired, 1);
}

static void an_overdue_timer_fires_at_the_next_run(void **state) {
    (void)state;
    probe p = {0};
    start(10000);
    run_to(10000);
    set(&p, 500);
    assert_int_equal(p.fired, 0);
    int64_t next = nrt__timers_next(&wheel.timers);
    assert_true(next <= 10000 + NRT__WHEEL_TICK_MS);
    run_to(next);
    assert_int_equal(p.fired, 1);
}

static void a_long_sleep_fires_all_that_is_due_and_no_more(void **state) {
    (void)state;
    static probe many[1000];
    memset(many, 0, sizeof(many));
    start(0);
    for (size_t i = 0; i < COUNT(many); i++) {
        set(&many[i], (int64_t)i * 100);
    }
    run_to(49999); /* 12 turns at once */
    for (size_t i = 0; i < COUNT(many); i++) {
        assert_int_equal(many[i].fired, i < 500 ? 1 : 0);
    }
    follow_to(200000);
    for (size_t i = 0; i < COUNT(many); i++) {
        assert_int_equal(many[i].fired, 1);
        assert_true(many[i].at >= (int64_t)i * 100);
    }
}

static void thousands_fire_each_once_and_in_time(void **state) {
    (void)state;
    enum { TIMERS = 5000 };
    static probe many[TIMERS];
    static int64_t due[TIMERS];
    memset(many, 0, sizeof(many));
    start(999);
    uint32_t seed = 1;
    for (size_t i = 0; i < TIMERS; i++) {
        seed = seed * 1664525u + 1013904223u;
        due[i] = 999 + seed % 20000;
        set(&many[i], due[i]);
    }
    for (size_t i = 0; i < TIMERS; i += 5) {
        nrt__timer_clear(&wheel.timers, &many[i].timer);
    }
    follow_to(999 + 20000 + NRT__WHEEL_TICK_MS);
    for (size_t i = 0; i < TIMERS; i++) {
        assert_int_equal(many[i].fired, i % 5 == 0 ? 0 : 1);
        if (many[i].fired) {
            assert_true(many[i].at >= due[i]);
            assert_true(many[i].at <= due[i] + NRT__WHEEL_TICK_MS);
        }
    }
    assert_int_equal(nrt__timers_next(&wheel.timers), -1);
}

typedef struct pair {
    probe first;
    probe second;
    int64_t again_ms; /* the callback sets itself again, so much later; 0: it does not */
    int times;
} pair;

static void clear_the_others(nrt__timer *timer, void *arg) {
    pair *p = arg;
    (void)timer;
    p->times++;
    nrt__timer_clear(&wheel.timers, &p->first.timer);
    nrt__timer_clear(&wheel.timers, &p->second.timer);
}

static void a_callback_clears_timers_due_in_the_same_run(void **state) {
    (void)state;
    static const int64_t others[] = {96, 100, 104, 100 + 4096, 9000};
    for (size_t i = 0; i < COUNT(others); i++) {
        pair p = {0};
        nrt__timer killer = {0};
        start(0);
        nrt__timer_set(&wheel.timers, &killer, 90, clear_the_others, &p);
        set(&p.first, others[i]);
        set(&p.second, others[i]);
        run_to(90 + 6);
        follow_to(20000);
        assert_int_equal(p.times, 1);
        assert_int_equal(p.first.fired + p.second.fired, 0);
    }
}

static void a_callback_clears_its_neighbours_in_the_same_slot(void **state) {
    (void)state;
    pair p = {0};
    nrt__timer killer = {0};
    start(0);
    set(&p.first, 100);
    nrt__timer_set(&wheel.timers, &killer, 100, clear_the_others, &p);
    set(&p.second, 100);
    run_to(200);
    assert_int_equal(p.first.fired, 1); /* was set first */
    assert_int_equal(p.times, 1);
    assert_int_equal(p.second.fired, 0);
    assert_int_equal(nrt__timers_next(&wheel.timers), -1);
}

static void set_again(nrt__timer *timer, void *arg) {
    pair *p = arg;
    p->times++;
    nrt__timer_set(&wheel.timers, timer, wheel.now + p->again_ms, set_again, p);
}

static void a_callback_sets_itself_again_without_a_loop(void **state) {
    (void)state;
    static const int64_t steps[] = {0, 1, 8, 100, 5000};
    for (size_t i = 0; i < COUNT(steps); i++) {
        pair p = {.again_ms = steps[i]};
        nrt__timer timer = {0};
        start(0);
        nrt__timer_set(&wheel.timers, &timer, 8, set_again, &p);
        run_to(8);
        assert_int_equal(p.times, 1);
        assert_true(nrt__timer_is_set(&timer));
        follow_to(50008);
        assert_true(p.times > 1);
        int64_t most = 50000 / (steps[i] > NRT__WHEEL_TICK_MS ? steps[i] : NRT__WHEEL_TICK_MS);
        assert_true(p.times <= most + 2);
        nrt__timer_clear(&wheel.timers, &timer);
    }
}

static void set_the_others(nrt__timer *timer, void *arg) {
    pair *p = arg;
    (void)timer;
    p->times++;
    set(&p->first, wheel.now);
    set(&p->second, wheel.now + 3);
}

static void a_callback_sets_other_timers(void **state) {
    (void)state;
    for (int64_t at = 50; at < 70; at++) {
        pair p = {0};
        nrt__timer timer = {0};
        start(0);
        nrt__timer_set(&wheel.timers, &timer, at, set_the_others, &p);
        follow_to(at + 30);
        assert_int_equal(p.times, 1);
        assert_int_equal(p.first.fired, 1);
        assert_int_equal(p.second.fired, 1);
    }
}

static void forget(nrt__timer *timer, void *arg) {
    (void)timer;
    free(arg);
}

static void what_a_timer_lies_in_may_be_freed_in_its_callback(void **state) {
    (void)state;
    start(0);
    for (int i = 0; i < 100; i++) {
        nrt__timer *timer = calloc(1, sizeof(*timer));
        nrt__timer_set(&wheel.timers, timer, 40 + i % 7, forget, timer);
    }
    follow_to(100);
    assert_int_equal(nrt__timers_next(&wheel.timers), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timer_fires_once_and_never_early),
        cmocka_unit_test(nothing_set_means_nothing_to_wait_for),
        cmocka_unit_test(far_deadlines_wait_for_their_turn_of_the_wheel),
        cmocka_unit_test(the_next_run_is_never_later_than_the_earliest_deadline_allows),
        cmocka_unit_test(following_the_wheel_does_not_spin),
        cmocka_unit_test(a_timer_can_be_moved),
        cmocka_unit_test(an_overdue_timer_fires_at_the_next_run),
        cmocka_unit_test(a_long_sleep_fires_all_that_is_due_and_no_more),
        cmocka_unit_test(thousands_fire_each_once_and_in_time),
        cmocka_unit_test(a_callback_clears_timers_due_in_the_same_run),
        cmocka_unit_test(a_callback_clears_its_neighbours_in_the_same_slot),
        cmocka_unit_test(a_callback_sets_itself_again_without_a_loop),
        cmocka_unit_test(a_callback_sets_other_timers),
        cmocka_unit_test(what_a_timer_lies_in_may_be_freed_in_its_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
