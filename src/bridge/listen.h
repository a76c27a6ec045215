/* Where to listen: text to a bound, listening socket. And who a peer is. */
#ifndef NRT__LISTEN_H
#define NRT__LISTEN_H

#include <nrt/error.h>
#include <stdbool.h>
#include <sys/socket.h>

/* Opens a listening, non-blocking socket for `[ADDR:]PORT` or `unix:/path` (see nrt__front_open).
 * `mode` is what the file of a unix socket gets, 0: what the umask leaves. Writes where it listens,
 * as "http://127.0.0.1:9090" or "unix:/path", to `url`, and what is wrong, in words, to `detail`.
 * Returns the descriptor, or NRT_ERR_USAGE, NRT_ERR_SYSTEM. */
int nrt__listen(const char *text, unsigned mode, char *url, size_t url_size, char *detail,
                size_t detail_size);

/* The peer's address without its port; "unix" for one on a unix socket. */
void nrt__peer_name(const struct sockaddr_storage *peer, char *out, size_t size);

typedef struct nrt__cidr {
    unsigned char bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;
    bool local; /* whoever may connect to the unix socket, instead */
} nrt__cidr;

/* "10.0.0.0/8", "::1", "127.0.0.1", "unix". NRT_ERR_USAGE. */
int nrt__cidr_read(const char *text, nrt__cidr *out);
bool nrt__cidr_has(const nrt__cidr *cidr, const struct sockaddr_storage *peer);

#endif
