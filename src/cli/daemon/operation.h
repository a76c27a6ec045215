/* What `nrt gateway` and `nrt serve` have for those who operate them: the admin listener, the
 * access log, and lines about requests that fail. */
#ifndef NRT__DAEMON_OPERATION_H
#define NRT__DAEMON_OPERATION_H

#include "bridge/admin.h"
#include "cli/common.h"
#include "cli/daemon/access_log.h"
#include "cli/daemon/error_log.h"
#include "cli/daemon/log_file.h"
#include "cli/daemon/tracing.h"

/* Its options. */
typedef struct nrt__operation {
    const char *admin;      /* where to listen; NULL: nowhere */
    const char *access_log; /* file, or "-"; NULL: none */
    int access_format;      /* nrt__access_format */
    nrt__tracing_args trace;
} nrt__operation;

enum { NRT__OPERATION_OPTS = 6 };
extern const nrt__opt nrt__operation_opts[NRT__OPERATION_OPTS];

/* The group for a command whose options struct has an nrt__operation called `operation`. */
#define NRT__OPERATION_GROUP(options_type)                                                         \
    { "Operation", nrt__operation_opts, NRT__OPERATION_OPTS, offsetof(options_type, operation) }

/* What of it is open. Zeroed is nothing. */
typedef struct nrt__operating {
    const nrt__operation *options;
    nrt__program *program;
    nrt__log_file *access_log;
    nrt__log_gate trouble;
    uint64_t lost; /* lines of the access log, since that was last said */
    int64_t looked_ms;
    nrt__error_log errors;
    nrt__tracing tracing;
    bool sidecar;
} nrt__operating;

/* Opens what was asked for, and says where it is. 0, or the exit code once it has said what is
 * wrong; nrt__operating_close in any case, after the connection. The admin listener ends with the
 * connection. `gateway` NULL: a sidecar. */
int nrt__operating_open(nrt__operating *operating, const nrt__operation *options,
                        nrt__program *program, const nrt_admin_options *admin,
                        const nrt__admin_gateway *gateway);

/* Goes by other options from now on, and opens the access log anew. 0, or the exit code once it has
 * said what is wrong: all is as it was then. `admin` and `gateway` are for an admin listener that
 * was not there before. */
int nrt__operating_change(nrt__operating *operating, const nrt__operation *options,
                          const nrt_admin_options *admin, const nrt__admin_gateway *gateway);

/* Opens the access log anew, if there is one: it has been moved away. */
void nrt__operating_reopen(nrt__operating *operating);

/* A request is over. */
void nrt__operating_log(nrt__operating *operating, const nrt__access *access);

/* Whether records have to have what takes some time to find out. */
static inline bool nrt__operating_is_detailed(const nrt__operating *operating) {
    return operating->access_log || operating->tracing.otlp;
}

/* All requests are over: what is still to be told goes out, for a moment; then `done`. */
void nrt__operating_finish(nrt__operating *operating, void (*done)(void *arg), void *arg);

/* Before the connection ends; nrt__operating_close follows. */
void nrt__operating_leave(nrt__operating *operating);

void nrt__operating_close(nrt__operating *operating);

#endif
