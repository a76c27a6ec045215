/* What may stand where on a command line: the kinds of values and operands, by what the tables call
 * them. */
#include <string.h>

#include "cli/completion/completion.h"
#include "core/base/str.h"

static bool has(nrt_str text, const char *part) {
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

/* By its name in the help: FILE is one wherever it stands. */
static nrt__fill fill_of_name(nrt_str name) {
    nrt__fill fill = {.kind = NRT__FILL_UNKNOWN, .name = name};
    bool lower = name.len > 0 && name.ptr[0] >= 'a' && name.ptr[0] <= 'z';
    if (lower && has(name, "|")) {
        fill.kind = NRT__FILL_WORDS;
        fill.words = name;
    } else if (nrt_str_is(name, "METHOD")) {
        fill.kind = NRT__FILL_WORDS;
        fill.words = NRT__STR("GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS");
    } else if (nrt_str_is(name, "CONTEXT")) {
        fill.kind = NRT__FILL_CONTEXT;
    } else if (nrt_str_is(name, "HOST")) {
        fill.kind = NRT__FILL_HOST;
    } else if (nrt_str_is(name, "URL")) {
        fill.kind = NRT__FILL_URL;
    } else if (has(name, "=HOST")) {
        fill.kind = NRT__FILL_EQ_HOST;
    } else if (has(name, "@FILE")) {
        fill.kind = NRT__FILL_AT_FILE;
    } else if (has(name, "FILE")) {
        fill.kind = NRT__FILL_FILE;
    }
    return fill;
}

nrt__fill nrt__fill_of_option(const nrt__opt *opt) {
    nrt__fill fill = {.kind = NRT__FILL_NOTHING};
    switch (opt->kind) {
    case NRT__OPT_FLAG:
    case NRT__OPT_HELP:
        break;
    case NRT__OPT_STRING:
    case NRT__OPT_LIST:
        fill = fill_of_name(nrt_str_from(opt->value));
        break;
    case NRT__OPT_DURATION:
    case NRT__OPT_SIZE:
    case NRT__OPT_NUMBER:
        fill = (nrt__fill){.kind = NRT__FILL_UNKNOWN, .name = nrt_str_from(opt->value)};
        break;
    case NRT__OPT_CHOICE:
    case NRT__OPT_SET:
        fill.kind = opt->kind == NRT__OPT_SET ? NRT__FILL_SET : NRT__FILL_WORDS;
        fill.name = fill.words = nrt_str_from(opt->value);
        break;
    }
    return fill;
}

static const char *operands_of(const nrt__command *command) {
    return command->completes ? command->completes : command->operands;
}

/* Operand `index` as it is written, without brackets; the count of all if there are fewer. */
static size_t find_operand(const nrt__command *command, size_t index, nrt_str *operand) {
    size_t count = 0;
    for (const char *at = operands_of(command); *at; count++) {
        at += strspn(at, " [");
        size_t len = strcspn(at, " ].");
        if (count == index) {
            *operand = (nrt_str){at, len};
        }
        at += len;
        at += strspn(at, " ].");
    }
    return count;
}

size_t nrt__fill_turn(const nrt__command *command) {
    nrt_str unused;
    return strstr(operands_of(command), "...") ? find_operand(command, 0, &unused) : 0;
}

bool nrt__fill_of_operand(const nrt__command *command, size_t index, nrt__fill *fill) {
    nrt_str operand;
    size_t turn = nrt__fill_turn(command);
    size_t at = turn > 0 ? index % turn : index;
    if (index >= command->max_operands || find_operand(command, at, &operand) <= at) {
        return false;
    }
    *fill = fill_of_name(operand);
    return true;
}

/* True where an option before this one, in its group or an earlier one, has the letter. */
static bool letter_taken(const nrt__opt_walk *walk, char letter) {
    nrt__opt_walk before = {.command = walk->command};
    while (before.group != walk->group || before.index != walk->index) {
        const nrt__opt_group *group = &before.command->groups[before.group];
        if (before.index == group->count) {
            before = (nrt__opt_walk){.command = walk->command, .group = before.group + 1};
        } else if (group->opts[before.index++].letter == letter) {
            return true;
        }
    }
    return false;
}

const nrt__opt *nrt__opt_next(nrt__opt_walk *walk, bool *letter) {
    const nrt__command *command = walk->command;
    while (walk->group < command->group_count &&
           walk->index == command->groups[walk->group].count) {
        walk->group++;
        walk->index = 0;
    }
    if (walk->group == command->group_count) {
        bool ended = walk->index++ > 0;
        *letter = true;
        return ended ? NULL : &nrt__help_opt;
    }
    const nrt__opt *opt = &command->groups[walk->group].opts[walk->index];
    *letter = opt->letter != 0 && !letter_taken(walk, opt->letter);
    walk->index++;
    return opt;
}

nrt_str nrt__brief(const char *help) {
    bool quoted = false;
    const char *at = help;
    for (; *at; at++) {
        quoted ^= *at == '"';
        if (!quoted &&
            (strncmp(at, "; ", 2) == 0 || strncmp(at, ": ", 2) == 0 || strncmp(at, " (", 2) == 0)) {
            break;
        }
    }
    return (nrt_str){help, (size_t)(at - help)};
}

bool nrt__word_next(nrt_str *rest, nrt_str *word) {
    size_t len = 0;
    if (rest->len == 0) {
        return false;
    }
    while (len < rest->len && rest->ptr[len] != '|' && rest->ptr[len] != ',') {
        len++;
    }
    *word = (nrt_str){rest->ptr, len};
    size_t taken = len < rest->len ? len + 1 : len;
    *rest = (nrt_str){rest->ptr + taken, rest->len - taken};
    return true;
}

void nrt__quoted_print(FILE *out, nrt_str text, const char *escaped) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\'') {
            (void)fputs("'\\''", out);
            continue;
        }
        if (strchr(escaped, text.ptr[i])) {
            (void)fputc('\\', out);
        }
        (void)fputc(text.ptr[i], out);
    }
}
