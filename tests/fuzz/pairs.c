/* Queries and cookies: what comes out is in the input, in its order, and written again it is read
 * as the same. The first line is a query, each further one a Cookie field. */
#include "core/handler/pairs.h"

#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/percent.h"
#include "fuzz.h"

/* Decoded in the plainest way; false where it is not valid. */
static bool decode(nrt_str text, nrt__buf *out) {
    nrt__buf_clear(out);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i] == '+' ? ' ' : text.ptr[i];
        if (c == '%') {
            static const char digits[] = "0123456789abcdef";
            if (text.len - i < 3 || !text.ptr[i + 1] || !text.ptr[i + 2]) {
                return false;
            }
            const char *high = strchr(digits, nrt__lower(text.ptr[i + 1]));
            const char *low = strchr(digits, nrt__lower(text.ptr[i + 2]));
            if (!high || !low) {
                return false;
            }
            c = (char)((high - digits) * 16 + (low - digits));
            i += 2;
        }
        if (c == '\0') {
            return false;
        }
        CHECK(nrt__buf_add(out, &c, 1));
    }
    return true;
}

static void check_query(nrt_str text, nrt__arena *arena) {
    const nrt_pairs *pairs;
    nrt__buf out;
    int error = nrt__pairs_read(text, arena, &pairs);
    CHECK((error == 0) == (pairs != NULL));
    CHECK(error == 0 || error == NRT_ERR_BAD_REQUEST || error == NRT_ERR_TOO_LARGE);
    if (error == NRT_ERR_TOO_LARGE) {
        return;
    }
    nrt__buf_init(&out, SIZE_MAX / 2);
    size_t at = 0;
    bool fine = true;
    nrt_str rest = text;
    while (rest.ptr) {
        nrt_str value = {NULL, 0};
        nrt_str part = fuzz_before(rest, '&', &rest);
        if (part.len == 0) {
            continue;
        }
        nrt_str name = fuzz_before(part, '=', &value);
        for (int i = 0; i < 2; i++) {
            fine = decode(i ? value : name, &out) && fine;
            if (error == 0) {
                CHECK(at < pairs->count);
                nrt_str got = i ? pairs->list[at].value : pairs->list[at].name;
                CHECK(nrt__str_equal(got, nrt__buf_view(&out)));
                CHECK(got.len == 0 || !memchr(got.ptr, '\0', got.len));
            }
        }
        at++;
    }
    CHECK(fine == (error == 0));
    CHECK(error < 0 || at == pairs->count);
    nrt__buf_free(&out);
}

static void check_percent(nrt_str text) {
    char *out = malloc(text.len + 1);
    char *code = malloc(3 * text.len + 1);
    size_t len;
    CHECK(out && code);
    bool fine = nrt_percent_decode(text, out, &len) == 0;
    CHECK(fine == nrt__percent_is_valid(text));
    if (fine) {
        char *again = malloc(text.len + 1);
        size_t length;
        CHECK(again && nrt_percent_encode((nrt_str){out, len}, code, 3 * text.len + 1) == 0);
        CHECK(len == 0 || nrt__is_visible(nrt_str_from(code)));
        CHECK(nrt_percent_decode(nrt_str_from(code), code, &length) == 0);
        CHECK(length == len && memcmp(code, out, len) == 0);
        free(again);
    }
    free(out);
    free(code);
}

/* Whoever reads a cookie may give it back as it is. */
static void check_cookies(const nrt_fields *fields, nrt__arena *arena) {
    const nrt_pairs *pairs;
    char room[NRT__COOKIE_MAX];
    if (nrt__cookies_read(fields, arena, &pairs) < 0) {
        CHECK(!pairs);
        return;
    }
    CHECK(pairs->count <= NRT_PAIRS_MAX);
    for (size_t i = 0; i < pairs->count; i++) {
        nrt_cookie cookie;
        nrt__buf out = {.bytes = room, .size = sizeof(room), .max = sizeof(room)};
        char *name = fuzz_copy(pairs->list[i].name, true);
        char *value = fuzz_copy(pairs->list[i].value, true);
        nrt_cookie_init(&cookie);
        cookie.name = name;
        cookie.value = value;
        int error = nrt__cookie_write(&cookie, &out);
        CHECK(error == 0 || error == NRT_ERR_USAGE); /* too long, or a prefix's promise */
        CHECK(error < 0 || nrt__is_field_value(nrt__buf_view(&out)));
        free(name);
        free(value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = fuzz_copy((nrt_str){(const char *)data, size}, false);
    nrt_str rest = {copy, size};
    nrt_str line;
    nrt__arena arena = {0};
    nrt_fields fields;
    nrt__fields_init(&fields, &arena);
    check_query(rest, &arena);
    check_percent(rest);
    if (fuzz_line(&rest, &line)) {
        check_query(line, &arena);
    }
    while (fuzz_line(&rest, &line)) {
        CHECK(nrt__fields_append(&fields, NRT__STR("Cookie"), line));
    }
    check_cookies(&fields, &arena);
    nrt__arena_free(&arena);
    free(copy);
    return 0;
}
