/* URLs and authorities: the parts are the text, and nothing but the text; what a reference resolves
 * to is a URL again, and stays where it was unless the reference says otherwise. The first line is
 * a base, the second a reference. */
#include "core/http/url.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "fuzz.h"

enum { ROOM = 4096 };

/* Visible, and none of what would end an authority or begin another one. */
static bool is_host(nrt_str host) {
    for (size_t i = 0; i < host.len; i++) {
        if (strchr("/?#@\\ \"<>^`{|}", host.ptr[i])) { /* the NUL, too */
            return false;
        }
    }
    return nrt__is_visible(host);
}

static bool is_port(nrt_str port) {
    uint64_t number = 1;
    return port.len == 0 || (nrt__str_to_u64(port, 65535, &number) && number > 0);
}

/* "[...]" that is no address of a future version: the C library knows what is one of IPv6. */
static void check_ipv6(nrt_str text, bool taken) {
    struct in6_addr address;
    if (text.len < 4 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']' ||
        nrt__lower(text.ptr[1]) == 'v') {
        return;
    }
    char *inner = fuzz_copy((nrt_str){text.ptr + 1, text.len - 2}, true);
    bool fine = strlen(inner) == text.len - 2 && inet_pton(AF_INET6, inner, &address) == 1;
    CHECK(taken == fine);
    free(inner);
}

static void check_authority(nrt_str text) {
    nrt_str host;
    nrt_str port;
    bool taken = nrt__authority_split(text, &host, &port);
    check_ipv6(text, taken);
    if (!taken) {
        return;
    }
    CHECK(host.ptr == text.ptr && is_host(host) && is_port(port));
    CHECK(host.len + (port.ptr ? 1 + port.len : 0) == text.len);
    CHECK(!port.ptr || (port.ptr == text.ptr + host.len + 1 && port.ptr[-1] == ':'));
    CHECK(host.ptr[0] == '[' || !memchr(host.ptr, ':', host.len));
}

static bool check_url(nrt_str text, nrt__url *url) {
    if (nrt__url_parse(text, url) < 0) {
        return false;
    }
    CHECK(nrt__is_visible(text));
    CHECK(nrt__str_same(url->scheme, NRT__STR("http")) ||
          nrt__str_same(url->scheme, NRT__STR("https")));
    CHECK(is_host(url->host) && is_port(url->port));
    CHECK(url->path.len == 0 || url->path.ptr[0] == '/');
    CHECK(url->query.len == 0 || url->query.ptr[0] == '?');
    CHECK(url->fragment.len == 0 || url->fragment.ptr[0] == '#');
    CHECK(url->path.len == 0 || !memchr(url->path.ptr, '?', url->path.len));
    CHECK(url->query.len == 0 || !memchr(url->query.ptr, '#', url->query.len));
    CHECK(url->host.ptr >= text.ptr && url->path.ptr >= url->host.ptr + url->host.len);
    /* scheme "://" [userinfo "@"] host [":" port] path query fragment, and that is all. */
    size_t len = url->scheme.len + 3 + (url->userinfo.ptr ? url->userinfo.len + 1 : 0) +
                 url->host.len + (url->port.ptr ? 1 + url->port.len : 0) + url->path.len +
                 url->query.len + url->fragment.len;
    CHECK(len == text.len);
    return true;
}

static bool same_authority(const nrt__url *a, const nrt__url *b) {
    return nrt__str_equal(a->userinfo, b->userinfo) && nrt__str_equal(a->host, b->host) &&
           nrt__str_equal(a->port, b->port);
}

/* "scheme:" or "//": the reference names another place. */
static bool leaves(nrt_str reference) {
    nrt_str rest;
    nrt_str scheme = fuzz_before(reference, ':', &rest);
    bool has_scheme = rest.ptr && scheme.len > 0;
    for (size_t i = 0; i < scheme.len; i++) {
        has_scheme = has_scheme && !strchr("/?#", scheme.ptr[i]);
    }
    return has_scheme || nrt__str_starts(reference, NRT__STR("//"));
}

