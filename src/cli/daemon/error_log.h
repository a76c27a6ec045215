/* Requests that failed for a reason that an operator can do something about: one line in a while
 * for each reason, with how many there were and what to do. */
#ifndef NRT__DAEMON_ERROR_LOG_H
#define NRT__DAEMON_ERROR_LOG_H

#include "cli/report.h"
#include "core/base/env.h"

enum { NRT__ERROR_LOG_KINDS = 12 };

/* Zeroed is nothing yet. */
typedef struct nrt__error_log {
    nrt__log_gate gates[NRT__ERROR_LOG_KINDS];
} nrt__error_log;

/* A request to `host` failed with `code`, one of nrt/error.h's; `detail` says it in words. Others
 * are passed over: what clients do wrong fills no log. `sidecar`: it failed behind `nrt serve`. */
void nrt__error_log_add(nrt__error_log *log, const nrt__report *report, const nrt__env *env,
                        nrt_str host, const char *code, const char *detail, bool sidecar);

#endif
