/* How exchanges end, what their responses are, and how services stop. What is refused is in
 * services_test.c. */
#include "service_fixture.h"

static void above_max_in_flight_requests_are_refused(void **state) {
    (void)state;
    static const char request[] = "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n";
    e->hold = true;
    ask("get", request);
    ask("get", request);
    assert_string_equal(engine_take(e), "");
    assert_int_equal(nrt__services_in_flight(e->services), 2);
    ask("get", request);
    assert_problem(503, "refused");
    end_both(e->held[0]);
    read_reply_as(0);
    assert_int_equal(r.message.status, 200);
    ask("get", request); /* there is room again */
    assert_string_equal(engine_take(e), "");
    end_both(e->held[1]);
    end_both(e->held[2]);
    assert_int_equal(handled, 3);
}

static nrt_exchange *deferred;

static void defer(nrt_exchange *exchange, void *arg) {
    (void)arg;
    deferred = exchange;
    nrt_exchange_defer(exchange);
}

/* The handler's return and nrt_exchange_end may come in either order; the answer goes out with the
 * second. */
static void deferred_exchanges_end_in_both_orders(void **state) {
    (void)state;
    service->handler = defer;
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n"); /* returned first */
    assert_string_equal(engine_take(e), "");
    assert_int_equal(nrt__services_in_flight(e->services), 1);
    assert_int_equal(nrt_exchange_write(deferred, NRT__STR("a")), 0);
    assert_true(nrt__exchange_end_one(deferred));
    nrt__exchange_finish(deferred);
    read_reply_as(0);
    assert_view(nrt__buf_view(&r.body), "a");

    e->hold = true;
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n"); /* still inside */
    nrt_exchange *inside = e->held[0];
    inside->handler(inside, NULL);
    nrt_exchange_reply(inside, 201, NULL, NRT__STR("b"));
    assert_false(nrt__exchange_end_one(inside)); /* the end, while the handler runs */
    assert_string_equal(engine_take(e), "");
    assert_true(nrt__exchange_end_one(inside));
    nrt__exchange_finish(inside);
    read_reply_as(0);
    assert_int_equal(r.message.status, 201);
    assert_int_equal(nrt__services_in_flight(e->services), 0);
}

static void stopped(nrt_service *which, void *arg) {
    (void)which;
    snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s\n", (const char *)arg);
}

