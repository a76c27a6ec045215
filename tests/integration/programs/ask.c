/* One request, and what the library makes of it, in one line of words for the test:
 *
 *     ask SERVER METHOD URL BODY_BYTES TIMEOUT_MS
 *
 * "create CODE", "send CODE MS DETAIL" or "status N MS". It does not wait for a connection first
 * unless TIMEOUT_MS begins with "+". */
#include "check.h"

int main(int argc, char **argv) {
    CHECK_INT(argc, 6);
    nrt_options options = options_for(argv[1]);
    bool wait = argv[5][0] == '+';
    options.timeout_ms = (uint32_t)atol(argv[5] + wait);
    nrt_conn *conn = nrt_conn_open(&options, NULL);
    CHECK(conn != NULL);
    if (wait) {
        CHECK_INT(nrt_conn_wait(conn, 5000), 0);
    }
    int error = 0;
    nrt_response *response = NULL;
    nrt_request *request = nrt_request_create(argv[2], argv[3], &error);
    if (!request) {
        printf("create %s\n", nrt_error_code(error));
    } else {
        size_t size = (size_t)atol(argv[4]);
        char *body = calloc(1, size + 1);
        CHECK(body != NULL);
        CHECK_INT(nrt_request_set_body(request, (nrt_str){body, size}), 0);
        free(body);
        double start = now_s();
        error = nrt_do(conn, request, NULL, &response);
        double ms = (now_s() - start) * 1000;
        if (error) {
            CHECK(response == NULL);
            printf("send %s %.1f %s\n", nrt_error_code(error), ms, nrt_conn_error(conn));
        } else {
            printf("status %d %.1f\n", nrt_response_status(response), ms);
        }
    }
    nrt_response_destroy(response);
    nrt_request_destroy(request);
    nrt_conn_destroy(conn);
    return 0;
}
