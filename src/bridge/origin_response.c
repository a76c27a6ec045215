/* What comes back from the origin: one message where it is small and there at once, else a stream
 * that goes on as the origin writes it; or a tunnel. */
#include "bridge/origin_private.h"
#include "core/base/str.h"
#include "core/http/h1_writer.h"

#include <stdio.h>

enum {
    INTERIM_MAX = 16,
    SOON_MS = 5,    /* a small body of unknown length may still end */
    UNARY_MS = 100, /* from a request's arrival: later the client has been sent a frame anyway */
};

/* ---- the end of an exchange ---- */

/* The connection works for it no more. */
static nrt_exchange *let_go(nrt__origin_conn *conn) {
    nrt_exchange *exchange = conn->exchange;
    conn->exchange = NULL;
    if (exchange) {
        nrt__exchange_stream(exchange, NULL, NULL);
    }
    return exchange;
}

/* What the client has of it must not look like all of it. */
static void cut(nrt_exchange *exchange, int error) {
    nrt__exchange_abort(exchange, nrt_error_code(error));
    exchange->failed = error;
    nrt__exchange_end_here(exchange);
}

void nrt__origin_refuse_response(nrt__origin_conn *conn, int error, const char *detail) {
    nrt__origin *origin = conn->origin;
    bool started = conn->started;
    char text[256];
    snprintf(text, sizeof(text), "%s%s",
             error == NRT_ERR_ORIGIN_RESPONSE ? "the origin's response is not valid: " : "",
             detail);
    nrt_exchange *exchange = let_go(conn);
    nrt__origin_conn_close(conn);
    nrt__origin_next(origin);
    if (started) {
        cut(exchange, error);
    } else if (exchange->failed < 0) { /* the exchange knows itself what is wrong */
        nrt__exchange_end_here(exchange);
    } else {
        nrt__origin_fail(exchange, error, text);
    }
}

/* On a connection that was kept the origin may have closed it while the request was under way: then
 * an idempotent request may be sent once more, on another (RFC 9112 section 9.3.1). */
void nrt__origin_broke_off(nrt__origin_conn *conn, const char *what) {
    nrt__origin *origin = conn->origin;
    bool again =
        conn->exchange && conn->used_before && conn->whole && conn->state == NRT__ORIGIN_SENDING &&
        nrt__method_is_idempotent(nrt_request_method(nrt_exchange_request(conn->exchange)));
    bool begun = conn->state == NRT__ORIGIN_RECEIVING;
    bool started = conn->started;
    nrt_exchange *exchange = let_go(conn);
    nrt__origin_conn_close(conn);
    nrt__origin_next(origin);
    if (again) {
        nrt__origin_again(origin, exchange);
    } else if (exchange && started) {
        cut(exchange, NRT_ERR_ORIGIN_RESPONSE);
    } else if (exchange) {
        nrt__origin_fail(exchange, begun ? NRT_ERR_ORIGIN_RESPONSE : NRT_ERR_ORIGIN, what);
    }
}

/* The response is whole. `clean`: nothing came behind it. What is left of a stream goes out by
 * itself. */
static void complete(nrt__origin_conn *conn, bool clean) {
    nrt__origin *origin = conn->origin;
    nrt__message *response = &conn->exchange->response.message;
    int error = 0;
    if (!nrt__fields_copy(&response->trailers, &conn->response.trailers)) {
        error = NRT_ERR_MEMORY;
    }
    bool started = conn->started;
    bool keep = clean && nrt__origin_request_was_read(conn) && conn->response.keep_alive &&
                !conn->reader.to_close;
    nrt_exchange *exchange = let_go(conn);
    nrt__origin_conn_done(conn, keep);
    nrt__origin_next(origin);
    if (error < 0 && started) {
        cut(exchange, error);
    } else if (error < 0) {
        nrt__origin_fail(exchange, error, NULL);
    } else {
        nrt__exchange_end_here(exchange);
    }
}

/* ---- streams ---- */

static void on_body_timeout(nrt__timer *timer, void *arg) {
    (void)timer;
    nrt__origin_refuse_response(arg, NRT_ERR_TIMEOUT, "the origin's response does not go on");
}

/* How long the origin may be silent now. A body of unknown length may be a stream of events, of
 * which the next one comes tomorrow. */
static void time_body(nrt__origin_conn *conn) {
    bool endless = conn->started && !conn->response.has_length;
    if (endless || conn->state == NRT__ORIGIN_TUNNEL) {
        nrt__origin_clear_timer(conn);
    } else {
        nrt__origin_set_timer(conn, conn->origin->options.timeout_ms, on_body_timeout);
    }
}

/* Of a tunnel the origin's side has ended, and all of it has gone out. */
static void end_tunnel_response(nrt__origin_conn *conn) {
    if (!conn->origin_ended || conn->response_ended) {
        return;
    }
    int error = nrt__exchange_end_body(conn->exchange);
    if (error == NRT_ERR_BUSY) { /* again when there is room */
        return;
    }
    if (error < 0) {
        nrt__origin_refuse_response(conn, error, nrt_error_text(error));
        return;
    }
    conn->response_ended = true;
    nrt__origin_check_tunnel(conn);
}

