/* Names to addresses without ever blocking the loop: numbers at once, names on a thread of their
 * own. */
#ifndef NRT__RESOLVER_H
#define NRT__RESOLVER_H

#include <sys/socket.h>

#include "lib/postbox.h"

enum { NRT__ADDRESSES_MAX = 8 };

typedef struct nrt__address {
    struct sockaddr_storage addr;
    socklen_t len;
} nrt__address;

typedef struct nrt__addresses {
    nrt__address list[NRT__ADDRESSES_MAX];
    size_t count;
} nrt__addresses;

typedef struct nrt__resolve nrt__resolve;

/* On the connection's thread. `reason` is the system's word where there is no address. */
typedef void (*nrt__resolved_fn)(const nrt__addresses *addresses, const char *reason, void *arg);

/* True where `host` is an IPv4 or IPv6 address (brackets allowed), written to `out`. */
bool nrt__resolve_number(const char *host, uint16_t port, nrt__addresses *out);

/* Looks a name up; `fn` is called once, later, unless canceled. NULL: out of memory or threads. */
nrt__resolve *nrt__resolve_start(nrt__postbox *box, const char *host, uint16_t port,
                                 nrt__resolved_fn fn, void *arg);

/* `fn` will not be called. */
void nrt__resolve_cancel(nrt__resolve *resolve);

#endif
