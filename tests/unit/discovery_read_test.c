/* Answers on $SRV, as good services and as hostile ones write them. */
#include "unit.h"

#include "core/discovery/read.h"

static nrt_discovery *found;

static int setup(void **state) {
    (void)state;
    found = nrt__discovery_result_create();
    return found ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    nrt_discovery_destroy(found);
    return 0;
}

#define PING "io.nats.micro.v1.ping_response"
#define STATS "io.nats.micro.v1.stats_response"

static int read_ping(const char *json) {
    return nrt__discovery_read(found, NRT__DISCOVERY_PING, nrt_str_from(json), 1000);
}

static int read_stats(const char *json) {
    return nrt__discovery_read(found, NRT__DISCOVERY_STATS, nrt_str_from(json), 1000);
}

static void a_service_of_ours_is_known(void **state) {
    (void)state;
    assert_int_equal(
        read_stats("{\"type\":\"" STATS "\",\"name\":\"a-b\",\"id\":\"x1\",\"version\":\"1.2.3\","
                   "\"metadata\":{\"nrt.host\":\"a.b.nats\",\"nrt.prefix\":\"v2\",\"team\":\"t\","
                   "\"nrt.server\":\"n1\",\"nrt.cluster\":\"c1\",\"nrt.version\":\"0.1.0\"},"
                   "\"started\":\"2026-01-01T00:00:00Z\",\"endpoints\":[{\"name\":\"http\","
                   "\"subject\":\"v2.requests.a.b.nats.*\",\"queue_group\":\"nrt\","
                   "\"num_requests\":5,\"num_errors\":1,\"last_error\":\"502 bad-response\","
                   "\"processing_time\":1000,\"average_processing_time\":200,\"data\":{"
                   "\"in_flight\":2,\"refused\":3,\"latency\":{\"unit\":\"us\",\"buckets\":"
                   "[[3,4,2],[16,18,1]]}}}]}"),
        0);
    nrt__discovery_settle(found);
    assert_int_equal(nrt_discovery_count(found), 1);
    const nrt_instance *one = nrt_discovery_at(found, 0);
    assert_null(nrt_discovery_at(found, 1));
    assert_string_equal(one->host, "a.b.nats");
    assert_string_equal(one->prefix, "v2");
    assert_string_equal(one->server, "n1");
    assert_string_equal(one->cluster, "c1");
    assert_string_equal(one->library, "0.1.0");
    assert_int_equal(one->metadata_count, 6);
    assert_int_equal(one->rtt_ns, 1000);
    assert_int_equal(one->endpoint_count, 1);
    const nrt_endpoint *endpoint = one->endpoints[0];
    assert_int_equal(endpoint->requests, 5);
    assert_int_equal(endpoint->errors, 1);
    assert_string_equal(endpoint->last_error, "502 bad-response");
    assert_true(endpoint->counts_more);
    assert_int_equal(endpoint->in_flight, 2);
    assert_int_equal(endpoint->refused, 3);
    assert_int_equal(endpoint->bucket_count, 2);
    assert_int_equal(endpoint->buckets[1].to_us, 18);
    double median = nrt_instances_latency(&one, 1, 0.5);
    assert_true(median >= 3000 && median <= 4000);
}

/* As the libraries of others write them. */
static void services_of_others_are_known_too(void **state) {
    (void)state;
    static const char *const answers[] = {
        "{\"type\":\"" STATS "\",\"name\":\"calc\",\"id\":\"1\",\"version\":\"1.0.0\","
        "\"metadata\":null,\"endpoints\":null,\"started\":\"x\"}",
        "{\"type\":\"" STATS "\",\"name\":\"calc\",\"id\":\"2\",\"version\":\"1.0.0\"}",
        "{\"type\":\"" STATS
        "\",\"name\":\"calc\",\"id\":\"3\",\"version\":\"1.0.0\",\"endpoints\":"
        "[{\"name\":\"a\",\"num_requests\":1e3,\"average_processing_time\":12.5,"
        "\"last_error\":{\"code\":5},\"data\":[1,2]}, {\"name\":\"b\",\"data\":\"text\"}]}",
    };
    for (size_t i = 0; i < COUNT(answers); i++) {
        assert_int_equal(read_stats(answers[i]), 0);
    }
    const nrt_instance *last = found->list[2];
    assert_string_equal(last->host, "");
    assert_int_equal(last->endpoints[0]->requests, 1000);
    assert_int_equal(last->endpoints[0]->average_ns, 12);
    assert_string_equal(last->endpoints[0]->last_error, "");
    assert_false(last->endpoints[1]->counts_more);
}

