/* What the engine makes of its surroundings: log lines that are safe to print, and random text. */
#include "unit.h"

#include <nrt/error.h>

#include "core/base/env.h"

static char logged[2048];
static int lines;

static void on_log(nrt_log_level level, const char *text, void *arg) {
    (void)arg;
    lines++;
    snprintf(logged, sizeof(logged), "%d %s", (int)level, text);
}

/* Counts up, so that what was used can be told from what was not. */
static int counting(void *arg, void *bytes, size_t len) {
    unsigned char *next = arg;
    for (size_t i = 0; i < len; i++) {
        ((unsigned char *)bytes)[i] = (*next)++;
    }
    return 0;
}

static int none(void *arg, void *bytes, size_t len) {
    (void)arg;
    (void)bytes;
    (void)len;
    return NRT_ERR_SYSTEM;
}

static void a_log_line_cannot_move_the_cursor_or_forge_another(void **state) {
    (void)state;
    nrt__env env = {.log = on_log, .log_level = NRT_LOG_WARN};
    nrt__log(&env, NRT_LOG_WARN, "a\nb\r\x1b[2J\x7f%s", "\t\xc3\xa9");
    assert_string_equal(logged, "1 a?b??[2J??\xc3\xa9");
}

static void a_long_log_line_is_cut(void **state) {
    (void)state;
    static char text[5000];
    nrt__env env = {.log = on_log, .log_level = NRT_LOG_DEBUG};
    memset(text, 'x', sizeof(text) - 1);
    nrt__log(&env, NRT_LOG_ERROR, "%s", text);
    assert_in_range(strlen(logged), 500, 1100);
}

static void lines_beyond_the_level_are_not_written(void **state) {
    (void)state;
    nrt__env env = {.log = on_log, .log_level = NRT_LOG_WARN};
    lines = 0;
    nrt__log(&env, NRT_LOG_INFO, "no");
    assert_int_equal(lines, 0);
    nrt__log(&env, NRT_LOG_WARN, "yes");
    assert_int_equal(lines, 1);
    env.log = NULL;
    nrt__log(&env, NRT_LOG_ERROR, "to nobody");
    assert_int_equal(lines, 1);
}

static void what_strangers_cause_is_logged_once_in_a_while(void **state) {
    (void)state;
    nrt__env env = {.now_ms = 100000};
    nrt__log_gate gate = {0};
    uint64_t count = 0;
    assert_true(nrt__log_due(&env, &gate, &count));
    assert_int_equal(count, 1);
    for (int i = 0; i < 9; i++) {
        assert_false(nrt__log_due(&env, &gate, &count));
    }
    env.now_ms += 5000;
    assert_true(nrt__log_due(&env, &gate, &count));
    assert_int_equal(count, 10);
}

static void random_text_uses_each_byte_once(void **state) {
    (void)state;
    unsigned char next = 0;
    nrt__env env = {.random = counting, .random_arg = &next};
    char text[64];
    bool seen[64] = {false};
    assert_int_equal(nrt__random_text(&env, text, sizeof(text)), 0);
    for (size_t i = 0; i < sizeof(text); i++) { /* 64 different bytes, 64 different characters */
        const char *alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";
        const char *at = strchr(alphabet, text[i]);
        assert_non_null(at);
        assert_false(seen[at - alphabet]);
        seen[at - alphabet] = true;
    }
    for (size_t i = env.random_left; i < sizeof(env.random_pool); i++) {
        assert_int_equal(env.random_pool[i], 0); /* nobody finds a secret there later */
    }
}

static void random_text_has_a_limit(void **state) {
    (void)state;
    unsigned char next = 0;
    nrt__env env = {.random = counting, .random_arg = &next};
    char text[66] = "";
    assert_int_equal(nrt__random_text(&env, text, 65), NRT_ERR_USAGE);
    assert_string_equal(text, "");
}

static void without_random_bytes_there_is_no_text_and_no_jitter(void **state) {
    (void)state;
    nrt__env env = {.random = none};
    char text[8] = "";
    assert_int_equal(nrt__random_text(&env, text, sizeof(text)), NRT_ERR_SYSTEM);
    assert_string_equal(text, "");
    assert_int_equal(nrt__random_below(&env, 100), 0);
}

static void random_numbers_stay_below_their_bound(void **state) {
    (void)state;
    unsigned char next = 0;
    nrt__env env = {.random = counting, .random_arg = &next};
    unsigned seen = 0;
    assert_int_equal(nrt__random_below(&env, 0), 0);
    assert_int_equal(nrt__random_below(&env, 1), 0);
    for (int i = 0; i < 300; i++) {
        uint32_t number = nrt__random_below(&env, 7);
        assert_true(number < 7);
        seen |= 1u << number;
    }
    assert_int_equal(seen, 0x7f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_line_cannot_move_the_cursor_or_forge_another),
        cmocka_unit_test(a_long_log_line_is_cut),
        cmocka_unit_test(lines_beyond_the_level_are_not_written),
        cmocka_unit_test(what_strangers_cause_is_logged_once_in_a_while),
        cmocka_unit_test(random_text_uses_each_byte_once),
        cmocka_unit_test(random_text_has_a_limit),
        cmocka_unit_test(without_random_bytes_there_is_no_text_and_no_jitter),
        cmocka_unit_test(random_numbers_stay_below_their_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
