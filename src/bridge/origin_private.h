/* What origin.c (the pool) and origin_conn.c (one connection to the origin) share. */
#ifndef NRT__ORIGIN_PRIVATE_H
#define NRT__ORIGIN_PRIVATE_H

#include "bridge/origin.h"
#include "bridge/stream.h"
#include "bridge/target.h"
#include "core/h1_reader.h"

typedef enum nrt__origin_conn_state {
    NRT__ORIGIN_DIALING = 0,
    NRT__ORIGIN_IDLE,    /* kept, and watched: whatever comes now ends it */
    NRT__ORIGIN_SENDING, /* a request is out; no byte of the response has come */
    NRT__ORIGIN_RECEIVING,
} nrt__origin_conn_state;

typedef struct nrt__origin_conn {
    struct nrt__origin_conn *next; /* the ring of all; idle ones also form a stack */
    struct nrt__origin_conn *prev;
    struct nrt__origin_conn *idle_below;
    nrt__origin *origin;
    nrt__stream stream;
    nrt__dial dial;
    nrt__h1_reader reader;
    nrt__message response;
    nrt__timer timer;
    nrt_exchange *exchange; /* the one it works for, or NULL */
    nrt__origin_conn_state state;
    unsigned interim; /* 1xx responses so far */
    bool used_before; /* has answered before: may be closed by the origin at any moment */
    bool sent;        /* the request has gone out whole */
} nrt__origin_conn;

/* An exchange that waits for a connection. */
typedef struct nrt__origin_wait {
    struct nrt__origin_wait *next;
    nrt_exchange *exchange;
} nrt__origin_wait;

struct nrt__origin {
    nrt_conn *conn;
    nrt__origin_options options;
    nrt__origin_conn conns; /* head of the ring */
    nrt__origin_conn *idle; /* the one used last on top */
    size_t conn_count;
    size_t dialing;
    nrt__origin_wait *waits;
    nrt__origin_wait **last_wait;
    size_t wait_count;
    nrt__target target;
    nrt__log_gate failed; /* attempts to connect */
    char scratch[64 * 1024];
};

/* ---- origin_conn.c ---- */

/* Dials; the connection takes its exchange from those that wait once it is there. NRT_ERR_CONNECT
 * (errno says why) or NRT_ERR_MEMORY at once where that cannot be. */
int nrt__origin_dial(nrt__origin *origin);

/* Sends the exchange's request on an idle connection. */
void nrt__origin_use(nrt__origin_conn *conn, nrt_exchange *exchange);

/* Closes it and takes it out of the pool; its exchange must be settled. */
void nrt__origin_conn_close(nrt__origin_conn *conn);

/* ---- origin.c ---- */

/* A connection is free (an idle one, or room for a new one): the next exchange that waits may have
 * it. */
void nrt__origin_next(nrt__origin *origin);

/* The attempt to connect failed: nobody waits for it any more. */
void nrt__origin_dial_failed(nrt__origin *origin, const char *reason);

/* To be tried again on another connection: before all that wait. */
void nrt__origin_again(nrt__origin *origin, nrt_exchange *exchange);

/* Ends an exchange with a problem. */
void nrt__origin_fail(nrt_exchange *exchange, int error, const char *detail);

static inline nrt__loop *nrt__origin_loop(nrt__origin *origin) {
    return nrt__conn_loop(origin->conn);
}

#endif
