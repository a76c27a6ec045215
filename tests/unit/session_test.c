/* A NATS session without I/O: INFO and PONG are fed by hand, what it sends is text, time is
 * virtual. */
#include "unit.h"

#include "engine.h"

static engine *e;       /* of the test that runs */
static char told[1024]; /* what its callbacks noted */

static int setup(void **state) {
    (void)state;
    told[0] = '\0';
    e = calloc(1, sizeof(*e));
    return engine_init(e, 0);
}

static int teardown(void **state) {
    (void)state;
    engine_finish(e);
    free(e);
    return 0;
}

static void note(const char *format, ...) NRT_PRINTF(1, 2);

static void note(const char *format, ...) {
    size_t len = strlen(told);
    va_list args;
    va_start(args, format);
    vsnprintf(told + len, sizeof(told) - len, format, args);
    va_end(args);
}

static void on_msg(const nrt__nats_msg *msg, void *arg) {
    note("%s: %.*s\n", (const char *)arg, NRT__ARG(msg->payload));
}

static void on_state(int error, void *arg) {
    note("%s is %d\n", (const char *)arg, error);
}

static void on_flush(int error, void *arg) {
    note("%s %d\n", (const char *)arg, error);
}

static void assert_told(const char *want) {
    assert_string_equal(told, want);
    told[0] = '\0';
}

static nrt__sub *subscribe(const char *subject, const char *queue, char *name) {
    nrt__sub *sub = nrt__session_subscribe(e->session, nrt_str_from(subject), nrt_str_from(queue),
                                           on_msg, on_state, name);
    assert_non_null(sub);
    return sub;
}

static int publish(const char *subject, const char *reply, nrt_str payload) {
    return nrt__session_publish(e->session, nrt_str_from(subject), nrt_str_from(reply), &payload,
                                1);
}

static void the_server_speaks_first(void **state) {
    (void)state;
    assert_int_equal(nrt__session_state_get(e->session), NRT__SESSION_CLOSED);
    nrt__session_start(e->session, &e->login);
    assert_int_equal(nrt__session_state_get(e->session), NRT__SESSION_WAIT_INFO);
    assert_string_equal(engine_take(e), "");
    assert_int_equal(engine_feed(e, ENGINE_INFO), 0);
    assert_int_equal(nrt__session_state_get(e->session), NRT__SESSION_WAIT_PONG);
    assert_string_equal(engine_events(e), "info\noutput\n");
    const char *sent = engine_take(e);
    assert_int_equal(strncmp(sent, "CONNECT {", 9), 0);
    assert_non_null(strstr(sent, "\"name\":\"test\""));
    assert_string_equal(strstr(sent, "\r\n"), "\r\nPING\r\n");
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_string_equal(engine_events(e), "ready\n");
    assert_int_equal(nrt__session_state_get(e->session), NRT__SESSION_READY);
    assert_string_equal(nrt__session_info(e->session)->server_name, "n1");
}

static void credentials_go_into_connect(void **state) {
    (void)state;
    e->login = (nrt__nats_login){.name = "n", .user = "me", .password = "pw"};
    assert_int_equal(engine_connect(e), 0);
    assert_non_null(strstr(e->greeting, "\"user\":\"me\",\"pass\":\"pw\""));
    assert_null(strstr(e->greeting, "auth_token"));
}

static void it_works_byte_by_byte(void **state) {
    (void)state;
    subscribe("a", NULL, "a");
    nrt__session_start(e->session, &e->login);
    static const char input[] = ENGINE_INFO "PING\r\nPONG\r\nMSG a 1048576 2\r\nhi\r\n";
    for (size_t i = 0; i < sizeof(input) - 1; i++) {
        assert_int_equal(engine_feed_bytes(e, (nrt_str){input + i, 1}), 0);
    }
    assert_told("a is 0\na: hi\n");
    const char *sent = engine_take(e);
    assert_string_equal(strstr(sent, "\r\n"), "\r\nSUB a 1048576\r\nPING\r\nPONG\r\n");
}

