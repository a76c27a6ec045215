/* Which services `nrt serve` has: of its command line, or of its configuration file, where one may
 * be written as an object. */
#ifndef NRT__SERVE_CONFIG_H
#define NRT__SERVE_CONFIG_H

#include "cli/args.h"
#include "cli/report.h"

/* {"host": "weather.nats", "target": "http://127.0.0.1:8080", "health": "/healthz"}. What is not
 * said is NULL or 0: as the options for all of them have it. */
typedef struct nrt__service_object {
    const char *host;
    const char *target;
    const char *health;
    const char *version;
    const char *description;
    unsigned max_in_flight;
    unsigned max_connections;
    uint32_t timeout_ms;
} nrt__service_object;

enum { NRT__SERVE_OBJECTS = 1 };
extern const nrt__opt_object nrt__serve_objects[NRT__SERVE_OBJECTS];

typedef struct nrt__serve_pair {
    const char *host;
    const char *target;
    const nrt__service_object *object; /* NULL: nothing of its own */
    const char *where;                 /* in the file, with ": " behind it; "" */
    char *copy;                        /* what host and target point into, perhaps */
} nrt__serve_pair;

/* Those of the operands, HOST TARGET..., and of --service. 0, or the exit code once it has said
 * what is wrong; nrt__serve_pairs_free in any case. */
int nrt__serve_pairs_make(const nrt__operands *operands, const nrt__arg_list *services,
                          const nrt__report *log, nrt__serve_pair **pairs, size_t *count);
/* Whether one of them has an https:// target. */
bool nrt__serve_pairs_https(const nrt__serve_pair *pairs, size_t count);

void nrt__serve_pairs_free(nrt__serve_pair *pairs, size_t count);

#endif
