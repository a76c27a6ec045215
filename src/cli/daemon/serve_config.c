/* The services of `nrt serve`: operands, --service, and objects of its configuration file. */
#include "cli/daemon/serve_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/common.h"

#define FIELD(name) offsetof(nrt__service_object, name)

static const nrt__opt service_opts[] = {
    {.name = "host",
     .value = "HOST",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(host),
     .help = "its name, which ends in .nats"},
    {.name = "target",
     .value = "TARGET",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(target),
     .help = "the HTTP server behind it"},
    {.name = "health",
     .value = "PATH[,INTERVAL]",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(health),
     .help = "as --health, for this one"},
    {.name = "service-version",
     .value = "VERSION",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(version),
     .help = "as --service-version"},
    {.name = "description",
     .value = "TEXT",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(description),
     .help = "as --description"},
    {.name = "max-in-flight",
     .value = "N",
     .kind = NRT__OPT_NUMBER,
     .offset = FIELD(max_in_flight),
     .min = 1,
     .max = 1000000,
     .help = "as --max-in-flight"},
    {.name = "max-connections",
     .value = "N",
     .kind = NRT__OPT_NUMBER,
     .offset = FIELD(max_connections),
     .min = 1,
     .max = 1000000,
     .help = "as --max-connections"},
    {.name = "timeout",
     .value = "DURATION",
     .kind = NRT__OPT_DURATION,
     .offset = FIELD(timeout_ms),
     .min = 1,
     .help = "as --timeout"},
};

static const char *finish(const void *arg, char *out, size_t size) {
    const nrt__service_object *object = arg;
    if (!object->host || !object->target) {
        return "needs a \"host\", such as weather.nats, and a \"target\", such as "
               "http://127.0.0.1:8080";
    }
    int len = snprintf(out, size, "%s=%s", object->host, object->target);
    return len < 0 || (size_t)len >= size ? "is too long" : NULL;
}

const nrt__opt_object nrt__serve_objects[NRT__SERVE_OBJECTS] = {
    {"service", service_opts, sizeof(service_opts) / sizeof(service_opts[0]),
     sizeof(nrt__service_object), finish},
};

static int no_memory(const nrt__report *log) {
    nrt__report_event(log, NRT_LOG_ERROR, "failed", NULL, "out of memory");
    return NRT__EXIT_FAILED;
}

/* "HOST=TARGET", or an object. */
static int read_pair(const nrt__arg *arg, const nrt__report *log, nrt__serve_pair *pair) {
    const char *equals = strchr(arg->value, '=');
    const char *where = arg->where ? arg->where : "--service";
    if (!equals || equals == arg->value || equals[1] == '\0') {
        nrt__report_event(log, NRT_LOG_ERROR, "usage", NULL,
                          "%s: \"%s\" is not HOST=TARGET, such as "
                          "weather.nats=http://127.0.0.1:8080",
                          where, arg->value);
        return NRT__EXIT_USAGE;
    }
    size_t len = strlen(arg->value) + 1;
    size_t where_len = strlen(where);
    pair->copy = malloc(len + where_len + 3);
    if (!pair->copy) {
        return no_memory(log);
    }
    memcpy(pair->copy, arg->value, len);
    pair->copy[equals - arg->value] = '\0';
    (void)snprintf(pair->copy + len, where_len + 3, "%s: ", where);
    pair->host = pair->copy;
    pair->target = pair->copy + (equals - arg->value) + 1;
    pair->where = pair->copy + len;
    pair->object = arg->more;
    return 0;
}

int nrt__serve_pairs_make(const nrt__operands *operands, const nrt__arg_list *services,
                          const nrt__report *log, nrt__serve_pair **pairs, size_t *count) {
    size_t most = operands->count / 2 + services->count;
    int code = 0;
    *count = 0;
    *pairs = calloc(most + 1, sizeof(**pairs));
    if (!*pairs) {
        return no_memory(log);
    }
    if (operands->count % 2 != 0) {
        nrt__report_event(log, NRT_LOG_ERROR, "usage", NULL,
                          "%s has no TARGET: write nrt serve HOST TARGET [HOST TARGET]...",
                          operands->items[operands->count - 1]);
        code = NRT__EXIT_USAGE;
    } else if (most == 0) {
        nrt__report_event(log, NRT_LOG_ERROR, "usage", NULL,
                          "missing: HOST TARGET; for example: nrt serve weather.nats "
                          "http://127.0.0.1:8080, or \"service\" in the file of --config");
        code = NRT__EXIT_USAGE;
    }
    for (size_t i = 0; i + 1 < operands->count; i += 2) {
        (*pairs)[(*count)++] = (nrt__serve_pair){
            .host = operands->items[i], .target = operands->items[i + 1], .where = ""};
    }
    for (size_t i = 0; i < services->count; i++) {
        /* What stands on the command line counts instead of the file's. */
        if (services->items[i].where && operands->count > 0) {
            continue;
        }
        int bad = read_pair(&services->items[i], log, &(*pairs)[*count]);
        *count += bad == 0;
        code = code == 0 ? bad : code;
    }
    return code;
}

bool nrt__serve_pairs_https(const nrt__serve_pair *pairs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (strncmp(pairs[i].target, "https://", 8) == 0) {
            return true;
        }
    }
    return false;
}

void nrt__serve_pairs_free(nrt__serve_pair *pairs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(pairs[i].copy);
    }
    free(pairs);
}
