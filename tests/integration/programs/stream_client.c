/* A client whose bodies come and go in pieces.
 *
 *     stream_client SERVER URL MODE N
 *
 * get: reads all. put: sends N bytes, of said length; chunks: without. echo: sends N bytes and a
 * trailer, and checks that they come back. hold: takes nothing until nothing more comes, prints how
 * much did, then all. cancel: leaves after the first bytes. protocol: changes to one, and echoes N
 * bytes. do, do-put, do-stop: the same as get and chunks by nrt_stream_do, the last one leaves at
 * once. Prints "status S", "bytes B sum X", and "closed CODE". */
#include "check.h"

static struct {
    nrt_conn *conn;
    nrt_exchange_id id;
    nrt_request *request;
    const char *mode;
    uint64_t left; /* to be sent */
    uint64_t sent;
    uint64_t got;
    uint64_t sum;
    uint64_t sent_sum;
    uint64_t held;
    double moved_s; /* when bytes last came */
    int status;
    bool holding;
    bool ended;
    bool closed;
    int error;
} t;

static uint64_t add(uint64_t sum, nrt_str bytes) {
    for (size_t i = 0; i < bytes.len; i++) {
        sum = (sum * 31 + (unsigned char)bytes.ptr[i]) % 1000000007;
    }
    return sum;
}

static bool is(const char *mode) {
    return strcmp(t.mode, mode) == 0;
}

static void send_more(void) {
    char room[50000];
    while (t.left > 0) {
        size_t len = t.left < sizeof(room) ? (size_t)t.left : sizeof(room);
        size_t sent;
        for (size_t i = 0; i < len; i++) {
            room[i] = (char)((t.sent + i) * 7 % 251);
        }
        int error = nrt_stream_write(t.conn, t.id, (nrt_str){room, len}, &sent);
        if (error == NRT_ERR_STATE) { /* no more is wanted */
            return;
        }
        CHECK_INT(error, 0);
        t.sent_sum = add(t.sent_sum, (nrt_str){room, sent});
        t.sent += sent;
        t.left -= sent;
        if (sent < len) {
            return;
        }
    }
    if (!t.ended) {
        t.ended = true;
        CHECK_INT(nrt_stream_end(t.conn, t.id, is("echo") ? nrt_request_trailers(t.request) : NULL),
                  0);
    }
}

static void on_head(const nrt_response *response, void *arg) {
    (void)arg;
    CHECK_INT(t.status, 0);
    t.status = nrt_response_status(response);
    printf("status %d\n", t.status);
    if (t.status == 101) {
        send_more();
    }
}

static void on_interim(const nrt_response *response, void *arg) {
    (void)arg;
    printf("interim %d\n", nrt_response_status(response));
}

static void on_data(nrt_str bytes, void *arg) {
    (void)arg;
    CHECK(t.status > 0 && !t.closed);
    t.got += bytes.len;
    t.sum = add(t.sum, bytes);
    t.moved_s = now_s();
    if (t.holding) {
        t.held += bytes.len;
    } else if (is("hold")) {
        CHECK_INT(nrt_stream_consume(t.conn, t.id, bytes.len), 0);
    }
    if (is("cancel")) {
        CHECK_INT(nrt_cancel(t.conn, t.id), 0);
        CHECK(t.closed);
    }
}

static void on_end(const nrt_fields *trailers, void *arg) {
    (void)arg;
    if (is("echo")) {
        CHECK(nrt_str_is(nrt_fields_get(trailers, "Check"), "sum"));
        CHECK_INT(nrt_fields_count(trailers), 1); /* Host has no place there */
    }
    printf("bytes %llu sum %llu\n", (unsigned long long)t.got, (unsigned long long)t.sum);
}

static void on_writable(void *arg) {
    (void)arg;
    send_more();
}

static void on_closed(const nrt_result *result, void *arg) {
    (void)arg;
    CHECK(!t.closed && result->response == NULL);
    t.closed = true;
    t.error = result->error;
    printf("closed %s\n", result->error ? nrt_error_code(result->error) : "ok");
}

