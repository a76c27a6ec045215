/* Helpers on counted views and on characters: ASCII only, no locale, no allocation. */
#ifndef NRT__STR_H
#define NRT__STR_H

#include <nrt/base.h>

#define NRT__STR(literal) ((nrt_str){(literal), sizeof(literal) - 1})
/* For "%.*s". */
#define NRT__ARG(view) ((int)(view).len), ((view).ptr ? (view).ptr : "")

static inline char nrt__lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool nrt__is_digit(char c) {
    return c >= '0' && c <= '9';
}

static inline bool nrt__str_equal(nrt_str a, nrt_str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Without case, in ASCII. */
bool nrt__str_same(nrt_str a, nrt_str b);

static inline bool nrt__str_starts(nrt_str text, nrt_str prefix) {
    return text.len >= prefix.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0;
}

/* Without leading and trailing SP and HTAB (OWS, RFC 9110 section 5.6.3). */
nrt_str nrt__str_trim(nrt_str text);

/* Takes the next element off a comma-separated list (RFC 9110 section 5.6.1), trimmed and never
 * empty; false at the end. Commas inside quoted strings do not separate. */
bool nrt__str_next(nrt_str *list, nrt_str *element);

/* A decimal number of digits only; false if empty, not a number, or larger than `max`. */
bool nrt__str_to_u64(nrt_str text, uint64_t max, uint64_t *value);

/* How many bytes the UTF-8 sequence (RFC 3629) at the start of `text`, which is not empty, has; 0:
 * it is none. */
size_t nrt__utf8_len(nrt_str text);
bool nrt__is_utf8(nrt_str text);

/* RFC 9110 section 5.6.2 tchar; section 5.5 field-vchar, SP and HTAB; RFC 3986 plus what clients
 * send in targets: visible ASCII. */
bool nrt__is_token(nrt_str text);
bool nrt__is_field_value(nrt_str text);
bool nrt__is_visible(nrt_str text);

#endif
