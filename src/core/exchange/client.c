/* The client half of exchanges: slots, and requests on their way out. */
#include "core/exchange/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "core/exchange/client_private.h"
#include "core/exchange/frame.h"
#include "core/http/h1_writer.h"

enum {
    INBOX_CHARS = 22,
    SLAB = 64,             /* exchanges allocated at a time */
    KEPT_MAX = 64 * 1024,  /* larger requests are not kept for another attempt */
    LEFT_MAX = 1024,       /* exchanges kept after their callers have gone */
    KEPT_STAYS = 2 * 1024, /* a slot's memory that is not given back */
};

static void on_inbox_state(int error, void *arg);

uint64_t nrt__client_hash(nrt_str text) {
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < text.len; i++) {
        sum = (sum ^ (unsigned char)text.ptr[i]) * 1099511628211u;
    }
    return sum;
}

static void ring_add(nrt__pending *head, nrt__pending *one) {
    one->prev = head->prev;
    one->next = head;
    head->prev->next = one;
    head->prev = one;
}

static void ring_remove(nrt__pending *one) {
    one->prev->next = one->next;
    one->next->prev = one->prev;
}

void nrt__pending_move(nrt__pending *one, nrt__pending *head, nrt__pending_state state) {
    if (one->state != NRT__PENDING_FREE) {
        ring_remove(one);
    }
    one->state = state;
    ring_add(head, one);
}

nrt__client *nrt__client_create(nrt__env *env, nrt__timers *timers, nrt__session *session,
                                const nrt__client_options *options) {
    nrt__client *client = calloc(1, sizeof(*client));
    if (!client) {
        return NULL;
    }
    client->env = env;
    client->timers = timers;
    client->session = session;
    client->options = *options;
    snprintf(client->reason, sizeof(client->reason), "not connected to NATS");
    nrt__ring_init(&client->sent);
    nrt__ring_init(&client->waiting);
    nrt__ring_init(&client->paused);
    client->calls.next = client->calls.prev = &client->calls;
    client->crowd.next = client->crowd.prev = &client->crowd;
    nrt__buf_init(&client->trailers, 2 * options->limits.head);
    nrt__buf_init(&client->scratch, SIZE_MAX / 2);
    nrt__buf_init(&client->subject, NRT__SUBJECT_MAX);
    nrt__buf_init(&client->extra, NRT__ACCEPT_TEXT_MAX);
    nrt__h1_reader_init(&client->reader, &options->limits);
    nrt__message_init(&client->response.message, false);
    nrt_str prefix = options->inbox_prefix;
    char random[INBOX_CHARS];
    if (prefix.len > NRT__PREFIX_MAX || nrt__random_text(env, random, INBOX_CHARS) < 0) {
        nrt__client_destroy(client);
        return NULL;
    }
    client->inbox_len = prefix.len + INBOX_CHARS + 2;
    snprintf(client->inbox_prefix, sizeof(client->inbox_prefix), "%.*s.%.*s.*", NRT__ARG(prefix),
             INBOX_CHARS, random);
    return client;
}

/* ---- slots ---- */

static bool add_slots(nrt__client *client) {
    size_t count = client->slot_count + SLAB;
    if (count > ((size_t)1 << NRT__SLOT_BITS)) {
        return false;
    }
    nrt__pending **slots = realloc(client->slots, count * sizeof(nrt__pending *));
    if (!slots) {
        return false;
    }
    client->slots = slots;
    nrt__pending *slab = calloc(SLAB, sizeof(*slab));
    if (!slab) {
        return false;
    }
    for (size_t i = 0; i < SLAB; i++) {
        slab[i].token.slot = (uint32_t)(client->slot_count + i);
        slab[i].next = client->free;
        client->free = &slab[i];
        slots[client->slot_count + i] = &slab[i];
    }
    client->slot_count = count;
    return true;
}

nrt_exchange_id nrt__pending_id(const nrt__pending *one) {
    return one->generation << NRT__SLOT_BITS | one->token.slot;
}

