/* What the two sides of the ledger agree on: where a request says what it wants, and what bodies
 * look like. The target is /ID/WAIT_MS/SIZE; a request's body, where it has one, is the id, again
 * and again; an answer is "ID INSTANCE\n" and SIZE bytes of the id, again and again. */
#ifndef LEDGER_H
#define LEDGER_H

#include "check.h"

#include <fcntl.h>
#include <unistd.h>

enum { ID_MAX = 63 };

/* One line at once, so that what is there is whole whenever a process is killed. */
static inline void ledger_write(int fd, const char *line, size_t len) {
    CHECK_INT(write(fd, line, len), (long long)len);
}

static inline int ledger_open(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    return fd;
}

/* Whether `bytes` is `id` repeated, the last one perhaps cut. */
static inline bool repeats(nrt_str bytes, const char *id) {
    size_t len = strlen(id);
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.ptr[i] != id[i % len]) {
            return false;
        }
    }
    return true;
}

/* `size` bytes of it; the caller frees them. */
static inline char *repeat(const char *id, size_t size) {
    size_t len = strlen(id);
    char *bytes = malloc(size + 1);
    CHECK(bytes != NULL);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = id[i % len];
    }
    return bytes;
}

#endif
