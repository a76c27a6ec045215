/* The NATS servers to connect to: those that were given, and those that a server told of. */
#ifndef NRT__SERVERS_H
#define NRT__SERVERS_H

#include "core/nats/info.h"

typedef struct nrt__server {
    char *host; /* name or address, without brackets */
    char *user; /* from the URL; NULL where it has none */
    char *password;
    char *token;
    char *tls_name; /* the name its certificate must have; NULL: host */
    uint16_t port;
    bool tls;  /* insisted on */
    bool told; /* by another server, not by the user */
    bool gone; /* which tells of it no more */
} nrt__server;

typedef struct nrt__servers {
    nrt__server *list;
    size_t count;
    size_t at; /* the one in use or tried last */
} nrt__servers;

enum { NRT__SERVERS_MAX = 256 };

/* Reads `nats://` or `tls://[user:password@|token@]host[:port]`, several separated by commas; the
 * scheme may be left out. NRT_ERR_URL with the reason in `detail`, NRT_ERR_MEMORY. */
int nrt__servers_read(nrt__servers *servers, const char *text, char *detail, size_t detail_size);
void nrt__servers_free(nrt__servers *servers);

/* Adds what the INFO of the server with the number `by` tells of, unless known. What was told of
 * and is told of no more has gone; where the list is full, it makes room, unless it is the one with
 * the number `by` or `also`. `tls`: what was learned on an encrypted connection is not connected to
 * otherwise. An address that a server tells of whose name we know may have that name in its
 * certificate: clusters tell addresses, and have certificates for names. As in the Go client, it
 * then must. */
void nrt__servers_learn(nrt__servers *servers, size_t by, size_t also, const nrt__nats_info *info,
                        bool tls);

/* How many there are that have not gone; never 0. */
size_t nrt__servers_there(const nrt__servers *servers);

/* The number of the one behind `at`; of those that have gone only where `any` says so. */
size_t nrt__servers_after(const nrt__servers *servers, size_t at, bool any);

/* "nats://host:port" or "tls://host:port", without credentials. */
void nrt__server_url(const nrt__server *server, char *out, size_t size);

#endif
