/* Each allocation fails in turn: an error comes back, nothing is lost, and the engine works again.
 * malloc and its kin are wrapped by the linker (tests/unit/meson.build); jansson is told to use
 * them too. */
#include "unit.h"

#include <jansson.h>

#include "config_fixture.h"
#include "core/http/h1_whole.h"
#include "engine.h"
#include "failmalloc.h"

static engine e; /* its own memory is not of the heap */
static int calls;
static int last_error;

static void on_result(const nrt_result *result, void *arg) {
    (void)arg;
    calls++;
    last_error = result->error;
    if (result->response) { /* a copy needs memory too */
        nrt_response *copy = nrt_response_copy(result->response);
        nrt_response_destroy(copy);
    }
}

static void handler(nrt_exchange *exchange, void *arg) {
    static char bytes[1500];
    (void)arg;
    memset(bytes, 'b', sizeof(bytes));
    nrt_fields_add(nrt_exchange_fields(exchange), NRT__STR("X-Mine"), NRT__STR("1"));
    nrt_exchange_reply(exchange, 200, "text/plain", (nrt_str){bytes, sizeof(bytes)});
}

static void on_msg(const nrt__nats_msg *msg, void *arg) {
    (void)msg;
    (void)arg;
}

/* What was published is a whole HTTP message, whatever had to be left out of it. */
static void assert_whole(nrt_str payload, unsigned flags) {
    long at = alloc.at;
    nrt__h1_limits limits = NRT__H1_LIMITS_DEFAULT;
    nrt__h1_reader reader;
    nrt__message message;
    alloc.at = 0; /* the test's own reader has memory */
    nrt__h1_reader_init(&reader, &limits);
    nrt__message_init(&message, flags & NRT__H1_REQUEST);
    if (nrt__h1_read_whole(&reader, &message, flags, payload) < 0) {
        fail_msg("%s:\n%.*s", reader.reason, NRT__ARG(payload));
    }
    nrt__message_free(&message);
    nrt__h1_reader_free(&reader);
    alloc.at = at;
}

/* ---- scenarios: 0, or the error that stopped them ---- */

/* More than any scenario asks for: one that nobody asked for does no harm. */
#define PONGS "PONG\r\nPONG\r\nPONG\r\nPONG\r\nPONG\r\nPONG\r\nPONG\r\nPONG\r\nPONG\r\nPONG\r\n"

static int connect_and_flush(void) {
    int error = engine_connect(&e);
    if (error == 0) {
        nrt__sub *sub =
            nrt__session_subscribe(e.session, NRT__STR("a.b"), NRT__STR("q"), on_msg, NULL, NULL);
        error = sub ? nrt__session_flush(e.session, NULL, NULL) : NRT_ERR_MEMORY;
        nrt__session_sub_destroy(e.session, sub);
    }
    if (error == 0) {
        error = engine_feed(&e, "PING\r\nPONG\r\nPONG\r\n");
    }
    return error;
}

/* A request, and its answer in chunks with trailers, in two pieces. */
static int client_round(void) {
    static char text[2000];
    int error = 0;
    int before = calls;
    nrt_request *request = nrt_request_create("POST", "http://weather.nats/city?x", &error);
    if (!request) {
        return error;
    }
    error = nrt_fields_set(nrt_request_edit(request), NRT__STR("Accept"), NRT__STR("text/plain"));
    if (error == 0) {
        error = nrt_request_set_body(request, NRT__STR("hello"));
    }
    bool taken = false;
    if (error == 0) {
        error = nrt__client_send(e.client, &request->message, 1000, on_result, NULL, NULL);
        taken = error == 0;
    }
    nrt_request_destroy(request);
    if (taken) {
        engine_pub pub;
        char sid[24];
        static const char payload[] =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n"
            "2\r\nhi\r\n3\r\nyou\r\n0\r\nT: u\r\nV: w\r\n\r\n";
        assert_non_null(engine_read_pub(engine_take(&e), &pub));
        assert_whole(pub.payload, NRT__H1_REQUEST);
        sscanf(strstr(e.greeting, "SUB _INBOX."), "SUB %*s %23s", sid);
        snprintf(text, sizeof(text), "MSG %s %s %zu\r\n%s\r\n", pub.reply, sid, sizeof(payload) - 1,
                 payload);
        error = engine_feed_bytes(&e, (nrt_str){text, 60});
        if (error == 0) {
            error = engine_feed(&e, text + 60);
        }
        if (error < 0) {
            engine_disconnect(&e);
        }
        engine_advance(&e, 1100); /* whatever happened, its callback has come */
        assert_int_equal(calls, before + 1);
        error = error < 0 ? error : last_error;
    }
    assert_int_equal(nrt__client_in_flight(e.client), 0);
    return error;
}

