/* URLs: parse, resolve. */
#include "core/http/url.h"

#include "core/base/buf.h"
#include "core/base/str.h"

static bool is_hex(char c) {
    return nrt__is_digit(c) || (nrt__lower(c) >= 'a' && nrt__lower(c) <= 'f');
}

/* unreserved / sub-delims / pct-encoded, RFC 3986 section 3.2.2 */
static bool is_reg_name(nrt_str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            if (text.len - i < 3 || !is_hex(text.ptr[i + 1]) || !is_hex(text.ptr[i + 2])) {
                return false;
            }
            i += 2;
        } else if (!nrt__is_digit(c) && !(nrt__lower(c) >= 'a' && nrt__lower(c) <= 'z') &&
                   (c == '\0' || !strchr("-._~!$&'()*+,;=", c))) {
            return false;
        }
    }
    return text.len > 0;
}

/* dec-octet "." dec-octet "." dec-octet "." dec-octet */
static bool is_ipv4(nrt_str text) {
    for (int part = 0; part < 4; part++) {
        size_t len = 0;
        uint64_t number = 0;
        while (len < text.len && text.ptr[len] != '.') {
            len++;
        }
        if (len > 3 || !nrt__str_to_u64((nrt_str){text.ptr, len}, 255, &number) ||
            (len > 1 && text.ptr[0] == '0') || (part < 3) != (len < text.len)) {
            return false;
        }
        size_t step = part < 3 ? len + 1 : len;
        text.ptr += step;
        text.len -= step;
    }
    return true;
}

/* Eight groups of up to four hex digits; "::" once for one or more of zeros; the last two may be an
 * IPv4 address. */
static bool is_ipv6(nrt_str text) {
    int groups = 0;
    bool gap = false;
    size_t at = 0;
    if (text.len >= 2 && text.ptr[0] == ':' && text.ptr[1] == ':') {
        gap = true;
        at = 2;
    }
    while (at < text.len) {
        size_t end = at;
        while (end < text.len && is_hex(text.ptr[end])) {
            end++;
        }
        if (end < text.len && text.ptr[end] == '.') {
            groups += 2;
            return is_ipv4((nrt_str){text.ptr + at, text.len - at}) &&
                   (gap ? groups < 8 : groups == 8);
        }
        if (end == at || end - at > 4) {
            return false;
        }
        groups++;
        at = end;
        if (at == text.len) {
            break;
        }
        if (text.ptr[at++] != ':' || at == text.len) {
            return false;
        }
        if (text.ptr[at] == ':') {
            if (gap) {
                return false;
            }
            gap = true;
            at++;
        }
    }
    return gap ? groups < 8 : groups == 8;
}

/* 1*( unreserved / sub-delims / ":" ) */
static bool is_future(nrt_str text) {
    for (size_t i = 0; i < text.len; i++) {
        nrt_str one = {text.ptr + i, 1};
        if (text.ptr[i] != ':' && (text.ptr[i] == '%' || !is_reg_name(one))) {
            return false;
        }
    }
    return text.len > 0;
}

/* "[" ( IPv6address / IPvFuture ) "]", RFC 3986 section 3.2.2 */
static bool is_ip_literal(nrt_str text) {
    if (text.len < 4 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']') {
        return false;
    }
    if (nrt__lower(text.ptr[1]) == 'v') {
        size_t dot = 2;
        while (is_hex(text.ptr[dot])) {
            dot++;
        }
        nrt_str rest = {text.ptr + dot + 1, text.len - dot - 2};
        return dot > 2 && text.ptr[dot] == '.' && is_future(rest);
    }
    return is_ipv6((nrt_str){text.ptr + 1, text.len - 2});
}

