/* Options for those who operate a gateway or a sidecar, and what becomes of them. */
#include "cli/daemon/operation.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "core/base/str.h"
#include "lib/conn_private.h"

enum { LOOK_EVERY_MS = 1000 };

const nrt__opt nrt__operation_opts[NRT__OPERATION_OPTS] = {
    {.name = "admin",
     .value = "[ADDR:]PORT|unix:/PATH",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(nrt__operation, admin),
     .help =
         "where the dashboard (/), /metrics for Prometheus, /healthz, /readyz, /services and "
         "/process (JSON) are: PORT alone on loopback, 0 picks one; whoever can connect may read "
         "them"},
    {.name = "access-log",
     .value = "FILE|-",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(nrt__operation, access_log),
     .help = "write a line for each request to FILE, which is opened anew on SIGHUP, or to "
             "standard output"},
    {.name = "access-log-format",
     .value = "combined|json",
     .kind = NRT__OPT_CHOICE,
     .offset = offsetof(nrt__operation, access_format),
     .help = "as web servers write it, or an object with who answered and how long that took; "
             "default: combined"},
    {.name = "trace",
     .kind = NRT__OPT_FLAG,
     .offset = offsetof(nrt__operation, trace.on),
     .help = "take part in traces (W3C Trace Context): begin one where a request has no valid "
             "traceparent, else go on with it, with a span of its own; without this, traceparent "
             "goes on as it came"},
    {.name = "trace-sample",
     .value = "SHARE",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(nrt__operation, trace.sample),
     .help = "of the traces that begin here, how many are marked as sampled: 0.1 or 10%; those "
             "that began elsewhere stay as they are; implies --trace; default: 1, all"},
    {.name = "trace-export",
     .value = "URL",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(nrt__operation, trace.url),
     .help = "send spans of sampled traces to a collector, by OTLP over HTTP as JSON, such as "
             "http://127.0.0.1:4318/v1/traces; implies --trace; default: what "
             "OTEL_EXPORTER_OTLP_ENDPOINT says, with --trace, or none"},
};

static int tell_admin(const nrt__program *program, int error, const char *detail, const char *url) {
    if (error < 0) {
        nrt__report_event(&program->log, NRT_LOG_ERROR, error == NRT_ERR_USAGE ? "usage" : "failed",
                          NULL, "--admin: %s", detail);
        return error == NRT_ERR_USAGE ? NRT__EXIT_USAGE : NRT__EXIT_FAILED;
    }
    json_t *members = nrt__report_is_json(&program->log) ? json_pack("{s:s}", "url", url) : NULL;
    nrt__report_event(&program->log, NRT_LOG_INFO, "admin", members, "admin on %s", url);
    return 0;
}

static int open_admin(const nrt__operation *options, nrt__program *program,
                      const nrt_admin_options *admin, const nrt__admin_gateway *gateway) {
    char detail[256] = "";
    const char *url = NULL;
    int error = nrt__admin_open(program->conn, options->admin, admin, gateway, &url, detail,
                                sizeof(detail));
    return tell_admin(program, error, detail, url);
}

static int move_admin(const nrt__operation *options, nrt__program *program) {
    char detail[256] = "";
    const char *url = NULL;
    int error = nrt__admin_move(program->conn, options->admin, &url, detail, sizeof(detail));
    return tell_admin(program, error, detail, url);
}

/* ---- the access log ---- */

void nrt__operating_reopen(nrt__operating *operating) {
    if (operating->access_log) {
        nrt__log_file_reopen(operating->access_log);
        nrt__report_event(&operating->program->log, NRT_LOG_INFO, "access-log", NULL,
                          "opening the access log %s anew", operating->options->access_log);
    }
}

static void on_hangup(nrt__program *program) {
    nrt__operating_reopen(program->on_hangup_arg);
}

static nrt__log_file *open_log(const nrt__operation *options, const nrt__program *program) {
    nrt__log_file *file = nrt__log_file_open(options->access_log);
    if (!file) {
        nrt__report_event(&program->log, NRT_LOG_ERROR, "failed", NULL,
                          "--access-log: cannot open %s: %s%s", options->access_log,
                          strerror(errno), errno == ENOENT ? "; make its folder first" : "");
    }
    return file;
}

