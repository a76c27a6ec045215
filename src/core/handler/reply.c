/* What handlers answer with in one call, and what they keep with an exchange. */
#include <stdarg.h>
#include <stdio.h>

#include "core/base/str.h"
#include "core/handler/scope.h"

enum { PRINTF_MAX = 64 * 1024 };

/* ---- memory ---- */

nrt__scope *nrt__exchange_scope(nrt_exchange *exchange) {
    if (!exchange->scope) {
        exchange->scope = nrt__arena_get(nrt__exchange_arena(exchange), sizeof(*exchange->scope));
        if (exchange->scope) {
            memset(exchange->scope, 0, sizeof(*exchange->scope));
        }
    }
    return exchange->scope;
}

void *nrt_exchange_alloc(nrt_exchange *exchange, size_t size) {
    return nrt__arena_get(nrt__exchange_arena(exchange), size);
}

static nrt__kept *find_kept(const nrt_exchange *exchange, const void *key) {
    nrt__kept *kept = exchange->scope ? exchange->scope->kept : NULL;
    while (kept && kept->key != key) {
        kept = kept->next;
    }
    return kept;
}

int nrt_exchange_set_data(nrt_exchange *exchange, const void *key, void *data) {
    nrt__scope *scope = nrt__exchange_scope(exchange);
    nrt__kept *kept = find_kept(exchange, key);
    if (!kept && scope) {
        kept = nrt_exchange_alloc(exchange, sizeof(*kept));
        if (kept) {
            *kept = (nrt__kept){.next = scope->kept, .key = key};
            scope->kept = kept;
        }
    }
    if (!kept) {
        return NRT_ERR_MEMORY;
    }
    kept->data = data;
    return 0;
}

void *nrt_exchange_data(const nrt_exchange *exchange, const void *key) {
    const nrt__kept *kept = find_kept(exchange, key);
    return kept ? kept->data : NULL;
}

/* ---- parts of the request ---- */

nrt_str nrt_request_path(const nrt_request *request) {
    nrt_str target = nrt_request_target(request);
    const char *mark = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;
    return mark ? (nrt_str){target.ptr, (size_t)(mark - target.ptr)} : target;
}

nrt_str nrt_request_query(const nrt_request *request) {
    nrt_str target = nrt_request_target(request);
    size_t len = nrt_request_path(request).len;
    return len < target.len ? (nrt_str){target.ptr + len + 1, target.len - len - 1}
                            : (nrt_str){NULL, 0};
}

/* ---- the answer ---- */

int nrt_exchange_text(nrt_exchange *exchange, int status, const char *text) {
    return nrt_exchange_reply(exchange, status, "text/plain; charset=utf-8", nrt_str_from(text));
}

int nrt_exchange_json(nrt_exchange *exchange, int status, nrt_str json) {
    return nrt_exchange_reply(exchange, status, "application/json", json);
}

int nrt_exchange_error(nrt_exchange *exchange, int error) {
    return nrt_exchange_problem(exchange, nrt_error_status(error), nrt_error_text(error));
}

int nrt_exchange_status(const nrt_exchange *exchange) {
    return exchange->failed < 0 ? nrt_error_status(exchange->failed)
                                : exchange->response.message.status;
}

size_t nrt_exchange_written(const nrt_exchange *exchange) {
    /* Once it has begun, the connection's thread may be at it. */
    return exchange->started ? 0 : nrt__buf_len(&exchange->body);
}

int nrt_exchange_redirect(nrt_exchange *exchange, int status, const char *location) {
    nrt_str to = nrt_str_from(location);
    if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308) {
        return NRT_ERR_USAGE;
    }
    if (!nrt__is_visible(to)) {
        return NRT_ERR_URL;
    }
    int error = nrt_fields_set(nrt_exchange_fields(exchange), NRT__STR("Location"), to);
    return error < 0 ? error : nrt_exchange_set_status(exchange, status);
}

int nrt_exchange_printf(nrt_exchange *exchange, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len < 0 || len >= PRINTF_MAX) {
        return NRT_ERR_USAGE;
    }
    if ((size_t)len < sizeof(text)) {
        return nrt_exchange_write(exchange, (nrt_str){text, (size_t)len});
    }
    char *longer = nrt_exchange_alloc(exchange, (size_t)len + 1);
    if (!longer) {
        return NRT_ERR_MEMORY;
    }
    va_start(args, format);
    vsnprintf(longer, (size_t)len + 1, format, args);
    va_end(args);
    return nrt_exchange_write(exchange, (nrt_str){longer, (size_t)len});
}

/* ---- JSON ---- */

/* How a byte that cannot stand in a string by itself is written; 0: it can. */
static size_t escape(unsigned char c, char out[7]) {
    static const char *const names = "\bb\ff\nn\rr\tt\"\"\\\\";
    for (const char *name = names; *name; name += 2) {
        if ((unsigned char)name[0] == c) {
            out[0] = '\\';
            out[1] = name[1];
            return 2;
        }
    }
    return c < ' ' || c == 0x7f ? (size_t)snprintf(out, 7, "\\u%04x", c) : 0;
}

int nrt_exchange_write_json_string(nrt_exchange *exchange, nrt_str text) {
    if (!nrt__is_utf8(text)) {
        return NRT_ERR_FIELD;
    }
    int error = nrt_exchange_write(exchange, NRT__STR("\""));
    size_t from = 0;
    for (size_t i = 0; i <= text.len && error == 0; i++) {
        char code[7];
        size_t len = i < text.len ? escape((unsigned char)text.ptr[i], code) : 0;
        if (len == 0 && i < text.len) {
            continue;
        }
        error = nrt_exchange_write(exchange, (nrt_str){text.ptr + from, i - from});
        if (error == 0) {
            error = nrt_exchange_write(exchange, (nrt_str){code, len});
        }
        from = i + 1;
    }
    return error < 0 ? error : nrt_exchange_write(exchange, NRT__STR("\""));
}
