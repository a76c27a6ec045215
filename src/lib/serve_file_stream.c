/* Files that are too large for one piece of memory, sent as the client takes them: by a worker,
 * which waits, or on the connection's thread, turn by turn. */
#include <errno.h>
#include <nrt/service.h>
#include <unistd.h>

#include "core/handler/scope.h"
#include "lib/serve_file.h"

enum { PIECE = 32 * 1024 };

/* What is left of a file. In the exchange's memory. */
typedef struct file_stream {
    nrt_exchange *exchange;
    int file; /* -1 once it is done with */
    uint64_t at;
    uint64_t left;
} file_stream;

/* The next bytes; 0 where the file has become shorter, or cannot be read. */
static size_t read_piece(const file_stream *stream, char piece[PIECE]) {
    size_t wanted = stream->left < PIECE ? (size_t)stream->left : PIECE;
    ssize_t got;
    do {
        got = pread(stream->file, piece, wanted, (off_t)stream->at);
    } while (got < 0 && errno == EINTR);
    return got > 0 ? (size_t)got : 0;
}

/* ---- on a worker ---- */

static void send_waiting(file_stream *stream) {
    char piece[PIECE];
    while (stream->left > 0) {
        size_t got = read_piece(stream, piece);
        if (got == 0) {
            nrt_exchange_abort(stream->exchange);
        }
        if (got == 0 || nrt_exchange_write(stream->exchange, (nrt_str){piece, got}) < 0) {
            return;
        }
        stream->at += got;
        stream->left -= got;
    }
}

/* ---- on the connection's thread ---- */

/* Once: events may still come until the end has made its way. */
static void finish(file_stream *stream) {
    if (stream->file >= 0) {
        close(stream->file);
        stream->file = -1;
        nrt_exchange_end(stream->exchange);
    }
}

static void send_more(nrt_exchange *exchange, void *arg) {
    file_stream *stream = arg;
    char piece[PIECE];
    while (stream->left > 0 && stream->file >= 0) {
        size_t sent = 0;
        size_t got = read_piece(stream, piece);
        if (got == 0) {
            nrt_exchange_abort(exchange);
            break;
        }
        int error = nrt_exchange_send(exchange, (nrt_str){piece, got}, &sent);
        stream->at += sent;
        stream->left -= sent;
        if (error < 0 && error != NRT_ERR_BUSY) {
            break;
        }
        if (sent < got) {
            return; /* until there is room */
        }
    }
    finish(stream);
}

static void on_canceled(nrt_exchange *exchange, void *arg) {
    (void)exchange;
    finish(arg);
}

static const nrt_exchange_events events = {
    .size = sizeof(events), .writable = send_more, .canceled = on_canceled};

/* ---- either ---- */

int nrt__file_stream(nrt_exchange *exchange, int file, uint64_t first, uint64_t len) {
    file_stream *stream = nrt__arena_get(nrt__exchange_arena(exchange), sizeof(*stream));
    nrt__message *response = &exchange->response.message;
    if (!stream) {
        return NRT_ERR_MEMORY;
    }
    if (exchange->deferred && !exchange->on_worker) {
        return NRT_ERR_UNSUPPORTED; /* on whatever thread */
    }
    *stream = (file_stream){exchange, file, first, len};
    response->has_length = true;
    response->length = len;
    int error = nrt_exchange_start(exchange);
    if (error < 0) {
        return error;
    }
    if (exchange->on_worker) {
        send_waiting(stream);
        return 0;
    }
    stream->file = dup(file);
    if (stream->file < 0) {
        nrt_exchange_abort(exchange);
        return 0;
    }
    nrt_exchange_defer(exchange);
    if (nrt_exchange_set_events(exchange, &events, stream) < 0) {
        nrt_exchange_abort(exchange);
        finish(stream);
    } else {
        send_more(exchange, stream);
    }
    return 0;
}
