/* Every variable and context key, alone and against another, lands where it should. */
#include "config_fixture.h"

/* ---- one row: what is given, and what comes of it ---- */

enum { GIVEN = 8 };

typedef struct row {
    const char *options[GIVEN];   /* "field=value" */
    const char *variables[GIVEN]; /* "NAME=value" */
    const char *context; /* the text of the context "c", named by "context=c" or selected */
    bool selected;
    const char *settings[GIVEN]; /* "field=value from" of all that is not a default */
    const char *error;           /* a part of the message instead */
} row;

static void give_option(nrt_options *options, char *text) {
    char *value = strchr(text, '=');
    *value++ = '\0';
    if (strcmp(text, "context") == 0) {
        options->context = value;
        return;
    }
    if (strcmp(text, "tls_first") == 0) {
        options->tls_first = true;
        return;
    }
    if (strcmp(text, "timeout_ms") == 0) {
        options->timeout_ms = (uint32_t)atoi(value);
        return;
    }
    for (size_t i = 0; i < NRT__TEXTS; i++) {
        if (strcmp(nrt__settings[i].field, text) == 0) {
            *(const char **)((char *)options + nrt__settings[i].offset) = value;
            return;
        }
    }
    fail_msg("no option %s", text);
}

static void print_setting(const nrt__config *config, size_t i, char *out, size_t size) {
    static const char *const froms[] = {"default", "context", "environment", "option"};
    char number[16] = "true";
    snprintf(number, sizeof(number), i == NRT__SET_TIMEOUT ? "%u" : "true",
             config->options.timeout_ms);
    const char *value = i < NRT__TEXTS ? config->texts[i] : number;
    snprintf(out, size, "%s=%s %s", nrt__settings[i].field, value, froms[config->from[i]]);
}

static void check_row(const row *given, size_t number) {
    nrt_options options;
    nrt__config config;
    char texts[GIVEN][128];
    char got[512];
    size_t expected = 0;
    size_t found = 0;
    config_clear();
    nrt_options_init(&options);
    options.environment = true;
    for (size_t i = 0; i < GIVEN && given->options[i]; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%s", given->options[i]);
        give_option(&options, texts[i]);
    }
    for (size_t i = 0; i < GIVEN && given->variables[i]; i++) {
        char name[32] = "";
        size_t len = strcspn(given->variables[i], "=");
        memcpy(name, given->variables[i], len);
        setenv(name, given->variables[i] + len + 1, 1);
    }
    if (given->context) {
        config_write_context("c", given->context);
    }
    if (given->selected) {
        config_write("nats/context.txt", "c");
    }
    config_why[0] = '\0';
    int error = nrt__config_resolve(&config, &options, config_why, sizeof(config_why));
    if (given->error) {
        if (error != NRT_ERR_CONFIG || !strstr(config_why, given->error)) {
            fail_msg("row %zu: %d \"%s\", not \"%s\"", number, error, config_why, given->error);
        }
        nrt__config_finish(&config);
        return;
    }
    if (error != 0) {
        fail_msg("row %zu: %d %s", number, error, config_why);
    }
    for (size_t i = 0; i < NRT__SETTINGS; i++) {
        if (config.from[i] == NRT__FROM_DEFAULT) {
            continue;
        }
        found++;
        print_setting(&config, i, got, sizeof(got));
        bool wanted = false;
        for (size_t j = 0; j < GIVEN && given->settings[j]; j++) {
            wanted = wanted || strcmp(given->settings[j], got) == 0;
        }
        if (!wanted) {
            fail_msg("row %zu: unexpected %s", number, got);
        }
    }
    for (; expected < GIVEN && given->settings[expected]; expected++) {
    }
    if (found != expected) {
        fail_msg("row %zu: %zu settings, not %zu", number, found, expected);
    }
    for (size_t i = 0; i < NRT__TEXTS; i++) { /* the options say the same */
        assert_ptr_equal(*(char **)((char *)&config.options + nrt__settings[i].offset),
                         config.texts[i]);
    }
    nrt__config_finish(&config);
}

static void check_rows(const row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        check_row(&rows[i], i);
    }
}

/* ---- the tables ---- */

