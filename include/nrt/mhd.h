/* libmicrohttpd on NATS: a daemon that answers HTTP answers on NATS too, its handlers unchanged.
 *
 *     struct MHD_Daemon *daemon = MHD_start_daemon(...);
 *     nrt_serve_mhd(conn, "weather.nats", daemon);      // this one
 *
 * Everything is inline: the library itself does not need libmicrohttpd. Requests come to the daemon
 * as HTTP/1.1 on connections that are kept. */
#ifndef NRT_MHD_H
#define NRT_MHD_H

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <nrt/bridge.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- ours: not for programs ---- */

typedef struct nrt__mhd {
    struct MHD_Daemon *daemon;
    struct sockaddr_storage address; /* where it listens */
    socklen_t len;                   /* 0: it does not */
} nrt__mhd;

/* A daemon that listens is connected to, whatever its threads are; one that does not is handed one
 * end of a pair, which needs MHD_USE_ITC: without it, nothing would tell it. */
static inline int nrt__mhd_connect(void *arg) {
    nrt__mhd *to = (nrt__mhd *)arg;
    int pair[2];
    if (to->len > 0) {
        int fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&to->address, to->len) < 0 &&
            errno != EINPROGRESS) {
            int code = errno;
            close(fd);
            errno = code;
            return -1;
        }
        return fd;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        return -1;
    }
    struct sockaddr name;
    memset(&name, 0, sizeof(name));
    name.sa_family = AF_UNIX;
    if (MHD_add_connection(to->daemon, pair[1], &name, sizeof(name)) !=
        MHD_YES) { /* it is closed */
        close(pair[0]);
        errno = ECONNREFUSED;
        return -1;
    }
    return pair[0];
}

static inline void nrt__mhd_release(void *arg) {
    free(arg);
}

/* A socket that listens on all addresses is reached on the loopback. */
static inline void nrt__mhd_find(nrt__mhd *to, int listener) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)&to->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&to->address;
    to->len = sizeof(to->address);
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&to->address, &to->len) < 0) {
        to->len = 0;
    } else if (to->address.ss_family == AF_INET && v4->sin_addr.s_addr == htonl(INADDR_ANY)) {
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else if (to->address.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr)) {
        v6->sin6_addr = in6addr_loopback;
    }
}

/* ---- the calls ---- */

/* Serves `host` by the daemon's handlers, with `options` and `service` as in nrt_serve_fd (both may
 * be NULL). The daemon must outlive the service. Where nobody drives the connection a thread of its
 * own does from now on (nrt_conn_start). Any thread. NRT_ERR_UNSUPPORTED: the daemon speaks TLS, or
 * neither listens nor has MHD_USE_ITC; else the errors of nrt_serve and nrt_conn_start, and then
 * nothing is served. */
static inline int nrt_serve_mhd_with(nrt_conn *conn, const char *host, struct MHD_Daemon *daemon,
                                     const nrt_service_options *options, nrt_service **service) {
    const union MHD_DaemonInfo *flags = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_FLAGS);
    const union MHD_DaemonInfo *listener = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_LISTEN_FD);
    nrt__mhd *to = (nrt__mhd *)calloc(1, sizeof(*to));
    if (!to) {
        return NRT_ERR_MEMORY;
    }
    to->daemon = daemon;
    nrt__mhd_find(to, listener ? (int)listener->listen_fd : -1);
    if (!flags || (flags->flags & MHD_USE_TLS) || (to->len == 0 && !(flags->flags & MHD_USE_ITC))) {
        free(to);
        return NRT_ERR_UNSUPPORTED;
    }
    nrt_service *made = NULL;
    int error = nrt_serve_fd(conn, host, options, nrt__mhd_connect, nrt__mhd_release, to, &made);
    if (error == 0) {
        error = nrt_conn_start(conn);
        if (error == NRT_ERR_STATE || error == NRT_ERR_THREAD) {
            error = 0;          /* somebody drives it */
        } else if (error < 0) { /* nobody will: it is not to wait for one */
            (void)nrt_service_stop(made, NULL, NULL);
            made = NULL;
        }
    }
    if (service) {
        *service = made;
    }
    return error;
}

/* nrt_serve_mhd_with, without options. */
static inline int nrt_serve_mhd(nrt_conn *conn, const char *host, struct MHD_Daemon *daemon) {
    return nrt_serve_mhd_with(conn, host, daemon, NULL, NULL);
}

#ifdef __cplusplus
}
#endif
#endif
