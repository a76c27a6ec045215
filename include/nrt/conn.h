/* The connection to NATS: one nrt_conn = one connection = one thread, shared by any number of
 * services and clients. More cores: more connections.
 *
 * Threads: every call must come from the thread that opened the connection (or that first
 * dispatched it), save nrt_conn_post. Others get NRT_ERR_THREAD. After fork(), the child gets
 * NRT_ERR_FORK from everything but nrt_conn_destroy, and the parent's connection is unharmed. */
#ifndef NRT_CONN_H
#define NRT_CONN_H

#include <nrt/options.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opens a connection. It connects in the background, as soon as the loop runs, and stays connected
 * by itself; nrt_conn_wait waits for it. Returns NULL and sets *error (may be NULL): NRT_ERR_USAGE,
 * NRT_ERR_URL (servers), NRT_ERR_HOST (prefix), NRT_ERR_CONFIG (a context, a variable, a file that
 * is named, credentials that exclude each other), NRT_ERR_MEMORY, NRT_ERR_SYSTEM; options->detail
 * says more. */
NRT_API nrt_conn *nrt_conn_open(const nrt_options *options, int *error);

/* Ends the connection now. Exchanges that wait get NRT_ERR_CANCELED, services are gone. May be
 * called inside a callback: it then happens when the callback has returned. NULL is allowed. */
NRT_API void nrt_conn_destroy(nrt_conn *conn);

/* A descriptor that is readable when nrt_conn_dispatch has something to do: for a program's own
 * poll(). Only with the built-in loop. It belongs to the connection. Negative: NRT_ERR_*. */
NRT_API int nrt_conn_fd(nrt_conn *conn);

/* Runs what is due: every callback of the library runs inside it. Waits up to `timeout_ms` for
 * something (0: not at all, -1: for ever). Returns how many events it handled, or NRT_ERR_*. Not
 * from inside a callback (NRT_ERR_STATE). */
NRT_API int nrt_conn_dispatch(nrt_conn *conn, int timeout_ms);

/* Runs `fn(arg)` inside the connection's thread, soon. The one call for any thread. NRT_ERR_MEMORY,
 * NRT_ERR_FORK; the connection must not be destroyed meanwhile. */
typedef void (*nrt_task_fn)(nrt_conn *conn, void *arg);
NRT_API int nrt_conn_post(nrt_conn *conn, nrt_task_fn fn, void *arg);

/* Waits until connected. NRT_ERR_TIMEOUT, or the error of the last attempt. -1: as long as it
 * takes. Only with the built-in loop. */
NRT_API int nrt_conn_wait(nrt_conn *conn, int timeout_ms);

/* Dispatches until nrt_conn_stop, or until a drain is complete. Only with the built-in loop. */
NRT_API int nrt_run(nrt_conn *conn);
NRT_API int nrt_conn_stop(nrt_conn *conn);

/* Has a thread of its own drive the connection from now on: for programs that are built around
 * something else, such as blocking calls of libcurl. All callbacks come on that thread, and all
 * other calls must be made there (nrt_conn_post), but for nrt_conn_destroy, which ends it from
 * anywhere. NRT_ERR_STATE where somebody drives it already, NRT_ERR_SYSTEM (no thread),
 * NRT_ERR_MEMORY, NRT_ERR_THREAD, NRT_ERR_FORK. */
NRT_API int nrt_conn_start(nrt_conn *conn);

/* Leaves in good order: services leave their queue groups, what has arrived is answered, exchanges
 * in flight end, everything is written; then `fn(conn, arg)` is called and nrt_run returns. New
 * exchanges get NRT_ERR_STATE. `fn` may be NULL. */
NRT_API int nrt_conn_drain(nrt_conn *conn, nrt_task_fn fn, void *arg);

/* What the server told of itself when the connection was made; valid until the next dispatch. All
 * empty or 0 while not connected. */
typedef struct nrt_conn_info {
    size_t size;
    const char *server;  /* server_name */
    const char *cluster; /* "" where it is not clustered */
    const char *version;
    const char *url; /* the one we are connected to, without credentials */
    uint64_t client_id;
    uint64_t max_payload;
    bool connected;
} nrt_conn_info;

NRT_API int nrt_conn_info_get(nrt_conn *conn, nrt_conn_info *info);

/* Why the last call or the last attempt to connect failed, in words; "" if nothing did. Valid until
 * the next call. Never contains a secret. */
NRT_API const char *nrt_conn_error(const nrt_conn *conn);

#ifdef __cplusplus
}
#endif
#endif