static void subscriptions_are_sent_again_in_each_session(void **state) {
    (void)state;
    char sid[24];
    nrt__sub *early = subscribe("a.*", "q", "early");
    assert_int_equal(engine_connect(e), 0);
    assert_non_null(strstr(e->greeting, "\r\nSUB a.* q "));
    assert_told("early is 0\n");

    nrt__sub *late = subscribe("b", NULL, "late");
    const char *sent = engine_take(e);
    assert_string_equal(strchr(sent, '\n'), "\nPING\r\n"); /* asks whether it was allowed */
    assert_told("");
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_told("late is 0\n");

    nrt__session_unsubscribe(e->session, early);
    engine_sid(e->greeting, "a.*", sid);
    char unsub[64];
    snprintf(unsub, sizeof(unsub), "UNSUB %s\r\n", sid);
    assert_string_equal(engine_take(e), unsub);

    nrt__session_stop(e->session);
    assert_int_equal(engine_connect(e), 0);
    assert_null(strstr(e->greeting, "SUB a.*"));
    assert_non_null(strstr(e->greeting, "\r\nSUB b "));
    assert_told("late is 0\n");
    nrt__session_sub_destroy(e->session, early);
    nrt__session_sub_destroy(e->session, late);
    nrt__session_sub_destroy(e->session, NULL);
}

static void messages_find_their_subscription_and_no_other(void **state) {
    (void)state;
    char a[24];
    char b[24];
    nrt__sub *first = subscribe("a", NULL, "a");
    subscribe("b", NULL, "b");
    assert_int_equal(engine_connect(e), 0);
    assert_told("a is 0\nb is 0\n");
    engine_sid(e->greeting, "a", a);
    engine_sid(e->greeting, "b", b);
    assert_string_not_equal(a, b);
    assert_int_equal(engine_message(e, b, "b", NULL, "two"), 0);
    assert_int_equal(engine_message(e, a, "a", NULL, "one"), 0);
    assert_int_equal(engine_message(e, "5", "a", NULL, "none"), 0);
    assert_int_equal(engine_message(e, "18446744073709551615", "a", NULL, "none"), 0);
    assert_told("b: two\na: one\n");

    nrt__session_unsubscribe(e->session, first);
    assert_int_equal(engine_message(e, a, "a", NULL, "was on its way"), 0);
    assert_told("a: was on its way\n");
    nrt__session_sub_destroy(e->session, first);
    assert_int_equal(engine_message(e, a, "a", NULL, "late"), 0);
    subscribe("c", NULL, "c"); /* takes the slot, not the id */
    assert_int_equal(engine_message(e, a, "a", NULL, "later"), 0);
    assert_told("");
}

static void a_refused_subscription_is_told_and_the_others_are_fine(void **state) {
    (void)state;
    subscribe("a", NULL, "a");
    subscribe("b", "q", "b");
    nrt__session_start(e->session, &e->login);
    assert_int_equal(engine_feed(e, ENGINE_INFO), 0);
    assert_int_equal(engine_feed(e, "-ERR 'Permissions Violation for Subscription to \"b\" using "
                                    "queue \"q\"'\r\n"),
                     0);
    assert_told("b is -22\n");
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_told("a is 0\n");

    /* In a new session all is asked again. */
    nrt__session_stop(e->session);
    assert_int_equal(engine_connect(e), 0);
    assert_told("a is 0\nb is 0\n");

    /* Permissions may be taken away later. */
    assert_int_equal(engine_feed(e, "-ERR 'Permissions Violation for Subscription to \"a\"'\r\n"),
                     0);
    assert_told("a is -22\n");
}

static void a_refusal_is_for_the_one_that_is_not_leaving(void **state) {
    (void)state;
    nrt__sub *old = subscribe("a", NULL, "old");
    assert_int_equal(engine_connect(e), 0);
    nrt__session_unsubscribe(e->session, old);
    subscribe("a", NULL, "new");
    assert_told("old is 0\n");
    assert_int_equal(
        engine_feed(e, "-ERR 'Permissions Violation for Subscription to \"a\"'\r\nPONG\r\n"), 0);
    assert_told("new is -22\n");
    nrt__session_sub_destroy(e->session, old);
}

