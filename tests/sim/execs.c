/* What handlers do: each run takes its request and answers as the call was planned. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "core/exchange/services_private.h"
#include "sim.h"

static engine *engine_of(const exec *x) {
    x->by->e->env.now_ms = x->c->w->now_ms;
    return x->by->e;
}

static int owner_of(const exec *x) {
    return CALLS_MAX + x->number;
}

/* The last the handler does. The exchange may be gone afterwards. */
static void end(exec *x) {
    if (x->done) {
        return;
    }
    sim_trace(x->c->w, "exec %d: ended", x->number);
    x->done = true;
    if (x->by->e) {
        engine_of(x);
    }
    if (nrt__exchange_end_one(x->exchange)) {
        nrt__exchange_finish(x->exchange);
    }
}

static void end_later(world *w, void *arg, uint32_t tag) {
    (void)w;
    (void)tag;
    end(arg);
}

void exec_orphan(node *n) {
    for (size_t i = 0; i < n->w->exec_count; i++) {
        exec *x = &n->w->execs[i];
        if (x->by == n && !x->done) {
            x->canceled = true;
            if (x->c->status != 0 && x->c->answered_by == x) {
                x->c->orphaned_ms = n->w->now_ms;
            }
            end(x);
        }
    }
}

/* ---- the response ---- */

static bool is_tunnel(const exec *x) {
    return nrt_request_upgrade(nrt_exchange_request(x->exchange)).len > 0 && !x->c->refuses_upgrade;
}

static void head(exec *x, bool tunnel) {
    char number[16];
    snprintf(number, sizeof(number), "%d", x->number);
    nrt_fields *fields = nrt_exchange_fields(x->exchange);
    nrt_fields_add(fields, NRT__STR("X-Exec"), nrt_str_from(number));
    if (tunnel) {
        x->exchange->response.message.status = 101;
        nrt__fields_append(fields, NRT__STR("Upgrade"), NRT__STR("echo"));
    } else if (x->c->trailers) {
        nrt_fields_add(nrt_exchange_trailers(x->exchange), NRT__STR("X-Sum"), NRT__STR("down"));
    }
}

static void answer_whole(exec *x) {
    x->whole = true;
    x->answered = x->c->down;
    (void)nrt__exchange_append(x->exchange, body_piece(owner_of(x), false, 0, x->c->down));
    end(x);
}

static void send_later(world *w, void *arg, uint32_t tag);

/* All of the response has gone: how it is finished. */
static void finish(exec *x) {
    const call *c = x->c;
    world *w = c->w;
    bool tunnel = x->exchange->response.message.status == 101;
    if (c->late && !x->body_ended) {
        int error = nrt__exchange_end_body(x->exchange);
        if (error == NRT_ERR_BUSY) {
            return; /* `writable` comes */
        }
        x->body_ended = error == 0;
    }
    if (!x->request_ended && (tunnel || (!c->early && !c->tunnel))) {
        return; /* its end comes */
    }
    if (c->late && !x->pacing) {
        x->pacing = true; /* for good */
        sim_after(w, sim_below(w, 400), end_later, x, 0);
    } else if (!c->late) {
        end(x);
    }
}

static void send_more(exec *x) {
    const call *c = x->c;
    if (x->pacing || !x->answering || x->whole) {
        return;
    }
    while (x->answered < c->down) {
        size_t left = c->down - x->answered;
        size_t want = left < c->piece_down ? left : c->piece_down;
        size_t sent;
        if (x->answered >= c->abort_at) {
            x->aborted = true;
            bool sized = x->exchange->response.message.has_length;
            if (!c->stops || !sized || c->head) {
                nrt__exchange_abort(x->exchange, "origin");
            }
            end(x);
            return;
        }
        int error = nrt__exchange_send(x->exchange,
                                       body_piece(owner_of(x), false, x->answered, want), &sent);
        x->answered += sent;
        if (error < 0) {
            sim_fail(c->w, "a response can be written", "exec %d: %s", x->number,
                     nrt_error_text(error));
        }
        if (sent < want) {
            return;
        }
        if (c->pace_down_ms > 0) {
            x->pacing = true;
            sim_after(c->w, c->pace_down_ms, send_later, x, 0);
            return;
        }
    }
    finish(x);
}

