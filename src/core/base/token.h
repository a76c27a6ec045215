/* Tokens: the last part of a subject that names one exchange of ours: a slot, and 96 random bits
 * that must match. Whoever may publish there cannot guess one. */
#ifndef NRT__TOKEN_H
#define NRT__TOKEN_H

#include "core/base/env.h"

enum {
    NRT__SLOT_CHARS = 4,    /* which slot; 24 bits */
    NRT__SECRET_CHARS = 16, /* and 96 random bits */
    NRT__TOKEN_CHARS = NRT__SLOT_CHARS + NRT__SECRET_CHARS,
    NRT__SLOT_BITS = 6 * NRT__SLOT_CHARS,
};

typedef struct nrt__token {
    uint32_t slot;
    char secret[NRT__SECRET_CHARS];
} nrt__token;

/* A new secret: what is still under way for the old one is for nobody. 0 or NRT_ERR_SYSTEM. */
int nrt__token_renew(nrt__env *env, nrt__token *token);

/* Writes NRT__TOKEN_CHARS characters. */
void nrt__token_write(const nrt__token *token, char *out);

/* The slot that `text`, NRT__TOKEN_CHARS long, names; false where it is none. */
bool nrt__token_slot(nrt_str text, size_t *slot);

/* Whether `text` holds this token's secret; takes the same time whatever it holds. */
bool nrt__token_is(const nrt__token *token, nrt_str text);

#endif
