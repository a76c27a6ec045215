/* A program with a poll() of its own: what it sends outside of dispatch must not stop the clock of
 * the connection. The service it asks never answers.
 *
 *     own_poll SERVER URL */
#include "check.h"

#include <poll.h>

static void on_result(const nrt_result *result, void *arg) {
    *(int *)arg = result->error;
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 3);
    nrt_conn *conn = open_conn(argv[1]);
    CHECK_INT(nrt_conn_wait(conn, 5000), 0);
    struct pollfd watched = {.fd = nrt_conn_fd(conn), .events = POLLIN};
    CHECK(watched.fd >= 0);
    nrt_send_options options;
    nrt_send_options_init(&options);
    options.timeout_ms = 300;
    nrt_request *request = make_request("GET", argv[2]);
    for (int round = 0; round < 3; round++) {
        int error = 1;
        CHECK_INT(nrt_send(conn, request, &options, on_result, &error, NULL), 0);
        double end = now_s() + 5;
        while (error == 1 && now_s() < end) {
            CHECK(poll(&watched, 1, 5000) >= 0);
            CHECK(nrt_conn_dispatch(conn, 0) >= 0);
        }
        CHECK_INT(error, NRT_ERR_TIMEOUT);
        CHECK(now_s() < end);
    }
    nrt_request_destroy(request);
    nrt_conn_destroy(conn);
    return 0;
}
