/* The gateway's table of routes. */
#include "bridge/route.h"

#include <stdlib.h>

#include "core/base/str.h"
#include "core/http/url.h"
#include "core/nats/subject.h"

typedef struct route {
    char *pattern;     /* as given */
    nrt_str authority; /* in `pattern`; empty: any */
    nrt_str path;      /* likewise; begins with '/', without a trailing one unless it is all */
    char host[NRT__HOST_MAX + 1];
    nrt__route_settings settings;
} route;

struct nrt__routes {
    route *list;
    size_t count;
};

nrt__routes *nrt__routes_create(void) {
    return calloc(1, sizeof(nrt__routes));
}

void nrt__routes_destroy(nrt__routes *routes) {
    if (!routes) {
        return;
    }
    for (size_t i = 0; i < routes->count; i++) {
        free(routes->list[i].pattern);
    }
    free(routes->list);
    free(routes);
}

static int read_pattern(route *one, nrt_str pattern) {
    nrt_str port;
    const char *slash = memchr(pattern.ptr, '/', pattern.len);
    if (!slash || !nrt__is_visible(pattern) || memchr(pattern.ptr, '?', pattern.len) ||
        memchr(pattern.ptr, '#', pattern.len)) {
        return NRT_ERR_USAGE;
    }
    one->pattern = malloc(pattern.len + 1);
    if (!one->pattern) {
        return NRT_ERR_MEMORY;
    }
    size_t host_len = (size_t)(slash - pattern.ptr);
    for (size_t i = 0; i < pattern.len; i++) {
        one->pattern[i] = i < host_len ? nrt__lower(pattern.ptr[i]) : pattern.ptr[i];
    }
    one->pattern[pattern.len] = '\0';
    one->path = (nrt_str){one->pattern + host_len, pattern.len - host_len};
    if (one->path.len > 1 && one->path.ptr[one->path.len - 1] == '/') {
        one->path.len--; /* /city/ is /city and below, as /city is */
    }
    one->authority = (nrt_str){one->pattern, host_len};
    if (host_len > 0 &&
        (!nrt__authority_split(one->authority, &one->authority, &port) || port.len > 0)) {
        return NRT_ERR_USAGE;
    }
    return 0;
}

int nrt__routes_add(nrt__routes *routes, const char *text) {
    return nrt__routes_add_with(routes, text, &(nrt__route_settings){0});
}

int nrt__routes_add_with(nrt__routes *routes, const char *text,
                         const nrt__route_settings *settings) {
    route one = {.settings = *settings};
    const char *equals = strrchr(text, '=');
    if (!equals) {
        return NRT_ERR_USAGE;
    }
    int error = nrt__host_canonical(nrt_str_from(equals + 1), one.host);
    if (error == 0) {
        error = read_pattern(&one, (nrt_str){text, (size_t)(equals - text)});
    }
    for (size_t i = 0; error == 0 && i < routes->count; i++) {
        if (nrt__str_equal(routes->list[i].authority, one.authority) &&
            nrt__str_equal(routes->list[i].path, one.path)) {
            error = NRT_ERR_USAGE;
        }
    }
    if (error == 0) {
        route *list = realloc(routes->list, (routes->count + 1) * sizeof(*list));
        if (list) {
            list[routes->count++] = one;
            routes->list = list;
            return 0;
        }
        error = NRT_ERR_MEMORY;
    }
    free(one.pattern);
    return error;
}

size_t nrt__routes_count(const nrt__routes *routes) {
    return routes ? routes->count : 0;
}

void nrt__routes_at(const nrt__routes *routes, size_t index, const char **pattern,
                    const char **host) {
    *pattern = routes->list[index].pattern;
    *host = routes->list[index].host;
}

/* `/city` matches /city, /city/x and /city?q, not /cityx. */
static bool path_matches(nrt_str path, nrt_str pattern) {
    if (nrt__str_equal(path, NRT__STR("*"))) { /* OPTIONS *: the server as a whole */
        return pattern.len == 1;
    }
    if (!nrt__str_starts(path, pattern)) {
        return false;
    }
    if (pattern.len == 1 || path.len == pattern.len) {
        return true;
    }
    return path.ptr[pattern.len] == '/' || path.ptr[pattern.len] == '?';
}

nrt_str nrt__routes_find(const nrt__routes *routes, nrt_str authority, nrt_str path,
                         nrt__route_settings *settings) {
    const route *best = NULL;
    for (size_t i = 0; routes && i < routes->count; i++) {
        const route *one = &routes->list[i];
        if ((one->authority.len > 0 && !nrt__str_same(one->authority, authority)) ||
            !path_matches(path, one->path)) {
            continue;
        }
        bool better = !best || (one->authority.len > 0) > (best->authority.len > 0) ||
                      ((one->authority.len > 0) == (best->authority.len > 0) &&
                       one->path.len > best->path.len);
        if (better) {
            best = one;
        }
    }
    if (best && settings) {
        *settings = best->settings;
    }
    return best ? nrt_str_from(best->host) : (nrt_str){NULL, 0};
}
