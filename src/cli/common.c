/* The options that every command has which talks to NATS. */
#include "cli/common.h"

#include <string.h>
#include <time.h>

#define FIELD(name) offsetof(nrt__common, name)
#define OPTION(name) offsetof(nrt__common, options.name)

const nrt__opt nrt__common_opts[NRT__COMMON_OPTS] = {
    {.name = "context",
     .value = "CONTEXT",
     .kind = NRT__OPT_STRING,
     .offset = OPTION(context),
     .help = "context of the nats CLI; default: NATS_CONTEXT, else the selected one unless servers "
             "are given"},
    {.letter = 's',
     .name = "server",
     .value = "URL[,URL...]",
     .kind = NRT__OPT_STRING,
     .offset = OPTION(servers),
     .help = "NATS servers; default: NATS_URL, else the context's, else nats://127.0.0.1:4222"},
    {.name = "user",
     .value = "NAME",
     .kind = NRT__OPT_STRING,
     .offset = OPTION(user),
     .help = "NATS user; default: NATS_USER, else the context's"},
    {.name = "password",
     .value = "PASSWORD",
     .kind = NRT__OPT_STRING,
     .offset = OPTION(password),
     .help =
         "the user's password; others can see it here: better NATS_PASSWORD, a context or --creds"},
    {.name = "token",
     .value = "TOKEN",
     .kind = NRT__OPT_STRING,
     .offset = OPTION(token),
     .help = "NATS token; others can see it here: better NATS_TOKEN or a context"},
    {.name = "creds",
     .value = "FILE",
     .kind = NRT__OPT_STRING,
     .offset = OPTION(creds),
     .help = "credentials file of nsc; default: NATS_CREDS, else the context's"},
    {.name = "nkey",
     .value = "FILE",
     .kind = NRT__OPT_STRING,
     .offset = OPTION(nkey),
     .help = "file with an nkey seed; default: NATS_NKEY, else the context's"},
    {.name = "tlscert",
     .value = "FILE",
     .kind = NRT__OPT_STRING,
     .offset = OPTION(tls_cert),
     .help = "client certificate (PEM); default: NATS_CERT, else the context's"},
    {.name = "tlskey",
     .value = "FILE",
     .kind = NRT__OPT_STRING,
     .offset = OPTION(tls_key),
     .help = "its key (PEM); default: NATS_KEY, else the context's"},
    {.name = "tlsca",
     .value = "FILE",
     .kind = NRT__OPT_STRING,
     .offset = OPTION(tls_ca),
     .help =
         "certificates to trust (PEM); default: NATS_CA, else the context's, else the system's"},
    {.name = "tls-first",
     .kind = NRT__OPT_FLAG,
     .offset = OPTION(tls_first),
     .help = "TLS before the server's greeting"},
    {.name = "inbox-prefix",
     .value = "SUBJECT",
     .kind = NRT__OPT_STRING,
     .offset = OPTION(inbox_prefix),
     .help = "where replies go; default: the context's, else _INBOX"},
    {.name = "prefix",
     .value = "TOKEN",
     .kind = NRT__OPT_STRING,
     .offset = OPTION(prefix),
     .help = "first token of every subject; default: NATS_PREFIX, else nrt"},
    {.name = "name",
     .value = "NAME",
     .kind = NRT__OPT_STRING,
     .offset = OPTION(name),
     .help = "name of the connection in the server's monitoring"},
    {.name = "timeout",
     .value = "DURATION",
     .kind = NRT__OPT_DURATION,
     .offset = OPTION(timeout_ms),
     .min = 1,
     .help = "from a request to the head of its response: 500ms, 30s, 2m; default: NATS_TIMEOUT, "
             "else 30s"},
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

const nrt__opt nrt__retry_opts[NRT__RETRY_OPTS] = {
    {.name = "retry",
     .value = "N",
     .kind = NRT__OPT_NUMBER,
     .offset = OPTION(retries),
     .max = 10,
     .help = "send a request up to N times more, each time to whichever instance NATS picks; 0: "
             "never; default: 2"},
    {.name = "retry-on",
     .value = "refused,idempotent,no-service", /* the bits of nrt_retry, in order */
     .kind = NRT__OPT_SET,
     .offset = OPTION(retry_on),
     .help = "when to send it again: refused by a busy instance; lost or silent for a second, if "
             "idempotent "
             "(or it has an Idempotency-Key); no instance there, once; default: "
             "refused,idempotent"},
};

void nrt__common_init(nrt__common *common, const char *name) {
    *common = (nrt__common){.max_head = 0};
    nrt_options_init(&common->options);
    common->options.environment = true;
    common->options.name = name;
}

const char *nrt__common_flag(const char *field) {
    static const struct {
        const char *field;
        const char *flag;
    } flags[] = {
        {"context", "--context"},
        {"servers", "--server"},
        {"user", "--user"},
        {"password", "--password"},
        {"token", "--token"},
        {"creds", "--creds"},
        {"nkey", "--nkey"},
        {"tls_cert", "--tlscert"},
        {"tls_key", "--tlskey"},
        {"tls_ca", "--tlsca"},
        {"tls_first", "--tls-first"},
        {"prefix", "--prefix"},
        {"name", "--name"},
        {"timeout_ms", "--timeout"},
        {"inbox_prefix", "--inbox-prefix"},
    };
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (strcmp(flags[i].field, field) == 0) {
            return flags[i].flag;
        }
    }
    return NULL;
}

const char *nrt__common_explain(const char *detail, char *out, size_t size) {
    char field[32];
    size_t len = strcspn(detail, ":");
    (void)snprintf(field, sizeof(field), "%.*s", (int)(len < sizeof(field) ? len : 0), detail);
    const char *flag = nrt__common_flag(field);
    (void)snprintf(out, size, "%s%s", flag ? flag : "", flag ? detail + len : detail);
    return out;
}

uint64_t nrt__program_now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
