/* A connection in the foreground of a program: what it says about it, and how signals end it. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/common.h"
#include "core/base/duration.h"
#include "lib/conn_private.h"

/* Failed attempts are mentioned at first, and then no more often than this. */
enum { TELL_EVERY_MS = 5000 };

/* ---- the service manager ---- */

static void tell_manager(nrt__program *program, int error) {
    if (error != 0) {
        nrt__report_event(&program->log, NRT_LOG_WARN, "notify-failed", NULL,
                          "the service manager at NOTIFY_SOCKET=%s does not hear us: %s",
                          getenv("NOTIFY_SOCKET"), strerror(error));
    }
}

static void open_manager(nrt__program *program) {
    char why[256];
    if (nrt__notify_open(&program->notify, why, sizeof(why)) < 0) {
        nrt__report_event(&program->log, NRT_LOG_WARN, "notify-failed", NULL, "%s", why);
    }
    tell_manager(program, nrt__notify_status(&program->notify, "connecting to NATS"));
}

void nrt__program_ready(nrt__program *program, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(program->status, sizeof(program->status), format, args);
    va_end(args);
    if (program->signal) {
        return; /* it knows that we stop */
    }
    if (!program->ready) {
        program->ready = true;
        tell_manager(program, nrt__notify_send(&program->notify, "READY=1"));
    }
    (void)nrt__notify_status(&program->notify, program->status);
}

/* SIGHUP. The manager waits from the one message to the other. */
static void reload(nrt__program *program) {
    if (program->ready) {
        tell_manager(program, nrt__notify_reloading(&program->notify));
    }
    if (program->on_hangup) {
        program->on_hangup(program);
    }
    if (program->ready) {
        tell_manager(program, nrt__notify_send(&program->notify, "READY=1"));
        (void)nrt__notify_status(&program->notify, program->status);
    }
}

/* ---- the connection ---- */

/* Wrong credentials and certificates do not become right by trying again. */
static bool is_refused(const nrt__program *program) {
    return !program->was_connected && program->refusals >= program->servers;
}

bool nrt__program_gave_up(const nrt__program *program) {
    return is_refused(program) || (program->common->no_wait && !program->was_connected &&
                                   program->attempts >= program->servers);
}

static void tell_connected(nrt__program *program) {
    nrt_conn_info info = {.size = sizeof(info)};
    if (nrt_conn_info_get(program->conn, &info) != 0) {
        return;
    }
    bool again = program->was_connected;
    json_t *members = NULL;
    if (!nrt__report_is_json(&program->log)) {
        if (!again && program->attempts == 0) {
            return; /* as expected: the ready line follows */
        }
    } else {
        members = json_pack("{s:s, s:s, s:s, s:I}", "server", info.server, "cluster", info.cluster,
                            "url", info.url, "client", (json_int_t)info.client_id);
    }
    char took[40];
    nrt__report_event(&program->log, NRT_LOG_INFO, "connected", members,
                      "%s NATS server %s at %s%s%s", again ? "connected again to" : "connected to",
                      info.server, info.url, again ? ", after " : "",
                      again ? nrt__duration_format(nrt__program_now_ms() - program->down_since_ms,
                                                   took, sizeof(took))
                            : "");
}

/* For JSON lines; NULL for text. */
static json_t *failure_members(const nrt__program *program, int error, const char *detail) {
    if (!nrt__report_is_json(&program->log)) {
        return NULL;
    }
    return json_pack("{s:s, s:o}", "error", nrt_error_code(error), "detail",
                     nrt__report_string(nrt_str_from(detail)));
}

/* What `systemctl status` shows meanwhile. */
static void tell_trouble(nrt__program *program, int error, const char *detail) {
    char text[512];
    (void)snprintf(text, sizeof(text), "no connection to NATS: %s",
                   *detail ? detail : nrt_error_text(error));
    (void)nrt__notify_status(&program->notify, text);
}

