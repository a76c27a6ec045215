/* The admin listener: requests, who may ask, health and readiness. It is a front whose requests are
 * answered here. */
#include "bridge/admin_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/sized.h"
#include "core/base/str.h"
#include "core/discovery/text.h"
#include "core/http/problem.h"
#include "lib/driver.h"
#include "lib/link.h"
#include "lib/resolver.h"

enum {
    HEAD_TIMEOUT_MS = 5000,
    IDLE_TIMEOUT_MS = 60000,
    REQUESTS_MAX = 10000,    /* on one connection */
    SERVICES_KEPT_MS = 1000, /* from one question to the next: what was found is told till then */
    INSTANCES_MAX = 5000,
    REASON_MAX = 8 * 1024,
};

static const char text_type[] = "text/plain; version=0.0.4; charset=utf-8";
static const char open_type[] = "application/openmetrics-text; version=1.0.0; charset=utf-8";

static nrt__env *env_of(nrt__admin *admin) {
    return &nrt__conn_loop(admin->conn)->env;
}

/* ---- answers ---- */

/* `more` may be NULL: names and values of other fields, then NULL. */
static void answer(nrt__front_conn *to, int status, const char *type, nrt_str body,
                   const char *const *more) {
    nrt__message response;
    nrt__message_init(&response, false);
    response.status = status;
    bool fine = nrt__fields_append(&response.fields, NRT__STR("Content-Type"), nrt_str_from(type));
    fine = fine &&
           nrt__fields_append(&response.fields, NRT__STR("Cache-Control"), NRT__STR("no-store"));
    fine = fine && nrt__fields_append(&response.fields, NRT__STR("X-Content-Type-Options"),
                                      NRT__STR("nosniff"));
    for (; fine && more && *more; more += 2) {
        fine = nrt__fields_append(&response.fields, nrt_str_from(more[0]), nrt_str_from(more[1]));
    }
    response.status = fine ? status : 503;
    response.body = body;
    nrt__front_answer(to, &response);
    nrt__message_free(&response);
}

static void answer_problem(nrt__front_conn *to, int status, const char *code, const char *detail,
                           const char *allow) {
    nrt__message response;
    nrt__message_init(&response, false);
    nrt__problem_write(&response, status, code, detail);
    if (allow) { /* without memory for it the status says enough */
        nrt__fields_append(&response.fields, NRT__STR("Allow"), nrt_str_from(allow));
    }
    nrt__front_answer(to, &response);
    nrt__message_free(&response);
}

/* ---- health ---- */

void nrt__admin_missing(nrt__admin *admin, void (*say)(nrt_str who, const char *what, void *arg),
                        void *arg) {
    const nrt_str nobody = {"", 0};
    nrt_conn *conn = admin->conn;
    if (conn->link->state != NRT__LINK_UP) {
        say(nobody, "not connected to NATS", arg);
    }
    if (conn->closing) {
        say(nobody, "being stopped", arg);
    }
    for (const nrt_service *one = nrt__services_first(conn->services); one; one = one->next) {
        if (one->leaving) {
            say(one->host, " is being stopped", arg);
        } else if (!one->sub) {
            say(one->host, " is paused: it has left its queue group", arg);
        } else if (!one->confirmed) {
            say(one->host, " waits until NATS confirms its subscription", arg);
        }
    }
    const char *why = admin->options.why_not_ready
                          ? admin->options.why_not_ready(admin->options.why_not_ready_arg)
                          : NULL;
    if (why) {
        say(nobody, why, arg);
    }
}

static void say(nrt_str who, const char *what, void *arg) {
    nrt__buf *out = arg;
    nrt__buf_lit(out, "not ready: ");
    nrt__buf_put(out, who);
    nrt__buf_put(out, nrt_str_from(what));
    nrt__buf_lit(out, "\n");
}

static void answer_ready(nrt__admin *admin, nrt__front_conn *to) {
    nrt__buf text;
    nrt__buf_init(&text, REASON_MAX); /* what does not fit is left out */
    nrt__admin_missing(admin, say, &text);
    bool ready = nrt__buf_len(&text) == 0 && !text.failed;
    nrt_str view = nrt__buf_view(&text);
    answer(to, ready ? 200 : 503, "text/plain; charset=utf-8", ready ? NRT__STR("ready\n") : view,
           NULL);
    nrt__buf_free(&text);
}

/* ---- metrics ---- */

/* "…; q=0" and the like: not this one. */
static bool is_refused(nrt_str parameters) {
    const char *weight = memmem(parameters.ptr, parameters.len, "q=0", 3);
    const char *end = parameters.ptr + parameters.len;
    if (!weight) {
        return false;
    }
    for (const char *c = weight + 3; c < end && (*c == '.' || (*c >= '0' && *c <= '9')); c++) {
        if (*c >= '1' && *c <= '9') {
            return false;
        }
    }
    return true;
}

