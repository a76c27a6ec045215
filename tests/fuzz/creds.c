/* A credentials file: JWT and seed are found in it or they are not. What is wrong is said in words
 * that hold nothing of the file, and a seed that is taken is a user's, written in one way only. */
#include "lib/creds.h"

#include <stdlib.h>

#include "fuzz.h"
#include "lib/nkey.h"

enum { REASON = 256 };

/* No eight bytes of the file in a row, which would be a part of a secret, unless they are words of
 * ours: those of the markers. */
static void check_reason(const char *reason, nrt_str text) {
    static const char *const ours = "-----BEGIN NATS USER JWT----- -----BEGIN USER NKEY SEED-----";
    CHECK(fuzz_is_text(reason));
    for (size_t i = 0; i + 8 <= strlen(reason); i++) {
        if (memmem(text.ptr, text.len, reason + i, 8) &&
            !memmem(ours, strlen(ours), reason + i, 8)) {
            /* Only a file that quotes us can do that: it is then none with a secret there. */
            CHECK(strchr(reason + i, ' '));
        }
    }
}

static void check_seed(nrt_str seed, nrt_str text) {
    nrt__nkey nkey;
    char reason[REASON] = "";
    char sig[NRT__NKEY_SIG_SIZE];
    int error = nrt__nkey_init(&nkey, seed, reason, sizeof(reason));
    if (error < 0) {
        CHECK(error == NRT_ERR_AUTH && !nkey.key);
        check_reason(reason, text);
        return;
    }
    CHECK(seed.len == NRT__NKEY_SEED_LEN && memcmp(seed.ptr, "SU", 2) == 0);
    CHECK(strlen(nkey.public_key) == NRT__NKEY_PUBLIC_SIZE - 1 && nkey.public_key[0] == 'U');
    CHECK(nrt__nkey_sign(&nkey, text, sig) && strlen(sig) == NRT__NKEY_SIG_SIZE - 1);
    nrt__nkey_finish(&nkey);
}

static void check_view(nrt_str view, nrt_str text) {
    CHECK(view.len > 0 && fuzz_inside(view, text));
    CHECK(!memchr(view.ptr, '\n', view.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    nrt_str given = {(const char *)data, size};
    char *copy = fuzz_copy(given, false);
    nrt_str text = {copy, size};
    char reason[REASON] = "";
    nrt__creds creds;
    nrt_str seed;
    int error = nrt__creds_read(&creds, text, reason, sizeof(reason));
    if (error == 0) {
        check_view(creds.jwt, text);
        check_view(creds.seed, text);
        CHECK(nrt__jwt_is_one(creds.jwt) && fuzz_is_line_safe(creds.jwt));
        CHECK(nrt__jwt_expires(creds.jwt) >= 0);
        check_seed(creds.seed, text);
    } else {
        CHECK(error == NRT_ERR_AUTH);
        check_reason(reason, text);
    }
    error = nrt__creds_read_seed(&seed, text, reason, sizeof(reason));
    if (error == 0) {
        check_view(seed, text);
        check_seed(seed, text);
    } else {
        CHECK(error == NRT_ERR_AUTH);
        check_reason(reason, text);
    }
    CHECK(nrt__jwt_expires(text) >= 0);
    free(copy);
    return 0;
}
