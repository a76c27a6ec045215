/* One connected byte stream on the loop. */
#include "bridge/stream.h"

#include <errno.h>
#include <nrt/error.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUT_MAX = 64 << 20, OUT_KEEP = 16 * 1024 };

static void update(nrt__stream *stream) {
    nrt__io_set(&stream->io, (stream->reading ? (unsigned)NRT_IO_READ : 0) |
                                 (stream->blocked ? (unsigned)NRT_IO_WRITE : 0));
}

static void tell_moved(nrt__stream *stream, uint64_t before) {
    if (stream->sent != before && stream->events->moved) {
        stream->events->moved(stream->arg);
    }
}

static void flush(void *arg) {
    nrt__stream *stream = arg;
    uint64_t before = stream->sent;
    while (nrt__buf_len(&stream->out) > 0) {
        nrt_str out = nrt__buf_view(&stream->out);
        ssize_t put = send(stream->io.fd, out.ptr, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            stream->blocked = true;
            update(stream);
            tell_moved(stream, before);
            return;
        }
        if (put < 0) {
            stream->events->broken(stream->arg);
            return;
        }
        stream->sent += (uint64_t)put;
        nrt__buf_consume(&stream->out, (size_t)put);
    }
    nrt__buf_shrink(&stream->out, OUT_KEEP);
    if (stream->blocked) {
        stream->blocked = false;
        update(stream);
    }
    tell_moved(stream, before);
    stream->events->drained(stream->arg);
}

static void on_io(void *arg, unsigned events) {
    nrt__stream *stream = arg;
    if (events & NRT_IO_WRITE) {
        nrt__loop_defer(stream->loop, &stream->flush, flush, stream);
    }
    if (events & (NRT_IO_READ | NRT_IO_HANGUP)) {
        stream->events->readable(stream->arg); /* stream may be gone after this */
    }
}

int nrt__stream_open(nrt__stream *stream, nrt__loop *loop, int fd, const nrt__stream_events *events,
                     void *arg) {
    memset(stream, 0, sizeof(*stream));
    stream->loop = loop;
    stream->events = events;
    stream->arg = arg;
    stream->reading = true;
    nrt__buf_init(&stream->out, OUT_MAX);
    if (nrt__io_open(loop, &stream->io, fd, NRT_IO_READ, on_io, stream) < 0) {
        close(fd);
        return NRT_ERR_SYSTEM;
    }
    return 0;
}

void nrt__stream_close(nrt__stream *stream) {
    if (nrt__stream_is_open(stream)) {
        nrt__loop_undefer(stream->loop, &stream->flush);
        int fd = stream->io.fd;
        nrt__io_close(&stream->io);
        close(fd);
        nrt__buf_free(&stream->out);
    }
}

void nrt__stream_set_reading(nrt__stream *stream, bool reading) {
    if (stream->reading != reading) {
        stream->reading = reading;
        update(stream);
    }
}

ssize_t nrt__stream_read(nrt__stream *stream, char *to, size_t size) {
    for (;;) {
        ssize_t got = recv(stream->io.fd, to, size, MSG_DONTWAIT);
        if (got > 0) {
            return got;
        }
        if (got == 0) {
            return NRT__STREAM_END;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return NRT__STREAM_AGAIN;
        }
        if (errno != EINTR) {
            return NRT__STREAM_BROKEN;
        }
    }
}

void nrt__stream_written(nrt__stream *stream) {
    if (!stream->blocked) {
        nrt__loop_defer(stream->loop, &stream->flush, flush, stream);
    }
}

void nrt__stream_shut(nrt__stream *stream) {
    shutdown(stream->io.fd, SHUT_WR);
}
