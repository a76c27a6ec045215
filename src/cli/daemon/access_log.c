/* Lines of the access log. */
#include "cli/daemon/access_log.h"

#include "core/base/json_text.h"
#include "core/base/str.h"

/* What is longer is cut: a peer must not fill a disk with one request. */
enum { TARGET_MAX = 8 * 1024, TEXT_MAX = 1024, SHORT_MAX = 256 };

/* As nginx does it: what is not visible ASCII, quotes and backslashes are \xNN. */
static void put_escaped(nrt__buf *out, nrt_str text, size_t max) {
    static const char hex[] = "0123456789ABCDEF";
    size_t len = text.len < max ? text.len : max;
    size_t plain = 0; /* from here on nothing had to be changed */
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') {
            const char code[] = {'\\', 'x', hex[c >> 4], hex[c & 15]};
            nrt__buf_add(out, text.ptr + plain, i - plain);
            nrt__buf_add(out, code, sizeof(code));
            plain = i + 1;
        }
    }
    nrt__buf_add(out, text.ptr + plain, len - plain);
}

static void put_or_dash(nrt__buf *out, nrt_str text, size_t max) {
    if (text.len > 0) {
        put_escaped(out, text, max);
    } else {
        nrt__buf_lit(out, "-");
    }
}

/* A day since 1970 in the calendar: years of 400 are alike, and begin in March here. */
typedef struct date {
    unsigned year;
    unsigned month; /* 1 to 12 */
    unsigned day;
} date;

static date date_of(int64_t seconds) {
    const uint64_t days = (uint64_t)(seconds / 86400) + 719468; /* since March of the year 0 */
    const uint64_t era = days / 146097;
    const unsigned of_era = (unsigned)(days % 146097);
    const unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    const unsigned month = (5 * of_year + 2) / 153; /* 0 is March */
    date found = {.month = month < 10 ? month + 3 : month - 9,
                  .day = of_year - (153 * month + 2) / 5 + 1};
    found.year = year + (unsigned)era * 400 + (found.month < 3);
    return found;
}

/* As many digits, with zeros before them. */
static void put_digits(nrt__buf *out, unsigned value, size_t count) {
    char digits[8];
    for (size_t i = count; i > 0; i--) {
        digits[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    nrt__buf_add(out, digits, count);
}

static void put_clock(nrt__buf *out, int64_t seconds) {
    unsigned of_day = (unsigned)(seconds % 86400);
    put_digits(out, of_day / 3600, 2);
    nrt__buf_lit(out, ":");
    put_digits(out, of_day / 60 % 60, 2);
    nrt__buf_lit(out, ":");
    put_digits(out, of_day % 60, 2);
}

/* 27/Nov/2026:10:20:24 +0000 */
static void put_clf_time(nrt__buf *out, int64_t seconds) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    date when = date_of(seconds);
    put_digits(out, when.day, 2);
    nrt__buf_lit(out, "/");
    nrt__buf_add(out, &months[3 * (when.month - 1)], 3);
    nrt__buf_lit(out, "/");
    put_digits(out, when.year, 4);
    nrt__buf_lit(out, ":");
    put_clock(out, seconds);
    nrt__buf_lit(out, " +0000");
}

/* 2026-11-27T10:20:24.007Z */
static void put_iso_time(nrt__buf *out, int64_t seconds, unsigned ms) {
    date when = date_of(seconds);
    put_digits(out, when.year, 4);
    nrt__buf_lit(out, "-");
    put_digits(out, when.month, 2);
    nrt__buf_lit(out, "-");
    put_digits(out, when.day, 2);
    nrt__buf_lit(out, "T");
    put_clock(out, seconds);
    nrt__buf_lit(out, ".");
    put_digits(out, ms, 3);
    nrt__buf_lit(out, "Z");
}

static void put_protocol(nrt__buf *out, const nrt__message *request) {
    nrt__buf_lit(out, "HTTP/1.");
    nrt__buf_u64(out, request->minor);
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
        nrt__buf_lit(out, " ");
        put_protocol(out, request);
    } else {
        nrt__buf_lit(out, "-"); /* it could not be read */
    }
    nrt__buf_lit(out, "\" ");
    nrt__buf_u64(out, (uint64_t)access->status);
    nrt__buf_lit(out, " ");
    nrt__buf_u64(out, access->bytes);
    nrt__buf_lit(out, " \"");
    put_or_dash(out, nrt_fields_get(&request->fields, "Referer"), TEXT_MAX);
    nrt__buf_lit(out, "\" \"");
    put_or_dash(out, nrt_fields_get(&request->fields, "User-Agent"), TEXT_MAX);
    nrt__buf_lit(out, "\"\n");
}

static void put_name(nrt__buf *out, const char *name) {
    nrt__buf_lit(out, ",\"");
    nrt__buf_put(out, nrt_str_from(name));
    nrt__buf_lit(out, "\":");
}

static void put_member(nrt__buf *out, const char *name, nrt_str text, size_t max) {
    if (text.len > 0) { /* what is not there is left out */
        put_name(out, name);
        nrt__json_string(out, text, max);
    }
}

static void put_number(nrt__buf *out, const char *name, uint64_t value) {
    put_name(out, name);
    nrt__buf_u64(out, value);
}

static void put_ms(nrt__buf *out, const char *name, int64_t ns) {
    uint64_t us = ns > 0 ? (uint64_t)ns / 1000 : 0;
    put_name(out, name);
    nrt__buf_u64(out, us / 1000);
    nrt__buf_lit(out, ".");
    put_digits(out, (unsigned)(us % 1000), 3);
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
    nrt__buf_lit(out, ",\"trace_flags\":\"0");
    nrt__buf_hex(out, trace->flags); /* 0 to 3 */
    nrt__buf_lit(out, "\"");
}

static void write_json(nrt__buf *out, const nrt__access *access, int64_t seconds, unsigned ms) {
    const nrt__message *request = access->request;
    nrt__buf_lit(out, "{\"time\":\"");
    put_iso_time(out, seconds, ms);
    nrt__buf_lit(out, "\"");
    put_member(out, "peer", access->peer, SHORT_MAX);
    put_member(out, "method", request->method, SHORT_MAX);
    put_member(out, "target", request->target, TARGET_MAX);
    if (request->method.len > 0) {
        nrt__buf_lit(out, ",\"protocol\":\"");
        put_protocol(out, request);
        nrt__buf_lit(out, "\"");
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
