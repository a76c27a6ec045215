/* What may be done inside callbacks, and what ends exchanges early.
 *
 *     callbacks SERVER
 *
 * silent.nats never answers, echo.nats answers 200. */
#include "check.h"

typedef struct seen {
    nrt_conn *conn;
    int calls, error, status;
    bool destroy, nest;
} seen;

static void on_result(const nrt_result *result, void *arg) {
    seen *one = arg;
    one->calls++;
    one->error = result->error;
    one->status = result->error ? 0 : nrt_response_status(result->response);
    CHECK((result->response == NULL) == (result->error != 0));
    CHECK((*result->detail != '\0') == (result->error != 0));
    if (one->nest) { /* the loop must not be entered again from inside it */
        nrt_request *request = make_request("GET", "http://echo.nats/");
        nrt_response *response = NULL;
        one->nest = false;
        CHECK_INT(nrt_do(one->conn, request, NULL, &response), NRT_ERR_STATE);
        CHECK_INT(nrt_conn_dispatch(one->conn, 0), NRT_ERR_STATE);
        CHECK_INT(nrt_send(one->conn, request, NULL, on_result, one, NULL), 0);
        nrt_request_destroy(request);
    }
    if (one->destroy) {
        nrt_conn_destroy(one->conn);
    }
}

static nrt_exchange_id send_to(nrt_conn *conn, const char *url, seen *one) {
    nrt_request *request = make_request("GET", url);
    nrt_exchange_id id = 0;
    one->conn = conn;
    CHECK_INT(nrt_send(conn, request, NULL, on_result, one, &id), 0);
    CHECK_INT(one->calls, 0); /* never from inside nrt_send */
    CHECK(id != 0);
    nrt_request_destroy(request);
    return id;
}

static void wait_calls(nrt_conn *conn, const seen *one, int calls) {
    while (one->calls < calls) {
        CHECK(nrt_conn_dispatch(conn, 5000) >= 0);
    }
}

static void on_drained(nrt_conn *conn, void *arg) {
    CHECK(conn != NULL);
    ++*(int *)arg;
}

static void cancel_ends_an_exchange_at_once(nrt_conn *conn) {
    seen one = {0}, never_sent = {0};
    nrt_exchange_id id = send_to(conn, "http://silent.nats/", &one);
    CHECK(nrt_conn_dispatch(conn, 20) >= 0);
    CHECK_INT(nrt_cancel(conn, id), 0);
    CHECK_INT(one.calls, 1);
    CHECK_INT(one.error, NRT_ERR_CANCELED);
    CHECK_INT(nrt_cancel(conn, id), NRT_ERR_STATE);
    CHECK_INT(nrt_cancel(conn, 0), NRT_ERR_STATE);

    CHECK_INT(nrt_cancel(conn, send_to(conn, "http://echo.nats/", &never_sent)), 0);
    CHECK_INT(never_sent.error, NRT_ERR_CANCELED);
    CHECK(nrt_conn_dispatch(conn, 50) >= 0);
    CHECK_INT(never_sent.calls, 1);
}

static void a_callback_may_send_but_not_dispatch(nrt_conn *conn) {
    seen one = {.nest = true};
    send_to(conn, "http://echo.nats/", &one);
    wait_calls(conn, &one, 2);
    CHECK_INT(one.status, 200);
}

static void a_request_may_be_changed_once_it_is_sent(nrt_conn *conn) {
    seen one = {0};
    nrt_request *request = make_request("POST", "http://echo.nats/");
    CHECK_INT(nrt_request_set_body(request, nrt_str_from("before")), 0);
    CHECK_INT(nrt_send(conn, request, NULL, on_result, &one, NULL), 0);
    CHECK_INT(nrt_request_set_body(request, nrt_str_from("after")), 0);
    nrt_request_destroy(request);
    wait_calls(conn, &one, 1);
    CHECK_INT(one.status, 200);
}

