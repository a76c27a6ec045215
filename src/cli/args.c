/* The option parser. What a command's tables say is what it accepts; the help is in args_help.c. */
#include "cli/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/duration.h"
#include "core/base/suggest.h"

const nrt__opt nrt__help_opt = {
    .letter = 'h', .name = "help", .kind = NRT__OPT_HELP, .help = "print this help"};

/* An option as it was found: its table entry and where its value goes. */
typedef struct opt_match {
    const nrt__opt *opt;
    size_t base;
} opt_match;

typedef struct arg_parser {
    const nrt__command *command;
    int argc;
    char *const *argv;
    int at; /* the next argument */
    char *options;
    nrt__operands *operands;
    bool help;
    char *why;
    size_t why_size;
} arg_parser;

/* ---- finding options ----------------------------------------------------------------------------
 */

static bool find_letter(const nrt__command *command, char letter, opt_match *result) {
    for (size_t g = 0; g < command->group_count; g++) {
        const nrt__opt_group *group = &command->groups[g];
        for (size_t i = 0; i < group->count; i++) {
            if (group->opts[i].letter == letter) {
                *result = (opt_match){&group->opts[i], group->base};
                return true;
            }
        }
    }
    if (letter == nrt__help_opt.letter) {
        *result = (opt_match){&nrt__help_opt, 0};
        return true;
    }
    return false;
}

static bool find_name(const nrt__command *command, const char *name, size_t len,
                      opt_match *result) {
    for (size_t g = 0; g < command->group_count; g++) {
        const nrt__opt_group *group = &command->groups[g];
        for (size_t i = 0; i < group->count; i++) {
            const char *candidate = group->opts[i].name;
            if (strncmp(candidate, name, len) == 0 && candidate[len] == '\0') {
                *result = (opt_match){&group->opts[i], group->base};
                return true;
            }
        }
    }
    if (strncmp(nrt__help_opt.name, name, len) == 0 && nrt__help_opt.name[len] == '\0') {
        *result = (opt_match){&nrt__help_opt, 0};
        return true;
    }
    return false;
}

static const char *suggest_option(const nrt__command *command, const char *typed) {
    enum { OPTIONS_MAX = 64 };
    const char *names[OPTIONS_MAX];
    size_t count = 0;
    for (size_t g = 0; g < command->group_count; g++) {
        for (size_t i = 0; i < command->groups[g].count && count < OPTIONS_MAX - 1; i++) {
            names[count++] = command->groups[g].opts[i].name;
        }
    }
    names[count++] = nrt__help_opt.name;
    return nrt__suggest(typed, names, count);
}

/* ---- values -------------------------------------------------------------------------------------
 */

/* How an option is named in messages: "-d" or "--data", as it was typed. */
typedef struct spelling {
    char text[NRT__SUGGEST_MAX + 4];
} spelling;

static spelling spell_letter(char letter) {
    spelling name;
    (void)snprintf(name.text, sizeof(name.text), "-%c", letter);
    return name;
}

static spelling spell_name(const char *text, size_t len) {
    spelling name;
    (void)snprintf(name.text, sizeof(name.text), "--%.*s",
                   (int)(len < NRT__SUGGEST_MAX ? len : NRT__SUGGEST_MAX), text);
    return name;
}

int nrt__args_append(nrt__arg_list *list, nrt__arg value) {
    nrt__arg *items = realloc(list->items, (list->count + 1) * sizeof(*items));
    if (!items) {
        return -1;
    }
    items[list->count++] = value;
    list->items = items;
    return 0;
}

static int parse_number(const char *value, unsigned *number, char *why, size_t why_size) {
    char *end = NULL;
    errno = 0;
    unsigned long parsed = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end != '\0') {
        (void)snprintf(why, why_size, "is not a number");
        return -1;
    }
    if (errno == ERANGE || parsed > UINT_MAX) {
        (void)snprintf(why, why_size, "is too large");
        return -1;
    }
    *number = (unsigned)parsed;
    return 0;
}

static int parse_choice(const nrt__opt *opt, const char *value, int *choice, char *why,
                        size_t why_size) {
    const char *word = opt->value;
    for (int index = 0;; index++) {
        size_t len = strcspn(word, "|");
        if (strlen(value) == len && strncmp(word, value, len) == 0) {
            *choice = index;
            return 0;
        }
        if (word[len] == '\0') {
            break;
        }
        word += len + 1;
    }
    (void)snprintf(why, why_size, "is not one of %s", opt->value);
    return -1;
}

/* The bit of the word [word, word + len) among those of opt->value; 0: none of them. */
static unsigned set_bit(const nrt__opt *opt, const char *word, size_t len) {
    unsigned bit = 1;
    for (const char *at = opt->value;; bit <<= 1) {
        size_t known = strcspn(at, ",");
        if (known == len && strncmp(at, word, len) == 0) {
            return bit;
        }
        if (at[known] == '\0') {
            return 0;
        }
        at += known + 1;
    }
}