static int service_round(void) {
    nrt_service *service = NULL;
    nrt_service_options options = {.size = sizeof(options), .max_in_flight = 5};
    int error = nrt__services_add(e.services, "weather.nats", handler, NULL, &options, &service);
    if (error < 0) {
        return error;
    }
    char sid[24];
    engine_sid(engine_take(&e), "nrt.requests.weather.nats.*", sid);
    static const char *const requests[] = {
        "POST /x HTTP/1.1\r\nHost: weather.nats\r\nTransfer-Encoding: chunked\r\n\r\n"
        "2\r\nhi\r\n3\r\nyou\r\n0\r\nT: u\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: other.nats\r\n\r\n",
    };
    static const char *const statuses[] = {"HTTP/1.1 200 ", "HTTP/1.1 421 "};
    for (size_t i = 0; i < COUNT(requests); i++) {
        engine_pub pub;
        int fed =
            engine_message(&e, sid, "nrt.requests.weather.nats.post", "_INBOX.r", requests[i]);
        /* Without memory there is another answer, or none. */
        bool answered = fed == 0 && engine_read_pub(engine_take(&e), &pub);
        if (answered) {
            assert_whole(pub.payload, 0);
            answered = nrt__str_starts(pub.payload, nrt_str_from(statuses[i]));
        }
        error = answered ? error : NRT_ERR_MEMORY;
        assert_int_equal(nrt__services_in_flight(e.services), 0);
    }
    nrt__service_stop(service, NULL, NULL);
    if (nrt__services_first(e.services)) { /* waits for its fence */
        int fed = engine_feed(&e, PONGS);
        if (fed < 0) {
            nrt__session_stop(e.session);
            error = fed;
        }
    }
    assert_null(nrt__services_first(e.services));
    return error;
}

/* A question to a service, and its answer. */
static int discovery_round(void) {
    nrt_service *service = NULL;
    const char *const metadata[] = {"team", "a", NULL};
    nrt_service_options options = {.size = sizeof(options), .max_in_flight = 5};
    options.metadata = metadata;
    options.description = "tells the weather";
    int error = nrt__services_add(e.services, "weather.nats", handler, NULL, &options, &service);
    if (error < 0) {
        return error;
    }
    char sid[24];
    engine_pub pub;
    engine_sid(engine_take(&e), "$SRV.>", sid);
    service->stats.errors = service->stats.latency.counts[3] = 1;
    service->stats.last_status = 500;
    int fed = engine_message(&e, sid, "$SRV.STATS.weather", "_INBOX.r", "");
    if (fed < 0 || !engine_read_pub(engine_take(&e), &pub)) {
        error = NRT_ERR_MEMORY;
    }
    nrt__service_stop(service, NULL, NULL);
    if (nrt__services_first(e.services)) {
        fed = engine_feed(&e, PONGS);
        if (fed < 0) {
            nrt__session_stop(e.session);
            error = fed;
        }
    }
    assert_null(nrt__services_first(e.services));
    return error;
}

static void on_found(nrt_discovery *found, int error, const char *detail, void *arg) {
    (void)detail;
    calls++;
    last_error = error < 0 ? error : nrt_discovery_count(found) == 1 ? 0 : NRT_ERR_MEMORY;
    assert_null(arg);
    nrt_discovery_destroy(found);
}

