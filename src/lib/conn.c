/* The connection: opened, drained, destroyed. run.c drives it. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/sized.h"
#include "core/base/str.h"
#include "core/nats/subject.h"
#include "lib/driver.h"
#include "lib/link.h"

enum {
    DRAIN_ASK_MS = 2000,
    /* What a bridge or a service may add to a head: names (host, NATS server, cluster) that have
     * limits; and a space behind each colon. */
    ADDED_HEAD = 1024,
    ADDED_FIELDS = 8,
};

/* ---- fork: counted in the child, so that a connection knows whose it is. One number for the
 * process. ---- */

static unsigned fork_generation;
static atomic_bool forks_watched;

static void on_fork_child(void) {
    fork_generation++;
}

/* False without memory; the next connection tries again. Two threads may both get here first: a
 * fork then counts twice, which says the same. */
static bool watch_forks(void) {
    if (!atomic_load(&forks_watched)) {
        if (pthread_atfork(NULL, NULL, on_fork_child) != 0) {
            return false;
        }
        atomic_store(&forks_watched, true);
    }
    return true;
}

int nrt__conn_check_process(const nrt_conn *conn) {
    if (!conn) {
        return NRT_ERR_USAGE;
    }
    return conn->fork_generation != fork_generation ? NRT_ERR_FORK : 0;
}

int nrt__conn_check(nrt_conn *conn) {
    int error = nrt__conn_check_process(conn);
    if (error < 0) {
        return error;
    }
    return pthread_equal(conn->owner, pthread_self()) ? 0 : NRT_ERR_THREAD;
}

nrt__session *nrt__conn_session(const nrt_conn *conn) {
    return conn->link->session;
}

int nrt__conn_fail(nrt_conn *conn, int error, const char *detail) {
    if (error < 0) {
        snprintf(conn->error, sizeof(conn->error), "%s",
                 detail && *detail ? detail : nrt_error_text(error));
    }
    return error;
}

int nrt__conn_read(nrt_conn *conn, void *to, size_t size, const void *from, const char *name) {
    if (!from || nrt__sized_read(to, size, from, sizeof(size_t) + 1)) {
        return 0;
    }
    char detail[128];
    snprintf(detail, sizeof(detail), "%s_init has not filled in the %s", name, name);
    return nrt__conn_fail(conn, NRT_ERR_USAGE, detail);
}

const char *nrt_conn_error(const nrt_conn *conn) {
    return conn ? conn->error
                : "there is no connection: nrt_conn_open says why in nrt_options.detail";
}

void nrt__conn_event(nrt_conn *conn, nrt_conn_event event, int error, const char *detail) {
    if (error < 0) {
        nrt__conn_fail(conn, error, detail);
    }
    if (conn->options.on_event && !conn->destroying) {
        conn->options.on_event(conn, event, error, detail, conn->options.on_event_arg);
    }
}

/* ---- open and destroy ---- */

static void on_box(void *arg, unsigned events) {
    nrt_conn *conn = arg;
    (void)events;
    nrt__postbox_run(conn->box, conn);
}

/* Everything written has been read by the server when its PONG comes. */
static void on_last_pong(int error, void *arg) {
    nrt_conn *conn = arg;
    (void)error;
    if (conn->destroying) {
        return;
    }
    conn->drained = true;
    if (conn->on_drained) {
        conn->on_drained(conn, conn->on_drained_arg);
    }
}

static void drain_check(void *arg) {
    nrt_conn *conn = arg;
    conn->draining = false; /* asked once */
    if (nrt__session_fence(conn->link->session, on_last_pong, conn) < 0) {
        on_last_pong(NRT_ERR_DISCONNECTED, conn);
    }
}

/* What a drain waits for is asked at the end of each turn: services, exchanges of ours. */
static void check_drained(nrt_conn *conn) {
    if (conn->draining && conn->stopping == 0 && nrt__client_in_flight(conn->client) == 0 &&
        nrt__gathers_count(conn->gathers) == 0) {
        nrt__loop_defer(&conn->loop, &conn->drain_check, drain_check, conn);
    }
}

