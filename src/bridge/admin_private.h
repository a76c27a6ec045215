/* What the files of the admin listener share: admin.c (requests, health), admin_metrics.c,
 * admin_services.c and admin_process.c (their texts), and the dashboard (src/dashboard). */
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

/* A file of the dashboard; tools/embed.py makes them when nrt is built. */
typedef struct nrt__asset {
    const char *path; /* "/", "/dashboard/map.js" */
    const char *type; /* Content-Type */
    const unsigned char *bytes;
    size_t len;
} nrt__asset;

extern const nrt__asset nrt__assets[];
extern const size_t nrt__asset_count;

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
    const nrt__otlp_counts *spans; /* NULL: none are exported */
    bool local;                    /* on loopback: only known names are answered to */
    nrt__failures *failures;       /* of a gateway's tallies, or our own */
    nrt__buf process;              /* made for each who asks */
    nrt__admin_text metrics[2];    /* the second one as OpenMetrics */
    nrt__admin_text services;
    bool asking;        /* who is there; these wait for it */
    int64_t asked_ms;   /* when */
    int services_error; /* of the last time; 0: `services` holds what was found */
    char services_detail[256];
    size_t wait_count;
    nrt__front_conn *waits[2 * NRT__ADMIN_CONNECTIONS];
};

/* Makes the text again, where it is old enough for that. False without memory. */
bool nrt__admin_metrics(nrt__admin *admin, bool open);

/* Writes what was found, `asked_ms` by the loop's clock. */
void nrt__admin_write_services(nrt__buf *out, const nrt_discovery *found, const char *asked,
                               int64_t asked_ms);

/* Why it is not ready, a line each: `say` is called for each thing that is missing. */
void nrt__admin_missing(nrt__admin *admin, void (*say)(nrt_str who, const char *what, void *arg),
                        void *arg);

/* Writes what this process is and which requests failed. */
void nrt__admin_write_process(nrt__buf *out, nrt__admin *admin);

#endif