/* A question of ours, and an answer to it. */
static int gather_round(void) {
    static const char answer[] =
        "{\"type\":\"io.nats.micro.v1.info_response\",\"name\":\"weather\",\"id\":\"x\","
        "\"version\":\"1.0.0\",\"metadata\":{\"nrt.host\":\"weather.nats\",\"nrt.prefix\":"
        "\"nrt\"},\"endpoints\":[{\"name\":\"http\",\"subject\":\"a\"}]}";
    int before = calls;
    nrt_discover_options options;
    nrt_discover_options_init(&options);
    options.kind = NRT_DISCOVER_INFO;
    int error = nrt__gather_start(e.gathers, &options, on_found, NULL);
    if (error < 0) {
        return error;
    }
    char sid[24];
    engine_pub pub;
    const char *sent = engine_take(&e);
    bool published = engine_read_pub(sent, &pub) != NULL;
    assert_true(published);
    engine_sid(sent, pub.reply, sid);
    error = engine_message(&e, sid, pub.reply, NULL, answer);
    if (error < 0) {
        engine_disconnect(&e);
    }
    engine_advance(&e, 3000);
    assert_int_equal(calls, before + 1);
    assert_int_equal(nrt__gathers_count(e.gathers), 0);
    return error < 0 ? error : last_error;
}

/* Runs it with the Nth allocation failing, for each N there is. */
static void fail_each(unsigned parts, int (*scenario)(void), bool onwards) {
    for (long n = 1;; n++) {
        assert_true(n < 2000);
        memset(&e, 0, sizeof(e));
        calls = 0;
        long before = alloc.live;
        alloc.failed = false;
        alloc.count = 0;
        alloc.onwards = onwards;
        alloc.at = n;
        e.probe = true;
        e.retries = 2;
        e.retry_on = NRT_RETRY_REFUSED | NRT_RETRY_IDEMPOTENT;
        int error = engine_init(&e, parts);
        bool made = error == 0;
        if (made && scenario != connect_and_flush) {
            error = engine_connect(&e);
        }
        if (error == 0) {
            error = scenario();
        }
        alloc.at = 0;
        if (!alloc.failed) { /* there is no Nth one: it went through */
            assert_int_equal(error, 0);
        }
        if (made) { /* with memory again all of it works */
            engine_disconnect(&e);
            if (scenario != connect_and_flush) {
                assert_int_equal(engine_connect(&e), 0);
            }
            error = scenario();
            if (error != 0) {
                fail_msg("allocation %ld%s failed once, and then: %s", n, onwards ? " and on" : "",
                         nrt_error_text(error));
            }
        }
        engine_finish(&e);
        if (alloc.live != before) {
            fail_msg("allocation %ld%s failed: %ld pieces of memory are lost", n,
                     onwards ? " and on" : "", alloc.live - before);
        }
        if (!alloc.failed) {
            assert_true(n > 3);
            break;
        }
    }
}

static void a_session_connects_or_tells(void **state) {
    (void)state;
    fail_each(0, connect_and_flush, false);
    fail_each(0, connect_and_flush, true);
}

static void a_client_gets_its_answer_or_is_told(void **state) {
    (void)state;
    fail_each(ENGINE_CLIENT, client_round, false);
    fail_each(ENGINE_CLIENT, client_round, true);
}

static void a_service_answers_or_drops_but_keeps_count(void **state) {
    (void)state;
    fail_each(ENGINE_SERVICES, service_round, false);
    fail_each(ENGINE_SERVICES, service_round, true);
}

static void services_are_found_or_it_is_told(void **state) {
    (void)state;
    unsigned parts = ENGINE_SERVICES | ENGINE_DISCOVERY;
    fail_each(parts, service_round, false);
    fail_each(parts, discovery_round, false);
    fail_each(parts, discovery_round, true);
    /* jansson 2.14 reads beyond its buffer where it cannot grow that for a string of more than 16
     * characters: it gets all the memory that it wants here. */
    json_set_alloc_funcs(malloc_never_fails, __wrap_free);
    fail_each(ENGINE_GATHERS, gather_round, false);
    fail_each(ENGINE_GATHERS, gather_round, true);
    json_set_alloc_funcs(__wrap_malloc, __wrap_free);
}

