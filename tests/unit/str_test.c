/* Views and characters: ASCII by the letter of RFC 9110, whatever the locale or the sign of char.
 */
#include "unit.h"

#include "core/base/str.h"

static void a_view_is_compared_with_a_text_byte_for_byte(void **state) {
    (void)state;
    const nrt_str absent = {NULL, 0};
    assert_true(nrt_str_is(NRT__STR("a"), "a"));
    assert_true(nrt_str_is((nrt_str){"ab", 1}, "a")); /* no NUL behind it */
    assert_true(nrt_str_is(NRT__STR(""), ""));
    assert_false(nrt_str_is(NRT__STR("a"), "A"));
    assert_false(nrt_str_is(NRT__STR("a"), "ab"));
    assert_false(nrt_str_is((nrt_str){"a\0b", 3}, "a"));
    assert_false(nrt_str_is(absent, ""));
}

static void only_tchar_makes_a_token(void **state) {
    (void)state;
    static const char tchar[] = "!#$%&'*+-.^_`|~0123456789"
                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (int c = 0; c < 256; c++) {
        char one = (char)c;
        bool is = c != 0 && strchr(tchar, c) != NULL;
        assert_int_equal(nrt__is_token((nrt_str){&one, 1}), is);
        char two[] = {'a', one};
        assert_int_equal(nrt__is_token((nrt_str){two, 2}), is);
    }
    assert_false(nrt__is_token(NRT__STR("")));
}

static void a_field_value_has_no_control_characters(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[] = {'a', (char)c, 'b'};
        bool is = c == '\t' || (c >= 0x20 && c != 0x7f);
        assert_int_equal(nrt__is_field_value((nrt_str){text, 3}), is);
    }
    assert_true(nrt__is_field_value(NRT__STR("")));
}

static void a_field_value_has_no_white_space_around_it(void **state) {
    (void)state;
    assert_false(nrt__is_field_value(NRT__STR(" a")));
    assert_false(nrt__is_field_value(NRT__STR("a ")));
    assert_false(nrt__is_field_value(NRT__STR("\ta")));
    assert_false(nrt__is_field_value(NRT__STR("a\t")));
    assert_false(nrt__is_field_value(NRT__STR(" ")));
    assert_true(nrt__is_field_value(NRT__STR("a \t b")));
}

static void visible_is_ascii_without_space(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++) {
        char one = (char)c;
        assert_int_equal(nrt__is_visible((nrt_str){&one, 1}), c > 0x20 && c < 0x7f);
    }
    assert_false(nrt__is_visible(NRT__STR("")));
}

static void case_is_ignored_in_ascii_letters_only(void **state) {
    (void)state;
    assert_true(nrt__str_same(NRT__STR("Content-TYPE"), NRT__STR("content-type")));
    assert_false(nrt__str_same(NRT__STR("content-type"), NRT__STR("content-typ")));
    assert_true(nrt__str_same((nrt_str){NULL, 0}, NRT__STR("")));
    assert_false(nrt__str_same(NRT__STR("@"), NRT__STR("`"))); /* 0x40 and 0x60 */
    assert_false(nrt__str_same(NRT__STR("["), NRT__STR("{")));
    assert_false(nrt__str_same(NRT__STR("\xc4"), NRT__STR("\xe4")));
    assert_false(nrt__str_equal(NRT__STR("A"), NRT__STR("a")));
}

/* Texts are looked at in words of eight: each character counts in each place of them. */
static void every_place_in_a_text_is_looked_at(void **state) {
    (void)state;
    for (size_t len = 3; len <= 27; len++) {
        char text[27];
        char other[27];
        memset(text, 'k', sizeof(text));
        memset(other, 'K', sizeof(other));
        for (size_t at = 1; at + 1 < len; at++) {
            for (int c = 0; c < 256; c++) {
                nrt_str view = {text, len};
                text[at] = other[at] = (char)c;
                assert_int_equal(nrt__is_field_value(view), c == '\t' || (c >= 0x20 && c != 0x7f));
                assert_int_equal(nrt__is_visible(view), c > 0x20 && c < 0x7f);
                assert_true(nrt__str_same(view, (nrt_str){other, len}));
                assert_true(nrt__str_same((nrt_str){text, at + 1}, (nrt_str){other, at + 1}));
                other[at] = (char)(c ^ 0x20);
                bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
                assert_int_equal(nrt__str_same(view, (nrt_str){other, len}), letter);
                assert_int_equal(nrt__str_same((nrt_str){text, at + 1}, (nrt_str){other, at + 1}),
                                 letter);
                other[at] = (char)(c ^ 0x01);
                assert_false(nrt__str_same(view, (nrt_str){other, len}));
            }
            text[at] = 'k';
            other[at] = 'K';
        }
    }
}

