/* Helpers on counted views and on characters. */
#include "core/base/str.h"

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

/* Each ASCII letter of them in lower case, all else as it is. */
static uint64_t word_lower(uint64_t word) {
    uint64_t low = word & EACH(0x7f);
    uint64_t from_a = low + EACH(0x80 - 'A'); /* bit 7 of a byte: it is 'A' or more, */
    uint64_t past_z = low + EACH(0x7f - 'Z'); /* it is more than 'Z' */
    uint64_t upper = (from_a ^ past_z) & ~word & EACH(0x80);
    return word | upper >> 2;
}

/* A text of 1 to 7 characters as one word; texts of one length have each character in the same
 * places. */
static uint64_t short_word(nrt_str text) {
    if (text.len >= 4) {
        uint32_t first;
        uint32_t last;
        memcpy(&first, text.ptr, sizeof(first));
        memcpy(&last, text.ptr + text.len - sizeof(last), sizeof(last));
        return (uint64_t)last << 32 | first;
    }
    return (uint64_t)(unsigned char)text.ptr[text.len - 1] << 16 |
           (uint64_t)(unsigned char)text.ptr[text.len / 2] << 8 | (unsigned char)text.ptr[0];
}

bool nrt__str_same(nrt_str a, nrt_str b) {
    if (a.len != b.len) {
        return false;
    }
    if (a.len < 8) {
        return a.len == 0 || word_lower(short_word(a)) == word_lower(short_word(b));
    }
    for (size_t i = 0; i < a.len; i += 8) {
        size_t at = i + 8 <= a.len ? i : a.len - 8;
        if (word_lower(word_at(a.ptr + at)) != word_lower(word_at(b.ptr + at))) {
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
