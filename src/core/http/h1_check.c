/* What must hold for the fields of a head together: framing that has one meaning only (RFC 9112
 * section 6), one valid Host, nothing that llhttp lets through. */
#include "core/http/h1_reader.h"

#include "core/base/str.h"
#include "core/http/url.h"

enum { NOMINATIONS_MAX = 100 };

static int check_fields(nrt__h1_reader *reader) {
    const nrt_fields *fields = &reader->message->fields;
    for (size_t i = 0; i < fields->count; i++) {
        const nrt__field *field = &fields->list[i];
        if (!nrt__is_token(field->name)) {
            return nrt__h1_malformed(reader, "a field name is not a token");
        }
        if (!nrt__is_field_value(field->value)) {
            return nrt__h1_malformed(reader, "a field value holds a control character");
        }
        if (field->flags & NRT__FIELD_SINGLETON) {
            for (size_t j = i + 1; j < fields->count; j++) {
                if (nrt__str_same(field->name, fields->list[j].name)) {
                    return nrt__h1_malformed(reader, "a field that must be single is repeated");
                }
            }
        }
    }
    return 0;
}

static int check_framing(nrt__h1_reader *reader) {
    nrt__message *message = reader->message;
    const nrt_fields *fields = &message->fields;
    const nrt__field *coding = nrt__fields_find(fields, NRT__TRANSFER_ENCODING, NULL);
    const nrt__field *length = nrt__fields_find(fields, NRT__CONTENT_LENGTH, NULL);
    if (coding) {
        if (length) {
            return nrt__h1_malformed(reader, "both Transfer-Encoding and Content-Length");
        }
        if (nrt__fields_find(fields, NRT__TRANSFER_ENCODING, coding)) {
            return nrt__h1_malformed(reader, "more than one Transfer-Encoding");
        }
        if (message->minor == 0) {
            return nrt__h1_malformed(reader, "Transfer-Encoding in HTTP/1.0");
        }
        if (!nrt__str_same(coding->value, NRT__STR("chunked"))) {
            if (!message->is_request) {
                return nrt__h1_malformed(reader, "a transfer coding other than chunked");
            }
            return nrt__h1_fail(reader, NRT_ERR_UNSUPPORTED, "a transfer coding but chunked");
        }
        /* One with HTAB behind it is none to llhttp, which decides where the body ends. */
        if (!(reader->parser.flags & F_CHUNKED)) {
            return nrt__h1_malformed(reader, "the transfer coding does not delimit the message");
        }
    }
    if (length) {
        if (nrt__fields_find(fields, NRT__CONTENT_LENGTH, length)) {
            return nrt__h1_malformed(reader, "more than one Content-Length");
        }
        if (!nrt__str_to_u64(length->value, INT64_MAX, &message->length)) {
            return nrt__h1_malformed(reader, "Content-Length is not a number");
        }
        message->has_length = true;
    }
    bool bodyless = !message->is_request &&
                    ((reader->flags & NRT__H1_TO_HEAD) || nrt__status_is_bodyless(message->status));
    if (bodyless) {
        message->framing = NRT__FRAMING_NONE;
        if (coding && nrt__status_is_bodyless(message->status) && message->status != 304) {
            return nrt__h1_malformed(reader, "Transfer-Encoding where no body can be");
        }
    } else if (coding) {
        message->framing = NRT__FRAMING_CHUNKED;
    } else if (length) {
        message->framing = NRT__FRAMING_LENGTH;
    } else if (!message->is_request) {
        message->framing = NRT__FRAMING_CLOSE;
        reader->to_close = true;
    }
    if (bodyless) {
        reader->complete = true; /* llhttp takes a Content-Length on a 204 or 304 at its word */
    }
    return 0;
}

static int check_host(nrt__h1_reader *reader) {
    nrt__message *message = reader->message;
    const nrt__field *host = nrt__fields_find(&message->fields, NRT__HOST, NULL);
    nrt_str name = {NULL, 0};
    nrt_str port = {NULL, 0};
    nrt__url url;
    if (host && !nrt__authority_split(host->value, &name, &port)) {
        return nrt__h1_malformed(reader, "Host is not valid");
    }
    if (!host && message->minor > 0) {
        return nrt__h1_malformed(reader, "Host is missing");
    }
    /* RFC 9112 section 3.2.2: the target's authority is what counts, and Host is made from it
     * again. */
    if (message->target.ptr[0] != '/' && nrt__url_parse(message->target, &url) == 0) {
        name = url.host;
    }
    message->host = name;
    return 0;
}

