/* Answering requests: a service is a handler for one host on a connection.
 *
 * Functions that take a connection or a service are for the connection's thread (nrt/conn.h), whose
 * common errors are not repeated here. Those that take an exchange are for the one thread that has
 * it: the connection's or a worker's while the handler runs there and, after nrt_exchange_defer,
 * whichever the program hands it to. There is no error for the wrong one. */
#ifndef NRT_SERVICE_H
#define NRT_SERVICE_H

#include <nrt/conn.h>
#include <nrt/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A host that is served on a connection, which owns it. It is gone when a stop of it is complete,
 * or the connection is destroyed. */
typedef struct nrt_service nrt_service;

/* One request and the response to it, as the handler sees them. It ends when the handler returns
 * or, after nrt_exchange_defer, with nrt_exchange_end; what it has handed out ends with it. */
typedef struct nrt_exchange nrt_exchange;

/* Answers one request. When it returns, the response ends (a handler that wrote nothing answers 200
 * with an empty body), unless it called nrt_exchange_defer. Runs on the connection's thread, which
 * does nothing else meanwhile, or on one of nrt_service_options.workers. */
typedef void (*nrt_handler_fn)(nrt_exchange *exchange, void *arg);

/* The service is ready (error 0: the server has confirmed the subscription; again after each
 * reconnect and nrt_service_resume), or cannot be (NRT_ERR_PERMISSION). `detail` is valid during
 * the call. */
typedef void (*nrt_service_ready_fn)(nrt_service *service, int error, const char *detail,
                                     void *arg);

/* What a service can be told. What stands behind the last semicolon is the default, else 0. */
typedef struct nrt_service_options {
    size_t size;            /* set by nrt_service_options_init */
    unsigned workers;       /* threads of its own for handlers that block; 0: none; at most 1,024 */
    unsigned max_in_flight; /* requests being handled or waiting for a worker; beyond: 503 with
                               Retry-After; 1,024 */
    nrt_service_ready_fn on_ready; /* NULL: a failure is logged */
    void *on_ready_arg;            /* for `on_ready` */
    bool paused;                   /* begins outside the queue group, until nrt_service_resume */
    bool streaming; /* the handler runs with a request's head: see "bodies in pieces" below */

    /* What discovery tells of the service (nrt/discovery.h): who may publish to $SRV sees it.
     * Strings are copied by nrt_serve and are UTF-8 without control characters. */
    const char *version;         /* the service's own, as https://semver.org has it; "0.0.0" */
    const char *description;     /* at most 512 bytes; none */
    const char *const *metadata; /* name, value, name, value, ..., NULL; at most 32 pairs, names up
                                    to 64 bytes, values up to 512; "nrt." begins our own names */
    bool no_discovery;           /* the service does not answer $SRV requests */
} nrt_service_options;

/* What nrt_service_options_init calls: `size` is sizeof(nrt_service_options) as the caller was
 * compiled. */
NRT_API void nrt_service_options_init_sized(nrt_service_options *options, size_t size);

/* Fills in the defaults. */
static inline void nrt_service_options_init(nrt_service_options *options) {
    nrt_service_options_init_sized(options, sizeof(*options));
}

/* Serves `host` ("weather.nats"; upper case is turned to lower) with `handler`, which gets `arg`.
 * `options` and `service` may be NULL. It begins once there is a connection, and again after each
 * reconnect; nrt_service_options.on_ready tells. NRT_ERR_HOST (no name that ends in .nats),
 * NRT_ERR_USAGE (served already on this connection, or an option is not valid: nrt_conn_error says
 * which), NRT_ERR_STATE (draining), NRT_ERR_MEMORY, NRT_ERR_SYSTEM (no threads for workers). */
NRT_API int nrt_serve(nrt_conn *conn, const char *host, const nrt_service_options *options,
                      nrt_handler_fn handler, void *arg, nrt_service **service);

/* Stops one service in good order: it leaves the queue group, what has arrived is answered, then
 * `fn(conn, arg)` is called (may be NULL) and the service is gone. Without a connection that is
 * before this returns. The connection and its other services go on, and the host may be served anew
 * at once. NRT_ERR_STATE where it is being stopped already. */
NRT_API int nrt_service_stop(nrt_service *service, nrt_task_fn fn, void *arg);

/* Leaves the queue group for a while, because what the service stands on is out of order, say: NATS
 * gives new requests to other instances, or tells clients at once that there are none. What had
 * been sent to this one is still handled and answered; the service stays, over reconnects too.
 * No effect on one that is paused. NRT_ERR_STATE (being stopped), NRT_ERR_MEMORY (it is still in
 * the group). */
NRT_API int nrt_service_pause(nrt_service *service);

/* Comes back into the queue group; nrt_service_options.on_ready tells when the server has confirmed
 * it. Without a connection that is once there is one. No effect on a service that is not paused.
 * Errors as nrt_service_pause; after NRT_ERR_MEMORY it is still paused. */
