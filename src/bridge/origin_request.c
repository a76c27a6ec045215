/* What is written to the origin: a request whose body is there, or comes in pieces. */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "bridge/origin_private.h"
#include "core/base/str.h"
#include "core/http/h1_writer.h"

static const nrt_exchange_events working_events;

/* ---- while it waits for a connection ---- */

static void on_waiting_data(nrt_exchange *exchange, nrt_str bytes, void *arg) {
    nrt__origin *origin = arg;
    exchange->upload.max = 2 * NRT__WINDOW_MAX; /* credit is given for what has gone out */
    if (!nrt__buf_put(&exchange->upload, bytes)) {
        nrt__origin_stop_waiting(origin, exchange);
        nrt__origin_fail(exchange, NRT_ERR_MEMORY, NULL);
    }
}

static void on_waiting_end(nrt_exchange *exchange, const nrt_fields *trailers, void *arg) {
    nrt__origin *origin = arg;
    if (!nrt__fields_copy(&exchange->request.message.trailers, trailers)) {
        nrt__origin_stop_waiting(origin, exchange);
        nrt__origin_fail(exchange, NRT_ERR_MEMORY, NULL);
    }
}

static void on_waiting_canceled(nrt_exchange *exchange, void *arg) {
    nrt__origin_stop_waiting(arg, exchange);
    nrt__exchange_end_here(exchange);
}

const nrt_exchange_events nrt__origin_waiting_events = {
    .size = sizeof(nrt_exchange_events),
    .hold = true,
    .data = on_waiting_data,
    .end = on_waiting_end,
    .canceled = on_waiting_canceled,
};

/* ---- time ---- */

static void on_no_answer(nrt__timer *timer, void *arg) {
    (void)timer;
    nrt__origin_refuse_response(arg, NRT_ERR_TIMEOUT, "the origin did not answer in time");
}

/* Nothing has moved for the whole of a timeout: who is it that does not? */
static void on_upload_timeout(nrt__timer *timer, void *arg) {
    nrt__origin_conn *conn = arg;
    (void)timer;
    if (nrt__buf_len(&conn->stream.out) > 0) {
        nrt__origin_refuse_response(conn, NRT_ERR_TIMEOUT,
                                    "the origin did not take the request in time");
    }
}

/* The origin has its time from when it has the request. */
static void time_request(nrt__origin_conn *conn) {
    nrt__origin_set_timer(conn, conn->origin->options.timeout_ms,
                          conn->ended ? on_no_answer : on_upload_timeout);
}

/* ---- writing ---- */

/* The base path stands before the request's. */
static bool join_target(nrt__origin_conn *conn, nrt__message *request) {
    const char *base = conn->origin->target.base;
    size_t len = strlen(base);
    if (len == 0 || request->target.ptr[0] != '/') {
        return true;
    }
    char *joined = nrt__arena_get(&request->arena, len + request->target.len + 1);
    if (!joined) {
        return false;
    }
    memcpy(joined, base, len); /* NOLINT(bugprone-not-null-terminated-result): counted */
    memcpy(joined + len, request->target.ptr, request->target.len);
    request->target = (nrt_str){joined, len + request->target.len};
    return true;
}

static void write_piece(nrt__origin_conn *conn, nrt_str bytes) {
    conn->held += bytes.len;
    if (conn->chunked) {
        nrt__h1_write_chunk(&conn->stream.out, bytes);
    } else {
        nrt__buf_put(&conn->stream.out, bytes);
    }
}

/* What is there of one whose body is not. */
static void write_beginning(nrt__origin_conn *conn) {
    nrt_exchange *exchange = conn->exchange;
    nrt__message *request = &exchange->request.message;
    bool upgrade = request->upgrade.len > 0;
    conn->chunked = !upgrade && !request->has_length;
    conn->ended = upgrade; /* as far as HTTP goes */
    conn->expects = nrt__fields_find(&request->fields, NRT__EXPECT, NULL) != NULL;
    request->framing = upgrade         ? NRT__FRAMING_NONE
                       : conn->chunked ? NRT__FRAMING_CHUNKED
                                       : NRT__FRAMING_LENGTH;
    nrt__h1_write_head(&conn->stream.out, request, 0,
                       upgrade ? NRT__STR("Connection: Upgrade\r\n") : NRT__STR(""));
    write_piece(conn, nrt__buf_view(&exchange->upload));
    nrt__buf_free(&exchange->upload);
}

