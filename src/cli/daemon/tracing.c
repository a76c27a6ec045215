/* How traces are begun, as the command line says, and where spans go. */
#include "cli/daemon/tracing.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/daemon/otel.h"
#include "core/base/str.h"
#include "core/http/url.h"
#include "lib/conn_private.h"

enum { FINISH_MS = 2000 };

enum { SHARE_DIGITS = 9 }; /* behind the point, of a share of 1 */

/* Digits with one point, as billionths; false for anything else, or more than `max`. */
static bool read_decimal(nrt_str text, unsigned digits, uint64_t max, uint64_t *value) {
    bool point = false, any = false;
    *value = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (!nrt__is_digit(c) || (point && digits == 0)) {
            return false;
        }
        *value = *value * 10 + (uint64_t)(c - '0');
        digits -= point;
        any = true;
        if (*value > max) {
            return false;
        }
    }
    for (; digits > 0; digits--) {
        *value *= 10;
        if (*value > max) {
            return false;
        }
    }
    return any;
}

bool nrt__share_read(const char *text, uint64_t *unsampled) {
    const uint64_t all = UINT64_C(1) << NRT__TRACE_SHARES;
    const uint64_t unit = UINT64_C(1000000000);
    nrt_str share = nrt_str_from(text);
    uint64_t value;
    bool percent = share.len > 0 && share.ptr[share.len - 1] == '%';
    share.len -= percent;
    if (!read_decimal(share, percent ? SHARE_DIGITS - 2 : SHARE_DIGITS, unit, &value)) {
        return false;
    }
    uint64_t rest = unit - value;
    *unsampled = all / unit * rest + all % unit * rest / unit;
    return true;
}

bool nrt__tracing_check_url(const char *url, char *why, size_t size) {
    nrt__url parts;
    nrt_str text = nrt_str_from(url);
    if (nrt__str_starts(text, NRT__STR("unix:/"))) {
        return true;
    }
    bool fine = nrt__url_parse(text, &parts) == 0;
    if (fine && parts.userinfo.ptr) {
        (void)snprintf(why, size, "%s",
                       "the URL holds a user: say that by OTEL_EXPORTER_OTLP_HEADERS, such as "
                       "authorization=Basic%20dXNlcjpwYXNz");
        return false;
    }
    if (!fine || parts.query.len > 0 || parts.fragment.len > 0) {
        (void)snprintf(why, size,
                       "\"%.256s\" is no URL of a collector; write "
                       "http://127.0.0.1:4318/v1/traces, or unix:/PATH",
                       url);
        return false;
    }
    return true;
}

static int usage(const nrt__report *log, const char *why) {
    nrt__report_event(log, NRT_LOG_ERROR, "usage", NULL, "%s", why);
    return NRT__EXIT_USAGE;
}

/* Opens the way to the collector at `url`, which `from` has given. */
static int open_otlp(nrt__tracing *tracing, nrt__program *program, const char *url,
                     const char *from, const char *called) {
    char instance[22];
    char why[512];
    char detail[256];
    nrt__buf fields;
    nrt__buf resource;
    int error = nrt__random_text(&nrt__conn_loop(program->conn)->env, instance, sizeof(instance));
    nrt__buf_init(&fields, 8 * 1024);
    nrt__buf_init(&resource, 8 * 1024);
    int code = error < 0 ? NRT__EXIT_FAILED : 0;
    if (code == 0 && !nrt__tracing_check_url(url, detail, sizeof(detail))) {
        (void)snprintf(why, sizeof(why), "%s: %s", from, detail);
        code = usage(&program->log, why);
    }
    if (code == 0 && (nrt__otel_fields(&fields, why, sizeof(why)) < 0 ||
                      nrt__otel_resource(&resource, called, (nrt_str){instance, sizeof(instance)},
                                         why, sizeof(why)) < 0)) {
        code = usage(&program->log, why);
    }
    if (code == 0) {
        tracing->otlp = nrt__otlp_open(program->conn, url, nrt__buf_view(&fields),
                                       nrt__buf_view(&resource), &error, detail, sizeof(detail));
    }
    if (code == 0 && !tracing->otlp) {
        (void)snprintf(why, sizeof(why), "%s: %s", from, detail);
        code = usage(&program->log, why);
    }
    nrt__buf_free(&fields);
    nrt__buf_free(&resource);
    if (code != 0) {
        return code;
    }
    json_t *members = nrt__report_is_json(&program->log) ? json_pack("{s:s}", "url", url) : NULL;
    nrt__report_event(&program->log, NRT_LOG_INFO, "tracing", members, "traces go to %s", url);
    return 0;
}

int nrt__tracing_open(nrt__tracing *tracing, const nrt__tracing_args *args, nrt__program *program,
                      const char *called) {
    char url[1024];
    char why[512];
    const char *from = "--trace-export";
    *tracing = (nrt__tracing){.on = args->on || args->sample || args->url};
    if (args->sample && !nrt__share_read(args->sample, &tracing->options.unsampled)) {
        (void)snprintf(why, sizeof(why),
                       "--trace-sample: \"%.64s\" is no share; write a number from 0 to 1, such as "
                       "0.1, or a percentage, such as 10%%",
                       args->sample);
        return usage(&program->log, why);
    }
    if (!tracing->on) {
        return 0;
    }
    int found = args->url ? nrt__otel_url(args->url, true, url, sizeof(url))
                          : nrt__otel_endpoint(url, sizeof(url), &from, why, sizeof(why));
    if (found < 0) {
        return usage(&program->log, args->url ? "--trace-export: the URL is too long" : why);
    }
    tracing->options.pairs = found > 0;
    return found > 0 ? open_otlp(tracing, program, url, from, called) : 0;
}

void nrt__tracing_finish(nrt__tracing *tracing, void (*done)(void *arg), void *arg) {
    if (tracing->otlp) {
        nrt__otlp_finish(tracing->otlp, FINISH_MS, done, arg);
    } else {
        done(arg);
    }
}

void nrt__tracing_close(nrt__tracing *tracing) {
    nrt__otlp_destroy(tracing->otlp);
    tracing->otlp = NULL;
}

void nrt__tracing_members(json_t *members, const nrt__trace *trace) {
    if (members && trace) {
        (void)json_object_set_new(members, "trace_id", json_stringn(trace->id, NRT__TRACE_ID));
        (void)json_object_set_new(members, "span_id", json_stringn(trace->span, NRT__SPAN_ID));
    }
}
