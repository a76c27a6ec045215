/* Hosts, methods, prefixes and reply subjects: whatever the text is, what is let through makes
 * subjects that mean what they say. The input is taken as a whole, and as lines: prefix, host,
 * method, reply subject. */
#include "core/nats/subject.h"

#include <stdlib.h>

#include "fuzz.h"

/* True if a subscription to `pattern` (with `*` tokens only) gets what is published to `subject`,
 * as servers see it: token by token. */
static bool matches(nrt_str pattern, nrt_str subject) {
    while (pattern.ptr && subject.ptr) {
        nrt_str want = fuzz_before(pattern, '.', &pattern);
        nrt_str have = fuzz_before(subject, '.', &subject);
        if (!nrt__str_equal(want, NRT__STR("*")) && !nrt__str_equal(want, have)) {
            return false;
        }
    }
    return !pattern.ptr && !subject.ptr;
}

/* A wildcard in every reading of NATS: a token that is `*` or `>`. */
static bool has_wildcard(nrt_str subject) {
    while (subject.ptr) {
        nrt_str token = fuzz_before(subject, '.', &subject);
        if (nrt__str_equal(token, NRT__STR("*")) || nrt__str_equal(token, NRT__STR(">"))) {
            return true;
        }
    }
    return false;
}

static bool has_empty_token(nrt_str subject) {
    while (subject.ptr) {
        if (fuzz_before(subject, '.', &subject).len == 0) {
            return true;
        }
    }
    return false;
}

/* `....requests.<one or more tokens>.nats.<method>`, or without a host before .nats. */
static bool may_be_request(nrt_str subject) {
    bool seen = false;
    nrt_str tokens[3] = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    while (subject.ptr) {
        tokens[0] = tokens[1];
        tokens[1] = tokens[2];
        tokens[2] = fuzz_before(subject, '.', &subject);
        seen = seen || (tokens[0].ptr && nrt__str_equal(tokens[0], NRT__STR("requests")));
    }
    return seen && tokens[1].ptr && nrt__str_same(tokens[1], NRT__STR("nats"));
}

static bool check_host(nrt_str host, char out[NRT__HOST_MAX + 1]) {
    char again[NRT__HOST_MAX + 1];
    if (nrt__host_canonical(host, out) < 0) {
        return false;
    }
    nrt_str canonical = nrt_str_from(out);
    CHECK(nrt__str_same(host, canonical));
    CHECK(fuzz_is_plain_subject(canonical) && canonical.len <= NRT__HOST_MAX);
    CHECK(nrt__host_is_nats(canonical));
    CHECK(nrt__str_equal(nrt__subject_last(canonical), NRT__STR("nats")));
    CHECK(nrt__host_canonical(canonical, again) == 0 && strcmp(again, out) == 0);
    return true;
}

static bool check_method(nrt_str method) {
    if (nrt__method_check(method) < 0) {
        return false;
    }
    CHECK(fuzz_is_plain_subject(method) && !memchr(method.ptr, '.', method.len));
    CHECK(nrt__is_token(method) && method.len <= NRT__METHOD_MAX);
    return true;
}

static bool check_prefix(nrt_str prefix) {
    if (nrt__prefix_check(prefix) < 0) {
        return false;
    }
    CHECK(fuzz_is_plain_subject(prefix) && prefix.len <= NRT__PREFIX_MAX);
    CHECK(prefix.ptr[0] != '$');
    return true;
}

static void check_reply(nrt_str subject) {
    if (!nrt__reply_is_safe(subject)) {
        return;
    }
    CHECK(subject.len <= 512 && nrt__is_visible(subject));
    CHECK(!has_wildcard(subject) && !has_empty_token(subject));
    CHECK(subject.ptr[0] != '$');
    CHECK(!may_be_request(subject));
}

/* What is made of parts that were let through. */
static void check_made(nrt_str prefix, nrt_str host, nrt_str method) {
    nrt__buf request;
    nrt__buf service;
    nrt__buf_init(&request, NRT__SUBJECT_MAX);
    nrt__buf_init(&service, NRT__SUBJECT_MAX);
    CHECK(nrt__subject_request(&request, prefix, host, method));
    CHECK(nrt__subject_service(&service, prefix, host));
    nrt_str subject = nrt__buf_view(&request);
    nrt_str pattern = nrt__buf_view(&service);
    nrt_str last = nrt__subject_last(subject);
    CHECK(fuzz_is_plain_subject(subject));
    CHECK(matches(pattern, subject));
    CHECK(nrt__method_is_token(method, last));
    CHECK(nrt__str_same(method, last));
    CHECK(!nrt__reply_is_safe(subject) && !nrt__reply_is_safe(pattern));
    nrt__buf_free(&request);
    nrt__buf_free(&service);
}

static void check_alone(nrt_str text) {
    char host[NRT__HOST_MAX + 1];
    check_host(text, host);
    check_method(text);
    check_prefix(text);
    check_reply(text);
    nrt_str last = nrt__subject_last(text);
    CHECK(fuzz_inside(last, text) && (last.len == 0 || !memchr(last.ptr, '.', last.len)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = fuzz_copy((nrt_str){(const char *)data, size}, false);
    nrt_str input = {copy, size};
    nrt_str rest = input;
    nrt_str lines[4] = {{"", 0}, {"", 0}, {"", 0}, {"", 0}};
    check_alone(input);
    for (size_t i = 0; i < 4 && fuzz_line(&rest, &lines[i]); i++) {
        check_alone(lines[i]);
    }
    char host[NRT__HOST_MAX + 1];
    bool fits = check_prefix(lines[0]);
    fits = check_host(lines[1], host) && fits;
    fits = check_method(lines[2]) && fits;
    if (fits) {
        check_made(lines[0], nrt_str_from(host), lines[2]);
        check_made(lines[0], lines[1], lines[2]);
    }
    free(copy);
    return 0;
}
