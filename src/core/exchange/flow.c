/* The two bodies of one exchange as frames. */
#include "core/exchange/flow.h"

#include "core/base/str.h"

void nrt__flow_init(nrt__flow *flow, nrt__session *session, uint32_t window) {
    *flow = (nrt__flow){.session = session, .window = window, .in_max = window};
}

/* ---- who waits for room ---- */

static void link_before(nrt__waiter *at, nrt__waiter *one) {
    one->prev = at->prev;
    one->next = at;
    at->prev->next = one;
    at->prev = one;
}

void nrt__flow_wait_no_more(nrt__flow *flow) {
    nrt__waiter *one = &flow->waiter;
    if (one->next) {
        one->prev->next = one->next;
        one->next->prev = one->prev;
        one->next = one->prev = NULL;
    }
}

void nrt__flow_wait(nrt__flow *flow, nrt__waiter *ring, bool busy) {
    bool room = busy || flow->out_max > flow->out_sent;
    if (room && flow->to.ptr && !flow->waiter.next) {
        link_before(ring, &flow->waiter);
    }
}

/* Those of one ring go before those of another. */
static void put_before(nrt__waiter *ring, nrt__waiter *those) {
    if (those->next != those) {
        those->next->prev = ring;
        those->prev->next = ring->next;
        ring->next->prev = those->prev;
        ring->next = those->next;
        those->next = those->prev = those;
    }
}

void nrt__flow_go_on(nrt__waiter *ring, void (*fn)(nrt__flow *flow, void *arg), void *arg) {
    nrt__waiter left = {&left, &left};
    nrt__waiter later = {&later, &later};
    put_before(&left, ring); /* whoever begins to wait now has its turn the next time */
    while (left.next != &left) {
        nrt__flow *flow = (nrt__flow *)((char *)left.next - offsetof(nrt__flow, waiter));
        nrt__flow_wait_no_more(flow);
        if (nrt__session_capacity(flow->session) > 0) {
            fn(flow, arg);
        } else { /* it is told again; another may be on a session that has room */
            link_before(&later, &flow->waiter);
        }
    }
    put_before(ring, &later);
}

/* ---- in ---- */

static int broken(const char **reason, const char *text) {
    *reason = text;
    return NRT_ERR_PROTOCOL;
}

static int check_number(nrt__flow *flow, const nrt__frame *frame, const char **reason) {
    if (!(frame->has & NRT__FRAME_HAS_N) || frame->n != flow->in_n) {
        return broken(reason, "a frame is missing, or came twice");
    }
    if (flow->in_ended) {
        return broken(reason, "a frame came after the end of the body");
    }
    return 0;
}

static int count_body(nrt__flow *flow, size_t len, const char **reason) {
    if (len > flow->in_max - flow->in_got) {
        return broken(reason, "more body came than was allowed");
    }
    flow->in_got += len;
    return 0;
}

static int raise_credit(nrt__flow *flow, const nrt__frame *frame) {
    if (!(frame->has & NRT__FRAME_HAS_MAX) || frame->max <= flow->out_max) {
        return NRT__FLOW_NOTHING; /* what is old, or said again, does no harm */
    }
    flow->out_max = frame->max;
    return flow->out_ended ? NRT__FLOW_NOTHING : NRT__FLOW_WRITABLE;
}

int nrt__flow_receive_head(nrt__flow *flow, const nrt__frame *frame, size_t body, int64_t now_ms,
                           const char **reason) {
    flow->heard_ms = now_ms;
    int error = check_number(flow, frame, reason);
    if (error == 0) {
        error = count_body(flow, body, reason);
        flow->in_n++;
    }
    return error;
}

static int on_end(nrt__flow *flow, const nrt__frame *frame, const char **reason) {
    int error = check_number(flow, frame, reason);
    if (error < 0) {
        return error;
    }
    if (!(frame->has & NRT__FRAME_HAS_LENGTH) || frame->length != flow->in_got) {
        return broken(reason, "the body's length is not what was sent");
    }
    flow->in_n++;
    flow->in_ended = true;
    return NRT__FLOW_END;
}

