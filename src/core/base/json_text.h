/* Strings as JSON writes them (RFC 8259), of bytes that strangers sent. */
#ifndef NRT__JSON_TEXT_H
#define NRT__JSON_TEXT_H

#include "core/base/buf.h"

/* Appends `text` in quotes, at most `max` bytes of it: control characters escaped, C1 and DEL too,
 * and what is no UTF-8 replaced by U+FFFD. A failure is in out->failed. */
void nrt__json_string(nrt__buf *out, nrt_str text, size_t max);

#endif