static void a_publish_goes_out_as_it_is(void **state) {
    (void)state;
    assert_int_equal(engine_connect(e), 0);
    nrt_str parts[] = {NRT__STR("one "), {NULL, 0}, NRT__STR("two")};
    assert_int_equal(nrt__session_publish(e->session, NRT__STR("a.b"), NRT__STR("r"), parts, 3), 0);
    assert_int_equal(nrt__session_publish(e->session, NRT__STR("c"), (nrt_str){NULL, 0}, NULL, 0),
                     0);
    assert_string_equal(engine_events(e), "output\n"); /* once, not for each */
    assert_string_equal(engine_take(e), "PUB a.b r 7\r\none two\r\nPUB c 0\r\n\r\n");
}

static void max_payload_is_what_the_latest_info_says(void **state) {
    (void)state;
    static char bytes[8192];
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(engine_connect(e), 0);
    assert_int_equal(publish("a", NULL, (nrt_str){bytes, 4096}), 0);
    assert_int_equal(publish("a", NULL, (nrt_str){bytes, 4097}), NRT_ERR_TOO_LARGE);
    assert_int_equal(strlen(engine_take(e)), 4096 + 14);
    engine_events(e);
    assert_int_equal(engine_feed(e, "INFO {\"max_payload\":100,\"headers\":true}\r\n"), 0);
    assert_string_equal(engine_events(e), "info\n");
    assert_int_equal(publish("a", NULL, (nrt_str){bytes, 101}), NRT_ERR_TOO_LARGE);
    assert_int_equal(publish("a", NULL, (nrt_str){bytes, 100}), 0);
}

static void a_full_output_is_busy_and_takes_nothing(void **state) {
    (void)state;
    static char bytes[4096];
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(engine_connect(e), 0);
    int done = 0;
    while (publish("a", NULL, (nrt_str){bytes, sizeof(bytes)}) == 0) {
        assert_true(++done < 100);
    }
    assert_int_equal(done, 15); /* of 64 KiB */
    size_t before = nrt__session_output(e->session).len;
    assert_int_equal(publish("a", NULL, (nrt_str){bytes, sizeof(bytes)}), NRT_ERR_BUSY);
    assert_int_equal(nrt__session_output(e->session).len, before);
    assert_int_equal(engine_feed(e, "PING\r\n"), 0); /* always has room */
    assert_int_equal(nrt__session_output(e->session).len, before + 6);
    nrt__session_sent(e->session, 8192);
    assert_int_equal(publish("a", NULL, (nrt_str){bytes, sizeof(bytes)}), 0);
}

static void much_output_is_told_of_once_for_each_64_KiB(void **state) {
    (void)state;
    static char bytes[4096];
    memset(bytes, 'x', sizeof(bytes));
    engine_finish(e);
    memset(e, 0, sizeof(*e));
    e->session_options.max_output = 1024 * 1024;
    assert_int_equal(engine_init(e, 0), 0);
    assert_int_equal(engine_connect(e), 0);
    engine_events(e);
    for (int i = 0; i < 15; i++) {
        assert_int_equal(publish("a", NULL, (nrt_str){bytes, sizeof(bytes)}), 0);
    }
    assert_string_equal(engine_events(e), "output\n");
    assert_int_equal(publish("a", NULL, (nrt_str){bytes, sizeof(bytes)}), 0);
    assert_string_equal(engine_events(e), "plenty\n");
    assert_int_equal(publish("a", NULL, (nrt_str){bytes, sizeof(bytes)}), 0);
    assert_string_equal(engine_events(e), "");
}

