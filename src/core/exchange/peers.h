/* What a client remembers of the hosts it sends to: whether they know frames, and how much may be
 * tried again. A table of fixed size: hosts that fall on the same place forget each other, which
 * costs a retry at worst, and share one budget. */
#ifndef NRT__PEERS_H
#define NRT__PEERS_H

#include <nrt/base.h>

enum { NRT__PEERS_COUNT = 256 };

typedef struct nrt__peer {
    uint64_t host;       /* hash; 0: nobody yet */
    int64_t known_ms;    /* when a reply last carried NRT-Version, or a frame came */
    int64_t refilled_ms; /* when time last added to the tokens */
    uint32_t tokens;     /* thousandths of a retry */
    bool framed;         /* it has sent one of these at all */
} nrt__peer;

/* The one for this host, new or not. */
nrt__peer *nrt__peers_get(nrt__peer peers[NRT__PEERS_COUNT], uint64_t host, int64_t now_ms);

/* It answered as a version-1 peer does. */
void nrt__peer_framed(nrt__peer *peer, int64_t now_ms);

/* Whether its recent replies show that it sends frames. */
bool nrt__peer_is_framed(const nrt__peer *peer, int64_t now_ms);

/* A request goes to it: a fifth of a retry is earned. */
void nrt__peer_request(nrt__peer *peer);

/* Takes one retry from the budget; false where it is used up. */
bool nrt__peer_retry(nrt__peer *peer, int64_t now_ms);

#endif
