/* Tokens: slots there and back, and secrets that must match. */
#include "core/base/token.h"

#include "unit.h"

static unsigned char byte;

static int counting(void *arg, void *bytes, size_t len) {
    unsigned char *out = bytes;
    (void)arg;
    for (size_t i = 0; i < len; i++) {
        out[i] = byte += 37;
    }
    return 0;
}

static int broken(void *arg, void *bytes, size_t len) {
    (void)arg;
    (void)bytes;
    (void)len;
    return NRT_ERR_SYSTEM;
}

static void test_a_slot_is_found_again(void **state) {
    (void)state;
    static const uint32_t slots[] = {0, 1, 63, 64, 4095, 4096, 0xabcdef, (1u << 24) - 1};
    nrt__env env = {.random = counting};
    nrt__token token = {0};
    assert_int_equal(nrt__token_renew(&env, &token), 0);
    for (size_t i = 0; i < COUNT(slots); i++) {
        char text[NRT__TOKEN_CHARS];
        size_t slot;
        token.slot = slots[i];
        nrt__token_write(&token, text);
        for (size_t at = 0; at < sizeof(text); at++) { /* a token of a subject */
            assert_null(strchr(".*> \r\n", text[at]));
        }
        assert_true(nrt__token_slot((nrt_str){text, sizeof(text)}, &slot));
        assert_int_equal(slot, slots[i]);
        assert_true(nrt__token_is(&token, (nrt_str){text, sizeof(text)}));
    }
}

static void test_one_wrong_character_is_noticed(void **state) {
    (void)state;
    nrt__env env = {.random = counting};
    nrt__token token = {.slot = 5};
    char text[NRT__TOKEN_CHARS];
    assert_int_equal(nrt__token_renew(&env, &token), 0);
    for (size_t i = NRT__SLOT_CHARS; i < sizeof(text); i++) {
        nrt__token_write(&token, text);
        text[i] ^= 1;
        assert_false(nrt__token_is(&token, (nrt_str){text, sizeof(text)}));
    }
    nrt__token_write(&token, text);
    assert_int_equal(nrt__token_renew(&env, &token), 0);
    assert_false(nrt__token_is(&token, (nrt_str){text, sizeof(text)}));
}

static void test_what_is_no_token_names_no_slot(void **state) {
    (void)state;
    size_t slot;
    assert_false(nrt__token_slot(NRT__STR(""), &slot));
    assert_false(nrt__token_slot(NRT__STR("0000aaaaaaaaaaaaaaa"), &slot));
    assert_false(nrt__token_slot(NRT__STR("0000aaaaaaaaaaaaaaaaa"), &slot));
    assert_false(nrt__token_slot(NRT__STR("00+0aaaaaaaaaaaaaaaa"), &slot));
    assert_false(nrt__token_slot(NRT__STR("000\xff"
                                          "aaaaaaaaaaaaaaaa"),
                                 &slot));
}

static void test_without_random_bytes_there_is_none(void **state) {
    (void)state;
    nrt__env env = {.random = broken};
    nrt__token token = {0};
    assert_int_equal(nrt__token_renew(&env, &token), NRT_ERR_SYSTEM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slot_is_found_again),
        cmocka_unit_test(test_one_wrong_character_is_noticed),
        cmocka_unit_test(test_what_is_no_token_names_no_slot),
        cmocka_unit_test(test_without_random_bytes_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
