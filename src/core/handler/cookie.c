/* Cookies (RFC 6265): those that came, and one to be set. */
#include "core/base/buf.h"
#include "core/base/sized.h"
#include "core/base/str.h"
#include "core/handler/pairs.h"

/* cookie-octet of RFC 6265 section 4.1.1. */
static bool is_value(nrt_str text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c >= 0x7f || strchr("\",;\\", c)) {
            return false;
        }
    }
    return true;
}

/* What may stand in an attribute: no end of it. */
static bool is_attribute(nrt_str text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < ' ' || c >= 0x7f || c == ';') {
            return false;
        }
    }
    return true;
}

/* ---- reading ---- */

/* Takes a pair off; false at the end. One that is not valid has no name. */
static bool next_cookie(nrt_str *rest, nrt__pair *pair) {
    if (rest->len == 0) {
        return false;
    }
    const char *end = memchr(rest->ptr, ';', rest->len);
    size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
    nrt_str text = nrt__str_trim((nrt_str){rest->ptr, len});
    const char *equals = text.len > 0 ? memchr(text.ptr, '=', text.len) : NULL;
    size_t step = end ? len + 1 : len;
    *rest = (nrt_str){rest->ptr + step, rest->len - step};
    pair->name = (nrt_str){NULL, 0};
    if (!equals) {
        return true;
    }
    nrt_str name = nrt__str_trim((nrt_str){text.ptr, (size_t)(equals - text.ptr)});
    nrt_str value = {equals + 1, text.len - (size_t)(equals - text.ptr) - 1};
    value = nrt__str_trim(value);
    if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"') {
        value = (nrt_str){value.ptr + 1, value.len - 2};
    }
    if (nrt__is_token(name) && is_value(value)) {
        *pair = (nrt__pair){name, value};
    }
    return true;
}

/* Calls for each valid one, up to one more than there may be. */
static size_t read_all(const nrt_fields *fields, nrt__pair *list) {
    size_t count = 0;
    for (size_t i = 0; i < fields->count; i++) {
        nrt_str rest = fields->list[i].value;
        nrt__pair pair;
        if (!nrt__str_same(fields->list[i].name, NRT__STR("Cookie"))) {
            continue;
        }
        while (count <= NRT_PAIRS_MAX && next_cookie(&rest, &pair)) {
            if (pair.name.ptr && list) {
                list[count] = pair;
            }
            count += pair.name.ptr != NULL;
        }
    }
    return count;
}

int nrt__cookies_read(const nrt_fields *fields, nrt__arena *arena, const nrt_pairs **out) {
    size_t count = read_all(fields, NULL);
    *out = NULL;
    if (count > NRT_PAIRS_MAX) {
        return NRT_ERR_TOO_LARGE;
    }
    nrt_pairs *pairs = nrt__arena_get(arena, sizeof(*pairs) + count * sizeof(pairs->list[0]));
    if (!pairs) {
        return NRT_ERR_MEMORY;
    }
    pairs->count = read_all(fields, pairs->list);
    *out = pairs;
    return 0;
}

int nrt_exchange_cookies(nrt_exchange *exchange, const nrt_pairs **pairs) {
    nrt__scope *scope = nrt__exchange_scope(exchange);
    *pairs = NULL;
    if (!scope) {
        return NRT_ERR_MEMORY;
    }
    if (!scope->cookies) {
        int error = nrt__cookies_read(nrt_request_fields(nrt_exchange_request(exchange)),
                                      nrt__exchange_arena(exchange), &scope->cookies);
        if (error < 0) {
            return error;
        }
    }
    *pairs = scope->cookies;
    return 0;
}

/* ---- writing ---- */

/* A host name as RFC 6265 section 5.2.3 compares it; a dot at its beginning is of old, and ignored
 * by user agents. */
