/* Frames that come back for a client's exchanges: heads, bodies, ends. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "core/exchange/client_private.h"
#include "core/http/h1_whole.h"

/* The service says where it listens. */
static int learn_peer(nrt__client *client, nrt__pending *one, nrt_str reply) {
    nrt__call *call = one->call ? one->call : nrt__call_create(client, one);
    if (!call) {
        return NRT_ERR_MEMORY;
    }
    if (call->to || reply.len == 0) {
        return 0;
    }
    /* From here on all goes by the session that brought this: what becomes of another one is
     * nothing to it. */
    call->flow.session = nrt__session_delivering(client->session);
    if (one->session != call->flow.session) {
        one->session = call->flow.session;
        one->from = one->mark = 0;
    }
    if (!nrt__reply_is_safe(reply)) {
        return NRT_ERR_PROTOCOL;
    }
    call->to = malloc(reply.len);
    if (!call->to) {
        return NRT_ERR_MEMORY;
    }
    memcpy(call->to, reply.ptr, reply.len);
    call->flow.to = (nrt_str){call->to, reply.len};
    return 0;
}

static void on_accept(nrt__client *client, nrt__pending *one, const nrt__frame *frame) {
    nrt__call *call = one->call;
    call->flow.heard_ms = client->env->now_ms;
    if (call->opened && (frame->has & NRT__FRAME_HAS_MAX) && frame->max > call->flow.out_max) {
        call->flow.out_max = frame->max;
    }
}

/* Who wants the response whole gets it when it is. */
static int collect_head(nrt__client *client, nrt__call *call) {
    call->response = nrt_response_copy(&client->response);
    return call->response ? 0 : NRT_ERR_MEMORY;
}

static void on_data(nrt__client *client, nrt__pending *one, nrt_str bytes) {
    nrt__call *call = one->call;
    if (bytes.len == 0) {
        return;
    }
    if (one->events) {
        one->events->data(bytes, one->arg);
        return;
    }
    if (!nrt__buf_put(&call->body, bytes)) {
        nrt__pending_end(client, one, NRT_ERR_RESPONSE_TOO_LARGE,
                         "the response is larger than this client takes in (max_body)", NULL);
        return;
    }
    nrt__flow_take(&call->flow, bytes.len, client->env->now_ms);
}

static int on_head(nrt__client *client, nrt__pending *one, const nrt__frame *frame, nrt_str payload,
                   const char **reason) {
    nrt__call *call = one->call;
    nrt__message *message = &client->response.message;
    bool interim = frame->type == NRT__FRAME_INFO;
    size_t len;
    int error = nrt__h1_read_head(&client->reader, message, one->to_head ? NRT__H1_TO_HEAD : 0,
                                  payload, &len);
    *reason = client->reader.reason;
    if (error < 0) {
        return error;
    }
    if (call->headed || interim != (message->status < 200 && message->status != 101) ||
        (interim && len < payload.len)) {
        *reason = "a head has no place here";
        return NRT_ERR_PROTOCOL;
    }
    nrt_str body = {payload.ptr + len, payload.len - len};
    error = nrt__flow_receive_head(&call->flow, frame, body.len, client->env->now_ms, reason);
    if (error < 0) {
        return error;
    }
    message->upgrade = message->status == 101 ? nrt__fields_value(&message->fields, NRT__UPGRADE)
                                              : (nrt_str){NULL, 0};
    nrt__fields_strip_hop(&message->fields);
    if (interim) {
        if (one->events && one->events->interim) {
            one->events->interim(&client->response, one->arg);
        }
        return 0;
    }
    call->headed = true;
    call->tunnel = message->status == 101;
    bool bodyless = one->to_head || (!call->tunnel && nrt__status_is_bodyless(message->status));
    call->has_length = message->has_length || bodyless;
    call->length = bodyless ? 0 : message->length;
    if (!call->flow.to.ptr) {
        *reason = "the service does not say where it listens";
        return NRT_ERR_PROTOCOL;
    }
    if (call->has_length && body.len > call->length) {
        *reason = "the body is longer than its head says";
        return NRT_ERR_PROTOCOL;
    }
    nrt__timer_clear(client->timers, &one->timer);
    if (call->tunnel && !call->upgrade) {
        *reason = "an upgrade that was not asked for";
        return NRT_ERR_PROTOCOL;
    }
    uint64_t generation = one->generation;
    if (one->events) {
        one->events->head(&client->response, false, one->arg);
    } else {
        error = collect_head(client, call);
    }
    if (error == 0 && one->generation == generation && one->call == call) {
        on_data(client, one, body);
    }
    return error;
}

void nrt__call_finish(nrt__client *client, nrt__pending *one) {
    nrt__call *call = one->call;
    if (!call->flow.in_ended || (call->tunnel && !call->flow.out_ended)) {
        return;
    }
    if (!call->flow.out_ended && call->opened) {
        nrt__flow_abort(&call->flow, "none"); /* nobody reads the rest of the request */
    }
    if (one->events) {
        nrt__pending_end(client, one, 0, "", NULL);
        return;
    }
    nrt_response *response = call->response;
    call->response = NULL;
    nrt__buf body = call->body;
    nrt__buf_init(&call->body, 0);
    response->message.body = nrt__buf_view(&body);
    nrt__pending_end(client, one, 0, "", response);
    nrt_response_destroy(response);
    nrt__buf_free(&body);
}

