/* Requests of HTTP clients to exchanges: where they go, what is put on them, and their bodies,
 * whole or in pieces. */
#include <stdio.h>

#include "bridge/front_private.h"
#include "core/base/str.h"
#include "core/nats/subject.h"

enum {
    COLLECT_MAX = 64 * 1024, /* of a body for one message, where streams are known */
    MAX_PAYLOAD = 1 << 20,   /* of a server that is not known yet */
};

/* ---- where it goes ---- */

static bool has_list_value(const nrt_fields *fields, nrt__field_id id, const char *value) {
    return nrt__fields_list_has(fields, id, nrt_str_from(value));
}

/* What cannot pass, said clearly instead of half done. */
static int check_unsupported(const nrt__message *request, const char **detail) {
    nrt_str type = nrt__fields_value(&request->fields, NRT__CONTENT_TYPE);
    if (nrt__str_equal(request->method, NRT__STR("CONNECT"))) {
        *detail = "CONNECT is not supported: there is no TCP tunnel through NATS; use http:// "
                  "for .nats hosts";
        return NRT_ERR_UNSUPPORTED;
    }
    if (has_list_value(&request->fields, NRT__UPGRADE, "h2c")) {
        *detail = "HTTP/2 (h2c) is not supported: use HTTP/1.1";
        return NRT_ERR_UNSUPPORTED;
    }
    if (type.len >= 16 && nrt__str_same((nrt_str){type.ptr, 16}, NRT__STR("application/grpc"))) {
        *detail = "gRPC needs HTTP/2 and is not supported";
        return NRT_ERR_UNSUPPORTED;
    }
    return 0;
}

/* The service's host for an authority that ends in .nats. */
static int direct_host(nrt__front_conn *conn, nrt_str authority, const char **detail) {
    char host[NRT__HOST_MAX + 1];
    if (nrt__host_canonical(authority, host) < 0) {
        *detail = "the host is not a valid name that ends in .nats";
        return NRT_ERR_HOST;
    }
    conn->host = nrt__arena_copy(&conn->request.arena, nrt_str_from(host));
    return conn->host.ptr ? 0 : NRT_ERR_MEMORY;
}

/* What a route does not say, the front does. Kept by the request: options may change meanwhile. */
static void settle(nrt__front_conn *conn) {
    const nrt__front_options *options = &conn->front->options;
    nrt__route_settings *own = &conn->settings;
    own->timeout_ms = own->timeout_ms > 0 ? own->timeout_ms : options->timeout_ms;
    own->max_body = own->max_body > 0 ? own->max_body : options->max_body;
    own->long_poll = own->long_poll || options->long_poll;
}

static int find_service(nrt__front_conn *conn, const char **detail) {
    const nrt__front_options *options = &conn->front->options;
    nrt__message *request = &conn->request;
    bool absolute = request->target.ptr[0] != '/' && request->target.ptr[0] != '*';
    int error = nrt__message_settle_target(request);
    if (error < 0) {
        return error;
    }
    conn->settings = (nrt__route_settings){0};
    if (options->proxy && nrt__host_is_nats(request->host)) {
        settle(conn);
        return direct_host(conn, request->host, detail);
    }
    nrt_str host =
        nrt__routes_find(options->routes, request->host, request->target, &conn->settings);
    settle(conn);
    if (!host.ptr) {
        *detail = options->proxy && absolute ? "this proxy leads to .nats hosts only"
                                             : nrt_error_text(NRT_ERR_NO_ROUTE);
        return NRT_ERR_NO_ROUTE;
    }
    conn->host = nrt__arena_copy(&request->arena, host); /* the route may go before the request */
    return conn->host.ptr ? 0 : NRT_ERR_MEMORY;
}

/* Everything but the body is known. */
static int check_head(nrt__front_conn *conn, const char **detail) {
    nrt__message *request = &conn->request;
    conn->to_head = nrt__str_equal(request->method, NRT__STR("HEAD"));
    conn->keep_alive = request->keep_alive && ++conn->requests < conn->front->options.max_requests;
    int error = check_unsupported(request, detail);
    if (error == 0) {
        error = nrt__method_check(request->method);
    }
    if (error == 0) {
        error = find_service(conn, detail);
    }
    if (error == 0 && request->framing == NRT__FRAMING_LENGTH &&
        request->length > conn->settings.max_body) {
        error = NRT_ERR_TOO_LARGE;
    }
    return error;
}

/* ---- what is put on it ---- */

