/* The bytes of large bodies: see bulk.h. */
#include "bulk.h"

#include <stdio.h>
#include <string.h>

static char pattern[2 * BULK_PERIOD];

const char *bulk_bytes(void) {
    if (pattern[1] == 0) {
        uint32_t number = 1;
        for (size_t i = 0; i < BULK_PERIOD; i++) {
            number = number * 1664525U + 1013904223U;
            pattern[i] = (char)('!' + (number >> 16) % 94); /* visible: bench.py makes the same */
        }
        memcpy(pattern + BULK_PERIOD, pattern, BULK_PERIOD);
    }
    return pattern;
}

bool bulk_is_right(uint64_t offset, const char *bytes, size_t len) {
    const char *want = bulk_bytes();
    while (len > 0) {
        size_t step = len < BULK_PERIOD ? len : BULK_PERIOD;
        if (memcmp(bytes, want + offset % BULK_PERIOD, step) != 0) {
            return false;
        }
        bytes += step;
        offset += step;
        len -= step;
    }
    return true;
}

void bulk_report(uint64_t bytes, bool right, int64_t ns) {
    printf("{\"bytes\": %llu, \"failed\": %d, \"seconds\": %.9f}\n", (unsigned long long)bytes,
           right ? 0 : 1, (double)ns / 1e9);
    fflush(stdout);
}
