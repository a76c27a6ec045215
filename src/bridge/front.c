/* HTTP/1.1 connections of clients: accepted, read, answered, closed. */
#include "bridge/front.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bridge/front_private.h"
#include "core/problem.h"
#include "core/str.h"

enum {
    ACCEPTS_PER_EVENT = 64,
    PENDING_MAX = 64 * 1024, /* pipelined bytes kept while an exchange is under way */
    OUTPUT_MAX = 256 * 1024, /* responses to pipelined requests waiting for a slow reader */
    BODY_KEEP = 16 * 1024,
    LINGER_MS = 2000,
    LINGER_BYTES = 16 << 20,
    ACCEPT_PAUSE_MS = 100,
    OVERFLOW_MAX =
        64, /* connections beyond the limit that are told so; more are closed without a word */
};

static void run(nrt__front_conn *conn, nrt_str bytes);

void nrt__front_options_init(nrt__front_options *options) {
    *options = (nrt__front_options){
        .via = "nrt",
        .max_body = SIZE_MAX,
        .max_connections = 10000,
        .max_requests = 100000,
        .head_timeout_ms = 10000,
        .idle_timeout_ms = 60000,
    };
}

/* ---- the end of a connection ---- */

static void check_drained(nrt__front *front) {
    if (front->draining && front->conn_count == 0 && front->drained) {
        void (*drained)(void *) = front->drained;
        front->drained = NULL;
        drained(front->drained_arg);
    }
}

static void conn_close(nrt__front_conn *conn) {
    nrt__front *front = conn->front;
    conn->state = NRT__FRONT_CLOSING; /* a result that comes now is for nobody */
    if (conn->exchange) {
        nrt_cancel(front->conn, conn->exchange);
    }
    nrt__timer_clear(&nrt__conn_loop(front->conn)->timers, &conn->timer);
    nrt__stream_close(&conn->stream);
    nrt__h1_reader_free(&conn->reader);
    nrt__message_free(&conn->request);
    nrt__buf_free(&conn->body);
    nrt__buf_free(&conn->pending);
    conn->prev->next = conn->next;
    conn->next->prev = conn->prev;
    front->conn_count--;
    free(conn);
    check_drained(front);
}

static void set_timer(nrt__front_conn *conn, uint32_t delay_ms);

static void on_timeout(nrt__timer *timer, void *arg) {
    nrt__front_conn *conn = arg;
    (void)timer;
    if (nrt__buf_len(&conn->stream.out) > 0 && conn->stream.sent != conn->sent_seen) {
        /* A slow reader is not a silent one. */
        conn->sent_seen = conn->stream.sent;
        set_timer(conn, conn->front->options.idle_timeout_ms);
        return;
    }
    if (conn->state == NRT__FRONT_READING && conn->got_bytes) {
        conn->keep_alive = false;
        nrt__front_refuse(conn, NRT_ERR_REQUEST_TIMEOUT, NULL);
    } else {
        conn_close(conn);
    }
}

static void set_timer(nrt__front_conn *conn, uint32_t delay_ms) {
    nrt__loop *loop = nrt__conn_loop(conn->front->conn);
    nrt__timer_set(&loop->timers, &conn->timer, loop->env.now_ms + delay_ms, on_timeout, conn);
}

/* ---- from one request to the next ---- */

static void begin_request(nrt__front_conn *conn) {
    nrt__h1_begin(&conn->reader, &conn->request, NRT__H1_REQUEST);
    nrt__buf_shrink(&conn->body, BODY_KEEP);
    conn->state = NRT__FRONT_READING;
    conn->got_bytes = false;
    conn->to_head = false;
    conn->host = (nrt_str){"", 0};
    set_timer(conn, conn->front->options.idle_timeout_ms);
}

void nrt__front_answered(nrt__front_conn *conn) {
    nrt__stream_written(&conn->stream);
    if (!conn->keep_alive) {
        conn->state = NRT__FRONT_CLOSING;
        set_timer(conn, conn->front->options.idle_timeout_ms);
        return;
    }
    begin_request(conn); /* goes on in on_drained, or with the next bytes */
}

