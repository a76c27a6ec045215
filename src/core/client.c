/* The client half of exchanges. */
#include "core/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/h1_whole.h"
#include "core/h1_writer.h"
#include "core/str.h"
#include "core/subject.h"

enum {
    SLOT_CHARS = 4,    /* of a reply token: which slot; 24 bits */
    SECRET_CHARS = 16, /* and 96 random bits that must match */
    TOKEN_CHARS = SLOT_CHARS + SECRET_CHARS,
    INBOX_CHARS = 22,
    SLOT_BITS = 6 * SLOT_CHARS,
    SLAB = 64, /* exchanges allocated at a time */
    REPLY_MAX = 64 + TOKEN_CHARS,
};

typedef enum exchange_state {
    FREE = 0,
    WAITING, /* for a connection; the request is kept */
    SENT,    /* published; a reply may come */
} exchange_state;

typedef struct exchange {
    struct exchange
        *next; /* the free list, or the list of those waiting, or of those sent: the oldest first */
    struct exchange *prev;
    nrt__timer timer;
    nrt_result_fn fn;
    void *arg;
    uint64_t generation; /* of the slot: makes ids unique */
    uint64_t from;       /* marks in the output: where its PUB begins */
    uint64_t mark;       /* and ends: sent wholly, or certainly not received */
    uint64_t subject;    /* hash */
    int64_t deadline_ms;
    nrt_str stored; /* while waiting: the whole PUB */
    size_t payload; /* bytes of its payload */
    uint32_t slot;
    exchange_state state;
    bool to_head;
    char secret[SECRET_CHARS];
} exchange;

struct nrt__client {
    nrt__env *env;
    nrt__timers *timers;
    nrt__session *session;
    nrt__client_options options;
    nrt__sub *inbox;
    int inbox_error;       /* replies cannot come: why */
    char inbox_prefix[64]; /* "_INBOX.<random>." */
    size_t inbox_len;
    exchange **slots;
    size_t slot_count;
    exchange *free;
    exchange sent; /* heads of rings */
    exchange waiting;
    size_t in_flight;
    size_t stored_bytes;
    nrt__buf scratch; /* the message being written */
    nrt__buf subject;
    nrt__h1_reader reader;
    nrt_response response; /* the one being told of */
    char reason[256];      /* why there is no connection */
};

static void on_reply(const nrt__nats_msg *msg, void *arg);
static void on_inbox_state(int error, void *arg);

/* FNV-1a: tells which exchange a refused subject belongs to. */
static uint64_t hash(nrt_str text) {
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < text.len; i++) {
        sum = (sum ^ (unsigned char)text.ptr[i]) * 1099511628211u;
    }
    return sum;
}

static void ring_init(exchange *head) {
    head->next = head->prev = head;
}

static void ring_add(exchange *head, exchange *one) {
    one->prev = head->prev;
    one->next = head;
    head->prev->next = one;
    head->prev = one;
}

static void ring_remove(exchange *one) {
    one->prev->next = one->next;
    one->next->prev = one->prev;
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
    ring_init(&client->sent);
    ring_init(&client->waiting);
    nrt__buf_init(&client->scratch, SIZE_MAX / 2);
    nrt__buf_init(&client->subject, NRT__SUBJECT_MAX);
    nrt__h1_reader_init(&client->reader, &options->limits);
    nrt__message_init(&client->response.message, false);
    static const char prefix[] = "_INBOX.";
    size_t len = sizeof(prefix) - 1;
    memcpy(client->inbox_prefix, prefix, len);
    if (nrt__random_text(env, client->inbox_prefix + len, INBOX_CHARS) < 0) {
        nrt__client_destroy(client);
        return NULL;
    }
    len += INBOX_CHARS;
    memcpy(client->inbox_prefix + len, ".*", 3);
    client->inbox_len = len + 1;
    return client;
}

/* ---- slots ---- */

