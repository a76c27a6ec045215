/* Whole messages in one piece of memory: what a NATS payload holds. */
#ifndef NRT__H1_WHOLE_H
#define NRT__H1_WHOLE_H

#include "core/http/h1_reader.h"

/* Reads exactly one complete message from `payload`, whose bytes must outlive `message`. The end of
 * the payload ends a response without framing; bytes behind the message are an error, unless it
 * answers HEAD (old servers write a body there: it is discarded). Errors as nrt__h1_read. */
int nrt__h1_read_whole(nrt__h1_reader *reader, nrt__message *message, unsigned flags,
                       nrt_str payload);

/* Reads the head at the beginning of a frame's payload; *len of its bytes are the head, what
 * follows is body as it is. A head without Content-Length says nothing of the body. Errors as
 * nrt__h1_read.
 */
int nrt__h1_read_head(nrt__h1_reader *reader, nrt__message *message, unsigned flags,
                      nrt_str payload, size_t *len);

/* Reads trailer fields, lines as in a head, from an end frame into message->trailers; those that
 * must not stand there are left out (RFC 9110 section 6.5.1). `scratch` holds their text until the
 * next call. */
int nrt__h1_read_trailers(nrt__h1_reader *reader, nrt__message *message, nrt_str payload,
                          nrt__buf *scratch);

#endif
