/* `nrt gateway`: HTTP in, NATS out. Listener and routes are the bridge's; this is the program
 * around them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nrt/client.h>

#include "bridge/front.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/daemon/operation.h"
#include "core/base/duration.h"
#include "core/base/str.h"

typedef struct gateway_options {
    nrt__common common;
    nrt__operation operation;
    const char *listen;
    const char *listen_mode;
    nrt__arg_list routes;
    bool proxy;
    bool long_poll;
    nrt__arg_list trusted;
    size_t max_body;
    unsigned max_connections;
    unsigned max_requests;
    uint32_t head_timeout_ms;
    uint32_t idle_timeout_ms;
    uint32_t drain_timeout_ms;
} gateway_options;

typedef struct gateway {
    const gateway_options *options;
    nrt__routes *routes;
    const char **trusted;
    unsigned listen_mode;  /* 0: what the umask leaves */
    nrt__tallies *tallies; /* NULL without an admin listener */
    nrt__front *front;
    nrt__operating operating;
} gateway;

#define FIELD(name) offsetof(gateway_options, name)

static const nrt__opt gateway_opts[] = {
    {.letter = 'l',
     .name = "listen",
     .value = "[ADDR:]PORT|unix:/PATH",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(listen),
     .help = "where to listen: PORT alone on loopback, :PORT on all addresses; port 0 picks one"},
    {.name = "listen-mode",
     .value = "MODE",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(listen_mode),
     .help = "permissions of the unix socket's file, such as 660: who may write it may connect; "
             "default: what the umask leaves"},
    {.letter = 'r',
     .name = "route",
     .value = "PATTERN=HOST",
     .kind = NRT__OPT_LIST,
     .offset = FIELD(routes),
     .help = "requests that PATTERN matches go to HOST, a name that ends in .nats; PATTERN is a "
             "path and what is below it, also after a host: /city, /, www.example.net/city; "
             "the longest one wins; may be repeated"},
    {.letter = 'p',
     .name = "proxy",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(proxy),
     .help = "be a forward proxy (http_proxy=...) for hosts that end in .nats"},
    {.name = "trust-forwarded",
     .value = "CIDR|unix",
     .kind = NRT__OPT_LIST,
     .offset = FIELD(trusted),
     .help = "keep and extend X-Forwarded-* of clients in this network, such as 10.0.0.0/8, or of "
             "those on the unix socket; others' are replaced; may be repeated"},
    {.name = "max-body",
     .value = "SIZE",
     .kind = NRT__OPT_SIZE,
     .offset = FIELD(max_body),
     .min = 1,
     .help = "largest request body, such as 512k; larger: 413; default: no limit"},
    {.name = "max-connections",
     .value = "N",
     .kind = NRT__OPT_NUMBER,
     .offset = FIELD(max_connections),
     .min = 1,
     .max = 1000000,
     .help = "connections of clients; further ones get 503; default: 10000"},
    {.name = "max-requests",
     .value = "N",
     .kind = NRT__OPT_NUMBER,
     .offset = FIELD(max_requests),
     .min = 1,
     .max = 1000000000,
     .help = "requests on one connection, which is closed then; default: 100000"},
    {.name = "head-timeout",
     .value = "DURATION",
     .kind = NRT__OPT_DURATION,
     .offset = FIELD(head_timeout_ms),
     .min = 1,
     .help = "from the first byte of a request to the end of its head: 408 beyond; default: 10s"},
    {.name = "idle-timeout",
     .value = "DURATION",
     .kind = NRT__OPT_DURATION,
     .offset = FIELD(idle_timeout_ms),
     .min = 1,
     .help = "silence of a client between requests, or inside a body; default: 1m"},
    {.name = "long-poll",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(long_poll),
     .help = "a service that has said that it works on a request may take longer than --timeout, "
             "for as long as it is alive"},
    {.name = "drain-timeout",
     .value = "DURATION",
     .kind = NRT__OPT_DURATION,
     .offset = FIELD(drain_timeout_ms),
     .min = 1,
     .help = "after SIGTERM, what is not over by then is broken off: streams and WebSockets may go "
             "on for days; default: 30s"},
};

static void gateway_init(void *arg) {
    gateway_options *options = arg;
    nrt__common_init(&options->common, "nrt-gateway");
}