static int parse_set(const nrt__opt *opt, const char *value, unsigned *set, char *why,
                     size_t why_size) {
    unsigned bits = 0;
    for (const char *at = value;;) {
        size_t len = strcspn(at, ",");
        unsigned bit = set_bit(opt, at, len);
        if (bit == 0) {
            (void)snprintf(why, why_size, "is not made of the words %s, with commas between",
                           opt->value);
            return -1;
        }
        bits |= bit;
        if (at[len] == '\0') {
            break;
        }
        at += len + 1;
    }
    *set = bits;
    return 0;
}

static int in_range(const nrt__opt *opt, unsigned long value, char *why, size_t why_size) {
    const char *unit = opt->kind == NRT__OPT_DURATION ? " ms"
                       : opt->kind == NRT__OPT_SIZE   ? " bytes"
                                                      : "";
    if (value < opt->min) {
        (void)snprintf(why, why_size, "is too small: at least %lu%s", opt->min, unit);
        return -1;
    }
    if (opt->max != 0 && value > opt->max) {
        (void)snprintf(why, why_size, "is too large: at most %lu%s", opt->max, unit);
        return -1;
    }
    return 0;
}

int nrt__args_store(const nrt__opt *opt, void *place, const char *value, char *why,
                    size_t why_size) {
    uint32_t ms = 0;
    size_t bytes = 0;
    unsigned number = 0;
    int choice = 0;
    int failed = 0;
    (void)snprintf(why, why_size, "cannot be stored: out of memory");
    switch (opt->kind) {
    case NRT__OPT_FLAG:
        *(bool *)place = true;
        break;
    case NRT__OPT_HELP:
        break;
    case NRT__OPT_STRING:
        *(const char **)place = value;
        break;
    case NRT__OPT_LIST:
        failed = nrt__args_append(place, (nrt__arg){.opt = opt, .value = value});
        break;
    case NRT__OPT_DURATION:
        failed = nrt__duration_parse(value, &ms, why, why_size) != 0 ||
                 in_range(opt, ms, why, why_size) != 0;
        if (!failed) {
            *(uint32_t *)place = ms;
        }
        break;
    case NRT__OPT_SIZE:
        failed = nrt__size_parse(value, &bytes, why, why_size) != 0 ||
                 in_range(opt, bytes, why, why_size) != 0;
        if (!failed) {
            *(size_t *)place = bytes;
        }
        break;
    case NRT__OPT_NUMBER:
        failed = parse_number(value, &number, why, why_size) != 0 ||
                 in_range(opt, number, why, why_size) != 0;
        if (!failed) {
            *(unsigned *)place = number;
        }
        break;
    case NRT__OPT_CHOICE:
        failed = parse_choice(opt, value, &choice, why, why_size);
        if (!failed) {
            *(int *)place = choice;
        }
        break;
    case NRT__OPT_SET:
        failed = parse_set(opt, value, &number, why, why_size);
        if (!failed) {
            *(unsigned *)place = number;
        }
        break;
    }
    return failed ? -1 : 0;
}

/* Stores `value` where the option says, and notes that it was given; -1 with parser->why set. */
static int store(arg_parser *parser, opt_match found, const char *value, spelling name) {
    char why[128];
    if (found.opt->kind == NRT__OPT_HELP) {
        parser->help = true;
        return 0;
    }
    if (nrt__args_store(found.opt, parser->options + found.base + found.opt->offset, value, why,
                        sizeof(why)) != 0) {
        (void)snprintf(parser->why, parser->why_size, "%s: \"%s\" %s", name.text, value, why);
        return -1;
    }
    parser->operands->given[parser->operands->given_count++] = found.opt;
    return 0;
}

bool nrt__args_given(const nrt__operands *operands, const nrt__opt *opt) {
    for (size_t i = 0; i < operands->given_count; i++) {
        if (operands->given[i] == opt) {
            return true;
        }
    }
    return false;
}

static bool takes_value(const nrt__opt *opt) {
    return opt->kind != NRT__OPT_FLAG && opt->kind != NRT__OPT_HELP;
}

static int missing_value(arg_parser *parser, const nrt__opt *opt, spelling name) {
    (void)snprintf(parser->why, parser->why_size, "%s needs a value: %s %s", name.text, name.text,
                   opt->value);
    return -1;
}

/* ---- parsing
 * -------------------------------------------------------------------------------------- */

