/* What the options of `nrt gateway` and its configuration file come to: routes, listeners,
 * networks; and all that can be wrong with them. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/listen.h"
#include "cli/commands.h"
#include "cli/daemon/gateway.h"
#include "core/base/str.h"

enum { NAME_SIZE = 512 };

/* ---- objects of the file ---- */

/* {"path": "/city", "host": "www.example.net", "service": "weather.nats", "timeout": "5s"} */
typedef struct route_object {
    const char *path;
    const char *host;
    const char *service;
    uint32_t timeout_ms;
    size_t max_body;
    bool long_poll;
} route_object;

static const nrt__opt route_opts[] = {
    {.name = "path",
     .value = "PATH",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(route_object, path),
     .help = "requests for this path, and what is below it; default: /"},
    {.name = "host",
     .value = "HOST",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(route_object, host),
     .help = "only those whose Host this is, without a port; default: any"},
    {.name = "service",
     .value = "HOST",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(route_object, service),
     .help = "where they go, a name that ends in .nats"},
    {.name = "timeout",
     .value = "DURATION",
     .kind = NRT__OPT_DURATION,
     .offset = offsetof(route_object, timeout_ms),
     .min = 1,
     .help = "from a request to the head of its response; default: the gateway's"},
    {.name = "max-body",
     .value = "SIZE",
     .kind = NRT__OPT_SIZE,
     .offset = offsetof(route_object, max_body),
     .min = 1,
     .help = "largest request body; larger: 413; default: the gateway's"},
    {.name = "long-poll",
     .kind = NRT__OPT_FLAG,
     .offset = offsetof(route_object, long_poll),
     .help = "the service may take longer than the timeout, for as long as it is alive; default: "
             "the gateway's"},
};

static const char *finish_route(const void *object, char *out, size_t size) {
    const route_object *route = object;
    const char *path = route->path ? route->path : "/";
    if (!route->service) {
        return "has no \"service\": write the name of one that ends in .nats";
    }
    if (path[0] != '/') {
        return "\"path\" does not begin with /";
    }
    if (route->host && (!*route->host || strpbrk(route->host, "/="))) {
        return "\"host\" is not the name of a host; leave it out for all of them";
    }
    int len = snprintf(out, size, "%s%s=%s", route->host ? route->host : "", path, route->service);
    return len < 0 || (size_t)len >= size ? "is too long" : NULL;
}

/* {"address": "unix:/run/nrt/gateway.sock", "listen-mode": "660"} */
typedef struct listen_object {
    const char *address;
    const char *mode;
    bool plain;
} listen_object;

static const nrt__opt listen_opts[] = {
    {.name = "address",
     .value = "[ADDR:]PORT|unix:/PATH",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(listen_object, address),
     .help = "where to listen"},
    {.name = "listen-mode",
     .value = "MODE",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(listen_object, mode),
     .help = "permissions of the unix socket's file; default: the gateway's"},
    {.name = "plain",
     .kind = NRT__OPT_FLAG,
     .offset = offsetof(listen_object, plain),
     .help = "plain HTTP here, although there is a tls-cert"},
};

static const char *finish_listen(const void *object, char *out, size_t size) {
    const listen_object *listen = object;
    if (!listen->address) {
        return "has no \"address\": write a port, such as \"9090\", or \"unix:/PATH\"";
    }
    int len = snprintf(out, size, "%s", listen->address);
    return len < 0 || (size_t)len >= size ? "is too long" : NULL;
}

const nrt__opt_object nrt__gateway_objects[NRT__GATEWAY_OBJECTS] = {
    {"route", route_opts, sizeof(route_opts) / sizeof(route_opts[0]), sizeof(route_object),
     finish_route},
    {"listen", listen_opts, sizeof(listen_opts) / sizeof(listen_opts[0]), sizeof(listen_object),
     finish_listen},
};

/* ---- checks ---- */

/* What is being checked. */
typedef struct checker {
    nrt__gateway_setup *setup;
    const nrt__operands *operands;
    const nrt__report *log;
    unsigned problems;
    bool no_memory;
} checker;

static void problem(checker *c, const char *format, ...) NRT_PRINTF(2, 3);

static void problem(checker *c, const char *format, ...) {
    char text[2048];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    c->problems++;
    nrt__report_event(c->log, NRT_LOG_ERROR, "usage", NULL, "%s", text);
}

/* What the option is called: of the command line, or of the file. */
static const char *name_of(const checker *c, const char *option, char out[NAME_SIZE]) {
    return nrt__config_file_name(&c->setup->file, &nrt__gateway_command, c->operands, option, out,
                                 NAME_SIZE);
}

