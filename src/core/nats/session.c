/* One NATS session: the state machine, input and output. Subscriptions are in session_subs.c. */
#include "core/nats/session.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "core/nats/session_private.h"

enum {
    INPUT_ROOM = 64 * 1024,   /* what one read may bring */
    OUTPUT_KEEP = 256 * 1024, /* larger buffers are given back when they are empty */
    PLENTY = 64 * 1024,       /* output that is worth a system call of its own */
    CONTROL_ROOM = 64 * 1024, /* beyond max_output: PING, PONG, SUB always fit */
    PINGS_MAX = 2,            /* unanswered ones before the connection counts as dead */
    FLUSHES_MAX = 4096,
    CROWDED = 1024 * 1024, /* output beyond which bodies wait, so that others get through */
    DRAINED = 256 * 1024,  /* and below which they go on */
};

static nrt__session *create(nrt__env *env, nrt__timers *timers, nrt__session *first,
                            const nrt__session_options *options,
                            const nrt__session_events *events) {
    nrt__session *session = calloc(1, sizeof(*session));
    if (!session || !nrt__subs_join(session, first)) {
        free(session);
        return NULL;
    }
    session->env = env;
    session->timers = timers;
    session->options = *options;
    session->events = *events;
    session->reason = "";
    nrt__buf_init(&session->in, options->max_message + NRT__NATS_INFO_MAX + 2 * INPUT_ROOM);
    nrt__buf_init(&session->out, options->max_output + CONTROL_ROOM);
    nrt__nats_parser_init(&session->parser, options->max_message);
    return session;
}

nrt__session *nrt__session_create(nrt__env *env, nrt__timers *timers,
                                  const nrt__session_options *options,
                                  const nrt__session_events *events) {
    return create(env, timers, NULL, options, events);
}

nrt__session *nrt__session_create_beside(nrt__session *first, const nrt__session_events *events) {
    return create(first->env, first->timers, first, &first->options, events);
}

static void drop_flushes(nrt__session *session, int error) {
    while (session->flushes) {
        nrt__flush *flush = session->flushes;
        session->flushes = flush->next;
        session->flush_count--;
        if (flush->fn) {
            flush->fn(error, flush->arg);
        }
        free(flush);
    }
    session->last_flush = &session->flushes;
}

void nrt__session_mute(nrt__session *session) {
    for (nrt__flush *flush = session->flushes; flush; flush = flush->next) {
        if (!nrt__subs_mute_fence(flush)) {
            flush->fn = NULL;
        }
    }
}

void nrt__session_destroy(nrt__session *session) {
    if (!session) {
        return;
    }
    nrt__session_stop(session);
    nrt__subs_part(session);
    nrt__buf_free(&session->in);
    nrt__buf_free(&session->out);
    free(session);
}

void nrt__session_start(nrt__session *session, const nrt__nats_login *login) {
    session->login = *login;
    session->state = NRT__SESSION_WAIT_INFO;
    session->reason = "";
    session->last_flush = &session->flushes;
    session->pings = 0;
    session->in_total = 0;
    session->retired = session->crowded = false;
    memset(&session->info, 0, sizeof(session->info));
    nrt__nats_parser_init(&session->parser, session->options.max_message);
}

/* The first `len` bytes of the output, which go: until we are in, CONNECT may be among them. */
static void wipe_output(nrt__session *session, size_t len) {
    if (len > 0) {
        OPENSSL_cleanse(session->out.bytes + session->out.start, len);
    }
}

void nrt__session_stop(nrt__session *session) {
    if (session->state == NRT__SESSION_CLOSED) {
        return;
    }
    if (session->state < NRT__SESSION_READY) {
        wipe_output(session, nrt__buf_len(&session->out));
    }
    memset(&session->login, 0, sizeof(session->login));
    session->state = NRT__SESSION_CLOSED;
    nrt__timer_clear(session->timers, &session->ping_timer);
    nrt__buf_shrink(&session->in, INPUT_ROOM * 2);
    nrt__buf_shrink(&session->out, OUTPUT_KEEP);
    session->out_total = session->sent_total; /* what was not sent never will be */
    session->need = 0;
    drop_flushes(session, NRT_ERR_DISCONNECTED);
}

nrt__session_state nrt__session_state_get(const nrt__session *session) {
    return session->state;
}

const nrt__nats_info *nrt__session_info(const nrt__session *session) {
    return &session->info;
}

const char *nrt__session_reason(const nrt__session *session) {
    return session->reason;
}

uint64_t nrt__session_received_total(const nrt__session *session) {
    return session->in_total;
}

static int fail(nrt__session *session, int error, const char *reason) {
    session->reason = reason;
    return error;
}

/* ---- output ---- */

nrt_str nrt__session_output(const nrt__session *session) {
    return nrt__buf_view(&session->out);
}