static nrt__pending *take_slot(nrt__client *client) {
    if (!client->free && !add_slots(client)) {
        return NULL;
    }
    nrt__pending *one = client->free;
    if (nrt__token_renew(client->env, &one->token) < 0) {
        return NULL;
    }
    client->free = one->next;
    one->generation++;
    one->attempts = 0;
    one->accepted = one->begun = one->left = one->long_poll = false;
    one->events = NULL;
    one->fn = NULL;
    client->in_flight++;
    return one;
}

static void drop_kept(nrt__client *client, nrt__pending *one) {
    client->kept_bytes -= one->kept_len;
    one->kept_len = 0;
    if (one->kept_size > KEPT_STAYS) {
        free(one->kept);
        one->kept = NULL;
        one->kept_size = 0;
    }
}

void nrt__pending_release(nrt__client *client, nrt__pending *one) {
    if (one->state != NRT__PENDING_FREE) {
        ring_remove(one);
    }
    nrt__timer_clear(client->timers, &one->timer);
    nrt__call_destroy(client, one->call);
    drop_kept(client, one);
    one->state = NRT__PENDING_FREE;
    one->next = client->free;
    client->free = one;
    if (one->left) {
        client->left--;
    } else {
        client->in_flight--;
    }
}

void nrt__pending_end(nrt__client *client, nrt__pending *one, int error, const char *detail,
                      const nrt_response *response) {
    const nrt__call_events *events = one->events;
    nrt_result_fn fn = one->fn;
    void *arg = one->arg;
    nrt_result result = {error, detail, response, one->attempts};
    if (error < 0) {
        nrt__client_count_failure(client, error);
    }
    if (error < 0 && client->failures && error != NRT_ERR_CANCELED) {
        const nrt__failure failure = {.code = nrt_str_from(nrt_error_code(error)),
                                      .detail = nrt_str_from(detail)};
        nrt__failures_add(client->failures, client->env->date, &failure);
    }
    if (error < 0 && one->call) { /* whoever works for it may stop, if it has shown itself */
        nrt__flow_abort(&one->call->flow, nrt_error_code(error));
    }
    nrt__pending_release(client, one);
    if (!events) {
        fn(&result, arg);
        return;
    }
    if (response) {
        events->head(response, true, arg);
        result.response = NULL;
    }
    events->closed(&result, arg);
}

static void tell_nobody(const nrt_result *result, void *arg) {
    (void)result;
    (void)arg;
}

void nrt__client_mute(nrt__client *client) {
    for (size_t i = 0; i < client->slot_count; i++) {
        client->slots[i]->fn = tell_nobody;
        client->slots[i]->events = NULL;
    }
}

static void end_all(nrt__client *client, nrt__pending *head, int error, const char *detail) {
    while (!nrt__ring_is_empty(head)) {
        nrt__pending_end(client, head->next, error, detail, NULL);
    }
}

void nrt__client_cancel_all(nrt__client *client) {
    nrt__pending *const rings[] = {&client->sent, &client->waiting, &client->paused};
    for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
        end_all(client, rings[i], NRT_ERR_CANCELED, "the connection was closed");
    }
}

void nrt__client_destroy(nrt__client *client) {
    if (!client) {
        return;
    }
    nrt__client_cancel_all(client);
    for (size_t i = 0; i < client->slot_count; i++) {
        free(client->slots[i]->kept);
    }
    for (size_t i = 0; i < client->slot_count; i += SLAB) {
        free(client->slots[i]);
    }
    free(client->slots);
    nrt__session_sub_destroy(client->session, client->inbox);
    nrt__buf_free(&client->scratch);
    nrt__buf_free(&client->subject);
    nrt__buf_free(&client->extra);
    nrt__buf_free(&client->trailers);
    nrt__h1_reader_free(&client->reader);
    nrt__message_free(&client->response.message);
    free(client);
}

size_t nrt__client_in_flight(const nrt__client *client) {
    return client->in_flight;
}

