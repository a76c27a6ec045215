/* What a service says besides its responses: that a request is in work, that it was refused; and
 * how it finds out whether it may. */
#include <stdio.h>

#include "core/base/str.h"
#include "core/exchange/services_private.h"

enum {
    ACCEPT_MS = 100, /* a response within this time says it all */
};

nrt__session *nrt__exchange_session(const nrt_exchange *exchange) {
    nrt__session *session = exchange->session;
    bool open = session && nrt__session_state_get(session) >= NRT__SESSION_WAIT_PONG;
    return open ? session : exchange->service->services->session;
}

static int send_frame(const nrt_exchange *exchange, const nrt__frame *frame) {
    char text[NRT__FRAME_TEXT_MAX];
    return nrt__session_publish_frame(nrt__exchange_session(exchange), exchange->reply,
                                      (nrt_str){NULL, 0}, nrt__frame_write(frame, text), NULL, 0);
}

/* ---- what the client understands ---- */

/* Across accounts the server takes one reply, unless the export says otherwise. */
static bool is_mapped(nrt_str reply) {
    return nrt__str_starts(reply, NRT__STR("_R_."));
}

static const nrt__accept *read_accept(nrt__services *services, nrt_str text) {
    if (!nrt__str_equal(text, (nrt_str){services->accept_text, services->accept_len})) {
        nrt__accept_read(&services->accept, text);
        services->accept_len = text.len <= sizeof(services->accept_text) ? text.len : 0;
        memcpy(services->accept_text, text.ptr, services->accept_len);
    }
    return &services->accept;
}

void nrt__exchange_read_accept(nrt_exchange *exchange) {
    nrt__services *services = exchange->service->services;
    const nrt__field *field =
        nrt__fields_find(&exchange->request.message.fields, NRT__NRT_ACCEPT, NULL);
    if (field) {
        exchange->accept = *read_accept(services, field->value);
    }
    exchange->framed =
        exchange->service->streams_ready &&
        (services->options.multi_reply || (services->multi_reply && !is_mapped(exchange->reply)));
    if (nrt__exchange_can_stream(exchange)) {
        exchange->max_body = exchange->body.max = services->options.max_body;
    }
}

const char *nrt__exchange_single(const nrt_exchange *exchange, char *out, size_t size) {
    nrt__services *services = exchange->service->services;
    uint64_t count;
    out[0] = '\0';
    if (exchange->framed || exchange->accept.version < 1) {
        return out;
    }
    if (!exchange->service->streams_ready) {
        snprintf(out, size, "the service may not subscribe to \"%.*s.streams.%.*s.>\": permit it",
                 NRT__ARG(services->options.prefix), NRT__ARG(exchange->service->host));
    } else if (is_mapped(exchange->reply)) {
        snprintf(out, size,
                 "between accounts it may send one reply: permit more with response_type: stream "
                 "in the export, and tell the service (nrt serve --multi-reply)");
    } else {
        snprintf(out, size,
                 "NATS permits the service one reply: let its user publish to \"%.*s.>\", or "
                 "permit allow_responses { max: -1 } and tell the service (nrt serve "
                 "--multi-reply)",
                 NRT__ARG(services->options.inbox_prefix));
    }
    if (nrt__log_due(services->env, &services->single, &count)) {
        nrt__log(services->env, NRT_LOG_WARN,
                 "%.*s: %llu exchanges do not fit one message each way: %s",
                 NRT__ARG(exchange->service->host), (unsigned long long)count, out);
    }
    return out;
}

/* ---- accept ---- */

static void on_accept_due(nrt__timer *timer, void *arg) {
    nrt__services *services = arg;
    nrt_exchange *head = &services->fresh;
    int64_t now = services->env->now_ms;
    while (head->next != head && head->next->arrived_ms + ACCEPT_MS <= now) {
        nrt_exchange *exchange = head->next;
        nrt__exchange_ring_remove(exchange);
        nrt__exchange_ring_add(&services->in_flight, exchange);
        nrt__served *one = exchange->served ? exchange->served : nrt__served_create(exchange);
        if (one && !one->started) {
            nrt__flow_accept(&one->flow, now); /* unsent, it is as if the handler was slower */
        }
    }
    if (head->next != head) {
        nrt__timer_set(services->timers, timer, head->next->arrived_ms + ACCEPT_MS, on_accept_due,
                       services);
    }
}

void nrt__exchange_expect(nrt_exchange *exchange) {
    nrt__services *services = exchange->service->services;
    if (!exchange->framed || exchange->accept.version < 1) {
        return;
    }
    nrt__exchange_ring_remove(exchange);
    nrt__exchange_ring_add(&services->fresh, exchange);
    if (!nrt__timer_is_set(&services->accept_timer)) {
        nrt__timer_set(services->timers, &services->accept_timer, exchange->arrived_ms + ACCEPT_MS,
                       on_accept_due, services);
    }
}

