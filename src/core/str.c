/* Helpers on counted views and on characters. */
#include "core/str.h"

/* Eight characters at a time, in a word: most texts have nothing to look at more closely. */
#define EACH(byte) (0x0101010101010101 * (uint64_t)(byte))

static uint64_t word_at(const char *at) {
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* Whether one of them is smaller than `byte`, which is at most 128. */
static bool has_below(uint64_t word, unsigned char byte) {
    return ((word - EACH(byte)) & ~word & EACH(0x80)) != 0;
}

static bool has(uint64_t word, unsigned char byte) {
    return has_below(word ^ EACH(byte), 1);
}

/* tchar of RFC 9110 section 5.6.2. */
static const bool token_chars[256] = {
    ['!'] = true, ['#' ... '\''] = true, ['*'] = true,         ['+'] = true, ['-'] = true,
    ['.'] = true, ['0' ... '9'] = true,  ['A' ... 'Z'] = true, ['^'] = true, ['_'] = true,
    ['`'] = true, ['a' ... 'z'] = true,  ['|'] = true,         ['~'] = true,
};

bool nrt__is_token(nrt_str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (!token_chars[(unsigned char)text.ptr[i]]) {
            return false;
        }
    }
    return text.len > 0;
}

bool nrt__is_field_value(nrt_str text) {
    size_t i = 0;
    while (i + 8 <= text.len && !has_below(word_at(text.ptr + i), 0x20) &&
           !has(word_at(text.ptr + i), 0x7f)) {
        i += 8;
    }
    for (; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return nrt__str_trim(text).len == text.len;
}

bool nrt__is_visible(nrt_str text) {
    size_t i = 0;
    while (i + 8 <= text.len && !(word_at(text.ptr + i) & EACH(0x80)) &&
           !has_below(word_at(text.ptr + i), 0x21) && !has(word_at(text.ptr + i), 0x7f)) {
        i += 8;
    }
    for (; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= 0x20 || c >= 0x7f) {
            return false;
        }
    }
    return text.len > 0;
}

bool nrt__str_same(nrt_str a, nrt_str b) {
    if (a.len != b.len) {
        return false;
    }
    uint64_t in_case = 0; /* what differs in nothing but that, or only looks so */
    for (size_t i = 0; a.len >= 8 && i < a.len; i += 8) {
        size_t at = i + 8 <= a.len ? i : a.len - 8;
        uint64_t differ = word_at(a.ptr + at) ^ word_at(b.ptr + at);
        if (differ & ~EACH(0x20)) {
            return false;
        }
        in_case |= differ;
    }
    if (a.len >= 8 && !in_case) {
        return true;
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

size_t nrt__utf8_len(nrt_str text) {
    const unsigned char *at = (const unsigned char *)text.ptr;
    if (at[0] < 0x80) {
        return 1;
    }
    size_t len = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || text.len < len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool surrogate = at[0] == 0xed && at[1] > 0x9f;
    bool beyond = at[0] == 0xf4 && at[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : len;
}

bool nrt__is_utf8(nrt_str text) {
    size_t len = 0;
    for (size_t at = 0; at < text.len; at += len) {
        len = nrt__utf8_len((nrt_str){text.ptr + at, text.len - at});
        if (len == 0) {
            return false;
        }
    }
    return true;
}
