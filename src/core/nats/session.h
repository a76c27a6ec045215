/* One NATS session, from INFO to the end of its connection, as an engine without I/O: received
 * bytes go in, bytes to send come out, messages and events are called back. Subscriptions outlive a
 * session: a new one (nrt__session_start) sends them again. */
#ifndef NRT__SESSION_H
#define NRT__SESSION_H

#include "core/base/env.h"
#include "core/base/timers.h"
#include "core/nats/info.h"
#include "core/nats/parser.h"

typedef struct nrt__session nrt__session;
typedef struct nrt__sub nrt__sub;

typedef enum nrt__session_state {
    NRT__SESSION_CLOSED = 0, /* no connection */
    NRT__SESSION_WAIT_INFO,  /* connected; the server speaks first */
    NRT__SESSION_SECURING,   /* INFO is here, TLS comes first: nothing is read or sent until
                                nrt__session_secured */
    NRT__SESSION_WAIT_PONG,  /* CONNECT, subscriptions and PING are sent; the answer proves that we
                                are in */
    NRT__SESSION_READY,      /* publishing is possible */
} nrt__session_state;

/* Views live during the call. */
typedef void (*nrt__msg_fn)(const nrt__nats_msg *msg, void *arg);

/* The subscription is in place (0), or refused (NRT_ERR_PERMISSION); again in each new session. */
typedef void (*nrt__sub_state_fn)(int error, void *arg);

/* A PONG has come: the server has handled all that was sent before the call, and what it sent
 * before is here. With an error: the session ended first. */
typedef void (*nrt__flush_fn)(int error, void *arg);

/* What happens to the session as a whole. `arg` is one for all. */
typedef struct nrt__session_events {
    /* The login is written, and subscriptions are about to be: what is published now is taken or
     * refused, and a flush answered, before any message comes. May be NULL. */
    void (*greeted)(void *arg);
    void (*ready)(void *arg);
    /* The first INFO is here: true where TLS must follow, and nrt__session_secured after that. An
     * error ends the session: NRT_ERR_TLS where TLS is insisted on and not offered. NULL: a server
     * that requires TLS is refused. */
    int (*secure)(const nrt__nats_info *info, void *arg);
    /* The server refuses publishing to this subject; it does so once for each publish. */
    void (*denied)(nrt_str subject, void *arg);
    /* INFO is new: with every session, before it is ready, and when the server has something to
     * tell. */
    void (*info)(void *arg);
    /* The server was silent through two pings: the connection is dead and must be closed. */
    void (*stale)(void *arg);
    /* Output has become so little that bodies may go on (nrt__session_capacity). From inside
     * nrt__session_sent; not from inside a publish, but for what `plenty` does. */
    void (*drained)(void *arg);
    /* There is output where there was none. */
    void (*output)(void *arg);
    /* There is so much that some of it should be sent now, although the turn goes on. From inside
     * a publish: nothing but nrt__session_output and nrt__session_sent may be called. NULL: it
     * waits. */
    void (*plenty)(void *arg);
    void *arg;
} nrt__session_events;

typedef struct nrt__session_options {
    size_t max_output;  /* ceiling of what waits to be sent */
    size_t max_message; /* ceiling of what is received */
    uint32_t ping_interval_ms;
} nrt__session_options;

nrt__session *nrt__session_create(nrt__env *env, nrt__timers *timers,
                                  const nrt__session_options *options,
                                  const nrt__session_events *events);

/* A second session, on another connection, with the same subscriptions: during a lame duck both
 * are there for a while. NULL when out of memory. */
nrt__session *nrt__session_create_beside(nrt__session *first, const nrt__session_events *events);

/* The subscriptions live as long as the last session that has them. */
void nrt__session_destroy(nrt__session *session);

/* This session takes no new work: it leaves all its subscriptions but those that stay. What was
 * sent to it still arrives. */
void nrt__session_retire(nrt__session *session);

/* A connection was made: from now on bytes go in and out. What `login` points to must live until
 * it is ready or stopped. */
void nrt__session_start(nrt__session *session, const nrt__nats_login *login);

