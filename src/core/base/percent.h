/* Percent-encoding (RFC 3986 section 2.1), read strictly. */
#ifndef NRT__PERCENT_H
#define NRT__PERCENT_H

#include <nrt/error.h>

/* Decodes into `out`, which has room for text.len bytes and may be text.ptr; with `plus`, `+` is a
 * space. False for what is no code, and for NUL. */
bool nrt__percent_decode(nrt_str text, bool plus, char *out, size_t *len);

/* Whether nrt__percent_decode would take it. */
bool nrt__percent_is_valid(nrt_str text);

/* The value of a hexadecimal digit, or -1. */
int nrt__hex_digit(char c);

#endif
