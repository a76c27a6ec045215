/* The completion script for fish: a "complete" for each option of each command. */
#include "cli/commands.h"
#include "cli/completion/completion.h"
#include "core/base/str.h"

static const char before[] =
    "# fish completion for nrt, printed by \"nrt completion fish\".\n"
    "\n"
    "# What nrt itself knows. It says nothing where it cannot find out, and takes a second at "
    "most.\n"
    "function __nrt_ask # contexts|hosts\n"
    "    set -l words (commandline -opc)\n"
    "    command -q -- $words[1]; and $words[1] completion $argv[1] -- $words[2..] 2>/dev/null\n"
    "end\n"
    "\n"
    "function __nrt_urls\n"
    "    set -l typed (commandline -ct)\n"
    "    for host in (__nrt_ask hosts)\n"
    "        switch $typed\n"
    "            case 'https:*'\n"
    "                echo https://$host/\n"
    "            case '' 'h*'\n"
    "                echo http://$host/\n"
    "            case '*'\n"
    "                echo $host/\n"
    "        end\n"
    "    end\n"
    "end\n"
    "\n"
    "# The value that is being typed, without an option before it in the word.\n"
    "function __nrt_typed\n"
    "    string replace -r -- '^--[a-z-]+=' '' (commandline -ct)\n"
    "end\n"
    "\n"
    "function __nrt_routes\n"
    "    set -l typed (__nrt_typed)\n"
    "    string match -q -- '*=*' $typed; or return\n"
    "    set -l pattern (string replace -r -- '=[^=]*$' '' $typed)\n"
    "    for host in (__nrt_ask hosts)\n"
    "        echo $pattern=$host\n"
    "    end\n"
    "end\n"
    "\n"
    "function __nrt_at_files\n"
    "    set -l parts (string split -m 1 -- @ (__nrt_typed))\n"
    "    test (count $parts) -eq 2; or return\n"
    "    for file in (complete -C \"'' \"(string escape -- $parts[2]))\n"
    "        echo $parts[1]@$file\n"
    "    end\n"
    "end\n"
    "\n"
    "function __nrt_set # WORD...: with commas between\n"
    "    set -l typed (string match -r -- '.*,' (__nrt_typed))\n"
    "    for word in $argv\n"
    "        string match -q -- \"*,$word,*\" ,$typed; or echo \"$typed$word\"\n"
    "    end\n"
    "end\n"
    "\n"
    "# True at the first word.\n"
    "function __nrt_first\n"
    "    test (count (commandline -opc)) -eq 1\n"
    "end\n"
    "\n"
    "# True within the command.\n"
    "function __nrt_in # COMMAND\n"
    "    set -l words (commandline -opc)\n"
    "    test (count $words) -ge 2; and test $words[2] = $argv[1]\n"
    "end\n"
    "\n"
    "# True where an operand stands at the cursor and so many are before it; with TURN, in each "
    "turn.\n"
    "function __nrt_at # COMMAND INDEX TURN\n"
    "    set -l words (commandline -opc)\n"
    "    test (count $words) -ge 2; and test $words[2] = $argv[1]; or return\n"
    "    set -l count 0\n"
    "    set -l skip 0\n"
    "    set -l ended 0\n"
    "    for word in $words[3..]\n"
    "        if test $skip = 1\n"
    "            set skip 0\n"
    "        else if test $ended = 0; and test \"$word\" = --\n"
    "            set ended 1\n"
    "        else if test $ended = 1; or not string match -qr -- '^-.' $word\n"
    "            set count (math $count + 1)\n"
    "        else if string match -q -- '--*' $word\n"
    "            __nrt_takes_value $argv[1] $word; and set skip 1\n"
    "        else\n"
    "            set -l letters (string split -- '' (string sub -s 2 -- $word))\n"
    "            for i in (seq (count $letters))\n"
    "                if __nrt_takes_value $argv[1] -$letters[$i]\n"
    "                    test $i = (count $letters); and set skip 1\n"
    "                    break\n"
    "                end\n"
    "            end\n"
    "        end\n"
    "    end\n"
    "    test $argv[3] = 0; or set count (math $count % $argv[3])\n"
    "    test $count = $argv[2]\n"
    "end\n";

