/* Reads HTTP/1.1 messages: collects the head line by line, then lets llhttp do fields, framing and
 * body. */
#include "core/h1_reader.h"

#include "core/str.h"

/* A head that fits is kept between messages; a larger one is given back. */
enum { HEAD_KEEP = 4096 };

int nrt__h1_fail(nrt__h1_reader *reader, int error, const char *reason) {
    reader->state = NRT__H1_FAILED;
    reader->error = error;
    reader->reason = reason;
    return error;
}

int nrt__h1_malformed(nrt__h1_reader *reader, const char *reason) {
    bool request = reader->flags & NRT__H1_REQUEST;
    return nrt__h1_fail(reader, request ? NRT_ERR_BAD_REQUEST : NRT_ERR_PROTOCOL, reason);
}

/* ---- what llhttp tells ---- */

static nrt__h1_reader *reader_of(llhttp_t *parser) {
    return parser->data;
}

/* In the head, name and value lie in one piece of memory that stays: views are enough. Trailers
 * come in any pieces: the one being read is collected, and copied when it is complete. */
static int add_span(nrt__h1_reader *reader, nrt_str *view, const char *at, size_t len) {
    if (!reader->in_trailers) {
        if (view->len > 0) { /* llhttp continues a value over a line fold only */
            nrt__h1_malformed(reader, "a field is folded over lines");
            return -1;
        }
        *view = (nrt_str){at, len};
        return 0;
    }
    reader->trailer_bytes += len;
    if (reader->trailer_bytes > reader->limits.head || !nrt__buf_add(&reader->tail, at, len)) {
        nrt__h1_fail(reader, NRT_ERR_HEAD_TOO_LARGE, "the trailer section is too large");
        return -1;
    }
    view->len += len;
    return 0;
}

static int on_field_name(llhttp_t *parser, const char *at, size_t len) {
    nrt__h1_reader *reader = reader_of(parser);
    return add_span(reader, &reader->field_name, at, len);
}

static int on_field_value(llhttp_t *parser, const char *at, size_t len) {
    nrt__h1_reader *reader = reader_of(parser);
    return len == 0 ? 0 : add_span(reader, &reader->field_value, at, len);
}

/* The trailer that was collected, now in the message's own memory. */
static bool take_trailer(nrt__h1_reader *reader, nrt_str *name, nrt_str *value) {
    nrt__arena *arena = &reader->message->arena;
    nrt_str text = nrt__buf_view(&reader->tail);
    nrt_str tail = {text.ptr + name->len, value->len};
    *name = nrt__arena_copy(arena, (nrt_str){text.ptr, name->len});
    *value = nrt__arena_copy(arena, nrt__str_trim(tail));
    nrt__buf_clear(&reader->tail);
    return name->ptr && value->ptr;
}

static int on_field_end(llhttp_t *parser) {
    nrt__h1_reader *reader = reader_of(parser);
    nrt__message *message = reader->message;
    nrt_fields *fields = reader->in_trailers ? &message->trailers : &message->fields;
    nrt_str name = reader->field_name;
    nrt_str value = reader->field_value;
    reader->field_name = reader->field_value = (nrt_str){NULL, 0};
    if (fields->count >= reader->limits.fields) {
        nrt__h1_fail(reader, NRT_ERR_HEAD_TOO_LARGE, "too many fields");
        return -1;
    }
    bool fine = true;
    if (reader->in_trailers) {
        fine = take_trailer(reader, &name, &value);
    } else {
        value = value.ptr ? nrt__str_trim(value) : NRT__STR("");
    }
    if (!fine || !nrt__fields_append(fields, name, value)) {
        nrt__h1_fail(reader, NRT_ERR_MEMORY, "out of memory");
        return -1;
    }
    return 0;
}

static int on_head_end(llhttp_t *parser) {
    nrt__h1_reader *reader = reader_of(parser);
    reader->in_trailers = true;
    /* 1: no body follows, whatever the fields say (RFC 9112 section 6.3, rule 1). */
    return reader->flags & NRT__H1_TO_HEAD ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
    nrt__h1_reader *reader = reader_of(parser);
    if (len == 0) {
        return 0;
    }
    reader->span = (nrt_str){at, len};
    return HPE_PAUSED;
}

