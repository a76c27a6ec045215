/* `nrt serve`: the sidecar. HTTP servers that exist already appear on NATS, unchanged. */
#include <stdlib.h>

#include <nrt/http.h>
#include <nrt/service.h>

#include "bridge/health.h"
#include "bridge/origin.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/daemon/config_file.h"
#include "cli/daemon/health_option.h"
#include "cli/daemon/operation.h"
#include "cli/daemon/serve_config.h"
#include "cli/daemon/tls_option.h"
#include "core/base/str.h"
#include "core/discovery/discovery.h"
#include "core/exchange/services.h"
#include "lib/conn_private.h"

enum {
    CLIENT_LEFT = 499,    /* the status in logs where nobody waited, as nginx has it */
    LAST_WORDS_MS = 1000, /* for what those who are broken off are told to go out */
};

typedef struct serve_options {
    nrt__common common;
    nrt__operation operation;
    nrt__origin_tls tls;
    nrt__config_option config;
    nrt__arg_list services;
    unsigned max_in_flight;
    unsigned max_connections;
    uint32_t drain_timeout_ms;
    const char *version;
    const char *description;
    bool no_discovery;
    const char *health; /* NULL: no checks */
} serve_options;

/* One HOST TARGET pair. */
typedef struct served {
    nrt__program *program;
    const char *host;
    const char *target;
    const char *where;     /* it is from, as nrt__serve_pair has it */
    serve_options options; /* those for all, but for what it has of its own */
    uint32_t timeout_ms;
    nrt__health_options health_options;
    nrt__origin *origin;
    nrt_service *service;
    nrt__health *health; /* NULL: it is always in the queue group */
    nrt_str health_path;
    bool judged; /* a check is over: what follows is known */
    bool well;   /* and it is in the queue group */
    bool was_well, was_ready;
} served;

/* All of them, for on_stop. */
typedef struct served_list {
    nrt__operating operating;
    const serve_options *options;
    nrt__target_tls tls;
    served *items;
    size_t count;
    nrt__timer drain_timer;
} served_list;

static const nrt__opt serve_opts[] = {
    {.name = "service",
     .value = "HOST=TARGET",
     .kind = NRT__OPT_LIST,
     .offset = offsetof(serve_options, services),
     .help = "as HOST TARGET; in the file of --config also an object, with options of its own; may "
             "be repeated"},
    {.name = "max-in-flight",
     .value = "N",
     .kind = NRT__OPT_NUMBER,
     .offset = offsetof(serve_options, max_in_flight),
     .min = 1,
     .max = 1000000,
     .help = "requests per service that may be under way; further ones are refused: sent "
             "elsewhere by clients that can, else 503 with Retry-After; default: 1024"},
    {.name = "max-connections",
     .value = "N",
     .kind = NRT__OPT_NUMBER,
     .offset = offsetof(serve_options, max_connections),
     .min = 1,
     .max = 1000000,
     .help = "connections to each TARGET; further requests wait for one: each stream of events and "
             "each WebSocket has its own for as long as it lasts; default: 512"},
    {.name = "drain-timeout",
     .value = "DURATION",
     .kind = NRT__OPT_DURATION,
     .offset = offsetof(serve_options, drain_timeout_ms),
     .min = 1,
     .help = "after SIGTERM, what is not over by then is broken off: streams of events and "
             "WebSockets may go on for days; default: 30s"},
    {.name = "service-version",
     .value = "VERSION",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(serve_options, version),
     .help = "version of the service for nrt ls and its kind, such as 1.2.3; default: 0.0.0"},
    {.name = "description",
     .value = "TEXT",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(serve_options, description),
     .help = "a sentence on the service, for nrt info"},
    {.name = "health",
     .value = "PATH[,INTERVAL]",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(serve_options, health),
     .help = "ask each TARGET for PATH every 5s, or INTERVAL, and leave the queue group while it "
             "does not answer 200 to 399; /healthz,2s,fall=2,rise=1 also says after how many "
             "checks in a row it leaves and comes back"},
    {.name = "multi-reply",
     .kind = NRT__OPT_FLAG,
     .offset = offsetof(serve_options, common.options.multi_reply),
     .help = "NATS lets it answer a request several times, although its user may not publish to "
             "inboxes at any time: by allow_responses { max: -1 }, or to other accounts by an "
             "export with response_type: stream; where that is not so, responses are lost"},
    {.name = "no-discovery",
     .kind = NRT__OPT_FLAG,
     .offset = offsetof(serve_options, no_discovery),
     .help = "do not answer who asks on NATS which services there are"},
};