static void a_stop_waits_for_the_fence_and_for_what_is_handled(void **state) {
    (void)state;
    char want[64];
    told[0] = '\0';
    e->hold = true;
    ask("get", "GET /1 HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    nrt__service_stop(service, stopped, "stopped");
    snprintf(want, sizeof(want), "UNSUB %s\r\nPING\r\n", sid);
    assert_string_equal(engine_take(e), want);
    ask("get", "GET /2 HTTP/1.1\r\nHost: weather.nats\r\n\r\n"); /* was on its way */
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_string_equal(told, "");
    end_both(e->held[0]);
    assert_string_equal(told, "");
    end_both(e->held[1]);
    assert_string_equal(told, "stopped\n");
    assert_null(nrt__services_first(e->services));
    assert_string_equal(seen, "GET /2\nHost: weather.nats\n\n");
    ask("get", "GET /3 HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    assert_int_equal(e->held_count, 2);
}

static void a_stop_without_work_waits_for_the_fence_only(void **state) {
    (void)state;
    told[0] = '\0';
    nrt__service_stop(service, stopped, "stopped");
    nrt__service_stop(service, stopped, "twice");
    assert_string_equal(told, "");
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_string_equal(told, "stopped\n");
}

static void a_stop_without_a_connection_is_done_at_once(void **state) {
    (void)state;
    nrt__session_stop(e->session);
    told[0] = '\0';
    nrt__service_stop(service, stopped, "stopped");
    assert_string_equal(told, "stopped\n");
}

static void a_lost_connection_ends_the_fence(void **state) {
    (void)state;
    told[0] = '\0';
    nrt__service_stop(service, stopped, "stopped");
    nrt__session_stop(e->session);
    assert_string_equal(told, "stopped\n");
}

/* ---- pausing ---- */

static void a_paused_service_leaves_and_still_answers_what_was_on_its_way(void **state) {
    (void)state;
    char want[64];
    assert_int_equal(nrt__service_pause(service), 0);
    assert_int_equal(nrt__service_pause(service), 0);
    snprintf(want, sizeof(want), "UNSUB %s\r\nPING\r\n", sid);
    assert_string_equal(engine_take(e), want);
    ask("get", "GET /late HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    read_reply_as(0);
    assert_int_equal(r.message.status, 200);
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    ask("get", "GET /later HTTP/1.1\r\nHost: weather.nats\r\n\r\n"); /* for nobody */
    assert_string_equal(engine_take(e), "");
    assert_int_equal(handled, 1);
}

static void a_resumed_service_comes_back_and_tells_when_it_has(void **state) {
    (void)state;
    char old[24];
    strcpy(old, sid);
    nrt__service_pause(service);
    engine_take(e);
    told[0] = '\0';
    assert_int_equal(nrt__service_resume(service), 0);
    assert_int_equal(nrt__service_resume(service), 0);
    engine_sid(engine_take(e), SUBJECT "*", sid);
    assert_string_not_equal(sid, "");
    assert_string_not_equal(sid, old);
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0); /* of the pause */
    assert_string_equal(told, "");
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_string_equal(told, "ready 0 \n");
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    read_reply_as(0);
    assert_int_equal(handled, 1);
}

static void a_paused_service_stays_so_over_a_reconnect(void **state) {
    (void)state;
    char none[24];
    nrt__service_pause(service);
    engine_disconnect(e);
    told[0] = '\0';
    assert_int_equal(engine_connect(e), 0);
    assert_string_equal(engine_sid(e->greeting, SUBJECT "*", none), "");
    assert_string_equal(told, "");
    engine_disconnect(e);
    assert_int_equal(nrt__service_resume(service), 0);
    assert_int_equal(nrt__service_pause(service), 0);
    assert_int_equal(nrt__service_resume(service), 0);
    assert_int_equal(engine_connect(e), 0);
    assert_string_not_equal(engine_sid(e->greeting, SUBJECT "*", none), "");
    assert_string_equal(told, "ready 0 \n");
}

static void a_service_may_begin_paused(void **state) {
    (void)state;
    nrt_service_options options = {.size = sizeof(options), .max_in_flight = 1, .paused = true};
    nrt_service *other;
    char at[24];
    assert_int_equal(nrt__services_add(e->services, "other.nats", look, NULL, &options, &other), 0);
    assert_string_equal(engine_sid(engine_take(e), "nrt.requests.other.nats.*", at), "");
    assert_int_equal(nrt__service_resume(other), 0);
    assert_string_not_equal(engine_sid(engine_take(e), "nrt.requests.other.nats.*", at), "");
}

/* The PONG that proves that we are connected answers a PING from before the SUB. */
static void one_that_comes_while_connecting_is_ready_with_its_own_pong(void **state) {
    (void)state;
    nrt__service_pause(service);
    nrt__session_stop(e->session);
    nrt__session_start(e->session, &e->login);
    assert_int_equal(engine_feed(e, ENGINE_INFO), 0);
    engine_take(e);
    told[0] = '\0';
    assert_int_equal(nrt__service_resume(service), 0);
    assert_string_not_equal(engine_sid(engine_take(e), SUBJECT "*", sid), "");
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_string_equal(told, "");
    while (told[0] == '\0') {
        assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    }
    assert_string_equal(told, "ready 0 \n");
}

/* The fences of the pauses are still out when it stops: it is gone after the last of them. */
static void a_paused_service_stops_when_all_it_left_is_settled(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        nrt__service_pause(service);
        nrt__service_resume(service);
    }
    nrt__service_pause(service);
    told[0] = '\0';
    nrt__service_stop(service, stopped, "stopped");
    assert_int_equal(nrt__service_pause(service), NRT_ERR_STATE);
    assert_int_equal(nrt__service_resume(service), NRT_ERR_STATE);
    assert_int_equal(engine_feed(e, "PONG\r\nPONG\r\nPONG\r\nPONG\r\nPONG\r\nPONG\r\nPONG\r\n"), 0);
    assert_string_equal(told, "");
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_string_equal(told, "stopped\n");
}

/* A server that does not answer: pauses end in "nothing comes any more" one by one, and the PONGs
 * that come at last find nothing amiss. */
static void a_silent_server_takes_any_number_of_pauses(void **state) {
    (void)state;
    for (int i = 0; i < 6000; i++) {
        int error = nrt__service_resume(service);
        assert_true(error == 0 || error == NRT_ERR_MEMORY);
        assert_int_equal(nrt__service_pause(service), 0);
        engine_take(e);
    }
    for (int i = 0; i < 4096; i++) {
        assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    }
    told[0] = '\0';
    nrt__service_stop(service, stopped, "stopped");
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_string_equal(told, "stopped\n");
}

static void a_host_is_served_once_until_it_is_stopped(void **state) {
    (void)state;
    nrt_service_options options = {.size = sizeof(options), .max_in_flight = 1};
    nrt_service *other;
    assert_int_equal(nrt__services_add(e->services, "WEATHER.nats", look, NULL, &options, &other),
                     NRT_ERR_USAGE);
    assert_int_equal(nrt__services_add(e->services, "weather", look, NULL, &options, &other),
                     NRT_ERR_HOST);
    nrt__service_stop(service, NULL, NULL);
    assert_int_equal(nrt__services_add(e->services, "weather.nats", look, NULL, &options, &other),
                     0);
    assert_int_equal(engine_feed(e, "PONG\r\nPONG\r\n"), 0);
    assert_ptr_equal(nrt__services_first(e->services), other);
}

static void a_refused_subscription_names_the_subject(void **state) {
    (void)state;
    told[0] = '\0';
    assert_int_equal(engine_feed(e, "-ERR 'Permissions Violation for Subscription to "
                                    "\"nrt.requests.weather.nats.*\" using queue \"nrt\"'\r\n"),
                     0);
    assert_int_equal(strncmp(told, "ready -22 ", 10), 0);
    assert_non_null(strstr(told, "nrt.requests.weather.nats.*"));
}

static void a_refusal_that_nobody_waits_for_is_logged(void **state) {
    (void)state;
    nrt_service_options options = {.size = sizeof(options), .max_in_flight = 1};
    nrt_service *other;
    assert_int_equal(nrt__services_add(e->services, "quiet.nats", look, NULL, &options, &other), 0);
    assert_int_equal(engine_feed(e, "-ERR 'Permissions Violation for Subscription to "
                                    "\"nrt.requests.quiet.nats.*\"'\r\n"),
                     0);
    assert_non_null(strstr(e->log, "nrt.requests.quiet.nats.*"));
}

static void a_handlers_id(nrt_exchange *exchange, void *arg) {
    (void)arg;
    snprintf(seen, sizeof(seen), "%s", nrt_exchange_id_text(exchange));
}

static void the_id_that_a_handler_sees_is_sent(void **state) {
    (void)state;
    service->handler = a_handlers_id;
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    read_reply_as(0);
    assert_int_equal(strlen(seen), 23);
    assert_view(field("NRT-ID"), seen);
}

static void write_too_much(nrt_exchange *exchange, void *arg) {
    (void)arg;
    static char bytes[1000];
    memset(bytes, 'x', sizeof(bytes));
    nrt_fields_add(nrt_exchange_fields(exchange), NRT__STR("Secret"), NRT__STR("s"));
    int error = 0;
    for (int i = 0; i < 5; i++) {
        error = nrt_exchange_write(exchange, (nrt_str){bytes, sizeof(bytes)});
    }
    assert_int_equal(error, NRT_ERR_RESPONSE_TOO_LARGE);
    /* What would fit does not make it whole again. */
    assert_int_equal(nrt_exchange_write(exchange, NRT__STR("x")), NRT_ERR_RESPONSE_TOO_LARGE);
}

static void fill(nrt_exchange *exchange, void *arg) {
    static char bytes[4096];
    (void)arg;
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(nrt_exchange_write(exchange, (nrt_str){bytes, 4096}), 0);
}

static void a_response_that_does_not_fit_one_message_is_502(void **state) {
    (void)state;
    service->handler = write_too_much;
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    assert_problem(502, "response-too-large");
    assert_absent(field("Secret"));
    service->handler = fill; /* the body fits, with its head it does not */
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    assert_problem(502, "response-too-large");
}

static void answer_badly(nrt_exchange *exchange, void *arg) {
    nrt_fields *fields = nrt_exchange_fields(exchange);
    (void)arg;
    assert_int_equal(nrt_exchange_set_status(exchange, 199), NRT_ERR_USAGE);
    assert_int_equal(nrt_exchange_set_status(exchange, 600), NRT_ERR_USAGE);
    assert_int_equal(nrt_exchange_set_status(exchange, 404), 0);
    static const char *const names[] = {"NRT-Error", "Connection", "Content-Length",
                                        "Transfer-Encoding", "Keep-Alive"};
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(nrt_fields_add(fields, nrt_str_from(names[i]), NRT__STR("9")), 0);
    }
    assert_int_equal(nrt_fields_add(fields, NRT__STR("Date"), NRT__STR("mine")), 0);
    assert_int_equal(nrt_exchange_write(exchange, NRT__STR("no")), 0);
}

