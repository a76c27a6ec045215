/* `nrt demo`: everything there is, started privately on this machine, and shown at work. Here are
 * the parts it starts; demo_show.c shows them. */
#include "cli/demo/demo.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/common.h"

typedef struct demo_options {
    bool keep;
} demo_options;

enum { READY_TIMEOUT_MS = 15000 };

static const nrt__opt demo_opts[] = {
    {.letter = 'k',
     .name = "keep",
     .kind = NRT__OPT_FLAG,
     .offset = offsetof(demo_options, keep),
     .help = "leave everything running, until Ctrl-C, for you to play with"},
};

static void demo_init(void *arg) {
    (void)arg;
}

/* ---- what is needed ---------------------------------------------------------------------------
 */

/* False, told, where a program is missing. */
static bool need(const nrt__demo *demo, const char *program, const char *what,
                 const char *const folders[], char *path, size_t size) {
    if (nrt__children_find(program, folders, path, size)) {
        return true;
    }
    (void)fprintf(stderr, "%snrt demo:%s %s is not installed%s%s\n", demo->error_style->red,
                  demo->error_style->reset, program, *what ? ": " : "", what);
    return false;
}

/* How a user would call this very program: "nrt" where PATH leads to it, else by its path, from
 * here if it is below. */
static void name_program(nrt__demo *demo) {
    static const char *const nowhere[] = {NULL};
    char found[NRT__DEMO_PATH];
    char folder[NRT__DEMO_PATH];
    char resolved[PATH_MAX];
    const char *name = demo->nrt_path;
    const char *dot = "";
    if (nrt__children_find("nrt", nowhere, found, sizeof(found)) && realpath(found, resolved) &&
        strcmp(resolved, demo->nrt_path) == 0) {
        name = "nrt";
    } else if (getcwd(folder, sizeof(folder))) {
        size_t len = strlen(folder);
        if (strncmp(name, folder, len) == 0 && name[len] == '/') {
            name += len + 1;
            dot = strchr(name, '/') ? "" : "./";
        }
    }
    (void)snprintf(demo->nrt, sizeof(demo->nrt), "%s%s", dot, name);
}

static bool find_programs(nrt__demo *demo) {
    static const char *const nowhere[] = {NULL};
    ssize_t len = readlink("/proc/self/exe", demo->nrt_path, sizeof(demo->nrt_path) - 1);
    if (len <= 0) {
        (void)fprintf(stderr, "nrt demo: cannot tell where this program is: %s\n", strerror(errno));
        return false;
    }
    demo->nrt_path[len] = '\0';
    name_program(demo);
    char beside[NRT__DEMO_PATH];
    char below[NRT__DEMO_PATH + 32];
    (void)snprintf(beside, sizeof(beside), "%s", demo->nrt_path);
    *strrchr(beside, '/') = '\0';
    (void)snprintf(below, sizeof(below), "%s/examples/weather", beside);
    const char *const folders[] = {beside, below, NULL};
    bool all = need(demo, "nats-server",
                    "on Debian and Ubuntu, \"sudo apt install nats-server\" does that", nowhere,
                    demo->nats_path, sizeof(demo->nats_path));
    all = need(demo, "curl", "on Debian and Ubuntu, \"sudo apt install curl\" does that", nowhere,
               demo->curl_path, sizeof(demo->curl_path)) &&
          all;
    return need(demo, "nrt-weather", "it comes with nrt, and is looked for beside it", folders,
                demo->weather_path, sizeof(demo->weather_path)) &&
           all;
}

/* ---- starting ---------------------------------------------------------------------------------
 */

/* Tells why a part did not come up, with what it said itself. */
static void tell_failed_start(const nrt__demo *demo, const nrt__child *child, const char *name,
                              nrt__wait state) {
    const nrt__style *style = demo->error_style;
    const char *why = "cannot be started";
    char number[48];
    switch (state) {
    case NRT__WAIT_ENDED:
        (void)snprintf(number, sizeof(number), "ended at once, with code %d", child->exit_code);
        why = number;
        break;
    case NRT__WAIT_LATE:
        (void)snprintf(number, sizeof(number), "is not ready after %d s", READY_TIMEOUT_MS / 1000);
        why = number;
        break;
    case NRT__WAIT_SIGNAL:
        return;
    case NRT__WAIT_DONE:
    case NRT__WAIT_FAILURE:
        break;
    }
    (void)fprintf(stderr, "%snrt demo:%s %s %s\n", style->red, style->reset, name, why);
    if (child) {
        nrt__demo_indent(stderr, nrt__buf_view(&child->text), style);
    }
}

