/* One connection to the origin: dialled, used for one exchange after another, closed when there is
 * any doubt. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "bridge/origin_private.h"

/* An origin that is gone without a word is noticed within two minutes, also where its silence says
 * nothing. In seconds. */
enum { KEEPALIVE_IDLE = 60, KEEPALIVE_INTERVAL = 15, KEEPALIVE_COUNT = 4 };

void nrt__origin_set_timer(nrt__origin_conn *conn, uint32_t delay_ms, nrt__timer_fn fn) {
    nrt__loop *loop = nrt__origin_loop(conn->origin);
    nrt__timer_set(&loop->timers, &conn->timer, loop->env.now_ms + delay_ms, fn, conn);
}

void nrt__origin_clear_timer(nrt__origin_conn *conn) {
    nrt__timer_clear(&nrt__origin_loop(conn->origin)->timers, &conn->timer);
}

static void leave_idle(nrt__origin_conn *conn) {
    nrt__origin_conn **at = &conn->origin->idle;
    while (*at != conn) {
        at = &(*at)->idle_below;
    }
    *at = conn->idle_below;
    conn->idle_below = NULL;
}

void nrt__origin_conn_close(nrt__origin_conn *conn) {
    nrt__origin *origin = conn->origin;
    if (conn->state == NRT__ORIGIN_IDLE) {
        leave_idle(conn);
    }
    if (conn->state == NRT__ORIGIN_DIALING) {
        origin->dialing--;
        nrt__dial_cancel(&conn->dial);
    }
    nrt__origin_clear_timer(conn);
    nrt__stream_close(&conn->stream);
    nrt__h1_reader_free(&conn->reader);
    nrt__message_free(&conn->response);
    conn->prev->next = conn->next;
    conn->next->prev = conn->prev;
    origin->conn_count--;
    free(conn);
}

static void on_idle_timeout(nrt__timer *timer, void *arg) {
    nrt__origin_conn *conn = arg;
    (void)timer;
    nrt__stream_say_bye(&conn->stream);
    nrt__origin_conn_close(conn);
}

static void go_idle(nrt__origin_conn *conn) {
    nrt__origin *origin = conn->origin;
    conn->state = NRT__ORIGIN_IDLE;
    conn->idle_below = origin->idle;
    origin->idle = conn;
    nrt__stream_set_reading(&conn->stream, true);
    nrt__origin_set_timer(conn, origin->options.idle_timeout_ms, on_idle_timeout);
}

void nrt__origin_conn_done(nrt__origin_conn *conn, bool keep) {
    if (keep) {
        conn->used_before = true;
        go_idle(conn);
    } else {
        nrt__stream_say_bye(&conn->stream);
        nrt__origin_conn_close(conn);
    }
}

/* ---- the end of dialling ---- */

static void dial_failed(nrt__origin_conn *conn, const char *why) {
    nrt__origin *origin = conn->origin;
    bool tls = nrt__stream_is_securing(&conn->stream);
    char reason[320]; /* it may be the stream's */
    (void)snprintf(reason, sizeof(reason), "%s", why);
    nrt__origin_conn_close(conn);
    nrt__origin_dial_failed(origin, reason, tls);
}

static void dialed(nrt__origin_conn *conn) {
    nrt__origin *origin = conn->origin;
    origin->dialing--;
    go_idle(conn);
    nrt__origin_next(origin);
}

/* ---- what the socket tells ---- */

static void on_readable(void *arg) {
    nrt__origin_conn *conn = arg;
    nrt__origin *origin = conn->origin;
    ssize_t got = nrt__stream_read(&conn->stream, origin->scratch, sizeof(origin->scratch));
    if (got == NRT__STREAM_AGAIN) {
        return;
    }
    if (conn->state == NRT__ORIGIN_IDLE) {
        /* The end, or bytes that nobody asked for: the next response could be somebody else's. */
        nrt__origin_conn_close(conn);
        return;
    }
    if (got == NRT__STREAM_END) {
        nrt__origin_on_end(conn);
    } else if (got == NRT__STREAM_BROKEN) {
        char what[320];
        (void)snprintf(what, sizeof(what), "the connection to the origin broke: %s",
                       nrt__stream_reason(&conn->stream));
        nrt__origin_broke_off(conn, what);
    } else {
        nrt__origin_on_bytes(conn, (nrt_str){origin->scratch, (size_t)got});
    }
}

