/* Certificates and keys of HTTP's TLS: which files, and what is wrong with them. */
#include "cli/daemon/tls_option.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/common.h"
#include "lib/file.h"

enum { SOON_DAYS = 14, DAY = 24 * 60 * 60 };

const nrt__opt nrt__listen_tls_opts[NRT__LISTEN_TLS_OPTS] = {
    {.name = "tls-cert",
     .value = "FILE",
     .kind = NRT__OPT_LIST,
     .offset = offsetof(nrt__listen_tls, certs),
     .help = "speak TLS (https://) with this certificate and those between it and the CA, in PEM; "
             "SIGHUP reads the files anew; may be repeated: the name that a client asks for "
             "chooses, the first one is for all others"},
    {.name = "tls-key",
     .value = "FILE",
     .kind = NRT__OPT_LIST,
     .offset = offsetof(nrt__listen_tls, keys),
     .help = "its private key, in PEM; repeated in the same order; default: in the files of "
             "--tls-cert"},
    {.name = "tls-client-ca",
     .value = "FILE",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(nrt__listen_tls, client_ca),
     .help = "clients must have a certificate that one of these (PEM) has signed"},
};

const nrt__opt nrt__origin_tls_opts[NRT__ORIGIN_TLS_OPTS] = {
    {.name = "origin-ca",
     .value = "FILE",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(nrt__origin_tls, ca),
     .help = "certificates to trust (PEM) for https:// targets; default: the system's"},
    {.name = "origin-cert",
     .value = "FILE",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(nrt__origin_tls, cert),
     .help = "certificate to show to them (PEM), with those between it and the CA"},
    {.name = "origin-key",
     .value = "FILE",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(nrt__origin_tls, key),
     .help = "its private key (PEM); default: in the file of --origin-cert"},
    {.name = "origin-name",
     .value = "NAME",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(nrt__origin_tls, name),
     .help = "name that their certificate must be for, and that they are asked for (SNI); default: "
             "the host of the URL"},
    {.name = "origin-insecure",
     .kind = NRT__OPT_FLAG,
     .offset = offsetof(nrt__origin_tls, insecure),
     .help = "take whatever certificate they have: whoever is on the way can read and change "
             "everything"},
};

static int usage(const nrt__report *log, const char *text) {
    nrt__report_event(log, NRT_LOG_ERROR, "usage", NULL, "%s", text);
    return NRT__EXIT_USAGE;
}

/* ---- files ---- */

/* What the kernel says about a file, with what to do; true where it can be read. */
static bool may_read(const nrt__report *log, const char *option, const char *path) {
    if (access(path, R_OK) == 0) {
        return true;
    }
    int code = errno;
    nrt__report_event(log, NRT_LOG_ERROR, "usage", NULL, "%s: %s: %s%s", option, path,
                      strerror(code),
                      code == EACCES ? ": make it readable for the user that nrt runs as (chgrp, "
                                       "chmod g+r; folders above it need x)"
                                     : "");
    return false;
}

static void warn_of_key(const nrt__report *log, const char *path) {
    struct stat about;
    if (stat(path, &about) == 0 && (about.st_mode & S_IRWXO) != 0) {
        nrt__report_event(log, NRT_LOG_WARN, "tls", NULL,
                          "%s: everybody on this machine may read the private key in it: "
                          "chmod o= %s",
                          path, path);
    }
}

static void day_text(int64_t at, char out[32]) {
    const time_t seconds = (time_t)at;
    struct tm tm;
    if (!gmtime_r(&seconds, &tm) || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        out[0] = '\0';
    }
}

/* Clients look at the dates; a gateway that does not start helps nobody. */
static void warn_of_dates(const nrt__report *log, const char *path) {
    nrt__tls_about about;
    char day[32];
    const int64_t now = time(NULL);
    if (!nrt__tls_file(path, &about)) {
        return;
    }
    if (about.not_after < now) {
        day_text(about.not_after, day);
        nrt__report_event(log, NRT_LOG_WARN, "tls", NULL,
                          "%s: the certificate has expired (%s), clients refuse it: put a new one "
                          "there and send SIGHUP",
                          path, day);
    } else if (about.not_before > now) {
        day_text(about.not_before, day);
        nrt__report_event(log, NRT_LOG_WARN, "tls", NULL,
                          "%s: the certificate is not valid yet (from %s), clients refuse it: is "
                          "this machine's clock right?",
                          path, day);
    } else if (about.not_after - now < (int64_t)SOON_DAYS * DAY) {
        nrt__report_event(log, NRT_LOG_WARN, "tls", NULL,
                          "%s: the certificate expires in %" PRId64
                          " days: put a new one there and send SIGHUP",
                          path, (about.not_after - now) / DAY);
    }
}

