/* Memory, descriptors, threads and random bytes that run out when they are told to: the functions
 * that give them are wrapped by the linker (tests/integration/meson.build). */
#ifndef FAILING_H
#define FAILING_H

#include <stdbool.h>

typedef enum failing_who {
    FAILING_ANY,    /* whichever thread asks */
    FAILING_MAIN,   /* only the one that called failing_init */
    FAILING_OTHERS, /* only the others */
    FAILING_WAITS,  /* not what runs out: waiting for events */
} failing_who;

/* On the main thread, first of all. jansson's memory is wrapped, too. */
void failing_init(void);

/* From now on the `at`-th request (1 is the next) of these threads is refused, and with `onwards`
 * all that follow it. */
void failing_begin(failing_who who, long at, bool onwards);

/* There is enough of everything again. True where something was refused. */
bool failing_end(void);

/* Pieces of memory that are not freed, and open descriptors: neither may grow. */
long failing_live(void);
long failing_descriptors(void);

#endif
