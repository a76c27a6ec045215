/* What the files of TLS share, and nobody else may touch. */
#ifndef NRT__TLS_PRIVATE_H
#define NRT__TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "lib/file.h"
#include "lib/tls.h"

struct nrt__tls_context {
    SSL_CTX *ctx;
    BIO_METHOD *method;    /* how its connections reach the socket; not one for the process, which a
                              library that is unloaded would leave behind */
    unsigned holders;      /* who has made it, and its connections */
    const char *ca_option; /* what advice calls them */
    const char *cert_option;
    bool has_cert;
    bool has_ca; /* not the system's */
    bool server;
    bool any;             /* of clients: whatever certificate a server has is taken */
    SSL_SESSION *session; /* of clients for HTTP: to be resumed; NULL */
    SSL_CTX **others;     /* of servers: for those names that `ctx` has no certificate for */
    size_t other_count;
};

struct nrt__tls {
    SSL *ssl;
    nrt__tls_context *context;
    int fd;
    int code; /* errno of the socket */
    unsigned wants;
    bool ended;          /* the socket's input did */
    bool broken;         /* nothing more can be said */
    bool shut;           /* close_notify has gone out */
    unsigned char first; /* byte that the peer has sent; 0: none yet */
    char name[256];      /* that the peer must have */
    char reason[NRT__REASON_SIZE];
};

/* How connections reach their socket: OpenSSL's own way would raise SIGPIPE. NULL: no memory. */
BIO_METHOD *nrt__tls_method(void);

/* What is the same for both sides; the reason where it fails. */
bool nrt__tls_set_up(SSL_CTX *ctx, char *reason, size_t size);

/* A file in PEM, and what is to become of it. False with the reason, which names the file. */
typedef bool nrt__tls_use_fn(SSL_CTX *ctx, BIO *bio, const char *path, char *reason, size_t size);
bool nrt__tls_use_file(SSL_CTX *ctx, nrt__tls_use_fn *use, const char *path, char *reason,
                       size_t size);
bool nrt__tls_trust(SSL_CTX *ctx, BIO *bio, const char *path, char *reason, size_t size);
bool nrt__tls_use_chain(SSL_CTX *ctx, BIO *bio, const char *path, char *reason, size_t size);
bool nrt__tls_use_key(SSL_CTX *ctx, BIO *bio, const char *path, char *reason, size_t size);

/* SSL_verify_cb: keeps why a certificate is not good. */
int nrt__tls_verified(int fine, X509_STORE_CTX *store);

/* Fills in `reason` from errno or OpenSSL's queue. */
void nrt__tls_explain(nrt__tls *tls);

/* The names that a certificate is for, behind what `out` holds already. */
void nrt__tls_add_names(const X509 *cert, char *out, size_t size);

#endif