/* While there is no connection, requests are kept. */
static int waiting_round(void) {
    int before = calls;
    int error = 0;
    nrt__session_stop(e.session);
    nrt_request *request = nrt_request_create("GET", "http://weather.nats/", &error);
    if (!request) {
        return error;
    }
    error = nrt__client_send(e.client, &request->message, 1000, on_result, NULL, NULL);
    bool taken = error == 0;
    nrt_request_destroy(request);
    if (taken) {
        error = engine_connect(&e);
        engine_advance(&e, 1100);
        assert_int_equal(calls, before + 1);
        if (error == 0 && last_error != NRT_ERR_TIMEOUT) { /* nobody answered: it was sent */
            error = last_error;
        }
    }
    return error;
}

static void a_waiting_request_is_sent_or_told(void **state) {
    (void)state;
    fail_each(ENGINE_CLIENT, waiting_round, false);
    fail_each(ENGINE_CLIENT, waiting_round, true);
}

/* A request that is refused, sent again, lost with its connection, and answered at last. */
static int retry_round(void) {
    engine_pub pub;
    char sid[24];
    int before = calls;
    int error = 0;
    nrt_request *request = nrt_request_create("GET", "http://weather.nats/", &error);
    if (!request) {
        return error;
    }
    error = nrt__client_send(e.client, &request->message, 5000, on_result, NULL, NULL);
    nrt_request_destroy(request);
    if (error < 0) {
        return error;
    }
    sscanf(strstr(e.greeting, "SUB _INBOX."), "SUB %*s %23s", sid);
    assert_non_null(engine_read_pub(engine_take(&e), &pub));
    error = engine_header_message(&e, sid, pub.reply, "\r\nNRT-Frame: t=refuse", "");
    engine_advance(&e, 20);
    if (error == 0 && engine_read_pub(engine_take(&e), &pub)) {
        engine_disconnect(&e);
        error = engine_connect(&e);
    }
    if (error == 0 && engine_read_pub(engine_take(&e), &pub)) {
        error = engine_message(&e, sid, pub.reply, NULL, "HTTP/1.1 204 No Content\r\n\r\n");
    }
    if (error < 0) {
        engine_disconnect(&e);
    }
    engine_advance(&e, 5100);
    assert_int_equal(calls, before + 1);
    assert_int_equal(nrt__client_in_flight(e.client), 0);
    return error < 0 ? error : last_error;
}

static void a_request_is_sent_again_or_told(void **state) {
    (void)state;
    fail_each(ENGINE_CLIENT, retry_round, false);
    fail_each(ENGINE_CLIENT, retry_round, true);
}

static bool sent_frame(const char *value) {
    engine_pub pub;
    return engine_read_pub(engine_take(&e), &pub) && pub.header.ptr &&
           strstr(pub.header.ptr, value) != NULL;
}

/* A service that accepts, refuses, pauses twice and is stopped while it pauses. */
static int frame_round(void) {
    static const char subject[] = "nrt.requests.weather.nats.get";
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: weather.nats\r\nNRT-Accept: v=1, timeout=1000\r\n\r\n";
    nrt_service *service = NULL;
    nrt_service_options options = {.size = sizeof(options), .max_in_flight = 1};
    int error = nrt__services_add(e.services, "weather.nats", handler, NULL, &options, &service);
    if (error < 0) {
        return error;
    }
    char sid[24];
    engine_sid(engine_take(&e), "nrt.requests.weather.nats.*", sid);
    bool said = engine_feed(&e, PONGS) == 0;
    e.hold = true;
    e.held_count = 0;
    said = said && engine_message(&e, sid, subject, "_INBOX.r", request) == 0;
    said = said && engine_message(&e, sid, subject, "_INBOX.s", request) == 0;
    said = said && sent_frame("t=refuse");
    engine_advance(&e, 110);
    said = said && sent_frame("t=accept");
    for (size_t i = 0; i < e.held_count; i++) {
        nrt__exchange_end_one(e.held[i]);
        assert_true(nrt__exchange_end_one(e.held[i]));
        nrt__exchange_finish(e.held[i]);
    }
    e.hold = false;
    said = said && nrt__service_pause(service) == 0;
    said = said && nrt__service_resume(service) == 0;
    said = said && nrt__service_pause(service) == 0;
    nrt__service_stop(service, NULL, NULL);
    engine_take(&e);
    if (engine_feed(&e, PONGS) < 0) {
        nrt__session_stop(e.session);
        said = false;
    }
    assert_null(nrt__services_first(e.services));
    assert_int_equal(nrt__services_in_flight(e.services), 0);
    return said ? 0 : NRT_ERR_MEMORY;
}

