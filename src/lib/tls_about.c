/* What is told of certificates: whose, by whom, for how long. What they say is shown only where it
 * is plain text. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <time.h>

#include "core/discovery/text.h"
#include "lib/tls_private.h"

static void name_text(const X509_NAME *name, char *out, size_t size) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    out[0] = '\0';
    if (bio && name &&
        X509_NAME_print_ex(bio, name, 0,
                           XN_FLAG_ONELINE & ~XN_FLAG_SPC_EQ & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
        long len = BIO_get_mem_data(bio, &text);
        nrt_str view = {text, len > 0 ? (size_t)len : 0};
        if (view.len > 0 && view.len < size && nrt__is_plain_text(view)) {
            memcpy(out, view.ptr, view.len);
            out[view.len] = '\0';
        }
    }
    BIO_free(bio);
}

static int64_t seconds(const ASN1_TIME *time) {
    struct tm tm;
    return time && ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void describe(const X509 *cert, nrt__tls_about *about) {
    name_text(X509_get_subject_name(cert), about->subject, sizeof(about->subject));
    name_text(X509_get_issuer_name(cert), about->issuer, sizeof(about->issuer));
    nrt__tls_add_names(cert, about->names, sizeof(about->names));
    about->not_before = seconds(X509_get0_notBefore(cert));
    about->not_after = seconds(X509_get0_notAfter(cert));
}

bool nrt__tls_peer(const nrt__tls *tls, nrt__tls_about *about) {
    X509 *cert = SSL_get1_peer_certificate(tls->ssl);
    *about = (nrt__tls_about){.not_before = 0};
    (void)snprintf(about->protocol, sizeof(about->protocol), "%s", SSL_get_version(tls->ssl));
    if (cert) {
        describe(cert, about);
    }
    X509_free(cert);
    return cert != NULL;
}

bool nrt__tls_file(const char *path, nrt__tls_about *about) {
    char reason[NRT__REASON_SIZE];
    nrt_str file = {NULL, 0};
    *about = (nrt__tls_about){.not_before = 0};
    if (nrt__file_read(path, NRT__TLS_FILE_MAX, &file, reason, sizeof(reason)) < 0) {
        return false;
    }
    BIO *bio = BIO_new_mem_buf(file.ptr, (int)file.len);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    if (cert) {
        describe(cert, about);
    }
    X509_free(cert);
    BIO_free(bio);
    nrt__file_free(file);
    ERR_clear_error();
    return cert != NULL;
}
