/* Where to listen: text to a bound, listening socket. And who a peer is. */
#ifndef NRT__LISTEN_H
#define NRT__LISTEN_H

#include <nrt/error.h>
#include <stdbool.h>
#include <sys/socket.h>

enum { NRT__BACKLOG = 4096 }; /* connections that wait to be accepted */

typedef struct nrt__listen_options {
    unsigned mode;   /* of the file of a unix socket; 0: what the umask leaves */
    bool share_port; /* with a socket that does so, too: nrt__listen_share */
} nrt__listen_options;

/* Opens a listening, non-blocking socket for `[ADDR:]PORT` or `unix:/path` (see nrt__front_open).
 * Writes where it listens, as "http://127.0.0.1:9090" or "unix:/path", to `url`, and what is wrong,
 * in words, to `detail`. Returns the descriptor, or NRT_ERR_USAGE, NRT_ERR_SYSTEM. */
int nrt__listen(const char *text, const nrt__listen_options *options, char *url, size_t url_size,
                char *detail, size_t detail_size);

/* Gives the file of a unix socket another mode; 0: what the umask leaves. */
void nrt__listen_chmod(const char *path, unsigned mode);

/* Whether others may bind the port of this socket besides. Off, unless one is to take the place of
 * another: two programs on one port would each get some of the connections. */
void nrt__listen_share(int fd, bool share);

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