static bool add_slots(nrt__client *client) {
    size_t count = client->slot_count + SLAB;
    if (count > ((size_t)1 << SLOT_BITS)) {
        return false;
    }
    exchange **slots = realloc(client->slots, count * sizeof(exchange *));
    if (!slots) {
        return false;
    }
    client->slots = slots;
    exchange *slab = calloc(SLAB, sizeof(*slab));
    if (!slab) {
        return false;
    }
    for (size_t i = 0; i < SLAB; i++) {
        slab[i].slot = (uint32_t)(client->slot_count + i);
        slab[i].next = client->free;
        client->free = &slab[i];
        slots[client->slot_count + i] = &slab[i];
    }
    client->slot_count = count;
    return true;
}

static nrt_exchange_id id_of(const exchange *one) {
    return one->generation << SLOT_BITS | one->slot;
}

static exchange *take_slot(nrt__client *client) {
    if (!client->free && !add_slots(client)) {
        return NULL;
    }
    exchange *one = client->free;
    if (nrt__random_text(client->env, one->secret, SECRET_CHARS) < 0) {
        return NULL;
    }
    client->free = one->next;
    one->generation++;
    client->in_flight++;
    return one;
}

static void drop_stored(nrt__client *client, exchange *one) {
    client->stored_bytes -= one->stored.len;
    free((char *)one->stored.ptr);
    one->stored = (nrt_str){NULL, 0};
}

static void release(nrt__client *client, exchange *one) {
    if (one->state != FREE) {
        ring_remove(one);
    }
    nrt__timer_clear(client->timers, &one->timer);
    drop_stored(client, one);
    one->state = FREE;
    one->next = client->free;
    client->free = one;
    client->in_flight--;
}

/* The slot is free before the callback: it may send again at once. */
static void end(nrt__client *client, exchange *one, int error, const char *detail,
                const nrt_response *response) {
    nrt_result_fn fn = one->fn;
    void *arg = one->arg;
    nrt_result result = {error, detail, response};
    release(client, one);
    fn(&result, arg);
}

static void tell_nobody(const nrt_result *result, void *arg) {
    (void)result;
    (void)arg;
}

void nrt__client_mute(nrt__client *client) {
    for (size_t i = 0; i < client->slot_count; i++) {
        client->slots[i]->fn = tell_nobody;
    }
}

void nrt__client_destroy(nrt__client *client) {
    if (!client) {
        return;
    }
    while (client->sent.next != &client->sent) {
        end(client, client->sent.next, NRT_ERR_CANCELED, "the connection was closed", NULL);
    }
    while (client->waiting.next != &client->waiting) {
        end(client, client->waiting.next, NRT_ERR_CANCELED, "the connection was closed", NULL);
    }
    for (size_t i = 0; i < client->slot_count; i += SLAB) {
        free(client->slots[i]);
    }
    free(client->slots);
    nrt__session_sub_destroy(client->session, client->inbox);
    nrt__buf_free(&client->scratch);
    nrt__buf_free(&client->subject);
    nrt__h1_reader_free(&client->reader);
    nrt__message_free(&client->response.message);
    free(client);
}

size_t nrt__client_in_flight(const nrt__client *client) {
    return client->in_flight;
}

/* ---- sending ---- */

