/* The weather service by itself: each status, and the shape of what it answers. Nothing here
 * travels; tests/integration has the running program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "weather.h"

static const weather_source recorded = {.look_up = weather_recorded};

static weather_answer ask(const weather_source *source, const char *method, const char *target,
                          nrt_str body) {
    weather_answer answer;
    weather_answer_init(&answer, source, nrt_str_from(method), nrt_str_from(target), body);
    return answer;
}

static weather_answer post(const char *body) {
    return ask(&recorded, "POST", "/city", nrt_str_from(body));
}

/* The answer is a problem with this status, and its detail contains `words`. Ends the answer. */
static void expect_problem(weather_answer answer, int status, const char *words) {
    assert_int_equal(answer.status, status);
    assert_string_equal(answer.type, "application/problem+json");
    json_t *problem = json_loads(answer.body, 0, NULL);
    assert_non_null(problem);
    assert_int_equal(json_integer_value(json_object_get(problem, "status")), status);
    assert_non_null(json_string_value(json_object_get(problem, "title")));
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    assert_non_null(detail);
    if (!strstr(detail, words)) {
        fail_msg("\"%s\" is not in: %s", words, detail);
    }
    json_decref(problem);
    weather_answer_finish(&answer);
}

/* The answer is the weather, with this description. Ends the answer. */
static void expect_weather(weather_answer answer, const char *description) {
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.type, "application/json");
    assert_null(answer.allow);
    json_t *weather = json_loads(answer.body, 0, NULL);
    const json_t *entry = json_array_get(weather, 0);
    assert_string_equal(json_string_value(json_object_get(entry, "description")), description);
    json_decref(weather);
    weather_answer_finish(&answer);
}

static void london_is_answered_pretty_printed(void **state) {
    (void)state;
    weather_answer answer = post("{\"city\":\"london\"}");
    assert_string_equal(answer.body, "[\n"
                                     "  {\n"
                                     "    \"id\": 804,\n"
                                     "    \"main\": \"Clouds\",\n"
                                     "    \"description\": \"overcast clouds\",\n"
                                     "    \"icon\": \"04d\",\n"
                                     "    \"temperature\": 13.4,\n"
                                     "    \"humidity\": 79,\n"
                                     "    \"wind\": 3.6,\n"
                                     "    \"observed\": \"2025-10-14T12:20:00Z\"\n"
                                     "  }\n"
                                     "]");
    expect_weather(answer, "overcast clouds");
}

static void get_with_a_query_is_answered_as_post_is(void **state) {
    (void)state;
    nrt_str body = nrt_str_from("{\"city\":\"london\"}");
    expect_weather(ask(&recorded, "GET", "/city", body), "overcast clouds");
    expect_weather(ask(&recorded, "GET", "/city?units=metric", body), "overcast clouds");
}

static void a_city_is_found_without_regard_to_case_and_outer_spaces(void **state) {
    (void)state;
    expect_weather(post("{\"city\":\" New York\\n\", \"units\":\"metric\"}"), "moderate rain");
    expect_weather(post("{\"city\":\"VALLETTA\"}"), "clear sky");
    expect_problem(post("{\"city\":\"new\"}"), 404, "\"new\"");
    expect_problem(post("{\"city\":\"new york city\"}"), 404, "\"new york city\"");
}

static void a_body_that_is_not_json_is_400(void **state) {
    (void)state;
    expect_problem(post(""), 400, "not JSON");
    expect_problem(post("london"), 400, "not JSON");
    expect_problem(post("{\"city\":\"london\""), 400, "not JSON");
    expect_problem(post("{\"city\":\"london\"} x"), 400, "not JSON");
    expect_problem(post("{\"city\":\"lon\\u0000don\"}"), 400, "not JSON");
    expect_problem(post("{\"city\":\"lon\xff\"}"), 400, "not JSON");
    expect_problem(ask(&recorded, "POST", "/city", (nrt_str){NULL, 0}), 400, "not JSON");
}

