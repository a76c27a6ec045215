/* A mux at work: a request to its route, or to an answer that says why it has none; hooks around
 * both. */
#include "core/base/percent.h"
#include "core/base/str.h"
#include "core/handler/scope.h"

/* What becomes of a request. */
typedef struct verdict {
    const nrt__route *route; /* NULL: the mux answers itself, with */
    int status;
    const char *location;
    const char *allow;
} verdict;

/* ---- values ---- */

static const nrt_str *find_value(const nrt__scope *scope, nrt_str name) {
    const nrt__pattern *pattern = &scope->route->pattern;
    size_t named = 0;
    for (size_t i = 0; i < pattern->count; i++) {
        const nrt__segment *segment = &pattern->segments[i];
        if (segment->kind == NRT__SEGMENT_LITERAL || segment->text.len == 0) {
            continue;
        }
        if (nrt__str_equal(segment->text, name)) {
            return &scope->values[named];
        }
        named++;
    }
    return NULL;
}

nrt_str nrt_exchange_path_value(const nrt_exchange *exchange, const char *name) {
    const nrt__scope *scope = exchange->scope;
    const nrt_str *value = scope && scope->route ? find_value(scope, nrt_str_from(name)) : NULL;
    return value ? *value : (nrt_str){NULL, 0};
}

const char *nrt_exchange_pattern(const nrt_exchange *exchange) {
    const nrt__scope *scope = exchange->scope;
    return scope && scope->route ? scope->route->pattern.text : "";
}

static bool read_rest(const nrt__mux_path *path, size_t at, nrt__arena *arena, nrt_str *value) {
    nrt_str raw = {path->raw[at].ptr, (size_t)(path->end - path->raw[at].ptr)};
    *value = raw;
    if (raw.len == 0 || !memchr(raw.ptr, '%', raw.len)) {
        return true;
    }
    char *out = nrt__arena_get(arena, raw.len);
    value->ptr = out;
    return out && nrt__percent_decode(raw, false, out, &value->len);
}

static bool read_values(nrt__scope *scope, const nrt__mux_path *path, nrt__arena *arena) {
    const nrt__pattern *pattern = &scope->route->pattern;
    size_t named = 0;
    if (pattern->wildcards == 0) {
        return true;
    }
    scope->values = nrt__arena_get(arena, pattern->wildcards * sizeof(*scope->values));
    for (size_t i = 0; scope->values && i < pattern->count; i++) {
        const nrt__segment *segment = &pattern->segments[i];
        if (segment->kind == NRT__SEGMENT_SINGLE) {
            scope->values[named++] = path->text[i];
        } else if (segment->kind == NRT__SEGMENT_REST && segment->text.len > 0 &&
                   !read_rest(path, i, arena, &scope->values[named++])) {
            return false;
        }
    }
    return scope->values != NULL;
}

/* ---- where to ---- */

/* Path, an added slash, query. A backslash is encoded: some take it for a slash, and two slashes at
 * the beginning for another host. NULL when out of memory. */
static char *make_location(nrt_str path, bool slash, nrt_str query, nrt__arena *arena) {
    char *out = nrt__arena_get(arena, 3 * path.len + query.len + 3);
    char *end = out;
    for (size_t i = 0; out && i < path.len; i++) {
        if (path.ptr[i] == '\\') {
            memcpy(end, "%5C", 3);
            end += 3;
        } else {
            *end++ = path.ptr[i];
        }
    }
    if (out && slash) {
        *end++ = '/';
    }
    if (out && query.ptr) {
        *end++ = '?';
        memcpy(end, query.ptr, query.len);
        end += query.len;
    }
    if (out) {
        *end = '\0';
    }
    return out;
}

static int redirect(verdict *found, nrt_str method, const char *location) {
    bool safe = nrt__str_equal(method, NRT__STR("GET")) || nrt__str_equal(method, NRT__STR("HEAD"));
    found->route = NULL;
    found->status = safe ? 301 : 308;
    found->location = location;
    return location ? 0 : NRT_ERR_MEMORY;
}

static int list_allowed(const nrt_mux *mux, const nrt__mux_path *path, nrt_str method,
                        nrt__arena *arena, verdict *found) {
    uint64_t methods = nrt__mux_methods(mux, path);
    if (path && methods == 0) {
        found->status = 404;
        return 0;
    }
    found->status = nrt__str_equal(method, NRT__STR("OPTIONS")) ? 204 : 405;
    found->allow = nrt__mux_list(mux, methods, arena);
    return found->allow ? 0 : NRT_ERR_MEMORY;
}

