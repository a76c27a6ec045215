/* Hosts, methods and NATS subjects: what may become part of a subject, and what must not. Subjects
 * are built from validated tokens only; nothing here passes on a wildcard, white space, a control
 * character or an empty token. */
#ifndef NRT__SUBJECT_H
#define NRT__SUBJECT_H

#include <nrt/error.h>

#include "core/base/buf.h"

enum {
    NRT__HOST_MAX = 253, /* RFC 1035 section 2.3.4 */
    NRT__METHOD_MAX = 32,
    NRT__PREFIX_MAX = 128,
    NRT__SUBJECT_MAX = 512, /* the longest one made here is shorter; also for what is received as a
                               reply subject */
};

/* Checks that `host` is a name of letters, digits, '-' and '_' in non-empty labels that ends in
 * .nats, and writes it in lower case with a NUL. NRT_ERR_HOST. */
int nrt__host_canonical(nrt_str host, char out[NRT__HOST_MAX + 1]);

/* True if `host` ends in .nats, whatever else is right or wrong with it. */
bool nrt__host_is_nats(nrt_str host);

/* Whether a method can be the last token of a subject: a token (RFC 9110 section 5.6.2) without '.'
 * and '*', not too long, not in mixed case. NRT_ERR_METHOD. */
int nrt__method_check(nrt_str method);

/* One or more non-empty tokens of visible ASCII without wildcards, not below `$`. NRT_ERR_HOST. */
int nrt__prefix_check(nrt_str prefix);

/* Appends `<prefix>.requests.<host>.<method in lower case>`; every part must have been checked. */
bool nrt__subject_request(nrt__buf *out, nrt_str prefix, nrt_str host, nrt_str method);

/* Appends `<prefix>.requests.<host>.*`. */
bool nrt__subject_service(nrt__buf *out, nrt_str prefix, nrt_str host);

/* Appends `<prefix>.streams.<host>.<instance>.*`. */
bool nrt__subject_streams(nrt__buf *out, nrt_str prefix, nrt_str host, nrt_str instance);

/* Whether `token` is `method` in lower case. */
bool nrt__method_is_token(nrt_str method, nrt_str token);

/* The last token of a subject. */
nrt_str nrt__subject_last(nrt_str subject);

/* Whether we may publish to a reply subject that a peer chose: literal, not too long, not below `$`
 * (system, JetStream), and no request subject: a service must not be aimed at another service. */
bool nrt__reply_is_safe(nrt_str subject);

#endif