void nrt__client_note_failures(nrt__client *client, nrt__failures *failures) {
    client->failures = failures;
}

const uint64_t *nrt__client_failures(const nrt__client *client) {
    return client->failed_by;
}

size_t nrt__client_streams(const nrt__client *client) {
    size_t count = 0;
    for (const nrt__call *call = client->calls.next; call != &client->calls; call = call->next) {
        count++;
    }
    return count;
}

const nrt_client_stats *nrt__client_stats(const nrt__client *client) {
    return &client->stats;
}

/* ---- sending ---- */

/* Reply subjects are the same in every session. */
nrt_str nrt__pending_reply(const nrt__client *client, const nrt__pending *one, char *out) {
    memcpy(out, client->inbox_prefix, client->inbox_len);
    nrt__token_write(&one->token, out + client->inbox_len);
    return (nrt_str){out, client->inbox_len + NRT__TOKEN_CHARS};
}

/* Where frames come, silence tells something long before the deadline does. */
static int64_t patience(nrt__client *client, const nrt__pending *one) {
    int64_t now = client->env->now_ms;
    if (one->call && one->call->opened) { /* accepted at once, or not at all */
        int64_t until = now + NRT__CLIENT_ACCEPT_MS;
        return until < one->deadline_ms ? until : one->deadline_ms;
    }
    bool early = one->idempotent && one->kept_len > 0 &&
                 nrt__peer_is_framed(nrt__pending_peer(client, one), now);
    int64_t until = now + NRT__CLIENT_SILENCE_MS;
    return early && until < one->deadline_ms ? until : one->deadline_ms;
}

static void sent(nrt__client *client, nrt__pending *one) {
    one->mark = nrt__session_mark(client->session);
    one->session = client->session;
    one->attempts++;
    client->stats.attempts++;
    nrt__pending_move(one, &client->sent, NRT__PENDING_SENT);
    nrt__timer_set(client->timers, &one->timer, patience(client, one), nrt__pending_on_timer,
                   client);
}

int nrt__pending_publish(nrt__client *client, nrt__pending *one, nrt_str subject,
                         const nrt_str *parts, size_t count) {
    char reply[NRT__REPLY_MAX];
    nrt__session *session = client->session;
    if (nrt__session_state_get(session) != NRT__SESSION_READY) {
        return NRT_ERR_DISCONNECTED;
    }
    one->from = nrt__session_mark(session);
    int error = nrt__session_publish(session, subject, nrt__pending_reply(client, one, reply),
                                     parts, count);
    if (error == 0) {
        sent(client, one);
    }
    return error;
}

int nrt__pending_send_kept(nrt__client *client, nrt__pending *one) {
    if (!one->call || !one->call->opened) {
        const nrt_str subject = {one->kept, one->subject_len};
        const nrt_str payload = {one->kept + one->subject_len, one->kept_len - one->subject_len};
        return nrt__pending_publish(client, one, subject, &payload, 1);
    }
    if (nrt__session_state_get(client->session) != NRT__SESSION_READY) {
        return NRT_ERR_DISCONNECTED;
    }
    one->from = nrt__session_mark(client->session);
    int error = nrt__call_publish(client, one);
    if (error == 0) {
        sent(client, one);
    }
    return error;
}

int nrt__pending_start(nrt__client *client, nrt__pending *one) {
    int error = nrt__pending_send_kept(client, one);
    if (error == NRT_ERR_DISCONNECTED) {
        nrt__pending_wait(client, one);
        error = 0;
    }
    return error;
}

