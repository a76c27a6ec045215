/* A mux as it is built, and the search in its tree. */
#include "core/handler/mux.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/percent.h"
#include "core/base/str.h"

/* ---- building ---- */

nrt_mux *nrt_mux_create(void) {
    return calloc(1, sizeof(nrt_mux));
}

static void node_finish(nrt__mux_node *node);

static void node_destroy(nrt__mux_node *node) {
    if (node) {
        node_finish(node);
        free(node);
    }
}

/* As deep as the longest pattern, at most. */
static void node_finish(nrt__mux_node *node) {
    for (size_t i = 0; i < node->count; i++) {
        node_destroy(node->literals[i]);
    }
    node_destroy(node->single);
    node_destroy(node->rest);
    free(node->literals);
    free(node->routes);
}

static void route_destroy(nrt__route *route) {
    if (route) {
        nrt__pattern_finish(&route->pattern);
        free(route);
    }
}

void nrt_mux_destroy(nrt_mux *mux) {
    if (!mux) {
        return;
    }
    node_finish(&mux->root);
    for (size_t i = 0; i < mux->count; i++) {
        route_destroy(mux->routes[i]);
    }
    free(mux->routes);
    free(mux);
}

const char *nrt_mux_error(const nrt_mux *mux) {
    return mux ? mux->error : nrt_error_text(NRT_ERR_MEMORY);
}

/* Whoever adds ten routes may ask once: the first failure stays. */
static int fail(nrt_mux *mux, int error, const char *why) {
    if (mux->failed == 0) {
        mux->failed = error;
        snprintf(mux->error, sizeof(mux->error), "%s", why);
    }
    return error;
}

/* Makes room for one more pointer behind `count`, in powers of two. */
static bool grow(void *list, size_t count) {
    void **items;
    memcpy(&items, list, sizeof(items));
    if ((count & (count - 1)) != 0) {
        return true;
    }
    void *grown = realloc(items, (count ? count * 2 : 1) * sizeof(*items));
    if (grown) {
        memcpy(list, &grown, sizeof(grown));
    }
    /* cppcheck-suppress memleak ; the caller's list has it */
    return grown != NULL;
}

/* In the order of trees, which is by length first. */
static int compare(nrt_str a, nrt_str b) {
    if (a.len != b.len) {
        return a.len < b.len ? -1 : 1;
    }
    return a.len > 0 ? memcmp(a.ptr, b.ptr, a.len) : 0;
}

