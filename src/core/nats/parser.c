/* Reads what a NATS server sends. */
#include "core/nats/parser.h"

#include "core/base/str.h"

void nrt__nats_parser_init(nrt__nats_parser *parser, size_t max_message) {
    memset(parser, 0, sizeof(*parser));
    parser->max_message = max_message;
    parser->reason = "";
}

static int broken(nrt__nats_parser *parser, const char *reason) {
    parser->reason = reason;
    return NRT_ERR_SERVER;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* The words of a control line; more than `max` of them count as max + 1. */
static size_t split(nrt_str line, nrt_str *words, size_t max) {
    size_t count = 0;
    size_t at = 0;
    bool tabs = line.len > 0 && memchr(line.ptr, '\t', line.len); /* no server sends them */
    while (at < line.len) {
        if (is_blank(line.ptr[at])) {
            at++;
            continue;
        }
        size_t start = at;
        const char *blank = tabs ? NULL : memchr(line.ptr + at, ' ', line.len - at);
        at = blank ? (size_t)(blank - line.ptr) : tabs ? at : line.len;
        while (at < line.len && !is_blank(line.ptr[at])) {
            at++;
        }
        if (count == max) {
            return max + 1;
        }
        words[count++] = (nrt_str){line.ptr + start, at - start};
    }
    return count;
}

/* "NATS/1.0" or "NATS/1.0 503 No Responders". */
static bool read_header_status(nrt_str header, int *status) {
    static const char version[] = "NATS/1.0";
    size_t at = sizeof(version) - 1;
    *status = 0;
    if (header.len < at + 2 || memcmp(header.ptr, version, at) != 0 ||
        memcmp(header.ptr + header.len - 2, "\r\n", 2) != 0) {
        return false;
    }
    while (at < header.len && header.ptr[at] == ' ') {
        at++;
    }
    for (size_t i = 0; i < 3 && at + i < header.len && nrt__is_digit(header.ptr[at + i]); i++) {
        *status = *status * 10 + (header.ptr[at + i] - '0');
    }
    return true;
}

/* MSG <subject> <sid> [reply] <bytes> / HMSG <subject> <sid> [reply] <header bytes> <bytes> */
static int read_msg(nrt__nats_parser *parser, nrt_str line, bool with_header, const char *bytes,
                    size_t len, size_t *used, size_t *need) {
    nrt__nats_msg *msg = &parser->msg;
    nrt_str words[5];
    size_t sizes = with_header ? 2 : 1;
    size_t count = split(line, words, 3 + sizes);
    uint64_t total = 0;
    uint64_t header = 0;
    memset(msg, 0, sizeof(*msg));
    if (count != 2 + sizes && count != 3 + sizes) {
        return broken(parser, "MSG has the wrong number of arguments");
    }
    msg->subject = words[0];
    if (!nrt__str_to_u64(words[1], UINT64_MAX, &msg->sid)) {
        return broken(parser, "the subscription id of a MSG is not a number");
    }
    if (count == 3 + sizes) {
        msg->reply = words[2];
    }
    if (!nrt__str_to_u64(words[count - 1], UINT32_MAX, &total) ||
        (with_header && !nrt__str_to_u64(words[count - 2], total, &header))) {
        return broken(parser, "the size of a MSG is not a number within limits");
    }
    if (total > parser->max_message) {
        msg->oversized = true;
        parser->skip = total + 2;
        return NRT__NATS_MSG;
    }
    size_t size = (size_t)total;
    if (len - *used < size + 2) {
        *need = *used + size + 2;
        *used = 0;
        return NRT__NATS_MORE;
    }
    const char *content = bytes + *used;
    if (content[size] != '\r' || content[size + 1] != '\n') {
        return broken(parser, "a MSG is longer than its size says");
    }
    if (with_header) {
        msg->header = (nrt_str){content, (size_t)header};
        if (!read_header_status(msg->header, &msg->status)) {
            msg->header.len =
                0; /* written by another client, not by the server: no reason to leave that */
        }
    }
    msg->payload = (nrt_str){content + header, size - (size_t)header};
    *used += size + 2;
    return NRT__NATS_MSG;
}

static bool is_op(nrt_str line, const char *name, size_t len, nrt_str *rest) {
    if (line.len < len || (line.len > len && !is_blank(line.ptr[len]))) {
        return false;
    }
    if (!nrt__str_same((nrt_str){line.ptr, len}, (nrt_str){name, len})) {
        return false;
    }
    *rest = nrt__str_trim((nrt_str){line.ptr + len, line.len - len});
    return true;
}

#define IS_OP(line, name, rest) is_op((line), (name), sizeof(name) - 1, (rest))

static int read_line(nrt__nats_parser *parser, nrt_str line, const char *bytes, size_t len,
                     size_t *used, size_t *need) {
    nrt_str rest;
    if (IS_OP(line, "MSG", &rest)) {
        return read_msg(parser, rest, false, bytes, len, used, need);
    }
    if (IS_OP(line, "HMSG", &rest)) {
        return read_msg(parser, rest, true, bytes, len, used, need);
    }
    if (IS_OP(line, "PING", &rest)) {
        return NRT__NATS_PING;
    }
    if (IS_OP(line, "PONG", &rest)) {
        return NRT__NATS_PONG;
    }
    if (IS_OP(line, "+OK", &rest)) {
        return NRT__NATS_OK;
    }
    if (IS_OP(line, "-ERR", &rest)) {
        if (rest.len >= 2 && rest.ptr[0] == '\'' && rest.ptr[rest.len - 1] == '\'') {
            rest.ptr++;
            rest.len -= 2;
        }
        parser->text = rest;
        return NRT__NATS_ERR;
    }
    if (IS_OP(line, "INFO", &rest)) {
        parser->text = rest;
        return NRT__NATS_INFO;
    }
    return broken(parser, "not an operation of the NATS protocol");
}

static bool may_be_info(const char *bytes, size_t len) {
    return len >= 4 && nrt__str_same((nrt_str){bytes, 4}, NRT__STR("INFO"));
}

int nrt__nats_read(nrt__nats_parser *parser, const char *bytes, size_t len, size_t *used,
                   size_t *need) {
    *used = 0;
    *need = 0;
    if (parser->skip > 0) {
        size_t step = parser->skip < len ? (size_t)parser->skip : len;
        parser->skip -= step;
        *used = step;
        if (step == len) {
            return NRT__NATS_MORE;
        }
    }
    size_t from = *used + parser->scanned;
    const char *lf = from < len ? memchr(bytes + from, '\n', len - from) : NULL;
    size_t line_len = lf ? (size_t)(lf - bytes) - *used : len - *used;
    if (line_len > NRT__NATS_LINE_MAX &&
        (line_len > NRT__NATS_INFO_MAX || !may_be_info(bytes + *used, len - *used))) {
        return broken(parser, "a control line is too long");
    }
    if (!lf) {
        parser->scanned = len - *used;
        return NRT__NATS_MORE;
    }
    parser->scanned = 0;
    nrt_str line = {bytes + *used, line_len};
    if (line.len == 0 || line.ptr[line.len - 1] != '\r') {
        return broken(parser, "a control line does not end in CRLF");
    }
    line.len--;
    size_t skipped = *used;
    *used += line_len + 1;
    int op = read_line(parser, line, bytes, len, used, need);
    if (op == NRT__NATS_MORE) {
        *used = skipped; /* the line is read again when its payload is there */
        *need = *need > skipped ? *need - skipped : 0;
    }
    return op;
}

nrt_str nrt__nats_header_get(nrt_str header, const char *name) {
    size_t name_len = strlen(name);
    const char *at = header.ptr;
    size_t left = header.len;
    while (left > 0) {
        const char *lf = memchr(at, '\n', left);
        size_t line = lf ? (size_t)(lf - at) : left;
        if (line > name_len && at[name_len] == ':' && memcmp(at, name, name_len) == 0) {
            nrt_str value = {at + name_len + 1, line - name_len - 1};
            if (value.len > 0 && value.ptr[value.len - 1] == '\r') {
                value.len--;
            }
            return nrt__str_trim(value);
        }
        size_t step = lf ? line + 1 : line;
        at += step;
        left -= step;
    }
    return (nrt_str){NULL, 0};
}