int nrt__pending_keep(nrt__client *client, nrt__pending *one, nrt_str subject,
                      const nrt_str parts[2]) {
    size_t max = client->options.max_waiting;
    size_t len = subject.len + parts[0].len + parts[1].len;
    client->kept_bytes -= one->kept_len; /* what was kept before goes */
    one->kept_len = 0;
    if (len > max || client->kept_bytes > max - len) {
        return NRT_ERR_BUSY;
    }
    if (len > one->kept_size) {
        char *kept = malloc(len);
        if (!kept) {
            return NRT_ERR_MEMORY;
        }
        free(one->kept);
        one->kept = kept;
        one->kept_size = len;
    }
    memcpy(one->kept, subject.ptr, subject.len);
    memcpy(one->kept + subject.len, parts[0].ptr, parts[0].len);
    if (parts[1].len > 0) {
        memcpy(one->kept + subject.len + parts[0].len, parts[1].ptr, parts[1].len);
    }
    one->kept_len = len;
    one->subject_len = (uint32_t)subject.len;
    client->kept_bytes += len;
    return 0;
}

int nrt__client_listen(nrt__client *client) {
    if (!client->inbox) {
        nrt_str subject = {client->inbox_prefix, client->inbox_len + 1}; /* with the '*' */
        client->inbox = nrt__session_subscribe(client->session, subject, (nrt_str){NULL, 0},
                                               nrt__client_on_reply, on_inbox_state, client);
        if (client->inbox) {
            nrt__session_sub_stays(client->inbox);
        }
    }
    return client->inbox ? 0 : NRT_ERR_MEMORY;
}

static bool is_idempotent(const nrt__message *request) {
    return nrt__method_is_idempotent(request->method) ||
           nrt__fields_find(&request->fields, NRT__IDEMPOTENCY_KEY, NULL) != NULL;
}

/* The field line by which a service learns what we understand. */
static nrt_str write_accept(nrt__client *client, int64_t wait_ms, uint32_t window) {
    if (client->extra_for_ms != wait_ms || client->extra_window != window) {
        char text[NRT__ACCEPT_TEXT_MAX];
        nrt__accept accept = {.version = 1, .window = window, .timeout_ms = (uint32_t)wait_ms};
        nrt__buf_clear(&client->extra);
        nrt__buf_put(&client->extra, nrt__accept_write(&accept, text));
        client->extra_for_ms = client->extra.failed ? 0 : wait_ms;
        client->extra_window = window;
    }
    return nrt__buf_view(&client->extra);
}

int nrt__pending_begin(nrt__client *client, const nrt__message *request, uint32_t timeout_ms,
                       nrt__pending **pending) {
    if (client->inbox_error < 0) {
        return client->inbox_error;
    }
    if (client->in_flight >= client->options.max_exchanges) {
        return NRT_ERR_BUSY;
    }
    uint32_t window = nrt__client_window(client);
    nrt__pending *one = nrt__client_listen(client) == 0 ? take_slot(client) : NULL;
    if (!one) {
        return NRT_ERR_MEMORY;
    }
    int64_t wait_ms = timeout_ms ? timeout_ms : client->options.timeout_ms;
    nrt__buf_clear(&client->subject);
    if (write_accept(client, wait_ms, window).len == 0 ||
        !nrt__subject_request(&client->subject, client->options.prefix, request->host,
                              request->method)) {
        nrt__pending_release(client, one);
        return NRT_ERR_MEMORY;
    }
    one->window = window;
    one->subject = nrt__client_hash(nrt__buf_view(&client->subject));
    one->host = nrt__client_hash(request->host);
    one->to_head = nrt__str_equal(request->method, NRT__STR("HEAD"));
    one->idempotent = is_idempotent(request);
    one->wait_ms = wait_ms;
    one->deadline_ms = client->env->now_ms + wait_ms;
    nrt__peer_request(nrt__pending_peer(client, one));
    *pending = one;
    return 0;
}

int nrt__pending_request(nrt__client *client, nrt__pending *one, nrt__message *request) {
    nrt_str parts[2];
    nrt__buf_clear(&client->scratch);
    if (!nrt__h1_write_parts(&client->scratch, request, NRT__FIELD_NRT,
                             nrt__buf_view(&client->extra), false, parts)) {
        return NRT_ERR_MEMORY;
    }
    nrt_str subject = nrt__buf_view(&client->subject);
    /* Where there is no room to keep it, there is no second attempt. */
    if (client->options.retries > 0 && parts[0].len + parts[1].len <= KEPT_MAX) {
        nrt__pending_keep(client, one, subject, parts);
    }
    int error = nrt__pending_publish(client, one, subject, parts, 2);
    if (error == NRT_ERR_DISCONNECTED) {
        error = one->kept_len > 0 ? 0 : nrt__pending_keep(client, one, subject, parts);
        if (error == 0) {
            nrt__pending_wait(client, one);
        }
    }
    return error;
}

