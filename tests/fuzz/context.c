/* A context file of the nats CLI: read whole or refused with a reason that a person may read, and
 * never with a value in it. */
#include "lib/context.h"

#include <nrt/error.h>
#include <stdlib.h>

#include "fuzz.h"

enum { DETAIL = 256, PATH_LEN_MAX = 4096 };

static void check_text(const char *text) {
    CHECK(!text || (*text && fuzz_is_text(text)));
}

static void check_path(const char *path) {
    check_text(path);
    CHECK(!path || strlen(path) < PATH_LEN_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    nrt_str text = {(const char *)data, size};
    nrt__context context;
    char detail[DETAIL] = "";
    setenv("HOME", "/home/fuzz", 1); /* what ~ and $HOME stand for: the same everywhere */
    char *copy = fuzz_copy(text, false);
    int error = nrt__context_read(&context, (nrt_str){copy, size}, detail, sizeof(detail));
    free(copy); /* nothing of it is kept */
    CHECK(error == 0 || (error == NRT_ERR_CONFIG && fuzz_is_text(detail)));
    if (error == 0) {
        check_text(context.url);
        check_text(context.user);
        check_text(context.password);
        check_text(context.token);
        check_text(context.inbox_prefix);
        check_text(context.user_jwt);
        check_text(context.user_seed);
        check_path(context.creds);
        check_path(context.nkey);
        check_path(context.cert);
        check_path(context.key);
        check_path(context.ca);
    }
    nrt__context_finish(&context);
    CHECK(!context.url && !context.password && !context.creds);
    return 0;
}
