/* `nrt context`: lists, selects, shows and checks the contexts of the nats CLI. */
#include "cli/context/context.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/commands.h"
#include "core/base/suggest.h"
#include "lib/conn_private.h"

static const nrt__opt context_opts[] = {
    {.name = "json",
     .kind = NRT__OPT_FLAG,
     .offset = offsetof(nrt__context_options, json),
     .help = "print JSON: for ls, show and check"},
};

static void context_init(void *arg) {
    nrt__context_options *options = arg;
    nrt__common_init(&options->common, "nrt-context");
}

nrt_options nrt__context_choose(const nrt__context_options *options, const char *name) {
    nrt_options given = options->common.options;
    if (name) {
        given.environment = false;
        given.context = name;
    }
    return given;
}

int nrt__context_fail(const nrt__context_options *options, int code, const char *detail) {
    nrt__report log;
    char text[NRT__CONTEXT_DETAIL + 32];
    nrt__report_init(&log, "nrt context", (nrt__report_format)options->common.log_format, false);
    nrt__report_event(&log, NRT_LOG_ERROR, code == NRT__EXIT_USAGE ? "usage" : "failed", NULL, "%s",
                      nrt__common_explain(detail, text, sizeof(text)));
    return code;
}

int nrt__context_print(json_t *document) {
    char *text = document ? json_dumps(document, JSON_INDENT(2)) : NULL;
    json_decref(document);
    if (!text) {
        (void)fprintf(stderr, "nrt context: out of memory\n");
        return NRT__EXIT_FAILED;
    }
    (void)printf("%s\n", text);
    free(text);
    return NRT__EXIT_OK;
}

/* ---- ls ---- */

typedef struct listed {
    nrt__context context;
    char *url; /* as it may be shown; NULL: the file is not valid */
    char why[NRT__CONTEXT_DETAIL];
} listed;

static void list_one(listed *one, const char *name) {
    if (nrt__context_load(&one->context, name, one->why, sizeof(one->why)) == 0) {
        one->url = nrt__servers_mask(one->context.url ? one->context.url : "", NRT__MASKED "@");
    }
}

static void list_finish(listed *one) {
    nrt__context_finish(&one->context);
    free(one->url);
}

static json_t *list_json(const listed *one, const char *name, bool selected) {
    json_t *object = json_pack("{s:o, s:b}", "name", nrt__report_string(nrt_str_from(name)),
                               "selected", selected);
    const char *description = one->context.description;
    if (one->url) {
        (void)json_object_set_new(object, "url", nrt__report_string(nrt_str_from(one->url)));
        (void)json_object_set_new(object, "description",
                                  nrt__report_string(nrt_str_from(description ? description : "")));
    } else {
        (void)json_object_set_new(object, "error", nrt__report_string(nrt_str_from(one->why)));
    }
    return object;
}

/* A description may hold anything; a terminal gets one line of it. */
static void print_description(const char *text) {
    for (const char *at = text ? text : ""; *at; at++) {
        (void)putchar((unsigned char)*at < 0x20 || *at == 0x7f ? ' ' : *at);
    }
}

static void list_text(const listed *one, const char *name, bool selected, int width) {
    const nrt__style *style = nrt__term_style(stdout);
    (void)printf("%s%s %-*s%s ", selected ? style->green : "", selected ? "*" : " ", width, name,
                 selected ? style->reset : "");
    if (one->url) {
        (void)printf("%s%s  ", one->url, *one->url ? "" : "nats://127.0.0.1:4222");
        print_description(one->context.description);
    } else {
        (void)printf("%s%s%s", style->red, one->why, style->reset);
    }
    (void)putchar('\n');
}

