/* A service with an admin listener of its own.
 *
 *     admin SERVER */
#include "check.h"

#include <nrt/admin.h>

typedef struct state {
    nrt_conn *conn;
    bool ready;
} state;

static const char *why_not_ready(void *arg) {
    const state *all = arg;
    return all->ready ? NULL : "the database is gone";
}

static const char *admin_open(state *all) {
    const char *url = NULL;
    nrt_admin_options options;
    nrt_admin_options_init(&options);
    options.why_not_ready = why_not_ready;
    options.why_not_ready_arg = all;
    CHECK_INT(nrt_admin_open(all->conn, "0", &options, &url), 0);
    CHECK(url != NULL && strncmp(url, "http://127.0.0.1:", 17) == 0);
    return url;
}

static void handle(nrt_exchange *exchange, void *arg) {
    state *all = arg;
    nrt_str target = nrt_request_target(nrt_exchange_request(exchange));
    if (nrt_str_is(target, "/not-ready")) {
        all->ready = false;
    } else if (nrt_str_is(target, "/again")) {
        CHECK_INT(nrt_admin_close(all->conn), 0);
        CHECK_INT(nrt_admin_close(all->conn), 0);
        printf("again %s\n", admin_open(all));
        fflush(stdout);
    } else if (nrt_str_is(target, "/stop")) {
        CHECK_INT(nrt_conn_stop(all->conn), 0);
    }
    CHECK_INT(nrt_exchange_reply(exchange, 200, "text/plain", nrt_str_from("own")), 0);
}

int main(int argc, char **argv) {
    state all = {.ready = true};
    CHECK(argc == 2);
    all.conn = open_conn(argv[1]);
    CHECK_INT(nrt_admin_open(all.conn, "nonsense", NULL, NULL), NRT_ERR_USAGE);
    CHECK(strstr(nrt_conn_error(all.conn), "PORT") != NULL);
    CHECK_INT(nrt_admin_open(all.conn, NULL, NULL, NULL), NRT_ERR_USAGE);
    const char *url = admin_open(&all);
    CHECK_INT(nrt_admin_open(all.conn, "0", NULL, NULL), NRT_ERR_STATE);
    CHECK_INT(nrt_serve(all.conn, "own.nats", NULL, handle, &all, NULL), 0);
    printf("admin %s\n", url);
    fflush(stdout);
    CHECK_INT(nrt_conn_run(all.conn), 0);
    nrt_conn_destroy(all.conn);
    return 0;
}