/* `--name`, `--name=value`, `--name value`. */
static int parse_long(arg_parser *parser, const char *text) {
    size_t len = strcspn(text, "=");
    spelling name = spell_name(text, len);
    const char *value = text[len] == '=' ? text + len + 1 : NULL;
    opt_match found;
    if (!find_name(parser->command, text, len, &found)) {
        const char *near = suggest_option(parser->command, name.text + 2);
        if (near) {
            (void)snprintf(parser->why, parser->why_size, "unknown option %s; did you mean --%s?",
                           name.text, near);
        } else {
            (void)snprintf(parser->why, parser->why_size, "unknown option %s", name.text);
        }
        return -1;
    }
    if (!takes_value(found.opt)) {
        if (value) {
            (void)snprintf(parser->why, parser->why_size, "%s takes no value", name.text);
            return -1;
        }
        return store(parser, found, "", name);
    }
    if (!value) {
        if (parser->at >= parser->argc) {
            return missing_value(parser, found.opt, name);
        }
        value = parser->argv[parser->at++];
    }
    return store(parser, found, value, name);
}

/* `-X value`, `-Xvalue`, and flags in a row: `-sS`, `-fsSo file`. */
static int parse_letters(arg_parser *parser, const char *text) {
    for (const char *at = text; *at; at++) {
        spelling name = spell_letter(*at);
        opt_match found;
        if (!find_letter(parser->command, *at, &found)) {
            const char *near = strlen(text) > 2 ? suggest_option(parser->command, text) : NULL;
            if (near) {
                (void)snprintf(parser->why, parser->why_size,
                               "unknown option %s in -%s; did you mean --%s?", name.text, text,
                               near);
            } else {
                (void)snprintf(parser->why, parser->why_size, "unknown option %s", name.text);
            }
            return -1;
        }
        if (!takes_value(found.opt)) {
            if (store(parser, found, "", name) != 0) {
                return -1;
            }
            continue;
        }
        const char *value = at + 1;
        if (*value == '\0') {
            if (parser->at >= parser->argc) {
                return missing_value(parser, found.opt, name);
            }
            value = parser->argv[parser->at++];
        }
        return store(parser, found, value, name);
    }
    return 0;
}

static int check_operands(arg_parser *parser, const nrt__operands *operands) {
    const nrt__command *command = parser->command;
    if (operands->count > command->max_operands) {
        (void)snprintf(parser->why, parser->why_size, "unexpected argument \"%s\"",
                       operands->items[command->max_operands]);
        return -1;
    }
    if (operands->count < command->min_operands) {
        (void)snprintf(parser->why, parser->why_size, "missing: %s", command->operands);
        return -1;
    }
    return 0;
}

nrt__args_outcome nrt__args_parse(const nrt__command *command, int argc, char *const argv[],
                                  void *options, nrt__operands *operands, char *why,
                                  size_t why_size) {
    size_t letters = 0; /* more options than there are letters cannot be given */
    arg_parser parser = {.command = command,
                         .argc = argc,
                         .argv = argv,
                         .options = options,
                         .operands = operands,
                         .why = why,
                         .why_size = why_size};
    why[0] = '\0';
    for (int i = 0; i < argc; i++) {
        letters += strlen(argv[i]) + 1;
    }
    *operands = (nrt__operands){
        .items = calloc((size_t)argc + 1, sizeof(*operands->items)),
        /* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are what it holds */
        .given = calloc(letters + 1, sizeof(*operands->given)),
    };
    if (!operands->items || !operands->given) {
        (void)snprintf(why, why_size, "out of memory");
        return NRT__ARGS_ERROR;
    }
    bool options_ended = false;
    while (parser.at < argc) {
        const char *text = argv[parser.at++];
        int failed = 0;
        if (options_ended || text[0] != '-' || text[1] == '\0') {
            operands->items[operands->count++] = text;
        } else if (strcmp(text, "--") == 0) {
            options_ended = true;
        } else if (text[1] == '-') {
            failed = parse_long(&parser, text + 2);
        } else {
            failed = parse_letters(&parser, text + 1);
        }
        if (parser.help) {
            return NRT__ARGS_HELP;
        }
        if (failed) {
            return NRT__ARGS_ERROR;
        }
    }
    return check_operands(&parser, operands) == 0 ? NRT__ARGS_RUN : NRT__ARGS_ERROR;
}

void nrt__args_finish(const nrt__command *command, void *options, nrt__operands *operands) {
    for (size_t g = 0; g < command->group_count; g++) {
        const nrt__opt_group *group = &command->groups[g];
        for (size_t i = 0; i < group->count; i++) {
            if (group->opts[i].kind == NRT__OPT_LIST) {
                nrt__arg_list *list =
                    (void *)((char *)options + group->base + group->opts[i].offset);
                free(list->items);
                *list = (nrt__arg_list){0};
            }
        }
    }
    free(operands->items);
    free(operands->given);
    *operands = (nrt__operands){0};
}
