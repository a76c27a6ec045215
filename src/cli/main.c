/* The program `nrt`: finds the command, parses its options, runs it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <nrt/base.h>

#include "cli/commands.h"
#include "cli/common.h"
#include "core/base/suggest.h"

static const char program[] = "nrt";

static int unknown_command(const char *name) {
    const char *names[NRT__COMMANDS + 2] = {"help", "version"};
    for (size_t i = 0; i < NRT__COMMANDS; i++) {
        names[i + 2] = nrt__commands[i]->name;
    }
    const char *near = nrt__suggest(name, names, NRT__COMMANDS + 2);
    if (near) {
        (void)fprintf(stderr, "%s: unknown command \"%s\"; did you mean \"%s %s\"?\n", program,
                      name, program, near);
    } else {
        (void)fprintf(stderr, "%s: unknown command \"%s\"; \"%s help\" lists them\n", program, name,
                      program);
    }
    return NRT__EXIT_USAGE;
}

static void print_overview(FILE *out) {
    const nrt__style *style = nrt__term_style(out);
    (void)fprintf(out,
                  "%s - HTTP over NATS\n\n"
                  "%sUsage:%s %s COMMAND [OPTION]... [ARGUMENT]...\n\n"
                  "%sCommands:%s\n",
                  program, style->bold, style->reset, program, style->bold, style->reset);
    for (size_t i = 0; i < NRT__COMMANDS; i++) {
        (void)fprintf(out, "  %s%-11s%s %s\n", style->bold, nrt__commands[i]->name, style->reset,
                      nrt__commands[i]->summary);
    }
    (void)fprintf(out,
                  "  %shelp%s        explain a command: %s help get\n"
                  "  %sversion%s     print the version\n\n"
                  "New here? Try: %s demo\n",
                  style->bold, style->reset, program, style->bold, style->reset, program);
}

/* What was printed must have arrived: "nrt help >/dev/full" is an error. */
static int flushed(void) {
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fprintf(stderr, "%s: cannot write to standard output: %s\n", program,
                      strerror(errno));
        return NRT__EXIT_WRITE;
    }
    return NRT__EXIT_OK;
}

static int help(int argc, char *const argv[]) {
    if (argc == 0) {
        print_overview(stdout);
        return flushed();
    }
    const nrt__command *command = nrt__command_find(argv[0]);
    if (!command) {
        return unknown_command(argv[0]);
    }
    nrt__args_help(command, program, stdout);
    return flushed();
}

static int run(const nrt__command *command, int argc, char *const argv[]) {
    void *options = calloc(1, command->options_size);
    if (!options) {
        (void)fprintf(stderr, "%s: out of memory\n", program);
        return NRT__EXIT_FAILED;
    }
    command->init(options);
    nrt__operands operands;
    char why[512];
    int code = NRT__EXIT_USAGE;
    switch (nrt__args_parse(command, argc, argv, options, &operands, why, sizeof(why))) {
    case NRT__ARGS_RUN:
        code = command->run(options, &operands);
        break;
    case NRT__ARGS_HELP:
        nrt__args_help(command, program, stdout);
        code = flushed();
        break;
    case NRT__ARGS_ERROR:
        (void)fprintf(stderr, "%s %s: %s\nSee \"%s %s --help\".\n", program, command->name, why,
                      program, command->name);
        break;
    }
    nrt__args_finish(command, options, &operands);
    free(options);
    return code;
}

/* A standard stream that the caller closed must not become the number of a socket, which prints
 * would then go to. What stands in for it refuses to be used. */
static int hold_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) {
            return -1;
        }
    }
    return 0;
}

int main(int argc, char *argv[]) {
    if (hold_standard_streams() != 0) {
        return NRT__EXIT_FAILED;
    }
    /* A reader that goes away is an error of a write, told and turned into an exit code. */
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_overview(stderr);
        return NRT__EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        return help(argc - 2, argv + 2);
    }
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        (void)printf("%s %s\n", program, nrt_version());
        return flushed();
    }
    const nrt__command *command = nrt__command_find(name);
    if (!command) {
        return unknown_command(name);
    }
    return run(command, argc - 2, argv + 2);
}
