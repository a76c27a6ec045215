/* Why a TLS connection does not come about, in words that say what to look at. What a peer's
 * certificate says is shown only where it is plain text. */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "core/base/str.h"
#include "lib/tls_private.h"

enum { NAMES_MAX = 5 }; /* of a certificate, that are shown */

static void add(char *out, size_t size, const char *text) {
    size_t len = strlen(out);
    snprintf(out + len, size - len, "%s", text);
}

static bool name_text(const GENERAL_NAME *name, char *out, size_t size) {
    if (name->type == GEN_DNS) {
        int len = ASN1_STRING_length(name->d.dNSName);
        nrt_str text = {(const char *)ASN1_STRING_get0_data(name->d.dNSName), (size_t)len};
        if (len <= 0 || text.len >= size || !nrt__is_visible(text)) {
            return false;
        }
        snprintf(out, size, "%.*s", NRT__ARG(text));
        return true;
    }
    if (name->type == GEN_IPADD) {
        int len = ASN1_STRING_length(name->d.iPAddress);
        int family = len == 4 ? AF_INET : len == 16 ? AF_INET6 : AF_UNSPEC;
        return family != AF_UNSPEC && inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress),
                                                out, (socklen_t)size) != NULL;
    }
    return false;
}

void nrt__tls_add_names(const X509 *cert, char *out, size_t size) {
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    int count = names ? sk_GENERAL_NAME_num(names) : 0;
    int shown = 0;
    for (int i = 0; i < count && shown < NAMES_MAX; i++) {
        char text[64];
        if (name_text(sk_GENERAL_NAME_value(names, i), text, sizeof(text))) {
            add(out, size, shown++ > 0 ? ", " : "");
            add(out, size, text);
        }
    }
    add(out, size, shown == 0 ? "no name at all" : count > shown ? ", …" : "");
    GENERAL_NAMES_free(names);
}

static void add_time(const ASN1_TIME *time, char *out, size_t size) {
    struct tm tm;
    char text[40];
    if (time && ASN1_TIME_to_tm(time, &tm) == 1 &&
        strftime(text, sizeof(text), " (%Y-%m-%dT%H:%M:%SZ)", &tm) > 0) {
        add(out, size, text);
    }
}

int nrt__tls_verified(int fine, X509_STORE_CTX *store) {
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    nrt__tls *tls = SSL_get_app_data(ssl);
    const X509 *cert = X509_STORE_CTX_get_current_cert(store);
    int error = X509_STORE_CTX_get_error(store);
    char *reason = tls->reason;
    size_t size = sizeof(tls->reason);
    if (fine || reason[0] != '\0') {
        return fine;
    }
    snprintf(reason, size, "certificate verify failed: ");
    switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        add(reason, size,
            error == X509_V_ERR_HOSTNAME_MISMATCH ? "hostname mismatch: not for "
                                                  : "IP address mismatch: not for ");
        snprintf(reason + strlen(reason), size - strlen(reason), "%.64s; ", tls->name);
        add(reason, size, "the certificate is for ");
        nrt__tls_add_names(cert, reason, size);
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        add(reason, size, "the certificate has expired");
        add_time(cert ? X509_get0_notAfter(cert) : NULL, reason, size);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        add(reason, size, "the certificate is not valid yet");
        add_time(cert ? X509_get0_notBefore(cert) : NULL, reason, size);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        add(reason, size, X509_verify_cert_error_string(error));
        if (tls->context->has_ca || tls->context->server) {
            add(reason, size, "; the CA given is not the one that signed it");
        } else {
            add(reason, size, "; no CA of this system signed it: give yours as ");
            add(reason, size, tls->context->ca_option);
        }
        break;
    default:
        add(reason, size, X509_verify_cert_error_string(error));
        break;
    }
    return 0;
}

/* An alert of the peer: its number of RFC 8446 section 6. */
static void explain_alert(nrt__tls *tls, int alert) {
    const nrt__tls_context *context = tls->context;
    bool wants_cert =
        alert == SSL_AD_BAD_CERTIFICATE || alert == SSL_AD_CERTIFICATE_REQUIRED ||
        alert == SSL_AD_HANDSHAKE_FAILURE ||
        (alert == SSL_AD_UNKNOWN_CA && context->has_cert); /* nats-server 2.10 and newer */
    const char *text = alert == SSL_AD_CERTIFICATE_REQUIRED
                           ? "certificate required" /* OpenSSL does not know it */
                           : SSL_alert_desc_string_long(alert);
    if (context->server || !wants_cert) {
        snprintf(tls->reason, sizeof(tls->reason), "the %s refuses: TLS alert \"%s\"",
                 context->server ? "client" : "server", text);
    } else {
        snprintf(tls->reason, sizeof(tls->reason),
                 "the server refuses: TLS alert \"%s\"; it may %s (%s)", text,
                 context->has_cert ? "not like the certificate we have"
                                   : "want a certificate of us",
                 context->cert_option);
    }
}

void nrt__tls_explain(nrt__tls *tls) {
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_REASON(error);
    size_t size = sizeof(tls->reason);
    if (tls->code != 0) {
        snprintf(tls->reason, size, "%s", strerror(tls->code));
    } else if (ERR_GET_LIB(error) != ERR_LIB_SSL) {
        const char *text = ERR_reason_error_string(error);
        snprintf(tls->reason, size, "TLS: %s", text ? text : "failed");
    } else if (reason > SSL_AD_REASON_OFFSET && reason <= SSL_AD_REASON_OFFSET + 255) {
        explain_alert(tls, reason - SSL_AD_REASON_OFFSET);
    } else if (reason == SSL_R_WRONG_VERSION_NUMBER && !SSL_is_init_finished(tls->ssl)) {
        snprintf(tls->reason, size,
                 tls->context->server ? "what it sent is not TLS"
                                      : "what answers there does not speak TLS");
    } else if (reason == SSL_R_UNSUPPORTED_PROTOCOL) {
        snprintf(tls->reason, size, "the %s speaks no TLS newer than 1.1; 1.2 is needed",
                 tls->context->server ? "client" : "server");
    } else {
        const char *text = ERR_reason_error_string(error);
        snprintf(tls->reason, size, "TLS: %s", text ? text : "failed");
    }
}
