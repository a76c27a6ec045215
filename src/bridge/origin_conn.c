/* One connection to the origin: dialled, used for one exchange after another, closed when there is
 * any doubt. */
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "bridge/origin_private.h"
#include "core/h1_writer.h"
#include "core/str.h"

enum { INTERIM_MAX = 16 };

static void set_timer(nrt__origin_conn *conn, uint32_t delay_ms, nrt__timer_fn fn) {
    nrt__loop *loop = nrt__origin_loop(conn->origin);
    nrt__timer_set(&loop->timers, &conn->timer, loop->env.now_ms + delay_ms, fn, conn);
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
    nrt__timer_clear(&nrt__origin_loop(origin)->timers, &conn->timer);
    nrt__stream_close(&conn->stream);
    nrt__h1_reader_free(&conn->reader);
    nrt__message_free(&conn->response);
    conn->prev->next = conn->next;
    conn->next->prev = conn->prev;
    origin->conn_count--;
    free(conn);
}

/* ---- the end of an exchange ---- */

/* The connection ended before a byte of the response came. On one that was kept the origin may have
 * closed it while the request was under way: then an idempotent request may be sent once more, on
 * another (RFC 9112 section 9.3.1). */
static void broke_off(nrt__origin_conn *conn, const char *what) {
    nrt__origin *origin = conn->origin;
    nrt_exchange *exchange = conn->exchange;
    bool again = exchange && conn->used_before && conn->state == NRT__ORIGIN_SENDING &&
                 nrt__method_is_idempotent(nrt_request_method(nrt_exchange_request(exchange)));
    bool begun = conn->state == NRT__ORIGIN_RECEIVING;
    conn->exchange = NULL;
    nrt__origin_conn_close(conn);
    nrt__origin_next(origin);
    if (again) {
        nrt__origin_again(origin, exchange);
    } else if (exchange) {
        nrt__origin_fail(exchange, begun ? NRT_ERR_ORIGIN_RESPONSE : NRT_ERR_ORIGIN, what);
    }
}

static void refuse_response(nrt__origin_conn *conn, int error, const char *reason) {
    nrt__origin *origin = conn->origin;
    nrt_exchange *exchange = conn->exchange;
    char detail[256];
    snprintf(detail, sizeof(detail), "the origin's response is not valid: %s", reason);
    conn->exchange = NULL;
    nrt__origin_conn_close(conn);
    nrt__origin_next(origin);
    if (exchange->failed < 0) { /* the exchange knows itself what is wrong */
        nrt__exchange_end_here(exchange);
        return;
    }
    nrt__origin_fail(exchange, error, error == NRT_ERR_ORIGIN_RESPONSE ? detail : reason);
}

static void on_idle_timeout(nrt__timer *timer, void *arg) {
    (void)timer;
    nrt__origin_conn_close(arg);
}

static void go_idle(nrt__origin_conn *conn) {
    nrt__origin *origin = conn->origin;
    conn->state = NRT__ORIGIN_IDLE;
    conn->used_before = true;
    conn->idle_below = origin->idle;
    origin->idle = conn;
    set_timer(conn, origin->options.idle_timeout_ms, on_idle_timeout);
}

/* The head is copied when it is there, the trailers at the end. */
static int take_head(nrt__origin_conn *conn) {
    nrt__message *from = &conn->response;
    nrt__message *to = &conn->exchange->response.message;
    nrt__fields_strip_hop(&from->fields);
    to->status = from->status;
    to->length = from->length;
    to->has_length = from->has_length;
    to->reason = nrt__arena_copy(&to->arena, from->reason);
    return to->reason.ptr && nrt__fields_copy(&to->fields, &from->fields) ? 0 : NRT_ERR_MEMORY;
}

/* An origin may answer before it has read the request's body. What is still on its way then would
 * meet its next read. */
