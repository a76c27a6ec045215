/* Writes HTTP/1.1 messages. Framing is made here from the message itself, never passed on; fields
 * come from checked sources only, so nothing is escaped or repaired. */
#ifndef NRT__H1_WRITER_H
#define NRT__H1_WRITER_H

#include "core/base/buf.h"
#include "core/http/message.h"

/* Writes the start line and the fields, without those that have one of the flags `skip`
 * (hop-by-hop, framing and Host never pass anyway), then framing as message->framing says, then
 * `extra`: complete lines, already checked; then the empty line. Failures are in out->failed. */
void nrt__h1_write_head(nrt__buf *out, const nrt__message *message, unsigned skip, nrt_str extra);

/* One piece of a chunked body, and its end with the trailers. */
void nrt__h1_write_chunk(nrt__buf *out, nrt_str bytes);
void nrt__h1_write_last_chunk(nrt__buf *out, const nrt_fields *trailers);

/* Trailer fields as lines, without the empty one; what must not stand there is left out. */
void nrt__h1_write_trailers(nrt__buf *out, const nrt_fields *trailers);

/* A whole message as it stands in a NATS payload, framed by Content-Length, or chunked where there
 * are trailers: head (and chunks) in `out`, parts[0]; the body where it is, parts[1]. `to_head`: a
 * response to HEAD, which says how long a body would be and has none. Settles the message's
 * framing. False where `out` is full. */
bool nrt__h1_write_parts(nrt__buf *out, nrt__message *message, unsigned skip, nrt_str extra,
                         bool to_head, nrt_str parts[2]);

#endif
