/* How long things took: counts in log-linear buckets of fixed number. Eight buckets to each power
 * of two, so that a bucket's bounds lie at most 12.5 % apart; whole microseconds, up to 2^32 - 1 of
 * them (71 minutes), and what is longer counts there. All histograms have the same buckets and can
 * be added up. */
#ifndef NRT__HISTOGRAM_H
#define NRT__HISTOGRAM_H

#include <nrt/base.h>

enum {
    NRT__HISTOGRAM_SUB_BITS = 3,
    NRT__HISTOGRAM_SUBS = 1 << NRT__HISTOGRAM_SUB_BITS,
    NRT__HISTOGRAM_BUCKETS = (32 - NRT__HISTOGRAM_SUB_BITS + 1) * NRT__HISTOGRAM_SUBS,
};

/* Zeroed is empty. 1,920 bytes. */
typedef struct nrt__histogram {
    uint64_t counts[NRT__HISTOGRAM_BUCKETS];
} nrt__histogram;

/* Which bucket a value lies in. */
static inline size_t nrt__histogram_bucket(uint64_t us) {
    uint32_t value = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
    if (value < NRT__HISTOGRAM_SUBS) {
        return value;
    }
    unsigned shift = 31u - (unsigned)__builtin_clz(value) - NRT__HISTOGRAM_SUB_BITS;
    return (size_t)(shift + 1) * NRT__HISTOGRAM_SUBS + (value >> shift) - NRT__HISTOGRAM_SUBS;
}

static inline void nrt__histogram_add(nrt__histogram *histogram, uint64_t us) {
    histogram->counts[nrt__histogram_bucket(us)]++;
}

/* Values from *from up to, but not including, *to lie in a bucket. */
void nrt__histogram_bounds(size_t bucket, uint64_t *from, uint64_t *to);

/* The value, in microseconds, below which the share `quantile` (0 to 1) of all values lies: the
 * middle between bucket bounds, in proportion. 0 where the histogram is empty. */
double nrt__histogram_quantile(const nrt__histogram *histogram, double quantile);

#endif
