/* A service that leaves its queue group and comes back, asked over the connection that it is on.
 *
 *     pausing SERVER */
#include "check.h"

#include <pthread.h>

typedef struct state {
    nrt_conn *conn;
    nrt_service *service;
    int ready;
    int handled;
    int stopped;
} state;

static void on_ready(nrt_service *service, int error, const char *detail, void *arg) {
    state *all = arg;
    CHECK(service != NULL && *detail == '\0');
    CHECK_INT(error, 0);
    all->ready++;
}

static void handle(nrt_exchange *exchange, void *arg) {
    state *all = arg;
    all->handled++;
    if (nrt_str_is(nrt_request_target(nrt_exchange_request(exchange)), "/pause")) {
        CHECK_INT(nrt_service_pause(all->service), 0);
    }
    CHECK_INT(nrt_exchange_reply(exchange, 200, "text/plain", nrt_str_from("here")), 0);
}

/* 200, or NRT_ERR_*. */
static int ask(state *all, const char *url) {
    nrt_request *request = make_request("GET", url);
    nrt_response *response = NULL;
    int result = nrt_do(all->conn, request, NULL, &response);
    if (result == 0) {
        result = nrt_response_status(response);
    }
    nrt_response_destroy(response);
    nrt_request_destroy(request);
    return result;
}

static void wait_for(state *all, const int *count, int wanted) {
    while (*count < wanted) {
        CHECK(nrt_conn_dispatch(all->conn, 5000) >= 0);
    }
    CHECK_INT(*count, wanted);
}

static nrt_service *serve_paused(state *all, const char *host) {
    nrt_service *service = NULL;
    nrt_service_options options;
    nrt_service_options_init(&options);
    options.on_ready = on_ready;
    options.on_ready_arg = all;
    options.paused = true;
    CHECK_INT(nrt_serve(all->conn, host, &options, handle, all, &service), 0);
    return service;
}

static void *elsewhere(void *arg) {
    CHECK_INT(nrt_service_pause(arg), NRT_ERR_THREAD);
    CHECK_INT(nrt_service_resume(arg), NRT_ERR_THREAD);
    return NULL;
}

static void on_stopped(nrt_conn *conn, void *arg) {
    state *all = arg;
    CHECK(conn == all->conn);
    all->stopped++;
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 2);
    state all = {.conn = open_conn(argv[1])};
    all.service = serve_paused(&all, "one.nats");
    CHECK_INT(nrt_service_pause(NULL), NRT_ERR_USAGE);
    CHECK_INT(nrt_service_resume(NULL), NRT_ERR_USAGE);
    CHECK_INT(nrt_conn_wait(all.conn, 5000), 0);

    CHECK_INT(ask(&all, "http://one.nats/"), NRT_ERR_NO_SERVICE);
    CHECK_INT(all.ready, 0);
    CHECK_INT(nrt_service_resume(all.service), 0);
    wait_for(&all, &all.ready, 1);
    CHECK_INT(ask(&all, "http://one.nats/"), 200);

    /* From inside its handler: that request is still answered, the next finds nobody. */
    CHECK_INT(ask(&all, "http://one.nats/pause"), 200);
    CHECK_INT(ask(&all, "http://one.nats/"), NRT_ERR_NO_SERVICE);

    for (int i = 0; i < 1000; i++) {
        CHECK_INT(nrt_service_resume(all.service), 0);
        CHECK_INT(nrt_service_pause(all.service), 0);
        CHECK_INT(nrt_service_pause(all.service), 0);
    }
    CHECK_INT(ask(&all, "http://one.nats/"), NRT_ERR_NO_SERVICE);
    CHECK_INT(nrt_service_resume(all.service), 0);
    CHECK_INT(nrt_service_resume(all.service), 0);
    wait_for(&all, &all.ready, 2);
    CHECK_INT(ask(&all, "http://one.nats/"), 200);

    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, elsewhere, all.service), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(ask(&all, "http://one.nats/"), 200);
    CHECK_INT(all.handled, 4);

    CHECK_INT(nrt_service_pause(all.service), 0);
    CHECK_INT(nrt_service_stop(all.service, on_stopped, &all), 0);
    CHECK_INT(nrt_service_pause(all.service), NRT_ERR_STATE);
    CHECK_INT(nrt_service_resume(all.service), NRT_ERR_STATE);
    wait_for(&all, &all.stopped, 1);

    /* One that never took part does not hold up a drain. */
    serve_paused(&all, "two.nats");
    CHECK_INT(nrt_conn_drain(all.conn, on_stopped, &all), 0);
    CHECK_INT(nrt_conn_run(all.conn), 0);
    CHECK_INT(all.stopped, 2);
    CHECK_INT(all.ready, 2);
    nrt_conn_destroy(all.conn);
    return 0;
}
