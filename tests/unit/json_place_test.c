/* Where things stand in JSON, and what is said of texts that are none. */
#include "unit.h"

#include "core/base/json_place.h"

static void assert_place(nrt__json_place got, unsigned line, unsigned column) {
    assert_int_equal(got.line, line);
    assert_int_equal(got.column, column);
}

static const char text[] =
    "\n {\"a\": 1, \"list\" : [10, {\"x\\\"}]\": \"}],\", \"b\": [[1,2],[]]},\n"
    "  \"\\u00e4\",\t{ } ] ,\n\t\"last\": {\"b\": null}}";

static nrt__json_place locate(const nrt__json_step *steps, size_t count) {
    return nrt__json_locate(NRT__STR(text), steps, count);
}

static void members_and_elements_are_found(void **state) {
    const nrt__json_step list[] = {{.key = "list"}, {.index = 1}, {.key = "b"}, {.index = 1}};
    const nrt__json_step third[] = {{.key = "list"}, {.index = 3}};
    const nrt__json_step last[] = {{.key = "last"}, {.key = "b"}};
    (void)state;
    assert_place(locate(NULL, 0), 2, 2);
    assert_place(locate((nrt__json_step[]){{.key = "a"}}, 1), 2, 3);
    assert_place(locate(list, 1), 2, 11);
    assert_place(locate(list, 2), 2, 25);
    assert_place(locate(list, 3), 2, 42);
    assert_place(locate(list, 4), 2, 54);
    assert_place(locate(third, 2), 3, 13);
    assert_place(locate(last, 2), 4, 11);
}

static void a_way_that_leads_nowhere_ends_at_what_is_around(void **state) {
    const nrt__json_step none[] = {{.key = "list"}, {.index = 9}, {.key = "x"}};
    const nrt__json_step wrong[] = {{.key = "a"}, {.key = "x"}};
    (void)state;
    assert_place(locate(none, 3), 2, 11);
    assert_place(locate(wrong, 2), 2, 3);
    assert_place(locate((nrt__json_step[]){{.key = "none"}}, 1), 2, 2);
    assert_place(locate((nrt__json_step[]){{.index = 0}}, 1), 2, 2);
}

/* No prefix of a text is read beyond its end. */
static void a_text_that_ends_anywhere_is_safe(void **state) {
    const nrt__json_step steps[] = {{.key = "last"}, {.key = "b"}};
    (void)state;
    for (size_t len = 0; len < sizeof(text); len++) {
        char *copy = test_malloc(len + 1);
        memcpy(copy, text, len);
        nrt__json_place place = nrt__json_locate((nrt_str){copy, len}, steps, 2);
        assert_true(place.line >= 1 && place.line <= 4);
        test_free(copy);
    }
}

static void a_fault_is_told_with_what_to_do(void **state) {
    static const struct {
        const char *text;
        const char *why;
        unsigned line;
        unsigned column;
    } cases[] = {
        {"{\"a\": 1, // x\n\"b\": 2}", "JSON knows no comments: remove it", 1, 10},
        {"{\"a\": \"// no\",\n/* x */ \"b\": 2}", "JSON knows no comments: remove it", 2, 1},
        {"# x\n{}", "JSON knows no comments: remove it", 1, 1},
        {"{\"a\": [1,\n2 , ]}", "a comma before the end of a list: remove it", 2, 3},
        {"{\"a\": 1,}", "a comma before the end of a list: remove it", 1, 8},
        {"{'a': 1}", "JSON has strings and keys in double quotes: write \"", 1, 2},
        {"{\"a\": 1,\n \"a\": 2}", "a key stands there twice: keep one of them", 2, 4},
        {"{\"a\": [", "the file ends too early: a bracket or a quote is not closed", 1, 7},
        {"", "the file ends too early: a bracket or a quote is not closed", 1, 1},
        {"{} {}", "something follows behind the end", 1, 4},
        {"\xef\xbb\xbf{}", "the file begins with a byte order mark: save it without", 1, 1},
        {"{\"a\": \"\xff\"}", "not UTF-8", 1, 7},
    };
    char why[160];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_error_t error = {0};
        nrt_str view = nrt_str_from(cases[i].text);
        json_t *root = json_loadb(view.ptr, view.len, JSON_REJECT_DUPLICATES, &error);
        assert_null(root);
        nrt__json_place place = nrt__json_fault(view, &error, why, sizeof(why));
        assert_string_equal(why, cases[i].why);
        assert_int_equal(place.line, cases[i].line);
        assert_in_range(place.column, cases[i].column, cases[i].column + 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_and_elements_are_found),
        cmocka_unit_test(a_way_that_leads_nowhere_ends_at_what_is_around),
        cmocka_unit_test(a_text_that_ends_anywhere_is_safe),
        cmocka_unit_test(a_fault_is_told_with_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
