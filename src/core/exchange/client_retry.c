/* What becomes of a client's exchanges when their first attempt comes to nothing: waiting for a
 * connection, trying again, giving up. */
#include <stdio.h>

#include "core/base/str.h"
#include "core/exchange/client_private.h"

enum {
    PAUSE_MS = 10, /* before the second attempt, about; doubled with each further one */
    PAUSE_MAX_MS = 1000,
    NO_SERVICE_PAUSE_MS =
        20, /* at most, and once: an instance may just be moving to another server */
};

nrt__peer *nrt__pending_peer(nrt__client *client, const nrt__pending *one) {
    return nrt__peers_get(client->peers, one->host, client->env->now_ms);
}

/* Says of the last attempt that it was certainly not executed. */
static bool is_certain(int error) {
    return error == NRT_ERR_DISCONNECTED || error == NRT_ERR_REFUSED ||
           error == NRT_ERR_NO_SERVICE || error == NRT_ERR_BUSY || error == NRT_ERR_TOO_LARGE;
}

void nrt__pending_give_up(nrt__client *client, nrt__pending *one, int error, const char *detail) {
    char text[512];
    if (one->begun && is_certain(error)) {
        error = NRT_ERR_ABORTED;
        snprintf(text, sizeof(text), "%s; an earlier attempt may have been executed", detail);
        detail = text;
    }
    nrt__pending_end(client, one, error, detail, NULL);
}

void nrt__pending_wait(nrt__client *client, nrt__pending *one) {
    int64_t until = client->env->now_ms + client->options.connect_wait_ms;
    nrt__pending_move(one, &client->waiting, NRT__PENDING_WAITING);
    nrt__timer_set(client->timers, &one->timer, until < one->deadline_ms ? until : one->deadline_ms,
                   nrt__pending_on_timer, client);
}

/* Sends what is kept. */
static void send_kept(nrt__client *client, nrt__pending *one) {
    int error = nrt__pending_send_kept(client, one);
    if (error == NRT_ERR_DISCONNECTED) {
        nrt__pending_wait(client, one);
    } else if (error < 0) {
        nrt__pending_give_up(client, one, error, nrt_error_text(error));
    }
}

void nrt__client_set_retries(nrt__client *client, unsigned retries, unsigned retry_on) {
    client->options.retries = retries;
    client->options.retry_on = retry_on;
}

static uint64_t *counter(nrt__client *client, unsigned why) {
    switch (why) {
    case NRT_RETRY_REFUSED:
        return &client->stats.retries_refused;
    case NRT_RETRY_NO_SERVICE:
        return &client->stats.retries_no_service;
    default:
        return &client->stats.retries_idempotent;
    }
}

/* Whether there may be another attempt, which is then counted. */
static bool may_retry(nrt__client *client, nrt__pending *one, unsigned why) {
    unsigned most = why == NRT_RETRY_NO_SERVICE ? 1 : client->options.retries;
    if (!(client->options.retry_on & why) || one->kept_len == 0 || one->left ||
        (one->call && (one->call->opened || one->call->headed)) ||
        one->attempts > client->options.retries || one->attempts > most ||
        (one->begun && !one->idempotent)) {
        return false;
    }
    if (!nrt__peer_retry(nrt__pending_peer(client, one), client->env->now_ms)) {
        client->stats.retries_denied++;
        return false;
    }
    ++*counter(client, why);
    return true;
}

bool nrt__pending_retry(nrt__client *client, nrt__pending *one, unsigned why) {
    uint32_t most = why == NRT_RETRY_NO_SERVICE ? NO_SERVICE_PAUSE_MS : PAUSE_MS;
    for (uint32_t i = 1; i < one->attempts && most < PAUSE_MAX_MS; i++) {
        most *= 2;
    }
    int64_t at = client->env->now_ms + 1 + nrt__random_below(client->env, most);
    if (at >= one->deadline_ms || !may_retry(client, one, why) ||
        nrt__token_renew(client->env, &one->token) < 0) {
        return false;
    }
    one->accepted = false;
    nrt__call_destroy(client, one->call);
    nrt__pending_move(one, &client->paused, NRT__PENDING_PAUSED);
    nrt__timer_set(client->timers, &one->timer, at, nrt__pending_on_timer, client);
    return true;
}

/* Silent for long where a frame should have come: if that does no harm, another instance gets it.
 */
static void on_silence(nrt__client *client, nrt__pending *one) {
    if (nrt__pending_retry(client, one, NRT_RETRY_IDEMPOTENT)) {
        one->begun = true;
    } else {
        nrt__timer_set(client->timers, &one->timer, one->deadline_ms, nrt__pending_on_timer,
                       client);
    }
}

/* A stream that nobody takes: an old service does not know what that is. */
static void not_accepted(nrt__client *client, nrt__pending *one) {
    if (nrt__peer_is_framed(nrt__pending_peer(client, one), client->env->now_ms)) {
        nrt__pending_end(client, one, NRT_ERR_TIMEOUT, nrt_error_text(NRT_ERR_TIMEOUT), NULL);
    } else if (one->call && one->call->upgrade) {
        nrt__pending_end(client, one, NRT_ERR_UNSUPPORTED,
                         "an upgrade needs streams, and the service seems to know none", NULL);
    } else {
        nrt__pending_end(client, one, NRT_ERR_TOO_LARGE,
                         "the request does not fit one NATS message, and the service seems to "
                         "know no streams",
                         NULL);
    }
}

