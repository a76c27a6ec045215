/* The model of a NATS server (tests/sim/model.h) with engines on its ports: what one publishes is
 * delivered at once. Messages can be lost on their way, or come twice. */
#ifndef NRT__BROKER_H
#define NRT__BROKER_H

#include "../sim/model.h"
#include "engine.h"

enum { BROKER_PORTS = 4 };

typedef struct broker {
    model model;
    nrt__session *ports[BROKER_PORTS];
    int count;                             /* messages that were published so far */
    int lose;                              /* the number of one that is lost; -1: none */
    int repeat;                            /* and of one that comes twice */
    bool silent;                           /* nobody learns that there is no subscriber */
    void (*before)(int number, void *arg); /* each message; may be NULL */
    void *arg;
} broker;

void broker_init(broker *b);
void broker_free(broker *b);

/* Connects a session; it is ready then. */
void broker_attach(broker *b, nrt__session *session, const nrt__nats_login *login);

/* It is gone, with its subscriptions. */
void broker_detach(broker *b, const nrt__session *session);

/* Those who subscribed last hear all first from now on. */
void broker_turn_round(broker *b);

/* Delivers until nobody has anything to say. */
void broker_run(broker *b);

#endif