/* ---- refuse ---- */

bool nrt__exchange_refuse(nrt_exchange *exchange, const char *reason) {
    nrt_service *service = exchange->service;
    const nrt__frame refuse = {
        .type = NRT__FRAME_REFUSE, .code = nrt_str_from(reason), .retry_after = 1};
    if (exchange->accept.version < 1 || send_frame(exchange, &refuse) < 0) {
        return false;
    }
    service->stats.refused += exchange->refused;
    nrt__exchange_note(exchange, nrt_error_status(NRT_ERR_REFUSED),
                       nrt__env_ns(service->services->env) - exchange->began_ns);
    service->in_flight--;
    nrt__exchange_release(service->services, exchange);
    nrt__service_check_stopped(service);
    return true;
}

/* ---- whether there may be more than one reply ----
 *
 * Replies go to inboxes. Where we may publish to one at any time, the number of replies is not
 * limited; where we may not, we are allowed one for each request (allow_responses), and a frame
 * would eat the response. */

/* A refusal would have come before the PONG. A session that ended says nothing of the one that may
 * have taken over, and each is asked anew. */
static void on_probed(int error, void *arg) {
    nrt__services *services = arg;
    if (error == 0) {
        services->multi_reply = services->probing;
    }
}

void nrt__services_probe(nrt__services *services) {
    nrt__session *session = services->session;
    const nrt_str nothing = {NULL, 0};
    services->probing =
        services->probing || (nrt__session_publish(session, nrt__buf_view(&services->probe),
                                                   nothing, &nothing, 1) == 0 &&
                              nrt__session_flush(session, on_probed, services) == 0);
}

/* Until the answer is there, what held with the session before is taken to hold. */
void nrt__services_greeted(nrt__services *services) {
    services->probing = false;
    if (services->first) {
        nrt__services_probe(services);
    }
}

/* A reply that we were told would be allowed. Its client is to learn it by silence. */
static bool denied_reply(nrt__services *services, nrt_str subject) {
    nrt_str prefix = services->options.prefix;
    uint64_t count;
    if (!services->options.multi_reply || services->multi_reply || subject.len == 0 ||
        subject.ptr[0] == '$' ||
        (nrt__str_starts(subject, prefix) && subject.len > prefix.len &&
         subject.ptr[prefix.len] == '.')) {
        return false;
    }
    for (size_t i = 0; i < services->streams.slots; i++) {
        nrt__served *one = services->streams.list[i];
        if (one && nrt__str_equal(one->flow.to, subject)) {
            nrt__exchange_cancel(one->exchange);
            break;
        }
    }
    if (nrt__log_due(services->env, &services->denied, &count)) {
        nrt__log(services->env, NRT_LOG_WARN,
                 "NATS does not permit a further reply to %.*s (%llu refused): responses are lost; "
                 "permit allow_responses { max: -1 }, or do without --multi-reply "
                 "(nrt_options.multi_reply)",
                 NRT__ARG(subject), (unsigned long long)count);
    }
    return true;
}

bool nrt__services_denied(nrt__services *services, nrt_str subject) {
    if (!nrt__str_equal(subject, nrt__buf_view(&services->probe))) {
        return denied_reply(services, subject);
    }
    services->probing = services->multi_reply = false;
    nrt__log(services->env, NRT_LOG_DEBUG,
             "NATS permissions allow one reply to each request: no frames are sent");
    return true;
}

/* ---- a second session ---- */

void nrt__services_switch(nrt__services *services, nrt__session *session) {
    services->session = session;
    nrt__services_connected(services);
    nrt__services_greeted(services);
}

void nrt__services_forget(nrt__services *services, const nrt__session *session) {
    nrt__services_lost(services, session);
    nrt_exchange *const heads[] = {&services->in_flight, &services->fresh};
    for (size_t i = 0; i < 2; i++) {
        for (nrt_exchange *one = heads[i]->next; one != heads[i]; one = one->next) {
            one->session = one->session == session ? NULL : one->session;
        }
    }
}

size_t nrt__services_in_flight_on(const nrt__services *services, const nrt__session *session) {
    const nrt_exchange *const heads[] = {&services->in_flight, &services->fresh};
    size_t count = 0;
    for (size_t i = 0; i < 2; i++) {
        for (const nrt_exchange *one = heads[i]->next; one != heads[i]; one = one->next) {
            count += one->session == session;
        }
    }
    return count;
}
