/* Asking who is there: the public face of gathering. */
#include "lib/conn_private.h"

int nrt_discover_start(nrt_conn *conn, const nrt_discover_options *given, nrt_discovered_fn fn,
                       void *arg) {
    nrt_discover_options options;
    int error = nrt__conn_check(conn);
    if (error < 0) {
        return error;
    }
    nrt_discover_options_init(&options);
    error = nrt__conn_read(conn, &options, sizeof(options), given, "nrt_discover_options");
    if (error < 0) {
        return error;
    }
    if (!fn) {
        return nrt__conn_fail(conn, NRT_ERR_USAGE, "nrt_discover_start needs a callback");
    }
    if (conn->closing || conn->destroying) {
        return nrt__conn_fail(conn, NRT_ERR_STATE, "the connection is draining");
    }
    nrt__loop_enter(&conn->loop);
    error = nrt__gather_start(conn->gathers, &options, fn, arg);
    nrt__loop_leave(&conn->loop);
    return nrt__conn_fail(conn, error,
                          error == NRT_ERR_USAGE
                              ? "no service can have this name or id, or a limit is "
                                "out of range"
                              : NULL);
}

typedef struct waiting {
    nrt_conn *conn;
    nrt_discovery *found;
    int error;
    bool done;
} waiting;

static void on_found(nrt_discovery *found, int error, const char *detail, void *arg) {
    waiting *wait = arg;
    wait->done = true;
    wait->error = nrt__conn_fail(wait->conn, error, detail);
    wait->found = found;
}

/* Asks, and drives the connection until there is a result. */
static int ask_and_wait(waiting *wait, const nrt_discover_options *options) {
    nrt_conn *conn = wait->conn;
    int count = nrt_conn_dispatch(conn, 0); /* what is known by now counts */
    if (count < 0 || conn->destroying) {
        return count < 0 ? count : NRT_ERR_CANCELED;
    }
    int error = nrt_discover_start(conn, options, on_found, wait);
    while (error == 0 && !wait->done && !conn->destroying) {
        count = nrt_conn_dispatch(conn, -1);
        if (count < 0) {
            nrt__gathers_forget(conn->gathers, wait); /* it is about to be gone */
            return count;
        }
    }
    return error;
}

int nrt_discover(nrt_conn *conn, const nrt_discover_options *options, nrt_discovery **found) {
    waiting wait = {.conn = conn};
    nrt_discovery *none = NULL;
    found = found ? found : &none;
    *found = NULL;
    int error = nrt__conn_hold(conn);
    if (error < 0) {
        return error;
    }
    error = found != &none
                ? ask_and_wait(&wait, options)
                : nrt__conn_fail(conn, NRT_ERR_USAGE, "nrt_discover needs a place for the result");
    nrt__conn_release(conn); /* where a callback has destroyed it, that ends what was asked */
    error = error < 0 ? error : wait.error;
    if (error < 0) {
        nrt_discovery_destroy(wait.found);
        return error;
    }
    *found = wait.found;
    return 0;
}
