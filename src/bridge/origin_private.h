/* What the files of the origin share: origin.c (the pool), origin_conn.c (a connection and its
 * states), origin_request.c (what is written to it), origin_response.c (what comes back). */
#ifndef NRT__ORIGIN_PRIVATE_H
#define NRT__ORIGIN_PRIVATE_H

#include "bridge/origin.h"
#include "bridge/stream.h"
#include "bridge/target.h"
#include "core/http/h1_reader.h"

typedef enum nrt__origin_conn_state {
    NRT__ORIGIN_DIALING = 0, /* the TLS handshake included */
    NRT__ORIGIN_IDLE,        /* kept, and watched: whatever comes now ends it */
    NRT__ORIGIN_SENDING,     /* a request is out; no byte of the response has come */
    NRT__ORIGIN_RECEIVING,
    NRT__ORIGIN_TUNNEL, /* after a 101: all bytes are passed on, both ways */
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
    size_t held;            /* of its request's body: not yet with the socket, so without credit */
    nrt__origin_conn_state state;
    unsigned interim;    /* 1xx responses so far */
    bool used_before;    /* has answered before: may be closed by the origin at any moment */
    bool chunked;        /* the request's body goes in chunks */
    bool whole;          /* all of the request was there when it was written: may be sent again */
    bool ended;          /* all of the request is in the stream's output */
    bool sent;           /* and has gone out */
    bool expects;        /* the client waits for a 100 */
    bool soon;           /* the response is waited for to end: for a moment, or as one message */
    bool headed;         /* the response's final head is in the exchange */
    bool started;        /* and has gone to the client: the body follows in pieces */
    bool origin_ended;   /* a tunnel: nothing more comes from the origin, */
    bool response_ended; /* and the client has been told */
    bool request_ended;  /* or from the client */
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

/* The exchange is settled: kept for the next one, or closed. */
void nrt__origin_conn_done(nrt__origin_conn *conn, bool keep);

void nrt__origin_set_timer(nrt__origin_conn *conn, uint32_t delay_ms, nrt__timer_fn fn);
void nrt__origin_clear_timer(nrt__origin_conn *conn);

/* ---- origin_request.c ---- */

/* What an exchange tells; `arg` is the origin while it waits for a connection, then the
 * connection. */
extern const nrt_exchange_events nrt__origin_waiting_events;

/* Writes the request, as far as it is there. NRT_ERR_MEMORY. */
int nrt__origin_write_request(nrt__origin_conn *conn);

/* All of it has been read by the origin: what would still be on its way would meet its next read.
 */
bool nrt__origin_request_was_read(const nrt__origin_conn *conn);

/* Bytes have gone to the socket; everything has. */
void nrt__origin_on_moved(void *arg);
void nrt__origin_on_drained(void *arg);

/* ---- origin_response.c ---- */

/* What was read; that it ended. */
void nrt__origin_on_bytes(nrt__origin_conn *conn, nrt_str bytes);
void nrt__origin_on_end(nrt__origin_conn *conn);

/* There is room again for what waits of the response. */
void nrt__origin_pump(nrt__origin_conn *conn);

/* A tunnel whose two sides have ended is over. */
void nrt__origin_check_tunnel(nrt__origin_conn *conn);

/* The response cannot be completed: `detail` says why. The connection is gone after this. */
void nrt__origin_refuse_response(nrt__origin_conn *conn, int error, const char *detail);

/* The connection ended too early: the request is sent again, or fails. It is gone after this. */
void nrt__origin_broke_off(nrt__origin_conn *conn, const char *what);

/* ---- origin.c ---- */

/* A connection is free (an idle one, or room for a new one): the next exchange that waits may have
 * it. */
void nrt__origin_next(nrt__origin *origin);

/* The attempt to connect failed: nobody waits for it any more. `tls`: in the handshake. */
void nrt__origin_dial_failed(nrt__origin *origin, const char *reason, bool tls);

/* To be tried again on another connection: before all that wait. */
void nrt__origin_again(nrt__origin *origin, nrt_exchange *exchange);

/* It no longer waits. */
void nrt__origin_stop_waiting(nrt__origin *origin, nrt_exchange *exchange);

/* Ends an exchange with a problem. */
void nrt__origin_fail(nrt_exchange *exchange, int error, const char *detail);

static inline nrt__loop *nrt__origin_loop(nrt__origin *origin) {
    return nrt__conn_loop(origin->conn);
}

#endif
