/* The subscriptions of a session: sent, confirmed, refused, and found again for each message. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "core/nats/session_private.h"

enum { SLOT_BITS = 20, SLOTS_MAX = 1 << SLOT_BITS };

bool nrt__subs_join(nrt__session *session, nrt__session *first) {
    session->subs = first ? first->subs : calloc(1, sizeof(*session->subs));
    if (!session->subs) {
        return false;
    }
    session->beside = session->subs->sessions;
    session->subs->sessions = session;
    return true;
}

void nrt__subs_part(nrt__session *session) {
    nrt__subs *subs = session->subs;
    nrt__session **at = &subs->sessions;
    while (*at != session) {
        at = &(*at)->beside;
    }
    *at = session->beside;
    if (subs->delivering == session) {
        subs->delivering = NULL;
    }
    if (subs->sessions) {
        return;
    }
    for (size_t i = 0; i < subs->slots; i++) {
        free(subs->list[i]);
    }
    free(subs->list);
    free(subs);
}

static nrt__sub *sub_of(const nrt__subs *subs, uint64_t sid) {
    size_t slot = (size_t)(sid & (SLOTS_MAX - 1));
    nrt__sub *sub = slot < subs->slots ? subs->list[slot] : NULL;
    return sub && sub->sid == sid ? sub : NULL;
}

void nrt__subs_deliver(nrt__session *session, const nrt__nats_msg *msg) {
    const nrt__sub *sub = sub_of(session->subs, msg->sid);
    if (sub) { /* else it came late, for one that is gone */
        session->subs->delivering = session;
        sub->fn(msg, sub->arg);
    }
}

nrt__session *nrt__session_delivering(const nrt__session *session) {
    return session->subs->delivering;
}

bool nrt__session_is_alone(const nrt__session *session) {
    return !session->subs->sessions->beside;
}

static bool is_open(const nrt__session *session) {
    return session->state >= NRT__SESSION_WAIT_PONG;
}

static bool send_sub(nrt__session *session, const nrt__sub *sub) {
    nrt__buf line;
    nrt__buf_init(&line, 4096);
    nrt__buf_lit(&line, "SUB ");
    nrt__buf_put(&line, sub->subject);
    if (sub->queue.len > 0) {
        nrt__buf_lit(&line, " ");
        nrt__buf_put(&line, sub->queue);
    }
    nrt__buf_lit(&line, " ");
    nrt__buf_u64(&line, sub->sid);
    nrt__buf_lit(&line, "\r\n");
    bool fine = !line.failed && nrt__session_put(session, nrt__buf_view(&line));
    nrt__buf_free(&line);
    return fine;
}

static void report(nrt__sub *sub) {
    if (!sub->told && sub->state_fn) {
        sub->told = true;
        sub->state_fn(sub->denied ? NRT_ERR_PERMISSION : 0, sub->arg);
    }
}

static bool send_those(nrt__session *session, bool stays) {
    const nrt__subs *subs = session->subs;
    for (size_t i = 0; i < subs->slots; i++) {
        nrt__sub *sub = subs->list[i];
        if (sub && !sub->leaving && sub->stays == stays) {
            sub->denied = sub->told = sub->asked = false;
            if (!send_sub(session, sub)) {
                return false;
            }
        }
    }
    return true;
}

/* What stays is for replies: it must be there, or refused, before anything comes by the others. */
bool nrt__subs_send(nrt__session *session) {
    return send_those(session, true) && send_those(session, false);
}

void nrt__subs_confirmed(nrt__session *session) {
    const nrt__subs *subs = session->subs;
    for (size_t i = 0; i < subs->slots; i++) {
        if (subs->list[i] && !subs->list[i]->leaving && !subs->list[i]->asked) {
            report(subs->list[i]);
        }
    }
}

void nrt__subs_denied(nrt__session *session, nrt_str subject) {
    const nrt__subs *subs = session->subs;
    for (size_t i = 0; i < subs->slots; i++) {
        nrt__sub *sub = subs->list[i];
        if (sub && !sub->denied && !sub->leaving && nrt__str_equal(sub->subject, subject)) {
            sub->denied = true;
            sub->told = false; /* a change of permissions may come later */
            report(sub);
            return;
        }
    }
}

/* The PONG behind its SUB has come: a refusal would have come before it. */
void nrt__subs_confirm_one(nrt__session *session, uint64_t sid) {
    nrt__sub *sub = sub_of(session->subs, sid);
    if (sub && !sub->leaving) {
        report(sub);
    }
}

