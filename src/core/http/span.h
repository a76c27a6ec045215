/* Spans as JSON, as OTLP/HTTP takes them (https://opentelemetry.io/docs/specs/otlp/): ids in
 * hexadecimal, 64-bit numbers as strings. */
#ifndef NRT__SPAN_H
#define NRT__SPAN_H

#include "core/base/buf.h"
#include "core/http/trace.h"

typedef enum nrt__span_kind {
    NRT__SPAN_SERVER = 2, /* OTLP's numbers; trace->span, below what the request came with */
    NRT__SPAN_CLIENT = 3, /* trace->sent, below trace->span */
} nrt__span_kind;

/* Begins one: its attributes follow, then its end. Times are nanoseconds since 1970. Failures are
 * in out->failed. */
void nrt__span_begin(nrt__buf *out, const nrt__trace *trace, nrt__span_kind kind, nrt_str name,
                     uint64_t began_ns, uint64_t ended_ns);

/* An attribute; one whose text is empty is left out, and what is longer than `max` is cut. `key` is
 * a name of ours. */
void nrt__span_text(nrt__buf *out, const char *key, nrt_str value, size_t max);
void nrt__span_number(nrt__buf *out, const char *key, uint64_t value);

/* `why`: empty where it has not failed, or there is nothing to say about it. */
void nrt__span_end(nrt__buf *out, bool failed, nrt_str why);

/* What stands before the spans of a message, up to the list that they are in, and behind them.
 * Attributes of the resource stand between the two parts of the beginning. */
void nrt__spans_begin(nrt__buf *out);
void nrt__spans_list(nrt__buf *out, const char *version);
void nrt__spans_end(nrt__buf *out);

#endif
