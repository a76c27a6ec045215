/* What must hold in the end, and by when. */
#include <stdio.h>

#include "core/exchange/client_private.h"
#include "core/exchange/services_private.h"
#include "sim.h"

/* Says of a call that nobody has executed it. */
static bool says_certain(int error) {
    return error == NRT_ERR_DISCONNECTED || error == NRT_ERR_REFUSED ||
           error == NRT_ERR_NO_SERVICE || error == NRT_ERR_BUSY;
}

/* What may become of a call that nothing harms: services that find out whether they may send frames
 * refuse streams until they know. */
static bool is_fine(const call *c) {
    return c->error == 0 || c->error == NRT_ERR_TOO_LARGE;
}

/* Of such a call, how long it may take: a window needs its way there and back, no ping. */
static int64_t longest_ms(const call *c) {
    int64_t turns = (int64_t)((c->up + c->down) / 4096) + 10;
    return c->delay_ms + 1000 + turns * 150;
}

static bool is_unhurried(const call *c) {
    return c->pace_up_ms == 0 && c->pace_down_ms == 0 && c->take_ms == 0 && c->take_up_ms == 0;
}

void check_closed(call *c, const nrt_result *result) {
    world *w = c->w;
    sim_trace(w, "call %d: closed: %d %s", c->number, result->error, result->detail);
    if (c->closed) {
        sim_fail(w, "each call ends once", "call %d", c->number);
    }
    c->closed = true;
    c->closed_ms = w->now_ms;
    c->error = result->error;
    if (c->error == 0 && !c->ended) {
        sim_fail(w, "no truncated body is reported complete", "call %d ends without", c->number);
    }
    if (says_certain(c->error) && c->executions > 0 && !c->meddled && !c->doubled) {
        sim_fail(w, "what was certainly not executed was not", "call %d: %s", c->number,
                 result->detail);
    }
    if (c->executions > (int)result->attempts && !c->doubled && !c->meddled) {
        sim_fail(w, "no double execution", "call %d: %u attempts, %d executions", c->number,
                 result->attempts, c->executions);
    }
    if (w->faults.calm && is_unhurried(c) && w->faults.ducks == 0 &&
        w->now_ms > c->begin_ms + 1000 + longest_ms(c)) {
        sim_fail(w, "what nothing holds up does not wait", "call %d", c->number);
    }
    if (w->faults.calm && !is_fine(c)) {
        sim_fail(w, "what nothing harms succeeds", "call %d: %s", c->number, result->detail);
    }
}

void check_in_time(world *w) {
    for (size_t i = 0; i < w->call_count; i++) {
        const call *c = &w->calls[i];
        int64_t from = c->begin_ms > FAULTS_END_MS ? c->begin_ms : FAULTS_END_MS;
        if (c->orphaned_ms > 0 && !c->closed && w->faults.freezes == 0 && !c->doubled &&
            w->now_ms > c->orphaned_ms + NRT__FLOW_DEAD_MS + 3000) {
            sim_fail(w, "who waits for the dead learns it by their silence", "call %d", c->number);
        }
        if (c->begun && !c->closed && w->now_ms > from + c->timeout_ms + SETTLE_MS) {
            sim_fail(w, "nothing hangs", "call %d is still open", c->number);
        }
    }
}

static bool is_quiet(const node *n) {
    const engine *e = n->e;
    return !e || (nrt__client_in_flight(e->client) == 0 && e->client->left == 0 &&
                  nrt__services_in_flight(e->services) == 0);
}

bool check_settled(world *w) {
    for (size_t i = 0; i < w->call_count; i++) {
        if (!w->calls[i].closed) {
            return false;
        }
    }
    for (size_t i = 0; i < w->exec_count; i++) {
        if (!w->execs[i].done) {
            return false;
        }
    }
    for (size_t i = 0; i < w->node_count; i++) {
        if (!is_quiet(&w->nodes[i])) {
            return false;
        }
    }
    return true;
}

void check_quiet(world *w) {
    for (size_t i = 0; i < w->call_count; i++) {
        if (!w->calls[i].closed) {
            sim_fail(w, "nothing hangs", "call %zu is still open", i);
        }
    }
    for (size_t i = 0; i < w->exec_count; i++) {
        if (!w->execs[i].done) {
            sim_fail(w, "nothing hangs", "exec %zu of call %d was told nothing", i,
                     w->execs[i].c->number);
        }
    }
    for (size_t i = 0; i < w->node_count; i++) {
        const engine *e = w->nodes[i].e;
        if (!is_quiet(&w->nodes[i])) {
            sim_fail(w, "no exchange is left behind", "node %zu: %zu, %zu and %zu in flight", i,
                     nrt__client_in_flight(e->client), e->client->left,
                     nrt__services_in_flight(e->services));
        }
        if (e && (e->client->kept_bytes > 0 || e->client->calls.next != &e->client->calls ||
                  e->services->streams.count > 0)) {
            sim_fail(w, "no exchange is left behind", "node %zu keeps something", i);
        }
    }
}
