/* Trace Context: strict reading, ids, and what goes on. */
#include "core/http/trace.h"

#include <nrt/error.h>
#include <nrt/trace.h>

#include "core/base/str.h"

enum {
    STATE_MEMBERS = 32, /* section 3.3.1 */
    STATE_KEY = 256,
    STATE_VALUE = 256,
    KNOWN_FLAGS = NRT__TRACE_SAMPLED | NRT__TRACE_RANDOM,
};

static const char hex[] = "0123456789abcdef";

/* ---- traceparent ---- */

/* 0 to 15; -1: no digit, or a capital. */
static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* So many digits, a byte's worth of them in *value; false for anything else. */
static bool are_digits(const char *text, size_t len, unsigned *value) {
    *value = 0;
    for (size_t i = 0; i < len; i++) {
        int one = digit(text[i]);
        if (one < 0) {
            return false;
        }
        *value = (*value << 4 | (unsigned)one) & 0xff;
    }
    return true;
}

/* An id is digits, and not all of them are 0. */
static bool is_id(const char *text, size_t len) {
    unsigned last;
    size_t zeros = 0;
    while (zeros < len && text[zeros] == '0') {
        zeros++;
    }
    return zeros < len && are_digits(text, len, &last);
}

bool nrt__traceparent_read(nrt_str text, nrt__trace *trace) {
    unsigned version;
    unsigned flags;
    const char *p = text.ptr;
    if (text.len < NRT__TRACEPARENT_LEN || p[2] != '-' || p[35] != '-' || p[52] != '-' ||
        !are_digits(p, 2, &version) || version == 0xff || !is_id(p + 3, NRT__TRACE_ID) ||
        !is_id(p + 36, NRT__SPAN_ID) || !are_digits(p + 53, 2, &flags)) {
        return false;
    }
    /* What later versions put behind it is not ours to know, but begins with a dash. */
    if (text.len > NRT__TRACEPARENT_LEN && (version == 0 || p[NRT__TRACEPARENT_LEN] != '-')) {
        return false;
    }
    memcpy(trace->id, p + 3, NRT__TRACE_ID);
    memcpy(trace->parent, p + 36, NRT__SPAN_ID);
    trace->flags = (uint8_t)(flags & KNOWN_FLAGS);
    return true;
}

bool nrt__trace_find(const nrt_fields *fields, nrt__trace *trace) {
    const nrt__field *field = nrt__fields_find(fields, NRT__TRACEPARENT, NULL);
    return field && !nrt__fields_find(fields, NRT__TRACEPARENT, field) &&
           nrt__traceparent_read(field->value, trace);
}

void nrt__traceparent_write(const nrt__trace *trace, const char *span, char *out) {
    memcpy(out, "00-", 3); /* NOLINT(bugprone-not-null-terminated-result): counted */
    memcpy(out + 3, trace->id, NRT__TRACE_ID);
    out[35] = '-';
    memcpy(out + 36, span, NRT__SPAN_ID);
    out[52] = '-';
    out[53] = hex[trace->flags >> 4];
    out[54] = hex[trace->flags & 15];
}

/* ---- tracestate ---- */

static bool is_key_char(char c) {
    return (c >= 'a' && c <= 'z') || nrt__is_digit(c) || c == '_' || c == '-' || c == '*' ||
           c == '/' || c == '@';
}

static bool is_key(nrt_str key) {
    if (key.len == 0 || key.len > STATE_KEY ||
        !((key.ptr[0] >= 'a' && key.ptr[0] <= 'z') || nrt__is_digit(key.ptr[0]))) {
        return false;
    }
    for (size_t i = 0; i < key.len; i++) {
        if (!is_key_char(key.ptr[i])) {
            return false;
        }
    }
    return true;
}

/* Visible ASCII and spaces, without those that part members and keys. */
static bool is_state_value(nrt_str value) {
    if (value.len == 0 || value.len > STATE_VALUE) {
        return false;
    }
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c < 0x20 || c > 0x7e || c == ',' || c == '=') {
            return false;
        }
    }
    return true;
}

/* The next member of a list, without white space around it; it may be empty. No quotes: a comma is
 * one. */
static bool next_member(nrt_str *list, nrt_str *member) {
    if (!list->ptr) {
        return false;
    }
    const char *comma = list->len > 0 ? memchr(list->ptr, ',', list->len) : NULL;
    size_t len = comma ? (size_t)(comma - list->ptr) : list->len;
    *member = nrt__str_trim((nrt_str){list->ptr, len});
    *list = comma ? (nrt_str){comma + 1, list->len - len - 1} : (nrt_str){NULL, 0};
    return true;
}