/* Whether another pipelined request may be taken up now. */
static bool may_go_on(const nrt__front_conn *conn) {
    return conn->state == NRT__FRONT_READING && nrt__buf_len(&conn->stream.out) < OUTPUT_MAX;
}

static void on_drained(void *arg) {
    nrt__front_conn *conn = arg;
    switch (conn->state) {
    case NRT__FRONT_CLOSING:
        conn->state = NRT__FRONT_LINGERING;
        nrt__stream_shut(&conn->stream);
        nrt__stream_set_reading(&conn->stream, true);
        set_timer(conn, LINGER_MS);
        break;
    case NRT__FRONT_READING:
        if (conn->front->draining && !conn->got_bytes) {
            conn_close(conn);
            return;
        }
        nrt__stream_set_reading(&conn->stream, true);
        if (nrt__buf_len(&conn->pending) > 0) {
            run(conn, (nrt_str){"", 0});
        } else if (!conn->got_bytes) {
            set_timer(conn, conn->front->options.idle_timeout_ms);
        }
        break;
    case NRT__FRONT_WAITING:
    case NRT__FRONT_LINGERING:
        break;
    }
}

static void on_broken(void *arg) {
    conn_close(arg);
}

/* ---- reading ---- */

/* RFC 9110 section 10.1.1. Unknown expectations cannot be met. */
static int on_expect(nrt__front_conn *conn, const char **detail) {
    nrt_str expect = nrt__fields_value(&conn->request.fields, NRT__EXPECT);
    if (expect.len == 0 || conn->request.minor == 0) {
        return 0;
    }
    if (!nrt__str_same(expect, NRT__STR("100-continue"))) {
        *detail = "only Expect: 100-continue can be met";
        return NRT_ERR_EXPECTATION;
    }
    if (conn->request.framing != NRT__FRAMING_NONE && !conn->reader.complete) {
        nrt__buf_lit(&conn->stream.out, "HTTP/1.1 100 Continue\r\n\r\n");
        nrt__stream_written(&conn->stream);
    }
    return 0;
}

static int on_head(nrt__front_conn *conn, const char **detail) {
    conn->began_ms = nrt__front_env(conn->front)->now_ms;
    size_t max = conn->front->conn->options.max_body;
    conn->body.max = conn->front->options.max_body < max ? conn->front->options.max_body : max;
    int error = nrt__front_check_head(conn, detail);
    if (error == 0) {
        error = on_expect(conn, detail);
    }
    set_timer(conn, conn->front->options.idle_timeout_ms);
    return error;
}

/* After a fault in the request nobody knows where the next one begins. */
static void refuse_and_close(nrt__front_conn *conn, int error, const char *detail) {
    nrt_str head = nrt__buf_view(&conn->reader.head);
    if (nrt__str_starts(head, NRT__STR("PRI * HTTP/2.0\r\n"))) {
        error = NRT_ERR_UNSUPPORTED;
        detail = "HTTP/2 is not supported: use HTTP/1.1";
    }
    conn->keep_alive = false;
    nrt__buf_clear(&conn->pending);
    nrt__front_refuse(conn, error, detail);
}

/* One step of the reader over `bytes`, of which *used are used. False when it wants more than there
 * is. */
static bool step(nrt__front_conn *conn, nrt_str bytes, size_t *used) {
    nrt_str body;
    const char *detail = NULL;
    int event = nrt__h1_read(&conn->reader, bytes.ptr, bytes.len, used, &body);
    int error = event < 0 ? event : 0;
    if (event < 0) {
        detail = conn->reader.reason;
    } else if (event == NRT__H1_HEAD) {
        error = on_head(conn, &detail);
    } else if (event == NRT__H1_BODY) {
        set_timer(conn, conn->front->options.idle_timeout_ms);
        if (!nrt__buf_put(&conn->body, body)) {
            error = NRT_ERR_TOO_LARGE;
        }
    } else if (event == NRT__H1_END) {
        nrt__timer_clear(&nrt__conn_loop(conn->front->conn)->timers, &conn->timer);
        nrt__front_send(conn);
    }
    if (error < 0) {
        /* What could be read whole leaves the connection in order. */
        bool in_order = event == NRT__H1_HEAD && conn->reader.complete;
        if (in_order) {
            nrt__front_refuse(conn, error, detail);
        } else {
            refuse_and_close(conn, error, detail);
        }
    }
    return event != NRT__H1_MORE;
}