/* Whether Accept names OpenMetrics. */
static bool wants_open(const nrt__message *request) {
    const nrt_str type = NRT__STR("application/openmetrics-text");
    nrt_str list = nrt_fields_get(&request->fields, "Accept");
    nrt_str item;
    while (nrt__str_next(&list, &item)) {
        bool same = item.len >= type.len && nrt__str_same((nrt_str){item.ptr, type.len}, type);
        nrt_str rest = {item.ptr + type.len, same ? item.len - type.len : 0};
        if (same && (rest.len == 0 || rest.ptr[0] == ';' || rest.ptr[0] == ' ') &&
            !is_refused(rest)) {
            return true;
        }
    }
    return false;
}

static void answer_metrics(nrt__admin *admin, nrt__front_conn *to, const nrt__message *request) {
    bool open = wants_open(request);
    if (!nrt__admin_metrics(admin, open)) {
        answer_problem(to, 503, nrt_error_code(NRT_ERR_MEMORY), nrt_error_text(NRT_ERR_MEMORY),
                       NULL);
        return;
    }
    static const char *const vary[] = {"Vary", "Accept", NULL};
    answer(to, 200, open ? open_type : text_type, nrt__buf_view(&admin->metrics[open].text), vary);
}

/* ---- services ---- */

static void answer_services(nrt__admin *admin, nrt__front_conn *to) {
    if (admin->services_error < 0) {
        answer_problem(to, nrt_error_status(admin->services_error),
                       nrt_error_code(admin->services_error), admin->services_detail, NULL);
    } else {
        answer(to, 200, "application/json", nrt__buf_view(&admin->services.text), NULL);
    }
}

static void note_services(nrt__admin *admin, int error, const char *detail) {
    admin->services_error = error;
    snprintf(admin->services_detail, sizeof(admin->services_detail), "%s",
             *detail ? detail : nrt_error_text(error));
}

static void on_services(nrt_discovery *found, int error, const char *detail, void *arg) {
    nrt__admin *admin = arg;
    nrt__env *env = env_of(admin);
    int64_t began = nrt__env_ns(env);
    char asked[24];
    admin->asking = false;
    nrt__buf_clear(&admin->services.text);
    if (error == 0) {
        nrt__discovery_rfc3339(env->date, asked);
        nrt__admin_write_services(&admin->services.text, found, asked, admin->asked_ms);
        error = admin->services.text.failed ? NRT_ERR_MEMORY : 0;
        detail = "";
    }
    note_services(admin, error, detail);
    admin->services.made_ns = nrt__env_ns(env);
    admin->services.cost_ns = admin->services.made_ns - began;
    nrt_discovery_destroy(found);
    while (admin->wait_count > 0) { /* what is answered may ask again at once */
        answer_services(admin, admin->waits[--admin->wait_count]);
    }
}

static void forget(nrt__front_conn *conn, void *arg) {
    nrt__admin *admin = arg;
    for (size_t i = 0; i < admin->wait_count; i++) {
        if (admin->waits[i] == conn) {
            admin->waits[i] = admin->waits[--admin->wait_count];
            return;
        }
    }
}

static void ask_services(nrt__admin *admin, nrt__front_conn *to) {
    const nrt__admin_text *kept = &admin->services;
    int64_t age_ms = env_of(admin)->now_ms - admin->asked_ms;
    int64_t lasts_ms = NRT__ADMIN_SHARE * kept->cost_ns / 1000000;
    lasts_ms = lasts_ms > SERVICES_KEPT_MS ? lasts_ms : SERVICES_KEPT_MS;
    if (!admin->asking && (kept->made_ns == 0 || age_ms >= lasts_ms)) {
        nrt_discover_options options;
        nrt_discover_options_init(&options);
        options.kind = NRT_DISCOVER_STATS;
        options.max_answers = INSTANCES_MAX;
        int error = nrt_discover_start(admin->conn, &options, on_services, admin);
        if (error < 0) {
            note_services(admin, error, nrt_conn_error(admin->conn));
        }
        admin->asking = error == 0;
        admin->asked_ms = env_of(admin)->now_ms;
    }
    if (!admin->asking) {
        answer_services(admin, to);
        return;
    }
    /* There is room: no more connections than that are taken. */
    admin->waits[admin->wait_count++] = to;
}

/* ---- the dashboard ---- */

