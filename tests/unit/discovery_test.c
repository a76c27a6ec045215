/* What services tell of themselves on $SRV: who answers what, how often, and what they count. */
#include "unit.h"

#include <jansson.h>

#include "engine.h"

enum { HOSTS = 1000 };

static engine *e;
static char sid[24]; /* of $SRV.> */

static void fine(nrt_exchange *exchange, void *arg) {
    (void)arg;
    nrt_str target = nrt_request_target(nrt_exchange_request(exchange));
    int status = nrt__str_equal(target, NRT__STR("/500"))   ? 500
                 : nrt__str_equal(target, NRT__STR("/503")) ? 503
                                                            : 200;
    nrt_exchange_set_status(exchange, status);
    nrt_fields_set(nrt_exchange_fields(exchange), NRT__STR("NRT-Error"), NRT__STR("secret"));
}

static nrt_service *serve(const char *host, nrt_service_options *options) {
    nrt_service_options defaults = {.size = sizeof(defaults), .max_in_flight = 2};
    nrt_service *made = NULL;
    assert_int_equal(
        nrt__services_add(e->services, host, fine, NULL, options ? options : &defaults, &made), 0);
    return made;
}

static int setup(void **state) {
    (void)state;
    e = calloc(1, sizeof(*e));
    e->session_options.max_output = 4 << 20;
    return engine_init(e, ENGINE_SERVICES | ENGINE_DISCOVERY);
}

static int teardown(void **state) {
    (void)state;
    engine_finish(e);
    free(e);
    return 0;
}

static void connect_all(void) {
    assert_int_equal(engine_connect(e), 0);
    engine_sid(e->greeting, "$SRV.>", sid);
}

static void ask_to(const char *subject, const char *reply) {
    assert_int_equal(engine_message(e, sid, subject, reply, ""), 0);
}

/* The one answer to a question, or NULL where there is none. To be released. */
static json_t *ask(const char *subject) {
    engine_pub pub;
    ask_to(subject, "_INBOX.x.y");
    const char *rest = engine_read_pub(engine_take(e), &pub);
    if (!rest) {
        return NULL;
    }
    assert_string_equal(rest, "");
    assert_string_equal(pub.subject, "_INBOX.x.y");
    json_t *answer = json_loadb(pub.payload.ptr, pub.payload.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(answer);
    return answer;
}

static const char *text(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "(none)";
}

static json_int_t number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static size_t count_answers(void) {
    size_t count = 0;
    engine_pub pub;
    for (const char *at = engine_take(e); (at = engine_read_pub(at, &pub)); count++) {
    }
    return count;
}

static size_t occurrences(const char *haystack, const char *needle) {
    size_t count = 0;
    for (const char *at = strstr(haystack, needle); at; at = strstr(at + 1, needle)) {
        count++;
    }
    return count;
}

/* ---- who answers what ---- */

static void one_subscription_does_for_all_services(void **state) {
    (void)state;
    serve("a.nats", NULL);
    serve("b.nats", NULL);
    connect_all();
    assert_int_equal(occurrences(e->greeting, "SUB $SRV"), 1);
    serve("c.nats", NULL);
    assert_null(strstr(engine_take(e), "$SRV"));
}

static void each_question_has_its_answer(void **state) {
    (void)state;
    const char *const metadata[] = {"team", "a", NULL};
    nrt_service_options options = {.size = sizeof(options),
                                   .max_in_flight = 2,
                                   .version = "1.2.3",
                                   .description = "tells the weather",
                                   .metadata = metadata};
    serve("My.Weather.nats", &options);
    connect_all();
    static const struct {
        const char *verb;
        const char *type;
    } kinds[] = {{"PING", "io.nats.micro.v1.ping_response"},
                 {"INFO", "io.nats.micro.v1.info_response"},
                 {"STATS", "io.nats.micro.v1.stats_response"}};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char subject[128];
        snprintf(subject, sizeof(subject), "$SRV.%s", kinds[i].verb);
        json_t *answer = ask(subject);
        assert_string_equal(text(answer, "type"), kinds[i].type);
        assert_string_equal(text(answer, "name"), "my-weather");
        assert_string_equal(text(answer, "version"), "1.2.3");
        assert_int_equal(strlen(text(answer, "id")), 22);
        const json_t *data = json_object_get(answer, "metadata");
        assert_string_equal(text(data, "nrt.host"), "my.weather.nats");
        assert_string_equal(text(data, "nrt.prefix"), "nrt");
        assert_string_equal(text(data, "nrt.server"), "n1");
        assert_string_equal(text(data, "nrt.cluster"), "c1");
        assert_string_equal(text(data, "nrt.version"), nrt_version());
        assert_string_equal(text(data, "team"), "a");
        const json_t *endpoints = json_object_get(answer, "endpoints");
        assert_int_equal(json_array_size(endpoints), i == 0 ? 0 : 1);
        if (i > 0) {
            const json_t *endpoint = json_array_get(endpoints, 0);
            assert_string_equal(text(endpoint, "subject"), "nrt.requests.my.weather.nats.*");
            assert_string_equal(text(endpoint, "queue_group"), "nrt");
        }
        assert_string_equal(text(answer, "description"), i == 1 ? "tells the weather" : "(none)");
        assert_string_equal(text(answer, "started"), i == 2 ? "1994-11-06T08:49:37Z" : "(none)");
        /* The same when it is asked by name, and by name and id. */
        char more[256];
        snprintf(more, sizeof(more), "%s.my-weather", subject);
        json_t *again = ask(more);
        assert_true(json_equal(answer, again));
        json_decref(again);
        snprintf(more, sizeof(more), "%s.my-weather.%s", subject, text(answer, "id"));
        again = ask(more);
        assert_true(json_equal(answer, again));
        json_decref(again);
        json_decref(answer);
    }
}