static void send_later(world *w, void *arg, uint32_t tag) {
    exec *x = arg;
    (void)w;
    (void)tag;
    if (!x->done && !x->canceled) {
        engine_of(x);
        x->pacing = false;
        send_more(x);
    }
}

static void answer(exec *x) {
    const call *c = x->c;
    nrt__message interim;
    if (x->done || x->canceled || x->answering) {
        return;
    }
    engine_of(x);
    x->answering = true;
    if (c->interim) {
        nrt__message_init(&interim, false);
        interim.status = 103;
        (void)nrt__exchange_interim(x->exchange, &interim);
        nrt__message_free(&interim);
    }
    bool tunnel = is_tunnel(x);
    head(x, tunnel);
    if (c->sized && !tunnel) {
        x->exchange->response.message.has_length = true;
        x->exchange->response.message.length = c->down;
    }
    if (!c->starts && !tunnel) {
        answer_whole(x);
        return;
    }
    int error = nrt__exchange_start(x->exchange);
    sim_trace(c->w, "exec %d: answers, %s", x->number, nrt_error_text(error));
    if (error < 0 && tunnel) { /* the peer must not believe in it */
        nrt_exchange_problem(x->exchange, 503, "no stream");
        x->whole = true;
        end(x);
    } else if (error < 0) {
        answer_whole(x);
    } else {
        send_more(x);
    }
}

static void answer_later(world *w, void *arg, uint32_t tag) {
    (void)w;
    (void)tag;
    answer(arg);
}

/* ---- the request ---- */

static void must_run(const exec *x, const char *what) {
    if (x->done || x->canceled || x->aborted) {
        sim_fail(x->c->w, "nothing is told after the end", "exec %d: %s", x->number, what);
    }
}

static void take_later(world *w, void *arg, uint32_t tag) {
    exec *x = arg;
    (void)tag;
    if (x->done || x->canceled || x->untaken == 0) {
        return;
    }
    engine_of(x);
    size_t len = 1 + sim_below(w, (uint32_t)x->untaken);
    x->untaken -= len;
    nrt__exchange_take(x->exchange, len);
    if (x->untaken > 0) {
        sim_after(w, sim_below(w, x->c->take_up_ms + 1), take_later, x, 0);
    }
}

static void on_data(nrt_exchange *exchange, nrt_str bytes, void *arg) {
    exec *x = arg;
    const call *c = x->c;
    must_run(x, "data");
    if (x->request_ended) {
        sim_fail(c->w, "a body ends once", "exec %d", x->number);
    }
    body_check(c->w, c->number, true, x->received, bytes, "the request");
    x->received += bytes.len;
    if (!c->hold) {
        return;
    }
    x->untaken += bytes.len;
    if (x->untaken > c->w->window) {
        sim_fail(c->w, "no window is exceeded", "exec %d holds %zu bytes", x->number, x->untaken);
    }
    if (c->take_up_ms > 0) {
        sim_after(c->w, sim_below(c->w, c->take_up_ms + 1), take_later, x, 0);
    } else {
        x->untaken = 0;
        nrt__exchange_take(exchange, bytes.len);
    }
}

static void look_at_request_end(exec *x) {
    const call *c = x->c;
    bool unused = c->tunnel && x->exchange->response.message.status != 101;
    if (x->received != c->up && !unused) {
        sim_fail(c->w, "no truncated body is reported complete",
                 "exec %d: %zu bytes of %zu of the request", x->number, x->received, c->up);
    }
    x->request_ended = true;
}

