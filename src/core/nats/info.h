/* What a NATS server says of itself, and what we say to it: the JSON of INFO and CONNECT. */
#ifndef NRT__NATS_INFO_H
#define NRT__NATS_INFO_H

#include "core/base/buf.h"
#include <nrt/error.h>

enum {
    NRT__NATS_NAME_MAX = 255,
    NRT__NATS_URLS_MAX = 64,
    NRT__NATS_PAYLOAD_MAX = 64 << 20, /* nats-server allows no more; what says so is not believed */
};

typedef struct nrt__nats_info {
    char server_name[NRT__NATS_NAME_MAX + 1];
    char cluster[NRT__NATS_NAME_MAX + 1]; /* "" where it is not clustered */
    char version[64];
    char nonce[256]; /* to be signed with an nkey; "" where none is asked for */
    uint64_t client_id;
    uint64_t max_payload;
    bool headers;
    bool auth_required;
    bool tls_required;
    bool tls_available;
    bool lame_duck;
    size_t url_count; /* connect_urls: "host:port" of other servers */
    char urls[NRT__NATS_URLS_MAX][272];
} nrt__nats_info;

/* Fills in `info` from INFO's JSON. Names that could not stand in an HTTP field come out empty.
 * NRT_ERR_SERVER, NRT_ERR_MEMORY. */
int nrt__nats_info_read(nrt__nats_info *info, nrt_str json);

enum { NRT__NATS_SIG_SIZE = 87 }; /* 64 bytes in base64url, with a NUL */

/* What CONNECT needs. Strings may be NULL. */
typedef struct nrt__nats_login {
    const char *name;
    const char *user;
    const char *password;
    const char *token;
    const char *jwt;
    const char *nkey; /* the public key, "U…" */
    /* Signs the server's nonce with the nkey, as base64url; false where that is not possible. NULL:
     * there is no key. */
    bool (*sign)(void *arg, nrt_str nonce, char sig[NRT__NATS_SIG_SIZE]);
    void *sign_arg;
    bool tls; /* the connection is encrypted */
} nrt__nats_login;

/* Appends `CONNECT {…}` CRLF; `nonce` is INFO's, "" where it has none. NRT_ERR_AUTH (signing
 * failed), NRT_ERR_MEMORY. No copy of a secret is left behind but in `out`. */
int nrt__nats_connect_write(nrt__buf *out, const nrt__nats_login *login, const char *nonce);

#endif
