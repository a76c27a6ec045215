/* The text of a context file: what is kept, what is expanded, what is refused and how. */
#include "unit.h"

#include <nrt/error.h>

#include "lib/context.h"

static char why[256];

static int read_text(nrt__context *context, const char *text) {
    why[0] = '\0';
    return nrt__context_read(context, nrt_str_from(text), why, sizeof(why));
}

static void expect_refused(const char *text, const char *reason) {
    nrt__context context;
    int error = read_text(&context, text);
    nrt__context_finish(&context);
    if (error != NRT_ERR_CONFIG || !strstr(why, reason)) {
        fail_msg("%s\n  gave %d \"%s\"\n  not \"%s\"", text, error, why, reason);
    }
}

static void what_the_nats_cli_writes_is_read(void **state) {
    (void)state;
    nrt__context context;
    const char *text =
        "{\n"
        "  \"name\": \"prod\", \"description\": \"Production\",\n"
        "  \"url\": \"nats://a:1,nats://b:2\", \"socks_proxy\": \"\",\n"
        "  \"token\": \"\", \"user\": \"u\", \"password\": \"p\",\n"
        "  \"creds\": \"/c\", \"nkey\": \"/n\", \"cert\": \"/ce\", \"key\": \"/k\",\n"
        "  \"ca\": \"/ca\", \"nsc\": \"\", \"jetstream_domain\": \"hub\",\n"
        "  \"jetstream_api_prefix\": \"x\", \"jetstream_event_prefix\": \"y\",\n"
        "  \"inbox_prefix\": \"_INBOX.me\", \"user_jwt\": \"j\", \"user_seed\": \"s\",\n"
        "  \"color_scheme\": \"green\", \"tls_first\": true,\n"
        "  \"windows_cert_store\": \"\", \"windows_cert_match_by\": \"\",\n"
        "  \"windows_cert_match\": \"\", \"windows_ca_certs_match\": null\n"
        "}\n";
    assert_int_equal(read_text(&context, text), 0);
    assert_string_equal(context.description, "Production");
    assert_string_equal(context.url, "nats://a:1,nats://b:2");
    assert_null(context.token);
    assert_string_equal(context.user, "u");
    assert_string_equal(context.password, "p");
    assert_string_equal(context.creds, "/c");
    assert_string_equal(context.nkey, "/n");
    assert_string_equal(context.cert, "/ce");
    assert_string_equal(context.key, "/k");
    assert_string_equal(context.ca, "/ca");
    assert_string_equal(context.inbox_prefix, "_INBOX.me");
    assert_string_equal(context.user_jwt, "j");
    assert_string_equal(context.user_seed, "s");
    assert_true(context.tls_first);
    nrt__context_finish(&context);
    assert_null(context.password);
}

static void paths_are_expanded_and_nothing_else_is(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *path;
    } rows[] = {
        {"~/x.creds", "/home/me/x.creds"},
        {"~", "/home/me"},
        {"/a/~/b", "/a/~/b"},
        {"~you/x", "~you/x"},
        {"$KEYS/x", "/keys/x"},
        {"${KEYS}x", "/keysx"},
        {"/a/$KEYS", "/a//keys"},
        {"/a$", "/a$"},
        {"/a$1", "/a$1"},
        {"/a${KEYS", "/a${KEYS"},
        {"file:///a/b", "/a/b"},
        {"FILE://~/b", "/home/me/b"},
        {"C:/x", "C:/x"},
    };
    setenv("HOME", "/home/me", 1);
    setenv("KEYS", "/keys", 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        nrt__context context;
        char text[256];
        snprintf(text, sizeof(text), "{\"creds\": \"%s\", \"user\": \"%s\"}", rows[i].text,
                 rows[i].text);
        assert_int_equal(read_text(&context, text), 0);
        assert_string_equal(context.creds, rows[i].path);
        assert_string_equal(context.user, rows[i].text);
        nrt__context_finish(&context);
    }
    unsetenv("NOT_THERE");
    setenv("NOTHING", "", 1);
    setenv("STRANGE", "/a\033[31m", 1);
    expect_refused("{\"ca\": \"$NOT_THERE/x\"}", "ca: the environment has no variable NOT_THERE");
    expect_refused("{\"ca\": \"$NOTHING\"}", "ca: is empty");
    expect_refused("{\"ca\": \"$STRANGE\"}", "control character");
}

static void an_expanded_path_has_a_limit(void **state) {
    (void)state;
    char value[4000];
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    setenv("LONG", value, 1);
    nrt__context context;
    assert_int_equal(read_text(&context, "{\"key\": \"$LONG\"}"), 0);
    nrt__context_finish(&context);
    expect_refused("{\"key\": \"$LONG$LONG\"}", "key: is longer than a path may be");
}

static void what_cannot_be_honoured_is_named(void **state) {
    (void)state;
    expect_refused("{\"nsc\": \"nsc://o/a/u\"}", "nsc is set, and nrt cannot honour it");
    expect_refused("{\"socks_proxy\": \"socks5://h\"}", "socks_proxy is set");
    expect_refused("{\"windows_cert_store\": \"user\"}", "windows_cert_store is set");
    expect_refused("{\"windows_cert_match_by\": \"subject\"}", "windows_cert_match_by is set");
    expect_refused("{\"windows_cert_match\": \"x\"}", "windows_cert_match is set");
    expect_refused("{\"windows_ca_certs_match\": [\"x\"]}", "windows_ca_certs_match is set");
    expect_refused("{\"creds\": \"nsc://o/a/u\"}", "creds refers to nsc://");
    expect_refused("{\"creds\": \"op://vault/x\"}", "creds refers to op://");
    expect_refused("{\"password\": \"env://PW\"}", "password refers to env://");
    expect_refused("{\"token\": \"DATA:;base64,eA==\"}", "token refers to data:");
    expect_refused("{\"user_jwt\": \"file:///x\"}", "user_jwt refers to file://");
}

