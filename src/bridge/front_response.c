/* What becomes of a request: the service's response, or our own, as HTTP. */
#include <stdio.h>

#include "bridge/front_private.h"
#include "core/base/str.h"
#include "core/http/h1_writer.h"
#include "core/http/problem.h"
#include "core/http/url.h"
#include "core/nats/subject.h"

enum {
    CLIENT_LEFT = 499, /* the status in logs where none went out, as nginx has it */
    EXTRA_SIZE =
        96, /* Date, whose value env.h bounds, and one of three lines about the connection */
};

int64_t nrt__front_now_ns(nrt__front *front) {
    return front->options.tallies || front->options.detailed ? nrt__env_ns(nrt__front_env(front))
                                                             : 0;
}

/* A host that only the client knows of is no label of metrics: there would be no end of them. */
static void count(const nrt__front_conn *conn, int64_t took_ns) {
    nrt__tally *tally = nrt__tallies_find(conn->front->options.tallies, conn->host, conn->answered);
    nrt__tally_add(tally, conn->request.method, conn->status, took_ns, conn->body_len, conn->bytes);
}

/* One that failed: for a reason that is no client's. A response that broke off did so, too. */
static void note_failure(const nrt__front_conn *conn, int error, const char *detail) {
    bool broke = error < 0 && conn->status >= 100 && conn->status < 400;
    if (error == NRT_ERR_CANCELED || !(conn->status >= 500 || broke)) {
        return;
    }
    const nrt__failure failure = {
        .service = conn->host,
        .method = conn->request.method,
        .target = conn->request.target,
        .id = conn->about[0],
        .code = error < 0 ? nrt_str_from(nrt_error_code(error)) : conn->about[4],
        .detail = nrt_str_from(detail),
        .status = conn->status,
    };
    nrt__failures_add(nrt__tallies_failures(conn->front->options.tallies),
                      nrt__front_env(conn->front)->date, &failure);
}

void nrt__front_record_request(nrt__front_conn *conn, int error, const char *detail) {
    nrt__front *front = conn->front;
    unsigned attempts = conn->attempts;
    /* It may be that nothing was measured when it began. */
    int64_t took_ns = conn->began_ns > 0 ? nrt__front_now_ns(front) - conn->began_ns : 0;
    conn->attempts = 0;
    if (front->options.tallies) {
        count(conn, took_ns);
        note_failure(conn, error, detail);
    }
    if (!front->options.on_request) {
        return;
    }
    nrt__front_record entry = {
        .peer = nrt_str_from(conn->peer_name),
        .request = &conn->request,
        .host = conn->host,
        .secure = conn->stream.tls != NULL,
        .status = conn->status > 0 ? conn->status : CLIENT_LEFT,
        .error = error,
        .detail = detail,
        .request_bytes = conn->body_len,
        .bytes = conn->bytes,
        .attempts = attempts,
        .duration_ms = (uint32_t)(nrt__front_env(front)->now_ms - conn->began_ms),
        .duration_ns = took_ns,
        .upstream_ns =
            conn->headed_ns > 0 && conn->asked_ns > 0 ? conn->headed_ns - conn->asked_ns : -1,
        .id = conn->about[0],
        .server = conn->about[1],
        .client = conn->about[2],
        .cluster = conn->about[3],
        .asked_ns = conn->asked_ns > 0 ? conn->asked_ns - conn->began_ns : -1,
        .trace = conn->traced ? &conn->trace : NULL,
    };
    front->options.on_request(&entry, front->options.on_request_arg);
}

/* Who answered, for the record. Without memory it is left out. */
static void note_answer(nrt__front_conn *conn, const nrt__message *response) {
    static const nrt_str names[] = {{"NRT-ID", 6},
                                    {"NRT-Connected-Server", 20},
                                    {"NRT-Client", 10},
                                    {"NRT-Connected-Cluster", 21},
                                    {"NRT-Error", 9}};
    const nrt_fields *fields = &response->fields;
    conn->headed_ns = nrt__front_now_ns(conn->front);
    for (size_t i = 0; i < fields->count; i++) {
        const nrt__field *field = &fields->list[i];
        for (size_t j = 0; (field->flags & NRT__FIELD_NRT) && j < sizeof(names) / sizeof(names[0]);
             j++) {
            if (!conn->about[j].ptr && nrt__str_same(field->name, names[j])) {
                conn->about[j] = nrt__arena_copy(&conn->request.arena, field->value);
            }
        }
    }
}

/* ---- writing ---- */

/* Date where the origin sent none (RFC 9110 section 6.6.1), and what becomes of the connection. */
static nrt_str write_extra(nrt__front_conn *conn, const nrt__message *response,
                           char out[EXTRA_SIZE]) {
    const char *date = nrt__front_env(conn->front)->date;
    bool dated = nrt__fields_find(&response->fields, NRT__DATE, NULL) || !*date;
    const char *connection = "";
    if (response->status == 101) {
        connection = "Connection: Upgrade\r\n";
    } else if (!conn->keep_alive) {
        connection = "Connection: close\r\n";
    } else if (conn->request.minor == 0) {
        connection = "Connection: keep-alive\r\n";
    }
    if (dated) {
        return nrt_str_from(connection);
    }
    const char *end = stpcpy(stpcpy(stpcpy(stpcpy(out, "Date: "), date), "\r\n"), connection);
    return (nrt_str){out, (size_t)(end - out)};
}

