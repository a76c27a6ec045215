/* Options, environment and context become one set of options. */
#include "lib/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/duration.h"
#include "core/base/sized.h"
#include "core/base/str.h"
#include "lib/config_private.h"

#define TEXT(name) offsetof(nrt_options, name)

const nrt__setting_info nrt__settings[NRT__SETTINGS] = {
    [NRT__SET_SERVERS] = {"servers", "NATS_URL", "url", NRT__SETTING_PLAIN, TEXT(servers)},
    [NRT__SET_NAME] = {"name", NULL, NULL, NRT__SETTING_PLAIN, TEXT(name)},
    [NRT__SET_PREFIX] = {"prefix", "NATS_PREFIX", NULL, NRT__SETTING_PLAIN, TEXT(prefix)},
    [NRT__SET_USER] = {"user", "NATS_USER", "user", NRT__SETTING_PLAIN, TEXT(user)},
    [NRT__SET_PASSWORD] = {"password", "NATS_PASSWORD", "password", NRT__SETTING_SECRET,
                           TEXT(password)},
    [NRT__SET_TOKEN] = {"token", "NATS_TOKEN", "token", NRT__SETTING_SECRET, TEXT(token)},
    [NRT__SET_CREDS] = {"creds", "NATS_CREDS", "creds", NRT__SETTING_FILE, TEXT(creds)},
    [NRT__SET_NKEY] = {"nkey", "NATS_NKEY", "nkey", NRT__SETTING_FILE, TEXT(nkey)},
    [NRT__SET_JWT] = {"jwt", NULL, "user_jwt", NRT__SETTING_SECRET, TEXT(jwt)},
    [NRT__SET_SEED] = {"seed", NULL, "user_seed", NRT__SETTING_SECRET, TEXT(seed)},
    [NRT__SET_TLS_CA] = {"tls_ca", "NATS_CA", "ca", NRT__SETTING_FILE, TEXT(tls_ca)},
    [NRT__SET_TLS_CERT] = {"tls_cert", "NATS_CERT", "cert", NRT__SETTING_FILE, TEXT(tls_cert)},
    [NRT__SET_TLS_KEY] = {"tls_key", "NATS_KEY", "key", NRT__SETTING_FILE, TEXT(tls_key)},
    [NRT__SET_INBOX_PREFIX] = {"inbox_prefix", NULL, "inbox_prefix", NRT__SETTING_PLAIN,
                               TEXT(inbox_prefix)},
    [NRT__SET_TLS_FIRST] = {"tls_first", NULL, "tls_first", NRT__SETTING_PLAIN, 0},
    [NRT__SET_TIMEOUT] = {"timeout_ms", "NATS_TIMEOUT", NULL, NRT__SETTING_PLAIN, 0},
};

enum { TIMEOUT_DEFAULT_MS = 30000 };

void nrt_options_init_sized(nrt_options *options, size_t size) {
    nrt_options defaults = {
        .size = size,
        .connect_timeout_ms = 2000,
        .connect_wait_ms = 2000,
        .reconnect_min_ms = 20,
        .reconnect_max_ms = 2000,
        .ping_interval_ms = 10000,
        .retries = 2,
        .retry_on = NRT_RETRY_REFUSED | NRT_RETRY_IDEMPOTENT,
        .max_output = 16u << 20,
        .max_message = 8u << 20,
        .max_exchanges = 65536,
        .max_body = 16u << 20,
        .max_head = 64u << 10,
        .max_fields = 100,
        .max_target = 8u << 10,
        .log_level = NRT_LOG_INFO,
    };
    memset(options, 0, size);
    memcpy(options, &defaults, size < sizeof(defaults) ? size : sizeof(defaults));
}

static const char **text_of(nrt_options *options, size_t setting) {
    return (const char **)((char *)options + nrt__settings[setting].offset);
}

const char *nrt__config_where(const nrt__config *config, nrt__setting setting, nrt__from from,
                              char *out, size_t size) {
    const nrt__setting_info *info = &nrt__settings[setting];
    switch (from) {
    case NRT__FROM_DEFAULT:
    case NRT__FROM_OPTION:
        snprintf(out, size, "%s", info->field);
        break;
    case NRT__FROM_ENVIRONMENT:
        snprintf(out, size, "%s",
                 setting == NRT__SET_TOKEN && config->user_is_token ? "NATS_USER" : info->variable);
        break;
    case NRT__FROM_CONTEXT:
        snprintf(out, size, "context \"%s\", key %s", config->context ? config->context : "",
                 info->key);
        break;
    }
    return out;
}

/* ---- the layers ---- */

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* What the program set. An empty text is a mistake, an unset variable of a shell perhaps: to go on
 * with another layer's would be a surprise. */
