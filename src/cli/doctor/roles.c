/* What a client, a service and a gateway need, and what of it the user has.
 *
 * Without --role a user need not be everything: where one role is complete, what is missing for the
 * other is information. Where none is, what was begun is taken to be meant. */
#include "cli/doctor/doctor.h"

/* "nrt.requests.weather.nats.get", or of a host that nobody has. */
static nrt_str request_subject(const nrt__doctor *doctor, const char *method, char *out,
                               size_t size) {
    if (*doctor->host) {
        (void)snprintf(out, size, "%s.requests.%s.%s", doctor->prefix, doctor->host, method);
    } else {
        (void)snprintf(out, size, "%s.requests.nrt-doctor-%s.nats.%s", doctor->prefix,
                       doctor->token, method);
    }
    return nrt_str_from(out);
}

/* What is granted instead: for the host, or for all. */
static const char *requests_grant(const nrt__doctor *doctor, char *out, size_t size) {
    (void)snprintf(out, size, "%s.requests.%s%s", doctor->prefix, doctor->host,
                   *doctor->host ? ".*" : ">");
    return out;
}

static bool any_method(const nrt__permits *permits) {
    for (size_t i = 0; i < NRT__DOCTOR_METHODS; i++) {
        if (permits->methods[i]) {
            return true;
        }
    }
    return false;
}

static bool all_methods(const nrt__permits *permits) {
    for (size_t i = 0; i < NRT__DOCTOR_METHODS; i++) {
        if (!permits->methods[i]) {
            return false;
        }
    }
    return true;
}

/* ---- finding out ---- */

static bool wants(const nrt__doctor *doctor, nrt__role role) {
    return doctor->role == (int)role || doctor->role == NRT__ROLE_ALL ||
           (role == NRT__ROLE_CLIENT && doctor->role == NRT__ROLE_GATEWAY);
}

bool nrt__doctor_is_client(const nrt__doctor *doctor) {
    return wants(doctor, NRT__ROLE_CLIENT) ||
           (doctor->role == NRT__ROLE_NOT_GIVEN && *doctor->host);
}

/* Where frames of streams go: subscribed, an instance that nobody has; as a grant, all of them. */
static const char *streams_subject(const nrt__doctor *doctor, bool grant, char *out, size_t size) {
    char host[NRT__HOST_MAX + 1];
    (void)snprintf(host, sizeof(host), "%s", *doctor->host ? doctor->host : "nrt-doctor.nats");
    if (grant) {
        (void)snprintf(out, size, "%s.streams.%s%s", doctor->prefix, doctor->host,
                       *doctor->host ? ".>" : ">");
    } else {
        (void)snprintf(out, size, "%s.streams.%s.nrt-doctor-%s.x", doctor->prefix, host,
                       doctor->token);
    }
    return out;
}

static void permits_of_client(nrt__doctor *doctor) {
    nrt__permits *permits = &doctor->permits;
    const nrt_str none = {NULL, 0};
    char subject[NRT__SUBJECT_MAX];
    char reply[NRT__SUBJECT_MAX];
    (void)snprintf(subject, sizeof(subject), "%s.doctor%s.*", doctor->inbox, doctor->token);
    permits->inbox = nrt__doctor_may_subscribe(doctor, nrt_str_from(subject), none) == 1;
    (void)snprintf(subject, sizeof(subject), "$SRV.PING.nrt-doctor-%s", doctor->token);
    (void)snprintf(reply, sizeof(reply), "%s.nrt.%s.reply", doctor->inbox, doctor->token);
    permits->ask =
        nrt__doctor_may_publish(doctor, nrt_str_from(subject), nrt_str_from(reply), none) == 1;
    nrt_str streams = nrt_str_from(streams_subject(doctor, false, subject, sizeof(subject)));
    permits->write = nrt__doctor_may_publish(doctor, streams, none, none) == 1;
    if (*doctor->host && doctor->role != NRT__ROLE_SERVICE) {
        nrt__doctor_probe_host(doctor);
    }
    for (size_t i = 0; i < NRT__DOCTOR_METHODS && !*doctor->host; i++) {
        nrt_str one = request_subject(doctor, nrt__doctor_methods[i], subject, sizeof(subject));
        permits->methods[i] = nrt__doctor_may_publish(doctor, one, none, none) == 1;
    }
}

