/* Load: keeps IN_FLIGHT requests to HOST under way, COUNT in all (0: until standard input ends).
 *
 *     load SERVER HOST COUNT IN_FLIGHT TIMEOUT_MS [METHOD[,METHOD]... [RETRIES]]
 *
 * The methods take turns (GET); what is not GET has a body, the exchange's number ten times.
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
    const char *methods;
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
        CHECK(status != 200 || nrt_str_is(nrt_response_body(result->response), number));
        client = nrt_fields_get(nrt_response_fields(result->response), "nrt-client");
    }
    printf("%ld %.6f %.6f %s %d %.*s %s\n", one->number, one->sent, now_s(), outcome, status,
           client.ptr ? (int)client.len : 1, client.ptr ? client.ptr : "-", result->detail);
    all->ended++;
    free(one);
    start_one(all);
}

/* The method of the exchange with that number. */
static void pick_method(const load *all, long number, char *out, size_t size) {
    const char *at = all->methods;
    size_t count = 1;
    for (const char *c = at; *c; c++) {
        count += *c == ',';
    }
    for (size_t skip = (size_t)number % count; skip > 0; skip--) {
        at = strchr(at, ',') + 1;
    }
    snprintf(out, size, "%.*s", (int)strcspn(at, ","), at);
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
    char method[32];
    pick_method(all, one->number, method, sizeof(method));
    nrt_request *request = make_request(method, url);
    if (strcmp(method, "GET") != 0) {
        char body[256] = "";
        size_t len = 0;
        for (int i = 0; i < 10; i++) {
            len += (size_t)snprintf(body + len, sizeof(body) - len, "%ld", one->number);
        }
        CHECK_INT(nrt_request_set_body(request, (nrt_str){body, len}), 0);
    }
    CHECK_INT(nrt_send(all->conn, request, &all->options, on_result, one, NULL), 0);
    nrt_request_destroy(request);
}

int main(int argc, char **argv) {
    CHECK(argc >= 6 && argc <= 8);
    nrt_options options = options_for(argv[1]);
    if (argc > 7) {
        options.retries = (unsigned)atoi(argv[7]);
    }
    load all = {.conn = nrt_conn_open(&options, NULL),
                .host = argv[2],
                .count = atol(argv[3]),
                .methods = argc > 6 ? argv[6] : "GET"};
    CHECK(all.conn != NULL);
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
