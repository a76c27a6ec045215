/* nkeys: seeds as others make them, and every way in which one can be wrong. */
#include "unit.h"

#include <openssl/evp.h>

#include "lib/nkey.h"

/* The key of the 32 bytes 0, 1, 2 … 31. */
#define SEED "SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y"

static char reason[256];

static int init(nrt__nkey *nkey, const char *seed) {
    reason[0] = '\0';
    return nrt__nkey_init(nkey, nrt_str_from(seed), reason, sizeof(reason));
}

static void a_seed_gives_its_public_key_and_signs(void **state) {
    (void)state;
    static const struct {
        const char *seed;
        const char *public_key;
        const char *nonce;
        const char *sig;
    } rows[] = {
        {SEED, "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK", "nonce",
         "-HTq4d6DDHVNb8MsTRAZtSIa0vXA_yuZblwTA7JT5wYzmKBxJ2wpYfjHh7hcptZlidbVw_6ZLyubjm_yDk-OCQ"},
        /* RFC 8032 section 7.1, TEST 1 */
        {"SUAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YALCA",
         "UDLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRUVAL", "",
         "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc-bRr0lv18FlbviRlUUFDjnoQCw"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        nrt__nkey nkey;
        char sig[NRT__NKEY_SIG_SIZE];
        assert_int_equal(init(&nkey, rows[i].seed), 0);
        assert_string_equal(nkey.public_key, rows[i].public_key);
        assert_true(nrt__nkey_sign(&nkey, nrt_str_from(rows[i].nonce), sig));
        assert_int_equal(strlen(sig), 86);
        assert_null(strpbrk(sig, "+/="));
        assert_string_equal(sig, rows[i].sig);
        nrt__nkey_finish(&nkey);
        assert_null(nkey.key);
        nrt__nkey_finish(&nkey);
    }
}

static void what_is_no_users_seed_is_refused_with_what_it_is(void **state) {
    (void)state;
    static const struct {
        const char *seed;
        const char *reason;
    } rows[] = {
        {"", "not an nkey seed"},
        {"hello", "not an nkey seed"},
        {"UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK", "a public key"},
        {"SAAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4HYMHI", "an account's"},
        {"SOAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H2AJA", "an operator's"},
        {"SNAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H2D5U", "a server's"},
        {"SCAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4HYO7Q", "a cluster's"},
        {"SXAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H74KM", "an encryption"},
        {"SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776", "58 characters"},
        {SEED "A", "58 characters"},
        {"suaaaaicamcakbqhbaequcymbuha6earcijrifiwc4mbsgq3dqor4h776y", "not an nkey seed"},
        {"SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H7760", "A-Z and 2-7"},
        {"SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4h776Y", "A-Z and 2-7"},
        {"SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H77 Y", "A-Z and 2-7"},
        {"SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Z", "A-Z and 2-7"}, /* 2 bits */
        {"SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H774Y", "checksum"},
        {"SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIXC4MBSGQ3DQOR4H776Y", "checksum"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        nrt__nkey nkey;
        if (init(&nkey, rows[i].seed) != NRT_ERR_AUTH) {
            fail_msg("taken: %s", rows[i].seed);
        }
        if (!strstr(reason, rows[i].reason)) {
            fail_msg("%s: %s", rows[i].seed, reason);
        }
        assert_null(strstr(reason, "CAKBQHBAEQ")); /* nothing of the seed */
        assert_null(nkey.key);
    }
}

static void each_changed_character_is_noticed(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(SEED) - 1; i++) {
        char seed[] = SEED;
        nrt__nkey nkey;
        seed[i] = seed[i] == 'B' ? 'C' : 'B';
        assert_int_equal(init(&nkey, seed), NRT_ERR_AUTH);
        assert_string_not_equal(reason, "");
    }
}

static void a_signature_verifies(void **state) {
    (void)state;
    nrt__nkey nkey;
    char sig[NRT__NKEY_SIG_SIZE + 2];
    unsigned char raw[70];
    assert_int_equal(init(&nkey, SEED), 0);
    assert_true(nrt__nkey_sign(&nkey, NRT__STR("what the server wants signed"), sig));
    for (size_t i = 0; i < 86; i++) {
        sig[i] = sig[i] == '-' ? '+' : sig[i] == '_' ? '/' : sig[i];
    }
    memcpy(sig + 86, "==", 3);
    assert_int_equal(EVP_DecodeBlock(raw, (const unsigned char *)sig, 88), 66);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(md, NULL, NULL, NULL, nkey.key), 1);
    assert_int_equal(
        EVP_DigestVerify(md, raw, 64, (const unsigned char *)"what the server wants signed", 28),
        1);
    EVP_MD_CTX_free(md);
    nrt__nkey_finish(&nkey);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_gives_its_public_key_and_signs),
        cmocka_unit_test(what_is_no_users_seed_is_refused_with_what_it_is),
        cmocka_unit_test(each_changed_character_is_noticed),
        cmocka_unit_test(a_signature_verifies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
