/* The client half of exchanges: requests out, each with a reply subject of its own; replies,
 * refusals and deadlines in. */
#ifndef NRT__CLIENT_H
#define NRT__CLIENT_H

#include <nrt/client.h>

#include "core/discovery/failures.h"
#include "core/http/h1_reader.h"
#include "core/nats/session.h"

typedef struct nrt__client nrt__client;

typedef struct nrt__client_options {
    nrt_str prefix; /* checked; must outlive the client, as the next one */
    nrt_str inbox_prefix;
    nrt__h1_limits limits;
    uint32_t timeout_ms;      /* to the response, where a send does not say */
    uint32_t connect_wait_ms; /* how long a request waits for a connection */
    size_t max_exchanges;
    size_t max_body;    /* of a response that is asked for as a whole */
    size_t max_waiting; /* bytes of requests that are kept */
    uint32_t window;    /* of a response's body, at most; 0: NRT__WINDOW_MAX */
    unsigned retries;   /* further attempts at most */
    unsigned retry_on;  /* NRT_RETRY_* */
} nrt__client_options;

nrt__client *nrt__client_create(nrt__env *env, nrt__timers *timers, nrt__session *session,
                                const nrt__client_options *options);

/* Exchanges that are left get NRT_ERR_CANCELED. */
void nrt__client_destroy(nrt__client *client);

/* Nobody is told of anything any more, not even by destroy. */
void nrt__client_mute(nrt__client *client);

/* From now on: as in the options. */
void nrt__client_set_retries(nrt__client *client, unsigned retries, unsigned retry_on);

/* Subscribes to the inbox, where replies come. The first request does it too: who only serves need
 * not be allowed to subscribe there. NRT_ERR_MEMORY. */
int nrt__client_listen(nrt__client *client);

/* As nrt_send; `timeout_ms` 0 is the default. Hop-by-hop and NRT-* fields of `request` are not
 * sent. `request` is only read, but its framing is settled. */
int nrt__client_send(nrt__client *client, nrt__message *request, uint32_t timeout_ms,
                     nrt_result_fn fn, void *arg, nrt_exchange_id *id);

/* What happens to an exchange whose bodies come and go in pieces. Views live during the call. */
typedef struct nrt__call_events {
    /* A 1xx response. May be NULL. */
    void (*interim)(const nrt_response *response, void *arg);
    /* The response, whole and with its body: `closed` follows. Or its head: then `data` and `end`.
     */
    void (*head)(const nrt_response *response, bool whole, void *arg);
    void (*data)(nrt_str bytes, void *arg); /* nrt__client_take when they are done with */
    void (*end)(const nrt_fields *trailers, void *arg);
    void (*writable)(void *arg); /* more of the request's body may be written */
    /* It is over: exactly once, and nothing after it. There is no response in the result. */
    void (*closed)(const nrt_result *result, void *arg);
} nrt__call_events;

/* Begins an exchange whose request is complete: a unary one where its body fits one message, else
 * the body goes out in pieces by itself, up to max_body. With `request->upgrade` both directions
 * may go on after a 101. Errors as nrt__client_send. */
int nrt__client_start(nrt__client *client, nrt__message *request, uint32_t timeout_ms,
                      const nrt__call_events *events, void *arg, nrt_exchange_id *id);

/* Begins an exchange whose request's body goes on: *taken bytes of what is there of it went (or
 * will go) with the head, the rest is to be written, and then the end. Errors as nrt__client_send.
 */
int nrt__client_open(nrt__client *client, nrt__message *request, uint32_t timeout_ms,
                     const nrt__call_events *events, void *arg, nrt_exchange_id *id, size_t *taken);

/* Whether recent replies of this host (lower case) show that it sends frames. */
bool nrt__client_is_framed(nrt__client *client, nrt_str host);

/* Sends more of the body, as far as there is room; `writable` tells when there is again. *sent says
 * how much. NRT_ERR_STATE where it is over, NRT_ERR_USAGE for more than the head has said. */
int nrt__client_write(nrt__client *client, nrt_exchange_id id, nrt_str bytes, size_t *sent);

/* The request's body is complete; `trailers` may be NULL. */
int nrt__client_end(nrt__client *client, nrt_exchange_id id, const nrt_fields *trailers);

/* So many bytes of `data` are done with. */
void nrt__client_take(nrt__client *client, nrt_exchange_id id, size_t len);

/* Once a service has accepted it, it may last for as long as that service is alive. NRT_ERR_STATE
 * where it is over. */
int nrt__client_wait_long(nrt__client *client, nrt_exchange_id id);

/* Ends an exchange: its callback gets NRT_ERR_CANCELED before this returns, the service is told.
 * NRT_ERR_STATE where it is over. */
int nrt__client_cancel(nrt__client *client, nrt_exchange_id id);

/* Ends all of them so, with frames to those who work for them, as far as there is a session. */
void nrt__client_cancel_all(nrt__client *client);

/* The session takes more bodies again. */
void nrt__client_drained(nrt__client *client);

/* How long an instance that sends frames may be silent before a request that does no harm goes to
 * another one as well. */
enum { NRT__CLIENT_SILENCE_MS = 1000 };

/* And how long the first message of a stream may wait for its `accept`. */
enum { NRT__CLIENT_ACCEPT_MS = 2000 };

/* ---- what happens to a session; `reason` is why there is no connection, in words ---- */

void nrt__client_ready(nrt__client *client);

/* It is about to be stopped: requests that have not gone out wait for the next one. */
void nrt__client_save(nrt__client *client, const nrt__session *session);

/* Then, when it has been. */
void nrt__client_disconnected(nrt__client *client, const nrt__session *session, const char *reason);

/* Its server refuses publishing to `subject`. */
void nrt__client_denied(nrt__client *client, nrt_str subject);

/* Requests go out on this session from now on, which is ready and has the same subscriptions.
 * Replies to those that went out before come by either. */
void nrt__client_switch(nrt__client *client, nrt__session *session);

/* Exchanges whose request went out there. */
size_t nrt__client_in_flight_on(const nrt__client *client, const nrt__session *session);

/* ---- */

const nrt_client_stats *nrt__client_stats(const nrt__client *client);
size_t nrt__client_in_flight(const nrt__client *client);

/* How many exchanges have ended with an error, by its number without the sign; NRT__CLIENT_ERRORS
 * of them. */
enum { NRT__CLIENT_ERRORS = 64 };
const uint64_t *nrt__client_failures(const nrt__client *client);

/* Where those are noted that failed; NULL: nowhere. */
void nrt__client_note_failures(nrt__client *client, nrt__failures *failures);

/* Exchanges with bodies in frames. */
size_t nrt__client_streams(const nrt__client *client);

#endif