/* One method that nobody uses, so that no request of others comes to us instead of to them. */
static void permits_of_service(nrt__doctor *doctor) {
    nrt__permits *permits = &doctor->permits;
    const nrt_str none = {NULL, 0};
    char subject[NRT__SUBJECT_MAX];
    char inbox[NRT__SUBJECT_MAX];
    char method[32];
    (void)snprintf(method, sizeof(method), "nrt-doctor-%s", doctor->token);
    nrt_str requests = request_subject(doctor, method, subject, sizeof(subject));
    permits->serve = nrt__doctor_may_subscribe(doctor, requests, nrt_str_from("nrt")) == 1;
    permits->found = nrt__doctor_may_subscribe(doctor, nrt_str_from("$SRV.>"), none) == 1;
    nrt_str streams = nrt_str_from(streams_subject(doctor, false, subject, sizeof(subject)));
    permits->read = nrt__doctor_may_subscribe(doctor, streams, none) == 1;
    (void)snprintf(inbox, sizeof(inbox), "%s.nrt.%s", doctor->inbox, doctor->token);
    int may = nrt__doctor_may_publish(doctor, nrt_str_from(inbox), none, none);
    if (may == 1) {
        permits->replies = NRT__REPLIES_ANY;
        return;
    }
    (void)snprintf(subject, sizeof(subject), "%s.requests.nrt-doctor-%s.nats.get", doctor->prefix,
                   doctor->token);
    permits->replies = nrt__doctor_replies(doctor, nrt_str_from(subject));
    if (permits->replies == NRT__REPLIES_UNKNOWN && doctor->jwt.responses != 0) {
        /* That there is no such claim says nothing: a signing key may have it. */
        permits->replies = doctor->jwt.responses == 1 ? NRT__REPLIES_ONE : NRT__REPLIES_SOME;
    }
}

void nrt__doctor_permits(nrt__doctor *doctor) {
    permits_of_client(doctor);
    permits_of_service(doctor);
}

/* ---- telling ---- */

static nrt__mark missing_mark(bool required, bool other_complete, bool begun) {
    return required         ? NRT__MARK_PROBLEM
           : other_complete ? NRT__MARK_INFO
           : begun          ? NRT__MARK_PROBLEM
                            : NRT__MARK_WARNING;
}

static void list_methods(const nrt__permits *permits, bool which, char *out, size_t size) {
    out[0] = '\0';
    for (size_t i = 0; i < NRT__DOCTOR_METHODS; i++) {
        if (permits->methods[i] == which) {
            size_t len = strlen(out);
            (void)snprintf(out + len, size - len, "%s%s", len > 0 ? ", " : "",
                           nrt__doctor_methods[i]);
        }
    }
    for (char *at = out; *at; at++) {
        *at = (char)(*at >= 'a' && *at <= 'z' ? *at - 32 : *at);
    }
}

static void tell_requests(nrt__doctor *doctor, nrt__mark missing) {
    const nrt__permits *permits = &doctor->permits;
    char grant[NRT__SUBJECT_MAX];
    char may[64];
    char may_not[64];
    requests_grant(doctor, grant, sizeof(grant));
    list_methods(permits, true, may, sizeof(may));
    list_methods(permits, false, may_not, sizeof(may_not));
    if (!any_method(permits)) {
        nrt__doctor_tell(doctor, missing, "requests", "may not publish to %s: %s", grant,
                         missing == NRT__MARK_INFO ? "this user is no client"
                                                   : "it can send no request");
        nrt__doctor_grant(doctor, "publish", grant);
        if (!*doctor->host && missing > NRT__MARK_INFO) {
            nrt__doctor_advise(doctor, "if it is to reach single hosts only, ask for one of them: "
                                       "nrt doctor HOST");
        }
    } else if (!all_methods(permits)) {
        bool gateway = wants(doctor, NRT__ROLE_GATEWAY);
        nrt__doctor_tell(doctor, gateway ? NRT__MARK_WARNING : NRT__MARK_INFO, "requests",
                         "may send %s, but not %s%s", may, may_not,
                         gateway ? ": the gateway answers those with 403" : "");
        if (gateway) {
            nrt__doctor_grant(doctor, "publish", grant);
        }
    } else {
        nrt__doctor_tell(doctor, NRT__MARK_OK, "requests", "may publish to %s", grant);
    }
}

/* Without it all works that fits one message. */
static void tell_streams(nrt__doctor *doctor, bool may, const char *verb, nrt__mark missing) {
    char grant[NRT__SUBJECT_MAX];
    streams_subject(doctor, true, grant, sizeof(grant));
    if (may) {
        nrt__doctor_tell(doctor, NRT__MARK_OK, "streams", "may %s %s: bodies may be of any size",
                         verb, grant);
        return;
    }
    nrt__doctor_tell(doctor, missing == NRT__MARK_INFO ? NRT__MARK_INFO : NRT__MARK_WARNING,
                     "streams", "may not %s %s: bodies are limited to one message (max_payload)",
                     verb, grant);
    nrt__doctor_grant(doctor, *verb == 'p' ? "publish" : "subscribe", grant);
}