static void read_keep_alive(nrt__message *message) {
    const nrt_fields *fields = &message->fields;
    bool close = nrt__fields_list_has(fields, NRT__CONNECTION, NRT__STR("close"));
    if (message->minor > 0) {
        message->keep_alive = !close;
    } else {
        message->keep_alive =
            !close && nrt__fields_list_has(fields, NRT__CONNECTION, NRT__STR("keep-alive"));
    }
}

static int check_connection(nrt__h1_reader *reader) {
    const nrt__field *field = NULL;
    size_t count = 0;
    while ((field = nrt__fields_find(&reader->message->fields, NRT__CONNECTION, field))) {
        nrt_str list = field->value;
        nrt_str name;
        while (nrt__str_next(&list, &name)) {
            if (!nrt__is_token(name) || ++count > NOMINATIONS_MAX) {
                return nrt__h1_malformed(reader, "Connection is not a short list of names");
            }
        }
    }
    return 0;
}

int nrt__h1_check_head(nrt__h1_reader *reader) {
    int error = check_fields(reader);
    if (error == 0) {
        error = check_framing(reader);
    }
    if (error == 0) {
        error = check_connection(reader);
    }
    if (error == 0 && reader->message->is_request) {
        error = check_host(reader);
    }
    read_keep_alive(reader->message);
    return error;
}

/* A quoted-string (RFC 9110 section 5.6.4) at the start of `text`; its length, 0 if there is none.
 */
static size_t quoted_len(nrt_str text) {
    if (text.len < 2 || text.ptr[0] != '"') {
        return 0;
    }
    for (size_t i = 1; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"') {
            return i + 1;
        }
        if (c == '\\' && i + 1 < text.len) {
            c = (unsigned char)text.ptr[++i];
        }
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return 0;
        }
    }
    return 0;
}

static size_t token_len(nrt_str text) {
    size_t len = 0;
    while (len < text.len && nrt__is_token((nrt_str){text.ptr + len, 1})) {
        len++;
    }
    return len;
}

static nrt_str behind(nrt_str text, size_t len) {
    return (nrt_str){text.ptr + len, text.len - len};
}

/* *( ";" token [ "=" ( token / quoted-string ) ] ), without the white space that RFC 9112 calls
 * bad. */
static bool are_extensions(nrt_str text) {
    while (text.len > 0) {
        if (text.ptr[0] != ';') {
            return false;
        }
        text = behind(text, 1);
        size_t name = token_len(text);
        if (name == 0) {
            return false;
        }
        text = behind(text, name);
        if (text.len > 0 && text.ptr[0] == '=') {
            text = behind(text, 1);
            size_t value = token_len(text);
            value = value > 0 ? value : quoted_len(text);
            if (value == 0) {
                return false;
            }
            text = behind(text, value);
        }
    }
    return true;
}

int nrt__h1_check_chunk_line(nrt__h1_reader *reader, nrt_str line) {
    size_t digits = 0;
    uint64_t size = 0;
    if (line.ptr[line.len] != '\r') {
        return nrt__h1_malformed(reader, "a chunk-size line does not end in CRLF");
    }
    for (; digits < line.len && line.ptr[digits] != ';'; digits++) {
        char c = nrt__lower(line.ptr[digits]);
        bool letter = c >= 'a' && c <= 'f';
        if ((!nrt__is_digit(c) && !letter) || digits == 16) {
            return nrt__h1_malformed(reader, "a chunk size is not 1 to 16 hex digits");
        }
        size = size << 4 | (uint64_t)(letter ? c - 'a' + 10 : c - '0');
    }
    if (digits == 0 || size > INT64_MAX) {
        return nrt__h1_malformed(reader, "a chunk size is not a number within limits");
    }
    reader->extension += digits < line.len ? line.len - digits - 1 : 0;
    if (reader->extension > reader->limits.extension) {
        return nrt__h1_malformed(reader, "chunk extensions are too long");
    }
    return are_extensions(behind(line, digits))
               ? 0
               : nrt__h1_malformed(reader, "a chunk extension is not valid");
}
