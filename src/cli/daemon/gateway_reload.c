/* Another configuration for a gateway that runs: all of it, or nothing. No request is lost by it,
 * and what is under way goes on. */
#include <string.h>

#include "cli/commands.h"
#include "cli/daemon/gateway.h"
#include "core/exchange/client.h"
#include "lib/config.h"
#include "lib/conn_private.h"

/* What a gateway that runs can take over; the rest is the connection's to NATS, or made once. */
static const char *const live[] = {
    "listen",    "listen-mode",     "route",         "proxy",        "trust-forwarded",
    "max-body",  "max-connections", "max-requests",  "head-timeout", "idle-timeout",
    "long-poll", "drain-timeout",   "admin",         "access-log",   "access-log-format",
    "retry",     "retry-on",        "timeout",       "log",          "verbose",
    "tls-cert",  "tls-key",         "tls-client-ca", "no-wait", /* means nothing any more */
};

static bool is_live(const nrt__opt *opt) {
    for (size_t i = 0; i < sizeof(live) / sizeof(live[0]); i++) {
        if (strcmp(live[i], opt->name) == 0) {
            return true;
        }
    }
    return false;
}

/* How many options differ that cannot be changed: each is told. */
static unsigned find_fixed(const nrt__gateway *gateway, const nrt__gateway_setup *setup) {
    const nrt__command *command = &nrt__gateway_command;
    unsigned count = 0;
    char name[512];
    for (size_t g = 0; g < command->group_count; g++) {
        const nrt__opt_group *group = &command->groups[g];
        for (size_t i = 0; i < group->count; i++) {
            const nrt__opt *opt = &group->opts[i];
            size_t offset = group->base + opt->offset;
            if (!is_live(opt) &&
                !nrt__config_same(opt, (const char *)&gateway->setup->options + offset,
                                  (const char *)&setup->options + offset)) {
                count++;
                nrt__report_event(&gateway->program->log, NRT_LOG_ERROR, "config", NULL,
                                  "%s cannot change while the gateway runs: restart it for that",
                                  nrt__config_file_name(&setup->file, command, gateway->operands,
                                                        opt->name, name, sizeof(name)));
            }
        }
    }
    return count;
}

/* The time that a request has may come from the environment, or a context. */
static int resolve(const nrt__gateway *gateway, nrt__gateway_setup *setup) {
    nrt__config config;
    char detail[1024];
    char text[1100];
    int error =
        nrt__config_resolve(&config, &setup->options.common.options, detail, sizeof(detail));
    if (error == 0) {
        setup->timeout_ms = config.options.timeout_ms;
    } else {
        nrt__report_event(&gateway->program->log, NRT_LOG_ERROR, "config", NULL, "%s",
                          *detail ? nrt__common_explain(detail, text, sizeof(text))
                                  : nrt_error_text(error));
    }
    nrt__config_finish(&config);
    return error;
}

/* 0: all of it can be had, and new listeners are open. */
static int prepare(nrt__gateway *gateway, nrt__gateway_setup *setup) {
    nrt__admin_gateway counted;
    nrt_admin_options admin;
    if (find_fixed(gateway, setup) > 0 || resolve(gateway, setup) < 0) {
        return -1;
    }
    if (setup->options.operation.admin && !gateway->tallies) {
        gateway->tallies = nrt__tallies_create();
        if (!gateway->tallies) {
            return -1;
        }
    }
    if (gateway->listening && nrt__gateway_listen(gateway, setup) != 0) {
        return -1;
    }
    nrt__gateway_admin(gateway, &admin, &counted);
    if (nrt__operating_change(&gateway->operating, &setup->options.operation, &admin, &counted) !=
        0) {
        if (gateway->listening) {
            nrt__gateway_unlisten(gateway, setup);
        }
        return -1;
    }
    return 0;
}

static void take_over(nrt__gateway *gateway, nrt__gateway_setup *setup) {
    nrt__program *program = gateway->program;
    const nrt__common *common = &setup->options.common;
    if (gateway->listening) {
        nrt__gateway_settle(gateway, setup);
    }
    nrt__client_set_retries(program->conn->client, common->options.retries,
                            common->options.retry_on);
    program->common = common;
    nrt__report_init(&program->log, program->log.program, (nrt__report_format)common->log_format,
                     common->verbose);
    nrt__conn_loop(program->conn)->env.log_level = common->verbose ? NRT_LOG_DEBUG : NRT_LOG_WARN;
    nrt__gateway_setup_destroy(gateway->setup, gateway->operands);
    gateway->setup = setup;
}

void nrt__gateway_reload(nrt__gateway *gateway) {
    const nrt__report *log = &gateway->program->log;
    const char *path = gateway->given->config.path;
    const char *what = path ? path : "what the files of --tls-cert hold";
    int code = 0;
    if (gateway->program->signal) {
        return; /* it is being stopped */
    }
    nrt__gateway_setup *setup =
        nrt__gateway_setup_create(gateway->given, gateway->operands, log, &code);
    if (!setup || prepare(gateway, setup) != 0) {
        nrt__gateway_setup_destroy(setup, gateway->operands);
        nrt__operating_reopen(&gateway->operating);
        nrt__report_event(
            log, NRT_LOG_ERROR, "reload-failed", NULL,
            "%s is not taken over: all goes on as before; mend it and send SIGHUP again", what);
        return;
    }
    take_over(gateway, setup);
    nrt__report_event(log, NRT_LOG_INFO, "reloaded", NULL,
                      "%s is taken over: listeners: %zu, routes: %zu", what, setup->place_count,
                      nrt__routes_count(setup->routes));
}
