/* Asking all services, and gathering their answers until no more come. */
#include "core/discovery/gather.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "core/nats/subject.h"

enum {
    GATHERS_MAX = 64,
    ANSWERS_MAX = 100000,
    ID_MAX = 255,
    INBOX_CHARS = 22,
    SUBJECT_ROOM = 16 + NRT__HOST_MAX + ID_MAX,
};

typedef struct gather {
    struct gather *next;
    nrt__gathers *gathers;
    nrt__timer timer;
    nrt__sub *inbox;
    nrt_discovery *found;
    nrt_discovered_fn fn;
    void *arg;
    nrt_discover_options options;
    int64_t deadline_ms;
    int64_t sent_ns;
    bool sent;
    nrt_str subject;
    nrt_str reply;
    char text[]; /* both */
} gather;

struct nrt__gathers {
    nrt__env *env;
    nrt__timers *timers;
    nrt__session *session;
    nrt_str inbox;
    gather *first;
    size_t count;
    char reason[256]; /* why there is no connection */
};

void nrt__gathers_switch(nrt__gathers *gathers, nrt__session *session) {
    gathers->session = session;
}

nrt__gathers *nrt__gathers_create(nrt__env *env, nrt__timers *timers, nrt__session *session,
                                  nrt_str inbox) {
    nrt__gathers *gathers = calloc(1, sizeof(*gathers));
    if (gathers) {
        gathers->env = env;
        gathers->timers = timers;
        gathers->session = session;
        gathers->inbox = inbox;
        snprintf(gathers->reason, sizeof(gathers->reason), "not connected to NATS");
    }
    return gathers;
}

size_t nrt__gathers_count(const nrt__gathers *gathers) {
    return gathers->count;
}

/* It is gone before the callback, which may begin the next one. */
static void end(gather *one, int error, const char *detail) {
    nrt__gathers *gathers = one->gathers;
    nrt_discovery *found = one->found;
    nrt_discovered_fn fn = one->fn;
    void *arg = one->arg;
    gather **at = &gathers->first;
    while (*at != one) {
        at = &(*at)->next;
    }
    *at = one->next;
    gathers->count--;
    nrt__timer_clear(gathers->timers, &one->timer);
    nrt__session_sub_destroy(gathers->session, one->inbox);
    free(one);
    nrt__discovery_settle(found);
    fn(found, error, detail, arg);
}

static void tell_nobody(nrt_discovery *found, int error, const char *detail, void *arg) {
    (void)error;
    (void)detail;
    (void)arg;
    nrt_discovery_destroy(found);
}

void nrt__gathers_mute(nrt__gathers *gathers) {
    for (gather *one = gathers->first; one; one = one->next) {
        one->fn = tell_nobody;
    }
}

void nrt__gathers_forget(nrt__gathers *gathers, const void *arg) {
    for (gather *one = gathers->first; one; one = one->next) {
        if (one->arg == arg) {
            one->fn = tell_nobody;
        }
    }
}

void nrt__gathers_destroy(nrt__gathers *gathers) {
    if (!gathers) {
        return;
    }
    while (gathers->first) {
        end(gathers->first, NRT_ERR_CANCELED, "the connection was closed");
    }
    free(gathers);
}

/* ---- answers ---- */

static void on_timer(nrt__timer *timer, void *arg) {
    gather *one = arg;
    (void)timer;
    if (one->sent) {
        end(one, 0, "");
    } else {
        end(one, NRT_ERR_DISCONNECTED, one->gathers->reason);
    }
}

static void wait_until(gather *one, int64_t at_ms) {
    nrt__timer_set(one->gathers->timers, &one->timer,
                   at_ms < one->deadline_ms ? at_ms : one->deadline_ms, on_timer, one);
}

static void on_answer(const nrt__nats_msg *msg, void *arg) {
    gather *one = arg;
    const nrt__gathers *gathers = one->gathers;
    if (msg->status == 503 && msg->payload.len == 0) { /* nobody is there at all */
        end(one, 0, "");
        return;
    }
    if (msg->oversized || msg->payload.len > one->options.max_answer) {
        one->found->skipped++;
    } else {
        int64_t rtt = nrt__env_ns(gathers->env) - one->sent_ns;
        (void)nrt__discovery_read(one->found, (nrt__discovery_verb)one->options.kind, msg->payload,
                                  rtt > 0 ? (uint64_t)rtt : 0);
    }
    if (one->found->count + one->found->skipped >= one->options.max_answers) {
        end(one, 0, "");
        return;
    }
    wait_until(one, gathers->env->now_ms + one->options.quiet_ms);
}

static void on_inbox_state(int error, void *arg) {
    gather *one = arg;
    if (error < 0) {
        char detail[NRT__SUBJECT_MAX + 96];
        snprintf(detail, sizeof(detail),
                 "NATS permissions do not allow subscribing to %.*s.>, where answers come",
                 NRT__ARG(one->gathers->inbox));
        end(one, NRT_ERR_PERMISSION, detail);
    }
}

/* ---- asking ---- */

static int publish(gather *one) {
    nrt__session *session = one->gathers->session;
    if (nrt__session_state_get(session) != NRT__SESSION_READY) {
        return NRT_ERR_DISCONNECTED;
    }
    one->sent_ns = nrt__env_ns(one->gathers->env);
    int error = nrt__session_publish(session, one->subject, one->reply, NULL, 0);
    one->sent = error == 0;
    return error;
}

