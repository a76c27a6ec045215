/* What clients do: each call writes and reads as it was planned, and looks at all that it is told.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "sim.h"

static nrt__client *client_of(const call *c) {
    engine *e = c->by->e;
    e->env.now_ms = c->w->now_ms;
    return e->client;
}

/* Its process is as it was, and it is not over. */
static bool is_open(const call *c) {
    return c->begun && !c->closed && c->by->e && c->life == c->by->life;
}

static void must_be_open(const call *c, const char *what) {
    if (c->closed) {
        sim_fail(c->w, "nothing is told after the end", "call %d: %s", c->number, what);
    }
}

static void cancel(call *c) {
    sim_trace(c->w, "call %d: canceled by its caller", c->number);
    if (c->id == 0) {
        sim_fail(c->w, "the simulation", "call %d has no id", c->number);
    }
    int error = nrt__client_cancel(client_of(c), c->id);
    if (error < 0 || !c->closed) {
        sim_fail(c->w, "cancel ends a call", "call %d: %s", c->number, nrt_error_text(error));
    }
}

/* In any callback. True where it is over. */
static bool step(call *c) {
    if (c->callbacks++ == c->cancel_at && !c->closed && c->id != 0) {
        cancel(c);
    }
    return c->closed;
}

static void cancel_later(world *w, void *arg, uint32_t tag) {
    call *c = arg;
    (void)w;
    if (is_open(c) && c->life == tag) {
        cancel(c);
    }
}

/* ---- the request ---- */

static void write_later(world *w, void *arg, uint32_t tag);

static void end_upload(call *c) {
    nrt_fields *fields = NULL;
    nrt_request *request = NULL;
    if (c->trailers && !c->tunnel) {
        request = nrt_request_create("GET", "http://a.nats/", NULL);
        fields = nrt_request_edit(request);
        nrt_fields_add(fields, NRT__STR("X-Sum"), NRT__STR("up"));
    }
    c->up_ended = true;
    int error = nrt__client_end(client_of(c), c->id, fields);
    nrt_request_destroy(request);
    if (error == NRT_ERR_STATE) {
        c->up_over = true;
    } else if (error < 0) {
        sim_fail(c->w, "a body can be ended", "call %d: %s", c->number, nrt_error_text(error));
    }
}

static void write_more(call *c) {
    if (c->pacing || !c->opens || (c->tunnel && c->status != 101)) {
        return;
    }
    while (!c->closed && !c->up_over && c->written < c->up) {
        size_t left = c->up - c->written;
        size_t want = left < c->piece_up ? left : c->piece_up;
        size_t sent;
        int error = nrt__client_write(client_of(c), c->id,
                                      body_piece(c->number, true, c->written, want), &sent);
        c->written += sent;
        if (error == NRT_ERR_STATE) {
            c->up_over = true;
            return;
        }
        if (error < 0 || sent > want) {
            sim_fail(c->w, "a body can be written", "call %d: %s", c->number,
                     nrt_error_text(error));
        }
        if (sent < want) {
            return;
        }
        if (c->pace_up_ms > 0) {
            c->pacing = true;
            sim_after(c->w, c->pace_up_ms, write_later, c, c->life);
            return;
        }
    }
    if (!c->closed && !c->up_over && !c->up_ended) {
        end_upload(c);
    }
}

static void write_later(world *w, void *arg, uint32_t tag) {
    call *c = arg;
    (void)w;
    c->pacing = false;
    if (is_open(c) && c->life == tag) {
        write_more(c);
    }
}

/* ---- the response ---- */

/* Which handler answered; NULL where the service itself did. */
static exec *answered_by(call *c, const nrt_response *response) {
    nrt_str text = nrt_fields_get(nrt_response_fields(response), "X-Exec");
    uint64_t number;
    if (text.len == 0) {
        return NULL;
    }
    if (!nrt__str_to_u64(text, EXECS_MAX - 1, &number) || number >= c->w->exec_count ||
        c->w->execs[number].c != c) {
        sim_fail(c->w, "an answer goes to its request", "call %d: X-Exec: %.*s", c->number,
                 NRT__ARG(text));
    }
    return &c->w->execs[number];
}

