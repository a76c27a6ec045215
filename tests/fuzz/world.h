/* A connection without a network: the engine in virtual time with a client and a service on it, and
 * the server's side of the talk, which looks at every byte that comes out. */
#ifndef NRT__FUZZ_WORLD_H
#define NRT__FUZZ_WORLD_H

#include "core/exchange/client.h"
#include "core/exchange/services.h"
#include "fuzz.h"

enum {
    FUZZ_MAX_PAYLOAD = 2048, /* of what goes out; as fuzz_greeting says */
    FUZZ_MAX_MESSAGE = 1536, /* of what is taken in */
    FUZZ_MAX_OUTPUT = 16 * 1024,
    FUZZ_OUTPUT_MAX = FUZZ_MAX_OUTPUT + 64 * 1024, /* with what always fits: PING, PONG, SUB */
    FUZZ_DEFERRED_MAX = 16,
};

#define FUZZ_HOST "a.nats"
#define FUZZ_REPLY "_INBOX.r.1"

typedef enum fuzz_op {
    FUZZ_CONNECT = 0,
    FUZZ_SUB,
    FUZZ_UNSUB,
    FUZZ_PUB,
    FUZZ_PING,
    FUZZ_PONG,
} fuzz_op;

/* One operation that was sent. Views live until the next is taken. */
typedef struct fuzz_sent {
    fuzz_op op;
    nrt_str subject;
    nrt_str reply; /* or the queue group */
    nrt_str payload;
    uint64_t sid;
} fuzz_sent;

typedef struct fuzz_world {
    nrt__env env;
    nrt__timers timers;
    nrt__session *session;
    nrt__client *client;
    nrt__services *services;
    nrt_service *service; /* FUZZ_HOST; NULL once it has stopped */
    nrt__nats_login login;
    fuzz_dice random;
    uint64_t inbox_sid; /* as sent; 0 before */
    uint64_t service_sid;
    size_t taken; /* of the output, by the operation that was taken last */
    bool dying;   /* the engine asked for the connection to be closed */
    /* What handlers leave to be ended later. */
    nrt_exchange *deferred[FUZZ_DEFERRED_MAX];
    size_t deferred_count;
} fuzz_world;

/* Everything is made, and the connection stands: the server has the word. */
void fuzz_world_open(fuzz_world *world, nrt_handler_fn handler, void *arg);
void fuzz_world_close(fuzz_world *world);

/* INFO and PONG as a good server sends them: publishing is possible. */
void fuzz_world_greet(fuzz_world *world);

/* What the server sends. False once the connection has to be closed. */
bool fuzz_world_receive(fuzz_world *world, nrt_str bytes);

/* A message for `sid`, whole. */
void fuzz_world_deliver(fuzz_world *world, nrt_str subject, uint64_t sid, nrt_str reply,
                        nrt_str payload);

/* Takes the next operation off what is sent, and checks that a server would understand it as it
 * was meant. False when there is none. */
bool fuzz_world_sent(fuzz_world *world, fuzz_sent *sent);

/* The connection is lost, with what was not taken, and the next one stands. */
void fuzz_world_lose(fuzz_world *world);

/* The same in the middle of a write: half of what there was has gone out. */
void fuzz_world_cut(fuzz_world *world);

/* Time leaps, as on a machine that was busy. */
void fuzz_world_tick(fuzz_world *world, uint32_t ms);

/* Time passes: timers run whenever they ask for it. */
void fuzz_world_pass(fuzz_world *world, uint32_t ms);

/* Ends the exchange that was deferred first, if there is one. */
void fuzz_world_end_one(fuzz_world *world);

#endif
