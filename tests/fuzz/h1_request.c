/* Requests: however the bytes come, the same comes of them (core/http/h1_reader.h). */
#include "fuzz.h"
#include "h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_h1_check_all((nrt_str){(const char *)data, size}, NRT__H1_REQUEST);
    return 0;
}
