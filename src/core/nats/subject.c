/* Hosts, methods and NATS subjects. */
#include "core/nats/subject.h"

#include "core/base/str.h"

static bool is_host_char(char c) {
    return (c >= 'a' && c <= 'z') || nrt__is_digit(c) || c == '-' || c == '_';
}

bool nrt__host_is_nats(nrt_str host) {
    return host.len >= 5 && nrt__str_same((nrt_str){host.ptr + host.len - 5, 5}, NRT__STR(".nats"));
}

int nrt__host_canonical(nrt_str host, char out[NRT__HOST_MAX + 1]) {
    if (host.len <= 5 || host.len > NRT__HOST_MAX || !nrt__host_is_nats(host)) {
        return NRT_ERR_HOST;
    }
    size_t label = 0;
    for (size_t i = 0; i < host.len; i++) {
        char c = nrt__lower(host.ptr[i]);
        if (c == '.') {
            if (label == 0) {
                return NRT_ERR_HOST;
            }
            label = 0;
        } else if (!is_host_char(c) || ++label > 63) {
            return NRT_ERR_HOST;
        }
        out[i] = c;
    }
    out[host.len] = '\0';
    return 0;
}

int nrt__method_check(nrt_str method) {
    if (method.len > NRT__METHOD_MAX || !nrt__is_token(method)) {
        return NRT_ERR_METHOD;
    }
    bool upper = false;
    bool lower = false;
    for (size_t i = 0; i < method.len; i++) {
        char c = method.ptr[i];
        if (c == '.' || c == '*') {
            return NRT_ERR_METHOD;
        }
        upper = upper || (c >= 'A' && c <= 'Z');
        lower = lower || (c >= 'a' && c <= 'z');
    }
    return upper && lower ? NRT_ERR_METHOD : 0;
}

/* Visible ASCII in non-empty tokens, none of them a wildcard. */
static bool is_literal(nrt_str subject) {
    const char *at = subject.ptr;
    const char *end = subject.ptr + subject.len;
    if (!nrt__is_visible(subject)) {
        return false;
    }
    for (;;) {
        const char *dot = memchr(at, '.', (size_t)(end - at));
        size_t len = (size_t)((dot ? dot : end) - at);
        if (len == 0 || (len == 1 && (*at == '*' || *at == '>'))) {
            return false;
        }
        if (!dot) {
            return true;
        }
        at = dot + 1;
    }
}

int nrt__prefix_check(nrt_str prefix) {
    if (prefix.len > NRT__PREFIX_MAX || !is_literal(prefix) || prefix.ptr[0] == '$') {
        return NRT_ERR_HOST;
    }
    for (size_t i = 0; i < prefix.len; i++) {
        if (prefix.ptr[i] == '*' || prefix.ptr[i] == '>') {
            return NRT_ERR_HOST;
        }
    }
    return 0;
}

static bool put_lower(nrt__buf *out, nrt_str text) {
    char *room = nrt__buf_room(out, text.len);
    if (!room) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        room[i] = nrt__lower(text.ptr[i]);
    }
    nrt__buf_added(out, text.len);
    return true;
}

bool nrt__subject_request(nrt__buf *out, nrt_str prefix, nrt_str host, nrt_str method) {
    return nrt__buf_put(out, prefix) && nrt__buf_lit(out, ".requests.") && put_lower(out, host) &&
           nrt__buf_lit(out, ".") && put_lower(out, method);
}

bool nrt__subject_service(nrt__buf *out, nrt_str prefix, nrt_str host) {
    return nrt__buf_put(out, prefix) && nrt__buf_lit(out, ".requests.") && put_lower(out, host) &&
           nrt__buf_lit(out, ".*");
}

bool nrt__subject_streams(nrt__buf *out, nrt_str prefix, nrt_str host, nrt_str instance) {
    return nrt__buf_put(out, prefix) && nrt__buf_lit(out, ".streams.") && put_lower(out, host) &&
           nrt__buf_lit(out, ".") && nrt__buf_put(out, instance) && nrt__buf_lit(out, ".*");
}

bool nrt__method_is_token(nrt_str method, nrt_str token) {
    if (method.len != token.len) {
        return false;
    }
    for (size_t i = 0; i < method.len; i++) {
        if (nrt__lower(method.ptr[i]) != token.ptr[i]) {
            return false;
        }
    }
    return true;
}

nrt_str nrt__subject_last(nrt_str subject) {
    size_t at = subject.len;
    while (at > 0 && subject.ptr[at - 1] != '.') {
        at--;
    }
    return (nrt_str){subject.ptr + at, subject.len - at};
}

/* `….requests.….nats.<method>`: whatever the prefix, a service may listen there. */
static bool is_request_subject(nrt_str subject) {
    nrt_str method = nrt__subject_last(subject);
    if (method.len == subject.len) {
        return false;
    }
    nrt_str rest = {subject.ptr, subject.len - method.len - 1};
    if (!nrt__host_is_nats(rest)) {
        return false;
    }
    static const char middle[] = "requests.";
    size_t len = sizeof(middle) - 1;
    for (size_t i = 0; i + len <= rest.len; i++) {
        if ((i == 0 || rest.ptr[i - 1] == '.') && memcmp(rest.ptr + i, middle, len) == 0) {
            return true;
        }
    }
    return false;
}

bool nrt__reply_is_safe(nrt_str subject) {
    return subject.len > 0 && subject.len <= NRT__SUBJECT_MAX && subject.ptr[0] != '$' &&
           is_literal(subject) && !is_request_subject(subject);
}
