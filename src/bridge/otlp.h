/* Spans to a collector, by OTLP/HTTP as JSON: in batches, over one connection, and lossy under
 * pressure. Whoever adds spans never waits: what the collector does not take in time is dropped and
 * counted. Runs on the connection's loop. */
#ifndef NRT__OTLP_H
#define NRT__OTLP_H

#include <nrt/conn.h>

#include "core/base/buf.h"

typedef struct nrt__otlp nrt__otlp;

/* Why spans were dropped. */
typedef enum nrt__otlp_loss {
    NRT__OTLP_QUEUE_FULL,  /* more of them than the collector takes */
    NRT__OTLP_UNAVAILABLE, /* it could not be reached, or said so, and trying again did not help */
    NRT__OTLP_REJECTED,    /* it does not want them */
    NRT__OTLP_LOSSES,
} nrt__otlp_loss;

typedef struct nrt__otlp_counts {
    uint64_t exported; /* spans that the collector has taken */
    uint64_t dropped[NRT__OTLP_LOSSES];
} nrt__otlp_counts;

/* "queue_full", ... Static. */
const char *nrt__otlp_loss_name(nrt__otlp_loss loss);

/* `url` is http://host:port/v1/traces, or unix:/path (and /v1/traces there); `fields` are further
 * lines of the request's head, complete and checked; `resource` is the JSON that stands before all
 * spans. Nothing is dialled yet. NULL on failure with *error set and, in `detail` (of `detail_size`
 * bytes), what is wrong in words. */
nrt__otlp *nrt__otlp_open(nrt_conn *conn, const char *url, nrt_str fields, nrt_str resource,
                          int *error, char *detail, size_t detail_size);

/* Where the next span is to be appended to (core/http/span.h), then nrt__otlp_end. NULL: there is
 * no room, it is dropped and counted. */
nrt__buf *nrt__otlp_begin(nrt__otlp *otlp);
void nrt__otlp_end(nrt__otlp *otlp);

const nrt__otlp_counts *nrt__otlp_counted(const nrt__otlp *otlp);

/* Sends what is left, for `limit_ms` at most, and tells: at once, or later. Nothing may be added
 * any more. */
void nrt__otlp_finish(nrt__otlp *otlp, uint32_t limit_ms, void (*done)(void *arg), void *arg);

/* What is left is dropped. NULL is allowed. Before nrt_conn_destroy. */
void nrt__otlp_destroy(nrt__otlp *otlp);

#endif
