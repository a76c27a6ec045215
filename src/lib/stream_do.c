/* Streams for programs that wait: bodies are asked for, and handed over, piece by piece. */
#include <nrt/stream.h>
#include <stdio.h>

#include "core/base/sized.h"
#include "lib/conn_private.h"

enum { PIECE = 32 * 1024 };

typedef struct doing {
    nrt_conn *conn;
    const nrt_request *request;
    nrt_stream_bodies bodies;
    void *arg;
    nrt_exchange_id id;
    nrt_str left; /* of the piece, to be sent */
    bool ended;   /* all of the request is sent */
    bool closed;
    int stopped; /* what a callback returned */
    int error;
    char piece[PIECE];
} doing;

/* A callback wants no more of it. */
static void stop(doing *one, int error) {
    one->stopped = one->stopped < 0 ? one->stopped : error;
    if (!one->closed) {
        (void)nrt_cancel(one->conn, one->id);
    }
}

static int read_piece(doing *one) {
    size_t got = 0;
    int error = one->bodies.read(one->piece, sizeof(one->piece), &got, one->arg);
    one->left = (nrt_str){one->piece, error < 0 ? 0 : got};
    return error < 0 ? error : 0;
}

/* As much as there is room for. */
static void on_writable(void *arg) {
    doing *one = arg;
    size_t sent = 1;
    int error = 0;
    while (one->bodies.read && !one->ended && sent > 0 && error == 0) {
        error = one->left.len == 0 ? read_piece(one) : 0;
        if (error == 0 && one->left.len == 0) {
            one->ended = true;
            error = nrt_stream_end(one->conn, one->id, NULL);
        } else if (error == 0) {
            error = nrt_stream_write(one->conn, one->id, one->left, &sent);
            one->left = (nrt_str){one->left.ptr + sent, one->left.len - sent};
        }
    }
    if (error == NRT_ERR_STATE) { /* no more is wanted: the response says why */
        one->ended = true;
    } else if (error < 0) {
        stop(one, error);
    }
}

static void on_head(const nrt_response *response, void *arg) {
    doing *one = arg;
    int error = one->bodies.head ? one->bodies.head(response, one->arg) : 0;
    if (error < 0) {
        stop(one, error);
    }
}

static void on_data(nrt_str bytes, void *arg) {
    doing *one = arg;
    if (one->stopped < 0 || !one->bodies.write) {
        return;
    }
    int error = one->bodies.write(bytes, one->arg);
    if (error < 0) {
        stop(one, error);
    }
}

static void on_closed(const nrt_result *result, void *arg) {
    doing *one = arg;
    one->closed = true;
    one->error = result->error;
    if (result->error < 0) {
        char detail[512];
        nrt_str host = nrt_request_host(one->request);
        snprintf(detail, sizeof(detail), "%.*s: %s", (int)host.len, host.ptr, result->detail);
        nrt__conn_fail(one->conn, result->error, detail);
    }
}

static const nrt_stream_events events = {
    .size = sizeof(nrt_stream_events),
    .head = on_head,
    .data = on_data,
    .writable = on_writable,
    .closed = on_closed,
};

/* Opens the stream, and drives the connection until it is over. */
static int open_and_wait(doing *one, const nrt_stream_options *given,
                         const nrt_stream_bodies *bodies) {
    nrt_conn *conn = one->conn;
    nrt_stream_options options;
    int count = nrt_conn_dispatch(conn, 0); /* what is known by now counts */
    if (count < 0 || conn->destroying) {
        return count < 0 ? count : NRT_ERR_CANCELED;
    }
    nrt_stream_options_init(&options);
    int error = nrt__conn_read(conn, &options, sizeof(options), given, "nrt_stream_options");
    if (error < 0) {
        return error;
    }
    if (!nrt__sized_read(&one->bodies, sizeof(one->bodies), bodies, sizeof(size_t) + 1) ||
        options.upgrade) {
        return nrt__conn_fail(conn, NRT_ERR_USAGE,
                              "nrt_stream_do needs bodies with `size`, and asks for no upgrade");
    }
    options.body_follows = one->bodies.read != NULL;
    options.hold = false;
    error = nrt_stream_open(conn, one->request, &options, &events, one, &one->id);
    while (error == 0 && !one->closed && !conn->destroying) {
        count = nrt_conn_dispatch(conn, -1);
        if (count < 0) {
            (void)nrt_cancel(conn, one->id); /* nothing may find `one` when this has returned */
            return count;
        }
    }
    if (error == 0 && one->stopped < 0) {
        return nrt__conn_fail(conn, one->stopped, "a callback has ended it");
    }
    return error;
}

int nrt_stream_do(nrt_conn *conn, const nrt_request *request, const nrt_stream_options *options,
                  const nrt_stream_bodies *bodies, void *arg) {
    doing one = {.conn = conn, .request = request, .arg = arg};
    int error = nrt__conn_hold(conn);
    if (error < 0) {
        return error;
    }
    error = open_and_wait(&one, options, bodies);
    nrt__conn_release(conn); /* where a callback has destroyed it, that ends the stream */
    return error < 0 ? error : one.error;
}
