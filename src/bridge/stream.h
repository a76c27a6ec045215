/* One connected byte stream (TCP or unix, plain or TLS) on the loop: read when told, written once
 * per turn, bounded by what its user appends. Front and origin connections both stand on it. */
#ifndef NRT__STREAM_H
#define NRT__STREAM_H

#include <sys/types.h>

#include "core/base/buf.h"
#include "lib/loop.h"
#include "lib/tls.h"

typedef struct nrt__stream nrt__stream;

typedef struct nrt__stream_events {
    void (*readable)(void *arg);
    /* Some of it has been handed to the socket. May be NULL; must not close the stream. */
    void (*moved)(void *arg);
    /* Everything appended has been handed to the socket. */
    void (*drained)(void *arg);
    /* Writing failed: the peer is gone. Or TLS did not come about (nrt__stream_is_securing). */
    void (*broken)(void *arg);
    /* TLS has come about. May be NULL where nrt__stream_secure is not used. */
    void (*secured)(void *arg);
} nrt__stream_events;

struct nrt__stream {
    nrt__loop *loop;
    const nrt__stream_events *events;
    void *arg;
    nrt__io io;
    nrt__task flush;
    nrt__buf out;
    uint64_t sent;     /* bytes handed to the socket so far */
    nrt__tls *tls;     /* NULL: plain */
    nrt__task more;    /* TLS holds bytes that no event tells of: at the end of this turn, */
    nrt__timer later;  /* or of another one, where many of them came in this one */
    unsigned in_a_row; /* how many */
    const char *cause; /* why it broke, where the socket's errno does not say it; NULL */
    int code;          /* errno */
    bool reading;
    bool blocked;    /* the socket takes no more for now */
    bool securing;   /* the handshake is under way */
    bool shutting;   /* close_notify is still to be written */
    bool read_stuck; /* reading waits until the socket can be written */
};

enum { NRT__STREAM_END = 0, NRT__STREAM_AGAIN = -1, NRT__STREAM_BROKEN = -2 };

/* Takes over the descriptor, which must be non-blocking. NRT_ERR_SYSTEM (it is closed then too). */
int nrt__stream_open(nrt__stream *stream, nrt__loop *loop, int fd, const nrt__stream_events *events,
                     void *arg);

/* From here on TLS: `tls`, which is on its descriptor, is the stream's. What is appended waits for
 * `secured`; `readable` does, too. */
void nrt__stream_secure(nrt__stream *stream, nrt__tls *tls);

static inline bool nrt__stream_is_securing(const nrt__stream *stream) {
    return stream->securing;
}

/* Plain again: the handshake has failed, and the peer does not speak TLS. */
void nrt__stream_give_up_tls(nrt__stream *stream);

/* Closes at once; of TLS that looks like a connection that was cut. Harmless on one that is closed.
 */
void nrt__stream_close(nrt__stream *stream);

/* Before closing it in good order: tells a peer that speaks TLS. */
void nrt__stream_say_bye(nrt__stream *stream);

static inline bool nrt__stream_is_open(const nrt__stream *stream) {
    return nrt__io_is_open(&stream->io);
}

/* Whether `readable` is wanted. */
void nrt__stream_set_reading(nrt__stream *stream, bool reading);

/* Bytes read, or NRT__STREAM_*. The end of TLS that the peer did not announce is BROKEN: anybody on
 * the way can have made it. */
ssize_t nrt__stream_read(nrt__stream *stream, char *to, size_t size);

/* Nothing has come, not even the end. What has come is lost. */
bool nrt__stream_is_quiet(nrt__stream *stream);

/* After BROKEN or `broken`: why, in words. Valid until it is closed. */
const char *nrt__stream_reason(const nrt__stream *stream);

/* What was appended to `out` goes out at the end of this turn. */
void nrt__stream_written(nrt__stream *stream);

/* No more will be written: tells the peer, and keeps reading. */
void nrt__stream_shut(nrt__stream *stream);

#endif
