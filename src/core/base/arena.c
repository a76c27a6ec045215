/* Memory of one exchange. */
#include "core/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { ARENA_BLOCK = 2048, ARENA_LIMIT = 64 << 20 };

struct nrt__arena_block {
    nrt__arena_block *next;
    size_t size;
    alignas(max_align_t) char bytes[];
};

/* NULL when out of memory. */
static nrt__arena_block *add_block(nrt__arena *arena, size_t size) {
    nrt__arena_block *block = malloc(sizeof(*block) + size);
    if (block) {
        block->next = arena->blocks;
        block->size = size;
        arena->blocks = block;
        arena->used = 0;
    }
    return block;
}

void nrt__arena_expect(nrt__arena *arena, size_t size) {
    if (!arena->blocks && size <= ARENA_BLOCK) {
        add_block(arena, size);
    }
}

void *nrt__arena_get(nrt__arena *arena, size_t size) {
    size_t limit = arena->limit ? arena->limit : ARENA_LIMIT;
    if (size > limit || arena->total > limit - size) {
        return NULL;
    }
    size_t start = (arena->used + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (!arena->blocks || start > arena->blocks->size || arena->blocks->size - start < size) {
        if (!add_block(arena, size > ARENA_BLOCK ? size : ARENA_BLOCK)) {
            return NULL;
        }
        start = 0;
    }
    arena->used = start + size;
    arena->total += size;
    return arena->blocks->bytes + start;
}

nrt_str nrt__arena_copy(nrt__arena *arena, nrt_str text) {
    char *copy = nrt__arena_get(arena, text.len + 1);
    if (!copy) {
        return (nrt_str){NULL, 0};
    }
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    copy[text.len] = '\0';
    return (nrt_str){copy, text.len};
}

void nrt__arena_reset(nrt__arena *arena) {
    nrt__arena_block *kept = NULL;
    while (arena->blocks) {
        nrt__arena_block *block = arena->blocks;
        arena->blocks = block->next;
        if (block->size <= ARENA_BLOCK && (!kept || block->size > kept->size)) {
            free(kept);
            kept = block;
        } else {
            free(block);
        }
    }
    if (kept) {
        kept->next = NULL;
        arena->blocks = kept;
    }
    arena->used = 0;
    arena->total = 0;
}

void nrt__arena_free(nrt__arena *arena) {
    while (arena->blocks) {
        nrt__arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
    arena->used = 0;
    arena->total = 0;
}
