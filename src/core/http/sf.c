/* Structured fields (RFC 8941): dictionaries. */
#include "core/http/sf.h"

#include "core/base/str.h"

enum { DIGITS_MAX = 15 };

static bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c) {
    return is_lower(nrt__lower(c));
}

static char peek(nrt_str text) {
    return text.len > 0 ? *text.ptr : '\0';
}

static void skip(nrt_str *text, size_t len) {
    text->ptr += len;
    text->len -= len;
}

static void skip_space(nrt_str *text, bool tabs) {
    while (peek(*text) == ' ' || (tabs && peek(*text) == '\t')) {
        skip(text, 1);
    }
}

static bool is_key_char(char c) {
    return is_lower(c) || nrt__is_digit(c) || c == '_' || c == '-' || c == '.' || c == '*';
}

static bool read_key(nrt_str *rest, nrt_str *key) {
    size_t len = 0;
    if (!is_lower(peek(*rest)) && peek(*rest) != '*') {
        return false;
    }
    while (len < rest->len && is_key_char(rest->ptr[len])) {
        len++;
    }
    *key = (nrt_str){rest->ptr, len};
    skip(rest, len);
    return true;
}

static bool read_integer(nrt_str *rest, int64_t *number) {
    bool minus = peek(*rest) == '-';
    size_t digits = 0;
    int64_t value = 0;
    skip(rest, minus);
    while (digits <= DIGITS_MAX && nrt__is_digit(peek(*rest))) {
        value = value * 10 + (peek(*rest) - '0');
        digits++;
        skip(rest, 1);
    }
    *number = minus ? -value : value;
    return digits > 0 && digits <= DIGITS_MAX && peek(*rest) != '.'; /* decimals: not ours */
}

static bool read_string(nrt_str *rest, nrt_str *text) {
    skip(rest, 1);
    const char *start = rest->ptr;
    while (rest->len > 0 && peek(*rest) != '"') {
        size_t len = 1;
        if (peek(*rest) == '\\') {
            if (rest->len < 2 || (rest->ptr[1] != '"' && rest->ptr[1] != '\\')) {
                return false;
            }
            len = 2;
        } else if (peek(*rest) < ' ' || peek(*rest) > '~') {
            return false;
        }
        skip(rest, len);
    }
    if (rest->len == 0) {
        return false;
    }
    *text = (nrt_str){start, (size_t)(rest->ptr - start)};
    skip(rest, 1);
    return true;
}

static void read_token(nrt_str *rest, nrt_str *text) {
    size_t len = 1;
    while (len < rest->len && (nrt__is_token((nrt_str){rest->ptr + len, 1}) ||
                               rest->ptr[len] == ':' || rest->ptr[len] == '/')) {
        len++;
    }
    *text = (nrt_str){rest->ptr, len};
    skip(rest, len);
}

static bool read_item(nrt_str *rest, nrt__sf_member *item) {
    char c = peek(*rest);
    if (nrt__is_digit(c) || c == '-') {
        item->kind = NRT__SF_INTEGER;
        return read_integer(rest, &item->number);
    }
    if (c == '"') {
        item->kind = NRT__SF_STRING;
        return read_string(rest, &item->text);
    }
    if (c == '?') {
        item->kind = NRT__SF_BOOLEAN;
        item->number = rest->len > 1 && rest->ptr[1] == '1';
        if (rest->len < 2 || (rest->ptr[1] != '0' && rest->ptr[1] != '1')) {
            return false;
        }
        skip(rest, 2);
        return true;
    }
    if (is_alpha(c) || c == '*') {
        item->kind = NRT__SF_TOKEN;
        read_token(rest, &item->text);
        return true;
    }
    return false;
}

static bool skip_parameters(nrt_str *rest) {
    while (peek(*rest) == ';') {
        nrt__sf_member ignored;
        skip(rest, 1);
        skip_space(rest, false);
        if (!read_key(rest, &ignored.key)) {
            return false;
        }
        if (peek(*rest) == '=') {
            skip(rest, 1);
            if (!read_item(rest, &ignored)) {
                return false;
            }
        }
    }
    return true;
}

int nrt__sf_next(nrt_str *rest, nrt__sf_member *member) {
    skip_space(rest, true);
    if (rest->len == 0) {
        return 0;
    }
    *member = (nrt__sf_member){.kind = NRT__SF_BOOLEAN, .number = 1};
    if (!read_key(rest, &member->key)) {
        return -1;
    }
    if (peek(*rest) == '=') {
        skip(rest, 1);
        if (!read_item(rest, member)) {
            return -1;
        }
    }
    if (!skip_parameters(rest)) {
        return -1;
    }
    skip_space(rest, true);
    if (rest->len > 0) {
        if (peek(*rest) != ',') {
            return -1;
        }
        skip(rest, 1);
        skip_space(rest, true);
        return rest->len > 0 ? 1 : -1; /* a comma at the end separates nothing */
    }
    return 1;
}
