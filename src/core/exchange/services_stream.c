/* Exchanges whose bodies come and go in frames, as the service sees them. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "core/exchange/services_private.h"
#include "core/http/h1_whole.h"
#include "core/http/h1_writer.h"
#include "core/nats/subject.h"

enum {
    GRANT_MAX = 16 * 1024 * 1024, /* of all windows together */
};

/* ---- made and unmade ---- */

static uint32_t window_of(const nrt__services *services) {
    size_t share = GRANT_MAX / (services->streams.count + 1);
    size_t most = services->options.window ? services->options.window : NRT__WINDOW_MAX;
    share = share < most ? share : most;
    return (uint32_t)(share > NRT__FLOW_WINDOW_MIN ? share : NRT__FLOW_WINDOW_MIN);
}

/* A place in the table by which tokens find it. */
static bool take_slot(nrt__streams *streams, nrt__served *one) {
    size_t slot = 0;
    if (streams->count == streams->slots) {
        size_t slots = streams->slots ? streams->slots * 2 : 64;
        nrt__served **list = NULL;
        if (slots <= ((size_t)1 << NRT__SLOT_BITS)) {
            list = realloc(streams->list, slots * sizeof(nrt__served *));
        }
        if (!list) {
            return false;
        }
        memset(list + streams->slots, 0, (slots - streams->slots) * sizeof(nrt__served *));
        slot = streams->slots;
        streams->list = list;
        streams->slots = slots;
    } else {
        for (slot = streams->hint; streams->list[slot]; slot = (slot + 1) % streams->slots) {
        }
    }
    streams->hint = (slot + 1) % streams->slots;
    streams->list[slot] = one;
    streams->count++;
    one->token.slot = (uint32_t)slot;
    return true;
}

nrt__served *nrt__served_create(nrt_exchange *exchange) {
    nrt_service *service = exchange->service;
    nrt__services *services = service->services;
    nrt_str prefix = service->stream_prefix;
    nrt__served *one = calloc(1, sizeof(*one) + prefix.len + NRT__TOKEN_CHARS);
    if (!one || nrt__token_renew(services->env, &one->token) < 0 ||
        !take_slot(&services->streams, one)) {
        free(one);
        return NULL;
    }
    one->exchange = exchange;
    one->begun = true;
    exchange->served = one;
    memcpy(one->from, prefix.ptr, prefix.len);
    nrt__token_write(&one->token, one->from + prefix.len);
    nrt__flow_init(&one->flow, nrt__exchange_session(exchange), window_of(services));
    one->flow.from = (nrt_str){one->from, prefix.len + NRT__TOKEN_CHARS};
    one->flow.to = exchange->reply;
    one->flow.out_max = exchange->accept.window;
    one->flow.in_ended = true; /* unless it is opened as a stream */
    one->flow.heard_ms = one->flow.said_ms = one->flow.named_ms = services->env->now_ms;
    nrt__buf_init(&one->upload, services->options.max_body);
    nrt__services_watch(services);
    return one;
}

void nrt__served_destroy(nrt__services *services, nrt__served *one) {
    if (!one) {
        return;
    }
    nrt__flow_wait_no_more(&one->flow);
    if (services) {
        services->streams.list[one->token.slot] = NULL;
        services->streams.count--;
        if (services->streams.count == 0) {
            nrt__timer_clear(services->timers, &services->streams.tick);
        }
    }
    one->exchange->served = NULL;
    nrt__buf_free(&one->upload);
    free(one);
}

/* It can go no further for now: no room, or no credit. `busy`: not even a frame had room. */
static void wait_for_room(nrt__served *one, bool busy) {
    one->waits = true;
    nrt__flow_wait(&one->flow, &one->exchange->service->services->crowd, busy);
}

static int64_t now_of(const nrt_exchange *exchange) {
    return exchange->service->services->env->now_ms;
}

/* ---- requests that are streams ---- */

static const char stream_line[] = "NRT/1\r\n";

bool nrt__exchange_is_open(const nrt__nats_msg *msg, nrt__frame *frame) {
    return msg->header.len > 0 && nrt__frame_read(frame, msg->header) == 1 &&
           frame->type == NRT__FRAME_OPEN;
}

