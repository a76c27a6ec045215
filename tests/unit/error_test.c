/* The error table: every error has a number, a code and a sentence of its own, and a status. */
#include "unit.h"

#include <nrt/error.h>
#include <nrt/message.h>

typedef struct row {
    const char *name;
    int number;
    const char *code;
    int status;
    const char *text;
} row;

#define ROW(name, number, code, status, text) {#name, NRT_ERR_##name, (code), (status), (text)},
static const row rows[] = {NRT_ERROR_MAP(ROW)};

static void every_error_is_found_by_its_number(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_string_equal(nrt_error_code(rows[i].number), rows[i].code);
        assert_string_equal(nrt_error_text(rows[i].number), rows[i].text);
        assert_int_equal(nrt_error_status(rows[i].number), rows[i].status);
    }
}

static void numbers_and_codes_and_sentences_are_unique(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t j = i + 1; j < COUNT(rows); j++) {
            assert_int_not_equal(rows[i].number, rows[j].number);
            assert_string_not_equal(rows[i].code, rows[j].code);
            assert_string_not_equal(rows[i].text, rows[j].text);
        }
    }
}

static void numbers_are_negative_without_gaps(void **state) {
    (void)state;
    bool seen[COUNT(rows) + 1] = {false};
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_true(rows[i].number < 0);
        assert_true((size_t)-rows[i].number <= COUNT(rows));
        seen[-rows[i].number] = true;
    }
    for (size_t i = 1; i <= COUNT(rows); i++) {
        assert_true(seen[i]);
    }
}

static void codes_can_stand_in_a_field(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_true(rows[i].code[0] != '\0');
        assert_int_equal(strspn(rows[i].code, "abcdefghijklmnopqrstuvwxyz-"), strlen(rows[i].code));
    }
}

static void statuses_are_errors_that_have_a_reason(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_in_range(rows[i].status, 400, 599);
        assert_string_not_equal(nrt_status_reason(rows[i].status), "");
    }
}

/* PROTOCOL: "What a client makes of failures", and the table of checks. */
static void the_documented_statuses_hold(void **state) {
    (void)state;
    assert_int_equal(nrt_error_status(NRT_ERR_NO_SERVICE), 503);
    assert_int_equal(nrt_error_status(NRT_ERR_TIMEOUT), 504);
    assert_int_equal(nrt_error_status(NRT_ERR_DISCONNECTED), 503);
    assert_int_equal(nrt_error_status(NRT_ERR_PERMISSION), 403);
    assert_int_equal(nrt_error_status(NRT_ERR_PROTOCOL), 502);
    assert_int_equal(nrt_error_status(NRT_ERR_ABORTED), 502);
    assert_int_equal(nrt_error_status(NRT_ERR_TOO_LARGE), 413);
    assert_int_equal(nrt_error_status(NRT_ERR_RESPONSE_TOO_LARGE), 502);
    assert_int_equal(nrt_error_status(NRT_ERR_BAD_REQUEST), 400);
    assert_int_equal(nrt_error_status(NRT_ERR_MISMATCH), 403);
    assert_int_equal(nrt_error_status(NRT_ERR_MISDIRECTED), 421);
    assert_int_equal(nrt_error_status(NRT_ERR_HEAD_TOO_LARGE), 431);
    assert_int_equal(nrt_error_status(NRT_ERR_TARGET_TOO_LONG), 414);
    assert_int_equal(nrt_error_status(NRT_ERR_REFUSED), 503);
    assert_string_equal(nrt_error_code(NRT_ERR_RESPONSE_TOO_LARGE), "response-too-large");
}

static void unknown_numbers_have_an_answer_too(void **state) {
    (void)state;
    const int unknown[] = {1, -9999, -((int)COUNT(rows) + 1), INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < COUNT(unknown); i++) {
        assert_string_equal(nrt_error_text(unknown[i]), "unknown error");
        assert_string_equal(nrt_error_code(unknown[i]), "unknown");
        assert_int_equal(nrt_error_status(unknown[i]), 500);
    }
    assert_string_equal(nrt_error_text(0), "no error");
    assert_string_equal(nrt_error_code(0), "ok");
    assert_int_equal(nrt_error_status(0), 200);
}

static void status_reasons_are_those_of_rfc_9110(void **state) {
    (void)state;
    assert_string_equal(nrt_status_reason(200), "OK");
    assert_string_equal(nrt_status_reason(404), "Not Found");
    assert_string_equal(nrt_status_reason(413), "Content Too Large");
    assert_string_equal(nrt_status_reason(421), "Misdirected Request");
    assert_string_equal(nrt_status_reason(422), "Unprocessable Content");
    assert_string_equal(nrt_status_reason(299), "");
    assert_string_equal(nrt_status_reason(0), "");
    assert_string_equal(nrt_status_reason(-1), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_is_found_by_its_number),
        cmocka_unit_test(numbers_and_codes_and_sentences_are_unique),
        cmocka_unit_test(numbers_are_negative_without_gaps),
        cmocka_unit_test(codes_can_stand_in_a_field),
        cmocka_unit_test(statuses_are_errors_that_have_a_reason),
        cmocka_unit_test(the_documented_statuses_hold),
        cmocka_unit_test(unknown_numbers_have_an_answer_too),
        cmocka_unit_test(status_reasons_are_those_of_rfc_9110),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