/* Where a literal is among the children, or would be. */
static bool find_literal(const nrt__mux_node *node, nrt_str text, size_t *at) {
    size_t low = 0;
    size_t high = node->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(node->literals[middle]->literal, text);
        if (order == 0) {
            *at = middle;
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *at = low;
    return false;
}

static nrt__mux_node *grow_literal(nrt__mux_node *node, nrt_str text) {
    size_t at;
    if (find_literal(node, text, &at)) {
        return node->literals[at]; /* NOLINT(clang-analyzer-core.NullDereference): found in there */
    }
    /* A copy, behind the node: a pattern that cannot be added leaves nodes. */
    nrt__mux_node *child = calloc(1, sizeof(*child) + text.len);
    if (!child || !grow(&node->literals, node->count)) {
        free(child);
        return NULL;
    }
    if (text.len > 0) {
        memcpy(child + 1, text.ptr, text.len);
    }
    child->literal = (nrt_str){(char *)(child + 1), text.len};
    memmove(node->literals + at + 1, node->literals + at,
            (node->count - at) * sizeof(nrt__mux_node *));
    node->literals[at] = child;
    node->count++;
    return child;
}

static nrt__mux_node *grow_node(nrt__mux_node *node, const nrt__segment *segment) {
    nrt__mux_node **child = segment->kind == NRT__SEGMENT_SINGLE ? &node->single : &node->rest;
    if (segment->kind == NRT__SEGMENT_LITERAL) {
        return grow_literal(node, segment->text);
    }
    if (!*child) {
        *child = calloc(1, sizeof(**child));
    }
    return *child;
}

/* The bit of a method, which the mux notes; 0 where it has too many. */
static uint64_t method_bit(nrt_mux *mux, nrt_str method) {
    size_t at = 0;
    while (at < mux->method_count && !nrt__str_equal(mux->methods[at], method)) {
        at++;
    }
    if (at == NRT__MUX_METHODS_MAX) {
        return 0;
    }
    if (at == mux->method_count) {
        mux->methods[mux->method_count++] = method;
    }
    return UINT64_C(1) << at;
}

static int read_methods(nrt_mux *mux, nrt__route *route, char why[NRT__MUX_TEXT_MAX]) {
    nrt_str method = route->pattern.method;
    if (method.len == 0) {
        return 0;
    }
    route->methods = method_bit(mux, method);
    if (route->methods && nrt__str_equal(method, NRT__STR("GET"))) {
        uint64_t head = method_bit(mux, NRT__STR("HEAD"));
        route->methods = head ? route->methods | head : 0;
    }
    if (!route->methods) {
        snprintf(why, NRT__MUX_TEXT_MAX, "\"%s\": the mux has too many different methods",
                 route->pattern.text);
        return NRT_ERR_USAGE;
    }
    return 0;
}

/* A pattern that is at odds with one that is there. */
static int check_conflicts(const nrt_mux *mux, const nrt__pattern *pattern,
                           char why[NRT__MUX_TEXT_MAX]) {
    for (size_t i = 0; i < mux->count; i++) {
        const nrt__pattern *other = &mux->routes[i]->pattern;
        nrt__relation relation = nrt__pattern_compare(pattern, other);
        if (relation == NRT__SAME || relation == NRT__CROSSING) {
            nrt__pattern_explain(pattern, other, relation, why);
            return NRT_ERR_USAGE;
        }
    }
    return 0;
}

static bool insert(nrt_mux *mux, nrt__route *route) {
    nrt__mux_node *node = &mux->root;
    for (size_t i = 0; node && i < route->pattern.count; i++) {
        node = grow_node(node, &route->pattern.segments[i]);
    }
    if (!node || !grow(&node->routes, node->route_count) || !grow(&mux->routes, mux->count)) {
        return false; /* nodes without a route do no harm */
    }
    node->routes[node->route_count++] = route;
    mux->routes[mux->count++] = route;
    return true;
}

/* Whether it may still be changed. */
static int check_open(nrt_mux *mux) {
    if (!mux) {
        return NRT_ERR_MEMORY;
    }
    if (atomic_load_explicit(&mux->serving, memory_order_relaxed)) {
        return fail(mux, NRT_ERR_STATE, "requests have come already: routes and hooks come first");
    }
    return 0;
}

int nrt_mux_add(nrt_mux *mux, const char *pattern, nrt_handler_fn handler, void *arg) {
    int error = check_open(mux);
    if (error < 0) {
        return error;
    }
    if (!handler || mux->count == NRT__MUX_ROUTES_MAX) {
        return fail(mux, NRT_ERR_USAGE,
                    handler ? "the mux has too many routes" : "a route needs a handler");
    }
    nrt__route *route = calloc(1, sizeof(*route));
    if (!route) {
        return fail(mux, NRT_ERR_MEMORY, nrt_error_text(NRT_ERR_MEMORY));
    }
    route->handler = handler;
    route->arg = arg;
    size_t methods = mux->method_count;
    char why[NRT__MUX_TEXT_MAX] = "";
    error = nrt__pattern_init(&route->pattern, pattern, why);
    if (error == 0) {
        error = check_conflicts(mux, &route->pattern, why);
    }
    if (error == 0) {
        error = read_methods(mux, route, why);
    }
    if (error == 0 && !insert(mux, route)) {
        error = NRT_ERR_MEMORY;
    }
    if (error < 0) {
        mux->method_count = methods;
        route_destroy(route);
        fail(mux, error, error == NRT_ERR_MEMORY ? nrt_error_text(error) : why);
    }
    return error;
}

int nrt_mux_use(nrt_mux *mux, nrt_before_fn before, nrt_after_fn after, void *arg) {
    int error = check_open(mux);
    if (error < 0) {
        return error;
    }
    if (mux->hook_count == NRT__MUX_HOOKS_MAX) {
        return fail(mux, NRT_ERR_USAGE, "the mux has too many hooks");
    }
    mux->hooks[mux->hook_count++] = (nrt__mux_hook){before, after, arg};
    return 0;
}

/* ---- finding ---- */

int nrt__mux_path_init(nrt__mux_path *path, nrt_str text, nrt__arena *arena) {
    const char *at = text.ptr;
    path->end = text.ptr + text.len;
    path->count = 0;
    path->more = true;
    while (path->more && path->count <= NRT__SEGMENTS_MAX) {
        at++; /* the slash */
        const char *slash = at < path->end ? memchr(at, '/', (size_t)(path->end - at)) : NULL;
        nrt_str raw = {at, (size_t)((slash ? slash : path->end) - at)};
        nrt_str decoded = raw;
        if (raw.len > 0 && memchr(raw.ptr, '%', raw.len)) {
            char *out = nrt__arena_get(arena, raw.len);
            if (!out || !nrt__percent_decode(raw, false, out, &decoded.len)) {
                return NRT_ERR_MEMORY;
            }
            decoded.ptr = out;
        }
        path->raw[path->count] = raw;
        path->text[path->count++] = decoded;
        path->more = slash != NULL;
        at = slash;
    }
    return 0;
}

typedef struct search {
    const nrt__mux_path *path;
    size_t count; /* of its segments, with the one behind a slash that was added */
    bool head;
    nrt_str method;
    uint64_t found; /* methods, where all are collected */
    bool exact;     /* see nrt__mux_find */
} search;

static nrt_str segment_at(const search *s, size_t at) {
    return at < s->path->count ? s->path->text[at] : NRT__STR("");
}

/* The route at a node: for the method itself, else HEAD for GET, else any. */
static const nrt__route *choose(const nrt__mux_node *node, const search *s) {
    const nrt__route *get = NULL;
    const nrt__route *any = NULL;
    for (size_t i = 0; i < node->route_count; i++) {
        const nrt__route *route = node->routes[i];
        if (nrt__str_equal(route->pattern.method, s->method)) {
            return route;
        }
        if (route->pattern.method.len == 0) {
            any = route;
        } else if (s->head && nrt__str_equal(route->pattern.method, NRT__STR("GET"))) {
            get = route;
        }
    }
    return get ? get : any;
}

/* Literals go before {name}, and that before {name...}: a pattern that has the method and is more
 * specific is found first, for of two that match, one is (others were refused). Each node is
 * looked at once at most. As deep as the longest pattern. */
static const nrt__route *descend(const nrt__mux_node *node, search *s, size_t at) {
    const nrt__route *route = NULL;
    size_t place;
    if (at == s->count) {
        s->exact = true;
        return s->path->more ? NULL : choose(node, s);
    }
    nrt_str text = segment_at(s, at);
    if (find_literal(node, text, &place)) {
        route = descend(node->literals[place], s, at + 1);
    }
    if (!route && node->single && text.len > 0) {
        route = descend(node->single, s, at + 1);
    }
    if (!route && node->rest) {
        s->exact = text.len == 0 && at + 1 == s->count;
        route = choose(node->rest, s);
    }
    return route;
}

const nrt__route *nrt__mux_find(const nrt_mux *mux, nrt_str method, const nrt__mux_path *path,
                                bool slash, bool *exact) {
    search s = {.path = path, .count = path->count, .method = method};
    if (slash && !path->more && s.count <= NRT__SEGMENTS_MAX) {
        s.count++;
    }
    s.head = nrt__str_equal(method, NRT__STR("HEAD"));
    const nrt__route *route = descend(&mux->root, &s, 0);
    if (exact) {
        *exact = route && s.exact;
    }
    return route;
}

static void collect(const nrt__mux_node *node, search *s, size_t at) {
    size_t place;
    if (at == s->count) {
        for (size_t i = 0; !s->path->more && i < node->route_count; i++) {
            s->found |= node->routes[i]->methods;
        }
        return;
    }
    nrt_str text = segment_at(s, at);
    if (find_literal(node, text, &place)) {
        collect(node->literals[place], s, at + 1);
    }
    if (node->single && text.len > 0) {
        collect(node->single, s, at + 1);
    }
    for (size_t i = 0; node->rest && i < node->rest->route_count; i++) {
        s->found |= node->rest->routes[i]->methods;
    }
}

uint64_t nrt__mux_methods(const nrt_mux *mux, const nrt__mux_path *path) {
    if (!path) {
        return mux->method_count == 64 ? UINT64_MAX : (UINT64_C(1) << mux->method_count) - 1;
    }
    search s = {.path = path, .count = path->count};
    collect(&mux->root, &s, 0);
    if (!path->more && path->text[path->count - 1].len > 0 && s.count <= NRT__SEGMENTS_MAX) {
        s.count++; /* what a redirect would lead to */
        collect(&mux->root, &s, 0);
    }
    return s.found;
}

static int by_text(const void *a, const void *b) {
    const nrt_str *one = a;
    const nrt_str *other = b;
    size_t len = one->len < other->len ? one->len : other->len;
    int order = memcmp(one->ptr, other->ptr, len);
    return order ? order : (one->len > other->len) - (one->len < other->len);
}

const char *nrt__mux_list(const nrt_mux *mux, uint64_t methods, nrt__arena *arena) {
    nrt_str names[NRT__MUX_METHODS_MAX + 1] = {NRT__STR("OPTIONS")};
    size_t count = 1;
    size_t size = sizeof("OPTIONS");
    for (size_t i = 0; i < mux->method_count; i++) {
        bool listed = methods >> i & 1 && !nrt__str_equal(mux->methods[i], names[0]);
        if (listed) {
            names[count++] = mux->methods[i];
            size += mux->methods[i].len + 2;
        }
    }
    qsort(names, count, sizeof(names[0]), by_text);
    char *text = nrt__arena_get(arena, size);
    char *end = text;
    for (size_t i = 0; text && i < count; i++) {
        if (i > 0) {
            *end++ = ',';
            *end++ = ' ';
        }
        memcpy(end, names[i].ptr, names[i].len);
        end += names[i].len;
        *end = '\0';
    }
    return text;
}

/* ---- cleaning ---- */

static bool is_clean(nrt_str path) {
    size_t at = 0;
    while (at < path.len) {
        nrt_str rest = {path.ptr + at + 1, path.len - at - 1};
        const char *slash = rest.len > 0 ? memchr(rest.ptr, '/', rest.len) : NULL;
        nrt_str segment = {rest.ptr, slash ? (size_t)(slash - rest.ptr) : rest.len};
        if ((slash && segment.len == 0) || nrt__segment_dots(segment)) {
            return false;
        }
        at += 1 + segment.len;
    }
    return true;
}

nrt_str nrt__mux_clean(nrt_str path, nrt__arena *arena) {
    if (is_clean(path)) {
        return path;
    }
    char *out = nrt__arena_get(arena, path.len + 1);
    size_t len = 0;
    size_t at = 0;
    while (out && at < path.len) {
        nrt_str rest = {path.ptr + at + 1, path.len - at - 1};
        const char *slash = rest.len > 0 ? memchr(rest.ptr, '/', rest.len) : NULL;
        nrt_str segment = {rest.ptr, slash ? (size_t)(slash - rest.ptr) : rest.len};
        size_t dots = nrt__segment_dots(segment);
        if (dots == 2) {
            while (len > 0 && out[--len] != '/') {
            }
        } else if (dots == 0 && segment.len > 0) {
            out[len++] = '/';
            memcpy(out + len, segment.ptr, segment.len);
            len += segment.len;
        }
        at += 1 + segment.len;
    }
    if (out && (len == 0 || path.ptr[path.len - 1] == '/')) {
        out[len++] = '/';
    }
    return (nrt_str){out, out ? len : 0};
}