static void each_variable_alone(void **state) {
    (void)state;
    static const row rows[] = {
        {.settings = {NULL}},
        {.variables = {"NATS_URL=nats://h"}, .settings = {"servers=nats://h environment"}},
        {.variables = {"NATS_PREFIX=v2"}, .settings = {"prefix=v2 environment"}},
        {.variables = {"NATS_USER=u", "NATS_PASSWORD=p"},
         .settings = {"user=u environment", "password=p environment"}},
        {.variables = {"NATS_USER=t"}, .settings = {"token=t environment"}},
        {.variables = {"NATS_USER=t", "NATS_PASSWORD="}, .settings = {"token=t environment"}},
        {.variables = {"NATS_TOKEN=t"}, .settings = {"token=t environment"}},
        {.variables = {"NATS_CREDS=a"}, .settings = {"creds=a environment"}},
        {.variables = {"NATS_NKEY=a"}, .settings = {"nkey=a environment"}},
        {.variables = {"NATS_CA=a"}, .settings = {"tls_ca=a environment"}},
        {.variables = {"NATS_CERT=a", "NATS_KEY=b"},
         .settings = {"tls_cert=a environment", "tls_key=b environment"}},
        {.variables = {"NATS_TIMEOUT=5s"}, .settings = {"timeout_ms=5000 environment"}},
        {.variables = {"NATS_TIMEOUT=500ms"}, .settings = {"timeout_ms=500 environment"}},
        {.variables = {"NATS_TIMEOUT=1m30s"}, .settings = {"timeout_ms=90000 environment"}},
        {.variables = {"NATS_URL=", "NATS_CONTEXT=", "NATS_ENV=", "NATS_TIMEOUT="}},
        {.variables = {"NATS_TIMEOUT=5"}, .error = "NATS_TIMEOUT: \"5\" has no unit"},
        {.variables = {"NATS_TIMEOUT=0s"}, .error = "NATS_TIMEOUT: \"0s\" is too short"},
        {.variables = {"NATS_ENV=yes"}, .error = "NATS_ENV: \"yes\" is neither true nor false"},
        {.variables = {"NATS_PASSWORD=p"}, .error = "NATS_PASSWORD: is set without a user"},
        {.variables = {"NATS_CERT=a"}, .settings = {"tls_cert=a environment"}},
        {.variables = {"NATS_KEY=a"},
         .error = "NATS_KEY: is set without NATS_CERT, the certificate"},
        {.variables = {"NATS_CREDS=none"}, .error = "NATS_CREDS: none: No such file"},
        {.variables = {"NATS_NKEY=nats"}, .error = "NATS_NKEY: nats: Is a directory"},
        {.variables = {"NATS_CONTEXT=../c"}, .error = "NATS_CONTEXT: not the name of a context"},
    };
    check_rows(rows, COUNT(rows));
}

