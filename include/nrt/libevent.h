/* Runs a connection on a libevent loop. Everything is inline: the library itself does not need
 * libevent, the program that includes this links -levent_core. Also the example for adapters to
 * other loops.
 *
 *     nrt_libevent adapter;
 *     nrt_libevent_init(&adapter, event_base_new());
 *     options.loop = &adapter.loop;
 *     nrt_conn *conn = nrt_conn_open(&options, &error);
 *     event_base_dispatch(adapter.base);
 *
 * The connection's thread is the one that runs the base. */
#ifndef NRT_LIBEVENT_H
#define NRT_LIBEVENT_H

#include <event2/event.h>
#include <nrt/error.h>
#include <nrt/loop.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What one connection needs on a base. The caller holds it: it and the base must outlive the
 * connection, and may serve another one afterwards. There is nothing to be freed. */
typedef struct nrt_libevent {
    nrt_loop loop;           /* for nrt_options.loop */
    struct event_base *base; /* the caller's */
    struct event *timer;     /* from here on ours */
    struct event *soon;      /* the turn behind the events that are active */
    nrt_turn_fn turn;        /* what both call, */
    void *arg;               /* and with what */
} nrt_libevent;

/* ---- the operations: not for programs ---- */

typedef struct nrt__libevent_io {
    struct event *read;
    struct event *write;
    nrt_io_fn fn;
    void *arg;
} nrt__libevent_io;

static inline void nrt__libevent_on_turn(evutil_socket_t fd, short what, void *arg) {
    nrt_libevent *self = (nrt_libevent *)arg;
    (void)fd;
    (void)what;
    self->turn(self->arg);
}

static inline void nrt__libevent_on_io(evutil_socket_t fd, short what, void *arg) {
    nrt__libevent_io *io = (nrt__libevent_io *)arg;
    io->fn((int)fd,
           (what & EV_READ ? (unsigned)NRT_IO_READ : 0) |
               (what & EV_WRITE ? (unsigned)NRT_IO_WRITE : 0),
           io->arg);
}

static inline int nrt__libevent_attach(void *data, nrt_turn_fn turn, void *arg) {
    nrt_libevent *self = (nrt_libevent *)data;
    self->turn = turn;
    self->arg = arg;
    self->timer = event_new(self->base, -1, 0, nrt__libevent_on_turn, self);
    self->soon = event_new(self->base, -1, 0, nrt__libevent_on_turn, self);
    return self->timer && self->soon ? 0 : NRT_ERR_MEMORY;
}

static inline int nrt__libevent_io_set(void *data, void *handle, unsigned events) {
    nrt__libevent_io *io = (nrt__libevent_io *)handle;
    (void)data;
    /* A hang-up shows as readable. */
    int read =
        events & (NRT_IO_READ | NRT_IO_HANGUP) ? event_add(io->read, NULL) : event_del(io->read);
    int write = events & NRT_IO_WRITE ? event_add(io->write, NULL) : event_del(io->write);
    return read < 0 || write < 0 ? NRT_ERR_SYSTEM : 0;
}

static inline void nrt__libevent_io_remove(void *data, void *handle) {
    nrt__libevent_io *io = (nrt__libevent_io *)handle;
    (void)data;
    if (io->read) {
        event_free(io->read);
    }
    if (io->write) {
        event_free(io->write);
    }
    free(io);
}

static inline void *nrt__libevent_io_add(void *data, int fd, unsigned events, nrt_io_fn fn,
                                         void *arg) {
    nrt_libevent *self = (nrt_libevent *)data;
    nrt__libevent_io *io = (nrt__libevent_io *)calloc(1, sizeof(*io));
    if (!io) {
        return NULL;
    }
    io->fn = fn;
    io->arg = arg;
    io->read = event_new(self->base, fd, EV_READ | EV_PERSIST, nrt__libevent_on_io, io);
    io->write = event_new(self->base, fd, EV_WRITE | EV_PERSIST, nrt__libevent_on_io, io);
    if (!io->read || !io->write || nrt__libevent_io_set(data, io, events) < 0) {
        nrt__libevent_io_remove(data, io);
        return NULL;
    }
    return io;
}

static inline int nrt__libevent_timer_set(void *data, int64_t delay_ms) {
    nrt_libevent *self = (nrt_libevent *)data;
    if (delay_ms < 0) {
        return event_del(self->timer) < 0 ? NRT_ERR_SYSTEM : 0;
    }
    struct timeval delay;
    delay.tv_sec = (time_t)(delay_ms / 1000);
    delay.tv_usec = (suseconds_t)(delay_ms % 1000 * 1000);
    return event_add(self->timer, &delay) < 0 ? NRT_ERR_SYSTEM : 0;
}

static inline int nrt__libevent_soon(void *data) {
    nrt_libevent *self = (nrt_libevent *)data;
    /* Behind the events that are active now, before the next wait: one write for all of them. */
    event_active(self->soon, EV_TIMEOUT, 0);
    return 0;
}

static inline void nrt__libevent_detach(void *data) {
    nrt_libevent *self = (nrt_libevent *)data;
    if (self->timer) {
        event_free(self->timer);
    }
    if (self->soon) {
        event_free(self->soon);
    }
    self->timer = self->soon = NULL;
}

/* ---- the one call ---- */

/* Makes `adapter` ready for a connection on `base`. Cannot fail: what needs memory comes with
 * nrt_conn_open. */
static inline void nrt_libevent_init(nrt_libevent *adapter, struct event_base *base) {
    memset(adapter, 0, sizeof(*adapter));
    adapter->base = base;
    adapter->loop.size = sizeof(adapter->loop);
    adapter->loop.data = adapter;
    adapter->loop.attach = nrt__libevent_attach;
    adapter->loop.io_add = nrt__libevent_io_add;
    adapter->loop.io_set = nrt__libevent_io_set;
    adapter->loop.io_remove = nrt__libevent_io_remove;
    adapter->loop.timer_set = nrt__libevent_timer_set;
    adapter->loop.soon = nrt__libevent_soon;
    adapter->loop.detach = nrt__libevent_detach;
}

#ifdef __cplusplus
}
#endif
#endif
