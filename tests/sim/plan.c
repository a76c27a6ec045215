/* What is going to happen in a seed, but for what goes wrong: who is there, who asks what, and how
 * both sides go about it. */
#include "sim.h"

/* Around the places where something changes: the window, one message, the first frame. */
static size_t pick_size(world *w) {
    static const size_t edges[] = {1, 4096, 16384, 32768, 65536, 131072};
    size_t size;
    switch (sim_below(w, 8)) {
    case 0:
        return 0;
    case 1:
    case 2:
        return sim_below(w, 300);
    case 3:
    case 4:
        return sim_below(w, 20000);
    case 5:
        size = edges[sim_below(w, COUNT(edges))] + sim_below(w, 3);
        return size - 1;
    case 6:
        size = w->window;
        return size - 1 + sim_below(w, 3);
    default:
        return sim_below(w, 4 * w->window < 300000 ? 4 * w->window : 300000);
    }
}

static size_t pick_piece(world *w) {
    return sim_chance(w, 50) ? BODY_MAX : 1 + sim_below(w, sim_chance(w, 50) ? 3000 : 70000);
}

/* A pause between pieces: none, as a rule, and never so long that a body takes minutes. */
static uint32_t pick_pace(world *w, size_t size, size_t piece) {
    size_t pieces = size / piece + 1;
    uint32_t most = pieces > 200 ? 0 : pieces > 20 ? 50 : 1500;
    return sim_chance(w, 70) ? 0 : sim_below(w, most + 1);
}

void plan_call(world *w, call *c) {
    static const char *const methods[] = {"GET", "PUT", "POST", "POST", "POST", "DELETE", "HEAD"};
    bool harmless = w->faults.calm;
    c->w = w;
    c->begin_ms = 300 + sim_below(w, sim_chance(w, 50) ? 1000 : 12000);
    c->by = &w->nodes[sim_below(w, (uint32_t)w->client_count)];
    c->method = methods[sim_below(w, COUNT(methods))];
    c->host = sim_chance(w, 60) ? "stream.nats" : "plain.nats";
    c->tunnel = sim_chance(w, 15);
    if (c->tunnel) {
        c->method = "GET";
    }
    c->head = c->method[0] == 'H';
    c->idempotent = c->method[0] != 'P' || c->method[1] == 'U';
    c->whole = !c->tunnel && sim_chance(w, 35);
    c->opens = !c->whole && (c->tunnel || sim_chance(w, 60));
    c->sized = sim_chance(w, 50);
    c->trailers = !c->sized && sim_chance(w, 50);
    c->expects = c->opens && !c->tunnel && sim_chance(w, 10);
    c->up = sim_chance(w, 25) ? 0 : pick_size(w);
    c->down = pick_size(w);
    c->piece_up = pick_piece(w);
    c->piece_down = pick_piece(w);
    c->pace_up_ms = pick_pace(w, c->up, c->piece_up);
    c->pace_down_ms = pick_pace(w, c->down, c->piece_down);
    c->timeout_ms = harmless || sim_chance(w, 70) ? 30000 : 200 + sim_below(w, 8000);
    c->long_poll = sim_chance(w, 15);
    c->take_ms = sim_chance(w, 70) ? 0 : sim_below(w, 300);
    c->take_up_ms = sim_chance(w, 70) ? 0 : sim_below(w, 300);
    c->cancel_at = harmless || sim_chance(w, 90) ? -1 : (int)sim_below(w, 12);
    c->cancel_ms = harmless || sim_chance(w, 88) ? 0 : 1 + sim_below(w, 3000);
    c->answer = (answer_when)sim_below(w, ANSWER_KINDS);
    c->delay_ms = sim_below(w, sim_chance(w, 70) ? 200 : harmless ? 8000 : 20000);
    c->interim = sim_chance(w, 15);
    c->starts = sim_chance(w, 70);
    c->early = !c->tunnel && sim_chance(w, 20);
    c->late = sim_chance(w, 15);
    c->hold = sim_chance(w, 50);
    c->refuses_upgrade = sim_chance(w, 20);
    c->spins_out = sim_chance(w, 30);
    c->stops = sim_chance(w, 50);
    c->abort_at = harmless || sim_chance(w, 92) ? SIZE_MAX : sim_below(w, (uint32_t)c->down + 1);
}

void plan_world(world *w) {
    static const size_t payloads[] = {4096, 16384, 65536, 1 << 20};
    plan_of_faults *faults = &w->faults;
    w->node_count = 2 + sim_below(w, NODES_MAX - 1);
    w->client_count = 1 + sim_below(w, (uint32_t)w->node_count - 1);
    w->net.max_payload = payloads[sim_below(w, COUNT(payloads))];
    w->window = sim_chance(w, 70) ? 16384 : sim_chance(w, 50) ? 65536 : NRT__WINDOW_MAX;
    w->multi_reply = sim_chance(w, 80);
    w->max_in_flight = sim_chance(w, 80) ? 100 : 1 + sim_below(w, 3);
    w->retry_on = sim_chance(w, 80) ? NRT_RETRY_REFUSED | NRT_RETRY_IDEMPOTENT : sim_below(w, 8);
    faults->calm = sim_chance(w, 20);
    faults->slow_link = sim_chance(w, 20) ? 50 : 0;
    faults->freezes = sim_chance(w, 20) ? 1 + (int)sim_below(w, 3) : 0;
    faults->ducks = sim_chance(w, 15) ? 1 + (int)sim_below(w, 2) : 0;
    faults->strangers = sim_chance(w, 30) ? 1 + (int)sim_below(w, 20) : 0;
    if (faults->calm) {
        faults->freezes = faults->slow_link = 0; /* what takes too long fails */
        w->max_in_flight = 100;
    } else {
        faults->lose = sim_chance(w, 30) ? 1 + sim_below(w, 8) : 0;
        faults->repeat = sim_chance(w, 20) ? 1 + sim_below(w, 8) : 0;
        faults->cuts = sim_chance(w, 40) ? 1 + (int)sim_below(w, 5) : 0;
        faults->kills = sim_chance(w, 25) ? 1 + (int)sim_below(w, 3) : 0;
        faults->insiders = sim_chance(w, 20) ? 1 + (int)sim_below(w, 5) : 0;
        faults->pauses = sim_chance(w, 15) ? 1 + (int)sim_below(w, 3) : 0;
        w->net.silent = sim_chance(w, 15);
    }
    for (size_t i = 0; i < w->node_count; i++) {
        w->nodes[i].w = w;
        w->nodes[i].number = (int)i;
    }
    w->call_count = 1 + sim_below(w, CALLS_MAX);
    for (size_t i = 0; i < w->call_count; i++) {
        w->calls[i].number = (int)i;
        plan_call(w, &w->calls[i]);
    }
}
