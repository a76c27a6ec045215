/* Asking all services on $SRV and gathering their answers: one publish, many replies, each ask on
 * an inbox of its own. */
#ifndef NRT__GATHER_H
#define NRT__GATHER_H

#include "core/discovery/read.h"
#include "core/nats/session.h"

typedef struct nrt__gathers nrt__gathers;

/* `inbox` is the first token(s) of reply subjects, must outlive it, and has been checked. */
nrt__gathers *nrt__gathers_create(nrt__env *env, nrt__timers *timers, nrt__session *session,
                                  nrt_str inbox);

/* Those under way get NRT_ERR_CANCELED. */
void nrt__gathers_destroy(nrt__gathers *gathers);

/* Another session has taken over, with the same subscriptions. */
void nrt__gathers_switch(nrt__gathers *gathers, nrt__session *session);

/* Nobody is told of anything any more, not even by destroy. */
void nrt__gathers_mute(nrt__gathers *gathers);

/* As nrt_discover_start; `options` whole. */
int nrt__gather_start(nrt__gathers *gathers, const nrt_discover_options *options,
                      nrt_discovered_fn fn, void *arg);

/* Whoever asked with this `arg` is told nothing any more. */
void nrt__gathers_forget(nrt__gathers *gathers, const void *arg);

/* How many are under way. */
size_t nrt__gathers_count(const nrt__gathers *gathers);

/* What happens to the session. */
void nrt__gathers_ready(nrt__gathers *gathers);
void nrt__gathers_disconnected(nrt__gathers *gathers, const char *reason);
void nrt__gathers_denied(nrt__gathers *gathers, nrt_str subject);

#endif