/* It is itself all that it may load, and no other page may show it inside of itself. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const char *const page_fields[] = {
    "Content-Security-Policy",
    policy,
    "X-Frame-Options",
    "DENY",
    "Referrer-Policy",
    "no-referrer",
    "Cross-Origin-Resource-Policy",
    "same-origin",
    NULL,
};

static const nrt__asset *asset_at(nrt_str path) {
    for (size_t i = 0; i < nrt__asset_count; i++) {
        if (nrt__str_equal(path, nrt_str_from(nrt__assets[i].path))) {
            return &nrt__assets[i];
        }
    }
    return NULL;
}

static void answer_process(nrt__admin *admin, nrt__front_conn *to) {
    nrt__buf_clear(&admin->process);
    nrt__admin_write_process(&admin->process, admin);
    if (admin->process.failed) {
        answer_problem(to, 503, nrt_error_code(NRT_ERR_MEMORY), nrt_error_text(NRT_ERR_MEMORY),
                       NULL);
    } else {
        answer(to, 200, "application/json", nrt__buf_view(&admin->process), NULL);
    }
}

/* ---- requests ---- */

/* A page in a browser may reach loopback under a name of its own (DNS rebinding): there only
 * addresses and localhost are answered to. */
static bool host_is_fine(const nrt__admin *admin, const nrt__message *request) {
    char host[64];
    nrt__addresses addresses;
    if (!admin->local || !request->host.ptr ||
        nrt__str_same(request->host, NRT__STR("localhost"))) {
        return true;
    }
    if (request->host.len >= sizeof(host)) {
        return false;
    }
    memcpy(host, request->host.ptr, request->host.len);
    host[request->host.len] = '\0';
    return nrt__resolve_number(host, 0, &addresses);
}

static void on_request(nrt__front_conn *to, const nrt__message *request, void *arg) {
    nrt__admin *admin = arg;
    nrt_str path = request->target;
    const char *query = memchr(path.ptr, '?', path.len);
    path.len = query ? (size_t)(query - path.ptr) : path.len;
    bool reads = nrt__str_equal(request->method, NRT__STR("GET")) ||
                 nrt__str_equal(request->method, NRT__STR("HEAD"));
    bool metrics = nrt__str_equal(path, NRT__STR("/metrics"));
    bool healthz = nrt__str_equal(path, NRT__STR("/healthz"));
    bool readyz = nrt__str_equal(path, NRT__STR("/readyz"));
    bool services = nrt__str_equal(path, NRT__STR("/services"));
    bool process = nrt__str_equal(path, NRT__STR("/process"));
    const nrt__asset *asset = asset_at(path);
    if (!host_is_fine(admin, request)) {
        answer_problem(to, 421, nrt_error_code(NRT_ERR_MISDIRECTED),
                       "this listener is on loopback: use localhost or its address as the host",
                       NULL);
    } else if (!metrics && !healthz && !readyz && !services && !process && !asset) {
        answer_problem(to, 404, NULL,
                       "there are / (the dashboard), /metrics, /healthz, /readyz, /services and "
                       "/process",
                       NULL);
    } else if (!reads) {
        answer_problem(to, 405, NULL, "nothing can be changed here: use GET or HEAD", "GET, HEAD");
    } else if (metrics) {
        answer_metrics(admin, to, request);
    } else if (healthz) {
        answer(to, 200, "text/plain; charset=utf-8", NRT__STR("ok\n"), NULL);
    } else if (readyz) {
        answer_ready(admin, to);
    } else if (process) {
        answer_process(admin, to);
    } else if (asset) {
        answer(to, 200, asset->type, (nrt_str){(const char *)asset->bytes, asset->len},
               page_fields);
    } else {
        ask_services(admin, to);
    }
}

/* ---- opened and closed ---- */

/* Those of a gateway are with what it counts, all others come from services and client. False
 * without memory. */
static bool note_failures(nrt__admin *admin, nrt_conn *conn) {
    if (admin->gateway.tallies) {
        admin->failures = nrt__tallies_failures(admin->gateway.tallies);
        return true;
    }
    admin->failures = nrt__failures_create();
    nrt__services_note_failures(conn->services, admin->failures);
    nrt__client_note_failures(conn->client, admin->failures);
    return admin->failures != NULL;
}

static void forget_failures(nrt__admin *admin, nrt_conn *conn) {
    if (!admin->gateway.tallies) {
        nrt__services_note_failures(conn->services, NULL);
        nrt__client_note_failures(conn->client, NULL);
        nrt__failures_destroy(admin->failures);
    }
}

static void admin_close(void *arg) {
    nrt__admin *admin = arg;
    nrt_conn *conn = admin->conn;
    nrt__gathers_forget(conn->gathers, admin);
    forget_failures(admin, conn);
    nrt__front_destroy(admin->front);
    nrt__buf_free(&admin->metrics[0].text);
    nrt__buf_free(&admin->metrics[1].text);
    nrt__buf_free(&admin->services.text);
    nrt__buf_free(&admin->process);
    free(admin);
    conn->admin = NULL;
    conn->admin_close = NULL;
}

