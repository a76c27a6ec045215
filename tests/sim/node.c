/* Processes and their connections to the server: bytes are on their way for some time, in pieces,
 * and may not arrive. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum {
    SOCKET_MAX = 128 * 1024, /* what a socket takes before it is full */
    SPREAD_MS = 300,         /* as lib/lame_duck.c has it */
    LOOK_MS = 100,
};

static void connect_plug(world *w, void *arg, uint32_t tag);

/* Before every call into it. */
static engine *engine_of(node *n) {
    n->e->env.now_ms = n->w->now_ms;
    return n->e;
}

static void no_session(plug *p) {
    p->session = NULL;
    p->port = -1;
    p->up_due = p->down_due = false;
    p->tag++;
    nrt__buf_free(&p->up);
    nrt__buf_init(&p->up, 2 * SOCKET_MAX);
}

/* ---- bytes ---- */

static uint32_t travel_ms(plug *p) {
    world *w = p->n->w;
    uint32_t ms = sim_below(w, p->latency_ms + 1);
    if (p->frozen_until_ms > w->now_ms + ms) {
        ms = (uint32_t)(p->frozen_until_ms - w->now_ms);
    }
    return ms;
}

/* Of what waits, what comes at once. */
static size_t portion(plug *p, size_t len) {
    world *w = p->n->w;
    if (p->slow > 0 && len > p->slow) {
        return p->slow;
    }
    return sim_chance(w, 20) ? 1 + sim_below(w, (uint32_t)len) : len;
}

static void arrive_up(world *w, void *arg, uint32_t tag) {
    plug *p = arg;
    if (p->tag != tag || p->port < 0) {
        return;
    }
    p->up_due = false;
    if (p->frozen_until_ms <= w->now_ms) {
        size_t len = portion(p, nrt__buf_len(&p->up));
        model_receive(&w->net, p->port, (nrt_str){nrt__buf_view(&p->up).ptr, len});
        nrt__buf_consume(&p->up, len);
    }
    if (nrt__buf_len(&p->up) > 0) {
        p->up_due = true;
        sim_after(w, travel_ms(p), arrive_up, p, p->tag);
    }
}

static void arrive_down(world *w, void *arg, uint32_t tag) {
    plug *p = arg;
    if (p->tag != tag || p->port < 0 || !p->session) {
        return;
    }
    p->down_due = false;
    size_t left =
        p->frozen_until_ms <= w->now_ms ? portion(p, model_output(&w->net, p->port).len) : 0;
    engine_of(p->n);
    int error = 0;
    while (error == 0 && left > 0) {
        size_t room = 0;
        char *to = nrt__session_room(p->session, &room);
        size_t step = left < room ? left : room;
        memcpy(to, model_output(&w->net, p->port).ptr, step);
        model_sent(&w->net, p->port, step);
        left -= step;
        error = nrt__session_received(p->session, step);
    }
    if (error < 0) {
        sim_fail(w, "the server is understood", "%s", nrt__session_reason(p->session));
    }
    if (model_output(&w->net, p->port).len > 0 && !p->down_due) {
        node_output(p->port, w);
    }
}

void node_output(int port, void *arg) {
    world *w = arg;
    for (size_t i = 0; i < w->node_count * 2; i++) {
        plug *p = &w->nodes[i / 2].plugs[i % 2];
        if (p->port == port && p->session && !p->down_due) {
            p->down_due = true;
            sim_after(w, travel_ms(p), arrive_down, p, p->tag);
        }
    }
}

void node_flush(node *n) {
    for (size_t i = 0; i < 2 && n->e; i++) {
        plug *p = &n->plugs[i];
        while (p->session && p->port >= 0) {
            nrt_str out = nrt__session_output(p->session);
            size_t max = p->slow > 0 ? p->slow : (size_t)SOCKET_MAX;
            size_t held = nrt__buf_len(&p->up);
            if (out.len == 0 || held >= max) {
                break;
            }
            size_t len = out.len < max - held ? out.len : max - held;
            nrt__buf_put(&p->up, (nrt_str){out.ptr, len});
            engine_of(n);
            nrt__session_sent(p->session, len); /* may make more of it */
        }
        if (p->port >= 0 && nrt__buf_len(&p->up) > 0 && !p->up_due) {
            p->up_due = true;
            sim_after(n->w, travel_ms(p), arrive_up, p, p->tag);
        }
    }
}