static bool was_read(const nrt__origin_conn *conn) {
    int left = 0;
    if (nrt_request_body(nrt_exchange_request(conn->exchange)).len == 0) {
        return true;
    }
    return ioctl(conn->stream.io.fd, SIOCOUTQ, &left) == 0 && left == 0;
}

/* The response is whole. `clean`: nothing came behind it. */
static void complete(nrt__origin_conn *conn, bool clean) {
    nrt__origin *origin = conn->origin;
    nrt_exchange *exchange = conn->exchange;
    nrt__message *response = &exchange->response.message;
    int error = 0;
    if (!nrt__fields_copy(&response->trailers, &conn->response.trailers)) {
        error = NRT_ERR_MEMORY;
    }
    bool keep = clean && conn->sent && was_read(conn) && conn->response.keep_alive &&
                !conn->reader.to_close;
    conn->exchange = NULL;
    if (keep) {
        go_idle(conn);
    } else {
        nrt__origin_conn_close(conn);
    }
    nrt__origin_next(origin);
    if (error < 0) {
        nrt__origin_fail(exchange, error, NULL);
    } else {
        nrt__exchange_end_here(exchange);
    }
}

/* ---- reading ---- */

static void on_response_timeout(nrt__timer *timer, void *arg) {
    nrt__origin_conn *conn = arg;
    (void)timer;
    refuse_response(conn, NRT_ERR_TIMEOUT, "the origin did not answer in time");
}

/* A head: interim ones are passed over (streams will carry them), the final one is taken. */
static int on_head(nrt__origin_conn *conn, const char **reason) {
    int status = conn->response.status;
    if (status == 101) {
        *reason = "101 although no upgrade was asked for";
        return NRT_ERR_ORIGIN_RESPONSE;
    }
    if (status < 200) {
        *reason = "too many interim responses";
        return ++conn->interim > INTERIM_MAX ? NRT_ERR_ORIGIN_RESPONSE : 0;
    }
    set_timer(conn, conn->origin->options.timeout_ms, on_response_timeout);
    *reason = nrt_error_text(NRT_ERR_MEMORY);
    return take_head(conn);
}

static void begin_response(nrt__origin_conn *conn) {
    nrt__h1_begin(&conn->reader, &conn->response, conn->exchange->to_head ? NRT__H1_TO_HEAD : 0);
}

/* Feeds what was read. False where the connection is gone or idle again. */
static bool feed(nrt__origin_conn *conn, nrt_str bytes) {
    conn->state = NRT__ORIGIN_RECEIVING;
    for (;;) {
        size_t used;
        nrt_str body;
        const char *reason = "";
        int event = nrt__h1_read(&conn->reader, bytes.ptr, bytes.len, &used, &body);
        bytes.ptr += used;
        bytes.len -= used;
        if (event < 0) {
            refuse_response(conn, NRT_ERR_ORIGIN_RESPONSE, conn->reader.reason);
            return false;
        }
        switch ((nrt__h1_event)event) {
        case NRT__H1_MORE:
            return true;
        case NRT__H1_HEAD:
            event = on_head(conn, &reason);
            break;
        case NRT__H1_BODY:
            set_timer(conn, conn->origin->options.timeout_ms, on_response_timeout);
            event = nrt_exchange_write(conn->exchange, body);
            reason = nrt_error_text(event);
            break;
        case NRT__H1_END:
            if (conn->response.status >= 200) {
                complete(conn, bytes.len == 0);
                return false;
            }
            begin_response(conn);
            break;
        }
        if (event < 0) {
            refuse_response(conn, event, reason);
            return false;
        }
    }
}

static void on_end(nrt__origin_conn *conn) {
    if (conn->state == NRT__ORIGIN_RECEIVING && nrt__h1_read_end(&conn->reader) == NRT__H1_END &&
        conn->response.status >= 200) {
        complete(conn, false);
        return;
    }
    broke_off(conn, "the origin closed the connection before its response was complete");
}

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
        on_end(conn);
    } else if (got == NRT__STREAM_BROKEN) {
        broke_off(conn, "the connection to the origin broke");
    } else {
        feed(conn, (nrt_str){origin->scratch, (size_t)got});
    }
}

