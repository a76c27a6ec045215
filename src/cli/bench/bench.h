/* `nrt bench`: what its files share. bench.c puts the load on, bench_report.c says what came of it.
 */
#ifndef NRT__BENCH_BENCH_H
#define NRT__BENCH_BENCH_H

#include "cli/common.h"
#include "core/base/histogram.h"

enum { NRT__BENCH_CLASSES = 6, NRT__BENCH_ERRORS = 64 };

typedef struct nrt__bench_options {
    nrt__common common;
    unsigned concurrency;
    unsigned requests; /* 0: not given */
    uint32_t duration_ms;
    unsigned rate; /* a second; 0: as fast as they are answered */
    const char *method;
    const char *data;
    nrt__arg_list fields;
    bool json;
} nrt__bench_options;

/* What was measured so far. */
typedef struct nrt__bench_result {
    const char *url;
    unsigned concurrency;
    unsigned rate;
    double seconds;
    uint64_t begun;
    uint64_t responses;
    uint64_t failures;                    /* no response */
    uint64_t bytes;                       /* of responses' bodies */
    uint64_t classes[NRT__BENCH_CLASSES]; /* responses by the first digit of their status */
    uint64_t errors[NRT__BENCH_ERRORS];   /* failures, by error number without its sign */
    uint64_t retries;
    nrt__histogram latency; /* of responses, microseconds */
    double sum_ns;
    uint64_t min_ns;
    uint64_t max_ns;
} nrt__bench_result;

/* The latency below which the share `quantile` of responses lies, in nanoseconds. */
double nrt__bench_quantile(const nrt__bench_result *result, double quantile);

/* The line that is drawn while it runs; `goal` 0: by time, and `left_s` says how much. */
void nrt__bench_line(const nrt__bench_result *result, uint64_t goal, double left_s, char *out,
                     size_t size);

/* What came of it, on standard output. False where that could not be written. */
bool nrt__bench_print(const nrt__bench_result *result);
bool nrt__bench_print_json(const nrt__bench_result *result);

#endif
