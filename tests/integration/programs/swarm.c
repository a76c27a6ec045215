/* Many instances of many services in one process, and load on them. The n-th instance of each is on
 * the n-th connection.
 *
 *     swarm SERVER RATE HOST=INSTANCES[,ERRORS[,MS]]...
 *
 * ERRORS in a thousand requests are answered with 500; MS is how long most answers take, on workers
 * (0: at once). RATE requests a second in all go to the hosts, the most to the first one; 0: none.
 * Until it is killed. */
#include "check.h"

enum { HOSTS_MAX = 2000, CONNS_MAX = 256, TICK_MS = 20 };

typedef struct host {
    char name[128];
    int errors;
    int ms;
    unsigned asked;
} host;

static host hosts[HOSTS_MAX];
static int host_count;
static nrt_conn *conns[CONNS_MAX];

static unsigned roll(void) {
    static _Thread_local unsigned state = 2463534242;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static void handle(nrt_exchange *exchange, void *arg) {
    const host *one = arg;
    if (one->ms > 0) { /* most take about as long, some much longer */
        sleep_ms(one->ms / 2 + (long)(roll() % (unsigned)one->ms) +
                 (roll() % 30 == 0 ? 4 * one->ms : 0));
    }
    bool fails = (int)(roll() % 1000) < one->errors;
    CHECK_INT(nrt_exchange_reply(exchange, fails ? 500 : 200, "text/plain", nrt_str_from("ok")), 0);
}

static void on_result(const nrt_result *result, void *arg) {
    (void)result;
    (void)arg;
}

static void ask(nrt_conn *conn) {
    /* The n-th host gets a share of 1/n. */
    int at = 0;
    double point = (double)(roll() % 100000) / 100000;
    double all = 0;
    for (int i = 0; i < host_count; i++) {
        all += 1.0 / (i + 1);
    }
    while (at < host_count - 1 && (point -= 1.0 / (at + 1) / all) > 0) {
        at++;
    }
    char url[256];
    snprintf(url, sizeof(url), "http://%s/%u", hosts[at].name, hosts[at].asked++);
    nrt_request *request = make_request("GET", url);
    nrt_send(conn, request, NULL, on_result, NULL, NULL); /* one that cannot be sent is no matter */
    nrt_request_destroy(request);
}

static void read_host(const char *server, const char *text) {
    CHECK(host_count < HOSTS_MAX);
    host *one = &hosts[host_count++];
    int count = 0;
    CHECK(sscanf(text, "%127[^=]=%d,%d,%d", one->name, &count, &one->errors, &one->ms) >= 2);
    nrt_service_options options;
    nrt_service_options_init(&options);
    options.workers = one->ms > 0 ? 4 : 0;
    CHECK(count > 0 && count <= CONNS_MAX);
    for (int i = 0; i < count; i++) {
        conns[i] = conns[i] ? conns[i] : open_conn(server);
        CHECK_INT(nrt_serve(conns[i], one->name, &options, handle, one, NULL), 0);
    }
}

int main(int argc, char **argv) {
    CHECK(argc >= 4);
    nrt_conn *client = open_conn(argv[1]);
    int rate = atoi(argv[2]);
    for (int i = 3; i < argc; i++) {
        read_host(argv[1], argv[i]);
    }
    for (int i = 0; i < CONNS_MAX && conns[i]; i++) {
        CHECK_INT(nrt_conn_start(conns[i]), 0);
    }
    CHECK_INT(nrt_conn_wait(client, 10000), 0);
    printf("ready\n");
    fflush(stdout);
    double due = 0;
    for (double next = now_s();; next += TICK_MS / 1000.0) {
        for (due += rate * TICK_MS / 1000.0; due >= 1; due -= 1) {
            ask(client);
        }
        while (now_s() < next) {
            CHECK(nrt_conn_dispatch(client, TICK_MS / 2) >= 0);
        }
    }
}
