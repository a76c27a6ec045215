/* Requests and responses whose bodies come and go in pieces: of any size, both ways at once, for as
 * long as they take. On the connection's thread, like all of the client.
 *
 * For messages that are whole nrt_send and nrt_do are simpler. What is small is one NATS message
 * each way here as well. */
#ifndef NRT_STREAM_H
#define NRT_STREAM_H

#include <nrt/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What happens to a stream. Views and messages live during the call; any of them may be NULL, but
 * not `closed`. Each may write, end or cancel it. */
typedef struct nrt_stream_events {
    size_t size;                                              /* sizeof(nrt_stream_events) */
    void (*interim)(const nrt_response *response, void *arg); /* 1xx, but for 101 */
    void (*head)(const nrt_response *response, void *arg);    /* the final response, without body */
    void (*data)(nrt_str bytes, void *arg);
    void (*end)(const nrt_fields *trailers, void *arg); /* the body is complete: not before this */
    void (*writable)(void *arg);                        /* nrt_stream_write takes more */
    /* It is over, exactly once: nothing is told after it. result->response is NULL. Errors as with
     * nrt_send; NRT_ERR_ABORTED also where a response that had begun breaks off. */
    void (*closed)(const nrt_result *result, void *arg);
} nrt_stream_events;

typedef struct nrt_stream_options {
    size_t size;         /* set by nrt_stream_options_init */
    uint32_t timeout_ms; /* from the request's end to the response head, and the longest that its
                            body may stand still; 0: the connection's */
    bool long_poll;      /* once a service has accepted it, the response may take longer, for as
                            long as that service is alive */
    bool body_follows;   /* the request's body is written by nrt_stream_write, then
                            nrt_stream_end */
    int64_t length;      /* of that body, where it is known: it must be as long then; -1 */
    bool hold;           /* bytes of `data` count as taken only by nrt_stream_consume: meanwhile at
                            most a window of them (256 KiB) comes */
    const char *upgrade; /* ask for this protocol (RFC 9110 section 7.8): after a 101,
                            nrt_stream_write and `data` carry its bytes; NULL */
} nrt_stream_options;

static inline void nrt_stream_options_init(nrt_stream_options *options) {
    memset(options, 0, sizeof(*options));
    options->size = sizeof(*options);
    options->length = -1;
}

/* Begins. `request` is copied; with body_follows or upgrade it has no body of its own. `events`
 * must outlive the stream, `options` may be NULL. Errors at once as nrt_send, and nothing is told
 * then. */
NRT_API int nrt_stream_open(nrt_conn *conn, const nrt_request *request,
                            const nrt_stream_options *options, const nrt_stream_events *events,
                            void *arg, nrt_exchange_id *id);

/* Sends more of the request's body. *sent says how much of it there was room for; where that is not
 * all, `writable` tells when there is more. NRT_ERR_STATE: it is over, ended, or no more is wanted
 * (the response says why). NRT_ERR_USAGE: it would be more than
 * options.length. */
NRT_API int nrt_stream_write(nrt_conn *conn, nrt_exchange_id id, nrt_str bytes, size_t *sent);

/* The request's body is complete; `trailers` may be NULL. NRT_ERR_STATE, NRT_ERR_MEMORY. Where it
 * is shorter than options.length: NRT_ERR_USAGE, and it is not complete. */
NRT_API int nrt_stream_end(nrt_conn *conn, nrt_exchange_id id, const nrt_fields *trailers);

/* With options.hold: so many bytes of `data` are done with. */
NRT_API int nrt_stream_consume(nrt_conn *conn, nrt_exchange_id id, size_t len);

/* nrt_cancel ends a stream as it does any exchange; the service learns it. */

/* Bodies for nrt_stream_do. What they return is 0, or negative: then the exchange is canceled, and
 * nrt_stream_do returns that number. They may block, but then the connection stands still: after
 * 10 s the service gives up. Any of them may be NULL. */
typedef struct nrt_stream_bodies {
    size_t size; /* sizeof(nrt_stream_bodies) */
    /* Puts up to `size` bytes of the request's body at `to`; *got is how many, 0 is its end. NULL:
     * the request has all of its body. */
    int (*read)(void *to, size_t size, size_t *got, void *arg);
    int (*head)(const nrt_response *response, void *arg); /* the final response, without body */
    int (*write)(nrt_str bytes, void *arg);               /* of the response's body, as it comes */
} nrt_stream_bodies;

/* nrt_do for bodies of any size: runs the built-in loop (other callbacks run too) until all of the
 * response has come. With `read`, options.body_follows is understood; no upgrade, and `hold` means
 * nothing. Not from inside a callback. Errors as nrt_stream_open and nrt_send, NRT_ERR_ABORTED
 * where the response breaks off, or what a callback returned; nrt_conn_error has the detail. */
NRT_API int nrt_stream_do(nrt_conn *conn, const nrt_request *request,
                          const nrt_stream_options *options, const nrt_stream_bodies *bodies,
                          void *arg);

#ifdef __cplusplus
}
#endif
#endif
