/* What front.c (connections) and front_exchange.c (requests to exchanges, results to responses)
 * share. */
#ifndef NRT__FRONT_PRIVATE_H
#define NRT__FRONT_PRIVATE_H

#include <netinet/in.h>

#include "bridge/front.h"
#include "bridge/listen.h"
#include "bridge/stream.h"
#include "core/h1_reader.h"
#include "lib/conn_private.h"

typedef enum nrt__front_state {
    NRT__FRONT_READING = 0, /* a head or a body */
    NRT__FRONT_WAITING,     /* the exchange is under way */
    NRT__FRONT_CLOSING,     /* the last response is going out */
    NRT__FRONT_LINGERING, /* it has gone out; what the client still sends is passed over, so that it
                             is not reset */
} nrt__front_state;

typedef struct nrt__front_conn {
    struct nrt__front_conn *next; /* the ring of all */
    struct nrt__front_conn *prev;
    nrt__front *front;
    nrt__stream stream;
    nrt__h1_reader reader;
    nrt__message request;
    nrt__buf body;    /* of the request */
    nrt__buf pending; /* bytes that came behind the request, for the next one */
    nrt__timer timer;
    unsigned attempts; /* at the exchange, known when it is over */
    nrt_exchange_id exchange;
    uint64_t sent_seen; /* of the stream, when the timer last looked */
    uint64_t requests;  /* on this connection so far */
    int64_t began_ms;   /* the request, for the record */
    nrt_str host;       /* the service's; of the route, or in the request's arena */
    nrt__front_state state;
    bool got_bytes;  /* of the request now being read */
    bool trusted;    /* its X-Forwarded-* are believed */
    bool in_send;    /* inside nrt__client_send: its result is handled by the caller */
    bool keep_alive; /* after this response */
    bool to_head;
    size_t lingered; /* bytes passed over */
    struct sockaddr_storage peer;
    char peer_name[INET6_ADDRSTRLEN];
} nrt__front_conn;

struct nrt__front {
    nrt_conn *conn;
    nrt__front_options options;
    nrt__io listener;
    nrt__cidr *trusted;
    nrt__front_conn conns; /* head of the ring */
    size_t conn_count;
    bool draining;
    void (*drained)(void *arg);
    void *drained_arg;
    nrt__timer accept_timer; /* descriptors ran out: try again later */
    char via[64];
    char url[256];
    char scratch[64 * 1024]; /* what one read brings */
};

/* ---- front_exchange.c ---- */

/* The head is there: may the body come? 0, or the error to answer with (`*detail` says why). */
int nrt__front_check_head(nrt__front_conn *conn, const char **detail);

/* The request is complete: sends it. The answer comes by nrt__front_answered, now or later. */
void nrt__front_send(nrt__front_conn *conn);

/* Answers by ourselves. */
void nrt__front_refuse(nrt__front_conn *conn, int error, const char *detail);

/* ---- front.c ---- */

/* A response is in the stream's output: on to the next request, or to the end of the connection. */
void nrt__front_answered(nrt__front_conn *conn);

static inline nrt__env *nrt__front_env(nrt__front *front) {
    return &nrt__conn_loop(front->conn)->env;
}

#endif
