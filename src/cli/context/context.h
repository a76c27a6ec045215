/* `nrt context`: what its files share. */
#ifndef NRT__CONTEXT_CONTEXT_H
#define NRT__CONTEXT_CONTEXT_H

#include "cli/common.h"
#include "lib/context.h"

typedef struct nrt__context_options {
    nrt__common common;
    bool json;
} nrt__context_options;

/* The common options with the context named by the operand, alone: without the environment. NULL:
 * as every other command would have it. */
nrt_options nrt__context_choose(const nrt__context_options *options, const char *name);

/* Says an error of the library's; returns `code`. */
int nrt__context_fail(const nrt__context_options *options, int code, const char *detail);

/* What a secret looks like, whatever it is. */
#define NRT__MASKED "********"

/* A JSON document on standard output; releases it, and returns the exit code. */
int nrt__context_print(json_t *document);

/* `nrt context show`, in context_show.c. */
int nrt__context_show(const nrt__context_options *options, const char *name);

#endif
