/* Where our reader and llhttp 8.1.0 (strict mode) differ on purpose. Each entry is a sentence and a
 * test, written on what llhttp read and on the bytes, that this is the case in this input: a
 * difference that no test admits is a finding. Part of h1_differential.c. */
#ifndef NRT__FUZZ_H1_DIFFERENCES_H
#define NRT__FUZZ_H1_DIFFERENCES_H

#include <arpa/inet.h>

typedef struct difference {
    const char *reason; /* what our reader says of a message that it refuses; NULL: says nothing */
    bool (*holds)(const pair *both);
    const char *why;
} difference;

/* ---- what llhttp read ---- */

/* The next name and value from *at on; false at the end. */
static bool next_pair(const plain *one, size_t *at, nrt_str *name, nrt_str *value) {
    nrt_str text = nrt__buf_view(&one->fields);
    nrt_str rest = {text.ptr + *at, text.len - *at};
    if (!fuzz_line(&rest, name) || !fuzz_line(&rest, value)) {
        return false;
    }
    *at = text.len - rest.len;
    return true;
}

static size_t count_named(const pair *both, const char *wanted) {
    nrt_str name;
    nrt_str value;
    size_t at = 0;
    size_t count = 0;
    while (at < both->theirs->head && next_pair(both->theirs, &at, &name, &value)) {
        count += nrt__str_same(name, nrt_str_from(wanted));
    }
    return count;
}

static nrt_str value_of(const pair *both, const char *wanted) {
    nrt_str name;
    nrt_str value;
    size_t at = 0;
    while (at < both->theirs->head && next_pair(both->theirs, &at, &name, &value)) {
        if (nrt__str_same(name, nrt_str_from(wanted))) {
            return value;
        }
    }
    return (nrt_str){NULL, 0};
}

static nrt_str target_of(const pair *both) {
    return nrt__buf_view(&both->theirs->target);
}

static bool has_byte(nrt_str text, char c) {
    return text.len > 0 && memchr(text.ptr, c, text.len);
}

/* What llhttp took for the message, byte for byte. */
static nrt_str message_of(const pair *both) {
    return (nrt_str){both->input.ptr, both->theirs->used};
}

/* The start line, without the empty lines that llhttp passes over. */
static nrt_str start_of(const pair *both) {
    nrt_str rest = both->input;
    nrt_str line = {NULL, 0};
    while (rest.len > 0 && (rest.ptr[0] == '\r' || rest.ptr[0] == '\n')) {
        rest.ptr++;
        rest.len--;
    }
    fuzz_line(&rest, &line);
    return line;
}

/* ---- tests ---- */

static bool unknown_method(const pair *both) {
    static const char *const known[] = {
#define NAME(number, name, string) #string,
        HTTP_METHOD_MAP(NAME)
#undef NAME
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (nrt__str_equal(both->ours->message.method, nrt_str_from(known[i])) &&
            strcmp(known[i], "SOURCE") != 0) {
            return false;
        }
    }
    return both->ours->message.is_request;
}

static bool is_bodyless(const pair *both) {
    const nrt__message *ours = &both->ours->message;
    return !ours->is_request && nrt__status_is_bodyless(ours->status) && ours->body.len == 0 &&
           count_named(both, "content-length") + count_named(both, "transfer-encoding") > 0;
}

static bool is_connect_with_body(const pair *both) {
    return nrt__str_equal(both->ours->message.method, NRT__STR("CONNECT")) &&
           nrt__buf_len(&both->theirs->body) == 0;
}

/* Its head was fine; of its body, all or a part. */
static bool is_connect_in_body(const pair *both) {
    const nrt__message *ours = &both->ours->message;
    return nrt__str_equal(ours->method, NRT__STR("CONNECT")) && ours->framing != NRT__FRAMING_NONE;
}

static bool has_bare_lf(const pair *both) {
    nrt_str message = message_of(both);
    for (size_t i = 0; i < message.len; i++) {
        if (message.ptr[i] == '\n' && (i == 0 || message.ptr[i - 1] != '\r')) {
            return true;
        }
    }
    return false;
}

static bool has_bare_cr(const pair *both) {
    nrt_str message = message_of(both);
    for (size_t i = 0; i < message.len; i++) {
        if (message.ptr[i] == '\r' && (i + 1 == message.len || message.ptr[i + 1] != '\n')) {
            return true;
        }
    }
    return false;
}

static bool has_leading_space(const pair *both) {
    nrt_str rest = message_of(both);
    nrt_str line;
    while (fuzz_line(&rest, &line)) {
        if (line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t')) {
            return true;
        }
    }
    return false;
}

static bool is_larger_than_extensions(const pair *both) {
    return both->input.len > NRT__H1_LIMITS_DEFAULT.extension;
}