int nrt__exchange_read_open(nrt_exchange *exchange, nrt_str payload, size_t *head,
                            const char **detail) {
    nrt__services *services = exchange->service->services;
    nrt__message *request = &exchange->request.message;
    const size_t line = sizeof(stream_line) - 1;
    if (!nrt__str_starts(payload, NRT__STR(stream_line))) {
        *detail = "the first line of a stream is NRT/1";
        return NRT_ERR_BAD_REQUEST;
    }
    const nrt_str rest = {payload.ptr + line, payload.len - line};
    int error = nrt__h1_read_head(&services->reader, request, NRT__H1_REQUEST, rest, head);
    *detail = services->reader.reason;
    request->body = (nrt_str){rest.ptr + *head, rest.len - *head};
    request->upgrade = nrt__fields_value(&request->fields, NRT__UPGRADE);
    return error;
}

/* The handler gets the request: its head, or all of it. */
static void run(nrt_exchange *exchange) {
    nrt__services *services = exchange->service->services;
    exchange->served->begun = true;
    exchange->handled = true;
    services->run(exchange, services->run_arg);
}

static void on_event(nrt_exchange *exchange, nrt__flow_event event, nrt_str payload);

/* Who wants the request whole gets it when it is. Its first part lies in the exchange's arena. */
static int collect(nrt__served *one, nrt_str bytes) {
    if (!nrt__buf_put(&one->upload, bytes)) {
        return nrt__buf_len(&one->upload) + bytes.len > one->upload.max ? NRT_ERR_TOO_LARGE
                                                                        : NRT_ERR_MEMORY;
    }
    nrt__flow_take(&one->flow, bytes.len, now_of(one->exchange));
    return 0;
}

int nrt__exchange_continue(nrt_exchange *exchange) {
    nrt_fields *fields = &exchange->request.message.fields;
    if (!nrt__fields_find(fields, NRT__EXPECT, NULL)) {
        return 0;
    }
    nrt__message message;
    nrt__message_init(&message, false);
    message.status = 100;
    nrt__fields_drop_id(fields, NRT__EXPECT);
    int error = nrt__exchange_interim(exchange, &message);
    nrt__message_free(&message);
    return error;
}

int nrt__exchange_opened(nrt_exchange *exchange, const nrt__frame *frame, const char **detail) {
    nrt_service *service = exchange->service;
    nrt__message *request = &exchange->request.message;
    nrt__served *one = nrt__served_create(exchange);
    if (!one) {
        return NRT_ERR_MEMORY;
    }
    one->opened = true;
    one->begun = one->flow.in_ended = false;
    one->has_length = request->has_length;
    one->length = request->length;
    int error =
        nrt__flow_receive_head(&one->flow, frame, request->body.len, now_of(exchange), detail);
    if (error < 0) {
        return NRT_ERR_BAD_REQUEST;
    }
    error = nrt__flow_accept(&one->flow, now_of(exchange));
    if (error < 0) {
        return error;
    }
    nrt_str first = request->body;
    request->body = (nrt_str){"", 0};
    if (!service->options.streaming && request->upgrade.len > 0) { /* complete; it gets HTTP */
        request->upgrade = (nrt_str){NULL, 0};
        one->flow.in_ended = true;
        run(exchange);
        return 0;
    }
    if (!service->options.streaming) {
        error = nrt__exchange_continue(exchange); /* who takes it whole wants it */
        return error < 0 ? error : collect(one, first);
    }
    const nrt__streams *streams = &service->services->streams;
    size_t slot = one->token.slot;
    run(exchange);
    if (first.len > 0 && streams->list[slot] == one) { /* else the handler has ended it */
        on_event(exchange, NRT__FLOW_DATA, first);
    }
    return 0;
}

/* The request's body is complete. */
static int on_request_end(nrt_exchange *exchange, nrt_str payload, const char **detail) {
    nrt__served *one = exchange->served;
    nrt__services *services = exchange->service->services;
    nrt__message *trailers = &services->trailers;
    if (one->has_length && one->flow.in_got != one->length) {
        *detail = "the body is not as long as its head says";
        return NRT_ERR_BAD_REQUEST;
    }
    if (payload.len > 0 &&
        nrt__h1_read_trailers(&services->reader, trailers, payload, &services->trailer_text) < 0) {
        *detail = services->reader.reason;
        return NRT_ERR_BAD_REQUEST;
    }
    const nrt_fields *fields = &trailers->trailers;
    if (payload.len == 0) {
        nrt__message_reset(trailers);
    }
    if (one->begun) {
        const nrt_exchange_events *events = nrt__exchange_listener(exchange);
        if (events && events->end) {
            events->end(exchange, fields, exchange->events_arg);
        }
        return 0;
    }
    nrt__message *request = &exchange->request.message;
    /* It outlives the stream: handlers may be at it when the connection goes. */
    exchange->upload = one->upload;
    nrt__buf_init(&one->upload, 0);
    request->body = nrt__buf_view(&exchange->upload);
    if (!nrt__fields_copy(&request->trailers, fields)) {
        return NRT_ERR_MEMORY;
    }
    run(exchange);
    return 0;
}

