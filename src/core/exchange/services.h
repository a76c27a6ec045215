/* The service half of exchanges: requests in, checked before anyone sees them; responses out. All
 * services of one connection share one of these. Threads are not known here: whoever drives it
 * decides where handlers run. */
#ifndef NRT__SERVICES_H
#define NRT__SERVICES_H

#include <nrt/service.h>
#include <stdatomic.h>

#include "core/discovery/discovery.h"
#include "core/discovery/tally.h"
#include "core/exchange/flow.h"
#include "core/http/h1_reader.h"
#include "core/nats/session.h"

typedef struct nrt__services nrt__services;

typedef struct nrt__services_options {
    nrt_str prefix; /* checked; must outlive the services, as the next one */
    nrt_str inbox_prefix;
    nrt__h1_limits limits;
    bool multi_reply; /* more than one reply to a request is known to be allowed */
    size_t max_body;  /* of a message that is handled, or made, as a whole */
    uint32_t window;  /* of a request's body, at most; 0: NRT__WINDOW_MAX */
} nrt__services_options;

/* How many ends an exchange still waits for: the handler's return, and nrt_exchange_end (which the
 * return stands for where it was not deferred). */
enum { NRT__EXCHANGE_ENDS = 2 };

struct nrt_exchange {
    nrt_exchange *next; /* the pool, or the ring of those in flight */
    nrt_exchange *prev;
    nrt_service *service; /* on the connection's thread only; NULL once the connection is gone */
    nrt_handler_fn handler;
    void *arg;
    nrt_request request;
    nrt_response response;
    nrt__buf body;
    nrt__buf upload;                   /* the request's body, where it came in pieces */
    nrt_str reply;                     /* the reply subject, in request's arena */
    struct nrt__served *served;        /* NULL: nothing but a request and a reply, so far */
    const nrt_exchange_events *events; /* NULL: nobody takes the request's body in pieces */
    void *events_arg;
    struct nrt__scope *scope; /* NULL: nothing has asked for it (core/handler/scope.h) */
    void (*completed)(nrt_exchange *exchange); /* once the last end has come; NULL: nobody asks */
    nrt__session *session;                     /* by which it came; NULL once that is gone */
    nrt__accept accept;                        /* what the client understands */
    int64_t arrived_ms;
    size_t max_body;   /* what fits one message now */
    int failed;        /* an error that replaces the response: NRT_ERR_* */
    int64_t began_ns;  /* when it arrived */
    int64_t headed_ns; /* when an origin's response began; 0: there is none */
    atomic_int
        ends; /* NRT__EXCHANGE_ENDS counted down; at 0 it goes back to the connection's thread */
    atomic_bool canceled; /* nobody waits for the answer */
    bool deferred;
    bool to_head;
    bool is_problem;      /* ours: it carries NRT-Error */
    bool framed;          /* frames may be sent before the response */
    bool handled;         /* it has passed the checks: a handler sees it */
    bool refused;         /* at the limit of requests in flight */
    char id[24];          /* NRT-ID */
    void *owner;          /* lib's: where the end is reported */
    void *pipe;           /* lib's: bodies between a worker and the connection's thread */
    bool started;         /* lib's: the handler has begun the response */
    bool on_worker;       /* lib's: its handler runs there */
    nrt_exchange *queued; /* lib's: the next one in a queue between threads */
};

struct nrt_service {
    nrt_service *next;
    nrt__services *services;
    nrt__sub *sub;                  /* NULL while paused */
    struct nrt__service_left *left; /* subscriptions it has left; each waits for a fence */
    nrt__sub *stream_sub;
    nrt_str host;
    nrt_str subject;
    nrt_str stream_prefix; /* of the subjects where frames come */
    bool streams_ready;    /* they can */
    nrt_handler_fn handler;
    void *arg;
    nrt_service_options options;
    nrt__listing *listing; /* NULL: none, or left */
    nrt__service_stats stats;
    nrt__tally tally;
    size_t in_flight;
    bool confirmed; /* the server has the subscription, or had it before the connection was lost */
    bool leaving;   /* has left the queue group; what had been sent to it is still answered */
    bool fenced;    /* and all of that has arrived */
    void (*on_stopped)(nrt_service *service, void *arg); /* then gone */
    void *on_stopped_arg;
    void *owner; /* lib's: workers, and what the caller wants to be told */
    char text[]; /* host, subject and the prefix of streams */
};

/* Runs the handler of an accepted exchange, here or elsewhere; when the handler has returned,
 * nrt__exchange_returned. */
typedef void (*nrt__run_fn)(nrt_exchange *exchange, void *arg);

nrt__services *nrt__services_create(nrt__env *env, nrt__timers *timers, nrt__session *session,
                                    const nrt__services_options *options, nrt__run_fn run,
                                    void *run_arg);

/* Services added from now on tell of themselves there. NULL: nowhere. It must outlive them. */
void nrt__services_announce(nrt__services *services, nrt__discovery *discovery);

/* Everybody who works on an exchange learns that it is canceled. */
void nrt__services_cancel(nrt__services *services);

/* Cuts exchanges in flight loose: nothing is answered any more, and their end frees them
 * (nrt__exchange_finish). */
void nrt__services_cut(nrt__services *services);

/* Cuts, and frees the services. */
void nrt__services_destroy(nrt__services *services);

