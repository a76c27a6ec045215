/* `nrt get`: one request to a service on NATS, with curl's letters. Here is what is asked for, in
 * which order, and what is said when it fails; get_exchange.c is one request and its response,
 * get_options.c has the options, get_request.c, get_data.c and get_source.c make what is sent,
 * get_redirect.c finds where a response leads, get_output.c writes what came. */
#include "cli/get/get.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/duration.h"
#include "core/base/str.h"
#include "core/http/url.h"
#include "lib/conn_private.h"

/* One run of the command. */
typedef struct getting {
    const nrt__get_options *options;
    nrt__program program;
    nrt__get_plan plan;
    nrt__buf body;
    nrt__source source; /* of a body that is read as it is sent */
    bool has_source;
    nrt__buf user;
    char url[NRT__URL_SIZE];
    char redirect_url[NRT__URL_SIZE]; /* where the last response would lead; "" */
    nrt_response *response;
    nrt__get_output output;
    nrt__progress progress;
    nrt__transfer transfer;
    double started_s;
    bool partial; /* the body broke off in the middle */
    nrt__get_signals signals;
    int head_code;                 /* of what the head said, or its printing */
    char why[NRT__GET_ERROR_SIZE]; /* what went wrong */
    char hint[1024];               /* and what to do about it, in lines; "" */
} getting;

/* ---- before the first request
 * --------------------------------------------------------------------- */

/* 0, or an exit code with `why` set. */
static int check_options(getting *get) {
    const nrt__get_options *options = get->options;
    bool body = options->data.count > 0 && !options->data_in_query;
    const char *both = NULL;
    if (options->head && body) {
        both = "-I sends no body, -d does: add -G to put the data into the URL";
    } else if (options->head && options->upload) {
        both = "-I and -T ask for two different methods";
    } else if (options->upload && body) {
        both = "-d and -T both give a body";
    } else if (options->fail && options->fail_with_body) {
        both = "-f and --fail-with-body say different things of the body";
    }
    if (both) {
        (void)snprintf(get->why, sizeof(get->why), "%s", both);
        return NRT__EXIT_USAGE;
    }
    return nrt__get_check_fields(options, get->why, sizeof(get->why));
}

static int prepare(getting *get, const char *typed_url) {
    const nrt__get_options *options = get->options;
    nrt_str query = {"", 0};
    int code = check_options(get);
    const char *file = code == 0 ? nrt__get_streamed(options) : NULL;
    if (file) {
        bool strip = !options->upload && strcmp(options->data.items[0].opt->name, NRT__DATA) == 0;
        get->has_source = true;
        code = nrt__source_open(&get->source, file, strip, get->why, sizeof(get->why));
    } else if (code == 0) {
        code = nrt__get_gather(&options->data, &get->body, get->why, sizeof(get->why));
    }
    if (code == 0 && options->data_in_query) {
        query = nrt__buf_view(&get->body);
    }
    if (code == 0) {
        code = nrt__get_url(typed_url, query, options->upload, get->url, &get->user, get->why,
                            sizeof(get->why));
    }
    if (code == 0 && options->data_in_query) {
        nrt__buf_clear(&get->body);
    }
    if (code != 0) {
        return code;
    }
    nrt__get_plan *plan = &get->plan;
    plan->options = options;
    plan->url = get->url;
    plan->has_body = options->upload || (options->data.count > 0 && !options->data_in_query);
    plan->body = nrt__buf_view(&get->body);
    plan->user = options->user ? nrt_str_from(options->user) : nrt__buf_view(&get->user);
    plan->method = options->method   ? options->method
                   : options->head   ? "HEAD"
                   : options->upload ? "PUT"
                   : plan->has_body  ? "POST"
                                     : "GET";
    return 0;
}

/* ---- what went wrong
 * ------------------------------------------------------------------------------ */

/* Of a response that had begun. */
static void explain_partial(getting *get, const char *detail) {
    (void)snprintf(get->why, sizeof(get->why),
                   "the response broke off after %" PRIu64 " bytes of its body: %s",
                   get->transfer.downloaded, detail);
    if (get->output.path) {
        (void)snprintf(get->hint, sizeof(get->hint), "%s holds the beginning.", get->output.path);
    }
}