/* An element behind those that a list in `text` has already. There is room. */
static void add_element(char *text, size_t *len, bool first, nrt_str element) {
    if (!first) {
        text[(*len)++] = ',';
        text[(*len)++] = ' ';
    }
    if (element.len > 0) {
        memcpy(text + *len, element.ptr, element.len);
        *len += element.len;
    }
}

/* The addresses of all X-Forwarded-For, and the client's behind them, in memory of the request; the
 * absent string where there is none left. */
static nrt_str forwarded_for(nrt__front_conn *conn) {
    nrt__message *request = &conn->request;
    nrt_str peer = nrt_str_from(conn->peer_name);
    size_t size = peer.len, len = 0;
    bool first = true;
    const nrt__field *before = NULL;
    while ((before = nrt__fields_find(&request->fields, NRT__X_FORWARDED_FOR, before))) {
        size += before->value.len + 2;
    }
    char *list = nrt__arena_get(&request->arena, size + 1);
    if (!list) {
        return (nrt_str){NULL, 0};
    }
    while ((before = nrt__fields_find(&request->fields, NRT__X_FORWARDED_FOR, before))) {
        add_element(list, &len, first, before->value);
        first = false;
    }
    /* A unix socket has no address to add: who is trusted there has said all there is. */
    if (first || !conn->local) {
        add_element(list, &len, first, peer);
    }
    return (nrt_str){list, len};
}

/* RFC 9110 section 7.6.3, and the de-facto X-Forwarded-*: what came from outside is replaced,
 * unless from whom we trust. */
static bool add_forwarded(nrt__front_conn *conn) {
    nrt__message *request = &conn->request;
    nrt_fields *fields = &request->fields;
    if (!conn->trusted) {
        nrt__fields_drop(fields, NRT__FIELD_CLAIM);
    }
    nrt_str list = forwarded_for(conn);
    nrt__fields_drop_id(fields, NRT__X_FORWARDED_FOR);
    bool fine = list.ptr && nrt__fields_append(fields, NRT__STR("X-Forwarded-For"), list);
    if (fine && !nrt__fields_find(fields, NRT__X_FORWARDED_PROTO, NULL)) {
        fine = nrt__fields_append(fields, NRT__STR("X-Forwarded-Proto"),
                                  conn->stream.tls ? NRT__STR("https") : NRT__STR("http"));
    }
    if (conn->client_cert) {
        nrt__fields_drop_id(fields, NRT__CLIENT_CERT);
        fine = fine &&
               nrt__fields_append(fields, NRT__STR("Client-Cert"), nrt_str_from(conn->client_cert));
    }
    nrt_str host = nrt__fields_value(fields, NRT__HOST);
    if (fine && host.len > 0 && !nrt__fields_find(fields, NRT__X_FORWARDED_HOST, NULL)) {
        fine = nrt__fields_append(fields, NRT__STR("X-Forwarded-Host"), host);
    }
    return fine && nrt__fields_append(fields, NRT__STR("Via"), nrt_str_from(conn->front->via));
}

/* RFC 9110 section 7.8. With a body the other protocol would have to wait for its end: who asks for
 * that gets HTTP, as it allows. */
static bool keep_upgrade(nrt__front_conn *conn) {
    nrt__message *request = &conn->request;
    nrt_str protocol = nrt__fields_value(&request->fields, NRT__UPGRADE);
    if (protocol.len == 0 || request->minor == 0 || request->framing != NRT__FRAMING_NONE ||
        !nrt__fields_list_has(&request->fields, NRT__CONNECTION, NRT__STR("upgrade"))) {
        return true;
    }
    request->upgrade = nrt__arena_copy(&request->arena, protocol);
    return request->upgrade.ptr != NULL;
}

/* Ready to be sent, but for its body. */
static int prepare(nrt__front_conn *conn) {
    nrt__message *request = &conn->request;
    if (!keep_upgrade(conn)) {
        return NRT_ERR_MEMORY;
    }
    nrt__fields_strip_hop(&request->fields);
    if (!conn->front->options.in_process && !add_forwarded(conn)) {
        return NRT_ERR_MEMORY;
    }
    if (conn->traced && !nrt__trace_put(&conn->trace, &request->fields)) {
        return NRT_ERR_MEMORY;
    }
    request->host = conn->host;
    return 0;
}

/* ---- bodies ---- */

/* Of how much body one message is made at most. Who is known to take streams gets one for what is
 * too large to be kept for another attempt; others may know nothing else than whole messages. */
