/* One HTTP/1.1 connection of a client: read, timed, lingered over, closed. */
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge/front_private.h"
#include "core/base/str.h"

enum {
    OUTPUT_MAX = 256 * 1024, /* responses to pipelined requests waiting for a slow reader */
    BODY_KEEP = 16 * 1024,
    COLLECT_MS = 20,       /* a body of unknown length may still fit one message */
    COLLECT_OLD_MS = 2000, /* and where streams may not be known */
    LINGER_MS = 2000,
    LINGER_DRAIN_MS = 300,
    LINGER_BYTES = 16 << 20,
};

static void run(nrt__front_conn *conn, nrt_str bytes);

/* ---- the end of a connection ---- */

void nrt__front_conn_close(nrt__front_conn *conn) {
    nrt__front *front = conn->front;
    bool idle = nrt__front_conn_is_idle(conn);
    conn->state = NRT__FRONT_CLOSING; /* a result that comes now is for nobody */
    if (conn->exchange) {
        nrt__client_cancel(front->conn->client, conn->exchange);
        nrt__front_record_request(conn, NRT_ERR_CANCELED, "the client has left");
    }
    if (conn->answering) {
        front->options.forget(conn, front->options.answer_arg);
    }
    if (conn->reset) {
        const struct linger now = {.l_onoff = 1};
        setsockopt(conn->stream.io.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    nrt__front_clear_timer(conn);
    if (idle) {
        nrt__stream_say_bye(&conn->stream);
    }
    nrt__stream_close(&conn->stream);
    nrt__h1_reader_free(&conn->reader);
    nrt__message_free(&conn->request);
    nrt__buf_free(&conn->body);
    nrt__buf_free(&conn->pending);
    conn->prev->next = conn->next;
    conn->next->prev = conn->prev;
    front->conn_count--;
    if (front->options.connections) {
        --*front->options.connections;
    }
    free(conn->client_cert);
    free(conn);
    nrt__front_check_drained(front);
}

bool nrt__front_conn_is_idle(const nrt__front_conn *conn) {
    return conn->state == NRT__FRONT_READING && !conn->got_bytes &&
           nrt__buf_len(&conn->stream.out) == 0;
}

/* ---- time ---- */

static void on_timeout(nrt__timer *timer, void *arg);

void nrt__front_set_timer(nrt__front_conn *conn, uint32_t delay_ms) {
    nrt__loop *loop = nrt__conn_loop(conn->front->conn);
    nrt__timer_set(&loop->timers, &conn->timer, loop->env.now_ms + delay_ms, on_timeout, conn);
}

void nrt__front_clear_timer(nrt__front_conn *conn) {
    nrt__timer_clear(&nrt__conn_loop(conn->front->conn)->timers, &conn->timer);
}

void nrt__front_touch_tunnel(nrt__front_conn *conn) {
    if (conn->client_ended || conn->service_ended) {
        nrt__front_set_timer(conn, conn->front->options.idle_timeout_ms);
    }
}

/* The body has taken its time: what is there of it goes out as a stream. */
static void stop_collecting(nrt__front_conn *conn) {
    int error = nrt__front_open_stream(conn, nrt__buf_view(&conn->body));
    if (error < 0) {
        conn->keep_alive = false;
        nrt__front_refuse(conn, error, NULL);
    }
}

static void on_timeout(nrt__timer *timer, void *arg) {
    nrt__front_conn *conn = arg;
    uint32_t idle_ms = conn->front->options.idle_timeout_ms;
    (void)timer;
    if (nrt__buf_len(&conn->stream.out) > 0) {
        if (conn->stream.sent == conn->sent_seen) {
            nrt__front_conn_close(conn);
            return;
        }
        conn->sent_seen = conn->stream.sent; /* a slow reader is not a silent one */
        nrt__front_set_timer(conn, idle_ms);
        return;
    }
    switch ((nrt__front_state)conn->state) {
    case NRT__FRONT_READING:
        if (!conn->got_bytes) {
            nrt__front_conn_close(conn);
        } else if (conn->collecting && conn->request.framing == NRT__FRAMING_CHUNKED) {
            stop_collecting(conn);
        } else {
            conn->keep_alive = false;
            nrt__front_refuse(conn, NRT_ERR_REQUEST_TIMEOUT, NULL);
        }
        break;
    case NRT__FRONT_UPLOADING:
        if (nrt__buf_len(&conn->body) == 0) { /* else it is not the client that is slow */
            nrt__front_break_off(conn, NRT_ERR_REQUEST_TIMEOUT, NULL);
        }
        break;
    case NRT__FRONT_WAITING: /* for the service, whose times are the exchange's */
        break;
    case NRT__FRONT_TUNNEL:
        if (conn->client_ended || conn->service_ended) {
            nrt__front_conn_close(conn);
        }
        break;
    case NRT__FRONT_CLOSING:
    case NRT__FRONT_LINGERING:
        nrt__front_conn_close(conn);
        break;
    }
}

/* ---- from one request to the next ---- */

static void begin_request(nrt__front_conn *conn) {
    nrt__h1_begin(&conn->reader, &conn->request, NRT__H1_REQUEST);
    nrt__buf_shrink(&conn->body, BODY_KEEP);
    conn->state = NRT__FRONT_READING;
    conn->got_bytes = conn->collecting = conn->continued = conn->request_ended = false;
    conn->to_head = conn->client_ended = conn->service_ended = conn->answered = false;
    conn->body_len = conn->bytes = 0;
    conn->held = 0;
    conn->status = conn->failed = 0;
    conn->host = (nrt_str){"", 0};
    conn->asked_ns = conn->headed_ns = 0;
    conn->traced = false;
    memset(conn->about, 0, sizeof(conn->about));
    nrt__front_set_timer(conn, conn->front->options.idle_timeout_ms);
}

void nrt__front_answered(nrt__front_conn *conn) {
    nrt__stream_written(&conn->stream);
    if (!conn->keep_alive) {
        conn->state = NRT__FRONT_CLOSING;
        nrt__front_set_timer(conn, conn->reset ? 0 : conn->front->options.idle_timeout_ms);
        return;
    }
    begin_request(conn); /* goes on in on_drained, or with the next bytes */
}

/* Whether bytes of a request may be taken up now. */
static bool may_go_on(const nrt__front_conn *conn) {
    if (conn->state == NRT__FRONT_UPLOADING) {
        return nrt__buf_len(&conn->body) == 0;
    }
    return conn->state == NRT__FRONT_READING && nrt__buf_len(&conn->stream.out) < OUTPUT_MAX;
}

static void on_moved(void *arg) {
    nrt__front_give_credit(arg);
}

static void on_drained(void *arg) {
    nrt__front_conn *conn = arg;
    switch ((nrt__front_state)conn->state) {
    case NRT__FRONT_CLOSING:
        if (conn->reset) {
            nrt__front_conn_close(conn);
            return;
        }
        conn->state = NRT__FRONT_LINGERING;
        nrt__stream_shut(&conn->stream);
        nrt__stream_set_reading(&conn->stream, true);
        nrt__front_set_timer(conn, conn->front->draining ? LINGER_DRAIN_MS : LINGER_MS);
        break;
    case NRT__FRONT_READING:
        if (conn->front->draining && !conn->got_bytes) {
            nrt__front_conn_close(conn);
            return;
        }
        nrt__stream_set_reading(&conn->stream, true);
        if (nrt__buf_len(&conn->pending) > 0) {
            run(conn, (nrt_str){"", 0});
        } else if (!conn->got_bytes) {
            nrt__front_set_timer(conn, conn->front->options.idle_timeout_ms);
        }
        break;
    case NRT__FRONT_TUNNEL:
        if (conn->service_ended) {
            nrt__stream_shut(&conn->stream);
        }
        nrt__front_touch_tunnel(conn);
        nrt__front_pump_tunnel(conn, (nrt_str){"", 0});
        break;
    case NRT__FRONT_UPLOADING:
    case NRT__FRONT_WAITING:
    case NRT__FRONT_LINGERING:
        break;
    }
}

static void set_began(nrt__front_conn *conn) {
    conn->began_ms = nrt__front_env(conn->front)->now_ms;
    conn->began_ns = nrt__front_now_ns(conn->front);
}

static void on_broken(void *arg) {
    nrt__front_conn *conn = arg;
    nrt__front *front = conn->front;
    if (!nrt__stream_is_securing(&conn->stream)) {
        nrt__front_conn_close(conn);
        return;
    }
    nrt__log(nrt__front_env(front), NRT_LOG_DEBUG, "no TLS with %s: %s", conn->peer_name,
             nrt__stream_reason(&conn->stream));
    if (!nrt__tls_was_http(conn->stream.tls)) {
        nrt__front_conn_close(conn);
        return;
    }
    nrt__stream_give_up_tls(&conn->stream);
    if (conn->state == NRT__FRONT_READING) {
        set_began(conn);
        conn->keep_alive = false;
        nrt__front_refuse(conn, NRT_ERR_BAD_REQUEST, "this port speaks TLS: use https://");
    } else {
        nrt__stream_written(&conn->stream); /* it has been refused already */
    }
}

static void on_secured(void *arg) {
    nrt__front_conn *conn = arg;
    bool fine;
    conn->client_cert = nrt__tls_client_cert(conn->stream.tls, &fine);
    if (!fine) {
        nrt__front_conn_close(conn);
    } else if (conn->state == NRT__FRONT_READING) {
        nrt__front_set_timer(conn, conn->front->options.idle_timeout_ms);
    }
}

/* ---- reading ---- */

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

/* How long to wait for the next bytes of the body. */
static void time_body(nrt__front_conn *conn) {
    bool unknown = conn->collecting && conn->request.framing == NRT__FRAMING_CHUNKED;
    if (conn->state == NRT__FRONT_UPLOADING && nrt__buf_len(&conn->body) > 0) {
        nrt__front_clear_timer(conn); /* the service is slow, not the client */
    } else if (unknown && conn->body_len == 0) {
        bool framed = nrt__client_is_framed(nrt__front_client(conn), conn->host);
        nrt__front_set_timer(conn, framed ? (uint32_t)COLLECT_MS : (uint32_t)COLLECT_OLD_MS);
    } else if (!unknown) {
        nrt__front_set_timer(conn, conn->front->options.idle_timeout_ms);
    }
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
        set_began(conn);
        error = nrt__front_on_head(conn, &detail);
        if (error == 0) {
            time_body(conn);
        }
    } else if (event == NRT__H1_BODY) {
        error = nrt__front_on_body(conn, body);
        if (error == 0) {
            time_body(conn);
        }
    } else if (event == NRT__H1_END) {
        nrt__front_clear_timer(conn);
        nrt__front_on_end(conn);
    }
    if (error < 0 && conn->state == NRT__FRONT_UPLOADING) {
        nrt__front_break_off(conn, error, detail);
    } else if (error < 0) {
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

static void first_bytes(nrt__front_conn *conn) {
    conn->got_bytes = true;
    set_began(conn);
    conn->attempts = 0;
    nrt__front_set_timer(conn, conn->front->options.head_timeout_ms);
}

/* Reads on through what is pending and `bytes`, as far as they may be taken up. */
static void run(nrt__front_conn *conn, nrt_str bytes) {
    bool from_pending = nrt__buf_len(&conn->pending) > 0;
    if (from_pending && bytes.len > 0 && !nrt__buf_put(&conn->pending, bytes)) {
        nrt__front_conn_close(conn); /* cannot be: no more is read than fits */
        return;
    }
    bool more = true;
    while (more && may_go_on(conn)) {
        size_t used;
        if (from_pending) {
            bytes = nrt__buf_view(&conn->pending);
        }
        if (bytes.len > 0 && !conn->got_bytes) {
            first_bytes(conn);
        }
        more = step(conn, bytes, &used);
        if (!more && nrt__h1_is_idle(&conn->reader)) { /* an empty line is no beginning */
            conn->got_bytes = false;
            nrt__front_set_timer(conn, conn->front->options.idle_timeout_ms);
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
    nrt__stream_set_reading(&conn->stream,
                            nrt__buf_len(&conn->pending) < NRT__FRONT_PENDING_MAX / 2);
}

void nrt__front_conn_run(nrt__front_conn *conn) {
    time_body(conn);
    run(conn, (nrt_str){"", 0});
}

static void linger(nrt__front_conn *conn, ssize_t got) {
    if (got == NRT__STREAM_AGAIN) {
        return;
    }
    conn->lingered += got > 0 ? (size_t)got : 0;
    if (got <= 0 || conn->lingered > LINGER_BYTES) {
        nrt__front_conn_close(conn);
    }
}

/* A side of a tunnel may end before the other. */
static void on_tunnel_end(nrt__front_conn *conn, ssize_t got) {
    if (got == NRT__STREAM_BROKEN) {
        nrt__front_conn_close(conn);
        return;
    }
    conn->client_ended = true;
    nrt__front_touch_tunnel(conn);
    nrt__front_pump_tunnel(conn, (nrt_str){"", 0});
}

/* How much may be read now; 0 where it is told although not asked: the client is gone. */
static size_t room_of(nrt__front_conn *conn) {
    size_t kept = nrt__buf_len(&conn->pending);
    if (conn->state == NRT__FRONT_TUNNEL && kept >= NRT__FRONT_PENDING_MAX / 2) {
        /* Both sides have said all. What the kernel still holds is the rest of it. */
        conn->pending.max = LINGER_BYTES;
        return sizeof(conn->front->scratch);
    }
    return kept == 0 && may_go_on(conn) ? sizeof(conn->front->scratch)
                                        : NRT__FRONT_PENDING_MAX - kept;
}

static void on_readable(void *arg) {
    nrt__front_conn *conn = arg;
    size_t room = room_of(conn);
    if (room == 0) {
        nrt__front_conn_close(conn);
        return;
    }
    ssize_t got = nrt__stream_read(&conn->stream, conn->front->scratch, room);
    if (conn->state == NRT__FRONT_CLOSING || conn->state == NRT__FRONT_LINGERING) {
        linger(conn, got);
        return;
    }
    if (got == NRT__STREAM_AGAIN) {
        return;
    }
    nrt_str bytes = {conn->front->scratch, got > 0 ? (size_t)got : 0};
    if (conn->state == NRT__FRONT_TUNNEL) {
        if (got <= 0) {
            on_tunnel_end(conn, got);
        } else {
            nrt__front_pump_tunnel(conn, bytes);
        }
        return;
    }
    if (got <= 0) {
        /* A client that closes its side while it waits has left (as nginx takes it). */
        nrt__front_conn_close(conn);
        return;
    }
    run(conn, bytes);
}

/* ---- the beginning ---- */

static const nrt__stream_events stream_events = {
    .readable = on_readable,
    .moved = on_moved,
    .drained = on_drained,
    .broken = on_broken,
    .secured = on_secured,
};

void nrt__front_conn_trust(nrt__front_conn *conn) {
    const nrt__front *front = conn->front;
    conn->trusted = false;
    for (size_t i = 0; i < front->options.trusted_count && !conn->trusted; i++) {
        conn->trusted = nrt__cidr_has(&front->trusted[i], &conn->peer);
    }
}

void nrt__front_conn_open(nrt__front *front, int fd, const struct sockaddr_storage *peer) {
    nrt__front_conn *conn = calloc(1, sizeof(*conn));
    if (!conn) {
        close(fd);
        return;
    }
    nrt__loop *loop = nrt__conn_loop(front->conn);
    nrt__tls *tls = front->options.tls ? nrt__tls_accept(front->options.tls, fd) : NULL;
    if (front->options.tls && !tls) {
        close(fd);
        free(conn);
        return;
    }
    if (nrt__stream_open(&conn->stream, loop, fd, &stream_events, conn) < 0) {
        nrt__tls_destroy(tls);
        free(conn);
        return;
    }
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* not for a unix socket */
    const nrt_options *options = &front->conn->options;
    nrt__h1_limits limits = NRT__H1_LIMITS_DEFAULT;
    limits.head = options->max_head;
    limits.fields = options->max_fields;
    limits.target = options->max_target;
    conn->front = front;
    conn->peer = *peer;
    nrt__front_conn_trust(conn);
    conn->local = peer->ss_family == AF_UNIX;
    nrt__peer_name(peer, conn->peer_name, sizeof(conn->peer_name));
    nrt__h1_reader_init(&conn->reader, &limits);
    nrt__message_init(&conn->request, true);
    nrt__buf_init(&conn->body, 0);
    nrt__buf_init(&conn->pending, NRT__FRONT_PENDING_MAX);
    conn->prev = front->conns.prev;
    conn->next = &front->conns;
    front->conns.prev->next = conn;
    front->conns.prev = conn;
    front->conn_count++;
    if (front->options.connections) {
        ++*front->options.connections;
    }
    begin_request(conn);
    if (front->conn_count > front->options.max_connections) {
        conn->keep_alive = false;
        nrt__front_refuse(conn, NRT_ERR_BUSY, "too many connections");
    }
    if (tls) { /* the handshake is as much of a beginning as a head */
        nrt__stream_secure(&conn->stream, tls);
        nrt__front_set_timer(conn, front->options.head_timeout_ms);
    }
}
