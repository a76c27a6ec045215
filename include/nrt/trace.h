/* Traces (https://www.w3.org/TR/trace-context/): traceparent and tracestate of a request, read as
 * strictly as that says, and passed on to another one. They are fields like others: who has a
 * library for tracing gives it those of the request and sets what it makes of them
 * (nrt_fields_set); who has none passes them on, and the trace goes through. Needs no other
 * library. */
#ifndef NRT_TRACE_H
#define NRT_TRACE_H

#include <nrt/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of a trace. */
enum {
    NRT_TRACE_SAMPLED = 1, /* who began it records it */
};

/* What a traceparent says. */
typedef struct nrt_trace {
    size_t size;       /* sizeof(nrt_trace), set by the caller */
    char trace_id[33]; /* 32 digits of [0-9a-f], as logs have it */
    char span_id[17];  /* 16 of them: the span of who sent the request */
    unsigned flags;    /* NRT_TRACE_* */
} nrt_trace;

/* The trace that a request with these fields belongs to. NRT_ERR_FIELD where they have no
 * traceparent, several, or one that is not valid: then nothing is known of a trace, and `trace` is
 * not changed. NRT_ERR_USAGE (NULL, or a `size` of 0). */
NRT_API int nrt_trace_read(const nrt_fields *fields, nrt_trace *trace);

/* Puts traceparent and tracestate of `from` (a request that is handled) into `to` (one that is sent
 * because of it), in the place of what is there. Where those of `from` are not valid, or it has
 * none, `to` has none either: 0 in any case, or NRT_ERR_USAGE (NULL), NRT_ERR_MEMORY. */
NRT_API int nrt_trace_pass(const nrt_fields *from, nrt_fields *to);

#ifdef __cplusplus
}
#endif
#endif
