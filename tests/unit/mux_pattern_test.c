/* Patterns: what is one, and how two relate. The rules are those that the documentation of ServeMux
 * in Go 1.22's net/http gives. */
#include "unit.h"

#include "core/handler/mux_pattern.h"

static char why[NRT__MUX_TEXT_MAX];

static void what_is_no_pattern_is_refused_with_a_reason(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *reason;
    } rows[] = {
        {"", "1 to 512 bytes"},
        {"GET", "[METHOD ]/PATH"},
        {"GET ", "[METHOD ]/PATH"},
        {"city", "[METHOD ]/PATH"},
        {"weather.nats/city", "without a host"},
        {"GET weather.nats/city", "without a host"},
        {"Get /", "the method"},
        {"G.T /", "the method"},
        {"GET /a b", "no spaces"},
        {"/a b", "no spaces"},
        {"/a?b", "no spaces, control characters, ? and #"},
        {"/a#b", "no spaces, control characters, ? and #"},
        {"/a\n", "control characters"},
        {"//", "//"},
        {"/a//b", "//"},
        {"/./", "."},
        {"/a/..", ".."},
        {"/a/%2e%2E/b", ".."},
        {"/{a", "whole segment"},
        {"/a}", "whole segment"},
        {"/b_{bucket}", "whole segment"},
        {"/{a}b/", "whole segment"},
        {"/{a}{b}", "a wildcard's name"},
        {"/{}", "a wildcard's name"},
        {"/{1a}", "a wildcard's name"},
        {"/{a-b}", "a wildcard's name"},
        {"/{...}", "a wildcard's name"},
        {"/{a..}", "a wildcard's name"},
        {"/{a...}/b", "at the end only"},
        {"/{a...}/", "at the end only"},
        {"/{$}/", "at the end only"},
        {"/{$}/a", "at the end only"},
        {"/{$...}", "a wildcard's name"},
        {"/{a}/{a}", "same name"},
        {"/{a}/b/{a...}", "same name"},
        {"/%", "hexadecimal"},
        {"/%4", "hexadecimal"},
        {"/%zz", "hexadecimal"},
        {"/%00", "hexadecimal"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        nrt__pattern pattern;
        why[0] = '\0';
        if (nrt__pattern_init(&pattern, rows[i].text, why) != NRT_ERR_USAGE ||
            !strstr(why, rows[i].reason)) {
            fail_msg("\"%s\": %s", rows[i].text, why);
        }
    }
}

static void a_pattern_has_limits(void **state) {
    (void)state;
    char text[NRT__PATTERN_MAX + 2];
    nrt__pattern pattern;
    memset(text, 'a', sizeof(text));
    text[0] = '/';
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(nrt__pattern_init(&pattern, text, why), NRT_ERR_USAGE);
    text[sizeof(text) - 2] = '\0';
    assert_int_equal(nrt__pattern_init(&pattern, text, why), 0);
    nrt__pattern_finish(&pattern);
    for (size_t i = 0; i < 2 * NRT__SEGMENTS_MAX; i += 2) {
        memcpy(text + i, "/a", 3);
    }
    assert_int_equal(nrt__pattern_init(&pattern, text, why), 0);
    assert_int_equal(pattern.count, NRT__SEGMENTS_MAX);
    nrt__pattern_finish(&pattern);
    strcat(text, "/");
    assert_int_equal(nrt__pattern_init(&pattern, text, why), NRT_ERR_USAGE);
    assert_non_null(strstr(why, "too many segments"));
}

static void a_pattern_is_read_in_its_parts(void **state) {
    (void)state;
    nrt__pattern pattern;
    assert_int_equal(nrt__pattern_init(&pattern, "M-SEARCH \t/caf%C3%A9/{_id9}/{rest...}", why), 0);
    assert_view(pattern.method, "M-SEARCH");
    assert_int_equal(pattern.count, 3);
    assert_int_equal(pattern.wildcards, 2);
    assert_view(pattern.segments[0].text, "caf\xc3\xa9");
    assert_int_equal(pattern.segments[1].kind, NRT__SEGMENT_SINGLE);
    assert_view(pattern.segments[1].text, "_id9");
    assert_int_equal(pattern.segments[2].kind, NRT__SEGMENT_REST);
    assert_view(pattern.segments[2].text, "rest");
    nrt__pattern_finish(&pattern);
}

static nrt__relation relate(const char *a, const char *b) {
    nrt__pattern one;
    nrt__pattern other;
    assert_int_equal(nrt__pattern_init(&one, a, why), 0);
    assert_int_equal(nrt__pattern_init(&other, b, why), 0);
    nrt__relation relation = nrt__pattern_compare(&one, &other);
    nrt__relation back = nrt__pattern_compare(&other, &one);
    nrt__relation wanted = relation == NRT__NARROWER ? NRT__WIDER
                           : relation == NRT__WIDER  ? NRT__NARROWER
                                                     : relation;
    assert_int_equal(back, wanted);
    assert_int_equal(nrt__pattern_compare(&one, &one), NRT__SAME);
    why[0] = '\0';
    nrt__pattern_explain(&one, &other, relation, why);
    nrt__pattern_finish(&one);
    nrt__pattern_finish(&other);
    return relation;
}

