/* Certificates and credentials: whose they are, and for how long. */
#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/doctor/doctor.h"
#include "core/base/str.h"
#include "lib/nkey.h"

enum {
    DAY_S = 24 * 60 * 60,
    CERTIFICATE_DAYS = 14, /* renewing one takes people */
    JWT_DAYS = 7,
    CLOCK_S = 60, /* that clocks may differ by without harm */
};

static const char *date(int64_t seconds, char *out, size_t size) {
    time_t when = (time_t)seconds;
    struct tm tm;
    if (!gmtime_r(&when, &tm) || strftime(out, size, "%Y-%m-%d %H:%M UTC", &tm) == 0) {
        (void)snprintf(out, size, "an unknown time");
    }
    return out;
}

/* "in 3 days", "in 5 hours", "2 days ago". */
static const char *distance(int64_t seconds, char *out, size_t size) {
    int64_t amount = seconds < 0 ? -seconds : seconds;
    const char *unit = amount >= 2 * DAY_S ? "day" : amount >= 7200 ? "hour" : "minute";
    amount /= amount >= 2 * DAY_S ? DAY_S : amount >= 7200 ? 3600 : 60;
    (void)snprintf(out, size, "%s%lld %s%s%s", seconds < 0 ? "" : "in ", (long long)amount, unit,
                   amount == 1 ? "" : "s", seconds < 0 ? " ago" : "");
    return out;
}

/* ---- certificates ---- */

/* `whose` begins the sentence. */
static void tell_certificate(nrt__doctor *doctor, const char *check, const char *whose,
                             const nrt__tls_about *about, const char *renew) {
    char until[40];
    char left[40];
    int64_t now = (int64_t)time(NULL);
    int64_t ends = about->not_after - now;
    nrt__mark mark = ends <= 0 || about->not_before > now + CLOCK_S ? NRT__MARK_PROBLEM
                     : ends < (int64_t)CERTIFICATE_DAYS * DAY_S     ? NRT__MARK_WARNING
                                                                    : NRT__MARK_OK;
    date(about->not_after, until, sizeof(until));
    distance(ends, left, sizeof(left));
    nrt__doctor_tell(doctor, mark, check, "%s certificate is %s's, by %s, for %s; it %s at %s, %s",
                     whose, *about->subject ? about->subject : "nobody",
                     *about->issuer ? about->issuer : "nobody", about->names,
                     ends <= 0 ? "expired" : "expires", until, left);
    nrt__doctor_set(doctor, "subject", nrt__report_string(nrt_str_from(about->subject)));
    nrt__doctor_set(doctor, "issuer", nrt__report_string(nrt_str_from(about->issuer)));
    nrt__doctor_set(doctor, "not_after", json_integer(about->not_after));
    if (about->not_before > now + CLOCK_S) {
        nrt__doctor_advise(doctor, "it is not valid yet: this machine's clock is behind, or it was "
                                   "made for later: compare with date -u, and see timedatectl");
    } else if (mark != NRT__MARK_OK) {
        nrt__doctor_advise(doctor, "%s", renew);
    }
}

static bool is_this_machine(const nrt__server *server) {
    return strcmp(server->host, "localhost") == 0 || strcmp(server->host, "::1") == 0 ||
           strncmp(server->host, "127.", 4) == 0;
}

static void tell_tls(nrt__doctor *doctor) {
    const nrt__link *link = doctor->conn->link;
    const nrt_options *options = nrt__conn_options(doctor->conn);
    nrt__tls_about about;
    if (!link->tls && is_this_machine(nrt__link_server(link))) {
        nrt__doctor_tell(doctor, NRT__MARK_INFO, "tls",
                         "plain text, and the server is on this machine");
    } else if (!link->tls) {
        nrt__doctor_tell(doctor, NRT__MARK_WARNING, "tls",
                         "plain text: who is on the way can read and change everything");
        nrt__doctor_advise(doctor, "give the NATS server a tls block, and write tls:// in its URL");
    } else {
        bool has = nrt__tls_peer(link->tls, &about);
        nrt__doctor_tell(doctor, NRT__MARK_OK, "tls", "encrypted, %s", about.protocol);
        nrt__doctor_set(doctor, "protocol", json_string(about.protocol));
        if (has) {
            tell_certificate(doctor, "certificate", "the server's", &about,
                             "renew it and reload the server (nats-server --signal reload)");
        }
    }
    if (options->tls_cert && nrt__tls_file(options->tls_cert, &about)) {
        tell_certificate(doctor, "our-cert", "our own", &about,
                         "renew it; the file is read again at each connection");
    }
}

