/* Requests of HTTP clients to exchanges, and what becomes of them to HTTP responses. */
#include <stdio.h>

#include "bridge/front_private.h"
#include "core/h1_writer.h"
#include "core/problem.h"
#include "core/str.h"
#include "core/subject.h"

/* ---- the response ---- */

static void record(nrt__front_conn *conn, int status, int error, const char *detail,
                   uint64_t bytes) {
    nrt__front *front = conn->front;
    unsigned attempts = conn->attempts;
    conn->attempts = 0;
    if (!front->options.on_request) {
        return;
    }
    nrt__front_record entry = {
        .peer = nrt_str_from(conn->peer_name),
        .method = conn->request.method,
        .target = conn->request.target,
        .host = conn->host,
        .status = status,
        .error = error,
        .detail = detail,
        .bytes = bytes,
        .attempts = attempts,
        .duration_ms = (uint32_t)(nrt__front_env(front)->now_ms - conn->began_ms),
    };
    front->options.on_request(&entry, front->options.on_request_arg);
}

/* Date where the origin sent none (RFC 9110 section 6.6.1), and what becomes of the connection. */
static nrt_str write_extra(nrt__front_conn *conn, const nrt__message *response, char *out,
                           size_t size) {
    const char *date = nrt__front_env(conn->front)->date;
    bool dated = nrt__fields_find(&response->fields, NRT__DATE, NULL) || !*date;
    const char *connection = "";
    if (!conn->keep_alive) {
        connection = "Connection: close\r\n";
    } else if (conn->request.minor == 0) {
        connection = "Connection: keep-alive\r\n";
    }
    int len = snprintf(out, size, "%s%s%s%s", dated ? "" : "Date: ", dated ? "" : date,
                       dated ? "" : "\r\n", connection);
    return (nrt_str){out, (size_t)len};
}

static void respond(nrt__front_conn *conn, nrt__message *response, int error, const char *detail) {
    char extra[96];
    nrt_str parts[2];
    if (conn->request.minor == 0) {
        response->trailers.count = 0; /* HTTP/1.0 knows no chunks to put them behind */
    }
    if (conn->front->draining) {
        conn->keep_alive = false;
    }
    nrt__buf *out = &conn->stream.out;
    nrt_str more = write_extra(conn, response, extra, sizeof(extra));
    size_t before = nrt__buf_len(out);
    nrt__h1_write_parts(out, response, 0, more, conn->to_head, parts);
    nrt__buf_put(out, parts[1]);
    if (out->failed) { /* half a response must not look like a whole one */
        out->end = out->start + before;
        out->failed = false;
        conn->keep_alive = false;
    }
    record(conn, response->status, error, detail, parts[1].len);
    nrt__front_answered(conn);
}

void nrt__front_refuse(nrt__front_conn *conn, int error, const char *detail) {
    nrt__message problem;
    char limit[96];
    nrt__message_init(&problem, false);
    const char *text = detail && *detail ? detail : nrt_error_text(error);
    if (error == NRT_ERR_TOO_LARGE) {
        snprintf(limit, sizeof(limit), "the request is larger than the limit of %zu bytes",
                 conn->body.max);
        text = limit;
    }
    nrt__problem_write(&problem, nrt_error_status(error), nrt_error_code(error), text);
    respond(conn, &problem, error, text);
    nrt__message_free(&problem);
}

static void on_result(const nrt_result *result, void *arg) {
    nrt__front_conn *conn = arg;
    conn->exchange = 0;
    conn->attempts = result->attempts;
    if (conn->state != NRT__FRONT_WAITING) {
        return; /* canceled: the client has gone */
    }
    if (result->error < 0) {
        char detail[640];
        snprintf(detail, sizeof(detail), "%.*s: %s", NRT__ARG(conn->host), result->detail);
        nrt__front_refuse(conn, result->error, detail);
        return;
    }
    /* Ours to change: it ends with this call. */
    nrt_response *response = (nrt_response *)result->response;
    respond(conn, &response->message, 0, "");
}

/* ---- the request ---- */

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

