/* Counters of instances, from one look to the next. */
#include "cli/top/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "core/base/str.h"
#include "core/discovery/read.h"

enum {
    KEPT_LOOKS = 30, /* an instance that did not answer for so many is forgotten */
    SLOTS_MIN = 64,
};

/* What counts as recent: each look weighs so much of the one after it. */
static const double fading = 0.7;

/* What was last heard of an instance, and how it went before. */
typedef struct track {
    char *key; /* name and id */
    uint64_t requests;
    uint64_t errors;
    int64_t heard_ns;
    uint64_t look; /* when it was last heard */
    nrt__histogram seen;
    double rate; /* negative: heard once only */
    double recent_requests;
    double recent_errors;
    double recent[NRT__HISTOGRAM_BUCKETS];
    double history[NRT__TOP_HISTORY];
} track;

struct nrt__top_model {
    nrt_discovery *found;
    uint64_t look;
    track **slots; /* by hash; size is a power of two */
    size_t size;
    size_t count;
};

nrt__top_model *nrt__top_model_create(void) {
    return calloc(1, sizeof(nrt__top_model));
}

static void track_free(track *one) {
    if (one) {
        free(one->key);
        free(one);
    }
}

void nrt__top_model_destroy(nrt__top_model *model) {
    if (!model) {
        return;
    }
    for (size_t i = 0; i < model->size; i++) {
        track_free(model->slots[i]);
    }
    free(model->slots);
    nrt_discovery_destroy(model->found);
    free(model);
}

const nrt_discovery *nrt__top_model_found(const nrt__top_model *model) {
    return model->found;
}

/* ---- the table ---- */

static uint64_t hash_of(const char *key) {
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *key; key++) {
        hash = (hash ^ (unsigned char)*key) * UINT64_C(1099511628211);
    }
    return hash ^ hash >> 32;
}

static bool write_key(const nrt_instance *instance, char *out, size_t size) {
    int len = snprintf(out, size, "%s %s", instance->name, instance->id);
    return len > 0 && (size_t)len < size;
}

static track *find(const nrt__top_model *model, const nrt_instance *instance) {
    char key[1024];
    if (model->size == 0 || !write_key(instance, key, sizeof(key))) {
        return NULL;
    }
    for (uint64_t at = hash_of(key);; at++) {
        track *one = model->slots[at & (model->size - 1)];
        if (!one || strcmp(one->key, key) == 0) {
            return one;
        }
    }
}

static void put(track **slots, size_t size, track *one) {
    uint64_t at = hash_of(one->key);
    while (slots[at & (size - 1)]) {
        at++;
    }
    slots[at & (size - 1)] = one;
}

/* A table with room for `more`, without those that have not been heard for long. */
static bool make_room(nrt__top_model *model, size_t more) {
    size_t size = SLOTS_MIN;
    while (size < 2 * (model->count + more + 1)) {
        size *= 2;
    }
    track **slots = calloc(size, sizeof(track *));
    if (!slots) {
        return false;
    }
    for (size_t i = 0; i < model->size; i++) {
        track *one = model->slots[i];
        if (one && one->look + KEPT_LOOKS < model->look) {
            track_free(one);
            model->count--;
        } else if (one) {
            put(slots, size, one);
        }
    }
    free(model->slots);
    model->slots = slots;
    model->size = size;
    return true;
}

static track *add(nrt__top_model *model, const nrt_instance *instance) {
    char key[1024];
    track *one = calloc(1, sizeof(*one));
    if (!one || !write_key(instance, key, sizeof(key)) || !(one->key = strdup(key))) {
        track_free(one);
        return NULL;
    }
    one->rate = -1;
    for (size_t i = 0; i < NRT__TOP_HISTORY; i++) {
        one->history[i] = -1;
    }
    put(model->slots, model->size, one);
    model->count++;
    return one;
}

/* ---- a look ---- */

static void sum_up(const nrt_instance *instance, uint64_t *requests, uint64_t *errors,
                   nrt__histogram *latency) {
    for (size_t i = 0; i < instance->endpoint_count; i++) {
        const nrt_endpoint *endpoint = instance->endpoints[i];
        *requests += endpoint->requests;
        *errors += endpoint->errors;
        for (size_t j = 0; j < endpoint->bucket_count; j++) {
            /* Ours have the same buckets; those of others come near. */
            const nrt_latency_bucket *bucket = &endpoint->buckets[j];
            uint64_t middle = bucket->from_us + (bucket->to_us - bucket->from_us) / 2;
            latency->counts[nrt__histogram_bucket(middle)] += bucket->count;
        }
    }
}

