/* The bodies of one exchange between the thread that handles it, which may wait, and the
 * connection's, which must not. Each direction holds a window at most. */
#ifndef NRT__PIPE_H
#define NRT__PIPE_H

#include "core/exchange/services.h"
#include "lib/postbox.h"

typedef struct nrt__pipe nrt__pipe;

/* On the connection's thread, before the handler runs: the pieces of the request's body come there.
 * The exchange has it until it ends. NULL: out of memory. */
nrt__pipe *nrt__pipe_create(nrt_exchange *exchange, nrt__postbox *box);

/* Of an exchange that no handler will see. NULL is allowed. */
void nrt__pipe_destroy(nrt__pipe *pipe);

/* ---- on the thread that has the exchange ---- */

/* Has `fn` run on the connection's thread, behind all that was written, and waits for what it
 * answers; NRT_ERR_BUSY is waited for to pass. NRT_ERR_CANCELED where it could not run. */
typedef int (*nrt__pipe_fn)(nrt_exchange *exchange, void *arg);
int nrt__pipe_do(nrt__pipe *pipe, nrt__pipe_fn fn, void *arg);

/* Waits for room. NRT_ERR_CANCELED, or the error that ended the response. */
int nrt__pipe_write(nrt__pipe *pipe, nrt_str bytes);

/* Waits for bytes of the request; `timeout_ms` -1: as long as it takes. 0 with *got 0 is the end.
 * NRT_ERR_TIMEOUT, NRT_ERR_CANCELED. */
int nrt__pipe_read(nrt__pipe *pipe, void *to, size_t size, int timeout_ms, size_t *got);

/* Whether all of the request has come. */
bool nrt__pipe_has_all(nrt__pipe *pipe);

/* The last end of the exchange has come: the connection's thread takes both back. What was written
 * and has not gone out goes out by itself. */
void nrt__pipe_end(nrt__pipe *pipe);

#endif