static void on_drained(void *arg) {
    nrt__origin_conn *conn = arg;
    conn->sent = true;
}

/* The origin may have answered and closed without reading all of the request: what it said is still
 * to be read. */
static void on_broken(void *arg) {
    nrt__origin_conn *conn = arg;
    if (conn->state == NRT__ORIGIN_IDLE) {
        nrt__origin_conn_close(conn);
        return;
    }
    nrt__buf_clear(&conn->stream.out);
}

static const nrt__stream_events stream_events = {
    .readable = on_readable,
    .drained = on_drained,
    .broken = on_broken,
};

/* ---- using it ---- */

/* A connection that the origin has closed, or written to before it was asked, shows it now. */
static bool is_fresh(nrt__origin_conn *conn) {
    char byte;
    ssize_t got = recv(conn->stream.io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void nrt__origin_use(nrt__origin_conn *conn, nrt_exchange *exchange) {
    nrt__origin *origin = conn->origin;
    nrt__message *request = &exchange->request.message;
    nrt__buf *out = &conn->stream.out;
    nrt_str parts[2];
    bool stale = !is_fresh(conn);
    leave_idle(conn);
    if (stale) {
        conn->state = NRT__ORIGIN_SENDING;
        nrt__origin_conn_close(conn);
        nrt__origin_again(origin, exchange);
        return;
    }
    nrt_str target = request->target;
    if (origin->target.base[0] && target.ptr[0] == '/') {
        size_t len = strlen(origin->target.base);
        char *joined = nrt__arena_get(&request->arena, len + target.len + 1);
        if (!joined) {
            conn->exchange = exchange;
            conn->state = NRT__ORIGIN_SENDING;
            refuse_response(conn, NRT_ERR_MEMORY, nrt_error_text(NRT_ERR_MEMORY));
            return;
        }
        memcpy(joined, origin->target.base, len);
        memcpy(joined + len, target.ptr, target.len);
        request->target = (nrt_str){joined, len + target.len};
    }
    conn->exchange = exchange;
    conn->state = NRT__ORIGIN_SENDING;
    conn->sent = false;
    conn->interim = 0;
    begin_response(conn);
    nrt__h1_write_parts(out, request, 0, NRT__STR(""), false, parts);
    nrt__buf_put(out, parts[1]);
    request->target = target; /* should it be sent again */
    if (out->failed) {
        refuse_response(conn, NRT_ERR_MEMORY, nrt_error_text(NRT_ERR_MEMORY));
        return;
    }
    nrt__stream_written(&conn->stream);
    set_timer(conn, origin->options.timeout_ms, on_response_timeout);
}

/* ---- dialling ---- */

static void dial_failed(nrt__origin_conn *conn, const char *reason) {
    nrt__origin *origin = conn->origin;
    nrt__origin_conn_close(conn);
    nrt__origin_dial_failed(origin, reason);
}

static void on_dial_timeout(nrt__timer *timer, void *arg) {
    (void)timer;
    dial_failed(arg, "no answer in time");
}

static void on_dialed(int fd, int code, void *arg) {
    nrt__origin_conn *conn = arg;
    nrt__origin *origin = conn->origin;
    if (fd >= 0 &&
        nrt__stream_open(&conn->stream, nrt__origin_loop(origin), fd, &stream_events, conn) < 0) {
        code = errno;
    }
    if (code != 0) {
        dial_failed(conn, strerror(code));
        return;
    }
    origin->dialing--;
    go_idle(conn);
    conn->used_before = false;
    nrt__origin_next(origin);
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
    set_timer(conn, origin->options.connect_timeout_ms, on_dial_timeout);
    return 0;
}