/* ---- credentials ---- */

static void tell_jwt(nrt__doctor *doctor) {
    const nrt__jwt *jwt = &doctor->jwt;
    int64_t now = (int64_t)time(NULL);
    char until[40];
    char left[40];
    if (jwt->issued > now + CLOCK_S || jwt->not_before > now + CLOCK_S) {
        int64_t from = jwt->issued > jwt->not_before ? jwt->issued : jwt->not_before;
        nrt__doctor_tell(doctor, NRT__MARK_WARNING, "clock",
                         "the user's JWT is from the future, %s: this machine's clock is behind, "
                         "or that of who issued it is ahead",
                         date(from, until, sizeof(until)));
        nrt__doctor_advise(doctor, "compare with date -u, and see timedatectl on both");
    }
    if (jwt->expires == 0) {
        nrt__doctor_tell(doctor, NRT__MARK_OK, "login",
                         "by the JWT of user %s, which does not "
                         "expire",
                         *jwt->name ? jwt->name : "without a name");
        return;
    }
    int64_t ends = jwt->expires - now;
    bool soon = ends < (int64_t)JWT_DAYS * DAY_S;
    nrt__doctor_tell(doctor, soon ? NRT__MARK_WARNING : NRT__MARK_OK, "login",
                     "by the JWT of user %s, which expires at %s, %s",
                     *jwt->name ? jwt->name : "without a name",
                     date(jwt->expires, until, sizeof(until)), distance(ends, left, sizeof(left)));
    nrt__doctor_set(doctor, "expires", json_integer(jwt->expires));
    if (soon) {
        nrt__doctor_advise(doctor, "have it renewed, and put the new credentials in place: files "
                                   "are read again at each connection");
        nrt__doctor_paste(doctor, "nsc edit user --name NAME --expiry 1y && nsc generate creds "
                                  "--name NAME");
    }
}

/* Files with secrets that others may read. */
static void tell_mode(nrt__doctor *doctor, const char *path) {
    struct stat about;
    if (path && stat(path, &about) == 0 && (about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        nrt__doctor_tell(doctor, NRT__MARK_WARNING, "secrets", "%s can be read by others", path);
        nrt__doctor_advise(doctor, "let nobody else read it");
        nrt__doctor_paste(doctor, "chmod 600 %s", path);
    }
}

static void tell_login(nrt__doctor *doctor) {
    const nrt_options *options = nrt__conn_options(doctor->conn);
    const nrt__server *server = nrt__link_server(doctor->conn->link);
    nrt__login login;
    char reason[NRT__REASON_SIZE];
    server = server->told ? &doctor->conn->servers.list[0] : server;
    if (nrt__login_load(&login, options, server, reason, sizeof(reason)) < 0) {
        nrt__doctor_tell(doctor, NRT__MARK_PROBLEM, "login",
                         "the credentials cannot be read any more: %s", reason);
        return;
    }
    if (login.jwt) {
        doctor->by_jwt = true;
        (void)nrt__jwt_read(&doctor->jwt, nrt_str_from(login.jwt));
        tell_jwt(doctor);
    } else if (login.nats.nkey) {
        nrt__doctor_tell(doctor, NRT__MARK_OK, "login", "by nkey, %s", login.nats.nkey);
    } else if (login.nats.user) {
        nrt__doctor_tell(doctor, NRT__MARK_OK, "login", "as user %s", login.nats.user);
    } else if (login.nats.token) {
        nrt__doctor_tell(doctor, NRT__MARK_OK, "login", "by a token");
    } else {
        nrt__doctor_tell(doctor, NRT__MARK_OK, "login", "without credentials");
    }
    nrt__login_finish(&login);
    tell_mode(doctor, options->creds);
    tell_mode(doctor, options->nkey);
    tell_mode(doctor, options->tls_key);
}

void nrt__doctor_trust(nrt__doctor *doctor) {
    tell_tls(doctor);
    tell_login(doctor);
}
