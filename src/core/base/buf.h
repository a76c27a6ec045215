/* A growing run of bytes with a ceiling: appended at its end, consumed at its start. */
#ifndef NRT__BUF_H
#define NRT__BUF_H

#include <nrt/base.h>

typedef struct nrt__buf {
    char *bytes;
    size_t start; /* first byte not consumed */
    size_t end;   /* behind the last byte */
    size_t size;  /* of the allocation */
    size_t max;   /* ceiling of what it may hold, end - start */
    bool failed;  /* an append did not succeed; for writers that check once, at the end */
} nrt__buf;

static inline void nrt__buf_init(nrt__buf *buf, size_t max) {
    memset(buf, 0, sizeof(*buf));
    buf->max = max;
}

void nrt__buf_free(nrt__buf *buf);

static inline size_t nrt__buf_len(const nrt__buf *buf) {
    return buf->end - buf->start;
}

static inline nrt_str nrt__buf_view(const nrt__buf *buf) {
    return (nrt_str){buf->bytes ? buf->bytes + buf->start : "", buf->end - buf->start};
}

/* Empty again; keeps the memory, and forgets a failure. */
static inline void nrt__buf_clear(nrt__buf *buf) {
    buf->start = buf->end = 0;
    buf->failed = false;
}

/* Empty, and gives back memory beyond `keep` bytes. */
void nrt__buf_shrink(nrt__buf *buf, size_t keep);

/* Room for `len` more bytes at the end, contiguous; NULL (and failed set) over the ceiling or out
 * of memory. Follow with nrt__buf_added. */
char *nrt__buf_room(nrt__buf *buf, size_t len);

static inline void nrt__buf_added(nrt__buf *buf, size_t len) {
    buf->end += len;
}

/* False, with nothing appended and failed set, where it does not fit. */
static inline bool nrt__buf_add(nrt__buf *buf, const void *bytes, size_t len) {
    if (buf->size - buf->end < len || buf->end - buf->start + len > buf->max) {
        if (!nrt__buf_room(buf, len)) {
            return false;
        }
    }
    if (len > 0) {
        memcpy(buf->bytes + buf->end, bytes, len);
        buf->end += len;
    }
    return true;
}

static inline bool nrt__buf_put(nrt__buf *buf, nrt_str text) {
    return nrt__buf_add(buf, text.ptr, text.len);
}

#define nrt__buf_lit(buf, literal) nrt__buf_add((buf), (literal), sizeof(literal) - 1)

bool nrt__buf_u64(nrt__buf *buf, uint64_t value);
bool nrt__buf_hex(nrt__buf *buf, uint64_t value);
bool nrt__buf_printf(nrt__buf *buf, const char *format, ...) NRT_PRINTF(2, 3);

/* The first `len` bytes have been used. */
static inline void nrt__buf_consume(nrt__buf *buf, size_t len) {
    buf->start += len;
    if (buf->start == buf->end) {
        buf->start = buf->end = 0;
    }
}

#endif
