/* Row (i), a large answer from our service to our client: `nrt_bulk serve SERVERS`, `nrt_bulk fetch
 * SERVERS`; the latter takes `fetch BYTES` on standard input. */
#include <nrt/nrt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bulk.h"
#include "load.h"
#include "serving.h"

/* ---- the service ---- */

typedef struct answer {
    uint64_t offset;
    uint64_t length;
} answer;

static void send_more(nrt_exchange *exchange, void *arg) {
    answer *a = arg;
    while (a->offset < a->length) {
        uint64_t left = a->length - a->offset;
        size_t sent = 0, want = left < BULK_PERIOD ? (size_t)left : BULK_PERIOD;
        nrt_str bytes = {bulk_bytes() + a->offset % BULK_PERIOD, want};
        if (nrt_exchange_send(exchange, bytes, &sent) < 0 || sent == 0) {
            return; /* `writable` or `canceled` comes */
        }
        a->offset += sent;
    }
    free(a);
    nrt_exchange_end(exchange);
}

static void canceled(nrt_exchange *exchange, void *arg) {
    free(arg);
    nrt_exchange_end(exchange);
}

static void handle(nrt_exchange *exchange, void *arg) {
    static const nrt_exchange_events events = {
        .size = sizeof(events), .writable = send_more, .canceled = canceled};
    (void)arg;
    answer *a = calloc(1, sizeof(*a));
    nrt_str path = nrt_request_target(nrt_exchange_request(exchange));
    char text[32];
    snprintf(text, sizeof(text), "%.*s", (int)path.len - 1, path.ptr + 1);
    a->length = strtoull(text, NULL, 10);
    nrt_exchange_set_length(exchange, a->length);
    nrt_exchange_set_events(exchange, &events, a);
    nrt_exchange_defer(exchange);
    nrt_exchange_start(exchange);
    send_more(exchange, a);
}

/* ---- the client ---- */

typedef struct transfer {
    uint64_t got;
    bool right;
    bool closed;
} transfer;

static void head(const nrt_response *response, void *arg) {
    transfer *t = arg;
    t->right = nrt_response_status(response) == 200;
}

static void data(nrt_str bytes, void *arg) {
    transfer *t = arg;
    t->right = t->right && bulk_is_right(t->got, bytes.ptr, bytes.len);
    t->got += bytes.len;
}

static void closed(const nrt_result *result, void *arg) {
    transfer *t = arg;
    t->closed = true;
    if (result->error < 0) {
        t->right = false;
        fprintf(stderr, "bench: nrt_bulk: %s: %s\n", nrt_error_text(result->error), result->detail);
    }
}

static void fetch(nrt_conn *conn, uint64_t length) {
    static const nrt_stream_events events = {
        .size = sizeof(events), .head = head, .data = data, .closed = closed};
    transfer t = {0};
    char url[64];
    snprintf(url, sizeof(url), "http://bulk.nats/%llu", (unsigned long long)length);
    nrt_request *request = nrt_request_create("GET", url, NULL);
    int64_t began = load_now();
    if (!request || nrt_stream_open(conn, request, NULL, &events, &t, NULL) < 0) {
        load_die(url, nrt_conn_error(conn));
    }
    while (!t.closed) {
        if (nrt_conn_dispatch(conn, -1) < 0) {
            load_die("dispatch", nrt_conn_error(conn));
        }
    }
    nrt_request_destroy(request);
    bulk_report(t.got, t.right && t.got == length, load_now() - began);
}

static int take_commands(nrt_conn *conn) {
    struct pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {nrt_conn_fd(conn), POLLIN, 0}};
    char line[128];
    unsigned long long length = 0;
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        poll(fds, 2, -1);
        if (fds[1].revents && nrt_conn_dispatch(conn, 0) < 0) {
            load_die("dispatch", nrt_conn_error(conn));
        }
        if (fds[0].revents) {
            ssize_t got = read(STDIN_FILENO, line, sizeof(line) - 1); /* one command at a time */
            if (got <= 0) {
                return 0;
            }
            line[got] = '\0';
            if (sscanf(line, "fetch %llu", &length) != 1) {
                load_die(line, "is no command");
            }
            fetch(conn, length);
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 3) {
        load_die("usage", "nrt_bulk serve|fetch SERVERS");
    }
    nrt_options options;
    nrt_options_init(&options);
    options.servers = argv[2];
    nrt_conn *conn = nrt_conn_open(&options, NULL);
    if (!conn || nrt_conn_wait(conn, 10000) < 0) {
        load_die(argv[2], conn ? nrt_conn_error(conn) : "cannot be opened");
    }
    int code = strcmp(argv[1], "serve") == 0 ? serving_run(conn, "bulk.nats", handle, 1024)
                                             : take_commands(conn);
    nrt_conn_destroy(conn);
    return code;
}