/* Waits for a line of a part; the rest of the line goes to `line`. */
static bool ready(nrt__demo *demo, nrt__child *child, const char *name, const char *text,
                  char *line, size_t size) {
    nrt__wait state =
        child ? nrt__children_await(&demo->children, child, text, READY_TIMEOUT_MS, line, size)
              : NRT__WAIT_FAILURE;
    if (state != NRT__WAIT_DONE) {
        tell_failed_start(demo, child, name, state);
        return false;
    }
    return true;
}

static void tell_ready(const nrt__demo *demo, const char *name, const char *where,
                       const char *what) {
    const nrt__style *style = demo->style;
    (void)printf("  %s✓%s %s%-16s%s %-28s %s%s%s\n", style->green, style->reset, style->bold, name,
                 style->reset, where, style->dim, what, style->reset);
    (void)fflush(stdout);
}

static bool start_nats(nrt__demo *demo) {
    static const char name[] = "nats-server";
    const char *const argv[] = {demo->nats_path, "-a", "127.0.0.1", "-p", "-1", "-n", "demo", NULL};
    const char *const environment[] = {NULL};
    char address[64];
    char rest[8];
    nrt__child *child = nrt__children_start(&demo->children, name, argv, environment);
    if (!ready(demo, child, name, "Listening for client connections on ", address,
               sizeof(address)) ||
        !ready(demo, child, name, "Server is ready", rest, sizeof(rest))) {
        return false;
    }
    (void)snprintf(demo->nats_url, sizeof(demo->nats_url), "nats://%s", address);
    (void)snprintf(demo->nats_variable, sizeof(demo->nats_variable), "NATS_URL=%s", demo->nats_url);
    tell_ready(demo, name, demo->nats_url, "what everything below is connected to");
    return true;
}

static bool start_weather(nrt__demo *demo) {
    static const char name[] = "weather service";
    const char *const argv[] = {demo->weather_path, NULL};
    const char *const environment[] = {demo->nats_variable, "HTTP_PORT=0", "HTTP_ADDR=127.0.0.1",
                                       "NATS_PREFIX", NULL};
    char rest[256];
    nrt__child *child = nrt__children_start(&demo->children, name, argv, environment);
    if (!ready(demo, child, name, "listening on ", demo->plain_url, sizeof(demo->plain_url)) ||
        !ready(demo, child, name, "serving weather.nats on ", rest, sizeof(rest))) {
        return false;
    }
    tell_ready(demo, name, "http://weather.nats", "a C program that serves on NATS itself");
    return true;
}

static bool start_sidecar(nrt__demo *demo) {
    static const char name[] = "sidecar";
    const char *const argv[] = {demo->nrt_path,
                                "serve",
                                "plain.nats",
                                demo->plain_url,
                                demo->keep ? "--verbose" : NULL,
                                NULL};
    const char *const environment[] = {demo->nats_variable, NULL};
    char rest[256];
    char what[NRT__DEMO_URL + 64];
    nrt__child *child = nrt__children_start(&demo->children, name, argv, environment);
    if (!ready(demo, child, name, "serving plain.nats on ", rest, sizeof(rest))) {
        return false;
    }
    (void)snprintf(what, sizeof(what), "puts the plain HTTP server %s on NATS", demo->plain_url);
    tell_ready(demo, name, "http://plain.nats", what);
    return true;
}

