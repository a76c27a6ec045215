/* A program that has an event loop already: service and client on one libevent base, no dispatch.
 *
 *     on_libevent SERVER
 *
 * Serves loop.nats, asks itself for three things in turn, then drains and leaves with 0. */
#include "check.h"

#include <event2/event.h>
#include <nrt/libevent.h>

typedef struct state {
    nrt_conn *conn;
    int answers, drained, ticks;
} state;

static void ask(state *all);

static void handle(nrt_exchange *exchange, void *arg) {
    (void)arg;
    nrt_str target = nrt_request_target(nrt_exchange_request(exchange));
    CHECK_INT(nrt_exchange_reply(exchange, 200, "text/plain", target), 0);
}

static void on_drained(nrt_conn *conn, void *arg) {
    state *all = arg;
    CHECK(conn == all->conn);
    all->drained++;
}

static void on_result(const nrt_result *result, void *arg) {
    state *all = arg;
    CHECK_INT(result->error, 0);
    CHECK(nrt_str_is(nrt_response_body(result->response), "/on/libevent"));
    if (++all->answers < 3) {
        ask(all);
    } else {
        CHECK_INT(nrt_conn_drain(all->conn, on_drained, all), 0);
    }
}

static void ask(state *all) {
    nrt_request *request = make_request("GET", "http://loop.nats/on/libevent");
    CHECK_INT(nrt_send(all->conn, request, NULL, on_result, all, NULL), 0);
    nrt_request_destroy(request);
}

static void on_ready(nrt_service *service, int error, const char *detail, void *arg) {
    (void)service, (void)detail;
    CHECK_INT(error, 0);
    ask(arg);
}

/* The program's own event, which must get its turns too. */
static void on_tick(evutil_socket_t fd, short events, void *arg) {
    (void)fd, (void)events;
    ((state *)arg)->ticks++;
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 2);
    struct event_base *base = event_base_new();
    struct timeval tick = {0, 1000};
    state all = {0};
    struct event *timer = event_new(base, -1, EV_PERSIST, on_tick, &all);
    nrt_libevent adapter;
    CHECK_INT(event_add(timer, &tick), 0);
    nrt_libevent_init(&adapter, base);

    /* One adapter for a connection that cannot be opened, one that is gone at once, and the real
     * one. */
    nrt_options options = options_for("no server's URL");
    options.loop = &adapter.loop;
    CHECK(nrt_conn_open(&options, NULL) == NULL);
    options.servers = argv[1];
    nrt_conn_destroy(nrt_conn_open(&options, NULL));

    all.conn = nrt_conn_open(&options, NULL);
    CHECK(all.conn != NULL);
    CHECK(nrt_conn_fd(all.conn) < 0); /* that loop is not ours to wait for */
    nrt_service_options service;
    nrt_service_options_init(&service);
    service.on_ready = on_ready;
    service.on_ready_arg = &all;
    CHECK_INT(nrt_serve(all.conn, "loop.nats", &service, handle, &all, NULL), 0);
    while (!all.drained || !all.ticks) {
        CHECK_INT(event_base_loop(base, EVLOOP_ONCE), 0);
    }
    CHECK_INT(all.answers, 3);
    nrt_conn_destroy(all.conn);
    event_free(timer);
    event_base_free(base);
    libevent_global_shutdown();
    return 0;
}