void nrt__pending_on_timer(nrt__timer *timer, void *arg) {
    nrt__client *client = arg;
    nrt__pending *one = (nrt__pending *)((char *)timer - offsetof(nrt__pending, timer));
    switch (one->state) {
    case NRT__PENDING_WAITING:
        nrt__pending_give_up(client, one, NRT_ERR_DISCONNECTED, client->reason);
        break;
    case NRT__PENDING_PAUSED:
        send_kept(client, one);
        break;
    case NRT__PENDING_SENT:
        if (one->left) {
            nrt__pending_release(client, one);
        } else if (one->call && one->call->opened && !one->accepted) {
            not_accepted(client, one);
        } else if (client->env->now_ms < one->deadline_ms && !one->accepted) {
            on_silence(client, one);
        } else if (client->env->now_ms < one->deadline_ms) { /* it was put off meanwhile */
            nrt__timer_set(client->timers, &one->timer, one->deadline_ms, nrt__pending_on_timer,
                           client);
        } else if (!one->accepted || !one->long_poll || !one->call || !one->call->to) {
            nrt__pending_end(client, one, NRT_ERR_TIMEOUT, nrt_error_text(NRT_ERR_TIMEOUT), NULL);
        }
        break;
    case NRT__PENDING_FREE:
        break;
    }
}

/* ---- the session ---- */

void nrt__client_ready(nrt__client *client) {
    /* Callbacks may send more: those find a connection and do not come here. */
    while (!nrt__ring_is_empty(&client->waiting) &&
           nrt__session_state_get(client->session) == NRT__SESSION_READY) {
        send_kept(client, client->waiting.next);
    }
}

/* What is left of its PUB in the output, taken apart: "PUB subject reply size", payload. */
static bool keep_unsent(nrt__client *client, nrt__pending *one) {
    nrt_str message = nrt__session_unsent(one->session, one->from, one->mark);
    const char *line_end = message.len > 0 ? memchr(message.ptr, '\n', message.len) : NULL;
    if (!line_end) {
        return false;
    }
    const char *subject = message.ptr + sizeof("PUB ") - 1;
    const char *subject_end = memchr(subject, ' ', (size_t)(line_end - subject));
    const char *payload = line_end + 1;
    size_t len = message.len - (size_t)(payload - message.ptr) - 2; /* without the last CRLF */
    nrt_str parts[2] = {{payload, len}, {NULL, 0}};
    return nrt__pending_keep(client, one, (nrt_str){subject, (size_t)(subject_end - subject)},
                             parts) == 0;
}

void nrt__client_save(nrt__client *client, const nrt__session *session) {
    nrt__pending *next;
    for (nrt__pending *one = client->sent.next; one != &client->sent; one = next) {
        next = one->next;
        if (one->session == session && !one->left && !nrt__session_was_sent(session, one->mark) &&
            (one->kept_len > 0 || keep_unsent(client, one))) {
            one->attempts--; /* that one was none */
            client->stats.attempts--;
            nrt__pending_wait(client, one);
        }
    }
}

/* It was written before its connection was lost, and its reply will not come. */
static void on_lost(nrt__client *client, nrt__pending *one) {
    one->begun = true;
    if (one->idempotent && may_retry(client, one, NRT_RETRY_IDEMPOTENT) &&
        nrt__token_renew(client->env, &one->token) == 0) {
        one->accepted = false;
        nrt__call_destroy(client, one->call);
        nrt__pending_wait(client, one);
        return;
    }
    nrt__pending_end(client, one, NRT_ERR_ABORTED,
                     "the connection to NATS was lost while waiting for the answer", NULL);
}

void nrt__client_disconnected(nrt__client *client, const nrt__session *session,
                              const char *reason) {
    nrt__pending lost;
    nrt__pending *next;
    bool other =
        client->session != session && nrt__session_state_get(client->session) == NRT__SESSION_READY;
    snprintf(client->reason, sizeof(client->reason), "not connected to NATS: %s", reason);
    nrt__ring_init(&lost);
    for (nrt__pending *one = client->sent.next; one != &client->sent; one = next) {
        next = one->next;
        if (one->session != session) {
            continue;
        }
        bool streams = one->call && (one->call->opened || one->call->headed);
        if (other && !streams && nrt__session_was_sent(session, one->mark)) {
            /* Replies come to the session that has taken over, too. */
            one->session = client->session;
            one->accepted_by = client->session;
            one->from = one->mark = 0;
            if (one->call) { /* accepted: what we say of it goes there as well */
                one->call->flow.session = client->session;
            }
        } else {
            nrt__pending_move(one, &lost, NRT__PENDING_SENT);
        }
    }
    while (!nrt__ring_is_empty(&lost)) {
        nrt__pending *one = lost.next;
        if (nrt__session_was_sent(session, one->mark)) {
            on_lost(client, one);
        } else { /* cut in the middle: not received */
            nrt__pending_give_up(client, one, NRT_ERR_DISCONNECTED, client->reason);
        }
    }
    if (other) {
        nrt__client_ready(client);
    }
}

void nrt__client_switch(nrt__client *client, nrt__session *session) {
    client->session = session;
    nrt__client_ready(client);
}

size_t nrt__client_in_flight_on(const nrt__client *client, const nrt__session *session) {
    size_t count = 0;
    for (const nrt__pending *one = client->sent.next; one != &client->sent; one = one->next) {
        count += one->session == session;
    }
    return count;
}

void nrt__client_denied(nrt__client *client, nrt_str subject) {
    if (nrt__calls_denied(client, subject)) {
        return;
    }
    /* Errors come one for each publish, in order. */
    uint64_t sum = nrt__client_hash(subject);
    for (nrt__pending *one = client->sent.next; one != &client->sent; one = one->next) {
        if (one->subject == sum) {
            char text[NRT__SUBJECT_MAX + 64];
            snprintf(text, sizeof(text), "NATS permissions do not allow publishing to %.*s",
                     NRT__ARG(subject));
            nrt__pending_end(client, one, NRT_ERR_PERMISSION, text, NULL);
            return;
        }
    }
}