/* With --verbose. */
static void tell_request(const nrt__report *log, const nrt__front_record *record) {
    nrt_str method = record->request->method;
    nrt_str target = record->request->target;
    json_t *members = NULL;
    char bytes[32];
    char duration[40];
    char attempts[32] = "";
    char trace[NRT__TRACE_ID + 16] = "";
    if (nrt__report_is_json(log)) {
        members = json_pack("{s:o, s:o, s:o, s:o, s:i, s:s, s:I, s:i, s:I}", "peer",
                            nrt__report_string(record->peer), "method", nrt__report_string(method),
                            "target", nrt__report_string(target), "host",
                            nrt__report_string(record->host), "status", record->status, "error",
                            record->error ? nrt_error_code(record->error) : "", "bytes",
                            (json_int_t)record->bytes, "attempts", (int)record->attempts, "ms",
                            (json_int_t)record->duration_ms);
        nrt__tracing_members(members, record->trace);
    }
    if (record->trace) {
        (void)snprintf(trace, sizeof(trace), ", trace %.*s", NRT__TRACE_ID, record->trace->id);
    }
    if (record->attempts > 1) {
        (void)snprintf(attempts, sizeof(attempts), ", %u attempts", record->attempts);
    }
    nrt_str unread = NRT__STR("(not readable)");
    bool routed = record->host.len > 0;
    nrt__report_event(
        log, NRT_LOG_INFO, "request", members, "%.*s %.*s %.*s%s%.*s: %d, %s, %s%s%s%s%s",
        NRT__ARG(record->peer), NRT__ARG(method.len > 0 ? method : unread), NRT__ARG(target),
        routed ? " -> " : "", NRT__ARG(record->host), record->status,
        nrt__size_format(record->bytes, bytes, sizeof(bytes)),
        nrt__duration_format(record->duration_ms, duration, sizeof(duration)), attempts, trace,
        record->error ? "; " : "", record->error ? record->detail : "");
}

static void on_request(const nrt__front_record *record, void *arg) {
    gateway *state = arg;
    const nrt__report *log = &state->operating.program->log;
    if (log->level >= NRT_LOG_DEBUG) {
        tell_request(log, record);
    }
    const nrt__access access = {
        .peer = record->peer,
        .request = record->request,
        .service = record->host,
        .status = record->status,
        .request_bytes = record->request_bytes,
        .bytes = record->bytes,
        .duration_ns = record->duration_ns,
        .upstream_ns = record->upstream_ns,
        .attempts = record->attempts,
        .id = record->id,
        .server = record->server,
        .client = record->client,
        .cluster = record->cluster,
        .error = record->error ? nrt_error_code(record->error) : "",
        .detail = record->detail,
        .trace = record->trace,
    };
    nrt__operating_log(&state->operating, &access);
}

/* For scripts: at the end, and whenever SIGUSR1 asks. */
static void on_stats(nrt__program *program) {
    nrt_client_stats got = {.size = sizeof(got)};
    if (nrt_client_stats_get(program->conn, &got) != 0) {
        return;
    }
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        {"requests", got.requests},
        {"attempts", got.attempts},
        {"failures", got.failures},
        {"retries_refused", got.retries_refused},
        {"retries_no_service", got.retries_no_service},
        {"retries_idempotent", got.retries_idempotent},
        {"retries_denied", got.retries_denied},
        {"orphans", got.orphans},
    };
    char text[512] = "";
    size_t len = 0;
    json_t *members = nrt__report_is_json(&program->log) ? json_object() : NULL;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, " %s=%" PRIu64, counts[i].name,
                                counts[i].value);
        (void)json_object_set_new(members, counts[i].name,
                                  json_integer((json_int_t)counts[i].value));
    }
    nrt__report_event(&program->log, NRT_LOG_INFO, "stats", members, "stats:%s", text);
}

