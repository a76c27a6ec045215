/* What services.c and exchange.c share, and nobody else may touch. */
#ifndef NRT__SERVICES_PRIVATE_H
#define NRT__SERVICES_PRIVATE_H

#include "core/services.h"

struct nrt__services {
    nrt__env *env;
    nrt__session *session;
    nrt__discovery *discovery; /* NULL: none */
    nrt__services_options options;
    nrt__run_fn run;
    void *run_arg;
    nrt_service *first;
    nrt_exchange in_flight; /* head of the ring */
    size_t count;           /* in the ring */
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

/* Back to the pool. */
void nrt__exchange_release(nrt__services *services, nrt_exchange *exchange);

/* Frees one whose connection is gone. */
void nrt__exchange_drop(nrt_exchange *exchange);

/* Frees the service if it was to stop and nothing is left of it. */
void nrt__service_check_stopped(nrt_service *service);

#endif
