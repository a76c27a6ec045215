/* HTTP/1.1 messages read in every way that callers do, and what must hold for those that were
 * accepted. */
#ifndef NRT__FUZZ_H1_H
#define NRT__FUZZ_H1_H

#include "core/http/h1_reader.h"

/* How the bytes come. Pieces are chosen from the input itself. */
typedef enum fuzz_cut {
    FUZZ_ALL = 0,
    FUZZ_BYTES,
    FUZZ_PIECES,
    FUZZ_PAYLOAD, /* as a NATS message: nrt__h1_read_whole */
} fuzz_cut;

typedef enum fuzz_verdict {
    FUZZ_ACCEPT = 0,
    FUZZ_REJECT,
    FUZZ_INCOMPLETE, /* nothing is wrong but that the stream ends */
} fuzz_verdict;

typedef struct fuzz_h1 {
    nrt__h1_reader reader;
    nrt__message message; /* where it was accepted: with its body */
    nrt__buf body;
    fuzz_verdict verdict;
    int error;   /* of a rejected one */
    size_t used; /* of the input, where it was accepted */
} fuzz_h1;

/* Small enough for an input to reach. */
extern const nrt__h1_limits fuzz_small_limits;

/* Reads one message; the stream ends with the input. `limits` NULL: the defaults. Checks what the
 * reader promises about its answers on the way. To be freed; a payload's bytes must live so long.
 */
void fuzz_h1_read(fuzz_h1 *out, nrt_str input, unsigned flags, const nrt__h1_limits *limits,
                  fuzz_cut cut);
void fuzz_h1_free(fuzz_h1 *one);

/* The same came of it, whichever way it was read. */
void fuzz_h1_check_same(const fuzz_h1 *a, const fuzz_h1 *b);

/* Nothing of an accepted message can be taken for something else further on. */
void fuzz_h1_check_clean(const fuzz_h1 *one, unsigned flags);

/* An accepted message that is written again is read as an equal one. Changes it. */
void fuzz_h1_check_again(fuzz_h1 *one, unsigned flags);

/* All of this for one input: in all ways, with the defaults and with small limits. */
void fuzz_h1_check_all(nrt_str input, unsigned flags);

#endif
