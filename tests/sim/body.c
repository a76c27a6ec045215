/* Bodies whose bytes say where they belong. */
#include <string.h>

#include "sim.h"

enum { BASES = 1 << 20 };

/* Random bytes; a body is a run of them that begins where its owner says. What is moved, lost or of
 * another body differs. */
static unsigned char table[BASES + BODY_MAX];
static bool filled;

static void fill(void) {
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < sizeof(table); i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        table[i] = (unsigned char)(x >> 32);
    }
    filled = true;
}

nrt_str body_piece(int owner, bool up, size_t at, size_t len) {
    if (!filled) {
        fill();
    }
    size_t base = ((size_t)owner * 2 + up) * 40503 % BASES;
    return (nrt_str){(const char *)table + base + at, len};
}

void body_check(const world *w, int owner, bool up, size_t at, nrt_str bytes, const char *where) {
    if (bytes.len > BODY_MAX || at > BODY_MAX - bytes.len) {
        sim_fail(w, "no byte out of place", "%s: a body is far too long", where);
    }
    nrt_str want = body_piece(owner, up, at, bytes.len);
    for (size_t i = 0; bytes.len > 0 && memcmp(bytes.ptr, want.ptr, bytes.len) != 0; i++) {
        if (bytes.ptr[i] != want.ptr[i]) {
            sim_fail(w, "no byte out of place", "%s: byte %zu of the body is another one", where,
                     at + i);
        }
    }
}