static void explain(getting *get, const nrt_request *request, int error) {
    const nrt_options *common = get->program.options;
    const char *prefix = common->prefix;
    nrt_str host = nrt_request_host(request);
    const char *detail = nrt_conn_error(get->program.conn);
    char text[256];
    nrt_conn_info info = {.size = sizeof(info)};
    char *why = get->why;
    size_t size = sizeof(get->why);
    detail = detail && *detail ? detail : nrt_error_text(error);
    /* The library names the host in most of its errors, but not in all. */
    bool named = strncmp(detail, host.ptr, host.len) == 0 && detail[host.len] == ':';
    nrt_str subject = named ? (nrt_str){"", 0} : host;
    const char *colon = named ? "" : ": ";
    if (get->partial) {
        explain_partial(get, detail);
        return;
    }
    switch (error) {
    case NRT_ERR_NO_SERVICE:
        (void)snprintf(why, size, "no service answers for %.*s", NRT__ARG(host));
        (void)snprintf(get->hint, sizeof(get->hint),
                       "Is it running, on this NATS, with the prefix \"%s\"?\n"
                       "This would put an HTTP server there: nrt serve %.*s http://127.0.0.1:8080",
                       prefix, NRT__ARG(host));
        break;
    case NRT_ERR_TIMEOUT:
        (void)snprintf(why, size, "no answer from %.*s within %s", NRT__ARG(host),
                       nrt__duration_format(common->timeout_ms, text, sizeof(text)));
        (void)snprintf(get->hint, sizeof(get->hint), "--timeout sets how long to wait.");
        break;
    case NRT_ERR_DISCONNECTED:
    case NRT_ERR_CONNECT:
    case NRT_ERR_RESOLVE:
    case NRT_ERR_AUTH:
    case NRT_ERR_TLS:
    case NRT_ERR_SERVER:
        (void)snprintf(why, size, "no connection to NATS: %s", detail);
        (void)snprintf(
            get->hint, sizeof(get->hint), "%s",
            get->program.failure == NRT_ERR_AUTH
                ? "\"nrt context show\" tells which credentials are used, and where they come "
                  "from."
            : get->program.failure == NRT_ERR_TLS
                ? ""
                : "Name your server with --server, NATS_URL or a context, or start "
                  "one: nats-server");
        break;
    case NRT_ERR_PERMISSION:
        (void)snprintf(why, size, "%.*s%s%s", NRT__ARG(subject), colon, detail);
        (void)snprintf(get->hint, sizeof(get->hint),
                       "This NATS user needs permission to publish to %s.requests.%.*s.* and "
                       "%s.streams.%.*s.>",
                       prefix, NRT__ARG(host), prefix, NRT__ARG(host));
        break;
    case NRT_ERR_TOO_LARGE:
        (void)nrt_conn_info_get(get->program.conn, &info);
        (void)snprintf(why, size, "%.*s%s%s", NRT__ARG(subject), colon, detail);
        (void)snprintf(get->hint, sizeof(get->hint),
                       "The server's max_payload is %" PRIu64 " bytes.", info.max_payload);
        break;
    default:
        (void)snprintf(why, size, "%.*s%s%s", NRT__ARG(subject), colon, detail);
        break;
    }
}

/* Says `why`, on standard error. */
static void complain(const getting *get) {
    const nrt__get_options *options = get->options;
    if (get->why[0] == '\0' || (options->silent && !options->show_error)) {
        return;
    }
    nrt__report report;
    nrt__report_init(&report, "nrt get", (nrt__report_format)options->common.log_format, false);
    json_t *members = NULL;
    if (nrt__report_is_json(&report) && get->hint[0] != '\0') {
        members = json_object();
        (void)json_object_set_new(members, "hint", nrt__report_string(nrt_str_from(get->hint)));
    }
    nrt__report_event(&report, NRT_LOG_ERROR, "failed", members, "%s", get->why);
    if (!nrt__report_is_json(&report)) {
        for (const char *at = get->hint; *at;) {
            size_t len = strcspn(at, "\n");
            (void)fprintf(stderr, "  %.*s\n", (int)len, at);
            at += len + (at[len] == '\n');
        }
    }
}

/* ---- requests
 * ----------------------------------------------------------------------------------------- */

/* Waits for the connection: as long as an exchange would, or one attempt at each server with
 * --no-wait. 0 or NRT_ERR_*. */
