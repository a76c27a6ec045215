/* Requests as spans, by OpenTelemetry's semantic conventions for HTTP. No query and no field of a
 * request goes into them but Host and User-Agent: what else is there may be secret. */
#include <stdio.h>
#include <time.h>

#include "cli/daemon/tracing.h"
#include "core/base/str.h"
#include "core/http/span.h"
#include "core/http/url.h"

enum { SHORT_MAX = 256, PATH_MAX_BYTES = 2048, STATUS_LEFT = 499 };

static uint64_t wall_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Methods of strangers would be names without end. */
static bool is_known(nrt_str method) {
    static const char *const known[] = {"GET",     "POST",    "PUT",   "DELETE", "HEAD",
                                        "OPTIONS", "CONNECT", "TRACE", "PATCH",  "QUERY"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (nrt__str_equal(method, nrt_str_from(known[i]))) {
            return true;
        }
    }
    return false;
}

static void put_method(nrt__buf *out, nrt_str method) {
    if (is_known(method)) {
        nrt__span_text(out, "http.request.method", method, SHORT_MAX);
    } else {
        nrt__span_text(out, "http.request.method", NRT__STR("_OTHER"), SHORT_MAX);
        nrt__span_text(out, "http.request.method_original", method, SHORT_MAX);
    }
}

/* The target's path; empty where it has another form, which may hold a user's name. */
static nrt_str path_of(const nrt__message *request) {
    nrt_str path = request->target;
    if (path.len == 0 || path.ptr[0] != '/') {
        return (nrt_str){"", 0};
    }
    const char *query = memchr(path.ptr, '?', path.len);
    path.len = query ? (size_t)(query - path.ptr) : path.len;
    return path;
}

/* host[:port], as a client wrote it: as far as the port is one. */
static void put_server(nrt__buf *out, nrt_str authority) {
    size_t len = authority.len;
    uint64_t port = 0;
    while (len > 0 && nrt__is_digit(authority.ptr[len - 1])) {
        len--;
    }
    nrt_str digits = {authority.ptr + len, authority.len - len};
    bool given = len > 0 && authority.ptr[len - 1] == ':' && nrt__str_to_u64(digits, 65535, &port);
    authority.len = given ? len - 1 : authority.len;
    nrt__span_text(out, "server.address", authority, SHORT_MAX);
    if (given) {
        nrt__span_number(out, "server.port", port);
    }
}

static void put_error(nrt__buf *out, const nrt__access *access, int from) {
    char status[16];
    if (*access->error) {
        nrt__span_text(out, "error.type", nrt_str_from(access->error), SHORT_MAX);
    } else if (access->status >= from) {
        (void)snprintf(status, sizeof(status), "%d", access->status);
        nrt__span_text(out, "error.type",
                       access->status == STATUS_LEFT ? NRT__STR("canceled") : nrt_str_from(status),
                       SHORT_MAX);
    }
}

static void put_status(nrt__buf *out, const nrt__access *access) {
    if (access->status > 0 && access->status != STATUS_LEFT) { /* that is for logs only */
        nrt__span_number(out, "http.response.status_code", (uint64_t)access->status);
    }
}

static void put_instance(nrt__buf *out, const nrt__access *access) {
    char instance[2 * SHORT_MAX];
    nrt_str server = access->server;
    nrt_str client = access->client;
    if (server.len > 0 && server.len < SHORT_MAX && client.len < SHORT_MAX) {
        memcpy(instance, server.ptr, server.len);
        instance[server.len] = '/';
        if (client.len > 0) {
            memcpy(instance + server.len + 1, client.ptr, client.len);
        }
        nrt__span_text(out, "nrt.instance", (nrt_str){instance, server.len + 1 + client.len},
                       sizeof(instance));
    }
    nrt__span_text(out, "nrt.cluster", access->cluster, SHORT_MAX);
    nrt__span_text(out, "nrt.id", access->id, SHORT_MAX);
}

