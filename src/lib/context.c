/* The text of a context file: its keys, what they hold, and which of them mean something here. */
#include "lib/context.h"

#include <jansson.h>
#include <nrt/error.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/base/suggest.h"

typedef enum key_kind {
    KEY_TEXT,
    KEY_SECRET,      /* text, or a reference to where it is kept: those we cannot follow */
    KEY_PATH,        /* of a file; ~ and $VAR are expanded */
    KEY_FLAG,        /* true or false */
    KEY_UNUSED,      /* means nothing to us, and changes nothing about a connection */
    KEY_UNSUPPORTED, /* would change the connection, and we do not know how */
} key_kind;

typedef struct key {
    const char *name;
    key_kind kind;
    size_t offset;      /* in nrt__context, of what is kept */
    const char *advice; /* for what is unsupported */
} key;

#define KEEP(name) offsetof(nrt__context, name)

static const char no_windows[] = "there is no Windows certificate store here; use cert, key and ca";

static const key keys[] = {
    {"name", KEY_UNUSED, 0, NULL},
    {"description", KEY_TEXT, KEEP(description), NULL},
    {"url", KEY_TEXT, KEEP(url), NULL},
    {"user", KEY_TEXT, KEEP(user), NULL},
    {"password", KEY_SECRET, KEEP(password), NULL},
    {"token", KEY_SECRET, KEEP(token), NULL},
    {"creds", KEY_PATH, KEEP(creds), NULL},
    {"nkey", KEY_PATH, KEEP(nkey), NULL},
    {"cert", KEY_PATH, KEEP(cert), NULL},
    {"key", KEY_PATH, KEEP(key), NULL},
    {"ca", KEY_PATH, KEEP(ca), NULL},
    {"inbox_prefix", KEY_TEXT, KEEP(inbox_prefix), NULL},
    {"user_jwt", KEY_SECRET, KEEP(user_jwt), NULL},
    {"user_seed", KEY_SECRET, KEEP(user_seed), NULL},
    {"tls_first", KEY_FLAG, KEEP(tls_first), NULL},
    {"jetstream_domain", KEY_UNUSED, 0, NULL},
    {"jetstream_api_prefix", KEY_UNUSED, 0, NULL},
    {"jetstream_event_prefix", KEY_UNUSED, 0, NULL},
    {"color_scheme", KEY_UNUSED, 0, NULL},
    {"nsc", KEY_UNSUPPORTED, 0,
     "nsc is not asked here; write the user's credentials to a file with \"nsc generate creds\" "
     "and name it as creds"},
    {"socks_proxy", KEY_UNSUPPORTED, 0, "connections go through no proxy; use another context"},
    {"windows_cert_store", KEY_UNSUPPORTED, 0, no_windows},
    {"windows_cert_match_by", KEY_UNSUPPORTED, 0, no_windows},
    {"windows_cert_match", KEY_UNSUPPORTED, 0, no_windows},
    {"windows_ca_certs_match", KEY_UNSUPPORTED, 0, no_windows},
};

enum { KEYS = sizeof(keys) / sizeof(keys[0]), PATH_LEN_MAX = 4096 };

void nrt__secret_free(char *text) {
    if (text) {
        OPENSSL_cleanse(text, strlen(text));
        free(text);
    }
}

void nrt__context_finish(nrt__context *context) {
    for (size_t i = 0; i < KEYS; i++) {
        if (keys[i].kind == KEY_TEXT || keys[i].kind == KEY_SECRET || keys[i].kind == KEY_PATH) {
            nrt__secret_free(*(char **)((char *)context + keys[i].offset));
        }
    }
    memset(context, 0, sizeof(*context));
}

/* ---- paths ---- */

static bool is_name_char(char c) {
    char lower = nrt__lower(c);
    return (lower >= 'a' && lower <= 'z') || nrt__is_digit(c) || c == '_';
}

/* Takes $NAME or ${NAME} off `*at`; false where it is neither: the $ stands for itself then. */
static bool take_variable(const char **at, nrt_str *name) {
    bool braces = (*at)[1] == '{';
    const char *begin = *at + (braces ? 2 : 1);
    const char *end = begin;
    while (is_name_char(*end)) {
        end++;
    }
    if (end == begin || nrt__is_digit(*begin) || (braces && *end != '}')) {
        return false;
    }
    *name = (nrt_str){begin, (size_t)(end - begin)};
    *at = end + braces;
    return true;
}