/* Reads on through what is pending and `bytes`, as far as requests may be taken up. */
static void run(nrt__front_conn *conn, nrt_str bytes) {
    bool from_pending = nrt__buf_len(&conn->pending) > 0;
    if (from_pending && bytes.len > 0 && !nrt__buf_put(&conn->pending, bytes)) {
        conn_close(conn); /* cannot be: no more is read than fits */
        return;
    }
    bool more = true;
    while (more && may_go_on(conn)) {
        size_t used;
        if (from_pending) {
            bytes = nrt__buf_view(&conn->pending);
        }
        if (bytes.len > 0 && !conn->got_bytes) {
            conn->got_bytes = true;
            conn->began_ms = nrt__front_env(conn->front)->now_ms;
            conn->attempts = 0;
            set_timer(conn, conn->front->options.head_timeout_ms);
        }
        more = step(conn, bytes, &used);
        if (!more && nrt__h1_is_idle(&conn->reader)) { /* an empty line is no beginning */
            conn->got_bytes = false;
            set_timer(conn, conn->front->options.idle_timeout_ms);
        }
        if (from_pending) {
            nrt__buf_consume(&conn->pending, used);
        } else {
            bytes.ptr += used;
            bytes.len -= used;
        }
    }
    if (conn->state == NRT__FRONT_CLOSING || conn->state == NRT__FRONT_LINGERING) {
        nrt__buf_clear(&conn->pending);
        return;
    }
    if (!from_pending && bytes.len > 0) {
        nrt__buf_put(&conn->pending, bytes);
    }
    if (nrt__buf_len(&conn->pending) == 0) {
        nrt__buf_shrink(&conn->pending, 0);
    }
    nrt__stream_set_reading(&conn->stream, nrt__buf_len(&conn->pending) < PENDING_MAX / 2);
}

static void linger(nrt__front_conn *conn, ssize_t got) {
    if (got == NRT__STREAM_AGAIN) {
        return;
    }
    conn->lingered += got > 0 ? (size_t)got : 0;
    if (got <= 0 || conn->lingered > LINGER_BYTES) {
        conn_close(conn);
    }
}

static void on_readable(void *arg) {
    nrt__front_conn *conn = arg;
    nrt__front *front = conn->front;
    size_t room = sizeof(front->scratch);
    if (conn->state == NRT__FRONT_WAITING || nrt__buf_len(&conn->pending) > 0) {
        room = PENDING_MAX - nrt__buf_len(&conn->pending);
        if (room == 0) { /* told although not asked: the client is gone */
            conn_close(conn);
            return;
        }
    }
    ssize_t got = nrt__stream_read(&conn->stream, front->scratch, room);
    if (conn->state == NRT__FRONT_CLOSING || conn->state == NRT__FRONT_LINGERING) {
        linger(conn, got);
        return;
    }
    if (got == NRT__STREAM_AGAIN) {
        return;
    }
    if (got <= 0) {
        /* A client that closes its side while it waits has left (as nginx takes it). */
        conn_close(conn);
        return;
    }
    nrt_str bytes = {front->scratch, (size_t)got};
    run(conn, bytes);
}

/* ---- accepting ---- */

static const nrt__stream_events stream_events = {
    .readable = on_readable,
    .drained = on_drained,
    .broken = on_broken,
};

static bool is_trusted(const nrt__front *front, const struct sockaddr_storage *peer) {
    for (size_t i = 0; i < front->options.trusted_count; i++) {
        if (nrt__cidr_has(&front->trusted[i], peer)) {
            return true;
        }
    }
    return false;
}