static void serve_init(void *arg) {
    serve_options *options = arg;
    nrt__common_init(&options->common, "nrt-serve");
    options->max_in_flight = 1024;
    options->max_connections = 512;
    options->drain_timeout_ms = 30000;
}

/* For the service manager: ready once each host is served, or waits for its server to be well. */
static void tell_served(nrt__program *program) {
    const served_list *all = program->arg;
    size_t in = 0;
    for (size_t i = 0; i < all->count; i++) {
        const served *one = &all->items[i];
        if (!program->was_connected || (!one->was_ready && !(one->judged && !one->well))) {
            return;
        }
        in += one->health ? one->well : 1;
    }
    if (all->count > 1) {
        nrt__program_ready(program, "%zu of %zu hosts are in the queue group", in, all->count);
    } else if (in == 1) {
        nrt__program_ready(program, "serving %s from %s", all->items->host, all->items->target);
    } else {
        nrt__program_ready(program, "outside of the queue group: %s is not healthy",
                           all->items->target);
    }
}

static void on_ready(nrt_service *service, int error, const char *detail, void *arg) {
    served *one = arg;
    const nrt__report *log = &one->program->log;
    nrt_str subject = nrt_service_subject(service);
    nrt_str host = nrt_service_host(service);
    json_t *members = NULL;
    if (nrt__report_is_json(log)) {
        members = json_pack("{s:o, s:o, s:s, s:s}", "host", nrt__report_string(host), "subject",
                            nrt__report_string(subject), "queue", "nrt", "target", one->target);
    }
    if (error == 0) {
        /* Once, for people and programs that wait for it; after a reconnect that line tells. */
        nrt__report_event(log, one->was_ready ? NRT_LOG_DEBUG : NRT_LOG_INFO, "serving", members,
                          "serving %.*s on %.*s (queue nrt) -> %s", NRT__ARG(host),
                          NRT__ARG(subject), one->target);
        one->was_ready = true;
        tell_served(one->program);
        return;
    }
    nrt__report_event(log, NRT_LOG_ERROR, "not-serving", members, "cannot serve %.*s: %s",
                      NRT__ARG(host), *detail ? detail : nrt_error_text(error));
    if (!one->was_ready) {
        nrt__program_end(one->program, NRT__EXIT_FAILED);
    }
}

/* The key of the spans that an exchange has. */
static const char traced;

/* 0, or why it cannot have any. */
static int begin_trace(const served *one, nrt_exchange *exchange, const nrt__trace **out) {
    const served_list *all = one->program->arg;
    const nrt__trace_options *options = nrt__tracing_options(&all->operating.tracing);
    nrt_fields *fields = &exchange->request.message.fields;
    *out = NULL;
    if (!options) {
        return 0;
    }
    nrt__trace *trace = nrt__arena_get(fields->arena, sizeof(*trace));
    if (!trace) {
        return NRT_ERR_MEMORY;
    }
    int error = nrt__trace_begin(&nrt__conn_loop(one->program->conn)->env, fields, options, trace);
    if (error == 0) {
        error = nrt__trace_put(trace, fields) ? nrt_exchange_set_data(exchange, &traced, trace)
                                              : NRT_ERR_MEMORY;
    }
    *out = trace;
    return error;
}

