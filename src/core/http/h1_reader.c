/* Reads HTTP/1.1 messages: collects the head line by line, then lets llhttp do fields, framing and
 * body. */
#include "core/http/h1_reader.h"

#include "core/base/str.h"

/* A head that fits is kept between messages; a larger one is given back. */
enum {
    HEAD_KEEP = 4096,
    START_ROOM = 512, /* of a request line beside its target */
    CHUNK_ROOM = 19,  /* of a chunk-size line beside its extensions: 16 digits, ";", CRLF */
};

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

/* Head and trailer section each lie in one piece of memory that stays: views are enough. */
static int set_view(nrt__h1_reader *reader, nrt_str *view, const char *at, size_t len) {
    if (view->len > 0) { /* llhttp continues a value over a line fold only */
        nrt__h1_malformed(reader, "a field is folded over lines");
        return -1;
    }
    *view = (nrt_str){at, len};
    return 0;
}

static int on_field_name(llhttp_t *parser, const char *at, size_t len) {
    nrt__h1_reader *reader = reader_of(parser);
    return set_view(reader, &reader->field_name, at, len);
}

static int on_field_value(llhttp_t *parser, const char *at, size_t len) {
    nrt__h1_reader *reader = reader_of(parser);
    return len == 0 ? 0 : set_view(reader, &reader->field_value, at, len);
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
    value = value.ptr ? nrt__str_trim(value) : NRT__STR("");
    if (!nrt__fields_append(fields, name, value)) {
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

/* Behind each chunk stands the next one's size line, behind the last one, which has no data, the
 * trailer section: those are collected and checked before llhttp sees them, as the head is. */
static int on_chunk_size(llhttp_t *parser) {
    reader_of(parser)->last_chunk = parser->content_length == 0;
    return HPE_PAUSED;
}

static int on_chunk_end(llhttp_t *parser) {
    nrt__h1_reader *reader = reader_of(parser);
    reader->chunk_ended = !reader->last_chunk;
    return reader->chunk_ended ? HPE_PAUSED : 0;
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
    .on_chunk_header = on_chunk_size,
    .on_chunk_complete = on_chunk_end,
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
    reader->skipped = reader->last_chunk = reader->chunk_ended = false;
    nrt__message_reset(message);
    message->is_request = flags & NRT__H1_REQUEST;
    reader->message = message;
    reader->flags = (uint8_t)flags;
    reader->state = NRT__H1_IN_HEAD;
    reader->reason = "";
    reader->error = 0;
    reader->scanned = reader->lines = 0;
    reader->extension = 0;
    reader->span = reader->field_name = reader->field_value = (nrt_str){NULL, 0};
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

/* The head is complete, in one piece: line by line it was checked for CRLF only. `moved`: it may
 * lie elsewhere than when its start line was read. */
static int read_head(nrt__h1_reader *reader, const char *head, size_t len, bool moved) {
    size_t line = 0;
    while (head[line] != '\r') {
        line++;
    }
    int error = moved ? nrt__h1_read_start(reader, (nrt_str){head, line}) : 0;
    if (error < 0) {
        return error;
    }
    /* llhttp knows a fixed list of methods and would act on some: it gets a start line that says no
     * more than is needed for framing. */
    nrt__message *message = reader->message;
    size_t fields = reader->lines - 2; /* beside the start line and the empty one */
    nrt__fields_expect(&message->fields,
                       fields < reader->limits.fields ? fields : reader->limits.fields);
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
    reader->state = message->framing == NRT__FRAMING_CHUNKED && !reader->complete
                        ? NRT__H1_IN_CHUNK_LINE
                        : NRT__H1_IN_BODY;
    return NRT__H1_HEAD;
}

/* The start line, of which there is `len` so far: it is looked at before anything behind it, and
 * not waited for once it is longer than any may be. So the same is found however the bytes come. */
static int check_start(nrt__h1_reader *reader, const char *line, size_t len, bool complete) {
    bool request = reader->flags & NRT__H1_REQUEST;
    if (request && len > reader->limits.target + START_ROOM) {
        return nrt__h1_fail(reader, NRT_ERR_TARGET_TOO_LONG, "the request line is too long");
    }
    return complete ? nrt__h1_read_start(reader, (nrt_str){line, len}) : 0;
}

/* Scans whole lines of a head or trailer section from `scanned` on: every LF must follow a CR, no
 * CR stands elsewhere, no line begins with white space. Returns the length of the section when its
 * empty line is there, 0 if not yet, or an error. */
static long scan_lines(nrt__h1_reader *reader, const char *bytes, size_t len) {
    for (;;) {
        size_t line = reader->scanned;
        const char *lf = memchr(bytes + line, '\n', len - line);
        size_t end = lf ? (size_t)(lf - bytes) : len;
        const char *cr = memchr(bytes + line, '\r', end - line);
        size_t text = cr ? (size_t)(cr - bytes) : end; /* the line ends here, or should */
        bool complete = lf && cr && text + 1 == end;
        if (line == 0 && reader->state == NRT__H1_IN_HEAD) {
            int error = check_start(reader, bytes, text, complete);
            if (error < 0) {
                return error;
            }
        }
        if (cr && text + 1 < end) {
            return nrt__h1_malformed(reader, "a CR stands inside a line");
        }
        if (!lf) {
            return 0;
        }
        if (!complete) {
            return nrt__h1_malformed(reader, "a line ends in LF without CR");
        }
        if (bytes[line] == ' ' || bytes[line] == '\t') {
            return nrt__h1_malformed(reader, "a line begins with white space");
        }
        reader->scanned = end + 1;
        reader->lines++;
        if (text == line) {
            return (long)reader->scanned;
        }
    }
}

/* RFC 9112 section 2.2: a server should skip one empty line before a request line. Returns how many
 * bytes of it were here; *wait where more are needed to know. */
static size_t skip_empty_line(nrt__h1_reader *reader, const char *bytes, size_t len, bool *wait) {
    nrt__buf *kept = &reader->head;
    size_t held = nrt__buf_len(kept);
    bool may = (reader->flags & NRT__H1_REQUEST) && !reader->skipped;
    *wait = false;
    if (!may || held > 1 || (held == 1 && kept->bytes[0] != '\r')) {
        return 0;
    }
    if (held == 1 && bytes[0] == '\n') {
        nrt__buf_clear(kept);
        reader->skipped = true;
        return 1;
    }
    if (held == 0 && bytes[0] == '\r') {
        if (len == 1) {
            *wait = true; /* kept as the beginning of a line, until the next byte tells */
            return 0;
        }
        if (bytes[1] == '\n') {
            reader->skipped = true;
            return 2;
        }
    }
    return 0;
}

/* Adds what fits to a section that is being collected, and scans it. *used is what belongs to it.
 * The section's length, 0 if it is not complete, or an error. */
static long collect(nrt__h1_reader *reader, nrt__buf *kept, const char *bytes, size_t len,
                    size_t *used) {
    size_t before = nrt__buf_len(kept);
    size_t room = reader->limits.head - before;
    size_t take = len < room ? len : room;
    if (!nrt__buf_add(kept, bytes, take)) {
        return nrt__h1_fail(reader, NRT_ERR_MEMORY, "out of memory");
    }
    long section = scan_lines(reader, kept->bytes, kept->end);
    if (section > 0) {
        *used += (size_t)section - before;
        kept->end = (size_t)section; /* what follows is the caller's to give again */
    } else if (section == 0) {
        *used += take;
        if (take == room) {
            return nrt__h1_fail(reader, NRT_ERR_HEAD_TOO_LARGE, "the section is too large");
        }
    }
    return section;
}

/* The same for a section that is all there already, and stays: nothing is copied. */
static long scan_whole(nrt__h1_reader *reader, const char *bytes, size_t len, size_t *used) {
    size_t most = len < reader->limits.head ? len : reader->limits.head;
    long section = scan_lines(reader, bytes, most);
    *used += section > 0 ? (size_t)section : most;
    if (section == 0 && most == reader->limits.head) {
        return nrt__h1_fail(reader, NRT_ERR_HEAD_TOO_LARGE, "the section is too large");
    }
    return section;
}

static int collect_head(nrt__h1_reader *reader, const char *bytes, size_t len, size_t *used) {
    nrt__buf *kept = &reader->head;
    const char *head = bytes;
    bool moved = reader->scanned > 0;
    long section;
    if (reader->flags & NRT__H1_WHOLE) {
        section = scan_whole(reader, bytes, len, used);
    } else {
        bool wait;
        size_t skip = skip_empty_line(reader, bytes, len, &wait);
        *used = skip;
        if (skip == len) {
            return NRT__H1_MORE;
        }
        if (wait) {
            *used = 1;
            return nrt__buf_add(kept, bytes, 1)
                       ? NRT__H1_MORE
                       : nrt__h1_fail(reader, NRT_ERR_MEMORY, "out of memory");
        }
        section = collect(reader, kept, bytes + skip, len - skip, used);
        head = kept->bytes;
    }
    if (section > 0) {
        return read_head(reader, head, (size_t)section, moved);
    }
    return (int)section; /* MORE is 0 */
}

static int finish(nrt__h1_reader *reader);

/* The trailer section, like the head: collected, checked line by line, then given to llhttp in one
 * piece. */
static int collect_trailers(nrt__h1_reader *reader, const char *bytes, size_t len, size_t *used) {
    bool whole = reader->flags & NRT__H1_WHOLE;
    long section = whole ? scan_whole(reader, bytes, len, used)
                         : collect(reader, &reader->tail, bytes, len, used);
    if (section <= 0) {
        return (int)section;
    }
    size_t fed;
    int error = feed(reader, whole ? bytes : reader->tail.bytes, (size_t)section, &fed);
    if (error < 0) {
        return error;
    }
    if (!reader->complete || fed != (size_t)section) {
        return nrt__h1_malformed(reader, "the trailer section is not valid");
    }
    return finish(reader);
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

/* A chunk-size line is complete, CRLF included. */
static int read_chunk_line(nrt__h1_reader *reader, const char *line, size_t len) {
    size_t fed;
    if (len < 2) {
        return nrt__h1_malformed(reader, "a chunk-size line does not end in CRLF");
    }
    int error = nrt__h1_check_chunk_line(reader, (nrt_str){line, len - 2});
    if (error == 0) {
        error = feed(reader, line, len, &fed);
    }
    if (error < 0) {
        return error;
    }
    reader->state = reader->last_chunk ? NRT__H1_IN_TRAILERS : NRT__H1_IN_BODY;
    nrt__buf_clear(&reader->tail);
    reader->scanned = 0;
    return NRT__H1_MORE;
}

/* Takes bytes up to the end of the chunk-size line. MORE where that is complete too: the state
 * tells. */
static int collect_chunk_line(nrt__h1_reader *reader, const char *bytes, size_t len, size_t *used) {
    const char *lf = memchr(bytes, '\n', len);
    size_t take = lf ? (size_t)(lf - bytes) + 1 : len;
    size_t held = nrt__buf_len(&reader->tail);
    if (held + take > reader->limits.extension + CHUNK_ROOM) {
        return nrt__h1_malformed(reader, "a chunk-size line is too long");
    }
    *used += take;
    if (lf && held == 0) {
        return read_chunk_line(reader, bytes, take);
    }
    if (!nrt__buf_add(&reader->tail, bytes, take)) {
        return nrt__h1_fail(reader, NRT_ERR_MEMORY, "out of memory");
    }
    return lf ? read_chunk_line(reader, reader->tail.bytes, held + take) : NRT__H1_MORE;
}

/* Feeds content. MORE where a chunk has ended, too: the state tells. */
static int read_content(nrt__h1_reader *reader, const char *bytes, size_t len, size_t *used,
                        nrt_str *body) {
    size_t step = 0;
    reader->span.len = 0;
    int error = feed(reader, bytes, len, &step);
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
    if (reader->chunk_ended) {
        reader->chunk_ended = false;
        reader->state = NRT__H1_IN_CHUNK_LINE;
    }
    return NRT__H1_MORE;
}

int nrt__h1_read(nrt__h1_reader *reader, const char *bytes, size_t len, size_t *used,
                 nrt_str *body) {
    int event = NRT__H1_MORE;
    *used = 0;
    /* With no bytes left llhttp may still have the end of the message to tell. */
    do {
        const char *at = bytes + *used;
        size_t left = len - *used;
        switch ((nrt__h1_state)reader->state) {
        case NRT__H1_IN_HEAD:
            return left == 0 ? NRT__H1_MORE : collect_head(reader, at, left, used);
        case NRT__H1_IN_BODY:
            event = reader->complete ? finish(reader) : read_content(reader, at, left, used, body);
            break;
        case NRT__H1_IN_CHUNK_LINE:
            event = left == 0 ? NRT__H1_MORE : collect_chunk_line(reader, at, left, used);
            break;
        case NRT__H1_IN_TRAILERS:
            return left == 0 ? NRT__H1_MORE : collect_trailers(reader, at, left, used);
        case NRT__H1_DONE:
            return NRT__H1_END;
        case NRT__H1_FAILED:
            return reader->error;
        }
    } while (event == NRT__H1_MORE && *used < len);
    return event;
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
    case NRT__H1_IN_CHUNK_LINE:
    case NRT__H1_IN_TRAILERS:
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