int nrt__flow_receive(nrt__flow *flow, const nrt__frame *frame, nrt_str payload, int64_t now_ms,
                      const char **reason) {
    int error;
    flow->heard_ms = now_ms;
    switch (frame->type) {
    case NRT__FRAME_DATA:
        error = check_number(flow, frame, reason);
        error = error < 0 ? error : count_body(flow, payload.len, reason);
        flow->in_n++;
        return error < 0 ? error : NRT__FLOW_DATA;
    case NRT__FRAME_END:
        return on_end(flow, frame, reason);
    case NRT__FRAME_CREDIT:
        return raise_credit(flow, frame);
    case NRT__FRAME_PING:
        if (!(frame->has & NRT__FRAME_HAS_N) || frame->n != flow->in_n) {
            return broken(reason, "a frame was lost");
        }
        return raise_credit(flow, frame);
    case NRT__FRAME_ABORT:
        return NRT__FLOW_ABORTED;
    case NRT__FRAME_NONE:
    case NRT__FRAME_OPEN:
    case NRT__FRAME_ACCEPT:
    case NRT__FRAME_REFUSE:
    case NRT__FRAME_INFO:
    case NRT__FRAME_HEAD:
        break;
    }
    return broken(reason, "a frame came that has no place here");
}

/* ---- out ---- */

static int publish(nrt__flow *flow, const nrt__frame *frame, nrt_str to, nrt_str reply,
                   const nrt_str *parts, size_t count, int64_t now_ms) {
    char text[NRT__FRAME_TEXT_MAX];
    if (to.len == 0) { /* nobody has said where, or it is over */
        return NRT_ERR_STATE;
    }
    int error = nrt__session_publish_frame(flow->session, to, reply, nrt__frame_write(frame, text),
                                           parts, count);
    flow->said_ms = error == 0 ? now_ms : flow->said_ms;
    flow->named_ms = error == 0 && reply.len > 0 ? now_ms : flow->named_ms;
    return error;
}

void nrt__flow_take(nrt__flow *flow, size_t len, int64_t now_ms) {
    uint64_t held = flow->in_got - flow->in_taken;
    flow->in_taken += len < held ? len : held;
    uint64_t max = flow->in_taken + flow->window;
    if (flow->in_ended || !flow->to.ptr || max - flow->in_max < flow->window / 4) {
        return;
    }
    const nrt__frame credit = {.type = NRT__FRAME_CREDIT, .has = NRT__FRAME_HAS_MAX, .max = max};
    if (publish(flow, &credit, flow->to, (nrt_str){NULL, 0}, NULL, 0, now_ms) == 0) {
        flow->in_max = max; /* unsent, it comes with the next one, or with a ping */
    }
}

size_t nrt__flow_room(nrt__flow *flow) {
    uint64_t credit = flow->out_max - flow->out_sent;
    size_t room = flow->to.ptr && !flow->out_ended ? nrt__session_capacity(flow->session) : 0;
    return credit < room ? (size_t)credit : room;
}

int nrt__flow_send_head(nrt__flow *flow, nrt__frame_type type, nrt_str to, nrt_str head,
                        nrt_str body, int64_t now_ms) {
    const nrt__frame frame = {.type = type, .has = NRT__FRAME_HAS_N, .n = flow->out_n};
    const nrt_str parts[] = {head, body};
    int error = publish(flow, &frame, to, flow->from, parts, 2, now_ms);
    if (error == 0) {
        flow->out_n++;
        flow->out_sent += body.len;
    }
    return error;
}

