/* The completion script for bash. It needs nothing but bash itself. */
#include "cli/commands.h"
#include "cli/completion/completion.h"
#include "core/base/str.h"

/* What does not depend on the tables. Candidates are made as whole words; what bash does not
 * replace, because one of COMP_WORDBREAKS stands in the word, is cut off at the end. */
static const char before[] =
    "# bash completion for nrt, printed by \"nrt completion bash\". It needs bash 4, and nothing "
    "else.\n"
    "\n"
    "# The words up to the cursor, parted at blanks only: COMP_WORDBREAKS parts them at : = @ "
    "too.\n"
    "__nrt_words() {\n"
    "    local i word rest line=${COMP_LINE:0:COMP_POINT}\n"
    "    for ((i = 0; i <= COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        rest=${line#\"${line%%[![:blank:]]*}\"}\n"
    "        ((i < COMP_CWORD)) || word=$rest\n"
    "        if ((i)) && [[ $rest && $rest == \"$line\" ]]; then\n"
    "            words[${#words[@]} - 1]+=$word\n"
    "        else\n"
    "            words+=(\"$word\")\n"
    "        fi\n"
    "        line=${rest:${#word}}\n"
    "    done\n"
    "}\n"
    "\n"
    "# What nrt itself knows. It says nothing where it cannot find out, and takes a second at "
    "most.\n"
    "__nrt_ask() { # contexts|hosts\n"
    "    \"${words[0]/#\\~/$HOME}\" completion \"$1\" -- \"${words[@]:1:last - 1}\" 2>/dev/null\n"
    "}\n"
    "\n"
    "__nrt_add() { # CANDIDATE...: those that begin with what is typed\n"
    "    local candidate\n"
    "    for candidate; do\n"
    "        [[ $candidate != \"$cur\"* ]] || COMPREPLY+=(\"$candidate\")\n"
    "    done\n"
    "}\n"
    "\n"
    "__nrt_add_files() { # what stands before them in the word\n"
    "    local name\n"
    "    if [[ $1 == *@ ]]; then # bash itself does not see a file there\n"
    "        compopt -o nospace 2>/dev/null\n"
    "    else\n"
    "        compopt -o filenames 2>/dev/null\n"
    "    fi\n"
    "    while IFS= read -r name; do\n"
    "        if [[ $1 == *@ ]]; then\n"
    "            [[ ! -d ${name/#\\~/$HOME} ]] || name+=/\n"
    "            printf -v name %q \"$name\"\n"
    "        fi\n"
    "        COMPREPLY+=(\"$1$name\")\n"
    "    done < <(compgen -f -- \"${cur#\"$1\"}\")\n"
    "}\n"
    "__nrt_fill() { # KIND, what stands before the value in the word, WORDS\n"
    "    local word typed=${cur#\"$2\"}\n"
    "    case $1 in\n"
    "    words)\n"
    "        for word in $3; do\n"
    "            __nrt_add \"$2$word\"\n"
    "        done\n"
    "        ;;\n"
    "    set)\n"
    "        compopt -o nospace 2>/dev/null\n"
    "        [[ $typed == *,* ]] && typed=${typed%,*}, || typed=\n"
    "        for word in $3; do\n"
    "            [[ ,$typed == *,$word,* ]] || __nrt_add \"$2$typed$word\"\n"
    "        done\n"
    "        ;;\n"
    "    file) __nrt_add_files \"$2\" ;;\n"
    "    at-file) [[ $typed != *@* ]] || __nrt_add_files \"$2${typed%%@*}@\" ;;\n"
    "    context)\n"
    "        for word in $(__nrt_ask contexts); do\n"
    "            __nrt_add \"$2$word\"\n"
    "        done\n"
    "        ;;\n"
    "    host)\n"
    "        for word in $(__nrt_ask hosts); do\n"
    "            __nrt_add \"$2$word\"\n"
    "        done\n"
    "        ;;\n"
    "    eq-host)\n"
    "        compopt -o nospace 2>/dev/null\n"
    "        [[ $typed != *=* ]] || for word in $(__nrt_ask hosts); do\n"
    "            __nrt_add \"$2${typed%=*}=$word\"\n"
    "        done\n"
    "        ;;\n"
    "    url)\n"
    "        compopt -o nospace 2>/dev/null\n"
    "        for word in $(__nrt_ask hosts); do\n"
    "            __nrt_add \"http://$word/\" ${cur:+\"https://$word/\" \"$word/\"}\n"
    "        done\n"
    "        ;;\n"
    "    esac\n"
    "}\n";

