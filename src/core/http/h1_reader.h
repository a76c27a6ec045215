/* Reads HTTP/1.1 messages (RFC 9112) strictly. The start line is ours; fields, framing and bodies
 * are llhttp's, with checks of ours on top. Bytes go in as they come; events come out one at a
 * time. The same reader serves connections (front, origin) and NATS payloads. */
#ifndef NRT__H1_READER_H
#define NRT__H1_READER_H

#include <llhttp.h>

#include "core/base/buf.h"
#include "core/http/message.h"

/* All of them are ceilings on what a peer may make us hold. */
typedef struct nrt__h1_limits {
    size_t head;      /* start line and fields, and again trailers; bytes */
    size_t fields;    /* fields in the head, and again in the trailers */
    size_t target;    /* of a request; bytes */
    size_t extension; /* chunk extensions of one message, behind each first ';'; bytes */
} nrt__h1_limits;

#define NRT__H1_LIMITS_DEFAULT ((nrt__h1_limits){64 * 1024, 100, 8 * 1024, 1024})

/* How the next message is to be read. */
enum {
    NRT__H1_REQUEST = 1,  /* else a response */
    NRT__H1_TO_HEAD = 2,  /* a response to HEAD: no body whatever its fields say */
    NRT__H1_OLD_PEER = 4, /* in a unary NATS reply only: HTTP/0.0 is read as HTTP/1.1 */
    NRT__H1_WHOLE =
        8, /* nrt__h1_read gets the head in one piece that outlives the message: not copied */
};

typedef enum nrt__h1_event {
    NRT__H1_MORE = 0, /* everything was used; more bytes are needed */
    NRT__H1_HEAD,     /* the message's start line and fields are complete */
    NRT__H1_BODY,     /* `*body` is the next piece of content: a view into the bytes given */
    NRT__H1_END, /* the message is complete, trailers and all; what follows is not part of it */
} nrt__h1_event;

typedef enum nrt__h1_state {
    NRT__H1_IN_HEAD = 0,   /* collecting lines */
    NRT__H1_IN_BODY,       /* llhttp is fed as bytes come */
    NRT__H1_IN_CHUNK_LINE, /* collecting a chunk-size line */
    NRT__H1_IN_TRAILERS,   /* collecting lines again */
    NRT__H1_DONE,          /* END was given */
    NRT__H1_FAILED,
} nrt__h1_state;

typedef struct nrt__h1_reader {
    llhttp_t parser;
    nrt__h1_limits limits;
    nrt__message *message;
    nrt__buf head; /* the head, kept until the message ends */
    nrt__buf tail; /* a chunk-size line; then the trailer section, kept until the message ends */
    const char *reason; /* after an error: what was wrong, static */
    size_t scanned;     /* of the head: lines up to here are complete */
    size_t lines;       /* of the head, so far */
    size_t extension;   /* bytes of chunk extensions so far */
    nrt_str span;       /* the piece of body that a callback found */
    nrt_str field_name; /* the field being read, in head or tail */
    nrt_str field_value;
    int error;     /* found inside a callback */
    uint8_t state; /* nrt__h1_state */
    uint8_t flags;
    bool in_trailers; /* fields that come now are trailers */
    bool skipped;     /* the one empty line that may stand before a request line */
    bool chunk_ended; /* its data and CRLF have been read */
    bool last_chunk;  /* its size line has been read */
    bool truncated;   /* nothing was wrong but that the stream ended too early */
    bool complete;    /* llhttp saw the end of the message */
    bool to_close;    /* a response that ends with its connection */
} nrt__h1_reader;

void nrt__h1_reader_init(nrt__h1_reader *reader, const nrt__h1_limits *limits);
void nrt__h1_reader_free(nrt__h1_reader *reader);

/* Starts the next message; its results go to `message`, which is reset. The message's views live
 * until the next begin (or, with NRT__H1_WHOLE, as long as the bytes given). */
void nrt__h1_begin(nrt__h1_reader *reader, nrt__message *message, unsigned flags);

/* Reads on. `*used` of the `len` bytes were used: call again with the rest until it answers MORE or
 * END, or an error: NRT_ERR_HEAD_TOO_LARGE, _TARGET_TOO_LONG, _METHOD, _VERSION, _UNSUPPORTED (a
 * transfer coding), _MEMORY, and for all other faults _BAD_REQUEST of a request, _PROTOCOL of a
 * response. */
int nrt__h1_read(nrt__h1_reader *reader, const char *bytes, size_t len, size_t *used,
                 nrt_str *body);

/* The stream has ended: END where the message may end so, MORE where none had begun, an error where
 * one is truncated. */
int nrt__h1_read_end(nrt__h1_reader *reader);

/* True if no byte of the next message has come yet. */
bool nrt__h1_is_idle(const nrt__h1_reader *reader);

/* Checks and reads one start line, without its CRLF, into message. In h1_start.c. */
int nrt__h1_read_start(nrt__h1_reader *reader, nrt_str line);

/* What must hold for all fields of a head together. In h1_check.c. */
int nrt__h1_check_head(nrt__h1_reader *reader);

/* Checks a chunk-size line, without its CRLF (RFC 9112 section 7.1). In h1_check.c. */
int nrt__h1_check_chunk_line(nrt__h1_reader *reader, nrt_str line);

/* Notes why, and answers with the error. */
int nrt__h1_fail(nrt__h1_reader *reader, int error, const char *reason);

/* NRT_ERR_BAD_REQUEST or NRT_ERR_PROTOCOL, as the message is. */
int nrt__h1_malformed(nrt__h1_reader *reader, const char *reason);

#endif
