/* Answers of strangers on $SRV. What is not as ADR-32 says, what is too much, and what could move
 * a terminal's cursor makes an answer invalid as a whole. */
#include "core/discovery/read.h"

#include <jansson.h>
#include <stdlib.h>

#include "core/base/histogram.h"
#include "core/base/str.h"
#include "core/discovery/discovery.h"
#include "core/nats/subject.h"

enum {
    TEXT_MAX = 1024,
    NAME_MAX_LEN = 255,
    COUNT_MAX_BITS = 53, /* what JSON numbers hold exactly everywhere */
};

typedef struct reader {
    nrt__arena *arena;
    int error; /* the first one; NRT_ERR_PROTOCOL or NRT_ERR_MEMORY */
} reader;

static void fail(reader *r, int error) {
    if (r->error == 0) {
        r->error = error;
    }
}

static void *room(reader *r, size_t size) {
    void *memory = r->error == 0 ? nrt__arena_get(r->arena, size) : NULL;
    if (!memory) {
        fail(r, NRT_ERR_MEMORY);
        return NULL;
    }
    memset(memory, 0, size);
    return memory;
}

static const char *copy(reader *r, nrt_str text) {
    nrt_str copied = r->error == 0 ? nrt__arena_copy(r->arena, text) : (nrt_str){NULL, 0};
    if (!copied.ptr) {
        fail(r, NRT_ERR_MEMORY);
        return "";
    }
    return copied.ptr;
}

/* A string of people's text; "" where it is absent or null, and that is allowed. */
static const char *text(reader *r, const json_t *value, size_t max, bool required) {
    if (!required && (!value || json_is_null(value))) {
        return "";
    }
    nrt_str view = {json_string_value(value), json_string_length(value)};
    if (!view.ptr || view.len > max || (required && view.len == 0) || !nrt__is_plain_text(view)) {
        fail(r, NRT_ERR_PROTOCOL);
        return "";
    }
    return copy(r, view);
}

static const char *member(reader *r, const json_t *object, const char *key, size_t max) {
    return text(r, json_object_get(object, key), max, false);
}

/* Of one token, as ids and names are. */
static const char *token(reader *r, const json_t *object, const char *key, bool name) {
    const json_t *value = json_object_get(object, key);
    nrt_str view = {json_string_value(value), json_string_length(value)};
    if (!view.ptr || view.len > NAME_MAX_LEN || !nrt__is_visible(view) ||
        (name ? !nrt__discovery_is_name(view) : memchr(view.ptr, '.', view.len) != NULL)) {
        fail(r, NRT_ERR_PROTOCOL);
        return "";
    }
    return copy(r, view);
}

/* A count; others write whole numbers as 1.0 or 1e3, and averages with a fraction. */
static uint64_t number(reader *r, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    double real = json_number_value(value);
    if (!value || json_is_null(value)) {
        return 0;
    }
    if (!json_is_number(value) || real < 0 || !(real <= 9e18)) {
        fail(r, NRT_ERR_PROTOCOL);
        return 0;
    }
    return json_is_integer(value) ? (uint64_t)json_integer_value(value) : (uint64_t)real;
}

/* NULL where it is absent or null, which is fine; else it must be of that type. */
static const json_t *part(reader *r, const json_t *object, const char *key, json_type type) {
    const json_t *value = json_object_get(object, key);
    if (!value || json_is_null(value)) {
        return NULL;
    }
    if (json_typeof(value) != type) {
        fail(r, NRT_ERR_PROTOCOL);
        return NULL;
    }
    return value;
}

static void read_buckets(reader *r, const json_t *latency, nrt_endpoint *endpoint) {
    const json_t *list = part(r, latency, "buckets", JSON_ARRAY);
    const char *unit = json_string_value(json_object_get(latency, "unit"));
    size_t count = json_array_size(list);
    if (!list || count == 0) {
        return;
    }
    if (count > NRT__ANSWER_BUCKETS_MAX || !unit || strcmp(unit, "us") != 0) {
        fail(r, NRT_ERR_PROTOCOL);
        return;
    }
    nrt_latency_bucket *buckets = room(r, count * sizeof(*buckets));
    uint64_t before = 0;
    for (size_t i = 0; buckets && i < count; i++) {
        const json_t *triple = json_array_get(list, i);
        json_int_t values[3];
        for (size_t j = 0; j < 3; j++) {
            const json_t *value = json_array_get(triple, j);
            values[j] = json_is_integer(value) ? json_integer_value(value) : -1;
        }
        if (json_array_size(triple) != 3 || values[0] < (json_int_t)before ||
            values[1] <= values[0] || values[2] < 1 || values[1] >> COUNT_MAX_BITS ||
            values[2] >> COUNT_MAX_BITS) {
            fail(r, NRT_ERR_PROTOCOL);
            return;
        }
        buckets[i] =
            (nrt_latency_bucket){(uint64_t)values[0], (uint64_t)values[1], (uint64_t)values[2]};
        before = buckets[i].to_us;
    }
    endpoint->buckets = buckets;
    endpoint->bucket_count = buckets ? count : 0;
}

