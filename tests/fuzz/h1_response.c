/* Responses: to GET and to HEAD, from peers of our time and from old ones; those without framing
 * end with the input. */
#include "fuzz.h"
#include "h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    nrt_str input = {(const char *)data, size};
    fuzz_h1_check_all(input, 0);
    fuzz_h1_check_all(input, NRT__H1_TO_HEAD);
    /* A version of HTTP/0.0 is all that old peers may do more. */
    if (nrt__str_starts(input, NRT__STR("HTTP/0.0"))) {
        fuzz_h1_check_all(input, NRT__H1_OLD_PEER);
        fuzz_h1_check_all(input, NRT__H1_OLD_PEER | NRT__H1_TO_HEAD);
    }
    return 0;
}
