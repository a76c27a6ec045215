/* The completion script for zsh: calls of its _arguments, which parses command lines as nrt does.
 */
#include "cli/commands.h"
#include "cli/completion/completion.h"
#include "core/base/str.h"

static const char before[] =
    "#compdef nrt\n"
    "# zsh completion for nrt, printed by \"nrt completion zsh\".\n"
    "\n"
    "# What nrt itself knows. It says nothing where it cannot find out, and takes a second at "
    "most.\n"
    "__nrt_ask() { # contexts|hosts\n"
    "    reply=(${(f)\"$(${~${(Q)nrt_program}} completion $1 -- ${(Q)words[1,CURRENT-1]} "
    "2>/dev/null)\"})\n"
    "}\n"
    "\n"
    "__nrt_contexts() {\n"
    "    local expl reply\n"
    "    __nrt_ask contexts\n"
    "    _wanted contexts expl 'context of the nats CLI' compadd -a reply\n"
    "}\n"
    "\n"
    "__nrt_hosts() {\n"
    "    local expl reply\n"
    "    __nrt_ask hosts\n"
    "    _wanted hosts expl 'service on NATS' compadd -a reply\n"
    "}\n"
    "\n"
    "__nrt_urls() {\n"
    "    local expl reply\n"
    "    if compset -P '*://*/' || [[ $PREFIX == *.nats/* ]]; then\n"
    "        _message 'path'\n"
    "        return\n"
    "    fi\n"
    "    __nrt_ask hosts\n"
    "    if compset -P '(http|https)://' || [[ -n $PREFIX && $PREFIX != h* ]]; then\n"
    "        _wanted hosts expl 'service on NATS' compadd -S / -a reply\n"
    "    else\n"
    "        _wanted hosts expl 'service on NATS' compadd -S '' http://$^reply/\n"
    "    fi\n"
    "}\n"
    "\n"
    "__nrt_routes() {\n"
    "    if compset -P '*='; then\n"
    "        __nrt_hosts\n"
    "    else\n"
    "        _message 'PATTERN=HOST'\n"
    "    fi\n"
    "}\n"
    "\n"
    "__nrt_at_files() { # what the value is called\n"
    "    if compset -P '*@'; then\n"
    "        _files\n"
    "    else\n"
    "        _message \"$1\"\n"
    "    fi\n"
    "}\n";

static const char after[] =
    "_nrt() {\n"
    "    local curcontext=$curcontext nrt_program=$words[1] state line\n"
    "    typeset -A opt_args\n"
    "    _arguments -C '(- *)'{-h,--help}'[list the commands]' '(- *)'{-V,--version}'[print the "
    "version]' \\\n"
    "        '1:command:__nrt_commands' '*::argument:->arguments' && return\n"
    "    [[ $state == arguments ]] || return\n"
    "    curcontext=${curcontext%:*:*}:nrt-$words[1]:\n"
    "    if [[ $words[1] == help ]]; then\n"
    "        _arguments '1:command:__nrt_commands'\n"
    "    elif (( $+functions[__nrt_$words[1]] )); then\n"
    "        __nrt_$words[1]\n"
    "    fi\n"
    "}\n"
    "\n"
    "# Found in fpath, this file is the function; read with source, it brings it.\n"
    "if [[ $funcstack[1] == _nrt ]]; then\n"
    "    _nrt \"$@\"\n"
    "else\n"
    "    compdef _nrt nrt\n"
    "fi\n";

/* The words of a fill, blanks before each. */
static void print_words(FILE *out, nrt_str words) {
    nrt_str word;
    while (nrt__word_next(&words, &word)) {
        (void)fprintf(out, " %.*s", NRT__ARG(word));
    }
}

