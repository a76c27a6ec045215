/* Whether an HTTP server is well: a GET to it, again and again, on connections of their own. Runs
 * on the connection's loop; what follows from a verdict is the caller's business. */
#ifndef NRT__HEALTH_H
#define NRT__HEALTH_H

#include <nrt/conn.h>

#include "bridge/target.h"

typedef struct nrt__health nrt__health;

typedef struct nrt__health_options {
    nrt_str path;         /* begins with "/", visible ASCII; read by nrt__health_open only */
    uint32_t interval_ms; /* between the beginnings of two checks, give or take a tenth; 5,000 */
    unsigned fall;        /* checks in a row that fail until it is sick; 2 */
    unsigned rise;        /* checks in a row that succeed until it is well; 1 */
    const nrt__target_tls *tls; /* as of nrt__origin_options */
} nrt__health_options;

void nrt__health_options_init(nrt__health_options *options);

/* A check is over: whether the server now counts as well (it does not before `rise` checks have
 * succeeded), and what this check found, in words. `reason` is valid during the call, "" where the
 * check succeeded. May destroy the health. */
typedef void (*nrt__health_fn)(bool well, const char *reason, void *arg);

/* Begins checking `target` (as nrt__origin_open takes it), the first time as soon as the loop runs.
 * `host` becomes Host. A check succeeds with a valid final response of status 200 to 399, within
 * the interval or 5 s, whichever is shorter. NULL on failure with *error set and, in `detail`, what
 * is wrong in words. */
nrt__health *nrt__health_open(nrt_conn *conn, const char *target, nrt_str host,
                              const nrt__health_options *options, nrt__health_fn fn, void *arg,
                              int *error, char *detail, size_t detail_size);

/* NULL is allowed. Before nrt_conn_destroy. */
void nrt__health_destroy(nrt__health *health);

#endif