/* The origin may have answered and closed without reading all of the request: what it said is still
 * to be read. */
static void on_broken(void *arg) {
    nrt__origin_conn *conn = arg;
    if (conn->state == NRT__ORIGIN_DIALING) {
        dial_failed(conn, nrt__stream_reason(&conn->stream));
        return;
    }
    if (conn->state == NRT__ORIGIN_IDLE) {
        nrt__origin_conn_close(conn);
        return;
    }
    nrt__buf_clear(&conn->stream.out);
}

static void on_secured(void *arg) {
    dialed(arg);
}

static const nrt__stream_events stream_events = {
    .readable = on_readable,
    .moved = nrt__origin_on_moved,
    .drained = nrt__origin_on_drained,
    .broken = on_broken,
    .secured = on_secured,
};

/* ---- using it ---- */

void nrt__origin_use(nrt__origin_conn *conn, nrt_exchange *exchange) {
    nrt__origin *origin = conn->origin;
    /* One that the origin has closed, or written to before it was asked, shows it now. */
    bool stale = !nrt__stream_is_quiet(&conn->stream);
    leave_idle(conn);
    conn->state = NRT__ORIGIN_SENDING;
    if (stale) {
        nrt__origin_conn_close(conn);
        nrt__origin_again(origin, exchange);
        return;
    }
    conn->exchange = exchange;
    conn->interim = 0;
    conn->headed = conn->started = conn->soon = false;
    conn->origin_ended = conn->response_ended = conn->request_ended = false;
    nrt__h1_begin(&conn->reader, &conn->response, exchange->to_head ? NRT__H1_TO_HEAD : 0);
    int error = nrt__origin_write_request(conn);
    if (error < 0) {
        nrt__origin_refuse_response(conn, error, nrt_error_text(error));
    }
}

/* ---- dialling ---- */

static void on_dial_timeout(nrt__timer *timer, void *arg) {
    nrt__origin_conn *conn = arg;
    (void)timer;
    nrt__dial_time_out(&conn->dial);
    dial_failed(conn, nrt__stream_is_securing(&conn->stream)
                          ? "the TLS handshake did not end in time"
                          : "no answer in time");
}

static void keep_alive(int fd) {
    const int on = 1, idle = KEEPALIVE_IDLE, interval = KEEPALIVE_INTERVAL, count = KEEPALIVE_COUNT;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)); /* a unix socket needs none */
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static void on_dialed(int fd, int code, void *arg) {
    nrt__origin_conn *conn = arg;
    nrt__origin *origin = conn->origin;
    nrt__tls *tls = NULL;
    if (fd >= 0 &&
        nrt__stream_open(&conn->stream, nrt__origin_loop(origin), fd, &stream_events, conn) < 0) {
        code = errno;
    }
    int secure = code == 0 ? nrt__target_secure(&origin->target, fd, &tls) : 0;
    if (code != 0 || secure < 0) {
        dial_failed(conn, secure < 0 ? nrt_error_text(secure) : strerror(code));
        return;
    }
    keep_alive(fd);
    if (secure) {
        nrt__stream_secure(&conn->stream, tls);
    } else {
        dialed(conn);
    }
}

int nrt__origin_dial(nrt__origin *origin) {
    nrt__origin_conn *conn = calloc(1, sizeof(*conn));
    if (!conn) {
        return NRT_ERR_MEMORY;
    }
    int error = nrt__dial_start(&conn->dial, &origin->target, on_dialed, conn);
    if (error < 0) {
        int code = errno;
        free(conn);
        errno = code;
        return error;
    }
    nrt__h1_limits limits = NRT__H1_LIMITS_DEFAULT;
    limits.head = origin->conn->options.max_head;
    limits.fields = origin->conn->options.max_fields;
    conn->origin = origin;
    nrt__h1_reader_init(&conn->reader, &limits);
    nrt__message_init(&conn->response, false);
    conn->prev = origin->conns.prev;
    conn->next = &origin->conns;
    origin->conns.prev->next = conn;
    origin->conns.prev = conn;
    origin->conn_count++;
    origin->dialing++;
    nrt__origin_set_timer(conn, origin->options.connect_timeout_ms, on_dial_timeout);
    return 0;
}
