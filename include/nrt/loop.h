/* The event loop a connection runs on. Without one, a connection brings its own (epoll) and is
 * driven by nrt_conn_dispatch. With one, everything runs inside callbacks of that loop, on its
 * thread. nrt/libevent.h is such an adapter, and short enough to be read as the example. */
#ifndef NRT_LOOP_H
#define NRT_LOOP_H

#include <nrt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a descriptor is watched for, or ready for: bits. */
enum {
    NRT_IO_READ = 1,   /* it can be read */
    NRT_IO_WRITE = 2,  /* it can be written */
    NRT_IO_HANGUP = 4, /* its other end has gone; a loop that cannot tell may watch for reading */
};

/* Called by the adapter: descriptor `fd` is ready for `events` (an error or hang-up counts as both
 * NRT_IO_READ and NRT_IO_WRITE). `arg` is what came with `io_add`. May remove any descriptor, this
 * one included. */
typedef void (*nrt_io_fn)(int fd, unsigned events, void *arg);

/* Called by the adapter when the timer expires, and once soon after every `soon`; not from inside
 * an operation. `arg` is what came with `attach`. May bring the connection to its end. */
typedef void (*nrt_turn_fn)(void *arg);

/* The operations: none may be NULL, `data` is handed to each, and all run on the loop's thread.
 * Those that return int give 0 or a negative NRT_ERR_*. */
typedef struct nrt_loop {
    size_t size; /* sizeof(nrt_loop), set by the adapter */
    void *data;  /* the adapter's own; one connection only */
    /* The first call, from nrt_conn_open: remembers what to call for `timer_set` and `soon`. Where
     * it fails, so does nrt_conn_open; `detach` is called then as well. */
    int (*attach)(void *data, nrt_turn_fn turn, void *arg);
    /* Level-triggered interest in a descriptor, which stays the connection's; more of `fn` in
     * nrt_io_fn. Returns a handle for the next two, NULL when it fails. */
    void *(*io_add)(void *data, int fd, unsigned events, nrt_io_fn fn, void *arg);
    /* Other events from now on, 0 included; `io` is the handle. */
    int (*io_set)(void *data, void *io, unsigned events);
    /* No event comes any more, not even one that has happened already; `io` is gone. */
    void (*io_remove)(void *data, void *io);
    /* The one timer: calls `turn` in `delay_ms` milliseconds instead of when it was told before;
     * -1: not at all. */
    int (*timer_set)(void *data, int64_t delay_ms);
    /* Calls `turn` after the events that are active now: what they bring is written once. */
    int (*soon)(void *data);
    /* The last call: the connection is gone, and nothing of it may be called any more. */
    void (*detach)(void *data);
} nrt_loop;

#ifdef __cplusplus
}
#endif
#endif
