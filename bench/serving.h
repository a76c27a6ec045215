/* The service's side of a program that serves one host until it is ended. */
#ifndef BENCH_SERVING_H
#define BENCH_SERVING_H

#include <nrt/nrt.h>

/* Prints `ready` once requests can come. Exits where the host cannot be served. */
int serving_run(nrt_conn *conn, const char *host, nrt_handler_fn handler, unsigned max_in_flight);

#endif