static bool has_dots(nrt_str path) {
    nrt_str rest = path;
    while (rest.ptr) {
        nrt_str segment = fuzz_before(rest, '/', &rest);
        if (nrt__str_equal(segment, NRT__STR(".")) || nrt__str_equal(segment, NRT__STR(".."))) {
            return true;
        }
    }
    return false;
}

/* Written as a server works that decodes first and splits then; NULs are no end to it. */
static void check_dots(nrt_str target) {
    nrt_str query;
    nrt_str path = fuzz_before(target, '?', &query);
    nrt__buf seen;
    nrt__buf_init(&seen, SIZE_MAX / 2);
    for (size_t i = 0; i < path.len; i++) {
        static const char *const codes[] = {"%2e", ".", "%2f", "/", "%5c", "/", "\\", "/"};
        nrt_str rest = {path.ptr + i, path.len - i};
        nrt_str put = {rest.ptr, 1};
        for (size_t j = 0; j < sizeof(codes) / sizeof(codes[0]); j += 2) {
            size_t len = strlen(codes[j]);
            if (rest.len >= len &&
                nrt__str_same((nrt_str){rest.ptr, len}, nrt_str_from(codes[j]))) {
                put = nrt_str_from(codes[j + 1]);
                i += len - 1;
                break;
            }
        }
        nrt__buf_put(&seen, put);
    }
    nrt_str rest = nrt__buf_view(&seen);
    bool dots = false;
    while (rest.ptr) {
        nrt_str parameters;
        nrt_str segment = fuzz_before(fuzz_before(rest, '/', &rest), ';', &parameters);
        dots = dots || nrt__str_equal(segment, NRT__STR(".")) ||
               nrt__str_equal(segment, NRT__STR(".."));
    }
    CHECK(nrt__path_has_dots(target) == dots);
    nrt__buf_free(&seen);
}

static void check_resolve(nrt_str base, nrt_str reference) {
    char out[ROOM];
    char again[ROOM];
    nrt__url from;
    nrt__url to;
    if (nrt__url_resolve(base, reference, out, sizeof(out)) < 0) {
        return;
    }
    nrt_str result = nrt_str_from(out);
    CHECK(result.len < sizeof(out));
    CHECK(check_url(base, &from));
    CHECK(check_url(result, &to));
    if (!leaves(reference)) {
        CHECK(same_authority(&from, &to) && nrt__str_equal(from.scheme, to.scheme));
        CHECK(!has_dots(to.path));
    }
    /* A URL is a reference to itself, and nothing is one to where one is. */
    CHECK(nrt__url_resolve(base, result, again, sizeof(again)) == 0);
    CHECK(strcmp(out, again) == 0 || has_dots(to.path));
    CHECK(nrt__url_resolve(result, NRT__STR(""), again, sizeof(again)) == 0);
    nrt__url here;
    CHECK(check_url(nrt_str_from(again), &here));
    CHECK(same_authority(&to, &here) && nrt__str_equal(to.query, here.query));
    CHECK(here.fragment.len == 0);
    /* What does not fit is an error, not a part. */
    char *exact = malloc(result.len + 1);
    CHECK(exact);
    if (nrt__url_resolve(base, reference, exact, result.len + 1) == 0) { /* dots may take more */
        CHECK(strcmp(exact, out) == 0);
    }
    CHECK(nrt__url_resolve(base, reference, exact, result.len) < 0);
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = fuzz_copy((nrt_str){(const char *)data, size}, false);
    nrt_str input = {copy, size};
    nrt_str rest = input;
    nrt_str base = {"", 0};
    nrt_str reference = {"", 0};
    nrt__url url;
    check_url(input, &url);
    check_authority(input);
    check_dots(input);
    if (fuzz_line(&rest, &base)) {
        check_url(base, &url);
        check_authority(base);
        check_dots(base);
        fuzz_line(&rest, &reference);
        check_resolve(base, reference);
    }
    free(copy);
    return 0;
}
