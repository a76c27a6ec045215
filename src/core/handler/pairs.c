/* Queries and forms: application/x-www-form-urlencoded, read strictly. */
#include "core/handler/pairs.h"

#include "core/base/percent.h"
#include "core/base/str.h"

/* ---- lists ---- */

size_t nrt_pairs_count(const nrt_pairs *pairs) {
    return pairs ? pairs->count : 0;
}

int nrt_pairs_at(const nrt_pairs *pairs, size_t index, nrt_str *name, nrt_str *value) {
    if (index >= nrt_pairs_count(pairs)) {
        return NRT_ERR_USAGE;
    }
    if (name) {
        *name = pairs->list[index].name;
    }
    if (value) {
        *value = pairs->list[index].value;
    }
    return 0;
}

nrt_str nrt_pairs_get(const nrt_pairs *pairs, const char *name) {
    nrt_str wanted = nrt_str_from(name);
    for (size_t i = 0; i < nrt_pairs_count(pairs); i++) {
        if (nrt__str_equal(pairs->list[i].name, wanted)) {
            return pairs->list[i].value;
        }
    }
    return (nrt_str){NULL, 0};
}

/* ---- reading ---- */

/* Takes a part off; false at the end. */
static bool next_part(nrt_str *rest, nrt_str *part) {
    if (!rest->ptr) {
        return false;
    }
    const char *end = rest->len > 0 ? memchr(rest->ptr, '&', rest->len) : NULL;
    part->ptr = rest->ptr;
    part->len = end ? (size_t)(end - rest->ptr) : rest->len;
    *rest = end ? (nrt_str){end + 1, rest->len - part->len - 1} : (nrt_str){NULL, 0};
    return true;
}

static bool decode(nrt_str text, char **room, nrt_str *out) {
    out->ptr = *room;
    if (!nrt__percent_decode(text, true, *room, &out->len)) {
        return false;
    }
    *room += out->len;
    return true;
}

int nrt__pairs_read(nrt_str text, nrt__arena *arena, const nrt_pairs **out) {
    nrt_str rest = text;
    nrt_str part;
    size_t count = 0;
    *out = NULL;
    while (next_part(&rest, &part)) {
        count += part.len > 0;
    }
    if (count > NRT_PAIRS_MAX) {
        return NRT_ERR_TOO_LARGE;
    }
    nrt_pairs *pairs = nrt__arena_get(arena, sizeof(*pairs) + count * sizeof(pairs->list[0]));
    char *room = pairs ? nrt__arena_get(arena, text.len + 1) : NULL;
    if (!room) {
        return NRT_ERR_MEMORY;
    }
    pairs->count = 0;
    rest = text;
    while (next_part(&rest, &part)) {
        nrt__pair *pair = &pairs->list[pairs->count];
        if (part.len == 0) {
            continue;
        }
        const char *equals = memchr(part.ptr, '=', part.len);
        size_t name = equals ? (size_t)(equals - part.ptr) : part.len;
        size_t value = equals ? name + 1 : name;
        if (!decode((nrt_str){part.ptr, name}, &room, &pair->name) ||
            !decode((nrt_str){part.ptr + value, part.len - value}, &room, &pair->value)) {
            return NRT_ERR_BAD_REQUEST;
        }
        pairs->count++;
    }
    *out = pairs;
    return 0;
}

/* ---- of an exchange: decoded once ---- */

int nrt_exchange_query(nrt_exchange *exchange, const nrt_pairs **pairs) {
    nrt__scope *scope = nrt__exchange_scope(exchange);
    *pairs = NULL;
    if (!scope) {
        return NRT_ERR_MEMORY;
    }
    if (!scope->query) {
        int error = nrt__pairs_read(nrt_request_query(nrt_exchange_request(exchange)),
                                    nrt__exchange_arena(exchange), &scope->query);
        if (error < 0) {
            return error;
        }
    }
    *pairs = scope->query;
    return 0;
}

/* Whether the field says so, parameters aside (RFC 9110 section 8.3.1). */
static bool is_form(const nrt_fields *fields) {
    nrt_str type = nrt__fields_value(fields, NRT__CONTENT_TYPE);
    const char *end = type.len > 0 ? memchr(type.ptr, ';', type.len) : NULL;
    if (end) {
        type.len = (size_t)(end - type.ptr);
    }
    return nrt__str_same(nrt__str_trim(type), NRT__STR("application/x-www-form-urlencoded"));
}

int nrt_exchange_form(nrt_exchange *exchange, const nrt_pairs **pairs) {
    nrt__scope *scope = nrt__exchange_scope(exchange);
    const nrt_request *request = nrt_exchange_request(exchange);
    nrt_str body = nrt_request_body(request);
    *pairs = NULL;
    if (!scope) {
        return NRT_ERR_MEMORY;
    }
    if (!scope->form) {
        if (!is_form(nrt_request_fields(request))) {
            return NRT_ERR_MEDIA;
        }
        if (!nrt_exchange_is_whole(exchange)) {
            return NRT_ERR_STATE;
        }
        int error = body.len > NRT_FORM_MAX
                        ? NRT_ERR_TOO_LARGE
                        : nrt__pairs_read(body, nrt__exchange_arena(exchange), &scope->form);
        if (error < 0) {
            return error;
        }
    }
    *pairs = scope->form;
    return 0;
}
