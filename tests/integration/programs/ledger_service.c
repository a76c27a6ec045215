/* A service that writes down what it executes, before it answers.
 *
 *     ledger_service SERVERS HOST INSTANCE LEDGER WORKERS MAX_IN_FLIGHT
 *
 * Appends "TIME INSTANCE ID METHOD ok|mixed" to LEDGER for each execution (TIME: seconds of
 * CLOCK_MONOTONIC; mixed: the body was another request's). Without workers, a request that is to
 * take time is deferred and ended by another thread. Prints "ready" whenever it serves; SIGTERM
 * drains it. */
#include "ledger.h"

#include <pthread.h>
#include <signal.h>

typedef struct service {
    nrt_conn *conn;
    const char *instance;
    int ledger;
    bool workers;
} service;

typedef struct wanted {
    nrt_exchange *exchange;
    const service *service;
    char id[ID_MAX + 1];
    long wait_ms;
    size_t size;
} wanted;

static void answer(const wanted *one) {
    char head[ID_MAX + 64];
    int len = snprintf(head, sizeof(head), "%s %s\n", one->id, one->service->instance);
    nrt_fields *fields = nrt_exchange_fields(one->exchange);
    CHECK_INT(nrt_fields_add(fields, nrt_str_from("Ledger-Id"), nrt_str_from(one->id)), 0);
    CHECK_INT(nrt_exchange_write(one->exchange, (nrt_str){head, (size_t)len}), 0);
    char *bytes = repeat(one->id, one->size);
    CHECK_INT(nrt_exchange_write(one->exchange, (nrt_str){bytes, one->size}), 0);
    free(bytes);
}

static void *answer_later(void *arg) {
    wanted *one = arg;
    sleep_ms(one->wait_ms);
    answer(one);
    nrt_exchange_end(one->exchange);
    free(one);
    return NULL;
}

static void write_down(const wanted *one) {
    const nrt_request *request = nrt_exchange_request(one->exchange);
    nrt_str method = nrt_request_method(request);
    char line[256];
    int len = snprintf(line, sizeof(line), "%.6f %s %s %.*s %s\n", now_s(), one->service->instance,
                       one->id, (int)method.len, method.ptr,
                       repeats(nrt_request_body(request), one->id) ? "ok" : "mixed");
    CHECK(len > 0 && len < (int)sizeof(line));
    ledger_write(one->service->ledger, line, (size_t)len);
}

static void handle(nrt_exchange *exchange, void *arg) {
    const service *self = arg;
    nrt_str target = nrt_request_target(nrt_exchange_request(exchange));
    wanted one = {.exchange = exchange, .service = self};
    char path[256];
    snprintf(path, sizeof(path), "%.*s", (int)target.len, target.ptr);
    if (sscanf(path, "/%63[^/]/%ld/%zu", one.id, &one.wait_ms, &one.size) != 3) {
        CHECK_INT(nrt_exchange_problem(exchange, 400, "not /ID/WAIT_MS/SIZE"), 0);
        return;
    }
    write_down(&one);
    if (self->workers || one.wait_ms == 0) {
        sleep_ms(one.wait_ms);
        answer(&one);
        return;
    }
    wanted *later = malloc(sizeof(*later));
    CHECK(later != NULL);
    *later = one;
    nrt_exchange_defer(exchange);
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, answer_later, later), 0);
    CHECK_INT(pthread_detach(thread), 0);
}

static void on_ready(nrt_service *served, int error, const char *detail, void *arg) {
    (void)served, (void)arg;
    printf(error ? "not ready: %s\n" : "ready%s\n", error ? detail : "");
    fflush(stdout);
}

static void on_log(nrt_log_level level, const char *text, void *arg) {
    (void)level, (void)arg;
    fprintf(stderr, "%.6f %s\n", now_s(), text);
}

static void on_event(nrt_conn *conn, nrt_conn_event event, int error, const char *detail,
                     void *arg) {
    static const char *const names[] = {"connected", "disconnected", "failed", "lame duck"};
    (void)conn, (void)arg;
    fprintf(stderr, "%.6f %s: %s %s\n", now_s(), names[event], nrt_error_text(error), detail);
}

static void drain(nrt_conn *conn, void *arg) {
    (void)arg;
    CHECK_INT(nrt_conn_drain(conn, NULL, NULL), 0);
}

static sigset_t signals;

static void *wait_signal(void *arg) {
    service *self = arg;
    int number;
    sigwait(&signals, &number);
    CHECK_INT(nrt_conn_post(self->conn, drain, NULL), 0);
    return NULL;
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 7);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, &signals, NULL), 0);

    service self = {.instance = argv[3], .ledger = ledger_open(argv[4])};
    nrt_options options = options_for(argv[1]);
    options.name = argv[3];
    options.log = on_log;
    options.log_level = NRT_LOG_DEBUG;
    options.on_event = on_event;
    int error = 0;
    self.conn = nrt_conn_open(&options, &error);
    CHECK_INT(error, 0);
    nrt_service_options serve;
    nrt_service_options_init(&serve);
    serve.workers = (unsigned)atoi(argv[5]);
    serve.max_in_flight = (unsigned)atoi(argv[6]);
    serve.on_ready = on_ready;
    serve.description = argv[3];
    self.workers = serve.workers > 0;
    CHECK_INT(nrt_serve(self.conn, argv[2], &serve, handle, &self, NULL), 0);

    pthread_t waiter;
    CHECK_INT(pthread_create(&waiter, NULL, wait_signal, &self), 0);
    CHECK_INT(nrt_conn_run(self.conn), 0);
    CHECK_INT(pthread_join(waiter, NULL), 0);
    nrt_conn_destroy(self.conn);
    close(self.ledger);
    return 0;
}
