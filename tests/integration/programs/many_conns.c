/* nrt_do from 8 threads, each with a connection of its own for 200 requests; then from 1,000
 * connections that live for one.
 *
 *     many_conns SERVER URL */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 8, EACH = 200, SHORT = 1000 };

static const char *server;
static const char *url;
static atomic_int answered;

static void ask(nrt_conn *conn) {
    nrt_response *response = NULL;
    nrt_request *request = make_request("GET", url);
    CHECK_INT(nrt_do(conn, request, NULL, &response), 0);
    CHECK_INT(nrt_response_status(response), 200);
    atomic_fetch_add(&answered, 1);
    nrt_response_destroy(response);
    nrt_request_destroy(request);
}

static void *long_lived(void *arg) {
    (void)arg;
    nrt_conn *conn = open_conn(server);
    for (int i = 0; i < EACH; i++) {
        ask(conn);
    }
    nrt_conn_destroy(conn);
    return NULL;
}

static void *short_lived(void *arg) {
    (void)arg;
    for (int i = 0; i < SHORT / THREADS; i++) {
        nrt_conn *conn = open_conn(server);
        ask(conn);
        nrt_conn_destroy(conn);
    }
    return NULL;
}

static void on_all(void *(*fn)(void *arg)) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(pthread_create(&threads[i], NULL, fn, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    }
    printf("%d answered\n", atomic_exchange(&answered, 0));
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 3);
    server = argv[1];
    url = argv[2];
    on_all(long_lived);
    on_all(short_lived);
    return 0;
}
