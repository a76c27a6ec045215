/* What a TLS connection takes from files: whom we trust, who we are. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/tls_private.h"

enum { READ_AHEAD = 64 * 1024 };

/* OpenSSL's own would ask at the terminal. */
/* NOLINTNEXTLINE(readability-non-const-parameter): pem_password_cb */
static int no_passphrase(char *out, int size, int writing, void *asked) {
    (void)out;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

/* The next certificate; NULL at the end, and where one is not valid (*fine false). */
static X509 *next_cert(BIO *bio, bool *fine) {
    bool asked = false;
    ERR_clear_error();
    X509 *cert = PEM_read_bio_X509(bio, NULL, no_passphrase, &asked);
    if (!cert) {
        unsigned long error = ERR_peek_last_error();
        *fine = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
        ERR_clear_error();
    }
    return cert;
}

static bool fail(char *reason, size_t size, const char *path, const char *what) {
    snprintf(reason, size, "%s: %s", path, what);
    return false;
}

/* With OpenSSL's word for it, such as "ee key too small". */
static bool fail_why(char *reason, size_t size, const char *path, const char *what) {
    const char *why = ERR_reason_error_string(ERR_peek_error());
    snprintf(reason, size, "%s: %s%s%s", path, what, why ? ": " : "", why ? why : "");
    return false;
}

bool nrt__tls_trust(SSL_CTX *ctx, BIO *bio, const char *path, char *reason, size_t size) {
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    size_t count = 0;
    bool fine = true;
    X509 *cert;
    /* What is named is trusted, whoever has signed it, as in Go's clients. */
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    while ((cert = next_cert(bio, &fine)) != NULL) {
        int added = X509_STORE_add_cert(store, cert);
        X509_free(cert);
        if (added != 1) {
            return fail(reason, size, path, "a certificate in it cannot be used");
        }
        count++;
    }
    if (!fine) {
        return fail(reason, size, path, "a certificate in it is not valid PEM");
    }
    return count > 0 || fail(reason, size, path, "no certificate in it");
}

/* Ours, and those between it and the CA. */
bool nrt__tls_use_chain(SSL_CTX *ctx, BIO *bio, const char *path, char *reason, size_t size) {
    bool fine = true;
    X509 *cert;
    for (int count = 0; (cert = next_cert(bio, &fine)) != NULL; count++) {
        bool taken = count == 0                    ? SSL_CTX_use_certificate(ctx, cert) == 1
                     : count <= NRT__TLS_CHAIN_MAX ? SSL_CTX_add1_chain_cert(ctx, cert) == 1
                                                   : false;
        X509_free(cert);
        if (!taken) {
            return count > NRT__TLS_CHAIN_MAX
                       ? fail(reason, size, path, "too many certificates in it")
                       : fail_why(reason, size, path, "a certificate in it cannot be used");
        }
    }
    if (!fine) {
        return fail(reason, size, path, "a certificate in it is not valid PEM");
    }
    return SSL_CTX_get0_certificate(ctx) || fail(reason, size, path, "no certificate in it");
}

bool nrt__tls_use_key(SSL_CTX *ctx, BIO *bio, const char *path, char *reason, size_t size) {
    bool asked = false;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
    if (!key) {
        return fail(reason, size, path,
                    asked ? "the key is encrypted, and nobody can be asked for its passphrase"
                          : "no private key in it");
    }
    bool fine = SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    EVP_PKEY_free(key);
    return fine || fail(reason, size, path, "the key does not belong to the certificate");
}

bool nrt__tls_use_file(SSL_CTX *ctx, nrt__tls_use_fn *use, const char *path, char *reason,
                       size_t size) {
    nrt_str text;
    if (nrt__file_read(path, NRT__TLS_FILE_MAX, &text, reason, size) < 0) {
        return false;
    }
    BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
    snprintf(reason, size, "out of memory");
    bool fine = bio && use(ctx, bio, path, reason, size);
    BIO_free(bio);
    nrt__file_free(text);
    return fine;
}

bool nrt__tls_set_up(SSL_CTX *ctx, char *reason, size_t size) {
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
        snprintf(reason, size, "TLS 1.2 is not available");
        return false;
    }
    return true;
}

static bool set_up(nrt__tls_context *context, const nrt__tls_files *files, char *reason,
                   size_t size) {
    SSL_CTX *ctx = context->ctx;
    if (!nrt__tls_set_up(ctx, reason, size)) {
        return false;
    }
    context->has_ca = files->ca != NULL;
    context->has_cert = files->cert != NULL;
    context->ca_option = files->ca_option ? files->ca_option : "tls_ca";
    context->cert_option = files->cert_option ? files->cert_option : "tls_cert";
    if (files->ca) {
        if (!nrt__tls_use_file(ctx, nrt__tls_trust, files->ca, reason, size)) {
            return false;
        }
    } else if (SSL_CTX_set_default_verify_paths(ctx) != 1) {
        snprintf(reason, size, "the system's CA certificates cannot be read");
        return false;
    }
    return !files->cert || (nrt__tls_use_file(ctx, nrt__tls_use_chain, files->cert, reason, size) &&
                            nrt__tls_use_file(ctx, nrt__tls_use_key,
                                              files->key ? files->key : files->cert, reason, size));
}

nrt__tls_context *nrt__tls_context_create(const nrt__tls_files *files, char *reason, size_t size) {
    nrt__tls_context *context = calloc(1, sizeof(*context));
    snprintf(reason, size, "out of memory");
    if (context) {
        context->holders = 1;
        context->method = nrt__tls_method();
        context->ctx = SSL_CTX_new(TLS_client_method());
    }
    if (!context || !context->method || !context->ctx || !set_up(context, files, reason, size)) {
        nrt__tls_context_destroy(context);
        context = NULL;
    }
    ERR_clear_error();
    return context;
}

nrt__tls_context *nrt__tls_context_hold(nrt__tls_context *context) {
    if (context) {
        context->holders++;
    }
    return context;
}

void nrt__tls_context_destroy(nrt__tls_context *context) {
    if (context && --context->holders == 0) {
        for (size_t i = 0; i < context->other_count; i++) {
            SSL_CTX_free(context->others[i]);
        }
        free(context->others);
        SSL_SESSION_free(context->session);
        SSL_CTX_free(context->ctx);
        BIO_meth_free(context->method);
        free(context);
    }
}