/* NRT_ERR_MEMORY. */
static int decide(const nrt_mux *mux, const nrt_request *request, nrt__scope *scope,
                  nrt__arena *arena, verdict *found) {
    nrt_str method = nrt_request_method(request);
    nrt_str sent = nrt_request_path(request);
    nrt_str query = nrt_request_query(request);
    nrt__mux_path path;
    bool exact;
    memset(found, 0, sizeof(*found));
    if (nrt__str_equal(sent, NRT__STR("*"))) {
        return list_allowed(mux, NULL, method, arena, found);
    }
    if (sent.len == 0 || sent.ptr[0] != '/' || !nrt__percent_is_valid(sent)) {
        found->status = 400;
        return 0;
    }
    nrt_str clean = nrt__mux_clean(sent, arena);
    if (!clean.ptr || nrt__mux_path_init(&path, clean, arena) < 0) {
        return NRT_ERR_MEMORY;
    }
    found->route = nrt__mux_find(mux, method, &path, false, &exact);
    if (!exact && clean.ptr[clean.len - 1] != '/') {
        const nrt__route *folder = nrt__mux_find(mux, method, &path, true, &exact);
        if (folder && exact) {
            return redirect(found, method, make_location(clean, true, query, arena));
        }
    }
    if (clean.ptr != sent.ptr) {
        return redirect(found, method, make_location(clean, false, query, arena));
    }
    if (!found->route) {
        return list_allowed(mux, &path, method, arena, found);
    }
    scope->route = found->route;
    return read_values(scope, &path, arena) ? 0 : NRT_ERR_MEMORY;
}

/* ---- answers ---- */

static void answer(nrt_exchange *exchange, const verdict *found) {
    switch (found->status) {
    case 204:
        nrt_exchange_set_status(exchange, 204);
        break;
    case 400:
        nrt_exchange_problem(exchange, 400, "the path is not validly percent-encoded");
        break;
    case 404:
        nrt_exchange_problem(exchange, 404, "nothing is at this path");
        break;
    case 405:
        nrt_exchange_problem(exchange, 405,
                             "this path does not take the method; Allow lists those it takes");
        break;
    default:
        nrt_exchange_redirect(exchange, found->status, found->location);
        break;
    }
    if (found->allow && nrt_fields_set(nrt_exchange_fields(exchange), NRT__STR("Allow"),
                                       nrt_str_from(found->allow)) < 0) {
        exchange->failed = NRT_ERR_MEMORY;
    }
}

/* All hooks that were reached, the last one first. */
static void run_after(nrt_exchange *exchange) {
    nrt__scope *scope = exchange->scope;
    exchange->completed = NULL; /* once */
    for (nrt__reached *reached = scope->reached; reached; reached = reached->next) {
        for (size_t i = reached->count; i > 0; i--) {
            const nrt__mux_hook *hook = &reached->mux->hooks[i - 1];
            if (hook->after) {
                hook->after(exchange, hook->arg);
            }
        }
    }
}

/* Whether the handler is to run. */
static bool run_before(const nrt_mux *mux, nrt_exchange *exchange, nrt__reached *reached) {
    for (size_t i = 0; i < mux->hook_count; i++) {
        const nrt__mux_hook *hook = &mux->hooks[i];
        reached->count = i + 1;
        if (hook->before && !hook->before(exchange, hook->arg)) {
            return false;
        }
    }
    return true;
}

void nrt_mux_handle(nrt_exchange *exchange, void *arg) {
    nrt_mux *mux = arg;
    verdict found;
    nrt__arena *arena = nrt__exchange_arena(exchange);
    nrt__scope *scope = mux ? nrt__exchange_scope(exchange) : NULL;
    nrt__reached *reached = scope ? nrt__arena_get(arena, sizeof(*reached)) : NULL;
    if (!reached) {
        nrt_exchange_error(exchange, NRT_ERR_MEMORY);
        return;
    }
    if (!atomic_load_explicit(&mux->serving, memory_order_relaxed)) {
        atomic_store_explicit(&mux->serving, true, memory_order_relaxed);
    }
    scope->route = NULL; /* of a mux around this one */
    if (decide(mux, nrt_exchange_request(exchange), scope, arena, &found) < 0) {
        nrt_exchange_error(exchange, NRT_ERR_MEMORY);
        return;
    }
    if (mux->hook_count > 0) {
        *reached = (nrt__reached){.next = scope->reached, .mux = mux};
        scope->reached = reached;
        exchange->completed = run_after;
        if (!run_before(mux, exchange, reached)) {
            return;
        }
    }
    if (found.route) {
        found.route->handler(exchange, found.route->arg);
    } else {
        answer(exchange, &found);
    }
}
