/* A server that hangs: its sockets stay open and nothing comes. Unanswered pings must end the
 * connection, and the next server is taken.
 *
 *     hung_server SERVER,SERVER URL
 *
 * Prints the URL of each server it is connected to; on the second it makes a round trip and ends
 * with 0. */
#include "check.h"

static int connected;

static void on_event(nrt_conn *conn, nrt_conn_event event, int error, const char *detail,
                     void *arg) {
    (void)arg;
    if (event == NRT_CONN_CONNECTED) {
        nrt_conn_info info = {.size = sizeof(info)};
        CHECK_INT(nrt_conn_info_get(conn, &info), 0);
        CHECK(info.connected);
        printf("%s\n", info.url);
        fflush(stdout);
        connected++;
    } else {
        CHECK(error < 0 && *detail);
    }
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 3);
    nrt_options options = options_for(argv[1]);
    options.on_event = on_event;
    options.ping_interval_ms = 100;
    options.connect_timeout_ms = 300;
    nrt_conn *conn = nrt_conn_open(&options, NULL);
    CHECK(conn != NULL);
    while (connected < 2) {
        CHECK(nrt_conn_dispatch(conn, 5000) >= 0);
    }
    nrt_request *request = make_request("GET", argv[2]);
    nrt_response *response = NULL;
    CHECK_INT(nrt_do(conn, request, NULL, &response), 0);
    CHECK_INT(nrt_response_status(response), 200);
    nrt_response_destroy(response);
    nrt_request_destroy(request);
    nrt_conn_destroy(conn);
    return 0;
}
