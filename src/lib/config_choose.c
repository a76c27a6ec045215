/* Which layer's word counts. Most texts stand alone; a certificate goes with its key, a user with
 * the password, and credentials come from one layer: somebody's token is not sent together with
 * somebody else's password. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "lib/config_private.h"

typedef enum credentials_kind {
    KIND_NONE = 0,
    KIND_URL,      /* in the servers' URLs */
    KIND_PASSWORD, /* user, password, or both */
    KIND_TOKEN,
    KIND_CREDS,
    KIND_NKEY,
    KIND_JWT, /* and its seed, or a seed alone */
} credentials_kind;

int nrt__resolver_fail(nrt__resolver *to, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(to->detail, to->detail_size, format, args);
    va_end(args);
    return NRT_ERR_CONFIG;
}

char *nrt__servers_mask(const char *servers, const char *with) {
    size_t with_len = strlen(with);
    size_t count = 1;
    for (const char *at = servers; *at; at++) {
        count += *at == ',';
    }
    char *out = malloc(strlen(servers) + count * with_len + 1);
    size_t len = 0;
    while (out && *servers) {
        size_t end = strcspn(servers, ",");
        size_t scheme = 0;
        size_t host = 0;
        for (size_t i = 0; i < end; i++) {
            if (host == 0 && scheme == 0 && i + 3 <= end && memcmp(servers + i, "://", 3) == 0) {
                scheme = i + 3;
            }
            if (servers[i] == '@') {
                host = i + 1;
            }
        }
        host = host > scheme ? host : scheme;
        memcpy(out + len, servers, scheme);
        len += scheme;
        if (host > scheme) {
            memcpy(out + len, with, with_len);
            len += with_len;
        }
        end += servers[end] == ',';
        memcpy(out + len, servers + host, end - host);
        len += end - host;
        servers += end;
    }
    if (out) {
        out[len] = '\0';
    }
    return out;
}

/* ---- texts that stand alone, and pairs ---- */

static void take(nrt__resolver *to, nrt__setting setting, nrt__from from) {
    to->result[setting].text = to->layers[from].texts[setting];
    to->result[setting].from = from;
}

static void choose_one(nrt__resolver *to, nrt__setting setting) {
    for (nrt__from from = NRT__FROM_OPTION;; from--) {
        if (to->layers[from].texts[setting] || from == NRT__FROM_DEFAULT) {
            take(to, setting, from);
            return;
        }
    }
}

/* The strongest layer with either decides, and the next one that has either may complete it: a
 * `first` without its `second` gets one that belongs to no other `first`. Only layers in `mask`. */
static void choose_pair(nrt__resolver *to, nrt__setting first, nrt__setting second, unsigned mask) {
    bool begun = false;
    for (nrt__from from = NRT__FROM_OPTION; from > NRT__FROM_DEFAULT; from--) {
        const char *a = to->layers[from].texts[first];
        const char *b = to->layers[from].texts[second];
        if (!(mask & 1u << from) || (!a && !b)) {
            continue;
        }
        if (!begun) {
            take(to, first, from);
            take(to, second, from);
            begun = true;
        } else {
            if (!to->result[first].text) {
                take(to, first, from);
            } else if (!to->result[second].text && (!a || strcmp(a, to->result[first].text) == 0)) {
                take(to, second, from);
            }
            return;
        }
    }
}

/* A certificate's file may hold the key as well; a key alone is of no use. */
static int choose_certificate(nrt__resolver *to) {
    char have[NRT__WHERE_SIZE];
    char lack[NRT__WHERE_SIZE];
    choose_pair(to, NRT__SET_TLS_CERT, NRT__SET_TLS_KEY, UINT32_MAX);
    if (!to->result[NRT__SET_TLS_KEY].text || to->result[NRT__SET_TLS_CERT].text) {
        return 0;
    }
    nrt__from from = to->result[NRT__SET_TLS_KEY].from;
    return nrt__resolver_fail(
        to, "%s: is set without %s, the certificate that it belongs to",
        nrt__config_where(to->config, NRT__SET_TLS_KEY, from, have, sizeof(have)),
        from == NRT__FROM_CONTEXT
            ? nrt__settings[NRT__SET_TLS_CERT].key
            : nrt__config_where(to->config, NRT__SET_TLS_CERT, from, lack, sizeof(lack)));
}

/* ---- credentials ---- */

/* What a layer says first about each kind. */
static const struct {
    credentials_kind kind;
    nrt__setting setting;
} parts[] = {
    {KIND_URL, NRT__SET_SERVERS},       {KIND_PASSWORD, NRT__SET_USER},
    {KIND_PASSWORD, NRT__SET_PASSWORD}, {KIND_TOKEN, NRT__SET_TOKEN},
    {KIND_CREDS, NRT__SET_CREDS},       {KIND_NKEY, NRT__SET_NKEY},
    {KIND_JWT, NRT__SET_JWT},           {KIND_JWT, NRT__SET_SEED},
};