static int read_options(nrt__resolver *to, nrt_options *options) {
    nrt__layer *layer = &to->layers[NRT__FROM_OPTION];
    for (size_t i = 0; i < NRT__TEXTS; i++) {
        const char *text = *text_of(options, i);
        bool may_be_empty = i == NRT__SET_PASSWORD || i == NRT__SET_NAME;
        if (text && !*text && !may_be_empty) {
            return nrt__resolver_fail(to, "%s: is empty; give a value, or leave it out",
                                      nrt__settings[i].field);
        }
        layer->texts[i] = text;
    }
    layer->tls_first = options->tls_first;
    layer->timeout_ms = options->timeout_ms;
    return 0;
}

static int read_environment(nrt__resolver *to, bool *no_context) {
    nrt__layer *layer = &to->layers[NRT__FROM_ENVIRONMENT];
    for (size_t i = 0; i < NRT__TEXTS; i++) {
        layer->texts[i] = nrt__settings[i].variable ? variable(nrt__settings[i].variable) : NULL;
    }
    const char *timeout = variable("NATS_TIMEOUT");
    char why[128] = "is too short: at least 1ms";
    if (timeout && (nrt__duration_parse(timeout, &layer->timeout_ms, why, sizeof(why)) != 0 ||
                    layer->timeout_ms == 0)) {
        return nrt__resolver_fail(to, "NATS_TIMEOUT: \"%s\" %s", timeout, why);
    }
    const char *only = variable("NATS_ENV");
    *no_context = only && strcmp(only, "true") == 0;
    if (only && !*no_context && strcmp(only, "false") != 0) {
        return nrt__resolver_fail(to, "NATS_ENV: \"%s\" is neither true nor false", only);
    }
    return 0;
}

/* Which context is read: the one named by the program, else by NATS_CONTEXT unless NATS_ENV=true,
 * else the selected one unless servers are given. */
static int choose_context(nrt__resolver *to, const nrt_options *options, char *name, size_t size) {
    bool no_context = false;
    int error = 0;
    name[0] = '\0';
    if (options->environment) {
        error = read_environment(to, &no_context);
    }
    if (error < 0) {
        return error;
    }
    const char *named = options->context;
    const char *where = "context";
    if (!named && options->environment && !no_context) {
        named = variable("NATS_CONTEXT");
        where = "NATS_CONTEXT";
    }
    if (named && !nrt__context_name_ok(named)) {
        return nrt__resolver_fail(to,
                                  "%s: not the name of a context: it is empty, too long, or holds "
                                  "/, \\, .. or a control character",
                                  where);
    }
    if (named) {
        snprintf(name, size, "%s", named);
    } else if (options->environment && !no_context && !to->layers[NRT__FROM_OPTION].texts[0] &&
               !to->layers[NRT__FROM_ENVIRONMENT].texts[0]) {
        error = nrt__context_selected(name, to->detail, to->detail_size);
        to->config->selected = *name;
    }
    return error;
}

static int read_context(nrt__resolver *to, const char *name) {
    nrt__layer *layer = &to->layers[NRT__FROM_CONTEXT];
    nrt__context *context = &to->context;
    int error = nrt__context_load(context, name, to->detail, to->detail_size);
    if (error == NRT_ERR_CONFIG && to->config->selected) {
        size_t len = strlen(to->detail);
        snprintf(to->detail + len, to->detail_size - len,
                 " (it is the selected one; select another, name servers, or set NATS_ENV=true)");
    }
    if (error < 0) {
        return error;
    }
    to->config->context = strdup(name);
    const char *texts[NRT__TEXTS] = {
        [NRT__SET_SERVERS] = context->url,       [NRT__SET_USER] = context->user,
        [NRT__SET_PASSWORD] = context->password, [NRT__SET_TOKEN] = context->token,
        [NRT__SET_CREDS] = context->creds,       [NRT__SET_NKEY] = context->nkey,
        [NRT__SET_JWT] = context->user_jwt,      [NRT__SET_SEED] = context->user_seed,
        [NRT__SET_TLS_CA] = context->ca,         [NRT__SET_TLS_CERT] = context->cert,
        [NRT__SET_TLS_KEY] = context->key,       [NRT__SET_INBOX_PREFIX] = context->inbox_prefix,
    };
    memcpy(layer->texts, texts, sizeof(texts));
    layer->tls_first = context->tls_first;
    return to->config->context ? 0 : NRT_ERR_MEMORY;
}

/* ---- the result ---- */

static int check_file(nrt__resolver *to, nrt__setting setting) {
    const char *path = to->result[setting].text;
    struct stat about;
    char where[NRT__WHERE_SIZE];
    char space[128];
    int failure = 0;
    if (!path) {
        return 0;
    }
    if (stat(path, &about) != 0 || access(path, R_OK) != 0) {
        failure = errno;
    } else if (S_ISDIR(about.st_mode)) {
        failure = EISDIR;
    }
    if (!failure) {
        return 0;
    }
    nrt__config_where(to->config, setting, to->result[setting].from, where, sizeof(where));
    return nrt__resolver_fail(to, "%s: %s: %s", where, path,
                              strerror_r(failure, space, sizeof(space)));
}

