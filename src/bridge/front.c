/* Listeners for HTTP/1.1 clients: opened, accepted from, drained, closed. */
#include "bridge/front.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bridge/front_private.h"
#include "core/base/str.h"

enum {
    ACCEPTS_PER_EVENT = 64,
    ACCEPT_PAUSE_MS = 100,
    OVERFLOW_MAX =
        64, /* connections beyond the limit that are told so; more are closed without a word */
};

void nrt__front_options_init(nrt__front_options *options) {
    *options = (nrt__front_options){
        .via = "nrt",
        .max_body = UINT64_MAX,
        .max_connections = 10000,
        .max_requests = 100000,
        .head_timeout_ms = 10000,
        .idle_timeout_ms = 60000,
        .drain_timeout_ms = 30000,
    };
}

/* ---- accepting ---- */

static void on_accept_pause_over(nrt__timer *timer, void *arg) {
    nrt__front *front = arg;
    (void)timer;
    nrt__io_set(&front->listener, NRT_IO_READ);
}

/* Connected by this process itself. */
static bool is_own(int fd) {
    struct ucred peer = {0};
    socklen_t len = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.pid == getpid();
}

static void accept_some(nrt__front *front, int most) {
    for (int i = 0; i < most; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof(peer);
        int fd = accept4(front->listener.fd, (struct sockaddr *)&peer, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return;
        }
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
            nrt__loop *loop = nrt__conn_loop(front->conn);
            nrt__log(&loop->env, NRT_LOG_ERROR, "cannot accept connections: %s", strerror(errno));
            nrt__io_set(&front->listener, 0);
            nrt__timer_set(&loop->timers, &front->accept_timer, loop->env.now_ms + ACCEPT_PAUSE_MS,
                           on_accept_pause_over, front);
            return;
        }
        if (fd >= 0 && front->options.in_process && !is_own(fd)) {
            close(fd);
        } else if (fd >= 0 && front->conn_count >= front->options.max_connections + OVERFLOW_MAX) {
            close(fd);
        } else if (fd >= 0) {
            nrt__front_conn_open(front, fd, &peer);
        }
    }
}

/* Services that routes lead to are counted from the start. */
static void make_tallies(const nrt__front_options *options) {
    for (size_t i = 0; options->tallies && i < nrt__routes_count(options->routes); i++) {
        const char *pattern;
        const char *host;
        nrt__routes_at(options->routes, i, &pattern, &host);
        nrt__tallies_find(options->tallies, nrt_str_from(host), true);
    }
}

/* 0, or the error; *bad is the one that is no network. */
static int read_trusted(const nrt__front_options *options, nrt__cidr **trusted, const char **bad) {
    nrt__cidr *list = calloc(options->trusted_count + 1, sizeof(*list));
    int error = list ? 0 : NRT_ERR_MEMORY;
    for (size_t i = 0; i < options->trusted_count && error == 0; i++) {
        error = nrt__cidr_read(options->trusted[i], &list[i]);
        *bad = options->trusted[i];
    }
    if (error < 0) {
        free(list);
        list = NULL;
    }
    *trusted = list;
    return error;
}

/* For connections that come from now on. */
static void set_tls(nrt__front *front, nrt__tls_context *tls) {
    char rest[sizeof(front->url)];
    const char *colon = strstr(front->url, "://");
    nrt__tls_context *before = front->options.tls;
    front->options.tls = nrt__tls_context_hold(tls);
    nrt__tls_context_destroy(before);
    if (colon) {
        snprintf(rest, sizeof(rest), "%s", colon);
        snprintf(front->url, sizeof(front->url), "http%s%.*s", tls ? "s" : "",
                 (int)sizeof(front->url) - 6, rest);
    }
}

static void on_acceptable(void *arg, unsigned events) {
    (void)events;
    accept_some(arg, ACCEPTS_PER_EVENT);
}

nrt__front *nrt__front_open(nrt_conn *conn, const char *listen, const nrt__front_options *options,
                            int *error, char *detail, size_t detail_size) {
    nrt__front *front = calloc(1, sizeof(*front));
    *error = NRT_ERR_MEMORY;
    snprintf(detail, detail_size, "%s", nrt_error_text(NRT_ERR_MEMORY));
    if (!front) {
        return NULL;
    }
    front->conn = conn;
    front->options = *options;
    front->conns.next = front->conns.prev = &front->conns;
    snprintf(front->via, sizeof(front->via), "1.1 %s", options->via);
    const char *bad = "";
    *error = read_trusted(options, &front->trusted, &bad);
    if (*error < 0) {
        if (*error == NRT_ERR_USAGE) {
            snprintf(detail, detail_size,
                     "\"%s\" is not an address, a network such as 10.0.0.0/8, or unix", bad);
        }
        goto fail;
    }
    const nrt__listen_options how = {options->listen_mode, options->share_port};
    int fd = nrt__listen(listen, &how, front->url, sizeof(front->url), detail, detail_size);
    if (fd < 0) {
        *error = fd;
        goto fail;
    }
    front->options.tls = NULL;
    set_tls(front, options->tls);
    nrt__loop *loop = nrt__conn_loop(conn);
    nrt__loop_enter(loop);
    make_tallies(options);
    *error = options->answer ? 0 : nrt__client_listen(conn->client);
    if (*error == 0) {
        *error = nrt__io_open(loop, &front->listener, fd, NRT_IO_READ, on_acceptable, front);
    }
    nrt__loop_leave(loop);
    if (*error < 0) {
        close(fd);
        goto fail;
    }
    return front;
fail:
    free(front->trusted);
    free(front);
    return NULL;
}

