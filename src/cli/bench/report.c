/* What came of `nrt bench`: a line while it runs, then numbers and a histogram. */
#include "cli/bench/bench.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "cli/discover/discover.h"
#include "cli/term.h"
#include "core/base/duration.h"

enum { BAR_WIDTH = 40, OCTAVES = 33 };

static const struct {
    const char *name; /* in JSON */
    const char *title;
    double share;
} quantiles[] = {{"p50", "p50", 0.5},  {"p75", "p75", 0.75},     {"p90", "p90", 0.9},
                 {"p99", "p99", 0.99}, {"p999", "p99.9", 0.999}, {"p9999", "p99.99", 0.9999}};

enum { QUANTILES = sizeof(quantiles) / sizeof(quantiles[0]) };

double nrt__bench_quantile(const nrt__bench_result *result, double quantile) {
    double ns = nrt__histogram_quantile(&result->latency, quantile) * 1000;
    double least = (double)result->min_ns;
    double most = (double)result->max_ns;
    return ns < least ? least : ns > most ? most : ns;
}

static double rate_of(const nrt__bench_result *result) {
    return result->seconds > 0 ? (double)result->responses / result->seconds : 0;
}

/* 1234567 as 1,234,567. */
static const char *with_commas(uint64_t value, char out[32]) {
    char digits[24];
    size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, value);
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            out[at++] = ',';
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

void nrt__bench_line(const nrt__bench_result *result, uint64_t goal, double left_s, char *out,
                     size_t size) {
    char count[32];
    char rate[32];
    char p50[32];
    char p99[32];
    char left[64];
    if (goal > 0) {
        (void)snprintf(left, sizeof(left), "%.0f %%",
                       100.0 * (double)(result->responses + result->failures) / (double)goal);
    } else {
        (void)snprintf(left, sizeof(left), "%.0f s left", left_s);
    }
    (void)snprintf(out, size, "%s requests, %s/s, p50 %s, p99 %s, %" PRIu64 " failed, %s",
                   with_commas(result->responses + result->failures, count),
                   with_commas((uint64_t)rate_of(result), rate),
                   nrt__ns_format(nrt__bench_quantile(result, 0.5), p50, sizeof(p50)),
                   nrt__ns_format(nrt__bench_quantile(result, 0.99), p99, sizeof(p99)),
                   result->failures, left);
}

/* ---- text ---- */

static void print_outcomes(const nrt__bench_result *result, const nrt__style *style) {
    char count[32];
    for (size_t i = 0; i < NRT__BENCH_CLASSES; i++) {
        if (result->classes[i] > 0) {
            (void)printf("  status   %s%zuxx%s     %s\n", i >= 4 ? style->red : "", i, style->reset,
                         with_commas(result->classes[i], count));
        }
    }
    for (int i = 0; i < NRT__BENCH_ERRORS; i++) {
        if (result->errors[i] > 0) {
            (void)printf("  failed   %s%s%s  %s: %s\n", style->red, nrt_error_code(-i),
                         style->reset, with_commas(result->errors[i], count), nrt_error_text(-i));
        }
    }
    if (result->retries > 0) {
        (void)printf("  retries          %s\n", with_commas(result->retries, count));
    }
}

static void print_latency(const nrt__bench_result *result) {
    char text[32];
    (void)printf("  latency  min     %s\n",
                 nrt__ns_format((double)result->min_ns, text, sizeof(text)));
    (void)printf("           mean    %s\n",
                 nrt__ns_format(result->sum_ns / (double)result->responses, text, sizeof(text)));
    for (size_t i = 0; i < QUANTILES; i++) {
        (void)printf(
            "           %-7s %s\n", quantiles[i].title,
            nrt__ns_format(nrt__bench_quantile(result, quantiles[i].share), text, sizeof(text)));
    }
    (void)printf("           max     %s\n",
                 nrt__ns_format((double)result->max_ns, text, sizeof(text)));
}

/* A row for each power of two: between fastest and slowest there are seldom more than fifteen. */
static void print_histogram(const nrt__bench_result *result, const nrt__style *style) {
    uint64_t counts[OCTAVES] = {0};
    uint64_t most = 1;
    size_t first = OCTAVES;
    size_t last = 0;
    for (size_t i = 0; i < NRT__HISTOGRAM_BUCKETS; i++) {
        uint64_t from;
        uint64_t to;
        size_t row = 0;
        nrt__histogram_bounds(i, &from, &to);
        for (; row + 1 < OCTAVES && (UINT64_C(1) << row) <= from; row++) {
        }
        counts[row] += result->latency.counts[i];
        most = counts[row] > most ? counts[row] : most;
        if (result->latency.counts[i] > 0) {
            first = row < first ? row : first;
            last = row;
        }
    }
    (void)printf("\n");
    for (size_t row = first; row <= last && row < OCTAVES; row++) {
        char below[32];
        char count[32];
        double share = 100.0 * (double)counts[row] / (double)result->responses;
        int len = (int)((double)counts[row] * BAR_WIDTH / (double)most + 0.5);
        len = counts[row] > 0 && len == 0 ? 1 : len;
        (void)printf("  < %7s  %s%.*s%s%*s %5.1f %%  %s\n",
                     nrt__ns_format((double)(UINT64_C(1) << row) * 1000, below, sizeof(below)),
                     style->green, len, "########################################", style->reset,
                     BAR_WIDTH - len, "", share, with_commas(counts[row], count));
    }
}