/* What ~ stands for, in `space` or the environment; NULL where nothing is known. */
static const char *home_folder(char *space, size_t size) {
    const char *home = getenv("HOME");
    struct passwd entry;
    struct passwd *found = NULL;
    if (home && *home) {
        return home;
    }
    return getpwuid_r(getuid(), &entry, space, size, &found) == 0 && found ? entry.pw_dir : NULL;
}

bool nrt__home_path(char *out, size_t size, const char *more) {
    char space[4096];
    const char *home = home_folder(space, sizeof(space));
    return home && snprintf(out, size, "%s%s", home, more) < (int)size;
}

/* The value of a variable; NULL, told, where it has none. */
static const char *variable(nrt_str name, char *why, size_t why_size) {
    char text[256] = "";
    const char *value = NULL;
    if (name.len < sizeof(text)) {
        memcpy(text, name.ptr, name.len);
        value = getenv(text);
    }
    if (!value) {
        snprintf(why, why_size, "the environment has no variable %.*s", NRT__ARG(name));
    }
    return value;
}

/* A copy with ~ at the beginning, $NAME and ${NAME} filled in, as natscontext does; what has no
 * value is an error instead of nothing. */
static int expand(const char *text, char **path, char *why, size_t why_size) {
    char out[PATH_LEN_MAX] = "";
    const char *at = text;
    bool fits = true;
    if (at[0] == '~' && (at[1] == '/' || at[1] == '\0')) {
        at++;
        if (!nrt__home_path(out, sizeof(out), "")) {
            snprintf(why, why_size, "there is no home folder for ~");
            return NRT_ERR_CONFIG;
        }
    }
    size_t len = strlen(out);
    while (*at && fits) {
        nrt_str name;
        nrt_str part = {at, 1};
        if (*at == '$' && take_variable(&at, &name)) {
            const char *value = variable(name, why, why_size);
            if (!value) {
                return NRT_ERR_CONFIG;
            }
            part = nrt_str_from(value);
        } else {
            at++;
        }
        fits = part.len < sizeof(out) - len;
        if (fits) {
            memcpy(out + len, part.ptr, part.len);
            len += part.len;
            out[len] = '\0';
        }
    }
    if (!fits || len == 0) {
        snprintf(why, why_size, fits ? "is empty" : "is longer than a path may be");
        return NRT_ERR_CONFIG;
    }
    *path = strdup(out);
    return *path ? 0 : NRT_ERR_MEMORY;
}

/* ---- values ---- */

/* The reference that a value is, to a place where natscontext would get it from; NULL: a value. */
static const char *reference_of(const char *value) {
    static const char *const schemes[] = {"file://", "op://", "nsc://", "env://", "data:"};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t len = strlen(schemes[i]);
        if (strlen(value) >= len &&
            nrt__str_same((nrt_str){value, len}, (nrt_str){schemes[i], len})) {
            return schemes[i];
        }
    }
    return NULL;
}

static bool has_controls(const char *text) {
    for (const char *at = text; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            return true;
        }
    }
    return false;
}

/* A string that is not empty, to where it belongs. */
static int keep(nrt__context *context, const key *of, const char *value, char *detail,
                size_t detail_size) {
    char **place = (char **)((char *)context + of->offset);
    char why[256] = "";
    int error = 0;
    const char *reference = of->kind == KEY_TEXT ? NULL : reference_of(value);
    if (reference && of->kind == KEY_PATH && *reference == 'f') {
        value += strlen(reference);
        reference = NULL;
    }
    if (reference) {
        snprintf(detail, detail_size, "%s refers to %s, which is not followed here; write %s",
                 of->name, reference,
                 of->kind == KEY_PATH ? "the path of a file" : "the value itself");
        return NRT_ERR_CONFIG;
    }
    if (of->offset != KEEP(description) && has_controls(value)) {
        snprintf(detail, detail_size, "%s holds a control character", of->name);
        return NRT_ERR_CONFIG;
    }
    if (of->kind == KEY_PATH) {
        error = expand(value, place, why, sizeof(why));
    } else {
        *place = strdup(value);
        error = *place ? 0 : NRT_ERR_MEMORY;
    }
    if (error == 0 && has_controls(*place) && of->offset != KEEP(description)) {
        snprintf(why, sizeof(why), "a variable in it holds a control character");
        error = NRT_ERR_CONFIG;
    }
    if (error == NRT_ERR_CONFIG) {
        snprintf(detail, detail_size, "%s: %s", of->name, why);
    }
    return error;
}

