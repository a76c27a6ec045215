/* `nrt gateway`: HTTP in, NATS out. Listener and routes are the bridge's; this is the program
 * around them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nrt/client.h>

#include "cli/commands.h"
#include "cli/daemon/gateway.h"
#include "core/base/duration.h"
#include "core/base/str.h"

#define FIELD(name) offsetof(nrt__gateway_options, name)

static const nrt__opt gateway_opts[] = {
    {.letter = 'l',
     .name = "listen",
     .value = "[ADDR:]PORT|unix:/PATH",
     .kind = NRT__OPT_LIST,
     .offset = FIELD(listen),
     .help = "where to listen: PORT alone on loopback, :PORT on all addresses; port 0 picks one; "
             "may be repeated"},
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
     .help = "connections of clients to each listener; further ones get 503; default: 10000"},
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
    nrt__gateway_options *options = arg;
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
    nrt__gateway *state = arg;
    const nrt__report *log = &state->operating.program->log;
    if (log->level >= NRT_LOG_DEBUG) {
        tell_request(log, record);
    }
    const nrt__access access = {
        .peer = record->peer,
        .request = record->request,
        .service = record->host,
        .secure = record->secure,
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
        .asked_ns = record->asked_ns,
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

void nrt__gateway_front_options(nrt__gateway *state, const nrt__gateway_setup *setup,
                                const nrt__gateway_place *place, nrt__front_options *out) {
    const nrt__gateway_options *options = &setup->options;
    nrt__front_options_init(out);
    out->routes = setup->routes;
    out->tallies = state->tallies;
    out->connections = &state->connections;
    out->tls = place->plain ? NULL : setup->tls;
    out->listen_mode = place->mode;
    out->proxy = options->proxy;
    out->long_poll = options->long_poll;
    out->trusted = setup->trusted;
    out->trusted_count = options->trusted.count;
    out->timeout_ms =
        setup->timeout_ms > 0 ? setup->timeout_ms : state->program->options->timeout_ms;
    if (options->max_body > 0) {
        out->max_body = options->max_body;
    }
    if (options->max_connections > 0) {
        out->max_connections = options->max_connections;
    }
    if (options->max_requests > 0) {
        out->max_requests = options->max_requests;
    }
    if (options->head_timeout_ms > 0) {
        out->head_timeout_ms = options->head_timeout_ms;
    }
    if (options->idle_timeout_ms > 0) {
        out->idle_timeout_ms = options->idle_timeout_ms;
    }
    if (options->drain_timeout_ms > 0) {
        out->drain_timeout_ms = options->drain_timeout_ms;
    }
    out->on_request = on_request;
    out->on_request_arg = state;
    out->detailed = options->operation.access_log || state->operating.tracing.otlp;
    out->trace = nrt__tracing_options(&state->operating.tracing);
}

/* Opens the listeners; called with the first connection to NATS. */
static void on_first_connect(nrt__program *program) {
    nrt__gateway *state = program->arg;
    if (program->signal) {
        return;
    }
    int code = nrt__gateway_listen(state, state->setup);
    if (code != 0) {
        nrt__program_end(program, code);
    } else {
        state->listening = true;
        const char *url = nrt__front_url(state->listeners->front);
        nrt__program_ready(program, "listening on %s%s", url,
                           state->setup->place_count > 1 ? " and others" : "");
    }
}

static void on_finished(void *arg) {
    nrt__program_end(arg, NRT__EXIT_OK);
}

static void on_conn_drained(nrt_conn *conn, void *arg) {
    nrt__program *program = arg;
    nrt__gateway *state = program->arg;
    (void)conn;
    nrt__operating_finish(&state->operating, on_finished, program);
}

static void on_fronts_drained(nrt__program *program) {
    if (nrt_conn_drain(program->conn, on_conn_drained, program) != 0) {
        on_conn_drained(program->conn, program);
    }
}

static void on_stop(nrt__program *program) {
    nrt__gateway *state = program->arg;
    if (state->listening) {
        nrt__gateway_drain(state, on_fronts_drained);
    } else {
        nrt__program_end(program, NRT__EXIT_OK);
    }
}

static void on_hangup(nrt__program *program) {
    nrt__gateway_reload(program->arg);
}

static const char *why_not_ready(void *arg) {
    const nrt__gateway *state = arg;
    if (!state->listening) {
        return "not listening yet";
    }
    return state->program->signal ? "being stopped" : NULL;
}

