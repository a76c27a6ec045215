/* What operators see of a process, over HTTP on a listener of its own: a dashboard for browsers,
 * metrics for Prometheus, whether it is well and ready, and who is there. `nrt gateway --admin` and
 * `nrt serve --admin` are this; programs with services or clients of their own call nrt_admin_open.
 * Needs no other library.
 *
 *     /           the dashboard: a page that shows what follows, live; it loads nothing from
 *                 elsewhere
 *     /metrics    what the connection, its services and its client have counted, as Prometheus
 *                 reads it: text format 0.0.4, or OpenMetrics 1.0 where Accept asks for that
 *     /healthz    200 as long as the loop turns
 *     /readyz     200 while connected to NATS with all services in place; else 503 and why
 *     /services   all services on NATS (nrt/discovery.h) and what they count, as JSON
 *     /process    what this process is, and which of its requests failed lately, and why, as JSON
 *
 * GET and HEAD only, and nothing can be changed. Whoever reaches the listener may read all of it:
 * it belongs on loopback or on a network of the operators'. */
#ifndef NRT_ADMIN_H
#define NRT_ADMIN_H

#include <nrt/conn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the listener can be told. */
typedef struct nrt_admin_options {
    size_t size; /* set by nrt_admin_options_init */
    /* Why the program cannot do its work now, although its connection and its services could: a
     * sentence, for /readyz; NULL: it can. Valid until the next call; on the connection's thread;
     * must neither wait nor end the connection or the listener. NULL: never asked. */
    const char *(*why_not_ready)(void *arg);
    void *why_not_ready_arg; /* for `why_not_ready` */
} nrt_admin_options;

/* Fills in the defaults. */
static inline void nrt_admin_options_init(nrt_admin_options *options) {
    memset(options, 0, sizeof(*options));
    options->size = sizeof(*options);
}

/* Listens on `[ADDR:]PORT` or `unix:/path`: PORT alone is loopback, `:PORT` all addresses, 0 picks
 * a port, IPv6 in brackets. On loopback, requests whose Host is a name other than localhost are
 * refused, so that pages in a browser cannot be led here. `options` may be NULL. It runs on the
 * connection's loop, with limits of its own: 32 connections; texts are made anew only as often as
 * costs at most a twentieth of the time. One for each connection, which ends it. Any thread; where
 * another one drives the connection, this waits for it.
 *
 * Sets *url (may be NULL) to "http://127.0.0.1:9464" or "unix:/path", valid as long as it listens.
 * NRT_ERR_USAGE (`listen`), NRT_ERR_SYSTEM (cannot listen there), NRT_ERR_STATE (there is one
 * already, or the connection is draining), NRT_ERR_MEMORY, NRT_ERR_CANCELED (destroyed meanwhile);
 * nrt_conn_error says more. */
NRT_API int nrt_admin_open(nrt_conn *conn, const char *listen, const nrt_admin_options *options,
                           const char **url);

/* Ends it before the connection does; harmless where there is none. Threads as nrt_admin_open. */
NRT_API int nrt_admin_close(nrt_conn *conn);

#ifdef __cplusplus
}
#endif
#endif