bool nrt__authority_split(nrt_str authority, nrt_str *host, nrt_str *port) {
    size_t end = 0;
    *port = (nrt_str){NULL, 0};
    if (authority.len > 0 && authority.ptr[0] == '[') {
        while (end < authority.len && authority.ptr[end] != ']') {
            end++;
        }
        end = end < authority.len ? end + 1 : end;
    } else {
        while (end < authority.len && authority.ptr[end] != ':') {
            end++;
        }
    }
    *host = (nrt_str){authority.ptr, end};
    if (end < authority.len) {
        uint64_t number = 0;
        if (authority.ptr[end] != ':') {
            return false;
        }
        *port = (nrt_str){authority.ptr + end + 1, authority.len - end - 1};
        if (port->len > 0 && (!nrt__str_to_u64(*port, 65535, &number) || number == 0)) {
            return false;
        }
    }
    return is_ip_literal(*host) || is_reg_name(*host);
}

/* The character at the start of `path`, as a server might see it; *len is how many bytes it takes.
 * Only what matters to segments is decoded: '.', '/' and '\\'. */
static char seen_as(nrt_str path, size_t *len) {
    *len = 1;
    if (path.ptr[0] != '%' || path.len < 3) {
        return path.ptr[0];
    }
    char high = path.ptr[1];
    char low = nrt__lower(path.ptr[2]);
    char c = high == '2' && low == 'e'   ? '.'
             : high == '2' && low == 'f' ? '/'
             : high == '5' && low == 'c' ? '\\'
                                         : '%';
    *len = c == '%' ? 1 : 3;
    return c;
}

bool nrt__path_has_dots(nrt_str path) {
    enum { OTHER = 3 }; /* more than dots in this segment */
    size_t dots = 0;
    bool parameters = false; /* behind a ';' */
    while (path.len > 0 && path.ptr[0] != '?') {
        size_t len;
        char c = seen_as(path, &len);
        path.ptr += len;
        path.len -= len;
        if (c == '/' || c == '\\') {
            if (dots == 1 || dots == 2) {
                return true;
            }
            dots = 0;
            parameters = false;
        } else if (c == ';') {
            parameters = true;
        } else if (!parameters) {
            dots += c == '.' ? 1 : OTHER;
        }
    }
    return dots == 1 || dots == 2;
}

/* Takes what stands before the first of `stops` off `text`. */
static nrt_str take_until(nrt_str *text, const char *stops) {
    size_t end = 0;
    while (end < text->len && !strchr(stops, text->ptr[end])) {
        end++;
    }
    nrt_str taken = {text->ptr, end};
    text->ptr += end;
    text->len -= end;
    return taken;
}

int nrt__url_parse(nrt_str text, nrt__url *out) {
    memset(out, 0, sizeof(*out));
    if (!nrt__is_visible(text)) {
        return NRT_ERR_URL;
    }
    nrt_str rest = text;
    out->scheme = take_until(&rest, ":/?#");
    if (!nrt__str_same(out->scheme, NRT__STR("http")) &&
        !nrt__str_same(out->scheme, NRT__STR("https"))) {
        return NRT_ERR_URL;
    }
    if (!nrt__str_starts(rest, NRT__STR("://"))) {
        return NRT_ERR_URL;
    }
    rest.ptr += 3;
    rest.len -= 3;
    nrt_str authority = take_until(&rest, "/?#");
    for (size_t i = authority.len; i > 0; i--) {
        if (authority.ptr[i - 1] == '@') {
            out->userinfo = (nrt_str){authority.ptr, i - 1};
            authority.ptr += i;
            authority.len -= i;
            break;
        }
    }
    if (!nrt__authority_split(authority, &out->host, &out->port)) {
        return NRT_ERR_URL;
    }
    out->path = take_until(&rest, "?#");
    out->query = take_until(&rest, "#");
    out->fragment = rest;
    return 0;
}