/* The outermost callback has returned: what could not be done inside one is done now. */
static void on_idle(void *arg) {
    nrt_conn *conn = arg;
    if (!conn->destroying) {
        check_drained(conn);
    } else if (!conn->held) {
        nrt_conn_destroy(conn);
    }
}

/* "where: why" for what the configuration got wrong: never a value that may be secret. */
static int fail_setting(nrt_conn *conn, nrt__setting setting, int error, const char *why) {
    nrt__from from = conn->config.from[setting];
    char where[NRT__WHERE_SIZE];
    nrt__config_where(&conn->config, setting, from, where, sizeof(where));
    snprintf(conn->error, sizeof(conn->error), "%s: %s", where, why);
    return error;
}

static int open_parts(nrt_conn *conn) {
    nrt_options *options = &conn->options;
    nrt__h1_limits limits = NRT__H1_LIMITS_DEFAULT;
    /* A peer took a head that was at its limit, the same as ours, and put its fields on it. */
    limits.head = options->max_head + ADDED_HEAD + options->max_fields;
    limits.fields = options->max_fields + ADDED_FIELDS;
    limits.target = options->max_target;
    nrt_str prefix = nrt_str_from(options->prefix);
    conn->loop.env.log = options->log;
    conn->loop.env.log_arg = options->log_arg;
    conn->loop.env.log_level = options->log_level;
    int error = nrt__prefix_check(prefix);
    nrt__setting setting = NRT__SET_PREFIX;
    if (error == 0) {
        error = nrt__prefix_check(nrt_str_from(options->inbox_prefix));
        setting = NRT__SET_INBOX_PREFIX;
    }
    if (error < 0) {
        return fail_setting(conn, setting, error,
                            "cannot begin a subject; write letters, digits, - and _");
    }
    char detail[256];
    error = nrt__servers_read(&conn->servers, options->servers, detail, sizeof(detail));
    if (error < 0) {
        return fail_setting(conn, NRT__SET_SERVERS, error, detail);
    }
    error = nrt__loop_init(&conn->loop, options->loop, on_idle, conn);
    if (error < 0) {
        return nrt__conn_fail(conn, error,
                              error == NRT_ERR_USAGE ? "loop: an operation is missing, or its size"
                                                     : NULL);
    }
    conn->box = nrt__postbox_create();
    if (!conn->box || nrt__io_open(&conn->loop, &conn->box_io, nrt__postbox_fd(conn->box),
                                   NRT_IO_READ, on_box, conn) < 0) {
        return NRT_ERR_SYSTEM;
    }
    conn->link = nrt__link_create(conn, NULL);
    if (!conn->link) {
        return NRT_ERR_MEMORY;
    }
    nrt__client_options client = {
        .prefix = prefix,
        .limits = limits,
        .timeout_ms = options->timeout_ms,
        .connect_wait_ms = options->connect_wait_ms,
        .max_exchanges = options->max_exchanges,
        .max_waiting = options->max_output,
        .max_body = options->max_body,
        .inbox_prefix = nrt_str_from(options->inbox_prefix),
        .retries = options->retries,
        .retry_on = options->retry_on,
    };
    nrt__services_options services = {
        .prefix = prefix,
        .inbox_prefix = client.inbox_prefix,
        .limits = limits,
        .multi_reply = options->multi_reply,
        .max_body = options->max_body,
    };
    nrt__env *env = &conn->loop.env;
    conn->client = nrt__client_create(env, &conn->loop.timers, conn->link->session, &client);
    conn->services = nrt__services_create(env, &conn->loop.timers, conn->link->session, &services,
                                          nrt__serve_run, conn);
    conn->discovery = nrt__discovery_create(env, &conn->loop.timers, conn->link->session, prefix);
    conn->gathers =
        nrt__gathers_create(env, &conn->loop.timers, conn->link->session, client.inbox_prefix);
    if (!conn->client || !conn->services || !conn->discovery || !conn->gathers) {
        return NRT_ERR_MEMORY;
    }
    nrt__services_announce(conn->services, conn->discovery);
    return 0;
}

static void stop_session(nrt__link *link) {
    if (link) {
        nrt__session_stop(link->session);
    }
}

/* Whoever works for us may stop: what says so goes out as far as the socket takes it now. Not where
 * requests wait in front of it, which would be sent for nothing. */