/* ---- connections ---- */

static void connect_plug(world *w, void *arg, uint32_t tag) {
    plug *p = arg;
    if (p->tag != tag || !p->n->e || p->port >= 0) {
        return;
    }
    engine *e = engine_of(p->n);
    p->port = model_open(&w->net);
    if (p->port < 0) {
        sim_fail(w, "the simulation", "no port is free");
    }
    sim_trace(w, "node %d connects as port %d", p->n->number, p->port);
    nrt__session_start(p->session, &e->login);
    node_output(p->port, w);
}

/* The server may have got a part of what was on its way. */
static void unplug(plug *p) {
    world *w = p->n->w;
    if (p->port < 0) {
        return;
    }
    size_t len = nrt__buf_len(&p->up);
    if (len > 0 && sim_chance(w, 60)) {
        len = sim_below(w, (uint32_t)len + 1);
        model_receive(&w->net, p->port, (nrt_str){nrt__buf_view(&p->up).ptr, len});
    }
    model_close(&w->net, p->port);
}

/* The second one, whichever that is. */
static void drop_other(node *n) {
    engine *e = engine_of(n);
    plug *p = n->plugs[0].session == e->other ? &n->plugs[0] : &n->plugs[1];
    unplug(p);
    no_session(p);
    engine_drop_other(e);
    n->ducking = n->switched = false;
}

void node_cut(plug *p) {
    node *n = p->n;
    world *w = n->w;
    if (!n->e || p->port < 0) {
        return;
    }
    sim_trace(w, "node %d loses port %d", n->number, p->port);
    engine *e = engine_of(n);
    if (e->other) {
        bool only = p->session == e->other;
        drop_other(n);
        if (only) {
            return;
        }
    }
    nrt__session *session = p->session;
    unplug(p);
    no_session(p);
    p->session = session;
    engine_disconnect(engine_of(n));
    uint32_t most = sim_chance(w, 80) ? 200 : 4000;
    sim_after(w, 1 + sim_below(w, most), connect_plug, p, p->tag);
}

static void cut_later(world *w, void *arg, uint32_t tag) {
    plug *p = arg;
    (void)w;
    if (p->tag == tag) {
        node_cut(p);
    }
}

/* The server does not answer: as lib/link.c does, the connection is given up. */
static void on_stale(void *arg) {
    node *n = arg;
    sim_trace(n->w, "node %d: its server is silent", n->number);
    for (size_t i = 0; i < 2; i++) {
        sim_after(n->w, 0, cut_later, &n->plugs[i], n->plugs[i].tag);
    }
}

/* ---- lame duck, as lib/lame_duck.c goes about it ---- */

static void look(world *w, void *arg, uint32_t tag) {
    node *n = arg;
    if (n->life != tag || !n->e || !n->e->other || !n->switched) {
        return;
    }
    engine *e = engine_of(n);
    const plug *p = n->plugs[0].session == e->other ? &n->plugs[0] : &n->plugs[1];
    bool done = n->fenced && nrt__buf_len(&p->up) == 0 &&
                nrt__client_in_flight_on(e->client, e->other) == 0 &&
                nrt__services_in_flight_on(e->services, e->other) == 0 &&
                nrt__session_output(e->other).len == 0;
    if (done || (!w->faults.calm && sim_chance(w, 2))) { /* the server may end it first */
        sim_trace(w, "node %d: the old session is over", n->number);
        drop_other(n);
    } else {
        sim_after(w, LOOK_MS, look, n, n->life);
    }
}

static void on_fence(int error, void *arg) {
    node *n = arg;
    n->fenced = error == 0;
}

static void spread(world *w, void *arg, uint32_t tag) {
    node *n = arg;
    if (n->life == tag && n->e && n->e->other && n->switched) {
        nrt__session *old = engine_of(n)->other;
        nrt__session_retire(old);
        if (nrt__session_flush(old, on_fence, n) < 0) {
            drop_other(n);
            return;
        }
        sim_after(w, LOOK_MS, look, n, n->life);
    }
}