static int list(const nrt__context_options *options) {
    nrt__context_names names;
    char detail[NRT__CONTEXT_DETAIL] = "";
    char selected[NRT__CONTEXT_NAME_MAX + 1] = "";
    char folder[4096] = "the folder of the nats CLI";
    if (nrt__context_list(&names) != 0) {
        return nrt__context_fail(options, NRT__EXIT_FAILED, "out of memory");
    }
    int code = NRT__EXIT_OK;
    if (nrt__context_selected(selected, detail, sizeof(detail)) != 0) {
        code = nrt__context_fail(options, NRT__EXIT_FAILED, detail);
    }
    (void)nrt__context_path(folder, sizeof(folder), "/context");
    if (names.count == 0 && !options->json) {
        (void)printf("No contexts in %s.\nThe nats CLI makes them: nats context save NAME "
                     "--server URL\n",
                     folder);
    }
    size_t width = 0;
    for (size_t i = 0; i < names.count; i++) {
        size_t len = strlen(names.list[i]);
        width = len > width ? len : width;
    }
    json_t *all = json_array();
    for (size_t i = 0; i < names.count; i++) {
        listed one = {.url = NULL};
        bool is_selected = strcmp(names.list[i], selected) == 0;
        list_one(&one, names.list[i]);
        if (options->json) {
            (void)json_array_append_new(all, list_json(&one, names.list[i], is_selected));
        } else {
            list_text(&one, names.list[i], is_selected, (int)width);
        }
        list_finish(&one);
    }
    if (options->json) {
        int printed = nrt__context_print(json_incref(all));
        code = code ? code : printed;
    }
    json_decref(all);
    nrt__context_names_free(&names);
    return code;
}

/* ---- select ---- */

static int select_one(const nrt__context_options *options, const char *name) {
    char detail[NRT__CONTEXT_DETAIL] = "out of memory";
    if (nrt__context_select(name, detail, sizeof(detail)) != 0) {
        return nrt__context_fail(options, NRT__EXIT_USAGE, detail);
    }
    (void)printf("Selected %s, for nrt and the nats CLI.\n", name);
    return NRT__EXIT_OK;
}

/* ---- check ---- */

static double now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void on_pong(int error, void *arg) {
    *(int *)arg = error < 0 ? error : 1;
}

/* Waits for the server and measures one PING. Milliseconds, or negative: NRT_ERR_*. */
static double connect_and_ping(nrt__program *program) {
    nrt_conn *conn = program->conn;
    double deadline = now_ms() + program->options->timeout_ms;
    double begun = 0;
    int pong = 0;
    int error = 0;
    while (pong == 0 && error >= 0) {
        if (program->was_connected && begun <= 0) {
            begun = now_ms();
            nrt__loop_enter(nrt__conn_loop(conn));
            error = nrt__session_flush(nrt__conn_session(conn), on_pong, &pong);
            nrt__loop_leave(nrt__conn_loop(conn));
        }
        double left = deadline - now_ms();
        if (left <= 0) {
            return NRT_ERR_TIMEOUT;
        }
        if (nrt__program_gave_up(program)) {
            return program->failure;
        }
        if (error >= 0 && pong == 0) {
            error = nrt_conn_dispatch(conn, (int)left + 1);
        }
    }
    return pong < 0 ? pong : error < 0 ? error : now_ms() - begun;
}