static int on_end(nrt__client *client, nrt__pending *one, nrt_str payload, const char **reason) {
    nrt__call *call = one->call;
    nrt__message *message = &client->response.message;
    nrt_fields none;
    const nrt_fields *trailers = &none;
    nrt__fields_init(&none, NULL);
    if (call->has_length && call->flow.in_got != call->length) {
        *reason = "the body is not as long as its head says";
        return NRT_ERR_PROTOCOL;
    }
    if (payload.len > 0) {
        int error = nrt__h1_read_trailers(&client->reader, message, payload, &client->trailers);
        if (error < 0) {
            *reason = client->reader.reason;
            return error;
        }
        trailers = &message->trailers;
    }
    uint64_t generation = one->generation;
    if (one->events) {
        one->events->end(trailers, one->arg);
    } else if (!nrt__fields_copy(&call->response->message.trailers, trailers)) {
        return NRT_ERR_MEMORY;
    }
    if (one->generation == generation && one->call == call) {
        nrt__call_finish(client, one);
    }
    return 0;
}

/* The service has broken off. */
static void on_abort(nrt__client *client, nrt__pending *one, const nrt__frame *frame) {
    nrt__call *call = one->call;
    /* After its own end: it wants no more of our direction. */
    bool none = nrt__str_equal(frame->code, NRT__STR("none"));
    if (none && call->flow.in_ended) {
        call->flow.out_ended = true;
        nrt__call_finish(client, one);
        return;
    }
    call->flow.to = (nrt_str){NULL, 0}; /* an abort is not answered */
    char text[NRT__FRAME_CODE_MAX + 48];
    snprintf(text, sizeof(text), "the service broke off: %.*s",
             NRT__ARG(frame->code.len > 0 ? frame->code : NRT__STR("it does not say why")));
    nrt__pending_end(client, one, NRT_ERR_ABORTED, text, NULL);
}

static int on_flow(nrt__client *client, nrt__pending *one, const nrt__frame *frame, nrt_str payload,
                   const char **reason) {
    nrt__call *call = one->call;
    bool content = frame->type == NRT__FRAME_DATA || frame->type == NRT__FRAME_END;
    if (content && !call->headed) {
        *reason = "a body came before its head";
        return NRT_ERR_PROTOCOL;
    }
    int event = nrt__flow_receive(&call->flow, frame, payload, client->env->now_ms, reason);
    if (event < 0) {
        return event;
    }
    switch ((nrt__flow_event)event) {
    case NRT__FLOW_DATA:
        if (call->has_length && call->flow.in_got > call->length) {
            *reason = "the body is longer than its head says";
            return NRT_ERR_PROTOCOL;
        }
        on_data(client, one, payload);
        break;
    case NRT__FLOW_END:
        return on_end(client, one, payload, reason);
    case NRT__FLOW_WRITABLE:
        nrt__call_writable(client, call);
        break;
    case NRT__FLOW_ABORTED:
        on_abort(client, one, frame);
        break;
    case NRT__FLOW_NOTHING:
        break;
    }
    return 0;
}

void nrt__call_frame(nrt__client *client, nrt__pending *one, const nrt__frame *frame,
                     const nrt__nats_msg *msg) {
    const char *reason = "";
    bool known = one->call && one->call->to;
    uint64_t generation = one->generation;
    int error = learn_peer(client, one, msg->reply);
    if (error == NRT_ERR_PROTOCOL) {
        reason = "the service names a reply subject that is not safe";
    }
    if (one->left) { /* now there is somebody to tell */
        nrt__pending_end(client, one, NRT_ERR_CANCELED, nrt_error_text(NRT_ERR_CANCELED), NULL);
        return;
    }
    if (error == 0) {
        switch (frame->type) {
        case NRT__FRAME_ACCEPT:
            on_accept(client, one, frame);
            break;
        case NRT__FRAME_INFO:
        case NRT__FRAME_HEAD:
            error = on_head(client, one, frame, msg->payload, &reason);
            break;
        default:
            error = on_flow(client, one, frame, msg->payload, &reason);
            break;
        }
    }
    if (error < 0) {
        char text[200];
        snprintf(text, sizeof(text), "the service's answer is not valid: %s",
                 *reason ? reason : nrt_error_text(error));
        nrt__pending_end(client, one, error == NRT_ERR_MEMORY ? error : NRT_ERR_PROTOCOL, text,
                         NULL);
        return;
    }
    /* What has waited to be sent until we knew where: `accept` may be lost, so any frame will do.
     */
    if (!known && one->generation == generation && one->call && one->call->to) {
        nrt__call_writable(client, one->call);
    }
    if (one->generation == generation && one->call) {
        nrt__call_check_denied(client, one->call);
    }
}