/* What came. */
static void write_server(nrt__buf *out, const nrt__access *access, nrt_str name, uint64_t began,
                         uint64_t ended) {
    const nrt__message *request = access->request;
    static const nrt_str versions[] = {{"1.0", 3}, {"1.1", 3}};
    bool failed = access->status >= 500;
    nrt__span_begin(out, access->trace, NRT__SPAN_SERVER, name, began, ended);
    put_method(out, request->method);
    nrt__span_text(out, "url.scheme", nrt_str_from(access->secure ? "https" : "http"), SHORT_MAX);
    nrt__span_text(out, "url.path", path_of(request), PATH_MAX_BYTES);
    put_server(out, nrt_fields_get(&request->fields, "Host"));
    nrt__span_text(out, "client.address", access->peer, SHORT_MAX);
    nrt__span_text(out, "network.protocol.version", versions[request->minor > 0], SHORT_MAX);
    nrt__span_text(out, "user_agent.original", nrt_fields_get(&request->fields, "User-Agent"),
                   SHORT_MAX);
    nrt__span_number(out, "http.request.body.size", access->request_bytes);
    nrt__span_number(out, "http.response.body.size", access->bytes);
    put_status(out, access);
    put_error(out, access, STATUS_LEFT);
    nrt__span_text(out, "nrt.service", access->service, SHORT_MAX);
    if (access->origin || access->asked_ns < 0) { /* else the other span has it */
        put_instance(out, access);
    }
    nrt__span_end(out, failed, nrt_str_from(failed ? access->detail : ""));
}

/* What was sent on: to a service on NATS, or to the server behind a sidecar. */
static void write_client(nrt__buf *out, const nrt__access *access, nrt_str name, uint64_t began,
                         uint64_t ended) {
    const nrt__message *request = access->request;
    nrt_str path = path_of(request);
    char url[SHORT_MAX + PATH_MAX_BYTES + 16];
    bool failed = *access->error != '\0' || access->status >= 400;
    bool socket = access->origin && strncmp(access->origin, "unix:", 5) == 0;
    bool http = access->origin && !socket;
    nrt__url target;
    nrt__span_begin(out, access->trace, NRT__SPAN_CLIENT, name, began, ended);
    put_method(out, request->method);
    path.len = path.len < PATH_MAX_BYTES ? path.len : (size_t)PATH_MAX_BYTES;
    int len =
        http ? snprintf(url, sizeof(url), "%.*s%.*s", SHORT_MAX, access->origin, NRT__ARG(path))
             : snprintf(url, sizeof(url), "http://%.*s%.*s", NRT__ARG(access->service),
                        NRT__ARG(path));
    nrt__span_text(out, "url.full", (nrt_str){url, (size_t)len}, sizeof(url));
    if (http && nrt__url_parse(nrt_str_from(access->origin), &target) == 0) {
        bool tls = strncmp(access->origin, "https:", 6) == 0;
        uint64_t port = tls ? 443 : 80;
        (void)nrt__str_to_u64(target.port, 65535, &port);
        nrt__span_text(out, "server.address", target.host, SHORT_MAX);
        nrt__span_number(out, "server.port", port);
    } else {
        nrt__span_text(out, "server.address", access->service, SHORT_MAX);
        nrt__span_number(out, "server.port", 80);
    }
    if (socket) {
        nrt__span_text(out, "network.transport", NRT__STR("unix"), SHORT_MAX);
        nrt__span_text(out, "network.peer.address", nrt_str_from(access->origin + 5), SHORT_MAX);
    }
    if (access->attempts > 1) {
        nrt__span_number(out, "http.request.resend_count", access->attempts - 1);
    }
    if (access->upstream_ns >= 0) {
        put_status(out, access);
    }
    put_error(out, access, 400);
    if (!access->origin) {
        put_instance(out, access);
    }
    nrt__span_end(out, failed, nrt_str_from(*access->error ? access->detail : ""));
}

void nrt__tracing_add(nrt__tracing *tracing, const nrt__access *access) {
    if (!tracing->otlp || !access->trace || !nrt__trace_is_sampled(access->trace)) {
        return;
    }
    uint64_t ended = wall_ns();
    uint64_t began = ended - (access->duration_ns > 0 ? (uint64_t)access->duration_ns : 0);
    nrt_str name = is_known(access->request->method) ? access->request->method : NRT__STR("HTTP");
    nrt__buf *out = nrt__otlp_begin(tracing->otlp);
    if (out) {
        write_server(out, access, name, began, ended);
        nrt__otlp_end(tracing->otlp);
    }
    out = access->asked_ns >= 0 ? nrt__otlp_begin(tracing->otlp) : NULL;
    if (out) {
        write_client(out, access, name, began + (uint64_t)access->asked_ns, ended);
        nrt__otlp_end(tracing->otlp);
    }
}
