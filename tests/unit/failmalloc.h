/* Allocations that fail when a test says so: malloc and its kin are wrapped by the linker
 * (tests/unit/meson.build). */
#ifndef NRT__FAILMALLOC_H
#define NRT__FAILMALLOC_H

#include <stdbool.h>
#include <stddef.h>

typedef struct failing_alloc {
    long at;      /* which allocation fails; 0: none */
    long count;   /* of them since it was set */
    bool onwards; /* and all after it */
    bool failed;  /* at least one did */
    long live;    /* allocations not freed */
} failing_alloc;

extern failing_alloc alloc;

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *memory);
char *__wrap_strndup(const char *text, size_t max);
char *__wrap_strdup(const char *text);

/* One that gets its memory whatever the test says. */
void *malloc_never_fails(size_t size);

#endif