/* A list for -a; nothing where only the user knows. */
static void print_fill(FILE *out, const nrt__fill *fill) {
    nrt_str words = fill->words;
    nrt_str word;
    switch (fill->kind) {
    case NRT__FILL_NOTHING:
    case NRT__FILL_UNKNOWN:
    case NRT__FILL_FILE:
        return;
    case NRT__FILL_WORDS:
    case NRT__FILL_SET:
        (void)fputs(fill->kind == NRT__FILL_SET ? " -a '(__nrt_set" : " -a '", out);
        while (nrt__word_next(&words, &word)) {
            (void)fprintf(out, " %.*s", NRT__ARG(word));
        }
        (void)fputs(fill->kind == NRT__FILL_SET ? ")'" : "'", out);
        break;
    case NRT__FILL_AT_FILE:
        (void)fputs(" -a '(__nrt_at_files)'", out);
        break;
    case NRT__FILL_CONTEXT:
        (void)fputs(" -a '(__nrt_ask contexts)'", out);
        break;
    case NRT__FILL_HOST:
        (void)fputs(" -a '(__nrt_ask hosts)'", out);
        break;
    case NRT__FILL_EQ_HOST:
        (void)fputs(" -a '(__nrt_routes)'", out);
        break;
    case NRT__FILL_URL:
        (void)fputs(" -a '(__nrt_urls)'", out);
        break;
    }
}

static void print_option(FILE *out, const nrt__command *command, const nrt__opt *opt, bool letter) {
    nrt__fill fill = nrt__fill_of_option(opt);
    (void)fprintf(out, "complete -c nrt -n '__nrt_in %s'", command->name);
    if (letter) {
        (void)fprintf(out, " -s %c", opt->letter);
    }
    (void)fprintf(out, " -l %s%s", opt->name,
                  fill.kind == NRT__FILL_NOTHING ? ""
                  : fill.kind == NRT__FILL_FILE  ? " -r -F"
                                                 : " -x");
    print_fill(out, &fill);
    (void)fputs(" -d '", out);
    nrt__quoted_print(out, nrt__brief(opt->help), "\\");
    (void)fputs("'\n", out);
}

static void print_command(FILE *out, const nrt__command *command) {
    nrt__opt_walk walk = {.command = command};
    nrt__fill fill;
    bool letter;
    (void)fputc('\n', out);
    for (const nrt__opt *opt; (opt = nrt__opt_next(&walk, &letter));) {
        print_option(out, command, opt, letter);
    }
    size_t turn = nrt__fill_turn(command);
    for (size_t at = 0; (turn == 0 || at < turn) && nrt__fill_of_operand(command, at, &fill);
         at++) {
        (void)fprintf(out, "complete -c nrt -n '__nrt_at %s %zu %zu'", command->name, at, turn);
        print_fill(out, &fill);
        (void)fputc('\n', out);
    }
}

/* __nrt_takes_value: which options are followed by a value. */
static void print_values(FILE *out) {
    (void)fputs("\nfunction __nrt_takes_value # COMMAND OPTION\n    switch $argv[1]\n", out);
    for (size_t i = 0; i < NRT__COMMANDS; i++) {
        const nrt__command *command = nrt__commands[i];
        nrt__opt_walk walk = {.command = command};
        bool letter;
        (void)fprintf(out, "        case %s\n            contains -- $argv[2]", command->name);
        for (const nrt__opt *opt; (opt = nrt__opt_next(&walk, &letter));) {
            if (nrt__fill_of_option(opt).kind == NRT__FILL_NOTHING) {
                continue;
            }
            if (letter) {
                (void)fprintf(out, " -%c", opt->letter);
            }
            (void)fprintf(out, " --%s", opt->name);
        }
        (void)fputc('\n', out);
    }
    (void)fputs("        case '*'\n            false\n    end\nend\n\n", out);
}

static void print_first(FILE *out, const char *name, const char *summary) {
    (void)fprintf(out, "complete -c nrt -n '__nrt_first; or __nrt_at help 0 0' -a %s -d '", name);
    nrt__quoted_print(out, nrt_str_from(summary), "\\");
    (void)fputs("'\n", out);
}

void nrt__completion_fish(FILE *out) {
    (void)fputs(before, out);
    print_values(out);
    (void)fputs("complete -c nrt -f\n", out);
    for (size_t i = 0; i < NRT__COMMANDS; i++) {
        print_first(out, nrt__commands[i]->name, nrt__commands[i]->summary);
    }
    print_first(out, "help", "explain a command");
    print_first(out, "version", "print the version");
    for (size_t i = 0; i < NRT__COMMANDS; i++) {
        print_command(out, nrt__commands[i]);
    }
}