/* As nrt_serve. `owner` must be set before the loop runs on. */
int nrt__services_add(nrt__services *services, const char *host, nrt_handler_fn handler, void *arg,
                      const nrt_service_options *options, nrt_service **out);

/* Leaves the queue group; when all that arrived is answered, `fn` is called and the service freed.
 */
void nrt__service_stop(nrt_service *service, void (*fn)(nrt_service *, void *), void *arg);

/* Leaves the queue group for a while, so that other instances get the requests, and comes back.
 * What had been sent to it is still answered. NRT_ERR_STATE once it was stopped, NRT_ERR_MEMORY. */
int nrt__service_pause(nrt_service *service);
int nrt__service_resume(nrt_service *service);

/* All of them; for a drain. */
nrt_service *nrt__services_first(nrt__services *services);
size_t nrt__services_in_flight(const nrt__services *services);

/* A request that is over, for logs. Views live during the call. */
typedef struct nrt__service_record {
    const nrt_exchange *exchange; /* request, id and the response's head are still there */
    int status;                   /* 0: nobody waited for the answer */
    int64_t took_ns;
    uint64_t request_bytes; /* of bodies */
    uint64_t response_bytes;
} nrt__service_record;

/* Who is told of each; NULL: nobody. It must not change anything. */
typedef void (*nrt__observe_fn)(const nrt__service_record *record, void *arg);
void nrt__services_observe(nrt__services *services, nrt__observe_fn fn, void *arg);

/* Where those are noted that failed; NULL: nowhere. */
void nrt__services_note_failures(nrt__services *services, nrt__failures *failures);

/* Those of them with bodies in frames, or that may come to it. */
size_t nrt__services_streams(const nrt__services *services);

/* INFO has come: NRT-Connected-Server and the like have new values. */
void nrt__services_connected(nrt__services *services);

/* The session is about to subscribe: whether a request may have more than one reply is found out
 * before one comes. */
void nrt__services_greeted(nrt__services *services);

/* The server refuses publishing to `subject`; true where that only answers a question of ours. */
bool nrt__services_denied(nrt__services *services, nrt_str subject);

/* A session has ended: so have the streams on it. */
void nrt__services_lost(nrt__services *services, const nrt__session *session);

/* Another session has taken over, with the same subscriptions: it is the one to publish on, but for
 * what came by the old one as long as that is there. */
void nrt__services_switch(nrt__services *services, nrt__session *session);
void nrt__services_forget(nrt__services *services, const nrt__session *session);
size_t nrt__services_in_flight_on(const nrt__services *services, const nrt__session *session);

/* One of the ends of an exchange has come; true with the last one, when `completed` has run: then
 * nrt__exchange_finish must be called on the connection's thread. Any thread. */
static inline bool nrt__exchange_end_one(nrt_exchange *exchange) {
    if (atomic_fetch_sub_explicit(&exchange->ends, 1, memory_order_acq_rel) != 1) {
        return false;
    }
    if (exchange->completed) {
        exchange->completed(exchange);
    }
    return true;
}

/* ---- bodies in pieces: on the connection's thread ---- */

/* Whether the response may be longer than one message. */
bool nrt__exchange_can_stream(const nrt_exchange *exchange);

/* Whether all of the request is there. */
bool nrt__exchange_has_all(const nrt_exchange *exchange);

/* Who is told of the pieces; NULL: nobody, they are passed over. */
void nrt__exchange_stream(nrt_exchange *exchange, const nrt_exchange_events *events, void *arg);

/* A client that asks whether its body is wanted (Expect) is told that it is. */
int nrt__exchange_continue(nrt_exchange *exchange);

/* So many bytes of `data` are done with. */
void nrt__exchange_take(nrt_exchange *exchange, size_t len);

/* Sends an interim response; only its head counts. NRT_ERR_UNSUPPORTED where the response must be
 * one message, NRT_ERR_STATE once it has begun, errors of nrt__session_publish. */
int nrt__exchange_interim(nrt_exchange *exchange, nrt__message *message);

/* Sends the response's head now; what is in its body follows at the end. NRT_ERR_UNSUPPORTED where
 * it must be one message. */
int nrt__exchange_start(nrt_exchange *exchange);

/* Sends more of the body of a response that was started, as far as there is room; `writable` tells
 * when there is again. */
int nrt__exchange_send(nrt_exchange *exchange, nrt_str bytes, size_t *sent);

/* Sends what is in exchange->body, as nrt__exchange_send: 1 once nothing is left there, 0 where
 * something is, or an error. */
int nrt__exchange_flush(nrt_exchange *exchange);

/* The body of a response that was started is complete, trailers and all, and what is in
 * exchange->body has gone out: the peer learns it now, while the request's body may go on. 0, or
 * NRT_ERR_BUSY: again on `writable`. */
int nrt__exchange_end_body(nrt_exchange *exchange);

/* The response ends here, broken off. The exchange is still to be ended. */
void nrt__exchange_abort(nrt_exchange *exchange, const char *code);

/* The session takes more bodies again. */
void nrt__services_drained(nrt__services *services);

/* Sends the response and takes the exchange back. */
void nrt__exchange_finish(nrt_exchange *exchange);

/* nrt_exchange_write without waiting, on whatever thread. */
int nrt__exchange_append(nrt_exchange *exchange, nrt_str bytes);

/* Makes the response a problem (RFC 9457); `code` is NRT-Error's, or NULL. */
void nrt__exchange_problem(nrt_exchange *exchange, int status, const char *code,
                           const char *detail);

#endif