static void write_all(nrt__origin_conn *conn) {
    nrt_exchange *exchange = conn->exchange;
    nrt__message *request = &exchange->request.message;
    nrt_str parts[2];
    if (nrt__buf_len(&exchange->upload) >
        0) { /* it came in pieces, before there was a connection */
        request->body = nrt__buf_view(&exchange->upload);
    }
    nrt__fields_drop_id(&request->fields, NRT__EXPECT);
    conn->ended = true;
    nrt__h1_write_parts(&conn->stream.out, request, 0, NRT__STR(""), false, parts);
    nrt__buf_put(&conn->stream.out, parts[1]);
}

int nrt__origin_write_request(nrt__origin_conn *conn) {
    nrt_exchange *exchange = conn->exchange;
    nrt__message *request = &exchange->request.message;
    nrt_str target = request->target;
    conn->held = 0;
    conn->chunked = conn->ended = conn->sent = conn->expects = false;
    conn->whole = nrt__exchange_has_all(exchange) && request->upgrade.len == 0;
    if (!join_target(conn, request)) {
        return NRT_ERR_MEMORY;
    }
    if (conn->whole) {
        write_all(conn);
    } else {
        write_beginning(conn);
    }
    request->target = target; /* should it be sent again */
    nrt__exchange_stream(exchange, &working_events, conn);
    if (conn->stream.out.failed) {
        return NRT_ERR_MEMORY;
    }
    nrt__stream_written(&conn->stream);
    time_request(conn);
    return 0;
}

bool nrt__origin_request_was_read(const nrt__origin_conn *conn) {
    int left = 0;
    if (!conn->sent) {
        return false;
    }
    if (conn->whole && nrt_request_body(nrt_exchange_request(conn->exchange)).len == 0) {
        return true;
    }
    return ioctl(conn->stream.io.fd, SIOCOUTQ, &left) == 0 && left == 0;
}

/* ---- going out ---- */

void nrt__origin_on_moved(void *arg) {
    nrt__origin_conn *conn = arg;
    size_t left = nrt__buf_len(&conn->stream.out);
    if (!conn->exchange || conn->whole) {
        return;
    }
    left = left < conn->held ? left : conn->held;
    if (conn->held > left) {
        nrt__exchange_take(conn->exchange, conn->held - left);
        conn->held = left;
    }
    if (conn->state == NRT__ORIGIN_SENDING) {
        time_request(conn);
    }
}

void nrt__origin_on_drained(void *arg) {
    nrt__origin_conn *conn = arg;
    if (!conn->exchange || !conn->ended) {
        return;
    }
    conn->sent = true;
    if (conn->state == NRT__ORIGIN_TUNNEL && conn->request_ended) {
        nrt__stream_shut(&conn->stream);
    }
}

/* ---- what the exchange tells ---- */

static void on_data(nrt_exchange *exchange, nrt_str bytes, void *arg) {
    nrt__origin_conn *conn = arg;
    (void)exchange;
    write_piece(conn, bytes);
    if (conn->stream.out.failed) {
        nrt__origin_refuse_response(conn, NRT_ERR_MEMORY, nrt_error_text(NRT_ERR_MEMORY));
        return;
    }
    nrt__stream_written(&conn->stream);
}

static void on_end(nrt_exchange *exchange, const nrt_fields *trailers, void *arg) {
    nrt__origin_conn *conn = arg;
    (void)exchange;
    if (conn->state == NRT__ORIGIN_TUNNEL) {
        conn->request_ended = true;
        nrt__stream_written(&conn->stream); /* its side is shut when all has gone out */
        nrt__origin_check_tunnel(conn);
        return;
    }
    conn->ended = true;
    if (conn->chunked) {
        nrt__h1_write_last_chunk(&conn->stream.out, trailers);
    }
    nrt__stream_written(&conn->stream);
}

static void on_writable(nrt_exchange *exchange, void *arg) {
    (void)exchange;
    nrt__origin_pump(arg);
}

/* Nobody waits for the answer: the origin learns it by the end of its connection. */
static void on_canceled(nrt_exchange *exchange, void *arg) {
    nrt__origin_conn *conn = arg;
    nrt__origin *origin = conn->origin;
    conn->exchange = NULL;
    nrt__origin_conn_close(conn);
    nrt__exchange_stream(exchange, NULL, NULL);
    nrt__exchange_end_here(exchange);
    nrt__origin_next(origin);
}

static const nrt_exchange_events working_events = {
    .size = sizeof(nrt_exchange_events),
    .hold = true,
    .data = on_data,
    .end = on_end,
    .writable = on_writable,
    .canceled = on_canceled,
};
