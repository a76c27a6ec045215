/* What was meant: a slip of the finger is found, another word is not. */
#include "unit.h"

#include "core/base/suggest.h"

static void suggestions_are_near_or_none(void **state) {
    static const char *const words[] = {"get", "serve", "gateway", "demo"};
    static const char *const top[] = {"top"};
    (void)state;
    assert_string_equal(nrt__suggest("gte", words, 4), "get");
    assert_string_equal(nrt__suggest("server", words, 4), "serve");
    assert_string_equal(nrt__suggest("gatway", words, 4), "gateway");
    assert_string_equal(nrt__suggest("gate", words, 4), "gateway");
    assert_null(nrt__suggest("curl", words, 4));
    assert_null(nrt__suggest("x", words, 4));
    assert_null(nrt__suggest("foo", top, 1)); /* a shared letter is no slip */
    assert_string_equal(nrt__suggest("tpo", top, 1), "top");
    assert_null(nrt__suggest("", words, 4));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suggestions_are_near_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
