/* `nrt top`: services and what they do, live. The model is in top_model.c, frames in top_view.c;
 * this asks, reads keys and writes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/top/top.h"
#include "core/base/str.h"
#include "lib/conn_private.h"

enum { INTERVAL_MS = 1000, QUIET_MS = 300, FRAME_MAX = 1 << 20 };

static nrt__env *env_of(nrt__top *t) {
    return &nrt__conn_loop(t->asking->program.conn)->env;
}

static bool is_utf8_locale(void) {
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);
        if (value && *value) {
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
        }
    }
    return false;
}

/* ---- rows ---- */

void nrt__top_update(nrt__top *t) {
    nrt__top_screen *screen = &t->screen;
    nrt__top_query query = {
        .filter = screen->page == NRT__TOP_DETAIL ? t->instance : t->filter,
        .sort = screen->sort,
        .reverse = screen->reverse,
    };
    free(t->rows);
    t->rows = NULL;
    screen->count = 0;
    if (*t->service) {
        query.service = nrt__top_model_service(t->model, t->service);
    }
    if (query.service || !*t->service) {
        t->rows = nrt__top_model_rows(t->model, &query, &screen->count);
    }
    screen->rows = t->rows;
    screen->waiting = nrt__top_model_found(t->model) == NULL;
    for (size_t i = 0; i < screen->count; i++) {
        if (strcmp(t->rows[i].label, t->chosen) == 0) {
            screen->selected = i;
        }
    }
}

/* ---- the terminal ---- */

static void write_all(const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t put = write(STDOUT_FILENO, bytes, len);
        if (put < 0 && errno != EINTR) {
            return;
        }
        bytes += put > 0 ? put : 0;
        len -= put > 0 ? (size_t)put : 0;
    }
}

static void write_text(const char *text) {
    write_all(text, strlen(text));
}

void nrt__top_show(nrt__top *t) {
    nrt__top_screen *screen = &t->screen;
    struct winsize size = {0};
    time_t now = time(NULL);
    struct tm parts;
    nrt__buf frame;
    nrt__buf out;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
        size.ws_col = 80;
        size.ws_row = 24;
    }
    screen->width = size.ws_col;
    screen->height = size.ws_row;
    if (!localtime_r(&now, &parts) ||
        strftime(t->clock, sizeof(t->clock), "%H:%M:%S", &parts) == 0) {
        t->clock[0] = '\0';
    }
    nrt__top_update(t);
    nrt__buf_init(&frame, FRAME_MAX);
    nrt__buf_init(&out, 2 * FRAME_MAX);
    nrt__top_draw(&frame, screen);
    nrt__buf_lit(&out, "\033[H");
    nrt_str left = nrt__buf_view(&frame);
    while (left.len > 0) { /* what is left of the line before goes, at each line's end */
        const char *newline = memchr(left.ptr, '\n', left.len);
        size_t len = newline ? (size_t)(newline - left.ptr) : left.len;
        nrt__buf_add(&out, left.ptr, len);
        nrt__buf_put(&out, newline ? NRT__STR("\033[K\r\n") : NRT__STR("\033[K"));
        left.ptr += len + (newline != NULL);
        left.len -= len + (newline != NULL);
    }
    nrt__buf_lit(&out, "\033[J");
    write_all(nrt__buf_view(&out).ptr, nrt__buf_len(&out));
    nrt__buf_free(&frame);
    nrt__buf_free(&out);
}

/* Another screen than the shell's, without a cursor; keys as they are typed, and ^C a signal. */
static bool take_terminal(nrt__top *t) {
    struct termios now;
    if (tcgetattr(STDIN_FILENO, &t->before) != 0) {
        return false;
    }
    now = t->before;
    now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    now.c_cc[VMIN] = 1;
    now.c_cc[VTIME] = 0;
    now.c_cc[VSUSP] = _POSIX_VDISABLE; /* the shell would find the wrong screen */
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &now) != 0) {
        return false;
    }
    write_text("\033[?1049h\033[?25l\033[2J");
    return true;
}

static void give_terminal_back(const nrt__top *t) {
    write_text("\033[?25h\033[?1049l");
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &t->before);
}