static void tell_failed(nrt__program *program, int error, const char *detail) {
    uint64_t now = nrt__program_now_ms();
    bool first = program->attempts == 1;
    if (!first && now - program->told_ms < TELL_EVERY_MS) {
        return;
    }
    program->told_ms = now;
    tell_trouble(program, error, detail);
    char lasting[64] = "";
    if (!first) {
        char took[40];
        (void)snprintf(lasting, sizeof(lasting), " for %s",
                       nrt__duration_format(now - program->down_since_ms, took, sizeof(took)));
    }
    nrt__report_event(&program->log, NRT_LOG_WARN, "connect-failed",
                      failure_members(program, error, detail), "no connection to NATS%s: %s; %s",
                      lasting, *detail ? detail : nrt_error_text(error),
                      first ? "trying until there is one" : "still trying");
}

static void on_event(nrt_conn *conn, nrt_conn_event event, int error, const char *detail,
                     void *arg) {
    nrt__program *program = arg;
    (void)conn;
    switch (event) {
    case NRT_CONN_CONNECTED:
        if (!program->quiet) {
            tell_connected(program);
        }
        if (program->ready && !program->signal) {
            (void)nrt__notify_status(&program->notify, program->status);
        }
        program->connected = true;
        program->was_connected = true;
        program->attempts = 0;
        break;
    case NRT_CONN_DISCONNECTED:
        program->connected = false;
        program->down_since_ms = nrt__program_now_ms();
        if (!program->quiet && !program->signal) {
            nrt__report_event(&program->log, NRT_LOG_WARN, "disconnected",
                              failure_members(program, error, detail),
                              "lost the connection to NATS: %s; connecting again",
                              *detail ? detail : nrt_error_text(error));
            tell_trouble(program, error, detail);
        }
        break;
    case NRT_CONN_LAME_DUCK:
        if (!program->quiet) {
            nrt__report_event(&program->log, NRT_LOG_INFO, "lame-duck",
                              failure_members(program, error, detail), "%s; moving to another",
                              detail);
        }
        break;
    case NRT_CONN_BROKEN: /* no command has a thread for its connection */
        break;
    case NRT_CONN_FAILED:
        program->attempts++;
        program->failure = error;
        program->refusals =
            error == NRT_ERR_AUTH || error == NRT_ERR_TLS ? program->refusals + 1 : 0;
        if (nrt__program_gave_up(program)) {
            if (!program->quiet) {
                nrt__report_event(&program->log, NRT_LOG_ERROR, "connect-failed",
                                  failure_members(program, error, detail),
                                  "no connection to NATS: %s%s",
                                  *detail ? detail : nrt_error_text(error),
                                  is_refused(program) ? "" : " (--no-wait: not trying on)");
            }
            nrt__program_end(program, NRT__EXIT_FAILED);
        } else if (!program->quiet) {
            tell_failed(program, error, detail);
        }
        break;
    }
}

static int take_signals(nrt__program *program) {
    sigset_t signals;
    struct sigaction before;
    program->nohup = sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler == SIG_IGN;
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0) {
        return -1;
    }
    program->signals = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    return program->signals < 0 ? -1 : 0;
}

