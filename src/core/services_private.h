/* What services.c and exchange.c share, and nobody else may touch. */
#ifndef NRT__SERVICES_PRIVATE_H
#define NRT__SERVICES_PRIVATE_H

#include "core/services.h"

struct nrt__services {
    nrt__env *env;
    nrt__timers *timers;
    nrt__session *session;
    nrt__discovery *discovery; /* NULL: none */
    nrt__services_options options;
    nrt__run_fn run;
    void *run_arg;
    nrt_service *first;
    nrt_exchange in_flight; /* heads of rings, the oldest first: those that wait for nothing */
    nrt_exchange fresh;     /* and those whose client will be told that they are in work */
    size_t count;           /* in both */
    nrt__timer accept_timer;
    nrt__buf probe;   /* an inbox that nobody has: whether we may publish there at any time */
    bool probing;     /* asked, and not refused */
    bool multi_reply; /* we may */
    nrt_exchange *pool;
    size_t pooled;
    nrt__h1_reader reader;
    nrt__buf scratch;      /* the response head being written */
    nrt__buf extra;        /* the fields that are ours */
    nrt__buf identity;     /* those that are the same for all responses of a session */
    nrt__log_gate dropped; /* requests nobody could be answered for */
    nrt__log_gate lost;    /* responses */
    char id_prefix[12];
    uint64_t id_count;
};

/* A subscription that was left: until all that the server had sent for it has arrived. */
typedef struct nrt__service_left {
    struct nrt__service_left *next;
    nrt__sub *sub;
} nrt__service_left;

static inline void nrt__exchange_ring_add(nrt_exchange *head, nrt_exchange *exchange) {
    exchange->prev = head->prev;
    exchange->next = head;
    head->prev->next = exchange;
    head->prev = exchange;
}

static inline void nrt__exchange_ring_remove(nrt_exchange *exchange) {
    exchange->prev->next = exchange->next;
    exchange->next->prev = exchange->prev;
}

/* The session to answer on. */
nrt__session *nrt__exchange_session(const nrt_exchange *exchange);

/* ---- services_frames.c ---- */

/* Notes what the client understands, from its request. */
void nrt__exchange_read_accept(nrt_exchange *exchange);

/* The handler is about to run: if it takes long, the client is told that it does. */
void nrt__exchange_expect(nrt_exchange *exchange);

/* Says that the request was not and will not be executed; false where this must be said in HTTP. */
bool nrt__exchange_refuse(nrt_exchange *exchange, const char *reason);

/* Asks whether more than one reply is allowed, unless that was done. */
void nrt__services_probe(nrt__services *services);

/* Back to the pool. */
void nrt__exchange_release(nrt__services *services, nrt_exchange *exchange);

/* Frees one whose connection is gone. */
void nrt__exchange_drop(nrt_exchange *exchange);

/* Frees the service if it was to stop and nothing is left of it. */
void nrt__service_check_stopped(nrt_service *service);

#endif
