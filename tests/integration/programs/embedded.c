/* Other embedded servers on NATS by nrt_serve_fd: libevent's evhttp, civetweb.
 *
 *     embedded SERVER HOST
 *
 * Prints "ready"; answers with what comes; ends when its input does. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <nrt/bridge.h>
#include <sys/socket.h>
#include <unistd.h>

static uint16_t port; /* of the server, on the loopback */

static int connect_to_it(void *arg) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    (void)arg;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void serve(nrt_conn *conn, const char *host) {
    CHECK_INT(nrt_serve_fd(conn, host, NULL, connect_to_it, NULL, NULL, NULL), 0);
    CHECK_INT(nrt_conn_start(conn), 0);
    printf("ready\n");
    fflush(stdout);
}

#ifdef EVHTTP
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

static void answer(struct evhttp_request *request, void *arg) {
    struct evbuffer *body = evbuffer_new();
    (void)arg;
    evbuffer_add_buffer(body, evhttp_request_get_input_buffer(request));
    evhttp_add_header(evhttp_request_get_output_headers(request), "X-Url",
                      evhttp_request_get_uri(request));
    evhttp_send_reply(request, 200, "OK", body);
    evbuffer_free(body);
}

static void on_input(evutil_socket_t fd, short what, void *base) {
    (void)fd, (void)what;
    event_base_loopbreak(base);
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 3);
    struct event_base *base = event_base_new();
    struct evhttp *http = evhttp_new(base);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(http, "127.0.0.1", 0);
    struct sockaddr_in where;
    socklen_t len = sizeof(where);
    CHECK_INT(getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&where, &len), 0);
    port = ntohs(where.sin_port);
    evhttp_set_gencb(http, answer, NULL);
    nrt_conn *conn = open_conn(argv[1]);
    serve(conn, argv[2]);
    struct event *input = event_new(base, 0, EV_READ, on_input, base);
    event_add(input, NULL);
    event_base_dispatch(base);
    nrt_conn_destroy(conn);
    event_free(input);
    evhttp_free(http);
    event_base_free(base);
    return 0;
}
#else
#include <civetweb.h>

static int answer(struct mg_connection *connection, void *arg) {
    char room[65536];
    const struct mg_request_info *info = mg_get_request_info(connection);
    (void)arg;
    mg_printf(connection, "HTTP/1.1 200 OK\r\nX-Url: %s\r\nContent-Length: %lld\r\n\r\n",
              info->local_uri, info->content_length > 0 ? info->content_length : 0);
    for (int got; (got = mg_read(connection, room, sizeof(room))) > 0;) {
        mg_write(connection, room, (size_t)got);
    }
    return 200;
}

int main(int argc, char **argv) {
    static const char *options[] = {
        "listening_ports",       "127.0.0.1:0", "num_threads", "8", "enable_keep_alive", "yes",
        "keep_alive_timeout_ms", "5000",        NULL};
    struct mg_server_port bound[1];
    CHECK_INT(argc, 3);
    mg_init_library(0);
    struct mg_context *context = mg_start(NULL, NULL, options);
    CHECK(context != NULL);
    CHECK_INT(mg_get_server_ports(context, 1, bound), 1);
    port = (uint16_t)bound[0].port;
    mg_set_request_handler(context, "/", answer, NULL);
    nrt_conn *conn = open_conn(argv[1]);
    serve(conn, argv[2]);
    (void)getchar();
    nrt_conn_destroy(conn);
    mg_stop(context);
    mg_exit_library();
    return 0;
}
#endif
