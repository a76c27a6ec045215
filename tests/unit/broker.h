/* A NATS server in memory, for engines: what one publishes is delivered to who has subscribed, with
 * a 503 where that is nobody. Messages can be lost on their way, or come twice. */
#ifndef NRT__BROKER_H
#define NRT__BROKER_H

#include "engine.h"

#define BROKER_INFO                                                                                \
    "INFO {\"server_id\":\"A\",\"server_name\":\"n1\",\"version\":\"2.10.1\",\"headers\":true,"    \
    "\"max_payload\":65536,\"client_id\":7}\r\n"

enum { BROKER_PORTS = 4, BROKER_SUBS = 32 };

typedef struct broker_sub {
    nrt__session *session;
    char subject[256];
    char sid[24];
} broker_sub;

typedef struct broker {
    nrt__session *ports[BROKER_PORTS];
    broker_sub subs[BROKER_SUBS];
    size_t sub_count;
    int count;                             /* messages that were published so far */
    int lose;                              /* the number of one that is lost; -1: none */
    int repeat;                            /* and of one that comes twice */
    bool silent;                           /* nobody learns that there is no subscriber */
    void (*before)(int number, void *arg); /* each message; may be NULL */
    void *arg;
} broker;

void broker_init(broker *b);

/* Connects a session; it is ready then. */
void broker_attach(broker *b, nrt__session *session, const nrt__nats_login *login);

/* It is gone, with its subscriptions. */
void broker_detach(broker *b, const nrt__session *session);

/* Delivers until nobody has anything to say. */
void broker_run(broker *b);

#endif
