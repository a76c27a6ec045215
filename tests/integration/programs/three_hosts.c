/* One process, one connection: serves one.nats, two.nats and three.nats, and is a client of
 * four.nats.
 *
 *     three_hosts SERVER
 *
 * Prints "ready" when all three serve. `GET /ask` on one.nats answers what four.nats answers;
 * `GET /stop` on one.nats stops two.nats and answers when that is done. Ends after a drain that
 * `GET /leave` on three.nats begins. */
#include "check.h"

typedef struct state {
    nrt_conn *conn;
    nrt_service *services[3];
    int ready;
    nrt_exchange *stopper;
} state;

static void on_answer(const nrt_result *result, void *arg) {
    nrt_exchange *exchange = arg;
    if (result->error) {
        CHECK_INT(nrt_exchange_reply(exchange, 502, NULL, nrt_str_from(result->detail)), 0);
    } else {
        CHECK_INT(nrt_exchange_reply(exchange, nrt_response_status(result->response), "text/plain",
                                     nrt_response_body(result->response)),
                  0);
    }
    nrt_exchange_end(exchange);
}

static void on_stopped(nrt_conn *conn, void *arg) {
    state *all = arg;
    CHECK(conn == all->conn);
    CHECK_INT(nrt_exchange_reply(all->stopper, 200, NULL, nrt_str_from("two.nats is stopped")), 0);
    nrt_exchange_end(all->stopper);
}

static void handle(nrt_exchange *exchange, void *arg) {
    state *all = arg;
    const nrt_request *request = nrt_exchange_request(exchange);
    nrt_str target = nrt_request_target(request);
    if (nrt_str_is(target, "/ask")) {
        nrt_request *ask = make_request("GET", "http://four.nats/from-one");
        nrt_exchange_defer(exchange);
        CHECK_INT(nrt_send(all->conn, ask, NULL, on_answer, exchange, NULL), 0);
        nrt_request_destroy(ask);
    } else if (nrt_str_is(target, "/stop")) {
        nrt_exchange_defer(exchange);
        all->stopper = exchange;
        CHECK_INT(nrt_service_stop(all->services[1], on_stopped, all), 0);
    } else {
        CHECK_INT(nrt_exchange_reply(exchange, 200, "text/plain", nrt_request_host(request)), 0);
        if (nrt_str_is(target, "/leave")) {
            CHECK_INT(nrt_conn_drain(all->conn, NULL, NULL), 0);
        }
    }
}

static void on_ready(nrt_service *service, int error, const char *detail, void *arg) {
    state *all = arg;
    CHECK_INT(error, 0);
    CHECK(service != NULL && *detail == '\0');
    if (++all->ready == 3) {
        puts("ready");
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 2);
    static const char *const hosts[] = {"one.nats", "Two.NATS", "three.nats"};
    static const char *const subjects[] = {"nrt.requests.one.nats.*", "nrt.requests.two.nats.*",
                                           "nrt.requests.three.nats.*"};
    state all = {.conn = open_conn(argv[1])};
    nrt_service_options options;
    nrt_service_options_init(&options);
    options.on_ready = on_ready;
    options.on_ready_arg = &all;
    for (int i = 0; i < 3; i++) {
        CHECK_INT(nrt_serve(all.conn, hosts[i], &options, handle, &all, &all.services[i]), 0);
        CHECK(nrt_str_is(nrt_service_subject(all.services[i]), subjects[i]));
    }
    CHECK(nrt_str_is(nrt_service_host(all.services[1]), "two.nats"));
    CHECK_INT(nrt_serve(all.conn, "TWO.nats", NULL, handle, &all, NULL), NRT_ERR_USAGE);
    CHECK_INT(nrt_serve(all.conn, "two.example", NULL, handle, &all, NULL), NRT_ERR_HOST);
    CHECK_INT(nrt_conn_run(all.conn), 0);
    nrt_conn_destroy(all.conn);
    return 0;
}