/* ---- nrt gateway ---- */

static const char *key_of(const nrt__listen_tls *options, size_t i) {
    return options->keys.count > 0 ? options->keys.items[i].value : NULL;
}

static const char *where_of(const nrt__arg *arg, const char *option) {
    return arg->where ? arg->where : option;
}

static int check(const nrt__listen_tls *options, const nrt__report *log) {
    size_t count = options->certs.count;
    if (count == 0 && (options->keys.count > 0 || options->client_ca)) {
        return usage(log, "--tls-key and --tls-client-ca go with a --tls-cert");
    }
    if (count > NRT__LISTEN_TLS_MAX) {
        return usage(log, "--tls-cert: 100 certificates are the most");
    }
    if (options->keys.count > 0 && options->keys.count != count) {
        return usage(log, "each --tls-cert wants its --tls-key, in the same order; or none has "
                          "one, where the keys are in the same files");
    }
    for (size_t i = 0; i < count; i++) {
        const char *key = key_of(options, i);
        if (!may_read(log, where_of(&options->certs.items[i], "--tls-cert"),
                      options->certs.items[i].value) ||
            (key && !may_read(log, where_of(&options->keys.items[i], "--tls-key"), key))) {
            return NRT__EXIT_USAGE;
        }
    }
    if (options->client_ca && !may_read(log, "--tls-client-ca", options->client_ca)) {
        return NRT__EXIT_USAGE;
    }
    return 0;
}

int nrt__listen_tls_read(const nrt__listen_tls *options, const nrt__report *log,
                         nrt__tls_context **context) {
    char reason[NRT__REASON_SIZE];
    size_t count = options->certs.count;
    *context = NULL;
    int code = check(options, log);
    if (code != 0 || count == 0) {
        return code;
    }
    nrt__tls_pair *pairs = calloc(count, sizeof(*pairs));
    if (!pairs) {
        nrt__report_event(log, NRT_LOG_ERROR, "failed", NULL, "out of memory");
        return NRT__EXIT_FAILED;
    }
    for (size_t i = 0; i < count; i++) {
        pairs[i] = (nrt__tls_pair){options->certs.items[i].value, key_of(options, i)};
    }
    const nrt__tls_listen listen = {pairs, count, options->client_ca};
    *context = nrt__tls_context_listen(&listen, reason, sizeof(reason));
    if (!*context) {
        nrt__report_event(log, NRT_LOG_ERROR, "usage", NULL, "--tls-cert, --tls-key: %s", reason);
        code = NRT__EXIT_USAGE;
    }
    for (size_t i = 0; i < count && *context; i++) {
        warn_of_dates(log, pairs[i].cert);
        warn_of_key(log, pairs[i].key ? pairs[i].key : pairs[i].cert);
    }
    free(pairs);
    return code;
}

/* ---- nrt serve ---- */

int nrt__origin_tls_read(const nrt__origin_tls *options, bool any, const nrt__report *log,
                         nrt__target_tls *out) {
    bool given = options->ca || options->cert || options->key || options->name || options->insecure;
    *out = (nrt__target_tls){.files = {.ca = options->ca,
                                       .cert = options->cert,
                                       .key = options->key,
                                       .ca_option = "--origin-ca",
                                       .cert_option = "--origin-cert"},
                             .name = options->name,
                             .any = options->insecure};
    if (given && !any) {
        return usage(log, "options that begin with --origin- are for targets that begin with "
                          "https://, and there is none");
    }
    if (options->key && !options->cert) {
        return usage(log, "--origin-key goes with an --origin-cert");
    }
    if (options->insecure && (options->ca || options->name)) {
        return usage(log, "--origin-insecure takes any certificate: --origin-ca and --origin-name "
                          "would mean nothing beside it");
    }
    if ((options->ca && !may_read(log, "--origin-ca", options->ca)) ||
        (options->cert && !may_read(log, "--origin-cert", options->cert)) ||
        (options->key && !may_read(log, "--origin-key", options->key))) {
        return NRT__EXIT_USAGE;
    }
    if (options->insecure) {
        nrt__report_event(
            log, NRT_LOG_WARN, "tls", NULL,
            "--origin-insecure: certificates of https:// targets are not looked at; "
            "whoever is on the way can read and change everything: better --origin-ca");
    }
    return 0;
}