static const char after[] =
    "# Of letters in a row, the one that takes a value: its `kind`, and what the word has up to "
    "it.\n"
    "__nrt_letters() { # WORD\n"
    "    kind='' prefix=-\n"
    "    while [[ ! $kind && $1 != \"$prefix\" ]]; do\n"
    "        prefix=${1:0:${#prefix} + 1}\n"
    "        __nrt_value \"-${prefix: -1}\"\n"
    "    done\n"
    "}\n"
    "\n"
    "_nrt() {\n"
    "    local IFS=$' \\t\\n' i word cur command options operands turn kind='' prefix='' count=0 "
    "ended=''\n"
    "    local words=()\n"
    "    COMPREPLY=()\n"
    "    __nrt_words\n"
    "    local last=$((${#words[@]} - 1))\n"
    "    cur=${words[last]} command=${words[1]}\n"
    "    if ((last == 1)) || [[ $command == help ]]; then\n"
    "        ((last > 2)) || __nrt_add $(__nrt_commands)\n"
    "        return\n"
    "    fi\n"
    "    __nrt_command || return\n"
    "    # What stands at the cursor follows from the words before it.\n"
    "    for ((i = 2; i < last; i++)); do\n"
    "        word=${words[i]} kind=''\n"
    "        case $ended$word in\n"
    "        --) ended=1 ;;\n"
    "        --*=*) ;;\n"
    "        --*) __nrt_value \"$word\" ;;\n"
    "        -?*)\n"
    "            __nrt_letters \"$word\"\n"
    "            [[ $word == \"$prefix\" ]] || kind=''\n"
    "            ;;\n"
    "        *) count=$((count + 1)) ;;\n"
    "        esac\n"
    "        [[ ! $kind ]] || i=$((i + 1))\n"
    "    done\n"
    "    prefix=''\n"
    "    if ((i == last)); then\n"
    "        kind=''\n"
    "        case $ended$cur in\n"
    "        --*=*)\n"
    "            __nrt_value \"${cur%%=*}\"\n"
    "            prefix=${cur%%=*}=\n"
    "            ;;\n"
    "        -*)\n"
    "            [[ $cur == --* ]] || __nrt_letters \"$cur\"\n"
    "            if [[ $cur == --* || $cur == \"$prefix\" ]]; then\n"
    "                kind='' prefix=''\n"
    "                __nrt_add $options\n"
    "            fi\n"
    "            ;;\n"
    "        *)\n"
    "            ((!turn)) || count=$((count % turn))\n"
    "            kind=${operands[count]}\n"
    "            ;;\n"
    "        esac\n"
    "    fi\n"
    "    [[ ! $kind ]] || __nrt_fill \"${kind%% *}\" \"$prefix\" \"${kind#* }\"\n"
    "    # bash replaces no more than what is behind the last of these characters, and an @ "
    "itself.\n"
    "    word=$cur\n"
    "    while [[ $word && $COMP_WORDBREAKS != *\"${word: -1}\"* ]]; do\n"
    "        word=${word%?}\n"
    "    done\n"
    "    word=${word%@}\n"
    "    for i in \"${!COMPREPLY[@]}\"; do\n"
    "        COMPREPLY[i]=${COMPREPLY[i]#\"$word\"}\n"
    "    done\n"
    "}\n"
    "complete -F _nrt nrt\n";

static const char *kind_name(nrt__fill_kind kind) {
    static const char *const names[] = {
        [NRT__FILL_NOTHING] = "",        [NRT__FILL_UNKNOWN] = "unknown",
        [NRT__FILL_WORDS] = "words",     [NRT__FILL_SET] = "set",
        [NRT__FILL_FILE] = "file",       [NRT__FILL_AT_FILE] = "at-file",
        [NRT__FILL_CONTEXT] = "context", [NRT__FILL_HOST] = "host",
        [NRT__FILL_EQ_HOST] = "eq-host", [NRT__FILL_URL] = "url",
    };
    return names[kind];
}

/* 'words text json' */
static void print_fill(FILE *out, nrt__fill fill) {
    nrt_str word;
    (void)fprintf(out, "'%s", kind_name(fill.kind));
    while (nrt__word_next(&fill.words, &word)) {
        (void)fprintf(out, " %.*s", NRT__ARG(word));
    }
    (void)fputc('\'', out);
}

/* __nrt_command: the options and operands of $command. */
static void print_commands(FILE *out) {
    (void)fputs("\n__nrt_commands() {\n    echo", out);
    for (size_t i = 0; i < NRT__COMMANDS; i++) {
        (void)fprintf(out, " %s", nrt__commands[i]->name);
    }
    (void)fputs(" help version\n}\n\n__nrt_command() {\n    case $command in\n", out);
    for (size_t i = 0; i < NRT__COMMANDS; i++) {
        const nrt__command *command = nrt__commands[i];
        nrt__opt_walk walk = {.command = command};
        nrt__fill fill;
        bool letter;
        (void)fprintf(out, "    %s)\n        options='", command->name);
        for (const nrt__opt *opt; (opt = nrt__opt_next(&walk, &letter));) {
            if (letter) {
                (void)fprintf(out, "-%c ", opt->letter);
            }
            (void)fprintf(out, "--%s ", opt->name);
        }
        (void)fputs("'\n        operands=(", out);
        size_t turn = nrt__fill_turn(command);
        for (size_t at = 0; (turn == 0 || at < turn) && nrt__fill_of_operand(command, at, &fill);
             at++) {
            (void)fputs(at > 0 ? " " : "", out);
            print_fill(out, fill);
        }
        (void)fprintf(out, ") turn=%zu\n        ;;\n", turn);
    }
    (void)fputs("    *) return 1 ;;\n    esac\n}\n", out);
}

/* __nrt_value: what an option of $command takes. */
static void print_values(FILE *out) {
    (void)fputs("\n__nrt_value() { # OPTION: sets `kind`, to nothing where it takes no value\n"
                "    kind=''\n    case $command:$1 in\n",
                out);
    for (size_t i = 0; i < NRT__COMMANDS; i++) {
        const nrt__command *command = nrt__commands[i];
        nrt__opt_walk walk = {.command = command};
        bool letter;
        for (const nrt__opt *opt; (opt = nrt__opt_next(&walk, &letter));) {
            nrt__fill fill = nrt__fill_of_option(opt);
            if (fill.kind == NRT__FILL_NOTHING) {
                continue;
            }
            (void)fputs("    ", out);
            if (letter) {
                (void)fprintf(out, "%s:-%c | ", command->name, opt->letter);
            }
            (void)fprintf(out, "%s:--%s) kind=", command->name, opt->name);
            print_fill(out, fill);
            (void)fputs(" ;;\n", out);
        }
    }
    (void)fputs("    esac\n}\n\n", out);
}

void nrt__completion_bash(FILE *out) {
    (void)fputs(before, out);
    print_commands(out);
    print_values(out);
    (void)fputs(after, out);
}
