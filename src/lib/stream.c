/* Requests whose bodies come and go in pieces: the public face of the client half. */
#include <nrt/stream.h>
#include <stdlib.h>

#include "core/base/sized.h"
#include "core/base/str.h"
#include "lib/conn_private.h"

/* What the caller of one stream is told, and how. */
typedef struct stream {
    nrt_conn *conn;
    nrt_stream_events events;
    void *arg;
    nrt_exchange_id id;
    bool hold;
} stream;

static void on_interim(const nrt_response *response, void *arg) {
    const stream *one = arg;
    if (one->events.interim) {
        one->events.interim(response, one->arg);
    }
}

static void give_data(const stream *one, nrt_str bytes) {
    nrt_conn *conn = one->conn;
    nrt_exchange_id id = one->id;
    bool hold = one->hold;
    if (one->events.data) {
        one->events.data(bytes, one->arg);
    }
    if (!hold) {
        nrt__client_take(conn->client, id, bytes.len); /* nothing, where it is over by now */
    }
}

/* A response that came whole is told in the same steps. Nobody can end it in between: it is over.
 */
static void on_head(const nrt_response *response, bool whole, void *arg) {
    const stream *one = arg;
    nrt_str body = nrt_response_body(response);
    if (one->events.head) {
        one->events.head(response, one->arg);
    }
    if (whole && body.len > 0 && one->events.data) {
        one->events.data(body, one->arg);
    }
    if (whole && one->events.end) {
        one->events.end(nrt_response_trailers(response), one->arg);
    }
}

static void on_data(nrt_str bytes, void *arg) {
    give_data(arg, bytes);
}

static void on_end(const nrt_fields *trailers, void *arg) {
    const stream *one = arg;
    if (one->events.end) {
        one->events.end(trailers, one->arg);
    }
}

static void on_writable(void *arg) {
    const stream *one = arg;
    if (one->events.writable) {
        one->events.writable(one->arg);
    }
}

static void on_closed(const nrt_result *result, void *arg) {
    stream *one = arg;
    void (*closed)(const nrt_result *result, void *arg) = one->events.closed;
    void *events_arg = one->arg;
    free(one);
    closed(result, events_arg);
}

static const nrt__call_events call_events = {
    .interim = on_interim,
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .writable = on_writable,
    .closed = on_closed,
};

static const char *check(const nrt_request *request, const nrt_stream_options *options) {
    if (!request) {
        return "nrt_stream_open needs a request";
    }
    if ((options->body_follows || options->upgrade) && nrt_request_body(request).len > 0) {
        return "a body that follows, or an upgrade, goes with no body in the request";
    }
    if (options->body_follows && options->upgrade) {
        return "a request for an upgrade has no body";
    }
    if (options->length < -1 || (options->length >= 0 && !options->body_follows)) {
        return "the length is that of a body that follows; -1 where it is not known";
    }
    if (options->upgrade &&
        (*options->upgrade == '\0' || !nrt__is_field_value(nrt_str_from(options->upgrade)))) {
        return "the protocol to change to is not valid in a field";
    }
    return NULL;
}

/* A caller of an older version has no functions for what came later. */
static bool read_events(nrt_stream_events *to, const nrt_stream_events *from) {
    size_t least = offsetof(nrt_stream_events, closed) + sizeof(to->closed);
    return nrt__sized_read(to, sizeof(*to), from, least) && to->closed;
}

static int begin(stream *one, nrt__message *message, const nrt_stream_options *options) {
    nrt__client *client = one->conn->client;
    size_t taken;
    if (!options->body_follows) {
        message->upgrade = nrt_str_from(options->upgrade);
        int error =
            nrt__client_start(client, message, options->timeout_ms, &call_events, one, &one->id);
        message->upgrade = (nrt_str){NULL, 0};
        return error;
    }
    message->has_length = options->length >= 0;
    message->length = message->has_length ? (uint64_t)options->length : 0;
    return nrt__client_open(client, message, options->timeout_ms, &call_events, one, &one->id,
                            &taken);
}

int nrt_stream_open(nrt_conn *conn, const nrt_request *request, const nrt_stream_options *given,
                    const nrt_stream_events *events, void *arg, nrt_exchange_id *id) {
    nrt_stream_options options;
    int error = nrt__conn_check(conn);
    if (id) {
        *id = 0;
    }
    if (error < 0) {
        return error;
    }
    nrt_stream_options_init(&options);
    error = nrt__conn_read(conn, &options, sizeof(options), given, "nrt_stream_options");
    if (error < 0) {
        return error;
    }
    const char *why = check(request, &options);
    if (why) {
        return nrt__conn_fail(conn, NRT_ERR_USAGE, why);
    }
    if (conn->closing || conn->destroying) {
        return nrt__conn_fail(conn, NRT_ERR_STATE, "the connection is draining");
    }
    stream *one = calloc(1, sizeof(*one));
    if (!one) {
        return nrt__conn_fail(conn, NRT_ERR_MEMORY, NULL);
    }
    *one = (stream){.conn = conn, .arg = arg, .hold = options.hold};
    if (!read_events(&one->events, events)) {
        free(one);
        return nrt__conn_fail(conn, NRT_ERR_USAGE,
                              "nrt_stream_open needs events with `size` and `closed`");
    }
    nrt__loop_enter(&conn->loop);
    /* Only its framing is settled anew, which says nothing else than before. */
    error = begin(one, (nrt__message *)&request->message, &options);
    if (error == 0 && options.long_poll) {
        error = nrt__client_wait_long(conn->client, one->id);
    }
    if (error == 0 && id) {
        *id = one->id;
    }
    nrt__loop_leave(&conn->loop);
    if (error < 0) {
        free(one);
    }
    return nrt__conn_fail(conn, error, NULL);
}

int nrt_stream_write(nrt_conn *conn, nrt_exchange_id id, nrt_str bytes, size_t *sent) {
    int error = nrt__conn_check(conn);
    *sent = 0;
    if (error < 0) {
        return error;
    }
    nrt__loop_enter(&conn->loop);
    error = nrt__client_write(conn->client, id, bytes, sent);
    nrt__loop_leave(&conn->loop);
    return error;
}

int nrt_stream_end(nrt_conn *conn, nrt_exchange_id id, const nrt_fields *trailers) {
    int error = nrt__conn_check(conn);
    if (error < 0) {
        return error;
    }
    nrt__loop_enter(&conn->loop);
    error = nrt__client_end(conn->client, id, trailers);
    nrt__loop_leave(&conn->loop);
    return error;
}

int nrt_stream_consume(nrt_conn *conn, nrt_exchange_id id, size_t len) {
    int error = nrt__conn_check(conn);
    if (error < 0) {
        return error;
    }
    nrt__loop_enter(&conn->loop);
    nrt__client_take(conn->client, id, len);
    nrt__loop_leave(&conn->loop);
    return 0;
}
