/* A client on NATS: GETs a URL and prints what comes. */
#include <nrt/nrt.h>
#include <stdio.h>

int main(int argc, char **argv) {
    int error = 0;
    nrt_response *response = NULL;
    nrt_conn *conn = NULL;
    nrt_request *request = nrt_request_create("GET", argc == 2 ? argv[1] : "", &error);
    if (!request) {
        fprintf(stderr, "usage: get http://HOST.nats/PATH (%s)\n", nrt_error_text(error));
        return 2;
    }
    nrt_options options;
    nrt_options_init(&options);
    options.environment = true; /* NATS_URL and the like */
    conn = nrt_conn_open(&options, &error);
    if (conn) {
        error = nrt_do(conn, request, NULL, &response);
    }
    if (error < 0) {
        fprintf(stderr, "%s: %s\n", nrt_error_text(error), conn ? nrt_conn_error(conn) : "");
    } else {
        nrt_str body = nrt_response_body(response);
        fwrite(body.ptr, 1, body.len, stdout);
        error = nrt_response_status(response) >= 400;
    }
    nrt_response_destroy(response);
    nrt_request_destroy(request);
    nrt_conn_destroy(conn);
    return error ? 1 : 0;
}
