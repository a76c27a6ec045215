/* The text formats of metrics: https://prometheus.io/docs/instrumenting/exposition_formats/ and
 * https://github.com/OpenObservability/OpenMetrics. */
#include "core/discovery/metrics.h"

#include "core/base/str.h"

enum { LABEL_MAX = 256 }; /* bytes of a label's value: what is longer is cut */

static void put_text(nrt__metrics *metrics, const char *text) {
    nrt__buf_put(metrics->out, nrt_str_from(text));
}

void nrt__metrics_begin(nrt__metrics *metrics, const char *name, nrt__metric_kind kind,
                        const char *help) {
    static const char *const types[] = {"counter", "gauge", "histogram"};
    metrics->name = name;
    metrics->suffix = kind == NRT__METRIC_COUNTER ? "_total" : "";
    const char *suffix = metrics->open ? "" : metrics->suffix; /* OpenMetrics names the family */
    nrt__buf_printf(metrics->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name,
                    suffix, types[kind]);
}

static void put_value(nrt__buf *out, nrt_str value) {
    value.len = value.len < LABEL_MAX ? value.len : (size_t)LABEL_MAX;
    while (value.len > 0) {
        size_t len = nrt__utf8_len(value);
        char c = value.ptr[0];
        if (len == 0 || (unsigned char)c < 0x20 || c == 0x7f) {
            nrt__buf_lit(out, "?");
            len = 1;
        } else {
            if (c == '"' || c == '\\') {
                nrt__buf_lit(out, "\\");
            }
            nrt__buf_add(out, value.ptr, len);
        }
        value.ptr += len;
        value.len -= len;
    }
}

/* printf would put the point of the program's locale there. */
static void put_fixed(nrt__buf *out, uint64_t value, unsigned digits, bool point) {
    char fraction[24];
    uint64_t unit = 1;
    size_t len = 0;
    for (unsigned i = 0; i < digits; i++) {
        unit *= 10;
    }
    nrt__buf_u64(out, value / unit);
    for (uint64_t rest = value % unit; rest > 0 && len < sizeof(fraction); rest %= unit) {
        rest *= 10; /* less than ten units */
        fraction[len++] = (char)('0' + rest / unit);
    }
    if (len == 0 && point) {
        fraction[len++] = '0';
    }
    if (len > 0) {
        nrt__buf_lit(out, ".");
        nrt__buf_add(out, fraction, len);
    }
}

/* `name_suffix{a="b",le="0.1"} `; `bound` NULL: no le. OpenMetrics wants a point in an le. */
static void begin_sample(nrt__metrics *metrics, const char *suffix, const nrt__label *labels,
                         size_t count, const uint64_t *bound, unsigned digits) {
    nrt__buf *out = metrics->out;
    put_text(metrics, metrics->name);
    put_text(metrics, suffix);
    for (size_t i = 0; i < count; i++) {
        put_text(metrics, i == 0 ? "{" : ",");
        put_text(metrics, labels[i].name);
        nrt__buf_lit(out, "=\"");
        put_value(out, labels[i].value);
        nrt__buf_lit(out, "\"");
    }
    if (bound) {
        put_text(metrics, count == 0 ? "{le=\"" : ",le=\"");
        if (*bound == UINT64_MAX) {
            nrt__buf_lit(out, "+Inf");
        } else {
            put_fixed(out, *bound, digits, true);
        }
        nrt__buf_lit(out, "\"");
    }
    put_text(metrics, count > 0 || bound ? "} " : " ");
}

void nrt__metrics_count(nrt__metrics *metrics, const nrt__label *labels, size_t label_count,
                        uint64_t value) {
    begin_sample(metrics, metrics->suffix, labels, label_count, NULL, 0);
    nrt__buf_u64(metrics->out, value);
    nrt__buf_lit(metrics->out, "\n");
}

void nrt__metrics_fixed(nrt__metrics *metrics, const nrt__label *labels, size_t label_count,
                        uint64_t value, unsigned digits) {
    begin_sample(metrics, metrics->suffix, labels, label_count, NULL, 0);
    put_fixed(metrics->out, value, digits, false);
    nrt__buf_lit(metrics->out, "\n");
}

void nrt__metrics_ladder(nrt__metrics *metrics, const nrt__label *labels, size_t label_count,
                         const nrt__ladder *ladder, const nrt__ladder_bounds *bounds,
                         unsigned digits) {
    static const uint64_t infinite = UINT64_MAX;
    uint64_t total = 0;
    for (size_t i = 0; i <= bounds->count; i++) {
        const uint64_t *bound = i < bounds->count ? &bounds->bounds[i] : &infinite;
        total += ladder->counts[i];
        begin_sample(metrics, "_bucket", labels, label_count, bound, digits);
        nrt__buf_u64(metrics->out, total);
        nrt__buf_lit(metrics->out, "\n");
    }
    begin_sample(metrics, "_sum", labels, label_count, NULL, 0);
    put_fixed(metrics->out, ladder->sum, digits, false);
    nrt__buf_lit(metrics->out, "\n");
    begin_sample(metrics, "_count", labels, label_count, NULL, 0);
    nrt__buf_u64(metrics->out, total);
    nrt__buf_lit(metrics->out, "\n");
}

void nrt__metrics_one(nrt__metrics *metrics, const char *name, nrt__metric_kind kind,
                      const char *help, uint64_t value) {
    nrt__metrics_begin(metrics, name, kind, help);
    nrt__metrics_count(metrics, NULL, 0, value);
}

void nrt__metrics_end(nrt__metrics *metrics) {
    if (metrics->open) {
        nrt__buf_lit(metrics->out, "# EOF\n");
    }
}
