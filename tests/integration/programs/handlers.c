/* A service whose handlers misbehave in every way a handler may: the target's path says how.
 *
 *     handlers SERVER HOST WORKERS MAX_IN_FLIGHT
 *
 * Prints "ready" when it serves; SIGTERM drains it. */
#include "check.h"

#include <pthread.h>
#include <signal.h>

static nrt_conn *connection;

static const char *after(const char *path, const char *prefix) {
    size_t len = strlen(prefix);
    return strncmp(path, prefix, len) == 0 ? path + len : NULL;
}

static void write_text(nrt_exchange *exchange, const char *text) {
    CHECK_INT(nrt_exchange_write(exchange, nrt_str_from(text)), 0);
}

/* All that the handler is given, one line each, for the test to look at. */
static void show_request(nrt_exchange *exchange) {
    const nrt_request *request = nrt_exchange_request(exchange);
    const nrt_fields *fields = nrt_request_fields(request);
    nrt_str parts[] = {nrt_request_method(request), nrt_request_target(request),
                       nrt_request_host(request)};
    for (size_t i = 0; i < 3; i++) {
        CHECK_INT(nrt_exchange_write(exchange, parts[i]), 0);
        write_text(exchange, "\n");
    }
    for (size_t i = 0; i < nrt_fields_count(fields); i++) {
        nrt_str name, value;
        CHECK_INT(nrt_fields_at(fields, i, &name, &value), 0);
        CHECK_INT(nrt_exchange_write(exchange, name), 0);
        write_text(exchange, ": ");
        CHECK_INT(nrt_exchange_write(exchange, value), 0);
        write_text(exchange, "\n");
    }
    write_text(exchange, "\n");
    CHECK_INT(nrt_exchange_write(exchange, nrt_request_body(request)), 0);
}

static void say(const char *what) {
    printf("%s\n", what);
    fflush(stdout);
}

static int add(nrt_exchange *exchange, const char *name, const char *value) {
    return nrt_fields_add(nrt_exchange_fields(exchange), nrt_str_from(name), nrt_str_from(value));
}

static void *end_later(void *exchange) {
    sleep_ms(50);
    write_text(exchange, "late");
    nrt_exchange_end(exchange);
    return NULL;
}

static void write_many(nrt_exchange *exchange, long count) {
    static const char piece[1000] = {0};
    for (long left = count; left > 0; left -= (long)sizeof(piece)) {
        size_t size = left < (long)sizeof(piece) ? (size_t)left : sizeof(piece);
        int error = nrt_exchange_write(exchange, (nrt_str){piece, size});
        CHECK(error == 0 || error == NRT_ERR_RESPONSE_TOO_LARGE);
        if (error) {
            return;
        }
    }
}