static void two_patterns_relate_as_the_requests_they_match(void **state) {
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        nrt__relation relation;
    } rows[] = {
        /* literals */
        {"/a", "/a", NRT__SAME},
        {"/a", "/b", NRT__APART},
        {"/a", "/A", NRT__APART},
        {"/a", "/%61", NRT__SAME},
        {"/a%2Fb", "/a/b", NRT__APART},
        {"/a", "/a/", NRT__APART},
        {"/a", "/a/{$}", NRT__APART},
        {"/a/b", "/a", NRT__APART},
        /* one segment */
        {"/{x}", "/{y}", NRT__SAME},
        {"/{x}", "/a", NRT__WIDER},
        {"/{x}", "/{$}", NRT__APART},
        {"/a/{x}", "/{x}/b", NRT__CROSSING},
        {"/a/{x}", "/{x}/{y}", NRT__NARROWER},
        {"/{x}/{y}", "/{x}", NRT__APART},
        {"/a/{x}/b", "/c/{x}/{y}", NRT__APART},
        {"/a/{x}/b", "/{x}/c/d", NRT__APART},
        {"/a/{x}/b", "/{x}/c/b", NRT__CROSSING},
        {"/a/{x}/c", "/{x}/b/{y}", NRT__CROSSING},
        /* the end */
        {"/{$}", "/{$}", NRT__SAME},
        {"/{$}", "/", NRT__NARROWER},
        {"/a/{$}", "/a/", NRT__NARROWER},
        {"/a/{$}", "/a/{x...}", NRT__NARROWER},
        {"/a/{$}", "/a/{x}", NRT__APART},
        {"/a/{$}", "/{x}/{$}", NRT__NARROWER},
        {"/a/{$}", "/a/b/{$}", NRT__APART},
        /* the rest */
        {"/", "/{x...}", NRT__SAME},
        {"/a/", "/a/{x...}", NRT__SAME},
        {"/", "/a/", NRT__WIDER},
        {"/", "/a", NRT__WIDER},
        {"/", "/{x}", NRT__WIDER},
        {"/", "/{x}/{y...}", NRT__WIDER},
        {"/a/", "/a", NRT__APART},
        {"/a/", "/{x}", NRT__APART},
        {"/a/", "/{x}/", NRT__NARROWER},
        {"/a/", "/{x}/b", NRT__CROSSING},
        {"/a/", "/{x}/{$}", NRT__CROSSING},
        {"/a/", "/b/{x}", NRT__APART},
        {"/a/", "/a/b/c", NRT__WIDER},
        {"/{x}/a/", "/b/", NRT__CROSSING},
        {"/{x}/", "/a/{y}", NRT__WIDER},
        /* methods */
        {"GET /", "GET /", NRT__SAME},
        {"GET /", "POST /", NRT__APART},
        {"GET /", "/", NRT__NARROWER},
        {"GET /", "HEAD /", NRT__WIDER},
        {"HEAD /", "POST /", NRT__APART},
        {"GET /", "/a", NRT__CROSSING},
        {"GET /a", "/", NRT__NARROWER},
        {"GET /a", "/{x}", NRT__NARROWER},
        {"GET /{x}", "/a", NRT__CROSSING},
        {"GET /{x}", "HEAD /a", NRT__WIDER},
        {"HEAD /{x}", "GET /a", NRT__CROSSING},
        {"GET /{x}", "POST /a", NRT__APART},
        {"GET /a/{x}", "POST /{x}/b", NRT__APART},
        {"GET /a/{x}", "/{x}/b", NRT__CROSSING},
        /* what the documentation and the proposal name */
        {"/images/thumbnails/", "/images/", NRT__NARROWER},
        {"/posts/latest", "/posts/{id}", NRT__NARROWER},
        {"GET /posts/{id}", "/posts/{id}", NRT__NARROWER},
        {"/posts/{id}", "/{resource}/latest", NRT__CROSSING},
        {"/items/{id}/", "/items/{id}", NRT__APART},
        {"/b/{bucket}/o/default", "/b/{bucket}/o/{noun}", NRT__NARROWER},
        {"/b/{bucket}/{verb}/default", "/b/{bucket}/o/{noun}", NRT__CROSSING},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        nrt__relation relation = relate(rows[i].a, rows[i].b);
        if (relation != rows[i].relation) {
            fail_msg("%s and %s: %d, not %d", rows[i].a, rows[i].b, relation, rows[i].relation);
        }
    }
}

static void a_conflict_names_both_and_a_path_that_both_match(void **state) {
    (void)state;
    assert_int_equal(relate("/posts/{id}", "/{resource}/latest"), NRT__CROSSING);
    assert_string_equal(why, "\"/posts/{id}\" conflicts with \"/{resource}/latest\", added before: "
                             "both match /posts/latest, and neither is more specific");
    assert_int_equal(relate("/a/", "/{x}/{y}/c"), NRT__CROSSING);
    assert_non_null(strstr(why, "both match /a/y/c,"));
    assert_int_equal(relate("/a/{x...}", "/a/"), NRT__SAME);
    assert_string_equal(why, "\"/a/{x...}\" conflicts with \"/a/\", added before: they match the "
                             "same requests");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_pattern_is_refused_with_a_reason),
        cmocka_unit_test(a_pattern_has_limits),
        cmocka_unit_test(a_pattern_is_read_in_its_parts),
        cmocka_unit_test(two_patterns_relate_as_the_requests_they_match),
        cmocka_unit_test(a_conflict_names_both_and_a_path_that_both_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