/* Opens the listener; called with the first connection to NATS. */
static void on_first_connect(nrt__program *program) {
    gateway *state = program->arg;
    if (program->signal) {
        return;
    }
    const gateway_options *options = state->options;
    nrt__front_options front_options;
    nrt__front_options_init(&front_options);
    front_options.routes = state->routes;
    front_options.tallies = state->tallies;
    front_options.listen_mode = state->listen_mode;
    front_options.proxy = options->proxy;
    front_options.long_poll = options->long_poll;
    front_options.trusted = state->trusted;
    front_options.trusted_count = options->trusted.count;
    front_options.timeout_ms = program->options->timeout_ms;
    if (options->max_body > 0) {
        front_options.max_body = options->max_body;
    }
    if (options->max_connections > 0) {
        front_options.max_connections = options->max_connections;
    }
    if (options->max_requests > 0) {
        front_options.max_requests = options->max_requests;
    }
    if (options->head_timeout_ms > 0) {
        front_options.head_timeout_ms = options->head_timeout_ms;
    }
    if (options->idle_timeout_ms > 0) {
        front_options.idle_timeout_ms = options->idle_timeout_ms;
    }
    if (options->drain_timeout_ms > 0) {
        front_options.drain_timeout_ms = options->drain_timeout_ms;
    }
    front_options.on_request = on_request;
    front_options.on_request_arg = state;
    front_options.detailed = options->operation.access_log != NULL;
    front_options.trace = nrt__tracing_options(&state->operating.tracing);
    char detail[256] = "";
    int error = 0;
    state->front = nrt__front_open(program->conn, options->listen, &front_options, &error, detail,
                                   sizeof(detail));
    if (!state->front) {
        nrt__report_event(&program->log, NRT_LOG_ERROR, "failed", NULL, "cannot listen on %s: %s",
                          options->listen, *detail ? detail : nrt_error_text(error));
        nrt__program_end(program, error == NRT_ERR_USAGE ? NRT__EXIT_USAGE : NRT__EXIT_FAILED);
        return;
    }
    const char *url = nrt__front_url(state->front);
    json_t *members = nrt__report_is_json(&program->log) ? json_pack("{s:s}", "url", url) : NULL;
    nrt__report_event(&program->log, NRT_LOG_INFO, "listening", members, "listening on %s", url);
    nrt__program_ready(program, "listening on %s", url);
}

static void on_conn_drained(nrt_conn *conn, void *arg) {
    (void)conn;
    nrt__program_end(arg, NRT__EXIT_OK);
}

static void on_front_drained(void *arg) {
    nrt__program *program = arg;
    if (nrt_conn_drain(program->conn, on_conn_drained, program) != 0) {
        nrt__program_end(program, NRT__EXIT_OK);
    }
}

static void on_stop(nrt__program *program) {
    gateway *state = program->arg;
    if (state->front) {
        nrt__front_drain(state->front, on_front_drained, program);
    } else {
        nrt__program_end(program, NRT__EXIT_OK);
    }
}

/* A port or a socket's path: checked here because the listener opens late. */
static bool is_listen(const char *text) {
    if (strncmp(text, "unix:", 5) == 0) {
        return text[5] != '\0';
    }
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    return nrt__str_to_u64(nrt_str_from(colon ? colon + 1 : text), 65535, &port);
}

/* Three octal digits at most: set-id bits mean nothing on a socket. */
static bool read_mode(const char *text, unsigned *mode) {
    *mode = 0;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '7' || p - text > 3 || (*mode << 3) > 0777) {
            return false;
        }
        *mode = *mode << 3 | (unsigned)(*p - '0');
    }
    return *mode != 0;
}

static int usage(const nrt__report *log, const char *text) {
    nrt__report_event(log, NRT_LOG_ERROR, "usage", NULL, "%s", text);
    return NRT__EXIT_USAGE;
}

/* Checks the options that need no connection; 0, or the exit code once it has said what is wrong.
 */
static int prepare(gateway *state, const nrt__report *log) {
    const gateway_options *options = state->options;
    if (!options->listen) {
        return usage(log, "--listen is missing; for example: "
                          "nrt gateway --listen 9090 --route /city=weather.nats");
    }
    if (!is_listen(options->listen)) {
        nrt__report_event(log, NRT_LOG_ERROR, "usage", NULL,
                          "--listen: \"%s\" has no port from 0 to 65535; write 9090, :9090, "
                          "127.0.0.1:9090 or unix:/PATH",
                          options->listen);
        return NRT__EXIT_USAGE;
    }
    if (options->listen_mode && strncmp(options->listen, "unix:", 5) != 0) {
        return usage(log, "--listen-mode is for a unix socket: --listen unix:/PATH");
    }
    if (options->listen_mode && !read_mode(options->listen_mode, &state->listen_mode)) {
        nrt__report_event(log, NRT_LOG_ERROR, "usage", NULL,
                          "--listen-mode: \"%s\" is not a mode; write three octal digits, such as "
                          "660",
                          options->listen_mode);
        return NRT__EXIT_USAGE;
    }
    if (options->routes.count == 0 && !options->proxy) {
        return usage(log, "nothing to do: give --route or --proxy or both; for example: "
                          "nrt gateway --listen 9090 --route /city=weather.nats --proxy");
    }
    state->routes = nrt__routes_create();
    state->trusted = calloc(options->trusted.count + 1, sizeof(*state->trusted));
    if (options->operation.admin) {
        state->tallies = nrt__tallies_create();
    }
    if (!state->routes || !state->trusted || (options->operation.admin && !state->tallies)) {
        nrt__report_event(log, NRT_LOG_ERROR, "failed", NULL, "out of memory");
        return NRT__EXIT_FAILED;
    }
    for (size_t i = 0; i < options->trusted.count; i++) {
        state->trusted[i] = options->trusted.items[i].value;
    }
    for (size_t i = 0; i < options->routes.count; i++) {
        const char *text = options->routes.items[i].value;
        int error = nrt__routes_add(state->routes, text);
        if (error != 0) {
            nrt__report_event(
                log, NRT_LOG_ERROR, "usage", NULL,
                "--route: \"%s\" %s; write PATTERN=HOST, such as /city=weather.nats", text,
                error == NRT_ERR_HOST    ? "leads to no host that ends in .nats"
                : error == NRT_ERR_USAGE ? "has a pattern that is not valid, or given twice"
                                         : nrt_error_text(error));
            return NRT__EXIT_USAGE;
        }
    }
    return 0;
}

