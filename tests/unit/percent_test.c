/* Percent-encoding, both ways. */
#include "unit.h"

#include <nrt/http.h>

#include "core/base/percent.h"

static void what_is_no_code_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"%",    "%1",    "a%",   "%g0", "%0g", "%%41",
                                        "%00",  "a%00b", "%-1",  "% 1", "%+1", "%0x41",
                                        "%4%1", "%u041", "\x25", "ab%4"};
    char out[64];
    size_t len;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(nrt_percent_decode(nrt_str_from(texts[i]), out, &len),
                         NRT_ERR_BAD_REQUEST);
        assert_false(nrt__percent_is_valid(nrt_str_from(texts[i])));
    }
    assert_int_equal(nrt_percent_decode((nrt_str){"a\0b", 3}, out, &len), NRT_ERR_BAD_REQUEST);
    assert_int_equal(len, 0);
}

static void codes_become_their_bytes(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},
        {"abc", "abc"},
        {"%41%62", "Ab"},
        {"%2f%2F", "//"},
        {"%25", "%"},
        {"%2541", "%41"},
        {"caf%c3%A9", "caf\xc3\xa9"},
        {"a+b", "a+b"},
        {"%ff%80", "\xff\x80"},
        {"%01%7f", "\x01\x7f"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char out[64];
        size_t len;
        assert_int_equal(nrt_percent_decode(nrt_str_from(rows[i][0]), out, &len), 0);
        assert_view(((nrt_str){out, len}), rows[i][1]);
        strcpy(out, rows[i][0]); /* in place */
        assert_int_equal(nrt_percent_decode(nrt_str_from(out), out, &len), 0);
        assert_view(((nrt_str){out, len}), rows[i][1]);
    }
}

static void every_prefix_of_a_code_is_refused(void **state) {
    (void)state;
    static const char text[] = "a%41b%2F";
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        char *exact = malloc(len + 1);
        char out[16];
        size_t got;
        bool cut = len == 2 || len == 3 || len == 6 || len == 7;
        memcpy(exact + 1, text, len); /* ends where the memory does: a read beyond it is seen */
        int error = nrt_percent_decode((nrt_str){exact + 1, len}, out, &got);
        assert_int_equal(error, cut ? NRT_ERR_BAD_REQUEST : 0);
        free(exact);
    }
}

static void what_is_encoded_comes_back(void **state) {
    (void)state;
    for (int c = 1; c < 256; c++) {
        char text[2] = {(char)c, 'x'};
        char code[8];
        char out[8];
        size_t len;
        assert_int_equal(nrt_percent_encode((nrt_str){text, 2}, code, 7), 0);
        assert_true(strlen(code) == 2 || strlen(code) == 4);
        assert_true(nrt__is_visible(nrt_str_from(code)));
        assert_null(strpbrk(code, "/?#&=+;,:@ \\\""));
        assert_int_equal(nrt_percent_decode(nrt_str_from(code), out, &len), 0);
        assert_memory_equal(out, text, 2);
    }
}

static void what_does_not_fit_is_an_error(void **state) {
    (void)state;
    char out[8];
    assert_int_equal(nrt_percent_encode(NRT__STR(""), out, 0), NRT_ERR_USAGE);
    assert_int_equal(nrt_percent_encode(NRT__STR(""), out, 1), 0);
    assert_int_equal(nrt_percent_encode(NRT__STR("ab"), out, 2), NRT_ERR_USAGE);
    assert_int_equal(nrt_percent_encode(NRT__STR("ab"), out, 3), 0);
    assert_string_equal(out, "ab");
    assert_int_equal(nrt_percent_encode(NRT__STR("/"), out, 3), NRT_ERR_USAGE);
    assert_int_equal(nrt_percent_encode(NRT__STR("/"), out, 4), 0);
    assert_string_equal(out, "%2F");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_code_is_refused),
        cmocka_unit_test(codes_become_their_bytes),
        cmocka_unit_test(every_prefix_of_a_code_is_refused),
        cmocka_unit_test(what_is_encoded_comes_back),
        cmocka_unit_test(what_does_not_fit_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
