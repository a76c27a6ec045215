/* What client.c, client_reply.c and client_retry.c share, and nobody else may touch. */
#ifndef NRT__CLIENT_PRIVATE_H
#define NRT__CLIENT_PRIVATE_H

#include "core/base/token.h"
#include "core/exchange/client.h"
#include "core/exchange/flow.h"
#include "core/exchange/peers.h"
#include "core/nats/subject.h"

enum {
    NRT__INBOX_MAX = NRT__PREFIX_MAX + 32, /* "_INBOX.<random>." and a wildcard */
    NRT__REPLY_MAX = NRT__INBOX_MAX + NRT__TOKEN_CHARS,
};

typedef enum nrt__pending_state {
    NRT__PENDING_FREE = 0,
    NRT__PENDING_WAITING, /* for a connection; the request is kept */
    NRT__PENDING_PAUSED,  /* before it is sent again */
    NRT__PENDING_SENT,    /* published; a reply may come */
} nrt__pending_state;

typedef struct nrt__pending nrt__pending;

/* What an exchange has beside that when it is more than a request and a reply. */
typedef struct nrt__call {
    struct nrt__call *next; /* the client's ring */
    struct nrt__call *prev;
    nrt__pending *pending;
    nrt__flow flow;
    char *to; /* what flow.to points to */
    char from[NRT__REPLY_MAX];
    size_t first_body; /* bytes of body in the first message */
    bool opened;       /* the request is a stream itself */
    bool headed;       /* the response's head has come */
    bool tunnel;       /* 101: both directions end by themselves */
    bool upgrade;      /* and asks for one */
    bool ending;       /* all of its body is written; the end goes out when it may */
    bool sized;        /* the request's head says how long its body is */
    uint64_t size;
    bool denied;     /* NATS permissions let us say nothing to the service */
    bool has_length; /* the head said how long the body is */
    uint64_t length;
    nrt_response *response; /* collected for who wants it whole */
    nrt__buf body;
    nrt__buf upload; /* what is left of a request that was given whole */
    nrt__buf trailers;
    bool uploads;
} nrt__call;

/* An exchange of ours that is not over. */
struct nrt__pending {
    struct nrt__pending *next; /* the free list, or one of the client's rings: the oldest first */
    struct nrt__pending *prev;
    nrt__timer timer;
    nrt_result_fn fn; /* or events */
    const nrt__call_events *events;
    void *arg;
    nrt__call *call;                 /* NULL: nothing but a request, so far */
    nrt__session *session;           /* the one it was published on */
    const nrt__session *accepted_by; /* the one that brought `accept`; may be gone */
    uint64_t generation;             /* of the slot: makes ids unique */
    uint64_t from;                   /* marks in the output: where its PUB begins */
    uint64_t mark;                   /* and ends: sent wholly, or certainly not received */
    uint64_t subject;                /* hash */
    uint64_t host;                   /* hash */
    int64_t deadline_ms;
    int64_t wait_ms; /* from when the request is complete */
    char *kept;      /* to be sent later, or again: the subject, then the payload */
    size_t kept_len;
    size_t kept_size;
    uint32_t subject_len; /* of what is kept */
    uint32_t window;      /* that the service was told */
    uint32_t attempts;
    nrt__pending_state state;
    bool to_head;
    bool long_poll; /* once accepted, for as long as the service is alive */
    bool idempotent;
    bool left;        /* its caller has gone; kept to tell the service when that shows itself */
    bool accepted;    /* a service has it, and said so */
    bool begun;       /* an earlier attempt may have been executed */
    nrt__token token; /* the last part of its reply subject */
};

struct nrt__client {
    nrt__env *env;
    nrt__timers *timers;
    nrt__session *session;
    nrt__client_options options;
    nrt__sub *inbox;
    int inbox_error;                   /* replies cannot come: why */
    char inbox_prefix[NRT__INBOX_MAX]; /* "_INBOX.<random>." */
    size_t inbox_len;
    nrt__pending **slots;
    size_t slot_count;
    nrt__pending *free;
    nrt__pending sent; /* heads of rings */
    nrt__pending waiting;
    nrt__pending paused;
    nrt__call calls;   /* head of a ring */
    nrt__timer tick;   /* looks after them, each second */
    nrt__waiter crowd; /* those that wait for room */
    size_t left;       /* exchanges whose caller has gone */
    size_t in_flight;
    size_t kept_bytes;
    nrt__buf scratch; /* the message being written */
    nrt__buf subject;
    nrt__buf extra; /* NRT-Accept, for the timeout below */
    int64_t extra_for_ms;
    uint32_t extra_window;
    nrt__buf trailers;
    nrt__h1_reader reader;
    nrt_response response; /* the one being told of */
    char reason[256];      /* why there is no connection */
    nrt__peer peers[NRT__PEERS_COUNT];
    int64_t unknown_ms; /* the second in which */
    unsigned unknown;   /* so many were told that their exchange is over */
    nrt_client_stats stats;
    uint64_t failed_by[NRT__CLIENT_ERRORS]; /* stats.failures, by error */
    nrt__failures *failures;                /* NULL: nobody wants to know more */
};