static void a_short_timeout_ends_before_the_long_one(nrt_conn *conn) {
    seen longer = {0}, shorter = {0};
    nrt_request *request = make_request("GET", "http://silent.nats/");
    nrt_send_options options;
    nrt_send_options_init(&options);
    options.timeout_ms = 150;
    CHECK_INT(nrt_send(conn, request, &options, on_result, &longer, NULL), 0);
    options.timeout_ms = 50;
    double start = now_s();
    CHECK_INT(nrt_send(conn, request, &options, on_result, &shorter, NULL), 0);
    wait_calls(conn, &shorter, 1);
    CHECK(now_s() - start >= 0.049);
    CHECK_INT(shorter.error, NRT_ERR_TIMEOUT);
    CHECK_INT(longer.calls, 0);
    wait_calls(conn, &longer, 1);
    CHECK(now_s() - start >= 0.149);
    nrt_request_destroy(request);
}

static void too_many_exchanges_are_busy(const char *server) {
    nrt_options options = options_for(server);
    options.max_exchanges = 3;
    nrt_conn *conn = nrt_conn_open(&options, NULL);
    nrt_request *request = make_request("GET", "http://silent.nats/");
    seen all = {0};
    CHECK(conn != NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(nrt_send(conn, request, NULL, on_result, &all, NULL), 0);
    }
    CHECK_INT(nrt_send(conn, request, NULL, on_result, &all, NULL), NRT_ERR_BUSY);
    nrt_request_destroy(request);
    nrt_conn_destroy(conn);
    CHECK_INT(all.calls, 3);
    CHECK_INT(all.error, NRT_ERR_CANCELED);
}

static void a_drain_waits_for_what_is_in_flight(const char *server) {
    nrt_conn *conn = open_conn(server);
    nrt_request *request = make_request("GET", "http://slow.nats/");
    seen one = {0};
    int drained = 0;
    CHECK_INT(nrt_conn_wait(conn, 5000), 0);
    send_to(conn, "http://slow.nats/", &one);
    CHECK_INT(nrt_conn_drain(conn, on_drained, &drained), 0);
    CHECK_INT(nrt_send(conn, request, NULL, on_result, &one, NULL), NRT_ERR_STATE);
    CHECK_INT(nrt_conn_run(conn), 0);
    CHECK_INT(drained, 1);
    CHECK_INT(one.calls, 1);
    CHECK_INT(one.status, 200);
    nrt_request_destroy(request);
    nrt_conn_destroy(conn);
}

static void destroying_inside_a_callback_waits_for_its_return(const char *server) {
    nrt_conn *conn = open_conn(server);
    seen waits = {0}, destroys = {.destroy = true};
    CHECK_INT(nrt_conn_wait(conn, 5000), 0);
    send_to(conn, "http://silent.nats/", &waits);
    send_to(conn, "http://echo.nats/", &destroys);
    while (!destroys.calls) { /* conn is gone when this call has returned */
        (void)nrt_conn_dispatch(conn, 5000);
    }
    CHECK_INT(destroys.status, 200);
    CHECK_INT(waits.calls, 1);
    CHECK_INT(waits.error, NRT_ERR_CANCELED);
}

static void destroy(nrt_conn *conn, void *arg) {
    (void)arg;
    nrt_conn_destroy(conn);
}

static void stop(nrt_conn *conn, void *arg) {
    (void)arg;
    CHECK_INT(nrt_conn_stop(conn), 0);
}

static int write_nothing(nrt_str bytes, void *arg) {
    (void)bytes, (void)arg;
    return 0;
}

/* A connection that its own callback will destroy, in the call that drives it next. */
static nrt_conn *doomed(const char *server) {
    nrt_conn *conn = open_conn(server);
    CHECK_INT(nrt_conn_wait(conn, 5000), 0);
    CHECK_INT(nrt_conn_post(conn, destroy, NULL), 0);
    return conn;
}

