/* The command line: every command is a table, and the one parser, the help text and
 * shell completion all read that table. Nothing here knows a particular command. */
#ifndef NRT__ARGS_H
#define NRT__ARGS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What an option's value becomes, at `offset` in the command's options struct. */
typedef enum nrt__opt_kind {
    NRT__OPT_FLAG,     /* bool; takes no value */
    NRT__OPT_STRING,   /* const char *; the last one counts */
    NRT__OPT_LIST,     /* nrt__arg_list; every one counts, in order */
    NRT__OPT_DURATION, /* uint32_t, milliseconds */
    NRT__OPT_SIZE,     /* size_t, bytes */
    NRT__OPT_NUMBER,   /* unsigned */
    NRT__OPT_CHOICE,   /* int: which of the words in `value` ("text|json") */
    NRT__OPT_SET,  /* unsigned, a bit each: which of the words in `value` ("refused,silent"), the
                      first one being bit 0; commas between them, the last option counts */
    NRT__OPT_HELP, /* prints the help; the parser's own */
} nrt__opt_kind;

typedef struct nrt__opt {
    char letter;       /* 0: none */
    const char *name;  /* without the dashes */
    const char *value; /* what the help calls the value; NULL for flags */
    nrt__opt_kind kind;
    size_t offset;
    unsigned long min; /* of durations, sizes and numbers; max 0: whatever the type holds */
    unsigned long max;
    const char *help;
} nrt__opt;

/* -h and --help, which every command has. */
extern const nrt__opt nrt__help_opt;

/* Options that stand together in the help. Offsets of `opts` count from `base`, so that a group can
 * be shared by embedding its struct; where two groups have the same letter, the earlier one's
 * counts. */
typedef struct nrt__opt_group {
    const char *title;
    const nrt__opt *opts;
    size_t count;
    size_t base;
} nrt__opt_group;

/* The values of an NRT__OPT_LIST. Options with the same offset share a list; `opt` tells which one
 * an item came with. */
typedef struct nrt__arg {
    const nrt__opt *opt;
    const char *value;
    const void *more;  /* of a configuration file's object (nrt__opt_object); NULL: none */
    const char *where; /* in a configuration file; NULL: the command line */
} nrt__arg;

typedef struct nrt__arg_list {
    nrt__arg *items;
    size_t count;
} nrt__arg_list;

/* A value of an NRT__OPT_LIST that a configuration file may also write as an object, which says
 * more: its members are the options in `opts`, whose offsets are those of a struct of `size` bytes.
 */
typedef struct nrt__opt_object {
    const char *option;
    const nrt__opt *opts;
    size_t count;
    size_t size;
    /* Writes the value as it would stand on the command line to `out`. NULL, or what is wrong with
     * the object as a whole. `object` is zeroed but for what was given. */
    const char *(*finish)(const void *object, char *out, size_t size_of_out);
} nrt__opt_object;

/* What is left beside the options, and which options there were. The strings are argv's. */
typedef struct nrt__operands {
    const char **items;
    size_t count;
    const nrt__opt **given; /* one may stand there several times */
    size_t given_count;
} nrt__operands;

typedef struct nrt__command {
    const char *name;
    const char *summary;   /* half a sentence */
    const char *operands;  /* "URL"; "" for none */
    const char *completes; /* the operands for shell completion, "ls|show CONTEXT"; NULL: `operands`
                              says it, brackets aside */
    const char *about;     /* paragraphs for the help; blank lines part them */
    const char *examples;  /* lines for the help, printed as they are */
    const nrt__opt_group *groups;
    size_t group_count;
    const nrt__opt_object *objects; /* for its configuration file */
    size_t object_count;
    size_t min_operands;
    size_t max_operands;
    size_t options_size; /* of the struct that init fills and the parser writes into */
    void (*init)(void *options);
    int (*run)(void *options, const nrt__operands *operands); /* the exit code */
} nrt__command;

typedef enum nrt__args_outcome {
    NRT__ARGS_RUN,   /* options and operands are set */
    NRT__ARGS_HELP,  /* --help was given */
    NRT__ARGS_ERROR, /* `why` says what is wrong, and what was meant perhaps */
} nrt__args_outcome;

/* Parses what follows the command's name. `options` has been filled by init. Whatever the outcome,
 * nrt__args_finish frees what was allocated. Options and operands may be mixed; "--" ends the
 * options; "-" is an operand. */
nrt__args_outcome nrt__args_parse(const nrt__command *command, int argc, char *const argv[],
                                  void *options, nrt__operands *operands, char *why,
                                  size_t why_size);

void nrt__args_finish(const nrt__command *command, void *options, nrt__operands *operands);

/* Stores `value` at `place`, which is opt->offset in a struct. 0, or -1 with the reason in `why`,
 * which goes on after the value: "is too large". */
int nrt__args_store(const nrt__opt *opt, void *place, const char *value, char *why,
                    size_t why_size);

/* Appends to an NRT__OPT_LIST. -1: out of memory. */
int nrt__args_append(nrt__arg_list *list, nrt__arg value);

/* Whether the option stood on the command line. */
bool nrt__args_given(const nrt__operands *operands, const nrt__opt *opt);

/* Prints the command's help; `program` is the name it was called by. */
void nrt__args_help(const nrt__command *command, const char *program, FILE *out);

/* Prints `text` wrapped to the stream's width, every line after `indent` blanks; the first line
 * begins at column `column`. */
void nrt__args_wrap(FILE *out, const char *text, size_t indent, size_t column);

#endif
