/* Credentials files as nsc writes them, as editors leave them, and as they come when something went
 * wrong; and what a JWT says of its end. */
#include "unit.h"

#include <nrt/error.h>

#include "lib/creds.h"

#define JWT "-----BEGIN NATS USER JWT-----\naa.bb.cc\n------END NATS USER JWT------\n"
#define KEY "-----BEGIN USER NKEY SEED-----\nSUSECRET\n------END USER NKEY SEED------\n"

static char reason[256];

static void both_are_found(void **state) {
    (void)state;
    static const char *const texts[] = {
        JWT "\n*** IMPORTANT ***\nkeep it\n\n" KEY "\n****\n",
        KEY JWT,
        "  " JWT KEY,
        "-----BEGIN NATS USER JWT-----\r\naa.bb.cc\r\n------END NATS USER JWT------\r\n"
        "-----BEGIN USER NKEY SEED-----\r\n\r\nSUSECRET \r\n------END USER NKEY SEED------",
        "---BEGIN NATS USER JWT---\n\taa.bb.cc\n\n---END NATS USER JWT---\n" KEY,
        "-----BEGIN SOMETHING ELSE-----\nx\n-----END SOMETHING ELSE-----\n" JWT KEY,
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        nrt__creds creds;
        if (nrt__creds_read(&creds, nrt_str_from(texts[i]), reason, sizeof(reason)) != 0) {
            fail_msg("%s: %s", texts[i], reason);
        }
        assert_view(creds.jwt, "aa.bb.cc");
        assert_view(creds.seed, "SUSECRET");
    }
}

static void what_is_missing_is_said_and_nothing_of_the_file(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *reason;
    } rows[] = {
        {"", "not a credentials file"},
        {"SUSECRET\n", "not a credentials file"},
        {KEY, "not a credentials file"},
        {JWT, "the seed is missing"},
        {"-----BEGIN NATS USER JWT-----\naa.bb.cc\n", "cut off"},
        {"-----BEGIN NATS USER JWT-----\n------END NATS USER JWT------\n" KEY, "is empty"},
        {"-----BEGIN NATS USER JWT-----\naa.bb\ncc.d\n------END NATS USER JWT------\n" KEY,
         "more than one line"},
        {"-----BEGIN NATS USER JWT-----\nSUSECRET\n------END NATS USER JWT------\n" KEY, "is none"},
        {JWT "-----BEGIN USER NKEY SEED-----\nSUSECRET\n", "cut off"},
        {JWT "-----BEGIN USER NKEY SEED-----\n------END USER NKEY SEED------\n", "is empty"},
        {"--BEGIN NATS USER JWT--\naa.bb.cc\n--END NATS USER JWT--\n", "not a credentials file"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        nrt__creds creds;
        if (nrt__creds_read(&creds, nrt_str_from(rows[i].text), reason, sizeof(reason)) !=
            NRT_ERR_AUTH) {
            fail_msg("taken: %s", rows[i].text);
        }
        if (!strstr(reason, rows[i].reason)) {
            fail_msg("%s: %s", rows[i].text, reason);
        }
        assert_null(strstr(reason, "SECRET"));
    }
}

static void a_seed_stands_alone_or_between_dashes(void **state) {
    (void)state;
    static const char *const good[] = {"SUSECRET", "SUSECRET\n",          "\n  SUSECRET\r\n\n",
                                       KEY,        "# for bob\nSUSECRET", JWT KEY};
    static const char *const bad[] = {"", "\n\n", "# nothing\n", "SUSECRET\nSUSECRET\n",
                                      "-----BEGIN USER NKEY SEED-----\nSUSECRET\n"};
    nrt_str seed;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(nrt__creds_read_seed(&seed, nrt_str_from(good[i]), reason, sizeof(reason)),
                         0);
        assert_view(seed, "SUSECRET");
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(nrt__creds_read_seed(&seed, nrt_str_from(bad[i]), reason, sizeof(reason)),
                         NRT_ERR_AUTH);
        assert_null(strstr(reason, "SECRET"));
    }
}

static void a_jwt_has_three_parts(void **state) {
    (void)state;
    static const char *const bad[] = {"",       "a",     "a.b",    "a.b.c.d",  ".b.c",   "a..c",
                                      "a.b.",   "a.b c", "a.b.c=", "a+.b.c",   "a.b/.c", "..",
                                      "a.b.c ", "a.\"b", "a.b.\n", "\xff.b.c", "a.b.c\r"};
    assert_true(nrt__jwt_is_one(NRT__STR("eyJ0.e-_9.Az0")));
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(nrt__jwt_is_one(nrt_str_from(bad[i])));
    }
}

static void the_end_of_a_jwt_is_read_if_it_is_there(void **state) {
    (void)state;
    static const struct {
        const char *jwt;
        int64_t expires;
    } rows[] = {
        {"h.eyJleHAiOjE3MDAwMDAwMDB9.s", 1700000000},                /* {"exp":1700000000} */
        {"h.eyJleHAiOjE3MDAwMDAwMDAsImEiOiLDpD8_In0.s", 1700000000}, /* with "-" or "_" in it */
        {"h.e30.s", 0},                                              /* {} */
        {"h.eyJleHAiOi01fQ.s", 0},                                   /* {"exp":-5} */
        {"h.eyJleHAiOiIxNyJ9.s", 0},                                 /* {"exp":"17"} */
        {"h.W10.s", 0},                                              /* [] */
        {"h.AAAA.s", 0},
        {"h.A.s", 0},
        {"h.AAAAA.s", 0},
        {"h.e30", 0},
        {"", 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(nrt__jwt_expires(nrt_str_from(rows[i].jwt)), rows[i].expires);
    }
}

static void what_people_may_be_told_of_a_jwt_is_read(void **state) {
    (void)state;
    nrt__jwt jwt;
    /* iat 5, nbf 6, exp 7, name bob, resp.max 3 */
    assert_true(nrt__jwt_read(
        &jwt, nrt_str_from("h.eyJpYXQiOjUsIm5iZiI6NiwiZXhwIjo3LCJuYW1lIjoiYm9iIiwibmF0cyI6eyJyZXNw"
                           "Ijp7Im1heCI6M319fQ.s")));
    assert_int_equal(jwt.issued, 5);
    assert_int_equal(jwt.not_before, 6);
    assert_int_equal(jwt.expires, 7);
    assert_int_equal(jwt.responses, 3);
    assert_string_equal(jwt.name, "bob");
    /* a name with a line break, and one that is too long */
    assert_true(nrt__jwt_read(&jwt, nrt_str_from("h.eyJuYW1lIjoiYlxuYiIsIm5hdHMiOltdfQ.s")));
    assert_string_equal(jwt.name, "");
    assert_int_equal(jwt.responses, 0);
    assert_true(nrt__jwt_read(
        &jwt, nrt_str_from("h.eyJuYW1lIjoieHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4"
                           "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eH"
                           "h4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHgiLCJpYXQiOi0xfQ.s")));
    assert_string_equal(jwt.name, "");
    assert_int_equal(jwt.issued, 0);
    assert_false(nrt__jwt_read(&jwt, NRT__STR("h.AAAA.s")));
    assert_int_equal(jwt.expires, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_are_found),
        cmocka_unit_test(what_is_missing_is_said_and_nothing_of_the_file),
        cmocka_unit_test(a_seed_stands_alone_or_between_dashes),
        cmocka_unit_test(a_jwt_has_three_parts),
        cmocka_unit_test(the_end_of_a_jwt_is_read_if_it_is_there),
        cmocka_unit_test(what_people_may_be_told_of_a_jwt_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