static void each_context_key_alone(void **state) {
    (void)state;
    static const row rows[] = {
        {{"context=c"},
         {NULL},
         "{\"url\": \"nats://h\"}",
         false,
         {"servers=nats://h context"},
         NULL},
        {{"context=c"}, {NULL}, "{\"token\": \"t\"}", false, {"token=t context"}, NULL},
        {{"context=c"}, {NULL}, "{\"user\": \"u\"}", false, {"user=u context"}, NULL},
        {{"context=c"},
         {NULL},
         "{\"user\": \"u\", \"password\": \"p\"}",
         false,
         {"user=u context", "password=p context"},
         NULL},
        {{"context=c"}, {NULL}, "{\"creds\": \"a\"}", false, {"creds=a context"}, NULL},
        {{"context=c"}, {NULL}, "{\"nkey\": \"b\"}", false, {"nkey=b context"}, NULL},
        {{"context=c"},
         {NULL},
         "{\"cert\": \"a\", \"key\": \"b\"}",
         false,
         {"tls_cert=a context", "tls_key=b context"},
         NULL},
        {{"context=c"}, {NULL}, "{\"ca\": \"c\"}", false, {"tls_ca=c context"}, NULL},
        {{"context=c"},
         {NULL},
         "{\"inbox_prefix\": \"i\"}",
         false,
         {"inbox_prefix=i context"},
         NULL},
        {{"context=c"},
         {NULL},
         "{\"user_jwt\": \"j\", \"user_seed\": \"s\"}",
         false,
         {"jwt=j context", "seed=s context"},
         NULL},
        {{"context=c"}, {NULL}, "{\"user_jwt\": \"j\"}", false, {"jwt=j context"}, NULL},
        {{"context=c"}, {NULL}, "{\"tls_first\": true}", false, {"tls_first=true context"}, NULL},
        {{"context=c"},
         {NULL},
         "{\"description\": \"d\", \"color_scheme\": \"x\"}",
         false,
         {NULL},
         NULL},
        {{"context=c"},
         {NULL},
         "{\"key\": \"a\"}",
         false,
         {NULL},
         "context \"c\", key key: is set without cert"},
        {{"context=c"},
         {NULL},
         "{\"password\": \"a\"}",
         false,
         {NULL},
         "key password: is set without a user"},
        {{"context=c"}, {NULL}, "{\"user_seed\": \"a\"}", false, {"seed=a context"}, NULL},
        {{"context=c"},
         {NULL},
         "{\"creds\": \"none\"}",
         false,
         {NULL},
         "context \"c\", key creds: none: No such file"},
        {{"context=c"},
         {NULL},
         "{\"user\": \"u\", \"creds\": \"a\"}",
         false,
         {NULL},
         "context \"c\", key user and creds are both set"},
        {{"context=c"},
         {NULL},
         "{\"url\": \"nats://u:p@h\", \"token\": \"t\"}",
         false,
         {NULL},
         "key url and token are both set"},
        {{"context=c"},
         {NULL},
         "{\"url\": \"nats://u:p@h\"}",
         false,
         {"servers=nats://u:p@h context"},
         NULL},
    };
    check_rows(rows, COUNT(rows));
}

/* A context with something of everything that does not exclude each other. */
#define FULL                                                                                       \
    "{\"url\": \"nats://ctx\", \"user\": \"cu\", \"password\": \"cp\", \"cert\": \"a\", "          \
    "\"key\": \"b\", \"ca\": \"c\", \"inbox_prefix\": \"ci\"}"
#define FULL_URL "servers=nats://ctx context"
#define FULL_TLS                                                                                   \
    "tls_cert=a context", "tls_key=b context", "tls_ca=c context", "inbox_prefix=ci context"

static void which_context_is_used(void **state) {
    (void)state;
    static const row rows[] = {
        /* selected: only where nothing else is said */
        {{NULL}, {NULL}, "{\"url\": \"nats://x\"}", true, {"servers=nats://x context"}, NULL},
        {{"servers=nats://o"}, {NULL}, FULL, true, {"servers=nats://o option"}, NULL},
        {{NULL}, {"NATS_URL=nats://e"}, FULL, true, {"servers=nats://e environment"}, NULL},
        {{NULL}, {"NATS_ENV=true"}, FULL, true, {NULL}, NULL},
        {{NULL}, {"NATS_ENV=false"}, "{\"token\": \"t\"}", true, {"token=t context"}, NULL},
        {{NULL},
         {"NATS_TOKEN=t"},
         "{\"url\": \"nats://x\", \"creds\": \"a\"}",
         true,
         {"servers=nats://x context", "token=t environment"},
         NULL},
        /* named: always, and its credentials stay with other servers */
        {{"context=c"}, {NULL}, "{\"token\": \"t\"}", false, {"token=t context"}, NULL},
        {{NULL}, {"NATS_CONTEXT=c"}, "{\"token\": \"t\"}", false, {"token=t context"}, NULL},
        {{"servers=nats://o", "context=c"},
         {NULL},
         FULL,
         false,
         {"servers=nats://o option", "user=cu context", "password=cp context", FULL_TLS},
         NULL},
        {{NULL},
         {"NATS_CONTEXT=c", "NATS_URL=nats://e"},
         FULL,
         false,
         {"servers=nats://e environment", "user=cu context", "password=cp context", FULL_TLS},
         NULL},
        {{"servers=nats://o"},
         {"NATS_CONTEXT=c"},
         "{\"url\": \"nats://u:p@h\"}",
         false,
         {"servers=nats://o option"},
         NULL},
        /* NATS_ENV is about the environment; a context named by the program is stronger */
        {{NULL}, {"NATS_ENV=true", "NATS_CONTEXT=c"}, FULL, true, {NULL}, NULL},
        {{NULL}, {"NATS_ENV=true", "NATS_CONTEXT=none"}, FULL, true, {NULL}, NULL},
        {{"context=c"}, {"NATS_ENV=true"}, "{\"token\": \"t\"}", false, {"token=t context"}, NULL},
        {{"context=c"},
         {"NATS_CONTEXT=none"},
         "{\"token\": \"t\"}",
         false,
         {"token=t context"},
         NULL},
        {{"context=none"}, {NULL}, "{}", false, {NULL}, "there is no context \"none\" in "},
        {{NULL}, {"NATS_CONTEXT=cc"}, "{}", false, {NULL}, "there are: c"},
    };
    check_rows(rows, COUNT(rows));
}