static void who_is_not_asked_does_not_answer(void **state) {
    (void)state;
    serve("weather.nats", NULL);
    connect_all();
    static const char *const subjects[] = {
        "$SRV.PING.other",
        "$SRV.PING.weather.other",
        "$SRV.PING.weather.x.y",
        "$SRV.ping",
        "$SRV.SCHEMA",
        "$SRV.PING.",
        "$SRV.PING.weather.",
        "$SRV",
        "$SRV.PINGS",
        "$SRV.PING.weather.nats",
        "$SRV.PING.WEATHER",
        "$SRV.INFO.weathe",
    };
    for (size_t i = 0; i < COUNT(subjects); i++) {
        json_t *answer = ask(subjects[i]);
        /* An empty token is no name: that asks all. A server delivers no such subject. */
        if (answer && strcmp(subjects[i], "$SRV.PING.") != 0 &&
            strcmp(subjects[i], "$SRV.PING.weather.") != 0) {
            fail_msg("%s was answered", subjects[i]);
        }
        json_decref(answer);
    }
}

static void answers_are_not_aimed_at_others(void **state) {
    (void)state;
    serve("weather.nats", NULL);
    connect_all();
    static const char *const replies[] = {
        NULL,  "$JS.API.x", "$SRV.PING", "_INBOX.*",
        "a.>", "$SYS.x",    "a..b",      "nrt.requests.x.nats.get"};
    for (size_t i = 0; i < COUNT(replies); i++) {
        ask_to("$SRV.PING", replies[i]);
        assert_int_equal(count_answers(), 0);
    }
    assert_non_null(strstr(e->log, "without a proper reply subject"));
    ask_to("$SRV.PING", "_R_.abc.def");
    assert_int_equal(count_answers(), 1);
}

static void who_is_not_to_be_found_is_not(void **state) {
    (void)state;
    nrt_service_options options = {.size = sizeof(options), .max_in_flight = 2};
    options.no_discovery = true;
    serve("hidden.nats", &options);
    assert_int_equal(engine_connect(e), 0);
    assert_null(strstr(e->greeting, "$SRV"));
    nrt_service *open = serve("open.nats", NULL);
    engine_sid(engine_take(e), "$SRV.>", sid);
    json_t *answer = ask("$SRV.PING");
    assert_string_equal(text(answer, "name"), "open");
    json_decref(answer);
    nrt__service_stop(open, NULL, NULL);
}

