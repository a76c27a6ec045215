/* Sending requests to services on NATS. On the connection's thread (nrt/conn.h), whose common
 * errors are not repeated here. Bodies that come and go in pieces are in nrt/stream.h. */
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

/* What a request can be told. */
typedef struct nrt_send_options {
    size_t size;         /* set by nrt_send_options_init */
    uint32_t timeout_ms; /* from the request's end to the response head, and the longest that a
                            large request may stand still; 0: the connection's */
    bool long_poll; /* once a service has said that it works on it, it may take longer, for as long
                       as that service is alive */
} nrt_send_options;

/* Fills in the defaults: the connection's timeout. */
static inline void nrt_send_options_init(nrt_send_options *options) {
    memset(options, 0, sizeof(*options));
    options->size = sizeof(*options);
}

/* Names an exchange in flight. Never reused within a connection; 0 is none. */
typedef uint64_t nrt_exchange_id;

/* Sends a request; `fn` gets the result. `options` and `id` may be NULL. The request is copied: it
 * may be changed, sent again or destroyed at once. An HTTP error status is a response, not an
 * error.
 *
 * Errors of this call, and `fn` is never called then:
 *
 * - NRT_ERR_STATE: the connection is draining.
 * - NRT_ERR_BUSY: nrt_options.max_exchanges or nrt_options.max_output is reached.
 * - NRT_ERR_TOO_LARGE: a body above nrt_options.max_body, or a head above one NATS message.
 * - NRT_ERR_PERMISSION: replies cannot come, as an earlier request has shown.
 * - NRT_ERR_MEMORY.
 *
 * Errors that `fn` gets:
 *
 * - NRT_ERR_NO_SERVICE: nobody serves the host. Not executed.
 * - NRT_ERR_REFUSED: the instances that were asked are at their limits. Not executed.
 * - NRT_ERR_DISCONNECTED: no connection to NATS within nrt_options.connect_wait_ms. Not executed.
 * - NRT_ERR_TOO_LARGE, NRT_ERR_UNSUPPORTED: a body above one NATS message, or an upgrade, and a
 *   service that takes one message only. Not executed.
 * - NRT_ERR_TIMEOUT: no response in time. It may have been executed.
 * - NRT_ERR_ABORTED: connection or service were lost after it was sent. It may have been executed.
 * - NRT_ERR_PERMISSION: NATS does not let us publish there, or hear replies.
 * - NRT_ERR_PROTOCOL: the reply is not HTTP/1.1, or a body not as long as it says.
 * - NRT_ERR_RESPONSE_TOO_LARGE: a response above nrt_options.max_body or nrt_options.max_message.
 * - NRT_ERR_CANCELED: by nrt_cancel or nrt_conn_destroy.
 * - NRT_ERR_MEMORY. */
NRT_API int nrt_send(nrt_conn *conn, const nrt_request *request, const nrt_send_options *options,
                     nrt_result_fn fn, void *arg, nrt_exchange_id *id);

/* Ends an exchange: its callback gets NRT_ERR_CANCELED before this returns, and the service learns
 * that nobody waits. NRT_ERR_STATE where it is over already. */
NRT_API int nrt_cancel(nrt_conn *conn, nrt_exchange_id id);

/* nrt_send, and waits: drives the connection, so that other callbacks run too. `options` may be
 * NULL. With 0 the caller owns *response, of any HTTP status; with an error it is NULL, and
 * nrt_conn_error says more. Errors as nrt_send, either kind; NRT_ERR_STATE also inside a callback,
 * or where the connection runs on a loop of the program's; NRT_ERR_CANCELED where a callback
 * destroys it. */
NRT_API int nrt_do(nrt_conn *conn, const nrt_request *request, const nrt_send_options *options,
                   nrt_response **response);

/* nrt_do with GET, for what is as simple as that. Errors as nrt_do and nrt_request_create. */
NRT_API int nrt_get(nrt_conn *conn, const char *url, const nrt_send_options *options,
                    nrt_response **response);

/* What a connection has done as a client so far. Counts never go back. */
typedef struct nrt_client_stats {
    size_t size;              /* sizeof(nrt_client_stats), set by the caller */
    uint64_t requests;        /* that nrt_send took */
    uint64_t attempts;        /* that were published for them */
    uint64_t failures;        /* that ended with an error: no response of any status */
    uint64_t retries_refused; /* further attempts, by reason (nrt_retry): the service refused it, */
    uint64_t retries_no_service; /* nobody was there, */
    uint64_t retries_idempotent; /* it was lost and could be repeated */
    uint64_t retries_denied;     /* further attempts that the budget did not allow */
    uint64_t orphans;            /* replies that came too late, or were forged */
} nrt_client_stats;

/* Fills in `stats`. NRT_ERR_USAGE where its `size` is not set. */
NRT_API int nrt_client_stats_get(nrt_conn *conn, nrt_client_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