static nrt_endpoint *read_endpoint(reader *r, const json_t *object) {
    nrt_endpoint *endpoint = room(r, sizeof(*endpoint));
    if (!endpoint || !json_is_object(object)) {
        fail(r, NRT_ERR_PROTOCOL);
        return endpoint;
    }
    endpoint->name = member(r, object, "name", NAME_MAX_LEN);
    endpoint->subject = member(r, object, "subject", NRT__SUBJECT_MAX);
    endpoint->queue_group = member(r, object, "queue_group", NAME_MAX_LEN);
    endpoint->requests = number(r, object, "num_requests");
    endpoint->errors = number(r, object, "num_errors");
    endpoint->processing_ns = number(r, object, "processing_time");
    endpoint->average_ns = number(r, object, "average_processing_time");
    /* Some write an object here; it is theirs to say what it means. */
    const json_t *last = json_object_get(object, "last_error");
    endpoint->last_error = json_is_string(last) ? text(r, last, TEXT_MAX, false) : "";
    /* `data` may be anything. Ours is known by its members. */
    const json_t *data = json_object_get(object, "data");
    if (json_is_integer(json_object_get(data, "in_flight")) &&
        json_is_object(json_object_get(data, "latency"))) {
        endpoint->counts_more = true;
        endpoint->in_flight = number(r, data, "in_flight");
        endpoint->refused = number(r, data, "refused");
        read_buckets(r, json_object_get(data, "latency"), endpoint);
    }
    return endpoint;
}

static void read_endpoints(reader *r, const json_t *object, nrt_instance *instance) {
    const json_t *list = part(r, object, "endpoints", JSON_ARRAY);
    size_t count = json_array_size(list);
    if (count > NRT__ANSWER_ENDPOINTS_MAX) {
        fail(r, NRT_ERR_PROTOCOL);
        return;
    }
    const nrt_endpoint **endpoints = count ? room(r, count * sizeof(const nrt_endpoint *)) : NULL;
    for (size_t i = 0; endpoints && i < count; i++) {
        endpoints[i] = read_endpoint(r, json_array_get(list, i));
    }
    instance->endpoints = endpoints;
    instance->endpoint_count = endpoints ? count : 0;
}

static const char *metadata_get(const nrt_instance *instance, const char *name) {
    for (size_t i = 0; instance->metadata && i < instance->metadata_count; i++) {
        if (strcmp(instance->metadata[i].name, name) == 0) {
            return instance->metadata[i].value;
        }
    }
    return "";
}

static void read_metadata(reader *r, const json_t *object, nrt_instance *instance) {
    const json_t *pairs = part(r, object, "metadata", JSON_OBJECT);
    size_t count = json_object_size(pairs);
    if (count > NRT__ANSWER_PAIRS_MAX) {
        fail(r, NRT_ERR_PROTOCOL);
        return;
    }
    nrt_metadata *list = count ? room(r, count * sizeof(*list)) : NULL;
    instance->metadata = list;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)pairs, key, value) {
        nrt_str name = nrt_str_from(key);
        if (!list || name.len > NAME_MAX_LEN || !nrt__is_plain_text(name) ||
            !json_is_string(value)) {
            fail(r, NRT_ERR_PROTOCOL);
            return;
        }
        list[instance->metadata_count].name = copy(r, name);
        list[instance->metadata_count].value = text(r, value, TEXT_MAX, false);
        instance->metadata_count++;
    }
}

/* Ours, if it says so in every point; what it claims is checked before anyone builds on it. */
static void find_ours(nrt_instance *instance) {
    char canonical[NRT__HOST_MAX + 1];
    char name[NRT__HOST_MAX + 1];
    const char *host = metadata_get(instance, "nrt.host");
    const char *prefix = metadata_get(instance, "nrt.prefix");
    instance->host = instance->prefix = instance->server = instance->cluster = instance->library =
        "";
    if (nrt_discover_name(host, name) < 0 || strcmp(name, instance->name) != 0 ||
        nrt__host_canonical(nrt_str_from(host), canonical) < 0 || strcmp(host, canonical) != 0 ||
        nrt__prefix_check(nrt_str_from(prefix)) < 0) {
        return;
    }
    instance->host = host;
    instance->prefix = prefix;
    instance->server = metadata_get(instance, "nrt.server");
    instance->cluster = metadata_get(instance, "nrt.cluster");
    instance->library = metadata_get(instance, "nrt.version");
}