static const nrt_stream_events events = {
    .size = sizeof(nrt_stream_events),
    .interim = on_interim,
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .writable = on_writable,
    .closed = on_closed,
};

/* ---- by nrt_stream_do ---- */

static int read_body(void *to, size_t size, size_t *got, void *arg) {
    CHECK(arg == &t);
    *got = t.left < size ? (size_t)t.left : size;
    for (size_t i = 0; i < *got; i++) {
        ((char *)to)[i] = (char)((t.sent + i) * 7 % 251);
    }
    t.sent += *got;
    t.left -= *got;
    return 0;
}

static int take_head(const nrt_response *response, void *arg) {
    on_head(response, arg);
    return 0;
}

static int take_body(nrt_str bytes, void *arg) {
    on_data(bytes, arg);
    return is("do-stop") ? -1000 : 0;
}

static int do_all(const nrt_request *request) {
    const nrt_stream_bodies bodies = {.size = sizeof(bodies),
                                      .read = is("do-put") ? read_body : NULL,
                                      .head = take_head,
                                      .write = take_body};
    CHECK_INT(nrt_stream_do(t.conn, request, NULL, NULL, &t), NRT_ERR_USAGE);
    int error = nrt_stream_do(t.conn, request, NULL, &bodies, &t);
    on_end(NULL, NULL);
    printf("done %d %s\n", error, error ? nrt_conn_error(t.conn) : "");
    CHECK_INT(nrt_conn_drain(t.conn, NULL, NULL), 0);
    CHECK_INT(nrt_conn_run(t.conn), 0);
    nrt_conn_destroy(t.conn);
    return error != 0;
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 5);
    setvbuf(stdout, NULL, _IOLBF, 0);
    t.mode = argv[3];
    t.left = strtoull(argv[4], NULL, 10);
    t.holding = is("hold");
    t.conn = open_conn(argv[1]);
    CHECK_INT(nrt_conn_wait(t.conn, 5000), 0);
    bool uploads = is("put") || is("chunks") || is("echo") || is("do-put");
    nrt_request *request = t.request = make_request(uploads ? "POST" : "GET", argv[2]);
    nrt_fields *trailers = nrt_request_edit_trailers(request);
    if (is("echo")) {
        CHECK_INT(nrt_fields_add(trailers, nrt_str_from("Check"), nrt_str_from("sum")), 0);
        CHECK_INT(nrt_fields_add(trailers, nrt_str_from("Host"), nrt_str_from("h.nats")), 0);
    }
    if (strncmp(t.mode, "do", 2) == 0) {
        int code = do_all(request);
        nrt_request_destroy(request);
        return code;
    }
    nrt_stream_options options;
    nrt_stream_options_init(&options);
    options.body_follows = uploads;
    options.length = is("put") ? (int64_t)t.left : -1;
    options.hold = t.holding;
    options.upgrade = is("protocol") ? "echo/1" : NULL;
    CHECK_INT(nrt_stream_open(t.conn, request, &options, &events, NULL, &t.id), 0);
    if (uploads) {
        send_more();
    }
    t.moved_s = now_s();
    while (!t.closed) {
        CHECK(nrt_conn_dispatch(t.conn, 50) >= 0);
        if (t.holding && t.held > 0 && now_s() - t.moved_s > 0.5) { /* it has stopped */
            printf("held %llu\n", (unsigned long long)t.held);
            t.holding = false;
            CHECK_INT(nrt_stream_consume(t.conn, t.id, (size_t)t.held), 0);
        }
    }
    if ((is("echo") || is("protocol")) && t.error == 0) {
        CHECK(t.got == t.sent && t.sum == t.sent_sum);
    }
    CHECK_INT(nrt_conn_drain(t.conn, NULL, NULL), 0);
    CHECK_INT(nrt_conn_run(t.conn), 0);
    nrt_conn_destroy(t.conn);
    nrt_request_destroy(request);
    return t.error ? 1 : 0;
}