static void what_is_no_answer_is_skipped(void **state) {
    (void)state;
    static const char *const answers[] = {
        "",
        "x",
        "[]",
        "null",
        "{}",
        "{\"type\":\"" PING "\"}",
        "{\"type\":\"" STATS "\",\"name\":\"a\",\"id\":\"b\"}", /* not what was asked for */
        "{\"type\":\"" PING "\",\"name\":\"\",\"id\":\"b\"}",
        "{\"type\":\"" PING "\",\"name\":\"a.b\",\"id\":\"b\"}",
        "{\"type\":\"" PING "\",\"name\":\"a\\u001b[2J\",\"id\":\"b\"}",
        "{\"type\":\"" PING "\",\"name\":\"a\",\"id\":\"b c\"}",
        "{\"type\":\"" PING "\",\"name\":\"a\",\"id\":\"b\\n\"}",
        "{\"type\":\"" PING "\",\"name\":\"a\",\"id\":7}",
        "{\"type\":\"" PING "\",\"name\":\"a\",\"id\":\"b\",\"version\":\"\\u009b2J\"}",
        "{\"type\":\"" PING "\",\"name\":\"a\",\"id\":\"b\",\"version\":1}",
        "{\"type\":\"" PING "\",\"name\":\"a\",\"id\":\"b\",\"metadata\":[]}",
        "{\"type\":\"" PING "\",\"name\":\"a\",\"id\":\"b\",\"metadata\":{\"x\":1}}",
        "{\"type\":\"" PING "\",\"name\":\"a\",\"id\":\"b\",\"metadata\":{\"\\u0007\":\"y\"}}",
        /* good ones before the bad one */
        "{\"type\":\"" PING "\",\"name\":\"a\",\"id\":\"b\",\"metadata\":{\"x\":\"y\",\"z\":1}}",
        "{\"type\":\"" PING "\",\"name\":\"a\",\"id\":\"b\",\"metadata\":{\"x\":\"\\u202e\"}}",
        "{\"type\":\"" PING "\",\"name\":\"a\",\"id\":\"b\",\"id\":\"c\"}",
        "{\"type\":\"" PING "\",\"name\":\"a\",\"id\":\"b\"} x",
        "{\"type\":\"" PING "\",\"name\":\"a\",\"id\":\"\xff\"}",
    };
    for (size_t i = 0; i < COUNT(answers); i++) {
        if (read_ping(answers[i]) != NRT_ERR_PROTOCOL) {
            fail_msg("number %zu was taken: %s", i, answers[i]);
        }
    }
    assert_int_equal(nrt_discovery_skipped(found), COUNT(answers));
    assert_int_equal(nrt_discovery_count(found), 0);
}

