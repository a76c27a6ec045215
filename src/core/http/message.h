/* One HTTP message, request or response, with everything that belongs to it. The public nrt_request
 * and nrt_response are this and nothing else. */
#ifndef NRT__MESSAGE_H
#define NRT__MESSAGE_H

#include <nrt/error.h>
#include <nrt/message.h>

#include "core/http/fields.h"

/* How the end of the body was, or is to be, told (RFC 9112 section 6.3). */
typedef enum nrt__framing {
    NRT__FRAMING_NONE = 0, /* no body, and no field that says so */
    NRT__FRAMING_LENGTH,   /* Content-Length */
    NRT__FRAMING_CHUNKED,  /* Transfer-Encoding: chunked */
    NRT__FRAMING_CLOSE,    /* a response that ends where the connection does */
} nrt__framing;

typedef struct nrt__message {
    nrt__arena arena; /* field lists and copies live here */
    bool is_request;
    bool keep_alive; /* as the sender wants it: version and Connection */
    uint8_t minor;   /* HTTP/1.minor */
    uint8_t framing; /* nrt__framing */
    int status;
    uint64_t length; /* Content-Length; for LENGTH, and for answers to HEAD and 304 */
    bool has_length; /* a Content-Length was there, or is to be sent without a body (HEAD) */
    nrt_str method;
    nrt_str target;
    nrt_str host; /* of the authority: lower case in what we make, as received in what we read; no
                     port */
    nrt_str reason;
    nrt_str upgrade; /* the protocol to change to (RFC 9110 section 7.8), in heads of streams */
    nrt_fields fields;
    nrt_fields trailers;
    nrt_str body;
} nrt__message;

struct nrt_request {
    nrt__message message;
};

struct nrt_response {
    nrt__message message;
};

void nrt__message_init(nrt__message *message, bool is_request);

/* As new, but keeps the arena's first block. */
void nrt__message_reset(nrt__message *message);

void nrt__message_free(nrt__message *message);

/* Absolute-form says the same as origin-form with Host, which is what handlers and origins expect
 * (RFC 9112 section 3.2.2): turns it into that. NRT_ERR_BAD_REQUEST, NRT_ERR_MEMORY. */
int nrt__message_settle_target(nrt__message *request);

/* Whether doing it twice has the effect of doing it once: RFC 9110 section 9.2.2, and what RFC
 * 3253, 4918, 5323 and the draft of QUERY say likewise. Methods are case-sensitive. */
bool nrt__method_is_idempotent(nrt_str method);

/* True where a response to `method` with this status cannot have a body (RFC 9112 section 6.3). */
bool nrt__status_is_bodyless(int status);

#endif
