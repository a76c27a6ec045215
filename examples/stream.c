/* Bodies of any size: `stream` serves http://capitals.nats/, which answers in capital letters while
 * the request still comes; `stream URL` sends its standard input there and prints what comes. */
#include <ctype.h>
#include <nrt/nrt.h>
#include <stdio.h>

/* On a worker, where reading and writing may wait. */
static void capitals(nrt_exchange *exchange, void *arg) {
    char piece[16 * 1024];
    size_t got = 1;
    (void)arg;
    int error = nrt_exchange_start(exchange);         /* the head goes out, the body follows */
    error = error == NRT_ERR_UNSUPPORTED ? 0 : error; /* an old client: one message, at the end */
    while (error == 0 && got > 0) {
        error = nrt_exchange_read(exchange, piece, sizeof(piece), -1, &got);
        for (size_t i = 0; i < got; i++) {
            piece[i] = (char)toupper((unsigned char)piece[i]);
        }
        if (error == 0) {
            error = nrt_exchange_write(exchange, (nrt_str){piece, got});
        }
    } /* an error: nobody waits any more */
}

typedef struct transfer {
    nrt_conn *conn;
    nrt_exchange_id id;
    char piece[16 * 1024];
    nrt_str left; /* of it, to be sent */
    int error;
    bool closed;
} transfer;

/* As much as there is room for; called again when there is more. */
static void send_more(void *arg) {
    transfer *t = arg;
    size_t sent = 1;
    while (sent > 0) {
        if (t->left.len == 0) {
            t->left = (nrt_str){t->piece, fread(t->piece, 1, sizeof(t->piece), stdin)};
        }
        if (t->left.len == 0) {
            nrt_stream_end(t->conn, t->id, NULL);
            return;
        }
        nrt_stream_write(t->conn, t->id, t->left, &sent);
        t->left = (nrt_str){t->left.ptr + sent, t->left.len - sent};
    }
}

static void print(nrt_str bytes, void *arg) {
    (void)arg;
    fwrite(bytes.ptr, 1, bytes.len, stdout);
}

static void closed(const nrt_result *result, void *arg) {
    transfer *t = arg;
    t->closed = true;
    t->error = result->error;
    if (result->error < 0) { /* what came is not all */
        fprintf(stderr, "%s: %s\n", nrt_error_text(result->error), result->detail);
    }
}

static int ask(nrt_conn *conn, const char *url) {
    static const nrt_stream_events events = {
        .size = sizeof(events), .writable = send_more, .data = print, .closed = closed};
    transfer t = {.conn = conn};
    nrt_stream_options options;
    nrt_stream_options_init(&options);
    options.body_follows = true;
    nrt_request *request = nrt_request_create("POST", url, &t.error);
    if (!request || nrt_stream_open(conn, request, &options, &events, &t, &t.id) < 0) {
        fprintf(stderr, "%s: %s\n", url, t.error ? nrt_error_text(t.error) : nrt_conn_error(conn));
        return 2;
    }
    while (!t.closed && nrt_conn_dispatch(conn, -1) >= 0) {
    }
    nrt_request_destroy(request);
    return t.error < 0;
}

int main(int argc, char **argv) {
    nrt_conn *conn = nrt_conn_open(NULL, NULL); /* where NATS_URL and the like say */
    nrt_service_options service;
    nrt_service_options_init(&service);
    service.workers = 8;      /* as many at once */
    service.streaming = true; /* the handler does not wait for the request's body */
    int code = !conn       ? 1
               : argc == 2 ? ask(conn, argv[1])
               : nrt_serve(conn, "capitals.nats", &service, capitals, NULL, NULL) < 0
                   ? 1
                   : nrt_conn_run_until_signal(conn) < 0;
    nrt_conn_destroy(conn);
    return code;
}
