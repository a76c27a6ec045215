/* Memory of one exchange: many small pieces that live and die together and never move. */
#ifndef NRT__ARENA_H
#define NRT__ARENA_H

#include <nrt/base.h>

typedef struct nrt__arena_block nrt__arena_block;

/* Zeroed is empty and valid. `limit` bounds the sum of what is handed out (0: 64 MiB). */
typedef struct nrt__arena {
    nrt__arena_block *blocks; /* the newest first; one is kept over a reset */
    size_t used;              /* in the newest block */
    size_t total;             /* handed out since the last reset */
    size_t limit;
} nrt__arena;

/* `size` bytes, aligned for any object; NULL when out of memory or over the limit. */
void *nrt__arena_get(nrt__arena *arena, size_t size);

/* A copy of `text`, NUL behind it; the absent string when out of memory. */
nrt_str nrt__arena_copy(nrt__arena *arena, nrt_str text);

/* So much will be asked for first, rounding included: an arena that has nothing yet takes no more
 * memory than that, as long as it does. What many wait with should be small. */
void nrt__arena_expect(nrt__arena *arena, size_t size);

/* Takes everything back but keeps a block, so that the next use allocates nothing. */
void nrt__arena_reset(nrt__arena *arena);

void nrt__arena_free(nrt__arena *arena);

#endif
