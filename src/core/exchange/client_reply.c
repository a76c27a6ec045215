/* What comes back for a client's exchanges: replies, frames, refusals. */
#include <stdio.h>

#include "core/base/str.h"
#include "core/exchange/client_private.h"
#include "core/exchange/frame.h"
#include "core/http/h1_whole.h"

enum { UNKNOWN_PER_SECOND = 1000 };

/* The exchange that a reply's subject names, if it knows the secret: replies can be forged by
 * whoever may publish to inboxes. */
static nrt__pending *find(nrt__client *client, nrt_str subject) {
    size_t slot;
    if (subject.len != client->inbox_len + NRT__TOKEN_CHARS) {
        return NULL;
    }
    const nrt_str text = {subject.ptr + client->inbox_len, NRT__TOKEN_CHARS};
    if (!nrt__token_slot(text, &slot) || slot >= client->slot_count) {
        return NULL;
    }
    nrt__pending *one = client->slots[slot];
    return one->state == NRT__PENDING_SENT && nrt__token_is(&one->token, text) ? one : NULL;
}

static const char single_reply[] =
    "the service may send one reply only, and this request needs several: its user must be "
    "permitted to publish to inboxes, or allow_responses { max: -1 } (between accounts: "
    "response_type: stream in the export) with nrt serve --multi-reply";

/* Certainly not executed, this time. */
static void on_refuse(nrt__client *client, nrt__pending *one, const nrt__frame *frame) {
    char text[NRT__FRAME_CODE_MAX + 64];
    if (nrt__pending_retry(client, one, NRT_RETRY_REFUSED)) {
        return;
    }
    if (nrt__str_equal(frame->code, NRT__STR("single-reply"))) {
        nrt__pending_give_up(
            client, one, one->call && one->call->upgrade ? NRT_ERR_UNSUPPORTED : NRT_ERR_TOO_LARGE,
            single_reply);
        return;
    }
    snprintf(text, sizeof(text), "the service refuses the request: %.*s",
             NRT__ARG(frame->code.len > 0 ? frame->code : NRT__STR("it does not say why")));
    nrt__pending_give_up(client, one, NRT_ERR_REFUSED, text);
}

static void on_frame(nrt__client *client, nrt__pending *one, const nrt__frame *frame,
                     const nrt__nats_msg *msg) {
    nrt__session *by = nrt__session_delivering(client->session);
    nrt__peer_framed(nrt__pending_peer(client, one), client->env->now_ms);
    if (one->accepted && one->accepted_by != by) {
        return; /* in a lame duck, all comes by both sessions */
    }
    if (frame->type == NRT__FRAME_REFUSE && !one->accepted) {
        on_refuse(client, one, frame);
        return;
    }
    if (!one->accepted && (frame->type == NRT__FRAME_CREDIT || frame->type == NRT__FRAME_PING)) {
        nrt__pending_end(client, one, NRT_ERR_PROTOCOL,
                         "the service sent a frame that has no place here", NULL);
        return;
    }
    if (!one->accepted) {
        one->accepted = true;
        one->accepted_by = by;
        nrt__timer_set(client->timers, &one->timer, one->deadline_ms, nrt__pending_on_timer,
                       client);
    } else if (frame->type == NRT__FRAME_ACCEPT) {
        nrt__pending_end(client, one, NRT_ERR_PROTOCOL, "the service accepted the request twice",
                         NULL);
        return;
    }
    nrt__call_frame(client, one, frame, msg);
}

static void on_response(nrt__client *client, nrt__pending *one, nrt_str payload) {
    nrt__message *message = &client->response.message;
    unsigned flags = NRT__H1_OLD_PEER | (one->to_head ? NRT__H1_TO_HEAD : 0);
    int error = nrt__h1_read_whole(&client->reader, message, flags, payload);
    const char *detail = client->reader.reason;
    if (error == 0 && one->call && one->call->headed) {
        error = NRT_ERR_PROTOCOL;
        detail = "a second response came";
    }
    if (error == 0 && message->status < 200) {
        error = NRT_ERR_PROTOCOL;
        detail = "an interim response stands where the final one must";
    }
    if (error < 0) {
        char text[256];
        snprintf(text, sizeof(text), "the service's reply is not a valid HTTP/1.1 response: %s",
                 detail);
        nrt__pending_end(client, one, error == NRT_ERR_MEMORY ? error : NRT_ERR_PROTOCOL, text,
                         NULL);
        return;
    }
    if (nrt__fields_find(&message->fields, NRT__NRT_VERSION, NULL)) {
        nrt__peer_framed(nrt__pending_peer(client, one), client->env->now_ms);
    }
    nrt__fields_strip_hop(&message->fields);
    nrt__pending_end(client, one, 0, "", &client->response);
}

/* A service that works for nobody: whose connection was lost here it cannot know. It asks from time
 * to time whether somebody waits. */
static void tell_unknown(nrt__client *client, const nrt__nats_msg *msg) {
    const nrt__frame abort = {.type = NRT__FRAME_ABORT, .code = NRT__STR("unknown")};
    char text[NRT__FRAME_TEXT_MAX];
    nrt__frame frame;
    if (msg->header.len == 0 || nrt__frame_read(&frame, msg->header) != 1 ||
        (frame.type != NRT__FRAME_PING && frame.type != NRT__FRAME_ACCEPT) ||
        !nrt__reply_is_safe(msg->reply)) {
        return;
    }
    if (client->env->now_ms - client->unknown_ms >= 1000) {
        client->unknown_ms = client->env->now_ms;
        client->unknown = 0;
    }
    if (client->unknown < UNKNOWN_PER_SECOND) {
        client->unknown++;
        nrt__session_publish_frame(nrt__session_delivering(client->session), msg->reply,
                                   (nrt_str){NULL, 0}, nrt__frame_write(&abort, text), NULL, 0);
    }
}

void nrt__client_on_reply(const nrt__nats_msg *msg, void *arg) {
    nrt__client *client = arg;
    nrt__pending *one = find(client, msg->subject);
    if (!one) {
        client->stats.orphans++;
        nrt__log(client->env, NRT_LOG_DEBUG, "a reply for no exchange in flight was dropped");
        tell_unknown(client, msg);
        return;
    }
    if (msg->status == 503 && msg->payload.len == 0 && one->accepted) {
        nrt__pending_end(client, one, NRT_ERR_ABORTED, "the instance that had the request is gone",
                         NULL);
        return;
    }
    if (msg->status == 503 && msg->payload.len == 0) {
        if (!nrt__pending_retry(client, one, NRT_RETRY_NO_SERVICE)) {
            nrt__pending_give_up(client, one, NRT_ERR_NO_SERVICE,
                                 nrt_error_text(NRT_ERR_NO_SERVICE));
        }
        return;
    }
    if (msg->oversized) {
        nrt__pending_end(client, one, NRT_ERR_RESPONSE_TOO_LARGE,
                         "the response is larger than this client takes in (max_message)", NULL);
        return;
    }
    nrt__frame frame;
    int framed = msg->header.len > 0 ? nrt__frame_read(&frame, msg->header) : 0;
    if (framed < 0) {
        nrt__pending_end(client, one, NRT_ERR_PROTOCOL, "the reply's NRT-Frame is not valid", NULL);
    } else if (framed > 0) {
        on_frame(client, one, &frame, msg);
    } else {
        on_response(client, one, msg->payload);
    }
}