static void end_calls(nrt_conn *conn) {
    if (!conn->link || !conn->client || conn->forked) {
        return;
    }
    bool empty = nrt__session_output(conn->link->session).len == 0;
    nrt__client_cancel_all(conn->client);
    if (empty) {
        nrt__link_flush_some(conn->link);
    }
}

static void free_parts(nrt_conn *conn) {
    end_calls(conn);
    nrt__timer_clear(&conn->loop.timers, &conn->drain_timer);
    stop_session(conn->link);
    stop_session(conn->other);
    nrt__client_destroy(conn->client);
    nrt__serve_finish(conn);
    nrt__services_destroy(conn->services);
    nrt__discovery_destroy(conn->discovery);
    nrt__gathers_destroy(conn->gathers);
    if (conn->box) {
        nrt__io_close(&conn->box_io);
        if (!conn->forked) { /* its descriptor's count is the parent's, its lock may be held there
                              */
            nrt__postbox_shut(conn->box);
        }
        nrt__postbox_release(conn->box);
    }
    nrt__link_destroy(conn->other);
    nrt__link_destroy(conn->link);
    nrt__loop_finish(&conn->loop);
    nrt__servers_free(&conn->servers);
    nrt__config_finish(&conn->config);
    pthread_mutex_destroy(&conn->claim);
    free(conn);
}

static void tell_failure(const nrt_options *options, int error, const char *detail) {
    size_t needed = offsetof(nrt_options, detail_size) + sizeof(options->detail_size);
    if (options && options->size >= needed && options->detail && options->detail_size > 0) {
        snprintf(options->detail, options->detail_size, "%s",
                 *detail ? detail : nrt_error_text(error));
    }
}

/* Not in nrt_conn_open: an attempt that fails at once is told of, and the program does not have the
 * connection yet. */
static void begin(void *arg) {
    nrt_conn *conn = arg;
    nrt__link_start(conn->link);
}

nrt_conn *nrt_conn_open(const nrt_options *options, int *error) {
    int code = NRT_ERR_MEMORY;
    nrt_conn *conn = watch_forks() ? calloc(1, sizeof(*conn)) : NULL;
    if (conn) {
        conn->fork_generation = fork_generation;
        conn->owner = pthread_self();
        pthread_mutex_init(&conn->claim, NULL);
        code = nrt__config_resolve(&conn->config, options, conn->error, sizeof(conn->error));
        if (code == 0) {
            conn->options = conn->config.options;
            code = open_parts(conn);
        }
        if (code == 0) {
            nrt__loop_defer(&conn->loop, &conn->begin, begin, conn);
        } else {
            tell_failure(options, code, conn->error);
            conn->destroying = true;
            free_parts(conn);
            conn = NULL;
        }
    }
    if (!conn && code == NRT_ERR_MEMORY) {
        tell_failure(options, code, "");
    }
    if (error) {
        *error = code;
    }
    return conn;
}

/* In a child after fork(): memory and descriptors go. The epoll set and the socket's stream are the
 * parent's; its threads do not exist here; its callbacks are not to run twice. What hangs on a loop
 * of the caller's is left to that loop. */
static void abandon(nrt_conn *conn) {
    conn->forked = conn->destroying = true;
    conn->loop.depth++;
    nrt__driver_forget(conn);
    nrt__client_mute(conn->client);
    nrt__gathers_mute(conn->gathers);
    nrt__session_mute(conn->link->session);
    if (conn->other) {
        nrt__session_mute(conn->other->session);
    }
    if (conn->loop.epoll) {
        nrt__epoll_abandon(conn->loop.epoll);
    } else {
        conn->box_io.handle = conn->link->io.handle = NULL;
        if (conn->other) {
            conn->other->io.handle = NULL;
        }
        conn->loop.ops.detach = NULL;
    }
    free_parts(conn);
}

void nrt_conn_destroy(nrt_conn *conn) {
    if (!conn) {
        return;
    }
    if (nrt__conn_check(conn) == NRT_ERR_FORK) {
        abandon(conn);
        return;
    }
    if (!conn->destroying) {
        nrt__driver_stop(conn);
    }
    conn->destroying = true;
    if (conn->loop.depth > 0 || conn->held) {
        return; /* on_idle comes back here, or nrt__conn_release */
    }
    /* What free_parts ends runs callbacks; they must not bring us here again. */
    conn->loop.depth++;
    if (conn->local) {
        conn->local_close(conn->local);
    }
    if (conn->admin) {
        conn->admin_close(conn->admin);
    }
    nrt__driver_forget(conn);
    free_parts(conn);
}

