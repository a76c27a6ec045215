/* What peers say to each other, held against docs/protocol.md where all of it passes: at the
 * server, before anything is lost. It knows nothing of the engines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "sim.h"

enum { TALKS_MAX = 256 };

/* One direction of a talk. */
typedef struct side {
    uint64_t next; /* number of the next content frame */
    uint64_t bytes;
    uint64_t max; /* what the other side has allowed */
    bool headed;
    bool ended;
    bool aborted;
} side;

/* One attempt of an exchange. */
typedef struct talk {
    char inbox[MODEL_SUBJECT_MAX];  /* where the client listens */
    char stream[MODEL_SUBJECT_MAX]; /* where the service does; "": it has not said */
    call *c;
    side up;
    side down;
    bool accepted;
    bool answered; /* by a plain response */
    bool excused;
} talk;

struct wire {
    talk talks[TALKS_MAX];
    size_t count;
};

struct wire *wire_create(void) {
    return calloc(1, sizeof(struct wire));
}

void wire_destroy(struct wire *wire) {
    free(wire);
}

static talk *find(struct wire *wire, nrt_str subject, bool *to_client) {
    for (size_t i = wire->count; i-- > 0;) {
        talk *t = &wire->talks[i];
        *to_client = nrt__str_equal(nrt_str_from(t->inbox), subject);
        if (*to_client || (t->stream[0] && nrt__str_equal(nrt_str_from(t->stream), subject))) {
            return t;
        }
    }
    return NULL;
}

/* ---- for who forges ---- */

bool wire_pick(world *w, char inbox[MODEL_SUBJECT_MAX], char stream[MODEL_SUBJECT_MAX], call **c) {
    struct wire *wire = w->wire;
    if (wire->count == 0) {
        return false;
    }
    const talk *t = &wire->talks[sim_below(w, (uint32_t)wire->count)];
    strcpy(inbox, t->inbox);
    strcpy(stream, t->stream);
    *c = t->c;
    return true;
}

bool wire_is_next(const world *w, const char *inbox, uint64_t n) {
    bool to_client;
    const talk *t = find(w->wire, nrt_str_from(inbox), &to_client);
    return t && (n >= t->down.next || n >= t->up.next || n + 8 > t->down.next ||
                 n + 8 > t->up.next); /* the last ones may still be on their way */
}

call *wire_call(const world *w, nrt_str subject) {
    bool to_client;
    const talk *t = find(w->wire, subject, &to_client);
    return t ? t->c : NULL;
}

void wire_excuse(world *w, const char *inbox) {
    bool to_client;
    talk *t = find(w->wire, nrt_str_from(inbox), &to_client);
    if (t) {
        t->excused = true;
    }
}

/* ---- what is said ---- */

static void broken(const world *w, const talk *t, const char *what) {
    sim_fail(w, "the protocol is kept", "call %d: %s", t->c->number, what);
}

/* Bytes behind the head in a payload. */
static size_t body_behind(nrt_str payload) {
    const char *end = memmem(payload.ptr, payload.len, "\r\n\r\n", 4);
    return end ? payload.len - (size_t)(end + 4 - payload.ptr) : 0;
}

static void content(const world *w, const talk *t, side *from, const nrt__frame *frame,
                    size_t body) {
    if (!(frame->has & NRT__FRAME_HAS_N) || frame->n != from->next) {
        broken(w, t, "content frames are numbered one by one");
    }
    if (from->ended) {
        broken(w, t, "nothing comes after the end");
    }
    from->next++;
    from->bytes += body;
    if (from->bytes > from->max) {
        sim_fail(w, "no window is exceeded", "call %d: %llu bytes sent, %llu allowed", t->c->number,
                 (unsigned long long)from->bytes, (unsigned long long)from->max);
    }
}

static void allow(side *to, const nrt__frame *frame) {
    if ((frame->has & NRT__FRAME_HAS_MAX) && frame->max > to->max) {
        to->max = frame->max;
    }
}

static void on_request(world *w, const model_message *message, const nrt__frame *frame) {
    struct wire *wire = w->wire;
    bool to_client;
    nrt__accept accept = {0};
    static const char name[] = "NRT-Accept: ";
    talk *t = find(wire, message->reply, &to_client);
    if (t) {
        broken(w, t, "each attempt has a reply subject of its own");
    }
    if (wire->count == TALKS_MAX) {
        sim_fail(w, "requests are not sent without end", "%d attempts", TALKS_MAX);
    }
    const char *payload_end = message->payload.ptr + message->payload.len;
    const char *line = memmem(message->payload.ptr, message->payload.len, name, sizeof(name) - 1);
    const char *end = line ? memchr(line, '\r', (size_t)(payload_end - line)) : NULL;
    if (!end) {
        sim_fail(w, "the protocol is kept", "a request says nothing of NRT-Accept");
    }
    line += sizeof(name) - 1;
    nrt__accept_read(&accept, (nrt_str){line, (size_t)(end - line)});
    t = &wire->talks[wire->count++];
    memset(t, 0, sizeof(*t));
    snprintf(t->inbox, sizeof(t->inbox), "%.*s", NRT__ARG(message->reply));
    const char *slash = memchr(message->payload.ptr, '/', message->payload.len);
    if (frame->type == NRT__FRAME_OPEN) { /* behind NRT/1 */
        slash = memchr(slash + 1, '/', (size_t)(payload_end - slash - 1));
    }
    t->c = &w->calls[strtoul(slash + 1, NULL, 10) % CALLS_MAX];
    t->excused = t->c->meddled;
    t->down.max = accept.window;
    t->up.max = 16384;
    if (frame->type == NRT__FRAME_OPEN) {
        size_t body = body_behind(message->payload);
        content(w, t, &t->up, frame, body);
        t->up.headed = true;
    }
}