static size_t collect_max(nrt__front_conn *conn, bool framed) {
    size_t max = (size_t)nrt__session_info(nrt__conn_session(conn->front->conn))->max_payload;
    max = max > 0 ? max : (size_t)MAX_PAYLOAD;
    return framed && max > COLLECT_MAX ? (size_t)COLLECT_MAX : max;
}

/* RFC 9110 section 10.1.1. Unknown expectations cannot be met. */
static int check_expect(nrt__front_conn *conn, bool *expects, const char **detail) {
    nrt_str expect = nrt__fields_value(&conn->request.fields, NRT__EXPECT);
    if (expect.len == 0 || conn->request.minor == 0) {
        nrt__fields_drop_id(&conn->request.fields, NRT__EXPECT);
        return 0;
    }
    if (!nrt__str_same(expect, NRT__STR("100-continue"))) {
        *detail = "only Expect: 100-continue can be met";
        return NRT_ERR_EXPECTATION;
    }
    *expects = !conn->reader.complete;
    return 0;
}

/* For this process itself: there is nothing that a body would be for. */
static int check_own(nrt__front_conn *conn, const char **detail) {
    nrt__message *request = &conn->request;
    conn->to_head = nrt__str_equal(request->method, NRT__STR("HEAD"));
    conn->keep_alive = request->keep_alive && ++conn->requests < conn->front->options.max_requests;
    if (!conn->reader.complete) {
        *detail = "a request without a body is expected here";
        return NRT_ERR_TOO_LARGE;
    }
    return nrt__message_settle_target(request);
}

static int begin_trace(nrt__front_conn *conn) {
    nrt__front *front = conn->front;
    if (!front->options.trace) {
        return 0;
    }
    int error = nrt__trace_begin(nrt__front_env(front), &conn->request.fields, front->options.trace,
                                 &conn->trace);
    conn->traced = error == 0;
    return error;
}

int nrt__front_on_head(nrt__front_conn *conn, const char **detail) {
    nrt__message *request = &conn->request;
    bool expects = false;
    if (conn->front->options.answer) {
        return check_own(conn, detail);
    }
    int error = begin_trace(conn);
    if (error == 0) {
        error = check_head(conn, detail);
    }
    if (error == 0) {
        error = check_expect(conn, &expects, detail);
    }
    if (error < 0) {
        return error;
    }
    if (conn->reader.complete) {
        return 0;
    }
    bool framed = nrt__client_is_framed(nrt__front_client(conn), conn->host);
    size_t max = collect_max(conn, framed);
    bool sized = request->framing == NRT__FRAMING_LENGTH;
    conn->body.max = max;
    /* Where the service can be asked whether it wants the body, it is. */
    if ((sized && request->length > max) || (expects && framed)) {
        return nrt__front_open_stream(conn, (nrt_str){"", 0});
    }
    nrt__fields_drop_id(&request->fields, NRT__EXPECT);
    if (expects) {
        nrt__buf_lit(&conn->stream.out, "HTTP/1.1 100 Continue\r\n\r\n");
        nrt__stream_written(&conn->stream);
        conn->continued = true;
    }
    conn->collecting = true;
    return 0;
}

/* The exchange has begun. */
static void begun(nrt__front_conn *conn) {
    conn->asked_ns = nrt__front_now_ns(conn->front);
    if (conn->settings.long_poll) {
        nrt__client_wait_long(nrt__front_client(conn), conn->exchange);
    }
}

int nrt__front_open_stream(nrt__front_conn *conn, nrt_str body) {
    nrt__message *request = &conn->request;
    size_t taken = 0;
    int error = prepare(conn);
    if (error < 0) {
        return error;
    }
    conn->collecting = false;
    request->body = body;
    request->has_length = request->framing == NRT__FRAMING_LENGTH;
    error = nrt__client_open(nrt__front_client(conn), request, conn->settings.timeout_ms,
                             &nrt__front_events, conn, &conn->exchange, &taken);
    if (error < 0) {
        conn->exchange = 0;
        return error;
    }
    begun(conn);
    nrt__buf_consume(&conn->body, taken);
    conn->state = NRT__FRONT_UPLOADING;
    nrt__front_set_timer(conn, conn->front->options.idle_timeout_ms);
    return 0;
}

/* Passes on what the exchange takes now; the rest waits in conn->body, where `bytes` may be. */
static int write_body(nrt__front_conn *conn, nrt_str bytes, size_t *sent) {
    int error = nrt__client_write(nrt__front_client(conn), conn->exchange, bytes, sent);
    if (error == NRT_ERR_STATE) { /* the service wants no more of it: its response says why */
        *sent = bytes.len;
        error = 0;
    }
    return error;
}