NRT_API int nrt_service_resume(nrt_service *service);

/* The host, in lower case: "weather.nats". Lives as long as the service. */
NRT_API nrt_str nrt_service_host(const nrt_service *service);

/* The subject that it listens on (docs/protocol.md): "nrt.requests.weather.nats.*". Lives as long
 * as the service. */
NRT_API nrt_str nrt_service_subject(const nrt_service *service);

/* ---- inside a handler --------------------------------------------------------------------------
 */

/* The request; lives until the exchange ends. NRT-* and hop-by-hop fields are gone from it. */
NRT_API const nrt_request *nrt_exchange_request(const nrt_exchange *exchange);

/* The id that the response carries as NRT-ID, unique and good for logs. Lives until the exchange
 * ends. */
NRT_API const char *nrt_exchange_id_text(const nrt_exchange *exchange);

/* The status of the response; 200 if never called. NRT_ERR_USAGE outside of 200 to 599;
 * NRT_ERR_STATE once it has been sent (nrt_exchange_start). */
NRT_API int nrt_exchange_set_status(nrt_exchange *exchange, int status);

/* The response's header fields, for changing, until they are sent; framing, hop-by-hop and NRT-*
 * fields are made by the library, and Date where there is none. Lives until the exchange ends. */
NRT_API nrt_fields *nrt_exchange_fields(nrt_exchange *exchange);

/* Its trailer fields, which go behind the body; for changing until the exchange ends. */
NRT_API nrt_fields *nrt_exchange_trailers(nrt_exchange *exchange);

/* Appends to the response's body; copies. NRT_ERR_RESPONSE_TOO_LARGE beyond `max_body`, or beyond
 * one message where the client takes no more: the response then becomes a 502 with that code.
 * NRT_ERR_MEMORY: likewise a 503. After nrt_exchange_start it goes out at once, or as the client
 * takes it, and `max_body` is what may wait. On a worker it waits for that itself, so that bodies
 * have no limit: NRT_ERR_CANCELED once nobody takes any. */
NRT_API int nrt_exchange_write(nrt_exchange *exchange, nrt_str bytes);

/* The response will be ended by nrt_exchange_end, later, from any thread; the handler may return.
 * To be called before another thread gets to see the exchange. It then stays also when the
 * connection is gone, and must still be ended. */
NRT_API void nrt_exchange_defer(nrt_exchange *exchange);

/* Ends a deferred exchange, once: the response goes out and `exchange` is gone. Any thread, also
 * when the connection has been destroyed, or while the handler still runs: it ends when both are
 * done. */
NRT_API void nrt_exchange_end(nrt_exchange *exchange);

/* Status, Content-Type and body in one call, for handlers that are as simple as that. `type` may be
 * NULL; `body` goes behind what has been written. NRT_ERR_USAGE (the status), NRT_ERR_FIELD (the
 * type), NRT_ERR_STATE (sent already, as nrt_exchange_set_status), and those of
 * nrt_exchange_write. */
NRT_API int nrt_exchange_reply(nrt_exchange *exchange, int status, const char *type, nrt_str body);

/* An application/problem+json answer (RFC 9457) in the place of all that was set and written.
 * `detail` may be NULL. NRT_ERR_USAGE for a status outside of 400 to 599, NRT_ERR_STATE as
 * nrt_exchange_set_status. */
NRT_API int nrt_exchange_problem(nrt_exchange *exchange, int status, const char *detail);

/* Whether nobody waits for the answer any more: the client has left, or is gone. It is known for
 * what takes longer than 100 ms, and for streams. Any thread. */
NRT_API bool nrt_exchange_is_canceled(const nrt_exchange *exchange);

/* ---- bodies in pieces --------------------------------------------------------------------------
 *
 * A handler need not know of any of this: it gets requests whole and may answer with as much as
 * `max_body`. What follows is for bodies of any length, in either direction, and for other
 * protocols (WebSocket). It needs a client that takes streams, as all those of this library do.
 *
 * Responses: nrt_exchange_start sends the head; nrt_exchange_send then sends the body as it may go.
 * Requests: in a service with `streaming`, the handler runs when the head is there. Where
 * nrt_exchange_is_whole, so is the body; else nrt_exchange_set_events says who gets it.
 *
 * Without workers (options.workers), all of it is for the connection's thread, and nothing waits.
 * On workers, and on threads that a handler there hands its exchange to, calls wait instead of
 * answering NRT_ERR_BUSY: nrt_exchange_read for the request, nrt_exchange_write after
 * nrt_exchange_start for the response; they answer NRT_ERR_CANCELED at once when the client leaves.
 * What one exchange holds in memory is a window in each direction. */

/* What a handler that defers is told, on the connection's thread, until nrt_exchange_end: nothing
 * comes after that, where it is called on this thread too. Any of the functions may call it, and
 * may be NULL. */
