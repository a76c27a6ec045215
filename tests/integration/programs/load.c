/* Load: keeps IN_FLIGHT requests to HOST under way, COUNT in all (0: until standard input ends).
 *
 *     load SERVER HOST COUNT IN_FLIGHT TIMEOUT_MS
 *
 * One line per exchange on standard output: its number, when it was sent and when it ended (seconds
 * of CLOCK_MONOTONIC), "ok" or the error's code, the status, NRT-Client, and the detail. The target
 * of exchange 17 is "/17", and a 200's body must be the number too. */
#include "check.h"

#include <poll.h>
#include <unistd.h>

typedef struct exchange {
    struct load *load;
    long number;
    double sent;
} exchange;

typedef struct load {
    nrt_conn *conn;
    const char *host;
    long count, started, ended;
    bool stopping;
    nrt_send_options options;
} load;

static void start_one(load *all);

static void on_result(const nrt_result *result, void *arg) {
    exchange *one = arg;
    load *all = one->load;
    int status = 0;
    nrt_str client = {"-", 1};
    const char *outcome = "ok";
    if (result->error) {
        CHECK(result->response == NULL);
        CHECK(result->detail && *result->detail);
        outcome = nrt_error_code(result->error);
    } else {
        char number[32];
        status = nrt_response_status(result->response);
        snprintf(number, sizeof(number), "%ld", one->number);
        CHECK(status != 200 || str_is(nrt_response_body(result->response), number));
        client = nrt_fields_get(nrt_response_fields(result->response), "nrt-client");
    }
    printf("%ld %.6f %.6f %s %d %.*s %s\n", one->number, one->sent, now_s(), outcome, status,
           client.ptr ? (int)client.len : 1, client.ptr ? client.ptr : "-", result->detail);
    all->ended++;
    free(one);
    start_one(all);
}

static void start_one(load *all) {
    if (all->stopping || (all->count && all->started == all->count)) {
        return;
    }
    exchange *one = calloc(1, sizeof(*one));
    CHECK(one != NULL);
    *one = (exchange){all, all->started++, now_s()};
    char url[256];
    snprintf(url, sizeof(url), "http://%s/%ld", all->host, one->number);
    nrt_request *request = make_request("GET", url);
    CHECK_INT(nrt_send(all->conn, request, &all->options, on_result, one, NULL), 0);
    nrt_request_destroy(request);
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 6);
    load all = {.conn = open_conn(argv[1]), .host = argv[2], .count = atol(argv[3])};
    nrt_send_options_init(&all.options);
    all.options.timeout_ms = (uint32_t)atol(argv[5]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    CHECK_INT(nrt_conn_wait(all.conn, 5000), 0);
    for (long i = 0; i < atol(argv[4]); i++) {
        start_one(&all);
    }
    while (all.ended < all.started) {
        struct pollfd fds[2] = {{nrt_conn_fd(all.conn), POLLIN, 0}, {0, POLLIN, 0}};
        CHECK(poll(fds, all.stopping || all.count ? 1 : 2, 10000) > 0);
        char byte;
        if (fds[1].revents && read(0, &byte, 1) == 0) {
            all.stopping = true;
        }
        CHECK(nrt_conn_dispatch(all.conn, 0) >= 0);
    }
    nrt_conn_destroy(all.conn);
    return 0;
}