static void calls_that_wait_end_when_a_callback_destroys_the_connection(const char *server) {
    nrt_request *request = make_request("GET", "http://silent.nats/");
    nrt_response *response = (nrt_response *)&server; /* must not stay */
    nrt_discovery *found = NULL;
    nrt_stream_bodies bodies = {.size = sizeof(bodies), .write = write_nothing};
    nrt_conn *conn = open_conn("nats://127.0.0.1:1");
    CHECK_INT(nrt_conn_post(conn, destroy, NULL), 0);
    CHECK_INT(nrt_conn_wait(conn, -1), NRT_ERR_CANCELED);
    CHECK_INT(nrt_conn_run(doomed(server)), 0);
    CHECK_INT(nrt_discover(doomed(server), NULL, &found), NRT_ERR_CANCELED);
    CHECK(found == NULL);
    CHECK_INT(nrt_stream_do(doomed(server), request, NULL, &bodies, NULL), NRT_ERR_CANCELED);
    CHECK_INT(nrt_do(doomed(server), request, NULL, &response), NRT_ERR_CANCELED);
    CHECK(response == NULL);
    nrt_request_destroy(request);
}

static void a_stop_ends_one_run_also_when_it_comes_before(const char *server) {
    nrt_conn *conn = open_conn(server);
    CHECK_INT(nrt_conn_stop(conn), 0);
    CHECK_INT(nrt_conn_run(conn), 0);
    CHECK_INT(nrt_conn_post(conn, stop, NULL), 0);
    CHECK_INT(nrt_conn_run(conn), 0);
    seen one = {0}; /* it goes on as if nothing had been */
    CHECK_INT(nrt_conn_wait(conn, 5000), 0);
    send_to(conn, "http://echo.nats/", &one);
    wait_calls(conn, &one, 1);
    CHECK_INT(one.status, 200);
    nrt_conn_destroy(conn);
}

static void count_event(nrt_conn *conn, nrt_conn_event event, int error, const char *detail,
                        void *arg) {
    CHECK(conn != NULL);
    CHECK_INT(event, NRT_CONN_FAILED);
    CHECK(error < 0 && *detail);
    ++*(int *)arg;
}

static void no_event_comes_from_inside_open(void) {
    int events = 0;
    nrt_options options = options_for("nats://255.255.255.255:1"); /* refused without waiting */
    options.on_event = count_event;
    options.on_event_arg = &events;
    nrt_conn *conn = nrt_conn_open(&options, NULL);
    CHECK(conn != NULL);
    CHECK_INT(events, 0);
    CHECK_INT(nrt_conn_wait(conn, 50), NRT_ERR_CONNECT);
    CHECK(events > 0);
    nrt_conn_destroy(conn);
}

static void what_a_call_should_have_given_is_nothing_when_it_fails(nrt_conn *conn) {
    nrt_conn_info info = {0};
    nrt_exchange_id id = 7;
    nrt_response *response = (nrt_response *)&info;
    CHECK_INT(nrt_conn_info_get(conn, &info), NRT_ERR_USAGE);
    CHECK_INT(nrt_conn_info_get(conn, NULL), NRT_ERR_USAGE);
    CHECK_INT(nrt_send(conn, NULL, NULL, on_result, NULL, &id), NRT_ERR_USAGE);
    CHECK_INT(id, 0);
    CHECK_INT(nrt_do(conn, NULL, NULL, &response), NRT_ERR_USAGE);
    CHECK(response == NULL);
    info.size = sizeof(info);
    CHECK_INT(nrt_conn_info_get(conn, &info), 0);
    CHECK(info.connected && *info.url && info.client_id > 0);
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 2);
    nrt_conn *conn = open_conn(argv[1]);
    CHECK_INT(nrt_conn_wait(conn, 5000), 0);
    cancel_ends_an_exchange_at_once(conn);
    a_callback_may_send_but_not_dispatch(conn);
    a_request_may_be_changed_once_it_is_sent(conn);
    a_short_timeout_ends_before_the_long_one(conn);
    what_a_call_should_have_given_is_nothing_when_it_fails(conn);
    nrt_conn_destroy(conn);
    too_many_exchanges_are_busy(argv[1]);
    a_drain_waits_for_what_is_in_flight(argv[1]);
    destroying_inside_a_callback_waits_for_its_return(argv[1]);
    calls_that_wait_end_when_a_callback_destroys_the_connection(argv[1]);
    a_stop_ends_one_run_also_when_it_comes_before(argv[1]);
    no_event_comes_from_inside_open();
    return 0;
}
