/* How a permission that is missing is given: the lines to be put into the configuration of the NATS
 * server, or the command of nsc where users are JWTs. */
#include <stdlib.h>

#include "cli/doctor/doctor.h"

/* Of nsc's command; what the JWT says is shown where a shell takes it as one word. */
static const char *user_of(const nrt__doctor *doctor) {
    const char *name = doctor->jwt.name;
    bool plain = *name && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789_.-") == strlen(name);
    return plain ? name : "NAME";
}

static void note(nrt__doctor *doctor, const char *kind, json_t *value) {
    json_t *grant = json_object_get(doctor->last, "grant");
    if (!grant) {
        grant = json_object();
        nrt__doctor_set(doctor, "grant", grant);
    }
    if (json_object_set_new(grant, kind, value) < 0) {
        doctor->failed = true;
    }
}

void nrt__doctor_grant(nrt__doctor *doctor, const char *kind, const char *subject) {
    if (doctor->by_jwt) {
        nrt__doctor_advise(doctor, "permit it, and give the user the new credentials; a deny list "
                                   "that names it goes before");
        nrt__doctor_paste(doctor, "nsc edit user --name %s --allow-%s \"%s\"", user_of(doctor),
                          strcmp(kind, "publish") == 0 ? "pub" : "sub", subject);
        nrt__doctor_paste(doctor, "nsc generate creds --name %s", user_of(doctor));
    } else {
        nrt__doctor_advise(doctor,
                           "add \"%s\" to what the user may %s to, in the NATS server's "
                           "configuration; a deny list that names it goes before",
                           subject, kind);
        nrt__doctor_paste(doctor, "permissions: { %s: { allow: [\"%s\"] } }", kind, subject);
    }
    note(doctor, kind, json_pack("[s]", subject));
}

void nrt__doctor_grant_replies(nrt__doctor *doctor) {
    char inbox[NRT__PREFIX_MAX + 8];
    (void)snprintf(inbox, sizeof(inbox), "%s.>", doctor->inbox);
    nrt__doctor_grant(doctor, "publish", inbox);
    nrt__doctor_advise(doctor,
                       "or let it answer what it was asked, and nothing else, and start it with "
                       "--multi-reply (nrt_options.multi_reply), for it cannot find that out");
    if (doctor->by_jwt) {
        nrt__doctor_paste(doctor, "nsc edit user --name %s --allow-pub-response=-1",
                          user_of(doctor));
    } else {
        nrt__doctor_paste(doctor, "permissions: { allow_responses: { max: -1, expires: \"2m\" } }");
    }
    note(doctor, "allow_responses", json_pack("{s:i, s:s}", "max", -1, "expires", "2m"));
}

void nrt__doctor_whole(nrt__doctor *doctor, nrt__role role) {
    const char *hosts = *doctor->host ? doctor->host : NULL;
    bool service = role == NRT__ROLE_SERVICE;
    const char *name = service ? "service" : role == NRT__ROLE_GATEWAY ? "gateway" : "client";
    char text[NRT__SUBJECT_MAX * 2];
    if (service) {
        (void)snprintf(text, sizeof(text),
                       "permissions: { publish: [\"%s.>\"], subscribe: [\"%s.requests.%s%s\", "
                       "\"%s.streams.%s%s\", \"$SRV.>\"] }",
                       doctor->inbox, doctor->prefix, hosts ? hosts : "", hosts ? ".*" : ">",
                       doctor->prefix, hosts ? hosts : "", hosts ? ".>" : ">");
    } else {
        (void)snprintf(text, sizeof(text),
                       "permissions: { publish: [\"%s.requests.%s%s\", \"%s.streams.%s%s\", "
                       "\"$SRV.>\"], subscribe: [\"%s.>\"] }",
                       doctor->prefix, hosts ? hosts : "", hosts ? ".*" : ">", doctor->prefix,
                       hosts ? hosts : "", hosts ? ".>" : ">", doctor->inbox);
    }
    if (json_object_set_new(doctor->whole, name, nrt__report_string(nrt_str_from(text))) < 0) {
        doctor->failed = true;
    }
}
