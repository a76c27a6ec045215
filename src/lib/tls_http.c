/* What HTTP wants of TLS beyond what NATS does: servers, chosen by the name that is asked for; the
 * word about which HTTP is spoken (ALPN); sessions that are resumed. */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/tls_private.h"

/* Mozilla's "intermediate" for what clients of the last ten years speak, but for DHE, which wants
 * parameters of its own. What TLS 1.3 has is all good. */
static const char server_ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char server_groups[] = "X25519:P-256:P-384";

/* Each with its length before it (RFC 7301). */
static const unsigned char protocols[] = "\x08http/1.1\x08http/1.0";
enum { PROTOCOLS_LEN = sizeof(protocols) - 1, HTTP_1_1_LEN = 9 };

/* A connection that waits for its next request holds no buffer. */
enum { HTTP_READ_AHEAD = 20 * 1024 };

static void read_records(SSL_CTX *ctx) {
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_read_buffer_len(ctx, HTTP_READ_AHEAD);
}

/* ---- clients ---- */

/* The newest session is the one to resume (RFC 8446 appendix C.4). */
static int keep_session(SSL *ssl, SSL_SESSION *session) {
    const nrt__tls *tls = SSL_get_app_data(ssl);
    SSL_SESSION_free(tls->context->session);
    tls->context->session = session;
    return 1; /* it is ours now */
}

int nrt__tls_context_for_http(nrt__tls_context *context, bool any) {
    SSL_CTX *ctx = context->ctx;
    context->any = any;
    read_records(ctx);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_session);
    return SSL_CTX_set_alpn_protos(ctx, protocols, HTTP_1_1_LEN) == 0 ? 0 : NRT_ERR_MEMORY;
}

/* ---- servers ---- */

/* Who wants HTTP/2 only is told so by an alert (RFC 7301 section 3.2); who says nothing gets
 * HTTP/1.1. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg) {
    unsigned char *chosen;
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, protocols, PROTOCOLS_LEN, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool is_for(SSL_CTX *ctx, const char *name) {
    return X509_check_host(SSL_CTX_get0_certificate(ctx), name, 0, 0, NULL) == 1;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL's type */
static int choose_certificate(SSL *ssl, int *alert, void *arg) {
    const nrt__tls *tls = SSL_get_app_data(ssl);
    const nrt__tls_context *context = tls->context;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    (void)arg;
    if (!name || is_for(context->ctx, name)) {
        return SSL_TLSEXT_ERR_OK;
    }
    for (size_t i = 0; i < context->other_count; i++) {
        if (is_for(context->others[i], name)) {
            return SSL_set_SSL_CTX(ssl, context->others[i]) ? SSL_TLSEXT_ERR_OK
                                                            : SSL_TLSEXT_ERR_ALERT_FATAL;
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

/* Clients are trusted by this file, and told which CAs are in it. */
static bool trust_clients(SSL_CTX *ctx, const char *path, char *reason, size_t size) {
    STACK_OF(X509_NAME) *names = NULL;
    if (!nrt__tls_use_file(ctx, nrt__tls_trust, path, reason, size)) {
        return false;
    }
    names = SSL_load_client_CA_file(path);
    if (!names) {
        snprintf(reason, size, "%s: no certificate in it", path);
        return false;
    }
    SSL_CTX_set_client_CA_list(ctx, names); /* owns them */
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nrt__tls_verified);
    return true;
}

static SSL_CTX *make_server(const nrt__tls_pair *pair, const char *client_ca, char *reason,
                            size_t size) {
    static const unsigned char id[] = "nrt"; /* sessions are for all names */
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    snprintf(reason, size, "out of memory");
    if (!ctx || !nrt__tls_set_up(ctx, reason, size)) {
        goto fail;
    }
    read_records(ctx);
    if (SSL_CTX_set_cipher_list(ctx, server_ciphers) != 1 ||
        SSL_CTX_set1_groups_list(ctx, server_groups) != 1) {
        snprintf(reason, size, "this OpenSSL has no ciphers that are good enough");
        goto fail;
    }
    SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    SSL_CTX_set_tlsext_servername_callback(ctx, choose_certificate);
    if (!nrt__tls_use_file(ctx, nrt__tls_use_chain, pair->cert, reason, size) ||
        !nrt__tls_use_file(ctx, nrt__tls_use_key, pair->key ? pair->key : pair->cert, reason,
                           size) ||
        (client_ca && !trust_clients(ctx, client_ca, reason, size))) {
        goto fail;
    }
    return ctx;
fail:
    SSL_CTX_free(ctx);
    return NULL;
}

nrt__tls_context *nrt__tls_context_listen(const nrt__tls_listen *listen, char *reason,
                                          size_t size) {
    nrt__tls_context *context = calloc(1, sizeof(*context));
    snprintf(reason, size, "out of memory");
    if (!context) {
        return NULL;
    }
    context->holders = 1;
    context->server = true;
    context->method = nrt__tls_method();
    context->others = calloc(listen->count, sizeof(SSL_CTX *));
    bool fine = context->method && context->others;
    for (size_t i = 0; i < listen->count && fine; i++) {
        SSL_CTX *ctx = make_server(&listen->pairs[i], listen->client_ca, reason, size);
        fine = ctx != NULL;
        if (i == 0) {
            context->ctx = ctx;
        } else if (fine) {
            context->others[context->other_count++] = ctx;
        }
    }
    ERR_clear_error();
    if (!fine) {
        nrt__tls_context_destroy(context);
        return NULL;
    }
    return context;
}

char *nrt__tls_client_cert(const nrt__tls *tls, bool *fine) {
    const X509 *cert = SSL_get0_peer_certificate(tls->ssl);
    unsigned char *der = NULL;
    int len = cert ? i2d_X509(cert, &der) : 0;
    char *value = len > 0 ? malloc((size_t)len / 3 * 4 + 8) : NULL;
    if (value) {
        value[0] = ':';
        int end = 1 + EVP_EncodeBlock((unsigned char *)value + 1, der, len);
        value[end] = ':';
        value[end + 1] = '\0';
    }
    *fine = !cert || value;
    OPENSSL_free(der);
    return value;
}
