/* Makes all sort of things fail without a log callback: nothing may be printed. With one, what
 * happened must come through it.
 *
 *     quiet GOOD_SERVER BAD_SERVER [log]
 *
 * GOOD_SERVER has garbage.nats, which answers no HTTP; nobody listens on BAD_SERVER. Says how it
 * ended by its exit code only. */
#include "check.h"

static int lines;

static void on_log(nrt_log_level level, const char *text, void *arg) {
    CHECK(arg == &lines);
    CHECK(level <= NRT_LOG_DEBUG);
    CHECK(*text && !strchr(text, '\n'));
    lines++;
}

static void fail(nrt_conn *conn, const char *url, int wanted) {
    nrt_request *request = make_request("GET", url);
    nrt_response *response = NULL;
    nrt_send_options options;
    nrt_send_options_init(&options);
    options.timeout_ms = 200;
    CHECK_INT(nrt_do(conn, request, &options, &response), wanted);
    CHECK(response == NULL);
    CHECK(*nrt_conn_error(conn));
    nrt_request_destroy(request);
}

int main(int argc, char **argv) {
    CHECK(argc == 3 || argc == 4);
    nrt_options options = options_for(argv[1]);
    if (argc == 4) {
        options.log = on_log;
        options.log_arg = &lines;
        options.log_level = NRT_LOG_DEBUG;
    }
    int error = 0;
    nrt_conn *conn = nrt_conn_open(&options, &error);
    CHECK(conn && error == 0);
    CHECK_INT(nrt_conn_wait(conn, 5000), 0);
    fail(conn, "http://nobody.nats/", NRT_ERR_NO_SERVICE);
    fail(conn, "http://garbage.nats/", NRT_ERR_PROTOCOL);
    CHECK(nrt_request_create("GET", "http://example.com/", &error) == NULL);
    CHECK_INT(error, NRT_ERR_HOST);
    CHECK(nrt_request_create("GET", "ftp://a.nats/", &error) == NULL);
    CHECK_INT(error, NRT_ERR_URL);
    CHECK(nrt_request_create("GeT", "http://a.nats/", &error) == NULL);
    CHECK_INT(error, NRT_ERR_METHOD);
    CHECK(nrt_request_create("a.b", "http://a.nats/", NULL) == NULL);
    nrt_conn_destroy(conn);

    options.servers = argv[2];
    conn = nrt_conn_open(&options, &error);
    CHECK(conn && error == 0);
    CHECK_INT(nrt_conn_wait(conn, 300), NRT_ERR_CONNECT);
    fail(conn, "http://nobody.nats/", NRT_ERR_DISCONNECTED);
    nrt_conn_destroy(conn);

    options.servers = "http://not.a.nats.url";
    CHECK(nrt_conn_open(&options, &error) == NULL);
    CHECK_INT(error, NRT_ERR_URL);
    options.servers = argv[1];
    options.prefix = "a prefix";
    CHECK(nrt_conn_open(&options, &error) == NULL);
    CHECK_INT(error, NRT_ERR_HOST);
    nrt_conn_destroy(NULL);
    nrt_request_destroy(NULL);
    nrt_response_destroy(NULL);
    CHECK((lines > 0) == (argc == 4));
    return 0;
}
