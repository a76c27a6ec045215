/* Where a connection's settings come from: what the program set, else the environment, else a
 * context of the nats CLI, else a default. docs/configuration.md has the rules as tables. */
#ifndef NRT__CONFIG_H
#define NRT__CONFIG_H

#include <nrt/options.h>

#include "lib/context.h"

/* In the order of precedence, the weakest first. */
typedef enum nrt__from {
    NRT__FROM_DEFAULT = 0,
    NRT__FROM_CONTEXT,
    NRT__FROM_ENVIRONMENT,
    NRT__FROM_OPTION,
} nrt__from;

enum {
    NRT__FROMS = NRT__FROM_OPTION + 1,
    NRT__WHERE_SIZE = NRT__CONTEXT_NAME_MAX + 64, /* for nrt__config_where */
};

typedef enum nrt__setting {
    NRT__SET_SERVERS = 0,
    NRT__SET_NAME,
    NRT__SET_PREFIX,
    NRT__SET_USER,
    NRT__SET_PASSWORD,
    NRT__SET_TOKEN,
    NRT__SET_CREDS,
    NRT__SET_NKEY,
    NRT__SET_JWT,
    NRT__SET_SEED,
    NRT__SET_TLS_CA,
    NRT__SET_TLS_CERT,
    NRT__SET_TLS_KEY,
    NRT__SET_INBOX_PREFIX,
    NRT__SET_TLS_FIRST, /* from here on: not text */
    NRT__SET_TIMEOUT,
} nrt__setting;

enum { NRT__TEXTS = NRT__SET_TLS_FIRST, NRT__SETTINGS = NRT__SET_TIMEOUT + 1 };

typedef enum nrt__setting_kind {
    NRT__SETTING_PLAIN,
    NRT__SETTING_SECRET,
    NRT__SETTING_FILE, /* a path; it is there and readable when the configuration is resolved */
} nrt__setting_kind;

typedef struct nrt__setting_info {
    const char *field;    /* of nrt_options */
    const char *variable; /* of the environment; NULL: none */
    const char *key;      /* of a context; NULL: none */
    nrt__setting_kind kind;
    size_t offset; /* in nrt_options, of texts */
} nrt__setting_info;

extern const nrt__setting_info nrt__settings[NRT__SETTINGS];

typedef struct nrt__config {
    nrt_options options; /* complete; its strings are `texts` */
    char *texts[NRT__TEXTS];
    nrt__from from[NRT__SETTINGS];
    char *context; /* the one that was read; NULL: none */
    bool selected; /* it is the selected one: nobody named it */
    bool user_is_token;
} nrt__config;

/* Resolves what is given (NULL: nothing) into `config`, which is to be finished in any case. Reads
 * the environment and context files only where the options ask for it. NRT_ERR_USAGE (a number out
 * of range, or not from nrt_options_init), NRT_ERR_CONFIG, NRT_ERR_MEMORY; `detail` says what and
 * where, and holds no secret. */
int nrt__config_resolve(nrt__config *config, const nrt_options *given, char *detail,
                        size_t detail_size);
void nrt__config_finish(nrt__config *config); /* wipes */

/* What a setting that came from `from` is called there: the option's field, the variable, the
 * context and its key. Returns `out`. */
const char *nrt__config_where(const nrt__config *config, nrt__setting setting, nrt__from from,
                              char *out, size_t size);

/* A list of servers with what stands before each @ replaced. To be freed; NULL: out of memory. */
char *nrt__servers_mask(const char *servers, const char *with);

#endif