static void unknown_keys_are_named_where_they_hold_something(void **state) {
    (void)state;
    nrt__context context;
    assert_int_equal(read_text(&context, "{\"x\": \"\", \"y\": null, \"z\": false, \"a\": [], "
                                         "\"b\": {}}"),
                     0);
    nrt__context_finish(&context);
    expect_refused("{\"passwrd\": \"hunter2\"}",
                   "passwrd is an unknown key, and its value is not empty; did you mean password");
    expect_refused("{\"URL\": \"nats://x\"}", "did you mean url");
    expect_refused("{\"qqqqqqqq\": 1}", "remove it");
    expect_refused("{\"\\u001b[31m\": 1}", "a key is unknown");
    assert_null(strchr(why, 033));
}

static void wrong_types_are_refused(void **state) {
    (void)state;
    expect_refused("{\"url\": 1}", "url is not a string");
    expect_refused("{\"user\": [\"u\"]}", "user is not a string");
    expect_refused("{\"tls_first\": \"yes\"}", "tls_first is neither true nor false");
    expect_refused("[]", "not a JSON object");
    expect_refused("{\"user\": \"a\\u001bb\"}", "user holds a control character");
}

static void broken_text_is_refused_with_its_line_and_no_secret(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *reason;
    } rows[] = {
        {"", "line 1: the file ends too early"},
        {"{\n\"token\": \"hunter2\"\n", "line 3: the file ends too early"},
        {"{\n\"user\": \"u\",\n\"token\" \"hunter2\"\n}", "line 3: not valid JSON"},
        {"{\n\"token\": \"hunter2\n\"}", "line 2: not valid JSON"},
        {"{\"token\": hunter2}", "line 1: not valid JSON"},
        {"{\"token\": \"a\",\n\"token\": \"hunter2\"}", "line 2: a key stands there twice"},
        {"{}\nhunter2", "line 2: something follows behind the end"},
        {"{\"token\": \"hunter2\\u0000\"}", "line 1: a NUL character"},
        {"{\"token\": \"hunter2\xff\"}", "line 1: not UTF-8"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        expect_refused(rows[i].text, rows[i].reason);
        assert_null(strstr(why, "hunter2"));
    }
}

static void every_prefix_of_a_file_is_refused(void **state) {
    (void)state;
    static const char text[] = "{\"url\": \"nats://h\", \"creds\": \"~/x\", \"tls_first\": true}";
    for (size_t len = 0; len + 1 < sizeof(text); len++) {
        nrt__context context;
        char *copy = malloc(len + 1);
        memcpy(copy, text, len);
        int error = nrt__context_read(&context, (nrt_str){copy, len}, why, sizeof(why));
        assert_int_equal(error, len + 1 == sizeof(text) ? 0 : NRT_ERR_CONFIG);
        nrt__context_finish(&context);
        free(copy);
    }
}

static void a_file_has_a_limit(void **state) {
    (void)state;
    nrt__context context;
    char *text = malloc(NRT__CONTEXT_FILE_MAX + 1);
    memset(text, ' ', NRT__CONTEXT_FILE_MAX + 1);
    memcpy(text, "{}", 2);
    nrt_str all = {text, NRT__CONTEXT_FILE_MAX};
    assert_int_equal(nrt__context_read(&context, all, why, sizeof(why)), 0);
    nrt__context_finish(&context);
    all.len++;
    assert_int_equal(nrt__context_read(&context, all, why, sizeof(why)), NRT_ERR_CONFIG);
    nrt__context_finish(&context);
    free(text);
}

static void names_do_not_leave_the_folder(void **state) {
    (void)state;
    static const char *const bad[] = {"",      "..",  "a/b", "/etc/x", "a\\b",
                                      "../up", "a..", "\n",  "a\033b"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(nrt__context_name_ok(bad[i]));
    }
    assert_true(nrt__context_name_ok("prod"));
    assert_true(nrt__context_name_ok("prod.eu-west 1"));
    char name[NRT__CONTEXT_NAME_MAX + 2];
    memset(name, 'x', sizeof(name));
    name[NRT__CONTEXT_NAME_MAX + 1] = '\0';
    assert_false(nrt__context_name_ok(name));
    name[NRT__CONTEXT_NAME_MAX] = '\0';
    assert_true(nrt__context_name_ok(name));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_nats_cli_writes_is_read),
        cmocka_unit_test(paths_are_expanded_and_nothing_else_is),
        cmocka_unit_test(an_expanded_path_has_a_limit),
        cmocka_unit_test(what_cannot_be_honoured_is_named),
        cmocka_unit_test(unknown_keys_are_named_where_they_hold_something),
        cmocka_unit_test(wrong_types_are_refused),
        cmocka_unit_test(broken_text_is_refused_with_its_line_and_no_secret),
        cmocka_unit_test(every_prefix_of_a_file_is_refused),
        cmocka_unit_test(a_file_has_a_limit),
        cmocka_unit_test(names_do_not_leave_the_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
