/* `nrt bench`: load on a service, and how it bears it. */
#include "cli/bench/bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <nrt/client.h>

#include "cli/commands.h"
#include "cli/get/get.h"
#include "core/base/str.h"
#include "lib/conn_private.h"

enum { DEFAULT_MS = 10000, LINE_EVERY_MS = 250, CONNECT_WAIT_MS = 2000 };

typedef struct bench bench;

/* A place for one request in flight. */
typedef struct slot {
    bench *bench;
    struct slot *next; /* those that are free */
    int64_t due_ns;    /* when its request was to go out: what waits for a place counts, too */
} slot;

struct bench {
    const nrt__bench_options *options;
    nrt__program program;
    nrt__get_signals signals;
    nrt_request *request;
    slot *slots;
    slot *free;
    unsigned in_flight;
    int64_t began_ns;
    int64_t end_ns; /* no request begins after it; 0: none is set */
    bool over;
    int error; /* a request could not even be begun */
    nrt__timer line;
    nrt__io pace; /* a timerfd: the loop's timers may be 8 ms late; -1 without --rate */
    int pace_fd;
    bool drawn;
    nrt__bench_result result;
};

static nrt__env *env_of(bench *b) {
    return &nrt__conn_loop(b->program.conn)->env;
}

/* ---- the load ---- */

static void pump(bench *b);

static void count(bench *b, const nrt_result *got, int64_t took_ns) {
    nrt__bench_result *result = &b->result;
    uint64_t took = took_ns > 0 ? (uint64_t)took_ns : 0;
    if (got->error < 0) {
        result->failures++;
        result->errors[-got->error % NRT__BENCH_ERRORS]++;
        return;
    }
    int status = nrt_response_status(got->response);
    result->responses++;
    result->classes[status / 100 % NRT__BENCH_CLASSES]++;
    result->bytes += nrt_response_body(got->response).len;
    nrt__histogram_add(&result->latency, took / 1000);
    result->sum_ns += (double)took;
    result->min_ns = result->responses == 1 || took < result->min_ns ? took : result->min_ns;
    result->max_ns = took > result->max_ns ? took : result->max_ns;
}

static void on_result(const nrt_result *got, void *arg) {
    slot *one = arg;
    bench *b = one->bench;
    b->in_flight--;
    one->next = b->free;
    b->free = one;
    if (!b->over || got->error != NRT_ERR_CANCELED) {
        count(b, got, nrt__env_ns(env_of(b)) - one->due_ns);
    }
    pump(b);
}

static void on_pace(void *arg, unsigned events) {
    bench *b = arg;
    uint64_t times;
    (void)events;
    if (read(b->pace_fd, &times, sizeof(times)) == (ssize_t)sizeof(times)) {
        pump(b);
    }
}

