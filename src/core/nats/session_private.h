/* What session.c and session_subs.c share, and nobody else may touch. */
#ifndef NRT__SESSION_PRIVATE_H
#define NRT__SESSION_PRIVATE_H

#include "core/nats/session.h"

typedef struct nrt__flush {
    struct nrt__flush *next;
    nrt__flush_fn fn;
    void *arg;
    uint64_t sid; /* the subscription that this PONG confirms; 0: none */
} nrt__flush;

struct nrt__sub {
    nrt__msg_fn fn;
    nrt__sub_state_fn state_fn;
    void *arg;
    uint64_t sid;
    nrt_str subject;
    nrt_str queue;
    bool leaving; /* unsubscribed: not sent again, but what comes is delivered */
    bool stays;   /* in a session that retires, too: replies to what was sent there come to it */
    bool denied;
    bool told;   /* the state of this session was reported */
    bool asked;  /* a PING of its own follows its SUB: no earlier PONG confirms it */
    char text[]; /* subject and queue */
};

/* The subscriptions of all sessions that stand beside each other: one, or two during a lame duck. A
 * sid is the same in each. */
typedef struct nrt__subs {
    nrt__sub **list; /* by slot; a sid is its slot and how often slots were used */
    size_t slots;
    uint64_t uses;
    nrt__session *sessions;   /* linked by `beside` */
    nrt__session *delivering; /* whose message is being handed over */
} nrt__subs;

struct nrt__session {
    nrt__session *beside;
    nrt__subs *subs;
    nrt__env *env;
    nrt__timers *timers;
    nrt__session_options options;
    nrt__nats_login login;
    nrt__session_events events;
    nrt__session_state state;
    nrt__nats_parser parser;
    nrt__buf in;
    nrt__buf out;
    uint64_t in_total;
    uint64_t out_total;
    uint64_t sent_total;
    size_t need; /* bytes the message at the start of `in` takes, if known */
    const char *reason;
    char server_text[256];

    nrt__flush *flushes;
    nrt__flush **last_flush;
    size_t flush_count;
    nrt__timer ping_timer;
    uint64_t in_at_ping;
    unsigned pings; /* intervals without a byte from the server */

    nrt__nats_info info;
    bool retired; /* takes no new work */
    bool crowded; /* somebody was told to wait until there is less output */
};

/* Appends control bytes to the output; false when out of memory. */
bool nrt__session_put(nrt__session *session, nrt_str line);

/* PING; its PONG confirms the subscription `sid` and calls `fn`. Errors as nrt__session_flush. */
int nrt__session_ping(nrt__session *session, uint64_t sid, nrt__flush_fn fn, void *arg);

/* In session_subs.c. A session joins those of `first`, or begins with none of its own (NULL). */
bool nrt__subs_join(nrt__session *session, nrt__session *first);
void nrt__subs_part(nrt__session *session);

/* True where the flush is one of a fence, which must still be counted. */
bool nrt__subs_mute_fence(const nrt__flush *flush);
void nrt__subs_confirm_one(nrt__session *session, uint64_t sid);
bool nrt__subs_send(nrt__session *session);
void nrt__subs_confirmed(nrt__session *session);
void nrt__subs_denied(nrt__session *session, nrt_str subject);
void nrt__subs_deliver(nrt__session *session, const nrt__nats_msg *msg);

#endif
