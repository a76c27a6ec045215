/* The routes of a mux as a tree of segments, and finding one in it. What is answered, and around
 * what hooks, is in mux_handle.c. */
#ifndef NRT__MUX_H
#define NRT__MUX_H

#include <nrt/mux.h>
#include <stdatomic.h>

#include "core/base/arena.h"
#include "core/handler/mux_pattern.h"

enum {
    NRT__MUX_ROUTES_MAX = 65536,
    NRT__MUX_METHODS_MAX = 64, /* different ones */
    NRT__MUX_HOOKS_MAX = 64,
};

typedef struct nrt__route {
    nrt__pattern pattern;
    nrt_handler_fn handler;
    void *arg;
    uint64_t methods; /* bits, by their place in the mux; 0: all */
} nrt__route;

/* What may stand behind a path so far. */
typedef struct nrt__mux_node {
    nrt_str literal;                 /* how it is reached */
    struct nrt__mux_node **literals; /* sorted */
    size_t count;
    struct nrt__mux_node *single;
    struct nrt__mux_node *rest;
    nrt__route **routes; /* that end here; they differ in their methods */
    size_t route_count;
} nrt__mux_node;

typedef struct nrt__mux_hook {
    nrt_before_fn before;
    nrt_after_fn after;
    void *arg;
} nrt__mux_hook;

struct nrt_mux {
    nrt__mux_node root;
    nrt__route **routes; /* in the order in which they were added */
    size_t count;
    nrt_str methods[NRT__MUX_METHODS_MAX]; /* sorted in what is told, not here */
    size_t method_count;
    nrt__mux_hook hooks[NRT__MUX_HOOKS_MAX];
    size_t hook_count;
    atomic_bool serving;           /* a request has come */
    int failed;                    /* what the first call that failed gave, */
    char error[NRT__MUX_TEXT_MAX]; /* and why */
};

/* A path in segments, as far as patterns look. */
typedef struct nrt__mux_path {
    size_t count;                        /* of segments; at most NRT__SEGMENTS_MAX + 1 */
    bool more;                           /* there are more behind them */
    nrt_str raw[NRT__SEGMENTS_MAX + 1];  /* as they were sent */
    nrt_str text[NRT__SEGMENTS_MAX + 1]; /* decoded */
    const char *end;                     /* of the path */
} nrt__mux_path;

/* Splits a path that begins with a slash and is validly encoded. NRT_ERR_MEMORY. */
int nrt__mux_path_init(nrt__mux_path *path, nrt_str text, nrt__arena *arena);

/* The most specific route for a request, or NULL; with `slash`, as if the path ended in one more
 * slash. `exact` (or NULL) tells whether it takes this path itself, not as something below it. */
const nrt__route *nrt__mux_find(const nrt_mux *mux, nrt_str method, const nrt__mux_path *path,
                                bool slash, bool *exact);

/* The methods for which there is a route to that path, or (NULL) to any, as bits. */
uint64_t nrt__mux_methods(const nrt_mux *mux, const nrt__mux_path *path);

/* Writes them as a list, sorted, with OPTIONS. NULL when out of memory. */
const char *nrt__mux_list(const nrt_mux *mux, uint64_t methods, nrt__arena *arena);

/* A path without dot segments and empty ones, as path.Clean of Go does it, but that the slash at
 * the end stays: the same view where there is nothing to do. Absent when out of memory. */
nrt_str nrt__mux_clean(nrt_str path, nrt__arena *arena);

#endif
