/* Routes of a mux. Lines up to an empty one are patterns, those behind it are `METHOD PATH` to be
 * found. What is found is held against a search that goes through the patterns one by one, and
 * against what two patterns are said to have in common. */
#include "core/handler/mux.h"

#include <stdlib.h>

#include "core/base/percent.h"
#include "fuzz.h"

enum { ROUTES_MAX = 40 };

static void handler(nrt_exchange *exchange, void *arg) {
    (void)exchange, (void)arg;
}

/* What a segment says, decoded; to be freed. */
static char *decoded(nrt_str text, size_t *len) {
    char *out = malloc(text.len + 1);
    CHECK(out);
    CHECK(nrt__percent_decode(text, false, out, len));
    return out;
}

static bool same_text(nrt_str a, nrt_str b) {
    size_t len_a;
    size_t len_b;
    char *one = decoded(a, &len_a);
    char *other = decoded(b, &len_b);
    bool same = len_a == len_b && memcmp(one, other, len_a) == 0;
    free(one);
    free(other);
    return same;
}

/* Both without the slash in front. Written from the documentation, not from mux_pattern.c. */
static bool path_matches(nrt_str pattern, nrt_str path) {
    while (true) {
        nrt_str pattern_rest;
        nrt_str path_rest;
        nrt_str want = fuzz_before(pattern, '/', &pattern_rest);
        nrt_str have = fuzz_before(path, '/', &path_rest);
        bool wild = want.len > 2 && want.ptr[0] == '{';
        if (want.len == 0 && !pattern_rest.ptr) { /* a slash at the end */
            return true;
        }
        if (nrt__str_equal(want, NRT__STR("{$}"))) {
            return have.len == 0 && !path_rest.ptr;
        }
        if (wild && want.len > 5 && memcmp(want.ptr + want.len - 4, "...}", 4) == 0) {
            return true;
        }
        if (wild ? have.len == 0 : !same_text(want, have)) {
            return false;
        }
        if (!pattern_rest.ptr || !path_rest.ptr) {
            return !pattern_rest.ptr && !path_rest.ptr;
        }
        pattern = pattern_rest;
        path = path_rest;
    }
}

static bool matches(const nrt__route *route, nrt_str method, nrt_str path) {
    nrt_str text = nrt_str_from(route->pattern.text);
    nrt_str want = {text.ptr, strcspn(text.ptr, " \t/")};
    size_t slash = strcspn(text.ptr, "/");
    bool takes =
        want.len == 0 || nrt__str_equal(want, method) ||
        (nrt__str_equal(want, NRT__STR("GET")) && nrt__str_equal(method, NRT__STR("HEAD")));
    return takes && path_matches((nrt_str){text.ptr + slash + 1, text.len - slash - 1},
                                 (nrt_str){path.ptr + 1, path.len - 1});
}

static bool add(nrt_mux *mux, nrt_str line) {
    char *text = fuzz_copy(line, true);
    size_t count = mux->count;
    int error = nrt_mux_add(mux, text, handler, NULL);
    CHECK(mux->count == count + (error == 0));
    CHECK(error == 0 || nrt_mux_error(mux)[0] != '\0');
    if (error == 0) { /* and not a second time */
        bool first = nrt_mux_error(mux)[0] == '\0';
        CHECK(nrt_mux_add(mux, text, handler, NULL) == NRT_ERR_USAGE);
        CHECK(!first || strstr(nrt_mux_error(mux), "the same requests"));
    }
    free(text);
    return error == 0;
}

static void check_clean(nrt_str path, nrt_str clean, nrt__arena *arena) {
    CHECK(clean.len > 0 && clean.ptr[0] == '/' && clean.len <= path.len);
    CHECK((clean.ptr == path.ptr) == nrt__str_equal(clean, path));
    CHECK(nrt__mux_clean(clean, arena).ptr == clean.ptr);
    nrt_str rest = {clean.ptr + 1, clean.len - 1};
    while (rest.ptr) {
        nrt_str segment = fuzz_before(rest, '/', &rest);
        CHECK(segment.len > 0 || !rest.ptr);
        size_t len;
        char *text = decoded(segment, &len);
        CHECK(!(len == 1 && text[0] == '.') && !(len == 2 && memcmp(text, "..", 2) == 0));
        free(text);
    }
}

static void find(const nrt_mux *mux, nrt_str line) {
    nrt__arena arena = {0};
    nrt__mux_path path;
    nrt_str sent;
    nrt_str method = fuzz_before(line, ' ', &sent);
    if (!sent.ptr || sent.len == 0 || sent.ptr[0] != '/' || !nrt__percent_is_valid(sent)) {
        return;
    }
    nrt_str clean = nrt__mux_clean(sent, &arena);
    CHECK(clean.ptr);
    check_clean(sent, clean, &arena);
    CHECK(nrt__mux_path_init(&path, clean, &arena) == 0);
    const nrt__route *found = nrt__mux_find(mux, method, &path, false, NULL);
    CHECK(!found || matches(found, method, clean));
    uint64_t methods = nrt__mux_methods(mux, &path);
    for (size_t i = 0; i < mux->count; i++) {
        const nrt__route *other = mux->routes[i];
        CHECK(!matches(other, method, clean) || found);
        if (matches(other, method, clean) && other != found) {
            CHECK(nrt__pattern_compare(&found->pattern, &other->pattern) == NRT__NARROWER);
        }
        if (other->methods && matches(other, other->pattern.method, clean)) {
            CHECK((methods & other->methods) == other->methods);
        }
    }
    CHECK(nrt__mux_list(mux, methods, &arena));
    nrt__arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = fuzz_copy((nrt_str){(const char *)data, size}, false);
    nrt_str rest = {copy, size};
    nrt_str line;
    size_t count = 0;
    nrt_mux *mux = nrt_mux_create();
    CHECK(mux);
    while (fuzz_line(&rest, &line) && line.len > 0 && count < ROUTES_MAX) {
        count += add(mux, line);
    }
    while (fuzz_line(&rest, &line)) {
        find(mux, line);
    }
    nrt_mux_destroy(mux);
    free(copy);
    return 0;
}
