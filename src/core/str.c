/* Helpers on counted views and on characters. */
#include "core/str.h"

enum { CLASS_TOKEN = 1, CLASS_VALUE = 2 };

/* tchar of RFC 9110 section 5.6.2, and what a field value may hold (section 5.5 with obs-text). */
static unsigned char_class(unsigned char c) {
    if (c >= 0x80 || c == '\t' || c == ' ') {
        return CLASS_VALUE;
    }
    if (c < 0x20 || c == 0x7f) {
        return 0;
    }
    switch (c) {
    case '"':
    case '(':
    case ')':
    case ',':
    case '/':
    case ':':
    case ';':
    case '<':
    case '=':
    case '>':
    case '?':
    case '@':
    case '[':
    case '\\':
    case ']':
    case '{':
    case '}':
        return CLASS_VALUE;
    default:
        return CLASS_TOKEN | CLASS_VALUE;
    }
}

static bool all_of(nrt_str text, unsigned wanted) {
    for (size_t i = 0; i < text.len; i++) {
        if (!(char_class((unsigned char)text.ptr[i]) & wanted)) {
            return false;
        }
    }
    return true;
}

bool nrt__is_token(nrt_str text) {
    return text.len > 0 && all_of(text, CLASS_TOKEN);
}

bool nrt__is_field_value(nrt_str text) {
    if (text.len == 0) {
        return true;
    }
    char first = text.ptr[0];
    char last = text.ptr[text.len - 1];
    if (first == ' ' || first == '\t' || last == ' ' || last == '\t') {
        return false;
    }
    return all_of(text, CLASS_VALUE);
}

bool nrt__is_visible(nrt_str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= 0x20 || text.ptr[i] == 0x7f) {
            return false; /* char may be signed: obs-text is below zero, and no part of a target */
        }
    }
    return text.len > 0;
}

bool nrt__str_same(nrt_str a, nrt_str b) {
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (nrt__lower(a.ptr[i]) != nrt__lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

nrt_str nrt__str_trim(nrt_str text) {
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

bool nrt__str_next(nrt_str *list, nrt_str *element) {
    while (list->len > 0) {
        size_t end = 0;
        bool quoted = false;
        while (end < list->len && (quoted || list->ptr[end] != ',')) {
            if (list->ptr[end] == '"') {
                quoted = !quoted;
            } else if (quoted && list->ptr[end] == '\\' && end + 1 < list->len) {
                end++;
            }
            end++;
        }
        *element = nrt__str_trim((nrt_str){list->ptr, end});
        size_t step = end < list->len ? end + 1 : end;
        list->ptr += step;
        list->len -= step;
        if (element->len > 0) {
            return true;
        }
    }
    return false;
}

bool nrt__str_to_u64(nrt_str text, uint64_t max, uint64_t *value) {
    uint64_t sum = 0;
    if (text.len == 0) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!nrt__is_digit(text.ptr[i])) {
            return false;
        }
        uint64_t digit = (uint64_t)(text.ptr[i] - '0');
        if (sum > (UINT64_MAX - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    if (sum > max) {
        return false;
    }
    *value = sum;
    return true;
}