static void set_pace(bench *b, int64_t due_ns) {
    const struct itimerspec when = {.it_value = {due_ns / 1000000000, due_ns % 1000000000}};
    (void)timerfd_settime(b->pace_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static int open_pace(bench *b) {
    if (b->options->rate == 0) {
        return 0;
    }
    b->pace_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    return b->pace_fd < 0 ? NRT_ERR_SYSTEM
                          : nrt__io_open(nrt__conn_loop(b->program.conn), &b->pace, b->pace_fd,
                                         NRT_IO_READ, on_pace, b);
}

/* When the next request is to go out; false where none is any more. */
static bool next_due(const bench *b, int64_t now_ns, int64_t *due_ns) {
    const nrt__bench_options *options = b->options;
    if (b->over || (options->requests > 0 && b->result.begun >= options->requests)) {
        return false;
    }
    *due_ns = now_ns;
    if (options->rate > 0) {
        double after_s = (double)b->result.begun / options->rate;
        *due_ns = b->began_ns + (int64_t)(after_s * 1e9);
    }
    return b->end_ns == 0 || *due_ns < b->end_ns;
}

/* Begins what is due and has a place. */
static void pump(bench *b) {
    int64_t now_ns = nrt__env_ns(env_of(b));
    int64_t due_ns;
    bool more = false;
    while (b->free && (more = next_due(b, now_ns, &due_ns)) && due_ns <= now_ns) {
        slot *one = b->free;
        b->free = one->next;
        one->due_ns = due_ns;
        int error = nrt_send(b->program.conn, b->request, NULL, on_result, one, NULL);
        if (error < 0) {
            one->next = b->free;
            b->free = one;
            b->error = error;
            b->over = true;
            return;
        }
        b->in_flight++;
        b->result.begun++;
    }
    if (b->free && more) {
        set_pace(b, due_ns);
    } else if (b->in_flight == 0) {
        b->over = !next_due(b, now_ns, &due_ns);
    }
}

/* ---- the line ---- */

static void update(bench *b) {
    nrt_client_stats stats = {.size = sizeof(stats)};
    (void)nrt_client_stats_get(b->program.conn, &stats);
    b->result.seconds = (double)(nrt__env_ns(env_of(b)) - b->began_ns) / 1e9;
    b->result.retries = stats.retries_refused + stats.retries_idempotent + stats.retries_no_service;
}

static void on_line(nrt__timer *timer, void *arg) {
    bench *b = arg;
    char text[200];
    update(b);
    double left_s = (double)(b->end_ns - nrt__env_ns(env_of(b))) / 1e9;
    nrt__bench_line(&b->result, b->end_ns > 0 ? 0 : b->options->requests, left_s > 0 ? left_s : 0,
                    text, sizeof(text));
    (void)fprintf(stderr, "\r%s\033[K", text);
    (void)fflush(stderr);
    b->drawn = true;
    nrt__timer_set(&nrt__conn_loop(b->program.conn)->timers, timer,
                   env_of(b)->now_ms + LINE_EVERY_MS, on_line, b);
}

/* ---- from the options to a request ---- */

static int usage(const bench *b, const char *text, const char *about) {
    nrt__report_event(&b->program.log, NRT_LOG_ERROR, "usage", NULL, text, about);
    return NRT__EXIT_USAGE;
}

static int make_request(bench *b, const char *url) {
    const nrt__bench_options *options = b->options;
    const char *method = options->method ? options->method : options->data ? "POST" : "GET";
    int error = 0;
    b->request = nrt_request_create(method, url, &error);
    if (error == NRT_ERR_METHOD) {
        return usage(b, "-X: \"%s\" is no method that can be sent", method);
    }
    if (!b->request) {
        return usage(b, "\"%s\" is not a URL of a service: write http://HOST.nats/PATH", url);
    }
    for (size_t i = 0; i < options->fields.count; i++) {
        const char *text = options->fields.items[i].value;
        size_t len = strcspn(text, ":");
        nrt_str value = nrt_str_from(text[len] ? text + len + 1 : NULL);
        if (!value.ptr || nrt_fields_add(nrt_request_edit(b->request), (nrt_str){text, len},
                                         nrt__str_trim(value)) < 0) {
            return usage(b, "-H: \"%s\" is not a field: write \"Name: value\"", text);
        }
    }
    if (options->data && nrt_request_set_body(b->request, nrt_str_from(options->data)) < 0) {
        return NRT__EXIT_FAILED;
    }
    b->slots = calloc(options->concurrency, sizeof(*b->slots));
    for (unsigned i = 0; b->slots && i < options->concurrency; i++) {
        b->slots[i] = (slot){.bench = b, .next = b->free};
        b->free = &b->slots[i];
    }
    return b->slots ? 0 : NRT__EXIT_FAILED;
}

/* ---- the run ---- */

static int connect_first(bench *b) {
    nrt_conn *conn = b->program.conn;
    uint64_t deadline = nrt__program_now_ms() + CONNECT_WAIT_MS;
    int error = 0;
    while (!b->program.was_connected && error >= 0) {
        uint64_t now = nrt__program_now_ms();
        error = NRT_ERR_DISCONNECTED;
        if (!nrt__program_gave_up(&b->program) && now < deadline && b->signals.number == 0) {
            error = nrt_conn_dispatch(conn, (int)(deadline - now));
        }
    }
    if (error < 0) {
        const char *why = nrt_conn_error(conn);
        nrt__report_event(&b->program.log, NRT_LOG_ERROR, "failed", NULL,
                          "not connected to NATS: %s", *why ? why : "no answer in time");
        return NRT__EXIT_FAILED;
    }
    return 0;
}

/* Until all is answered, or ^C: then what was measured so far counts. */
static int run_load(bench *b) {
    nrt__loop *loop = nrt__conn_loop(b->program.conn);
    uint32_t lasts_ms = b->options->duration_ms;
    int error = open_pace(b);
    if (error < 0) {
        nrt__report_event(&b->program.log, NRT_LOG_ERROR, "failed", NULL, "no timer: %s",
                          strerror(errno));
        return NRT__EXIT_FAILED;
    }
    nrt__loop_enter(loop);
    b->began_ns = nrt__env_ns(&loop->env);
    if (lasts_ms == 0 && b->options->requests == 0) {
        lasts_ms = DEFAULT_MS;
    }
    b->end_ns = lasts_ms > 0 ? b->began_ns + (int64_t)lasts_ms * 1000000 : 0;
    if (isatty(STDERR_FILENO) == 1) {
        nrt__timer_set(&loop->timers, &b->line, loop->env.now_ms + LINE_EVERY_MS, on_line, b);
    }
    pump(b);
    nrt__loop_leave(loop);
    while (!b->over && error >= 0 && b->signals.number == 0) {
        error = nrt_conn_dispatch(b->program.conn, -1);
    }
    b->over = true;
    update(b);
    nrt__timer_clear(&loop->timers, &b->line);
    if (b->pace_fd >= 0) {
        nrt__io_close(&b->pace);
        (void)close(b->pace_fd);
    }
    if (b->drawn) {
        (void)fputs("\r\033[K", stderr);
    }
    error = b->error < 0 ? b->error : error;
    if (error < 0) {
        nrt__report_event(&b->program.log, NRT_LOG_ERROR, "failed", NULL, "%s",
                          nrt_error_text(error));
        return NRT__EXIT_FAILED;
    }
    return 0;
}

static int report(bench *b) {
    const nrt__bench_result *result = &b->result;
    bool written = b->options->json ? nrt__bench_print_json(result) : nrt__bench_print(result);
    if (!written) {
        nrt__report_event(&b->program.log, NRT_LOG_ERROR, "failed", NULL,
                          "cannot write to standard output: %s", strerror(errno));
        return NRT__EXIT_WRITE;
    }
    return result->failures > 0 || result->responses == 0 ? NRT__EXIT_FAILED : NRT__EXIT_OK;
}

static int bench_run(void *arg, const nrt__operands *operands) {
    const nrt__bench_options *options = arg;
    bench b = {.options = options, .pace_fd = -1};
    b.result.url = operands->items[0];
    b.result.concurrency = options->concurrency;
    b.result.rate = options->rate;
    nrt__report_init(&b.program.log, "nrt bench", (nrt__report_format)options->common.log_format,
                     options->common.verbose);
    int code = make_request(&b, operands->items[0]);
    if (code == 0) {
        nrt__common common = options->common;
        common.options.max_exchanges = options->concurrency + 1;
        nrt__get_signals_take(&b.signals);
        code = nrt__program_open(&b.program, &common, "nrt bench", false);
        if (code == 0) {
            b.program.common = &options->common;
            nrt__get_signals_watch(&b.signals, nrt__conn_loop(b.program.conn));
            code = connect_first(&b);
            if (code == 0) {
                code = run_load(&b);
            }
            if (code == 0) {
                code = report(&b);
            }
            nrt__get_signals_unwatch(&b.signals);
        }
        nrt__program_close(&b.program);
    }
    nrt_request_destroy(b.request);
    free(b.slots);
    nrt__get_signals_end(&b.signals);
    return code;
}

/* ---- the command ---- */

#define FIELD(name) offsetof(nrt__bench_options, name)

static const nrt__opt bench_opts[] = {
    {.letter = 'c',
     .name = "concurrency",
     .value = "N",
     .kind = NRT__OPT_NUMBER,
     .offset = FIELD(concurrency),
     .min = 1,
     .max = 65535,
     .help = "requests in flight at a time, at most; default: 64"},
    {.letter = 'n',
     .name = "requests",
     .value = "N",
     .kind = NRT__OPT_NUMBER,
     .offset = FIELD(requests),
     .min = 1,
     .max = 4000000000,
     .help = "send so many in all"},
    {.letter = 'd',
     .name = "duration",
     .value = "DURATION",
     .kind = NRT__OPT_DURATION,
     .offset = FIELD(duration_ms),
     .min = 1,
     .help = "send for so long; default: 10s, unless -n is given (a body is --data)"},
    {.name = "rate",
     .value = "N",
     .kind = NRT__OPT_NUMBER,
     .offset = FIELD(rate),
     .min = 1,
     .max = 10000000,
     .help = "send N a second, whether or not they are answered as fast, up to -c in flight; "
             "latencies count from when each was due; default: the next one when one is answered"},
    {.letter = 'X',
     .name = "request",
     .value = "METHOD",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(method),
     .help = "the method; default: GET, POST with --data"},
    {.letter = 'H',
     .name = "header",
     .value = "FIELD",
     .kind = NRT__OPT_LIST,
     .offset = FIELD(fields),
     .help = "send the field \"Name: value\"; may be repeated"},
    {.name = "data",
     .value = "DATA",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(data),
     .help = "the body of each request"},
    {.name = "json",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(json),
     .help = "print one JSON object instead of text"},
};

static void bench_init(void *arg) {
    nrt__bench_options *options = arg;
    nrt__common_init(&options->common, "nrt-bench");
    options->concurrency = 64;
}

static const nrt__opt_group bench_groups[] = {
    {"Options", bench_opts, sizeof(bench_opts) / sizeof(bench_opts[0]), 0},
    NRT__RETRY_GROUP(nrt__bench_options),
    NRT__COMMON_GROUP(nrt__bench_options),
};

const nrt__command nrt__bench_command = {
    .name = "bench",
    .summary = "put load on a service and measure how it answers",
    .operands = "URL",
    .about = "Sends the same request again and again over one connection to NATS, -c of them at a "
             "time, shows on a terminal how it goes, and then tells how many were answered, "
             "with which status, and how long that took: quantiles and a histogram. ^C ends it "
             "early.\n\n"
             "Put load only on what is yours.",
    .examples = "  nrt bench http://weather.nats/city\n"
                "  nrt bench -c 256 -n 100000 http://weather.nats/city\n"
                "  nrt bench --rate 500 -d 1m --json http://weather.nats/city\n",
    .groups = bench_groups,
    .group_count = sizeof(bench_groups) / sizeof(bench_groups[0]),
    .min_operands = 1,
    .max_operands = 1,
    .options_size = sizeof(nrt__bench_options),
    .init = bench_init,
    .run = bench_run,
};
