/* Answers on $SRV, one a line, as strangers write them: read as each kind there is. What is taken
 * can be shown to people, and keeps within its limits. */
#include "core/discovery/read.h"

#include <stdlib.h>

#include "fuzz.h"

static void check_text(const char *text) {
    CHECK(text);
    CHECK(!*text || fuzz_is_text(text));
}

static void check_endpoint(const nrt_endpoint *endpoint) {
    uint64_t before = 0;
    check_text(endpoint->name);
    check_text(endpoint->subject);
    check_text(endpoint->queue_group);
    check_text(endpoint->last_error);
    CHECK(endpoint->bucket_count <= NRT__ANSWER_BUCKETS_MAX);
    CHECK(endpoint->counts_more || endpoint->bucket_count == 0);
    for (size_t i = 0; i < endpoint->bucket_count; i++) {
        const nrt_latency_bucket *bucket = &endpoint->buckets[i];
        CHECK(bucket->from_us >= before && bucket->to_us > bucket->from_us && bucket->count > 0);
        before = bucket->to_us;
    }
}

static void check_instance(const nrt_instance *instance) {
    CHECK(*instance->name && *instance->id);
    CHECK(nrt__discovery_is_name(nrt_str_from(instance->name)));
    const char *const texts[] = {instance->name,        instance->id,      instance->version,
                                 instance->description, instance->started, instance->host,
                                 instance->prefix,      instance->server,  instance->cluster,
                                 instance->library};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        check_text(texts[i]);
    }
    CHECK(instance->metadata_count <= NRT__ANSWER_PAIRS_MAX);
    for (size_t i = 0; i < instance->metadata_count; i++) {
        check_text(instance->metadata[i].name);
        check_text(instance->metadata[i].value);
    }
    CHECK(instance->endpoint_count <= NRT__ANSWER_ENDPOINTS_MAX);
    for (size_t i = 0; i < instance->endpoint_count; i++) {
        check_endpoint(instance->endpoints[i]);
    }
    if (*instance->host) { /* one of ours: it can be asked */
        char name[254];
        CHECK(nrt_discover_name(instance->host, name) == 0);
        CHECK(strcmp(name, instance->name) == 0);
        CHECK(fuzz_is_plain_subject(nrt_str_from(instance->prefix)));
    }
    double median = nrt_instances_latency(&instance, 1, 0.5);
    double tail = nrt_instances_latency(&instance, 1, 0.99);
    CHECK(median >= 0 && tail >= median && tail <= 4.3e12);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int verb = NRT__DISCOVERY_PING; verb <= NRT__DISCOVERY_STATS; verb++) {
        nrt_str rest = {(const char *)data, size};
        nrt_str line;
        size_t lines = 0;
        nrt_discovery *found = nrt__discovery_result_create();
        CHECK(found);
        while (fuzz_line(&rest, &line)) {
            char *exact = fuzz_copy(line, false);
            size_t before = found->count;
            int error = nrt__discovery_read(found, (nrt__discovery_verb)verb,
                                            (nrt_str){exact, line.len}, 1);
            CHECK(error == 0 || error == NRT_ERR_PROTOCOL || error == NRT_ERR_MEMORY);
            CHECK(found->count == before + (error == 0));
            free(exact);
            lines++;
        }
        CHECK(found->count + found->skipped == lines);
        nrt__discovery_settle(found);
        CHECK(found->count + found->skipped == lines);
        for (size_t i = 0; i < nrt_discovery_count(found); i++) {
            check_instance(nrt_discovery_at(found, i));
        }
        nrt_discovery_destroy(found);
    }
    return 0;
}
