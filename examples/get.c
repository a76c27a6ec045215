/* A client on NATS: GETs a URL and prints what comes. */
#include <nrt/nrt.h>
#include <stdio.h>

int main(int argc, char **argv) {
    nrt_response *response = NULL;
    nrt_conn *conn = nrt_conn_open(NULL, NULL); /* where NATS_URL and the like say */
    int error = nrt_get(conn, argc == 2 ? argv[1] : "", NULL, &response);
    if (error < 0) {
        fprintf(stderr, "get: %s\n", nrt_conn_error(conn));
    } else {
        nrt_str body = nrt_response_body(response);
        fwrite(body.ptr, 1, body.len, stdout);
        error = nrt_response_status(response) >= 400;
    }
    nrt_response_destroy(response);
    nrt_conn_destroy(conn);
    return error != 0;
}