static bool is_empty(const json_t *value) {
    return json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

static int read_key(nrt__context *context, const key *of, const json_t *value, char *detail,
                    size_t detail_size) {
    switch (of->kind) {
    case KEY_TEXT:
    case KEY_SECRET:
    case KEY_PATH:
        if (json_is_null(value)) {
            return 0;
        }
        if (!json_is_string(value)) {
            snprintf(detail, detail_size, "%s is not a string: write \"%s\": \"...\"", of->name,
                     of->name);
            return NRT_ERR_CONFIG;
        }
        return json_string_length(value) == 0
                   ? 0
                   : keep(context, of, json_string_value(value), detail, detail_size);
    case KEY_FLAG:
        if (!json_is_boolean(value) && !json_is_null(value)) {
            snprintf(detail, detail_size, "%s is neither true nor false", of->name);
            return NRT_ERR_CONFIG;
        }
        *(bool *)((char *)context + of->offset) = json_is_true(value);
        return 0;
    case KEY_UNUSED:
        return 0;
    case KEY_UNSUPPORTED:
        if (is_empty(value)) {
            return 0;
        }
        snprintf(detail, detail_size, "%s is set, and nrt cannot honour it: %s", of->name,
                 of->advice);
        return NRT_ERR_CONFIG;
    }
    return 0;
}

static int unknown_key(const char *name, char *detail, size_t detail_size) {
    const char *names[KEYS];
    char lower[NRT__SUGGEST_MAX + 1] = "";
    for (size_t i = 0; i < KEYS; i++) {
        names[i] = keys[i].name;
    }
    if (!nrt__is_visible(nrt_str_from(name)) || strlen(name) > NRT__SUGGEST_MAX) {
        snprintf(detail, detail_size, "a key is unknown here, and its value is not empty");
        return NRT_ERR_CONFIG;
    }
    for (size_t i = 0; name[i]; i++) {
        lower[i] = nrt__lower(name[i]);
    }
    const char *near = nrt__suggest(lower, names, KEYS);
    snprintf(detail, detail_size, "%s is an unknown key, and its value is not empty; %s%s", name,
             near ? "did you mean " : "remove it", near ? near : "");
    return NRT_ERR_CONFIG;
}

/* ---- the whole ---- */

/* jansson's own sentences quote the text, which may be a secret. */
static const char *json_reason(const json_error_t *error) {
    switch (json_error_code(error)) {
    case json_error_premature_end_of_input:
        return "the file ends too early";
    case json_error_end_of_input_expected:
        return "something follows behind the end";
    case json_error_duplicate_key:
        return "a key stands there twice";
    case json_error_invalid_utf8:
        return "not UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a NUL character";
    default:
        return "not valid JSON";
    }
}

/* What jansson has copied is gone with the tree: wiped, as far as it can be reached. */
static void release(json_t *root) {
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value) {
        if (json_is_string(value)) {
            OPENSSL_cleanse((void *)json_string_value(value), json_string_length(value));
        }
    }
    json_decref(root);
}

int nrt__context_read(nrt__context *context, nrt_str text, char *detail, size_t detail_size) {
    json_error_t why = {0};
    memset(context, 0, sizeof(*context));
    if (text.len > NRT__CONTEXT_FILE_MAX) {
        snprintf(detail, detail_size, "larger than 1 MiB");
        return NRT_ERR_CONFIG;
    }
    json_t *root = json_loadb(text.len > 0 ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES, &why);
    if (!root) {
        /* jansson has no word for most of its failed allocations. */
        if (json_error_code(&why) == json_error_out_of_memory ||
            json_error_code(&why) == json_error_unknown) {
            return NRT_ERR_MEMORY;
        }
        snprintf(detail, detail_size, "line %d: %s", why.line > 0 ? why.line : 1,
                 json_reason(&why));
        return NRT_ERR_CONFIG;
    }
    if (!json_is_object(root)) {
        json_decref(root);
        snprintf(detail, detail_size, "line 1: not a JSON object");
        return NRT_ERR_CONFIG;
    }
    const char *name;
    json_t *value;
    int error = 0;
    json_object_foreach(root, name, value) {
        size_t i = 0;
        while (i < KEYS && strcmp(keys[i].name, name) != 0) {
            i++;
        }
        if (i < KEYS) {
            error = read_key(context, &keys[i], value, detail, detail_size);
        } else if (!is_empty(value)) {
            error = unknown_key(name, detail, detail_size);
        }
        if (error < 0) {
            break;
        }
    }
    release(root);
    return error;
}