/* Those who wait for room are told where there is some. */
static void go_on(nrt__session *session) {
    if (session->crowded && session->state == NRT__SESSION_READY &&
        nrt__buf_len(&session->out) <= DRAINED) {
        session->crowded = false;
        if (session->events.drained) {
            session->events.drained(session->events.arg);
        }
    }
}

void nrt__session_sent(nrt__session *session, size_t len) {
    session->sent_total += len;
    if (session->state < NRT__SESSION_READY) {
        wipe_output(session, len);
    }
    nrt__buf_consume(&session->out, len);
    if (nrt__buf_len(&session->out) == 0) {
        nrt__buf_shrink(&session->out, OUTPUT_KEEP);
    }
    go_on(session);
}

uint64_t nrt__session_mark(const nrt__session *session) {
    return session->out_total;
}

bool nrt__session_was_sent(const nrt__session *session, uint64_t mark) {
    return session->sent_total >= mark;
}

/* Everything appended since the buffer held `before` bytes becomes output. */
static void output_grew(nrt__session *session, size_t before) {
    session->out_total += nrt__buf_len(&session->out) - before;
    if (before == 0 && session->events.output) {
        session->events.output(session->events.arg);
    }
    /* Writing it now keeps the buffer small and warm, and lets the server begin. Only once for each
     * such piece: where the socket takes no more, the rest waits for the end of the turn. */
    if (session->events.plenty && before / PLENTY != nrt__buf_len(&session->out) / PLENTY) {
        session->events.plenty(session->events.arg);
    }
}

bool nrt__session_put(nrt__session *session, nrt_str line) {
    size_t before = nrt__buf_len(&session->out);
    bool fine = nrt__buf_put(&session->out, line);
    session->out.failed = false;
    output_grew(session, before);
    return fine;
}

/* "PUB subject [reply] total" or "HPUB subject [reply] header total". */
static void put_pub(nrt__buf *out, nrt_str subject, nrt_str reply, size_t header, size_t total) {
    nrt__buf_put(out, header > 0 ? NRT__STR("HPUB ") : NRT__STR("PUB "));
    nrt__buf_put(out, subject);
    if (reply.len > 0) {
        nrt__buf_lit(out, " ");
        nrt__buf_put(out, reply);
    }
    nrt__buf_lit(out, " ");
    if (header > 0) {
        nrt__buf_u64(out, header);
        nrt__buf_lit(out, " ");
    }
    nrt__buf_u64(out, total);
    nrt__buf_lit(out, "\r\n");
}

static int publish(nrt__session *session, nrt_str subject, nrt_str reply, nrt_str header,
                   const nrt_str *parts, size_t count) {
    size_t total = header.len;
    if (session->state < NRT__SESSION_WAIT_PONG) {
        return NRT_ERR_DISCONNECTED;
    }
    for (size_t i = 0; i < count; i++) {
        total += parts[i].len;
    }
    if (total > session->info.max_payload) {
        return NRT_ERR_TOO_LARGE;
    }
    nrt__buf *out = &session->out;
    size_t before = nrt__buf_len(out);
    size_t size = total + subject.len + reply.len + 60;
    if (size > session->options.max_output || before > session->options.max_output - size) {
        session->crowded = true; /* who waits for room is told, as below */
        return NRT_ERR_BUSY;
    }
    if (!nrt__buf_room(out, size)) {
        out->failed = false;
        return NRT_ERR_MEMORY;
    }
    put_pub(out, subject, reply, header.len, total);
    nrt__buf_put(out, header);
    for (size_t i = 0; i < count; i++) {
        nrt__buf_put(out, parts[i]);
    }
    nrt__buf_lit(out, "\r\n");
    output_grew(session, before);
    return 0;
}

int nrt__session_publish(nrt__session *session, nrt_str subject, nrt_str reply,
                         const nrt_str *parts, size_t count) {
    return publish(session, subject, reply, (nrt_str){NULL, 0}, parts, count);
}

int nrt__session_publish_frame(nrt__session *session, nrt_str subject, nrt_str reply,
                               nrt_str header, const nrt_str *parts, size_t count) {
    return publish(session, subject, reply, header, parts, count);
}

size_t nrt__session_capacity(nrt__session *session) {
    size_t held = nrt__buf_len(&session->out);
    size_t half = session->options.max_output / 2; /* the rest is for what cannot wait */
    size_t most = half < CROWDED ? half : CROWDED;
    if (session->state != NRT__SESSION_READY || held >= most) {
        session->crowded = true; /* whoever asked is told when that is over */
        return 0;
    }
    return most - held;
}

nrt_str nrt__session_unsent(const nrt__session *session, uint64_t from, uint64_t to) {
    if (from < session->sent_total || to > session->out_total) {
        return (nrt_str){NULL, 0};
    }
    nrt_str out = nrt__buf_view(&session->out);
    return (nrt_str){out.ptr + (size_t)(from - session->sent_total), (size_t)(to - from)};
}

