/* Patterns of routes: reading them, and comparing two. */
#include "core/handler/mux_pattern.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/percent.h"
#include "core/base/str.h"
#include "core/nats/subject.h"

/* ---- reading ---- */

size_t nrt__segment_dots(nrt_str segment) {
    size_t dots = 0;
    size_t at = 0;
    while (at < segment.len && dots < 3) {
        nrt_str rest = {segment.ptr + at, segment.len - at};
        if (rest.ptr[0] == '.') {
            at++;
        } else if (rest.len >= 3 && nrt__str_same((nrt_str){rest.ptr, 3}, NRT__STR("%2e"))) {
            at += 3;
        } else {
            return 0;
        }
        dots++;
    }
    return dots < 3 ? dots : 0;
}

static bool is_name(nrt_str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = nrt__lower(text.ptr[i]);
        bool letter = (c >= 'a' && c <= 'z') || c == '_';
        if (!letter && !(i > 0 && nrt__is_digit(c))) {
            return false;
        }
    }
    return text.len > 0;
}

/* `{...}`: what it stands for. NULL, or what is wrong with it. */
static const char *read_wildcard(nrt_str text, bool last, nrt__segment *segment) {
    nrt_str name = {text.ptr + 1, text.len - 2};
    if (nrt__str_equal(name, NRT__STR("$"))) {
        *segment = (nrt__segment){NRT__SEGMENT_LITERAL, {"", 0}};
        return last ? NULL : "{$} stands at the end only";
    }
    segment->kind = NRT__SEGMENT_SINGLE;
    if (name.len >= 3 && memcmp(name.ptr + name.len - 3, "...", 3) == 0) {
        segment->kind = NRT__SEGMENT_REST;
        name.len -= 3;
        if (!last) {
            return "a wildcard with ... stands at the end only";
        }
    }
    segment->text = name;
    return is_name(name) ? NULL : "a wildcard's name is letters, digits and _, as in C";
}

static const char *read_segment(nrt__pattern *pattern, nrt_str text, bool last, char **decoded) {
    nrt__segment *segment = &pattern->segments[pattern->count];
    if (text.len >= 2 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}') {
        const char *wrong = read_wildcard(text, last, segment);
        bool named = segment->kind != NRT__SEGMENT_LITERAL;
        for (size_t i = 0; !wrong && named && i < pattern->count; i++) {
            const nrt__segment *other = &pattern->segments[i];
            if (other->kind != NRT__SEGMENT_LITERAL && nrt__str_equal(other->text, segment->text)) {
                return "two wildcards have the same name";
            }
        }
        pattern->wildcards += named;
        return wrong;
    }
    if (text.len == 0 && last) {
        *segment = (nrt__segment){NRT__SEGMENT_REST, {"", 0}};
        return NULL;
    }
    if (text.len == 0) {
        return "requests have no // in their path: it is taken out";
    }
    if (nrt__segment_dots(text)) {
        return "requests have no . and .. in their path: they are taken out";
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c == 0x7f || c == '?' || c == '#') {
            return "a path has no spaces, control characters, ? and #";
        }
        if (c == '{' || c == '}') {
            return "a wildcard is a whole segment: /{name}/";
        }
    }
    segment->kind = NRT__SEGMENT_LITERAL;
    segment->text.ptr = *decoded;
    if (!nrt__percent_decode(text, false, *decoded, &segment->text.len)) {
        return "a percent sign is followed by two hexadecimal digits, not 00";
    }
    *decoded += segment->text.len;
    return NULL;
}

static const char *read_path(nrt__pattern *pattern, nrt_str path) {
    char *decoded = pattern->decoded;
    bool last = false;
    while (!last) {
        path = (nrt_str){path.ptr + 1, path.len - 1}; /* the slash */
        const char *slash = path.len > 0 ? memchr(path.ptr, '/', path.len) : NULL;
        last = !slash;
        nrt_str text = {path.ptr, slash ? (size_t)(slash - path.ptr) : path.len};
        if (pattern->count == NRT__SEGMENTS_MAX) {
            return "it has too many segments";
        }
        const char *wrong = read_segment(pattern, text, last, &decoded);
        if (wrong) {
            return wrong;
        }
        pattern->count++;
        path = (nrt_str){path.ptr + text.len, path.len - text.len};
    }
    return NULL;
}

static const char *read_pattern(nrt__pattern *pattern) {
    nrt_str text = nrt_str_from(pattern->text);
    size_t end = strcspn(text.ptr, " \t");
    if (end < text.len && text.ptr[0] != '/') {
        pattern->method = (nrt_str){text.ptr, end};
        end += strspn(text.ptr + end, " \t");
        text = (nrt_str){text.ptr + end, text.len - end};
        if (nrt__method_check(pattern->method) < 0) {
            return "the method is not one that can be asked for over NATS";
        }
    }
    if (text.len == 0 || text.ptr[0] != '/') {
        return "it is [METHOD ]/PATH, without a host";
    }
    return read_path(pattern, text);
}

