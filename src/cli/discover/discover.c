/* What the commands share that look at services. */
#include "cli/discover/discover.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "core/base/suggest.h"
#include "core/discovery/read.h"

enum { CONNECT_WAIT_MS = 2000, TIMEOUT_MS = 2000, QUIET_MS = 400, KINDS_MAX = 3, SHORT_MAX = 24 };

#define FIELD(name) offsetof(nrt__asking, name)

const nrt__opt nrt__asking_opts[NRT__ASKING_OPTS] = {
    {.name = "json",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(json),
     .help = "print one JSON object instead of a table"},
    {.name = "wait",
     .value = "DURATION",
     .kind = NRT__OPT_DURATION,
     .offset = FIELD(quiet_ms),
     .min = 1,
     .max = 60000,
     .help = "stop waiting when no answer has come for so long; default: 400ms, and 2s (or "
             "--timeout) in all"},
};

void nrt__asking_init(nrt__asking *asking, const char *name) {
    nrt__common_init(&asking->common, name);
    asking->quiet_ms = QUIET_MS;
}

/* As long as an exchange would wait, or one attempt at each server with --no-wait. */
static int connect_first(nrt__program *program) {
    uint64_t deadline = nrt__program_now_ms() + CONNECT_WAIT_MS;
    while (!program->was_connected) {
        uint64_t now = nrt__program_now_ms();
        int error = NRT_ERR_DISCONNECTED;
        if (!nrt__program_gave_up(program) && now < deadline) {
            error = nrt_conn_dispatch(program->conn, (int)(deadline - now));
        }
        if (error < 0) {
            const char *why = nrt_conn_error(program->conn);
            nrt__report_event(&program->log, NRT_LOG_ERROR, "failed", NULL,
                              "not connected to NATS: %s", *why ? why : "no answer in time");
            return NRT__EXIT_FAILED;
        }
    }
    return 0;
}

int nrt__asking_open(nrt__asking *asking, const char *called) {
    uint32_t least = asking->quiet_ms > TIMEOUT_MS / 2 ? 2 * asking->quiet_ms : TIMEOUT_MS;
    nrt_options *options = &asking->common.options;
    asking->timeout_ms = options->timeout_ms ? options->timeout_ms : least;
    options->timeout_ms = asking->timeout_ms;
    int code = nrt__program_open(&asking->program, &asking->common, called, false);
    return code != 0 ? code : connect_first(&asking->program);
}

typedef struct gathered {
    nrt_discovery *found;
    int error;
    bool done;
    char detail[512];
} gathered;

static void on_found(nrt_discovery *found, int error, const char *detail, void *arg) {
    gathered *one = arg;
    one->found = found;
    one->error = error;
    one->done = true;
    (void)snprintf(one->detail, sizeof(one->detail), "%s", detail);
}

static bool all_done(const gathered *all, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!all[i].done) {
            return false;
        }
    }
    return true;
}

int nrt__asking_ask(nrt__asking *asking, const nrt_discover_kind *kinds, size_t count,
                    const char *name, nrt_discovery **found) {
    nrt_conn *conn = asking->program.conn;
    gathered all[KINDS_MAX];
    nrt_discover_options options;
    nrt_discover_options_init(&options);
    options.name = name;
    options.timeout_ms = asking->timeout_ms;
    options.quiet_ms = asking->quiet_ms;
    int error = 0;
    for (size_t i = 0; i < count; i++) {
        all[i] = (gathered){.found = NULL};
        options.kind = kinds[i];
        all[i].error = nrt_discover_start(conn, &options, on_found, &all[i]);
        if (all[i].error < 0) {
            on_found(NULL, all[i].error, nrt_conn_error(conn), &all[i]);
        }
    }
    while (!all_done(all, count)) {
        error = nrt_conn_dispatch(conn, -1);
        if (error < 0) { /* nothing can be waited for any more: what is under way ends here */
            nrt_conn_destroy(conn);
            asking->program.conn = NULL;
            break;
        }
    }
    const char *detail = nrt_error_text(error);
    for (size_t i = count; i-- > 0;) {
        found[i] = all[i].found;
        if (all[i].error < 0) {
            error = all[i].error;
            detail = all[i].detail;
        }
    }
    if (error >= 0) {
        return 0;
    }
    nrt__report_event(&asking->program.log, NRT_LOG_ERROR, "failed", NULL, "%s", detail);
    for (size_t i = 0; i < count; i++) {
        nrt_discovery_destroy(found[i]);
        found[i] = NULL;
    }
    return NRT__EXIT_FAILED;
}