int nrt__program_open(nrt__program *program, const nrt__common *common, const char *called,
                      bool service) {
    *program = (nrt__program){.common = common,
                              .quiet = !service,
                              .signals = -1,
                              .notify = {.fd = -1},
                              .down_since_ms = nrt__program_now_ms()};
    nrt__report_init(&program->log, called, (nrt__report_format)common->log_format,
                     common->verbose);
    /* Before the connection: threads that a library starts must have these signals blocked. */
    if (service && take_signals(program) != 0) {
        nrt__report_event(&program->log, NRT_LOG_ERROR, "failed", NULL,
                          "cannot watch for signals: %s", strerror(errno));
        return NRT__EXIT_FAILED;
    }
    if (service) {
        open_manager(program);
    }
    char detail[1024] = "";
    nrt_options options = common->options;
    options.detail = detail;
    options.detail_size = sizeof(detail);
    options.max_head = common->max_head ? common->max_head : options.max_head;
    options.max_fields = common->max_fields ? common->max_fields : options.max_fields;
    options.max_target = common->max_target ? common->max_target : options.max_target;
    options.log = nrt__report_library;
    options.log_arg = &program->log;
    /* What the library has to say at level INFO, on_event says already. A command that is no
     * service tells of its one request by itself. */
    options.log_level = !service ? NRT_LOG_ERROR : common->verbose ? NRT_LOG_DEBUG : NRT_LOG_WARN;
    options.on_event = on_event;
    options.on_event_arg = program;
    int error = 0;
    program->conn = nrt_conn_open(&options, &error);
    if (program->conn) {
        program->options = nrt__conn_options(program->conn);
        program->servers = program->conn->servers.count;
        return 0;
    }
    char text[1100];
    bool usage = error == NRT_ERR_CONFIG || error == NRT_ERR_URL || error == NRT_ERR_HOST;
    if (usage) {
        nrt__report_event(&program->log, NRT_LOG_ERROR, "usage", NULL, "%s",
                          nrt__common_explain(detail, text, sizeof(text)));
    } else {
        nrt__report_event(&program->log, NRT_LOG_ERROR, "failed", NULL,
                          "cannot make a connection to NATS: %s",
                          *detail ? detail : nrt_error_text(error));
    }
    nrt__program_close(program);
    return usage ? NRT__EXIT_USAGE : NRT__EXIT_FAILED;
}

void nrt__program_end(nrt__program *program, int exit_code) {
    if (!program->ended) {
        program->ended = true;
        program->exit_code = exit_code;
    }
}

void nrt__program_close(nrt__program *program) {
    nrt__notify_close(&program->notify);
    nrt_conn_destroy(program->conn);
    program->conn = NULL;
    if (program->signals >= 0) {
        (void)close(program->signals);
        program->signals = -1;
    }
}

static void on_signal(void *arg, unsigned events) {
    nrt__program *program = arg;
    (void)events;
    struct signalfd_siginfo info;
    while (read(program->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        int number = (int)info.ssi_signo;
        if (number == SIGUSR1) {
            if (program->on_stats) {
                program->on_stats(program);
            }
            continue;
        }
        /* A manager that sends one wants a reload, where there is nothing to reload as well. */
        if (number == SIGHUP && (program->on_hangup || nrt__notify_is_open(&program->notify))) {
            reload(program);
            continue;
        }
        if (number == SIGHUP && program->nohup) {
            continue;
        }
        if (program->signal) {
            _exit(128 + number);
        }
        program->signal = number;
        nrt__report_event(&program->log, NRT_LOG_INFO, "stopping", NULL,
                          "stopping: finishing what is in flight; a second signal ends at once");
        (void)nrt__notify_send(&program->notify, "STOPPING=1\nSTATUS=finishing what is in flight");
        if (program->on_stop) {
            program->on_stop(program);
        } else {
            nrt__program_end(program, NRT__EXIT_OK);
        }
    }
}

int nrt__program_run(nrt__program *program) {
    nrt__io signals;
    nrt__loop *loop = nrt__conn_loop(program->conn);
    int error = nrt__io_open(loop, &signals, program->signals, NRT_IO_READ, on_signal, program);
    nrt__notify_watch(&program->notify, loop);
    while (!program->ended && error >= 0) {
        error = nrt_conn_dispatch(program->conn, -1);
        if (program->was_connected && !program->told_first_connect) {
            program->told_first_connect = true;
            if (program->on_first_connect) {
                program->on_first_connect(program);
            }
        }
    }
    nrt__io_close(&signals);
    if (error < 0) {
        nrt__report_event(&program->log, NRT_LOG_ERROR, "failed", NULL, "the event loop failed: %s",
                          nrt_error_text(error));
        return NRT__EXIT_FAILED;
    }
    return program->exit_code;
}