/* Warns of a file with a secret in it that others may read. */
static void check_mode(const nrt__program *program, const char *path) {
    struct stat about;
    if (path && stat(path, &about) == 0 && (about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        nrt__report_event(&program->log, NRT_LOG_WARN, "readable", NULL,
                          "%s can be read by others; chmod 600 it", path);
    }
}

static bool context_has_secret(const nrt__config *config) {
    bool found =
        config->from[NRT__SET_SERVERS] == NRT__FROM_CONTEXT && strchr(config->options.servers, '@');
    for (size_t i = 0; i < NRT__TEXTS; i++) {
        found = found || (nrt__settings[i].kind == NRT__SETTING_SECRET &&
                          config->from[i] == NRT__FROM_CONTEXT);
    }
    return found;
}

static void check_modes(const nrt__program *program) {
    const nrt__config *config = &program->conn->config;
    char file[4096];
    if (context_has_secret(config) && nrt__context_file(file, sizeof(file), config->context)) {
        check_mode(program, file);
    }
    check_mode(program, config->options.creds);
    check_mode(program, config->options.nkey);
    check_mode(program, config->options.tls_key);
}

static int tell_checked(const nrt__context_options *options, const nrt__program *program,
                        double ms) {
    const nrt__config *config = &program->conn->config;
    const char *name = config->context;
    nrt_conn_info info = {.size = sizeof(info)};
    if (nrt_conn_info_get(program->conn, &info) != 0) {
        return NRT__EXIT_FAILED;
    }
    if (options->json) {
        return nrt__context_print(
            json_pack("{s:o, s:o, s:o, s:o, s:o, s:f}", "context",
                      name ? nrt__report_string(nrt_str_from(name)) : json_null(), "server",
                      nrt__report_string(nrt_str_from(info.server)), "version",
                      nrt__report_string(nrt_str_from(info.version)), "cluster",
                      nrt__report_string(nrt_str_from(info.cluster)), "url",
                      nrt__report_string(nrt_str_from(info.url)), "rtt_ms", ms));
    }
    (void)printf("%s%s: connected to %s (nats-server %s%s%s) at %s, round trip %.1f ms\n",
                 name ? "context " : "", name ? name : "no context", info.server, info.version,
                 *info.cluster ? ", cluster " : "", info.cluster, info.url, ms);
    return NRT__EXIT_OK;
}

static int check(const nrt__context_options *options, const char *name) {
    nrt__common common = options->common;
    nrt__program program;
    common.options = nrt__context_choose(options, name);
    common.no_wait = true;
    int code = nrt__program_open(&program, &common, "nrt context", false);
    if (code != 0) {
        return code;
    }
    check_modes(&program);
    double ms = connect_and_ping(&program);
    if (ms >= 0) {
        code = tell_checked(options, &program, ms);
    } else {
        const char *detail = nrt_conn_error(program.conn);
        nrt__report_event(&program.log, NRT_LOG_ERROR, "failed", NULL, "no connection to NATS: %s",
                          *detail ? detail : nrt_error_text((int)ms));
        code = NRT__EXIT_FAILED;
    }
    nrt__program_close(&program);
    return code;
}

/* ---- the command ---- */

static int unknown_action(const nrt__context_options *options, const char *typed) {
    static const char *const actions[] = {"ls", "select", "show", "check"};
    const char *near = nrt__suggest(typed, actions, sizeof(actions) / sizeof(actions[0]));
    char detail[256];
    (void)snprintf(detail, sizeof(detail), "unknown action \"%.64s\"; %s%s", typed,
                   near ? "did you mean " : "there are ls, select, show and check",
                   near ? near : "");
    return nrt__context_fail(options, NRT__EXIT_USAGE, detail);
}

static int context_run(void *arg, const nrt__operands *operands) {
    const nrt__context_options *options = arg;
    const char *action = operands->count > 0 ? operands->items[0] : "ls";
    const char *name = operands->count > 1 ? operands->items[1] : NULL;
    int code;
    if (name && options->common.options.context) {
        return nrt__context_fail(options, NRT__EXIT_USAGE,
                                 "the context is named twice, by --context too");
    }
    if (strcmp(action, "ls") == 0) {
        code =
            name ? nrt__context_fail(options, NRT__EXIT_USAGE, "ls takes no name") : list(options);
    } else if (strcmp(action, "select") == 0) {
        code = name ? select_one(options, name)
                    : nrt__context_fail(options, NRT__EXIT_USAGE,
                                        "select needs a name: nrt context select NAME");
    } else if (strcmp(action, "show") == 0) {
        code = nrt__context_show(options, name);
    } else if (strcmp(action, "check") == 0) {
        code = check(options, name);
    } else {
        code = unknown_action(options, action);
    }
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == NRT__EXIT_OK) {
        (void)fprintf(stderr, "nrt context: cannot write to standard output: %s\n",
                      strerror(errno));
        code = NRT__EXIT_WRITE;
    }
    return code;
}

static const nrt__opt_group context_groups[] = {
    {"Options", context_opts, sizeof(context_opts) / sizeof(context_opts[0]), 0},
    NRT__COMMON_GROUP(nrt__context_options),
};

const nrt__command nrt__context_command = {
    .name = "context",
    .summary = "list, select, show and check contexts of the nats CLI",
    .operands = "[ls | select NAME | show [NAME] | check [NAME]]",
    .completes = "ls|select|show|check CONTEXT",
    .about = "ls lists the contexts, and marks the selected one. select makes one the default, for "
             "the nats CLI too. show prints the settings that any command would have with the same "
             "options and environment, and where each comes from; with NAME, what that context "
             "says by itself. check connects with them, and prints the server and the time of a "
             "round trip. Secrets are never printed.\n\n"
             "Ends with 0; 1: no connection; 2: a setting or a context is not valid.",
    .examples = "  nrt context\n"
                "  nrt context select prod\n"
                "  NATS_URL=nats://127.0.0.1 nrt context show\n"
                "  nrt context check prod\n",
    .groups = context_groups,
    .group_count = sizeof(context_groups) / sizeof(context_groups[0]),
    .min_operands = 0,
    .max_operands = 2,
    .options_size = sizeof(nrt__context_options),
    .init = context_init,
    .run = context_run,
};
