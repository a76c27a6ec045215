/* One connected byte stream (TCP or unix; TLS will have its place here) on the loop: read when
 * told, written once per turn, bounded by what its user appends. Front and origin connections both
 * stand on it. */
#ifndef NRT__STREAM_H
#define NRT__STREAM_H

#include <sys/types.h>

#include "core/base/buf.h"
#include "lib/loop.h"

typedef struct nrt__stream nrt__stream;

typedef struct nrt__stream_events {
    void (*readable)(void *arg);
    /* Some of it has been handed to the socket. May be NULL; must not close the stream. */
    void (*moved)(void *arg);
    /* Everything appended has been handed to the socket. */
    void (*drained)(void *arg);
    /* Writing failed: the peer is gone. */
    void (*broken)(void *arg);
} nrt__stream_events;

struct nrt__stream {
    nrt__loop *loop;
    const nrt__stream_events *events;
    void *arg;
    nrt__io io;
    nrt__task flush;
    nrt__buf out;
    uint64_t sent; /* bytes handed to the socket so far */
    bool reading;
    bool blocked; /* the socket takes no more for now */
};

enum { NRT__STREAM_END = 0, NRT__STREAM_AGAIN = -1, NRT__STREAM_BROKEN = -2 };

/* Takes over the descriptor, which must be non-blocking. NRT_ERR_SYSTEM (it is closed then too). */
int nrt__stream_open(nrt__stream *stream, nrt__loop *loop, int fd, const nrt__stream_events *events,
                     void *arg);

/* Closes at once. Harmless on one that is closed. */
void nrt__stream_close(nrt__stream *stream);

static inline bool nrt__stream_is_open(const nrt__stream *stream) {
    return nrt__io_is_open(&stream->io);
}

/* Whether `readable` is wanted. */
void nrt__stream_set_reading(nrt__stream *stream, bool reading);

/* Bytes read, or NRT__STREAM_*. */
ssize_t nrt__stream_read(nrt__stream *stream, char *to, size_t size);

/* What was appended to `out` goes out at the end of this turn. */
void nrt__stream_written(nrt__stream *stream);

/* No more will be written: tells the peer, and keeps reading. */
void nrt__stream_shut(nrt__stream *stream);

#endif