static nrt_instance *read_instance(reader *r, const json_t *object, nrt__discovery_verb verb) {
    nrt_instance *instance = room(r, sizeof(*instance));
    const char *type = json_string_value(json_object_get(object, "type"));
    if (!instance || !type || strcmp(type, nrt__discovery_type(verb)) != 0) {
        fail(r, NRT_ERR_PROTOCOL);
        return NULL;
    }
    instance->name = token(r, object, "name", true);
    instance->id = token(r, object, "id", false);
    instance->version = member(r, object, "version", NAME_MAX_LEN);
    instance->description = member(r, object, "description", TEXT_MAX);
    instance->started = member(r, object, "started", 64);
    read_metadata(r, object, instance);
    if (verb != NRT__DISCOVERY_PING) {
        read_endpoints(r, object, instance);
    }
    if (r->error == 0) {
        find_ours(instance);
    }
    return instance;
}

nrt_discovery *nrt__discovery_result_create(void) {
    nrt_discovery *found = calloc(1, sizeof(*found));
    if (found) {
        found->arena.limit = NRT__ANSWER_TOTAL_MAX;
    }
    return found;
}

void nrt_discovery_destroy(nrt_discovery *found) {
    if (found) {
        nrt__arena_free(&found->arena);
        free(found->list);
        free(found);
    }
}

static bool append(nrt_discovery *found, nrt_instance *instance) {
    if (found->count == found->size) {
        size_t size = found->size ? found->size * 2 : 16;
        nrt_instance **list = realloc(found->list, size * sizeof(nrt_instance *));
        if (!list) {
            return false;
        }
        found->list = list;
        found->size = size;
    }
    found->list[found->count++] = instance;
    return true;
}

int nrt__discovery_read(nrt_discovery *found, nrt__discovery_verb verb, nrt_str json,
                        uint64_t rtt_ns) {
    json_error_t why = {0};
    reader r = {.arena = &found->arena};
    json_t *object = json_loadb(json.ptr ? json.ptr : "", json.len, JSON_REJECT_DUPLICATES, &why);
    if (!object) {
        fail(&r,
             json_error_code(&why) == json_error_out_of_memory ? NRT_ERR_MEMORY : NRT_ERR_PROTOCOL);
    } else {
        nrt_instance *instance = read_instance(&r, object, verb);
        json_decref(object);
        if (instance) {
            instance->rtt_ns = rtt_ns;
        }
        if (r.error == 0 && !append(found, instance)) {
            fail(&r, NRT_ERR_MEMORY);
        }
    }
    found->skipped += r.error < 0;
    return r.error;
}

static int compare(const void *left, const void *right) {
    const nrt_instance *a = *(nrt_instance *const *)left;
    const nrt_instance *b = *(nrt_instance *const *)right;
    int order = strcmp(*a->host ? a->host : a->name, *b->host ? b->host : b->name);
    order = order ? order : strcmp(a->name, b->name);
    order = order ? order : strcmp(a->prefix, b->prefix);
    order = order ? order : strcmp(a->id, b->id);
    return order ? order : (a->rtt_ns > b->rtt_ns) - (a->rtt_ns < b->rtt_ns);
}

void nrt__discovery_settle(nrt_discovery *found) {
    size_t kept = 0;
    if (found->count > 0) {
        qsort(found->list, found->count, sizeof(nrt_instance *), compare);
    }
    for (size_t i = 0; i < found->count; i++) {
        nrt_instance *one = found->list[i];
        if (kept > 0 && strcmp(found->list[kept - 1]->name, one->name) == 0 &&
            strcmp(found->list[kept - 1]->id, one->id) == 0) {
            found->skipped++;
            continue;
        }
        found->list[kept++] = one;
    }
    found->count = kept;
}

size_t nrt_discovery_count(const nrt_discovery *found) {
    return found->count;
}

const nrt_instance *nrt_discovery_at(const nrt_discovery *found, size_t index) {
    return index < found->count ? found->list[index] : NULL;
}

size_t nrt_discovery_skipped(const nrt_discovery *found) {
    return found->skipped;
}

static uint64_t add_saturating(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

double nrt_instances_latency(const nrt_instance *const *instances, size_t count, double quantile) {
    nrt__histogram sum = {{0}};
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < instances[i]->endpoint_count; j++) {
            const nrt_endpoint *endpoint = instances[i]->endpoints[j];
            for (size_t k = 0; k < endpoint->bucket_count; k++) {
                /* Ours have the same buckets; those of others come near. */
                const nrt_latency_bucket *bucket = &endpoint->buckets[k];
                uint64_t middle = bucket->from_us + (bucket->to_us - bucket->from_us) / 2;
                uint64_t *to = &sum.counts[nrt__histogram_bucket(middle)];
                *to = add_saturating(*to, bucket->count);
            }
        }
    }
    return nrt__histogram_quantile(&sum, quantile) * 1000;
}

int nrt_discover_name(const char *host, char out[254]) {
    char canonical[NRT__HOST_MAX + 1];
    int error = host ? nrt__host_canonical(nrt_str_from(host), canonical) : NRT_ERR_HOST;
    if (error == 0) {
        nrt__discovery_name(nrt_str_from(canonical), out);
    }
    return error;
}