/* ":NAME:ACTION" of _arguments, within single quotes. */
static void print_fill(FILE *out, const nrt__fill *fill) {
    (void)fputc(':', out);
    nrt__quoted_print(out, fill->name, ":\\");
    (void)fputc(':', out);
    switch (fill->kind) {
    case NRT__FILL_NOTHING:
        break;
    case NRT__FILL_UNKNOWN: /* an action of a blank: shows the name, and has no candidates */
        (void)fputc(' ', out);
        break;
    case NRT__FILL_WORDS:
        (void)fputc('(', out);
        print_words(out, fill->words);
        (void)fputs(" )", out);
        break;
    case NRT__FILL_SET:
        (void)fputs("_values -s , word", out);
        print_words(out, fill->words);
        break;
    case NRT__FILL_FILE:
        (void)fputs("_files", out);
        break;
    case NRT__FILL_AT_FILE:
        (void)fputs("__nrt_at_files \"", out);
        nrt__quoted_print(out, fill->name, ":\\");
        (void)fputc('"', out);
        break;
    case NRT__FILL_CONTEXT:
        (void)fputs("__nrt_contexts", out);
        break;
    case NRT__FILL_HOST:
        (void)fputs("__nrt_hosts", out);
        break;
    case NRT__FILL_EQ_HOST:
        (void)fputs("__nrt_routes", out);
        break;
    case NRT__FILL_URL:
        (void)fputs("__nrt_urls", out);
        break;
    }
}

/* '(-X --request)'{-X+,--request=}'[the method]:METHOD:...': one of them, once; all of a list. */
static void print_option(FILE *out, const nrt__opt *opt, bool letter) {
    nrt__fill fill = nrt__fill_of_option(opt);
    bool value = fill.kind != NRT__FILL_NOTHING;
    bool help = opt->kind == NRT__OPT_HELP;
    (void)fputs(" \\\n        ", out);
    if (opt->kind == NRT__OPT_LIST) {
        (void)fputs("'*'", out);
    } else if (help) {
        (void)fputs("'(- *)'", out);
    } else if (letter) {
        (void)fprintf(out, "'(-%c --%s)'", opt->letter, opt->name);
    }
    if (letter) {
        (void)fprintf(out, "{-%c%s,--%s%s}'[", opt->letter, value ? "+" : "", opt->name,
                      value ? "=" : "");
    } else {
        (void)fprintf(out, "'--%s%s[", opt->name, value ? "=" : "");
    }
    nrt__quoted_print(out, nrt__brief(opt->help), "[]\\");
    (void)fputc(']', out);
    if (value) {
        print_fill(out, &fill);
    }
    (void)fputc('\'', out);
}

static void print_command(FILE *out, const nrt__command *command) {
    nrt__opt_walk walk = {.command = command};
    nrt__fill fill;
    bool letter;
    (void)fprintf(out, "\n__nrt_%s() {\n    _arguments -s -S", command->name);
    for (const nrt__opt *opt; (opt = nrt__opt_next(&walk, &letter));) {
        print_option(out, opt, letter);
    }
    /* zsh has no word for operands in turns: as many as anyone types. */
    enum { TURNS = 16 };
    size_t turn = nrt__fill_turn(command);
    for (size_t at = 0;
         (turn == 0 || at < turn * TURNS) && nrt__fill_of_operand(command, at, &fill); at++) {
        (void)fprintf(out, " \\\n        '%zu%s", at + 1, at >= command->min_operands ? ":" : "");
        print_fill(out, &fill);
        (void)fputc('\'', out);
    }
    (void)fputs("\n}\n", out);
}

void nrt__completion_zsh(FILE *out) {
    (void)fputs(before, out);
    (void)fputs("\n__nrt_commands() {\n    local -a commands=(\n", out);
    for (size_t i = 0; i < NRT__COMMANDS; i++) {
        (void)fprintf(out, "        '%s:", nrt__commands[i]->name);
        nrt__quoted_print(out, nrt_str_from(nrt__commands[i]->summary), ":\\");
        (void)fputs("'\n", out);
    }
    (void)fputs("        'help:explain a command'\n        'version:print the version'\n    )\n"
                "    _describe -t commands command commands\n}\n",
                out);
    for (size_t i = 0; i < NRT__COMMANDS; i++) {
        print_command(out, nrt__commands[i]);
    }
    (void)fputs(after, out);
}
