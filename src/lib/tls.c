/* TLS on a socket: handshake, reading, writing. What files say is in tls_context.c, what goes wrong
 * is put into words in tls_reason.c. */
#include "lib/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <nrt/loop.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/tls_private.h"

/* ---- the socket: OpenSSL's own would raise SIGPIPE ---- */

static int socket_done(BIO *bio, nrt__tls *tls, ssize_t count, int retry) {
    BIO_clear_retry_flags(bio);
    if (count > 0) {
        return (int)count;
    }
    if (count == 0) {
        tls->ended = true;
        return 0;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
        BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
    } else {
        tls->code = errno;
    }
    return -1;
}

static int socket_write(BIO *bio, const char *from, int size) {
    nrt__tls *tls = BIO_get_data(bio);
    ssize_t put = send(tls->fd, from, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
    return socket_done(bio, tls, put, BIO_FLAGS_WRITE);
}

static int socket_read(BIO *bio, char *to, int size) {
    nrt__tls *tls = BIO_get_data(bio);
    ssize_t got = recv(tls->fd, to, (size_t)size, MSG_DONTWAIT);
    if (got > 0 && tls->first == 0) {
        tls->first = (unsigned char)*to;
    }
    return socket_done(bio, tls, got, BIO_FLAGS_READ);
}

static long socket_control(BIO *bio, int command, long number, void *pointer) {
    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF: {
        const nrt__tls *tls = BIO_get_data(bio);
        return tls->ended;
    }
    default:
        return 0;
    }
}

BIO_METHOD *nrt__tls_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket");
    if (method && (BIO_meth_set_write(method, socket_write) != 1 ||
                   BIO_meth_set_read(method, socket_read) != 1 ||
                   BIO_meth_set_ctrl(method, socket_control) != 1)) {
        BIO_meth_free(method);
        method = NULL;
    }
    return method;
}

/* ---- */

/* Who the peer must be. A name with a dot at its end is the same name. */
static bool expect(nrt__tls *tls, const char *name) {
    X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
    unsigned char address[sizeof(struct in6_addr)];
    size_t len = inet_pton(AF_INET, name, address) == 1    ? sizeof(struct in_addr)
                 : inet_pton(AF_INET6, name, address) == 1 ? sizeof(struct in6_addr)
                                                           : 0;
    snprintf(tls->name, sizeof(tls->name), "%s", name);
    if (len > 0) {
        return X509_VERIFY_PARAM_set1_ip(param, address, len) == 1;
    }
    size_t end = strlen(tls->name);
    if (end > 1 && tls->name[end - 1] == '.') {
        tls->name[end - 1] = '\0';
    }
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return strlen(name) < sizeof(tls->name) &&
           X509_VERIFY_PARAM_set1_host(param, tls->name, 0) == 1 &&
           SSL_set_tlsext_host_name(tls->ssl, tls->name) == 1;
}

static nrt__tls *make(nrt__tls_context *context, int fd) {
    nrt__tls *tls = calloc(1, sizeof(*tls));
    BIO *bio = tls ? BIO_new(context->method) : NULL;
    SSL *ssl = bio ? SSL_new(context->ctx) : NULL;
    if (!ssl) {
        BIO_free(bio);
        free(tls);
        return NULL;
    }
    tls->ssl = ssl;
    tls->context = context;
    context->holders++;
    tls->fd = fd;
    tls->wants = NRT_IO_READ;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_app_data(ssl, tls);
    return tls;
}

nrt__tls *nrt__tls_create(nrt__tls_context *context, int fd, const char *name) {
    nrt__tls *tls = make(context, fd);
    if (!tls) {
        return NULL;
    }
    if (!context->any) {
        SSL_set_verify(tls->ssl, SSL_VERIFY_PEER, nrt__tls_verified);
    }
    SSL_set_connect_state(tls->ssl);
    if (!expect(tls, name) ||
        (context->session && SSL_set_session(tls->ssl, context->session) != 1)) {
        nrt__tls_destroy(tls);
        return NULL;
    }
    return tls;
}

nrt__tls *nrt__tls_accept(nrt__tls_context *context, int fd) {
    nrt__tls *tls = make(context, fd);
    if (tls) {
        SSL_set_accept_state(tls->ssl);
    }
    return tls;
}

void nrt__tls_destroy(nrt__tls *tls) {
    if (tls) {
        /* Else OpenSSL would hold it against the session, which is as good as before. */
        SSL_set_shutdown(tls->ssl, SSL_get_shutdown(tls->ssl) | SSL_SENT_SHUTDOWN);
        SSL_free(tls->ssl);
        nrt__tls_context_destroy(tls->context);
        free(tls);
    }
}

/* What a call that did not succeed means. */
static int result(nrt__tls *tls, int returned) {
    switch (SSL_get_error(tls->ssl, returned)) {
    case SSL_ERROR_WANT_READ:
        tls->wants = NRT_IO_READ;
        return NRT__TLS_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        tls->wants = NRT_IO_WRITE;
        return NRT__TLS_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return NRT__TLS_END;
    default:
        break;
    }
    tls->broken = true;
    if (tls->reason[0] == '\0') {
        if (tls->ended) { /* with a close_notify before or without: NATS knows where messages end */
            ERR_clear_error();
            return NRT__TLS_END;
        }
        nrt__tls_explain(tls);
    }
    ERR_clear_error();
    return NRT__TLS_BROKEN;
}

int nrt__tls_handshake(nrt__tls *tls) {
    ERR_clear_error();
    int done = SSL_do_handshake(tls->ssl);
    if (done == 1) {
        tls->wants = NRT_IO_READ;
        return 1;
    }
    return result(tls, done);
}

ssize_t nrt__tls_read(nrt__tls *tls, char *to, size_t size) {
    size_t got = 0;
    ERR_clear_error();
    int done = SSL_read_ex(tls->ssl, to, size, &got);
    return done == 1 ? (ssize_t)got : result(tls, done);
}

ssize_t nrt__tls_write(nrt__tls *tls, const char *from, size_t size) {
    size_t put = 0;
    ERR_clear_error();
    int done = SSL_write_ex(tls->ssl, from, size, &put);
    return done == 1 ? (ssize_t)put : result(tls, done);
}

unsigned nrt__tls_wants(const nrt__tls *tls) {
    return tls->wants;
}

bool nrt__tls_pending(const nrt__tls *tls) {
    return SSL_has_pending(tls->ssl) == 1;
}

bool nrt__tls_shut(nrt__tls *tls) {
    bool done = true;
    /* Not twice: OpenSSL would read then, and take what it finds for a fault. */
    if (!tls->shut && !tls->broken && SSL_is_init_finished(tls->ssl)) {
        ERR_clear_error();
        int returned = SSL_shutdown(tls->ssl);
        if (returned < 0 && SSL_get_error(tls->ssl, returned) == SSL_ERROR_WANT_WRITE) {
            tls->wants = NRT_IO_WRITE;
            done = false;
        }
        ERR_clear_error();
    }
    tls->shut = done;
    return done;
}

bool nrt__tls_ended_well(const nrt__tls *tls) {
    return (SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

bool nrt__tls_was_http(const nrt__tls *tls) {
    return tls->context->server && !SSL_is_init_finished(tls->ssl) && tls->first >= 'A' &&
           tls->first <= 'Z';
}

int nrt__tls_error(const nrt__tls *tls) {
    return tls->code != 0 || tls->reason[0] == '\0' ? NRT_ERR_CONNECT : NRT_ERR_TLS;
}

const char *nrt__tls_reason(const nrt__tls *tls) {
    return tls->reason;
}
