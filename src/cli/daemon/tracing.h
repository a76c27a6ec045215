/* --trace and what goes with it, of `nrt gateway` and `nrt serve`. */
#ifndef NRT__DAEMON_TRACING_H
#define NRT__DAEMON_TRACING_H

#include "cli/args.h"
#include "cli/report.h"
#include "core/http/trace.h"

/* Its options; each of the others implies the first. */
typedef struct nrt__tracing_args {
    bool on;
    const char *sample; /* a share, "0.1" or "10%" */
} nrt__tracing_args;

typedef struct nrt__tracing {
    nrt__trace_options options;
    bool on;
} nrt__tracing;

/* 0, or the exit code once it has said what is wrong. */
int nrt__tracing_open(nrt__tracing *tracing, const nrt__tracing_args *args, const nrt__report *log);

/* For nrt__front_options; NULL: off. */
static inline const nrt__trace_options *nrt__tracing_options(const nrt__tracing *tracing) {
    return tracing->on ? &tracing->options : NULL;
}

/* Adds the ids to the members of a line about a request; `members` may be NULL, and `trace`. */
void nrt__tracing_members(json_t *members, const nrt__trace *trace);

/* Reads "0.1", "10%", "1" as a share of 2^56: how many traces are *not* sampled. */
bool nrt__share_read(const char *text, uint64_t *unsampled);

#endif
