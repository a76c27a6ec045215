/* What `nrt top` knows: the last answers of all services, and what changed since the ones before.
 * Pure: no I/O, no clock. */
#ifndef NRT__TOP_MODEL_H
#define NRT__TOP_MODEL_H

#include <nrt/discovery.h>

#include "core/base/histogram.h"

enum { NRT__TOP_HISTORY = 32, NRT__TOP_LABEL = 300 };

typedef struct nrt__top_model nrt__top_model;

nrt__top_model *nrt__top_model_create(void);
void nrt__top_model_destroy(nrt__top_model *model);

/* The answers to a question that was asked at `now_ns` of the monotonic clock; they are the model's
 * from now on. Rows of before are not valid any more. False without memory: then nothing is new. */
bool nrt__top_model_take(nrt__top_model *model, nrt_discovery *found, int64_t now_ns);

/* The last answers; NULL before the first. */
const nrt_discovery *nrt__top_model_found(const nrt__top_model *model);

/* Of a service, or of one instance. What is not known is negative. */
typedef struct nrt__top_row {
    char label[NRT__TOP_LABEL];           /* host or name, or an instance's id */
    char where[64];                       /* clusters; or cluster and server */
    const nrt_instance *const *instances; /* as long as the model takes nothing new */
    size_t count;
    double rate;        /* requests a second, between the last two looks */
    double error_share; /* of the requests of the last few looks, 0 to 1 */
    double p50_ns;      /* likewise */
    double p99_ns;
    double in_flight;
    uint64_t requests; /* since they were started */
    uint64_t errors;
    uint64_t refused;
    double history[NRT__TOP_HISTORY];      /* rates, the last one at the end; negative: none yet */
    double recent[NRT__HISTOGRAM_BUCKETS]; /* latencies of the last few looks: later ones weigh more
                                            */
} nrt__top_row;

typedef enum nrt__top_sort {
    NRT__TOP_BY_RATE = 0,
    NRT__TOP_BY_ERRORS,
    NRT__TOP_BY_P50,
    NRT__TOP_BY_P99,
    NRT__TOP_BY_IN_FLIGHT,
    NRT__TOP_BY_INSTANCES,
    NRT__TOP_BY_NAME,
    NRT__TOP_SORTS, /* how many there are */
} nrt__top_sort;

/* What to show: all services, or the instances of one. */
typedef struct nrt__top_query {
    const nrt_instance *service; /* NULL: services; else those of the service that this is one of */
    const char *filter;          /* only those whose label or place holds it; "": all */
    nrt__top_sort sort;
    bool reverse;
} nrt__top_query;

/* The rows, which are the caller's to free; NULL with *count 0 where there are none, or no memory.
 */
nrt__top_row *nrt__top_model_rows(const nrt__top_model *model, const nrt__top_query *query,
                                  size_t *count);

/* The first instance of the service that is called so (host or name) in the last answers; NULL. */
const nrt_instance *nrt__top_model_service(const nrt__top_model *model, const char *label);

/* The share `quantile` of row->recent, in nanoseconds; negative where it is empty. */
double nrt__top_quantile(const double recent[NRT__HISTOGRAM_BUCKETS], double quantile);

#endif
