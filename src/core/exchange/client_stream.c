/* Exchanges whose bodies come and go in frames, as the client sees them. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "core/exchange/client_private.h"
#include "core/http/h1_whole.h"
#include "core/http/h1_writer.h"

enum {
    TICK_MS = 1000,
    GRANT_MAX = 16 * 1024 * 1024, /* of all windows together */
};

static const char stream_line[] = "NRT/1\r\n"; /* what an old server stumbles over */

uint32_t nrt__client_window(const nrt__client *client) {
    size_t share = GRANT_MAX / (client->in_flight + 1);
    share -= share % NRT__FLOW_WINDOW_MIN;
    size_t most = client->options.window ? client->options.window : NRT__WINDOW_MAX;
    share = share < most ? share : most;
    return (uint32_t)(share > NRT__FLOW_WINDOW_MIN ? share : NRT__FLOW_WINDOW_MIN);
}

/* ---- made and unmade ---- */

static void on_tick(nrt__timer *timer, void *arg);

nrt__call *nrt__call_create(nrt__client *client, nrt__pending *one) {
    nrt__call *call = calloc(1, sizeof(*call));
    if (!call) {
        return NULL;
    }
    call->pending = one;
    one->call = call;
    nrt__flow_init(&call->flow, client->session, one->window);
    call->flow.heard_ms = call->flow.said_ms = call->flow.named_ms = client->env->now_ms;
    call->flow.from = nrt__pending_reply(client, one, call->from);
    nrt__buf_init(&call->body, client->options.max_body);
    nrt__buf_init(&call->upload, client->options.max_body);
    nrt__buf_init(&call->trailers, 2 * client->options.limits.head);
    call->next = &client->calls;
    call->prev = client->calls.prev;
    call->prev->next = call->next->prev = call;
    if (!nrt__timer_is_set(&client->tick)) {
        nrt__timer_set(client->timers, &client->tick, client->env->now_ms + TICK_MS, on_tick,
                       client);
    }
    return call;
}

void nrt__call_destroy(nrt__client *client, nrt__call *call) {
    if (!call) {
        return;
    }
    nrt__flow_wait_no_more(&call->flow);
    call->prev->next = call->next;
    call->next->prev = call->prev;
    if (client->calls.next == &client->calls) {
        nrt__timer_clear(client->timers, &client->tick);
    }
    call->pending->call = NULL;
    nrt_response_destroy(call->response);
    nrt__buf_free(&call->body);
    nrt__buf_free(&call->upload);
    nrt__buf_free(&call->trailers);
    free(call->to);
    free(call);
}

/* ---- what the caller does ---- */

void nrt__call_moved(nrt__client *client, nrt__call *call) {
    nrt__pending *one = call->pending;
    one->deadline_ms = client->env->now_ms + one->wait_ms; /* the timer looks at it when it fires */
}

static nrt__call *call_of(nrt__client *client, nrt_exchange_id id) {
    nrt__pending *one = nrt__pending_find(client, id);
    return one ? one->call : NULL;
}

/* How much of the body has gone, or will with the head. */
static uint64_t written(const nrt__call *call) {
    return call->flow.out_n == 0 ? call->first_body : call->flow.out_sent;
}

int nrt__client_write(nrt__client *client, nrt_exchange_id id, nrt_str bytes, size_t *sent) {
    nrt__call *call = call_of(client, id);
    *sent = 0;
    if (!call || !call->opened || call->flow.out_ended || call->ending) {
        return NRT_ERR_STATE;
    }
    if (call->sized && bytes.len > call->size - written(call)) {
        return NRT_ERR_USAGE; /* not what the head has said */
    }
    int error = nrt__flow_write(&call->flow, bytes, sent, client->env->now_ms);
    nrt__flow_wait_no_more(&call->flow);
    if (*sent < bytes.len) {
        nrt__flow_wait(&call->flow, &client->crowd, false);
    }
    if (*sent > 0) {
        nrt__call_moved(client, call);
    }
    return error;
}

