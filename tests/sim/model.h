/* A NATS server in memory: ports that clients are connected to, subscriptions with wildcards and
 * queue groups, a 503 where nobody listens. Bytes go in and come out by port; when they do is for
 * others to say (tests/unit/broker.c at once, tests/sim/link.c as the seed wants it). */
#ifndef NRT__MODEL_H
#define NRT__MODEL_H

#include "core/base/buf.h"

enum { MODEL_PORTS = 24, MODEL_SUBS = 256, MODEL_SUBJECT_MAX = 512 };

typedef struct model_message {
    int from; /* the port; -1: somebody else */
    int number;
    nrt_str subject;
    nrt_str reply;
    nrt_str header; /* NATS header block, or empty */
    nrt_str payload;
} model_message;

typedef struct model_sub {
    int port;
    char subject[MODEL_SUBJECT_MAX];
    char queue[32];
    char sid[24];
} model_sub;

typedef struct model_port {
    bool open;
    nrt__buf in;  /* a command that is not whole yet */
    nrt__buf out; /* for the client */
} model_port;

typedef struct model {
    model_port ports[MODEL_PORTS];
    model_sub subs[MODEL_SUBS];
    size_t sub_count;
    size_t max_payload;
    int count;         /* messages that were published so far */
    bool silent;       /* nobody learns that there is no subscriber */
    const char *wrong; /* the first thing that no client may do; NULL */
    /* How often a message is delivered; NULL: once. With 2, a queue group has two takers where it
     * can. */
    int (*judge)(const model_message *message, void *arg);
    /* Which of a queue group's members, below `count`; NULL: the first. */
    size_t (*choose)(size_t count, void *arg);
    /* There is something in `out`; may be NULL. */
    void (*output)(int port, void *arg);
    void *arg;
} model;

void model_init(model *m);
void model_free(model *m);

/* A client has connected: INFO waits for it. -1 where all ports are taken. */
int model_open(model *m);

/* It is gone, with its subscriptions. */
void model_close(model *m, int port);

/* Bytes of a client, cut anywhere. */
void model_receive(model *m, int port, nrt_str bytes);

/* What waits for a client, and how much of it has gone. */
nrt_str model_output(const model *m, int port);
void model_sent(model *m, int port, size_t len);

/* A message of somebody who is no port. */
void model_publish(model *m, nrt_str subject, nrt_str reply, nrt_str header, nrt_str payload);

#endif