static void tell_client(nrt__doctor *doctor, nrt__mark missing) {
    const nrt__permits *permits = &doctor->permits;
    char inbox[NRT__PREFIX_MAX + 8];
    (void)snprintf(inbox, sizeof(inbox), "%s.>", doctor->inbox);
    tell_requests(doctor, missing);
    if (missing == NRT__MARK_INFO && !any_method(permits)) {
        return;
    }
    if (permits->inbox) {
        nrt__doctor_tell(doctor, NRT__MARK_OK, "inbox", "may subscribe to its inbox, %s", inbox);
    } else {
        nrt__doctor_tell(doctor, missing, "inbox",
                         "may not subscribe to its inbox, %s: no response can reach it", inbox);
        nrt__doctor_grant(doctor, "subscribe", inbox);
        nrt__doctor_advise(doctor, "or, where the user has an inbox of its own, name that: "
                                   "--inbox-prefix");
    }
    tell_streams(doctor, permits->write, "publish to", missing);
    if (permits->ask) {
        nrt__doctor_tell(doctor, NRT__MARK_OK, "discovery",
                         "may publish to $SRV.>: nrt ls, info and stats work");
    } else {
        nrt__doctor_tell(doctor, NRT__MARK_INFO, "discovery",
                         "may not publish to $SRV.>: nrt ls, info and stats do not work; clients "
                         "and gateways do without");
        nrt__doctor_grant(doctor, "publish", "$SRV.>");
    }
}

static void tell_replies(nrt__doctor *doctor, nrt__mark missing) {
    const char *inbox = doctor->inbox;
    switch (doctor->permits.replies) {
    case NRT__REPLIES_ANY:
        nrt__doctor_tell(doctor, NRT__MARK_OK, "answers", "may publish to inboxes, %s.>", inbox);
        return;
    case NRT__REPLIES_SOME:
        nrt__doctor_tell(doctor, NRT__MARK_OK, "answers",
                         "may answer what it was asked (allow_responses), several times: nrt serve "
                         "--multi-reply (nrt_options.multi_reply) makes use of that");
        return;
    case NRT__REPLIES_ONE:
        nrt__doctor_tell(doctor, NRT__MARK_INFO, "answers",
                         "may answer each request once (allow_responses, max 1): that works where "
                         "a response fits one message; but clients are not told that a request is "
                         "in work, and a process that serves several hosts answers $SRV.PING for "
                         "one of them. Who may publish to %s.> can do all of it",
                         inbox);
        nrt__doctor_grant_replies(doctor);
        return;
    case NRT__REPLIES_NONE:
        nrt__doctor_tell(doctor, missing, "answers",
                         "may not answer: it may not publish to %s.>, and there is no "
                         "allow_responses",
                         inbox);
        nrt__doctor_grant_replies(doctor);
        return;
    case NRT__REPLIES_UNKNOWN:
        break;
    }
    nrt__doctor_tell(doctor, NRT__MARK_UNCHECKED, "answers",
                     "may not publish to %s.>, so a service needs allow_responses; whether it has "
                     "that cannot be seen from here, for the user may not ask itself",
                     inbox);
    nrt__doctor_grant_replies(doctor);
}

static void tell_service(nrt__doctor *doctor, nrt__mark missing) {
    const nrt__permits *permits = &doctor->permits;
    char grant[NRT__SUBJECT_MAX];
    requests_grant(doctor, grant, sizeof(grant));
    if (!permits->serve) {
        nrt__doctor_tell(
            doctor, missing, "serving", "may not subscribe to %s in queue group nrt: %s", grant,
            missing == NRT__MARK_INFO ? "this user is no service" : "no request can reach it");
        nrt__doctor_grant(doctor, "subscribe", grant);
        if (missing == NRT__MARK_INFO) {
            return;
        }
    } else {
        nrt__doctor_tell(doctor, NRT__MARK_OK, "serving", "may subscribe to %s in queue group nrt",
                         grant);
    }
    tell_replies(doctor, missing);
    tell_streams(doctor, permits->read, "subscribe to", missing);
    if (permits->found) {
        nrt__doctor_tell(doctor, NRT__MARK_OK, "announcing",
                         "may subscribe to $SRV.>: nrt ls shows it");
    } else {
        nrt__doctor_tell(doctor, missing == NRT__MARK_INFO ? NRT__MARK_INFO : NRT__MARK_WARNING,
                         "announcing",
                         "may not subscribe to $SRV.>: as a service it works, but nrt ls does not "
                         "show it");
        nrt__doctor_grant(doctor, "subscribe", "$SRV.>");
    }
}

void nrt__doctor_roles(nrt__doctor *doctor) {
    const nrt__permits *permits = &doctor->permits;
    bool asks = any_method(permits);
    bool client = asks && permits->inbox;
    bool answers = permits->replies != NRT__REPLIES_NONE;
    bool service = permits->serve && answers;
    bool be_client = nrt__doctor_is_client(doctor);
    bool be_service = wants(doctor, NRT__ROLE_SERVICE);
    if (doctor->role != NRT__ROLE_SERVICE) {
        tell_client(doctor, missing_mark(be_client, service || be_service, asks));
    }
    if (doctor->role != NRT__ROLE_CLIENT && doctor->role != NRT__ROLE_GATEWAY) {
        tell_service(doctor, missing_mark(be_service, client || be_client, permits->serve));
    }
    if (!client && (be_client || (!service && asks))) {
        nrt__doctor_whole(doctor,
                          doctor->role == NRT__ROLE_GATEWAY ? NRT__ROLE_GATEWAY : NRT__ROLE_CLIENT);
    }
    if (!service && (be_service || (!client && permits->serve && !be_client))) {
        nrt__doctor_whole(doctor, NRT__ROLE_SERVICE);
    }
}
