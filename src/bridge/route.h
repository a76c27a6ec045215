/* Which service a request of a plain HTTP client goes to: the gateway's table of routes. Pure: no
 * I/O. */
#ifndef NRT__ROUTE_H
#define NRT__ROUTE_H

#include <nrt/error.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct nrt__routes nrt__routes;

/* What a route may want otherwise than its front. Zeroed: nothing. */
typedef struct nrt__route_settings {
    uint32_t timeout_ms; /* to the response head; 0: the front's */
    uint64_t max_body;   /* of a request; 0: the front's */
    bool long_poll;      /* in any case, not only where the front says so */
} nrt__route_settings;

nrt__routes *nrt__routes_create(void);
void nrt__routes_destroy(nrt__routes *routes);

/* Adds "PATTERN=HOST": PATTERN is `/city` (that path and below it), `/`, or `www.example.net/city`;
 * HOST ends in .nats. NRT_ERR_USAGE (pattern, or given twice), NRT_ERR_HOST, NRT_ERR_MEMORY. */
int nrt__routes_add(nrt__routes *routes, const char *text);

/* Likewise, with settings. */
int nrt__routes_add_with(nrt__routes *routes, const char *text,
                         const nrt__route_settings *settings);

size_t nrt__routes_count(const nrt__routes *routes);
/* For messages: the route at `index` as "pattern" and "host"; both live as long as the table. */
void nrt__routes_at(const nrt__routes *routes, size_t index, const char **pattern,
                    const char **host);

/* The service for a request's authority (host in lower case, without port; may be absent) and path;
 * the longest pattern wins, one with a host before one without. The absent string where none
 * matches. `settings` may be NULL; where one matches, its settings are written there. */
nrt_str nrt__routes_find(const nrt__routes *routes, nrt_str authority, nrt_str path,
                         nrt__route_settings *settings);

#endif