/* ---- pings ---- */

int nrt__session_ping(nrt__session *session, uint64_t sid, nrt__flush_fn fn, void *arg) {
    if (session->state < NRT__SESSION_WAIT_PONG) {
        return NRT_ERR_DISCONNECTED;
    }
    if (session->flush_count >= FLUSHES_MAX) {
        return NRT_ERR_BUSY;
    }
    nrt__flush *flush = calloc(1, sizeof(*flush));
    if (!flush || !nrt__session_put(session, NRT__STR("PING\r\n"))) {
        free(flush);
        return NRT_ERR_MEMORY;
    }
    flush->fn = fn;
    flush->arg = arg;
    flush->sid = sid;
    *session->last_flush = flush;
    session->last_flush = &flush->next;
    session->flush_count++;
    return 0;
}

int nrt__session_flush(nrt__session *session, nrt__flush_fn fn, void *arg) {
    return nrt__session_ping(session, 0, fn, arg);
}

static void on_ping_timer(nrt__timer *timer, void *arg) {
    nrt__session *session = arg;
    /* Whatever comes proves that the server is alive, not only its PONG. */
    session->pings = session->in_total == session->in_at_ping ? session->pings + 1 : 0;
    session->in_at_ping = session->in_total;
    int error =
        session->pings >= PINGS_MAX ? NRT_ERR_TIMEOUT : nrt__session_flush(session, NULL, NULL);
    if (error < 0 && error != NRT_ERR_BUSY) {
        session->events.stale(session->events.arg);
        return;
    }
    nrt__timer_set(session->timers, timer, session->env->now_ms + session->options.ping_interval_ms,
                   on_ping_timer, session);
}

static void on_pong(nrt__session *session) {
    nrt__flush *flush = session->flushes;
    if (!flush) {
        return; /* one that nobody asked for does no harm */
    }
    session->flushes = flush->next;
    if (!session->flushes) {
        session->last_flush = &session->flushes;
    }
    session->flush_count--;
    nrt__flush_fn fn = flush->fn;
    void *arg = flush->arg;
    uint64_t sid = flush->sid;
    free(flush);
    if (sid > 0) {
        nrt__subs_confirm_one(session, sid);
    }
    if (fn) {
        fn(0, arg);
    }
}

/* ---- input ---- */

static void on_ready(int error, void *arg) {
    nrt__session *session = arg;
    if (error == 0) {
        session->state = NRT__SESSION_READY;
        nrt__subs_confirmed(session);
        if (session->events.ready) {
            session->events.ready(session->events.arg);
        }
        go_on(session); /* somebody may have asked before */
    }
}

static int on_info(nrt__session *session, nrt_str json) {
    bool first = session->state == NRT__SESSION_WAIT_INFO;
    uint64_t max_payload = session->info.max_payload;
    int error = nrt__nats_info_read(&session->info, json);
    if (error < 0) {
        return fail(session, error, "the server's INFO is not valid");
    }
    if (!first) {
        if (session->info.max_payload == 0) { /* what is left out has not changed */
            session->info.max_payload = max_payload;
        }
        if (session->events.info) {
            session->events.info(session->events.arg);
        }
        return 0;
    }
    if (session->info.max_payload == 0) {
        return fail(session, NRT_ERR_SERVER, "the server's INFO has no max_payload");
    }
    if (!session->info.headers) {
        return fail(session, NRT_ERR_SERVER,
                    "the server does not support headers (nats-server 2.2 or newer is needed)");
    }
    int secure = session->info.tls_required ? NRT_ERR_TLS : 0;
    if (session->events.secure) {
        secure = session->events.secure(&session->info, session->events.arg);
    }
    if (secure < 0) {
        return fail(session, secure,
                    session->info.tls_required ? "the server requires TLS"
                                               : "TLS is insisted on, but the server offers none");
    }
    if (session->events.info) {
        session->events.info(session->events.arg);
    }
    if (secure > 0) {
        session->state = NRT__SESSION_SECURING;
        session->login.tls = true;
        return 0;
    }
    return nrt__session_secured(session);
}

int nrt__session_secured(nrt__session *session) {
    size_t before = nrt__buf_len(&session->out);
    int error = nrt__nats_connect_write(&session->out, &session->login, session->info.nonce);
    output_grew(session, before);
    if (error == NRT_ERR_AUTH) {
        return fail(session, error, "the server's nonce cannot be signed");
    }
    session->state = NRT__SESSION_WAIT_PONG;
    if (error == 0 && session->events.greeted) {
        session->events.greeted(session->events.arg);
    }
    if (error < 0 || !nrt__subs_send(session)) {
        return fail(session, NRT_ERR_MEMORY, "out of memory");
    }
    session->in_at_ping = session->in_total;
    nrt__timer_set(session->timers, &session->ping_timer,
                   session->env->now_ms + session->options.ping_interval_ms, on_ping_timer,
                   session);
    return nrt__session_flush(session, on_ready, session);
}