static void a_service_says_what_it_can(void **state) {
    (void)state;
    fail_each(ENGINE_SERVICES, frame_round, false);
    fail_each(ENGINE_SERVICES, frame_round, true);
}

/* Else the server goes on sending to a member of the queue group that nobody is behind. */
static void a_subscription_is_left_without_memory_too(void **state) {
    (void)state;
    memset(&e, 0, sizeof(e));
    assert_int_equal(engine_init(&e, 0), 0);
    assert_int_equal(engine_connect(&e), 0);
    nrt__sub *sub =
        nrt__session_subscribe(e.session, NRT__STR("a.b"), NRT__STR("q"), on_msg, NULL, NULL);
    assert_non_null(sub);
    engine_take(&e);
    alloc.count = 0;
    alloc.onwards = true;
    alloc.at = 1;
    nrt__session_unsubscribe(e.session, sub);
    alloc.at = 0;
    bool left = strstr(engine_take(&e), "UNSUB ") != NULL;
    nrt__session_sub_destroy(e.session, sub);
    engine_finish(&e);
    assert_true(left);
}

/* Everything a configuration is made of: a context, a variable, an option, servers without the
 * credentials that others outrank. */
static int resolve_round(void) {
    nrt__config config;
    nrt_options options;
    nrt_options_init(&options);
    options.environment = true;
    options.context = "full";
    options.inbox_prefix = "_INBOX.x";
    int error = nrt__config_resolve(&config, &options, config_why, sizeof(config_why));
    if (error == 0) {
        assert_string_equal(config.options.servers, "nats://h");
        assert_string_equal(config.options.token, "t");
        assert_string_equal(config.options.tls_ca, "./a");
    }
    nrt__config_finish(&config);
    return error;
}

static void a_configuration_is_resolved_or_out_of_memory(void **state) {
    (void)state;
    config_clear();
    config_write_context("full", "{\"url\": \"nats://u:p@h\", \"ca\": \"./a\"}");
    setenv("NATS_TOKEN", "t", 1);
    for (long n = 1;; n++) {
        long before = alloc.live;
        alloc.count = 0;
        alloc.failed = false;
        alloc.at = n;
        int error = resolve_round();
        alloc.at = 0;
        if (error == NRT_ERR_CONFIG) { /* jansson calls some of its failures bad syntax */
            assert_non_null(strstr(config_why, "not valid JSON"));
            error = NRT_ERR_MEMORY;
        }
        assert_int_equal(error, alloc.failed ? NRT_ERR_MEMORY : 0);
        assert_int_equal(alloc.live, before);
        if (!alloc.failed) {
            assert_true(n > 8);
            break;
        }
    }
}

static int setup(void **state) {
    json_set_alloc_funcs(__wrap_malloc, __wrap_free);
    return config_set_up(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_connects_or_tells),
        cmocka_unit_test(a_client_gets_its_answer_or_is_told),
        cmocka_unit_test(a_service_answers_or_drops_but_keeps_count),
        cmocka_unit_test(services_are_found_or_it_is_told),
        cmocka_unit_test(a_waiting_request_is_sent_or_told),
        cmocka_unit_test(a_request_is_sent_again_or_told),
        cmocka_unit_test(a_service_says_what_it_can),
        cmocka_unit_test(a_subscription_is_left_without_memory_too),
        cmocka_unit_test(a_configuration_is_resolved_or_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, config_tear_down);
}
