/* Sending requests to services on NATS. */
#ifndef NRT_CLIENT_H
#define NRT_CLIENT_H

#include <nrt/conn.h>
#include <nrt/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How an exchange ended. Valid during the callback only; nrt_response_copy keeps the response. */
typedef struct nrt_result {
    int error;                    /* 0, or NRT_ERR_*: then there is no response */
    const char *detail;           /* what happened, in words; "" where error is 0 */
    const nrt_response *response; /* NULL where error is not 0 */
    unsigned attempts;            /* how often it was sent: 1 without a retry, 0 if never */
} nrt_result;

/* Called exactly once for every nrt_send that returned 0, on the connection's thread, never from
 * inside nrt_send. */
typedef void (*nrt_result_fn)(const nrt_result *result, void *arg);

typedef struct nrt_send_options {
    size_t size;         /* set by nrt_send_options_init */
    uint32_t timeout_ms; /* from the request's end to the response head, and the longest that a
                            large request may stand still; 0: the connection's */
    bool long_poll; /* once a service has said that it works on it, it may take longer, for as long
                       as that service is alive */
} nrt_send_options;

static inline void nrt_send_options_init(nrt_send_options *options) {
    memset(options, 0, sizeof(*options));
    options->size = sizeof(*options);
}

/* Names an exchange in flight. Never reused within a connection; 0 is none. */
typedef uint64_t nrt_exchange_id;

/* Sends a request; `fn` gets the result. `options` and `id` may be NULL. The request is copied: it
 * may be changed, sent again or destroyed at once. Errors at once: NRT_ERR_THREAD, NRT_ERR_FORK,
 * NRT_ERR_STATE (draining), NRT_ERR_TOO_LARGE, NRT_ERR_BUSY, NRT_ERR_MEMORY, NRT_ERR_USAGE; all
 * others come to `fn`: NRT_ERR_NO_SERVICE, NRT_ERR_TIMEOUT, NRT_ERR_DISCONNECTED,
 * NRT_ERR_PERMISSION, NRT_ERR_PROTOCOL, NRT_ERR_ABORTED, NRT_ERR_CANCELED. An HTTP error status is
 * a response, not an error. */
NRT_API int nrt_send(nrt_conn *conn, const nrt_request *request, const nrt_send_options *options,
                     nrt_result_fn fn, void *arg, nrt_exchange_id *id);

/* Ends an exchange: its `fn` gets NRT_ERR_CANCELED before this returns. NRT_ERR_STATE where it is
 * over already. */
NRT_API int nrt_cancel(nrt_conn *conn, nrt_exchange_id id);

/* nrt_send and wait: runs the built-in loop (other callbacks run too). On success the caller owns
 * *response. Not from inside a callback. nrt_conn_error has the detail. */
NRT_API int nrt_do(nrt_conn *conn, const nrt_request *request, const nrt_send_options *options,
                   nrt_response **response);

/* What a connection has done as a client so far. */
typedef struct nrt_client_stats {
    uint64_t requests;        /* that nrt_send took */
    uint64_t attempts;        /* that were published for them */
    uint64_t failures;        /* that ended with an error: no response of any status */
    uint64_t retries_refused; /* further attempts, by reason */
    uint64_t retries_no_service;
    uint64_t retries_idempotent;
    uint64_t retries_denied; /* that the budget did not allow */
    uint64_t orphans;        /* replies that came too late, or were forged */
} nrt_client_stats;

/* `size` is sizeof(nrt_client_stats) as the caller was compiled. NRT_ERR_THREAD, NRT_ERR_FORK. */
NRT_API int nrt_conn_client_stats(nrt_conn *conn, nrt_client_stats *stats, size_t size);

#ifdef __cplusplus
}
#endif
#endif