/* ---- what the handler does, on the connection's thread ---- */

bool nrt__exchange_can_stream(const nrt_exchange *exchange) {
    return exchange->service && exchange->framed && exchange->accept.version >= 1 &&
           exchange->accept.window > 0;
}

bool nrt__exchange_has_all(const nrt_exchange *exchange) {
    return !exchange->served || !exchange->served->opened || exchange->served->flow.in_ended;
}

void nrt__exchange_stream(nrt_exchange *exchange, const nrt_exchange_events *events, void *arg) {
    exchange->events = events;
    exchange->events_arg = arg;
}

/* What frames need, made with the first of them. NRT_ERR_UNSUPPORTED where there are none. */
static int make_served(nrt_exchange *exchange) {
    if (!exchange->served && nrt__exchange_can_stream(exchange) && !nrt__served_create(exchange)) {
        return NRT_ERR_MEMORY;
    }
    return exchange->served ? 0 : NRT_ERR_UNSUPPORTED;
}

static int write_head(nrt_exchange *exchange, nrt__frame_type type, nrt__message *message,
                      nrt_str body) {
    nrt__services *services = exchange->service->services;
    nrt__served *one = exchange->served;
    unsigned skip = exchange->is_problem ? 0 : NRT__FIELD_NRT;
    nrt_str extra =
        type == NRT__FRAME_HEAD ? nrt__exchange_extra(services, exchange) : (nrt_str){NULL, 0};
    nrt__buf_clear(&services->scratch);
    nrt__h1_write_head(&services->scratch, message, skip, extra);
    if (services->scratch.failed) {
        services->scratch.failed = false;
        return NRT_ERR_MEMORY;
    }
    int error = nrt__flow_send_head(&one->flow, type, one->flow.to,
                                    nrt__buf_view(&services->scratch), body, now_of(exchange));
    if (error == NRT_ERR_BUSY) {
        wait_for_room(one, true);
    }
    return error;
}

int nrt__exchange_interim(nrt_exchange *exchange, nrt__message *message) {
    int error = make_served(exchange);
    if (error < 0 || exchange->served->started || exchange->served->canceled) {
        return error < 0 ? error : NRT_ERR_STATE;
    }
    message->framing = NRT__FRAMING_NONE;
    message->has_length = false;
    return write_head(exchange, NRT__FRAME_INFO, message, (nrt_str){NULL, 0});
}

int nrt__exchange_start(nrt_exchange *exchange) {
    nrt__message *response = &exchange->response.message;
    int error = make_served(exchange);
    nrt__served *one = exchange->served;
    if (error < 0 || one->started || one->canceled) {
        return error < 0 ? error : NRT_ERR_STATE;
    }
    bool sized = response->has_length && !exchange->to_head;
    response->framing = sized ? NRT__FRAMING_LENGTH : NRT__FRAMING_NONE;
    error = write_head(exchange, NRT__FRAME_HEAD, response, (nrt_str){NULL, 0});
    one->started = error == 0;
    return error;
}

int nrt__exchange_send(nrt_exchange *exchange, nrt_str bytes, size_t *sent) {
    nrt__served *one = exchange->served;
    *sent = 0;
    if (!one || !one->started || one->flow.out_ended) {
        return NRT_ERR_STATE;
    }
    if (exchange->to_head) { /* that has no body: it goes nowhere */
        *sent = bytes.len;
        return 0;
    }
    int error = nrt__flow_write(&one->flow, bytes, sent, now_of(exchange));
    one->waits = false;
    if (*sent < bytes.len) {
        wait_for_room(one, false);
    }
    return error;
}

int nrt__exchange_flush(nrt_exchange *exchange) {
    size_t sent = 0;
    nrt_str body = nrt__buf_view(&exchange->body);
    int error = body.len > 0 ? nrt__exchange_send(exchange, body, &sent) : 0;
    nrt__buf_consume(&exchange->body, sent);
    return error < 0 ? error : sent == body.len;
}

void nrt__exchange_take(nrt_exchange *exchange, size_t len) {
    if (exchange->served && exchange->service) {
        nrt__flow_take(&exchange->served->flow, len, now_of(exchange));
    }
}

