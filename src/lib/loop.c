/* The event loop as the library sees it. */
#include "lib/loop.h"

#include <nrt/error.h>
#include <openssl/rand.h>
#include <time.h>

static int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t clock_ms(void) {
    return clock_ns() / 1000000;
}

static int random_bytes(void *arg, void *bytes, size_t len) {
    (void)arg;
    return RAND_bytes(bytes, (int)len) == 1 ? 0 : NRT_ERR_SYSTEM;
}

/* An IMF-fixdate (RFC 9110 section 5.6.7), in English whatever the locale. */
static void write_date(char out[32]) {
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = time(NULL);
    struct tm utc;
    if (!gmtime_r(&now, &utc)) {
        out[0] = '\0';
        return;
    }
    size_t len = strftime(out, 32, "xxx, %d xxx %Y %H:%M:%S GMT", &utc);
    if (len > 11) {
        memcpy(out, days + 3 * utc.tm_wday, 3);
        memcpy(out + 8, months + 3 * utc.tm_mon, 3);
    }
}

static void read_clock(nrt__loop *loop) {
    loop->env.now_ms = clock_ms();
    if (loop->env.now_ms - loop->date_at_ms >= 500 || !loop->env.date[0]) {
        loop->date_at_ms = loop->env.now_ms;
        write_date(loop->env.date);
    }
}

/* Asks for a turn when something waits for one, and keeps the timer at the next deadline. */
static void arm(nrt__loop *loop) {
    /* What the loop refuses is asked for again at the next occasion. */
    if (loop->first && !loop->turn_asked) {
        loop->turn_asked = loop->ops.soon(loop->ops.data) == 0;
    }
    int64_t next = nrt__timers_next(&loop->timers);
    /* An armed time that is too early costs one wake-up; moving it each time would cost a call. */
    if (next >= 0 && (loop->armed_ms < 0 || next < loop->armed_ms)) {
        int64_t delay = next - loop->env.now_ms;
        int error = loop->ops.timer_set(loop->ops.data, delay > 0 ? delay : 0);
        loop->armed_ms = error == 0 ? next : -1;
    }
}

void nrt__loop_tick(nrt__loop *loop) {
    read_clock(loop);
}

void nrt__loop_enter(nrt__loop *loop) {
    if (loop->depth++ == 0) {
        read_clock(loop);
    }
}

void nrt__loop_leave(nrt__loop *loop) {
    if (--loop->depth == 0) {
        arm(loop);
        loop->idle(loop->idle_arg);
    }
}

static void run_tasks(nrt__loop *loop) {
    while (loop->first) {
        nrt__task *task = loop->first;
        loop->first = task->next;
        if (!loop->first) {
            loop->last = &loop->first;
        }
        task->queued = false;
        task->next = NULL;
        task->fn(task->arg);
    }
}

void nrt__loop_turn(nrt__loop *loop) {
    nrt__loop_enter(loop);
    loop->turn_asked = false;
    if (loop->armed_ms >= 0 && loop->armed_ms <= loop->env.now_ms) {
        loop->armed_ms = -1;
    }
    nrt__timers_run(&loop->timers, loop->env.now_ms);
    run_tasks(loop);
    nrt__loop_leave(loop);
}

/* A turn that nobody asked for is the timer's, also where it came early, as it does on loops that
 * count from a time they have kept: it is not set any more. */
static void on_turn(void *arg) {
    nrt__loop *loop = arg;
    if (!loop->turn_asked) {
        loop->armed_ms = -1;
    }
    nrt__loop_turn(loop);
}

/* What an older adapter did not know of is not there, and what is not there is not optional. */
static int read_ops(nrt_loop *to, const nrt_loop *from) {
    memcpy(to, from, from->size < sizeof(*to) ? from->size : sizeof(*to));
    bool all = to->attach && to->io_add && to->io_set && to->io_remove && to->timer_set &&
               to->soon && to->detach;
    if (!all) {
        memset(to, 0, sizeof(*to));
    }
    return all ? 0 : NRT_ERR_USAGE;
}

int nrt__loop_init(nrt__loop *loop, const nrt_loop *ops, void (*idle)(void *arg), void *idle_arg) {
    loop->idle = idle;
    loop->idle_arg = idle_arg;
    loop->last = &loop->first;
    loop->armed_ms = -1;
    loop->env.random = random_bytes;
    loop->env.clock_ns = clock_ns;
    if (ops) {
        int error = read_ops(&loop->ops, ops);
        if (error < 0) {
            return error;
        }
    } else {
        loop->epoll = nrt__epoll_create(&loop->ops);
        if (!loop->epoll) {
            return NRT_ERR_SYSTEM;
        }
    }
    read_clock(loop);
    nrt__timers_init(&loop->timers, loop->env.now_ms);
    return loop->ops.attach(loop->ops.data, on_turn, loop);
}

void nrt__loop_finish(nrt__loop *loop) {
    if (loop->ops.detach) {
        loop->ops.detach(loop->ops.data);
    }
}

static void on_io(int fd, unsigned events, void *arg) {
    nrt__io *io = arg;
    nrt__loop *loop = io->loop;
    (void)fd;
    nrt__loop_enter(loop);
    io->fn(io->arg, events); /* io may be gone after this */
    nrt__loop_leave(loop);
}

int nrt__io_open(nrt__loop *loop, nrt__io *io, int fd, unsigned events, nrt__io_fn fn, void *arg) {
    *io = (nrt__io){.loop = loop, .fn = fn, .arg = arg, .events = events, .fd = fd};
    io->handle = loop->ops.io_add(loop->ops.data, fd, events, on_io, io);
    return io->handle ? 0 : NRT_ERR_SYSTEM;
}

void nrt__io_set(nrt__io *io, unsigned events) {
    if (io->handle && io->events != events) {
        io->events = events;
        io->loop->ops.io_set(io->loop->ops.data, io->handle, events);
    }
}

void nrt__io_close(nrt__io *io) {
    if (io->handle) {
        io->loop->ops.io_remove(io->loop->ops.data, io->handle);
        io->handle = NULL;
    }
}

void nrt__loop_defer(nrt__loop *loop, nrt__task *task, void (*fn)(void *arg), void *arg) {
    if (task->queued) {
        return;
    }
    task->fn = fn;
    task->arg = arg;
    task->next = NULL;
    task->queued = true;
    *loop->last = task;
    loop->last = &task->next;
    if (loop->depth == 0) {
        arm(loop); /* called from the program, outside of any callback of ours */
    }
}

void nrt__loop_undefer(nrt__loop *loop, nrt__task *task) {
    if (!task->queued) {
        return;
    }
    nrt__task **at = &loop->first;
    while (*at != task) {
        at = &(*at)->next;
    }
    *at = task->next;
    if (!*at) {
        loop->last = at;
    }
    task->queued = false;
    task->next = NULL;
}
