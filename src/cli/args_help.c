/* The help text, made from the tables that the parser reads: what is documented here is what is
 * parsed. */
#include <string.h>

#include "cli/args.h"
#include "cli/term.h"

static void blanks(FILE *out, size_t count) {
    (void)fprintf(out, "%*s", (int)count, "");
}

void nrt__args_wrap(FILE *out, const char *text, size_t indent, size_t column) {
    size_t width = nrt__term_width(out);
    const char *at = text;
    bool line_begins = column <= indent;
    if (line_begins) {
        blanks(out, indent - column);
        column = indent;
    }
    while (*at) {
        if (*at == '\n') {
            (void)fputc('\n', out);
            at++;
            if (*at && *at != '\n') {
                blanks(out, indent);
            }
            column = indent;
            line_begins = true;
            continue;
        }
        if (*at == ' ') {
            at++;
            continue;
        }
        size_t len = strcspn(at, " \n");
        if (!line_begins && column + 1 + len > width) {
            (void)fputc('\n', out);
            blanks(out, indent);
            column = indent;
            line_begins = true;
        }
        if (!line_begins) {
            (void)fputc(' ', out);
            column++;
        }
        (void)fwrite(at, 1, len, out);
        column += len;
        at += len;
        line_begins = false;
    }
    (void)fputc('\n', out);
}

/* True where an option of an earlier group has the letter, which then means that one. */
static bool letter_taken(const nrt__command *command, size_t group, char letter) {
    for (size_t g = 0; g < group; g++) {
        for (size_t i = 0; i < command->groups[g].count; i++) {
            if (command->groups[g].opts[i].letter == letter) {
                return true;
            }
        }
    }
    return false;
}

enum { COLUMN = 28 };

/* A key of an object in a configuration file. */
static void print_key(const nrt__opt *opt, const nrt__style *style, FILE *out) {
    const char *value = opt->value ? opt->value : "true|false";
    size_t column = 6 + strlen(opt->name) + 1 + strlen(value);
    blanks(out, 6);
    (void)fprintf(out, "%s%s%s %s", style->bold, opt->name, style->reset, value);
    if (column + 2 > COLUMN) {
        (void)fputc('\n', out);
        column = 0;
    }
    nrt__args_wrap(out, opt->help, COLUMN, column);
}

static void print_option(const nrt__opt *opt, bool letter, const nrt__style *style, FILE *out) {
    size_t column = 6 + 2 + strlen(opt->name);
    if (opt->letter && letter) {
        (void)fprintf(out, "  %s-%c%s, ", style->bold, opt->letter, style->reset);
    } else {
        blanks(out, 6);
    }
    (void)fprintf(out, "%s--%s%s", style->bold, opt->name, style->reset);
    if (opt->value) {
        (void)fprintf(out, " %s", opt->value);
        column += 1 + strlen(opt->value);
    }
    if (column + 2 > COLUMN) {
        (void)fputc('\n', out);
        column = 0;
    }
    nrt__args_wrap(out, opt->help, COLUMN, column);
}

void nrt__args_help(const nrt__command *command, const char *program, FILE *out) {
    const nrt__style *style = nrt__term_style(out);
    (void)fprintf(out, "%s %s - %s\n\n", program, command->name, command->summary);
    (void)fprintf(out, "%sUsage:%s %s %s [OPTION]...%s%s\n\n", style->bold, style->reset, program,
                  command->name, command->operands[0] ? " " : "", command->operands);
    nrt__args_wrap(out, command->about, 0, 0);
    for (size_t g = 0; g < command->group_count; g++) {
        const nrt__opt_group *group = &command->groups[g];
        (void)fprintf(out, "\n%s%s:%s\n", style->bold, group->title, style->reset);
        for (size_t i = 0; i < group->count; i++) {
            const nrt__opt *opt = &group->opts[i];
            print_option(opt, !letter_taken(command, g, opt->letter), style, out);
        }
    }
    print_option(&nrt__help_opt, true, style, out);
    for (size_t i = 0; i < command->object_count; i++) {
        const nrt__opt_object *object = &command->objects[i];
        (void)fprintf(out, "\n%sKeys of \"%s\", where the file has an object:%s\n", style->bold,
                      object->option, style->reset);
        for (size_t j = 0; j < object->count; j++) {
            print_key(&object->opts[j], style, out);
        }
    }
    if (command->examples) {
        (void)fprintf(out, "\n%sExamples:%s\n%s", style->bold, style->reset, command->examples);
    }
}
