/* INFO and CONNECT. */
#include "core/nats/info.h"

#include <jansson.h>
#include <openssl/evp.h>

#include "core/base/str.h"

/* Copies a string member that fits and can stand in an HTTP field; "" otherwise. */
static void copy_text(const json_t *object, const char *key, char *out, size_t size) {
    const char *text = json_string_value(json_object_get(object, key));
    out[0] = '\0';
    if (text && strlen(text) < size && nrt__is_field_value(nrt_str_from(text))) {
        memcpy(out, text, strlen(text) + 1);
    }
}

static uint64_t number(const json_t *object, const char *key) {
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

static bool truth(const json_t *object, const char *key) {
    return json_is_true(json_object_get(object, key));
}

int nrt__nats_info_read(nrt__nats_info *info, nrt_str json) {
    memset(info, 0, sizeof(*info));
    json_error_t error = {0}; /* jansson sets no code where there was no memory to begin */
    json_t *object = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &error);
    if (!object) {
        enum json_error_code code = json_error_code(&error);
        bool memory = code == json_error_unknown || code == json_error_out_of_memory;
        return memory ? NRT_ERR_MEMORY : NRT_ERR_SERVER;
    }
    if (!json_is_object(object)) {
        json_decref(object);
        return NRT_ERR_SERVER;
    }
    copy_text(object, "server_name", info->server_name, sizeof(info->server_name));
    copy_text(object, "cluster", info->cluster, sizeof(info->cluster));
    copy_text(object, "version", info->version, sizeof(info->version));
    copy_text(object, "nonce", info->nonce, sizeof(info->nonce));
    info->client_id = number(object, "client_id");
    info->max_payload = number(object, "max_payload");
    if (info->max_payload > NRT__NATS_PAYLOAD_MAX) {
        info->max_payload = NRT__NATS_PAYLOAD_MAX;
    }
    info->headers = truth(object, "headers");
    info->auth_required = truth(object, "auth_required");
    info->tls_required = truth(object, "tls_required");
    info->tls_available = truth(object, "tls_available");
    info->lame_duck = truth(object, "ldm");
    const json_t *urls = json_object_get(object, "connect_urls");
    for (size_t i = 0; i < json_array_size(urls) && info->url_count < NRT__NATS_URLS_MAX; i++) {
        const char *url = json_string_value(json_array_get(urls, i));
        if (url && strlen(url) < sizeof(info->urls[0]) && nrt__is_visible(nrt_str_from(url))) {
            memcpy(info->urls[info->url_count++], url, strlen(url) + 1);
        }
    }
    json_decref(object);
    return 0;
}

static bool put(json_t *object, const char *key, const char *value) {
    return !value || json_object_set_new(object, key, json_string(value)) == 0;
}

/* jansson frees its copies as they are. */
static void wipe(json_t *object) {
    static const char *const secrets[] = {"pass", "auth_token", "jwt", "sig"};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        json_t *value = json_object_get(object, secrets[i]);
        if (value) {
            OPENSSL_cleanse((char *)json_string_value(value), json_string_length(value));
        }
    }
}

static int append(const char *text, size_t len, void *out) {
    return nrt__buf_add(out, text, len) ? 0 : -1;
}

/* So that it does not grow, and leave copies behind, while secrets are written. */
static void make_room(nrt__buf *out, const nrt__nats_login *login) {
    enum { REST = 1024 };
    const char *const texts[] = {login->name, login->user, login->password, login->token,
                                 login->jwt};
    size_t size = REST;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size += texts[i] ? strlen(texts[i]) : 0;
    }
    if (!nrt__buf_room(out, size)) {
        out->failed = false; /* it may fit all the same */
    }
}

int nrt__nats_connect_write(nrt__buf *out, const nrt__nats_login *login, const char *nonce) {
    char sig[NRT__NATS_SIG_SIZE] = "";
    if (login->sign && *nonce && !login->sign(login->sign_arg, nrt_str_from(nonce), sig)) {
        return NRT_ERR_AUTH;
    }
    json_t *object =
        json_pack("{s:b, s:b, s:b, s:b, s:b, s:b, s:s, s:s, s:i}", "verbose", 0, "pedantic", 0,
                  "headers", 1, "no_responders", 1, "echo", 1, "tls_required", login->tls ? 1 : 0,
                  "lang", "c", "version", nrt_version(), "protocol", 1);
    make_room(out, login);
    bool fine = object && put(object, "name", login->name) && put(object, "user", login->user) &&
                put(object, "pass", login->password) && put(object, "auth_token", login->token) &&
                put(object, "jwt", login->jwt) && put(object, "nkey", login->nkey) &&
                put(object, "sig", *sig ? sig : NULL) && nrt__buf_lit(out, "CONNECT ") &&
                json_dump_callback(object, append, out, JSON_COMPACT | JSON_ENSURE_ASCII) == 0 &&
                nrt__buf_lit(out, "\r\n");
    wipe(object);
    json_decref(object);
    return fine ? 0 : NRT_ERR_MEMORY;
}
