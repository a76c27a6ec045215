/* fork() in a program that uses the library: the child gets NRT_ERR_FORK from every call and ends
 * with 0; the parent's connection goes on.
 *
 *     forked SERVER URL */
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

static void nothing(nrt_conn *conn, void *arg) {
    (void)conn, (void)arg;
}

static void on_result(const nrt_result *result, void *arg) {
    *(int *)arg = result->error ? result->error : nrt_response_status(result->response);
}

static void handle(nrt_exchange *exchange, void *arg) {
    (void)exchange, (void)arg;
}

static void in_child(nrt_conn *conn, const nrt_request *request) {
    nrt_response *response = NULL;
    nrt_service *service = NULL;
    nrt_conn_info info = {.size = sizeof(info)};
    CHECK_INT(nrt_do(conn, request, NULL, &response), NRT_ERR_FORK);
    CHECK_INT(nrt_send(conn, request, NULL, on_result, NULL, NULL), NRT_ERR_FORK);
    CHECK_INT(nrt_cancel(conn, 1), NRT_ERR_FORK);
    CHECK_INT(nrt_serve(conn, "child.nats", NULL, handle, NULL, &service), NRT_ERR_FORK);
    CHECK_INT(nrt_conn_dispatch(conn, 0), NRT_ERR_FORK);
    CHECK_INT(nrt_conn_wait(conn, 0), NRT_ERR_FORK);
    CHECK_INT(nrt_conn_post(conn, nothing, NULL), NRT_ERR_FORK);
    CHECK_INT(nrt_conn_fd(conn), NRT_ERR_FORK);
    CHECK_INT(nrt_conn_drain(conn, NULL, NULL), NRT_ERR_FORK);
    CHECK_INT(nrt_conn_stop(conn), NRT_ERR_FORK);
    CHECK_INT(nrt_conn_run(conn), NRT_ERR_FORK);
    CHECK_INT(nrt_conn_run_until_signal(conn), NRT_ERR_FORK);
    CHECK_INT(nrt_conn_info_get(conn, &info), NRT_ERR_FORK);
    CHECK(response == NULL && service == NULL);
}

static void round_trip(nrt_conn *conn, const nrt_request *request) {
    nrt_response *response = NULL;
    CHECK_INT(nrt_do(conn, request, NULL, &response), 0);
    CHECK_INT(nrt_response_status(response), 200);
    nrt_response_destroy(response);
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 3);
    nrt_conn *conn = open_conn(argv[1]);
    nrt_request *request = make_request("GET", argv[2]);
    nrt_conn_info before = {.size = sizeof(before)}, after = {.size = sizeof(after)};
    int in_flight = 0;
    CHECK_INT(nrt_conn_wait(conn, 5000), 0);
    round_trip(conn, request);
    CHECK_INT(nrt_conn_info_get(conn, &before), 0);

    /* One that destroys the connection, and one that just leaves; an exchange is in flight. */
    CHECK_INT(nrt_send(conn, request, NULL, on_result, &in_flight, NULL), 0);
    CHECK(nrt_conn_dispatch(conn, 0) >= 0);
    for (int child = 0; child < 2; child++) {
        int status = 0;
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            in_child(conn, request);
            if (child == 0) {
                nrt_conn_destroy(conn);
                nrt_request_destroy(request);
                exit(0);
            }
            _exit(0);
        }
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK_INT(status, 0);
    }
    while (!in_flight) {
        CHECK(nrt_conn_dispatch(conn, 5000) >= 0);
    }
    CHECK_INT(in_flight, 200);
    round_trip(conn, request);
    CHECK_INT(nrt_conn_info_get(conn, &after), 0);
    CHECK(before.client_id == after.client_id); /* the very same connection */
    nrt_request_destroy(request);
    nrt_conn_destroy(conn);
    return 0;
}
