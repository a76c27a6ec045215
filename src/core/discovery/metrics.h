/* Writes metrics as Prometheus reads them: its text format 0.0.4, and OpenMetrics 1.0, which is
 * nearly the same. */
#ifndef NRT__METRICS_H
#define NRT__METRICS_H

#include "core/base/buf.h"
#include "core/discovery/tally.h"

typedef struct nrt__metrics {
    nrt__buf *out; /* failures are noted there */
    bool open;     /* as OpenMetrics */
    const char *name;
    const char *suffix; /* "_total" of counters, else "" */
} nrt__metrics;

typedef struct nrt__label {
    const char *name;
    nrt_str value; /* escaped when it is written */
} nrt__label;

typedef enum nrt__metric_kind {
    NRT__METRIC_COUNTER, /* `name` without the "_total" that its samples have */
    NRT__METRIC_GAUGE,
    NRT__METRIC_HISTOGRAM,
} nrt__metric_kind;

/* A family of metrics begins: all its samples follow, before the next one begins. `name` and `help`
 * are static; `help` is a sentence without what would have to be escaped. */
void nrt__metrics_begin(nrt__metrics *metrics, const char *name, nrt__metric_kind kind,
                        const char *help);

/* One sample of a counter or gauge. */
void nrt__metrics_count(nrt__metrics *metrics, const nrt__label *labels, size_t label_count,
                        uint64_t value);

/* The same with a decimal point before the last `digits` digits of the value. */
void nrt__metrics_fixed(nrt__metrics *metrics, const nrt__label *labels, size_t label_count,
                        uint64_t value, unsigned digits);

/* All samples of a histogram, its values likewise (nanoseconds as seconds: 9 digits). */
void nrt__metrics_ladder(nrt__metrics *metrics, const nrt__label *labels, size_t label_count,
                         const nrt__ladder *ladder, const nrt__ladder_bounds *bounds,
                         unsigned digits);

/* A counter or gauge without labels, from its beginning to its end. */
void nrt__metrics_one(nrt__metrics *metrics, const char *name, nrt__metric_kind kind,
                      const char *help, uint64_t value);

/* Nothing follows. */
void nrt__metrics_end(nrt__metrics *metrics);

#endif
