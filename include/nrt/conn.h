/* The connection to NATS: one nrt_conn = one connection = one thread, shared by any number of
 * services and clients. More cores: more connections.
 *
 * The connection's thread is the one that opened it, or that first drove it: by nrt_conn_dispatch,
 * nrt_conn_run, nrt_conn_wait, nrt_do and others that wait, or the loop of nrt_options.loop. All
 * callbacks come there, inside those calls. All functions that take a connection or one of its
 * services are to be called there, but for those that say "any thread". They have these errors in
 * common, which are not repeated: NRT_ERR_THREAD on another thread, NRT_ERR_FORK in a child of the
 * process that opened it (where only nrt_conn_destroy works; the parent's connection is unharmed),
 * and NRT_ERR_USAGE where the connection is NULL or another argument is not valid.
 *
 * Those that wait, nrt_conn_dispatch among them, need the built-in loop and cannot be called from
 * inside a callback: NRT_ERR_STATE. They, too, end with NRT_ERR_SYSTEM where epoll fails. */
#ifndef NRT_CONN_H
#define NRT_CONN_H

#include <nrt/options.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opens a connection; `options` may be NULL, for the defaults and what the environment says
 * (nrt_options.environment). It connects in the background, as soon as the loop runs, and stays
 * connected by itself; nrt_conn_wait waits for it. Returns NULL
 * where it cannot be opened, and sets *error (may be NULL) to NRT_ERR_USAGE (a number out of
 * range), NRT_ERR_URL (servers), NRT_ERR_HOST (a prefix), NRT_ERR_CONFIG (a context, a variable, a
 * file that is named, credentials that exclude each other), NRT_ERR_MEMORY or NRT_ERR_SYSTEM;
 * nrt_options.detail says more. */
NRT_API nrt_conn *nrt_conn_open(const nrt_options *options, int *error);

/* Ends the connection now: requests under way end with NRT_ERR_CANCELED, told before this returns,
 * and services that are known to work on them learn of it as far as the socket takes that at once;
 * services are gone; a worker that is at a handler is waited for, and its answer goes nowhere.
 * nrt_conn_drain is the polite way. Called inside a callback, it happens when all of them have
 * returned: nrt_conn_run then returns 0, and what else waits NRT_ERR_CANCELED; the connection is
 * gone when they have. On the connection's thread, which is not checked; after nrt_conn_start, any
 * thread that no other call is on. NULL is allowed. */
NRT_API void nrt_conn_destroy(nrt_conn *conn);

/* A descriptor that is readable when nrt_conn_dispatch(conn, 0) has something to do: for a
 * program's own poll(). It belongs to the connection, and stays the same. Only with the built-in
 * loop, and not from inside a callback: NRT_ERR_STATE. */
NRT_API int nrt_conn_fd(nrt_conn *conn);

/* Runs what is due: every callback of the library runs inside it. Waits up to `timeout_ms` for
 * something to happen (0: not at all, -1: for ever), and may return earlier. Returns how many
 * events it handled, which may be 0, or an error. A callback may have destroyed the connection. */
NRT_API int nrt_conn_dispatch(nrt_conn *conn, int timeout_ms);

/* Something to be done on the connection's thread. */
typedef void (*nrt_task_fn)(nrt_conn *conn, void *arg);

/* Has `fn(conn, arg)` run on the connection's thread, soon, in the order of these calls; never from
 * inside this one. Any thread, as long as the connection is not being destroyed meanwhile. A task
 * that still waits when the connection is destroyed is dropped. NRT_ERR_MEMORY, NRT_ERR_SYSTEM (the
 * connection stands still: NRT_CONN_BROKEN). */
NRT_API int nrt_conn_post(nrt_conn *conn, nrt_task_fn fn, void *arg);

/* Drives the connection until it is connected, at most `timeout_ms` (-1: as long as it takes; it
 * never gives up by itself). Then the error of the last attempt, as in nrt_conn_event_fn, or
 * NRT_ERR_TIMEOUT. Services and requests need not wait for it. */
NRT_API int nrt_conn_wait(nrt_conn *conn, int timeout_ms);

/* Drives the connection until nrt_conn_stop, or until a drain is complete (and returns at once when
 * it is already). Returns 0, or an error. The connection is still to be destroyed. */
NRT_API int nrt_conn_run(nrt_conn *conn);

/* nrt_conn_run for programs that SIGINT or SIGTERM ends: the first of them begins a drain
 * (nrt_conn_drain), so that what has begun is finished; a second one ends the process at once.
 * Returns when the drain is complete, and otherwise as nrt_conn_run. Any number of threads may be
 * in this call, each with its connection: all of them drain. Other threads may block these signals,
 * or not. Meanwhile handlers of the program's own for them are not called; a signal that is ignored
 * stays so. NRT_ERR_SYSTEM where there is no descriptor for it. */
NRT_API int nrt_conn_run_until_signal(nrt_conn *conn);

/* Makes nrt_conn_run return, once the callbacks that are due have run: the one that runs, or else
 * the next one. Everything stays as it is, and nrt_conn_run may go on later. No effect on a
 * connection that something else drives. Any thread, and handlers of signals, as long as the
 * connection is not being destroyed meanwhile. */
NRT_API int nrt_conn_stop(nrt_conn *conn);

/* Has a thread of its own drive the connection from now on: for programs that are built around
 * something else, such as blocking calls of libcurl. It becomes the connection's thread: callbacks
 * come there, and other calls go there by nrt_conn_post. nrt_conn_destroy ends it, from any thread.
 * All signals are blocked in it. Where it cannot go on it tells of NRT_CONN_BROKEN. NRT_ERR_STATE
 * where somebody drives the connection already, NRT_ERR_SYSTEM (no thread), NRT_ERR_MEMORY. */
NRT_API int nrt_conn_start(nrt_conn *conn);

/* Leaves in good order: services leave their queue groups, what has arrived is answered, requests
 * under way end, everything is written and read by the server; then `fn(conn, arg)` is called (may
 * be NULL) and nrt_conn_run returns. Meanwhile new requests and services get NRT_ERR_STATE. It
 * takes as long as the slowest exchange: nrt_conn_destroy ends it earlier, and is called afterwards
 * in any case. NRT_ERR_STATE where it has been called before. */
NRT_API int nrt_conn_drain(nrt_conn *conn, nrt_task_fn fn, void *arg);

/* What the NATS server has told of itself (its INFO). Texts are never NULL; all is "" or 0 while
 * not connected. They are valid until the connection is driven again. */
typedef struct nrt_conn_info {
    size_t size;          /* sizeof(nrt_conn_info), set by the caller */
    const char *server;   /* the server's name */
    const char *cluster;  /* its cluster's; "" where it is not in one */
    const char *version;  /* of the server, such as "2.9.10" */
    const char *url;      /* the one that we are connected to, without credentials */
    uint64_t client_id;   /* by which the server's log and monitoring know this connection */
    uint64_t max_payload; /* the largest message that the server takes, in bytes */
    bool connected;       /* at this moment */
} nrt_conn_info;

/* Fills in `info`. NRT_ERR_USAGE where its `size` is 0. */
NRT_API int nrt_conn_info_get(nrt_conn *conn, nrt_conn_info *info);

/* Why the last call that failed did, or the last attempt to connect, in words, with what to do
 * about it where that is known; "" if nothing has failed so far. Valid until the next call. Never
 * contains a secret. Of NULL it is that there is no connection. On the connection's thread; on
 * another one (nrt_conn_start) it may change while it is read. */
NRT_API const char *nrt_conn_error(const nrt_conn *conn);

#ifdef __cplusplus
}
#endif
#endif