static int connect_first(getting *get) {
    enum { CONNECT_WAIT_MS = 2000 };
    nrt__program *program = &get->program;
    uint32_t timeout = program->options->timeout_ms;
    uint64_t deadline =
        nrt__program_now_ms() + (timeout < CONNECT_WAIT_MS ? timeout : CONNECT_WAIT_MS);
    while (!program->was_connected) {
        uint64_t now = nrt__program_now_ms();
        if (nrt__program_gave_up(program) || now >= deadline || get->signals.number != 0) {
            return NRT_ERR_DISCONNECTED;
        }
        int error = nrt_conn_dispatch(program->conn, (int)(deadline - now));
        if (error < 0) {
            return error;
        }
    }
    get->transfer.connect_s = nrt__get_now_s() - get->started_s;
    nrt_conn_info info = {.size = sizeof(info)};
    if (program->common->verbose && nrt_conn_info_get(program->conn, &info) == 0) {
        (void)fprintf(stderr, "* connected to NATS server %s at %s\n", info.server, info.url);
    }
    return 0;
}

/* How often the request was sent, if more than once, and why: what was counted since `before`. */
static void tell_attempts(getting *get, const nrt_client_stats *before) {
    nrt_client_stats now = {.size = sizeof(now)};
    (void)nrt_client_stats_get(get->program.conn, &now);
    uint64_t attempts = now.attempts - before->attempts;
    get->transfer.retries = attempts > 1 ? (unsigned)(attempts - 1) : 0;
    if (!get->options->common.verbose ||
        (attempts <= 1 && now.retries_denied == before->retries_denied)) {
        return;
    }
    const struct {
        const char *why;
        uint64_t count;
    } reasons[] = {
        {"refused", now.retries_refused - before->retries_refused},
        {"lost or silent", now.retries_idempotent - before->retries_idempotent},
        {"no-service", now.retries_no_service - before->retries_no_service},
        {"not within the budget of retries", now.retries_denied - before->retries_denied},
    };
    (void)fprintf(stderr, "* %" PRIu64 " attempts", attempts);
    const char *before_it = ": ";
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].count > 0) {
            (void)fprintf(stderr, "%s%s", before_it, reasons[i].why);
            if (reasons[i].count > 1) {
                (void)fprintf(stderr, " (%" PRIu64 " times)", reasons[i].count);
            }
            before_it = ", ";
        }
    }
    (void)fputc('\n', stderr);
}

static nrt__get_wish on_head(const nrt_response *response, void *arg);

static nrt__get_exchange exchange_of(getting *get) {
    return (nrt__get_exchange){.program = &get->program,
                               .options = get->options,
                               .output = &get->output,
                               .progress = &get->progress,
                               .source =
                                   get->has_source && get->plan.has_body ? &get->source : NULL,
                               .signal = &get->signals.number,
                               .on_head = on_head,
                               .arg = get,
                               .why = get->why,
                               .why_size = sizeof(get->why)};
}

/* The request as it is to be sent: a small body is part of it. NULL: an exit code in *code. */
static nrt_request *make_request(getting *get, nrt__get_exchange *one, bool all, int *code) {
    nrt__get_plan plan = get->plan;
    if (one->source) {
        *code = nrt__get_collect(one, all);
        if (*code != 0) {
            return NULL;
        }
        plan.has_body = one->source->ended;
        plan.body_follows = !plan.has_body;
        plan.body = nrt__buf_view(&one->source->held);
    }
    return nrt__get_request(&plan, code, get->why, sizeof(get->why));
}

/* Once, and what has come of it. */
static int run_once(getting *get, nrt__get_exchange *one, const nrt_request *request) {
    bool streams = one->source && !one->source->ended;
    nrt_client_stats before = {.size = sizeof(before)};
    (void)nrt_client_stats_get(get->program.conn, &before);
    if (get->options->common.verbose) {
        nrt__get_show_request(request, streams ? one->source->length : -1);
    }
    int result = nrt__get_exchange_run(one, request);
    tell_attempts(get, &before);
    get->response = one->response;
    get->transfer.uploaded = streams ? one->uploaded : nrt_request_body(request).len;
    get->transfer.downloaded = one->downloaded;
    get->partial = one->response && result < 0;
    return result;
}

/* An old service takes one message and nothing else: it gets one, once all of the body is there. */
static bool falls_back(const nrt__get_exchange *one, int result) {
    return result == NRT_ERR_TOO_LARGE && one->streams && !one->response &&
           one->source->sent == 0 && one->source->length < 0;
}

