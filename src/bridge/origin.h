/* NATS in, HTTP out: exchanges of a service become requests to an existing HTTP server (the
 * origin), over a pool of keep-alive connections. The sidecar is this. Runs on the connection's
 * loop. */
#ifndef NRT__ORIGIN_H
#define NRT__ORIGIN_H

#include <nrt/bridge.h>
#include <nrt/service.h>

#include "bridge/target.h"

typedef struct nrt__origin nrt__origin;

typedef struct nrt__origin_options {
    size_t max_connections;      /* to this origin; further exchanges wait; 512 */
    size_t max_waiting;          /* exchanges that wait for a connection; beyond: 503; 4,096 */
    uint32_t connect_timeout_ms; /* 5,000 */
    uint32_t timeout_ms;         /* to the response head; 30,000 */
    uint32_t idle_timeout_ms;    /* a kept connection is closed after; 15,000 */
    const nrt__target_tls *tls;  /* NULL: as a browser would; read by nrt__origin_open only */
} nrt__origin_options;

void nrt__origin_options_init(nrt__origin_options *options);

/* `target` is `http://host:port[/base]`, `https://...` or `unix:/path`. Nothing is dialled yet.
 * NULL on failure with *error set and, in `detail` (of `detail_size` bytes), what is wrong in
 * words. `options` may be NULL. */
nrt__origin *nrt__origin_open(nrt_conn *conn, const char *target,
                              const nrt__origin_options *options, int *error, char *detail,
                              size_t detail_size);

/* To a server in this process. NULL: out of memory, and `release` has not been called. */
nrt__origin *nrt__origin_open_with(nrt_conn *conn, nrt_connect_fn connect,
                                   void (*release)(void *arg), void *arg);

/* `release` is not called any more. */
void nrt__origin_forget_release(nrt__origin *origin);

/* The handler to give to nrt_serve, with the origin as its `arg`; for a streaming service. */
void nrt__origin_handle(nrt_exchange *exchange, void *arg);

/* Ends all exchanges now: those that wait, and that the origin answers, fail. How many there were.
 */
size_t nrt__origin_break_off(nrt__origin *origin);

/* Closes it: exchanges still waiting get a 502. NULL is allowed. After its service stopped, before
 * nrt_conn_destroy. */
void nrt__origin_destroy(nrt__origin *origin);

#endif
