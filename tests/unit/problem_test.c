/* Errors as responses: the status, NRT-Error, Retry-After with 503 only, and a body that is JSON
 * whatever a peer sent. */
#include "unit.h"

#include <jansson.h>

#include "core/http/problem.h"

static json_t *body_of(const nrt__message *message) {
    json_error_t error;
    json_t *json = json_loadb(message->body.ptr, message->body.len, 0, &error);
    assert_non_null(json);
    assert_int_equal(message->body.ptr[message->body.len - 1], '\n');
    return json;
}

static const char *text_of(const json_t *json, const char *key) {
    return json_string_value(json_object_get(json, key));
}

static void a_problem_has_status_code_and_sentence(void **state) {
    (void)state;
    nrt__message message;
    nrt__message_init(&message, false);
    assert_int_equal(nrt__problem_write(&message, 421, "misdirected", "not \"here\""), 0);
    assert_int_equal(message.status, 421);
    assert_view(nrt_fields_get(&message.fields, "Content-Type"), "application/problem+json");
    assert_view(nrt_fields_get(&message.fields, "NRT-Error"), "misdirected");
    assert_absent(nrt_fields_get(&message.fields, "Retry-After"));
    json_t *json = body_of(&message);
    assert_int_equal(json_integer_value(json_object_get(json, "status")), 421);
    assert_string_equal(text_of(json, "title"), "Misdirected Request");
    assert_string_equal(text_of(json, "code"), "misdirected");
    assert_string_equal(text_of(json, "detail"), "not \"here\"");
    json_decref(json);
    nrt__message_free(&message);
}

static void only_503_asks_to_come_back(void **state) {
    (void)state;
    static const int statuses[] = {400, 403, 413, 500, 502, 503, 504};
    nrt__message message;
    nrt__message_init(&message, false);
    for (size_t i = 0; i < COUNT(statuses); i++) {
        assert_int_equal(nrt__problem_write(&message, statuses[i], "x", "y"), 0);
        nrt_str retry = nrt_fields_get(&message.fields, "Retry-After");
        assert_int_equal(retry.ptr != NULL, statuses[i] == 503);
    }
    nrt__message_free(&message);
}

static void without_code_and_detail_the_status_must_do(void **state) {
    (void)state;
    nrt__message message;
    nrt__message_init(&message, false);
    assert_int_equal(nrt__problem_write(&message, 404, NULL, NULL), 0);
    assert_absent(nrt_fields_get(&message.fields, "NRT-Error"));
    json_t *json = body_of(&message);
    assert_null(json_object_get(json, "code"));
    assert_null(json_object_get(json, "detail"));
    assert_string_equal(text_of(json, "title"), "Not Found");
    json_decref(json);
    nrt__message_free(&message);
}

static void what_was_in_the_response_is_gone(void **state) {
    (void)state;
    nrt__message message;
    nrt__message_init(&message, false);
    assert_int_equal(nrt_fields_add(&message.fields, NRT__STR("Set-Cookie"), NRT__STR("s")), 0);
    assert_int_equal(nrt_fields_add(&message.trailers, NRT__STR("X"), NRT__STR("y")), 0);
    message.status = 200;
    message.reason = NRT__STR("Fine");
    assert_int_equal(nrt__problem_write(&message, 502, "bad-response", "d"), 0);
    assert_absent(nrt_fields_get(&message.fields, "Set-Cookie"));
    assert_int_equal(message.trailers.count, 0);
    assert_int_equal(message.reason.len, 0);
    nrt__message_free(&message);
}

static void a_detail_that_a_peer_chose_cannot_break_the_json(void **state) {
    (void)state;
    static const char *const details[] = {"\"}\r\n\x1b[31m\\", "{\"a\":1}", "\t\x01\x7f"};
    nrt__message message;
    nrt__message_init(&message, false);
    for (size_t i = 0; i < COUNT(details); i++) {
        assert_int_equal(nrt__problem_write(&message, 400, "bad-request", details[i]), 0);
        json_t *json = body_of(&message);
        assert_string_equal(text_of(json, "detail"), details[i]);
        json_decref(json);
    }
    nrt__message_free(&message);
}

static void a_detail_that_is_not_utf_8_is_left_out(void **state) {
    (void)state;
    nrt__message message;
    nrt__message_init(&message, false);
    assert_int_equal(nrt__problem_write(&message, 400, "bad-request", "caf\xe9 \xff"), 0);
    json_t *json = body_of(&message);
    assert_null(json_object_get(json, "detail"));
    assert_string_equal(text_of(json, "code"), "bad-request");
    json_decref(json);
    nrt__message_free(&message);
}

static void strangers_are_not_told_where_nats_is(void **state) {
    (void)state;
    const char *where = "not connected to NATS: nats://10.1.2.3:4222: Connection refused";
    assert_string_equal(nrt__problem_detail(NRT_ERR_DISCONNECTED, where),
                        nrt_error_text(NRT_ERR_DISCONNECTED));
    assert_string_equal(nrt__problem_detail(NRT_ERR_TIMEOUT, "slow.nats: no answer"),
                        "slow.nats: no answer");
    assert_string_equal(nrt__problem_detail(NRT_ERR_TIMEOUT, ""), nrt_error_text(NRT_ERR_TIMEOUT));
    assert_string_equal(nrt__problem_detail(NRT_ERR_TIMEOUT, NULL),
                        nrt_error_text(NRT_ERR_TIMEOUT));
}

static void without_memory_the_status_is_left(void **state) {
    (void)state;
    nrt__message message;
    nrt__message_init(&message, false);
    message.arena.limit = 8;
    message.body = NRT__STR("old");
    assert_int_equal(nrt__problem_write(&message, 400, "bad-request", "d"), NRT_ERR_MEMORY);
    assert_int_equal(message.status, 400);
    assert_int_equal(message.body.len, 0);
    nrt__message_free(&message);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_problem_has_status_code_and_sentence),
        cmocka_unit_test(only_503_asks_to_come_back),
        cmocka_unit_test(without_code_and_detail_the_status_must_do),
        cmocka_unit_test(what_was_in_the_response_is_gone),
        cmocka_unit_test(a_detail_that_a_peer_chose_cannot_break_the_json),
        cmocka_unit_test(a_detail_that_is_not_utf_8_is_left_out),
        cmocka_unit_test(strangers_are_not_told_where_nats_is),
        cmocka_unit_test(without_memory_the_status_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
