/* Which requests failed lately, and why: the last reasons that there were, each with how often and
 * the last request that met it. Of fixed size: nothing that a peer sends makes it grow. */
#ifndef NRT__FAILURES_H
#define NRT__FAILURES_H

#include "core/base/buf.h"

enum {
    NRT__FAILURES_KEPT = 32, /* reasons; beyond, the one that was met longest ago goes */
    NRT__FAILURE_SERVICE_MAX = 96,
    NRT__FAILURE_METHOD_MAX = 16,
    NRT__FAILURE_PATH_MAX = 128,
    NRT__FAILURE_CODE_MAX = 32,
    NRT__FAILURE_DETAIL_MAX = 256,
    NRT__FAILURE_ID_MAX = 32,
};

/* One that failed. What is longer than above is cut; strings may be absent. */
typedef struct nrt__failure {
    nrt_str service;
    nrt_str method;
    nrt_str target; /* the query is left out: it may hold what is nobody's business */
    nrt_str id;     /* NRT-ID */
    nrt_str code;   /* of nrt/error.h; absent: the status came from whoever is behind */
    nrt_str detail; /* in words */
    int status;     /* 0: there was none */
} nrt__failure;

typedef struct nrt__failures nrt__failures;

/* NULL without memory. */
nrt__failures *nrt__failures_create(void);
void nrt__failures_destroy(nrt__failures *failures);

/* `date` is env.date. Those of the same service, status, code and detail are counted together. */
void nrt__failures_add(nrt__failures *failures, const char *date, const nrt__failure *failure);

/* A JSON array, the one that was met last first. */
void nrt__failures_write(const nrt__failures *failures, nrt__buf *out);

#endif