static bool is_larger_than_target(const pair *both) {
    return both->input.len > NRT__H1_LIMITS_DEFAULT.target;
}

static bool is_larger_than_head(const pair *both) {
    return both->input.len > NRT__H1_LIMITS_DEFAULT.head;
}

static bool has_many_fields(const pair *both) {
    nrt_str text = nrt__buf_view(&both->theirs->fields);
    nrt_str line;
    size_t lines = 0;
    while (fuzz_line(&text, &line)) {
        lines++;
    }
    return lines > 2 * NRT__H1_LIMITS_DEFAULT.fields;
}

static bool is_other_version(const pair *both) {
    const llhttp_t *parser = &both->theirs->parser;
    nrt_str start = start_of(both);
    size_t word = start.len; /* where the last one begins */
    while (word > 0 && start.ptr[word - 1] != ' ') {
        word--;
    }
    nrt_str version = {start.ptr + word, start.len - word};
    bool http = parser->type == HTTP_RESPONSE || nrt__str_starts(version, NRT__STR("HTTP/"));
    return !http || parser->http_major != 1 || parser->http_minor > 1;
}

/* Other than three words with single spaces between them: without a version it is HTTP/0.9. */
static bool has_other_words(const pair *both) {
    nrt_str rest = start_of(both);
    size_t words = 0;
    bool empty = false;
    while (rest.ptr) {
        empty = fuzz_before(rest, ' ', &rest).len == 0 || empty;
        words++;
    }
    return words != 3 || empty;
}

static bool begins_with_empty_lines(const pair *both) {
    nrt_str input = both->input;
    return input.len > 0 && (input.ptr[0] == '\r' || input.ptr[0] == '\n') &&
           (both->theirs->parser.type == HTTP_RESPONSE ||
            (input.len > 2 && (input.ptr[2] == '\r' || input.ptr[2] == '\n')));
}

static bool target_has_fragment(const pair *both) {
    return has_byte(target_of(both), '#');
}

static bool is_connect(const pair *both) {
    return both->theirs->parser.method == HTTP_CONNECT;
}

static bool is_letter_or_digit(char c) {
    return nrt__is_digit(c) || (nrt__lower(c) >= 'a' && nrt__lower(c) <= 'z');
}

/* Looked at once more, more coarsely: a name and a path behind "http://" are an absolute-form. */
static bool target_is_no_path(const pair *both) {
    nrt_str target = target_of(both);
    size_t end = 7;
    if (target.len == 0 || target.ptr[0] == '/' || target_has_fragment(both)) {
        return false;
    }
    while (end < target.len && is_letter_or_digit(target.ptr[end])) {
        end++;
    }
    return !nrt__str_starts(target, NRT__STR("http://")) || end == 7 ||
           (end < target.len && target.ptr[end] != '/');
}

static bool status_is_odd(const pair *both) {
    nrt_str start = start_of(both);
    int status = both->theirs->parser.status_code;
    return status < 100 || status > 599 || start.len < 12 || !nrt__is_digit(start.ptr[9]) ||
           !nrt__is_digit(start.ptr[10]) || !nrt__is_digit(start.ptr[11]) ||
           (start.len > 12 && start.ptr[12] != ' ' && start.ptr[12] != '\r');
}

static bool reason_has_control(const pair *both) {
    nrt_str start = start_of(both);
    for (size_t i = 0; i + 1 < start.len; i++) {
        unsigned char c = (unsigned char)start.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool name_is_no_token(const pair *both) {
    nrt_str name;
    nrt_str value;
    size_t at = 0;
    while (next_pair(both->theirs, &at, &name, &value)) {
        if (!nrt__is_token(name)) {
            return true;
        }
    }
    return false;
}

static bool single_is_repeated(const pair *both) {
    return count_named(both, "host") > 1 || count_named(both, "authorization") > 1;
}

static bool has_both_framings(const pair *both) {
    return count_named(both, "transfer-encoding") > 0 && count_named(both, "content-length") > 0;
}

static bool coding_is_repeated(const pair *both) {
    return count_named(both, "transfer-encoding") > 1;
}

static bool is_old_and_coded(const pair *both) {
    return count_named(both, "transfer-encoding") > 0 && both->theirs->parser.http_minor == 0;
}

static bool coding_is_other(const pair *both) {
    nrt_str coding = value_of(both, "transfer-encoding");
    return coding.ptr && !nrt__str_same(coding, NRT__STR("chunked"));
}

static bool coding_is_padded(const pair *both) {
    return !(both->theirs->parser.flags & F_CHUNKED) &&
           nrt__str_same(value_of(both, "transfer-encoding"), NRT__STR("chunked"));
}

static bool coding_without_body(const pair *both) {
    int status = both->theirs->parser.status_code;
    return count_named(both, "transfer-encoding") > 0 && (status < 200 || status == 204);
}

static bool length_is_huge(const pair *both) {
    return both->theirs->parser.content_length > INT64_MAX || both->theirs->to_head;
}

static bool host_is_missing(const pair *both) {
    return count_named(both, "host") == 0;
}

static bool port_is_odd(nrt_str port) {
    uint64_t number = 1;
    return port.len > 0 && (!nrt__str_to_u64(port, 65535, &number) || number == 0);
}

/* Looked at once more, more coarsely: an address in brackets or a name, and a port. */
static bool host_is_no_authority(const pair *both) {
    nrt_str host = value_of(both, "host");
    nrt_str port;
    nrt_str name = fuzz_before(host, ':', &port);
    if (host.len > 0 && host.ptr[0] == '[') {
        char inner[64];
        struct in6_addr address;
        name = fuzz_before(host, ']', &port);
        int len = snprintf(inner, sizeof(inner), "%.*s", (int)name.len - 1, name.ptr + 1);
        return !port.ptr || len >= (int)sizeof(inner) ||
               inet_pton(AF_INET6, inner, &address) != 1 || (port.len > 0 && port.ptr[0] != ':') ||
               (port.len > 0 && port_is_odd((nrt_str){port.ptr + 1, port.len - 1}));
    }
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c <= 0x20 || c >= 0x7f || strchr("\"#/<>?@[\\]^`{|}%", c)) {
            return true;
        }
    }
    return name.len == 0 || port_is_odd(port);
}

