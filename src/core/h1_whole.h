/* Whole messages in one piece of memory: what a NATS payload holds. */
#ifndef NRT__H1_WHOLE_H
#define NRT__H1_WHOLE_H

#include "core/h1_reader.h"

/* Reads exactly one complete message from `payload`, whose bytes must outlive `message`. The end of
 * the payload ends a response without framing; bytes behind the message are an error, unless it
 * answers HEAD (old servers write a body there: it is discarded). Errors as nrt__h1_read. */
int nrt__h1_read_whole(nrt__h1_reader *reader, nrt__message *message, unsigned flags,
                       nrt_str payload);

#endif