static void on_request(nrt_exchange *exchange, void *arg) {
    served *one = arg;
    const nrt__report *log = &one->program->log;
    const nrt__trace *trace;
    int error = begin_trace(one, exchange, &trace);
    if (error < 0) {
        nrt__exchange_problem(exchange, nrt_error_status(error), nrt_error_code(error),
                              nrt_error_text(error));
        return;
    }
    if (log->level >= NRT_LOG_DEBUG) {
        const nrt_request *request = nrt_exchange_request(exchange);
        nrt_str method = nrt_request_method(request);
        nrt_str target = nrt_request_target(request);
        const char *id = nrt_exchange_id_text(exchange);
        json_t *members = NULL;
        if (nrt__report_is_json(log)) {
            members = json_pack("{s:s, s:o, s:o, s:s, s:I}", "host", one->host, "method",
                                nrt__report_string(method), "target", nrt__report_string(target),
                                "id", id, "bytes", (json_int_t)nrt_request_body(request).len);
            nrt__tracing_members(members, trace);
        }
        nrt__report_event(log, NRT_LOG_INFO, "request", members, "%.*s http://%s%.*s (%s%s%.*s)",
                          NRT__ARG(method), one->host, NRT__ARG(target), id,
                          trace ? ", trace " : "", trace ? NRT__TRACE_ID : 0,
                          trace ? trace->id : "");
    }
    nrt__origin_handle(exchange, one->origin);
}

/* Who asks is known by the gateway's word only: the last one in X-Forwarded-For. */
static nrt_str peer_of(const nrt__message *request) {
    nrt_str list = nrt_fields_get(&request->fields, "X-Forwarded-For");
    nrt_str last = {"", 0};
    nrt_str element;
    while (list.ptr && nrt__str_next(&list, &element)) {
        last = element;
    }
    return last;
}

/* An error of ours, not a status that the server behind us chose: its code, or "". */
static void write_code(const nrt_exchange *exchange, char *out, size_t size) {
    nrt_str code = {"", 0};
    *out = '\0';
    if (!exchange->is_problem && !exchange->refused) {
        return;
    }
    if (exchange->is_problem) {
        code = nrt_fields_get(&exchange->response.message.fields, "NRT-Error");
    } else { /* by a frame */
        code = nrt_str_from(nrt_error_code(NRT_ERR_REFUSED));
    }
    (void)snprintf(out, size, "%.*s", NRT__ARG(code));
}

static void on_over(const nrt__service_record *record, void *arg) {
    served_list *all = arg;
    const nrt_exchange *exchange = record->exchange;
    if (!nrt__operating_is_detailed(&all->operating) && !exchange->is_problem &&
        !exchange->refused) {
        return;
    }
    const nrt__nats_info *info = nrt__session_info(nrt__conn_session(all->operating.program->conn));
    char client[24] = "";
    char code[64];
    char detail[512];
    write_code(exchange, code, sizeof(code));
    (void)snprintf(client, sizeof(client), "%llu", (unsigned long long)info->client_id);
    if (*code) {
        (void)snprintf(detail, sizeof(detail), "%.*s: a request ended with %d %s",
                       NRT__ARG(exchange->service->host), record->status, code);
    }
    const nrt__access access = {
        .peer = peer_of(&exchange->request.message),
        .request = &exchange->request.message,
        .service = exchange->service->host,
        .status = record->status > 0 ? record->status : CLIENT_LEFT,
        .request_bytes = record->request_bytes,
        .bytes = record->response_bytes,
        .duration_ns = record->took_ns,
        .upstream_ns = exchange->headed_ns > 0 ? exchange->headed_ns - exchange->began_ns : -1,
        .id = nrt_str_from(exchange->id),
        .server = nrt_str_from(info->server_name),
        .client = nrt_str_from(client),
        .cluster = nrt_str_from(info->cluster),
        .error = code,
        .detail = *code ? detail : "",
        .trace = nrt_exchange_data(exchange, &traced),
        .origin = ((const served *)exchange->arg)->target,
    };
    nrt__operating_log(&all->operating, &access);
}

/* ---- health ---- */

static json_t *health_members(const served *one, const char *reason) {
    if (!nrt__report_is_json(&one->program->log)) {
        return NULL;
    }
    return json_pack("{s:s, s:s, s:o, s:o}", "host", one->host, "target", one->target, "path",
                     nrt__report_string(one->health_path), "reason",
                     nrt__report_string(nrt_str_from(reason)));
}