int nrt__pattern_init(nrt__pattern *pattern, const char *text, char why[NRT__MUX_TEXT_MAX]) {
    memset(pattern, 0, sizeof(*pattern));
    size_t len = text ? strnlen(text, NRT__PATTERN_MAX + 1) : 0;
    if (len == 0 || len > NRT__PATTERN_MAX) {
        snprintf(why, NRT__MUX_TEXT_MAX, "a pattern has 1 to %d bytes", NRT__PATTERN_MAX);
        return NRT_ERR_USAGE;
    }
    size_t count = 0;
    for (size_t i = 0; i < len; i++) {
        count += text[i] == '/';
    }
    pattern->text = strdup(text);
    pattern->decoded = malloc(len);
    pattern->segments = calloc(count + 1, sizeof(*pattern->segments));
    if (!pattern->text || !pattern->decoded || !pattern->segments) {
        nrt__pattern_finish(pattern);
        return NRT_ERR_MEMORY;
    }
    const char *wrong = read_pattern(pattern);
    if (wrong) {
        snprintf(why, NRT__MUX_TEXT_MAX, "\"%s\" is no pattern: %s", text, wrong);
        nrt__pattern_finish(pattern);
        return NRT_ERR_USAGE;
    }
    return 0;
}

void nrt__pattern_finish(nrt__pattern *pattern) {
    free(pattern->text);
    free(pattern->decoded);
    free(pattern->segments);
    memset(pattern, 0, sizeof(*pattern));
}

/* ---- comparing ---- */

/* Of two products of sets, out of how their factors relate. */
static nrt__relation combine(nrt__relation a, nrt__relation b) {
    if (a == NRT__APART || b == NRT__APART) {
        return NRT__APART;
    }
    if (a == NRT__SAME || a == b) {
        return b;
    }
    return b == NRT__SAME ? a : NRT__CROSSING;
}

static nrt__relation compare_methods(nrt_str a, nrt_str b) {
    if (nrt__str_equal(a, b)) {
        return NRT__SAME;
    }
    if (a.len == 0 || b.len == 0) {
        return a.len == 0 ? NRT__WIDER : NRT__NARROWER;
    }
    bool get_a = nrt__str_equal(a, NRT__STR("GET"));
    bool get_b = nrt__str_equal(b, NRT__STR("GET"));
    if (get_a && nrt__str_equal(b, NRT__STR("HEAD"))) {
        return NRT__WIDER;
    }
    return get_b && nrt__str_equal(a, NRT__STR("HEAD")) ? NRT__NARROWER : NRT__APART;
}

/* Of segments that stand for one segment each. */
static nrt__relation compare_singles(const nrt__segment *a, const nrt__segment *b) {
    bool single_a = a->kind == NRT__SEGMENT_SINGLE;
    bool single_b = b->kind == NRT__SEGMENT_SINGLE;
    if (single_a && single_b) {
        return NRT__SAME;
    }
    if (single_a || single_b) {
        const nrt__segment *literal = single_a ? b : a;
        if (literal->text.len == 0) { /* what {name} does not stand for */
            return NRT__APART;
        }
        return single_a ? NRT__WIDER : NRT__NARROWER;
    }
    return nrt__str_equal(a->text, b->text) ? NRT__SAME : NRT__APART;
}

static nrt__relation compare_paths(const nrt__pattern *a, const nrt__pattern *b) {
    nrt__relation relation = NRT__SAME;
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        bool rest_a = a->segments[i].kind == NRT__SEGMENT_REST;
        bool rest_b = b->segments[i].kind == NRT__SEGMENT_REST;
        if (rest_a || rest_b) { /* which ends it; whatever the other one has here is a rest, too */
            nrt__relation tail = rest_a && rest_b ? NRT__SAME : rest_a ? NRT__WIDER : NRT__NARROWER;
            return combine(relation, tail);
        }
        relation = combine(relation, compare_singles(&a->segments[i], &b->segments[i]));
    }
    return a->count == b->count ? relation : NRT__APART;
}

nrt__relation nrt__pattern_compare(const nrt__pattern *a, const nrt__pattern *b) {
    return combine(compare_methods(a->method, b->method), compare_paths(a, b));
}

/* A path that both match. */
static void put_common(nrt__buf *out, const nrt__pattern *a, const nrt__pattern *b) {
    const nrt__pattern *longer = a->count >= b->count ? a : b;
    const nrt__pattern *other = longer == a ? b : a;
    for (size_t i = 0; i < longer->count; i++) {
        const nrt__segment *segment = &longer->segments[i];
        if (i < other->count && segment->kind > other->segments[i].kind) {
            segment = &other->segments[i];
        }
        nrt__buf_lit(out, "/");
        if (segment->kind != NRT__SEGMENT_REST) {
            nrt__buf_put(out, segment->text);
        }
    }
}

void nrt__pattern_explain(const nrt__pattern *added, const nrt__pattern *before,
                          nrt__relation relation, char why[NRT__MUX_TEXT_MAX]) {
    if (relation == NRT__SAME) {
        snprintf(why, NRT__MUX_TEXT_MAX,
                 "\"%s\" conflicts with \"%s\", added before: they match the same requests",
                 added->text, before->text);
        return;
    }
    nrt__buf common;
    nrt__buf_init(&common, NRT__PATTERN_MAX);
    put_common(&common, added, before);
    nrt_str path = nrt__buf_view(&common); /* without memory for it, what fits */
    snprintf(why, NRT__MUX_TEXT_MAX,
             "\"%s\" conflicts with \"%s\", added before: both match %.*s, and neither is more "
             "specific",
             added->text, before->text, NRT__ARG(path));
    nrt__buf_free(&common);
}
