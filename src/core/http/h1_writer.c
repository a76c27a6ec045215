/* Writes HTTP/1.1 messages. */
#include "core/http/h1_writer.h"

#include "core/base/str.h"

static void put_start(nrt__buf *out, const nrt__message *message) {
    if (message->is_request) {
        nrt__buf_put(out, message->method);
        nrt__buf_lit(out, " ");
        nrt__buf_put(out, message->target);
        nrt__buf_lit(out, " HTTP/1.1\r\nHost: ");
        nrt__buf_put(out, message->host);
        nrt__buf_lit(out, "\r\n");
        return;
    }
    if (message->status == 200) { /* most of them */
        nrt__buf_lit(out, "HTTP/1.1 200 OK\r\n");
        return;
    }
    nrt__buf_lit(out, "HTTP/1.1 ");
    nrt__buf_u64(out, (uint64_t)message->status);
    nrt__buf_lit(out, " ");
    if (message->reason.len > 0) {
        nrt__buf_put(out, message->reason);
    } else {
        nrt__buf_put(out, nrt_str_from(nrt_status_reason(message->status)));
    }
    nrt__buf_lit(out, "\r\n");
}

static void put_field(nrt__buf *out, const nrt__field *field) {
    nrt__buf_put(out, field->name);
    nrt__buf_lit(out, ": ");
    nrt__buf_put(out, field->value);
    nrt__buf_lit(out, "\r\n");
}

static void put_fields(nrt__buf *out, const nrt_fields *fields, unsigned skip) {
    for (size_t i = 0; i < fields->count; i++) {
        const nrt__field *field = &fields->list[i];
        if (!(field->flags & skip) && field->id != NRT__HOST) {
            put_field(out, field);
        }
    }
}

void nrt__h1_write_head(nrt__buf *out, const nrt__message *message, unsigned skip, nrt_str extra) {
    put_start(out, message);
    put_fields(out, &message->fields, skip | NRT__FIELD_HOP | NRT__FIELD_FRAMING);
    switch ((nrt__framing)message->framing) {
    case NRT__FRAMING_CHUNKED:
        nrt__buf_lit(out, "Transfer-Encoding: chunked\r\n");
        break;
    case NRT__FRAMING_NONE:
        if (!message->has_length) {
            break;
        }
        /* fall through */
    case NRT__FRAMING_LENGTH:
        nrt__buf_lit(out, "Content-Length: ");
        nrt__buf_u64(out, message->length);
        nrt__buf_lit(out, "\r\n");
        break;
    case NRT__FRAMING_CLOSE:
        break;
    }
    if (message->upgrade.len > 0) {
        nrt__buf_lit(out, "Upgrade: ");
        nrt__buf_put(out, message->upgrade);
        nrt__buf_lit(out, "\r\n");
    }
    nrt__buf_put(out, extra);
    nrt__buf_lit(out, "\r\n");
}

void nrt__h1_write_chunk(nrt__buf *out, nrt_str bytes) {
    if (bytes.len == 0) { /* an empty chunk would be the last one */
        return;
    }
    nrt__buf_hex(out, bytes.len);
    nrt__buf_lit(out, "\r\n");
    nrt__buf_put(out, bytes);
    nrt__buf_lit(out, "\r\n");
}

void nrt__h1_write_trailers(nrt__buf *out, const nrt_fields *trailers) {
    put_fields(out, trailers, NRT__FIELD_HOP | NRT__FIELD_FRAMING | NRT__FIELD_NO_TRAILER);
}

void nrt__h1_write_last_chunk(nrt__buf *out, const nrt_fields *trailers) {
    nrt__buf_lit(out, "0\r\n");
    if (trailers) {
        nrt__h1_write_trailers(out, trailers);
    }
    nrt__buf_lit(out, "\r\n");
}

/* RFC 9110 section 8.6: these methods anticipate content, so its absence is said too. */
static bool anticipates_content(nrt_str method) {
    return nrt__str_equal(method, NRT__STR("POST")) || nrt__str_equal(method, NRT__STR("PUT")) ||
           nrt__str_equal(method, NRT__STR("PATCH"));
}

static void choose_framing(nrt__message *message, bool to_head) {
    if (!message->is_request && (to_head || nrt__status_is_bodyless(message->status))) {
        if (to_head && message->body.len > 0) {
            message->length = message->body.len;
            message->has_length = true;
        }
        if (nrt__status_is_bodyless(message->status) && message->status != 304) {
            message->has_length = false;
        }
        message->framing = NRT__FRAMING_NONE;
        message->body.len = 0;
        return;
    }
    if (message->trailers.count > 0) {
        message->framing = NRT__FRAMING_CHUNKED;
        return;
    }
    message->length = message->body.len;
    message->has_length = message->body.len > 0 || !message->is_request ||
                          message->framing != NRT__FRAMING_NONE ||
                          anticipates_content(message->method);
    message->framing = message->has_length ? NRT__FRAMING_LENGTH : NRT__FRAMING_NONE;
}

bool nrt__h1_write_parts(nrt__buf *out, nrt__message *message, unsigned skip, nrt_str extra,
                         bool to_head, nrt_str parts[2]) {
    choose_framing(message, to_head);
    nrt__h1_write_head(out, message, skip, extra);
    parts[1] = message->body;
    if (message->framing == NRT__FRAMING_CHUNKED) {
        nrt__h1_write_chunk(out, message->body);
        nrt__h1_write_last_chunk(out, &message->trailers);
        parts[1] = NRT__STR("");
    }
    parts[0] = nrt__buf_view(out);
    return !out->failed;
}
