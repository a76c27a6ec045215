/* The layers of a configuration while one is being made of them. */
#ifndef NRT__CONFIG_PRIVATE_H
#define NRT__CONFIG_PRIVATE_H

#include "lib/config.h"
#include "lib/context.h"

/* What one source says; NULL, false and 0 where it says nothing. Views. */
typedef struct nrt__layer {
    const char *texts[NRT__TEXTS];
    bool tls_first;
    uint32_t timeout_ms;
} nrt__layer;

typedef struct nrt__resolver {
    nrt__config *config;
    nrt__layer layers[NRT__FROMS];
    nrt__context context; /* what its layer points to */
    struct {
        const char *text; /* NULL: not set */
        nrt__from from;
    } result[NRT__TEXTS];
    char *servers; /* without the credentials that others outrank */
    char *detail;
    size_t detail_size;
} nrt__resolver;

/* Says why, and answers NRT_ERR_CONFIG. */
int nrt__resolver_fail(nrt__resolver *to, const char *format, ...) NRT_PRINTF(2, 3);

/* ---- lib/config_choose.c ---- */

/* Fills in `result` from the layers: each text from the strongest that has it, a certificate with
 * its key, and credentials from one place. */
int nrt__resolver_choose(nrt__resolver *to);

#endif