void nrt__exchange_abort(nrt_exchange *exchange, const char *code) {
    if (exchange->served && exchange->service) {
        nrt__flow_abort(&exchange->served->flow, code);
        exchange->served->canceled = true; /* nothing more is told, or said */
        atomic_store_explicit(&exchange->canceled, true, memory_order_relaxed);
    }
}

/* ---- the end ---- */

static int end_body(nrt_exchange *exchange) {
    nrt__services *services = exchange->service->services;
    nrt__buf_clear(&services->scratch);
    nrt__h1_write_trailers(&services->scratch, &exchange->response.message.trailers);
    return nrt__flow_end(&exchange->served->flow, nrt__buf_view(&services->scratch),
                         now_of(exchange));
}

int nrt__exchange_end_body(nrt_exchange *exchange) {
    nrt__served *one = exchange->served;
    if (!one || !one->started || one->flow.out_ended || one->canceled) {
        return NRT_ERR_STATE;
    }
    int error = end_body(exchange);
    one->waits = false;
    if (error == NRT_ERR_BUSY) {
        wait_for_room(one, true);
    }
    return error;
}

/* What is left of the body goes out as it may; true once nothing is left to be done. */
static bool pump(nrt_exchange *exchange) {
    nrt__served *one = exchange->served;
    nrt_str body = nrt__buf_view(&exchange->body);
    size_t sent;
    body.ptr += one->pumped;
    body.len = exchange->to_head ? 0 : body.len - one->pumped;
    int error = nrt__flow_write(&one->flow, body, &sent, now_of(exchange));
    one->pumped += sent;
    one->waits = false;
    if (error == 0 && sent == body.len) {
        error = end_body(exchange);
    }
    if (sent < body.len || error == NRT_ERR_BUSY) {
        wait_for_room(one, error == NRT_ERR_BUSY);
    }
    if (error < 0 && error != NRT_ERR_BUSY) {
        nrt__flow_abort(&one->flow, nrt_error_code(error));
        exchange->failed = error;
        return true;
    }
    return one->flow.out_ended;
}

int nrt__exchange_stream_out(nrt_exchange *exchange) {
    nrt__served *one = exchange->served;
    nrt__message *response = &exchange->response.message;
    if (!one || !one->started) {
        response->length = nrt__buf_len(&exchange->body);
        response->has_length = response->trailers.count == 0;
        int error = nrt__exchange_start(exchange);
        if (error < 0) {
            return error;
        }
        one = exchange->served;
    }
    one->ending = !one->flow.out_ended && !pump(exchange);
    if (!one->ending && response->status == 101 && !one->flow.in_ended) {
        nrt__flow_abort(&one->flow, "none"); /* its handler has left the tunnel */
    }
    return !one->ending;
}

/* Over before its time: nobody waits for the answer, or something broke. */
void nrt__exchange_cancel(nrt_exchange *exchange) {
    nrt__served *one = exchange->served;
    if (one->canceled) {
        return;
    }
    one->canceled = true;
    atomic_store_explicit(&exchange->canceled, true, memory_order_relaxed);
    if (one->ending || !one->begun) { /* the handler has done its part, or will never see it */
        nrt__exchange_over(exchange);
        return;
    }
    const nrt_exchange_events *events = nrt__exchange_listener(exchange);
    if (events && events->canceled) {
        events->canceled(exchange, exchange->events_arg);
    }
}

/* A fault of the client's in the middle: it learns why, once. */
static void fail(nrt_exchange *exchange, int error, const char *detail) {
    nrt__services *services = exchange->service->services;
    nrt__log(services->env, NRT_LOG_DEBUG, "%.*s: %s broken off: %s",
             NRT__ARG(exchange->service->host), exchange->id, detail);
    nrt__flow_abort(&exchange->served->flow, nrt_error_code(error));
    nrt__exchange_cancel(exchange);
}

/* ---- frames ---- */

static nrt__served *find(nrt_service *service, nrt_str subject) {
    const nrt__streams *streams = &service->services->streams;
    nrt_str prefix = service->stream_prefix;
    size_t slot;
    if (subject.len != prefix.len + NRT__TOKEN_CHARS) {
        return NULL;
    }
    const nrt_str text = {subject.ptr + prefix.len, NRT__TOKEN_CHARS};
    if (!nrt__token_slot(text, &slot) || slot >= streams->slots || !streams->list[slot]) {
        return NULL;
    }
    nrt__served *one = streams->list[slot];
    return one->exchange->service == service && nrt__token_is(&one->token, text) ? one : NULL;
}

