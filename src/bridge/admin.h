/* The admin listener: nrt/admin.h, and what the gateway adds to it. Runs on the connection's loop.
 */
#ifndef NRT__ADMIN_H
#define NRT__ADMIN_H

#include <nrt/admin.h>

#include "bridge/front.h"

typedef struct nrt__admin nrt__admin;

/* For a gateway: what its front has counted goes into the metrics. Both must outlive the admin
 * listener; the front itself may come later, and be NULL again. NULL for both: no gateway. */
typedef struct nrt__admin_gateway {
    const nrt__tallies *tallies;
    nrt__front *const *front;
} nrt__admin_gateway;

/* As nrt_admin_open, on the connection's thread; `detail` says what is wrong in words. */
int nrt__admin_open(nrt_conn *conn, const char *listen, const nrt_admin_options *options,
                    const nrt__admin_gateway *gateway, const char **url, char *detail,
                    size_t detail_size);

#endif