static void on_health(bool well, const char *reason, void *arg) {
    served *one = arg;
    const nrt__report *log = &one->program->log;
    if (one->judged && one->well == well) {
        return;
    }
    int error = well ? nrt_service_resume(one->service) : nrt_service_pause(one->service);
    if (error < 0) { /* tried again after the next check */
        nrt__report_event(log, NRT_LOG_ERROR, "failed", NULL, "%s cannot %s its queue group: %s",
                          one->host, well ? "join" : "leave", nrt_error_text(error));
        return;
    }
    if (well) {
        /* At the very start the line about serving says it all. */
        nrt__report_event(log, one->judged ? NRT_LOG_INFO : NRT_LOG_DEBUG, "healthy",
                          health_members(one, ""), "%s is healthy%s: %s %s the queue group",
                          one->target, one->was_well ? " again" : "", one->host,
                          one->was_well ? "is back in" : "joins");
    } else {
        nrt__report_event(log, NRT_LOG_WARN, "unhealthy", health_members(one, reason),
                          "%s %s the queue group: %s is not healthy (GET %.*s): %s", one->host,
                          one->was_well ? "has left" : "waits outside", one->target,
                          NRT__ARG(one->health_path), reason);
    }
    one->judged = true;
    one->well = well;
    one->was_well = one->was_well || well;
    tell_served(one->program);
}

static void end_health(const served_list *all) {
    for (size_t i = 0; i < all->count; i++) {
        nrt__health_destroy(all->items[i].health);
        all->items[i].health = NULL;
    }
}

/* ---- the end ---- */

static void on_finished(void *arg) {
    nrt__program_end(arg, NRT__EXIT_OK);
}

static void on_drained(nrt_conn *conn, void *arg) {
    nrt__program *program = arg;
    served_list *all = program->arg;
    (void)conn;
    nrt__timer_clear(&nrt__conn_loop(program->conn)->timers, &all->drain_timer);
    nrt__operating_finish(&all->operating, on_finished, program);
}

/* Those whose origin has said all can wait for their clients to read it. */
static void on_last_words(nrt__timer *timer, void *arg) {
    nrt__program *program = arg;
    served_list *all = program->arg;
    (void)timer;
    nrt__operating_finish(&all->operating, on_finished, program);
}

static void on_drain_timeout(nrt__timer *timer, void *arg) {
    nrt__program *program = arg;
    served_list *all = program->arg;
    nrt__loop *loop = nrt__conn_loop(program->conn);
    size_t count = 0;
    for (size_t i = 0; i < all->count; i++) {
        count += nrt__origin_break_off(all->items[i].origin);
    }
    if (count > 0) {
        nrt__report_event(&program->log, NRT_LOG_WARN, "cut-off", NULL,
                          "%zu requests are broken off: they did not end in time", count);
    }
    nrt__timer_set(&loop->timers, timer, loop->env.now_ms + LAST_WORDS_MS, on_last_words, program);
}

static void on_stop(nrt__program *program) {
    served_list *all = program->arg;
    nrt__loop *loop = nrt__conn_loop(program->conn);
    nrt__timer_set(&loop->timers, &all->drain_timer,
                   loop->env.now_ms + all->options->drain_timeout_ms, on_drain_timeout, program);
    end_health(program->arg); /* services that are gone soon are not to be paused */
    if (nrt_conn_drain(program->conn, on_drained, program) != 0) {
        on_drained(program->conn, program);
    }
}

static void service_options_of(const serve_options *options, nrt_service_options *out) {
    nrt_service_options_init(out);
    out->max_in_flight = options->max_in_flight;
    out->version = options->version;
    out->description = options->description;
    out->no_discovery = options->no_discovery;
}

/* What discovery will tell: 0, or the exit code once it has said what is wrong with it. */
static int check_discovery(const nrt__report *log, const served *one) {
    nrt_service_options service_options;
    const char *why = NULL;
    service_options_of(&one->options, &service_options);
    if (nrt__discovery_check(&service_options, &why) == 0) {
        return 0;
    }
    nrt__report_event(log, NRT_LOG_ERROR, "usage", NULL, "%s--service-version, --description: %s",
                      one->where, why);
    return NRT__EXIT_USAGE;
}

