/* HTTP in, NATS out: listeners whose connections speak HTTP/1.1, each request becoming an exchange.
 * The gateway and the forward proxy are this. Runs on the connection's loop. */
#ifndef NRT__FRONT_H
#define NRT__FRONT_H

#include <nrt/conn.h>

#include "bridge/route.h"
#include "core/discovery/tally.h"
#include "core/http/message.h"
#include "core/http/trace.h"
#include "lib/tls.h"

typedef struct nrt__front nrt__front;
typedef struct nrt__front_conn nrt__front_conn;

/* What happened to one request, for logs. Views live during the call. */
typedef struct nrt__front_record {
    nrt_str peer;                /* the client's address */
    const nrt__message *request; /* as far as it could be read: method and target may be empty */
    nrt_str host;                /* the service; empty where no route led to one */
    bool secure;                 /* it came by TLS */
    int status;
    int error;              /* 0, or why the gateway answered by itself: NRT_ERR_* */
    const char *detail;     /* in words, "" where error is 0 */
    uint64_t request_bytes; /* of bodies */
    uint64_t bytes;
    unsigned attempts; /* how often it was sent to a service; 0: never */
    uint32_t duration_ms;
    /* With options.detailed; those that the service did not tell are empty. */
    int64_t duration_ns;
    int64_t upstream_ns; /* from sending the request to the response's head; negative: none came */
    nrt_str id;          /* NRT-ID */
    nrt_str server;      /* the NATS server that the instance was connected to, */
    nrt_str client;      /* its number there, */
    nrt_str cluster;     /* and that server's cluster */
    int64_t asked_ns;    /* from the beginning until it went to NATS; negative: it did not */
    const nrt__trace *trace; /* with options.trace, if its head could be read; else NULL */
} nrt__front_record;

typedef struct nrt__front_options {
    const nrt__routes *routes;  /* must outlive the front; NULL: none */
    bool in_process;            /* the client is this process, and nobody else: no Via, no
                                   X-Forwarded-*; https:// in a Location to a .nats host becomes
                                   http://, which it is here */
    bool proxy;                 /* absolute-form requests, and any Host that ends in .nats */
    nrt__tls_context *tls;      /* for listening; the front holds it, too; NULL: plain */
    unsigned listen_mode;       /* of the file of a unix socket; 0: what the umask leaves */
    const char *const *trusted; /* CIDRs whose X-Forwarded-* are kept and added to; or "unix" */
    size_t trusted_count;
    const char *via;           /* pseudonym in Via; "nrt" */
    uint64_t max_body;         /* request body; beyond: 413; no limit */
    size_t max_connections;    /* 10,000; beyond: 503 and close */
    uint64_t max_requests;     /* on one connection, which is closed then; 100,000 */
    uint32_t head_timeout_ms;  /* to read a head; 10,000 */
    uint32_t idle_timeout_ms;  /* between requests, and between bytes of a body; 60,000 */
    uint32_t timeout_ms;       /* to the response head; 0: the connection's */
    bool long_poll;            /* and longer, once a service has accepted it, while that is alive */
    uint32_t drain_timeout_ms; /* what is not over by then is broken off; 30,000 */
    nrt__tallies *tallies; /* where requests are counted, by service; NULL: nowhere. Outlives it */
    size_t *connections;   /* counts those of several fronts; NULL: nobody does. Outlives it */
    bool share_port;       /* with another front that is going to be retired */
    void (*on_request)(const nrt__front_record *record, void *arg); /* NULL: not told */
    void *on_request_arg;
    bool detailed;                   /* its records have what takes some time to find out */
    const nrt__trace_options *trace; /* requests get spans, and traces where they have none; NULL:
                                        traceparent goes on as it came. Outlives the front */
    /* Requests are for this process itself, whose answers these are: called once for each that
     * passed the checks and has no body. Then nrt__front_answer, at once or later, unless `forget`
     * says that the client is gone. NULL: to NATS. */
    void (*answer)(nrt__front_conn *conn, const nrt__message *request, void *arg);
    void (*forget)(nrt__front_conn *conn, void *arg);
    void *answer_arg;
} nrt__front_options;

void nrt__front_options_init(nrt__front_options *options);

/* Listens on `[ADDR:]PORT` or `unix:/path`: PORT alone is loopback, `:PORT` all addresses, 0 picks
 * a port, IPv6 in brackets. NULL on failure with *error set and, in `detail` (of `detail_size`
 * bytes), what is wrong in words. */
nrt__front *nrt__front_open(nrt_conn *conn, const char *listen, const nrt__front_options *options,
                            int *error, char *detail, size_t detail_size);

/* "http://127.0.0.1:9090" ("https://...") or "unix:/path": where it listens. Lives as long as the
 * front. */
const char *nrt__front_url(const nrt__front *front);

/* Goes by other options from now on: requests that begin, connections that are there and those that
 * come. What is under way goes on as it began, and where it listens stays. Without memory for it
 * everything is left as it was: NRT_ERR_MEMORY; NRT_ERR_USAGE: a network is none. */
int nrt__front_update(nrt__front *front, const nrt__front_options *options);

/* Others may bind the port besides, who set share_port: until it is retired. */
void nrt__front_share_port(nrt__front *front, bool share);

/* Stops listening, takes what waited for that, and lets connections go on: each closes with the
 * next response, or once it has been idle for long enough. `done(arg)` is called after the last
 * one, at once if there is none. nrt__front_drain may follow. */
void nrt__front_retire(nrt__front *front, void (*done)(void *arg), void *arg);

/* Connections of clients, and whether it takes no more of them. */
size_t nrt__front_connections(const nrt__front *front);
bool nrt__front_is_draining(const nrt__front *front);

/* The answer to a request that was given to options.answer; framing is settled in it, nothing else
 * is changed. */
void nrt__front_answer(nrt__front_conn *conn, nrt__message *response);

/* Stops listening; connections finish what they are doing and close; then `done(arg)` is called. */
void nrt__front_drain(nrt__front *front, void (*done)(void *arg), void *arg);

/* Closes everything now. NULL is allowed. Before nrt_conn_destroy. */
void nrt__front_destroy(nrt__front *front);

#endif