/* Counters only grow; one that did not has begun anew. */
static double grown(uint64_t now, uint64_t before) {
    return now >= before ? (double)(now - before) : (double)now;
}

static void update(track *one, const nrt_instance *instance, bool first, uint64_t look,
                   int64_t now_ns) {
    nrt__histogram latency = {{0}};
    uint64_t requests = 0;
    uint64_t errors = 0;
    sum_up(instance, &requests, &errors, &latency);
    if (!first && now_ns > one->heard_ns) {
        double come = grown(requests, one->requests);
        one->rate = come * 1e9 / (double)(now_ns - one->heard_ns);
        one->recent_requests = one->recent_requests * fading + come;
        one->recent_errors = one->recent_errors * fading + grown(errors, one->errors);
        for (size_t i = 0; i < NRT__HISTOGRAM_BUCKETS; i++) {
            one->recent[i] =
                one->recent[i] * fading + grown(latency.counts[i], one->seen.counts[i]);
        }
        memmove(one->history, one->history + 1, (NRT__TOP_HISTORY - 1) * sizeof(double));
        one->history[NRT__TOP_HISTORY - 1] = one->rate;
    }
    one->requests = requests;
    one->errors = errors;
    one->seen = latency;
    one->heard_ns = now_ns;
    one->look = look;
}

bool nrt__top_model_take(nrt__top_model *model, nrt_discovery *found, int64_t now_ns) {
    model->look++;
    if (!make_room(model, found->count)) {
        nrt_discovery_destroy(found);
        return false;
    }
    for (size_t i = 0; i < found->count; i++) {
        const nrt_instance *instance = found->list[i];
        track *one = find(model, instance);
        bool first = one == NULL;
        one = first ? add(model, instance) : one;
        if (one) {
            update(one, instance, first, model->look, now_ns);
        }
    }
    nrt_discovery_destroy(model->found);
    model->found = found;
    return true;
}

/* ---- rows ---- */

double nrt__top_quantile(const double recent[NRT__HISTOGRAM_BUCKETS], double quantile) {
    double total = 0;
    double before = 0;
    for (size_t i = 0; i < NRT__HISTOGRAM_BUCKETS; i++) {
        total += recent[i];
    }
    if (total < 0.01) { /* what is left of it has faded */
        return -1;
    }
    for (size_t i = 0; i < NRT__HISTOGRAM_BUCKETS; i++) {
        if (recent[i] > 0 && before + recent[i] >= quantile * total) {
            uint64_t from;
            uint64_t to;
            nrt__histogram_bounds(i, &from, &to);
            double part = (quantile * total - before) / recent[i];
            return ((double)from + (double)(to - from) * part) * 1000;
        }
        before += recent[i];
    }
    return -1;
}

static bool same_service(const nrt_instance *a, const nrt_instance *b) {
    return strcmp(a->host, b->host) == 0 && strcmp(a->name, b->name) == 0 &&
           strcmp(a->prefix, b->prefix) == 0;
}

static const char *label_of(const nrt_instance *instance) {
    return *instance->host ? instance->host : instance->name;
}

/* Clusters of several, in their order; "C1, C2". Those without one are no place to name. */
static void write_clusters(const nrt_instance *const *list, size_t count, char *out, size_t size) {
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        bool known = *list[i]->cluster == '\0';
        for (size_t j = 0; j < i && !known; j++) {
            known = strcmp(list[i]->cluster, list[j]->cluster) == 0;
        }
        if (!known && len < size) {
            len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? "," : "",
                                    list[i]->cluster);
        }
    }
}

static void add_track(nrt__top_row *row, const track *one, double *requests, double *errors) {
    if (!one || one->rate < 0) {
        return;
    }
    row->rate = (row->rate < 0 ? 0 : row->rate) + one->rate;
    *requests += one->recent_requests;
    *errors += one->recent_errors;
    for (size_t i = 0; i < NRT__HISTOGRAM_BUCKETS; i++) {
        row->recent[i] += one->recent[i];
    }
    for (size_t i = 0; i < NRT__TOP_HISTORY; i++) {
        if (one->history[i] >= 0) {
            row->history[i] = (row->history[i] < 0 ? 0 : row->history[i]) + one->history[i];
        }
    }
}

