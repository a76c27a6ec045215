/* What a connection reads at all, and what it says where it cannot be opened. */
#include "config_fixture.h"

static void nothing_is_read_where_nothing_is_asked_for(void **state) {
    (void)state;
    nrt_options options;
    nrt__config config;
    config_clear();
    config_write_context("c", "{\"url\": \"nats://ctx\", \"token\": \"ct\"}");
    config_write("nats/context.txt", "c");
    setenv("NATS_URL", "nats://e", 1);
    setenv("NATS_TOKEN", "t", 1);
    setenv("NATS_PREFIX", "v2", 1);
    setenv("NATS_TIMEOUT", "5s", 1);
    nrt_options_init(&options);
    assert_int_equal(nrt__config_resolve(&config, &options, config_why, sizeof(config_why)), 0);
    for (size_t i = 0; i < NRT__SETTINGS; i++) {
        assert_int_equal(config.from[i], NRT__FROM_DEFAULT);
    }
    assert_string_equal(config.options.servers, "nats://127.0.0.1:4222");
    assert_string_equal(config.options.prefix, "nrt");
    assert_string_equal(config.options.inbox_prefix, "_INBOX");
    assert_int_equal(config.options.timeout_ms, 30000);
    nrt__config_finish(&config);
    options.context = "c"; /* without the environment */
    assert_int_equal(nrt__config_resolve(&config, &options, config_why, sizeof(config_why)), 0);
    assert_string_equal(config.options.servers, "nats://ctx");
    assert_string_equal(config.options.token, "ct");
    nrt__config_finish(&config);
}

static void without_options_the_environment_says_all(void **state) {
    (void)state;
    nrt__config config;
    config_clear();
    setenv("NATS_URL", "nats://e", 1);
    setenv("NATS_TOKEN", "t", 1);
    assert_int_equal(nrt__config_resolve(&config, NULL, config_why, sizeof(config_why)), 0);
    assert_string_equal(config.options.servers, "nats://e");
    assert_string_equal(config.options.token, "t");
    nrt__config_finish(&config);
}

static void a_selection_that_leads_nowhere_is_told(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *reason;
    } rows[] = {
        {"gone", "there is no context \"gone\""},
        {"gone", "it is the selected one"},
        {"../../etc/passwd", "does not hold the name of a context"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        nrt_options options;
        nrt__config config;
        config_clear();
        config_write("nats/context.txt", rows[i].text);
        nrt_options_init(&options);
        options.environment = true;
        assert_int_equal(nrt__config_resolve(&config, &options, config_why, sizeof(config_why)),
                         NRT_ERR_CONFIG);
        assert_non_null(strstr(config_why, rows[i].reason));
        nrt__config_finish(&config);
    }
}

static void a_connection_says_what_is_wrong_and_no_secret(void **state) {
    (void)state;
    char detail[256] = "";
    int error = 0;
    nrt_options options;
    config_clear();
    nrt_options_init(&options);
    options.detail = detail;
    options.detail_size = sizeof(detail);
    options.servers = "nats://u:hunter2@h:bad";
    assert_null(nrt_conn_open(&options, &error));
    assert_int_equal(error, NRT_ERR_URL);
    assert_non_null(strstr(detail, "servers: "));
    assert_null(strstr(detail, "hunter2"));
    options.servers = NULL;
    options.environment = true;
    setenv("NATS_PREFIX", "a b", 1);
    assert_null(nrt_conn_open(&options, &error));
    assert_int_equal(error, NRT_ERR_HOST);
    assert_non_null(strstr(detail, "NATS_PREFIX: "));
    config_clear();
    options.context = "none";
    assert_null(nrt_conn_open(&options, &error));
    assert_int_equal(error, NRT_ERR_CONFIG);
    assert_non_null(strstr(detail, "there is no context \"none\""));
    options.size = offsetof(nrt_options, detail); /* an older program: its detail is not ours */
    detail[0] = '\0';
    assert_null(nrt_conn_open(&options, &error));
    assert_string_equal(detail, "");
    options.size = sizeof(options);
    options.detail_size = 8;
    assert_null(nrt_conn_open(&options, &error));
    assert_int_equal(strlen(detail), 7);
}

