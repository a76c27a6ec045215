/* Calls from another thread: each gets NRT_ERR_THREAD, only nrt_conn_post is taken, and the
 * connection's own thread is unharmed.
 *
 *     wrong_thread SERVER URL */
#include "check.h"

#include <pthread.h>

static nrt_conn *conn;
static nrt_request *request;
static pthread_t posted_on;
static int posted;

static void on_result(const nrt_result *result, void *arg) {
    (void)result, (void)arg;
}

static void handle(nrt_exchange *exchange, void *arg) {
    (void)exchange, (void)arg;
}

static void count(nrt_conn *on, void *arg) {
    CHECK(on == conn && arg == &posted);
    posted_on = pthread_self();
    posted++;
}

static void *elsewhere(void *arg) {
    nrt_response *response = NULL;
    nrt_service *service = NULL;
    CHECK_INT(nrt_do(conn, request, NULL, &response), NRT_ERR_THREAD);
    CHECK_INT(nrt_send(conn, request, NULL, on_result, NULL, NULL), NRT_ERR_THREAD);
    CHECK_INT(nrt_cancel(conn, 1), NRT_ERR_THREAD);
    CHECK_INT(nrt_serve(conn, "elsewhere.nats", NULL, handle, NULL, &service), NRT_ERR_THREAD);
    CHECK_INT(nrt_conn_dispatch(conn, 0), NRT_ERR_THREAD);
    CHECK_INT(nrt_conn_wait(conn, 0), NRT_ERR_THREAD);
    CHECK_INT(nrt_conn_drain(conn, NULL, NULL), NRT_ERR_THREAD);
    CHECK_INT(nrt_conn_run(conn), NRT_ERR_THREAD);
    CHECK_INT(nrt_conn_run_until_signal(conn), NRT_ERR_THREAD);
    CHECK(response == NULL && service == NULL);
    for (int i = 0; i < 1000; i++) {
        CHECK_INT(nrt_conn_post(conn, count, &posted), 0);
    }
    return arg;
}

static void round_trip(void) {
    nrt_response *response = NULL;
    CHECK_INT(nrt_do(conn, request, NULL, &response), 0);
    CHECK_INT(nrt_response_status(response), 200);
    nrt_response_destroy(response);
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 3);
    conn = open_conn(argv[1]);
    request = make_request("GET", argv[2]);
    CHECK_INT(nrt_conn_wait(conn, 5000), 0);
    round_trip();
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, elsewhere, NULL), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    while (posted < 1000) {
        CHECK(nrt_conn_dispatch(conn, 5000) >= 0);
    }
    CHECK(pthread_equal(posted_on, pthread_self()));
    round_trip();
    nrt_request_destroy(request);
    nrt_conn_destroy(conn);
    return 0;
}