static void fill(const nrt__top_model *model, nrt__top_row *row, const nrt_instance *const *list,
                 size_t count, bool of_service) {
    double requests = 0;
    double errors = 0;
    memset(row, 0, sizeof(*row));
    row->instances = list;
    row->count = count;
    row->rate = row->error_share = -1;
    for (size_t i = 0; i < NRT__TOP_HISTORY; i++) {
        row->history[i] = -1;
    }
    for (size_t i = 0; i < count; i++) {
        add_track(row, find(model, list[i]), &requests, &errors);
        for (size_t j = 0; j < list[i]->endpoint_count; j++) {
            const nrt_endpoint *endpoint = list[i]->endpoints[j];
            row->requests += endpoint->requests;
            row->errors += endpoint->errors;
            row->refused += endpoint->refused;
            row->in_flight += endpoint->counts_more ? (double)endpoint->in_flight : 0;
        }
    }
    bool tells = count > 0 && list[0]->endpoint_count > 0 && list[0]->endpoints[0]->counts_more;
    row->in_flight = tells ? row->in_flight : -1;
    if (requests > 0.01) {
        row->error_share = errors < requests ? errors / requests : 1;
    }
    row->p50_ns = nrt__top_quantile(row->recent, 0.5);
    row->p99_ns = nrt__top_quantile(row->recent, 0.99);
    (void)snprintf(row->label, sizeof(row->label), "%s",
                   of_service ? label_of(list[0]) : list[0]->id);
    if (of_service) {
        write_clusters(list, count, row->where, sizeof(row->where));
    } else {
        (void)snprintf(row->where, sizeof(row->where), "%s%s%s", list[0]->cluster,
                       *list[0]->cluster ? "/" : "", list[0]->server);
    }
}

/* Larger comes first; names in their order. */
static int compare(const nrt__top_row *a, const nrt__top_row *b, nrt__top_sort sort) {
    double left = 0;
    double right = 0;
    switch (sort) {
    case NRT__TOP_BY_RATE:
        left = a->rate;
        right = b->rate;
        break;
    case NRT__TOP_BY_ERRORS:
        left = a->error_share;
        right = b->error_share;
        break;
    case NRT__TOP_BY_P50:
        left = a->p50_ns;
        right = b->p50_ns;
        break;
    case NRT__TOP_BY_P99:
        left = a->p99_ns;
        right = b->p99_ns;
        break;
    case NRT__TOP_BY_IN_FLIGHT:
        left = a->in_flight;
        right = b->in_flight;
        break;
    case NRT__TOP_BY_INSTANCES:
        left = (double)a->count;
        right = (double)b->count;
        break;
    case NRT__TOP_BY_NAME:
    case NRT__TOP_SORTS:
        break;
    }
    return left < right ? 1 : left > right ? -1 : strcmp(a->label, b->label);
}

static int compare_rows(const void *a, const void *b, void *query) {
    const nrt__top_query *wanted = query;
    int order = compare(a, b, wanted->sort);
    return wanted->reverse ? -order : order;
}

static bool is_wanted(const nrt__top_row *row, const char *filter) {
    return !*filter || strcasestr(row->label, filter) || strcasestr(row->where, filter);
}

nrt__top_row *nrt__top_model_rows(const nrt__top_model *model, const nrt__top_query *query,
                                  size_t *count) {
    const nrt_discovery *found = model->found;
    *count = 0;
    nrt__top_row *rows = found && found->count > 0 ? calloc(found->count, sizeof(*rows)) : NULL;
    for (size_t at = 0; rows && at < found->count;) {
        const nrt_instance *const *list = (const nrt_instance *const *)&found->list[at];
        size_t len = 1;
        while (!query->service && at + len < found->count && same_service(list[0], list[len])) {
            len++;
        }
        at += len;
        if (query->service && !same_service(list[0], query->service)) {
            continue;
        }
        fill(model, &rows[*count], list, len, !query->service);
        *count += is_wanted(&rows[*count], query->filter);
    }
    if (*count == 0) {
        free(rows);
        return NULL;
    }
    qsort_r(rows, *count, sizeof(*rows), compare_rows, (void *)query);
    return rows;
}

const nrt_instance *nrt__top_model_service(const nrt__top_model *model, const char *label) {
    for (size_t i = 0; model->found && i < model->found->count; i++) {
        const nrt_instance *one = model->found->list[i];
        if (strcmp(label_of(one), label) == 0 || strcmp(one->name, label) == 0) {
            return one;
        }
    }
    return NULL;
}
