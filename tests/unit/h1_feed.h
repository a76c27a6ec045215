/* Feeds HTTP/1 messages to the reader in pieces and writes down what came of it. Each piece ends at
 * an unmapped page and is overwritten once it was read: a byte too far, or a view kept too long,
 * does not go unnoticed. */
#ifndef NRT__H1_FEED_H
#define NRT__H1_FEED_H

#include "core/http/h1_reader.h"

enum { H1_FEED_MAX = 256 * 1024 }; /* of one piece */

/* How the bytes come: `first` of them, then `step` at a time (0: all the rest). */
typedef struct h1_pieces {
    size_t first;
    size_t step;
} h1_pieces;

#define H1_WHOLE ((h1_pieces){SIZE_MAX, 0})
#define H1_BYTES ((h1_pieces){1, 1})

typedef struct h1_outcome {
    int event;      /* the last one, or the error */
    bool truncated; /* nothing was wrong but the end of the stream */
    bool waiting;   /* without an end of the stream, more would have been wanted */
    size_t used;    /* bytes of the message */
    nrt__buf text;  /* of a message that was accepted: see h1_feed */
    nrt__buf body;
    const char *reason;
} h1_outcome;

/* Reads one message; where all bytes are read and it has not ended, the stream ends if `eof`.
 * `text` becomes: METHOD TARGET MINOR | STATUS MINOR REASON name: value        one line each (empty
 * line) body, then for trailers a line of "--" and a line each The outcome must be freed. */
void h1_feed(h1_outcome *out, nrt_str raw, unsigned flags, const nrt__h1_limits *limits,
             h1_pieces pieces, bool eof);
void h1_outcome_free(h1_outcome *out);

/* The same text for a message read otherwise. */
void h1_describe(nrt__buf *text, const nrt__message *message, nrt_str body);

/* A copy of `bytes` that ends where the next page is not mapped; valid until the next call. */
char *h1_guarded(nrt_str bytes);

#endif