static void on_reply_subject(const world *w, talk *t, nrt_str reply) {
    if (reply.len == 0) {
        return;
    }
    if (t->stream[0] && !nrt__str_equal(nrt_str_from(t->stream), reply)) {
        broken(w, t, "a service listens to an exchange in one place");
    }
    snprintf(t->stream, sizeof(t->stream), "%.*s", NRT__ARG(reply));
}

static void on_frame(world *w, talk *t, bool to_client, const nrt__frame *frame,
                     const model_message *message) {
    side *from = to_client ? &t->down : &t->up;
    side *to = to_client ? &t->up : &t->down;
    if (from->aborted && frame->type != NRT__FRAME_ABORT) {
        broken(w, t, "nothing comes after an abort");
    }
    if (to_client) {
        on_reply_subject(w, t, message->reply);
    }
    switch (frame->type) {
    case NRT__FRAME_ACCEPT:
        if (t->accepted || !to_client || !t->stream[0] || t->down.next > 0) {
            broken(w, t, "accept comes first, and once");
        }
        t->accepted = true;
        allow(to, frame);
        break;
    case NRT__FRAME_INFO:
    case NRT__FRAME_HEAD:
        if (!to_client || from->headed || !t->stream[0]) {
            broken(w, t, "a head has no place here");
        }
        from->headed = frame->type == NRT__FRAME_HEAD;
        content(w, t, from, frame, body_behind(message->payload));
        break;
    case NRT__FRAME_DATA:
        if (!from->headed) {
            broken(w, t, "a body comes after its head");
        }
        content(w, t, from, frame, message->payload.len);
        break;
    case NRT__FRAME_END:
        if (!from->headed || !(frame->has & NRT__FRAME_HAS_LENGTH) ||
            frame->length != from->bytes) {
            broken(w, t, "an end says how long the body was");
        }
        content(w, t, from, frame, 0);
        from->ended = true;
        break;
    case NRT__FRAME_CREDIT:
        if (!(frame->has & NRT__FRAME_HAS_MAX) || frame->max < to->max) {
            broken(w, t, "credit only grows");
        }
        allow(to, frame);
        break;
    case NRT__FRAME_PING:
        if (!(frame->has & NRT__FRAME_HAS_N) || frame->n != from->next) {
            broken(w, t, "a ping says the number of the next frame");
        }
        allow(to, frame);
        break;
    case NRT__FRAME_REFUSE:
        if (!to_client || from->headed || t->accepted) {
            broken(w, t, "a refusal stands alone");
        }
        break;
    case NRT__FRAME_ABORT: /* `unknown` is of nobody who has it, and may overtake in a lame duck */
        from->aborted = from->aborted || !nrt__str_equal(frame->code, NRT__STR("unknown"));
        break;
    case NRT__FRAME_OPEN:
    case NRT__FRAME_NONE:
        broken(w, t, "a frame has no place here");
    }
}

void wire_see(world *w, const model_message *message) {
    nrt__frame frame = {0};
    bool to_client = false;
    int framed = message->header.len > 0 ? nrt__frame_read(&frame, message->header) : 0;
    if (w->verbose) {
        static const char label[] = "NATS/1.0\r\nNRT-Frame: ";
        nrt_str text = message->header;
        if (framed == 1) {
            text.ptr += sizeof(label) - 1;
            text.len -= sizeof(label) + 3;
        }
        sim_trace(w, "  port %d -> %.*s%s%.*s [%.*s] %zu bytes", message->from,
                  NRT__ARG(message->subject), message->reply.len > 0 ? " from " : "",
                  NRT__ARG(message->reply), NRT__ARG(text), message->payload.len);
    }
    if (framed < 0) {
        sim_fail(w, "the protocol is kept", "a frame is not valid: %.*s",
                 NRT__ARG(message->header));
    }
    if (memmem(message->subject.ptr, message->subject.len, ".requests.", 10)) {
        on_request(w, message, &frame);
        return;
    }
    talk *t = find(w->wire, message->subject, &to_client);
    if (!t || t->excused || t->c->doubled) {
        return;
    }
    if (framed == 1) {
        on_frame(w, t, to_client, &frame, message);
    } else if (!to_client || t->down.headed || t->answered) {
        broken(w, t, "a response has no place here");
    } else {
        t->answered = true;
    }
}