/* The TLS handshake that `secure` asked for is done: CONNECT follows. Errors as
 * nrt__session_received. */
int nrt__session_secured(nrt__session *session);

/* The connection is gone: everything in and out is dropped, flushes fail. */
void nrt__session_stop(nrt__session *session);

/* Flushes that wait are forgotten: their callbacks will not come. */
void nrt__session_mute(nrt__session *session);

nrt__session_state nrt__session_state_get(const nrt__session *session);
const nrt__nats_info *nrt__session_info(const nrt__session *session);

/* After an error of nrt__session_received: what the server said or did, in words. */
const char *nrt__session_reason(const nrt__session *session);

/* Where to put received bytes, and how many fit; then tell how many came. NULL when out of memory.
 * An error of nrt__session_received (NRT_ERR_SERVER, NRT_ERR_AUTH, NRT_ERR_TLS, NRT_ERR_MEMORY)
 * means that the connection must be closed. */
char *nrt__session_room(nrt__session *session, size_t *len);
int nrt__session_received(nrt__session *session, size_t len);

/* How many bytes have come in this session: whether a server that was asked lives. */
uint64_t nrt__session_received_total(const nrt__session *session);

/* What waits to be sent, contiguous, and how much of it has been. */
nrt_str nrt__session_output(const nrt__session *session);
void nrt__session_sent(nrt__session *session, size_t len);

/* ---- messages ---- */

/* Publishes a message whose payload is the `count` parts together; `reply` may be absent. Only what
 * fits is begun: NRT_ERR_TOO_LARGE (the server's max_payload), NRT_ERR_BUSY (output is full),
 * NRT_ERR_DISCONNECTED, NRT_ERR_MEMORY. */
int nrt__session_publish(nrt__session *session, nrt_str subject, nrt_str reply,
                         const nrt_str *parts, size_t count);

/* The same with a NATS header block before it. */
int nrt__session_publish_frame(nrt__session *session, nrt_str subject, nrt_str reply,
                               nrt_str header, const nrt_str *parts, size_t count);

/* How many bytes of bodies should be published now: 0 where so much waits for the socket that
 * others would have to wait, too; `drained` then tells when it is less. */
size_t nrt__session_capacity(nrt__session *session);

/* What was appended between two marks, if none of it has been handed to the socket: else absent.
 * Until the next call. */
nrt_str nrt__session_unsent(const nrt__session *session, uint64_t from, uint64_t to);

/* Marks how far output had come: true later once everything up to there was handed to the socket.
 */
uint64_t nrt__session_mark(const nrt__session *session);
bool nrt__session_was_sent(const nrt__session *session, uint64_t mark);

/* Subscribes, now and in every session to come; copies subject and queue (absent: none). NULL when
 * out of memory. */
nrt__sub *nrt__session_subscribe(nrt__session *session, nrt_str subject, nrt_str queue,
                                 nrt__msg_fn fn, nrt__sub_state_fn state_fn, void *arg);

/* Leaves the subject: the server sends no more once it has read this (nrt__session_flush tells
 * when); what it had sent still arrives. Then destroy. */
void nrt__session_unsubscribe(nrt__session *session, nrt__sub *sub);
void nrt__session_sub_destroy(nrt__session *session, nrt__sub *sub);

nrt_str nrt__session_sub_subject(const nrt__sub *sub);

/* In a session that retires, this subscription stays. */
void nrt__session_sub_stays(nrt__sub *sub);

/* Inside an nrt__msg_fn: the session by which the message came. */
nrt__session *nrt__session_delivering(const nrt__session *session);

/* No other session stands beside it. */
bool nrt__session_is_alone(const nrt__session *session);

/* NRT_ERR_DISCONNECTED, NRT_ERR_MEMORY: then `fn` is not called. */
int nrt__session_flush(nrt__session *session, nrt__flush_fn fn, void *arg);

/* The same on every session with the same subscriptions: `fn` comes once, when the last of them has
 * answered or ended. */
int nrt__session_fence(nrt__session *session, nrt__flush_fn fn, void *arg);

#endif
