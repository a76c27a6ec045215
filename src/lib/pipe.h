/* The bodies of one exchange between the worker that runs its handler, which may wait, and the
 * connection's thread, which must not. Each direction holds a window at most. */
#ifndef NRT__PIPE_H
#define NRT__PIPE_H

#include "core/services.h"
#include "lib/postbox.h"

typedef struct nrt__pipe nrt__pipe;

/* On the connection's thread, before the handler runs: the pieces of the request's body come there.
 * NULL: out of memory. */
nrt__pipe *nrt__pipe_create(nrt_exchange *exchange, nrt__postbox *box);

/* ---- on the worker ---- */

/* Waits until the response's head has gone out. Errors of nrt_exchange_start. */
int nrt__pipe_start(nrt__pipe *pipe);

/* It has, and what is written goes out. */
bool nrt__pipe_is_started(nrt__pipe *pipe);

/* Waits for room. NRT_ERR_CANCELED, or the error that ended the response. */
int nrt__pipe_write(nrt__pipe *pipe, nrt_str bytes);

/* Waits for bytes of the request. 0 with *got 0 is the end; NRT_ERR_CANCELED. */
int nrt__pipe_read(nrt__pipe *pipe, void *to, size_t size, size_t *got);

/* The handler has returned: waits until all that it wrote has gone out. The pipe is gone then. */
void nrt__pipe_close(nrt__pipe *pipe);

#endif
