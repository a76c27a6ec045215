/* Streams of a service over time: who is silent, what was lost, where there is room again. */
#include "core/exchange/services_private.h"

enum { TICK_MS = 1000 };

static void look_after(nrt__services *services, nrt__served *one) {
    nrt__flow *flow = &one->flow;
    int64_t now = services->env->now_ms;
    if (one->canceled || !flow->to.ptr) {
        return;
    }
    /* Who was never heard here may not be allowed to publish here; but it must be where we wait for
     * it. */
    bool needed = one->heard || one->waits || !flow->in_ended;
    /* That one who was never heard has gone shows only where it is asked: also while it is sent a
     * body, for nobody answers to that. */
    bool ask = !one->heard && now - flow->named_ms >= NRT__FLOW_PING_MS;
    if (needed && nrt__flow_is_dead(flow, now)) {
        nrt__flow_abort(flow, nrt_error_code(NRT_ERR_ABORTED)); /* should it only have slept */
        nrt__exchange_cancel(one->exchange);
    } else if (ask || nrt__flow_is_ping_due(flow, now)) {
        nrt__flow_ping(flow, now); /* unsent, the next tick tries again */
    }
}

static void on_tick(nrt__timer *timer, void *arg) {
    nrt__services *services = arg;
    nrt__streams *streams = &services->streams;
    /* Those in the table are looked up anew each time: a callback may end any of them. */
    for (size_t i = 0; i < streams->slots; i++) {
        if (streams->list[i]) {
            look_after(services, streams->list[i]);
        }
    }
    if (streams->count > 0) {
        nrt__timer_set(services->timers, timer, services->env->now_ms + TICK_MS, on_tick, services);
    }
}

void nrt__services_watch(nrt__services *services) {
    nrt__timer *tick = &services->streams.tick;
    if (!nrt__timer_is_set(tick)) {
        nrt__timer_set(services->timers, tick, services->env->now_ms + TICK_MS, on_tick, services);
    }
}

static void go_on(nrt__flow *flow, void *arg) {
    (void)arg;
    nrt__served_writable((nrt__served *)((char *)flow - offsetof(nrt__served, flow)));
}

void nrt__services_drained(nrt__services *services) {
    nrt__flow_go_on(&services->crowd, go_on, NULL);
}

void nrt__services_lost(nrt__services *services, const nrt__session *session) {
    nrt__streams *streams = &services->streams;
    for (size_t i = 0; i < streams->slots; i++) {
        nrt__served *one = streams->list[i];
        if (!one || one->flow.session != session) {
            continue;
        }
        if (one->opened || one->started) {
            one->flow.to = (nrt_str){NULL, 0}; /* the client has given it up as well */
            nrt__exchange_cancel(one->exchange);
        } else {
            one->flow.session = services->session;
        }
    }
}