/* One request and its response, in get->response. 0, or an exit code with `why` set. */
static int exchange(getting *get) {
    nrt_response_destroy(get->response);
    get->response = NULL;
    int code = 0;
    nrt__get_exchange one = exchange_of(get);
    int result = get->program.was_connected ? 0 : connect_first(get);
    nrt_request *request = result == 0 ? make_request(get, &one, false, &code) : NULL;
    if (request) {
        result = run_once(get, &one, request);
    }
    if (request && falls_back(&one, result)) {
        nrt_request_destroy(request);
        one = exchange_of(get);
        request = make_request(get, &one, true, &code);
        result = request ? run_once(get, &one, request) : code;
    }
    if (result < 0) {
        nrt_request *named =
            request ? request : nrt__get_request(&get->plan, &code, get->why, sizeof(get->why));
        if (named) {
            explain(get, named, result);
        }
        code = get->partial ? NRT__EXIT_PARTIAL : NRT__EXIT_FAILED;
        request = named;
    } else if (result > 0) {
        code = result;
    }
    nrt_request_destroy(request);
    return get->signals.number != 0 && code == 0 ? NRT__EXIT_FAILED : code;
}

/* ---- redirects
 * ------------------------------------------------------------------------------------------ */

/* RFC 9110 section 15.4 as curl has it: POST turns into GET on 301, 302 and 303, anything but HEAD
 * on 303; a method from -X stays, though not its body. */
static void change_method(getting *get) {
    nrt__get_plan *plan = &get->plan;
    int status = nrt_response_status(get->response);
    bool post = plan->has_body && !get->options->upload;
    bool keeps = status == 307 || status == 308 || (status != 303 && !post);
    if (keeps || get->options->head) {
        return;
    }
    plan->has_body = false;
    plan->body = (nrt_str){"", 0};
    if (!get->options->method) {
        plan->method = "GET";
    }
}

/* Follows to get->redirect_url. 0, or an exit code with `why` set. */
static int follow(getting *get) {
    bool other = false;
    if (get->transfer.redirects >= get->options->max_redirects) {
        (void)snprintf(get->why, sizeof(get->why), "more than %u redirects; the next one is to %s",
                       get->options->max_redirects, get->redirect_url);
        return NRT__EXIT_FAILED;
    }
    int code = nrt__get_redirect_check(get->url, get->redirect_url, &other, get->why,
                                       sizeof(get->why), get->hint, sizeof(get->hint));
    if (code != 0) {
        return code;
    }
    get->plan.other_host = get->plan.other_host || other;
    change_method(get);
    if (get->plan.has_body && get->has_source && !nrt__source_rewind(&get->source)) {
        (void)snprintf(get->why, sizeof(get->why),
                       "the redirect to %s wants the body again, but it cannot be read twice",
                       get->redirect_url);
        (void)snprintf(get->hint, sizeof(get->hint), "A file can, or ask for that URL at once.");
        return NRT__EXIT_REWIND;
    }
    memcpy(get->url, get->redirect_url, strlen(get->redirect_url) + 1);
    get->redirect_url[0] = '\0';
    get->transfer.redirects++;
    get->transfer.redirect_s = nrt__get_now_s() - get->started_s;
    return 0;
}

/* The head is there: prints it where that was asked for, and says what becomes of the body. */
static nrt__get_wish on_head(const nrt_response *response, void *arg) {
    getting *get = arg;
    const nrt__get_options *options = get->options;
    nrt_str head = nrt__get_output_head(&get->output, response);
    get->transfer.head_bytes += head.len;
    get->transfer.head_s = nrt__get_now_s() - get->started_s;
    int code =
        nrt__get_redirect_find(response, get->url, get->redirect_url, get->why, sizeof(get->why));
    if (code != 0 && !options->follow) {
        code = 0; /* not followed: its target does not matter */
        get->why[0] = '\0';
    }
    if (options->include || options->head) {
        int failed = nrt__get_output_write(&get->output, head, get->why, sizeof(get->why));
        code = failed ? failed : code;
    }
    get->head_code = code;
    if (code != 0 || (options->fail && nrt_response_status(response) >= 400)) {
        return NRT__GET_LEAVE;
    }
    bool follows = options->follow && get->redirect_url[0] != '\0';
    return follows || options->head ? NRT__GET_DROP : NRT__GET_PRINT;
}

/* The exchange, redirects, and what is printed of it. 0, or an exit code; `why` is set where there
 * is more to say. */