static void a_body_that_names_no_city_is_400(void **state) {
    (void)state;
    expect_problem(post("{}"), 400, "name the city");
    expect_problem(post("[\"london\"]"), 400, "name the city");
    expect_problem(post("{\"city\":\"\"}"), 400, "name the city");
    expect_problem(post("{\"city\":\" \\t\"}"), 400, "name the city");
    expect_problem(post("{\"city\":7}"), 400, "name the city");
    expect_problem(post("{\"city\":null}"), 400, "name the city");

    char body[WEATHER_CITY_MAX + 32];
    snprintf(body, sizeof(body), "{\"city\":\"%0*d\"}", WEATHER_CITY_MAX, 0);
    expect_problem(post(body), 404, "000");
    snprintf(body, sizeof(body), "{\"city\":\"%0*d\"}", WEATHER_CITY_MAX + 1, 0);
    expect_problem(post(body), 400, "100 bytes");
}

static void an_unknown_city_is_404(void **state) {
    (void)state;
    expect_problem(post("{\"city\":\"atlantis\"}"), 404, "\"atlantis\"");
}

static void another_path_is_404(void **state) {
    (void)state;
    nrt_str body = nrt_str_from("{\"city\":\"london\"}");
    const char *targets[] = {"/", "/city/", "/cities", "/cit", "/City", "*", "", "?/city"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        expect_problem(ask(&recorded, "POST", targets[i], body), 404, "/city");
    }
}

static void another_method_is_405_with_allow(void **state) {
    (void)state;
    const char *methods[] = {"PUT", "DELETE", "HEAD", "OPTIONS", "get", ""};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        weather_answer answer = ask(&recorded, methods[i], "/city", nrt_str_from("{}"));
        assert_string_equal(answer.allow, "GET, POST");
        expect_problem(answer, 405, "GET or POST");
    }
}

static void a_body_over_64_kib_is_413(void **state) {
    (void)state;
    nrt_str question = nrt_str_from("{\"city\":\"london\"}");
    char *body = malloc(WEATHER_BODY_MAX + 1);
    assert_non_null(body);
    memset(body, ' ', WEATHER_BODY_MAX + 1);
    memcpy(body, question.ptr, question.len);
    expect_weather(ask(&recorded, "POST", "/city", (nrt_str){body, WEATHER_BODY_MAX}),
                   "overcast clouds");
    expect_problem(ask(&recorded, "POST", "/city", (nrt_str){body, WEATHER_BODY_MAX + 1}), 413,
                   "64 KiB");
    free(body);
}

static int broken(const char *city, weather_report *report, void *arg) {
    *(const char **)arg = strcmp(city, "london") == 0 ? "asked" : "asked for something else";
    snprintf(report->detail, sizeof(report->detail), "the weather API is on holiday");
    return 502;
}

static void a_source_that_fails_is_502_with_its_words(void **state) {
    (void)state;
    const char *called = "not asked";
    weather_source source = {.look_up = broken, .arg = &called};
    expect_problem(ask(&source, "POST", "/city", nrt_str_from("{\"city\":\"london\"}")), 502,
                   "on holiday");
    assert_string_equal(called, "asked");
}

static int without_memory(const char *city, weather_report *report, void *arg) {
    (void)city;
    (void)report;
    (void)arg;
    return 200;
}

static void an_answer_there_is_no_memory_for_is_503_without_a_body(void **state) {
    (void)state;
    weather_source source = {.look_up = without_memory};
    weather_answer answer = ask(&source, "POST", "/city", nrt_str_from("{\"city\":\"london\"}"));
    assert_int_equal(answer.status, 503);
    assert_null(answer.body);
    assert_null(answer.type);
    weather_answer_finish(&answer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(london_is_answered_pretty_printed),
        cmocka_unit_test(get_with_a_query_is_answered_as_post_is),
        cmocka_unit_test(a_city_is_found_without_regard_to_case_and_outer_spaces),
        cmocka_unit_test(a_body_that_is_not_json_is_400),
        cmocka_unit_test(a_body_that_names_no_city_is_400),
        cmocka_unit_test(an_unknown_city_is_404),
        cmocka_unit_test(another_path_is_404),
        cmocka_unit_test(another_method_is_405_with_allow),
        cmocka_unit_test(a_body_over_64_kib_is_413),
        cmocka_unit_test(a_source_that_fails_is_502_with_its_words),
        cmocka_unit_test(an_answer_there_is_no_memory_for_is_503_without_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
