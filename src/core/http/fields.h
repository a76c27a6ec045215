/* The header or trailer section of a message, and what the names in it mean to us. */
#ifndef NRT__FIELDS_H
#define NRT__FIELDS_H

#include <nrt/message.h>

#include "core/base/arena.h"

/* What the engine must know about a field, as data (fields.c has the table). */
enum {
    NRT__FIELD_HOP = 1,     /* concerns one connection: never forwarded (RFC 9110 section 7.6.1) */
    NRT__FIELD_FRAMING = 2, /* always regenerated from the message itself */
    NRT__FIELD_NRT = 4,     /* NRT-*: ours to make and to consume */
    NRT__FIELD_KEEP = 8, /* Connection may not nominate it: removing it would change the meaning */
    NRT__FIELD_SINGLETON = 16, /* more than one line is an error, or an attack */
    NRT__FIELD_CLAIM = 64, /* says where a request came from: believed from whom we trust only */
    NRT__FIELD_NO_TRAILER = 32, /* must not stand in a trailer section (RFC 9110 section 6.5.1) */
};

typedef enum nrt__field_id {
    NRT__OTHER = 0, /* not in the table */
    NRT__CLIENT_CERT,
    NRT__CONNECTION,
    NRT__CONTENT_LENGTH,
    NRT__CONTENT_TYPE,
    NRT__DATE,
    NRT__EXPECT,
    NRT__FORWARDED,
    NRT__HOST,
    NRT__IDEMPOTENCY_KEY,
    NRT__NRT_ACCEPT,
    NRT__NRT_VERSION,
    NRT__TE,
    NRT__TRACEPARENT,
    NRT__TRACESTATE,
    NRT__TRAILER,
    NRT__TRANSFER_ENCODING,
    NRT__UPGRADE,
    NRT__VIA,
    NRT__X_FORWARDED_FOR,
    NRT__X_FORWARDED_HOST,
    NRT__X_FORWARDED_PROTO,
    NRT__LISTED, /* in the table for its flags only */
} nrt__field_id;

typedef struct nrt__field {
    nrt_str name;
    nrt_str value;
    uint8_t id;    /* nrt__field_id */
    uint8_t flags; /* NRT__FIELD_* */
} nrt__field;

struct nrt_fields {
    nrt__field *list; /* in the arena */
    size_t count;
    size_t size;
    nrt__arena *arena; /* what public additions are copied into */
};

static inline void nrt__fields_init(nrt_fields *fields, nrt__arena *arena) {
    memset(fields, 0, sizeof(*fields));
    fields->arena = arena;
}

/* What the table knows of `name`. */
void nrt__field_look_up(nrt_str name, uint8_t *id, uint8_t *flags);

/* Room for `count` of them at once, in a list that has none yet. */
void nrt__fields_expect(nrt_fields *fields, size_t count);

/* Appends a field without copying or checking its text. NULL when out of memory. */
nrt__field *nrt__fields_append(nrt_fields *fields, nrt_str name, nrt_str value);

/* Appends all of `from`, text and all: what it came from may be gone soon. False when out of
 * memory. */
bool nrt__fields_copy(nrt_fields *to, const nrt_fields *from);

/* The first field with this id after `from` (NULL: from the start), or NULL. */
nrt__field *nrt__fields_find(const nrt_fields *fields, nrt__field_id id, const nrt__field *from);

/* The value of the first one, or the absent string. */
nrt_str nrt__fields_value(const nrt_fields *fields, nrt__field_id id);

/* True if a list field (such as Connection) names `element`, without case, on any of its lines. */
bool nrt__fields_list_has(const nrt_fields *fields, nrt__field_id id, nrt_str element);

/* Removes every field that has one of `flags`. */
void nrt__fields_drop(nrt_fields *fields, unsigned flags);

/* Removes every field with this id. */
void nrt__fields_drop_id(nrt_fields *fields, nrt__field_id id);

/* Removes what concerns one connection only: hop-by-hop fields, and those that Connection nominates
 * (but none that may not be nominated). Content-Length stays to be seen; what is written never
 * takes it from here. */
void nrt__fields_strip_hop(nrt_fields *fields);

#endif