/* ---- who is meant ---- */

int nrt__wanted_read(nrt__wanted *wanted, const char *typed, const nrt__report *log) {
    nrt_str view = nrt_str_from(typed);
    *wanted = (nrt__wanted){.typed = typed};
    if (!typed) {
        return 0;
    }
    if (nrt_discover_name(typed, wanted->name) == 0) {
        for (size_t i = 0; i < view.len; i++) {
            wanted->host[i] = nrt__lower(typed[i]);
        }
        return 0;
    }
    if (nrt__discovery_is_name(view) && view.len < sizeof(wanted->name)) {
        memcpy(wanted->name, typed, view.len + 1);
        return 0;
    }
    nrt__report_event(log, NRT_LOG_ERROR, "usage", NULL,
                      "\"%s\" is neither a host such as weather.nats nor the name of a service "
                      "(letters, digits, - and _)",
                      typed);
    return NRT__EXIT_USAGE;
}

static bool is_wanted(const nrt_instance *instance, const nrt__wanted *wanted) {
    return !wanted->typed || (wanted->host[0] ? strcmp(instance->host, wanted->host) == 0
                                              : strcmp(instance->name, wanted->name) == 0);
}

static bool same_service(const nrt_instance *a, const nrt_instance *b) {
    return strcmp(a->host, b->host) == 0 && strcmp(a->name, b->name) == 0 &&
           strcmp(a->prefix, b->prefix) == 0;
}

bool nrt__group_next(const nrt_discovery *found, const nrt__wanted *wanted, size_t *at,
                     nrt__group *group) {
    while (*at < found->count) {
        size_t first = *at;
        while (*at < found->count && same_service(found->list[first], found->list[*at])) {
            ++*at;
        }
        if (is_wanted(found->list[first], wanted)) {
            group->list = (const nrt_instance *const *)&found->list[first];
            group->count = *at - first;
            return true;
        }
    }
    return false;
}

void nrt__asking_nobody(nrt__asking *asking, const nrt__wanted *wanted) {
    const nrt__report *log = &asking->program.log;
    const nrt_discover_kind kind = NRT_DISCOVER_PING;
    nrt_discovery *all = NULL;
    const char **words = NULL;
    if (nrt__asking_ask(asking, &kind, 1, NULL, &all) != 0) {
        return; /* it has said why */
    }
    if (all->count > 0) {
        words = calloc(all->count, sizeof(*words));
    }
    for (size_t i = 0; words && i < all->count; i++) {
        const nrt_instance *one = all->list[i];
        words[i] = wanted->host[0] && nrt__is_ours(one) ? one->host : one->name;
    }
    const char *near = words ? nrt__suggest(wanted->typed, words, all->count) : NULL;
    if (near) {
        nrt__report_event(log, NRT_LOG_ERROR, "not-found", NULL,
                          "no service \"%s\" answers; did you mean \"%s\"?", wanted->typed, near);
    } else if (all->count > 0) {
        nrt__report_event(log, NRT_LOG_ERROR, "not-found", NULL,
                          "no service \"%s\" answers; \"nrt ls\" lists those that do",
                          wanted->typed);
    } else {
        nrt__report_event(log, NRT_LOG_ERROR, "not-found", NULL,
                          "no service \"%s\" answers, nor any other", wanted->typed);
    }
    free(words);
    nrt_discovery_destroy(all);
}

/* ---- writing ---- */