/* NATS carries these in JSON. */
static int check_utf8(nrt__resolver *to, nrt__setting setting) {
    const char *text = to->result[setting].text;
    char where[NRT__WHERE_SIZE];
    if (!text || nrt__is_utf8(nrt_str_from(text))) {
        return 0;
    }
    nrt__config_where(to->config, setting, to->result[setting].from, where, sizeof(where));
    return nrt__resolver_fail(to, "%s: is not valid UTF-8", where);
}

static int store(nrt__resolver *to) {
    nrt__config *config = to->config;
    for (size_t i = 0; i < NRT__TEXTS; i++) {
        const char *text = to->result[i].text;
        config->texts[i] = text ? strdup(text) : NULL;
        if (text && !config->texts[i]) {
            return NRT_ERR_MEMORY;
        }
        *text_of(&config->options, i) = config->texts[i];
        config->from[i] = text ? to->result[i].from : NRT__FROM_DEFAULT;
    }
    config->options.context = config->context;
    return 0;
}

static void resolve_numbers(nrt__resolver *to) {
    nrt__config *config = to->config;
    config->options.timeout_ms = TIMEOUT_DEFAULT_MS;
    for (size_t from = 0; from < NRT__FROMS; from++) {
        if (to->layers[from].tls_first) {
            config->options.tls_first = true;
            config->from[NRT__SET_TLS_FIRST] = (nrt__from)from;
        }
        if (to->layers[from].timeout_ms > 0) {
            config->options.timeout_ms = to->layers[from].timeout_ms;
            config->from[NRT__SET_TIMEOUT] = (nrt__from)from;
        }
    }
}

static int check_numbers(nrt__resolver *to, const nrt_options *options) {
    const struct {
        const char *name;
        size_t value;
    } rows[] = {
        {"connect_timeout_ms", options->connect_timeout_ms},
        {"reconnect_min_ms", options->reconnect_min_ms},
        {"ping_interval_ms", options->ping_interval_ms},
        {"max_output", options->max_output},
        {"max_message", options->max_message},
        {"max_body", options->max_body},
        {"max_exchanges", options->max_exchanges},
        {"max_head", options->max_head},
        {"max_fields", options->max_fields},
        {"max_target", options->max_target},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].value == 0) {
            nrt__resolver_fail(to, "%s: must not be 0; nrt_options_init sets the default",
                               rows[i].name);
            return NRT_ERR_USAGE;
        }
    }
    if (options->reconnect_max_ms < options->reconnect_min_ms) {
        nrt__resolver_fail(to, "reconnect_max_ms: is less than reconnect_min_ms");
        return NRT_ERR_USAGE;
    }
    return 0;
}

static int resolve(nrt__resolver *to, nrt_options *options) {
    char name[NRT__CONTEXT_NAME_MAX + 1];
    to->layers[NRT__FROM_DEFAULT] = (nrt__layer){
        .texts = {[NRT__SET_SERVERS] = "nats://127.0.0.1:4222",
                  [NRT__SET_NAME] = "nrt",
                  [NRT__SET_PREFIX] = "nrt",
                  [NRT__SET_INBOX_PREFIX] = "_INBOX"},
    };
    int error = read_options(to, options);
    if (error == 0) {
        error = choose_context(to, options, name, sizeof(name));
    }
    if (error == 0 && *name) {
        error = read_context(to, name);
    }
    if (error == 0) {
        error = nrt__resolver_choose(to);
    }
    for (size_t i = 0; i < NRT__TEXTS && error == 0; i++) {
        if (nrt__settings[i].kind == NRT__SETTING_FILE) {
            error = check_file(to, (nrt__setting)i);
        } else if (i != NRT__SET_SERVERS) {
            error = check_utf8(to, (nrt__setting)i);
        }
    }
    if (error == 0) {
        resolve_numbers(to);
        error = store(to);
    }
    return error == 0 ? check_numbers(to, &to->config->options) : error;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): written to through the resolver */
int nrt__config_resolve(nrt__config *config, const nrt_options *given, char *detail,
                        size_t detail_size) {
    char unread[1];
    memset(config, 0, sizeof(*config));
    nrt__resolver to = {.config = config,
                        .detail = detail_size > 0 ? detail : unread,
                        .detail_size = detail_size > 0 ? detail_size : sizeof(unread)};
    nrt_options *options = &config->options;
    to.detail[0] = '\0';
    nrt_options_init(options);
    if (given) {
        if (!nrt__sized_read(options, sizeof(*options), given, offsetof(nrt_options, prefix))) {
            return NRT_ERR_USAGE; /* nrt_options_init was forgotten */
        }
        options->detail = NULL; /* the caller's, for the time of the call */
        options->detail_size = 0;
    } else {
        options->environment = true;
    }
    int error = resolve(&to, options);
    free(to.servers);
    nrt__context_finish(&to.context);
    return error;
}

void nrt__config_finish(nrt__config *config) {
    for (size_t i = 0; i < NRT__TEXTS; i++) {
        nrt__secret_free(config->texts[i]);
    }
    free(config->context);
    memset(config, 0, sizeof(*config));
}