static bool begins(nrt_str text, nrt_str prefix) {
    return text.len >= prefix.len && nrt__str_same((nrt_str){text.ptr, prefix.len}, prefix);
}

/* The text between the first pair of double quotes behind `prefix`; false where -ERR says something
 * else. */
static bool violation(nrt_str text, nrt_str prefix, nrt_str *subject) {
    if (!begins(text, prefix)) {
        return false;
    }
    const char *start = memchr(text.ptr, '"', text.len);
    if (!start) {
        return false;
    }
    start++;
    const char *end = memchr(start, '"', text.len - (size_t)(start - text.ptr));
    if (!end) {
        return false;
    }
    *subject = (nrt_str){start, (size_t)(end - start)};
    return true;
}

static int on_error(nrt__session *session, nrt_str text) {
    nrt_str subject;
    if (violation(text, NRT__STR("Permissions Violation for Publish"), &subject)) {
        if (session->events.denied) {
            session->events.denied(subject, session->events.arg);
        }
        return 0;
    }
    if (violation(text, NRT__STR("Permissions Violation for Subscription"), &subject)) {
        nrt__subs_denied(session, subject);
        return 0;
    }
    size_t len =
        text.len < sizeof(session->server_text) - 1 ? text.len : sizeof(session->server_text) - 1;
    memcpy(session->server_text, text.ptr, len);
    session->server_text[len] = '\0';
    for (char *c = session->server_text; *c; c++) { /* people will read it, on a terminal */
        *c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
    }
    bool auth = begins(text, NRT__STR("Authorization Violation")) ||
                begins(text, NRT__STR("User Authentication ")) || /* Expired, Revoked */
                begins(text, NRT__STR("Account Authentication "));
    return fail(session, auth ? NRT_ERR_AUTH : NRT_ERR_SERVER,
                *session->server_text ? session->server_text : "the server gives no reason");
}

static int handle(nrt__session *session, int op) {
    switch ((nrt__nats_op)op) {
    case NRT__NATS_MSG:
        if (session->state < NRT__SESSION_WAIT_PONG) {
            return fail(session, NRT_ERR_SERVER, "the server sent a message before INFO");
        }
        nrt__subs_deliver(session, &session->parser.msg);
        return 0;
    case NRT__NATS_PING:
        return nrt__session_put(session, NRT__STR("PONG\r\n")) ? 0 : NRT_ERR_MEMORY;
    case NRT__NATS_PONG:
        on_pong(session);
        return 0;
    case NRT__NATS_INFO:
        return on_info(session, session->parser.text);
    case NRT__NATS_ERR:
        return on_error(session, session->parser.text);
    case NRT__NATS_OK:
    case NRT__NATS_MORE:
        return 0;
    }
    return 0;
}

char *nrt__session_room(nrt__session *session, size_t *len) {
    size_t held = nrt__buf_len(&session->in);
    size_t want = INPUT_ROOM;
    if (session->need > held && session->need - held > want) {
        want = session->need - held; /* the rest of one large message, bounded by the parser */
    }
    char *room = nrt__buf_room(&session->in, want);
    if (!room) {
        session->in.failed = false;
        return NULL;
    }
    *len = session->in.size - session->in.end;
    if (*len > session->in.max - held) {
        *len = session->in.max - held;
    }
    return room;
}

int nrt__session_received(nrt__session *session, size_t len) {
    nrt__buf *in = &session->in;
    nrt__buf_added(in, len);
    session->in_total += len;
    while (nrt__buf_len(in) > 0) {
        size_t used;
        nrt_str bytes = nrt__buf_view(in);
        int op = nrt__nats_read(&session->parser, bytes.ptr, bytes.len, &used, &session->need);
        if (op < 0) {
            return fail(session, op, session->parser.reason);
        }
        int error = handle(session, op);
        if (error < 0) {
            return error;
        }
        if (session->state == NRT__SESSION_CLOSED) {
            return 0; /* a callback ended it; the input is gone */
        }
        nrt__buf_consume(in, used);
        if (session->state == NRT__SESSION_SECURING && nrt__buf_len(in) > 0) {
            /* Whoever put them there wants them to be taken for what comes through TLS. */
            return fail(session, NRT_ERR_TLS, "plain bytes came in front of the TLS handshake");
        }
        if (op == NRT__NATS_MORE) {
            break;
        }
    }
    if (nrt__buf_len(in) == 0 && in->size > 4 * INPUT_ROOM) {
        nrt__buf_shrink(in, 4 * INPUT_ROOM); /* a large message has passed through */
    }
    return 0;
}
