/* TLS on a connected, non-blocking socket, without a wait and without SIGPIPE: who uses it watches
 * the socket. A context holds what files say and is made anew where they are to be read again; a
 * connection (nrt__tls) holds on to its own. A context and its connections belong to one thread.
 * Used by lib/link for NATS, and by bridge/stream for HTTP, on both sides. */
#ifndef NRT__TLS_H
#define NRT__TLS_H

#include <nrt/error.h>
#include <sys/types.h>

typedef struct nrt__tls_context nrt__tls_context;
typedef struct nrt__tls nrt__tls;

/* Files in PEM. NULL: the system's certificates; no certificate of ours; the key is in `cert`. */
typedef struct nrt__tls_files {
    const char *ca;
    const char *cert;
    const char *key;
    const char *ca_option; /* what advice calls `ca` and `cert`; NULL: tls_ca, tls_cert */
    const char *cert_option;
} nrt__tls_files;

/* Of a server: a certificate with its chain, and its key, in PEM. */
typedef struct nrt__tls_pair {
    const char *cert;
    const char *key; /* NULL: in `cert` */
} nrt__tls_pair;

typedef struct nrt__tls_listen {
    const nrt__tls_pair *pairs; /* the first one is for whoever asks for no name of another */
    size_t count;
    const char *client_ca; /* clients must have a certificate that one of these signed; NULL */
} nrt__tls_listen;

enum {
    NRT__TLS_FILE_MAX = 4 << 20, /* of certificates to trust: a system's has some 200 KiB */
    NRT__TLS_CHAIN_MAX = 10,     /* certificates behind ours */
};

/* TLS 1.2 at least, peers are verified. NULL with the reason, which names the file. */
nrt__tls_context *nrt__tls_context_create(const nrt__tls_files *files, char *reason, size_t size);

/* For one who needs it as well; NULL is allowed. Returns `context`: to be destroyed by each. */
nrt__tls_context *nrt__tls_context_hold(nrt__tls_context *context);

/* NULL is allowed. Its connections keep what they need. */
void nrt__tls_context_destroy(nrt__tls_context *context);

/* ---- tls_http.c ---- */

/* A client's context becomes one for HTTP/1.1, with sessions that are resumed: for connections to
 * one server only. With `any`, a server may have any certificate. NRT_ERR_MEMORY. */
int nrt__tls_context_for_http(nrt__tls_context *context, bool any);

/* A server's for HTTP/1.1: TLS 1.2 at least. NULL with the reason, which names the file. */
nrt__tls_context *nrt__tls_context_listen(const nrt__tls_listen *listen, char *reason, size_t size);

/* ---- tls.c ---- */

/* A connection to a peer whose certificate must be for `name`, a host or an address. The descriptor
 * stays the caller's and must outlive it. NULL: out of memory. */
nrt__tls *nrt__tls_create(nrt__tls_context *context, int fd, const char *name);

/* Likewise one that a client has opened, by a context for listening. */
nrt__tls *nrt__tls_accept(nrt__tls_context *context, int fd);
void nrt__tls_destroy(nrt__tls *tls); /* sends nothing */

/* As of NRT__STREAM_*. */
enum { NRT__TLS_END = 0, NRT__TLS_AGAIN = -1, NRT__TLS_BROKEN = -2 };

/* The handshake, step by step: 1 when done. AGAIN: when the socket is as nrt__tls_wants says. END:
 * the peer closed. */
int nrt__tls_handshake(nrt__tls *tls);

/* Bytes, or NRT__TLS_*. What AGAIN waits for may be the other direction: nrt__tls_wants. Write:
 * after AGAIN, give the same bytes again, more may stand behind them, and none of them counts as
 * sent: the peer cannot read a record of which a part is missing. */
ssize_t nrt__tls_read(nrt__tls *tls, char *to, size_t size);
ssize_t nrt__tls_write(nrt__tls *tls, const char *from, size_t size);

/* Which NRT_IO_* the last call that said AGAIN waits for. */
unsigned nrt__tls_wants(const nrt__tls *tls);

/* Bytes have come in that no socket event will tell of: read on. */
bool nrt__tls_pending(const nrt__tls *tls);

/* No more will be written: tells the peer (close_notify). False where the socket does not take it
 * now: to be called again then, as nrt__tls_wants says. */
bool nrt__tls_shut(nrt__tls *tls);

/* After END: whether the peer has said so (close_notify). Else somebody has cut the connection. */
bool nrt__tls_ended_well(const nrt__tls *tls);

/* After BROKEN in the handshake of an accepted one: what came looks like a plain HTTP request. */
bool nrt__tls_was_http(const nrt__tls *tls);

/* The certificate that a client has shown, as a field's value (RFC 9440 section 2.2): to be freed.
 * NULL where there is none, or no memory (*fine false). */
char *nrt__tls_client_cert(const nrt__tls *tls, bool *fine);

/* After BROKEN: why, and whether it was TLS (NRT_ERR_TLS) or the socket (NRT_ERR_CONNECT). */
int nrt__tls_error(const nrt__tls *tls);
const char *nrt__tls_reason(const nrt__tls *tls);

/* ---- tls_about.c: what people may be told ---- */

/* A certificate, or of a connection the peer's. Texts are plain, "" where there is none that can be
 * shown; times in seconds since 1970. */
typedef struct nrt__tls_about {
    char protocol[16]; /* "TLSv1.3"; of a connection only */
    char subject[256];
    char issuer[256];
    char names[256]; /* that it is for */
    int64_t not_before;
    int64_t not_after;
} nrt__tls_about;

/* After the handshake. False where there is no certificate. */
bool nrt__tls_peer(const nrt__tls *tls, nrt__tls_about *about);

/* The first certificate of a file in PEM. False where there is none that can be read. */
bool nrt__tls_file(const char *path, nrt__tls_about *about);

#endif