static int on_extension(llhttp_t *parser, const char *at, size_t len) {
    nrt__h1_reader *reader = reader_of(parser);
    (void)at;
    reader->extension += len;
    if (reader->extension > reader->limits.extension) {
        nrt__h1_malformed(reader, "chunk extensions are too long");
        return -1;
    }
    return 0;
}

static int on_message_end(llhttp_t *parser) {
    reader_of(parser)->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_field_name,
    .on_header_value = on_field_value,
    .on_header_value_complete = on_field_end,
    .on_headers_complete = on_head_end,
    .on_body = on_body,
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_value = on_extension,
    .on_message_complete = on_message_end,
};

/* ---- */

void nrt__h1_reader_init(nrt__h1_reader *reader, const nrt__h1_limits *limits) {
    memset(reader, 0, sizeof(*reader));
    reader->limits = limits ? *limits : NRT__H1_LIMITS_DEFAULT;
    nrt__buf_init(&reader->head, reader->limits.head);
    nrt__buf_init(&reader->tail, reader->limits.head);
}

void nrt__h1_reader_free(nrt__h1_reader *reader) {
    nrt__buf_free(&reader->head);
    nrt__buf_free(&reader->tail);
}

void nrt__h1_begin(nrt__h1_reader *reader, nrt__message *message, unsigned flags) {
    nrt__buf_shrink(&reader->head, HEAD_KEEP);
    nrt__buf_shrink(&reader->tail, 0);
    nrt__message_reset(message);
    message->is_request = flags & NRT__H1_REQUEST;
    reader->message = message;
    reader->flags = (uint8_t)flags;
    reader->state = NRT__H1_IN_HEAD;
    reader->reason = "";
    reader->error = 0;
    reader->scanned = 0;
    reader->extension = 0;
    reader->trailer_bytes = 0;
    reader->span = reader->field_name = reader->field_value = (nrt_str){NULL, 0};
    reader->started = false;
    reader->in_trailers = reader->complete = reader->to_close = reader->truncated = false;
}

bool nrt__h1_is_idle(const nrt__h1_reader *reader) {
    return reader->state == NRT__H1_IN_HEAD && nrt__buf_len(&reader->head) == 0;
}

/* Feeds llhttp. 0, or an error; a pause that a callback asked for is none. */
static int feed(nrt__h1_reader *reader, const char *bytes, size_t len, size_t *used) {
    llhttp_errno_t code = llhttp_execute(&reader->parser, bytes, len);
    *used = len;
    if (code == HPE_OK) {
        return 0;
    }
    if (reader->error < 0) {
        return reader->error;
    }
    if (code == HPE_PAUSED || code == HPE_PAUSED_UPGRADE) {
        *used = (size_t)(llhttp_get_error_pos(&reader->parser) - bytes);
        if (code == HPE_PAUSED_UPGRADE) {
            reader->complete = true;
            llhttp_resume_after_upgrade(&reader->parser);
        } else {
            llhttp_resume(&reader->parser);
        }
        return 0;
    }
    if (code == HPE_INVALID_TRANSFER_ENCODING) {
        return nrt__h1_malformed(reader, "the transfer coding does not delimit the message");
    }
    const char *reason = llhttp_get_error_reason(&reader->parser);
    return nrt__h1_malformed(reader, reason && *reason ? reason : "malformed");
}