const char *nrt__instance_label(const nrt__asking *asking, const nrt_instance *instance, char *out,
                                size_t size) {
    const char *prefix = asking->program.options->prefix;
    if (!nrt__is_ours(instance)) {
        (void)snprintf(out, size, "%s (not nrt)", instance->name);
    } else if (strcmp(instance->prefix, prefix) != 0) {
        (void)snprintf(out, size, "%s (prefix %s)", instance->host, instance->prefix);
    } else {
        (void)snprintf(out, size, "%s", instance->host);
    }
    return out;
}

/* Servers without a name of their own are called by their key, of 56 characters. */
static int short_len(const char *text) {
    return strlen(text) > SHORT_MAX ? SHORT_MAX / 2 : SHORT_MAX;
}

const char *nrt__instance_where(const nrt_instance *instance, char *out, size_t size) {
    if (!*instance->server && !*instance->cluster) {
        (void)snprintf(out, size, "-");
        return out;
    }
    int cluster = short_len(instance->cluster);
    int server = short_len(instance->server);
    (void)snprintf(out, size, "%.*s%s%s%.*s%s", cluster, instance->cluster,
                   cluster < SHORT_MAX ? "..." : "", *instance->cluster ? "/" : "", server,
                   instance->server, server < SHORT_MAX ? "..." : "");
    return out;
}

const char *nrt__ns_format(double ns, char *out, size_t size) {
    static const struct {
        double from;
        const char *unit;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}};
    size_t i = 0;
    while (i < 2 && ns < units[i].from) {
        i++;
    }
    double value = ns / units[i].from;
    (void)snprintf(out, size, "%.*f %s",
                   value < 10    ? 2
                   : value < 100 ? 1
                                 : 0,
                   value, units[i].unit);
    return out;
}

json_t *nrt__group_json(const nrt__group *group, json_t *instances) {
    const nrt_instance *first = group->list[0];
    bool ours = nrt__is_ours(first);
    json_t *object = json_pack("{s:s, s:b, s:s*, s:s*}", "name", first->name, "nrt", ours, "host",
                               ours ? first->host : NULL, "prefix", ours ? first->prefix : NULL);
    if (json_object_set_new(object, "instances", instances) < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *nrt__instance_json(const nrt_instance *instance) {
    json_t *object = json_pack("{s:s, s:s, s:f}", "id", instance->id, "version", instance->version,
                               "rtt_us", (double)instance->rtt_ns / 1000);
    if (object && nrt__is_ours(instance)) {
        json_t *where = json_pack("{s:s, s:s, s:s}", "server", instance->server, "cluster",
                                  instance->cluster, "library", instance->library);
        if (!where || json_object_update(object, where) < 0) {
            json_decref(object);
            object = NULL;
        }
        json_decref(where);
    }
    return object;
}

static int flush(const nrt__asking *asking) {
    if (fflush(stdout) != 0 || ferror(stdout)) {
        nrt__report_event(&asking->program.log, NRT_LOG_ERROR, "failed", NULL,
                          "cannot write to standard output: %s", strerror(errno));
        return NRT__EXIT_WRITE;
    }
    return NRT__EXIT_OK;
}

static int out_of_memory(const nrt__asking *asking) {
    nrt__report_event(&asking->program.log, NRT_LOG_ERROR, "failed", NULL, "out of memory");
    return NRT__EXIT_FAILED;
}

int nrt__asking_print_json(const nrt__asking *asking, json_t *services, size_t skipped) {
    json_t *object =
        services ? json_pack("{s:o, s:I}", "services", services, "skipped", (json_int_t)skipped)
                 : NULL;
    char *text = object ? json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) : NULL;
    json_decref(object);
    if (!text) {
        return out_of_memory(asking);
    }
    (void)printf("%s\n", text);
    free(text);
    return flush(asking);
}

int nrt__asking_finish(const nrt__asking *asking, size_t skipped, bool printed) {
    if (!printed) {
        return out_of_memory(asking);
    }
    int code = flush(asking);
    if (skipped > 0) {
        nrt__report_event(&asking->program.log, NRT_LOG_WARN, "skipped", NULL,
                          "%zu answer%s not valid, or came twice, and %s left out", skipped,
                          skipped == 1 ? " was" : "s were", skipped == 1 ? "is" : "are");
    }
    return code;
}