static void who_stops_leaves_at_once(void **state) {
    (void)state;
    nrt_service *first = serve("first.nats", NULL);
    nrt_service *second = serve("second.nats", NULL);
    connect_all();
    nrt__service_stop(first, NULL, NULL);
    assert_null(strstr(engine_take(e), sid)); /* the other one is still there */
    json_t *answer = ask("$SRV.PING");
    assert_string_equal(text(answer, "name"), "second");
    json_decref(answer);
    nrt__service_stop(second, NULL, NULL);
    char unsub[64];
    snprintf(unsub, sizeof(unsub), "UNSUB %s\r\n", sid);
    assert_non_null(strstr(engine_take(e), unsub));
    ask_to("$SRV.PING", "_INBOX.x.y"); /* sent before the server read that */
    assert_int_equal(count_answers(), 0);
}

static void a_new_session_is_subscribed_again_and_tells_of_its_server(void **state) {
    (void)state;
    serve("weather.nats", NULL);
    connect_all();
    json_t *before = ask("$SRV.PING");
    engine_disconnect(e);
    nrt__session_start(e->session, &e->login);
    assert_int_equal(
        engine_feed(e, "INFO {\"server_name\":\"n2\",\"headers\":true,\"max_payload\":4096}\r\n"),
        0);
    engine_sid(engine_take(e), "$SRV.>", sid);
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    json_t *after = ask("$SRV.PING");
    assert_string_equal(text(after, "id"), text(before, "id"));
    assert_string_equal(text(json_object_get(after, "metadata"), "nrt.server"), "n2");
    assert_string_equal(text(json_object_get(after, "metadata"), "nrt.cluster"), "(none)");
    json_decref(before);
    json_decref(after);
}

