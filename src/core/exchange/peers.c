/* What a client remembers of hosts. */
#include "core/exchange/peers.h"

enum {
    RETRY = 1000,       /* thousandths of a retry */
    EARNED = RETRY / 5, /* with each request */
    EARNED_MAX = 100 * RETRY,
    TRICKLE_MAX = 10 * RETRY, /* what time alone fills up: 3 a second, 1,000 in 333 ms */
    TRICKLE_PER_MS = 3,
    RECENT_MS = 60 * 1000,
};

nrt__peer *nrt__peers_get(nrt__peer peers[NRT__PEERS_COUNT], uint64_t host, int64_t now_ms) {
    nrt__peer *peer = &peers[host % NRT__PEERS_COUNT];
    if (peer->host == 0) {
        *peer = (nrt__peer){.refilled_ms = now_ms, .tokens = TRICKLE_MAX};
    }
    if (peer->host != host) { /* the budget stays: else two hosts in turn would have no limit */
        peer->host = host;
        peer->framed = false;
    }
    return peer;
}

void nrt__peer_framed(nrt__peer *peer, int64_t now_ms) {
    peer->framed = true;
    peer->known_ms = now_ms;
}

bool nrt__peer_is_framed(const nrt__peer *peer, int64_t now_ms) {
    return peer->framed && now_ms - peer->known_ms < RECENT_MS;
}

void nrt__peer_request(nrt__peer *peer) {
    if (peer->tokens < EARNED_MAX) {
        peer->tokens += EARNED;
    }
}

bool nrt__peer_retry(nrt__peer *peer, int64_t now_ms) {
    int64_t passed = now_ms - peer->refilled_ms;
    peer->refilled_ms = now_ms;
    if (peer->tokens < TRICKLE_MAX) {
        uint32_t room = TRICKLE_MAX - peer->tokens;
        peer->tokens += passed < room / TRICKLE_PER_MS ? (uint32_t)passed * TRICKLE_PER_MS : room;
    }
    if (peer->tokens < RETRY) {
        return false;
    }
    peer->tokens -= RETRY;
    return true;
}
