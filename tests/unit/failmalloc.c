/* Allocations that fail when a test says so. */
#include "failmalloc.h"

#include <stdint.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *memory);

failing_alloc alloc;

static bool fails(void) {
    if (alloc.at == 0) {
        return false;
    }
    alloc.count++;
    bool now = alloc.count == alloc.at || (alloc.onwards && alloc.count > alloc.at);
    alloc.failed = alloc.failed || now;
    return now;
}

static void *counted(void *memory) {
    alloc.live += memory != NULL;
    return memory;
}

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size) {
    if (fails()) {
        return NULL;
    }
    void *memory = __real_realloc(old, size);
    alloc.live += memory != NULL && old == NULL;
    return memory;
}

void __wrap_free(void *memory) {
    alloc.live -= memory != NULL;
    __real_free(memory);
}

char *__wrap_strndup(const char *text, size_t max) {
    size_t len = strnlen(text, max);
    char *copy = __wrap_malloc(len + 1);
    if (copy) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

char *__wrap_strdup(const char *text) {
    return __wrap_strndup(text, SIZE_MAX);
}

void *malloc_never_fails(size_t size) {
    return counted(__real_malloc(size));
}