int nrt__flow_write(nrt__flow *flow, nrt_str bytes, size_t *sent, int64_t now_ms) {
    size_t most = (size_t)nrt__session_info(flow->session)->max_payload;
    most = most > 2 * NRT__FRAME_TEXT_MAX ? most - NRT__FRAME_TEXT_MAX : NRT__FRAME_TEXT_MAX;
    most = most < NRT__FLOW_CHUNK ? most : NRT__FLOW_CHUNK;
    *sent = 0;
    while (*sent < bytes.len) {
        size_t room = nrt__flow_room(flow);
        size_t len = bytes.len - *sent < most ? bytes.len - *sent : most;
        len = len < room ? len : room;
        if (len == 0) {
            return 0;
        }
        const nrt__frame data = {
            .type = NRT__FRAME_DATA, .has = NRT__FRAME_HAS_N, .n = flow->out_n};
        const nrt_str piece = {bytes.ptr + *sent, len};
        int error = publish(flow, &data, flow->to, (nrt_str){NULL, 0}, &piece, 1, now_ms);
        if (error == NRT_ERR_BUSY || error == NRT_ERR_DISCONNECTED) {
            return 0; /* of a session that is lost its user hears in a moment */
        }
        if (error < 0) {
            return error;
        }
        flow->out_n++;
        flow->out_sent += len;
        *sent += len;
    }
    return 0;
}

int nrt__flow_end(nrt__flow *flow, nrt_str trailers, int64_t now_ms) {
    const nrt__frame end = {.type = NRT__FRAME_END,
                            .has = NRT__FRAME_HAS_N | NRT__FRAME_HAS_LENGTH,
                            .n = flow->out_n,
                            .length = flow->out_sent};
    int error = publish(flow, &end, flow->to, (nrt_str){NULL, 0}, &trailers, 1, now_ms);
    if (error == 0) {
        flow->out_n++;
        flow->out_ended = true;
    }
    return error == NRT_ERR_DISCONNECTED ? NRT_ERR_BUSY : error; /* as above */
}

int nrt__flow_accept(nrt__flow *flow, int64_t now_ms) {
    const nrt__frame accept = {
        .type = NRT__FRAME_ACCEPT, .has = NRT__FRAME_HAS_MAX, .max = flow->in_max};
    return publish(flow, &accept, flow->to, flow->from, NULL, 0, now_ms);
}

/* The server has made these subjects, between two accounts, where it sends no 503. */
static bool is_far(const nrt__flow *flow) {
    return nrt__str_starts(flow->to, NRT__STR("_R_."));
}

bool nrt__flow_is_dead(const nrt__flow *flow, int64_t now_ms) {
    return now_ms - flow->heard_ms >= (is_far(flow) ? NRT__FLOW_DEAD_FAR_MS : NRT__FLOW_DEAD_MS);
}

int nrt__flow_ping(nrt__flow *flow, int64_t now_ms) {
    const nrt__frame ping = {.type = NRT__FRAME_PING,
                             .has = NRT__FRAME_HAS_N | NRT__FRAME_HAS_MAX,
                             .n = flow->out_n,
                             .max = flow->in_taken + flow->window};
    int error = publish(flow, &ping, flow->to, flow->from, NULL, 0, now_ms);
    if (error == 0 && ping.max > flow->in_max) {
        flow->in_max = ping.max;
    }
    return error;
}

bool nrt__flow_is_ping_due(const nrt__flow *flow, int64_t now_ms) {
    return now_ms - flow->said_ms >= NRT__FLOW_PING_MS ||
           now_ms - flow->named_ms >= NRT__FLOW_RENEW_MS;
}

void nrt__flow_abort(nrt__flow *flow, const char *code) {
    const nrt__frame abort = {.type = NRT__FRAME_ABORT, .code = nrt_str_from(code)};
    if (flow->to.ptr) {
        /* Unsent, the peer learns it by our silence. */
        (void)publish(flow, &abort, flow->to, (nrt_str){NULL, 0}, NULL, 0, 0);
    }
    flow->to = (nrt_str){NULL, 0};
    flow->out_ended = true;
}