static void counts_that_cannot_be_are_skipped(void **state) {
    (void)state;
    static const char *const endpoints[] = {
        "{}",
        "[1]",
        "[{\"num_requests\":-1}]",
        "[{\"num_requests\":\"7\"}]",
        "[{\"num_requests\":1e300}]",
        "[{\"subject\":7}]",
        "[{\"last_error\":\"\\u001b\"}]",
        "[{\"data\":{\"in_flight\":-1,\"latency\":{}}}]",
        "[{\"data\":{\"in_flight\":1,\"latency\":{\"buckets\":7}}}]",
        "[{\"data\":{\"in_flight\":1,\"latency\":{\"buckets\":[[1,2,3]]}}}]",
        "[{\"data\":{\"in_flight\":1,\"latency\":{\"unit\":\"s\",\"buckets\":[[1,2,3]]}}}]",
        "[{\"data\":{\"in_flight\":1,\"latency\":{\"unit\":\"us\",\"buckets\":[[2,2,3]]}}}]",
        "[{\"data\":{\"in_flight\":1,\"latency\":{\"unit\":\"us\",\"buckets\":[[1,2]]}}}]",
        "[{\"data\":{\"in_flight\":1,\"latency\":{\"unit\":\"us\",\"buckets\":[[1,2,0]]}}}]",
        "[{\"data\":{\"in_flight\":1,\"latency\":{\"unit\":\"us\",\"buckets\":[[-1,2,3]]}}}]",
        "[{\"data\":{\"in_flight\":1,\"latency\":{\"unit\":\"us\",\"buckets\":[[1,2,3.5]]}}}]",
        "[{\"data\":{\"in_flight\":1,\"latency\":{\"unit\":\"us\",\"buckets\":"
        "[[4,5,1],[1,2,1]]}}}]",
        "[{\"data\":{\"in_flight\":1,\"latency\":{\"unit\":\"us\",\"buckets\":"
        "[[1,9223372036854775807,1]]}}}]",
    };
    char json[1024];
    for (size_t i = 0; i < COUNT(endpoints); i++) {
        snprintf(json, sizeof(json),
                 "{\"type\":\"" STATS "\",\"name\":\"a\",\"id\":\"b\",\"endpoints\":%s}",
                 endpoints[i]);
        if (read_stats(json) != NRT_ERR_PROTOCOL) {
            fail_msg("number %zu was taken: %s", i, endpoints[i]);
        }
    }
}

static void too_much_is_skipped(void **state) {
    (void)state;
    static char json[64 * 1024];
    int len = snprintf(json, sizeof(json),
                       "{\"type\":\"" STATS "\",\"name\":\"a\",\"id\":\"b\","
                       "\"endpoints\":[{}");
    for (int i = 0; i < NRT__ANSWER_ENDPOINTS_MAX; i++) {
        len += snprintf(json + len, sizeof(json) - (size_t)len, ",{}");
    }
    snprintf(json + len, sizeof(json) - (size_t)len, "]}");
    assert_int_equal(read_stats(json), NRT_ERR_PROTOCOL);
    len = snprintf(json, sizeof(json),
                   "{\"type\":\"" PING "\",\"name\":\"a\",\"id\":\"b\","
                   "\"metadata\":{\"x\":\"\"");
    for (int i = 0; i < NRT__ANSWER_PAIRS_MAX; i++) {
        len += snprintf(json + len, sizeof(json) - (size_t)len, ",\"x%d\":\"\"", i);
    }
    snprintf(json + len, sizeof(json) - (size_t)len, "}}");
    assert_int_equal(read_ping(json), NRT_ERR_PROTOCOL);
    len = snprintf(json, sizeof(json), "{\"type\":\"" PING "\",\"name\":\"");
    memset(json + len, 'a', 300);
    snprintf(json + len + 300, sizeof(json) - (size_t)len - 300, "\",\"id\":\"b\"}");
    assert_int_equal(read_ping(json), NRT_ERR_PROTOCOL);
    memset(json, '[', sizeof(json) - 1); /* nesting ends somewhere, too */
    json[sizeof(json) - 1] = '\0';
    assert_int_equal(read_ping(json), NRT_ERR_PROTOCOL);
}

