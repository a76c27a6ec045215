/* A program that left SIGPIPE alone keeps writing to a server that dies under it: the library must
 * not let the signal end the process.
 *
 *     sigpipe SERVER URL
 *
 * Prints "connected", then sends without pause; after "disconnected" and "connected" again it makes
 * one whole round trip and ends with 0. */
#include "check.h"

#include <signal.h>

static int connected, disconnected, errors, waiting;

static void on_event(nrt_conn *conn, nrt_conn_event event, int error, const char *detail,
                     void *arg) {
    (void)conn, (void)arg;
    switch (event) {
    case NRT_CONN_CONNECTED:
        CHECK_INT(error, 0);
        connected++;
        puts("connected");
        break;
    case NRT_CONN_DISCONNECTED:
        CHECK(error < 0 && *detail);
        disconnected++;
        puts("disconnected");
        break;
    case NRT_CONN_FAILED:
    case NRT_CONN_LAME_DUCK:
    case NRT_CONN_BROKEN:
        CHECK(error < 0 && *detail);
        break;
    }
    fflush(stdout);
}

static void on_result(const nrt_result *result, void *arg) {
    (void)arg;
    waiting--;
    errors += result->error != 0;
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 3);
    struct sigaction action;
    CHECK_INT(sigaction(SIGPIPE, NULL, &action), 0);
    action.sa_handler = SIG_DFL; /* what a plain program has; pytest's child may inherit another */
    CHECK_INT(sigaction(SIGPIPE, &action, NULL), 0);

    nrt_options options = options_for(argv[1]);
    options.on_event = on_event;
    nrt_conn *conn = nrt_conn_open(&options, NULL);
    CHECK(conn != NULL);
    nrt_request *request = make_request("GET", argv[2]);
    while (connected < 2) {
        for (int i = 0; connected && waiting < 64 && i < 64; i++) {
            CHECK_INT(nrt_send(conn, request, NULL, on_result, NULL, NULL), 0);
            waiting++;
        }
        CHECK(nrt_conn_dispatch(conn, 5000) >= 0);
    }
    CHECK_INT(disconnected, 1);
    while (waiting) {
        CHECK(nrt_conn_dispatch(conn, 5000) >= 0);
    }
    nrt_response *response = NULL;
    double end = now_s() + 5;
    int error;
    do { /* the service must find the server again, too */
        error = nrt_do(conn, request, NULL, &response);
    } while (error == NRT_ERR_NO_SERVICE && now_s() < end);
    CHECK_INT(error, 0);
    CHECK_INT(nrt_response_status(response), 200);
    nrt_response_destroy(response);

    CHECK_INT(sigaction(SIGPIPE, NULL, &action), 0);
    CHECK(action.sa_handler == SIG_DFL); /* a library leaves the process's signals alone */
    nrt_request_destroy(request);
    nrt_conn_destroy(conn);
    return 0;
}
