/* Start lines (RFC 9112 sections 3 and 4). Ours, not llhttp's: any token is a method here, and
 * nothing is guessed. */
#include "core/http/h1_reader.h"

#include "core/base/str.h"
#include "core/http/url.h"
#include "core/nats/subject.h"

/* `HTTP/1.x`; anything else that looks like a version is another protocol's. */
static int read_version(nrt__h1_reader *reader, nrt_str text) {
    if (text.len != 8 || !nrt__str_starts(text, NRT__STR("HTTP/")) || !nrt__is_digit(text.ptr[5]) ||
        text.ptr[6] != '.' || !nrt__is_digit(text.ptr[7])) {
        return nrt__h1_malformed(reader, "the HTTP version is not valid");
    }
    bool old = (reader->flags & NRT__H1_OLD_PEER) && nrt__str_equal(text, NRT__STR("HTTP/0.0"));
    if (!old && text.ptr[5] == '0') {
        return nrt__h1_malformed(reader, "the HTTP version is not valid");
    }
    if (!old && (text.ptr[5] != '1' || text.ptr[7] > '1')) {
        return nrt__h1_fail(reader, NRT_ERR_VERSION, "only HTTP/1.1 and HTTP/1.0 are understood");
    }
    reader->message->minor = old || text.ptr[7] == '1' ? 1 : 0;
    return 0;
}

/* The four forms of a target (RFC 9112 section 3.2). */
static int check_target(nrt__h1_reader *reader, nrt_str method, nrt_str target) {
    nrt__url url;
    nrt_str host;
    nrt_str port;
    if (!nrt__is_visible(target)) {
        return nrt__h1_malformed(reader, "the target holds a character that must be encoded");
    }
    if (memchr(target.ptr, '#', target.len)) {
        return nrt__h1_malformed(reader, "the target holds a fragment");
    }
    if (nrt__str_equal(method, NRT__STR("CONNECT"))) {
        if (!nrt__authority_split(target, &host, &port) || port.len == 0) {
            return nrt__h1_malformed(reader, "the target of CONNECT is not host:port");
        }
        return 0;
    }
    if (target.ptr[0] == '/') {
        return 0;
    }
    if (nrt__str_equal(target, NRT__STR("*"))) {
        return nrt__str_equal(method, NRT__STR("OPTIONS"))
                   ? 0
                   : nrt__h1_malformed(reader, "the target * is for OPTIONS only");
    }
    if (nrt__url_parse(target, &url) < 0 || url.userinfo.ptr) {
        return nrt__h1_malformed(reader, "the target is neither a path nor an http: URL");
    }
    return 0;
}

static int read_request_line(nrt__h1_reader *reader, nrt_str line) {
    nrt__message *message = reader->message;
    const char *space = memchr(line.ptr, ' ', line.len);
    if (!space) {
        return nrt__h1_malformed(reader, "the request line is not METHOD TARGET VERSION");
    }
    nrt_str method = {line.ptr, (size_t)(space - line.ptr)};
    nrt_str rest = {space + 1, line.len - method.len - 1};
    space = memchr(rest.ptr, ' ', rest.len);
    if (!space || space == rest.ptr || !nrt__is_token(method)) {
        return nrt__h1_malformed(reader, "the request line is not METHOD TARGET VERSION");
    }
    nrt_str target = {rest.ptr, (size_t)(space - rest.ptr)};
    nrt_str version = {space + 1, rest.len - target.len - 1};
    if (target.len > reader->limits.target) {
        return nrt__h1_fail(reader, NRT_ERR_TARGET_TOO_LONG, "the target is too long");
    }
    int error = read_version(reader, version);
    if (error == 0) {
        error = check_target(reader, method, target);
    }
    message->method = method;
    message->target = target;
    return error;
}

static int read_status_line(nrt__h1_reader *reader, nrt_str line) {
    nrt__message *message = reader->message;
    if (line.len < 12 || line.ptr[8] != ' ') {
        return nrt__h1_malformed(reader, "the status line is not VERSION STATUS REASON");
    }
    int error = read_version(reader, (nrt_str){line.ptr, 8});
    if (error < 0) { /* a version of 505 is an answer to a request only */
        return nrt__h1_malformed(reader, reader->reason);
    }
    message->status = 0; /* it may be read twice */
    for (size_t i = 9; i < 12; i++) {
        if (!nrt__is_digit(line.ptr[i])) {
            return nrt__h1_malformed(reader, "the status is not three digits");
        }
        message->status = message->status * 10 + (line.ptr[i] - '0');
    }
    if (message->status < 100 || message->status > 599) {
        return nrt__h1_malformed(reader, "the status is not between 100 and 599");
    }
    if (line.len > 12) {
        message->reason = (nrt_str){line.ptr + 13, line.len - 13};
        /* reason-phrase = *( HTAB / SP / VCHAR / obs-text ): unlike a value it may have spaces
         * around */
        if (line.ptr[12] != ' ' || !nrt__is_field_value(nrt__str_trim(message->reason))) {
            return nrt__h1_malformed(reader, "the reason phrase is not valid");
        }
    }
    return 0;
}

int nrt__h1_read_start(nrt__h1_reader *reader, nrt_str line) {
    return reader->flags & NRT__H1_REQUEST ? read_request_line(reader, line)
                                           : read_status_line(reader, line);
}
