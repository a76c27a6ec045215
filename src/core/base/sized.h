/* Structs that begin with their size, between a program and a library of different age: what the
 * other one does not know of keeps its default, or is 0. */
#ifndef NRT__SIZED_H
#define NRT__SIZED_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* No struct of ours will be larger: what says so was not filled in. */
enum { NRT__SIZED_MAX = 4096 };

/* Copies what a caller's struct has over the `size` bytes of defaults at `to`, whose own size
 * stays. `least` is what a caller of any version has. False: `from` is NULL, or its size cannot be
 * right.
 */
static inline bool nrt__sized_read(void *to, size_t size, const void *from, size_t least) {
    size_t given = 0;
    if (from) {
        memcpy(&given, from, sizeof(given));
    }
    if (given < least || given > NRT__SIZED_MAX) {
        return false;
    }
    memcpy(to, from, given < size ? given : size);
    memcpy(to, &size, sizeof(size));
    return true;
}

/* The other way: fills in what the caller's struct has room for. False as above. */
static inline bool nrt__sized_write(void *to, const void *from, size_t size) {
    size_t room = 0;
    if (to) {
        memcpy(&room, to, sizeof(room));
    }
    if (room <= sizeof(room) || room > NRT__SIZED_MAX) {
        return false;
    }
    memset(to, 0, room);
    memcpy(to, from, room < size ? room : size);
    memcpy(to, &room, sizeof(room));
    return true;
}

#endif