typedef struct nrt_exchange_events {
    size_t size; /* sizeof(nrt_exchange_events), set by the caller */
    bool hold;   /* bytes of `data` count as taken only by nrt_exchange_consume: meanwhile the
                    client may send a window (at most 256 KiB) and no more */
    /* More of the request's body, at least one byte; valid during the call. */
    void (*data)(nrt_exchange *exchange, nrt_str bytes, void *arg);
    /* The request's body is complete; its trailers are valid during the call. */
    void (*end)(nrt_exchange *exchange, const nrt_fields *trailers, void *arg);
    /* What answered NRT_ERR_BUSY, or took less than it was given, may go on. */
    void (*writable)(nrt_exchange *exchange, void *arg);
    /* The client has gone, or broke the protocol; the exchange is still to be ended. */
    void (*canceled)(nrt_exchange *exchange, void *arg);
} nrt_exchange_events;

/* Whether all of the request is there: nrt_request_body has it. */
NRT_API bool nrt_exchange_is_whole(const nrt_exchange *exchange);

/* Says who gets the rest of the request, and what else there is to tell. In the handler: what comes
 * before is lost. A client that has asked first
 * (Expect: 100-continue) is told to go on. NRT_ERR_USAGE (no `size`; on a worker), NRT_ERR_MEMORY,
 * and those of nrt_exchange_interim. */
NRT_API int nrt_exchange_set_events(nrt_exchange *exchange, const nrt_exchange_events *events,
                                    void *arg);

/* With nrt_exchange_events.hold: `len` more bytes of `data` are done with. */
NRT_API void nrt_exchange_consume(nrt_exchange *exchange, size_t len);

/* Sends an interim response (103 Early Hints, say; 100 to 199, but for 101) with the fields that
 * the response has so far, which stay. NRT_ERR_UNSUPPORTED where the client takes none, which does
 * no harm; NRT_ERR_USAGE (the status), NRT_ERR_STATE (the response has begun), NRT_ERR_BUSY,
 * NRT_ERR_MEMORY. */
NRT_API int nrt_exchange_interim(nrt_exchange *exchange, int status);

/* How long the body will be, in bytes, for nrt_exchange_start that comes after it: it goes as
 * Content-Length, and the client refuses a body of another length. */
NRT_API void nrt_exchange_set_length(nrt_exchange *exchange, uint64_t length);

/* Sends the response's status and fields now, and what was written of its body; more follows in
 * pieces. NRT_ERR_UNSUPPORTED: the client takes only one message, so that what nrt_exchange_write
 * collects will be it. NRT_ERR_STATE: it has begun, or is canceled. NRT_ERR_BUSY: again on
 * `writable`. NRT_ERR_MEMORY. */
NRT_API int nrt_exchange_start(nrt_exchange *exchange);

/* Sends more of a response that was started, behind all that nrt_exchange_write was given; *sent
 * says how much of `bytes`, `writable` when there is room for more. NRT_ERR_STATE: it was not
 * started, has ended, or is canceled. */
NRT_API int nrt_exchange_send(nrt_exchange *exchange, nrt_str bytes, size_t *sent);

/* The response broke off: what the client has of it is not all, and it gets NRT_ERR_ABORTED; where
 * it has nothing yet, a 502. Still to be ended. */
NRT_API void nrt_exchange_abort(nrt_exchange *exchange);

/* On a worker: the next bytes of the request's body, in whichever way it came; waits for them up to
 * `timeout_ms` (-1: as long as it takes; the client's silence ends it). *got is how many were
 * written to `to`; 0 is the end. NRT_ERR_TIMEOUT: none so far. NRT_ERR_CANCELED: the client has
 * gone. NRT_ERR_USAGE: not on a worker, or no room in `to`. NRT_ERR_MEMORY. */
NRT_API int nrt_exchange_read(nrt_exchange *exchange, void *to, size_t size, int timeout_ms,
                              size_t *got);

/* Another protocol (RFC 9110 section 7.8): what the client asks for is in the request's
 * nrt_request_upgrade; this answers 101 with the fields so far. Then nrt_exchange_send and the
 * event `data` carry its bytes, nrt_exchange_shut says that no more are sent, `end` that no more
 * come, and the end of the exchange ends both. NRT_ERR_USAGE where it was not asked for, others as
 * nrt_exchange_start. */
NRT_API int nrt_exchange_upgrade(nrt_exchange *exchange, const char *protocol);

/* No more is sent, while more is taken: the end of the response's body, or of one direction of
 * another protocol. NRT_ERR_BUSY: again on `writable`. NRT_ERR_STATE: it was not started, has
 * ended, or is canceled. */
NRT_API int nrt_exchange_shut(nrt_exchange *exchange);

#ifdef __cplusplus
}
#endif
#endif
