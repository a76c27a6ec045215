/* Cookies that came, and Set-Cookie. */
#include "unit.h"

#include "core/base/buf.h"
#include "core/handler/pairs.h"

static nrt__arena arena;
static nrt_fields fields;
static const nrt_pairs *pairs;

static int setup(void **state) {
    (void)state;
    nrt__fields_init(&fields, &arena);
    return 0;
}

static int finish(void **state) {
    (void)state;
    nrt__arena_free(&arena);
    return 0;
}

/* All cookies of one field as "name=value;". */
static const char *cookies_in(const char *value) {
    static char out[512];
    size_t len = 0;
    out[0] = '\0';
    fields.count = 0;
    nrt__fields_append(&fields, NRT__STR("cookie"), nrt_str_from(value));
    assert_int_equal(nrt__cookies_read(&fields, &arena, &pairs), 0);
    for (size_t i = 0; i < nrt_pairs_count(pairs); i++) {
        nrt_str name;
        nrt_str text;
        assert_int_equal(nrt_pairs_at(pairs, i, &name, &text), 0);
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%.*s=%.*s;", NRT__ARG(name),
                                NRT__ARG(text));
    }
    return out;
}

static void cookies_are_read_and_strange_ones_passed_over(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},
        {"a=1", "a=1;"},
        {"a=1; b=2", "a=1;b=2;"},
        {"a=1;b=2", "a=1;b=2;"},
        {"a=1 ;  b=2;", "a=1;b=2;"},
        {"a=1; a=2", "a=1;a=2;"},
        {"a=", "a=;"},
        {"a=\"1\"", "a=1;"},
        {"a=\"\"", "a=;"},
        {"a=b=c==", "a=b=c==;"},
        {"a=%41+", "a=%41+;"}, /* nothing is decoded */
        /* one that is not valid keeps no other one out */
        {"a; b=2", "b=2;"},
        {"=1; b=2", "b=2;"},
        {"a b=1; b=2", "b=2;"},
        {"a@=1; b=2", "b=2;"},
        {"a=x y; b=2", "b=2;"},
        {"a=x,y; b=2", "b=2;"},
        {"a=\"x; b=2", "b=2;"},
        {"a=\"; b=2", "b=2;"},
        {"a=x\\y; b=2", "b=2;"},
        {"a=caf\xc3\xa9; b=2", "b=2;"},
        {"a=\x01; b=2", "b=2;"},
        {";;; ; b=2", "b=2;"},
        {"a=\"x;y\"; b=2", "b=2;"}, /* quotes do not protect a semicolon */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_string_equal(cookies_in(rows[i][0]), rows[i][1]);
    }
}

static void cookies_of_all_lines_count_up_to_a_limit(void **state) {
    (void)state;
    fields.count = 0;
    for (size_t i = 0; i < NRT_PAIRS_MAX; i++) {
        nrt__fields_append(&fields, NRT__STR("Cookie"), NRT__STR("a=1; bad"));
    }
    nrt__fields_append(&fields, NRT__STR("X-Cookie"), NRT__STR("a=1"));
    assert_int_equal(nrt__cookies_read(&fields, &arena, &pairs), 0);
    assert_int_equal(nrt_pairs_count(pairs), NRT_PAIRS_MAX);
    nrt__fields_append(&fields, NRT__STR("COOKIE"), NRT__STR("b=1; c=2"));
    assert_int_equal(nrt__cookies_read(&fields, &arena, &pairs), NRT_ERR_TOO_LARGE);
    assert_null(pairs);
}

static void every_prefix_is_read_within_its_bounds(void **state) {
    (void)state;
    static const char text[] = "a=1; b=\"2\";c ; d=e=f; ";
    for (size_t len = 0; len < sizeof(text); len++) {
        char *exact = malloc(len + 1);
        memcpy(exact + 1, text, len);
        fields.count = 0;
        nrt__fields_append(&fields, NRT__STR("Cookie"), (nrt_str){exact + 1, len});
        assert_int_equal(nrt__cookies_read(&fields, &arena, &pairs), 0);
        size_t wanted = (len >= 2) + (len >= 7 && len != 8 && len != 9) + (len >= 17);
        assert_int_equal(nrt_pairs_count(pairs), wanted);
        free(exact);
    }
}

/* ---- writing ---- */

static char room[NRT__COOKIE_MAX];
static nrt__buf out;

static int write(const nrt_cookie *cookie) {
    out = (nrt__buf){.bytes = room, .size = sizeof(room), .max = sizeof(room)};
    return nrt__cookie_write(cookie, &out);
}

static nrt_cookie a_cookie(void) {
    nrt_cookie cookie;
    nrt_cookie_init(&cookie);
    cookie.name = "sid";
    cookie.value = "31d4d96e";
    return cookie;
}

static void a_cookie_is_careful_unless_told_otherwise(void **state) {
    (void)state;
    nrt_cookie cookie = a_cookie();
    assert_int_equal(write(&cookie), 0);
    assert_view(nrt__buf_view(&out), "sid=31d4d96e; Path=/; Secure; HttpOnly; SameSite=Lax");
}