static void the_stronger_layer_wins_setting_by_setting(void **state) {
    (void)state;
    static const row rows[] = {
        {{"servers=nats://o"},
         {"NATS_URL=nats://e"},
         NULL,
         false,
         {"servers=nats://o option"},
         NULL},
        {{"prefix=o"}, {"NATS_PREFIX=e"}, NULL, false, {"prefix=o option"}, NULL},
        {{"timeout_ms=7"}, {"NATS_TIMEOUT=5s"}, NULL, false, {"timeout_ms=7 option"}, NULL},
        {{"tls_ca=b", "context=c"},
         {"NATS_CA=a"},
         "{\"ca\": \"c\"}",
         false,
         {"tls_ca=b option"},
         NULL},
        {{"context=c"}, {"NATS_CA=a"}, "{\"ca\": \"c\"}", false, {"tls_ca=a environment"}, NULL},
        {{"context=c", "inbox_prefix=o"},
         {NULL},
         "{\"inbox_prefix\": \"c\"}",
         false,
         {"inbox_prefix=o option"},
         NULL},
        {{"context=c", "tls_first=1"},
         {NULL},
         "{\"tls_first\": true}",
         false,
         {"tls_first=true option"},
         NULL},
        {{"name=n"}, {NULL}, NULL, false, {"name=n option"}, NULL},
        /* a certificate and its key */
        {{"tls_cert=a", "tls_key=b", "context=c"},
         {NULL},
         "{\"cert\": \"c\", \"key\": \"c\"}",
         false,
         {"tls_cert=a option", "tls_key=b option"},
         NULL},
        {{"tls_key=b", "context=c"},
         {NULL},
         "{\"cert\": \"c\", \"key\": \"c\"}",
         false,
         {"tls_cert=c context", "tls_key=b option"},
         NULL},
        {{"tls_cert=a"},
         {"NATS_KEY=b"},
         NULL,
         false,
         {"tls_cert=a option", "tls_key=b environment"},
         NULL},
        {{"tls_cert=a", "context=c"},
         {NULL},
         "{\"cert\": \"c\", \"key\": \"c\"}",
         false,
         {"tls_cert=a option"},
         NULL},
        {{"tls_cert=a", "tls_key=none"},
         {NULL},
         NULL,
         false,
         {NULL},
         "tls_key: none: No such file"},
        {{"creds="}, {"NATS_TOKEN=t"}, NULL, false, {NULL}, "creds: is empty"},
    };
    check_rows(rows, COUNT(rows));
}