static void handle(nrt_exchange *exchange, void *arg) {
    (void)arg;
    const nrt_request *request = nrt_exchange_request(exchange);
    nrt_str target = nrt_request_target(request);
    char path[256];
    const char *rest;
    snprintf(path, sizeof(path), "%.*s", (int)target.len, target.ptr);
    if ((rest = after(path, "/sleep/"))) {
        sleep_ms(atol(rest));
        write_text(exchange, "slept");
    } else if (after(path, "/wait")) {
        say("waiting");
        for (int i = 0; i < 2000 && !nrt_exchange_is_canceled(exchange); i++) {
            sleep_ms(5);
        }
        say(nrt_exchange_is_canceled(exchange) ? "canceled" : "waited");
    } else if (after(path, "/pieces")) {
        write_text(exchange, "one, ");
        write_text(exchange, "");
        write_text(exchange, "two, ");
        CHECK_INT(nrt_exchange_set_status(exchange, 201), 0);
        write_text(exchange, "three");
    } else if ((rest = after(path, "/status/"))) {
        int wanted = atoi(rest) >= 200 && atoi(rest) <= 599 ? 0 : NRT_ERR_USAGE;
        CHECK_INT(nrt_exchange_set_status(exchange, atoi(rest)), wanted);
    } else if (strcmp(path, "/") == 0 || after(path, "/nothing")) {
        return;
    } else if ((rest = after(path, "/body/"))) {
        CHECK_INT(nrt_exchange_set_status(exchange, atoi(rest)), 0);
        write_text(exchange, "a body");
    } else if (after(path, "/echo")) {
        nrt_str type = nrt_fields_get(nrt_request_fields(request), "content-type");
        if (type.ptr) {
            nrt_fields *fields = nrt_exchange_fields(exchange);
            CHECK_INT(nrt_fields_set(fields, nrt_str_from("Content-Type"), type), 0);
        }
        CHECK_INT(nrt_exchange_write(exchange, nrt_request_body(request)), 0);
    } else if (after(path, "/request")) {
        show_request(exchange);
    } else if (after(path, "/id")) {
        write_text(exchange, nrt_exchange_id_text(exchange));
    } else if (after(path, "/later")) {
        pthread_t thread;
        nrt_exchange_defer(exchange);
        CHECK_INT(pthread_create(&thread, NULL, end_later, exchange), 0);
        CHECK_INT(pthread_detach(thread), 0);
    } else if ((rest = after(path, "/bytes/"))) {
        write_many(exchange, atol(rest));
    } else if ((rest = after(path, "/problem/"))) {
        CHECK_INT(nrt_exchange_problem(exchange, atoi(rest), "as asked"), 0);
    } else if (after(path, "/fields")) {
        CHECK_INT(add(exchange, "Set-Cookie", "a=1"), 0);
        CHECK_INT(add(exchange, "Set-Cookie", "b=2"), 0);
        CHECK_INT(add(exchange, "Connection", "close"), 0);
        CHECK_INT(add(exchange, "Transfer-Encoding", "chunked"), 0);
        CHECK_INT(add(exchange, "Content-Length", "999"), 0);
        CHECK_INT(add(exchange, "NRT-ID", "forged"), 0);
        CHECK_INT(add(exchange, "NRT-Error", "forged"), 0);
        CHECK_INT(add(exchange, "Bad Name", "x"), NRT_ERR_FIELD);
        CHECK_INT(add(exchange, "Split", "x\r\nInjected: y"), NRT_ERR_FIELD);
        CHECK_INT(add(exchange, "Outer", " x "), NRT_ERR_FIELD);
        write_text(exchange, "fields");
    } else {
        CHECK_INT(nrt_exchange_reply(exchange, 404, "text/plain", nrt_str_from("no such path")), 0);
    }
}

static void on_ready(nrt_service *service, int error, const char *detail, void *arg) {
    (void)service, (void)arg, (void)detail;
    printf(error ? "not ready: %s\n" : "ready\n", nrt_error_code(error));
    fflush(stdout);
}

static void drain(nrt_conn *conn, void *arg) {
    (void)arg;
    CHECK_INT(nrt_conn_drain(conn, NULL, NULL), 0);
}

static void *wait_signal(void *arg) {
    int number;
    sigwait(arg, &number);
    CHECK_INT(nrt_conn_post(connection, drain, NULL), 0);
    return NULL;
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 5);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, &signals, NULL), 0);

    connection = open_conn(argv[1]);
    nrt_service_options options;
    nrt_service_options_init(&options);
    options.workers = (unsigned)atoi(argv[3]);
    if (atoi(argv[4])) {
        options.max_in_flight = (unsigned)atoi(argv[4]);
    }
    options.on_ready = on_ready;
    nrt_service *service = NULL;
    CHECK_INT(nrt_serve(connection, argv[2], &options, handle, NULL, &service), 0);

    pthread_t waiter;
    CHECK_INT(pthread_create(&waiter, NULL, wait_signal, &signals), 0);
    CHECK_INT(nrt_conn_run(connection), 0);
    CHECK_INT(pthread_join(waiter, NULL), 0);
    nrt_conn_destroy(connection);
    return 0;
}
