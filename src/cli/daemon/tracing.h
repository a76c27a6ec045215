/* --trace and what goes with it, of `nrt gateway` and `nrt serve`: how traces are begun, and spans
 * for a collector. */
#ifndef NRT__DAEMON_TRACING_H
#define NRT__DAEMON_TRACING_H

#include "bridge/otlp.h"
#include "cli/common.h"
#include "cli/daemon/access_log.h"

/* Its options; each of the others implies the first. */
typedef struct nrt__tracing_args {
    bool on;
    const char *sample; /* a share, "0.1" or "10%" */
    const char *url;    /* of the collector; NULL: what the environment says, or none */
} nrt__tracing_args;

/* Zeroed is off. */
typedef struct nrt__tracing {
    nrt__trace_options options;
    bool on;
    nrt__otlp *otlp; /* NULL: spans go nowhere but into logs */
} nrt__tracing;

/* `called` is the program's name for collectors, where the environment gives no other. 0, or the
 * exit code once it has said what is wrong. */
int nrt__tracing_open(nrt__tracing *tracing, const nrt__tracing_args *args, nrt__program *program,
                      const char *called);

/* Sends what is left, for a moment; then `done`. */
void nrt__tracing_finish(nrt__tracing *tracing, void (*done)(void *arg), void *arg);

/* Before the connection ends. */
void nrt__tracing_close(nrt__tracing *tracing);

/* For nrt__front_options; NULL: off. */
static inline const nrt__trace_options *nrt__tracing_options(const nrt__tracing *tracing) {
    return tracing->on ? &tracing->options : NULL;
}

/* A request is over: its spans go to the collector, if they are to. In spans.c. */
void nrt__tracing_add(nrt__tracing *tracing, const nrt__access *access);

/* Adds the ids to the members of a line about a request; `members` may be NULL, and `trace`. */
void nrt__tracing_members(json_t *members, const nrt__trace *trace);

/* Whether a collector can be at `url`; else `why`, which tells no password. */
bool nrt__tracing_check_url(const char *url, char *why, size_t size);

/* Reads "0.1", "10%", "1" as a share of 2^56: how many traces are *not* sampled. */
bool nrt__share_read(const char *text, uint64_t *unsampled);

#endif
