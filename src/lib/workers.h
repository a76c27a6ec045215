/* Threads of a service for handlers that block. */
#ifndef NRT__WORKERS_H
#define NRT__WORKERS_H

#include "core/exchange/services.h"

typedef struct nrt__workers nrt__workers;

/* Starts `count` threads that call `run(exchange)` for what is put in. NULL: no memory or threads.
 */
nrt__workers *nrt__workers_create(unsigned count, void (*run)(nrt_exchange *exchange));

/* The queue is bounded by the service's max_in_flight. */
void nrt__workers_put(nrt__workers *workers, nrt_exchange *exchange);

/* Waits for handlers that run; what has not begun is handed to `drop`. NULL is allowed. */
void nrt__workers_destroy(nrt__workers *workers, void (*drop)(nrt_exchange *exchange));

/* In a child after fork(), where the threads do not exist: gives the memory back and touches
 * nothing else. */
void nrt__workers_forget(nrt__workers *workers);

#endif
