/* How traces are begun, as the command line says. */
#include "cli/daemon/tracing.h"

#include "cli/common.h"
#include "core/base/str.h"

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

int nrt__tracing_open(nrt__tracing *tracing, const nrt__tracing_args *args,
                      const nrt__report *log) {
    *tracing = (nrt__tracing){.on = args->on || args->sample};
    if (args->sample && !nrt__share_read(args->sample, &tracing->options.unsampled)) {
        nrt__report_event(log, NRT_LOG_ERROR, "usage", NULL,
                          "--trace-sample: \"%s\" is no share; write a number from 0 to 1, such "
                          "as 0.1, or a percentage, such as 10%%",
                          args->sample);
        return NRT__EXIT_USAGE;
    }
    return 0;
}

void nrt__tracing_members(json_t *members, const nrt__trace *trace) {
    if (members && trace) {
        (void)json_object_set_new(members, "trace_id", json_stringn(trace->id, NRT__TRACE_ID));
        (void)json_object_set_new(members, "span_id", json_stringn(trace->span, NRT__SPAN_ID));
    }
}
