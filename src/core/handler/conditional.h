/* Conditional requests and ranges (RFC 9110 sections 13 and 14), for a representation whose
 * validators and size are known. */
#ifndef NRT__CONDITIONAL_H
#define NRT__CONDITIONAL_H

#include <nrt/message.h>

typedef struct nrt__representation {
    nrt_str etag; /* strong, with its quotes */
    int64_t modified_s;
    int64_t now_s; /* the wall clock */
    uint64_t size;
} nrt__representation;

/* 0 where the method is to be carried out, else 304 or 412 (section 13.2.2). */
int nrt__conditional_check(nrt_str method, const nrt_fields *fields,
                           const nrt__representation *what);

typedef enum nrt__range {
    NRT__RANGE_WHOLE = 0, /* none was asked for, or it is to be passed over */
    NRT__RANGE_PART,
    NRT__RANGE_NONE, /* 416 */
} nrt__range;

/* What part of it is asked for: from `first` to `last`, both included. Several ranges count as
 * none: a server may pass them over (section 14.2). */
nrt__range nrt__range_read(nrt_str method, const nrt_fields *fields,
                           const nrt__representation *what, uint64_t *first, uint64_t *last);

#endif
