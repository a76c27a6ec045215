/* Asking all services, and when it is over. */
#include "unit.h"

#include "engine.h"

static engine *e;
static engine_pub asked;
static char sid[24];
static int calls;
static int last_error;
static char last_detail[512];
static size_t last_count;
static size_t last_skipped;

static void on_found(nrt_discovery *found, int error, const char *detail, void *arg) {
    (void)arg;
    calls++;
    last_error = error;
    snprintf(last_detail, sizeof(last_detail), "%s", detail);
    last_count = nrt_discovery_count(found);
    last_skipped = nrt_discovery_skipped(found);
    nrt_discovery_destroy(found);
}

static int setup(void **state) {
    (void)state;
    calls = 0;
    e = calloc(1, sizeof(*e));
    int error = engine_init(e, ENGINE_GATHERS);
    return error < 0 ? error : engine_connect(e);
}

static int teardown(void **state) {
    (void)state;
    engine_finish(e);
    free(e);
    return 0;
}

static int start(const char *name, const char *id, size_t max_answers) {
    nrt_discover_options options;
    nrt_discover_options_init(&options);
    options.name = name;
    options.id = id;
    options.max_answers = max_answers ? max_answers : options.max_answers;
    return nrt__gather_start(e->gathers, &options, on_found, NULL);
}

static void read_question(void) {
    const char *sent = engine_take(e);
    assert_non_null(engine_read_pub(sent, &asked));
    engine_sid(sent, asked.reply, sid);
}

static void answer(const char *name, const char *id) {
    char json[256];
    snprintf(json, sizeof(json),
             "{\"type\":\"io.nats.micro.v1.ping_response\",\"name\":\"%s\",\"id\":\"%s\"}", name,
             id);
    assert_int_equal(engine_message(e, sid, asked.reply, NULL, json), 0);
}

static void it_is_over_when_no_more_come(void **state) {
    (void)state;
    assert_int_equal(start(NULL, NULL, 0), 0);
    read_question();
    assert_string_equal(asked.subject, "$SRV.PING");
    assert_int_equal(strlen(asked.reply), strlen("_INBOX.") + 22);
    engine_advance(e, 1000); /* nobody yet: a far one may still come */
    answer("a", "1");
    engine_advance(e, 300);
    answer("a", "2");
    engine_advance(e, 300);
    answer("a", "2"); /* once more */
    answer("\\u001b", "3");
    assert_int_equal(calls, 0);
    engine_advance(e, 420);
    assert_int_equal(calls, 1);
    assert_int_equal(last_error, 0);
    assert_int_equal(last_count, 2);
    assert_int_equal(last_skipped, 2);
    assert_non_null(strstr(engine_take(e), "UNSUB "));
    answer("a", "late");
    engine_advance(e, 5000);
    assert_int_equal(calls, 1);
    assert_int_equal(nrt__gathers_count(e->gathers), 0);
}

static void answers_without_end_come_to_an_end(void **state) {
    (void)state;
    assert_int_equal(start(NULL, NULL, 0), 0);
    read_question();
    int ms = 0;
    for (; calls == 0 && ms < 10000; ms += 100) {
        char id[16];
        snprintf(id, sizeof(id), "%d", ms);
        answer("a", id);
        engine_advance(e, 100);
    }
    assert_in_range(ms, 1900, 2200); /* timeout_ms */
    assert_int_equal(start(NULL, NULL, 5), 0);
    read_question();
    for (int i = 0; i < 9; i++) {
        answer("a", "x");
    }
    assert_int_equal(calls, 2);
    assert_int_equal(last_count + last_skipped, 5);
}

