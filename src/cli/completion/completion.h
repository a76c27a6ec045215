/* What the completion scripts of the three shells share: what may stand where on a command line,
 * read from the tables that the parser reads. */
#ifndef NRT__COMPLETION_H
#define NRT__COMPLETION_H

#include <nrt/base.h>

#include "cli/args.h"

/* What the value of an option, or an operand, may be. */
typedef enum nrt__fill_kind {
    NRT__FILL_NOTHING, /* a flag: there is no value */
    NRT__FILL_UNKNOWN, /* what only the user knows */
    NRT__FILL_WORDS,   /* one of `words`, which have | between them */
    NRT__FILL_SET,     /* some of `words`, with commas between */
    NRT__FILL_FILE,    /* a file */
    NRT__FILL_AT_FILE, /* a file behind an @ */
    NRT__FILL_CONTEXT, /* a context of the nats CLI */
    NRT__FILL_HOST,    /* a service */
    NRT__FILL_EQ_HOST, /* a service behind a = */
    NRT__FILL_URL,     /* http:// and a service */
} nrt__fill_kind;

typedef struct nrt__fill {
    nrt__fill_kind kind;
    nrt_str name;  /* what the help calls it */
    nrt_str words; /* of WORDS and SET, else empty */
} nrt__fill;

nrt__fill nrt__fill_of_option(const nrt__opt *opt);

/* False where the command has no operand `index`. */
bool nrt__fill_of_operand(const nrt__command *command, size_t index, nrt__fill *fill);

/* After how many operands their kinds come again, as long as there are more; 0: they do not. */
size_t nrt__fill_turn(const nrt__command *command);

/* Goes through the options of a command, as its help does; begins zeroed but for `command`. */
typedef struct nrt__opt_walk {
    const nrt__command *command;
    size_t group;
    size_t index;
} nrt__opt_walk;

/* The next one, --help last, and whether its letter is its own: an earlier option may have it. NULL
 * behind the last one. */
const nrt__opt *nrt__opt_next(nrt__opt_walk *walk, bool *letter);

/* The beginning of a help text that says enough in a list: as far as the first of "; ", ": " and
 * " (" that is not in quotes. */
nrt_str nrt__brief(const char *help);

/* Takes the next of the words in `rest`; false behind the last one. */
bool nrt__word_next(nrt_str *rest, nrt_str *word);

/* Prints text for what stands in '...' in the shells: '\'' for its quotes, a backslash before each
 * character of `escaped`. */
void nrt__quoted_print(FILE *out, nrt_str text, const char *escaped);

/* The scripts. */
void nrt__completion_bash(FILE *out);
void nrt__completion_zsh(FILE *out);
void nrt__completion_fish(FILE *out);

#endif