void nrt__gateway_admin(nrt__gateway *state, nrt_admin_options *options,
                        nrt__admin_gateway *counted) {
    nrt_admin_options_init(options);
    options->why_not_ready = why_not_ready;
    options->why_not_ready_arg = state;
    *counted = (nrt__admin_gateway){state->tallies, &state->connections};
}

static int open_operation(nrt__gateway *state) {
    nrt__admin_gateway counted;
    nrt_admin_options options;
    nrt__gateway_admin(state, &options, &counted);
    return nrt__operating_open(&state->operating, &state->setup->options.operation, state->program,
                               &options, &counted);
}

static int run(nrt__gateway *state) {
    nrt__program *program = state->program;
    program->arg = state;
    program->on_first_connect = on_first_connect;
    program->on_stop = on_stop;
    program->on_stats = on_stats;
    int code = open_operation(state);
    if (state->given->config.path || state->setup->tls) {
        program->on_hangup = on_hangup;
    }
    if (code == 0) {
        code = nrt__program_run(program);
    }
    if (state->listening) {
        on_stats(program);
    }
    nrt__gateway_close(state);
    nrt__operating_leave(&state->operating);
    return code;
}

/* With --check: what could be read is fine, and so is what the connection is to go by. */
static void tell_checked(const nrt__gateway *state) {
    const nrt__gateway_setup *setup = state->setup;
    const char *path = setup->options.config.path;
    nrt__report_event(&state->program->log, NRT_LOG_INFO, "checked", NULL,
                      "%s: fine: listeners: %zu, routes: %zu", path ? path : "nrt gateway",
                      setup->place_count, nrt__routes_count(setup->routes));
}

static int gateway_run(void *arg, const nrt__operands *operands) {
    nrt__program program = {0};
    nrt__gateway state = {.given = arg, .operands = operands, .program = &program};
    nrt__report log;
    int code = 0;
    nrt__report_init(&log, "nrt gateway", (nrt__report_format)state.given->common.log_format,
                     state.given->common.verbose);
    state.setup = nrt__gateway_setup_create(state.given, operands, &log, &code);
    if (!state.setup && code == 0) {
        code = NRT__EXIT_FAILED;
    }
    if (state.setup && state.setup->options.operation.admin) {
        state.tallies = nrt__tallies_create();
        code = state.tallies ? 0 : NRT__EXIT_FAILED;
    }
    if (code == 0) {
        code = nrt__program_open(&program, &state.setup->options.common, "nrt gateway", true);
    }
    if (code == 0) {
        if (state.given->config.check) {
            tell_checked(&state);
        } else {
            code = run(&state);
        }
        nrt__program_close(&program);
        nrt__operating_close(&state.operating);
    }
    nrt__tallies_destroy(state.tallies);
    nrt__gateway_setup_destroy(state.setup, operands);
    return code;
}

static const nrt__opt_group gateway_groups[] = {
    {"Options", gateway_opts, sizeof(gateway_opts) / sizeof(gateway_opts[0]), 0},
    NRT__CONFIG_GROUP(nrt__gateway_options),
    NRT__LISTEN_TLS_GROUP(nrt__gateway_options),
    NRT__OPERATION_GROUP(nrt__gateway_options),
    NRT__RETRY_GROUP(nrt__gateway_options),
    NRT__LIMIT_GROUP(nrt__gateway_options),
    NRT__COMMON_GROUP(nrt__gateway_options),
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
             "one ends at once. SIGHUP reads --config and the files of --tls-cert anew: "
             "requests go by them from then on, and none is lost; if something is wrong, all stays "
             "as it was. SIGUSR1 prints a "
             "line \"stats\" that counts requests, attempts and "
             "retries; so does the end.",
    .examples = "  nrt gateway --listen 9090 --route /city=weather.nats\n"
                "  nrt gateway -l :443 -r /=weather.nats --tls-cert cert.pem --tls-key key.pem\n"
                "  nrt gateway --listen :9090 --proxy\n"
                "  nrt gateway --config /etc/nrt/gateway.json --check\n"
                "  http_proxy=http://127.0.0.1:9090 curl http://weather.nats/city\n",
    .groups = gateway_groups,
    .group_count = sizeof(gateway_groups) / sizeof(gateway_groups[0]),
    .objects = nrt__gateway_objects,
    .object_count = NRT__GATEWAY_OBJECTS,
    .min_operands = 0,
    .max_operands = 0,
    .options_size = sizeof(nrt__gateway_options),
    .init = gateway_init,
    .run = gateway_run,
};
