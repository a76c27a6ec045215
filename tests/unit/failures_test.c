/* Which requests failed lately, and why. */
#include "unit.h"

#include <jansson.h>
#include <stdio.h>

#include "core/base/str.h"
#include "core/discovery/failures.h"

static const char early[] = "Sun, 06 Nov 1994 08:49:37 GMT";
static const char late[] = "Sun, 06 Nov 1994 08:49:38 GMT";

static json_t *written(const nrt__failures *failures) {
    nrt__buf out;
    nrt__buf_init(&out, SIZE_MAX / 2);
    nrt__failures_write(failures, &out);
    assert_false(out.failed);
    nrt_str text = nrt__buf_view(&out);
    json_t *list = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_is_array(list));
    nrt__buf_free(&out);
    return list;
}

static const char *member(const json_t *list, size_t index, const char *name) {
    return json_string_value(json_object_get(json_array_get(list, index), name));
}

static json_int_t number(const json_t *list, size_t index, const char *name) {
    return json_integer_value(json_object_get(json_array_get(list, index), name));
}

static void nothing_failed_yet(void **state) {
    (void)state;
    nrt__failures *failures = nrt__failures_create();
    json_t *list = written(failures);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    nrt__failures_destroy(failures);
    nrt__failures_destroy(NULL);
}

static void the_same_reason_is_counted_and_the_last_one_comes_first(void **state) {
    (void)state;
    nrt__failures *failures = nrt__failures_create();
    nrt__failure one = {NRT__STR("a.nats"),
                        NRT__STR("GET"),
                        NRT__STR("/1?token=secret"),
                        NRT__STR("id1"),
                        NRT__STR("timeout"),
                        NRT__STR("a.nats: late"),
                        504};
    const nrt__failure other = {.service = NRT__STR("b.nats"), .status = 500};
    nrt__failures_add(failures, early, &one);
    nrt__failures_add(failures, early, &other);
    one.method = NRT__STR("PUT");
    one.target = NRT__STR("/2?");
    one.id = NRT__STR("id2");
    nrt__failures_add(failures, late, &one);
    json_t *list = written(failures);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(member(list, 0, "service"), "a.nats");
    assert_string_equal(member(list, 0, "method"), "PUT");
    assert_string_equal(member(list, 0, "path"), "/2");
    assert_string_equal(member(list, 0, "id"), "id2");
    assert_string_equal(member(list, 0, "code"), "timeout");
    assert_string_equal(member(list, 0, "detail"), "a.nats: late");
    assert_string_equal(member(list, 0, "first"), "1994-11-06T08:49:37Z");
    assert_string_equal(member(list, 0, "last"), "1994-11-06T08:49:38Z");
    assert_int_equal(number(list, 0, "count"), 2);
    assert_int_equal(number(list, 0, "status"), 504);
    assert_string_equal(member(list, 1, "service"), "b.nats");
    assert_string_equal(member(list, 1, "path"), "");
    assert_int_equal(number(list, 1, "count"), 1);
    json_decref(list);
    one.status = 503; /* each of these is another reason */
    nrt__failures_add(failures, late, &one);
    one.code = NRT__STR("no-service");
    nrt__failures_add(failures, late, &one);
    one.detail = NRT__STR("");
    nrt__failures_add(failures, late, &one);
    one.service = NRT__STR("c.nats");
    nrt__failures_add(failures, late, &one);
    list = written(failures);
    assert_int_equal(json_array_size(list), 6);
    json_decref(list);
    nrt__failures_destroy(failures);
}

static void the_reason_met_longest_ago_makes_room(void **state) {
    (void)state;
    nrt__failures *failures = nrt__failures_create();
    char name[32];
    for (int i = 0; i < 3 * NRT__FAILURES_KEPT; i++) {
        nrt__failure one = {.service = NRT__STR("kept.nats"), .status = 503};
        nrt__failures_add(failures, early, &one);
        snprintf(name, sizeof(name), "%d.nats", i);
        one.service = nrt_str_from(name);
        nrt__failures_add(failures, early, &one);
    }
    json_t *list = written(failures);
    assert_int_equal(json_array_size(list), NRT__FAILURES_KEPT);
    assert_string_equal(member(list, 0, "service"), "95.nats");
    assert_string_equal(member(list, 1, "service"), "kept.nats");
    assert_int_equal(number(list, 1, "count"), 3 * NRT__FAILURES_KEPT);
    assert_string_equal(member(list, NRT__FAILURES_KEPT - 1, "service"), "65.nats");
    json_decref(list);
    nrt__failures_destroy(failures);
}

static void what_is_long_is_cut_and_still_the_same(void **state) {
    (void)state;
    nrt__failures *failures = nrt__failures_create();
    char text[1000];
    memset(text, 'x', sizeof(text));
    nrt_str many = {text, sizeof(text)};
    const nrt__failure one = {many, many, many, many, many, many, 500};
    nrt__failures_add(failures, "no date", &one);
    nrt__failures_add(failures, "", &one);
    json_t *list = written(failures);
    assert_int_equal(json_array_size(list), 1);
    assert_int_equal(number(list, 0, "count"), 2);
    assert_int_equal(strlen(member(list, 0, "service")), NRT__FAILURE_SERVICE_MAX - 1);
    assert_int_equal(strlen(member(list, 0, "detail")), NRT__FAILURE_DETAIL_MAX - 1);
    assert_int_equal(strlen(member(list, 0, "path")), NRT__FAILURE_PATH_MAX - 1);
    assert_int_equal(strlen(member(list, 0, "code")), NRT__FAILURE_CODE_MAX - 1);
    assert_string_equal(member(list, 0, "last"), "");
    json_decref(list);
    nrt__failures_destroy(failures);
}

static void hostile_bytes_stay_inside_their_string(void **state) {
    (void)state;
    nrt__failures *failures = nrt__failures_create();
    const nrt__failure one = {.service = NRT__STR("\",\"x\":\"\n\0\xff\x80</script>"),
                              .target = NRT__STR("/\"}]\\"),
                              .status = 400};
    nrt__failures_add(failures, early, &one);
    json_t *list = written(failures);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(member(list, 0, "path"), "/\"}]\\");
    assert_null(json_object_get(json_array_get(list, 0), "x"));
    json_decref(list);
    nrt__failures_destroy(failures);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_failed_yet),
        cmocka_unit_test(the_same_reason_is_counted_and_the_last_one_comes_first),
        cmocka_unit_test(the_reason_met_longest_ago_makes_room),
        cmocka_unit_test(what_is_long_is_cut_and_still_the_same),
        cmocka_unit_test(hostile_bytes_stay_inside_their_string),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
