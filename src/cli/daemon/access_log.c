/* Lines of the access log. */
#include "cli/daemon/access_log.h"

#include <inttypes.h>
#include <time.h>

#include "core/base/json_text.h"
#include "core/base/str.h"

/* What is longer is cut: a peer must not fill a disk with one request. */
enum { TARGET_MAX = 8 * 1024, TEXT_MAX = 1024, SHORT_MAX = 256 };

/* As nginx does it: what is not visible ASCII, quotes and backslashes are \xNN. */
static void put_escaped(nrt__buf *out, nrt_str text, size_t max) {
    static const char hex[] = "0123456789ABCDEF";
    size_t len = text.len < max ? text.len : max;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') {
            const char code[] = {'\\', 'x', hex[c >> 4], hex[c & 15]};
            nrt__buf_add(out, code, sizeof(code));
        } else {
            nrt__buf_add(out, &text.ptr[i], 1);
        }
    }
}

static void put_or_dash(nrt__buf *out, nrt_str text, size_t max) {
    if (text.len > 0) {
        put_escaped(out, text, max);
    } else {
        nrt__buf_lit(out, "-");
    }
}

static void put_time(nrt__buf *out, const char *format, int64_t seconds) {
    const time_t when = (time_t)seconds;
    struct tm parts;
    char text[64];
    size_t len = gmtime_r(&when, &parts) ? strftime(text, sizeof(text), format, &parts) : 0;
    nrt__buf_add(out, text, len);
}

/* Names of months whatever the locale is. */
static void put_clf_time(nrt__buf *out, int64_t seconds) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const time_t when = (time_t)seconds;
    struct tm parts;
    if (gmtime_r(&when, &parts)) {
        nrt__buf_printf(out, "%02d/%.3s/%d:%02d:%02d:%02d +0000", parts.tm_mday,
                        &months[3 * parts.tm_mon], parts.tm_year + 1900, parts.tm_hour,
                        parts.tm_min, parts.tm_sec);
    }
}

static void write_combined(nrt__buf *out, const nrt__access *access, int64_t seconds) {
    const nrt__message *request = access->request;
    put_or_dash(out, access->peer, SHORT_MAX);
    nrt__buf_lit(out, " - - [");
    put_clf_time(out, seconds);
    nrt__buf_lit(out, "] \"");
    if (request->method.len > 0 && request->target.len > 0) {
        put_escaped(out, request->method, SHORT_MAX);
        nrt__buf_lit(out, " ");
        put_escaped(out, request->target, TARGET_MAX);
        nrt__buf_printf(out, " HTTP/1.%d", request->minor);
    } else {
        nrt__buf_lit(out, "-"); /* it could not be read */
    }
    nrt__buf_printf(out, "\" %d ", access->status);
    nrt__buf_u64(out, access->bytes);
    nrt__buf_lit(out, " \"");
    put_or_dash(out, nrt_fields_get(&request->fields, "Referer"), TEXT_MAX);
    nrt__buf_lit(out, "\" \"");
    put_or_dash(out, nrt_fields_get(&request->fields, "User-Agent"), TEXT_MAX);
    nrt__buf_lit(out, "\"\n");
}

static void put_member(nrt__buf *out, const char *name, nrt_str text, size_t max) {
    if (text.len > 0) { /* what is not there is left out */
        nrt__buf_printf(out, ",\"%s\":", name);
        nrt__json_string(out, text, max);
    }
}

static void put_number(nrt__buf *out, const char *name, uint64_t value) {
    nrt__buf_printf(out, ",\"%s\":%" PRIu64, name, value);
}

static void put_ms(nrt__buf *out, const char *name, int64_t ns) {
    uint64_t us = ns > 0 ? (uint64_t)ns / 1000 : 0;
    nrt__buf_printf(out, ",\"%s\":%" PRIu64 ".%03u", name, us / 1000, (unsigned)(us % 1000));
}

/* As OpenTelemetry calls them in logs. Where we add no span, the trace may still be known. */
static void put_trace(nrt__buf *out, const nrt__access *access) {
    nrt__trace found;
    const nrt__trace *trace = access->trace;
    if (!trace) {
        if (!nrt__trace_find(&access->request->fields, &found)) {
            return;
        }
        trace = &found;
    }
    put_member(out, "trace_id", (nrt_str){trace->id, NRT__TRACE_ID}, NRT__TRACE_ID);
    if (access->trace) {
        put_member(out, "span_id", (nrt_str){trace->span, NRT__SPAN_ID}, NRT__SPAN_ID);
    }
    nrt__buf_printf(out, ",\"trace_flags\":\"%02x\"", trace->flags);
}

static void write_json(nrt__buf *out, const nrt__access *access, int64_t seconds, unsigned ms) {
    const nrt__message *request = access->request;
    nrt__buf_lit(out, "{\"time\":\"");
    put_time(out, "%Y-%m-%dT%H:%M:%S", seconds);
    nrt__buf_printf(out, ".%03uZ\"", ms);
    put_member(out, "peer", access->peer, SHORT_MAX);
    put_member(out, "method", request->method, SHORT_MAX);
    put_member(out, "target", request->target, TARGET_MAX);
    if (request->method.len > 0) {
        nrt__buf_printf(out, ",\"protocol\":\"HTTP/1.%d\"", request->minor);
    }
    put_member(out, "host", nrt_fields_get(&request->fields, "Host"), SHORT_MAX);
    put_member(out, "service", access->service, SHORT_MAX);
    put_number(out, "status", (uint64_t)access->status);
    put_number(out, "request_bytes", access->request_bytes);
    put_number(out, "bytes", access->bytes);
    put_ms(out, "duration_ms", access->duration_ns);
    if (access->upstream_ns >= 0) {
        put_ms(out, "upstream_ms", access->upstream_ns);
    }
    if (access->attempts > 0) {
        put_number(out, "attempts", access->attempts);
    }
    put_member(out, "id", access->id, SHORT_MAX);
    if (access->server.len > 0) {
        char instance[2 * SHORT_MAX + 2];
        nrt_str server = access->server;
        nrt_str client = access->client;
        server.len = server.len < SHORT_MAX ? server.len : (size_t)SHORT_MAX;
        client.len = client.len < SHORT_MAX ? client.len : (size_t)SHORT_MAX;
        memcpy(instance, server.ptr, server.len);
        instance[server.len] = '/';
        if (client.len > 0) {
            memcpy(instance + server.len + 1, client.ptr, client.len);
        }
        put_member(out, "instance", (nrt_str){instance, server.len + 1 + client.len},
                   sizeof(instance));
    }
    put_member(out, "cluster", access->cluster, SHORT_MAX);
    put_trace(out, access);
    put_member(out, "error", nrt_str_from(access->error), SHORT_MAX);
    put_member(out, "detail", nrt_str_from(access->detail), TEXT_MAX);
    put_member(out, "referer", nrt_fields_get(&request->fields, "Referer"), TEXT_MAX);
    put_member(out, "user_agent", nrt_fields_get(&request->fields, "User-Agent"), TEXT_MAX);
    nrt__buf_lit(out, "}\n");
}

void nrt__access_write(nrt__buf *out, nrt__access_format format, const nrt__access *access,
                       int64_t seconds, unsigned ms) {
    switch (format) {
    case NRT__ACCESS_COMBINED:
        write_combined(out, access, seconds);
        return;
    case NRT__ACCESS_JSON:
        write_json(out, access, seconds, ms);
        return;
    }
}
