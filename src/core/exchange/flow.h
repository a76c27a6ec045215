/* The two bodies of one exchange as frames: numbered, counted, and bounded by credit, in both
 * directions. Client and service half stand on this; it knows no heads and no callbacks. It holds
 * no bytes: who produces them keeps them until there is room, who takes them says when they are
 * gone. */
#ifndef NRT__FLOW_H
#define NRT__FLOW_H

#include "core/exchange/frame.h"
#include "core/nats/session.h"

enum {
    NRT__FLOW_CHUNK = 64 * 1024, /* of body in one frame, at most */
    NRT__FLOW_WINDOW_MIN = 16 * 1024,
    NRT__FLOW_OPEN_BODY = 16 * 1024, /* of body in the first frame */
    NRT__FLOW_PING_MS = 5000,        /* silence of ours after which we say that we are alive */
    NRT__FLOW_DEAD_MS = 10000,       /* silence of theirs after which they are not */
    NRT__FLOW_DEAD_FAR_MS = 15000,   /* of a peer in another account */
    /* Also while other frames go: a server that limits replies in time (allow_responses, two
     * minutes unless it says otherwise) counts from the last message that names where to reply. */
    NRT__FLOW_RENEW_MS = 30000,
};

/* A ring of flows that wait until their session takes more, the one that has waited longest first.
 * Zeroed is in none. */
typedef struct nrt__waiter {
    struct nrt__waiter *next;
    struct nrt__waiter *prev;
} nrt__waiter;

typedef struct nrt__flow {
    nrt__session *session; /* the one it lives on */
    nrt__waiter waiter;    /* in the ring of its client or services */
    nrt_str to;            /* where the peer listens; absent until it has said so */
    nrt_str from;          /* where we do */
    uint64_t out_n;        /* of the next content frame */
    uint64_t out_sent;     /* bytes of body */
    uint64_t out_max;      /* up to which the peer takes them */
    uint64_t in_n;
    uint64_t in_got;
    uint64_t in_taken; /* what our side has done with */
    uint64_t in_max;   /* what we have allowed */
    uint32_t window;
    int64_t heard_ms; /* when a frame last came */
    int64_t said_ms;  /* when one was last sent */
    int64_t named_ms; /* and one that says where we listen */
    bool out_ended;
    bool in_ended;
} nrt__flow;

/* What a frame meant, beyond what was noted. */
typedef enum nrt__flow_event {
    NRT__FLOW_NOTHING = 0,
    NRT__FLOW_DATA,     /* its payload is body */
    NRT__FLOW_END,      /* its payload is trailer fields; the body is complete */
    NRT__FLOW_WRITABLE, /* there is more credit than before */
    NRT__FLOW_ABORTED,  /* the peer has broken off: frame->code */
} nrt__flow_event;

/* A window of `window` bytes is allowed from the beginning, whoever told the peer. */
void nrt__flow_init(nrt__flow *flow, nrt__session *session, uint32_t window);

/* ---- in ---- */

/* A frame of the peer but for open, accept, refuse, info and head. An event, or NRT_ERR_PROTOCOL
 * with why in *reason: then the exchange must be broken off. */
int nrt__flow_receive(nrt__flow *flow, const nrt__frame *frame, nrt_str payload, int64_t now_ms,
                      const char **reason);

/* A content frame with a head (open, info, head), whose payload ends in `body` bytes of body. 0 or
 * NRT_ERR_PROTOCOL. */
int nrt__flow_receive_head(nrt__flow *flow, const nrt__frame *frame, size_t body, int64_t now_ms,
                           const char **reason);

/* `len` bytes that came are done with: there is room for more, which the peer learns. */
void nrt__flow_take(nrt__flow *flow, size_t len, int64_t now_ms);

/* ---- out: what these answer is 0 or an error of nrt__session_publish ---- */

/* How many bytes of body may go out now. */
size_t nrt__flow_room(nrt__flow *flow);

/* Sends a content frame with a head, and `body` bytes of body behind it. `to` may be a request
 * subject. */
int nrt__flow_send_head(nrt__flow *flow, nrt__frame_type type, nrt_str to, nrt_str head,
                        nrt_str body, int64_t now_ms);

/* Sends as much of the body as may go, in frames; *sent says how much. */
int nrt__flow_write(nrt__flow *flow, nrt_str bytes, size_t *sent, int64_t now_ms);

/* It waits for room in its session, if it is that what it lacks: a frame had none (`busy`), or
 * there is credit left. */
void nrt__flow_wait(nrt__flow *flow, nrt__waiter *ring, bool busy);

/* It does not, or is about to go. */
void nrt__flow_wait_no_more(nrt__flow *flow);

/* There is room: `fn` for those that wait, in turn, as long as there is. It may end any of them. */
void nrt__flow_go_on(nrt__waiter *ring, void (*fn)(nrt__flow *flow, void *arg), void *arg);

/* The body is complete. `trailers` are field lines, or empty. */
int nrt__flow_end(nrt__flow *flow, nrt_str trailers, int64_t now_ms);

/* Says where we are listening, and how far the peer may send. */
int nrt__flow_accept(nrt__flow *flow, int64_t now_ms);

/* We are alive, and have come so far. */
int nrt__flow_ping(nrt__flow *flow, int64_t now_ms);
bool nrt__flow_is_ping_due(const nrt__flow *flow, int64_t now_ms);

/* The peer has been silent for too long. */
bool nrt__flow_is_dead(const nrt__flow *flow, int64_t now_ms);

/* It is over; `code` says why. Nothing may be sent after it. */
void nrt__flow_abort(nrt__flow *flow, const char *code);

#endif
