/* `nrt doctor`: what its files share. A run goes through the checks in one order, each of which
 * tells one finding or more; doctor_report.c prints them at the end. */
#ifndef NRT__DOCTOR_DOCTOR_H
#define NRT__DOCTOR_DOCTOR_H

#include <jansson.h>

#include "cli/common.h"
#include "core/nats/parser.h"
#include "core/nats/subject.h"
#include "lib/creds.h"
#include "lib/link.h"

/* What a finding means, from good to bad. */
typedef enum nrt__mark {
    NRT__MARK_OK = 0,
    NRT__MARK_INFO,      /* good to know; nothing to do */
    NRT__MARK_UNCHECKED, /* could not be looked at; the text says why */
    NRT__MARK_WARNING,   /* works, but will not for long, or not well */
    NRT__MARK_PROBLEM,   /* does not work */
} nrt__mark;

enum { NRT__MARKS = NRT__MARK_PROBLEM + 1 };

/* In the order of --role's words. */
typedef enum nrt__role {
    NRT__ROLE_NOT_GIVEN = -1,
    NRT__ROLE_CLIENT = 0,
    NRT__ROLE_SERVICE,
    NRT__ROLE_GATEWAY,
    NRT__ROLE_ALL,
} nrt__role;

enum {
    NRT__DOCTOR_METHODS = 6,    /* which are tried: those of nrt__doctor_methods */
    NRT__DOCTOR_FAILURES = 16,  /* attempts to connect that are remembered */
    NRT__DOCTOR_WAIT_MS = 2000, /* for any one answer, unless --timeout says otherwise */
};

/* GET and the others that a gateway passes on, in lower case. Never "options": see doctor_host.c.
 */
extern const char *const nrt__doctor_methods[NRT__DOCTOR_METHODS];

/* How the attempt to connect to one server failed. */
typedef struct nrt__doctor_failure {
    int error;
    nrt__link_state stage;
    char detail[896];
} nrt__doctor_failure;

/* A connection while it is being made. */
typedef struct nrt__dialing {
    nrt_conn *conn;
    bool up;
    bool lost; /* was up, and is no more */
    char lost_why[512];
    size_t count;
    nrt__doctor_failure failures[NRT__DOCTOR_FAILURES];
} nrt__dialing;

/* How often a service may answer one request. */
typedef enum nrt__replies {
    NRT__REPLIES_UNKNOWN = 0, /* nobody could ask */
    NRT__REPLIES_NONE,
    NRT__REPLIES_ONE,  /* allow_responses: true */
    NRT__REPLIES_SOME, /* allow_responses with a larger max */
    NRT__REPLIES_ANY,  /* it may publish to inboxes */
} nrt__replies;

/* What the connection's user may do. */
typedef struct nrt__permits {
    bool inbox;                        /* subscribe to its inbox */
    bool methods[NRT__DOCTOR_METHODS]; /* publish requests */
    bool ask;                          /* publish to $SRV */
    bool serve;                        /* subscribe to requests */
    bool found;                        /* subscribe to $SRV.> */
    nrt__replies replies;
    bool write; /* to streams of services */
    bool read;  /* from those of clients */
} nrt__permits;

/* What came back of one probe of a host. */
typedef enum nrt__probed {
    NRT__PROBED_NOTHING = 0, /* not sent, or no answer in time */
    NRT__PROBED_DENIED,
    NRT__PROBED_NOBODY, /* no responders */
    NRT__PROBED_INVALID,
    NRT__PROBED_ANSWER,
} nrt__probed;

typedef struct nrt__probe {
    nrt__probed outcome;
    bool sent;
    double rtt_ms;
    int status;
    bool refused_as_meant; /* by a service of nrt, which checked and did not run it */
    bool ours;             /* has NRT-ID */
    bool frames;           /* NRT-Version */
    bool has_skew;         /* Date was there */
    int64_t skew_s;        /* their clock minus ours */
    char server[256];
    char client[32];
    char cluster[256];
} nrt__probe;

