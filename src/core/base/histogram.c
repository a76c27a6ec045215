/* Reading histograms; filling them is in the header. */
#include "core/base/histogram.h"

void nrt__histogram_bounds(size_t bucket, uint64_t *from, uint64_t *to) {
    size_t shift = bucket < NRT__HISTOGRAM_SUBS ? 0 : bucket / NRT__HISTOGRAM_SUBS - 1;
    size_t first =
        bucket < NRT__HISTOGRAM_SUBS ? bucket : bucket % NRT__HISTOGRAM_SUBS + NRT__HISTOGRAM_SUBS;
    *from = (uint64_t)first << shift;
    *to = (uint64_t)(first + 1) << shift;
}

double nrt__histogram_quantile(const nrt__histogram *histogram, double quantile) {
    double total = 0; /* counts may come from strangers: their sum need not fit an integer */
    for (size_t i = 0; i < NRT__HISTOGRAM_BUCKETS; i++) {
        total += (double)histogram->counts[i];
    }
    double want = quantile * total;
    double before = 0;
    double value = 0;
    for (size_t i = 0; i < NRT__HISTOGRAM_BUCKETS; i++) {
        double count = (double)histogram->counts[i];
        if (count > 0) {
            uint64_t from;
            uint64_t to;
            nrt__histogram_bounds(i, &from, &to);
            double part = want > before ? (want - before) / count : 0;
            value = (double)from + (double)(to - from) * (part < 1 ? part : 1);
            before += count;
            if (before >= want) {
                break;
            }
        }
    }
    return value;
}
