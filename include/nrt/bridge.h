/* Ways in and out for programs that have an HTTP client or an HTTP server of their own: the bridges
 * of `nrt gateway` and `nrt serve`, inside the process. nrt/curl.h and nrt/mhd.h stand on this. */
#ifndef NRT_BRIDGE_H
#define NRT_BRIDGE_H

#include <nrt/service.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A unix socket on which HTTP/1.1 is spoken to services on NATS: each request goes to the host that
 * its Host names, which must end in .nats. It stands in a folder that only this user may enter, and
 * takes connections of this process only. Made by the first call; where nobody has driven the
 * connection before, nrt_conn_start does from now on. Any thread (where another one drives the
 * connection, this waits for it to look).
 *
 * Sets *path, which lives as long as the connection. NRT_ERR_SYSTEM (no folder, no socket, no
 * thread), NRT_ERR_MEMORY, NRT_ERR_STATE (draining), NRT_ERR_CANCELED (destroyed meanwhile);
 * nrt_conn_error says more. */
NRT_API int nrt_bridge_path(nrt_conn *conn, const char **path);

/* Gives a connection to an HTTP server: a stream socket that is connected, or is connecting. It is
 * the library's then. -1 with errno where there is none: those that wait for one get a 502. On the
 * connection's thread. */
typedef int (*nrt_connect_fn)(void *arg);

/* Serves `host` by an HTTP/1.1 server that `connect` leads to, over a pool of kept connections, as
 * `nrt serve` does: bodies of any size, trailers, upgrades. `release(arg)` (may be NULL) is called
 * once: when the service is gone, or when this fails. `options` and `service` may be NULL; of
 * `options`, `workers` must be 0, and `streaming` is set. Any thread, as nrt_bridge_path, but
 * nobody is made to drive the connection. Errors as nrt_serve, and NRT_ERR_CANCELED. */
NRT_API int nrt_serve_fd(nrt_conn *conn, const char *host, const nrt_service_options *options,
                         nrt_connect_fn connect, void (*release)(void *arg), void *arg,
                         nrt_service **service);

#ifdef __cplusplus
}
#endif
#endif
