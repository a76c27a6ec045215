/* Spans as OTLP's JSON: what jansson reads of them. */
#include "unit.h"

#include <jansson.h>

#include "core/http/span.h"

static const nrt__trace begun = {.id = "4bf92f3577b34da6a3ce929d0e0e4736",
                                 .span = "00f067aa0ba902b7",
                                 .sent = "b7ad6b7169203331",
                                 .flags = NRT__TRACE_SAMPLED};

/* Of a whole message, whose text is freed. */
static json_t *read(nrt__buf *out) {
    json_error_t error;
    assert_false(out->failed);
    nrt_str text = nrt__buf_view(out);
    json_t *root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        fail_msg("%s at %d in %.*s", error.text, error.position, NRT__ARG(text));
    }
    nrt__buf_free(out);
    return root;
}

static const char *member(json_t *object, const char *name) {
    return json_string_value(json_object_get(object, name));
}

static void a_message_holds_resource_scope_and_spans(void **state) {
    (void)state;
    nrt__buf out;
    json_t *spans;
    const char *key, *text, *scope, *version;
    nrt__buf_init(&out, 1 << 20);
    nrt__spans_begin(&out);
    nrt__span_text(&out, "service.name", NRT__STR("nrt-gateway"), 100);
    nrt__spans_list(&out, "1.2.3");
    for (int i = 0; i < 2; i++) {
        nrt__span_begin(&out, &begun, NRT__SPAN_SERVER, NRT__STR("GET"), 1, UINT64_MAX);
        nrt__span_end(&out, false, NRT__STR(""));
    }
    nrt__spans_end(&out);
    json_t *root = read(&out);
    assert_int_equal(json_unpack(root,
                                 "{s:[{s:{s:[{s:s, s:{s:s!}!}]!}, s:[{s:{s:s, s:s!}, s:o!}]!}]!}",
                                 "resourceSpans", "resource", "attributes", "key", &key, "value",
                                 "stringValue", &text, "scopeSpans", "scope", "name", &scope,
                                 "version", &version, "spans", &spans),
                     0);
    assert_string_equal(key, "service.name");
    assert_string_equal(text, "nrt-gateway");
    assert_string_equal(scope, "nrt");
    assert_string_equal(version, "1.2.3");
    assert_int_equal(json_array_size(spans), 2);
    assert_string_equal(member(json_array_get(spans, 0), "endTimeUnixNano"),
                        "18446744073709551615");
    json_decref(root);
}

static json_t *span_of(const nrt__trace *trace, nrt__span_kind kind, bool failed, const char *why) {
    nrt__buf out;
    nrt__buf_init(&out, 1 << 20);
    nrt__span_begin(&out, trace, kind, NRT__STR("GET"), 5, 7);
    nrt__span_text(&out, "absent", NRT__STR(""), 10);
    nrt__span_text(&out, "text", NRT__STR("a\"\\\n\x80\xc3\xa4"), 100);
    nrt__span_text(&out, "cut", NRT__STR("123456789"), 4);
    nrt__span_number(&out, "number", 200);
    nrt__span_end(&out, failed, nrt_str_from(why));
    return read(&out);
}

static void ids_say_where_a_span_belongs(void **state) {
    (void)state;
    nrt__trace continued = begun;
    continued.continued = true;
    memcpy(continued.parent, "1234567890123456", NRT__SPAN_ID);
    const struct {
        const nrt__trace *trace;
        nrt__span_kind kind;
        const char *id;
        const char *parent;
        int flags;
    } cases[] = {{&begun, NRT__SPAN_SERVER, "00f067aa0ba902b7", NULL, 0x101},
                 {&begun, NRT__SPAN_CLIENT, "b7ad6b7169203331", "00f067aa0ba902b7", 0x101},
                 {&continued, NRT__SPAN_SERVER, "00f067aa0ba902b7", "1234567890123456", 0x301},
                 {&continued, NRT__SPAN_CLIENT, "b7ad6b7169203331", "00f067aa0ba902b7", 0x101}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *span = span_of(cases[i].trace, cases[i].kind, false, "");
        assert_string_equal(member(span, "traceId"), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_string_equal(member(span, "spanId"), cases[i].id);
        assert_int_equal(cases[i].parent == NULL, json_object_get(span, "parentSpanId") == NULL);
        if (cases[i].parent) {
            assert_string_equal(member(span, "parentSpanId"), cases[i].parent);
        }
        assert_int_equal(json_integer_value(json_object_get(span, "flags")), cases[i].flags);
        assert_int_equal(json_integer_value(json_object_get(span, "kind")), cases[i].kind);
        assert_string_equal(member(span, "startTimeUnixNano"), "5");
        assert_string_equal(member(span, "endTimeUnixNano"), "7");
        json_decref(span);
    }
}

static void attributes_are_texts_and_numbers(void **state) {
    (void)state;
    const char *text, *cut, *number;
    json_t *span = span_of(&begun, NRT__SPAN_SERVER, false, "not said");
    assert_int_equal(
        json_unpack(span, "{s:[{s:s, s:{s:s!}!}, {s:s, s:{s:s!}!}, {s:s, s:{s:s!}!}!]}",
                    "attributes", "key", &text, "value", "stringValue", &text, "key", &cut, "value",
                    "stringValue", &cut, "key", &number, "value", "intValue", &number),
        0);
    assert_string_equal(text, "a\"\\\n\xef\xbf\xbd\xc3\xa4");
    assert_string_equal(cut, "1234");
    assert_string_equal(number, "200");
    assert_int_equal(json_object_size(json_object_get(span, "status")), 0);
    json_decref(span);
}

static void a_failure_says_why(void **state) {
    (void)state;
    json_t *span = span_of(&begun, NRT__SPAN_CLIENT, true, "no \"service\"");
    json_t *status = json_object_get(span, "status");
    assert_int_equal(json_integer_value(json_object_get(status, "code")), 2);
    assert_string_equal(member(status, "message"), "no \"service\"");
    json_decref(span);
    span = span_of(&begun, NRT__SPAN_CLIENT, true, "");
    assert_null(json_object_get(json_object_get(span, "status"), "message"));
    json_decref(span);
}

static void where_there_is_no_room_it_shows(void **state) {
    (void)state;
    nrt__buf out;
    nrt__buf_init(&out, 100);
    nrt__span_begin(&out, &begun, NRT__SPAN_SERVER, NRT__STR("GET"), 5, 7);
    nrt__span_end(&out, false, NRT__STR(""));
    assert_true(out.failed);
    nrt__buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_holds_resource_scope_and_spans),
        cmocka_unit_test(ids_say_where_a_span_belongs),
        cmocka_unit_test(attributes_are_texts_and_numbers),
        cmocka_unit_test(a_failure_says_why),
        cmocka_unit_test(where_there_is_no_room_it_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