/* Whoever still talks to an exchange that is over learns that it is: but not everybody at once,
 * never in answer to an abort, and not while the end of the response may be on its way by another
 * session, which this would overtake. */
static void tell_unknown(nrt_service *service, const nrt__nats_msg *msg, const nrt__frame *frame) {
    nrt__services *services = service->services;
    const nrt__frame abort = {.type = NRT__FRAME_ABORT, .code = NRT__STR("unknown")};
    char text[NRT__FRAME_TEXT_MAX];
    uint64_t count;
    if (frame->type == NRT__FRAME_ABORT || !nrt__session_is_alone(services->session) ||
        !nrt__reply_is_safe(msg->reply) ||
        !nrt__log_due(services->env, &services->unknown, &count)) {
        return;
    }
    nrt__session_publish_frame(services->session, msg->reply, (nrt_str){NULL, 0},
                               nrt__frame_write(&abort, text), NULL, 0);
}

/* Taken when the handler returns, unless it says so itself. It may have ended the exchange. */
static void give_data(nrt_exchange *exchange, nrt_str bytes) {
    const nrt__streams *streams = &exchange->service->services->streams;
    nrt__served *one = exchange->served;
    size_t slot = one->token.slot;
    bool hold = exchange->events->hold;
    exchange->events->data(exchange, bytes, exchange->events_arg);
    if (!hold && streams->list[slot] == one) {
        nrt__flow_take(&one->flow, bytes.len, now_of(exchange));
    }
}

static void on_event(nrt_exchange *exchange, nrt__flow_event event, nrt_str payload) {
    nrt__served *one = exchange->served;
    const nrt_exchange_events *events = nrt__exchange_listener(exchange);
    const char *detail = NULL;
    int error = 0;
    switch (event) {
    case NRT__FLOW_DATA:
        if (one->has_length && one->flow.in_got > one->length) {
            error = NRT_ERR_BAD_REQUEST;
            detail = "the body is longer than its head says";
        } else if (one->begun && events && events->data) {
            give_data(exchange, payload);
        } else if (!one->begun) {
            error = collect(one, payload);
        } else { /* a handler that does not want it */
            nrt__flow_take(&one->flow, payload.len, now_of(exchange));
        }
        break;
    case NRT__FLOW_END:
        error = on_request_end(exchange, payload, &detail);
        break;
    case NRT__FLOW_WRITABLE:
        nrt__served_writable(one);
        break;
    case NRT__FLOW_ABORTED:
        nrt__exchange_cancel(exchange);
        break;
    case NRT__FLOW_NOTHING:
        break;
    }
    if (error < 0) {
        fail(exchange, error, detail ? detail : nrt_error_text(error));
    }
}

void nrt__service_on_frame(const nrt__nats_msg *msg, void *arg) {
    nrt_service *service = arg;
    nrt__served *one = find(service, msg->subject);
    nrt__frame frame;
    const char *reason = NULL;
    if (one && one->canceled) {
        return; /* its handler has been told that it is over */
    }
    if (one && msg->status == 503) {
        nrt__exchange_cancel(one->exchange); /* the client has gone */
        return;
    }
    int framed = nrt__frame_read(&frame, msg->header);
    if (!one) {
        if (framed == 1) {
            tell_unknown(service, msg, &frame);
        }
        return;
    }
    nrt_exchange *exchange = one->exchange;
    one->heard = true;
    if (one->flow.session != nrt__session_delivering(service->services->session)) {
        return; /* in a lame duck, all comes by both sessions */
    }
    int event = framed == 1 ? nrt__flow_receive(&one->flow, &frame, msg->payload,
                                                service->services->env->now_ms, &reason)
                            : NRT_ERR_PROTOCOL;
    if (event < 0) {
        fail(exchange, NRT_ERR_BAD_REQUEST, reason ? reason : "a frame is not valid");
        return;
    }
    on_event(exchange, (nrt__flow_event)event, msg->payload);
}

void nrt__served_writable(nrt__served *one) {
    nrt_exchange *exchange = one->exchange;
    if (!one->waits || one->canceled) {
        return;
    }
    if (one->ending) {
        if (pump(exchange)) {
            nrt__exchange_over(exchange);
        }
        return;
    }
    if (exchange->started && nrt__exchange_flush(exchange) != 1) {
        return; /* what was written before goes before */
    }
    const nrt_exchange_events *events = nrt__exchange_listener(exchange);
    if (events && events->writable) {
        one->waits = false;
        events->writable(exchange, exchange->events_arg);
    }
}