/* 0, or the exit code once it has said what is wrong. */
static int serve_one(served *one, const nrt__target_tls *tls) {
    const nrt__report *log = &one->program->log;
    const serve_options *options = &one->options;
    const nrt__health_options *health = options->health ? &one->health_options : NULL;
    char detail[256] = "";
    int error = 0;
    nrt__origin_options origin_options;
    nrt__origin_options_init(&origin_options);
    origin_options.timeout_ms = one->timeout_ms;
    origin_options.max_connections = options->max_connections;
    origin_options.tls = tls;
    one->origin = nrt__origin_open(one->program->conn, one->target, &origin_options, &error, detail,
                                   sizeof(detail));
    if (!one->origin) {
        nrt__report_event(log, NRT_LOG_ERROR, "usage", NULL, "%scannot serve %s from %s: %s",
                          one->where, one->host, one->target,
                          *detail ? detail : nrt_error_text(error));
        return NRT__EXIT_USAGE;
    }
    nrt_service_options service_options;
    service_options_of(options, &service_options);
    service_options.on_ready = on_ready;
    service_options.on_ready_arg = one;
    service_options.paused = health != NULL;
    service_options.streaming = true;
    error =
        nrt_serve(one->program->conn, one->host, &service_options, on_request, one, &one->service);
    if (error == 0 && health) {
        one->health_path = health->path;
        one->health =
            nrt__health_open(one->program->conn, one->target, nrt_service_host(one->service),
                             health, on_health, one, &error, detail, sizeof(detail));
    }
    switch (error) {
    case 0:
        return 0;
    case NRT_ERR_HOST:
        nrt__report_event(
            log, NRT_LOG_ERROR, "usage", NULL,
            "%s\"%s\" is not a host that can be served: write a name that ends in .nats, "
            "such as weather.nats",
            one->where, one->host);
        return NRT__EXIT_USAGE;
    case NRT_ERR_USAGE:
        nrt__report_event(log, NRT_LOG_ERROR, "usage", NULL, "%s%s is given twice", one->where,
                          one->host);
        return NRT__EXIT_USAGE;
    default:
        nrt__report_event(log, NRT_LOG_ERROR, "failed", NULL, "cannot serve %s: %s", one->host,
                          nrt_error_text(error));
        return NRT__EXIT_FAILED;
    }
}

static int serve_pair(served *one, const served_list *all, const nrt__serve_pair *pair) {
    const nrt__service_object *own = pair->object;
    char why[256];
    one->host = pair->host;
    one->target = pair->target;
    one->where = pair->where;
    one->options = *all->options;
    one->timeout_ms = one->program->options->timeout_ms;
    if (own) {
        serve_options *to = &one->options;
        to->health = own->health ? own->health : to->health;
        to->version = own->version ? own->version : to->version;
        to->description = own->description ? own->description : to->description;
        to->max_in_flight = own->max_in_flight ? own->max_in_flight : to->max_in_flight;
        to->max_connections = own->max_connections ? own->max_connections : to->max_connections;
        one->timeout_ms = own->timeout_ms ? own->timeout_ms : one->timeout_ms;
    }
    const char *health = one->options.health;
    if (health && nrt__health_option_parse(health, &one->health_options, why, sizeof(why)) < 0) {
        nrt__report_event(&one->program->log, NRT_LOG_ERROR, "usage", NULL, "%s--health %s",
                          one->where, why);
        return NRT__EXIT_USAGE;
    }
    one->health_options.tls = &all->tls;
    int code = check_discovery(&one->program->log, one);
    return code == 0 ? serve_one(one, &all->tls) : code;
}

