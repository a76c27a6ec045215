/* The admin listener: nrt/admin.h, and what the gateway adds to it. Runs on the connection's loop.
 */
#ifndef NRT__ADMIN_H
#define NRT__ADMIN_H

#include <nrt/admin.h>

#include "bridge/front.h"
#include "bridge/otlp.h"

typedef struct nrt__admin nrt__admin;

/* For a gateway: what its fronts have counted goes into the metrics. Both must outlive the admin
 * listener. NULL for both: no gateway. */
typedef struct nrt__admin_gateway {
    const nrt__tallies *tallies;
    const size_t *connections;
} nrt__admin_gateway;

/* As nrt_admin_open, on the connection's thread; `detail` says what is wrong in words. */
int nrt__admin_open(nrt_conn *conn, const char *listen, const nrt_admin_options *options,
                    const nrt__admin_gateway *gateway, const char **url, char *detail,
                    size_t detail_size);

/* Listens elsewhere from now on. Where that fails, everything is as it was; else as above. */
int nrt__admin_move(nrt_conn *conn, const char *listen, const char **url, char *detail,
                    size_t detail_size);

/* What is counted of spans goes into the metrics of its listener, where it has one. `counts` must
 * outlive it. */
void nrt__admin_trace(nrt_conn *conn, const nrt__otlp_counts *counts);

#endif