/* After all of the body: what is left of it is the end, which goes out as soon as it may. */
static int end_upload(nrt__client *client, nrt__call *call) {
    call->ending = true;
    if (!call->flow.to.ptr) {
        return 0; /* until a frame says where */
    }
    int error = nrt__flow_end(&call->flow, nrt__buf_view(&call->trailers), client->env->now_ms);
    nrt__call_moved(client, call);
    if (error == NRT_ERR_BUSY) {
        nrt__flow_wait(&call->flow, &client->crowd, true);
        return 0;
    }
    return error;
}

int nrt__client_end(nrt__client *client, nrt_exchange_id id, const nrt_fields *trailers) {
    nrt__call *call = call_of(client, id);
    if (!call || !call->opened || call->flow.out_ended || call->ending) {
        return NRT_ERR_STATE;
    }
    if (call->sized && written(call) < call->size) {
        return NRT_ERR_USAGE;
    }
    nrt__buf_clear(&call->trailers);
    if (trailers) {
        nrt__h1_write_trailers(&call->trailers, trailers);
    }
    if (call->trailers.failed) {
        call->trailers.failed = false;
        return NRT_ERR_MEMORY;
    }
    int error = end_upload(client, call);
    if (error == 0) {
        nrt__call_finish(client, call->pending); /* a tunnel whose other end was first */
    }
    return error;
}

void nrt__client_take(nrt__client *client, nrt_exchange_id id, size_t len) {
    nrt__call *call = call_of(client, id);
    if (call) {
        nrt__flow_take(&call->flow, len, client->env->now_ms);
    }
}

/* ---- opening ---- */

/* Subject and payload of the first frame, to be sent now or when there is a connection. */
static int keep_open(nrt__client *client, nrt__pending *one, nrt_str subject,
                     nrt__message *request) {
    nrt_str body = request->body;
    nrt__buf *text = &client->scratch;
    nrt__buf_clear(text);
    nrt__buf_lit(text, stream_line);
    request->framing = request->has_length ? NRT__FRAMING_LENGTH : NRT__FRAMING_NONE;
    nrt__h1_write_head(text, request, NRT__FIELD_NRT, nrt__buf_view(&client->extra));
    if (text->failed) {
        text->failed = false;
        return NRT_ERR_MEMORY;
    }
    /* What one message takes beside the head; a head that is too large itself is told when it is
     * sent. */
    size_t max = (size_t)nrt__session_info(client->session)->max_payload;
    size_t head = nrt__buf_len(text) + NRT__FRAME_TEXT_MAX;
    size_t room = max == 0 ? NRT__FLOW_OPEN_BODY : max > head ? max - head : 0;
    body.len = body.len < room ? body.len : room;
    one->call->first_body = body.len;
    return nrt__pending_keep(client, one, subject, (nrt_str[2]){nrt__buf_view(text), body});
}

int nrt__call_publish(nrt__client *client, nrt__pending *one) {
    nrt__call *call = one->call;
    nrt__flow *flow = &call->flow;
    flow->out_n = flow->out_sent = 0; /* an attempt that was not sent is none */
    nrt_str subject = {one->kept, one->subject_len};
    size_t head = one->kept_len - one->subject_len - call->first_body;
    flow->session = client->session;
    flow->from = nrt__pending_reply(client, one, call->from);
    flow->heard_ms = client->env->now_ms;
    return nrt__flow_send_head(
        flow, NRT__FRAME_OPEN, subject, (nrt_str){subject.ptr + subject.len, head},
        (nrt_str){subject.ptr + subject.len + head, call->first_body}, client->env->now_ms);
}

