/* What is counted of the requests to one service, for metrics: by method and kind of status, how
 * long they took, how large they were. Numbers of fixed count: no request allocates anything, and
 * nothing that a peer sends becomes a label of its own. */
#ifndef NRT__TALLY_H
#define NRT__TALLY_H

#include <nrt/base.h>

#include "core/discovery/failures.h"

enum {
    NRT__TALLY_METHODS = 8, /* the last one is all others */
    NRT__TALLY_CODES = 6,   /* 1xx to 5xx; the last one: nobody waited for the answer */
    NRT__LADDER_STEPS = 18, /* bounds of a ladder at most */
    NRT__TALLIES_MAX = 256, /* services with a tally of their own */
};

/* A histogram with few bounds, for Prometheus: nrt__ladder_times or nrt__ladder_sizes. */
typedef struct nrt__ladder {
    uint64_t counts[NRT__LADDER_STEPS + 1]; /* each up to its bound; then what is beyond all */
    uint64_t sum;
} nrt__ladder;

typedef struct nrt__ladder_bounds {
    size_t count;
    uint64_t bounds[NRT__LADDER_STEPS]; /* inclusive, ascending */
} nrt__ladder_bounds;

extern const nrt__ladder_bounds nrt__ladder_times; /* nanoseconds */
extern const nrt__ladder_bounds nrt__ladder_sizes; /* bytes */

static inline void nrt__ladder_add(nrt__ladder *ladder, const nrt__ladder_bounds *bounds,
                                   uint64_t value) {
    size_t at = 0;
    while (at < bounds->count && value > bounds->bounds[at]) {
        at++;
    }
    ladder->counts[at]++;
    ladder->sum += value;
}

/* Zeroed is nothing yet. */
typedef struct nrt__tally {
    uint64_t requests[NRT__TALLY_METHODS][NRT__TALLY_CODES];
    nrt__ladder times;         /* nanoseconds, from the request to the end of its response */
    nrt__ladder request_sizes; /* bytes of bodies */
    nrt__ladder response_sizes;
} nrt__tally;

/* One request; `status` 0: nobody waited for its answer. */
void nrt__tally_add(nrt__tally *tally, nrt_str method, int status, int64_t took_ns,
                    uint64_t request_bytes, uint64_t response_bytes);

/* "GET", "other"; "2xx", "canceled". Static. */
const char *nrt__tally_method(size_t method);
const char *nrt__tally_code(size_t code);

/* Tallies by service, for who does not know beforehand which there will be. */
typedef struct nrt__tallies nrt__tallies;

nrt__tallies *nrt__tallies_create(void);
void nrt__tallies_destroy(nrt__tallies *tallies);

/* The service's tally. Where it has none, one is made if `make` says so and there is room; else it
 * is that of all others. Never NULL. `host` is copied. */
nrt__tally *nrt__tallies_find(nrt__tallies *tallies, nrt_str host, bool make);

/* Those there are, in the order in which they came, "other" first; NULL beyond the last. */
const nrt__tally *nrt__tallies_at(const nrt__tallies *tallies, size_t index, nrt_str *host);

/* Where those that failed are to be noted, and are found. Lives as long as the tallies. */
nrt__failures *nrt__tallies_failures(const nrt__tallies *tallies);

#endif