/* ---- tasks of other threads ---- */

typedef struct user_task {
    nrt__post post;
    nrt_task_fn fn;
    void *arg;
} user_task;

static void run_user_task(nrt_conn *conn, nrt__post *post) {
    user_task *task = (user_task *)post;
    nrt_task_fn fn = task->fn;
    void *arg = task->arg;
    free(task);
    fn(conn, arg);
}

static void drop_user_task(nrt__post *post) {
    free(post);
}

int nrt_conn_post(nrt_conn *conn, nrt_task_fn fn, void *arg) {
    if (!conn || !fn) {
        return NRT_ERR_USAGE;
    }
    if (conn->fork_generation != fork_generation) {
        return NRT_ERR_FORK;
    }
    user_task *task = malloc(sizeof(*task));
    if (!task) {
        return NRT_ERR_MEMORY;
    }
    *task = (user_task){{NULL, run_user_task, drop_user_task, true}, fn, arg};
    return nrt__postbox_put(conn->box, &task->post) ? 0 : NRT_ERR_SYSTEM;
}

/* ---- draining ---- */

/* A drain waits for PONGs; where the server is gone without a word they never come. */
static void on_drain_timer(nrt__timer *timer, void *arg) {
    nrt_conn *conn = arg;
    nrt__session *session = conn->link->session;
    uint64_t received = nrt__session_received_total(session);
    if (conn->drained || conn->link->state != NRT__LINK_UP) {
        return;
    }
    if (received == conn->drain_received) {
        nrt__link_drop(conn->link, "the server does not answer");
        return;
    }
    conn->drain_received = received;
    nrt__session_flush(session, NULL, NULL);
    nrt__timer_set(&conn->loop.timers, timer, conn->loop.env.now_ms + DRAIN_ASK_MS, on_drain_timer,
                   conn);
}

static void on_service_stopped(nrt_conn *conn, void *arg) {
    (void)arg;
    conn->stopping--; /* the end of the turn finds out whether it was the last */
}

int nrt_conn_drain(nrt_conn *conn, nrt_task_fn fn, void *arg) {
    int error = nrt__conn_check(conn);
    if (error < 0) {
        return error;
    }
    if (conn->closing) {
        return nrt__conn_fail(conn, NRT_ERR_STATE, "draining already");
    }
    conn->closing = conn->draining = true;
    conn->on_drained = fn;
    conn->on_drained_arg = arg;
    nrt__loop_enter(&conn->loop);
    conn->drain_received = UINT64_MAX; /* asked for the first time */
    on_drain_timer(&conn->drain_timer, conn);
    nrt_service *next;
    for (nrt_service *service = nrt__services_first(conn->services); service; service = next) {
        next = service->next;
        if (!service->leaving) {
            conn->stopping++;
            nrt_service_stop(service, on_service_stopped, NULL);
        }
    }
    nrt__loop_leave(&conn->loop);
    return 0;
}

int nrt_conn_info_get(nrt_conn *conn, nrt_conn_info *info) {
    int error = nrt__conn_check(conn);
    if (error < 0) {
        return error;
    }
    nrt_conn_info now = {.server = "", .cluster = "", .version = "", .url = ""};
    if (conn->link->state == NRT__LINK_UP) {
        const nrt__nats_info *from = nrt__session_info(conn->link->session);
        nrt__server_url(nrt__link_server(conn->link), conn->url, sizeof(conn->url));
        now.server = from->server_name;
        now.cluster = from->cluster;
        now.version = from->version;
        now.url = conn->url;
        now.client_id = from->client_id;
        now.max_payload = from->max_payload;
        now.connected = true;
    }
    if (!nrt__sized_write(info, &now, sizeof(now))) {
        return nrt__conn_fail(conn, NRT_ERR_USAGE,
                              "nrt_conn_info_get needs the struct's size in it");
    }
    return 0;
}