static void a_number_that_must_not_be_0_is_named(void **state) {
    (void)state;
    nrt_options options;
    nrt__config config;
    config_clear();
    nrt_options_init(&options);
    options.max_fields = 0;
    assert_int_equal(nrt__config_resolve(&config, &options, config_why, sizeof(config_why)),
                     NRT_ERR_USAGE);
    assert_non_null(strstr(config_why, "max_fields: must not be 0"));
    nrt__config_finish(&config);
    nrt_options_init(&options);
    options.reconnect_max_ms = options.reconnect_min_ms - 1;
    assert_int_equal(nrt__config_resolve(&config, &options, config_why, sizeof(config_why)),
                     NRT_ERR_USAGE);
    assert_non_null(strstr(config_why, "reconnect_max_ms"));
    nrt__config_finish(&config);
}

static int attach_nothing(void *data, nrt_turn_fn turn, void *arg) {
    (void)data;
    (void)turn;
    (void)arg;
    fail();
    return 0;
}

static void a_loop_with_an_operation_missing_is_refused(void **state) {
    (void)state;
    char detail[256] = "";
    int error = 0;
    nrt_options options;
    nrt_loop loop = {.size = sizeof(loop), .attach = attach_nothing};
    config_clear();
    nrt_options_init(&options);
    options.detail = detail;
    options.detail_size = sizeof(detail);
    options.loop = &loop;
    assert_null(nrt_conn_open(&options, &error));
    assert_int_equal(error, NRT_ERR_USAGE);
    assert_non_null(strstr(detail, "loop: an operation is missing"));
    loop.size = 0; /* not filled in at all */
    assert_null(nrt_conn_open(&options, &error));
    assert_int_equal(error, NRT_ERR_USAGE);
}

static void texts_for_the_server_are_utf_8(void **state) {
    (void)state;
    static const char *const good[] = {"a",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "k\xc3\xa4se"};
    static const char *const bad[] = {"\x80",
                                      "\xc1\x81",
                                      "\xc2",
                                      "\xc2\x41",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xe2\x82",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "a\xff"};
    config_clear();
    nrt_options options;
    nrt__config config;
    nrt_options_init(&options);
    for (size_t i = 0; i < COUNT(good); i++) {
        options.token = good[i];
        assert_int_equal(nrt__config_resolve(&config, &options, config_why, sizeof(config_why)), 0);
        nrt__config_finish(&config);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        options.token = bad[i];
        assert_int_equal(nrt__config_resolve(&config, &options, config_why, sizeof(config_why)),
                         NRT_ERR_CONFIG);
        assert_string_equal(config_why, "token: is not valid UTF-8");
        nrt__config_finish(&config);
    }
}

static void what_stands_before_an_at_is_masked(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *masked;
    } rows[] = {
        {"nats://h:1", "nats://h:1"},
        {"nats://u:p@h", "nats://#h"},
        {"u:p@h,nats://t@i,j", "#h,nats://#i,j"},
        {"nats://u:p@x@h", "nats://#h"},
        {"nats://a://b@c", "nats://#c"},
        {"@", "#"},
        {",,", ",,"},
        {"", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *masked = nrt__servers_mask(rows[i].text, "#");
        assert_string_equal(masked, rows[i].masked);
        free(masked);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_read_where_nothing_is_asked_for),
        cmocka_unit_test(without_options_the_environment_says_all),
        cmocka_unit_test(a_selection_that_leads_nowhere_is_told),
        cmocka_unit_test(a_connection_says_what_is_wrong_and_no_secret),
        cmocka_unit_test(a_number_that_must_not_be_0_is_named),
        cmocka_unit_test(a_loop_with_an_operation_missing_is_refused),
        cmocka_unit_test(texts_for_the_server_are_utf_8),
        cmocka_unit_test(what_stands_before_an_at_is_masked),
    };
    return cmocka_run_group_tests(tests, config_set_up, config_tear_down);
}