/* ---- asking ---- */

static void ask(nrt__top *t);

static void on_next(nrt__timer *timer, void *arg) {
    (void)timer;
    ask(arg);
}

/* So that looks begin at the interval, or as fast as answers can be waited for. */
static void ask_later(nrt__top *t) {
    int64_t due_ms = t->asked_ns / 1000000 + t->asking->interval_ms;
    int64_t now_ms = env_of(t)->now_ms;
    nrt__timer_set(&nrt__conn_loop(t->asking->program.conn)->timers, &t->next,
                   due_ms > now_ms ? due_ms : now_ms + 1, on_next, t);
}

static void on_found(nrt_discovery *found, int error, const char *detail, void *arg) {
    nrt__top *t = arg;
    if (t->quit) {
        nrt_discovery_destroy(found);
        return;
    }
    (void)snprintf(t->notice, sizeof(t->notice), "%s",
                   error == 0 ? ""
                   : *detail  ? detail
                              : nrt_error_text(error));
    if (error == 0 && !t->screen.paused) {
        (void)nrt__top_model_take(t->model, found, t->asked_ns);
    } else {
        nrt_discovery_destroy(found);
    }
    nrt__top_show(t);
    ask_later(t);
}

static void ask(nrt__top *t) {
    nrt_discover_options options;
    nrt_discover_options_init(&options);
    options.kind = NRT_DISCOVER_STATS;
    options.timeout_ms = t->asking->timeout_ms;
    options.quiet_ms = t->asking->quiet_ms;
    t->asked_ns = nrt__env_ns(env_of(t));
    int error = nrt_discover_start(t->asking->program.conn, &options, on_found, t);
    if (error < 0) {
        on_found(NULL, error, nrt_conn_error(t->asking->program.conn), t);
    }
}

/* ---- live ---- */

static int run_live(nrt__top *t) {
    nrt__loop *loop = nrt__conn_loop(t->asking->program.conn);
    const nrt__report *log = &t->asking->program.log;
    if (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1) {
        nrt__report_event(log, NRT_LOG_ERROR, "usage", NULL,
                          "this is no terminal: use --once, or --json");
        return NRT__EXIT_USAGE;
    }
    if (!take_terminal(t)) {
        nrt__report_event(log, NRT_LOG_ERROR, "failed", NULL, "cannot use this terminal: %s",
                          strerror(errno));
        return NRT__EXIT_FAILED;
    }
    int error = nrt__io_open(loop, &t->keys, STDIN_FILENO, NRT_IO_READ, nrt__top_on_keys, t);
    nrt__loop_enter(loop);
    nrt__top_show(t);
    ask(t);
    nrt__loop_leave(loop);
    while (!t->quit && error >= 0 && t->signals.number == 0) {
        error = nrt_conn_dispatch(t->asking->program.conn, -1);
    }
    t->quit = true;
    nrt__io_close(&t->keys);
    nrt__timer_clear(&loop->timers, &t->next);
    give_terminal_back(t);
    if (error < 0) {
        nrt__report_event(log, NRT_LOG_ERROR, "failed", NULL, "%s", nrt_error_text(error));
        return NRT__EXIT_FAILED;
    }
    return 0;
}

/* ---- once ---- */

static json_t *real_or_null(double value, double divisor) {
    return value < 0 ? json_null() : json_real(value / divisor);
}

static bool put_numbers(json_t *object, const nrt__top_row *row) {
    json_t *members = json_pack(
        "{s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "requests", (json_int_t)row->requests, "errors",
        (json_int_t)row->errors, "refused", (json_int_t)row->refused, "in_flight",
        row->in_flight < 0 ? json_null() : json_integer((json_int_t)row->in_flight),
        "requests_per_s", real_or_null(row->rate, 1), "error_share",
        real_or_null(row->error_share, 1), "p50_us", real_or_null(row->p50_ns, 1000), "p99_us",
        real_or_null(row->p99_ns, 1000));
    bool fine = members && object && json_object_update(object, members) == 0;
    json_decref(members);
    return fine;
}