static void without_a_session_nothing_is_published(void **state) {
    (void)state;
    assert_int_equal(publish("a", NULL, NRT__STR("x")), NRT_ERR_DISCONNECTED);
    assert_int_equal(nrt__session_flush(e->session, on_flush, "f"), NRT_ERR_DISCONNECTED);
    nrt__session_start(e->session, &e->login);
    assert_int_equal(publish("a", NULL, NRT__STR("x")), NRT_ERR_DISCONNECTED);
    assert_int_equal(nrt__session_flush(e->session, on_flush, "f"), NRT_ERR_DISCONNECTED);
    assert_string_equal(engine_take(e), "");
    assert_told("");
}

static void flushes_end_in_order_or_with_the_session(void **state) {
    (void)state;
    assert_int_equal(engine_connect(e), 0);
    assert_int_equal(nrt__session_flush(e->session, on_flush, "one"), 0);
    assert_int_equal(nrt__session_flush(e->session, on_flush, "two"), 0);
    assert_int_equal(nrt__session_flush(e->session, on_flush, "three"), 0);
    assert_string_equal(engine_take(e), "PING\r\nPING\r\nPING\r\n");
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_told("one 0\n");
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_told("two 0\n");
    nrt__session_stop(e->session);
    assert_told("three -21\n");
    assert_int_equal(engine_connect(e), 0);
    assert_int_equal(nrt__session_flush(e->session, on_flush, "four"), 0);
    assert_int_equal(engine_feed(e, "PONG\r\nPONG\r\nPONG\r\n"), 0); /* two nobody asked for */
    assert_told("four 0\n");
}

static void marks_tell_what_was_handed_to_the_socket(void **state) {
    (void)state;
    assert_int_equal(engine_connect(e), 0);
    assert_int_equal(publish("a", NULL, NRT__STR("12345")), 0); /* 16 bytes */
    uint64_t first = nrt__session_mark(e->session);
    assert_int_equal(publish("b", NULL, NRT__STR("12345")), 0);
    uint64_t second = nrt__session_mark(e->session);
    nrt__session_sent(e->session, 15);
    assert_false(nrt__session_was_sent(e->session, first));
    nrt__session_sent(e->session, 1);
    assert_true(nrt__session_was_sent(e->session, first));
    assert_false(nrt__session_was_sent(e->session, second));
    nrt__session_stop(e->session);
    assert_false(nrt__session_was_sent(e->session, second));
    assert_true(nrt__session_was_sent(e->session, first));
}

static void nothing_of_an_old_session_goes_into_a_new_one(void **state) {
    (void)state;
    assert_int_equal(engine_connect(e), 0);
    assert_int_equal(publish("a", NULL, NRT__STR("old")), 0);
    assert_int_equal(engine_feed(e, "MSG x 1 100\r\nhalf of"), 0);
    nrt__session_stop(e->session);
    assert_string_equal(engine_take(e), "");
    assert_int_equal(engine_connect(e), 0);
    assert_int_equal(strncmp(e->greeting, "CONNECT", 7), 0);
    assert_null(strstr(e->greeting, "old"));
}

static void two_silent_pings_make_it_stale(void **state) {
    (void)state;
    assert_int_equal(engine_connect(e), 0);
    engine_advance(e, 10008);
    assert_string_equal(engine_take(e), "PING\r\n");
    engine_advance(e, 10008);
    assert_string_equal(engine_take(e), "PING\r\n");
    assert_null(strstr(engine_events(e), "stale"));
    engine_advance(e, 10008);
    assert_non_null(strstr(engine_events(e), "stale"));
    assert_string_equal(engine_take(e), "");
    engine_advance(e, 100000);
    assert_null(strstr(engine_events(e), "stale")); /* told once */
}

static void anything_from_the_server_shows_that_it_lives(void **state) {
    (void)state;
    static const char *const signs[] = {"PONG\r\n", "PING\r\n", "+OK\r\n", "MSG x 1 2\r\nhi\r\n",
                                        "MSG x 1 99\r\npart"};
    assert_int_equal(engine_connect(e), 0);
    for (size_t i = 0; i < COUNT(signs); i++) {
        engine_advance(e, 10008);
        engine_advance(e, 9000);
        assert_int_equal(engine_feed(e, signs[i]), 0);
    }
    engine_advance(e, 10008);
    assert_null(strstr(engine_events(e), "stale"));
}

