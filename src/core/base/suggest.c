/* What somebody meant who typed something else. Pure. */
#include "core/base/suggest.h"

#include <stdint.h>
#include <string.h>

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap neighbours) that lead from one word to the other. */
static size_t distance(const char *a, const char *b) {
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    if (a_len > NRT__SUGGEST_MAX || b_len > NRT__SUGGEST_MAX) {
        return SIZE_MAX;
    }
    size_t rows[3][NRT__SUGGEST_MAX + 1]; /* two rows back, the one before, this one */
    size_t *older = rows[0];
    size_t *old = rows[1];
    size_t *row = rows[2];
    for (size_t j = 0; j <= b_len; j++) {
        old[j] = j;
        older[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replace = old[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = smaller(replace, smaller(old[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = smaller(row[j], older[j - 2] + 1);
            }
        }
        size_t *spare = older;
        older = old;
        old = row;
        row = spare;
    }
    return old[b_len];
}

const char *nrt__suggest(const char *typed, const char *const words[], size_t count) {
    size_t len = strlen(typed);
    if (len == 0) {
        return NULL;
    }
    const char *best = NULL;
    size_t best_distance = len <= 3 ? 1 : len / 3 + 1; /* two of three letters are another word */
    for (size_t i = 0; i < count; i++) {
        size_t edits = distance(typed, words[i]);
        if (len >= 2 && strncmp(words[i], typed, len) == 0) {
            edits = 0; /* begun rightly: nearer than a slip */
        }
        /* A word of which every letter changed was not meant. */
        if (edits < strlen(words[i]) && edits <= best_distance &&
            (!best || edits < best_distance)) {
            best = words[i];
            best_distance = edits;
        }
    }
    return best;
}