/* 0, or the error: `detail` says what it is in words. */
static int listen_on(nrt__admin *admin, const char *listen, const char **url, char *detail,
                     size_t detail_size) {
    nrt__front_options options;
    nrt__front_options_init(&options);
    options.max_connections = NRT__ADMIN_CONNECTIONS;
    options.max_requests = REQUESTS_MAX;
    options.head_timeout_ms = HEAD_TIMEOUT_MS;
    options.idle_timeout_ms = IDLE_TIMEOUT_MS;
    options.answer = on_request;
    options.forget = forget;
    options.answer_arg = admin;
    int error = 0;
    nrt__front *front = nrt__front_open(admin->conn, listen, &options, &error, detail, detail_size);
    if (!front) {
        return error;
    }
    nrt__front_destroy(admin->front);
    admin->front = front;
    const char *where = nrt__front_url(front);
    admin->local =
        strncmp(where, "http://127.", 11) == 0 || strncmp(where, "http://[::1]", 12) == 0;
    if (url) {
        *url = where;
    }
    return 0;
}

int nrt__admin_move(nrt_conn *conn, const char *listen, const char **url, char *detail,
                    size_t detail_size) {
    nrt__loop *loop = nrt__conn_loop(conn);
    nrt__loop_enter(loop);
    int error = listen_on(conn->admin, listen, url, detail, detail_size);
    nrt__loop_leave(loop);
    return error;
}

int nrt__admin_open(nrt_conn *conn, const char *listen, const nrt_admin_options *options,
                    const nrt__admin_gateway *gateway, const char **url, char *detail,
                    size_t detail_size) {
    if (conn->admin || conn->closing || conn->destroying) {
        snprintf(detail, detail_size,
                 conn->admin ? "the connection has an admin listener already"
                             : "the connection is draining");
        return NRT_ERR_STATE;
    }
    nrt__admin *admin = calloc(1, sizeof(*admin));
    if (admin && gateway) {
        admin->gateway = *gateway;
    }
    if (!admin || !note_failures(admin, conn)) {
        free(admin);
        snprintf(detail, detail_size, "%s", nrt_error_text(NRT_ERR_MEMORY));
        return NRT_ERR_MEMORY;
    }
    admin->conn = conn;
    nrt__buf_init(&admin->metrics[0].text, NRT__ADMIN_TEXT_MAX);
    nrt__buf_init(&admin->metrics[1].text, NRT__ADMIN_TEXT_MAX);
    nrt__buf_init(&admin->services.text, NRT__ADMIN_TEXT_MAX);
    nrt__buf_init(&admin->process, NRT__ADMIN_TEXT_MAX);
    int error = 0;
    if (options && !nrt__sized_read(&admin->options, sizeof(admin->options), options,
                                    sizeof(options->size) + 1)) {
        snprintf(detail, detail_size, "nrt_admin_options_init has not filled in the options");
        error = NRT_ERR_USAGE;
    }
    if (error == 0) {
        error = listen_on(admin, listen, url, detail, detail_size);
    }
    if (error < 0) {
        forget_failures(admin, conn);
        free(admin);
        return error;
    }
    conn->admin = admin;
    conn->admin_close = admin_close;
    return 0;
}

typedef struct opening {
    const char *listen;
    const nrt_admin_options *options;
    const char **url;
} opening;

static int open_here(nrt_conn *conn, void *arg) {
    const opening *one = arg;
    char detail[256] = "";
    int error =
        nrt__admin_open(conn, one->listen, one->options, NULL, one->url, detail, sizeof(detail));
    return error < 0 ? nrt__conn_fail(conn, error, detail) : 0;
}

static int close_here(nrt_conn *conn, void *arg) {
    (void)arg;
    if (conn->admin) {
        nrt__loop_enter(nrt__conn_loop(conn));
        conn->admin_close(conn->admin);
        nrt__loop_leave(nrt__conn_loop(conn));
    }
    return 0;
}

int nrt_admin_open(nrt_conn *conn, const char *listen, const nrt_admin_options *options,
                   const char **url) {
    opening one = {listen, options, url};
    return listen ? nrt__conn_call(conn, open_here, &one) : NRT_ERR_USAGE;
}

void nrt__admin_trace(nrt_conn *conn, const nrt__otlp_counts *counts) {
    nrt__admin *admin = conn->admin;
    if (admin) {
        admin->spans = counts;
    }
}

int nrt_admin_close(nrt_conn *conn) {
    return nrt__conn_call(conn, close_here, NULL);
}