/* RFC 3986 section 5.2.4, on a path that begins with '/'. Appends to `out`, never above `root`. */
static bool put_without_dots(nrt__buf *out, nrt_str path) {
    size_t root = out->end;
    while (path.len > 0) {
        size_t end = 1;
        while (end < path.len && path.ptr[end] != '/') {
            end++;
        }
        nrt_str segment = {path.ptr, end}; /* with its leading '/' */
        bool last = end == path.len;
        path.ptr += end;
        path.len -= end;
        bool one = nrt__str_equal(segment, NRT__STR("/."));
        bool two = nrt__str_equal(segment, NRT__STR("/.."));
        if (two) {
            while (out->end > root && out->bytes[--out->end] != '/') {
            }
        }
        if (one || two) {
            if (last && !nrt__buf_lit(out, "/")) {
                return false;
            }
        } else if (!nrt__buf_put(out, segment)) {
            return false;
        }
    }
    return true;
}

static bool has_scheme(nrt_str reference) {
    nrt_str rest = reference;
    nrt_str scheme = take_until(&rest, ":/?#");
    return scheme.len > 0 && rest.len > 0 && rest.ptr[0] == ':' &&
           nrt__lower(scheme.ptr[0]) >= 'a' && nrt__lower(scheme.ptr[0]) <= 'z';
}

/* RFC 3986 section 5.2.2: where the reference says nothing the base does, and dot segments go. */
static bool put_resolved(nrt__buf *text, nrt__buf *joined, const nrt__url *from, nrt_str base,
                         nrt_str reference) {
    nrt_str rest = reference;
    nrt_str root = {base.ptr, (size_t)(from->path.ptr - base.ptr)};
    if (has_scheme(reference) || nrt__str_starts(reference, NRT__STR("//"))) {
        nrt__url to;
        nrt__buf whole = {.max = text->max};
        bool fine = (has_scheme(reference) ||
                     (nrt__buf_put(&whole, from->scheme) && nrt__buf_lit(&whole, ":"))) &&
                    nrt__buf_put(&whole, reference);
        nrt_str view = nrt__buf_view(&whole);
        fine = fine && nrt__url_parse(view, &to) == 0 &&
               nrt__buf_add(text, view.ptr, (size_t)(to.path.ptr - view.ptr)) &&
               put_without_dots(text, to.path) && nrt__buf_put(text, to.query) &&
               nrt__buf_put(text, to.fragment);
        nrt__buf_free(&whole);
        return fine;
    }
    nrt_str path = take_until(&rest, "?#");
    nrt_str query = take_until(&rest, "#");
    if (path.len == 0) {
        path = from->path;
        query = query.len > 0 ? query : from->query;
    } else if (path.ptr[0] != '/') {
        nrt_str folder = from->path;
        while (folder.len > 0 && folder.ptr[folder.len - 1] != '/') {
            folder.len--;
        }
        if (!(folder.len > 0 ? nrt__buf_put(joined, folder) : nrt__buf_lit(joined, "/")) ||
            !nrt__buf_put(joined, path)) {
            return false;
        }
        path = nrt__buf_view(joined);
    }
    return nrt__buf_put(text, root) && put_without_dots(text, path) && nrt__buf_put(text, query) &&
           nrt__buf_put(text, rest);
}

int nrt__url_resolve(nrt_str base, nrt_str reference, char *out, size_t size) {
    nrt__url from;
    nrt__url check;
    if (nrt__url_parse(base, &from) < 0 || (reference.len > 0 && !nrt__is_visible(reference))) {
        return NRT_ERR_URL;
    }
    nrt__buf text;
    nrt__buf joined;
    nrt__buf_init(&text, size > 0 ? size - 1 : 0);
    nrt__buf_init(&joined, size);
    bool fine = put_resolved(&text, &joined, &from, base, reference);
    nrt_str result = nrt__buf_view(&text);
    int error = fine && nrt__url_parse(result, &check) == 0 ? 0 : NRT_ERR_URL;
    if (error == 0) {
        memcpy(out, result.ptr, result.len);
        out[result.len] = '\0';
    }
    nrt__buf_free(&joined);
    nrt__buf_free(&text);
    return error;
}