static void every_attribute_is_written(void **state) {
    (void)state;
    nrt_cookie cookie = a_cookie();
    cookie.value = NULL;
    cookie.path = "/a b";
    cookie.domain = "example.com";
    cookie.max_age_s = 0;
    cookie.same_site = NRT_SAME_SITE_NONE;
    assert_int_equal(write(&cookie), 0);
    assert_view(nrt__buf_view(&out), "sid=; Path=/a b; Domain=example.com; Max-Age=0; Secure; "
                                     "HttpOnly; SameSite=None");
    cookie.path = cookie.domain = NULL;
    cookie.secure = cookie.http_only = false;
    cookie.same_site = NRT_SAME_SITE_UNSET;
    cookie.max_age_s = INT64_MAX;
    assert_int_equal(write(&cookie), 0);
    assert_view(nrt__buf_view(&out), "sid=; Max-Age=9223372036854775807");
}

static void characters_that_are_not_allowed_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"", "a b", "a=b", "a;b", "a\r\nb", "\"a\"", "caf\xc3\xa9"};
    static const char *const values[] = {
        "a b", "a;b", "a,b",  "\"a\"",      "a\\b", "a\r\nSet-Cookie: b",
        "\t",  "a\n", "\x7f", "caf\xc3\xa9"};
    static const char *const paths[] = {"", "a", "/a;b", "/\r\n", "/a\x01", "/a ", "/\xc3\xa9"};
    static const char *const domains[] = {"",    ".a",  "a.",  "a..b", "-a",   "a b",
                                          "a;b", "a_b", "a/b", "a:80", "a\r\n"};
    nrt_cookie cookie = a_cookie();
    for (size_t i = 0; i < COUNT(names); i++) {
        cookie.name = names[i];
        assert_int_equal(write(&cookie), NRT_ERR_FIELD);
    }
    cookie.name = NULL;
    assert_int_equal(write(&cookie), NRT_ERR_FIELD);
    cookie = a_cookie();
    for (size_t i = 0; i < COUNT(values); i++) {
        cookie.value = values[i];
        assert_int_equal(write(&cookie), NRT_ERR_FIELD);
    }
    cookie = a_cookie();
    for (size_t i = 0; i < COUNT(paths); i++) {
        cookie.path = paths[i];
        assert_int_equal(write(&cookie), NRT_ERR_FIELD);
    }
    cookie = a_cookie();
    for (size_t i = 0; i < COUNT(domains); i++) {
        cookie.domain = domains[i];
        assert_int_equal(write(&cookie), NRT_ERR_FIELD);
    }
}

static void what_user_agents_would_refuse_is_refused(void **state) {
    (void)state;
    nrt_cookie cookie = a_cookie();
    cookie.secure = false;
    cookie.same_site = NRT_SAME_SITE_NONE;
    assert_int_equal(write(&cookie), NRT_ERR_USAGE);
    cookie = a_cookie();
    cookie.same_site = (nrt_same_site)4;
    assert_int_equal(write(&cookie), NRT_ERR_USAGE);
    cookie = a_cookie();
    cookie.name = "__Host-sid";
    assert_int_equal(write(&cookie), 0);
    cookie.path = "/a";
    assert_int_equal(write(&cookie), NRT_ERR_USAGE);
    cookie.path = "/";
    cookie.domain = "example.com";
    assert_int_equal(write(&cookie), NRT_ERR_USAGE);
    cookie.name = "__secure-sid";
    assert_int_equal(write(&cookie), 0);
    cookie.secure = false;
    assert_int_equal(write(&cookie), NRT_ERR_USAGE);
}

static void a_cookie_has_at_most_4096_bytes(void **state) {
    (void)state;
    char value[NRT__COOKIE_MAX + 1];
    nrt_cookie cookie = a_cookie();
    size_t others = strlen("sid=; Path=/; Secure; HttpOnly; SameSite=Lax");
    memset(value, 'v', sizeof(value));
    value[NRT__COOKIE_MAX - others] = '\0';
    cookie.value = value;
    assert_int_equal(write(&cookie), 0);
    assert_int_equal(nrt__buf_len(&out), NRT__COOKIE_MAX);
    value[NRT__COOKIE_MAX - others] = 'v';
    value[NRT__COOKIE_MAX - others + 1] = '\0';
    assert_int_equal(write(&cookie), NRT_ERR_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cookies_are_read_and_strange_ones_passed_over),
        cmocka_unit_test(cookies_of_all_lines_count_up_to_a_limit),
        cmocka_unit_test(every_prefix_is_read_within_its_bounds),
        cmocka_unit_test(a_cookie_is_careful_unless_told_otherwise),
        cmocka_unit_test(every_attribute_is_written),
        cmocka_unit_test(characters_that_are_not_allowed_are_refused),
        cmocka_unit_test(what_user_agents_would_refuse_is_refused),
        cmocka_unit_test(a_cookie_has_at_most_4096_bytes),
    };
    return cmocka_run_group_tests(tests, setup, finish);
}