static void trimming_takes_spaces_and_tabs_only(void **state) {
    (void)state;
    assert_view(nrt__str_trim(NRT__STR(" \t a b\t ")), "a b");
    assert_view(nrt__str_trim(NRT__STR("\r\na\n")), "\r\na\n");
    assert_view(nrt__str_trim(NRT__STR(" \t ")), "");
    assert_view(nrt__str_trim(NRT__STR("")), "");
}

static void a_list_comes_apart_at_commas(void **state) {
    (void)state;
    nrt_str list = NRT__STR(" ,a , ,\tb=\"x, \\\" y\" ,, c,");
    nrt_str one;
    assert_true(nrt__str_next(&list, &one));
    assert_view(one, "a");
    assert_true(nrt__str_next(&list, &one));
    assert_view(one, "b=\"x, \\\" y\"");
    assert_true(nrt__str_next(&list, &one));
    assert_view(one, "c");
    assert_false(nrt__str_next(&list, &one));
    assert_false(nrt__str_next(&list, &one));
}

static void a_list_of_nothing_has_no_elements(void **state) {
    (void)state;
    const char *lists[] = {"", ",", " , ,\t,"};
    for (size_t i = 0; i < COUNT(lists); i++) {
        nrt_str list = nrt_str_from(lists[i]);
        nrt_str one;
        assert_false(nrt__str_next(&list, &one));
    }
    nrt_str absent = {NULL, 0};
    nrt_str one;
    assert_false(nrt__str_next(&absent, &one));
}

static void an_open_quote_reaches_to_the_end(void **state) {
    (void)state;
    nrt_str list = NRT__STR("a=\"b, c\\");
    nrt_str one;
    assert_true(nrt__str_next(&list, &one));
    assert_view(one, "a=\"b, c\\");
    assert_false(nrt__str_next(&list, &one));
}

static void numbers_are_digits_within_a_limit(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "+1",
                                      "-1",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "1.0",
                                      "1a",
                                      "18446744073709551616",
                                      "99999999999999999999999"};
    uint64_t value = 77;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(nrt__str_to_u64(nrt_str_from(bad[i]), UINT64_MAX, &value));
    }
    assert_int_equal(value, 77);
    assert_true(nrt__str_to_u64(NRT__STR("18446744073709551615"), UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
    assert_true(nrt__str_to_u64(NRT__STR("00042"), 42, &value));
    assert_int_equal(value, 42);
    assert_false(nrt__str_to_u64(NRT__STR("43"), 42, &value));
    assert_true(nrt__str_to_u64(NRT__STR("0"), 0, &value));
    assert_int_equal(value, 0);
}

static void a_prefix_is_not_longer_than_its_text(void **state) {
    (void)state;
    assert_true(nrt__str_starts(NRT__STR("nats://x"), NRT__STR("nats:")));
    assert_true(nrt__str_starts(NRT__STR("nats"), NRT__STR("")));
    assert_false(nrt__str_starts(NRT__STR("nat"), NRT__STR("nats")));
    assert_false(nrt__str_starts(NRT__STR("Nats"), NRT__STR("nats")));
}

/* RFC 3629 section 4. */
static void utf8_is_what_the_rfc_says(void **state) {
    (void)state;
    static const char *const good[] = {"",
                                       "plain",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "a\xc3\xa9z"};
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc3",
        "\xc3z",
        "a\xe2\x82",
        "\xe2\x82z",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf0\x90\x80",
        "\xff",
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(nrt__is_utf8(nrt_str_from(good[i])));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(nrt__is_utf8(nrt_str_from(bad[i])));
    }
    assert_int_equal(nrt__utf8_len(NRT__STR("\xe2\x82\xac and more")), 3);
    assert_int_equal(nrt__utf8_len((nrt_str){"\xe2\x82\xac", 2}), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_view_is_compared_with_a_text_byte_for_byte),
        cmocka_unit_test(only_tchar_makes_a_token),
        cmocka_unit_test(a_field_value_has_no_control_characters),
        cmocka_unit_test(a_field_value_has_no_white_space_around_it),
        cmocka_unit_test(visible_is_ascii_without_space),
        cmocka_unit_test(case_is_ignored_in_ascii_letters_only),
        cmocka_unit_test(every_place_in_a_text_is_looked_at),
        cmocka_unit_test(trimming_takes_spaces_and_tabs_only),
        cmocka_unit_test(a_list_comes_apart_at_commas),
        cmocka_unit_test(a_list_of_nothing_has_no_elements),
        cmocka_unit_test(an_open_quote_reaches_to_the_end),
        cmocka_unit_test(numbers_are_digits_within_a_limit),
        cmocka_unit_test(a_prefix_is_not_longer_than_its_text),
        cmocka_unit_test(utf8_is_what_the_rfc_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
