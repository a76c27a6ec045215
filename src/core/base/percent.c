/* Percent-encoding. */
#include "core/base/percent.h"

#include <nrt/http.h>

#include "core/base/str.h"

int nrt__hex_digit(char c) {
    if (nrt__is_digit(c)) {
        return c - '0';
    }
    c = nrt__lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte at the start of `text`, and in *used how long it is there; -1 where it is not valid. */
static int decode_one(nrt_str text, size_t *used) {
    *used = 1;
    if (text.ptr[0] != '%') {
        return text.ptr[0] ? (unsigned char)text.ptr[0] : -1;
    }
    int high = text.len > 2 ? nrt__hex_digit(text.ptr[1]) : -1;
    int low = text.len > 2 ? nrt__hex_digit(text.ptr[2]) : -1;
    *used = 3;
    return high < 0 || low < 0 || high + low == 0 ? -1 : high * 16 + low;
}

bool nrt__percent_decode(nrt_str text, bool plus, char *out, size_t *len) {
    size_t used;
    *len = 0;
    for (size_t at = 0; at < text.len; at += used) {
        int byte = decode_one((nrt_str){text.ptr + at, text.len - at}, &used);
        if (byte < 0) {
            return false;
        }
        bool space = plus && text.ptr[at] == '+';
        out[(*len)++] = space ? ' ' : (char)byte;
    }
    return true;
}

bool nrt__percent_is_valid(nrt_str text) {
    size_t used;
    for (size_t at = 0; at < text.len; at += used) {
        if (decode_one((nrt_str){text.ptr + at, text.len - at}, &used) < 0) {
            return false;
        }
    }
    return true;
}

int nrt_percent_decode(nrt_str text, char *out, size_t *len) {
    if (nrt__percent_decode(text, false, out, len)) {
        return 0;
    }
    *len = 0; /* what came before is of no use */
    return NRT_ERR_BAD_REQUEST;
}

static bool is_unreserved(char c) {
    char lower = nrt__lower(c);
    return (lower >= 'a' && lower <= 'z') || nrt__is_digit(c) || c == '-' || c == '.' || c == '_' ||
           c == '~';
}

int nrt_percent_encode(nrt_str text, char *out, size_t size) {
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        bool plain = is_unreserved(text.ptr[i]);
        if (size < len || size - len < (plain ? 2u : 4u)) { /* and its NUL */
            return NRT_ERR_USAGE;
        }
        if (plain) {
            out[len++] = text.ptr[i];
        } else {
            out[len++] = '%';
            out[len++] = digits[byte >> 4];
            out[len++] = digits[byte & 15];
        }
    }
    if (size == 0) {
        return NRT_ERR_USAGE;
    }
    out[len] = '\0';
    return 0;
}