static int check(const nrt_discover_options *options) {
    nrt_str id = nrt_str_from(options->id);
    nrt_str name = nrt_str_from(options->name);
    bool fine = options->kind >= NRT_DISCOVER_PING && options->kind <= NRT_DISCOVER_STATS &&
                options->timeout_ms > 0 && options->quiet_ms > 0 && options->max_answers > 0 &&
                options->max_answers <= ANSWERS_MAX && options->max_answer > 0 &&
                (!id.ptr || name.ptr);
    if (fine && name.ptr) {
        fine = nrt__discovery_is_name(name) && name.len <= NRT__HOST_MAX;
    }
    if (fine && id.ptr) {
        fine =
            id.len > 0 && id.len <= ID_MAX && nrt__is_visible(id) && !strpbrk(options->id, ".*>");
    }
    return fine ? 0 : NRT_ERR_USAGE;
}

static gather *make(nrt__gathers *gathers, const nrt_discover_options *options) {
    char subject[SUBJECT_ROOM];
    int len = snprintf(subject, sizeof(subject), "$SRV.%s%s%s%s%s",
                       nrt__discovery_word((nrt__discovery_verb)options->kind),
                       options->name ? "." : "", options->name ? options->name : "",
                       options->id ? "." : "", options->id ? options->id : "");
    size_t reply_len = gathers->inbox.len + 1 + INBOX_CHARS;
    gather *one = calloc(1, sizeof(*one) + (size_t)len + reply_len);
    if (!one) {
        return NULL;
    }
    char *reply = one->text + len;
    memcpy(one->text, subject, (size_t)len);
    memcpy(reply, gathers->inbox.ptr, gathers->inbox.len);
    reply[gathers->inbox.len] = '.';
    one->subject = (nrt_str){one->text, (size_t)len};
    one->reply = (nrt_str){reply, reply_len};
    one->gathers = gathers;
    one->options = *options;
    one->options.name = one->options.id = NULL; /* the caller's */
    one->deadline_ms = gathers->env->now_ms + options->timeout_ms;
    return one;
}

int nrt__gather_start(nrt__gathers *gathers, const nrt_discover_options *options,
                      nrt_discovered_fn fn, void *arg) {
    int error = check(options);
    if (error < 0) {
        return error;
    }
    if (gathers->count >= GATHERS_MAX) {
        return NRT_ERR_BUSY;
    }
    error = NRT_ERR_MEMORY;
    gather *one = make(gathers, options);
    if (!one) {
        return error;
    }
    one->fn = fn;
    one->arg = arg;
    one->found = nrt__discovery_result_create();
    if (!one->found) {
        goto fail;
    }
    error = nrt__random_text(gathers->env, one->text + one->subject.len + gathers->inbox.len + 1,
                             INBOX_CHARS);
    if (error < 0) {
        goto fail;
    }
    one->inbox = nrt__session_subscribe(gathers->session, one->reply, (nrt_str){NULL, 0}, on_answer,
                                        on_inbox_state, one);
    error = one->inbox ? publish(one) : NRT_ERR_MEMORY;
    if (error < 0 && error != NRT_ERR_DISCONNECTED) {
        goto fail;
    }
    one->next = gathers->first;
    gathers->first = one;
    gathers->count++;
    wait_until(one, one->deadline_ms);
    return 0;
fail:
    nrt__session_sub_destroy(gathers->session, one->inbox);
    nrt_discovery_destroy(one->found);
    free(one);
    return error;
}

/* ---- the session ---- */

/* Calls `fn` for each that is under way, and may be ended by it. None of those that callbacks
 * begin meanwhile is met: they stand before the first. */
static void each(nrt__gathers *gathers, void (*fn)(gather *, const void *), const void *arg) {
    gather *next;
    for (gather *one = gathers->first; one; one = next) {
        next = one->next;
        fn(one, arg);
    }
}

static void send_waiting(gather *one, const void *arg) {
    (void)arg;
    int error = one->sent ? 0 : publish(one);
    if (error < 0 && error != NRT_ERR_DISCONNECTED) {
        end(one, error, nrt_error_text(error));
    }
}

void nrt__gathers_ready(nrt__gathers *gathers) {
    each(gathers, send_waiting, NULL);
}

static void abort_sent(gather *one, const void *arg) {
    (void)arg;
    if (one->sent) {
        end(one, NRT_ERR_ABORTED, "the connection to NATS was lost while answers came");
    }
}

void nrt__gathers_disconnected(nrt__gathers *gathers, const char *reason) {
    snprintf(gathers->reason, sizeof(gathers->reason), "not connected to NATS: %s", reason);
    each(gathers, abort_sent, NULL);
}

void nrt__gathers_denied(nrt__gathers *gathers, nrt_str subject) {
    for (gather *one = gathers->first; one; one = one->next) {
        if (one->sent && nrt__str_equal(one->subject, subject)) {
            char detail[NRT__SUBJECT_MAX + 96];
            snprintf(detail, sizeof(detail), "NATS permissions do not allow publishing to %.*s",
                     NRT__ARG(subject));
            end(one, NRT_ERR_PERMISSION, detail);
            return;
        }
    }
}