static void a_handler_cannot_break_framing_or_pose_as_the_system(void **state) {
    (void)state;
    service->handler = answer_badly;
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    read_reply_as(0);
    assert_int_equal(r.message.status, 404);
    assert_view(r.message.reason, "Not Found");
    assert_view(nrt__buf_view(&r.body), "no");
    assert_absent(field("NRT-Error"));
    assert_absent(field("Connection"));
    assert_absent(field("Keep-Alive"));
    assert_view(field("Date"), "mine");
    assert_int_equal(r.message.length, 2);
}

static void answers_to_head_say_a_length_and_have_no_body(void **state) {
    (void)state;
    ask("head", "HEAD / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    read_reply_as(NRT__H1_TO_HEAD);
    assert_view(field("Content-Length"), "4");
    assert_string_equal(strstr(r.raw, "\r\n\r\n"), "\r\n\r\n");
    ask("head", "HEAD / HTTP/1.1\r\nHost: other.nats\r\n\r\n");
    read_reply_as(NRT__H1_TO_HEAD);
    assert_int_equal(r.message.status, 421);
}

static void tell_a_problem(nrt_exchange *exchange, void *arg) {
    (void)arg;
    nrt_exchange_write(exchange, NRT__STR("half of"));
    assert_int_equal(nrt_exchange_problem(exchange, 399, "no"), NRT_ERR_USAGE);
    assert_int_equal(nrt_exchange_problem(exchange, 409, "in use"), 0);
    nrt_fields_add(nrt_exchange_fields(exchange), NRT__STR("NRT-Error"), NRT__STR("forged"));
}

static void a_handler_can_answer_a_problem_without_a_code(void **state) {
    (void)state;
    service->handler = tell_a_problem;
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    read_reply_as(0);
    assert_int_equal(r.message.status, 409);
    assert_absent(field("NRT-Error"));
    assert_non_null(strstr(r.raw, "in use"));
    assert_null(strstr(r.raw, "half of"));
}

/* Between the server's reading of SUB and its PONG, work may come already. */
static void a_request_that_comes_before_the_pong_is_answered(void **state) {
    (void)state;
    nrt__session_stop(e->session);
    nrt__session_start(e->session, &e->login);
    assert_int_equal(engine_feed(e, ENGINE_INFO), 0);
    engine_take(e);
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_int_equal(handled, 1);
    read_reply_as(0);
    assert_int_equal(r.message.status, 200);
}

static void an_exchange_outlives_its_connection(void **state) {
    (void)state;
    e->hold = true;
    ask("get", "GET /kept HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    nrt__session_stop(e->session);
    nrt__services_destroy(e->services);
    e->services = NULL;
    end_both(e->held[0]);
    assert_int_equal(strncmp(seen, "GET /kept\n", 10), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(above_max_in_flight_requests_are_refused),
        SERVICE_TEST(deferred_exchanges_end_in_both_orders),
        SERVICE_TEST(a_stop_waits_for_the_fence_and_for_what_is_handled),
        SERVICE_TEST(a_stop_without_work_waits_for_the_fence_only),
        SERVICE_TEST(a_stop_without_a_connection_is_done_at_once),
        SERVICE_TEST(a_lost_connection_ends_the_fence),
        SERVICE_TEST(a_paused_service_leaves_and_still_answers_what_was_on_its_way),
        SERVICE_TEST(a_resumed_service_comes_back_and_tells_when_it_has),
        SERVICE_TEST(a_paused_service_stays_so_over_a_reconnect),
        SERVICE_TEST(a_service_may_begin_paused),
        SERVICE_TEST(one_that_comes_while_connecting_is_ready_with_its_own_pong),
        SERVICE_TEST(a_paused_service_stops_when_all_it_left_is_settled),
        SERVICE_TEST(a_silent_server_takes_any_number_of_pauses),
        SERVICE_TEST(a_host_is_served_once_until_it_is_stopped),
        SERVICE_TEST(a_refused_subscription_names_the_subject),
        SERVICE_TEST(a_refusal_that_nobody_waits_for_is_logged),
        SERVICE_TEST(the_id_that_a_handler_sees_is_sent),
        SERVICE_TEST(a_response_that_does_not_fit_one_message_is_502),
        SERVICE_TEST(a_handler_cannot_break_framing_or_pose_as_the_system),
        SERVICE_TEST(answers_to_head_say_a_length_and_have_no_body),
        SERVICE_TEST(a_handler_can_answer_a_problem_without_a_code),
        SERVICE_TEST(a_request_that_comes_before_the_pong_is_answered),
        SERVICE_TEST(an_exchange_outlives_its_connection),
    };
    return cmocka_run_group_tests(tests, NULL, service_group_teardown);
}