bool nrt__bench_print(const nrt__bench_result *result) {
    const nrt__style *style = nrt__term_style(stdout);
    char count[32];
    char rate[32];
    char bytes[32];
    double per_s = result->seconds > 0 ? (double)result->bytes / result->seconds : 0;
    (void)printf("%s%s%s: %s requests in %.1f s, up to %u in flight", style->bold, result->url,
                 style->reset, with_commas(result->responses + result->failures, count),
                 result->seconds, result->concurrency);
    if (result->rate > 0) {
        (void)printf(", %u/s asked for", result->rate);
    }
    (void)printf("\n%s%s%s answers/s, bodies of %s/s\n\n", style->bold,
                 with_commas((uint64_t)(rate_of(result) + 0.5), rate), style->reset,
                 nrt__size_format((uint64_t)per_s, bytes, sizeof(bytes)));
    print_outcomes(result, style);
    if (result->responses > 0) {
        print_latency(result);
        print_histogram(result, style);
    }
    return fflush(stdout) == 0 && ferror(stdout) == 0;
}

/* ---- JSON ---- */

static json_t *counts_of(const nrt__bench_result *result, bool failures) {
    json_t *object = json_object();
    for (int i = 0; !failures && i < NRT__BENCH_CLASSES; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "%dxx", i);
        if (result->classes[i] > 0) {
            (void)json_object_set_new(object, name, json_integer((json_int_t)result->classes[i]));
        }
    }
    for (int i = 0; failures && i < NRT__BENCH_ERRORS; i++) {
        if (result->errors[i] > 0) {
            (void)json_object_set_new(object, nrt_error_code(-i),
                                      json_integer((json_int_t)result->errors[i]));
        }
    }
    return object;
}

static json_t *latency_of(const nrt__bench_result *result) {
    if (result->responses == 0) {
        return json_null();
    }
    json_t *object = json_pack("{s:f, s:f}", "min", (double)result->min_ns / 1000, "mean",
                               result->sum_ns / (double)result->responses / 1000);
    for (size_t i = 0; i < QUANTILES; i++) {
        (void)json_object_set_new(
            object, quantiles[i].name,
            json_real(nrt__bench_quantile(result, quantiles[i].share) / 1000));
    }
    (void)json_object_set_new(object, "max", json_real((double)result->max_ns / 1000));
    return object;
}

/* [from, to, count], as services tell it (docs/protocol.md, Discovery). */
static json_t *buckets_of(const nrt__histogram *latency) {
    json_t *buckets = json_array();
    for (size_t i = 0; i < NRT__HISTOGRAM_BUCKETS; i++) {
        uint64_t from;
        uint64_t to;
        nrt__histogram_bounds(i, &from, &to);
        if (latency->counts[i] > 0) {
            (void)json_array_append_new(buckets,
                                        json_pack("[I, I, I]", (json_int_t)from, (json_int_t)to,
                                                  (json_int_t)latency->counts[i]));
        }
    }
    return buckets;
}

bool nrt__bench_print_json(const nrt__bench_result *result) {
    json_int_t requests = (json_int_t)result->responses + (json_int_t)result->failures;
    json_t *object = json_pack(
        "{s:s, s:i, s:i, s:f, s:I, s:I, s:I, s:f, s:I, s:I, s:o, s:o, s:o, s:o}", "url",
        result->url, "in_flight", (int)result->concurrency, "rate", (int)result->rate, "seconds",
        result->seconds, "requests", requests, "responses", (json_int_t)result->responses,
        "failures", (json_int_t)result->failures, "responses_per_s", rate_of(result), "bytes",
        (json_int_t)result->bytes, "retries", (json_int_t)result->retries, "statuses",
        counts_of(result, false), "errors", counts_of(result, true), "latency_us",
        latency_of(result), "buckets_us", buckets_of(&result->latency));
    char *text = object ? json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) : NULL;
    json_decref(object);
    if (!text) {
        return false;
    }
    (void)printf("%s\n", text);
    free(text);
    return fflush(stdout) == 0 && ferror(stdout) == 0;
}
