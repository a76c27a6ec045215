/* Frames as NATS headers, and NRT-Accept. */
#include "core/exchange/frame.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/str.h"
#include "core/http/sf.h"
#include "core/nats/parser.h"

static const char *const names[] = {[NRT__FRAME_NONE] = "",
#define NAME(name, text) [NRT__FRAME_##name] = text,
                                    NRT__FRAME_MAP(NAME)
#undef NAME
};

static nrt__frame_type type_of(nrt_str name) {
    for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
        if (nrt__str_equal(name, nrt_str_from(names[i]))) {
            return (nrt__frame_type)i;
        }
    }
    return NRT__FRAME_NONE;
}

static bool key_is(const nrt__sf_member *member, const char *key) {
    return nrt__str_equal(member->key, nrt_str_from(key));
}

static bool read_number(const nrt__sf_member *member, uint64_t *value) {
    if (member->kind != NRT__SF_INTEGER || member->number < 0) {
        return false;
    }
    *value = (uint64_t)member->number;
    return true;
}

static bool read_count(nrt__frame *frame, const nrt__sf_member *member, uint64_t *value,
                       unsigned bit) {
    frame->has |= bit;
    return read_number(member, value);
}

/* Members that are not known are passed over: later versions may have more. */
static bool read_member(nrt__frame *frame, const nrt__sf_member *member) {
    uint64_t seconds = 0;
    if (key_is(member, "t")) {
        frame->type = member->kind == NRT__SF_TOKEN ? type_of(member->text) : NRT__FRAME_NONE;
        return frame->type != NRT__FRAME_NONE;
    }
    if (key_is(member, "n")) {
        return read_count(frame, member, &frame->n, NRT__FRAME_HAS_N);
    }
    if (key_is(member, "max")) {
        return read_count(frame, member, &frame->max, NRT__FRAME_HAS_MAX);
    }
    if (key_is(member, "length")) {
        return read_count(frame, member, &frame->length, NRT__FRAME_HAS_LENGTH);
    }
    if (key_is(member, "reason") || key_is(member, "code")) {
        frame->code = member->text;
        return member->kind == NRT__SF_TOKEN && member->text.len <= NRT__FRAME_CODE_MAX;
    }
    if (key_is(member, "retry-after")) {
        bool fine = read_number(member, &seconds);
        frame->retry_after = seconds < 86400 ? (uint32_t)seconds : 86400;
        return fine;
    }
    return true;
}

int nrt__frame_read(nrt__frame *frame, nrt_str header) {
    nrt_str rest = nrt__nats_header_get(header, "NRT-Frame");
    nrt__sf_member member;
    int found;
    memset(frame, 0, sizeof(*frame));
    if (!rest.ptr) {
        return 0;
    }
    while ((found = nrt__sf_next(&rest, &member)) == 1) {
        if (!read_member(frame, &member)) {
            return NRT_ERR_PROTOCOL;
        }
    }
    return found == 0 && frame->type != NRT__FRAME_NONE ? 1 : NRT_ERR_PROTOCOL;
}

nrt_str nrt__frame_write(const nrt__frame *frame, char out[NRT__FRAME_TEXT_MAX]) {
    char n[32] = "";
    char max[32] = "";
    char length[32] = "";
    char code[NRT__FRAME_CODE_MAX + 16] = "";
    char retry[32] = "";
    if (frame->has & NRT__FRAME_HAS_N) {
        snprintf(n, sizeof(n), ", n=%" PRIu64, frame->n);
    }
    if (frame->has & NRT__FRAME_HAS_MAX) {
        snprintf(max, sizeof(max), ", max=%" PRIu64, frame->max);
    }
    if (frame->has & NRT__FRAME_HAS_LENGTH) {
        snprintf(length, sizeof(length), ", length=%" PRIu64, frame->length);
    }
    if (frame->code.len > 0) {
        snprintf(code, sizeof(code), ", %s=%.*s",
                 frame->type == NRT__FRAME_REFUSE ? "reason" : "code", NRT__ARG(frame->code));
    }
    if (frame->retry_after > 0) {
        snprintf(retry, sizeof(retry), ", retry-after=%" PRIu32, frame->retry_after);
    }
    int len = snprintf(out, NRT__FRAME_TEXT_MAX, "NATS/1.0\r\nNRT-Frame: t=%s%s%s%s%s%s\r\n\r\n",
                       names[frame->type], n, max, length, code, retry);
    return (nrt_str){out, (size_t)len};
}

void nrt__accept_read(nrt__accept *accept, nrt_str value) {
    nrt__sf_member member;
    uint64_t number;
    int found;
    memset(accept, 0, sizeof(*accept));
    while ((found = nrt__sf_next(&value, &member)) == 1) {
        if (!read_number(&member, &number)) {
            continue;
        }
        if (key_is(&member, "v")) {
            accept->version = number < 1000 ? (unsigned)number : 1000;
        } else if (key_is(&member, "window")) {
            accept->window = number < NRT__WINDOW_MAX ? number : NRT__WINDOW_MAX;
        } else if (key_is(&member, "timeout")) {
            accept->timeout_ms = number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
        }
    }
    if (found < 0) {
        memset(accept, 0, sizeof(*accept));
    }
}

nrt_str nrt__accept_write(const nrt__accept *accept, char out[NRT__ACCEPT_TEXT_MAX]) {
    int len = snprintf(out, NRT__ACCEPT_TEXT_MAX, "NRT-Accept: v=%u", accept->version);
    if (accept->window > 0) {
        len += snprintf(out + len, NRT__ACCEPT_TEXT_MAX - (size_t)len, ", window=%" PRIu64,
                        accept->window);
    }
    len += snprintf(out + len, NRT__ACCEPT_TEXT_MAX - (size_t)len, ", timeout=%" PRIu32 "\r\n",
                    accept->timeout_ms);
    return (nrt_str){out, (size_t)len};
}
