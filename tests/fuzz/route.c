/* The gateway's routes against a search that was written from docs alone. Lines up to an empty one
 * are routes, those behind it are `AUTHORITY PATH` to be found. */
#include "bridge/route.h"

#include <stdlib.h>

#include "core/nats/subject.h"
#include "fuzz.h"

enum { ROUTES_MAX = 40 };

/* A pattern as it is given, in its parts: lower-case authority, path without a slash at its end. */
static void read_pattern(const char *pattern, nrt_str *authority, nrt_str *path) {
    nrt_str text = nrt_str_from(pattern);
    *authority = fuzz_before(text, '/', path);
    CHECK(path->ptr); /* only such were added */
    *path = (nrt_str){path->ptr - 1, path->len + 1};
    if (path->len > 1 && path->ptr[path->len - 1] == '/') {
        path->len--;
    }
    if (authority->len > 0 && authority->ptr[authority->len - 1] == ':') {
        authority->len--; /* an empty port is none */
    }
}

/* The path up to its query, and each folder above it; "*" is everywhere. */
static bool is_below(nrt_str path, nrt_str folder) {
    if (folder.len == 1) {
        return (path.len > 0 && path.ptr[0] == '/') || nrt__str_equal(path, NRT__STR("*"));
    }
    for (size_t i = 0; i <= path.len; i++) {
        if ((i == path.len || path.ptr[i] == '/' || path.ptr[i] == '?') &&
            nrt__str_equal((nrt_str){path.ptr, i}, folder)) {
            return true;
        }
    }
    return false;
}

static const char *search(const nrt__routes *routes, nrt_str authority, nrt_str path) {
    const char *found = NULL;
    size_t best = 0;
    for (size_t i = 0; i < nrt__routes_count(routes); i++) {
        const char *pattern;
        const char *host;
        nrt_str want_authority;
        nrt_str want_path;
        nrt__routes_at(routes, i, &pattern, &host);
        read_pattern(pattern, &want_authority, &want_path);
        bool any = want_authority.len == 0;
        /* With a host before without, then the longer path. */
        size_t rank = (any ? 0 : 1u << 20) + want_path.len;
        if ((any || nrt__str_same(want_authority, authority)) && is_below(path, want_path) &&
            rank > best) {
            best = rank;
            found = host;
        }
    }
    return found;
}

static void add(nrt__routes *routes, nrt_str line) {
    char *text = fuzz_copy(line, true);
    size_t count = nrt__routes_count(routes);
    int error = nrt__routes_add(routes, text);
    CHECK(nrt__routes_count(routes) == count + (error == 0));
    if (error == 0) {
        const char *pattern;
        const char *host;
        char canonical[NRT__HOST_MAX + 1];
        nrt__routes_at(routes, count, &pattern, &host);
        CHECK(nrt__host_canonical(nrt_str_from(host), canonical) == 0);
        CHECK(strcmp(host, canonical) == 0);
        CHECK(nrt__is_visible(nrt_str_from(pattern)) && !strpbrk(pattern, "?#"));
        CHECK(nrt__routes_add(routes, text) == NRT_ERR_USAGE); /* twice */
    }
    free(text);
}

static void find(const nrt__routes *routes, nrt_str line) {
    nrt_str path;
    nrt_str authority = fuzz_before(line, ' ', &path);
    if (!path.ptr || (path.len > 0 && path.ptr[0] != '/' && path.ptr[0] != '*')) {
        return; /* a target is a path, or *, once it comes here */
    }
    nrt_str found = nrt__routes_find(routes, authority, path, NULL);
    const char *wanted = search(routes, authority, path);
    CHECK(!found.ptr == !wanted);
    CHECK(!wanted || nrt__str_equal(found, nrt_str_from(wanted)));
    CHECK(nrt__str_equal(found, nrt__routes_find(routes, authority, path, NULL)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = fuzz_copy((nrt_str){(const char *)data, size}, false);
    nrt_str rest = {copy, size};
    nrt_str line;
    nrt__routes *routes = nrt__routes_create();
    CHECK(routes);
    CHECK(!nrt__routes_find(routes, (nrt_str){NULL, 0}, NRT__STR("/"), NULL).ptr);
    while (fuzz_line(&rest, &line) && line.len > 0 && nrt__routes_count(routes) < ROUTES_MAX) {
        add(routes, line);
    }
    while (fuzz_line(&rest, &line)) {
        find(routes, line);
    }
    nrt__routes_destroy(routes);
    free(copy);
    return 0;
}