static json_t *instances_json(const nrt__top *t, const nrt_instance *service) {
    const nrt__top_query query = {.service = service, .filter = "", .sort = NRT__TOP_BY_NAME};
    size_t count;
    nrt__top_row *rows = nrt__top_model_rows(t->model, &query, &count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *object = nrt__instance_json(rows[i].instances[0]);
        if (!put_numbers(object, &rows[i]) || json_array_append_new(list, object) < 0) {
            json_decref(list);
            list = NULL;
            break;
        }
    }
    free(rows);
    return list;
}

/* Services with their instances; of one only, if `only` is not "". */
static int print_json(const nrt__top *t, const char *only) {
    json_t *services = json_array();
    for (size_t i = 0; services && i < t->screen.count; i++) {
        const nrt__top_row *row = &t->rows[i];
        if (*only && strcmp(row->label, only) != 0 && strcmp(row->instances[0]->name, only) != 0) {
            continue;
        }
        const nrt__group group = {row->instances, row->count};
        json_t *object = nrt__group_json(&group, instances_json(t, row->instances[0]));
        if (!put_numbers(object, row) || json_array_append_new(services, object) < 0) {
            json_decref(services);
            services = NULL;
        }
    }
    return nrt__asking_print_json(t->asking, services,
                                  nrt_discovery_skipped(nrt__top_model_found(t->model)));
}

static int print_text(nrt__top *t) {
    nrt__buf out;
    nrt__buf_init(&out, SIZE_MAX / 2);
    t->screen.width = nrt__term_width(stdout);
    if (t->screen.count == 0) {
        nrt__buf_put(&out, *t->filter ? NRT__STR("No row holds that.\n")
                                      : NRT__STR("No service answers.\n"));
    } else {
        nrt__top_list(&out, &t->screen);
    }
    nrt_str text = nrt__buf_view(&out);
    (void)fwrite(text.ptr, 1, text.len, stdout);
    bool whole = !out.failed;
    nrt__buf_free(&out);
    return nrt__asking_finish(t->asking, nrt_discovery_skipped(nrt__top_model_found(t->model)),
                              whole);
}

static int look(nrt__top *t) {
    const nrt_discover_kind kind = NRT_DISCOVER_STATS;
    nrt_discovery *found = NULL;
    t->asked_ns = nrt__env_ns(env_of(t));
    int code = nrt__asking_ask(t->asking, &kind, 1, NULL, &found);
    if (code == 0 && !nrt__top_model_take(t->model, found, t->asked_ns)) {
        code = NRT__EXIT_FAILED;
    }
    return code;
}

static int run_once(nrt__top *t, const nrt__wanted *wanted) {
    int code = look(t);
    int64_t until_ns = t->asked_ns + (int64_t)t->asking->interval_ms * 1000000;
    while (code == 0 && t->signals.number == 0) {
        int64_t left_ms = (until_ns - nrt__env_ns(env_of(t)) + 999999) / 1000000;
        if (left_ms <= 0) {
            break;
        }
        code = nrt_conn_dispatch(t->asking->program.conn, (int)left_ms) < 0 ? NRT__EXIT_FAILED : 0;
    }
    if (code == 0) {
        code = look(t);
    }
    if (code != 0) {
        return code;
    }
    nrt__top_update(t);
    if (wanted->typed && t->screen.count == 0 && !*t->filter) {
        nrt__asking_nobody(t->asking, wanted);
        return NRT__EXIT_FAILED;
    }
    if (!t->asking->json) {
        return print_text(t);
    }
    char only[NRT__TOP_LABEL];
    (void)snprintf(only, sizeof(only), "%s", t->service);
    t->service[0] = '\0'; /* as all, with its instances */
    nrt__top_update(t);
    return print_json(t, only);
}

