/* W3C Trace Context (https://www.w3.org/TR/trace-context/, level 2): which trace a request belongs
 * to, by its fields traceparent and tracestate; what becomes of them where we add spans. */
#ifndef NRT__TRACE_H
#define NRT__TRACE_H

#include "core/base/env.h"
#include "core/http/fields.h"

enum {
    NRT__TRACE_ID = 32, /* hexadecimal digits */
    NRT__SPAN_ID = 16,
    NRT__TRACEPARENT_LEN = 55, /* 00-<trace id>-<span id>-<flags> */
    NRT__TRACE_SAMPLED = 1,
    NRT__TRACE_RANDOM = 2, /* the last 56 bits of the trace's id are random */
};

/* Digits of ids, in lower case; no NUL behind them. */
typedef struct nrt__trace {
    char id[NRT__TRACE_ID];
    char parent[NRT__SPAN_ID]; /* the span of who sent the request, where `continued` */
    char span[NRT__SPAN_ID];   /* ours, for the request */
    char sent[NRT__SPAN_ID];   /* ours, for what is sent on; the same where there is one only */
    uint8_t flags;
    bool continued; /* not begun here */
} nrt__trace;

/* How traces are begun. */
typedef struct nrt__trace_options {
    uint64_t unsampled; /* of 2^56 traces that begin here, how many are not sampled */
    bool pairs;         /* a sampled request has two spans: its own, and of what is sent on */
} nrt__trace_options;

enum { NRT__TRACE_SHARES = 56 }; /* bits of `unsampled` */

static inline bool nrt__trace_is_sampled(const nrt__trace *trace) {
    return (trace->flags & NRT__TRACE_SAMPLED) != 0;
}

/* Reads the value of a traceparent: id, parent and flags. False where it is not valid. */
bool nrt__traceparent_read(nrt_str text, nrt__trace *trace);

/* Finds the one traceparent of a request: false where there is none, more than one, or one that is
 * not valid. */
bool nrt__trace_find(const nrt_fields *fields, nrt__trace *trace);

/* Whether what stands in tracestate, over all its lines, is valid: at most 32 members. Those with
 * the same key are for who reads them. */
bool nrt__tracestate_is_valid(const nrt_fields *fields);

/* The trace that a request with these fields belongs to, and spans of ours in it; where it says of
 * none, one begins. 0, or NRT_ERR_SYSTEM: no random bytes. */
int nrt__trace_begin(nrt__env *env, const nrt_fields *fields, const nrt__trace_options *options,
                     nrt__trace *trace);

/* Writes the value of a traceparent with `span` in it; `out` has room for NRT__TRACEPARENT_LEN. */
void nrt__traceparent_write(const nrt__trace *trace, const char *span, char *out);

/* Puts trace->sent into the fields, in the place of what is there. A tracestate stays where it is
 * valid and that of this trace. False without memory. */
bool nrt__trace_put(const nrt__trace *trace, nrt_fields *fields);

#endif
