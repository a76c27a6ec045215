/* A line for each request, as web servers write them: in the combined format, or as JSON. Nothing
 * that a peer sends can begin another line, or end a field before its end. */
#ifndef NRT__DAEMON_ACCESS_LOG_H
#define NRT__DAEMON_ACCESS_LOG_H

#include "core/base/buf.h"
#include "core/http/message.h"
#include "core/http/trace.h"

typedef enum nrt__access_format {
    NRT__ACCESS_COMBINED = 0, /* of Apache and nginx */
    NRT__ACCESS_JSON = 1,     /* one object a line */
} nrt__access_format;

/* What is told of a request. Strings may be absent. */
typedef struct nrt__access {
    nrt_str peer;
    const nrt__message *request;
    nrt_str service;
    int status;
    uint64_t request_bytes; /* of bodies */
    uint64_t bytes;
    int64_t duration_ns;
    int64_t upstream_ns; /* to the response's head; negative: none came */
    unsigned attempts;   /* 0: not told */
    nrt_str id;          /* NRT-ID */
    nrt_str server;      /* who answered: NATS server and number there, */
    nrt_str client;
    nrt_str cluster;   /* and cluster */
    const char *error; /* a code; "" */
    const char *detail;
    const nrt__trace *trace; /* the spans of ours that it has; NULL: none */
    int64_t asked_ns;        /* from the beginning until it was sent on; negative: it was not */
    const char *origin;      /* a sidecar's target; NULL: it went to a service on NATS */
    bool secure;             /* it came by TLS */
} nrt__access;

/* Appends the line, newline and all, for a request that is over at `seconds` and `ms` of the wall
 * clock. */
void nrt__access_write(nrt__buf *out, nrt__access_format format, const nrt__access *access,
                       int64_t seconds, unsigned ms);

#endif
