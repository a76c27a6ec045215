/* What the files of TLS share, and nobody else may touch. */
#ifndef NRT__TLS_PRIVATE_H
#define NRT__TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "lib/file.h"
#include "lib/tls.h"

struct nrt__tls_context {
    SSL_CTX *ctx;
    bool has_cert;
    bool has_ca; /* not the system's */
};

struct nrt__tls {
    SSL *ssl;
    BIO_METHOD *method; /* how it reaches the socket; not one for the process, which a library that
                           is unloaded would leave behind */
    int fd;
    int code; /* errno of the socket */
    unsigned wants;
    bool ended;  /* the socket's input did */
    bool broken; /* nothing more can be said */
    bool has_cert;
    bool has_ca;
    char name[256]; /* that the peer must have */
    char reason[NRT__REASON_SIZE];
};

/* SSL_verify_cb: keeps why a certificate is not good. */
int nrt__tls_verified(int fine, X509_STORE_CTX *store);

/* Fills in `reason` from errno or OpenSSL's queue. */
void nrt__tls_explain(nrt__tls *tls);

/* The names that a certificate is for, behind what `out` holds already. */
void nrt__tls_add_names(const X509 *cert, char *out, size_t size);

#endif
