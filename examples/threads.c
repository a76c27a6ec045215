/* One connection is one thread. More cores: more connections, each with a thread and a service of
 * its own, which share http://spread.nats/ as instances on other machines would. */
#include <nrt/nrt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void answer(nrt_exchange *exchange, void *arg) {
    nrt_exchange_printf(exchange, "thread %d\n", *(int *)arg);
}

static void *serve(void *number) {
    nrt_conn *conn = nrt_conn_open(NULL, NULL); /* where NATS_URL and the like say */
    if (!conn || nrt_serve(conn, "spread.nats", NULL, answer, number, NULL) < 0) {
        fprintf(stderr, "threads: cannot serve\n");
        exit(1);
    }
    nrt_conn_run_until_signal(conn); /* nothing in here is shared with another thread */
    nrt_conn_destroy(conn);
    return NULL;
}

int main(int argc, char **argv) {
    static int numbers[64];
    pthread_t threads[64];
    int count = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 4;
    for (int i = 0; i < count && i < 64; i++) {
        numbers[i] = i;
        if (pthread_create(&threads[i], NULL, serve, &numbers[i]) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < count && i < 64; i++) {
        pthread_join(threads[i], NULL);
    }
    return 0;
}
