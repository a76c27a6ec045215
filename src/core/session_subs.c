/* The subscriptions of a session: sent, confirmed, refused, and found again for each message. */
#include <stdio.h>
#include <stdlib.h>

#include "core/session_private.h"
#include "core/str.h"

enum { SLOT_BITS = 20, SLOTS_MAX = 1 << SLOT_BITS };

static nrt__sub *sub_of(const nrt__session *session, uint64_t sid) {
    size_t slot = (size_t)(sid & (SLOTS_MAX - 1));
    nrt__sub *sub = slot < session->sub_slots ? session->subs[slot] : NULL;
    return sub && sub->sid == sid ? sub : NULL;
}

void nrt__subs_deliver(nrt__session *session, const nrt__nats_msg *msg) {
    const nrt__sub *sub = sub_of(session, msg->sid);
    if (sub) { /* else it came late, for one that is gone */
        sub->fn(msg, sub->arg);
    }
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

bool nrt__subs_send(nrt__session *session) {
    for (size_t i = 0; i < session->sub_slots; i++) {
        nrt__sub *sub = session->subs[i];
        if (sub && !sub->leaving) {
            sub->denied = sub->told = false;
            if (!send_sub(session, sub)) {
                return false;
            }
        }
    }
    return true;
}

void nrt__subs_confirmed(nrt__session *session) {
    for (size_t i = 0; i < session->sub_slots; i++) {
        if (session->subs[i] && !session->subs[i]->leaving) {
            report(session->subs[i]);
        }
    }
}

void nrt__subs_denied(nrt__session *session, nrt_str subject) {
    for (size_t i = 0; i < session->sub_slots; i++) {
        nrt__sub *sub = session->subs[i];
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
    nrt__sub *sub = sub_of(session, sid);
    if (sub && !sub->leaving) {
        report(sub);
    }
}

static bool grow(nrt__session *session) {
    size_t slots = session->sub_slots ? session->sub_slots * 2 : 16;
    if (slots > SLOTS_MAX) {
        return false;
    }
    nrt__sub **subs = realloc(session->subs, slots * sizeof(nrt__sub *));
    if (!subs) {
        return false;
    }
    memset(subs + session->sub_slots, 0, (slots - session->sub_slots) * sizeof(nrt__sub *));
    session->subs = subs;
    session->sub_slots = slots;
    return true;
}

nrt__sub *nrt__session_subscribe(nrt__session *session, nrt_str subject, nrt_str queue,
                                 nrt__msg_fn fn, nrt__sub_state_fn state_fn, void *arg) {
    size_t slot = 0;
    while (slot < session->sub_slots && session->subs[slot]) {
        slot++;
    }
    if (slot == session->sub_slots && !grow(session)) {
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
    sub->fn = fn;
    sub->state_fn = state_fn;
    sub->arg = arg;
    sub->sid = (++session->sub_uses << SLOT_BITS) | slot;
    session->subs[slot] = sub;
    if (session->state >= NRT__SESSION_WAIT_PONG) {
        if (!send_sub(session, sub) || nrt__session_ping(session, sub->sid, NULL, NULL) < 0) {
            nrt__session_sub_destroy(session, sub);
            return NULL;
        }
    }
    return sub;
}

void nrt__session_unsubscribe(nrt__session *session, nrt__sub *sub) {
    if (sub->leaving) {
        return;
    }
    sub->leaving = true;
    if (session->state >= NRT__SESSION_WAIT_PONG) {
        char line[40];
        int len = snprintf(line, sizeof(line), "UNSUB %llu\r\n", (unsigned long long)sub->sid);
        if (!nrt__session_put(session, (nrt_str){line, (size_t)len}) && session->events.stale) {
            session->events.stale(
                session->events.arg); /* better no connection than work that nobody does */
        }
    }
}

void nrt__session_sub_destroy(nrt__session *session, nrt__sub *sub) {
    if (!sub) {
        return;
    }
    nrt__session_unsubscribe(session, sub);
    session->subs[sub->sid & (SLOTS_MAX - 1)] = NULL;
    free(sub);
}

void nrt__subs_free(nrt__session *session) {
    for (size_t i = 0; i < session->sub_slots; i++) {
        free(session->subs[i]);
    }
    free(session->subs);
    session->subs = NULL;
    session->sub_slots = 0;
}
