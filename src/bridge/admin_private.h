/* What the files of the admin listener share: admin.c (requests, health), admin_metrics.c and
 * admin_services.c (their texts). */
#ifndef NRT__ADMIN_PRIVATE_H
#define NRT__ADMIN_PRIVATE_H

#include "bridge/admin.h"
#include "core/base/buf.h"
#include "lib/conn_private.h"

enum {
    NRT__ADMIN_CONNECTIONS = 32,
    NRT__ADMIN_TEXT_MAX = 32 << 20, /* of metrics, or of services: beyond, it is an error */
    NRT__ADMIN_SHARE = 20,          /* texts may take one part in so many of the time */
};

/* A text that is made when somebody asks, and kept for a while. */
typedef struct nrt__admin_text {
    nrt__buf text;
    int64_t made_ns; /* 0: never */
    int64_t cost_ns;
} nrt__admin_text;

struct nrt__admin {
    nrt_conn *conn;
    nrt__front *front;
    nrt_admin_options options;
    nrt__admin_gateway gateway;
    bool local;                 /* on loopback: only known names are answered to */
    nrt__admin_text metrics[2]; /* the second one as OpenMetrics */
    nrt__admin_text services;
    bool asking;        /* who is there; these wait for it */
    int services_error; /* of the last time; 0: `services` holds what was found */
    char services_detail[256];
    size_t wait_count;
    nrt__front_conn *waits[2 * NRT__ADMIN_CONNECTIONS];
};

/* Makes the text again, where it is old enough for that. False without memory. */
bool nrt__admin_metrics(nrt__admin *admin, bool open);

/* Writes what was found. */
void nrt__admin_write_services(nrt__buf *out, const nrt_discovery *found, const char *asked);

#endif