static const char *where_of(const nrt__arg *arg, const char *option) {
    return arg->where ? arg->where : option;
}

/* A port or a socket's path: checked here because listeners open late. */
static bool is_address(const char *text) {
    if (strncmp(text, "unix:", 5) == 0) {
        return text[5] != '\0';
    }
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    return nrt__str_to_u64(nrt_str_from(colon ? colon + 1 : text), 65535, &port);
}

/* Three octal digits at most: set-id bits mean nothing on a socket. */
static bool read_mode(const char *text, unsigned *mode) {
    *mode = 0;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '7' || p - text > 3 || (*mode << 3) > 0777) {
            return false;
        }
        *mode = *mode << 3 | (unsigned)(*p - '0');
    }
    return *mode != 0;
}

static void check_place(checker *c, nrt__gateway_place *place, const char *mode,
                        const char *mode_where) {
    bool local = strncmp(place->address, "unix:", 5) == 0;
    if (!is_address(place->address)) {
        problem(c,
                "%s: \"%s\" has no port from 0 to 65535; write 9090, :9090, 127.0.0.1:9090 or "
                "unix:/PATH",
                place->where, place->address);
    }
    if (mode && local && !read_mode(mode, &place->mode)) {
        problem(c, "%s: \"%s\" is not a mode; write three octal digits, such as 660", mode_where,
                mode);
    }
}

static void check_listen(checker *c) {
    nrt__gateway_setup *setup = c->setup;
    const nrt__gateway_options *options = &setup->options;
    char name[NAME_SIZE];
    bool local = false;
    if (options->listen.count == 0) {
        problem(c, "%s",
                setup->file.root ? "\"listen\" is missing; for example: \"listen\": \"9090\""
                                 : "--listen is missing; for example: "
                                   "nrt gateway --listen 9090 --route /city=weather.nats");
        return;
    }
    setup->places = calloc(options->listen.count, sizeof(*setup->places));
    if (!setup->places) {
        c->no_memory = true;
        return;
    }
    for (size_t i = 0; i < options->listen.count; i++) {
        const nrt__arg *arg = &options->listen.items[i];
        const listen_object *object = arg->more;
        nrt__gateway_place *place = &setup->places[setup->place_count++];
        *place = (nrt__gateway_place){.address = arg->value, .where = where_of(arg, "--listen")};
        place->plain = object && object->plain;
        if (object && object->mode) {
            if (strncmp(arg->value, "unix:", 5) != 0) {
                problem(c, "%s: \"listen-mode\" is for a unix socket: unix:/PATH", place->where);
            }
            check_place(c, place, object->mode, place->where);
        } else {
            check_place(c, place, options->listen_mode, name_of(c, "listen-mode", name));
        }
        local = local || strncmp(arg->value, "unix:", 5) == 0;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(setup->places[j].address, place->address) == 0) {
                problem(c, "%s: \"%s\" is given twice", place->where, place->address);
                break;
            }
        }
    }
    if (options->listen_mode && !local) {
        problem(c, "%s is for a unix socket: --listen unix:/PATH", name_of(c, "listen-mode", name));
    }
}

static void check_routes(checker *c) {
    nrt__gateway_setup *setup = c->setup;
    const nrt__gateway_options *options = &setup->options;
    if (options->routes.count == 0 && !options->proxy) {
        problem(c, "%s",
                setup->file.root
                    ? "nothing to do: give \"route\" or \"proxy\" or both; for example: "
                      "\"route\": [{\"path\": \"/city\", \"service\": \"weather.nats\"}]"
                    : "nothing to do: give --route or --proxy or both; for example: "
                      "nrt gateway --listen 9090 --route /city=weather.nats --proxy");
    }
    for (size_t i = 0; i < options->routes.count; i++) {
        const nrt__arg *arg = &options->routes.items[i];
        const route_object *object = arg->more;
        nrt__route_settings settings = {0};
        if (object) {
            settings = (nrt__route_settings){.timeout_ms = object->timeout_ms,
                                             .max_body = object->max_body,
                                             .long_poll = object->long_poll};
        }
        int error = nrt__routes_add_with(setup->routes, arg->value, &settings);
        if (error == NRT_ERR_MEMORY) {
            c->no_memory = true;
        } else if (error != 0) {
            problem(c, "%s: \"%s\" %s; write PATTERN=HOST, such as /city=weather.nats",
                    where_of(arg, "--route"), arg->value,
                    error == NRT_ERR_HOST    ? "leads to no host that ends in .nats"
                    : error == NRT_ERR_USAGE ? "has a pattern that is not valid, or given twice"
                                             : nrt_error_text(error));
        }
    }
}

