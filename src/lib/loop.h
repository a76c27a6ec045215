/* The event loop as the library sees it: the table of operations (nrt/loop.h) with what every user
 * of it needs on top: a clock, deadlines, and work put off to the end of the turn. Bridges use it
 * too. */
#ifndef NRT__LOOP_H
#define NRT__LOOP_H

#include <nrt/loop.h>

#include "core/base/env.h"
#include "core/base/timers.h"

typedef struct nrt__loop nrt__loop;
typedef struct nrt__epoll nrt__epoll;

/* `events` is NRT_IO_*. */
typedef void (*nrt__io_fn)(void *arg, unsigned events);

/* A watched descriptor; lies in whatever owns the descriptor. Zeroed is closed. */
typedef struct nrt__io {
    nrt__loop *loop;
    void *handle;
    nrt__io_fn fn;
    void *arg;
    unsigned events;
    int fd;
} nrt__io;

/* Work for the end of this turn; queued once however often it is asked for. Zeroed is idle. */
typedef struct nrt__task {
    struct nrt__task *next;
    void (*fn)(void *arg);
    void *arg;
    bool queued;
} nrt__task;

struct nrt__loop {
    nrt_loop ops;
    nrt__env env;
    nrt__timers timers;
    nrt__epoll *epoll; /* the built-in loop; NULL with one of the caller's */
    nrt__task *first;
    nrt__task **last;
    unsigned depth; /* inside callbacks of ours */
    bool turn_asked;
    int64_t armed_ms;        /* when the timer will fire; -1: not set */
    int64_t date_at_ms;      /* when env.date was made */
    void (*idle)(void *arg); /* when the outermost callback has returned; may end everything */
    void *idle_arg;
};

/* `ops` NULL: the built-in one. NRT_ERR_SYSTEM, NRT_ERR_MEMORY. `idle` may free the loop. */
int nrt__loop_init(nrt__loop *loop, const nrt_loop *ops, void (*idle)(void *arg), void *idle_arg);
void nrt__loop_finish(nrt__loop *loop);

/* Starts watching. The descriptor must be non-blocking. NRT_ERR_SYSTEM. */
int nrt__io_open(nrt__loop *loop, nrt__io *io, int fd, unsigned events, nrt__io_fn fn, void *arg);
void nrt__io_set(nrt__io *io, unsigned events);
void nrt__io_close(nrt__io *io); /* does not close the descriptor */

static inline bool nrt__io_is_open(const nrt__io *io) {
    return io->handle != NULL;
}

void nrt__loop_defer(nrt__loop *loop, nrt__task *task, void (*fn)(void *arg), void *arg);
void nrt__loop_undefer(nrt__loop *loop, nrt__task *task);

/* Around every entry from outside: the clock is read, and at the end of the outermost one put-off
 * work is asked for. */
void nrt__loop_enter(nrt__loop *loop);
void nrt__loop_leave(nrt__loop *loop);

/* Reads the clock, outside of any callback. */
void nrt__loop_tick(nrt__loop *loop);

/* Timers and put-off work; the built-in loop does this once per dispatch. */
void nrt__loop_turn(nrt__loop *loop);

/* ---- the built-in loop, lib/epoll.c ---- */

nrt__epoll *nrt__epoll_create(nrt_loop *ops);
/* Waits up to timeout_ms and hands out what is ready. Returns the number of events, or
 * NRT_ERR_SYSTEM. */
int nrt__epoll_wait(nrt__epoll *epoll, nrt__loop *loop, int timeout_ms);
/* Readable when there is something to do, an expired timer included. */
int nrt__epoll_fd(nrt__epoll *epoll);
/* In a child after fork(): from now on nothing here reaches the set, which is shared with the
 * parent. */
void nrt__epoll_abandon(nrt__epoll *epoll);

#endif
