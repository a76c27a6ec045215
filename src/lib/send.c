/* Sending requests: the public face of the client half. */
#include <stdio.h>

#include "core/base/sized.h"
#include "lib/conn_private.h"

/* What a caller handed to nrt_send, told to its callback and to a drain that waits. */
static int send_request(nrt_conn *conn, const nrt_request *request, const nrt_send_options *given,
                        nrt_result_fn fn, void *arg, nrt_exchange_id *id) {
    if (!request || !fn) {
        return nrt__conn_fail(conn, NRT_ERR_USAGE, "nrt_send needs a request and a callback");
    }
    if (conn->closing || conn->destroying) {
        return nrt__conn_fail(conn, NRT_ERR_STATE, "the connection is draining");
    }
    nrt_send_options options;
    nrt_send_options_init(&options);
    int error = nrt__conn_read(conn, &options, sizeof(options), given, "nrt_send_options");
    if (error < 0) {
        return error;
    }
    nrt_exchange_id own = 0;
    id = id ? id : &own;
    /* Only its framing is settled anew, which says nothing else than before. */
    nrt__message *message = (nrt__message *)&request->message;
    nrt__loop_enter(&conn->loop);
    error = nrt__client_send(conn->client, message, options.timeout_ms, fn, arg, id);
    if (error == 0 && options.long_poll) {
        error = nrt__client_wait_long(conn->client, *id);
    }
    nrt__loop_leave(&conn->loop);
    return nrt__conn_fail(conn, error, NULL);
}

int nrt_send(nrt_conn *conn, const nrt_request *request, const nrt_send_options *options,
             nrt_result_fn fn, void *arg, nrt_exchange_id *id) {
    int error = nrt__conn_check(conn);
    if (id) {
        *id = 0;
    }
    return error < 0 ? error : send_request(conn, request, options, fn, arg, id);
}

int nrt_cancel(nrt_conn *conn, nrt_exchange_id id) {
    int error = nrt__conn_check(conn);
    if (error < 0) {
        return error;
    }
    nrt__loop_enter(&conn->loop);
    error = nrt__client_cancel(conn->client, id);
    nrt__loop_leave(&conn->loop);
    return error;
}

int nrt_client_stats_get(nrt_conn *conn, nrt_client_stats *stats) {
    int error = nrt__conn_check(conn);
    if (error < 0) {
        return error;
    }
    if (!nrt__sized_write(stats, nrt__client_stats(conn->client), sizeof(*stats))) {
        return nrt__conn_fail(conn, NRT_ERR_USAGE,
                              "nrt_client_stats_get needs the struct's size in it");
    }
    return 0;
}

typedef struct waiting {
    nrt_conn *conn;
    const nrt_request *request;
    nrt_response *response;
    int error;
    bool done;
} waiting;

static void on_result(const nrt_result *result, void *arg) {
    waiting *wait = arg;
    wait->done = true;
    wait->error = result->error;
    if (result->error < 0) {
        char detail[512];
        nrt_str host = nrt_request_host(wait->request);
        snprintf(detail, sizeof(detail), "%.*s: %s", (int)host.len, host.ptr, result->detail);
        nrt__conn_fail(wait->conn, result->error, detail);
        return;
    }
    wait->response = nrt_response_copy(result->response);
    if (!wait->response) {
        wait->error = nrt__conn_fail(wait->conn, NRT_ERR_MEMORY, NULL);
    }
}

/* Sends, and drives the connection until there is a result. */
static int send_and_wait(waiting *wait, const nrt_send_options *options) {
    nrt_conn *conn = wait->conn;
    nrt_exchange_id id = 0;
    int count = nrt_conn_dispatch(conn, 0); /* what is known by now counts */
    if (count < 0 || conn->destroying) {
        return count < 0 ? count : NRT_ERR_CANCELED;
    }
    int error = send_request(conn, wait->request, options, on_result, wait, &id);
    while (error == 0 && !wait->done && !conn->destroying) {
        count = nrt_conn_dispatch(conn, -1);
        if (count < 0) {
            nrt_cancel(conn, id); /* nothing may find `wait` when this has returned */
            return count;
        }
    }
    return error;
}

int nrt_do(nrt_conn *conn, const nrt_request *request, const nrt_send_options *options,
           nrt_response **response) {
    waiting wait = {.conn = conn, .request = request};
    nrt_response *none = NULL;
    response = response ? response : &none;
    *response = NULL;
    int error = nrt__conn_hold(conn);
    if (error < 0) {
        return error;
    }
    error = response != &none
                ? send_and_wait(&wait, options)
                : nrt__conn_fail(conn, NRT_ERR_USAGE, "nrt_do needs a place for the response");
    nrt__conn_release(conn); /* where a callback has destroyed it, that ends what was sent */
    if (error < 0 || wait.error < 0) {
        return error < 0 ? error : wait.error;
    }
    *response = wait.response;
    return 0;
}

int nrt_get(nrt_conn *conn, const char *url, const nrt_send_options *options,
            nrt_response **response) {
    int error = 0;
    nrt_request *request = nrt_request_create("GET", url, &error);
    if (request) {
        error = nrt_do(conn, request, options, response);
    } else {
        if (response) {
            *response = NULL;
        }
        if (nrt__conn_check(conn) == 0) {
            nrt__conn_fail(conn, error, NULL);
        }
    }
    nrt_request_destroy(request);
    return error;
}