/* Says what is wrong with it: once in a while, or, at the end, `now`. */
static void tell_trouble(nrt__operating *operating, bool now) {
    nrt__program *program = operating->program;
    const char *path = operating->options->access_log;
    uint64_t lost;
    uint64_t count;
    int error;
    bool reopening;
    if (!nrt__log_file_trouble(operating->access_log, &lost, &error, &reopening)) {
        return;
    }
    operating->lost += lost;
    if (reopening) {
        nrt__report_event(&program->log, NRT_LOG_ERROR, "access-log", NULL,
                          "cannot open the access log %s anew: %s; the old file is written on: "
                          "mend it and send SIGHUP again",
                          path, strerror(error));
    } else if (now ||
               nrt__log_due(&nrt__conn_loop(program->conn)->env, &operating->trouble, &count)) {
        nrt__report_event(
            &program->log, NRT_LOG_ERROR, "access-log", NULL,
            "the access log %s cannot be written: %s; %" PRIu64
            " lines are lost, requests go on: %s",
            path, error == ENOBUFS ? "it is too slow" : strerror(error), operating->lost,
            error == ENOSPC || error == EDQUOT ? "make room on that disk"
                                               : "see what reads it, or give another --access-log");
        operating->lost = 0;
    }
}

static void write_line(nrt__operating *operating, const nrt__access *access) {
    const nrt__env *env = &nrt__conn_loop(operating->program->conn)->env;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    nrt__access_write(nrt__log_file_begin(operating->access_log),
                      (nrt__access_format)operating->options->access_format, access, now.tv_sec,
                      (unsigned)(now.tv_nsec / 1000000));
    nrt__log_file_end(operating->access_log);
    if (env->now_ms - operating->looked_ms >= LOOK_EVERY_MS) {
        operating->looked_ms = env->now_ms;
        tell_trouble(operating, false);
    }
}

void nrt__operating_log(nrt__operating *operating, const nrt__access *access) {
    nrt__program *program = operating->program;
    if (operating->access_log) {
        write_line(operating, access);
    }
    nrt__tracing_add(&operating->tracing, access);
    if (*access->error) {
        nrt__error_log_add(&operating->errors, &program->log, &nrt__conn_loop(program->conn)->env,
                           access->service, access->error, access->detail, operating->sidecar);
    }
}

/* ---- opened and closed ---- */

int nrt__operating_open(nrt__operating *operating, const nrt__operation *options,
                        nrt__program *program, const nrt_admin_options *admin,
                        const nrt__admin_gateway *gateway) {
    *operating =
        (nrt__operating){.options = options, .program = program, .sidecar = gateway == NULL};
    if (options->access_log) {
        operating->access_log = open_log(options, program);
        if (!operating->access_log) {
            return NRT__EXIT_FAILED;
        }
        program->on_hangup = on_hangup;
        program->on_hangup_arg = operating;
    }
    int code = nrt__tracing_open(&operating->tracing, &options->trace, program,
                                 operating->sidecar ? "nrt-serve" : "nrt-gateway");
    if (code == 0 && options->admin) {
        code = open_admin(options, program, admin, gateway);
    }
    if (code == 0 && operating->tracing.otlp) {
        nrt__admin_trace(program->conn, nrt__otlp_counted(operating->tracing.otlp));
    }
    return code;
}

void nrt__operating_finish(nrt__operating *operating, void (*done)(void *arg), void *arg) {
    nrt__tracing_finish(&operating->tracing, done, arg);
}

void nrt__operating_leave(nrt__operating *operating) {
    if (operating->tracing.otlp) {
        nrt__admin_trace(operating->program->conn, NULL);
    }
    nrt__tracing_close(&operating->tracing);
}

static void close_log(nrt__operating *operating) {
    if (operating->access_log) {
        nrt__log_file_finish(operating->access_log);
        tell_trouble(operating, true);
        nrt__log_file_close(operating->access_log);
        operating->access_log = NULL;
    }
}

static bool same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

int nrt__operating_change(nrt__operating *operating, const nrt__operation *options,
                          const nrt_admin_options *admin, const nrt__admin_gateway *gateway) {
    const nrt__operation *before = operating->options;
    nrt__program *program = operating->program;
    nrt__log_file *log = NULL;
    bool same_log = same_text(before->access_log, options->access_log);
    int code = 0;
    if (!same_log && options->access_log) {
        log = open_log(options, program);
        if (!log) {
            return NRT__EXIT_FAILED;
        }
    }
    if (options->admin && !before->admin) {
        code = open_admin(options, program, admin, gateway);
    } else if (options->admin && strcmp(options->admin, before->admin) != 0) {
        code = move_admin(options, program);
    } else if (!options->admin && before->admin) {
        nrt_admin_close(program->conn);
    }
    if (code != 0) {
        if (log) {
            nrt__log_file_finish(log);
            nrt__log_file_close(log);
        }
        return code;
    }
    if (!same_log) {
        close_log(operating);
        operating->access_log = log;
    }
    operating->options = options;
    if (same_log) {
        nrt__operating_reopen(operating);
    }
    return 0;
}

void nrt__operating_close(nrt__operating *operating) {
    close_log(operating);
}