const char *nrt__front_url(const nrt__front *front) {
    return front->url;
}

size_t nrt__front_connections(const nrt__front *front) {
    return front->conn_count;
}

bool nrt__front_is_draining(const nrt__front *front) {
    return front->draining;
}

int nrt__front_update(nrt__front *front, const nrt__front_options *options) {
    nrt__cidr *trusted;
    const char *bad;
    int error = read_trusted(options, &trusted, &bad);
    if (error < 0) {
        return error;
    }
    make_tallies(options);
    if (options->listen_mode != front->options.listen_mode && nrt__io_is_open(&front->listener) &&
        strncmp(front->url, "unix:", 5) == 0) {
        nrt__listen_chmod(front->url + 5, options->listen_mode);
    }
    free(front->trusted);
    front->trusted = trusted;
    set_tls(front, options->tls);
    front->options = *options;
    for (nrt__front_conn *conn = front->conns.next; conn != &front->conns; conn = conn->next) {
        nrt__front_conn_trust(conn);
    }
    return 0;
}

void nrt__front_share_port(nrt__front *front, bool share) {
    if (nrt__io_is_open(&front->listener)) {
        nrt__listen_share(front->listener.fd, share);
    }
}

static void stop_listening(nrt__front *front) {
    if (nrt__io_is_open(&front->listener)) {
        int fd = front->listener.fd;
        nrt__io_close(&front->listener);
        close(fd);
        if (strncmp(front->url, "unix:", 5) == 0) {
            unlink(front->url + 5);
        }
    }
    nrt__timer_clear(&nrt__conn_loop(front->conn)->timers, &front->accept_timer);
}

/* ---- the end ---- */

void nrt__front_check_drained(nrt__front *front) {
    if (front->draining && front->conn_count == 0 && front->drained) {
        void (*drained)(void *) = front->drained;
        front->drained = NULL;
        nrt__timer_clear(&nrt__conn_loop(front->conn)->timers, &front->drain_timer);
        drained(front->drained_arg);
    }
}

static void close_all(nrt__front *front, bool (*which)(const nrt__front_conn *conn)) {
    nrt__front_conn *next;
    for (nrt__front_conn *conn = front->conns.next; conn != &front->conns; conn = next) {
        next = conn->next;
        if (!which || which(conn)) {
            nrt__front_conn_close(conn);
        }
    }
}

/* Streams and tunnels may go on for days; who drains does not wait for that. */
static void on_drain_timeout(nrt__timer *timer, void *arg) {
    nrt__front *front = arg;
    (void)timer;
    nrt__log(nrt__front_env(front), NRT_LOG_WARN,
             "%zu connections are closed: they did not end in time", front->conn_count);
    close_all(front, NULL);
}

void nrt__front_retire(nrt__front *front, void (*done)(void *arg), void *arg) {
    nrt__loop *loop = nrt__conn_loop(front->conn);
    nrt__loop_enter(loop);
    if (nrt__io_is_open(&front->listener)) {
        accept_some(front, NRT__BACKLOG); /* who has connected already is not turned away */
    }
    front->draining = true;
    front->drained = done;
    front->drained_arg = arg;
    stop_listening(front);
    nrt__front_check_drained(front);
    nrt__loop_leave(loop);
}

void nrt__front_drain(nrt__front *front, void (*done)(void *arg), void *arg) {
    nrt__loop *loop = nrt__conn_loop(front->conn);
    nrt__loop_enter(loop);
    front->draining = true;
    front->drained = done;
    front->drained_arg = arg;
    stop_listening(front);
    nrt__timer_set(&loop->timers, &front->drain_timer,
                   loop->env.now_ms + front->options.drain_timeout_ms, on_drain_timeout, front);
    close_all(front, nrt__front_conn_is_idle);
    nrt__front_check_drained(front);
    nrt__loop_leave(loop);
}

void nrt__front_destroy(nrt__front *front) {
    if (!front) {
        return;
    }
    front->draining = false;
    stop_listening(front);
    nrt__timer_clear(&nrt__conn_loop(front->conn)->timers, &front->drain_timer);
    close_all(front, NULL);
    nrt__tls_context_destroy(front->options.tls);
    free(front->trusted);
    free(front);
}
