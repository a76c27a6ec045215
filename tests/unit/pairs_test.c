/* Queries and forms, as lists of pairs. */
#include "unit.h"

#include "core/handler/pairs.h"

static nrt__arena arena;
static const nrt_pairs *pairs;

static int read(const char *text) {
    return nrt__pairs_read(nrt_str_from(text), &arena, &pairs);
}

static int finish(void **state) {
    (void)state;
    nrt__arena_free(&arena);
    return 0;
}

/* All of them as "name=value;". */
static const char *all(void) {
    static char out[512];
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < nrt_pairs_count(pairs); i++) {
        nrt_str name;
        nrt_str value;
        assert_int_equal(nrt_pairs_at(pairs, i, &name, &value), 0);
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%.*s=%.*s;", NRT__ARG(name),
                                NRT__ARG(value));
    }
    return out;
}

static void pairs_are_decoded_in_their_order(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},
        {"a=1", "a=1;"},
        {"a=1&b=2", "a=1;b=2;"},
        {"a=1&a=2", "a=1;a=2;"},
        {"a", "a=;"},
        {"a=", "a=;"},
        {"=a", "=a;"},
        {"=", "=;"},
        {"a=b=c", "a=b=c;"},
        {"&", ""},
        {"&&a=1&&b&", "a=1;b=;"},
        {"a+b=c+d", "a b=c d;"},
        {"a%2Bb=%26%3D", "a+b=&=;"},
        {"%61=%C3%A9", "a=\xc3\xa9;"},
        {"a;b=1", "a;b=1;"}, /* a semicolon is no separator */
        {"a[]=1?", "a[]=1?;"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(read(rows[i][0]), 0);
        assert_string_equal(all(), rows[i][1]);
    }
}

static void a_bad_code_anywhere_refuses_all(void **state) {
    (void)state;
    static const char *const texts[] = {"%",     "a=%", "a=1&b=%4", "%zz=1",
                                        "a=%00", "%00", "a=1&%=&c"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(read(texts[i]), NRT_ERR_BAD_REQUEST);
        assert_null(pairs);
    }
    assert_int_equal(nrt__pairs_read((nrt_str){"a=\0", 3}, &arena, &pairs), NRT_ERR_BAD_REQUEST);
}

static void every_prefix_is_read_within_its_bounds(void **state) {
    (void)state;
    static const char text[] = "a=1&b+c=%20&&d=%2Fx&=e";
    for (size_t len = 0; len < sizeof(text); len++) {
        char *exact = malloc(len + 1);
        memcpy(exact + 1, text, len); /* ends where the memory does */
        bool cut = len >= 2 && (text[len - 1] == '%' || text[len - 2] == '%');
        int error = nrt__pairs_read((nrt_str){exact + 1, len}, &arena, &pairs);
        assert_int_equal(error, cut ? NRT_ERR_BAD_REQUEST : 0);
        free(exact);
    }
}

static void there_is_a_limit_to_them(void **state) {
    (void)state;
    char text[3 * NRT_PAIRS_MAX + 4] = "";
    for (size_t i = 0; i < NRT_PAIRS_MAX; i++) {
        strcat(text, "&a&");
    }
    assert_int_equal(read(text), 0);
    assert_int_equal(nrt_pairs_count(pairs), NRT_PAIRS_MAX);
    strcat(text, "b");
    assert_int_equal(read(text), NRT_ERR_TOO_LARGE);
    assert_null(pairs);
}

static void the_first_of_a_name_is_found_with_case(void **state) {
    (void)state;
    assert_int_equal(read("a=1&A=2&a=3&empty"), 0);
    assert_view(nrt_pairs_get(pairs, "a"), "1");
    assert_view(nrt_pairs_get(pairs, "A"), "2");
    assert_view(nrt_pairs_get(pairs, "empty"), "");
    assert_non_null(nrt_pairs_get(pairs, "empty").ptr);
    assert_absent(nrt_pairs_get(pairs, "b"));
    assert_absent(nrt_pairs_get(NULL, "b"));
    assert_int_equal(nrt_pairs_at(pairs, 4, NULL, NULL), NRT_ERR_USAGE);
    assert_int_equal(nrt_pairs_at(NULL, 0, NULL, NULL), NRT_ERR_USAGE);
    assert_int_equal(nrt_pairs_at(pairs, 0, NULL, NULL), 0);
}

static void without_memory_there_is_an_error(void **state) {
    (void)state;
    nrt__arena small = {.limit = 40};
    assert_int_equal(nrt__pairs_read(NRT__STR("a=1&b=2"), &small, &pairs), NRT_ERR_MEMORY);
    assert_null(pairs);
    nrt__arena_free(&small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_decoded_in_their_order),
        cmocka_unit_test(a_bad_code_anywhere_refuses_all),
        cmocka_unit_test(every_prefix_is_read_within_its_bounds),
        cmocka_unit_test(there_is_a_limit_to_them),
        cmocka_unit_test(the_first_of_a_name_is_found_with_case),
        cmocka_unit_test(without_memory_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, finish);
}
