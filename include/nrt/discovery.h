/* Who is there: every service of nrt, and every other one that follows the NATS service API
 * (ADR-32 of nats-architecture-and-design), answers requests on $SRV. This asks all of them, or
 * some, and gathers what comes.
 *
 * The connection must be permitted to publish to `$SRV.>` and to subscribe to its inbox. Answers
 * come from strangers: those that are not valid are skipped and counted, strings hold no control
 * characters, and what an answer claims is that service's word, not a proof. */
#ifndef NRT_DISCOVERY_H
#define NRT_DISCOVERY_H

#include <nrt/conn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What to ask for. Each tells more than the one before, and costs the services more. */
typedef enum nrt_discover_kind {
    NRT_DISCOVER_PING = 0,  /* who and where */
    NRT_DISCOVER_INFO = 1,  /* and description and endpoints */
    NRT_DISCOVER_STATS = 2, /* and what the endpoints have counted (but no description) */
} nrt_discover_kind;

/* Whom to ask, and for how long. What stands behind the last semicolon is the default. */
typedef struct nrt_discover_options {
    size_t size;            /* set by nrt_discover_options_init */
    nrt_discover_kind kind; /* NRT_DISCOVER_PING */
    const char *name;       /* only services of this name (nrt_discover_name); NULL: all */
    const char *id;         /* only this instance; NULL: all; needs `name` */
    uint32_t timeout_ms;    /* the longest that it takes in all; 2,000 */
    uint32_t quiet_ms;      /* it is over when no answer has come for so long after the last; 400 */
    size_t max_answers;     /* it is over when so many are there; 10,000; at most 100,000 */
    size_t max_answer;      /* larger ones are skipped, in bytes; 64 KiB */
} nrt_discover_options;

/* Fills in the defaults. */
static inline void nrt_discover_options_init(nrt_discover_options *options) {
    memset(options, 0, sizeof(*options));
    options->size = sizeof(*options);
    options->timeout_ms = 2000;
    options->quiet_ms = 400;
    options->max_answers = 10000;
    options->max_answer = 64 * 1024;
}

/* One of the things that a service tells of itself as it likes. */
typedef struct nrt_metadata {
    const char *name;  /* "nrt.*" are ours */
    const char *value; /* may be "" */
} nrt_metadata;

/* `count` requests took at least `from_us` and less than `to_us` microseconds. */
typedef struct nrt_latency_bucket {
    uint64_t from_us; /* microseconds */
    uint64_t to_us;   /* microseconds */
    uint64_t count;   /* requests */
} nrt_latency_bucket;

/* A subject that a service listens on; those of nrt have one. Strings are never NULL; what was not
 * told, or not asked for, is "" or 0. Later versions may add members behind. */
typedef struct nrt_endpoint {
    const char *name;        /* "http" of services of nrt */
    const char *subject;     /* may hold wildcards */
    const char *queue_group; /* in which instances share the requests */
    const char *last_error;  /* in the service's words */
    uint64_t requests;       /* since it began, as all that follows */
    uint64_t errors;         /* of these: answers with 5xx, or none */
    uint64_t processing_ns;  /* nanoseconds, of all requests together */
    uint64_t average_ns;     /* of one request */
    bool counts_more; /* what follows was told: by services of nrt, and those that count likewise */
    uint64_t in_flight;                /* requests being handled at this moment */
    uint64_t refused;                  /* beyond its limit of them */
    size_t bucket_count;               /* of `buckets` */
    const nrt_latency_bucket *buckets; /* ascending */
} nrt_endpoint;

/* One instance of a service. As with endpoints, nothing is NULL, and members may be added behind.
 */
typedef struct nrt_instance {
    const char *name;             /* of the service: [A-Za-z0-9_-] */
    const char *id;               /* of the instance */
    const char *version;          /* the service's own, as https://semver.org has it */
    const char *description;      /* what it is for, in its words */
    const char *started;          /* when (RFC 3339) */
    const char *host;             /* "weather.nats"; "" where it is no service of nrt */
    const char *prefix;           /* these, too, only of services of nrt: of its subjects, */
    const char *server;           /* the NATS server that it is connected to, */
    const char *cluster;          /* that server's cluster, */
    const char *library;          /* and the version of nrt */
    uint64_t rtt_ns;              /* nanoseconds from asking to its answer */
    size_t metadata_count;        /* of `metadata` */
    const nrt_metadata *metadata; /* all of it, "nrt.*" too */
    size_t endpoint_count;        /* of `endpoints` */
    const nrt_endpoint *const *endpoints; /* in the order in which it tells of them */
} nrt_instance;

/* What was gathered. It does not change, and needs no connection: any number of threads may read
 * it. */
typedef struct nrt_discovery nrt_discovery;

/* The outcome: `found` has what has come, also with an error; it is never NULL, and belongs to the
 * callee (nrt_discovery_destroy). Errors: NRT_ERR_PERMISSION, NRT_ERR_DISCONNECTED (not sent),
 * NRT_ERR_ABORTED (the connection was lost meanwhile), NRT_ERR_CANCELED (the connection was
 * closed), NRT_ERR_BUSY (nrt_options.max_output is reached); `detail` says it in words, during the
 * call. That nobody answered is no error. On the connection's thread. */
typedef void (*nrt_discovered_fn)(nrt_discovery *found, int error, const char *detail, void *arg);

/* Asks. `options` may be NULL. `fn` is called once where this returned 0, never from inside it. On
 * the connection's thread (nrt/conn.h), whose common errors are not repeated. NRT_ERR_USAGE (a name
 * or id that no service can have, a limit out of range), NRT_ERR_BUSY (64 are under way, or
 * nrt_options.max_output is reached), NRT_ERR_STATE (draining), NRT_ERR_MEMORY, NRT_ERR_SYSTEM (no
 * random bytes). */
NRT_API int nrt_discover_start(nrt_conn *conn, const nrt_discover_options *options,
                               nrt_discovered_fn fn, void *arg);

/* The same, and waits: drives the connection, so that other callbacks run too. With 0 the caller
 * owns *found; with any error it is NULL, and nrt_conn_error says more. Errors of both of the
 * above. */
NRT_API int nrt_discover(nrt_conn *conn, const nrt_discover_options *options,
                         nrt_discovery **found);

/* Frees what was gathered, its instances too. NULL is allowed. */
NRT_API void nrt_discovery_destroy(nrt_discovery *found);

/* How many instances there are. */
NRT_API size_t nrt_discovery_count(const nrt_discovery *found);

/* The instance at `index`, from 0, in the order of hosts, names, prefixes, then ids; NULL beyond
 * the last. It lives as long as `found`. */
NRT_API const nrt_instance *nrt_discovery_at(const nrt_discovery *found, size_t index);

/* How many answers were not valid, too large, or came twice. */
NRT_API size_t nrt_discovery_skipped(const nrt_discovery *found);

/* The time below which the share `quantile` (0 to 1) of the requests of these instances lies, all
 * endpoints together, in nanoseconds, within some 6 %. 0 where none tells. */
NRT_API double nrt_instances_latency(const nrt_instance *const *instances, size_t count,
                                     double quantile);

/* The name under which a host is found, for nrt_discover_options.name: "a.b.nats" has "a-b". `out`
 * gets it with its NUL. NRT_ERR_HOST. */
NRT_API int nrt_discover_name(const char *host, char out[254]);

#ifdef __cplusplus
}
#endif
#endif
