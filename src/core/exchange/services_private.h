/* What services.c and exchange.c share, and nobody else may touch. */
#ifndef NRT__SERVICES_PRIVATE_H
#define NRT__SERVICES_PRIVATE_H

#include "core/base/token.h"
#include "core/exchange/services.h"
#include "core/nats/subject.h"

/* What an exchange has beside that when it is more than a request and a reply. */
typedef struct nrt__served {
    nrt_exchange *exchange;
    nrt__flow flow;
    nrt__token token;
    nrt__buf upload; /* what has come of the request, for who takes it whole */
    size_t pumped;   /* bytes of the response's body that have gone out */
    uint64_t length; /* of the request, where its head says so */
    bool has_length;
    bool opened;   /* the request is a stream */
    bool begun;    /* the handler has it */
    bool started;  /* the response's head has gone out */
    bool ending;   /* the handler is done, the rest goes out as it may */
    bool canceled; /* nobody waits for it */
    bool waits;    /* there was no room, or no credit */
    bool heard;    /* a frame has come */
    char from[];   /* the subject it listens on */
} nrt__served;

/* Those of a connection, by the slot that their token names. */
typedef struct nrt__streams {
    nrt__served **list;
    size_t slots;
    size_t count;
    size_t hint; /* where to look for a free one */
    nrt__timer tick;
} nrt__streams;

enum { NRT__SINGLE_MAX = NRT__SUBJECT_MAX + 256 }; /* for nrt__exchange_single */

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
    nrt__streams streams;
    nrt__waiter crowd;     /* those of them that wait for room */
    nrt__message trailers; /* of the request that just ended */
    nrt__buf trailer_text;
    nrt__log_gate unknown; /* frames for exchanges that are over */
    nrt__log_gate single;  /* what needed more than one reply */
    nrt__log_gate denied;  /* replies that should have been allowed */
    nrt__accept accept;    /* the last NRT-Accept that was read, and its text: most say the same */
    char accept_text[NRT__ACCEPT_TEXT_MAX];
    size_t accept_len;
    char instance[12];     /* part of the subjects of streams */
    nrt__buf scratch;      /* the response head being written */
    nrt__buf extra;        /* the fields that are ours */
    nrt__buf identity;     /* those that are the same for all responses of a session */
    nrt__log_gate dropped; /* requests nobody could be answered for */
    nrt__log_gate lost;    /* responses */
    nrt__observe_fn observe;
    void *observe_arg;
    nrt__failures *failures; /* NULL: nobody wants to know */
    char id_prefix[12];
    uint64_t id_count;
};

/* A subscription that was left: until all that the server had sent for it has arrived. */
typedef struct nrt__service_left {
    struct nrt__service_left *next;
    nrt_service *service;
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

/* Who is told of what happens to it; NULL once its handler has ended it, on whatever thread. */
static inline const nrt_exchange_events *nrt__exchange_listener(const nrt_exchange *exchange) {
    bool ended = atomic_load_explicit(&exchange->ends, memory_order_acquire) == 0;
    return ended ? NULL : exchange->events;
}

/* The session to answer on. */
nrt__session *nrt__exchange_session(const nrt_exchange *exchange);

/* ---- services_frames.c ---- */

/* Notes what the client understands, from its request. */
void nrt__exchange_read_accept(nrt_exchange *exchange);

/* The handler is about to run: if it takes long, the client is told that it does. */
void nrt__exchange_expect(nrt_exchange *exchange);

/* One message is not enough for an exchange: where that is for want of a permission, which one, in
 * `out` and, now and then, in the log; else "". Returns `out`. */
const char *nrt__exchange_single(const nrt_exchange *exchange, char *out, size_t size);

/* Says that the request was not and will not be executed; false where this must be said in HTTP. */
bool nrt__exchange_refuse(nrt_exchange *exchange, const char *reason);

/* Asks whether more than one reply is allowed, unless that was done. */
void nrt__services_probe(nrt__services *services);

/* ---- services_stream.c ---- */

/* NULL when out of memory. */
nrt__served *nrt__served_create(nrt_exchange *exchange);
void nrt__served_destroy(nrt__services *services, nrt__served *one);

/* Whether the message is the first of a stream. */
bool nrt__exchange_is_open(const nrt__nats_msg *msg, nrt__frame *frame);

/* Reads its payload, which must outlive the exchange; *head bytes of it are the head. */
int nrt__exchange_read_open(nrt_exchange *exchange, nrt_str payload, size_t *head,
                            const char **detail);

/* Its request has passed the checks: takes it on. */
int nrt__exchange_opened(nrt_exchange *exchange, const nrt__frame *frame, const char **detail);

/* A message on the subjects of streams (nrt__msg_fn). */
void nrt__service_on_frame(const nrt__nats_msg *msg, void *arg);

/* There is room again. */
void nrt__served_writable(nrt__served *one);

/* Over before its time: nobody waits for the answer, or something broke. */
void nrt__exchange_cancel(nrt_exchange *exchange);

/* ---- services_watch.c ---- */

/* There are streams to be looked after. */
void nrt__services_watch(nrt__services *services);

/* Sends the response as a stream, the body as it may go. 1 once all is done, 0 where more goes out
 * later; an error where its head could not be sent. */
int nrt__exchange_stream_out(nrt_exchange *exchange);

/* ---- exchange.c ---- */

/* Notes a request that is over, for metrics and logs. `status` 0: nobody waited. */
void nrt__exchange_note(const nrt_exchange *exchange, int status, int64_t took_ns);

/* The fields that are ours. */
nrt_str nrt__exchange_extra(nrt__services *services, const nrt_exchange *exchange);

/* Takes the exchange back. */
void nrt__exchange_over(nrt_exchange *exchange);

/* Back to the pool. */
void nrt__exchange_release(nrt__services *services, nrt_exchange *exchange);

/* Frees one whose connection is gone. */
void nrt__exchange_drop(nrt_exchange *exchange);

/* Frees the service if it was to stop and nothing is left of it. */
void nrt__service_check_stopped(nrt_service *service);

#endif
