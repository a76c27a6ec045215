/* What `nrt ls`, `nrt info` and `nrt stats` share: asking services on $SRV, and how instances are
 * written. */
#ifndef NRT__DISCOVER_DISCOVER_H
#define NRT__DISCOVER_DISCOVER_H

#include <jansson.h>
#include <nrt/discovery.h>

#include "cli/common.h"

typedef struct nrt__asking {
    nrt__common common;
    uint32_t quiet_ms;
    uint32_t interval_ms; /* stats: between two looks; 0: one look */
    bool json;
    nrt__program program;
    uint32_t timeout_ms;
} nrt__asking;

enum { NRT__ASKING_OPTS = 2 };
extern const nrt__opt nrt__asking_opts[NRT__ASKING_OPTS];

void nrt__asking_init(nrt__asking *asking, const char *name);

/* Connects. 0, or the exit code once it has said what is wrong. nrt__program_close in any case. */
int nrt__asking_open(nrt__asking *asking, const char *called);

/* Asks for all `kinds` at once; of one service if `name` is not NULL. 0, or the exit code once it
 * has said what is wrong; then nothing is found. `found` has `count` places, to be destroyed. */
int nrt__asking_ask(nrt__asking *asking, const nrt_discover_kind *kinds, size_t count,
                    const char *name, nrt_discovery **found);

/* A host or a service's name, as it was typed. */
typedef struct nrt__wanted {
    const char *typed; /* NULL: all */
    char host[256];    /* "": a name was typed */
    char name[256];
} nrt__wanted;

/* 0, or the exit code once it has said what is wrong with it. */
int nrt__wanted_read(nrt__wanted *wanted, const char *typed, const nrt__report *log);

/* Nobody answered: says so, and who has a name like it. */
void nrt__asking_nobody(nrt__asking *asking, const nrt__wanted *wanted);

/* Instances of one service that stand together in the result. */
typedef struct nrt__group {
    const nrt_instance *const *list;
    size_t count;
} nrt__group;

/* The next one that is wanted, from *at on; false at the end. */
bool nrt__group_next(const nrt_discovery *found, const nrt__wanted *wanted, size_t *at,
                     nrt__group *group);

static inline bool nrt__is_ours(const nrt_instance *instance) {
    return instance->host[0] != '\0';
}

/* "weather.nats", "weather.nats (prefix v2)" or "calc (not nrt)". Returns `out`. */
const char *nrt__instance_label(const nrt__asking *asking, const nrt_instance *instance, char *out,
                                size_t size);

/* "C1/n1", shortened where that is long; "-" where it is not known. Returns `out`. */
const char *nrt__instance_where(const nrt_instance *instance, char *out, size_t size);

/* "0.35 ms" and the like. Returns `out`. */
const char *nrt__ns_format(double ns, char *out, size_t size);

/* Members that are the same in all answers of ours: of a service, of an instance. NULL when out of
 * memory. */
json_t *nrt__group_json(const nrt__group *group, json_t *instances);
json_t *nrt__instance_json(const nrt_instance *instance);

/* Prints {"services": ..., "skipped": ...}; takes `services`, NULL when out of memory. The exit
 * code. */
int nrt__asking_print_json(const nrt__asking *asking, json_t *services, size_t skipped);

/* The end of a command that printed text: what was skipped, and whether all was written. */
int nrt__asking_finish(const nrt__asking *asking, size_t skipped, bool printed);

#endif