static void nobody_at_all_is_told_at_once(void **state) {
    (void)state;
    assert_int_equal(start("calc", "x1", 0), 0);
    read_question();
    assert_string_equal(asked.subject, "$SRV.PING.calc.x1");
    char message[1024];
    snprintf(message, sizeof(message), "HMSG %s %s 16 16\r\nNATS/1.0 503\r\n\r\n\r\n", asked.reply,
             sid);
    assert_int_equal(engine_feed(e, message), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(last_error, 0);
    assert_int_equal(last_count, 0);
}

static void too_large_an_answer_is_skipped(void **state) {
    (void)state;
    static char json[15000];
    nrt_discover_options options;
    nrt_discover_options_init(&options);
    options.max_answer = 10000;
    assert_int_equal(nrt__gather_start(e->gathers, &options, on_found, NULL), 0);
    read_question();
    memset(json, ' ', sizeof(json) - 1);
    memcpy(json, "{\"type\":\"io.nats.micro.v1.ping_response\",\"name\":\"a\",\"id\":\"b\"}", 62);
    assert_int_equal(engine_message(e, sid, asked.reply, NULL, json), 0);
    json[9999] = '\0';
    assert_int_equal(engine_message(e, sid, asked.reply, NULL, json), 0);
    engine_advance(e, 500);
    assert_int_equal(last_count, 1);
    assert_int_equal(last_skipped, 1);
}

static void permissions_are_named(void **state) {
    (void)state;
    assert_int_equal(start(NULL, NULL, 0), 0);
    read_question();
    assert_int_equal(
        engine_feed(e, "-ERR 'Permissions Violation for Publish to \"$SRV.PING\"'\r\n"), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(last_error, NRT_ERR_PERMISSION);
    assert_non_null(strstr(last_detail, "publishing to $SRV.PING"));
    assert_int_equal(start(NULL, NULL, 0), 0);
    read_question();
    char message[1024];
    snprintf(message, sizeof(message),
             "-ERR 'Permissions Violation for Subscription to \"%s\"'\r\n", asked.reply);
    assert_int_equal(engine_feed(e, message), 0);
    assert_int_equal(calls, 2);
    assert_int_equal(last_error, NRT_ERR_PERMISSION);
    assert_non_null(strstr(last_detail, "subscribing to _INBOX.>"));
}

static void without_a_connection_it_waits_for_one(void **state) {
    (void)state;
    engine_disconnect(e);
    assert_int_equal(start(NULL, NULL, 0), 0);
    engine_advance(e, 1000);
    assert_int_equal(calls, 0);
    nrt__session_start(e->session, &e->login);
    assert_int_equal(engine_feed(e, ENGINE_INFO), 0);
    const char *sub = strstr(engine_take(e), "SUB _INBOX.");
    assert_non_null(sub);
    sscanf(sub, "SUB %*s %23s", sid);
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_non_null(engine_read_pub(engine_take(e), &asked));
    answer("a", "1");
    engine_advance(e, 500);
    assert_int_equal(last_error, 0);
    assert_int_equal(last_count, 1);
    engine_disconnect(e);
    assert_int_equal(start(NULL, NULL, 0), 0);
    engine_advance(e, 2100);
    assert_int_equal(calls, 2);
    assert_int_equal(last_error, NRT_ERR_DISCONNECTED);
    assert_string_equal(last_detail, "not connected to NATS: cut");
}

static void a_lost_connection_is_told_with_what_had_come(void **state) {
    (void)state;
    assert_int_equal(start(NULL, NULL, 0), 0);
    read_question();
    answer("a", "1");
    engine_disconnect(e);
    assert_int_equal(calls, 1);
    assert_int_equal(last_error, NRT_ERR_ABORTED);
    assert_int_equal(last_count, 1);
}

static void names_that_would_ask_others_are_refused(void **state) {
    (void)state;
    static const char *const names[][2] = {{"a.b", NULL}, {"*", NULL},    {"", NULL},
                                           {"a b", NULL}, {"a", "x.y"},   {"a", "*"},
                                           {"a", ""},     {"a", "x\r\n"}, {NULL, "x"}};
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(start(names[i][0], names[i][1], 0), NRT_ERR_USAGE);
    }
    assert_string_equal(engine_take(e), "");
    for (int i = 0; i < 64; i++) {
        assert_int_equal(start(NULL, NULL, 0), 0);
    }
    assert_int_equal(start(NULL, NULL, 0), NRT_ERR_BUSY);
    nrt__gathers_destroy(e->gathers);
    e->gathers = NULL;
    assert_int_equal(calls, 64);
    assert_int_equal(last_error, NRT_ERR_CANCELED);
}

#define GATHER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        GATHER_TEST(it_is_over_when_no_more_come),
        GATHER_TEST(answers_without_end_come_to_an_end),
        GATHER_TEST(nobody_at_all_is_told_at_once),
        GATHER_TEST(too_large_an_answer_is_skipped),
        GATHER_TEST(permissions_are_named),
        GATHER_TEST(without_a_connection_it_waits_for_one),
        GATHER_TEST(a_lost_connection_is_told_with_what_had_come),
        GATHER_TEST(names_that_would_ask_others_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
