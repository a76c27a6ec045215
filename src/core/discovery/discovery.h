/* Services tell of themselves: requests of the NATS service API (ADR-32 of
 * nats-architecture-and-design) on `$SRV.PING|INFO|STATS[.NAME[.ID]]` are answered, by each service
 * of a connection for itself. One subscription for all of them; what a tool asks for is read in
 * discovery_read.c, and gathered in gather.c. */
#ifndef NRT__DISCOVERY_H
#define NRT__DISCOVERY_H

#include <nrt/service.h>

#include "core/base/histogram.h"
#include "core/nats/session.h"

typedef struct nrt__discovery nrt__discovery;
typedef struct nrt__listing nrt__listing;

/* What a service counts. Zeroed is nothing yet. */
typedef struct nrt__service_stats {
    uint64_t requests;      /* that could be answered, whatever became of them */
    uint64_t errors;        /* 5xx answers, but for refusals; responses that could not be sent */
    uint64_t refused;       /* at the limit of requests in flight */
    uint64_t processing_ns; /* of those that the handler saw, from arrival to response */
    int last_status;        /* of the last error; 0: none */
    nrt_str last_code;      /* its NRT-Error, static; absent where the handler made it */
    nrt__histogram latency; /* of those that the handler saw */
} nrt__service_stats;

/* One whose handler has run: `ns` since it arrived. */
static inline void nrt__stats_handled(nrt__service_stats *stats, int64_t ns) {
    uint64_t took = ns > 0 ? (uint64_t)ns : 0;
    stats->processing_ns += took;
    nrt__histogram_add(&stats->latency, took / 1000);
}

static inline void nrt__stats_error(nrt__service_stats *stats, int status, nrt_str code) {
    stats->errors++;
    stats->last_status = status;
    stats->last_code = code;
}

enum {
    NRT__DISCOVERY_VERSION_MAX = 64,
    NRT__DISCOVERY_DESCRIPTION_MAX = 512,
    NRT__DISCOVERY_METADATA_MAX = 32, /* pairs */
    NRT__DISCOVERY_NAME_MAX = 64,     /* of a metadata name */
    NRT__DISCOVERY_VALUE_MAX = 512,
    NRT__DISCOVERY_ID_CHARS = 22,
};

/* `prefix` must outlive it. */
nrt__discovery *nrt__discovery_create(nrt__env *env, nrt__timers *timers, nrt__session *session,
                                      nrt_str prefix);
void nrt__discovery_destroy(nrt__discovery *discovery);

/* Another session has taken over, with the same subscriptions. */
void nrt__discovery_switch(nrt__discovery *discovery, nrt__session *session);

/* 0 if what the options say of the service can be told; else NRT_ERR_USAGE and what is wrong. */
int nrt__discovery_check(const nrt_service_options *options, const char **why);

/* Lists a service, whose options have been checked; copies them. Its listing lasts until it is
 * removed. NRT_ERR_MEMORY, NRT_ERR_SYSTEM. */
int nrt__discovery_add(nrt__discovery *discovery, nrt_service *service,
                       const nrt_service_options *options, nrt__listing **out);

/* The id of the instance, as its answers tell it; "" for NULL. */
const char *nrt__listing_id(const nrt__listing *listing);

/* It answers no more; `listing` is gone. NULL is allowed. */
void nrt__discovery_remove(nrt__discovery *discovery, nrt__listing *listing);

/* The service's name for NATS: the host without ".nats", what a name may not hold turned to '-'.
 * `out` takes host.len + 1. */
void nrt__discovery_name(nrt_str host, char *out);

/* Whether it is a version as https://semver.org writes them. */
bool nrt__is_semver(nrt_str text);

#endif