void nrt__origin_check_tunnel(nrt__origin_conn *conn) {
    nrt__origin *origin = conn->origin;
    if (conn->response_ended && conn->request_ended && nrt__buf_len(&conn->stream.out) == 0) {
        nrt_exchange *exchange = let_go(conn);
        nrt__origin_conn_close(conn);
        nrt__origin_next(origin);
        nrt__exchange_end_here(exchange);
    }
}

/* The origin is read while there is room for what it says. */
static void after_pump(nrt__origin_conn *conn) {
    bool empty = nrt__buf_len(&conn->exchange->body) == 0;
    nrt__stream_set_reading(&conn->stream, empty && !conn->origin_ended);
    if (!empty) {
        nrt__origin_clear_timer(conn); /* the client is slow, not the origin */
        return;
    }
    nrt__buf_shrink(&conn->exchange->body, sizeof(conn->origin->scratch));
    time_body(conn);
    if (conn->state == NRT__ORIGIN_TUNNEL) {
        end_tunnel_response(conn);
    }
}

void nrt__origin_pump(nrt__origin_conn *conn) {
    nrt_exchange *exchange = conn->exchange;
    size_t sent;
    if (!conn->started) {
        return;
    }
    int error = nrt__exchange_send(exchange, nrt__buf_view(&exchange->body), &sent);
    nrt__buf_consume(&exchange->body, sent);
    if (error < 0) {
        nrt__origin_refuse_response(conn, error, nrt_error_text(error));
        return;
    }
    after_pump(conn);
}

static void start_soon(nrt__origin_conn *conn, int64_t delay_ms);

/* The head goes out, and what is there of the body. */
static void start(nrt__origin_conn *conn) {
    int error = nrt__exchange_start(conn->exchange);
    if (error == NRT_ERR_BUSY) {
        start_soon(conn, SOON_MS);
        return;
    }
    if (error < 0) {
        nrt__origin_refuse_response(conn, error, nrt_error_text(error));
        return;
    }
    conn->started = true;
    nrt__origin_pump(conn);
}

static void on_soon(nrt__timer *timer, void *arg) {
    (void)timer;
    start(arg);
}

static void start_soon(nrt__origin_conn *conn, int64_t delay_ms) {
    nrt__origin_set_timer(conn, (uint32_t)delay_ms, on_soon);
    conn->soon = true;
}

static bool is_event_stream(const nrt__message *response) {
    const nrt_str wanted = NRT__STR("text/event-stream");
    nrt_str type = nrt__fields_value(&response->fields, NRT__CONTENT_TYPE);
    return type.len >= wanted.len && nrt__str_same((nrt_str){type.ptr, wanted.len}, wanted);
}

/* For a client that takes no streams: all of it must be there some time, for it does not say when
 * it leaves. */
static void collect(nrt__origin_conn *conn) {
    if (is_event_stream(&conn->response) && !conn->response.has_length) {
        conn->exchange->failed = NRT_ERR_RESPONSE_TOO_LARGE; /* sooner or later */
        nrt__origin_refuse_response(conn, NRT_ERR_RESPONSE_TOO_LARGE, "");
    } else if (!conn->soon) {
        nrt__origin_set_timer(conn, conn->origin->options.timeout_ms, on_body_timeout);
        conn->soon = true;
    }
}

/* More is to come than what was read: does what is there wait for it? */
static void settle(nrt__origin_conn *conn) {
    nrt_exchange *exchange = conn->exchange;
    const nrt__message *response = &conn->response;
    if (conn->started) {
        nrt__origin_pump(conn);
        return;
    }
    if (!conn->headed) {
        return;
    }
    if (!nrt__exchange_can_stream(exchange)) {
        collect(conn);
        return;
    }
    uint64_t window = exchange->accept.window;
    if (is_event_stream(response) || nrt__buf_len(&exchange->body) > window ||
        (response->has_length && response->length > window)) {
        start(conn);
    } else if (!conn->soon) {
        int64_t left = exchange->arrived_ms + UNARY_MS - nrt__origin_loop(conn->origin)->env.now_ms;
        bool sized = response->has_length && left > SOON_MS;
        start_soon(conn, sized ? left : (int64_t)SOON_MS);
    }
}

/* ---- heads ---- */

/* Copied now: what it stands in is read on. */
static int take_head(nrt__origin_conn *conn) {
    nrt__message *from = &conn->response;
    nrt__message *to = &conn->exchange->response.message;
    nrt__fields_strip_hop(&from->fields);
    to->status = from->status;
    to->length = from->length;
    to->has_length = from->has_length;
    to->reason = nrt__arena_copy(&to->arena, from->reason);
    conn->headed = true;
    conn->exchange->headed_ns = nrt__env_ns(&nrt__origin_loop(conn->origin)->env);
    return to->reason.ptr && nrt__fields_copy(&to->fields, &from->fields) ? 0 : NRT_ERR_MEMORY;
}

