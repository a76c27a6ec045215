/* A libmicrohttpd daemon that answers HTTP on port 8080 and, by one line, http://greet.nats/ on
 * NATS: one handler for both. */
#include <microhttpd.h>
#include <nrt/mhd.h>
#include <nrt/nrt.h>
#include <stdio.h>
#include <stdlib.h>

static enum MHD_Result greet(void *arg, struct MHD_Connection *connection, const char *url,
                             const char *method, const char *version, const char *upload,
                             size_t *upload_size, void **state) {
    char text[256];
    (void)arg, (void)method, (void)version, (void)upload, (void)state;
    if (*upload_size > 0) { /* nobody wants it */
        *upload_size = 0;
        return MHD_YES;
    }
    int len = snprintf(text, sizeof(text), "greetings to %.200s\n", url + 1);
    struct MHD_Response *response =
        MHD_create_response_from_buffer((size_t)len, text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

int main(int argc, char **argv) {
    unsigned short port = argc > 1 ? (unsigned short)strtoul(argv[1], NULL, 10) : 8080;
    struct MHD_Daemon *httpd = MHD_start_daemon(MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD,
                                                port, NULL, NULL, greet, NULL, MHD_OPTION_END);
    nrt_conn *conn = nrt_conn_open(NULL, NULL); /* where NATS_URL and the like say */
    if (!httpd || !conn || nrt_serve_mhd(conn, "greet.nats", httpd) < 0) { /* the one line */
        fprintf(stderr, "mhd_service: cannot serve\n");
        return 1;
    }
    (void)getchar();
    nrt_conn_destroy(conn);
    MHD_stop_daemon(httpd);
    return 0;
}
