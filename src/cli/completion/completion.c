/* `nrt completion`: prints the script that teaches a shell to complete command lines of nrt, and
 * answers what such a script asks while someone types: which contexts there are, and which
 * services. */
#include "cli/completion/completion.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/context/context.h"
#include "cli/discover/discover.h"

/* Whoever has pressed TAB waits: no longer than this, whatever the network does. */
enum { ANSWER_MS = 1000, TIMEOUT_MS = 600, QUIET_MS = 150 };

typedef struct completion_options {
    bool unused;
} completion_options;

static void completion_init(void *arg) {
    (void)arg;
}

static int print_contexts(void) {
    nrt__context_names names;
    if (nrt__context_list(&names) != 0) {
        return NRT__EXIT_FAILED;
    }
    for (size_t i = 0; i < names.count; i++) {
        (void)printf("%s\n", names.list[i]);
    }
    nrt__context_names_free(&names);
    return NRT__EXIT_OK;
}

/* ---- services -----------------------------------------------------------------------------------
 */

static const nrt__opt *find_common(const char *word, size_t len) {
    for (size_t i = 0; i < NRT__COMMON_OPTS; i++) {
        const nrt__opt *opt = &nrt__common_opts[i];
        if (strlen(opt->name) == len && strncmp(opt->name, word, len) == 0) {
            return opt;
        }
    }
    return NULL;
}

/* The option that a letter means to the command, if it is one of all; -s is --silent to get. */
static const nrt__opt *find_letter(const nrt__command *command, char letter) {
    nrt__opt_walk walk = {.command = command};
    bool counts;
    for (const nrt__opt *opt; (opt = nrt__opt_next(&walk, &counts));) {
        if (counts && opt->letter == letter) {
            return find_common(opt->name, strlen(opt->name));
        }
    }
    return NULL;
}

/* The words of a line that say how to connect, for `nrt ls`: `kept` has room for as many. The
 * first one is the command. Returns how many are kept. */
static int keep_connection(const char *const *words, size_t count, char **kept) {
    const nrt__command *command = count > 0 ? nrt__command_find(words[0]) : NULL;
    int found = 0;
    for (size_t i = 1; command && i < count; i++) {
        const char *word = words[i];
        const nrt__opt *opt = NULL;
        bool apart = false;
        if (strncmp(word, "--", 2) == 0) {
            size_t len = strcspn(word + 2, "=");
            opt = find_common(word + 2, len);
            apart = word[2 + len] == '\0';
        } else if (word[0] == '-' && word[1] != '\0') {
            opt = find_letter(command, word[1]);
            apart = word[2] == '\0';
        }
        apart = apart && opt && opt->value;
        if (opt && !(apart && i + 1 == count)) {
            kept[found++] = (char *)word;
            if (apart) {
                kept[found++] = (char *)words[++i];
            }
        }
    }
    return found;
}

static void give_up(int number) {
    (void)number;
    _exit(NRT__EXIT_FAILED);
}

static int ask_hosts(nrt__asking *asking) {
    const nrt_discover_kind kind = NRT_DISCOVER_PING;
    const nrt__wanted all = {.typed = NULL};
    nrt_discovery *found = NULL;
    nrt__group group;
    asking->quiet_ms = QUIET_MS;
    asking->common.options.timeout_ms = TIMEOUT_MS;
    asking->common.no_wait = true;
    int code = nrt__asking_open(asking, "nrt completion");
    if (code == 0) {
        code = nrt__asking_ask(asking, &kind, 1, NULL, &found);
    }
    for (size_t at = 0; code == 0 && nrt__group_next(found, &all, &at, &group);) {
        const nrt_instance *first = group.list[0];
        if (nrt__is_ours(first) && strcmp(first->prefix, asking->program.options->prefix) == 0) {
            (void)printf("%s\n", first->host);
        }
    }
    nrt_discovery_destroy(found);
    nrt__program_close(&asking->program);
    return code;
}

/* Says nothing about what is wrong: it would be printed into the line that is being typed. */
static int print_hosts(const char *const *words, size_t count) {
    char **kept = calloc(count + 1, sizeof(*kept));
    nrt__asking asking = {.json = false};
    nrt__operands operands;
    char why[256];
    int code = NRT__EXIT_FAILED;
    const struct itimerval limit = {.it_value = {ANSWER_MS / 1000, ANSWER_MS % 1000 * 1000}};
    (void)signal(SIGALRM, give_up);
    if (!kept || !freopen("/dev/null", "w", stderr) || setitimer(ITIMER_REAL, &limit, NULL) != 0) {
        free(kept);
        return code;
    }
    nrt__ls_command.init(&asking);
    if (nrt__args_parse(&nrt__ls_command, keep_connection(words, count, kept), kept, &asking,
                        &operands, why, sizeof(why)) == NRT__ARGS_RUN) {
        code = ask_hosts(&asking);
    }
    nrt__args_finish(&nrt__ls_command, &asking, &operands);
    free(kept);
    return code;
}

/* ---- the command --------------------------------------------------------------------------------
 */

static int completion_run(void *arg, const nrt__operands *operands) {
    const char *what = operands->items[0];
    int code = NRT__EXIT_OK;
    (void)arg;
    if (strcmp(what, "hosts") == 0) {
        code = print_hosts(operands->items + 1, operands->count - 1);
    } else if (strcmp(what, "contexts") == 0) {
        code = print_contexts();
    } else if (operands->count > 1) {
        (void)fprintf(stderr, "nrt completion: unexpected argument \"%s\"\n", operands->items[1]);
        return NRT__EXIT_USAGE;
    } else if (strcmp(what, "bash") == 0) {
        nrt__completion_bash(stdout);
    } else if (strcmp(what, "zsh") == 0) {
        nrt__completion_zsh(stdout);
    } else if (strcmp(what, "fish") == 0) {
        nrt__completion_fish(stdout);
    } else {
        (void)fprintf(stderr,
                      "nrt completion: no script for \"%s\"; there are bash, zsh and fish\n", what);
        return NRT__EXIT_USAGE;
    }
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == NRT__EXIT_OK) {
        (void)fprintf(stderr, "nrt completion: cannot write to standard output\n");
        code = NRT__EXIT_WRITE;
    }
    return code;
}

const nrt__command nrt__completion_command = {
    .name = "completion",
    .summary = "print the script that completes nrt's command lines in a shell",
    .operands = "bash|zsh|fish",
    .about =
        "Packages, and \"meson install\", bring these scripts already. They complete commands, "
        "options and their values, files, contexts, and the names of services that are there "
        "now.",
    .examples = "  source <(nrt completion bash)        # in ~/.bashrc\n"
                "  source <(nrt completion zsh)         # in ~/.zshrc, after compinit\n"
                "  nrt completion fish | source         # in ~/.config/fish/config.fish\n",
    .groups = NULL,
    .group_count = 0,
    .min_operands = 1,
    .max_operands =
        4096, /* the words of a line, behind hosts and contexts; the rest is checked here */
    .options_size = sizeof(completion_options),
    .init = completion_init,
    .run = completion_run,
};