static bool connection_is_no_list(const pair *both) {
    nrt_str name;
    nrt_str value;
    size_t at = 0;
    while (at < both->theirs->head && next_pair(both->theirs, &at, &name, &value)) {
        nrt_str rest = value;
        while (nrt__str_same(name, NRT__STR("connection")) && rest.ptr) {
            nrt_str one = nrt__str_trim(fuzz_before(rest, ',', &rest));
            if (one.len > 0 && !nrt__is_token(one)) {
                return true;
            }
        }
    }
    return false;
}

/* A line of the message begins with more hex digits than a number of 64 bits has. */
static bool has_padded_size(const pair *both) {
    nrt_str rest = message_of(both);
    nrt_str line;
    while (fuzz_line(&rest, &line)) {
        size_t digits = 0;
        while (digits < line.len && line.ptr[digits] &&
               strchr("0123456789abcdef", nrt__lower(line.ptr[digits]))) {
            digits++;
        }
        if (digits > 16) {
            return true;
        }
    }
    return false;
}

/* An extension without a name, or with "=" and no value. */
static bool extension_is_empty(const pair *both) {
    nrt_str message = message_of(both);
    for (size_t i = 1; i < message.len; i++) {
        char before = message.ptr[i - 1];
        char c = message.ptr[i];
        if ((before == ';' && (c == ';' || c == '=' || c == '\r')) ||
            (before == '=' && (c == ';' || c == '\r'))) {
            return value_of(both, "transfer-encoding").ptr != NULL;
        }
    }
    return false;
}

static bool has_trailers(const pair *both) {
    return nrt__buf_len(&both->theirs->fields) > both->theirs->head;
}

/* ---- the tables ---- */

static const difference only_ours_accepts[] = {
    {NULL, unknown_method,
     "A method is any token (RFC 9110 section 9.1). llhttp has a list, and on it are methods of "
     "RTSP and ICE, which it refuses in HTTP."},
    {NULL, is_bodyless,
     "1xx, 204 and 304 have no body whatever their fields say (RFC 9112 section 6.3, rule 1). "
     "llhttp waits for the content that Content-Length or a coding announces."},
};

static const difference read_otherwise[] = {
    {NULL, is_bodyless,
     "As above: llhttp takes what follows a 1xx, 204 or 304 for its body, if it has a length or a "
     "coding."},
    {NULL, is_connect_with_body,
     "llhttp ends CONNECT with its head, since a tunnel may follow. We open no tunnel: CONNECT is "
     "read like any other method, to be refused whole."},
};

