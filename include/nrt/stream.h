/* Requests whose bodies, and those of their responses, come and go in pieces: of any size, both
 * ways at once, for as long as they take. On the connection's thread (nrt/conn.h), whose common
 * errors are not repeated here.
 *
 * For messages that are whole nrt_send and nrt_do are simpler. What is small is one NATS message
 * each way here as well. nrt_cancel ends a stream as it does any exchange, and the service learns
 * that. */
#ifndef NRT_STREAM_H
#define NRT_STREAM_H

#include <nrt/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What happens to a stream: responses in this order, `writable` at any time, `closed` last. Views
 * and messages live during the call; any of the functions may be NULL, but not `closed`. Each may
 * write, end or cancel the stream. */
typedef struct nrt_stream_events {
    size_t size; /* sizeof(nrt_stream_events), set by the caller */
    /* It is over, exactly once: nothing is told after it. `result` has no response. Errors as the
     * callback of nrt_send; NRT_ERR_ABORTED also where a response that had begun breaks off. */
    void (*closed)(const nrt_result *result, void *arg);
    /* An interim response (1xx, but for 101): none, one, or several. */
    void (*interim)(const nrt_response *response, void *arg);
    /* The final response, or the 101 of an upgrade: status and fields. Its body is empty. */
    void (*head)(const nrt_response *response, void *arg);
    /* More of the response's body, at least one byte. Copy what is needed later. */
    void (*data)(nrt_str bytes, void *arg);
    /* The response's body is complete: not before this. */
    void (*end)(const nrt_fields *trailers, void *arg);
    /* nrt_stream_write takes more: once the service has taken the request, then after it took less
     * than it was given. With nrt_stream_options.upgrade, write when `head` has told of the 101. */
    void (*writable)(void *arg);
} nrt_stream_events;

/* What a stream can be told. */
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

/* Fills in the defaults: no body that follows, the connection's timeout. */
static inline void nrt_stream_options_init(nrt_stream_options *options) {
    memset(options, 0, sizeof(*options));
    options->size = sizeof(*options);
    options->length = -1;
}

/* Begins a stream. `request` is copied; with `body_follows` or `upgrade` it has no body of its own.
 * `options` and `id` may be NULL. Nothing is told from inside
 * this call. Errors as those of the call nrt_send, and then nothing is told at all. */
NRT_API int nrt_stream_open(nrt_conn *conn, const nrt_request *request,
                            const nrt_stream_options *options, const nrt_stream_events *events,
                            void *arg, nrt_exchange_id *id);

/* Sends more of the request's body. *sent says how much of it there was room for, in bytes: 0 until
 * the service has taken the request. Where that is not all, `writable` tells when there is more.
 * NRT_ERR_STATE: it is over, ended, or no more is wanted (the response says why). NRT_ERR_USAGE: it
 * would be more than nrt_stream_options.length. */
NRT_API int nrt_stream_write(nrt_conn *conn, nrt_exchange_id id, nrt_str bytes, size_t *sent);

/* The request's body is complete; `trailers` (nrt_fields_create) may be NULL, and are copied.
 * NRT_ERR_USAGE: it is shorter than nrt_stream_options.length, and goes on. NRT_ERR_STATE: it is
 * over, or has ended before. NRT_ERR_MEMORY. */
NRT_API int nrt_stream_end(nrt_conn *conn, nrt_exchange_id id, const nrt_fields *trailers);

/* With nrt_stream_options.hold: `len` more bytes of `data` are done with, now or later. Does
 * nothing to a stream that is over. */
NRT_API int nrt_stream_consume(nrt_conn *conn, nrt_exchange_id id, size_t len);

/* Bodies for nrt_stream_do. What they return is 0, or negative: then the exchange is canceled, and
 * nrt_stream_do returns that number. They may block, but then the connection stands still: after
 * 10 s the service gives up. Any of them may be NULL. */
typedef struct nrt_stream_bodies {
    size_t size; /* sizeof(nrt_stream_bodies), set by the caller */
    /* Puts up to `size` bytes of the request's body at `to`; *got is how many, 0 is its end. NULL:
     * the request has all of its body. */
    int (*read)(void *to, size_t size, size_t *got, void *arg);
    /* The final response: status and fields. It lives during the call. */
    int (*head)(const nrt_response *response, void *arg);
    /* More of the response's body, as it comes; valid during the call. NULL: it is dropped. */
    int (*write)(nrt_str bytes, void *arg);
} nrt_stream_bodies;

/* nrt_do for bodies of any size: drives the connection, so that other callbacks run too, until all
 * of the response has come. Of `options` (may be NULL), `body_follows` follows from `bodies`,
 * `hold` means nothing, and `upgrade` is NRT_ERR_USAGE. Errors as nrt_do, NRT_ERR_ABORTED also
 * where the response breaks off, or what a callback returned; nrt_conn_error says more. */
NRT_API int nrt_stream_do(nrt_conn *conn, const nrt_request *request,
                          const nrt_stream_options *options, const nrt_stream_bodies *bodies,
                          void *arg);

#ifdef __cplusplus
}
#endif
#endif
