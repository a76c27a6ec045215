/* A native handler that speaks WebSocket (RFC 6455) and echoes, on workers.
 *
 *     websocket SERVER HOST WORKERS
 *
 * Takes the protocol "chat" where it is offered. Prints "ready", and why each conversation ended.
 */
#include "check.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>

enum { CONTINUATION = 0, CLOSE = 8, PING = 9, PONG = 10, FINAL = 0x80, MASKED = 0x80 };

static nrt_conn *connection;

/* RFC 6455 section 4.2.2 */
static void accept_key(nrt_str key, char out[64]) {
    char text[256];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    int size = snprintf(text, sizeof(text), "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
                        (int)key.len, key.ptr);
    CHECK(size > 0 && (size_t)size < sizeof(text));
    CHECK_INT(EVP_Digest(text, (size_t)size, digest, &len, EVP_sha1(), NULL), 1);
    EVP_EncodeBlock((unsigned char *)out, digest, (int)len);
}

static void set(nrt_exchange *exchange, const char *name, const char *value) {
    CHECK_INT(
        nrt_fields_set(nrt_exchange_fields(exchange), nrt_str_from(name), nrt_str_from(value)), 0);
}

static bool shake_hands(nrt_exchange *exchange) {
    char accept[64];
    const nrt_request *request = nrt_exchange_request(exchange);
    const nrt_fields *fields = nrt_request_fields(request);
    nrt_str key = nrt_fields_get(fields, "Sec-WebSocket-Key");
    if (!nrt_str_is(nrt_request_upgrade(request), "websocket") || key.len != 24) {
        CHECK_INT(nrt_exchange_problem(exchange, 426, "WebSocket is spoken here"), 0);
        return false;
    }
    accept_key(key, accept);
    set(exchange, "Sec-WebSocket-Accept", accept);
    nrt_str offered = nrt_fields_get(fields, "Sec-WebSocket-Protocol");
    if (offered.len >= 4 && memcmp(offered.ptr, "chat", 4) == 0) {
        set(exchange, "Sec-WebSocket-Protocol", "chat");
    }
    return nrt_exchange_upgrade(exchange, "websocket") == 0;
}

static int read_all(nrt_exchange *exchange, void *to, size_t size) {
    for (size_t done = 0, got; done < size; done += got) {
        int error = nrt_exchange_read(exchange, (char *)to + done, size - done, -1, &got);
        if (error < 0 || got == 0) {
            return error < 0 ? error : NRT_ERR_ABORTED;
        }
    }
    return 0;
}

/* The payload goes back as it comes, without its mask. */
static int copy_back(nrt_exchange *exchange, uint64_t len, const unsigned char mask[4]) {
    char piece[8000];
    int error = 0;
    for (uint64_t at = 0; at < len && error == 0;) {
        size_t size = len - at < sizeof(piece) ? (size_t)(len - at) : sizeof(piece);
        error = read_all(exchange, piece, size);
        for (size_t i = 0; i < size; i++) {
            piece[i] = (char)(piece[i] ^ mask[(at + i) % 4]);
        }
        at += size;
        if (error == 0) {
            error = nrt_exchange_write(exchange, (nrt_str){piece, size});
        }
    }
    return error;
}

/* Echoes one frame; *closed once it was the one that ends the conversation. */
static int echo_frame(nrt_exchange *exchange, bool *closed) {
    unsigned char head[14];
    unsigned char out[10];
    int error = read_all(exchange, head, 2);
    if (error < 0) {
        return error;
    }
    unsigned opcode = head[0] & 15;
    uint64_t len = head[1] & 127;
    size_t more = len == 126 ? 2 : len == 127 ? 8 : 0;
    CHECK(head[1] & MASKED); /* section 5.1: or there is no conversation */
    error = read_all(exchange, head + 2, more + 4);
    if (error < 0) {
        return error;
    }
    memcpy(out, head, 2 + more);
    out[0] = (unsigned char)((head[0] & FINAL) | (opcode == PING ? PONG : opcode));
    out[1] &= 127;
    if (more > 0) {
        len = 0;
        for (size_t i = 0; i < more; i++) {
            len = len << 8 | head[2 + i];
        }
    }
    *closed = opcode == CLOSE;
    error = nrt_exchange_write(exchange, (nrt_str){(const char *)out, 2 + more});
    return error < 0 ? error : copy_back(exchange, len, head + 2 + more);
}

static void converse(nrt_exchange *exchange, void *arg) {
    bool closed = false;
    int error = 0;
    (void)arg;
    if (!shake_hands(exchange)) {
        return;
    }
    while (error == 0 && !closed) {
        error = echo_frame(exchange, &closed);
    }
    printf("ended: %s\n", closed ? "closed" : nrt_error_code(error));
    fflush(stdout);
}

static void on_ready(nrt_service *service, int error, const char *detail, void *arg) {
    (void)service, (void)arg, (void)detail;
    printf(error ? "not ready: %s\n" : "ready\n", nrt_error_code(error));
    fflush(stdout);
}

static void drain(nrt_conn *conn, void *arg) {
    (void)arg;
    CHECK_INT(nrt_conn_drain(conn, NULL, NULL), 0);
}

static void *wait_signal(void *arg) {
    int number;
    sigwait(arg, &number);
    CHECK_INT(nrt_conn_post(connection, drain, NULL), 0);
    return NULL;
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 4);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, &signals, NULL), 0);
    connection = open_conn(argv[1]);
    nrt_service_options options;
    nrt_service_options_init(&options);
    options.workers = (unsigned)atoi(argv[3]);
    options.streaming = true;
    options.on_ready = on_ready;
    CHECK_INT(nrt_serve(connection, argv[2], &options, converse, NULL, NULL), 0);
    pthread_t waiter;
    CHECK_INT(pthread_create(&waiter, NULL, wait_signal, &signals), 0);
    CHECK_INT(nrt_conn_run(connection), 0);
    CHECK_INT(pthread_join(waiter, NULL), 0);
    nrt_conn_destroy(connection);
    return 0;
}
