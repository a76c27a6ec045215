/* What services answer on $SRV, read: JSON of strangers in, checked structs out. */
#ifndef NRT__DISCOVERY_READ_H
#define NRT__DISCOVERY_READ_H

#include <nrt/discovery.h>

#include "core/base/arena.h"
#include "core/base/env.h"
#include "core/discovery/text.h"

enum {
    NRT__ANSWER_TOTAL_MAX = 64 << 20, /* of all answers to one request together */
    NRT__ANSWER_PAIRS_MAX = 64,
    NRT__ANSWER_ENDPOINTS_MAX = 64,
    NRT__ANSWER_BUCKETS_MAX = 512,
};

struct nrt_discovery {
    nrt__arena arena; /* of the instances */
    nrt_instance **list;
    size_t count;
    size_t size;
    size_t skipped;
};

nrt_discovery *nrt__discovery_result_create(void);

/* Reads one answer and adds the instance. NRT_ERR_PROTOCOL: it is not valid, and counted as
 * skipped; NRT_ERR_MEMORY. */
int nrt__discovery_read(nrt_discovery *found, nrt__discovery_verb verb, nrt_str json,
                        uint64_t rtt_ns);

/* All are there: puts them in order, and skips who is there twice. */
void nrt__discovery_settle(nrt_discovery *found);

#endif