static void look_at_head(call *c, const nrt_response *response) {
    world *w = c->w;
    c->status = nrt_response_status(response);
    c->answered_by = answered_by(c, response);
    sim_trace(w, "call %d: status %d", c->number, c->status);
    bool fine = c->answered_by ? c->status == 200 || c->status == 101
                               : c->status == 503 || c->status == 502 || c->meddled;
    if (!fine || (c->status == 101 && !c->tunnel)) {
        sim_fail(w, "a status is the service's", "call %d: status %d: %.*s", c->number, c->status,
                 NRT__ARG(nrt_response_body(response)));
    }
}

static void look_at_body(call *c, nrt_str bytes) {
    if (c->answered_by) {
        body_check(c->w, CALLS_MAX + c->answered_by->number, false, c->got, bytes, "the response");
    }
    c->got += bytes.len;
}

/* The whole of it is here, says nrt. */
static void look_at_end(call *c, const nrt_fields *trailers) {
    const exec *e = c->answered_by;
    size_t want = c->head ? 0 : c->down;
    if (c->ended) {
        sim_fail(c->w, "a body ends once", "call %d", c->number);
    }
    c->ended = true;
    if (e && (c->got != want || (!e->body_ended && !e->done) || e->aborted)) {
        sim_fail(c->w, "no truncated body is reported complete", "call %d: %zu bytes of %zu",
                 c->number, c->got, want);
    }
    if (e && c->trailers && !c->tunnel && !c->head &&
        !nrt__str_equal(nrt_fields_get(trailers, "X-Sum"), NRT__STR("down"))) {
        sim_fail(c->w, "trailers arrive", "call %d", c->number);
    }
}

static void on_interim(const nrt_response *response, void *arg) {
    call *c = arg;
    must_be_open(c, "an interim response");
    int status = nrt_response_status(response);
    if (c->status != 0 || status < 100 || status > 199) {
        sim_fail(c->w, "interim responses come first", "call %d: %d", c->number, status);
    }
    step(c);
}

static void on_head(const nrt_response *response, bool whole, void *arg) {
    call *c = arg;
    must_be_open(c, "a head");
    if (c->status != 0) {
        sim_fail(c->w, "a response begins once", "call %d", c->number);
    }
    look_at_head(c, response);
    if (whole) {
        look_at_body(c, nrt_response_body(response));
        look_at_end(c, nrt_response_trailers(response));
        return; /* `closed` follows */
    }
    if (!step(c) && c->tunnel && c->id != 0) {
        write_more(c);
    }
}

static void take_later(world *w, void *arg, uint32_t tag) {
    call *c = arg;
    if (!is_open(c) || c->life != tag || c->untaken == 0) {
        return;
    }
    size_t len = 1 + sim_below(w, (uint32_t)c->untaken);
    c->untaken -= len;
    nrt__client_take(client_of(c), c->id, len);
    if (is_open(c) && c->untaken > 0) {
        sim_after(w, sim_below(w, c->take_ms + 1), take_later, c, c->life);
    }
}

static void on_data(nrt_str bytes, void *arg) {
    call *c = arg;
    must_be_open(c, "data");
    if (c->status == 0 || c->ended || bytes.len == 0) {
        sim_fail(c->w, "a body stands between head and end", "call %d", c->number);
    }
    look_at_body(c, bytes);
    c->untaken += bytes.len;
    if (c->untaken > c->w->window) {
        sim_fail(c->w, "no window is exceeded", "call %d holds %zu bytes", c->number, c->untaken);
    }
    if (step(c)) {
        return;
    }
    if (c->take_ms == 0) {
        c->untaken = 0;
        nrt__client_take(client_of(c), c->id, bytes.len);
    } else {
        sim_after(c->w, sim_below(c->w, c->take_ms + 1), take_later, c, c->life);
    }
}