/* In this process no .nats host is reached by TLS, whatever a redirect says. */
static void settle_location(nrt__message *response) {
    const nrt_str secure = NRT__STR("https://");
    nrt__url url;
    for (size_t i = 0; i < response->fields.count; i++) {
        nrt__field *field = &response->fields.list[i];
        if (nrt__str_same(field->name, NRT__STR("Location")) && field->value.len > secure.len &&
            nrt__str_same((nrt_str){field->value.ptr, secure.len}, secure) &&
            nrt__url_parse(field->value, &url) == 0 && nrt__host_is_nats(url.host)) {
            char *plain = nrt__arena_get(&response->arena, field->value.len - 1);
            if (plain) {
                /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): counted */
                memcpy(plain, "http", 4);
                memcpy(plain + 4, field->value.ptr + 5, field->value.len - 5);
                field->value = (nrt_str){plain, field->value.len - 1};
            }
        }
    }
}

/* Before any head of ours: whether another request may come on this connection. */
static void settle_keep_alive(nrt__front_conn *conn) {
    if (conn->front->draining || conn->state == NRT__FRONT_UPLOADING) {
        conn->keep_alive = false;
    }
}

/* A response with its body. */
static void write_whole(nrt__front_conn *conn, nrt__message *response) {
    char extra[EXTRA_SIZE];
    nrt_str parts[2];
    if (conn->request.minor == 0) {
        response->trailers.count = 0; /* HTTP/1.0 knows no chunks to put them behind */
    }
    settle_keep_alive(conn);
    nrt__buf *out = &conn->stream.out;
    nrt_str more = write_extra(conn, response, extra);
    size_t before = nrt__buf_len(out);
    nrt__h1_write_parts(out, response, 0, more, conn->to_head, parts);
    nrt__buf_put(out, parts[1]);
    if (out->failed) { /* half a response must not look like a whole one */
        out->end = out->start + before;
        out->failed = false;
        conn->keep_alive = false;
    }
    conn->status = response->status;
    conn->bytes = parts[1].len;
}

void nrt__front_refuse(nrt__front_conn *conn, int error, const char *detail) {
    nrt__message problem;
    char limit[96];
    nrt__message_init(&problem, false);
    const char *text = detail && *detail ? detail : nrt_error_text(error);
    if (error == NRT_ERR_TOO_LARGE && text != detail) {
        snprintf(limit, sizeof(limit), "the request is larger than the limit of %llu bytes",
                 (unsigned long long)conn->settings.max_body);
        text = limit;
    }
    nrt__problem_write(&problem, nrt_error_status(error), nrt_error_code(error),
                       nrt__problem_detail(error, text));
    write_whole(conn, &problem);
    nrt__front_record_request(conn, error, text);
    nrt__message_free(&problem);
    nrt__front_answered(conn);
}

void nrt__front_answer(nrt__front_conn *conn, nrt__message *response) {
    conn->answering = false;
    write_whole(conn, response);
    nrt__front_record_request(conn, 0, "");
    nrt__front_answered(conn);
}

/* How the end of a body that comes in pieces is told (RFC 9112 section 6.3). */
static nrt__framing framing_of(const nrt__front_conn *conn, const nrt__message *response) {
    if (response->status == 101) {
        return NRT__FRAMING_CLOSE;
    }
    if (conn->to_head || nrt__status_is_bodyless(response->status)) {
        return NRT__FRAMING_NONE;
    }
    if (response->has_length) {
        return NRT__FRAMING_LENGTH;
    }
    return conn->request.minor == 0 ? NRT__FRAMING_CLOSE : NRT__FRAMING_CHUNKED;
}

/* A head whose body follows. */
static void write_head(nrt__front_conn *conn, nrt__message *response) {
    char extra[EXTRA_SIZE];
    settle_keep_alive(conn);
    conn->framing = (uint8_t)framing_of(conn, response);
    conn->keep_alive = conn->keep_alive && conn->framing != NRT__FRAMING_CLOSE;
    if (nrt__status_is_bodyless(response->status) && response->status != 304) {
        response->has_length = false;
    }
    response->framing = conn->framing;
    nrt_str more = write_extra(conn, response, extra);
    nrt__h1_write_head(&conn->stream.out, response, 0, more);
    conn->status = response->status;
    nrt__stream_written(&conn->stream);
}

/* Without memory for it the response ends here, visibly. */
static void check_output(nrt__front_conn *conn) {
    if (conn->stream.out.failed) {
        nrt__front_break_off(conn, NRT_ERR_MEMORY, NULL);
        return;
    }
    nrt__stream_written(&conn->stream);
    if (!nrt__front_timer_is_set(conn)) { /* looks whether the client reads */
        conn->sent_seen = conn->stream.sent;
        nrt__front_set_timer(conn, conn->front->options.idle_timeout_ms);
    }
}

