/* The options that every command has which talks to NATS. */
#include "cli/common.h"

#include <stdlib.h>
#include <time.h>

#define FIELD(name) offsetof(nrt__common, name)

const nrt__opt nrt__common_opts[NRT__COMMON_OPTS] = {
    {.name = "server",
     .value = "URL[,URL...]",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(servers),
     .help = "NATS servers; default: NATS_URL, else nats://127.0.0.1:4222"},
    {.name = "prefix",
     .value = "TOKEN",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(prefix),
     .help = "first token of every subject; default: NATS_PREFIX, else nrt"},
    {.name = "name",
     .value = "NAME",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(name),
     .help = "name of the connection in the server's monitoring"},
    {.name = "timeout",
     .value = "DURATION",
     .kind = NRT__OPT_DURATION,
     .offset = FIELD(timeout_ms),
     .min = 1,
     .help = "from a request to the head of its response: 500ms, 30s, 2m; default: 30s"},
    {.name = "no-wait",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(no_wait),
     .help = "end with code 1 if no server can be reached now, instead of trying on"},
    {.name = "log",
     .value = "text|json",
     .kind = NRT__OPT_CHOICE,
     .offset = FIELD(log_format),
     .help = "how messages on standard error are written; default: text"},
    {.letter = 'v',
     .name = "verbose",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(verbose),
     .help = "say more on standard error"},
};

const nrt__opt nrt__limit_opts[NRT__LIMIT_OPTS] = {
    {.name = "max-head",
     .value = "SIZE",
     .kind = NRT__OPT_SIZE,
     .offset = FIELD(max_head),
     .min = 256,
     .max = 16 << 20,
     .help = "largest head of a request or response: 431 or 502 beyond; default: 64k"},
    {.name = "max-fields",
     .value = "N",
     .kind = NRT__OPT_NUMBER,
     .offset = FIELD(max_fields),
     .min = 1,
     .max = 10000,
     .help = "fields in a head: 431 or 502 beyond; default: 100"},
    {.name = "max-target",
     .value = "SIZE",
     .kind = NRT__OPT_SIZE,
     .offset = FIELD(max_target),
     .min = 16,
     .max = 1 << 20,
     .help = "longest request target: 414 beyond; default: 8k"},
};

static const char *from_environment(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

void nrt__common_init(nrt__common *common, const char *name) {
    *common = (nrt__common){.servers = from_environment("NATS_URL"),
                            .prefix = from_environment("NATS_PREFIX"),
                            .name = name,
                            .timeout_ms = 30000};
}

uint64_t nrt__program_now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