/* Whoever claims a host must have the name that goes with it, and a host that can be asked. */
static void a_false_host_makes_no_service_of_ours(void **state) {
    (void)state;
    static const char *const claims[] = {
        "\"nrt.host\":\"other.nats\",\"nrt.prefix\":\"nrt\"",
        "\"nrt.host\":\"A.nats\",\"nrt.prefix\":\"nrt\"",
        "\"nrt.host\":\"a.example\",\"nrt.prefix\":\"nrt\"",
        "\"nrt.host\":\"a.nats\"",
        "\"nrt.host\":\"a.nats\",\"nrt.prefix\":\"$SYS\"",
        "\"nrt.host\":\"a.nats\",\"nrt.prefix\":\"x.>\"",
    };
    char json[512];
    for (size_t i = 0; i < COUNT(claims); i++) {
        snprintf(json, sizeof(json),
                 "{\"type\":\"" PING "\",\"name\":\"a\",\"id\":\"b\",\"metadata\":{%s}}",
                 claims[i]);
        assert_int_equal(read_ping(json), 0);
        assert_string_equal(found->list[i]->host, "");
    }
}

static void they_stand_in_order_and_once(void **state) {
    (void)state;
    static const char *const names[][2] = {{"b", "1"}, {"a", "2"}, {"a", "1"}, {"a", "2"}};
    char json[256];
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(json, sizeof(json), "{\"type\":\"" PING "\",\"name\":\"%s\",\"id\":\"%s\"}",
                 names[i][0], names[i][1]);
        assert_int_equal(read_ping(json), 0);
    }
    nrt__discovery_settle(found);
    assert_int_equal(nrt_discovery_count(found), 3);
    assert_int_equal(nrt_discovery_skipped(found), 1);
    assert_string_equal(nrt_discovery_at(found, 0)->id, "1");
    assert_string_equal(nrt_discovery_at(found, 1)->id, "2");
    assert_string_equal(nrt_discovery_at(found, 2)->name, "b");
}

/* Half of 20 requests at 100 us with one, half at 10 ms with the other. */
static void latencies_of_several_instances_add_up(void **state) {
    (void)state;
    static const char *const buckets[] = {"[96,104,10]", "[9216,10240,10]"};
    char json[512];
    for (size_t i = 0; i < COUNT(buckets); i++) {
        snprintf(json, sizeof(json),
                 "{\"type\":\"" STATS "\",\"name\":\"a\",\"id\":\"%zu\",\"endpoints\":[{\"data\":"
                 "{\"in_flight\":0,\"latency\":{\"unit\":\"us\",\"buckets\":[%s]}}}]}",
                 i, buckets[i]);
        assert_int_equal(read_stats(json), 0);
    }
    const nrt_instance *const *both = (const nrt_instance *const *)found->list;
    assert_true(nrt_instances_latency(both, 2, 0.4) < 104001);
    assert_true(nrt_instances_latency(both, 2, 0.6) > 9215999);
    assert_true(nrt_instances_latency(both, 1, 0.99) < 104001);
    assert_true(nrt_instances_latency(both, 0, 0.99) == 0);
}

/* Every prefix of a good answer is read without harm. */
static void what_is_cut_off_is_skipped(void **state) {
    (void)state;
    static const char json[] = "{\"type\":\"" STATS "\",\"name\":\"a\",\"id\":\"b\",\"endpoints\":"
                               "[{\"data\":{\"in_flight\":0,\"latency\":{\"unit\":\"us\","
                               "\"buckets\":[[1,2,3]]}}}]}";
    for (size_t len = 0; len < sizeof(json) - 1; len++) {
        char *exact = malloc(len + !len);
        memcpy(exact, json, len);
        assert_int_equal(nrt__discovery_read(found, NRT__DISCOVERY_STATS, (nrt_str){exact, len}, 0),
                         NRT_ERR_PROTOCOL);
        free(exact);
    }
    assert_int_equal(read_stats(json), 0);
}

#define READ_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        READ_TEST(a_service_of_ours_is_known),   READ_TEST(services_of_others_are_known_too),
        READ_TEST(what_is_no_answer_is_skipped), READ_TEST(counts_that_cannot_be_are_skipped),
        READ_TEST(too_much_is_skipped),          READ_TEST(a_false_host_makes_no_service_of_ours),
        READ_TEST(they_stand_in_order_and_once), READ_TEST(latencies_of_several_instances_add_up),
        READ_TEST(what_is_cut_off_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