static bool grow(nrt__subs *subs) {
    size_t slots = subs->slots ? subs->slots * 2 : 16;
    if (slots > SLOTS_MAX) {
        return false;
    }
    nrt__sub **list = realloc(subs->list, slots * sizeof(nrt__sub *));
    if (!list) {
        return false;
    }
    memset(list + subs->slots, 0, (slots - subs->slots) * sizeof(nrt__sub *));
    subs->list = list;
    subs->slots = slots;
    return true;
}

static nrt__sub *add(nrt__subs *subs, nrt_str subject, nrt_str queue) {
    size_t slot = 0;
    while (slot < subs->slots && subs->list[slot]) {
        slot++;
    }
    if (slot == subs->slots && !grow(subs)) {
        return NULL;
    }
    nrt__sub *sub = calloc(1, sizeof(*sub) + subject.len + queue.len);
    if (!sub) {
        return NULL;
    }
    memcpy(sub->text, subject.ptr, subject.len);
    if (queue.len > 0) {
        memcpy(sub->text + subject.len, queue.ptr, queue.len);
    }
    sub->subject = (nrt_str){sub->text, subject.len};
    sub->queue = (nrt_str){sub->text + subject.len, queue.len};
    sub->sid = (++subs->uses << SLOT_BITS) | slot;
    subs->list[slot] = sub;
    return sub;
}

nrt__sub *nrt__session_subscribe(nrt__session *session, nrt_str subject, nrt_str queue,
                                 nrt__msg_fn fn, nrt__sub_state_fn state_fn, void *arg) {
    nrt__sub *sub = add(session->subs, subject, queue);
    if (!sub) {
        return NULL;
    }
    sub->fn = fn;
    sub->state_fn = state_fn;
    sub->arg = arg;
    for (nrt__session *one = session->subs->sessions; one; one = one->beside) {
        if (!is_open(one) || one->retired) {
            continue;
        }
        if (!send_sub(one, sub) || nrt__session_ping(one, sub->sid, NULL, NULL) < 0) {
            nrt__session_sub_destroy(session, sub);
            return NULL;
        }
        sub->asked = true;
    }
    return sub;
}

static void send_unsub(nrt__session *session, const nrt__sub *sub) {
    char line[40];
    int len = snprintf(line, sizeof(line), "UNSUB %llu\r\n", (unsigned long long)sub->sid);
    if (!nrt__session_put(session, (nrt_str){line, (size_t)len}) && session->events.stale) {
        session->events.stale(
            session->events.arg); /* better no connection than work that nobody does */
    }
}

void nrt__session_unsubscribe(nrt__session *session, nrt__sub *sub) {
    if (sub->leaving) {
        return;
    }
    sub->leaving = true;
    for (nrt__session *one = session->subs->sessions; one; one = one->beside) {
        if (is_open(one)) {
            send_unsub(one, sub);
        }
    }
}

void nrt__session_sub_destroy(nrt__session *session, nrt__sub *sub) {
    if (!sub) {
        return;
    }
    nrt__session_unsubscribe(session, sub);
    session->subs->list[sub->sid & (SLOTS_MAX - 1)] = NULL;
    free(sub);
}

void nrt__session_retire(nrt__session *session) {
    const nrt__subs *subs = session->subs;
    session->retired = true;
    for (size_t i = 0; i < subs->slots && is_open(session); i++) {
        const nrt__sub *sub = subs->list[i];
        if (sub && !sub->leaving && !sub->stays) {
            send_unsub(session, sub);
        }
    }
}

nrt_str nrt__session_sub_subject(const nrt__sub *sub) {
    return sub->subject;
}

void nrt__session_sub_stays(nrt__sub *sub) {
    sub->stays = true;
}

/* ---- fences ---- */

typedef struct fence {
    nrt__flush_fn fn;
    void *arg;
    size_t count;
} fence;

static void on_fence(int error, void *arg) {
    fence *one = arg;
    (void)error; /* without a session nothing more can come by it either */
    if (--one->count == 0) {
        if (one->fn) {
            one->fn(0, one->arg);
        }
        free(one);
    }
}

bool nrt__subs_mute_fence(const nrt__flush *flush) {
    if (flush->fn != on_fence) {
        return false;
    }
    ((fence *)flush->arg)->fn = NULL;
    return true;
}

int nrt__session_fence(nrt__session *session, nrt__flush_fn fn, void *arg) {
    fence *one = calloc(1, sizeof(*one));
    if (!one) {
        return NRT_ERR_MEMORY;
    }
    *one = (fence){.fn = fn, .arg = arg};
    for (nrt__session *at = session->subs->sessions; at; at = at->beside) {
        one->count += is_open(at) && nrt__session_flush(at, on_fence, one) == 0;
    }
    if (one->count == 0) {
        free(one);
        return NRT_ERR_DISCONNECTED;
    }
    return 0;
}
