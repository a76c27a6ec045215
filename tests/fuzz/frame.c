/* Dictionaries (RFC 8941), and what is read from them: frames and NRT-Accept. The input is a value,
 * and is also taken for a NATS header block as it stands. What is read lies in the input and within
 * its limits; what is written from that reads back the same. */
#include "core/exchange/frame.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/http/sf.h"
#include "fuzz.h"

static const int64_t number_max = 999999999999999; /* RFC 8941 section 3.3.1 */

static bool is_key(nrt_str key) {
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        bool first = (c >= 'a' && c <= 'z') || c == '*';
        if (!first && (i == 0 || (!(c >= '0' && c <= '9') && c != '_' && c != '-' && c != '.'))) {
            return false;
        }
    }
    return key.len > 0;
}

static void check_member(const nrt__sf_member *member, nrt_str text) {
    CHECK(is_key(member->key) && fuzz_inside(member->key, text));
    CHECK(fuzz_inside(member->text, text) && fuzz_is_line_safe(member->text));
    switch (member->kind) {
    case NRT__SF_BOOLEAN:
        CHECK(member->number == 0 || member->number == 1);
        break;
    case NRT__SF_INTEGER:
        CHECK(member->number >= -number_max && member->number <= number_max);
        break;
    case NRT__SF_TOKEN:
        CHECK(nrt__is_visible(member->text));
        CHECK(member->text.len > 0 && !memchr(member->text.ptr, ',', member->text.len));
        break;
    case NRT__SF_STRING:
        CHECK(member->text.ptr && member->text.ptr[-1] == '"');
        CHECK(member->text.ptr[member->text.len] == '"');
        break;
    }
}

/* ", key=item" */
static size_t write_member(const nrt__sf_member *member, char *out, size_t size) {
    int len = 0;
    switch (member->kind) {
    case NRT__SF_BOOLEAN:
        len = snprintf(out, size, ", %.*s=?%d", NRT__ARG(member->key), (int)member->number);
        break;
    case NRT__SF_INTEGER:
        len = snprintf(out, size, ", %.*s=%lld", NRT__ARG(member->key), (long long)member->number);
        break;
    case NRT__SF_TOKEN:
        len = snprintf(out, size, ", %.*s=%.*s", NRT__ARG(member->key), NRT__ARG(member->text));
        break;
    case NRT__SF_STRING:
        len = snprintf(out, size, ", %.*s=\"%.*s\"", NRT__ARG(member->key), NRT__ARG(member->text));
        break;
    }
    CHECK(len > 0 && (size_t)len < size);
    return (size_t)len;
}

static void check_same(const nrt__sf_member *a, const nrt__sf_member *b) {
    CHECK(a->kind == b->kind && nrt__str_equal(a->key, b->key) && nrt__str_equal(a->text, b->text));
    CHECK(a->number == b->number);
}

static void check_dictionary(nrt_str text) {
    size_t size = 4 * text.len + 64;
    size_t len = 0;
    char *written = malloc(size);
    CHECK(written);
    nrt_str rest = text;
    nrt__sf_member member;
    int found;
    while ((found = nrt__sf_next(&rest, &member)) == 1) {
        check_member(&member, text);
        CHECK(fuzz_inside(rest, text) && rest.ptr > member.key.ptr);
        len += write_member(&member, written + len, size - len);
    }
    CHECK(found == 0 || found == -1);
    CHECK(found < 0 || rest.len == 0);
    nrt_str again = {written + 2, len > 2 ? len - 2 : 0};
    nrt_str before = text;
    nrt__sf_member one;
    while (len > 0 && again.len > 0) {
        CHECK(nrt__sf_next(&again, &one) == 1);
        nrt__sf_next(&before, &member);
        check_same(&one, &member);
    }
    free(written);
}

static void check_written(const nrt__frame *frame) {
    char out[NRT__FRAME_TEXT_MAX];
    nrt__frame again;
    nrt_str text = nrt__frame_write(frame, out);
    CHECK(text.len < sizeof(out) && !memchr(text.ptr, 0, text.len));
    CHECK(nrt__frame_read(&again, text) == 1);
    CHECK(again.type == frame->type && again.has == frame->has);
    CHECK(again.n == frame->n && again.max == frame->max && again.length == frame->length);
    CHECK(again.retry_after == frame->retry_after && nrt__str_equal(again.code, frame->code));
}

static void check_frame(nrt_str header) {
    nrt__frame frame;
    int found = nrt__frame_read(&frame, header);
    CHECK(found == 0 || found == 1 || found == NRT_ERR_PROTOCOL);
    if (found != 1) {
        return;
    }
    CHECK(frame.type >= NRT__FRAME_OPEN && frame.type <= NRT__FRAME_ABORT);
    CHECK(frame.code.len <= NRT__FRAME_CODE_MAX && fuzz_inside(frame.code, header));
    CHECK(frame.retry_after <= 86400);
    CHECK((frame.n == 0 || frame.has & NRT__FRAME_HAS_N) && frame.n <= (uint64_t)number_max);
    CHECK((frame.max == 0 || frame.has & NRT__FRAME_HAS_MAX) && frame.max <= (uint64_t)number_max);
    CHECK(frame.length == 0 || frame.has & NRT__FRAME_HAS_LENGTH);
    CHECK(frame.length <= (uint64_t)number_max);
    check_written(&frame);
}

/* As the value of NRT-Frame, if it fits a line. */
static void check_frame_value(nrt_str value) {
    static const char before[] = "NATS/1.0\r\nNRT-Frame: ";
    static const char behind[] = "\r\n\r\n";
    size_t start = sizeof(before) - 1;
    size_t len = start + value.len + sizeof(behind) - 1;
    char *block = malloc(len);
    CHECK(block);
    memcpy(block, before, start);
    if (value.len > 0) {
        memcpy(block + start, value.ptr, value.len);
    }
    memcpy(block + start + value.len, behind, sizeof(behind) - 1);
    check_frame((nrt_str){block, len});
    free(block);
}

static void check_accept(nrt_str value) {
    static const nrt_str name = NRT__STR("NRT-Accept: ");
    char out[NRT__ACCEPT_TEXT_MAX];
    nrt__accept accept;
    nrt__accept again;
    nrt__accept_read(&accept, value);
    CHECK(accept.version <= 1000 && accept.window <= NRT__WINDOW_MAX);
    nrt_str line = nrt__accept_write(&accept, out);
    CHECK(line.len < sizeof(out) && nrt__str_starts(line, name));
    CHECK(line.ptr[line.len - 2] == '\r' && line.ptr[line.len - 1] == '\n');
    nrt__accept_read(&again, (nrt_str){line.ptr + name.len, line.len - name.len - 2});
    CHECK(again.version == accept.version && again.window == accept.window);
    CHECK(again.timeout_ms == accept.timeout_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = fuzz_copy((nrt_str){(const char *)data, size}, false);
    nrt_str value = {copy, size};
    check_dictionary(value);
    check_frame_value(value);
    check_frame(value);
    check_accept(value);
    free(copy);
    return 0;
}