/* The head is complete, in one piece: line by line it was checked for CRLF only. */
static int read_head(nrt__h1_reader *reader, const char *head, size_t len) {
    size_t line = 0;
    while (head[line] != '\r') {
        line++;
    }
    int error = nrt__h1_read_start(reader, (nrt_str){head, line});
    if (error < 0) {
        return error;
    }
    /* llhttp knows a fixed list of methods and would act on some: it gets a start line that says no
     * more than is needed for framing. */
    nrt__message *message = reader->message;
    char start[] = "HTTP/1.1 200 OK\r\n";
    llhttp_init(&reader->parser, message->is_request ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    reader->parser.data = reader;
    if (message->is_request) {
        memcpy(start, "PUT / HTTP/1.1\r\n", sizeof("PUT / HTTP/1.1\r\n"));
        start[13] = (char)('0' + message->minor);
    } else {
        start[7] = (char)('0' + message->minor);
        start[9] = (char)('0' + message->status / 100);
        start[10] = (char)('0' + message->status / 10 % 10);
        start[11] = (char)('0' + message->status % 10);
    }
    size_t used;
    error = feed(reader, start, strlen(start), &used);
    if (error < 0) {
        return error;
    }
    size_t rest = line + 2;
    error = feed(reader, head + rest, len - rest, &used);
    if (error < 0) {
        return error;
    }
    error = nrt__h1_check_head(reader);
    if (error < 0) {
        return error;
    }
    reader->state = NRT__H1_IN_BODY;
    return NRT__H1_HEAD;
}

/* Scans whole lines from `scanned` on: every LF must follow a CR, no line may begin with white
 * space. Returns the length of the head when its empty line is there, 0 if not yet, or an error. */
static long scan_head(nrt__h1_reader *reader, const char *head, size_t len) {
    size_t line = reader->scanned;
    const char *lf;
    while ((lf = memchr(head + line, '\n', len - line))) {
        size_t at = (size_t)(lf - head);
        if (at == line || head[at - 1] != '\r') {
            return nrt__h1_malformed(reader, "a line ends in LF without CR");
        }
        if (head[line] == ' ' || head[line] == '\t') {
            return nrt__h1_malformed(reader, "a line begins with white space");
        }
        bool empty = at == line + 1;
        if (memchr(head + line, '\r', at - line - 1)) {
            return nrt__h1_malformed(reader, "a CR stands inside a line");
        }
        if (line == 0 && at > reader->limits.target + 512 && (reader->flags & NRT__H1_REQUEST)) {
            return nrt__h1_fail(reader, NRT_ERR_TARGET_TOO_LONG, "the request line is too long");
        }
        line = at + 1;
        if (empty) {
            reader->scanned = line;
            return (long)line;
        }
    }
    reader->scanned = line;
    const char *cr = memchr(head + line, '\r', len - line);
    if (cr && cr + 1 < head + len) {
        return nrt__h1_malformed(reader, "a CR stands inside a line");
    }
    if (line > 0 && !reader->started) {
        /* What is wrong already need not be waited for. The line is read again when all is there
         * and stays in place. */
        reader->started = true;
        size_t end = (size_t)((const char *)memchr(head, '\r', line) - head);
        int error = nrt__h1_read_start(reader, (nrt_str){head, end});
        reader->message->status = 0;
        return error;
    }
    if (line == 0 && len > reader->limits.target + 512 && (reader->flags & NRT__H1_REQUEST)) {
        return nrt__h1_fail(reader, NRT_ERR_TARGET_TOO_LONG, "the request line is too long");
    }
    return 0;
}

/* RFC 9112 section 2.2: a server should skip one empty line before a request line. */
static size_t skip_empty_line(const nrt__h1_reader *reader, const char *bytes, size_t len) {
    bool may = (reader->flags & NRT__H1_REQUEST) && !(reader->flags & NRT__H1_WHOLE);
    return may && len >= 2 && bytes[0] == '\r' && bytes[1] == '\n' ? 2 : 0;
}

static int collect_head(nrt__h1_reader *reader, const char *bytes, size_t len, size_t *used) {
    long head;
    if (reader->flags & NRT__H1_WHOLE) {
        if (len > reader->limits.head) {
            len = reader->limits.head;
        }
        head = scan_head(reader, bytes, len);
        if (head == 0) {
            *used = len;
            if (len == reader->limits.head) {
                return nrt__h1_fail(reader, NRT_ERR_HEAD_TOO_LARGE, "the head is too large");
            }
            return nrt__h1_malformed(reader, "the head is not complete");
        }
        *used = head > 0 ? (size_t)head : 0;
        return head < 0 ? (int)head : read_head(reader, bytes, (size_t)head);
    }
    nrt__buf *kept = &reader->head;
    size_t before = nrt__buf_len(kept);
    size_t room = reader->limits.head - before;
    size_t take = len < room ? len : room;
    if (!nrt__buf_add(kept, bytes, take)) {
        return nrt__h1_fail(reader, NRT_ERR_MEMORY, "out of memory");
    }
    size_t skip = reader->scanned == 0 ? skip_empty_line(reader, kept->bytes, kept->end) : 0;
    if (kept->end == skip || (kept->end == 1 && kept->bytes[0] == '\r')) {
        *used = take; /* an empty line, or the beginning of one: what follows decides */
        return NRT__H1_MORE;
    }
    if (skip > 0) {
        memmove(kept->bytes, kept->bytes + skip, kept->end - skip);
        kept->end -= skip;
    }
    head = scan_head(reader, kept->bytes, kept->end);
    if (head < 0) {
        return (int)head;
    }
    if (head == 0) {
        *used = take;
        if (nrt__buf_len(kept) == reader->limits.head) {
            return nrt__h1_fail(reader, NRT_ERR_HEAD_TOO_LARGE, "the head is too large");
        }
        return NRT__H1_MORE;
    }
    *used = (size_t)head + skip - before;
    kept->end = (size_t)head; /* what follows is the caller's to give again */
    return read_head(reader, kept->bytes, (size_t)head);
}

/* All has come: llhttp is not asked alone whether the trailers are right. */
static int finish(nrt__h1_reader *reader) {
    const nrt_fields *trailers = &reader->message->trailers;
    for (size_t i = 0; i < trailers->count; i++) {
        const nrt__field *field = &trailers->list[i];
        if (!nrt__is_token(field->name) || !nrt__is_field_value(field->value)) {
            return nrt__h1_malformed(reader, "a trailer field is not valid");
        }
        if (field->flags & (NRT__FIELD_FRAMING | NRT__FIELD_SINGLETON)) {
            return nrt__h1_malformed(reader, "a trailer field that must not be one");
        }
    }
    reader->state = NRT__H1_DONE;
    return NRT__H1_END;
}

int nrt__h1_read(nrt__h1_reader *reader, const char *bytes, size_t len, size_t *used,
                 nrt_str *body) {
    *used = 0;
    switch ((nrt__h1_state)reader->state) {
    case NRT__H1_IN_HEAD:
        return len == 0 ? NRT__H1_MORE : collect_head(reader, bytes, len, used);
    case NRT__H1_IN_BODY:
        break;
    case NRT__H1_DONE:
        return NRT__H1_END;
    case NRT__H1_FAILED:
        return reader->error;
    }
    if (reader->complete) {
        return finish(reader);
    }
    reader->span.len = 0;
    /* With no bytes left llhttp may still have the end of the message to tell. */
    do {
        size_t step = 0;
        int error = feed(reader, bytes + *used, len - *used, &step);
        *used += step;
        if (error < 0) {
            return error;
        }
        if (reader->span.len > 0) {
            *body = reader->span;
            return NRT__H1_BODY;
        }
        if (reader->complete) {
            return finish(reader);
        }
    } while (*used < len);
    return NRT__H1_MORE;
}

int nrt__h1_read_end(nrt__h1_reader *reader) {
    switch ((nrt__h1_state)reader->state) {
    case NRT__H1_IN_HEAD:
        if (nrt__h1_is_idle(reader)) {
            return NRT__H1_MORE;
        }
        reader->truncated = true;
        return nrt__h1_malformed(reader, "the message ends inside its head");
    case NRT__H1_IN_BODY:
        break;
    case NRT__H1_DONE:
        return NRT__H1_END;
    case NRT__H1_FAILED:
        return reader->error;
    }
    if (!reader->complete && !reader->to_close) {
        reader->truncated = true;
        return nrt__h1_malformed(reader, "the message ends inside its body");
    }
    return finish(reader);
}
