/* Many instances of many services in one process: each of CONNS connections serves HOSTS hosts,
 * s000.nats and so on, and answers any request with its number.
 *
 *     crowd SERVER CONNS HOSTS
 *
 * Prints "ready" when all serve; ends with SIGTERM. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { CONNS_MAX = 100 };

static atomic_int waiting;

static void handle(nrt_exchange *exchange, void *arg) {
    CHECK_INT(nrt_exchange_reply(exchange, 200, "text/plain", nrt_str_from(arg)), 0);
}

static void on_ready(nrt_service *service, int error, const char *detail, void *arg) {
    (void)arg;
    CHECK_INT(error, 0);
    CHECK(service != NULL && *detail == '\0');
    if (atomic_fetch_sub(&waiting, 1) == 1) {
        puts("ready");
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    static char names[CONNS_MAX][16];
    CHECK_INT(argc, 4);
    int conns = atoi(argv[2]);
    int hosts = atoi(argv[3]);
    CHECK(conns > 0 && conns <= CONNS_MAX && hosts > 0 && hosts <= 1000);
    atomic_store(&waiting, conns * hosts);
    for (int i = 0; i < conns; i++) {
        nrt_conn *conn = open_conn(argv[1]);
        nrt_service_options options;
        nrt_service_options_init(&options);
        options.on_ready = on_ready;
        snprintf(names[i], sizeof(names[i]), "%d", i);
        for (int j = 0; j < hosts; j++) {
            char host[32];
            snprintf(host, sizeof(host), "s%03d.nats", j);
            CHECK_INT(nrt_serve(conn, host, &options, handle, names[i], NULL), 0);
        }
        CHECK_INT(nrt_conn_start(conn), 0);
    }
    for (;;) {
        pause();
    }
}
