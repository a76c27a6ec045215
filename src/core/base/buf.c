/* A growing run of bytes with a ceiling. */
#include "core/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void nrt__buf_free(nrt__buf *buf) {
    free(buf->bytes);
    nrt__buf_init(buf, buf->max);
}

void nrt__buf_shrink(nrt__buf *buf, size_t keep) {
    if (buf->size > keep) {
        nrt__buf_free(buf);
    } else {
        nrt__buf_clear(buf);
    }
}

char *nrt__buf_room(nrt__buf *buf, size_t len) {
    size_t held = buf->end - buf->start;
    if (len > buf->max || held > buf->max - len) {
        buf->failed = true;
        return NULL;
    }
    if (buf->size - buf->end >= len && buf->bytes) {
        return buf->bytes + buf->end;
    }
    /* Moving down is cheap only where little is held; otherwise every append could move it again.
     */
    if (buf->bytes && buf->size - held >= len && held <= buf->start) {
        memmove(buf->bytes, buf->bytes + buf->start, held);
    } else {
        size_t size = buf->size < 256 ? 256 : buf->size;
        while (size < held + len) {
            size += size / 2;
        }
        char *bytes = malloc(size + 1); /* one more, for the NUL of nrt__buf_printf */
        if (!bytes) {
            buf->failed = true;
            return NULL;
        }
        if (buf->bytes && held > 0) {
            memcpy(bytes, buf->bytes + buf->start, held);
        }
        free(buf->bytes);
        buf->bytes = bytes;
        buf->size = size;
    }
    buf->start = 0;
    buf->end = held;
    return buf->bytes + held;
}

bool nrt__buf_u64(nrt__buf *buf, uint64_t value) {
    static const char pairs[] =
        "0001020304050607080910111213141516171819202122232425262728293031323334"
        "3536373839404142434445464748495051525354555657585960616263646566676869"
        "707172737475767778798081828384858687888990919293949596979899";
    char digits[20];
    size_t at = sizeof(digits);
    for (; value >= 100; value /= 100) {
        at -= 2;
        memcpy(digits + at, pairs + 2 * (value % 100), 2);
    }
    if (value >= 10) {
        at -= 2;
        memcpy(digits + at, pairs + 2 * value, 2);
    } else {
        digits[--at] = (char)('0' + value);
    }
    return nrt__buf_add(buf, digits + at, sizeof(digits) - at);
}

bool nrt__buf_hex(nrt__buf *buf, uint64_t value) {
    char digits[16];
    size_t at = sizeof(digits);
    do {
        digits[--at] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value > 0);
    return nrt__buf_add(buf, digits + at, sizeof(digits) - at);
}

bool nrt__buf_printf(nrt__buf *buf, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *room = need < 0 ? NULL : nrt__buf_room(buf, (size_t)need);
    if (!room) {
        buf->failed = true;
        return false;
    }
    va_start(args, format);
    vsnprintf(room, (size_t)need + 1, format, args);
    va_end(args);
    nrt__buf_added(buf, (size_t)need);
    return true;
}