static const char *why_not_ready(void *arg) {
    const gateway *state = arg;
    if (!state->front) {
        return "not listening yet";
    }
    return nrt__front_is_draining(state->front) ? "being stopped" : NULL;
}

static int open_operation(gateway *state, nrt__program *program) {
    const nrt__admin_gateway counted = {state->tallies, &state->front};
    nrt_admin_options options;
    nrt_admin_options_init(&options);
    options.why_not_ready = why_not_ready;
    options.why_not_ready_arg = state;
    return nrt__operating_open(&state->operating, &state->options->operation, program, &options,
                               &counted);
}

static int gateway_run(void *arg, const nrt__operands *operands) {
    gateway state = {.options = arg};
    nrt__program program = {0};
    (void)operands;
    nrt__report log;
    nrt__report_init(&log, "nrt gateway", (nrt__report_format)state.options->common.log_format,
                     state.options->common.verbose);
    int code = prepare(&state, &log);
    if (code == 0) {
        code = nrt__program_open(&program, &state.options->common, "nrt gateway", true);
    }
    if (code == 0) {
        program.arg = &state;
        program.on_first_connect = on_first_connect;
        program.on_stop = on_stop;
        program.on_stats = on_stats;
        code = open_operation(&state, &program);
        if (code == 0) {
            code = nrt__program_run(&program);
        }
        if (state.front) {
            on_stats(&program);
        }
        nrt__front_destroy(state.front);
        state.front = NULL;
        nrt__program_close(&program);
        nrt__operating_close(&state.operating);
    }
    nrt__tallies_destroy(state.tallies);
    free(state.trusted);
    nrt__routes_destroy(state.routes);
    return code;
}

static const nrt__opt_group gateway_groups[] = {
    {"Options", gateway_opts, sizeof(gateway_opts) / sizeof(gateway_opts[0]), 0},
    NRT__OPERATION_GROUP(gateway_options),
    NRT__RETRY_GROUP(gateway_options),
    NRT__LIMIT_GROUP(gateway_options),
    NRT__COMMON_GROUP(gateway_options),
};

const nrt__command nrt__gateway_command = {
    .name = "gateway",
    .summary = "let plain HTTP clients reach services on NATS",
    .operands = "",
    .about = "Listens for HTTP/1.1 and sends each request to a service on NATS: by --route, or as "
             "a forward proxy with --proxy. The target goes on unchanged, Host becomes the "
             "service's.\n\n"
             "CONNECT, HTTP/2 and gRPC are answered with 501: https:// through the proxy needs a "
             "CONNECT, so use http:// there.\n\n"
             "SIGTERM or SIGINT: takes no more work, finishes what is in flight, ends. A second "
             "one ends at once. SIGUSR1 prints a line \"stats\" that counts requests, attempts and "
             "retries; so does the end.",
    .examples = "  nrt gateway --listen 9090 --route /city=weather.nats\n"
                "  nrt gateway --listen :9090 --proxy\n"
                "  http_proxy=http://127.0.0.1:9090 curl http://weather.nats/city\n",
    .groups = gateway_groups,
    .group_count = sizeof(gateway_groups) / sizeof(gateway_groups[0]),
    .min_operands = 0,
    .max_operands = 0,
    .options_size = sizeof(gateway_options),
    .init = gateway_init,
    .run = gateway_run,
};