/* ---- what the exchange tells ---- */

static bool is_gone(const nrt__front_conn *conn) {
    return conn->state == NRT__FRONT_CLOSING || conn->state == NRT__FRONT_LINGERING;
}

static void on_interim(const nrt_response *response, void *arg) {
    nrt__front_conn *conn = arg;
    /* Ours to change: it ends with this call. */
    nrt__message *message = (nrt__message *)&response->message;
    if (is_gone(conn) || conn->request.minor == 0) {
        return;
    }
    if (message->status == 100) {
        if (conn->continued || conn->state != NRT__FRONT_UPLOADING) {
            return; /* nobody waits for it */
        }
        conn->continued = true;
    }
    message->framing = NRT__FRAMING_NONE;
    message->has_length = false;
    nrt__h1_write_head(&conn->stream.out, message, NRT__FIELD_NRT, (nrt_str){"", 0});
    check_output(conn);
}

static void on_head(const nrt_response *response, bool whole, void *arg) {
    nrt__front_conn *conn = arg;
    nrt__message *message = (nrt__message *)&response->message;
    if (is_gone(conn)) {
        return;
    }
    conn->answered = true;
    if (conn->front->options.detailed) {
        note_answer(conn, message);
    }
    if (conn->front->options.in_process) {
        settle_location(message);
    }
    if (whole) {
        write_whole(conn, message);
        return;
    }
    write_head(conn, message);
    if (message->status == 101) {
        conn->state = NRT__FRONT_TUNNEL;
        nrt__front_clear_timer(conn);
    }
    check_output(conn);
}

static void on_data(nrt_str bytes, void *arg) {
    nrt__front_conn *conn = arg;
    if (is_gone(conn)) {
        return;
    }
    conn->held += bytes.len;
    conn->bytes += bytes.len;
    if (conn->framing == NRT__FRAMING_CHUNKED) {
        nrt__h1_write_chunk(&conn->stream.out, bytes);
    } else {
        nrt__buf_put(&conn->stream.out, bytes);
    }
    check_output(conn);
    nrt__front_touch_tunnel(conn);
}

void nrt__front_give_credit(nrt__front_conn *conn) {
    size_t left = nrt__buf_len(&conn->stream.out);
    left = left < conn->held ? left : conn->held;
    if (conn->exchange && conn->held > left) {
        nrt__client_take(nrt__front_client(conn), conn->exchange, conn->held - left);
    }
    conn->held = left;
}

static void on_end(const nrt_fields *trailers, void *arg) {
    nrt__front_conn *conn = arg;
    if (is_gone(conn)) {
        return;
    }
    conn->service_ended = true;
    if (conn->framing == NRT__FRAMING_CHUNKED) {
        nrt__h1_write_last_chunk(&conn->stream.out, trailers);
    }
    check_output(conn); /* a tunnel's side is shut when all has gone out */
}

static void on_writable(void *arg) {
    nrt__front_conn *conn = arg;
    if (conn->state == NRT__FRONT_TUNNEL) {
        nrt__front_pump_tunnel(conn, (nrt_str){"", 0});
    } else if (conn->state == NRT__FRONT_UPLOADING) {
        nrt__front_pump_body(conn);
    }
}

/* The response broke off after its head: its end must not look like one. (Who speaks another
 * protocol knows by that what is whole, and gets what has come.) */
static void cut(nrt__front_conn *conn, int error, const char *detail) {
    conn->keep_alive = false;
    conn->reset = conn->framing == NRT__FRAMING_CLOSE && conn->status != 101;
    if (conn->stream.out.failed || conn->reset) {
        nrt__buf_clear(&conn->stream.out);
    }
    nrt__front_record_request(conn, error, detail);
    nrt__front_answered(conn);
}

static void on_closed(const nrt_result *result, void *arg) {
    nrt__front_conn *conn = arg;
    char detail[640] = "";
    conn->exchange = 0;
    conn->attempts = result->attempts;
    if (is_gone(conn)) {
        return; /* canceled: the client has gone */
    }
    int error = conn->failed < 0 ? conn->failed : result->error;
    settle_keep_alive(conn);
    if (conn->failed < 0) {
        snprintf(detail, sizeof(detail), "%s", conn->why ? conn->why : "");
    } else if (error < 0) {
        snprintf(detail, sizeof(detail), "%.*s: %s", NRT__ARG(conn->host), result->detail);
    }
    if (error == 0) {
        nrt__front_record_request(conn, 0, "");
        nrt__front_answered(conn);
    } else if (conn->status == 0) {
        nrt__front_refuse(conn, error, detail);
    } else {
        cut(conn, error, *detail ? detail : nrt_error_text(error));
    }
}

const nrt__call_events nrt__front_events = {
    .interim = on_interim,
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .writable = on_writable,
    .closed = on_closed,
};
