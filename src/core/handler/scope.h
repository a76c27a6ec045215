/* What an exchange has beside its request and response, once something asks for it: what hooks left
 * for handlers, the route it went, what was decoded. In the exchange's memory. */
#ifndef NRT__SCOPE_H
#define NRT__SCOPE_H

#include <nrt/http.h>

#include "core/exchange/services.h"
#include "core/handler/mux.h"

typedef struct nrt__pair {
    nrt_str name;
    nrt_str value;
} nrt__pair;

struct nrt_pairs {
    size_t count;
    nrt__pair list[];
};

/* Something left under a key. */
typedef struct nrt__kept {
    struct nrt__kept *next;
    const void *key;
    void *data;
} nrt__kept;

/* The hooks of a mux that were reached. */
typedef struct nrt__reached {
    struct nrt__reached *next; /* of the mux around it */
    const nrt_mux *mux;
    size_t count;
} nrt__reached;

typedef struct nrt__scope {
    nrt__kept *kept;
    nrt__reached *reached; /* the innermost first */
    const nrt__route *route;
    nrt_str *values; /* of its named wildcards, in their order */
    const nrt_pairs *query;
    const nrt_pairs *form;
    const nrt_pairs *cookies;
} nrt__scope;

/* That of an exchange; NULL when out of memory. */
nrt__scope *nrt__exchange_scope(nrt_exchange *exchange);

/* The memory that handlers use: the response's, which only they touch while they have it. */
static inline nrt__arena *nrt__exchange_arena(nrt_exchange *exchange) {
    return &exchange->response.message.arena;
}

#endif