static void on_end(const nrt_fields *trailers, void *arg) {
    call *c = arg;
    must_be_open(c, "an end");
    look_at_end(c, trailers);
    step(c);
}

static void on_writable(void *arg) {
    call *c = arg;
    must_be_open(c, "room");
    if (!step(c)) {
        write_more(c);
    }
}

static void on_closed(const nrt_result *result, void *arg) {
    check_closed(arg, result);
}

static void on_result(const nrt_result *result, void *arg) {
    call *c = arg;
    if (result->response && !c->closed) {
        look_at_head(c, result->response);
        look_at_body(c, nrt_response_body(result->response));
        look_at_end(c, nrt_response_trailers(result->response));
    }
    check_closed(c, result);
}

static const nrt__call_events events = {
    .interim = on_interim,
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .writable = on_writable,
    .closed = on_closed,
};

/* ---- the beginning ---- */

static nrt_request *make_request(const call *c) {
    char url[80];
    snprintf(url, sizeof(url), "http://%s/%d", c->host, c->number);
    nrt_request *request = nrt_request_create(c->method, url, NULL);
    if (!request) {
        abort();
    }
    nrt__message *message = &request->message;
    if (c->tunnel) {
        message->upgrade = NRT__STR("echo");
        return request;
    }
    if (c->trailers && !c->opens) {
        nrt__fields_append(&message->trailers, NRT__STR("X-Sum"), NRT__STR("up"));
    }
    if (c->expects) {
        nrt__fields_append(&message->fields, NRT__STR("Expect"), NRT__STR("100-continue"));
    }
    size_t first = c->opens ? sim_below(c->w, (uint32_t)c->up + 1) : c->up;
    message->body = body_piece(c->number, true, 0, c->expects ? 0 : first);
    message->length = c->up;
    message->has_length = c->opens && c->sized;
    return request;
}

/* It was not taken on. */
static void refused(call *c, int error) {
    const nrt_result result = {error, "at once", NULL, 0};
    if (error != NRT_ERR_BUSY && error != NRT_ERR_TOO_LARGE) {
        sim_fail(c->w, "a request can be begun", "call %d: %s", c->number, nrt_error_text(error));
    }
    check_closed(c, &result);
}

void call_begin(world *w, void *arg, uint32_t tag) {
    call *c = arg;
    (void)tag;
    c->begun = true;
    if (!c->by->e) { /* nobody is there to make it */
        c->closed = true;
        return;
    }
    c->life = c->by->life;
    nrt__client *client = client_of(c);
    nrt_request *request = make_request(c);
    nrt__message *message = &request->message;
    size_t taken = 0;
    int error;
    sim_trace(w, "call %d: node %d, %s %s, %s%s%s, %zu up, %zu down, timeout %u ms", c->number,
              c->by->number, c->method, c->host,
              c->whole   ? "whole"
              : c->opens ? "open"
                         : "start",
              c->tunnel ? ", upgrade" : "", c->early ? ", early" : "", c->up, c->down,
              c->timeout_ms);
    if (c->whole) {
        error = nrt__client_send(client, message, c->timeout_ms, on_result, c, &c->id);
    } else if (c->opens) {
        error = nrt__client_open(client, message, c->timeout_ms, &events, c, &c->id, &taken);
        c->written = taken;
    } else {
        error = nrt__client_start(client, message, c->timeout_ms, &events, c, &c->id);
    }
    nrt_request_destroy(request);
    if (error < 0) {
        refused(c, error);
        return;
    }
    if (c->long_poll && nrt__client_wait_long(client, c->id) < 0 && !c->closed) {
        sim_fail(w, "the simulation", "call %d cannot wait long", c->number);
    }
    if (c->cancel_ms > 0) {
        sim_after(w, c->cancel_ms, cancel_later, c, c->life);
    }
    if (c->opens && !c->closed) {
        write_more(c);
    }
}
