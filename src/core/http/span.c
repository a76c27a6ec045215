/* OTLP's JSON: written as it goes, without a tree. */
#include "core/http/span.h"

#include "core/base/json_text.h"
#include "core/base/str.h"

enum {
    WHY_MAX = 512,
    /* Of a span's flags: whether its parent is of another process, and that this is known. */
    PARENT_IS_KNOWN = 0x100,
    PARENT_IS_REMOTE = 0x200,
};

/* A comma, where something stands before it in its list. */
static void part(nrt__buf *out) {
    nrt_str before = nrt__buf_view(out);
    if (before.len > 0 && before.ptr[before.len - 1] != '[') {
        nrt__buf_lit(out, ",");
    }
}

static void put_number(nrt__buf *out, const char *member, uint64_t value) {
    nrt__buf_put(out, nrt_str_from(member));
    nrt__buf_u64(out, value);
}

void nrt__span_begin(nrt__buf *out, const nrt__trace *trace, nrt__span_kind kind, nrt_str name,
                     uint64_t began_ns, uint64_t ended_ns) {
    bool server = kind == NRT__SPAN_SERVER;
    unsigned flags = trace->flags | PARENT_IS_KNOWN;
    part(out);
    nrt__buf_lit(out, "{\"traceId\":\"");
    nrt__buf_add(out, trace->id, NRT__TRACE_ID);
    nrt__buf_lit(out, "\",\"spanId\":\"");
    nrt__buf_add(out, server ? trace->span : trace->sent, NRT__SPAN_ID);
    if (!server || trace->continued) {
        nrt__buf_lit(out, "\",\"parentSpanId\":\"");
        nrt__buf_add(out, server ? trace->parent : trace->span, NRT__SPAN_ID);
        flags |= server ? PARENT_IS_REMOTE : 0;
    }
    put_number(out, "\",\"flags\":", flags);
    nrt__buf_lit(out, ",\"name\":");
    nrt__json_string(out, name, SIZE_MAX);
    put_number(out, ",\"kind\":", kind);
    put_number(out, ",\"startTimeUnixNano\":\"", began_ns);
    put_number(out, "\",\"endTimeUnixNano\":\"", ended_ns);
    nrt__buf_lit(out, "\",\"attributes\":[");
}

/* `kind` is what stands between the key and the value. */
static void begin_attribute(nrt__buf *out, const char *key, nrt_str kind) {
    size_t len = strlen(key);
    part(out);
    char *at = nrt__buf_room(out, 8 + len + kind.len);
    if (at) {
        memcpy(at, "{\"key\":\"", 8); /* NOLINT(bugprone-not-null-terminated-result): counted */
        memcpy(at + 8, key, len);     /* NOLINT(bugprone-not-null-terminated-result) */
        memcpy(at + 8 + len, kind.ptr, kind.len);
        nrt__buf_added(out, 8 + len + kind.len);
    }
}

void nrt__span_text(nrt__buf *out, const char *key, nrt_str value, size_t max) {
    if (value.len > 0) {
        begin_attribute(out, key, NRT__STR("\",\"value\":{\"stringValue\":"));
        nrt__json_string(out, value, max);
        nrt__buf_lit(out, "}}");
    }
}

void nrt__span_number(nrt__buf *out, const char *key, uint64_t value) {
    begin_attribute(out, key, NRT__STR("\",\"value\":{\"intValue\":\""));
    nrt__buf_u64(out, value);
    nrt__buf_lit(out, "\"}}");
}

void nrt__span_end(nrt__buf *out, bool failed, nrt_str why) {
    nrt__buf_lit(out, "],\"status\":{");
    if (failed) {
        nrt__buf_lit(out, "\"code\":2");
        if (why.len > 0) {
            nrt__buf_lit(out, ",\"message\":");
            nrt__json_string(out, why, WHY_MAX);
        }
    }
    nrt__buf_lit(out, "}}");
}

void nrt__spans_begin(nrt__buf *out) {
    nrt__buf_lit(out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
}

void nrt__spans_list(nrt__buf *out, const char *version) {
    nrt__buf_lit(out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"nrt\",\"version\":\"");
    nrt__buf_put(out, nrt_str_from(version));
    nrt__buf_lit(out, "\"},\"spans\":[");
}

void nrt__spans_end(nrt__buf *out) {
    nrt__buf_lit(out, "]}]}]}");
}
