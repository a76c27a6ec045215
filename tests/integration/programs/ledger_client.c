/* Steady load that writes down how each request ended.
 *
 *     ledger_client SERVERS HOST NAME RATE TIMEOUT_MS SEED LEDGER
 *
 * RATE requests a second, whatever becomes of them, until standard input ends; then it waits for
 * those under way. A line for each in LEDGER: "ID METHOD SENT ENDED OUTCOME STATUS CODE ATTEMPTS
 * good|mixed|- INSTANCE DETAIL" (KEY is a POST with an Idempotency-Key; OUTCOME is ok or the
 * error's code; CODE is NRT-Error). The last line, "stats", has what the connection counted. */
#include "ledger.h"

#include <poll.h>

typedef struct load {
    nrt_conn *conn;
    const char *host, *name;
    int ledger;
    unsigned seed;
    long started, ended;
    nrt_send_options options;
} load;

typedef struct exchange {
    load *all;
    char id[ID_MAX + 1];
    const char *method;
    size_t size; /* of the answer */
    double sent;
} exchange;

static unsigned below(load *all, unsigned limit) {
    return (unsigned)rand_r(&all->seed) % limit;
}

/* Whether the answer is this request's; sets `instance`. */
static bool is_ours(const exchange *one, const nrt_response *response, char *instance) {
    nrt_str body = nrt_response_body(response);
    nrt_str id = nrt_fields_get(nrt_response_fields(response), "ledger-id");
    size_t len = strlen(one->id);
    const char *end = body.len > 0 ? memchr(body.ptr, '\n', body.len) : NULL;
    if (!end || !nrt_str_is(id, one->id) || body.len <= len || body.ptr[len] != ' ' ||
        memcmp(body.ptr, one->id, len) != 0) {
        return false;
    }
    size_t head = (size_t)(end - body.ptr) + 1;
    snprintf(instance, 32, "%.*s", (int)(head - len - 2), body.ptr + len + 1);
    return body.len - head == one->size &&
           repeats((nrt_str){body.ptr + head, body.len - head}, one->id);
}

static void on_result(const nrt_result *result, void *arg) {
    exchange *one = arg;
    char line[1024], instance[32] = "-";
    nrt_str code = {NULL, 0};
    const char *own = "-";
    int status = 0;
    if (result->response) {
        status = nrt_response_status(result->response);
        code = nrt_fields_get(nrt_response_fields(result->response), "nrt-error");
        if (status == 200) {
            own = is_ours(one, result->response, instance) ? "good" : "mixed";
        }
    } else {
        CHECK(result->error < 0 && result->detail && *result->detail);
    }
    int len = snprintf(line, sizeof(line), "%s %s %.6f %.6f %s %d %.*s %u %s %s %.200s\n", one->id,
                       one->method, one->sent, now_s(),
                       result->error ? nrt_error_code(result->error) : "ok", status,
                       code.ptr ? (int)code.len : 1, code.ptr ? code.ptr : "-", result->attempts,
                       own, instance, result->detail);
    CHECK(len > 0 && len < (int)sizeof(line));
    ledger_write(one->all->ledger, line, (size_t)len);
    one->all->ended++;
    free(one);
}

static nrt_request *compose(load *all, exchange *one) {
    static const char *const methods[] = {"GET", "GET",  "GET",  "GET",  "PUT",
                                          "PUT", "POST", "POST", "POST", "KEY"};
    static const unsigned waits[] = {0, 0, 0, 5, 20, 60, 120, 180, 300};
    static const unsigned answers[] = {0, 0, 10, 100, 2000, 60000};
    static const unsigned bodies[] = {0, 10, 10, 10, 10, 300, 300, 5000, 5000, 90000};
    char url[512];
    one->method = methods[below(all, 10)];
    one->size = answers[below(all, 6)];
    snprintf(one->id, sizeof(one->id), "%s-%ld", all->name, all->started);
    snprintf(url, sizeof(url), "http://%s/%s/%u/%zu", all->host, one->id, waits[below(all, 9)],
             one->size);
    bool key = strcmp(one->method, "KEY") == 0;
    nrt_request *request = make_request(key ? "POST" : one->method, url);
    if (key) {
        CHECK_INT(nrt_fields_add(nrt_request_edit(request), nrt_str_from("Idempotency-Key"),
                                 nrt_str_from(one->id)),
                  0);
    }
    if (strcmp(one->method, "GET") != 0) {
        size_t size = bodies[below(all, 10)];
        char *body = repeat(one->id, size);
        CHECK_INT(nrt_request_set_body(request, (nrt_str){body, size}), 0);
        free(body);
    }
    return request;
}

static void start_one(load *all) {
    exchange *one = calloc(1, sizeof(*one));
    CHECK(one != NULL);
    one->all = all;
    nrt_request *request = compose(all, one);
    one->sent = now_s();
    all->started++;
    CHECK_INT(nrt_send(all->conn, request, &all->options, on_result, one, NULL), 0);
    nrt_request_destroy(request);
}

static void write_stats(load *all) {
    nrt_client_stats stats = {.size = sizeof(stats)};
    char line[256];
    CHECK_INT(nrt_client_stats_get(all->conn, &stats), 0);
    int len = snprintf(line, sizeof(line), "stats %ju %ju %ju %ju %ju %ju %ju\n", stats.requests,
                       stats.attempts, stats.failures, stats.retries_refused,
                       stats.retries_idempotent, stats.retries_denied, stats.orphans);
    ledger_write(all->ledger, line, (size_t)len);
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 8);
    load all = {.conn = open_conn(argv[1]),
                .host = argv[2],
                .name = argv[3],
                .seed = (unsigned)atol(argv[6]),
                .ledger = ledger_open(argv[7])};
    nrt_send_options_init(&all.options);
    all.options.timeout_ms = (uint32_t)atol(argv[5]);
    CHECK_INT(nrt_conn_wait(all.conn, 10000), 0);
    double pause = 1 / atof(argv[4]), next = now_s();
    bool stopping = false;
    while (!stopping || all.ended < all.started) {
        double now = now_s();
        for (; !stopping && next <= now; next += pause) {
            start_one(&all);
        }
        int wait = stopping ? 1000 : (int)((next - now) * 1000) + 1;
        struct pollfd fds[2] = {{nrt_conn_fd(all.conn), POLLIN, 0}, {0, POLLIN, 0}};
        CHECK(poll(fds, stopping ? 1 : 2, wait) >= 0);
        char byte;
        stopping = stopping || (fds[1].revents && read(0, &byte, 1) <= 0);
        CHECK(nrt_conn_dispatch(all.conn, 0) >= 0);
    }
    write_stats(&all);
    nrt_conn_destroy(all.conn);
    close(all.ledger);
    return 0;
}