static void check_trusted(checker *c) {
    nrt__gateway_setup *setup = c->setup;
    for (size_t i = 0; i < setup->options.trusted.count; i++) {
        const nrt__arg *arg = &setup->options.trusted.items[i];
        nrt__cidr network;
        setup->trusted[i] = arg->value;
        if (nrt__cidr_read(arg->value, &network) < 0) {
            problem(c, "%s: \"%s\" is not an address, a network such as 10.0.0.0/8, or unix",
                    where_of(arg, "--trust-forwarded"), arg->value);
        }
    }
}

static void check_tls(checker *c) {
    if (nrt__listen_tls_read(&c->setup->options.tls, c->log, &c->setup->tls) != 0) {
        c->problems++; /* it has been told */
    }
}

/* Nothing is opened: a file that is not there yet is made only when it is wanted. */
static void check_operation(checker *c) {
    const nrt__operation *operation = &c->setup->options.operation;
    char name[NAME_SIZE];
    if (operation->admin && !is_address(operation->admin)) {
        problem(
            c,
            "%s: \"%s\" is not PORT, ADDR:PORT, :PORT or unix:/PATH, with a PORT from 0 to 65535",
            name_of(c, "admin", name), operation->admin);
    }
    uint64_t unsampled;
    if (operation->trace.sample && !nrt__share_read(operation->trace.sample, &unsampled)) {
        problem(c,
                "%s: \"%s\" is no share; write a number from 0 to 1, such as 0.1, or a "
                "percentage, such as 10%%",
                name_of(c, "trace-sample", name), operation->trace.sample);
    }
    char why[512];
    if (operation->trace.url && !nrt__tracing_check_url(operation->trace.url, why, sizeof(why))) {
        problem(c, "%s: %s", name_of(c, "trace-export", name), why);
    }
    const char *log = operation->access_log;
    const char *slash = log ? strrchr(log, '/') : NULL;
    char folder[4096];
    struct stat about;
    if (!log || strcmp(log, "-") == 0 || !c->setup->options.config.check) {
        return;
    }
    (void)snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - log) : 1,
                   slash ? log : ".");
    if (stat(log, &about) == 0 ? S_ISDIR(about.st_mode)
                               : stat(*folder ? folder : "/", &about) < 0) {
        problem(c, "%s: cannot open %s: %s", name_of(c, "access-log", name), log,
                strerror(S_ISDIR(about.st_mode) ? EISDIR : errno));
    }
}

nrt__gateway_setup *nrt__gateway_setup_create(const nrt__gateway_options *given,
                                              const nrt__operands *operands, const nrt__report *log,
                                              int *code) {
    nrt__gateway_setup *setup = calloc(1, sizeof(*setup));
    checker c = {.setup = setup, .operands = operands, .log = log};
    *code = NRT__EXIT_FAILED;
    if (!setup) {
        nrt__report_event(log, NRT_LOG_ERROR, "failed", NULL, "out of memory");
        return NULL;
    }
    setup->options = *given;
    if (given->config.path) {
        c.problems = nrt__config_file_read(&setup->file, given->config.path, &nrt__gateway_command,
                                           operands, &setup->options, log);
    }
    setup->routes = nrt__routes_create();
    setup->trusted = calloc(setup->options.trusted.count + 1, sizeof(*setup->trusted));
    c.no_memory = !setup->routes || !setup->trusted;
    /* What is missing may be what could not be read. */
    if (c.problems == 0 && !c.no_memory) {
        check_listen(&c);
        check_routes(&c);
        check_trusted(&c);
        check_operation(&c);
        check_tls(&c);
    }
    if (c.problems == 0 && !c.no_memory) {
        *code = 0;
        return setup;
    }
    *code = c.problems > 0 ? NRT__EXIT_USAGE : NRT__EXIT_FAILED;
    if (c.no_memory) {
        nrt__report_event(log, NRT_LOG_ERROR, "failed", NULL, "out of memory");
    }
    nrt__gateway_setup_destroy(setup, operands);
    return NULL;
}

void nrt__gateway_setup_destroy(nrt__gateway_setup *setup, const nrt__operands *operands) {
    if (!setup) {
        return;
    }
    nrt__tls_context_destroy(setup->tls);
    nrt__routes_destroy(setup->routes);
    free(setup->trusted);
    free(setup->places);
    nrt__config_file_finish(&setup->file, &nrt__gateway_command, operands, &setup->options);
    free(setup);
}