/* RFC 9110 section 7.8: from here on both sides speak what they have agreed on. */
static int open_tunnel(nrt__origin_conn *conn, const char **reason) {
    nrt_exchange *exchange = conn->exchange;
    nrt__message *response = &exchange->response.message;
    nrt_str protocol = nrt__fields_value(&conn->response.fields, NRT__UPGRADE);
    if (exchange->request.message.upgrade.len == 0 || protocol.len == 0) {
        *reason =
            protocol.len == 0 ? "101 without a protocol" : "101 although no upgrade was asked for";
        return NRT_ERR_ORIGIN_RESPONSE;
    }
    response->upgrade = nrt__arena_copy(&response->arena, protocol);
    int error = response->upgrade.ptr ? take_head(conn) : NRT_ERR_MEMORY;
    response->has_length = false;
    if (error == 0) {
        error = nrt__exchange_start(exchange);
    }
    if (error < 0) {
        *reason = nrt_error_text(error);
        return error;
    }
    conn->state = NRT__ORIGIN_TUNNEL;
    conn->started = true;
    nrt__origin_clear_timer(conn);
    return 0;
}

/* Who does not wait for it, or takes no frames, does not get it: nothing is lost by that. */
static void pass_interim(nrt__origin_conn *conn) {
    nrt__message *interim = &conn->response;
    if (interim->status == 100 && !conn->expects) {
        return;
    }
    conn->expects = conn->expects && interim->status != 100;
    nrt__fields_strip_hop(&interim->fields);
    (void)nrt__exchange_interim(conn->exchange, interim);
}

static int on_head(nrt__origin_conn *conn, const char **reason) {
    int status = conn->response.status;
    if (status == 101) {
        return open_tunnel(conn, reason);
    }
    if (status < 200) {
        *reason = "too many interim responses";
        if (++conn->interim > INTERIM_MAX) {
            return NRT_ERR_ORIGIN_RESPONSE;
        }
        pass_interim(conn);
        return 0;
    }
    *reason = nrt_error_text(NRT_ERR_MEMORY);
    return take_head(conn);
}

/* ---- reading ---- */

/* What cannot go out now waits in the exchange; of a stream it is no more than one read brings. */
static int take_body(nrt__origin_conn *conn, nrt_str bytes, const char **reason) {
    nrt_exchange *exchange = conn->exchange;
    size_t sent = 0;
    int error = 0;
    if (conn->started && nrt__buf_len(&exchange->body) == 0) {
        error = nrt__exchange_send(exchange, bytes, &sent);
    }
    if (error == 0 && sent < bytes.len) {
        error = nrt__exchange_append(exchange, (nrt_str){bytes.ptr + sent, bytes.len - sent});
    }
    *reason = nrt_error_text(error);
    return error;
}

static void on_tunnel_bytes(nrt__origin_conn *conn, nrt_str bytes) {
    const char *reason;
    int error = take_body(conn, bytes, &reason);
    if (error < 0) {
        nrt__origin_refuse_response(conn, error, reason);
    } else {
        after_pump(conn);
    }
}

void nrt__origin_on_bytes(nrt__origin_conn *conn, nrt_str bytes) {
    conn->state = conn->state == NRT__ORIGIN_TUNNEL ? conn->state : NRT__ORIGIN_RECEIVING;
    for (;;) {
        size_t used;
        nrt_str body;
        const char *reason = "";
        if (conn->state == NRT__ORIGIN_TUNNEL) {
            on_tunnel_bytes(conn, bytes);
            return;
        }
        int event = nrt__h1_read(&conn->reader, bytes.ptr, bytes.len, &used, &body);
        bytes.ptr += used;
        bytes.len -= used;
        if (event < 0) {
            nrt__origin_refuse_response(conn, NRT_ERR_ORIGIN_RESPONSE, conn->reader.reason);
            return;
        }
        switch ((nrt__h1_event)event) {
        case NRT__H1_MORE:
            settle(conn);
            return;
        case NRT__H1_HEAD:
            event = on_head(conn, &reason);
            break;
        case NRT__H1_BODY:
            event = take_body(conn, body, &reason);
            break;
        case NRT__H1_END:
            if (conn->headed) {
                complete(conn, bytes.len == 0);
                return;
            }
            nrt__h1_begin(&conn->reader, &conn->response,
                          conn->exchange->to_head ? NRT__H1_TO_HEAD : 0);
            break;
        }
        if (event < 0) {
            nrt__origin_refuse_response(conn, event, reason);
            return;
        }
    }
}

void nrt__origin_on_end(nrt__origin_conn *conn) {
    if (conn->state == NRT__ORIGIN_TUNNEL) {
        conn->origin_ended = true;
        after_pump(conn);
    } else if (conn->headed && nrt__h1_read_end(&conn->reader) == NRT__H1_END) {
        complete(conn, false);
    } else {
        nrt__origin_broke_off(conn,
                              "the origin closed the connection before its response was complete");
    }
}