static const difference only_llhttp_accepts[] = {
    {NULL, is_connect_in_body,
     "As above: what llhttp does not look at may be cut short or broken."},
    {"the transfer coding does not delimit the message", is_connect, "As above."},
    {"the transfer coding does not delimit the message", coding_is_padded,
     "llhttp does not know \"chunked\" with HTAB behind it, and reads a response to its end."},
    /* lines */
    {"a line ends in LF without CR", has_bare_lf,
     "RFC 9112 section 2.2 lets a recipient take a bare LF for the end of a line. Not all do, so "
     "two of them may disagree on where a field or a message ends."},
    {"a CR stands inside a line", has_bare_cr,
     "A bare CR is invalid or to be replaced (RFC 9112 section 2.2)."},
    {"a line begins with white space", has_leading_space,
     "obs-fold, and white space between the start line and the first field: to be refused (RFC "
     "9112 sections 2.2 and 5.2)."},
    {"the request line is not METHOD TARGET VERSION", has_other_words,
     "llhttp reads HTTP/0.9 without a version, and several spaces as one. RFC 9112 section 3: "
     "single spaces; lenient parsing of them is where smuggling begins."},
    {"the request line is not METHOD TARGET VERSION", begins_with_empty_lines,
     "One empty line before a request line is passed over (RFC 9112 section 2.2), as CRLF, and "
     "not before a response. llhttp passes over any number, and single CR and LF."},
    {"the HTTP version is not valid", has_other_words, "As above."},
    /* limits */
    {"chunk extensions are too long", is_larger_than_extensions, "A limit of ours."},
    {"the target is too long", is_larger_than_target, "A limit of ours."},
    {"the request line is too long", is_larger_than_target, "A limit of ours."},
    {"the section is too large", is_larger_than_head, "A limit of ours."},
    {"a chunk-size line is too long", is_larger_than_extensions, "A limit of ours."},
    {"a chunk size is not 1 to 16 hex digits", has_padded_size,
     "A limit of ours: llhttp takes zeros without end."},
    {"too many fields", has_many_fields, "A limit of ours."},
    /* start lines */
    {"the HTTP version is not valid", is_other_version,
     "llhttp takes HTTP/0.9 and the versions of RTSP and ICE; of HTTP/0.9 we know no field (RFC "
     "9112 section 2.3)."},
    {"only HTTP/1.1 and HTTP/1.0 are understood", is_other_version,
     "llhttp takes HTTP/2.0 in a start line. There is none."},
    {"the target holds a fragment", target_has_fragment,
     "A target has none (RFC 9110 section 7.1): part of it would be lost on the way."},
    {"the target of CONNECT is not host:port", is_connect,
     "authority-form (RFC 9112 section 3.2.3); llhttp takes less and more."},
    {"the target * is for OPTIONS only", target_is_no_path, "RFC 9112 section 3.2.4."},
    {"the target is neither a path nor an http: URL", target_is_no_path,
     "RFC 9112 section 3.2: absolute-form of other schemes, with user information or with a host "
     "that is none; llhttp looks at no more than which characters may stand there."},
    {"the status line is not VERSION STATUS REASON", status_is_odd,
     "RFC 9112 section 4: three digits and a space. llhttp takes fewer digits."},
    {"the status is not three digits", status_is_odd, "As above."},
    {"the status is not between 100 and 599", status_is_odd, "RFC 9110 section 15."},
    {"the reason phrase is not valid", reason_has_control,
     "Control characters have no place in it (RFC 9112 section 4)."},
    /* fields */
    {"a field name is not a token", name_is_no_token,
     "RFC 9110 section 5.1. llhttp takes an empty name."},
    {"a field that must be single is repeated", single_is_repeated,
     "A second Host must be refused (RFC 9112 section 3.2); a second Authorization makes two "
     "recipients see two different users."},
    {"Host is missing", host_is_missing, "RFC 9112 section 3.2."},
    {"Host is not valid", host_is_no_authority,
     "RFC 9112 section 3.2: uri-host [ \":\" port ]. llhttp does not look at it."},
    {"Connection is not a short list of names", connection_is_no_list,
     "RFC 9110 section 7.6.1: tokens. What nobody can name, nobody would remove."},
    /* framing */
    {"both Transfer-Encoding and Content-Length", has_both_framings,
     "RFC 9112 section 6.1 lets a server refuse it, for it is how requests are smuggled. llhttp "
     "takes it where the coding is empty or another than chunked."},
    {"more than one Transfer-Encoding", coding_is_repeated,
     "\"chunked\" once and last is all we take (RFC 9112 section 6.1)."},
    {"Transfer-Encoding in HTTP/1.0", is_old_and_coded,
     "Its framing is to be treated as faulty (RFC 9112 section 6.1)."},
    {"a transfer coding but chunked", coding_is_other, "RFC 9112 section 6.1: 501."},
    {"a transfer coding other than chunked", coding_is_other,
     "A response in a coding we cannot undo cannot be handed on; llhttp reads it to its end."},
    {"Transfer-Encoding where no body can be", coding_without_body,
     "A server must not send it with 1xx and 204 (RFC 9112 section 6.1)."},
    {"Content-Length is not a number", length_is_huge,
     "llhttp takes more than 2^63 - 1, and does not look where nothing follows."},
    {"a chunk extension is not valid", extension_is_empty,
     "RFC 9112 section 7.1.1: a token, and behind \"=\" a token or a quoted string."},
    /* trailers */
    {"a trailer field is not valid", has_trailers, "As in the head."},
    {"a trailer field that must not be one", has_trailers,
     "Framing, routing and authentication have no place there (RFC 9110 section 6.5.1)."},
};

#endif
