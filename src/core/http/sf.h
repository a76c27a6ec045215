/* Reads dictionaries of structured fields (RFC 8941 section 3.2), as far as our own fields use
 * them: members with an item, no inner lists. */
#ifndef NRT__SF_H
#define NRT__SF_H

#include <nrt/base.h>

typedef enum nrt__sf_kind {
    NRT__SF_BOOLEAN = 0, /* also a key that stands alone: true */
    NRT__SF_INTEGER,
    NRT__SF_TOKEN,
    NRT__SF_STRING,
} nrt__sf_kind;

/* Views into the text that is read. */
typedef struct nrt__sf_member {
    nrt_str key;
    nrt__sf_kind kind;
    int64_t number; /* of an integer; 1 or 0 of a boolean */
    nrt_str text;   /* of a token, or of a string as it is written, without its quotes */
} nrt__sf_member;

/* Takes the next member off `rest`, its parameters with it. 1; 0 at the end; -1 where the text is
 * no such dictionary. */
int nrt__sf_next(nrt_str *rest, nrt__sf_member *member);

#endif