bool nrt__tracestate_is_valid(const nrt_fields *fields) {
    size_t count = 0;
    const nrt__field *field = NULL;
    while ((field = nrt__fields_find(fields, NRT__TRACESTATE, field))) {
        nrt_str list = field->value;
        nrt_str member;
        while (next_member(&list, &member)) {
            if (member.len == 0) {
                continue; /* allowed (section 3.3.1.1) */
            }
            const char *equals = memchr(member.ptr, '=', member.len);
            size_t len = equals ? (size_t)(equals - member.ptr) : member.len;
            nrt_str key = {member.ptr, len};
            if (!equals || ++count > STATE_MEMBERS || !is_key(key) ||
                !is_state_value((nrt_str){equals + 1, member.len - len - 1})) {
                return false;
            }
        }
    }
    return true;
}

/* ---- spans of ours ---- */

static int random_id(nrt__env *env, char *out, size_t len) {
    unsigned char bytes[NRT__TRACE_ID / 2];
    do {
        int error = nrt__random_bytes(env, bytes, len / 2);
        if (error < 0) {
            return error;
        }
        for (size_t i = 0; i < len / 2; i++) {
            out[2 * i] = hex[bytes[i] >> 4];
            out[2 * i + 1] = hex[bytes[i] & 15];
        }
    } while (!is_id(out, len));
    return 0;
}

/* All who see the trace with the same share of samples decide alike: by its last 56 bits. */
static bool is_chosen(const nrt__trace *trace, uint64_t unsampled) {
    uint64_t value = 0;
    for (size_t i = NRT__TRACE_ID - NRT__TRACE_SHARES / 4; i < NRT__TRACE_ID; i++) {
        value = value << 4 | (uint64_t)digit(trace->id[i]);
    }
    return value >= unsampled;
}

int nrt__trace_begin(nrt__env *env, const nrt_fields *fields, const nrt__trace_options *options,
                     nrt__trace *trace) {
    int error = 0;
    trace->continued = nrt__trace_find(fields, trace);
    if (!trace->continued) {
        error = random_id(env, trace->id, NRT__TRACE_ID);
        if (error < 0) {
            return error;
        }
        trace->flags = NRT__TRACE_RANDOM;
        trace->flags |= is_chosen(trace, options->unsampled) ? NRT__TRACE_SAMPLED : 0;
    }
    error = random_id(env, trace->span, NRT__SPAN_ID);
    if (error == 0 && options->pairs && nrt__trace_is_sampled(trace)) {
        return random_id(env, trace->sent, NRT__SPAN_ID);
    }
    memcpy(trace->sent, trace->span, NRT__SPAN_ID);
    return error;
}

bool nrt__trace_put(const nrt__trace *trace, nrt_fields *fields) {
    nrt__fields_drop_id(fields, NRT__TRACEPARENT);
    if (!trace->continued || !nrt__tracestate_is_valid(fields)) {
        nrt__fields_drop_id(fields, NRT__TRACESTATE);
    }
    char *value = nrt__arena_get(fields->arena, NRT__TRACEPARENT_LEN);
    if (!value) {
        return false;
    }
    nrt__traceparent_write(trace, trace->sent, value);
    return nrt__fields_append(fields, NRT__STR("traceparent"),
                              (nrt_str){value, NRT__TRACEPARENT_LEN}) != NULL;
}

/* ---- public ---- */

int nrt_trace_read(const nrt_fields *fields, nrt_trace *trace) {
    nrt__trace found;
    if (!fields || !trace || trace->size == 0) {
        return NRT_ERR_USAGE;
    }
    if (!nrt__trace_find(fields, &found)) {
        return NRT_ERR_FIELD;
    }
    size_t size = trace->size < sizeof(*trace) ? trace->size : sizeof(*trace);
    nrt_trace out = {.size = size, .flags = found.flags & NRT_TRACE_SAMPLED};
    memcpy(out.trace_id, found.id, NRT__TRACE_ID);
    memcpy(out.span_id, found.parent, NRT__SPAN_ID);
    memcpy(trace, &out, size);
    return 0;
}

int nrt_trace_pass(const nrt_fields *from, nrt_fields *to) {
    nrt__trace found;
    if (!from || !to) {
        return NRT_ERR_USAGE;
    }
    nrt__fields_drop_id(to, NRT__TRACEPARENT);
    nrt__fields_drop_id(to, NRT__TRACESTATE);
    if (!nrt__trace_find(from, &found)) {
        return 0;
    }
    int error =
        nrt_fields_add(to, NRT__STR("traceparent"), nrt__fields_value(from, NRT__TRACEPARENT));
    bool stated = nrt__tracestate_is_valid(from);
    const nrt__field *state = NULL;
    while (error == 0 && stated && (state = nrt__fields_find(from, NRT__TRACESTATE, state))) {
        error = nrt_fields_add(to, NRT__STR("tracestate"), state->value);
    }
    return error;
}
