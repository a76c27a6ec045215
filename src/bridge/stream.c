/* One connected byte stream on the loop. */
#include "bridge/stream.h"

#include <errno.h>
#include <nrt/error.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OUT_MAX = 64 << 20,
    OUT_KEEP = 16 * 1024,
    IN_A_ROW_MAX = 16, /* reads of one connection in a turn: others want theirs, too */
};

static void update(nrt__stream *stream) {
    unsigned wants = stream->securing
                         ? nrt__tls_wants(stream->tls)
                         : (stream->reading ? (unsigned)NRT_IO_READ : 0) |
                               (stream->blocked || stream->read_stuck ? (unsigned)NRT_IO_WRITE : 0);
    nrt__io_set(&stream->io, wants);
}

/* ---- writing ---- */

static void tell_moved(nrt__stream *stream, uint64_t before) {
    if (stream->sent != before && stream->events->moved) {
        stream->events->moved(stream->arg);
    }
}

static void set_blocked(nrt__stream *stream, bool blocked) {
    if (stream->blocked != blocked) {
        stream->blocked = blocked;
        update(stream);
    }
}

/* Bytes, or NRT__STREAM_*. */
static ssize_t put(nrt__stream *stream, nrt_str out) {
    ssize_t count;
    if (stream->tls) {
        count = nrt__tls_write(stream->tls, out.ptr, out.len);
        return count == NRT__TLS_END ? NRT__STREAM_BROKEN : count;
    }
    do {
        count = send(stream->io.fd, out.ptr, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    if (count >= 0) {
        return count;
    }
    stream->code = errno;
    return errno == EAGAIN || errno == EWOULDBLOCK ? NRT__STREAM_AGAIN : NRT__STREAM_BROKEN;
}

static void flush(void *arg) {
    nrt__stream *stream = arg;
    uint64_t before = stream->sent;
    if (stream->securing) {
        return;
    }
    while (nrt__buf_len(&stream->out) > 0) {
        ssize_t count = put(stream, nrt__buf_view(&stream->out));
        if (count == NRT__STREAM_AGAIN) {
            set_blocked(stream, true);
            tell_moved(stream, before);
            return;
        }
        if (count < 0) {
            stream->events->broken(stream->arg);
            return;
        }
        stream->sent += (uint64_t)count;
        nrt__buf_consume(&stream->out, (size_t)count);
    }
    nrt__buf_shrink(&stream->out, OUT_KEEP);
    set_blocked(stream, false);
    if (stream->shutting) {
        nrt__stream_shut(stream);
        return;
    }
    tell_moved(stream, before);
    stream->events->drained(stream->arg);
}

void nrt__stream_written(nrt__stream *stream) {
    if (!stream->blocked) {
        nrt__loop_defer(stream->loop, &stream->flush, flush, stream);
    }
}

void nrt__stream_shut(nrt__stream *stream) {
    stream->shutting = stream->tls && !nrt__tls_shut(stream->tls);
    if (stream->shutting) {
        set_blocked(stream, true);
    } else {
        shutdown(stream->io.fd, SHUT_WR);
    }
}

void nrt__stream_say_bye(nrt__stream *stream) {
    if (stream->tls && !stream->securing && nrt__buf_len(&stream->out) == 0) {
        (void)nrt__tls_shut(stream->tls);
    }
}

/* ---- TLS ---- */

static void read_on(nrt__stream *stream);

static void shake(nrt__stream *stream) {
    int done = nrt__tls_handshake(stream->tls);
    if (done == NRT__TLS_AGAIN) {
        update(stream);
        return;
    }
    if (done != 1) {
        stream->cause =
            done == NRT__TLS_END ? "it closed the connection in the TLS handshake" : NULL;
        stream->events->broken(stream->arg);
        return;
    }
    stream->securing = false;
    update(stream);
    nrt__loop_defer(stream->loop, &stream->flush, flush, stream);
    if (nrt__tls_pending(stream->tls)) {
        read_on(stream);
    }
    stream->events->secured(stream->arg); /* stream may be gone after this */
}

static void on_more(void *arg) {
    nrt__stream *stream = arg;
    if (stream->securing) {
        shake(stream);
    } else if (stream->reading) {
        stream->events->readable(stream->arg);
    }
}

static void on_later(nrt__timer *timer, void *arg) {
    nrt__stream *stream = arg;
    (void)timer;
    stream->in_a_row = 0;
    on_more(stream);
}

static void read_on(nrt__stream *stream) {
    if (stream->in_a_row++ < IN_A_ROW_MAX) {
        nrt__loop_defer(stream->loop, &stream->more, on_more, stream);
    } else {
        nrt__timer_set(&stream->loop->timers, &stream->later, stream->loop->env.now_ms, on_later,
                       stream);
    }
}

void nrt__stream_secure(nrt__stream *stream, nrt__tls *tls) {
    stream->tls = tls;
    stream->securing = true;
    read_on(stream);
}

void nrt__stream_give_up_tls(nrt__stream *stream) {
    nrt__loop_undefer(stream->loop, &stream->more);
    nrt__tls_destroy(stream->tls);
    stream->tls = NULL;
    stream->securing = false;
    update(stream);
}

/* A record holds 16 KiB at most; `size` may be room for more of them, which have come already. */
static ssize_t read_tls(nrt__stream *stream, char *to, size_t size) {
    size_t len = 0;
    ssize_t got;
    do {
        got = nrt__tls_read(stream->tls, to + len, size - len);
        len += got > 0 ? (size_t)got : 0;
    } while (got > 0 && len < size && nrt__tls_pending(stream->tls));
    if (got == NRT__TLS_AGAIN && nrt__tls_wants(stream->tls) == NRT_IO_WRITE) {
        stream->read_stuck = true;
        update(stream);
    }
    if (len > 0) {
        if (got != NRT__TLS_AGAIN && (got <= 0 || nrt__tls_pending(stream->tls))) {
            read_on(stream);
        }
        return (ssize_t)len;
    }
    if (got == NRT__TLS_END && !nrt__tls_ended_well(stream->tls)) {
        stream->cause = "it was cut: the peer ended it without TLS's close_notify";
        return NRT__STREAM_BROKEN;
    }
    return got;
}

/* ---- reading ---- */

static void on_io(void *arg, unsigned events) {
    nrt__stream *stream = arg;
    stream->in_a_row = 0;
    if (stream->securing) {
        shake(stream);
        return;
    }
    if (events & NRT_IO_WRITE) {
        nrt__loop_defer(stream->loop, &stream->flush, flush, stream);
        if (stream->read_stuck) {
            stream->read_stuck = false;
            update(stream);
            read_on(stream);
        }
    }
    if (events & (NRT_IO_READ | NRT_IO_HANGUP)) {
        stream->events->readable(stream->arg); /* stream may be gone after this */
    }
}

void nrt__stream_set_reading(nrt__stream *stream, bool reading) {
    if (stream->reading != reading) {
        stream->reading = reading;
        update(stream);
        if (reading && stream->tls && !stream->securing && nrt__tls_pending(stream->tls)) {
            read_on(stream);
        }
    }
}

ssize_t nrt__stream_read(nrt__stream *stream, char *to, size_t size) {
    if (stream->tls) {
        return stream->securing ? (ssize_t)NRT__STREAM_AGAIN : read_tls(stream, to, size);
    }
    for (;;) {
        ssize_t got = recv(stream->io.fd, to, size, MSG_DONTWAIT);
        if (got > 0) {
            return got;
        }
        if (got == 0) {
            return NRT__STREAM_END;
        }
        stream->code = errno;
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return NRT__STREAM_AGAIN;
        }
        if (errno != EINTR) {
            return NRT__STREAM_BROKEN;
        }
    }
}

bool nrt__stream_is_quiet(nrt__stream *stream) {
    char byte;
    if (stream->tls) { /* what came may be a session to resume, and nothing for us */
        return read_tls(stream, &byte, 1) == NRT__STREAM_AGAIN;
    }
    ssize_t got = recv(stream->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

const char *nrt__stream_reason(const nrt__stream *stream) {
    const char *reason = stream->tls ? nrt__tls_reason(stream->tls) : "";
    return *reason ? reason : stream->cause ? stream->cause : strerror(stream->code);
}

/* ---- opened and closed ---- */

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
        nrt__loop_undefer(stream->loop, &stream->more);
        nrt__timer_clear(&stream->loop->timers, &stream->later);
        int fd = stream->io.fd;
        nrt__io_close(&stream->io);
        nrt__tls_destroy(stream->tls);
        stream->tls = NULL;
        stream->securing = false;
        close(fd);
        nrt__buf_free(&stream->out);
    }
}