static int find_service(nrt__front_conn *conn, const char **detail) {
    const nrt__front_options *options = &conn->front->options;
    nrt__message *request = &conn->request;
    bool absolute = request->target.ptr[0] != '/' && request->target.ptr[0] != '*';
    int error = nrt__message_settle_target(request);
    if (error < 0) {
        return error;
    }
    if (options->proxy && nrt__host_is_nats(request->host)) {
        return direct_host(conn, request->host, detail);
    }
    conn->host = nrt__routes_find(options->routes, request->host, request->target);
    if (!conn->host.ptr) {
        *detail = options->proxy && absolute ? "this proxy leads to .nats hosts only"
                                             : nrt_error_text(NRT_ERR_NO_ROUTE);
        return NRT_ERR_NO_ROUTE;
    }
    return 0;
}

int nrt__front_check_head(nrt__front_conn *conn, const char **detail) {
    nrt__message *request = &conn->request;
    *detail = NULL;
    conn->to_head = nrt__str_equal(request->method, NRT__STR("HEAD"));
    conn->keep_alive = request->keep_alive && ++conn->requests < conn->front->options.max_requests;
    int error = check_unsupported(request, detail);
    if (error == 0) {
        error = nrt__method_check(request->method);
    }
    if (error == 0) {
        error = find_service(conn, detail);
    }
    if (error == 0 && request->framing == NRT__FRAMING_LENGTH && request->length > conn->body.max) {
        error = NRT_ERR_TOO_LARGE;
    }
    return error;
}

/* RFC 9110 section 7.6.3, and the de-facto X-Forwarded-*: what came from outside is replaced,
 * unless from whom we trust. */
static bool add_forwarded(nrt__front_conn *conn) {
    nrt__message *request = &conn->request;
    nrt_fields *fields = &request->fields;
    nrt__arena *arena = &request->arena;
    nrt__buf text;
    nrt__buf_init(&text, 64 * 1024);
    if (!conn->trusted) {
        nrt__fields_drop(fields, NRT__FIELD_CLAIM);
    }
    const nrt__field *before = NULL;
    while ((before = nrt__fields_find(fields, NRT__X_FORWARDED_FOR, before))) {
        nrt__buf_put(&text, before->value);
        nrt__buf_lit(&text, ", ");
    }
    nrt__buf_put(&text, nrt_str_from(conn->peer_name));
    nrt__fields_drop_id(fields, NRT__X_FORWARDED_FOR);
    nrt_str list = nrt__arena_copy(arena, nrt__buf_view(&text));
    bool fine =
        list.ptr && !text.failed && nrt__fields_append(fields, NRT__STR("X-Forwarded-For"), list);
    nrt__buf_free(&text);
    if (fine && !nrt__fields_find(fields, NRT__X_FORWARDED_PROTO, NULL)) {
        fine = nrt__fields_append(fields, NRT__STR("X-Forwarded-Proto"), NRT__STR("http"));
    }
    nrt_str host = nrt__fields_value(fields, NRT__HOST);
    if (fine && host.len > 0 && !nrt__fields_find(fields, NRT__X_FORWARDED_HOST, NULL)) {
        fine = nrt__fields_append(fields, NRT__STR("X-Forwarded-Host"), host);
    }
    return fine && nrt__fields_append(fields, NRT__STR("Via"), nrt_str_from(conn->front->via));
}

void nrt__front_send(nrt__front_conn *conn) {
    nrt__front *front = conn->front;
    nrt__message *request = &conn->request;
    nrt__fields_strip_hop(&request->fields);
    nrt__fields_drop_id(&request->fields, NRT__EXPECT);
    if (!add_forwarded(conn)) {
        nrt__front_refuse(conn, NRT_ERR_MEMORY, NULL);
        return;
    }
    request->host = conn->host;
    request->body = nrt__buf_view(&conn->body);
    conn->state = NRT__FRONT_WAITING;
    int error = nrt__client_send(front->conn->client, request, front->options.timeout_ms, on_result,
                                 conn, &conn->exchange);
    if (error < 0) {
        conn->exchange = 0;
        nrt__front_refuse(conn, error, NULL);
    }
}