static void credentials_come_from_one_place(void **state) {
    (void)state;
    static const row rows[] = {
        /* each kind of an option against each of the environment */
        {{"token=o"}, {"NATS_USER=u", "NATS_PASSWORD=p"}, NULL, false, {"token=o option"}, NULL},
        {{"token=o"}, {"NATS_PASSWORD=p"}, NULL, false, {"token=o option"}, NULL},
        {{"token=o"}, {"NATS_CREDS=none"}, NULL, false, {"token=o option"}, NULL},
        {{"creds=a"}, {"NATS_TOKEN=t"}, NULL, false, {"creds=a option"}, NULL},
        {{"nkey=a"}, {"NATS_CREDS=b"}, NULL, false, {"nkey=a option"}, NULL},
        {{"jwt=j", "seed=s"},
         {"NATS_NKEY=b"},
         NULL,
         false,
         {"jwt=j option", "seed=s option"},
         NULL},
        {{"user=u", "password=p"},
         {"NATS_CREDS=b"},
         NULL,
         false,
         {"user=u option", "password=p option"},
         NULL},
        {{"user=u"}, {"NATS_CREDS=b"}, NULL, false, {"user=u option"}, NULL},
        /* and of the environment against a context */
        {{"context=c"},
         {"NATS_TOKEN=t"},
         FULL,
         false,
         {FULL_URL, "token=t environment", FULL_TLS},
         NULL},
        {{"context=c"},
         {"NATS_USER=t"},
         "{\"creds\": \"a\"}",
         false,
         {"token=t environment"},
         NULL},
        {{"context=c"},
         {"NATS_NKEY=a"},
         "{\"creds\": \"none\"}",
         false,
         {"nkey=a environment"},
         NULL},
        {{"context=c"},
         {"NATS_CREDS=a"},
         "{\"user_jwt\": \"j\", \"user_seed\": \"s\"}",
         false,
         {"creds=a environment"},
         NULL},
        /* user and password complete each other, but not another's */
        {{"user=u"},
         {"NATS_PASSWORD=p"},
         NULL,
         false,
         {"user=u option", "password=p environment"},
         NULL},
        {{"user=u"}, {"NATS_USER=v", "NATS_PASSWORD=p"}, NULL, false, {"user=u option"}, NULL},
        {{"user=u"},
         {"NATS_USER=u", "NATS_PASSWORD=p"},
         NULL,
         false,
         {"user=u option", "password=p environment"},
         NULL},
        {{"password=o"},
         {"NATS_USER=v", "NATS_PASSWORD=p"},
         NULL,
         false,
         {"user=v environment", "password=o option"},
         NULL},
        {{"context=c"},
         {"NATS_PASSWORD=p"},
         "{\"user\": \"u\", \"password\": \"q\"}",
         false,
         {"user=u context", "password=p environment"},
         NULL},
        {{"context=c"},
         {"NATS_USER=u"},
         "{\"user\": \"u\", \"password\": \"q\"}",
         false,
         {"user=u environment", "password=q context"},
         NULL},
        {{"context=c"},
         {"NATS_USER=v"},
         "{\"user\": \"u\", \"password\": \"q\"}",
         false,
         {"token=v environment"},
         NULL},
        {{"context=c"},
         {"NATS_PASSWORD=p"},
         "{\"creds\": \"a\"}",
         false,
         {NULL},
         "NATS_PASSWORD: is set without a user"},
        {{"user=u", "context=c"},
         {"NATS_CREDS=a"},
         "{\"user\": \"u\", \"password\": \"q\"}",
         false,
         {"user=u option"},
         NULL},
        /* in a URL: they go with it, and are as strong as it is */
        {{"servers=nats://u:p@h"},
         {"NATS_TOKEN=t"},
         NULL,
         false,
         {"servers=nats://u:p@h option"},
         NULL},
        {{"token=t"},
         {"NATS_URL=nats://u:p@h,tok@i:1"},
         NULL,
         false,
         {"servers=nats://h,i:1 environment", "token=t option"},
         NULL},
        {{"creds=a", "context=c"},
         {NULL},
         "{\"url\": \"nats://u:p@h\"}",
         false,
         {"servers=nats://h context", "creds=a option"},
         NULL},
        {{"servers=nats://t@h", "context=c"},
         {NULL},
         "{\"creds\": \"a\"}",
         false,
         {"servers=nats://t@h option"},
         NULL},
        {{"servers=nats://u:p@h", "user=u"},
         {NULL},
         NULL,
         false,
         {NULL},
         "credentials in servers and user are both set"},
        {{NULL},
         {"NATS_TOKEN=t", "NATS_CREDS=a"},
         NULL,
         false,
         {NULL},
         "NATS_TOKEN and NATS_CREDS are both set"},
        {{"token=t", "nkey=a"}, {NULL}, NULL, false, {NULL}, "token and nkey are both set"},
    };
    check_rows(rows, COUNT(rows));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_variable_alone),
        cmocka_unit_test(each_context_key_alone),
        cmocka_unit_test(which_context_is_used),
        cmocka_unit_test(the_stronger_layer_wins_setting_by_setting),
        cmocka_unit_test(credentials_come_from_one_place),
    };
    return cmocka_run_group_tests(tests, config_set_up, config_tear_down);
}