static bool is_domain(nrt_str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = nrt__lower(text.ptr[i]);
        bool inner = i > 0 && i + 1 < text.len && text.ptr[i - 1] != '.';
        if (!((c >= 'a' && c <= 'z') || nrt__is_digit(c) || (inner && (c == '-' || c == '.')))) {
            return false;
        }
    }
    return text.len > 0 && text.len <= 253;
}

/* What a name that begins so demands (draft-ietf-httpbis-rfc6265bis section 4.1.3), without case,
 * as user agents compare it. */
static bool keeps_promise(const nrt_cookie *cookie, nrt_str name) {
    nrt_str secure = NRT__STR("__Secure-");
    nrt_str host = NRT__STR("__Host-");
    if (name.len >= secure.len && nrt__str_same((nrt_str){name.ptr, secure.len}, secure)) {
        return cookie->secure;
    }
    if (name.len >= host.len && nrt__str_same((nrt_str){name.ptr, host.len}, host)) {
        return cookie->secure && !cookie->domain && cookie->path && strcmp(cookie->path, "/") == 0;
    }
    return true;
}

static void put_attribute(nrt__buf *out, const char *name, const char *value) {
    nrt__buf_lit(out, "; ");
    nrt__buf_put(out, nrt_str_from(name));
    nrt__buf_put(out, nrt_str_from(value));
}

static void put_cookie(nrt__buf *out, const nrt_cookie *cookie) {
    static const char *const same_site[] = {NULL, "Lax", "Strict", "None"};
    nrt__buf_put(out, nrt_str_from(cookie->name));
    nrt__buf_lit(out, "=");
    nrt__buf_put(out, nrt_str_from(cookie->value));
    if (cookie->path) {
        put_attribute(out, "Path=", cookie->path);
    }
    if (cookie->domain) {
        put_attribute(out, "Domain=", cookie->domain);
    }
    if (cookie->max_age_s >= 0) {
        put_attribute(out, "Max-Age=", "");
        nrt__buf_u64(out, (uint64_t)cookie->max_age_s);
    }
    if (cookie->secure) {
        put_attribute(out, "Secure", "");
    }
    if (cookie->http_only) {
        put_attribute(out, "HttpOnly", "");
    }
    if (cookie->same_site != NRT_SAME_SITE_UNSET) {
        put_attribute(out, "SameSite=", same_site[cookie->same_site]);
    }
}

int nrt__cookie_write(const nrt_cookie *cookie, nrt__buf *out) {
    nrt_str name = nrt_str_from(cookie->name);
    nrt_str path = nrt_str_from(cookie->path);
    if (!nrt__is_token(name) || !is_value(nrt_str_from(cookie->value)) ||
        (path.ptr && (path.len == 0 || path.ptr[0] != '/' || !is_attribute(path))) ||
        (path.len > 0 && path.ptr[path.len - 1] == ' ') ||
        (cookie->domain && !is_domain(nrt_str_from(cookie->domain)))) {
        return NRT_ERR_FIELD;
    }
    if ((unsigned)cookie->same_site > NRT_SAME_SITE_NONE ||
        (cookie->same_site == NRT_SAME_SITE_NONE && !cookie->secure) ||
        !keeps_promise(cookie, name)) {
        return NRT_ERR_USAGE;
    }
    put_cookie(out, cookie);
    return out->failed ? NRT_ERR_USAGE : 0;
}

int nrt_exchange_set_cookie(nrt_exchange *exchange, const nrt_cookie *given) {
    char room[NRT__COOKIE_MAX];
    nrt__buf out = {.bytes = room, .size = sizeof(room), .max = sizeof(room)};
    nrt_cookie cookie;
    nrt_cookie_init(&cookie);
    if (!nrt__sized_read(&cookie, sizeof(cookie), given,
                         offsetof(nrt_cookie, name) + sizeof(given->name))) {
        return NRT_ERR_USAGE;
    }
    int error = nrt__cookie_write(&cookie, &out);
    if (error < 0) {
        return error;
    }
    return nrt_fields_add(nrt_exchange_fields(exchange), NRT__STR("Set-Cookie"),
                          nrt__buf_view(&out));
}