static const char base64url[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";

static void write_token(char *out, const exchange *one) {
    for (int i = 0; i < SLOT_CHARS; i++) {
        out[i] = base64url[one->slot >> (6 * (SLOT_CHARS - 1 - i)) & 63];
    }
    memcpy(out + SLOT_CHARS, one->secret, SECRET_CHARS);
}

/* Reply subjects are the same in every session. */
static nrt_str write_reply(const nrt__client *client, const exchange *one, char *out) {
    memcpy(out, client->inbox_prefix, client->inbox_len);
    write_token(out + client->inbox_len, one);
    return (nrt_str){out, client->inbox_len + TOKEN_CHARS};
}

static int publish(nrt__client *client, exchange *one, nrt_str subject, const nrt_str *parts,
                   size_t count) {
    char reply[REPLY_MAX];
    if (nrt__session_state_get(client->session) != NRT__SESSION_READY) {
        return NRT_ERR_DISCONNECTED;
    }
    one->from = nrt__session_mark(client->session);
    int error = nrt__session_publish(client->session, subject, write_reply(client, one, reply),
                                     parts, count);
    one->mark = nrt__session_mark(client->session);
    return error;
}

static void on_timeout(nrt__timer *timer, void *arg) {
    nrt__client *client = arg;
    exchange *one = (exchange *)((char *)timer - offsetof(exchange, timer));
    if (one->state == WAITING) {
        end(client, one, NRT_ERR_DISCONNECTED, client->reason, NULL);
    } else {
        end(client, one, NRT_ERR_TIMEOUT, nrt_error_text(NRT_ERR_TIMEOUT), NULL);
    }
}

static int keep(nrt__client *client, exchange *one, nrt_str message) {
    size_t max = client->options.max_waiting;
    if (message.len > max || client->stored_bytes > max - message.len) {
        return NRT_ERR_BUSY;
    }
    char *copy = malloc(message.len);
    if (!copy) {
        return NRT_ERR_MEMORY;
    }
    memcpy(copy, message.ptr, message.len);
    one->stored = (nrt_str){copy, message.len};
    client->stored_bytes += message.len;
    return 0;
}

/* Keeps the request until there is a connection, or until it has waited long enough. */
static int store(nrt__client *client, exchange *one, const nrt_str parts[2]) {
    char reply[REPLY_MAX];
    nrt__buf text;
    nrt__buf_init(&text, client->options.max_waiting);
    nrt__buf_lit(&text, "PUB ");
    nrt__buf_put(&text, nrt__buf_view(&client->subject));
    nrt__buf_lit(&text, " ");
    nrt__buf_put(&text, write_reply(client, one, reply));
    nrt__buf_lit(&text, " ");
    nrt__buf_u64(&text, one->payload);
    nrt__buf_lit(&text, "\r\n");
    nrt__buf_put(&text, parts[0]);
    nrt__buf_put(&text, parts[1]);
    nrt__buf_lit(&text, "\r\n");
    int error = text.failed ? NRT_ERR_BUSY : keep(client, one, nrt__buf_view(&text));
    nrt__buf_free(&text);
    return error;
}

static void wait_for_connection(nrt__client *client, exchange *one) {
    int64_t until = client->env->now_ms + client->options.connect_wait_ms;
    one->state = WAITING;
    ring_add(&client->waiting, one);
    nrt__timer_set(client->timers, &one->timer, until < one->deadline_ms ? until : one->deadline_ms,
                   on_timeout, client);
}

int nrt__client_listen(nrt__client *client) {
    if (!client->inbox) {
        nrt_str subject = {client->inbox_prefix, client->inbox_len + 1}; /* with the '*' */
        client->inbox = nrt__session_subscribe(client->session, subject, (nrt_str){NULL, 0},
                                               on_reply, on_inbox_state, client);
    }
    return client->inbox ? 0 : NRT_ERR_MEMORY;
}

int nrt__client_send(nrt__client *client, nrt__message *request, uint32_t timeout_ms,
                     nrt_result_fn fn, void *arg, nrt_exchange_id *id) {
    if (client->inbox_error < 0) {
        return client->inbox_error;
    }
    if (client->in_flight >= client->options.max_exchanges) {
        return NRT_ERR_BUSY;
    }
    exchange *one = nrt__client_listen(client) == 0 ? take_slot(client) : NULL;
    if (!one) {
        return NRT_ERR_MEMORY;
    }
    nrt_str parts[2];
    int64_t now = client->env->now_ms;
    int64_t wait = timeout_ms ? timeout_ms : client->options.timeout_ms;
    nrt__buf_clear(&client->scratch);
    nrt__buf_clear(&client->subject);
    int error = NRT_ERR_MEMORY;
    if (!nrt__h1_write_parts(&client->scratch, request, NRT__FIELD_NRT, NRT__STR(""), false,
                             parts) ||
        !nrt__subject_request(&client->subject, client->options.prefix, request->host,
                              request->method)) {
        goto fail;
    }
    nrt_str subject = nrt__buf_view(&client->subject);
    one->fn = fn;
    one->arg = arg;
    one->subject = hash(subject);
    one->to_head = nrt__str_equal(request->method, NRT__STR("HEAD"));
    one->deadline_ms = now + wait;
    one->payload = parts[0].len + parts[1].len;
    error = publish(client, one, subject, parts, 2);
    if (error == NRT_ERR_DISCONNECTED) {
        error = store(client, one, parts);
        if (error < 0) {
            goto fail;
        }
        wait_for_connection(client, one);
    } else if (error < 0) {
        goto fail;
    } else {
        one->state = SENT;
        ring_add(&client->sent, one);
        nrt__timer_set(client->timers, &one->timer, one->deadline_ms, on_timeout, client);
    }
    if (id) {
        *id = id_of(one);
    }
    return 0;
fail:
    release(client, one);
    return error;
}

int nrt__client_cancel(nrt__client *client, nrt_exchange_id id) {
    size_t slot = (size_t)(id & (((uint64_t)1 << SLOT_BITS) - 1));
    if (slot >= client->slot_count) {
        return NRT_ERR_STATE;
    }
    exchange *one = client->slots[slot];
    if (one->state == FREE || id_of(one) != id) {
        return NRT_ERR_STATE;
    }
    end(client, one, NRT_ERR_CANCELED, nrt_error_text(NRT_ERR_CANCELED), NULL);
    return 0;
}

/* ---- what comes back ---- */

static int digit_of(char c) {
    const char *at = c ? strchr(base64url, c) : NULL;
    return at ? (int)(at - base64url) : -1;
}

/* The exchange that a reply's subject names, if it knows the secret: replies can be forged by
 * whoever may publish to inboxes, so nothing of a token can be guessed. */
static exchange *find(nrt__client *client, nrt_str subject) {
    if (subject.len != client->inbox_len + TOKEN_CHARS) {
        return NULL;
    }
    const char *token = subject.ptr + client->inbox_len;
    size_t slot = 0;
    for (int i = 0; i < SLOT_CHARS; i++) {
        int digit = digit_of(token[i]);
        if (digit < 0) {
            return NULL;
        }
        slot = slot << 6 | (size_t)digit;
    }
    if (slot >= client->slot_count || client->slots[slot]->state != SENT) {
        return NULL;
    }
    unsigned char differs = 0; /* in constant time */
    for (int i = 0; i < SECRET_CHARS; i++) {
        differs |= (unsigned char)(token[SLOT_CHARS + i] ^ client->slots[slot]->secret[i]);
    }
    return differs ? NULL : client->slots[slot];
}

static void on_reply(const nrt__nats_msg *msg, void *arg) {
    nrt__client *client = arg;
    exchange *one = find(client, msg->subject);
    if (!one) {
        nrt__log(client->env, NRT_LOG_DEBUG, "a reply for no exchange in flight was dropped");
        return;
    }
    if (msg->status == 503 && msg->payload.len == 0) {
        end(client, one, NRT_ERR_NO_SERVICE, nrt_error_text(NRT_ERR_NO_SERVICE), NULL);
        return;
    }
    if (msg->oversized) {
        end(client, one, NRT_ERR_RESPONSE_TOO_LARGE,
            "the response is larger than this client takes in (max_message)", NULL);
        return;
    }
    nrt__message *message = &client->response.message;
    unsigned flags = NRT__H1_OLD_PEER | (one->to_head ? NRT__H1_TO_HEAD : 0);
    int error = nrt__h1_read_whole(&client->reader, message, flags, msg->payload);
    const char *detail = client->reader.reason;
    if (error == 0 && message->status < 200) {
        error = NRT_ERR_PROTOCOL;
        detail = "an interim response stands where the final one must";
    }
    if (error < 0) {
        char text[256];
        snprintf(text, sizeof(text), "the service's reply is not a valid HTTP/1.1 response: %s",
                 detail);
        end(client, one, error == NRT_ERR_MEMORY ? error : NRT_ERR_PROTOCOL, text, NULL);
        return;
    }
    nrt__fields_strip_hop(&message->fields);
    end(client, one, 0, "", &client->response);
}

/* ---- the session ---- */

/* Without an inbox no reply can come: whoever waits is told, and nobody begins to wait. */
static void on_inbox_state(int error, void *arg) {
    nrt__client *client = arg;
    client->inbox_error = error;
    if (error == 0) {
        return;
    }
    static const char detail[] = "NATS permissions do not allow subscribing to _INBOX.>, where "
                                 "replies come";
    nrt__log(client->env, NRT_LOG_ERROR, "%s", detail);
    while (client->waiting.next != &client->waiting) {
        end(client, client->waiting.next, error, detail, NULL);
    }
    while (client->sent.next != &client->sent) {
        end(client, client->sent.next, error, detail, NULL);
    }
}

void nrt__client_ready(nrt__client *client) {
    /* Callbacks may send more: those find a connection and do not come here. */
    while (client->waiting.next != &client->waiting &&
           nrt__session_state_get(client->session) == NRT__SESSION_READY) {
        exchange *one = client->waiting.next;
        one->from = nrt__session_mark(client->session);
        int error = nrt__session_publish_again(client->session, one->stored, one->payload);
        one->mark = nrt__session_mark(client->session);
        if (error < 0) {
            end(client, one, error, nrt_error_text(error), NULL);
            continue;
        }
        drop_stored(client, one);
        ring_remove(one);
        ring_add(&client->sent, one);
        one->state = SENT;
        nrt__timer_set(client->timers, &one->timer, one->deadline_ms, on_timeout, client);
    }
}

void nrt__client_save(nrt__client *client) {
    exchange *next;
    for (exchange *one = client->sent.next; one != &client->sent; one = next) {
        next = one->next;
        nrt_str message = nrt__session_unsent(client->session, one->from, one->mark);
        if (message.len > 0 && keep(client, one, message) == 0) {
            ring_remove(one);
            wait_for_connection(client, one);
        }
    }
}

void nrt__client_disconnected(nrt__client *client, const char *reason) {
    snprintf(client->reason, sizeof(client->reason), "not connected to NATS: %s", reason);
    /* What was written may have been executed, and its reply is lost. What was not written wholly
     * was not received. */
    exchange ring;
    if (client->sent.next == &client->sent) {
        return;
    }
    ring.next = client->sent.next;
    ring.prev = client->sent.prev;
    ring.next->prev = ring.prev->next = &ring;
    ring_init(&client->sent);
    while (ring.next != &ring) {
        exchange *one = ring.next;
        if (nrt__session_was_sent(client->session, one->mark)) {
            end(client, one, NRT_ERR_ABORTED,
                "the connection to NATS was lost while waiting for the answer", NULL);
        } else {
            end(client, one, NRT_ERR_DISCONNECTED, client->reason, NULL);
        }
    }
}

void nrt__client_denied(nrt__client *client, nrt_str subject) {
    /* Errors come one for each publish, in order. */
    uint64_t sum = hash(subject);
    for (exchange *one = client->sent.next; one != &client->sent; one = one->next) {
        if (one->subject == sum) {
            char text[NRT__SUBJECT_MAX + 64];
            snprintf(text, sizeof(text), "NATS permissions do not allow publishing to %.*s",
                     NRT__ARG(subject));
            end(client, one, NRT_ERR_PERMISSION, text, NULL);
            return;
        }
    }
}