static void take_over(world *w, void *arg, uint32_t tag) {
    node *n = arg;
    if (n->life != tag || !n->e || !n->e->other || n->switched) {
        return;
    }
    engine *e = engine_of(n);
    if (nrt__session_state_get(e->other) != NRT__SESSION_READY) {
        sim_after(w, 20, take_over, n, n->life);
        return;
    }
    sim_trace(w, "node %d: the new session takes over", n->number);
    engine_swap(e);
    n->switched = true;
    nrt__services_switch(e->services, e->session);
    nrt__client_switch(e->client, e->session);
    sim_after(w, SPREAD_MS, spread, n, n->life);
}

void node_duck(node *n) {
    if (!n->e || n->ducking) {
        return;
    }
    engine *e = engine_of(n);
    if (nrt__session_state_get(e->session) != NRT__SESSION_READY || engine_add_session(e) < 0) {
        return;
    }
    sim_trace(n->w, "node %d: lame duck", n->number);
    n->ducking = true;
    n->fenced = false;
    plug *p = n->plugs[0].session ? &n->plugs[1] : &n->plugs[0];
    p->session = e->other;
    sim_after(n->w, 1 + sim_below(n->w, 50), connect_plug, p, p->tag);
    sim_after(n->w, 20, take_over, n, n->life);
}

/* ---- processes ---- */

void node_start(node *n) {
    static const char *const hosts[] = {"plain.nats", "stream.nats"};
    world *w = n->w;
    n->e = calloc(1, sizeof(*n->e));
    if (!n->e) {
        abort();
    }
    engine *e = n->e;
    n->life++;
    n->ducking = n->switched = false;
    sim_trace(w, "node %d starts", n->number);
    e->random = sim_random(w) | 1;
    e->quiet = true;
    e->stale = on_stale;
    e->stale_arg = n;
    e->window = w->window;
    e->max_waiting = 4 << 20;
    e->max_body = BODY_MAX;
    e->session_options.max_output = sim_chance(w, 25) ? w->net.max_payload + 96 * 1024 : 4 << 20;
    e->session_options.max_message = 2 << 20;
    e->retries = 2;
    e->retry_on = w->retry_on;
    e->multi_reply = w->multi_reply;
    e->probe = !w->multi_reply;
    e->env.now_ms = w->now_ms;
    if (engine_init(e, ENGINE_CLIENT | ENGINE_SERVICES) < 0) {
        abort();
    }
    for (size_t i = 0; i < 2; i++) {
        n->plugs[i].n = n;
        no_session(&n->plugs[i]);
        n->plugs[i].latency_ms = sim_chance(w, 80) ? 3 : 60;
        n->plugs[i].slow = sim_chance(w, w->faults.slow_link) ? 200 + sim_below(w, 4000) : 0;
        n->plugs[i].frozen_until_ms = 0;
    }
    for (size_t i = 0; i < 2 && n->number >= (int)w->client_count; i++) {
        const nrt_service_options options = {
            .size = sizeof(options), .max_in_flight = w->max_in_flight, .streaming = i == 1};
        if (nrt__services_add(e->services, hosts[i], exec_handle, n, &options, &n->services[i]) <
            0) {
            abort();
        }
    }
    n->plugs[0].session = e->session;
    connect_plug(w, &n->plugs[0], n->plugs[0].tag);
}

static void start_again(world *w, void *arg, uint32_t tag) {
    node *n = arg;
    (void)w;
    if (!n->e && n->life == tag) {
        node_start(n);
    }
}

void node_kill(node *n) {
    world *w = n->w;
    if (!n->e) {
        return;
    }
    sim_trace(w, "node %d is killed", n->number);
    engine *e = engine_of(n);
    for (size_t i = 0; i < 2; i++) {
        unplug(&n->plugs[i]);
        no_session(&n->plugs[i]);
        nrt__buf_free(&n->plugs[i].up);
    }
    nrt__services_cancel(e->services);
    engine_finish(e);
    exec_orphan(n);
    free(e);
    n->e = NULL;
    sim_after(w, 1 + sim_below(w, 3000), start_again, n, n->life);
}

void node_work(node *n) {
    engine *e = engine_of(n);
    nrt__timers_run(&e->timers, n->w->now_ms);
}

int64_t node_next(node *n) {
    return n->e ? nrt__timers_next(&n->e->timers) : -1;
}

void node_heal(node *n) {
    for (size_t i = 0; i < 2; i++) {
        n->plugs[i].frozen_until_ms = 0;
        n->plugs[i].slow = 0;
        n->plugs[i].latency_ms = 3;
    }
}