static void a_server_that_never_answers_the_greeting_is_stale_too(void **state) {
    (void)state;
    nrt__session_start(e->session, &e->login);
    assert_int_equal(engine_feed(e, ENGINE_INFO), 0);
    engine_advance(e, 40000);
    assert_non_null(strstr(engine_events(e), "stale"));
}

static void a_stopped_session_has_no_timers(void **state) {
    (void)state;
    assert_int_equal(engine_connect(e), 0);
    nrt__session_stop(e->session);
    nrt__session_stop(e->session);
    engine_advance(e, 100000);
    assert_string_equal(engine_events(e), "");
    assert_string_equal(engine_take(e), "");
}

static void a_server_that_cannot_be_used_is_told_clearly(void **state) {
    (void)state;
    static const struct {
        const char *input;
        int error;
        const char *reason; /* part of it */
    } rows[] = {
        {"INFO {\"max_payload\":9,\"headers\":true,\"tls_required\":true}\r\n", NRT_ERR_TLS,
         "requires TLS"},
        {"INFO {\"max_payload\":9}\r\n", NRT_ERR_SERVER, "does not support headers"},
        {"INFO {\"headers\":true}\r\n", NRT_ERR_SERVER, "max_payload"},
        {"INFO nonsense\r\n", NRT_ERR_SERVER, "INFO"},
        {"MSG a 1 0\r\n\r\n", NRT_ERR_SERVER, "before INFO"},
        {"HTTP/1.1 400 Bad Request\r\n", NRT_ERR_SERVER, "not an operation"},
        {"-ERR 'Authorization Violation'\r\n", NRT_ERR_AUTH, "Authorization Violation"},
        {ENGINE_INFO "-ERR 'Authorization Violation'\r\n", NRT_ERR_AUTH, "Authorization Violation"},
        {ENGINE_INFO "-ERR 'User Authentication Expired'\r\n", NRT_ERR_AUTH, "Expired"},
        {ENGINE_INFO "-ERR 'Maximum Connections Exceeded'\r\n", NRT_ERR_SERVER, "Maximum"},
        {ENGINE_INFO "PONG\r\n-ERR 'Stale Connection'\r\n", NRT_ERR_SERVER, "Stale Connection"},
        {ENGINE_INFO "-ERR '\x1b[2Jno\t\x7f'\r\n", NRT_ERR_SERVER, "?[2Jno??"},
        {ENGINE_INFO "-ERR\r\n", NRT_ERR_SERVER, "gives no reason"},
        {ENGINE_INFO "INFO {\r\n", NRT_ERR_SERVER, "INFO"},
        {ENGINE_INFO "-ERR 'Permissions Violation for Publish'\r\n", NRT_ERR_SERVER, "Publish"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        nrt__session_start(e->session, &e->login);
        assert_int_equal(engine_feed(e, rows[i].input), rows[i].error);
        if (!strstr(nrt__session_reason(e->session), rows[i].reason)) {
            fail_msg("%s: %s", rows[i].input, nrt__session_reason(e->session));
        }
        nrt__session_stop(e->session);
    }
}

static void tls_is_refused_before_credentials_are_sent(void **state) {
    (void)state;
    e->login.password = "hunter2";
    nrt__session_start(e->session, &e->login);
    assert_int_equal(engine_feed(e,
                                 "INFO {\"max_payload\":9,\"headers\":true,\"tls_required\":true,"
                                 "\"auth_required\":true}\r\n"),
                     NRT_ERR_TLS);
    assert_string_equal(engine_take(e), "");
}

#define TLS_INFO "INFO {\"max_payload\":9,\"headers\":true,\"tls_required\":true}\r\n"
#define TLS_OFFERED "INFO {\"max_payload\":9,\"headers\":true,\"tls_available\":true}\r\n"

/* The session begins anew, with somebody who can do TLS. */
static void start_with_tls(engine_tls tls) {
    engine_finish(e);
    memset(e, 0, sizeof(*e));
    e->tls = tls;
    assert_int_equal(engine_init(e, 0), 0);
    e->login.password = "hunter2";
    nrt__session_start(e->session, &e->login);
}

static void nothing_is_said_before_the_handshake_is_done(void **state) {
    (void)state;
    start_with_tls(ENGINE_TLS_IF_ASKED);
    subscribe("a", NULL, "a");
    assert_int_equal(engine_feed(e, TLS_INFO), 0);
    assert_int_equal(nrt__session_state_get(e->session), NRT__SESSION_SECURING);
    assert_string_equal(engine_events(e), "secure\ninfo\n");
    assert_int_equal(publish("b", "", NRT__STR("x")), NRT_ERR_DISCONNECTED);
    assert_int_equal(nrt__session_flush(e->session, NULL, NULL), NRT_ERR_DISCONNECTED);
    assert_string_equal(engine_take(e), "");
    assert_int_equal(nrt__session_secured(e->session), 0);
    const char *sent = engine_take(e);
    assert_non_null(strstr(sent, "\"pass\":\"hunter2\""));
    assert_non_null(strstr(sent, "\"tls_required\":true"));
    assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
    assert_int_equal(nrt__session_state_get(e->session), NRT__SESSION_READY);
}

static void what_comes_in_plain_text_behind_info_is_refused(void **state) {
    (void)state;
    static const char *const inputs[] = {TLS_INFO "P", TLS_INFO "PONG\r\n", TLS_INFO TLS_INFO};
    for (size_t i = 0; i < COUNT(inputs); i++) {
        start_with_tls(ENGINE_TLS_IF_ASKED);
        assert_int_equal(engine_feed(e, inputs[i]), NRT_ERR_TLS);
        assert_non_null(strstr(nrt__session_reason(e->session), "in front of the TLS handshake"));
        assert_string_equal(engine_take(e), "");
        nrt__session_stop(e->session);
    }
}

static void tls_is_used_as_offered_and_as_insisted_on(void **state) {
    (void)state;
    start_with_tls(ENGINE_TLS_IF_ASKED);
    assert_int_equal(engine_feed(e, TLS_OFFERED), 0);
    assert_int_equal(nrt__session_state_get(e->session), NRT__SESSION_WAIT_PONG);
    start_with_tls(ENGINE_TLS_INSISTED);
    assert_int_equal(engine_feed(e, TLS_OFFERED), 0);
    assert_int_equal(nrt__session_state_get(e->session), NRT__SESSION_SECURING);
    start_with_tls(ENGINE_TLS_INSISTED);
    assert_int_equal(engine_feed(e, ENGINE_INFO), NRT_ERR_TLS);
    assert_non_null(strstr(nrt__session_reason(e->session), "the server offers none"));
    assert_string_equal(engine_take(e), "");
}

static void what_held_a_password_is_wiped(void **state) {
    (void)state;
    start_with_tls(ENGINE_NO_TLS);
    assert_int_equal(engine_feed(e, ENGINE_INFO), 0);
    nrt_str out = nrt__session_output(e->session);
    assert_non_null(memmem(out.ptr, out.len, "hunter2", 7));
    nrt__session_sent(e->session, out.len);
    assert_null(memmem(out.ptr, out.len, "hunter2", 7)); /* the buffer keeps its memory */

    start_with_tls(ENGINE_NO_TLS);
    assert_int_equal(engine_feed(e, ENGINE_INFO), 0);
    out = nrt__session_output(e->session);
    nrt__session_stop(e->session);
    assert_null(memmem(out.ptr, out.len, "hunter2", 7));
}

static void a_long_error_of_the_server_is_cut(void **state) {
    (void)state;
    static char text[5000];
    assert_int_equal(engine_connect(e), 0);
    memset(text, 'e', sizeof(text) - 1);
    memcpy(text, "-ERR '", 6);
    memcpy(text + sizeof(text) - 4, "'\r\n", 4);
    assert_int_equal(engine_feed(e, text), NRT_ERR_SERVER);
    assert_int_equal(strlen(nrt__session_reason(e->session)), 255);
}

static void publish_denials_carry_their_subject(void **state) {
    (void)state;
    assert_int_equal(engine_connect(e), 0);
    assert_int_equal(engine_feed(e, "-ERR 'Permissions Violation for Publish to \"a.b\"'\r\n"
                                    "-ERR 'permissions violation for publish to \"c\"'\r\n"),
                     0);
    assert_string_equal(engine_events(e), "denied a.b\ndenied c\n");
}

static void large_messages_pass_and_larger_ones_are_marked(void **state) {
    (void)state;
    static char payload[40000];
    char sid[24];
    subscribe("a", NULL, "a");
    assert_int_equal(engine_connect(e), 0);
    assert_told("a is 0\n");
    engine_sid(e->greeting, "a", sid);
    memset(payload, 'p', 16 * 1024);
    assert_int_equal(engine_message(e, sid, "a", NULL, payload), 0);
    assert_int_equal(strlen(told), sizeof(told) - 1);
    told[0] = '\0';
    memset(payload, 'p', sizeof(payload) - 1);
    assert_int_equal(engine_message(e, sid, "a", NULL, payload), 0);
    assert_told("a: \n");
    assert_int_equal(engine_message(e, sid, "a", NULL, "next"), 0);
    assert_told("a: next\n");
}

static void hundreds_of_subscriptions_come_and_go(void **state) {
    (void)state;
    nrt__sub *subs[500];
    assert_int_equal(engine_connect(e), 0);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(subs); i++) {
            char subject[32];
            snprintf(subject, sizeof(subject), "s.%zu", i);
            subs[i] = nrt__session_subscribe(e->session, nrt_str_from(subject), NRT__STR(""),
                                             on_msg, NULL, "s");
            assert_non_null(subs[i]);
        }
        for (size_t i = 0; i < COUNT(subs); i++) {
            assert_int_equal(engine_feed(e, "PONG\r\n"), 0);
        }
        char sid[24];
        engine_sid(engine_take(e), "s.321", sid);
        assert_int_equal(engine_message(e, sid, "s.321", NULL, "x"), 0);
        assert_told("s: x\n");
        for (size_t i = 0; i < COUNT(subs); i++) {
            nrt__session_sub_destroy(e->session, subs[i]);
        }
        engine_take(e);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_server_speaks_first),
        TEST(credentials_go_into_connect),
        TEST(it_works_byte_by_byte),
        TEST(subscriptions_are_sent_again_in_each_session),
        TEST(messages_find_their_subscription_and_no_other),
        TEST(a_refused_subscription_is_told_and_the_others_are_fine),
        TEST(a_refusal_is_for_the_one_that_is_not_leaving),
        TEST(a_publish_goes_out_as_it_is),
        TEST(max_payload_is_what_the_latest_info_says),
        TEST(a_full_output_is_busy_and_takes_nothing),
        TEST(much_output_is_told_of_once_for_each_64_KiB),
        TEST(without_a_session_nothing_is_published),
        TEST(flushes_end_in_order_or_with_the_session),
        TEST(marks_tell_what_was_handed_to_the_socket),
        TEST(nothing_of_an_old_session_goes_into_a_new_one),
        TEST(two_silent_pings_make_it_stale),
        TEST(anything_from_the_server_shows_that_it_lives),
        TEST(a_server_that_never_answers_the_greeting_is_stale_too),
        TEST(a_stopped_session_has_no_timers),
        TEST(a_server_that_cannot_be_used_is_told_clearly),
        TEST(tls_is_refused_before_credentials_are_sent),
        TEST(nothing_is_said_before_the_handshake_is_done),
        TEST(what_comes_in_plain_text_behind_info_is_refused),
        TEST(tls_is_used_as_offered_and_as_insisted_on),
        TEST(what_held_a_password_is_wiped),
        TEST(a_long_error_of_the_server_is_cut),
        TEST(publish_denials_carry_their_subject),
        TEST(large_messages_pass_and_larger_ones_are_marked),
        TEST(hundreds_of_subscriptions_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
