/* Chunked bodies (RFC 9112 section 7.1) behind a head that is fine, against a decoder that was
 * written from the RFC for this, apart from llhttp. */
#include <stdlib.h>

#include "fuzz.h"
#include "h1.h"

static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

typedef struct decoded {
    nrt__buf body;
    size_t used;
    fuzz_verdict verdict;
    bool extended; /* a chunk extension was there: their grammar is not looked at here */
    bool trailers; /* nor is that of trailers */
    bool padded;   /* a size has more digits than any needs: a limit of ours */
} decoded;

/* A line that ends in CRLF and holds neither otherwise, without it. */
static fuzz_verdict take_line(nrt_str *rest, nrt_str *line) {
    for (size_t i = 0; i < rest->len; i++) {
        char c = rest->ptr[i];
        if (c == '\n') {
            return FUZZ_REJECT;
        }
        if (c == '\r') {
            if (i + 1 == rest->len) {
                return FUZZ_INCOMPLETE;
            }
            if (rest->ptr[i + 1] != '\n') {
                return FUZZ_REJECT;
            }
            *line = (nrt_str){rest->ptr, i};
            rest->ptr += i + 2;
            rest->len -= i + 2;
            return FUZZ_ACCEPT;
        }
    }
    return FUZZ_INCOMPLETE;
}

static int hex(char c) {
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, nrt__lower(c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

static bool read_size(decoded *out, nrt_str line, uint64_t *size) {
    size_t at = 0;
    *size = 0;
    for (; at < line.len && hex(line.ptr[at]) >= 0; at++) {
        if (*size >> 60) {
            return false;
        }
        *size = *size << 4 | (uint64_t)hex(line.ptr[at]);
    }
    bool more = at < line.len;
    out->extended = out->extended || more;
    out->padded = out->padded || at > 16;
    return at > 0 && (!more || line.ptr[at] == ';' || line.ptr[at] == ' ' || line.ptr[at] == '\t');
}

static fuzz_verdict decode(decoded *out, nrt_str rest) {
    uint64_t size = 1;
    nrt_str line;
    while (size > 0) {
        fuzz_verdict verdict = take_line(&rest, &line);
        if (verdict != FUZZ_ACCEPT) {
            return verdict;
        }
        if (!read_size(out, line, &size)) {
            return FUZZ_REJECT;
        }
        if (size == 0) {
            break;
        }
        size_t here = size < rest.len ? (size_t)size : rest.len;
        nrt__buf_add(&out->body, rest.ptr, here);
        rest.ptr += here;
        rest.len -= here;
        if (here < size) {
            return FUZZ_INCOMPLETE;
        }
        verdict = take_line(&rest, &line);
        if (verdict != FUZZ_ACCEPT || line.len > 0) {
            return rest.len > 0 && rest.ptr[0] != '\r' ? FUZZ_REJECT
                   : verdict == FUZZ_ACCEPT            ? FUZZ_REJECT
                                                       : verdict;
        }
    }
    for (;;) {
        const char *start = rest.ptr;
        fuzz_verdict verdict = take_line(&rest, &line);
        out->trailers = out->trailers || (rest.ptr == start ? rest.len > 0 : line.len > 0);
        if (verdict != FUZZ_ACCEPT || line.len == 0) {
            out->used = (size_t)(rest.ptr - start);
            return verdict;
        }
    }
}

static void check(nrt_str whole, nrt_str input) {
    fuzz_h1 ours;
    decoded theirs = {.used = 0};
    nrt__buf_init(&theirs.body, SIZE_MAX / 2);
    theirs.verdict = decode(&theirs, input);
    fuzz_h1_read(&ours, whole, NRT__H1_REQUEST, NULL, FUZZ_PIECES);
    bool accepted = ours.verdict == FUZZ_ACCEPT;
    if (accepted) {
        CHECK(ours.message.framing == NRT__FRAMING_CHUNKED);
        CHECK(nrt__str_equal(ours.message.body, nrt__buf_view(&theirs.body)));
    }
    /* Of what is not right, one may see sooner than the other that it is not only cut short. */
    CHECK(accepted == (theirs.verdict == FUZZ_ACCEPT) ||
          (!accepted && (theirs.extended || theirs.trailers || theirs.padded)));
    fuzz_h1_free(&ours);
    nrt__buf_free(&theirs.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    nrt__buf text;
    nrt__buf_init(&text, SIZE_MAX / 2);
    nrt__buf_lit(&text, head);
    CHECK(nrt__buf_add(&text, data, size));
    nrt_str whole = nrt__buf_view(&text);
    fuzz_h1_check_all(whole, NRT__H1_REQUEST);
    check(whole, (nrt_str){(const char *)data, size});
    nrt__buf_free(&text);
    return 0;
}
