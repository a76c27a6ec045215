/* What waits, for its memory to be measured: `nrt_hold serve SERVERS` keeps exchanges and streams,
 * `nrt_hold ask SERVERS` opens them. The latter takes `exchanges N`, `streams N` and `release` on
 * standard input, and answers `{}` when it is so on both sides. */
#include <nrt/nrt.h>
#include <stdio.h>
#include <stdlib.h>

#include "load.h"
#include "serving.h"

enum { HELD_MAX = 16384 };

/* ---- the service ---- */

static nrt_exchange *held[HELD_MAX];
static size_t held_count;

static bool path_is(const nrt_exchange *exchange, const char *path) {
    nrt_str target = nrt_request_target(nrt_exchange_request(exchange));
    return target.len == strlen(path) && memcmp(target.ptr, path, target.len) == 0;
}

static void canceled(nrt_exchange *exchange, void *arg) {
    (void)exchange;
    load_die("service", arg ? "" : "an exchange was canceled");
}

static void handle(nrt_exchange *exchange, void *arg) {
    static const nrt_exchange_events events = {.size = sizeof(events), .canceled = canceled};
    (void)arg;
    if (path_is(exchange, "/release")) {
        for (size_t i = 0; i < held_count; i++) {
            nrt_exchange_end(held[i]);
        }
        held_count = 0;
    } else if (!path_is(exchange, "/flush")) {
        if (held_count == HELD_MAX) {
            load_die("service", "too many exchanges");
        }
        held[held_count++] = exchange;
        nrt_exchange_defer(exchange);
        nrt_exchange_set_events(exchange, &events, NULL);
        if (path_is(exchange, "/stream") && nrt_exchange_start(exchange) < 0) {
            load_die("service", "a stream does not start");
        }
    }
}

/* ---- the client ---- */

static size_t opened; /* heads of streams that have come */
static size_t over;

static void answered(const nrt_result *result, void *arg) {
    (void)arg;
    over++;
    if (result->error < 0) {
        load_die("exchange", result->detail);
    }
}

static void head(const nrt_response *response, void *arg) {
    (void)arg;
    opened += nrt_response_status(response) == 200;
}

static void dispatch(nrt_conn *conn) {
    if (nrt_conn_dispatch(conn, -1) < 0) {
        load_die("dispatch", nrt_conn_error(conn));
    }
}

/* What was sent before has been handled when this is answered. */
static void get(nrt_conn *conn, const char *url) {
    nrt_response *response = NULL;
    nrt_request *request = nrt_request_create("GET", url, NULL);
    if (!request || nrt_do(conn, request, NULL, &response) < 0) {
        load_die(url, nrt_conn_error(conn));
    }
    nrt_response_destroy(response);
    nrt_request_destroy(request);
}

static void open_all(nrt_conn *conn, const char *url, bool streams, size_t count) {
    static const nrt_stream_events events = {
        .size = sizeof(events), .head = head, .closed = answered};
    opened = over = 0;
    nrt_request *request = nrt_request_create("GET", url, NULL);
    for (size_t i = 0; i < count; i++) {
        int error = streams ? nrt_stream_open(conn, request, NULL, &events, NULL, NULL)
                            : nrt_send(conn, request, NULL, answered, NULL, NULL);
        if (error < 0) {
            load_die(url, nrt_conn_error(conn));
        }
    }
    nrt_request_destroy(request);
    while (streams && opened < count) {
        dispatch(conn);
    }
    get(conn, "http://hold.nats/flush");
}

static int take_commands(nrt_conn *conn) {
    char line[128];
    unsigned long count = 0, sent = 0;
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        if (sscanf(line, "exchanges %lu", &count) == 1) {
            open_all(conn, "http://hold.nats/wait", false, count);
            sent = count;
        } else if (sscanf(line, "streams %lu", &count) == 1) {
            open_all(conn, "http://hold.nats/stream", true, count);
            sent = count;
        } else if (strncmp(line, "release", 7) == 0) {
            get(conn, "http://hold.nats/release");
            while (over < sent) {
                dispatch(conn);
            }
        } else {
            load_die(line, "is no command");
        }
        printf("{}\n");
        fflush(stdout);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        load_die("usage", "nrt_hold serve|ask SERVERS");
    }
    nrt_options options;
    nrt_options_init(&options);
    options.servers = argv[2];
    nrt_conn *conn = nrt_conn_open(&options, NULL);
    if (!conn || nrt_conn_wait(conn, 10000) < 0) {
        load_die(argv[2], conn ? nrt_conn_error(conn) : "cannot be opened");
    }
    int code = strcmp(argv[1], "serve") == 0 ? serving_run(conn, "hold.nats", handle, HELD_MAX)
                                             : take_commands(conn);
    nrt_conn_destroy(conn);
    return code;
}
