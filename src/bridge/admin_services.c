/* Who is there and what they count, as JSON. What instances say of themselves are words of
 * strangers: each is escaped. */
#include "bridge/admin_private.h"

#include <inttypes.h>

#include "core/base/histogram.h"
#include "core/base/json_text.h"
#include "core/base/str.h"
#include "core/discovery/read.h"

static void put_member(nrt__buf *out, const char *name, const char *value) {
    nrt__buf_printf(out, "\"%s\":", name);
    nrt__json_string(out, nrt_str_from(value), SIZE_MAX);
    nrt__buf_lit(out, ",");
}

/* JSON readers take integers for doubles: no larger than those hold exactly. */
static uint64_t exact(uint64_t value) {
    const uint64_t most = UINT64_C(1) << 53;
    return value < most ? value : most;
}

static void put_count(nrt__buf *out, const char *name, uint64_t value) {
    nrt__buf_printf(out, "\"%s\":", name);
    nrt__buf_u64(out, exact(value));
    nrt__buf_lit(out, ",");
}

/* What is not told of those who do not count like us is null. */
static void put_known(nrt__buf *out, const char *name, bool known, uint64_t value) {
    if (known) {
        put_count(out, name, value);
    } else {
        nrt__buf_printf(out, "\"%s\":null,", name);
    }
}

static uint64_t us_of(double ns) {
    return ns > 0 && ns < 1e18 ? (uint64_t)(ns / 1000) : 0;
}

static uint64_t added(uint64_t a, uint64_t b) {
    return a + b < a ? UINT64_MAX : a + b;
}

/* The counts of these instances together. */
static void put_totals(nrt__buf *out, const nrt_instance *const *list, size_t count) {
    uint64_t requests = 0;
    uint64_t errors = 0;
    uint64_t refused = 0;
    uint64_t in_flight = 0;
    uint64_t handled = 0;
    uint64_t processing_ns = 0;
    bool more = true;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < list[i]->endpoint_count; j++) {
            const nrt_endpoint *one = list[i]->endpoints[j];
            requests = added(requests, one->requests);
            errors = added(errors, one->errors);
            refused = added(refused, one->refused);
            in_flight = added(in_flight, one->in_flight);
            processing_ns = added(processing_ns, one->processing_ns);
            more = more && one->counts_more;
            for (size_t k = 0; k < one->bucket_count; k++) {
                handled = added(handled, one->buckets[k].count);
            }
        }
    }
    uint64_t divisor = more ? handled : requests;
    bool timed = more && handled > 0;
    put_count(out, "requests", requests);
    put_count(out, "errors", errors);
    put_known(out, "refused", more, refused);
    put_known(out, "in_flight", more, in_flight);
    put_known(out, "mean_us", divisor > 0, divisor ? processing_ns / divisor / 1000 : 0);
    put_known(out, "p50_us", timed, timed ? us_of(nrt_instances_latency(list, count, 0.5)) : 0);
    put_known(out, "p99_us", timed, timed ? us_of(nrt_instances_latency(list, count, 0.99)) : 0);
}

/* Members are written with a comma behind each: the last one goes. */
static void end_object(nrt__buf *out) {
    if (!out->failed) {
        out->end--;
    }
    nrt__buf_lit(out, "}");
}

/* [from_us, to_us, count] for each bucket that is not empty, since it was started. */
static void put_latency(nrt__buf *out, const nrt_instance *one) {
    nrt__histogram sum = {{0}};
    const char *comma = "";
    for (size_t i = 0; i < one->endpoint_count; i++) {
        for (size_t j = 0; j < one->endpoints[i]->bucket_count; j++) {
            /* Ours have the same buckets; those of others come near. */
            const nrt_latency_bucket *bucket = &one->endpoints[i]->buckets[j];
            uint64_t middle = bucket->from_us + (bucket->to_us - bucket->from_us) / 2;
            uint64_t *to = &sum.counts[nrt__histogram_bucket(middle)];
            *to = added(*to, bucket->count);
        }
    }
    nrt__buf_lit(out, "\"latency\":[");
    for (size_t i = 0; i < NRT__HISTOGRAM_BUCKETS; i++) {
        uint64_t from;
        uint64_t to;
        if (sum.counts[i] > 0) {
            nrt__histogram_bounds(i, &from, &to);
            nrt__buf_printf(out, "%s[%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", comma, from, to,
                            exact(sum.counts[i]));
            comma = ",";
        }
    }
    nrt__buf_lit(out, "],");
}

static void put_instance(nrt__buf *out, const nrt_instance *one) {
    const char *last = "";
    for (size_t i = 0; i < one->endpoint_count; i++) {
        last = *one->endpoints[i]->last_error ? one->endpoints[i]->last_error : last;
    }
    nrt__buf_lit(out, "{");
    put_member(out, "id", one->id);
    put_member(out, "version", one->version);
    put_member(out, "started", one->started);
    put_member(out, "server", one->server);
    put_member(out, "cluster", one->cluster);
    put_member(out, "library", one->library);
    put_member(out, "last_error", last);
    put_count(out, "rtt_us", one->rtt_ns / 1000);
    put_totals(out, &one, 1);
    put_latency(out, one);
    end_object(out);
}

/* Instances of one service stand together: how many from `at` on. */
static size_t group_len(const nrt_discovery *found, size_t at) {
    const nrt_instance *first = nrt_discovery_at(found, at);
    const nrt_instance *one;
    size_t count = 1;
    while ((one = nrt_discovery_at(found, at + count)) && strcmp(one->host, first->host) == 0 &&
           strcmp(one->name, first->name) == 0 && strcmp(one->prefix, first->prefix) == 0) {
        count++;
    }
    return count;
}

static void put_service(nrt__buf *out, const nrt_instance *const *list, size_t count) {
    nrt__buf_lit(out, "{");
    put_member(out, "name", list[0]->name);
    put_member(out, "host", list[0]->host);
    put_member(out, "prefix", list[0]->prefix);
    put_totals(out, list, count);
    nrt__buf_lit(out, "\"instances\":[");
    for (size_t i = 0; i < count; i++) {
        nrt__buf_put(out, i > 0 ? NRT__STR(",") : NRT__STR(""));
        put_instance(out, list[i]);
    }
    nrt__buf_lit(out, "]}");
}

void nrt__admin_write_services(nrt__buf *out, const nrt_discovery *found, const char *asked,
                               int64_t asked_ms) {
    nrt__buf_lit(out, "{");
    put_member(out, "asked", asked);
    put_count(out, "asked_ms", asked_ms > 0 ? (uint64_t)asked_ms : 0);
    put_count(out, "skipped", nrt_discovery_skipped(found));
    nrt__buf_lit(out, "\"services\":[");
    for (size_t at = 0; at < nrt_discovery_count(found);) {
        size_t count = group_len(found, at);
        nrt__buf_put(out, at > 0 ? NRT__STR(",\n") : NRT__STR("\n"));
        /* They lie behind each other in what was found. */
        put_service(out, (const nrt_instance *const *)&found->list[at], count);
        at += count;
    }
    nrt__buf_lit(out, "\n]}\n");
}