/* The one kind a layer has; two are an error that names both. */
static int kind_of(nrt__resolver *to, nrt__from from, credentials_kind *kind) {
    nrt__setting first = NRT__SET_SERVERS;
    char one[NRT__WHERE_SIZE];
    char other[NRT__WHERE_SIZE];
    *kind = KIND_NONE;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const char *text = to->layers[from].texts[parts[i].setting];
        bool in_url = parts[i].kind == KIND_URL;
        /* The URLs of a layer that do not count take their credentials along. */
        if (!text ||
            (in_url && (to->result[NRT__SET_SERVERS].from != from || !strchr(text, '@')))) {
            continue;
        }
        if (*kind == KIND_NONE) {
            *kind = parts[i].kind;
            first = parts[i].setting;
        } else if (*kind != parts[i].kind) {
            nrt__config_where(to->config, first, from, one, sizeof(one));
            nrt__config_where(to->config, parts[i].setting, from, other, sizeof(other));
            return nrt__resolver_fail(
                to,
                "%s%s and %s are both set; there can be one kind of credentials, remove the "
                "other",
                *kind == KIND_URL ? "credentials in " : "", one,
                from == NRT__FROM_CONTEXT ? nrt__settings[parts[i].setting].key : other);
        }
    }
    return 0;
}

/* User and password of the strongest layer; weaker ones of that kind complete it. */
static int choose_password(nrt__resolver *to, const credentials_kind kinds[NRT__FROMS],
                           nrt__from top) {
    unsigned mask = 0;
    char where[NRT__WHERE_SIZE];
    for (nrt__from from = top; from > NRT__FROM_DEFAULT; from--) {
        if (kinds[from] == KIND_PASSWORD) {
            mask |= 1u << from;
        } else if (kinds[from] != KIND_NONE) {
            break;
        }
    }
    choose_pair(to, NRT__SET_USER, NRT__SET_PASSWORD, mask);
    const char *user = to->result[NRT__SET_USER].text;
    const char *password = to->result[NRT__SET_PASSWORD].text;
    if (!user) {
        return nrt__resolver_fail(
            to, "%s: is set without a user",
            nrt__config_where(to->config, NRT__SET_PASSWORD, top, where, sizeof(where)));
    }
    if (!password && to->result[NRT__SET_USER].from == NRT__FROM_ENVIRONMENT) {
        to->result[NRT__SET_TOKEN].text = user;
        to->result[NRT__SET_TOKEN].from = NRT__FROM_ENVIRONMENT;
        to->result[NRT__SET_USER].text = NULL;
        to->config->user_is_token = true;
    }
    return 0;
}

static int choose_credentials(nrt__resolver *to) {
    credentials_kind kinds[NRT__FROMS] = {KIND_NONE};
    nrt__from top = NRT__FROM_DEFAULT;
    for (nrt__from from = NRT__FROM_OPTION; from > NRT__FROM_DEFAULT; from--) {
        int error = kind_of(to, from, &kinds[from]);
        if (error < 0) {
            return error;
        }
        top = top == NRT__FROM_DEFAULT && kinds[from] != KIND_NONE ? from : top;
    }
    const char *servers = to->result[NRT__SET_SERVERS].text;
    if (kinds[top] != KIND_NONE && kinds[top] != KIND_URL && strchr(servers, '@')) {
        to->servers = nrt__servers_mask(servers, "");
        to->result[NRT__SET_SERVERS].text = to->servers;
        if (!to->servers) {
            return NRT_ERR_MEMORY;
        }
    }
    switch (kinds[top]) {
    case KIND_NONE:
    case KIND_URL:
        break;
    case KIND_PASSWORD:
        return choose_password(to, kinds, top);
    case KIND_TOKEN:
        take(to, NRT__SET_TOKEN, top);
        break;
    case KIND_CREDS:
        take(to, NRT__SET_CREDS, top);
        break;
    case KIND_NKEY:
        take(to, NRT__SET_NKEY, top);
        break;
    case KIND_JWT:
        take(to, NRT__SET_JWT, top);
        take(to, NRT__SET_SEED, top);
        break;
    }
    return 0;
}

int nrt__resolver_choose(nrt__resolver *to) {
    static const nrt__setting alone[] = {NRT__SET_SERVERS, NRT__SET_NAME, NRT__SET_PREFIX,
                                         NRT__SET_TLS_CA, NRT__SET_INBOX_PREFIX};
    for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++) {
        choose_one(to, alone[i]);
    }
    int error = choose_certificate(to);
    return error == 0 ? choose_credentials(to) : error;
}
