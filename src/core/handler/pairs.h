/* Lists of names and values in text that a peer sends: queries, forms, cookies. */
#ifndef NRT__PAIRS_H
#define NRT__PAIRS_H

#include "core/handler/scope.h"

/* Decodes `name=value&...` into the arena. Errors of nrt_exchange_query. */
int nrt__pairs_read(nrt_str text, nrt__arena *arena, const nrt_pairs **out);

/* The cookies of all Cookie fields. Errors of nrt_exchange_cookies. */
int nrt__cookies_read(const nrt_fields *fields, nrt__arena *arena, const nrt_pairs **out);

/* Writes Set-Cookie's value. Errors of nrt_exchange_set_cookie, but for memory. */
int nrt__cookie_write(const nrt_cookie *cookie, nrt__buf *out);

enum { NRT__COOKIE_MAX = 4096 }; /* bytes; RFC 6265 section 6.1 */

#endif
