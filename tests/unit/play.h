/* One exchange between a client and a service, through a broker in memory, with a request body and
 * a response body of some length; and what must hold whatever happened to it. */
#ifndef NRT__PLAY_H
#define NRT__PLAY_H

#include "unit.h"

#include "broker.h"

enum { PLAY_WINDOW = NRT__WINDOW_MAX };

/* Where somebody does something, besides its part. */
typedef enum play_place {
    PLAY_NOWHERE = 0,
    PLAY_HEAD, /* in the client's callbacks */
    PLAY_DATA,
    PLAY_END,
    PLAY_WRITABLE,
    PLAY_CLOSED,
    PLAY_HANDLER, /* in the service's */
    PLAY_BODY,
    PLAY_BODY_END,
    PLAY_SERVICE_WRITABLE,
    PLAY_PLACES,
} play_place;

typedef struct play {
    broker net;
    engine client;
    engine services;
    nrt_service *service;
    bool by_pieces;   /* the client writes and reads pieces; else it sends and gets messages */
    bool streaming;   /* the service does */
    size_t up;        /* bytes of the request's body */
    size_t down;      /* and of the response's */
    play_place place; /* what `act` is called in, once */
    void (*act)(struct play *);
    nrt_exchange_id id;
    size_t sent; /* by the client */
    bool up_ended;
    size_t got; /* of the response */
    int heads;
    int ends;
    int closed; /* the client was told that it is over */
    int error;  /* why */
    nrt_exchange *exchange;
    size_t taken;       /* of the request */
    bool request_ended; /* the service has all of it */
    bool started;
    size_t answered; /* bytes sent of the response */
    bool canceled;
    bool done; /* the service has ended it */
    int runs;
} play;

/* Both sides are connected. */
play *play_create(bool by_pieces, bool streaming, size_t up, size_t down);

/* The client begins; broker_run then does the rest. */
void play_begin(play *p);

/* Time goes on for both, and messages go to and fro. */
void play_advance(play *p, int64_t ms);

/* Until both are done with it, or the time is over by which they must be. Then: the client was told
 * once, nothing is in flight, and no body that was cut passes for a whole one. */
void play_finish(play *p);

/* At any time. */
void play_destroy(play *p);

/* The service ends it. */
void play_end_exchange(play *p);

#endif