typedef struct nrt__doctor {
    nrt__common common; /* the options */
    bool json;
    bool all_servers;
    int role; /* nrt__role */

    char host[NRT__HOST_MAX + 1]; /* "": none */
    uint32_t wait_ms;
    nrt__dialing dialing;
    nrt_conn *conn; /* dialing's, once it is up */
    const char *prefix;
    const char *inbox;
    bool by_jwt; /* permissions are nsc's business */
    nrt__jwt jwt;
    char token[16]; /* random, of this run: part of every subject that nobody else has */
    nrt__permits permits;
    nrt__probe probes[NRT__DOCTOR_METHODS];

    json_t *checks; /* the findings */
    json_t *last;   /* the one told last; borrowed */
    json_t *whole;  /* permissions of roles, as text */
    size_t counts[NRT__MARKS];
    bool failed; /* out of memory */
} nrt__doctor;

/* ---- doctor_report.c ---- */

/* Adds a finding; `check` is its static name in the output. */
void nrt__doctor_tell(nrt__doctor *doctor, nrt__mark mark, const char *check, const char *format,
                      ...) NRT_PRINTF(4, 5);

/* A line more of the finding told last. */
void nrt__doctor_detail(nrt__doctor *doctor, const char *format, ...) NRT_PRINTF(2, 3);

/* What to do about it; and a line to be pasted, that belongs to the last advice. */
void nrt__doctor_advise(nrt__doctor *doctor, const char *format, ...) NRT_PRINTF(2, 3);
void nrt__doctor_paste(nrt__doctor *doctor, const char *format, ...) NRT_PRINTF(2, 3);

/* A member of it for --json; takes `value`. */
void nrt__doctor_set(nrt__doctor *doctor, const char *name, json_t *value);

/* Prints everything; the exit code. */
int nrt__doctor_print(nrt__doctor *doctor);

/* ---- doctor_connect.c ---- */

/* Resolves the settings, connects, and tells of both. False where the rest cannot be checked. */
bool nrt__doctor_connect(nrt__doctor *doctor);

/* What the server says of itself, and how far away it is. */
void nrt__doctor_server(nrt__doctor *doctor);

/* --all-servers: each server by itself. */
void nrt__doctor_servers(nrt__doctor *doctor);

/* ---- doctor_failure.c ---- */

/* A server that cannot be connected to: why, and what to do. */
void nrt__doctor_failed(nrt__doctor *doctor, nrt__mark mark, const nrt__config *config,
                        const nrt__doctor_failure *failure);

/* ---- doctor_trust.c: certificates and credentials ---- */

void nrt__doctor_trust(nrt__doctor *doctor);

/* ---- doctor_probe.c: one question to the server each ---- */

/* 1: it may; 0: it may not; negative: the connection is gone. */
int nrt__doctor_may_publish(nrt__doctor *doctor, nrt_str subject, nrt_str reply, nrt_str payload);
int nrt__doctor_may_subscribe(nrt__doctor *doctor, nrt_str subject, nrt_str queue);

/* Milliseconds that a PING took; negative: no answer. */
double nrt__doctor_ping(nrt__doctor *doctor);

/* Subscribes, publishes to that, and says how often the reply subject may be published to. */
nrt__replies nrt__doctor_replies(nrt__doctor *doctor, nrt_str subject);

/* Runs the loop until *done, or the connection is gone, or `ms` are over. */
void nrt__doctor_run(nrt__doctor *doctor, const bool *done, uint32_t ms);

/* Sends the probe to the host by each method that is tried; fills doctor->probes. */
void nrt__doctor_probe_host(nrt__doctor *doctor);

/* ---- doctor_roles.c ---- */

void nrt__doctor_permits(nrt__doctor *doctor); /* finds out */
void nrt__doctor_roles(nrt__doctor *doctor);   /* tells */

/* Whether it is to be a client, because it was said, or because there is a HOST. */
bool nrt__doctor_is_client(const nrt__doctor *doctor);

/* ---- doctor_grant.c ---- */

/* How the user gets a permission that is missing: "publish" or "subscribe". */
void nrt__doctor_grant(nrt__doctor *doctor, const char *kind, const char *subject);

/* How a service's user may answer. */
void nrt__doctor_grant_replies(nrt__doctor *doctor);

/* All that a role needs, whole, for the end of the report. */
void nrt__doctor_whole(nrt__doctor *doctor, nrt__role role);

/* ---- doctor_host.c ---- */

void nrt__doctor_host(nrt__doctor *doctor);

#endif