/* Opens the stream with what the first message takes of the body. */
static int open_call(nrt__client *client, nrt__pending *one, nrt__message *request) {
    nrt_str body = request->body;
    nrt__call *call = nrt__call_create(client, one);
    if (!call) {
        return NRT_ERR_MEMORY;
    }
    if (request->body.len > NRT__FLOW_OPEN_BODY) {
        request->body.len = NRT__FLOW_OPEN_BODY;
    }
    int error = keep_open(client, one, nrt__buf_view(&client->subject), request);
    request->body = body;
    call->opened = true;
    call->upgrade = request->upgrade.len > 0;
    call->sized = request->has_length && !call->upgrade;
    call->size = request->length;
    call->flow.out_max = NRT__FLOW_OPEN_BODY;
    return error < 0 ? error : nrt__pending_start(client, one);
}

/* Of a request that was given whole, what may go out now. */
static void pump_upload(nrt__client *client, nrt__call *call) {
    int64_t now = client->env->now_ms;
    size_t sent = 0;
    if (call->flow.out_ended) {
        return;
    }
    int error = nrt__flow_write(&call->flow, nrt__buf_view(&call->upload), &sent, now);
    nrt__buf_consume(&call->upload, sent);
    if (sent > 0) {
        nrt__call_moved(client, call);
    }
    if (error == 0 && nrt__buf_len(&call->upload) > 0) {
        nrt__flow_wait(&call->flow, &client->crowd, false);
    } else if (error == 0) {
        error = end_upload(client, call);
    }
    if (error < 0) {
        nrt__pending_end(client, call->pending, error, nrt_error_text(error), NULL);
    }
}

int nrt__call_upload(nrt__client *client, nrt__pending *one, nrt__message *request) {
    nrt_str rest = request->body;
    if (rest.len > client->options.max_body) {
        return NRT_ERR_TOO_LARGE;
    }
    request->length = rest.len;
    request->has_length = request->trailers.count == 0;
    int error = open_call(client, one, request);
    if (error < 0) {
        return error;
    }
    nrt__call *call = one->call;
    rest.ptr += call->first_body;
    rest.len -= call->first_body;
    call->uploads = true;
    nrt__h1_write_trailers(&call->trailers, &request->trailers);
    return nrt__buf_put(&call->upload, rest) && !call->trailers.failed ? 0 : NRT_ERR_MEMORY;
}

/* The first message is on its way, or was not taken. */
static int begun(nrt__client *client, nrt__pending *one, int error, nrt_exchange_id *id) {
    if (error < 0) {
        nrt__pending_release(client, one);
        return error;
    }
    client->stats.requests++;
    *id = nrt__pending_id(one);
    return 0;
}

int nrt__client_start(nrt__client *client, nrt__message *request, uint32_t timeout_ms,
                      const nrt__call_events *events, void *arg, nrt_exchange_id *id) {
    nrt__pending *one;
    int error = nrt__pending_begin(client, request, timeout_ms, &one);
    if (error < 0) {
        return error;
    }
    one->events = events;
    one->arg = arg;
    if (request->upgrade.len > 0) {
        error = open_call(client, one, request);
    } else {
        error = nrt__pending_request(client, one, request);
        if (error == NRT_ERR_TOO_LARGE) {
            error = nrt__call_upload(client, one, request);
        }
    }
    return begun(client, one, error, id);
}

int nrt__client_open(nrt__client *client, nrt__message *request, uint32_t timeout_ms,
                     const nrt__call_events *events, void *arg, nrt_exchange_id *id,
                     size_t *taken) {
    nrt__pending *one;
    int error = nrt__pending_begin(client, request, timeout_ms, &one);
    if (error < 0) {
        return error;
    }
    one->events = events;
    one->arg = arg;
    error = open_call(client, one, request);
    *taken = error == 0 ? one->call->first_body : 0;
    return begun(client, one, error, id);
}

bool nrt__client_is_framed(nrt__client *client, nrt_str host) {
    int64_t now = client->env->now_ms;
    return nrt__peer_is_framed(nrt__peers_get(client->peers, nrt__client_hash(host), now), now);
}

/* ---- room ---- */