static void without_the_grant_the_service_works_and_one_line_names_it(void **state) {
    (void)state;
    serve("weather.nats", NULL);
    nrt__session_start(e->session, &e->login);
    assert_int_equal(engine_feed(e, ENGINE_INFO), 0);
    snprintf(e->greeting, sizeof(e->greeting), "%s", engine_take(e));
    static const char denied[] =
        "-ERR 'Permissions Violation for Subscription to \"$SRV.>\"'\r\nPONG\r\n";
    assert_int_equal(engine_feed(e, denied), 0);
    assert_int_equal(occurrences(e->log, "grant subscribe: \"$SRV.>\""), 1);
    char request_sid[24];
    engine_sid(e->greeting, "nrt.requests.weather.nats.*", request_sid);
    engine_message(e, request_sid, "nrt.requests.weather.nats.get", "_INBOX.x.y",
                   "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    assert_int_equal(count_answers(), 1);
    /* Said once, not with every reconnect. */
    engine_disconnect(e);
    nrt__session_start(e->session, &e->login);
    assert_int_equal(engine_feed(e, ENGINE_INFO), 0);
    assert_int_equal(engine_feed(e, denied), 0);
    assert_int_equal(occurrences(e->log, "grant subscribe"), 1);
}

/* ---- how much at a time ---- */

static void serve_many(void) {
    for (int i = 0; i < HOSTS; i++) {
        char host[32];
        snprintf(host, sizeof(host), "s%d.nats", i);
        serve(host, NULL);
    }
    nrt__session_start(e->session, &e->login);
    assert_int_equal(engine_feed(e, ENGINE_INFO), 0);
    engine_sid(engine_take(e), "$SRV.>", sid);
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
}

static void a_thousand_services_answer_soon_but_not_at_once(void **state) {
    (void)state;
    serve_many();
    ask_to("$SRV.PING", "_INBOX.x.y");
    size_t count = count_answers();
    assert_true(count > 0 && count <= 64);
    for (int ms = 0; ms < 1000; ms += 8) {
        engine_advance(e, 8);
        size_t more = count_answers();
        assert_true(more <= 64);
        count += more;
    }
    assert_int_equal(count, HOSTS);
    engine_advance(e, 10000);
    assert_int_equal(count_answers(), 0);
    /* Only one of them is asked: it need not wait for a turn of each. */
    json_t *answer = ask("$SRV.PING.s17");
    assert_string_equal(text(answer, "name"), "s17");
    json_decref(answer);
}

static void services_that_leave_or_come_meanwhile_are_no_trouble(void **state) {
    (void)state;
    serve_many();
    ask_to("$SRV.INFO", "_INBOX.x.y");
    size_t count = count_answers();
    nrt_service *next;
    size_t stopped = 0;
    for (nrt_service *one = nrt__services_first(e->services); one; one = next) {
        next = one->next;
        if (++stopped % 2) {
            nrt__service_stop(one, NULL, NULL);
        }
    }
    serve("new.nats", NULL);
    for (int ms = 0; ms < 2000; ms += 8) {
        engine_advance(e, 8);
        count += count_answers();
    }
    assert_in_range(count, HOSTS / 2, HOSTS / 2 + 64);
}

static void questions_without_end_are_answered_at_a_bounded_rate(void **state) {
    (void)state;
    serve("weather.nats", NULL);
    connect_all();
    size_t count = 0;
    for (int ms = 0; ms < 1000; ms += 8) {
        for (int i = 0; i < 200; i++) { /* 25,000 a second */
            ask_to("$SRV.PING", "_INBOX.x.y");
        }
        engine_advance(e, 8);
        count += count_answers();
    }
    assert_in_range(count, 1500, 256 + 2 * 1008);
    assert_non_null(strstr(e->log, "requests were dropped: too many at once"));
    engine_advance(e, 6000);
    assert_true(count_answers() <= 64);
    engine_advance(e, 6000);
    assert_int_equal(count_answers(), 0);
    json_t *answer = ask("$SRV.PING"); /* and then as before */
    assert_non_null(answer);
    json_decref(answer);
}

static void a_lost_connection_ends_what_waits(void **state) {
    (void)state;
    serve_many();
    ask_to("$SRV.PING", "_INBOX.x.y");
    engine_disconnect(e);
    nrt__session_start(e->session, &e->login);
    engine_advance(e, 100);
    assert_int_equal(engine_feed(e, ENGINE_INFO "PONG\r\n"), 0);
    engine_take(e);
    engine_advance(e, 1000);
    assert_int_equal(count_answers(), 0);
}

/* ---- what is counted ---- */

static char request_sid[24];

static void request(const char *target) {
    char message[200];
    snprintf(message, sizeof(message), "GET %s HTTP/1.1\r\nHost: weather.nats\r\n\r\n", target);
    engine_message(e, request_sid, "nrt.requests.weather.nats.get", "_INBOX.r", message);
}

static void end_held(size_t index) {
    nrt_exchange *exchange = e->held[index];
    exchange->handler(exchange, exchange->arg);
    nrt__exchange_end_one(exchange);
    assert_true(nrt__exchange_end_one(exchange));
    nrt__exchange_finish(exchange);
}

static json_t *stats(json_t **endpoint, json_t **data) {
    engine_take(e);
    json_t *answer = ask("$SRV.STATS.weather");
    assert_non_null(answer);
    *endpoint = json_array_get(json_object_get(answer, "endpoints"), 0);
    *data = json_object_get(*endpoint, "data");
    return answer;
}

static void begin_counting(void) {
    serve("weather.nats", NULL);
    connect_all();
    engine_sid(e->greeting, "nrt.requests.weather.nats.*", request_sid);
}

static void what_takes_long_is_counted_as_long(void **state) {
    (void)state;
    json_t *endpoint;
    json_t *data;
    begin_counting();
    e->hold = true;
    request("/");
    engine_advance(e, 40);
    request("/");
    json_t *answer = stats(&endpoint, &data);
    assert_int_equal(number(data, "in_flight"), 2);
    assert_int_equal(number(endpoint, "num_requests"), 2);
    assert_int_equal(number(endpoint, "processing_time"), 0);
    assert_null(json_object_get(endpoint, "last_error"));
    json_decref(answer);
    engine_advance(e, 10);
    end_held(0); /* after 50 ms */
    engine_advance(e, 90);
    end_held(1); /* after 100 ms */
    answer = stats(&endpoint, &data);
    assert_int_equal(number(data, "in_flight"), 0);
    assert_int_equal(number(endpoint, "num_errors"), 0);
    assert_int_equal(number(endpoint, "processing_time"), 150000000);
    assert_int_equal(number(endpoint, "average_processing_time"), 75000000);
    const json_t *latency = json_object_get(data, "latency");
    assert_string_equal(text(latency, "unit"), "us");
    char *buckets = json_dumps(json_object_get(latency, "buckets"), JSON_COMPACT);
    assert_string_equal(buckets, "[[49152,53248,1],[98304,106496,1]]");
    free(buckets);
    json_decref(answer);
}

static void errors_and_refusals_are_told_apart(void **state) {
    (void)state;
    json_t *endpoint;
    json_t *data;
    begin_counting();
    e->hold = true;
    request("/");
    request("/500");
    request("/"); /* beyond the limit of two */
    end_held(0);
    end_held(1);
    json_t *answer = stats(&endpoint, &data);
    assert_int_equal(number(endpoint, "num_requests"), 3);
    assert_int_equal(number(endpoint, "num_errors"), 1);
    assert_int_equal(number(data, "refused"), 1);
    assert_string_equal(text(endpoint, "last_error"), "500 Internal Server Error");
    json_decref(answer);
    /* A handler's own 503 is an error; what the client did wrong is not. */
    e->hold = false;
    request("/503");
    request("bad target");
    engine_message(e, request_sid, "nrt.requests.weather.nats.put", "_INBOX.r",
                   "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    answer = stats(&endpoint, &data);
    assert_int_equal(number(endpoint, "num_requests"), 6);
    assert_int_equal(number(endpoint, "num_errors"), 2);
    assert_int_equal(number(data, "refused"), 1);
    assert_string_equal(text(endpoint, "last_error"), "503 Service Unavailable");
    json_decref(answer);
}

static void large(nrt_exchange *exchange, void *arg) {
    static char bytes[5000];
    (void)arg;
    memset(bytes, 'x', sizeof(bytes));
    nrt_exchange_write(exchange, (nrt_str){bytes, sizeof(bytes)});
}

static void our_own_errors_have_their_code(void **state) {
    (void)state;
    json_t *endpoint;
    json_t *data;
    nrt_service_options options = {.size = sizeof(options), .max_in_flight = 2};
    nrt_service *made = NULL;
    assert_int_equal(nrt__services_add(e->services, "weather.nats", large, NULL, &options, &made),
                     0);
    connect_all();
    engine_sid(e->greeting, "nrt.requests.weather.nats.*", request_sid);
    request("/");
    json_t *answer = stats(&endpoint, &data);
    assert_int_equal(number(endpoint, "num_errors"), 1);
    assert_string_equal(text(endpoint, "last_error"), "502 response-too-large");
    json_decref(answer);
    /* A response that is lost, since the connection is. */
    e->hold = true;
    request("/");
    engine_disconnect(e);
    end_held(0);
    connect_all();
    answer = stats(&endpoint, &data);
    assert_int_equal(number(endpoint, "num_errors"), 2);
    assert_string_equal(text(endpoint, "last_error"), "503 disconnected");
    json_decref(answer);
}

#define DISCOVERY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        DISCOVERY_TEST(one_subscription_does_for_all_services),
        DISCOVERY_TEST(each_question_has_its_answer),
        DISCOVERY_TEST(who_is_not_asked_does_not_answer),
        DISCOVERY_TEST(answers_are_not_aimed_at_others),
        DISCOVERY_TEST(who_is_not_to_be_found_is_not),
        DISCOVERY_TEST(who_stops_leaves_at_once),
        DISCOVERY_TEST(a_new_session_is_subscribed_again_and_tells_of_its_server),
        DISCOVERY_TEST(without_the_grant_the_service_works_and_one_line_names_it),
        DISCOVERY_TEST(a_thousand_services_answer_soon_but_not_at_once),
        DISCOVERY_TEST(services_that_leave_or_come_meanwhile_are_no_trouble),
        DISCOVERY_TEST(questions_without_end_are_answered_at_a_bounded_rate),
        DISCOVERY_TEST(a_lost_connection_ends_what_waits),
        DISCOVERY_TEST(what_takes_long_is_counted_as_long),
        DISCOVERY_TEST(errors_and_refusals_are_told_apart),
        DISCOVERY_TEST(our_own_errors_have_their_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
