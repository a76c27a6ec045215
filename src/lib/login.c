/* Who we are to a NATS server. */
#include "lib/login.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/str.h"
#include "lib/creds.h"

static bool sign(void *arg, nrt_str nonce, char sig[NRT__NATS_SIG_SIZE]) {
    return nrt__nkey_sign(arg, nonce, sig);
}

/* Reads one of the files; what is wrong inside it is told with its name. */
static int take_seed(nrt__login *login, nrt_str seed, const char *from, char *reason, size_t size) {
    char why[NRT__REASON_SIZE];
    int error = nrt__nkey_init(&login->nkey, seed, why, sizeof(why));
    if (error < 0) {
        snprintf(reason, size, "%s: %s", from, why);
        return error;
    }
    login->nats.sign = sign;
    login->nats.sign_arg = &login->nkey;
    return 0;
}

static int take_jwt(nrt__login *login, nrt_str jwt) {
    login->jwt = strndup(jwt.ptr, jwt.len);
    login->nats.jwt = login->jwt;
    login->expires = nrt__jwt_expires(jwt);
    login->sent = "a JWT";
    return login->jwt ? 0 : NRT_ERR_MEMORY;
}

static int load_creds(nrt__login *login, const char *path, char *reason, size_t size) {
    char why[NRT__REASON_SIZE];
    nrt__creds creds;
    int error = nrt__file_read(path, NRT__CREDS_MAX, &login->file, reason, size);
    if (error < 0) {
        return error == NRT_ERR_SYSTEM ? NRT_ERR_AUTH : error;
    }
    error = nrt__creds_read(&creds, login->file, why, sizeof(why));
    if (error < 0) {
        snprintf(reason, size, "%s: %s", path, why);
        return error;
    }
    error = take_jwt(login, creds.jwt);
    return error < 0 ? error : take_seed(login, creds.seed, path, reason, size);
}

static int load_nkey(nrt__login *login, const char *path, char *reason, size_t size) {
    char why[NRT__REASON_SIZE];
    nrt_str seed;
    int error = nrt__file_read(path, NRT__CREDS_MAX, &login->file, reason, size);
    if (error < 0) {
        return error == NRT_ERR_SYSTEM ? NRT_ERR_AUTH : error;
    }
    error = nrt__creds_read_seed(&seed, login->file, why, sizeof(why));
    if (error < 0) {
        snprintf(reason, size, "%s: %s", path, why);
        return error;
    }
    return take_seed(login, seed, path, reason, size);
}

static int load_given(nrt__login *login, const nrt_options *options, char *reason, size_t size) {
    if (options->jwt) {
        nrt_str jwt = nrt__str_trim(nrt_str_from(options->jwt));
        if (jwt.len > NRT__CREDS_MAX || !nrt__jwt_is_one(jwt)) {
            snprintf(reason, size, "what is given as jwt is no JWT");
            return NRT_ERR_AUTH;
        }
        int error = take_jwt(login, jwt);
        if (error < 0) {
            return error;
        }
    }
    return options->seed
               ? take_seed(login, nrt__str_trim(nrt_str_from(options->seed)), "seed", reason, size)
               : 0;
}

int nrt__login_load(nrt__login *login, const nrt_options *options, const nrt__server *server,
                    char *reason, size_t size) {
    bool in_url = server->user || server->token;
    memset(login, 0, sizeof(*login));
    snprintf(reason, size, "out of memory");
    login->sent = "no credentials";
    login->nats.name = options->name;
    login->nats.user = in_url ? server->user : options->user;
    login->nats.password = in_url ? server->password : options->password;
    login->nats.token = in_url ? server->token : options->token;
    if (login->nats.token) {
        login->sent = "a token";
    }
    if (login->nats.user) {
        login->sent = "a user and a password";
    }
    int error = 0;
    if (options->creds) {
        error = load_creds(login, options->creds, reason, size);
    } else if (options->nkey && !in_url) {
        error = load_nkey(login, options->nkey, reason, size);
    } else if (options->jwt || (options->seed && !in_url)) {
        error = load_given(login, options, reason, size);
    }
    if (error == 0 && login->nkey.key && !login->nats.jwt) {
        login->nats.nkey = login->nkey.public_key;
        login->sent = "an nkey";
    }
    if (error < 0) {
        nrt__login_finish(login);
    }
    return error;
}

void nrt__login_finish(nrt__login *login) {
    nrt__nkey_finish(&login->nkey);
    nrt__file_free(login->file);
    if (login->jwt) {
        OPENSSL_cleanse(login->jwt, strlen(login->jwt));
        free(login->jwt);
    }
    memset(login, 0, sizeof(*login));
}

void nrt__login_explain(const nrt__login *login, char *reason, size_t size) {
    char when[32];
    struct tm tm;
    size_t len = strlen(reason);
    time_t expires = (time_t)login->expires;
    if (expires > 0 && expires <= time(NULL) && gmtime_r(&expires, &tm)) {
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
        snprintf(reason + len, size - len, " (our JWT expired at %s)", when);
    } else if (login->sent) {
        snprintf(reason + len, size - len, " (we sent %s)", login->sent);
    }
}

/* A secret of one or two characters stands in every text, and hides nothing. A long one may have
 * been cut. */
static bool holds(const char *text, const char *secret) {
    size_t len = secret ? strlen(secret) : 0;
    return len >= 3 && memmem(text, strlen(text), secret, len < 16 ? len : 16);
}

bool nrt__login_in_text(const nrt__login *login, const nrt_options *options,
                        const nrt__server *server, const char *text) {
    return holds(text, login->jwt) || holds(text, options->password) ||
           holds(text, options->token) || holds(text, options->jwt) || holds(text, options->seed) ||
           holds(text, server->password) || holds(text, server->token);
}