void nrt__call_writable(nrt__client *client, nrt__call *call) {
    const nrt__pending *one = call->pending;
    if (call->uploads) {
        pump_upload(client, call);
    } else if (call->ending) {
        int error = call->flow.out_ended ? 0 : end_upload(client, call);
        if (error < 0) {
            nrt__pending_end(client, call->pending, error, nrt_error_text(error), NULL);
        } else {
            nrt__call_finish(client, call->pending);
        }
    } else if (call->opened && one->events && one->events->writable) {
        one->events->writable(one->arg);
    }
}

/* ---- frames that the server refuses ---- */

/* A response that fits the window needs no word of ours. */
static bool needs_word(const nrt__call *call) {
    const nrt__flow *flow = &call->flow;
    if (call->opened && !flow->out_ended) {
        return true;
    }
    bool sized = call->has_length && !call->tunnel;
    return call->headed && !flow->in_ended &&
           (sized ? call->length > flow->window : flow->in_got >= flow->window);
}

void nrt__call_check_denied(nrt__client *client, nrt__call *call) {
    if (!call->denied || !needs_word(call)) {
        return;
    }
    char text[NRT__SUBJECT_MAX + 128];
    nrt_str to = call->flow.to;
    for (int dots = 0; dots < 2 && to.len > 0; to.len--) { /* without what is new each time */
        dots += to.ptr[to.len - 1] == '.';
    }
    snprintf(text, sizeof(text),
             "NATS permissions do not allow publishing to %.*s.>, which bodies of more than one "
             "message need",
             NRT__ARG(to));
    call->flow.to = (nrt_str){NULL, 0}; /* nor does an abort get through */
    nrt__pending_end(client, call->pending, NRT_ERR_PERMISSION, text, NULL);
}

bool nrt__calls_denied(nrt__client *client, nrt_str subject) {
    for (nrt__call *call = client->calls.next; call != &client->calls; call = call->next) {
        if (call->flow.to.ptr && nrt__str_equal(call->flow.to, subject)) {
            call->denied = true;
            nrt__call_check_denied(client, call);
            return true;
        }
    }
    return false;
}

/* ---- time ---- */

static void look_after(nrt__client *client, nrt__call *call) {
    nrt__flow *flow = &call->flow;
    int64_t now = client->env->now_ms;
    if (!flow->to.ptr) {
        return;
    }
    if (nrt__flow_is_dead(flow, now)) {
        nrt__pending_end(client, call->pending, NRT_ERR_ABORTED,
                         "the instance that had the request is silent", NULL);
        return;
    }
    if (!call->denied && nrt__flow_is_ping_due(flow, now)) {
        nrt__flow_ping(flow, now); /* unsent, the next tick tries again */
    }
}

/* The first of those that have not had their turn, which goes to the end: callbacks may end any of
 * them. */
static nrt__call *next_call(nrt__client *client) {
    nrt__call *call = client->calls.next;
    if (call != &client->calls) {
        call->prev->next = call->next;
        call->next->prev = call->prev;
        call->next = &client->calls;
        call->prev = client->calls.prev;
        call->prev->next = call->next->prev = call;
    }
    return call;
}

static size_t count_calls(const nrt__client *client) {
    size_t count = 0;
    for (const nrt__call *call = client->calls.next; call != &client->calls; call = call->next) {
        count++;
    }
    return count;
}

static void on_tick(nrt__timer *timer, void *arg) {
    nrt__client *client = arg;
    nrt__call *call;
    for (size_t left = count_calls(client);
         left > 0 && (call = next_call(client)) != &client->calls; left--) {
        look_after(client, call);
    }
    if (client->calls.next != &client->calls) {
        nrt__timer_set(client->timers, timer, client->env->now_ms + TICK_MS, on_tick, client);
    }
}

static void go_on(nrt__flow *flow, void *arg) {
    nrt__call_writable(arg, (nrt__call *)((char *)flow - offsetof(nrt__call, flow)));
}

void nrt__client_drained(nrt__client *client) {
    nrt__flow_go_on(&client->crowd, go_on, client);
}