static int top_run(void *arg, const nrt__operands *operands) {
    nrt__top_options *options = arg;
    nrt__wanted wanted;
    nrt__report log;
    nrt__top t = {.options = options, .asking = &options->asking};
    nrt__report_init(&log, "nrt top", (nrt__report_format)options->asking.common.log_format, false);
    int code = nrt__wanted_read(&wanted, operands->count ? operands->items[0] : NULL, &log);
    if (code != 0) {
        return code;
    }
    t.model = nrt__top_model_create();
    t.screen = (nrt__top_screen){
        .page = wanted.typed ? NRT__TOP_INSTANCES : NRT__TOP_SERVICES,
        .service = t.service,
        .sort = (nrt__top_sort)options->sort,
        .reverse = options->reverse,
        .filter = t.filter,
        .notice = t.notice,
        .clock = t.clock,
        .interval_s = options->asking.interval_ms / 1000.0,
        .unicode = is_utf8_locale(),
        .style = nrt__term_style(stdout),
    };
    (void)snprintf(t.service, sizeof(t.service), "%s",
                   wanted.host[0] ? wanted.host
                   : wanted.typed ? wanted.name
                                  : "");
    (void)snprintf(t.filter, sizeof(t.filter), "%s", options->filter ? options->filter : "");
    nrt__get_signals_take(&t.signals);
    code = nrt__asking_open(&options->asking, "nrt top");
    if (code == 0 && t.model) {
        nrt__get_signals_watch(&t.signals, nrt__conn_loop(options->asking.program.conn));
        code = options->once || options->asking.json ? run_once(&t, &wanted) : run_live(&t);
        nrt__get_signals_unwatch(&t.signals);
    }
    nrt__program_close(&options->asking.program);
    nrt__top_model_destroy(t.model);
    free(t.rows);
    nrt__get_signals_end(&t.signals);
    return code;
}

/* ---- the command ---- */

#define FIELD(name) offsetof(nrt__top_options, name)

static const nrt__opt top_opts[] = {
    {.name = "interval",
     .value = "DURATION",
     .kind = NRT__OPT_DURATION,
     .offset = FIELD(asking.interval_ms),
     .min = 200,
     .max = 3600000,
     .help = "between two looks; default: 1s"},
    {.name = "once",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(once),
     .help = "look twice, print the rows, and end"},
    {.name = "sort",
     .value = "load|errors|p50|p99|in-flight|instances|name", /* nrt__top_sort, in order */
     .kind = NRT__OPT_CHOICE,
     .offset = FIELD(sort),
     .help = "what comes first; default: load, the requests a second"},
    {.name = "reverse",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(reverse),
     .help = "and last comes first"},
    {.name = "filter",
     .value = "TEXT",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(filter),
     .help = "only rows whose name or place holds TEXT"},
};

static void top_init(void *arg) {
    nrt__top_options *options = arg;
    nrt__asking_init(&options->asking, "nrt-top");
    options->asking.interval_ms = INTERVAL_MS;
    options->asking.quiet_ms = QUIET_MS;
}

static const nrt__opt_group top_groups[] = {
    {"Options", top_opts, sizeof(top_opts) / sizeof(top_opts[0]), 0},
    {"Asking", nrt__asking_opts, NRT__ASKING_OPTS, offsetof(nrt__top_options, asking)},
    {"Connection", nrt__common_opts, NRT__COMMON_OPTS,
     offsetof(nrt__top_options, asking) + offsetof(nrt__asking, common)},
};

const nrt__command nrt__top_command = {
    .name = "top",
    .summary = "watch services live: load, errors, latencies, by instance",
    .operands = "[HOST]",
    .about = "Asks all services every second what they have counted, and shows what changed: "
             "requests a second, the share of errors, p50 and p99 of the last few seconds, and "
             "requests in flight, of each service or, with HOST, of each of its instances. Keys: "
             "arrows and enter look inside, s sorts, / filters, ? lists all, q ends.\n\n"
             "It needs nothing but the services themselves: no agent, no server.",
    .examples = "  nrt top\n"
                "  nrt top weather.nats\n"
                "  nrt top --once --sort errors\n"
                "  nrt top --json --interval 10s\n",
    .groups = top_groups,
    .group_count = sizeof(top_groups) / sizeof(top_groups[0]),
    .min_operands = 0,
    .max_operands = 1,
    .options_size = sizeof(nrt__top_options),
    .init = top_init,
    .run = top_run,
};
