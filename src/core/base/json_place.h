/* Where something stands in a JSON text, for messages: jansson keeps no places of values, and its
 * sentences about broken texts quote them, which may hold secrets. Pure: no I/O. */
#ifndef NRT__JSON_PLACE_H
#define NRT__JSON_PLACE_H

#include <jansson.h>
#include <nrt/base.h>

typedef struct nrt__json_place {
    unsigned line; /* from 1 */
    unsigned column;
} nrt__json_place;

/* A step on the way to a value: into an object where there is a key, else into an array. */
typedef struct nrt__json_step {
    const char *key;
    size_t index;
} nrt__json_step;

/* The place of a member's key, or of an array's element, in a text that jansson has read. Where a
 * step leads nowhere (a key written with escapes), that of what is around it. */
nrt__json_place nrt__json_locate(nrt_str text, const nrt__json_step *steps, size_t count);

/* Why jansson could not read `text`, as a sentence that says what to do, in `why`; and where. */
nrt__json_place nrt__json_fault(nrt_str text, const json_error_t *error, char *why,
                                size_t why_size);

#endif