int nrt__front_on_body(nrt__front_conn *conn, nrt_str bytes) {
    size_t sent = 0;
    conn->body_len += bytes.len;
    if (conn->body_len > conn->settings.max_body) {
        return NRT_ERR_TOO_LARGE;
    }
    if (conn->state == NRT__FRONT_UPLOADING) {
        int error = write_body(conn, bytes, &sent);
        if (error < 0) {
            return error;
        }
        conn->body.max = SIZE_MAX / 2; /* no more than one read brings */
        return nrt__buf_put(&conn->body, (nrt_str){bytes.ptr + sent, bytes.len - sent})
                   ? 0
                   : NRT_ERR_MEMORY;
    }
    size_t max = conn->body.max;
    conn->body.max = SIZE_MAX / 2;
    bool kept = nrt__buf_put(&conn->body, bytes);
    conn->body.max = max;
    if (!kept) {
        return NRT_ERR_MEMORY;
    }
    if (nrt__buf_len(&conn->body) > max) {
        return nrt__front_open_stream(conn, nrt__buf_view(&conn->body));
    }
    return 0;
}

/* All of a streamed body is here; its end goes out behind what still waits. */
static void end_upload(nrt__front_conn *conn) {
    if (nrt__buf_len(&conn->body) > 0) {
        return;
    }
    conn->state = NRT__FRONT_WAITING;
    int error = nrt__client_end(nrt__front_client(conn), conn->exchange, &conn->request.trailers);
    if (error < 0 && error != NRT_ERR_STATE) {
        nrt__front_break_off(conn, error, NULL);
    }
}

void nrt__front_on_end(nrt__front_conn *conn) {
    nrt__front *front = conn->front;
    nrt__message *request = &conn->request;
    conn->request_ended = true;
    if (conn->state == NRT__FRONT_UPLOADING) {
        end_upload(conn);
        return;
    }
    if (front->options.answer) {
        conn->state = NRT__FRONT_WAITING;
        conn->answering = true;
        front->options.answer(conn, request, front->options.answer_arg);
        return;
    }
    int error = prepare(conn);
    if (error == 0) {
        request->body = nrt__buf_view(&conn->body);
        conn->state = NRT__FRONT_WAITING;
        error = nrt__client_start(front->conn->client, request, conn->settings.timeout_ms,
                                  &nrt__front_events, conn, &conn->exchange);
    }
    if (error == 0) {
        begun(conn);
    }
    if (error < 0) {
        conn->exchange = 0;
        nrt__front_refuse(conn, error, NULL);
    }
}

void nrt__front_pump_body(nrt__front_conn *conn) {
    size_t sent = 0;
    int error = write_body(conn, nrt__buf_view(&conn->body), &sent);
    if (error < 0) {
        nrt__front_break_off(conn, error, NULL);
        return;
    }
    nrt__buf_consume(&conn->body, sent);
    if (nrt__buf_len(&conn->body) > 0) {
        return;
    }
    nrt__buf_shrink(&conn->body, COLLECT_MAX);
    if (conn->request_ended) {
        end_upload(conn);
    } else {
        nrt__front_conn_run(conn);
    }
}

void nrt__front_pump_tunnel(nrt__front_conn *conn, nrt_str bytes) {
    size_t sent = 0;
    int error = 0;
    if (nrt__buf_len(&conn->pending) > 0) {
        error = write_body(conn, nrt__buf_view(&conn->pending), &sent);
        nrt__buf_consume(&conn->pending, sent);
    }
    if (error == 0 && nrt__buf_len(&conn->pending) == 0) {
        error = write_body(conn, bytes, &sent);
        bytes.ptr += sent;
        bytes.len -= sent;
    }
    if (error == 0 && !nrt__buf_put(&conn->pending, bytes)) {
        error = NRT_ERR_MEMORY;
    }
    if (error < 0) {
        nrt__front_break_off(conn, error, NULL);
        return;
    }
    size_t left = nrt__buf_len(&conn->pending);
    nrt__stream_set_reading(&conn->stream,
                            !conn->client_ended && left < NRT__FRONT_PENDING_MAX / 2);
    if (left == 0 && conn->client_ended) { /* said again, it does no harm */
        nrt__client_end(nrt__front_client(conn), conn->exchange, NULL);
    }
}

void nrt__front_break_off(nrt__front_conn *conn, int error, const char *why) {
    conn->failed = error;
    conn->why = why;
    nrt__client_cancel(nrt__front_client(conn), conn->exchange);
}