/* An exchange has ended with `error`. */
static inline void nrt__client_count_failure(nrt__client *client, int error) {
    client->stats.failures++;
    client->failed_by[error > -NRT__CLIENT_ERRORS ? -error : 0]++;
}

static inline void nrt__ring_init(nrt__pending *head) {
    head->next = head->prev = head;
}

static inline bool nrt__ring_is_empty(const nrt__pending *head) {
    return head->next == head;
}

/* FNV-1a: tells hosts apart, and which exchange a refused subject belongs to. */
uint64_t nrt__client_hash(nrt_str text);

/* Moves one that is in no ring, or in one, to the end of another. */
void nrt__pending_move(nrt__pending *one, nrt__pending *head, nrt__pending_state state);

/* The result is told; the slot is free before that: the callback may send again at once. */
void nrt__pending_end(nrt__client *client, nrt__pending *one, int error, const char *detail,
                      const nrt_response *response);

/* Keeps the parts of a payload, to be sent later. NRT_ERR_BUSY, NRT_ERR_MEMORY. */
int nrt__pending_keep(nrt__client *client, nrt__pending *one, nrt_str subject,
                      const nrt_str parts[2]);

/* Publishes, and sets the deadline. NRT_ERR_DISCONNECTED where there is no session that is ready.
 */
int nrt__pending_publish(nrt__client *client, nrt__pending *one, nrt_str subject,
                         const nrt_str *parts, size_t count);

/* Takes a slot for a request, and writes its subject (client->subject) and what it says of us
 * (client->extra). */
int nrt__pending_begin(nrt__client *client, const nrt__message *request, uint32_t timeout_ms,
                       nrt__pending **pending);

/* Sends it as one message, now or when there is a connection. */
int nrt__pending_request(nrt__client *client, nrt__pending *one, nrt__message *request);

/* Sends what is kept; NRT_ERR_DISCONNECTED where there is no connection. `start` waits for one. */
int nrt__pending_send_kept(nrt__client *client, nrt__pending *one);
int nrt__pending_start(nrt__client *client, nrt__pending *one);

/* Gives the slot back; nobody is told. */
void nrt__pending_release(nrt__client *client, nrt__pending *one);

/* Its reply subject. */
nrt_str nrt__pending_reply(const nrt__client *client, const nrt__pending *one, char *out);

/* The id by which the caller knows it, and back: NULL where it is over. */
nrt_exchange_id nrt__pending_id(const nrt__pending *one);
nrt__pending *nrt__pending_find(nrt__client *client, nrt_exchange_id id);

/* ---- client_stream.c ---- */

/* NULL when out of memory. */
nrt__call *nrt__call_create(nrt__client *client, nrt__pending *one);
void nrt__call_destroy(nrt__client *client, nrt__call *call);

/* Sends a whole request that does not fit one message. */
int nrt__call_upload(nrt__client *client, nrt__pending *one, nrt__message *request);

/* Publishes the first message of a stream, which is kept. */
int nrt__call_publish(nrt__client *client, nrt__pending *one);

/* The request's body moves, or is complete: the response has its time from here. */
void nrt__call_moved(nrt__client *client, nrt__call *call);

/* There is room for more of the request. */
void nrt__call_writable(nrt__client *client, nrt__call *call);

/* The server refuses publishing to `subject`; true where that is one of a call's frames. */
bool nrt__calls_denied(nrt__client *client, nrt_str subject);

/* Ends an exchange of which no more can come, or go, because its frames are refused. */
void nrt__call_check_denied(nrt__client *client, nrt__call *call);

/* What a new request may say of its window. */
uint32_t nrt__client_window(const nrt__client *client);

/* ---- client_frames.c ---- */

/* Ends it if all is here: a tunnel when both directions have ended, any other exchange with its
 * response. */
void nrt__call_finish(nrt__client *client, nrt__pending *one);

/* A frame for it, but for refuse. `reply` is the message's reply subject. */
void nrt__call_frame(nrt__client *client, nrt__pending *one, const nrt__frame *frame,
                     const nrt__nats_msg *msg);

/* ---- client_retry.c ---- */

nrt__peer *nrt__pending_peer(nrt__client *client, const nrt__pending *one);

/* Waits for a connection, as long as requests do. It must be kept. */
void nrt__pending_wait(nrt__client *client, nrt__pending *one);

/* Deadline, patience and pause are over (nrt__timer_fn). */
void nrt__pending_on_timer(nrt__timer *timer, void *arg);

/* Sends it again, soon, if `why` is a reason for that, if it is kept, and if attempts and budget
 * are left: true. */
bool nrt__pending_retry(nrt__client *client, nrt__pending *one, unsigned why);

/* Ends it without an answer. What an earlier attempt may have done makes an error that says
 * "certainly not executed" another one: NRT_ERR_ABORTED. */
void nrt__pending_give_up(nrt__client *client, nrt__pending *one, int error, const char *detail);

/* The reply of an exchange, or a frame of it (nrt__msg_fn). In client_reply.c. */
void nrt__client_on_reply(const nrt__nats_msg *msg, void *arg);

#endif
