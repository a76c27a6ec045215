/* The words of the NATS service API (ADR-32), and what may be said in them. */
#ifndef NRT__DISCOVERY_TEXT_H
#define NRT__DISCOVERY_TEXT_H

#include <nrt/base.h>

typedef enum nrt__discovery_verb {
    NRT__DISCOVERY_PING = 0, /* as NRT_DISCOVER_* */
    NRT__DISCOVERY_INFO = 1,
    NRT__DISCOVERY_STATS = 2,
} nrt__discovery_verb;

/* "PING" and the like; static. */
const char *nrt__discovery_word(nrt__discovery_verb verb);
bool nrt__discovery_verb_read(nrt_str word, nrt__discovery_verb *verb);

/* The `type` of answers, static. */
const char *nrt__discovery_type(nrt__discovery_verb verb);

/* Whether it can be the name of a service: letters, digits, '-' and '_'. */
bool nrt__discovery_is_name(nrt_str text);

/* Whether people can be shown it: UTF-8 without control characters and those that change the
 * direction of what stands around them. Empty is fine. */
bool nrt__is_plain_text(nrt_str text);

/* "Sun, 06 Nov 1994 08:49:37 GMT" (env.date) as 1994-11-06T08:49:37Z; "" where it is no such date.
 */
void nrt__discovery_rfc3339(const char *date, char out[24]);

#endif
