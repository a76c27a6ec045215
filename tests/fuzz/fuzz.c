/* Checks and cuts for all fuzz targets. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

noreturn void fuzz_fail(const char *what, const char *file, int line) {
    fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, what);
    abort();
}

bool fuzz_line(nrt_str *rest, nrt_str *line) {
    if (rest->len == 0) {
        return false;
    }
    const char *lf = memchr(rest->ptr, '\n', rest->len);
    size_t len = lf ? (size_t)(lf - rest->ptr) : rest->len;
    size_t step = lf ? len + 1 : len;
    *line = (nrt_str){rest->ptr, len};
    rest->ptr += step;
    rest->len -= step;
    return true;
}

nrt_str fuzz_before(nrt_str text, char c, nrt_str *rest) {
    const char *at = text.len > 0 ? memchr(text.ptr, c, text.len) : NULL;
    if (!at) {
        *rest = (nrt_str){NULL, 0};
        return text;
    }
    size_t len = (size_t)(at - text.ptr);
    *rest = (nrt_str){at + 1, text.len - len - 1};
    return (nrt_str){text.ptr, len};
}

char *fuzz_copy(nrt_str text, bool nul) {
    char *copy = malloc(text.len + nul);
    CHECK(copy || text.len + nul == 0);
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    if (nul) {
        copy[text.len] = '\0';
    }
    return copy;
}

void fuzz_dice_init(fuzz_dice *dice, nrt_str seed) {
    dice->state = 14695981039346656037u;
    for (size_t i = 0; i < seed.len; i++) {
        dice->state = (dice->state ^ (unsigned char)seed.ptr[i]) * 1099511628211u;
    }
}

size_t fuzz_roll(fuzz_dice *dice, size_t bound) { /* splitmix64 */
    uint64_t z = dice->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (size_t)((z ^ (z >> 31)) % bound);
}

bool fuzz_is_line_safe(nrt_str text) {
    return text.len == 0 || (!memchr(text.ptr, '\r', text.len) &&
                             !memchr(text.ptr, '\n', text.len) && !memchr(text.ptr, 0, text.len));
}

bool fuzz_is_text(const char *text) {
    bool any = *text != '\0';
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return false;
        }
    }
    return any;
}

bool fuzz_is_plain_subject(nrt_str subject) {
    char before = '.';
    for (size_t i = 0; i < subject.len; i++) {
        unsigned char c = (unsigned char)subject.ptr[i];
        if (c < 0x21 || c > 0x7e || c == '*' || c == '>' || (c == '.' && before == '.')) {
            return false;
        }
        before = (char)c;
    }
    return subject.len > 0 && before != '.';
}