int nrt__client_send(nrt__client *client, nrt__message *request, uint32_t timeout_ms,
                     nrt_result_fn fn, void *arg, nrt_exchange_id *id) {
    nrt__pending *one;
    int error = nrt__pending_begin(client, request, timeout_ms, &one);
    if (error < 0) {
        return error;
    }
    one->fn = fn;
    one->arg = arg;
    error = nrt__pending_request(client, one, request);
    if (error == NRT_ERR_TOO_LARGE) {
        error = nrt__call_upload(client, one, request);
    }
    if (error < 0) {
        nrt__pending_release(client, one);
        return error;
    }
    client->stats.requests++;
    if (id) {
        *id = nrt__pending_id(one);
    }
    return 0;
}

nrt__pending *nrt__pending_find(nrt__client *client, nrt_exchange_id id) {
    size_t slot = (size_t)(id & (((uint64_t)1 << NRT__SLOT_BITS) - 1));
    nrt__pending *one = slot < client->slot_count ? client->slots[slot] : NULL;
    bool there = one && one->state != NRT__PENDING_FREE && !one->left;
    return there && nrt__pending_id(one) == id ? one : NULL;
}

int nrt__client_wait_long(nrt__client *client, nrt_exchange_id id) {
    nrt__pending *one = nrt__pending_find(client, id);
    if (!one) {
        return NRT_ERR_STATE;
    }
    one->long_poll = true;
    return 0;
}

/* A service that has the request without our knowing where it is learns when it shows itself that
 * nobody waits; one that sends no frames never does, and costs no more than this. */
static bool keep_to_tell(nrt__client *client, nrt__pending *one) {
    if (one->state != NRT__PENDING_SENT || client->left >= LEFT_MAX ||
        (one->call && one->call->flow.to.ptr)) {
        return false;
    }
    one->left = true;
    client->left++;
    client->in_flight--;
    return true;
}

int nrt__client_cancel(nrt__client *client, nrt_exchange_id id) {
    nrt__pending *one = nrt__pending_find(client, id);
    if (!one) {
        return NRT_ERR_STATE;
    }
    if (!keep_to_tell(client, one)) {
        nrt__pending_end(client, one, NRT_ERR_CANCELED, nrt_error_text(NRT_ERR_CANCELED), NULL);
        return 0;
    }
    const nrt__call_events *events = one->events;
    nrt_result_fn fn = one->fn;
    void *arg = one->arg;
    nrt_result result = {NRT_ERR_CANCELED, nrt_error_text(NRT_ERR_CANCELED), NULL, one->attempts};
    one->events = NULL;
    one->fn = tell_nobody;
    nrt__client_count_failure(client, NRT_ERR_CANCELED);
    if (events) {
        events->closed(&result, arg);
    } else {
        fn(&result, arg);
    }
    return 0;
}

/* ---- the session ---- */

/* Without an inbox no reply can come: whoever waits is told, and nobody begins to wait. */
static void on_inbox_state(int error, void *arg) {
    nrt__client *client = arg;
    client->inbox_error = error;
    if (error == 0) {
        return;
    }
    char detail[NRT__INBOX_MAX + 96];
    snprintf(detail, sizeof(detail),
             "NATS permissions do not allow subscribing to %.*s.>, where replies come",
             NRT__ARG(client->options.inbox_prefix));
    nrt__log(client->env, NRT_LOG_ERROR, "%s", detail);
    end_all(client, &client->waiting, error, detail);
    end_all(client, &client->paused, error, detail);
    end_all(client, &client->sent, error, detail);
}
