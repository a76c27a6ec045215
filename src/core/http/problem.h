/* Errors that the system itself answers with: an application/problem+json body (RFC 9457) and
 * NRT-Error. */
#ifndef NRT__PROBLEM_H
#define NRT__PROBLEM_H

#include "core/http/message.h"

/* Makes `response` such an answer: status, NRT-Error: `code` (NULL: none), Retry-After where the
 * status is 503, and the body, all in its arena. `detail` is a sentence, or NULL. NRT_ERR_MEMORY
 * leaves the status and no body. */
int nrt__problem_write(nrt__message *response, int status, const char *code, const char *detail);

/* What strangers may read of why `error` came: `detail`, or the error's own sentence where there is
 * none, and where it says which NATS server was tried. The log has that. */
const char *nrt__problem_detail(int error, const char *detail);

#endif
