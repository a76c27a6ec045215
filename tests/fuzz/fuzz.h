/* What every fuzz target stands on: the entry point, checks that hold in every build, and ways to
 * cut an input up that take no bytes of it: a file of a corpus is what the parser reads, and
 * nothing else. */
#ifndef NRT__FUZZ_H
#define NRT__FUZZ_H

#include <nrt/base.h>
#include <stdnoreturn.h>

#include "core/base/str.h"

/* What libFuzzer and replay.c call. Answers 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program, and says where and why, if something that must hold does not. */
#define CHECK(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))
noreturn void fuzz_fail(const char *what, const char *file, int line);

/* Takes a line off `rest`, without its LF; false at the end. */
bool fuzz_line(nrt_str *rest, nrt_str *line);

/* What stands before the first `c` of `text`; `rest` is what stands behind it, or absent. */
nrt_str fuzz_before(nrt_str text, char c, nrt_str *rest);

/* A copy in memory of exactly that size (and with `nul` one NUL behind): a read one byte too far
 * is seen by the sanitizers. To be freed. */
char *fuzz_copy(nrt_str text, bool nul);

/* Numbers that look random and are the same for the same input. */
typedef struct fuzz_dice {
    uint64_t state;
} fuzz_dice;

void fuzz_dice_init(fuzz_dice *dice, nrt_str seed);
/* In [0, bound). */
size_t fuzz_roll(fuzz_dice *dice, size_t bound);

/* True if `inner` lies in `outer`, or is empty. */
static inline bool fuzz_inside(nrt_str inner, nrt_str outer) {
    return inner.len == 0 ||
           (inner.ptr >= outer.ptr && inner.ptr + inner.len <= outer.ptr + outer.len);
}

/* True if it holds no CR, LF or NUL: it can stand in a line. */
bool fuzz_is_line_safe(nrt_str text);

/* True if a person may read it in a terminal: it says something, and holds no control character. */
bool fuzz_is_text(const char *text);

/* True if it is a subject that names one thing in every reading of NATS: non-empty tokens of
 * visible ASCII, no wildcard anywhere. Written apart from src/core/nats/subject.c on purpose. */
bool fuzz_is_plain_subject(nrt_str subject);

#endif