static bool start_gateway(nrt__demo *demo) {
    static const char name[] = "gateway";
    const char *const argv[] = {demo->nrt_path,
                                "gateway",
                                "--listen",
                                "0",
                                "--route",
                                "/city=weather.nats",
                                "--proxy",
                                demo->keep ? "--verbose" : NULL,
                                NULL};
    const char *const environment[] = {demo->nats_variable, NULL};
    nrt__child *child = nrt__children_start(&demo->children, name, argv, environment);
    if (!ready(demo, child, name, "listening on ", demo->gateway_url, sizeof(demo->gateway_url))) {
        return false;
    }
    (void)snprintf(demo->proxy_variable, sizeof(demo->proxy_variable), "http_proxy=%s",
                   demo->gateway_url);
    tell_ready(demo, name, demo->gateway_url, "HTTP in, NATS out; a forward proxy too");
    return true;
}

/* The demo is the same for everybody: no variable and no context of the user's reaches its parts.
 */
static bool forget_settings(void) {
    for (size_t i = 0; environ[i];) {
        char name[64];
        size_t len = strcspn(environ[i], "=");
        if (strncmp(environ[i], "NATS_", 5) != 0 || len >= sizeof(name)) {
            i++;
            continue;
        }
        memcpy(name, environ[i], len);
        name[len] = '\0';
        if (unsetenv(name) != 0) {
            return false;
        }
        i = 0;
    }
    return setenv("NATS_ENV", "true", 1) == 0;
}

/* ---- the command ------------------------------------------------------------------------------
 */

/* With --keep: until Ctrl-C. The exit code. */
static int keep_running(nrt__demo *demo) {
    nrt__demo_tell_running(demo);
    demo->children.echo = true;
    const nrt__child *ended = nrt__children_watch(&demo->children);
    demo->children.echo = false;
    if (ended && !demo->children.signal) {
        (void)fprintf(stderr, "%snrt demo:%s the %s ended, with code %d\n", demo->error_style->red,
                      demo->error_style->reset, ended->name, ended->exit_code);
        return NRT__EXIT_FAILED;
    }
    (void)printf("\nStopping everything.\n");
    return NRT__EXIT_OK;
}

static int demo_run(void *arg, const nrt__operands *operands) {
    const demo_options *options = arg;
    nrt__demo demo = {.keep = options->keep,
                      .style = nrt__term_style(stdout),
                      .error_style = nrt__term_style(stderr)};
    (void)operands;
    if (!find_programs(&demo)) {
        return NRT__EXIT_FAILED;
    }
    if (!forget_settings()) {
        (void)fprintf(stderr, "nrt demo: cannot change the environment: %s\n", strerror(errno));
        return NRT__EXIT_FAILED;
    }
    if (nrt__children_init(&demo.children) != 0) {
        (void)fprintf(stderr, "nrt demo: cannot watch for signals: %s\n", strerror(errno));
        return NRT__EXIT_FAILED;
    }
    const nrt__style *style = demo.style;
    (void)printf("%sHTTP over NATS, all of it on this machine%s\n\nStarting:\n", style->bold,
                 style->reset);
    bool fine = start_nats(&demo) && start_weather(&demo) && start_sidecar(&demo) &&
                start_gateway(&demo) && nrt__demo_show(&demo);
    int code = fine ? NRT__EXIT_OK : NRT__EXIT_FAILED;
    if (fine && options->keep) {
        code = keep_running(&demo);
    } else if (demo.children.signal) {
        code = 128 + demo.children.signal;
    }
    nrt__children_finish(&demo.children);
    if (fine && !options->keep) {
        nrt__demo_tell_next(&demo);
    }
    return code;
}

static const nrt__opt_group demo_groups[] = {
    {"Options", demo_opts, sizeof(demo_opts) / sizeof(demo_opts[0]), 0},
};

const nrt__command nrt__demo_command = {
    .name = "demo",
    .summary = "see it work: starts everything privately, and shows each path",
    .operands = "",
    .about = "Starts a nats-server of its own on a free port, a weather service, a sidecar in "
             "front of a plain HTTP server, and a gateway; sends a request each way and prints "
             "commands and answers. At the end everything is stopped. Needs nats-server and curl.",
    .examples = "  nrt demo\n"
                "  nrt demo --keep\n",
    .groups = demo_groups,
    .group_count = sizeof(demo_groups) / sizeof(demo_groups[0]),
    .min_operands = 0,
    .max_operands = 0,
    .options_size = sizeof(demo_options),
    .init = demo_init,
    .run = demo_run,
};