static void on_end(nrt_exchange *exchange, const nrt_fields *trailers, void *arg) {
    exec *x = arg;
    const call *c = x->c;
    (void)exchange;
    must_run(x, "an end");
    look_at_request_end(x);
    if (c->trailers && !c->tunnel &&
        !nrt__str_equal(nrt_fields_get(trailers, "X-Sum"), NRT__STR("up"))) {
        sim_fail(c->w, "trailers arrive", "exec %d", x->number);
    }
    if (!x->answering && c->answer == ANSWER_AFTER_REQUEST) {
        answer(x);
    } else if (x->answering && !x->whole && x->answered == c->down && !x->pacing) {
        finish(x);
    }
}

static void on_writable(nrt_exchange *exchange, void *arg) {
    exec *x = arg;
    (void)exchange;
    must_run(x, "room");
    send_more(x);
}

static void on_canceled(nrt_exchange *exchange, void *arg) {
    exec *x = arg;
    (void)exchange;
    must_run(x, "a cancelation");
    sim_trace(x->c->w, "exec %d: canceled", x->number);
    x->canceled = true;
    if (x->c->spins_out) {
        sim_after(x->c->w, sim_below(x->c->w, 2000), end_later, x, 0);
    } else {
        end(x);
    }
}

static const nrt_exchange_events holding = {
    .size = sizeof(nrt_exchange_events),
    .hold = true,
    .data = on_data,
    .end = on_end,
    .writable = on_writable,
    .canceled = on_canceled,
};

static const nrt_exchange_events passing = {
    .size = sizeof(nrt_exchange_events),
    .data = on_data,
    .end = on_end,
    .writable = on_writable,
    .canceled = on_canceled,
};

/* ---- the beginning ---- */

static call *find_call(node *n, const nrt_request *request) {
    world *w = n->w;
    nrt_str target = nrt_request_target(request);
    uint64_t number;
    if (target.len < 2 ||
        !nrt__str_to_u64((nrt_str){target.ptr + 1, target.len - 1}, w->call_count - 1, &number)) {
        sim_fail(w, "a request is the client's", "target %.*s", NRT__ARG(target));
    }
    call *c = &w->calls[number];
    if (!nrt__str_equal(nrt_request_method(request), nrt_str_from(c->method)) ||
        !nrt__str_equal(nrt_request_host(request), nrt_str_from(c->host))) {
        sim_fail(w, "a request is the client's", "call %d: another method or host", c->number);
    }
    return c;
}

void exec_handle(nrt_exchange *exchange, void *arg) {
    node *n = arg;
    world *w = n->w;
    const nrt_request *request = nrt_exchange_request(exchange);
    call *c = find_call(n, request);
    if (w->exec_count == EXECS_MAX) {
        sim_fail(w, "no double execution", "call %d is executed again and again", c->number);
    }
    exec *x = &w->execs[w->exec_count];
    *x = (exec){.c = c, .by = n, .number = (int)w->exec_count++, .exchange = exchange};
    c->executions++;
    sim_trace(w, "exec %d: call %d at node %d", x->number, c->number, n->number);
    if (c->executions > 1 && !c->idempotent && !c->doubled && !c->meddled) {
        sim_fail(w, "no double execution", "call %d is executed twice", c->number);
    }
    bool streams = c->host[0] == 's';
    nrt_exchange_defer(exchange);
    nrt_str body = nrt_request_body(request);
    body_check(w, c->number, true, 0, body, "the request");
    x->received = body.len;
    nrt__exchange_stream(exchange, c->hold ? &holding : &passing, x);
    if (nrt__exchange_has_all(exchange)) {
        look_at_request_end(x);
    } else if (!streams) {
        sim_fail(w, "who takes messages gets them whole", "exec %d", x->number);
    }
    (void)nrt__exchange_continue(exchange);
    if (c->answer == ANSWER_AT_ONCE) {
        answer(x);
    } else if (c->answer == ANSWER_AFTER_DELAY) {
        sim_after(w, c->delay_ms, answer_later, x, 0);
    } else if (x->request_ended || c->tunnel) {
        answer(x);
    }
}