static int transfer(getting *get) {
    const nrt__get_options *options = get->options;
    for (;;) {
        int code = exchange(get);
        code = code != 0 ? code : get->head_code;
        if (code != 0) {
            return code;
        }
        if (!options->follow || get->redirect_url[0] == '\0') {
            break;
        }
        code = follow(get);
        if (code != 0) {
            return code;
        }
    }
    int status = nrt_response_status(get->response);
    if (status >= 400 && (options->fail || options->fail_with_body)) {
        (void)snprintf(get->why, sizeof(get->why), "the status is %d %s", status,
                       nrt_status_reason(status));
        return NRT__EXIT_HTTP_ERROR;
    }
    return 0;
}

static void on_left(nrt_conn *conn, void *arg) {
    (void)conn;
    *(bool *)arg = true;
}

/* What we have to say has been said when we go: a service may have to learn that nobody waits. */
static void leave(getting *get) {
    enum { LEAVE_MS = 500 };
    bool left = false;
    uint64_t until = nrt__program_now_ms() + LEAVE_MS;
    int count = get->program.connected ? nrt_conn_drain(get->program.conn, on_left, &left) : -1;
    for (uint64_t now = until - LEAVE_MS; count >= 0 && !left && now < until;
         now = nrt__program_now_ms()) {
        count = nrt_conn_dispatch(get->program.conn, (int)(until - now));
    }
    nrt__get_signals_unwatch(&get->signals);
}

/* Everything between the options and what --write-out tells. */
static int run(getting *get, const char *typed_url) {
    const nrt_options *nats = &get->options->common.options;
    if (nats->user && !nats->password && strchr(nats->user, ':')) {
        (void)snprintf(get->why, sizeof(get->why),
                       "--user is the NATS user, and goes with --password; -u USER:PASSWORD sends "
                       "Authorization: Basic to the service");
        return NRT__EXIT_USAGE;
    }
    int code = prepare(get, typed_url);
    if (code != 0) {
        return code;
    }
    /* A wrong URL or field is told without asking for a connection first. */
    nrt_request *request = nrt__get_request(&get->plan, &code, get->why, sizeof(get->why));
    nrt_request_destroy(request);
    if (!request) {
        return code;
    }
    nrt__get_signals_take(&get->signals);
    code = nrt__program_open(&get->program, &get->options->common, "nrt get", false);
    if (code != 0) {
        return code;
    }
    nrt__get_signals_watch(&get->signals, nrt__conn_loop(get->program.conn));
    code = transfer(get);
    leave(get);
    char why[256];
    int failed = nrt__get_output_finish(&get->output, why, sizeof(why));
    if (failed && code == 0) {
        (void)snprintf(get->why, sizeof(get->why), "%s", why);
        code = failed;
    }
    return code;
}

int nrt__get_run(void *options_arg, const nrt__operands *operands) {
    const nrt__get_options *options = options_arg;
    const char *typed_url = operands->items[0];
    getting *get = calloc(1, sizeof(*get));
    if (!get) {
        return NRT__EXIT_FAILED;
    }
    get->options = options;
    get->started_s = nrt__get_now_s();
    get->progress.wanted = !options->silent && !options->no_progress &&
                           isatty(STDERR_FILENO) == 1 &&
                           (options->output || !isatty(STDOUT_FILENO));
    nrt__buf_init(&get->body, NRT__UPLOAD_MAX);
    nrt__buf_init(&get->user, NRT__URL_SIZE);
    nrt__get_output_init(&get->output, options->output);
    int code = run(get, typed_url);
    if (get->signals.number == 0) {
        complain(get);
    }
    if (options->write_out && get->signals.number == 0 && code != NRT__EXIT_USAGE) {
        nrt__transfer *transfer = &get->transfer;
        transfer->typed_url = typed_url;
        transfer->url = get->url;
        transfer->method = get->plan.method ? get->plan.method : "";
        transfer->output = options->output;
        transfer->redirect_url = get->redirect_url;
        transfer->response = get->response;
        transfer->total_s = nrt__get_now_s() - get->started_s;
        transfer->exit_code = code;
        transfer->error = get->why;
        int failed = nrt__get_write_out(options->write_out, transfer);
        code = code ? code : failed;
    }
    nrt_response_destroy(get->response);
    if (get->program.common) {
        nrt__program_close(&get->program);
    }
    nrt__source_close(&get->source);
    nrt__buf_free(&get->output.head);
    nrt__buf_free(&get->user);
    nrt__buf_free(&get->body);
    nrt__get_signals signals = get->signals;
    free(get);
    nrt__get_signals_end(&signals);
    return code;
}