static void add_conn(nrt__front *front, int fd, const struct sockaddr_storage *peer) {
    nrt__front_conn *conn = calloc(1, sizeof(*conn));
    if (!conn) {
        close(fd);
        return;
    }
    nrt__loop *loop = nrt__conn_loop(front->conn);
    if (nrt__stream_open(&conn->stream, loop, fd, &stream_events, conn) < 0) {
        free(conn);
        return;
    }
    const nrt_options *options = &front->conn->options;
    nrt__h1_limits limits = NRT__H1_LIMITS_DEFAULT;
    limits.head = options->max_head;
    limits.fields = options->max_fields;
    limits.target = options->max_target;
    conn->front = front;
    conn->peer = *peer;
    conn->trusted = is_trusted(front, peer);
    nrt__peer_name(peer, conn->peer_name, sizeof(conn->peer_name));
    nrt__h1_reader_init(&conn->reader, &limits);
    nrt__message_init(&conn->request, true);
    nrt__buf_init(&conn->body, 0);
    nrt__buf_init(&conn->pending, PENDING_MAX);
    conn->prev = front->conns.prev;
    conn->next = &front->conns;
    front->conns.prev->next = conn;
    front->conns.prev = conn;
    front->conn_count++;
    begin_request(conn);
    if (front->conn_count > front->options.max_connections) {
        conn->keep_alive = false;
        nrt__front_refuse(conn, NRT_ERR_BUSY, "too many connections");
    }
}

static void on_accept_pause_over(nrt__timer *timer, void *arg) {
    nrt__front *front = arg;
    (void)timer;
    nrt__io_set(&front->listener, NRT_IO_READ);
}

static void on_acceptable(void *arg, unsigned events) {
    nrt__front *front = arg;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
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
        if (fd >= 0 && front->conn_count >= front->options.max_connections + OVERFLOW_MAX) {
            close(fd);
        } else if (fd >= 0) {
            add_conn(front, fd, &peer);
        }
    }
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
    front->trusted = calloc(options->trusted_count + 1, sizeof(*front->trusted));
    if (!front->trusted) {
        goto fail;
    }
    for (size_t i = 0; i < options->trusted_count; i++) {
        *error = nrt__cidr_read(options->trusted[i], &front->trusted[i]);
        if (*error < 0) {
            snprintf(detail, detail_size,
                     "\"%s\" is not an address or a network such as 10.0.0.0/8",
                     options->trusted[i]);
            goto fail;
        }
    }
    int fd = nrt__listen(listen, front->url, sizeof(front->url), detail, detail_size);
    if (fd < 0) {
        *error = fd;
        goto fail;
    }
    nrt__loop *loop = nrt__conn_loop(conn);
    nrt__loop_enter(loop);
    *error = nrt__client_listen(conn->client);
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

void nrt__front_drain(nrt__front *front, void (*done)(void *arg), void *arg) {
    nrt__loop *loop = nrt__conn_loop(front->conn);
    nrt__loop_enter(loop);
    front->draining = true;
    front->drained = done;
    front->drained_arg = arg;
    stop_listening(front);
    nrt__front_conn *next;
    for (nrt__front_conn *conn = front->conns.next; conn != &front->conns; conn = next) {
        next = conn->next;
        if (conn->state == NRT__FRONT_READING && !conn->got_bytes &&
            nrt__buf_len(&conn->stream.out) == 0) {
            conn_close(conn);
        }
    }
    check_drained(front);
    nrt__loop_leave(loop);
}

void nrt__front_destroy(nrt__front *front) {
    if (!front) {
        return;
    }
    front->draining = false;
    stop_listening(front);
    nrt__front_conn *next;
    for (nrt__front_conn *conn = front->conns.next; conn != &front->conns; conn = next) {
        next = conn->next;
        conn_close(conn);
    }
    free(front->trusted);
    free(front);
}
