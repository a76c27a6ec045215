/* Credentials files, and what can be told of a JWT without believing it. */
#include "lib/creds.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/str.h"

/* Takes the next line off, without its end and without blanks around it. */
static bool next_line(nrt_str *rest, nrt_str *line) {
    if (rest->len == 0) {
        return false;
    }
    const char *end = memchr(rest->ptr, '\n', rest->len);
    size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
    size_t used = len + (end != NULL);
    if (len > 0 && rest->ptr[len - 1] == '\r') {
        len--;
    }
    *line = nrt__str_trim((nrt_str){rest->ptr, len});
    rest->ptr += used;
    rest->len -= used;
    return true;
}

/* "-----BEGIN NATS USER JWT-----", with three dashes or more on both sides; nsc writes five, and
 * six before END. */
static bool is_marker(nrt_str line, const char *what) {
    size_t before = 0;
    size_t behind = 0;
    while (before < line.len && line.ptr[before] == '-') {
        before++;
    }
    while (behind < line.len - before && line.ptr[line.len - 1 - behind] == '-') {
        behind++;
    }
    nrt_str text = {line.ptr + before, line.len - before - behind};
    return before >= 3 && behind >= 3 && nrt__str_equal(text, nrt_str_from(what));
}

/* The one line between two markers. NULL where it was found, or what is wrong;
 * absent in `value` where there is no such block. */
static const char *find_block(nrt_str text, const char *begin, const char *end, nrt_str *value) {
    nrt_str line;
    bool inside = false;
    *value = (nrt_str){NULL, 0};
    while (next_line(&text, &line)) {
        if (!inside) {
            inside = is_marker(line, begin);
        } else if (is_marker(line, end)) {
            return value->len > 0 ? NULL : "is empty";
        } else if (line.len > 0 && value->len > 0) {
            return "has more than one line";
        } else if (line.len > 0) {
            *value = line;
        }
    }
    return inside ? "has no end: the file is cut off" : NULL;
}

static int find(nrt_str text, const char *begin, const char *end, const char *name, nrt_str *value,
                char *reason, size_t size) {
    const char *wrong = find_block(text, begin, end, value);
    if (wrong) {
        snprintf(reason, size, "the part for the %s %s", name, wrong);
        return NRT_ERR_AUTH;
    }
    return 0;
}

static int find_seed(nrt_str text, nrt_str *seed, char *reason, size_t size) {
    return find(text, "BEGIN USER NKEY SEED", "END USER NKEY SEED", "nkey seed", seed, reason,
                size);
}

static int wrong(const char *what, char *reason, size_t size) {
    snprintf(reason, size, "%s", what);
    return NRT_ERR_AUTH;
}

int nrt__creds_read(nrt__creds *creds, nrt_str text, char *reason, size_t size) {
    int error =
        find(text, "BEGIN NATS USER JWT", "END NATS USER JWT", "JWT", &creds->jwt, reason, size);
    if (error < 0) {
        return error;
    }
    if (!creds->jwt.ptr) {
        return wrong("no \"-----BEGIN NATS USER JWT-----\" in it: not a credentials file", reason,
                     size);
    }
    if (!nrt__jwt_is_one(creds->jwt)) {
        return wrong("what stands in the place of the JWT is none", reason, size);
    }
    error = find_seed(text, &creds->seed, reason, size);
    if (error == 0 && !creds->seed.ptr) {
        return wrong("no \"-----BEGIN USER NKEY SEED-----\" in it: the seed is missing", reason,
                     size);
    }
    return error;
}

int nrt__creds_read_seed(nrt_str *seed, nrt_str text, char *reason, size_t size) {
    nrt_str line;
    int error = find_seed(text, seed, reason, size);
    if (error < 0 || seed->ptr) {
        return error;
    }
    while (next_line(&text, &line)) {
        if (line.len == 0 || line.ptr[0] == '#') {
            continue;
        }
        if (seed->ptr) {
            return wrong("more than one line in a file for one nkey seed", reason, size);
        }
        *seed = line;
    }
    return seed->ptr ? 0 : wrong("no nkey seed in it", reason, size);
}

/* ---- JWT ---- */

static bool is_base64url(char c) {
    return nrt__is_digit(c) || (nrt__lower(c) >= 'a' && nrt__lower(c) <= 'z') || c == '-' ||
           c == '_';
}

bool nrt__jwt_is_one(nrt_str jwt) {
    size_t dots = 0;
    size_t part = 0;
    for (size_t i = 0; i < jwt.len; i++) {
        if (jwt.ptr[i] == '.') {
            if (part == 0) {
                return false;
            }
            dots++;
            part = 0;
        } else if (is_base64url(jwt.ptr[i])) {
            part++;
        } else {
            return false;
        }
    }
    return dots == 2 && part > 0;
}

/* base64url without padding; the number of bytes, or -1. `out` has room for them and three more. */
static int decode(nrt_str text, unsigned char *out) {
    unsigned char *padded = malloc(text.len + 4);
    if (!padded) {
        return -1;
    }
    size_t len = text.len;
    for (size_t i = 0; i < len; i++) {
        char c = text.ptr[i];
        padded[i] = (unsigned char)(c == '-' ? '+' : c == '_' ? '/' : c);
    }
    while (len % 4 != 0) {
        padded[len++] = '=';
    }
    int got = EVP_DecodeBlock(out, padded, (int)len);
    free(padded);
    return got < 0 ? -1 : got - (int)(len - text.len);
}

/* The claims; NULL where they cannot be read. */
static json_t *claims_of(nrt_str jwt) {
    if (!nrt__jwt_is_one(jwt) || jwt.len > NRT__CREDS_MAX) {
        return NULL;
    }
    const char *first = memchr(jwt.ptr, '.', jwt.len);
    const char *claims = first + 1;
    const char *second = memchr(claims, '.', jwt.len - (size_t)(claims - jwt.ptr));
    nrt_str part = {claims, (size_t)(second - claims)};
    unsigned char *json = malloc(part.len + 4);
    int len = json ? decode(part, json) : -1;
    json_t *object = len > 0 ? json_loadb((const char *)json, (size_t)len, 0, NULL) : NULL;
    free(json);
    return object;
}

static int64_t time_claim(const json_t *claims, const char *name) {
    int64_t value = json_integer_value(json_object_get(claims, name));
    return value > 0 ? value : 0;
}

bool nrt__jwt_read(nrt__jwt *out, nrt_str jwt) {
    json_t *claims = claims_of(jwt);
    *out = (nrt__jwt){.issued = 0};
    if (claims) {
        const json_t *responses = json_object_get(json_object_get(claims, "nats"), "resp");
        const char *name = json_string_value(json_object_get(claims, "name"));
        out->issued = time_claim(claims, "iat");
        out->not_before = time_claim(claims, "nbf");
        out->expires = time_claim(claims, "exp");
        out->responses = json_integer_value(json_object_get(responses, "max"));
        if (name && strlen(name) < sizeof(out->name) && nrt__is_visible(nrt_str_from(name))) {
            memcpy(out->name, name, strlen(name) + 1);
        }
    }
    json_decref(claims);
    return claims != NULL;
}

int64_t nrt__jwt_expires(nrt_str jwt) {
    nrt__jwt about;
    (void)nrt__jwt_read(&about, jwt);
    return about.expires;
}