/* Until the end of it; with --check, until that could begin. */
static int serve_all(const serve_options *options, const nrt__serve_pair *pairs, size_t count) {
    nrt__program program;
    served *all = calloc(count, sizeof(*all));
    int code =
        all ? nrt__program_open(&program, &options->common, "nrt serve", true) : NRT__EXIT_FAILED;
    if (code != 0) {
        free(all);
        return code;
    }
    served_list list = {.options = options, .items = all, .count = count};
    program.on_first_connect = tell_served;
    program.on_stop = on_stop;
    program.arg = &list;
    code = nrt__origin_tls_read(&options->tls, nrt__serve_pairs_https(pairs, count), &program.log,
                                &list.tls);
    for (size_t i = 0; i < list.count; i++) { /* all that is wrong is said */
        all[i].program = &program;
        int bad = serve_pair(&all[i], &list, &pairs[i]);
        code = code == 0 ? bad : code;
    }
    if (code == 0 && options->config.check) {
        nrt__report_event(&program.log, NRT_LOG_INFO, "checked", NULL, "%s: fine: services: %zu",
                          options->config.path ? options->config.path : "nrt serve", count);
    } else if (code == 0) {
        code = nrt__operating_open(&list.operating, &options->operation, &program, NULL, NULL);
        nrt__services_observe(program.conn->services, on_over, &list);
        if (code == 0) {
            code = nrt__program_run(&program);
        }
    }
    end_health(&list);
    nrt__timer_clear(&nrt__conn_loop(program.conn)->timers, &list.drain_timer);
    for (size_t i = list.count; i > 0; i--) {
        nrt__origin_destroy(all[i - 1].origin);
    }
    nrt__operating_leave(&list.operating);
    nrt__program_close(&program);
    nrt__operating_close(&list.operating);
    free(all);
    return code;
}

static int serve_run(void *arg, const nrt__operands *operands) {
    serve_options options = *(const serve_options *)arg;
    const char *path = options.config.path;
    nrt__config_file file = {0};
    nrt__serve_pair *pairs = NULL;
    size_t count = 0;
    nrt__report log;
    nrt__report_init(&log, "nrt serve", (nrt__report_format)options.common.log_format,
                     options.common.verbose);
    int code = NRT__EXIT_USAGE;
    if (!path ||
        nrt__config_file_read(&file, path, &nrt__serve_command, operands, &options, &log) == 0) {
        code = nrt__serve_pairs_make(operands, &options.services, &log, &pairs, &count);
    }
    if (code == 0) {
        code = serve_all(&options, pairs, count);
    }
    nrt__serve_pairs_free(pairs, count);
    nrt__config_file_finish(&file, &nrt__serve_command, operands, &options);
    return code;
}

static const nrt__opt_group serve_groups[] = {
    {"Options", serve_opts, sizeof(serve_opts) / sizeof(serve_opts[0]), 0},
    NRT__ORIGIN_TLS_GROUP(serve_options),
    NRT__CONFIG_GROUP(serve_options),
    NRT__OPERATION_GROUP(serve_options),
    NRT__LIMIT_GROUP(serve_options),
    NRT__COMMON_GROUP(serve_options),
};

const nrt__command nrt__serve_command = {
    .name = "serve",
    .summary = "put HTTP servers that exist already on NATS, unchanged (sidecar)",
    .operands = "[HOST TARGET]...",
    .about = "Requests that come over NATS for HOST, a name that ends in .nats, go to the HTTP "
             "server at TARGET, which is http://HOST:PORT[/BASE], https://... or unix:/PATH; its "
             "responses go back. Several processes that serve the same HOST share its requests; "
             "with --health, "
             "those whose server is not well leave them to the others.\n\n"
             "SIGTERM or SIGINT: takes no more work, finishes what is in flight, ends. A second "
             "one ends at once.",
    .examples = "  nrt serve weather.nats http://127.0.0.1:8080\n"
                "  nrt serve a.nats http://127.0.0.1:8001/base b.nats unix:/run/b.sock\n"
                "  nrt serve --config /etc/nrt/serve.json --check\n"
                "  nrt serve --health /healthz,2s weather.nats http://127.0.0.1:8080\n",
    .groups = serve_groups,
    .group_count = sizeof(serve_groups) / sizeof(serve_groups[0]),
    .objects = nrt__serve_objects,
    .object_count = NRT__SERVE_OBJECTS,
    .min_operands = 0,
    .max_operands = 2000,
    .options_size = sizeof(serve_options),
    .init = serve_init,
    .run = serve_run,
};
