/* The event loop a connection runs on. Without one, a connection brings its own (epoll) and is
 * driven by nrt_conn_dispatch. With one, everything runs inside callbacks of that loop, on its
 * thread. nrt/libevent.h is such an adapter, and short enough to be read as the example. */
#ifndef NRT_LOOP_H
#define NRT_LOOP_H

#include <nrt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { NRT_IO_READ = 1, NRT_IO_WRITE = 2, NRT_IO_HANGUP = 4 };

/* Called by the adapter: descriptor `fd` is ready for `events` (an error or hang-up counts as both
 * NRT_IO_READ and NRT_IO_WRITE). `arg` is what came with io_add. */
typedef void (*nrt_io_fn)(void *arg, int fd, unsigned events);

/* Called by the adapter when the timer expires, and once soon after every `soon`. */
typedef void (*nrt_turn_fn)(void *arg);

/* The operations; `data` is handed to each. All run on the loop's thread. */
typedef struct nrt_loop {
    size_t size; /* sizeof(nrt_loop) */
    void *data;
    /* Remembers what to call for timer_set and soon. 0 or a negative NRT_ERR_*. */
    int (*attach)(void *data, nrt_turn_fn turn, void *arg);
    /* Level-triggered interest in a descriptor. NULL when it fails. The descriptor stays ours. */
    void *(*io_add)(void *data, int fd, unsigned events, nrt_io_fn fn, void *arg);
    int (*io_set)(void *data, void *io, unsigned events);
    void (*io_remove)(void *data, void *io);
    /* One timer: call turn in `delay_ms` milliseconds; replaces the one before; -1 = none. */
    int (*timer_set)(void *data, int64_t delay_ms);
    /* Call turn after the events that are active now: output gathered by them is written once. */
    int (*soon)(void *data);
    /* The connection is gone: nothing may be called any more. */
    void (*detach)(void *data);
} nrt_loop;

#ifdef __cplusplus
}
#endif
#endif
