/* Rows (c) and (h) stand on the official client: how its connection is made, in its default mode or
 * on a libevent loop. */
#ifndef BENCH_RAW_H
#define BENCH_RAW_H

#include <nats/nats.h>

/* `mode`: "default" as natsOptions_Create makes it, "loop" on an event loop of libevent's, in a
 * thread of its own. In both, a thread of the client's gathers output for a millisecond; with
 * "-asap" behind it (natsOptions_SetSendAsap) each message is sent at once. Ends the program where
 * it cannot. */
natsConnection *raw_connect(const char *servers, const char *mode);

/* Ends the program unless `status` is NATS_OK. */
void raw_check(natsStatus status, const char *what);

#endif
