/* Answers in one call, and what is kept with an exchange. */
#include "service_fixture.h"

#include <jansson.h>
#include <nrt/http.h>
#include <nrt/mux.h>

static int result;

/* Runs one handler for one request; the response is in `r`. */
static void run(nrt_handler_fn handler, const char *method, const char *request) {
    service->handler = handler;
    ask(method, request);
    read_reply_as(0);
}

static void get(nrt_handler_fn handler, const char *target) {
    char request[600];
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: weather.nats\r\n\r\n", target);
    run(handler, "get", request);
}

static void say_text(nrt_exchange *exchange, void *arg) {
    (void)arg;
    result = nrt_exchange_text(exchange, 201, "gr\xc3\xbc\xc3\x9f\x65\n");
}

static void text_is_utf_8(void **state) {
    (void)state;
    get(say_text, "/");
    assert_int_equal(result, 0);
    assert_int_equal(r.message.status, 201);
    assert_view(field("Content-Type"), "text/plain; charset=utf-8");
    assert_view(nrt__buf_view(&r.body), "gr\xc3\xbc\xc3\x9f\x65\n");
}

static void say_json(nrt_exchange *exchange, void *arg) {
    (void)arg;
    result = nrt_exchange_json(exchange, 200, NRT__STR("{\"text\":"));
    result += nrt_exchange_write_json_string(
        exchange, (nrt_str){"\"\\/\b\f\n\r\t\0\x1f\x7f \xf0\x9f\x98\x80", 16});
    result += nrt_exchange_printf(exchange, ",\"n\":%d}", 7);
    assert_int_equal(nrt_exchange_write_json_string(exchange, NRT__STR("\xff")), NRT_ERR_FIELD);
    assert_int_equal(nrt_exchange_write_json_string(exchange, NRT__STR("a\xc3")), NRT_ERR_FIELD);
}

static void any_text_becomes_a_json_string(void **state) {
    (void)state;
    get(say_json, "/");
    assert_int_equal(result, 0);
    assert_view(field("Content-Type"), "application/json");
    json_t *json = json_loadb(r.body.bytes, nrt__buf_len(&r.body), JSON_ALLOW_NUL, NULL);
    assert_non_null(json);
    json_t *text = json_object_get(json, "text");
    assert_int_equal(json_string_length(text), 16);
    assert_memory_equal(json_string_value(text), "\"\\/\b\f\n\r\t\0\x1f\x7f \xf0\x9f\x98\x80", 16);
    json_decref(json);
}

static void say_much(nrt_exchange *exchange, void *arg) {
    (void)arg;
    assert_int_equal(nrt_exchange_printf(exchange, "%s", ""), 0);
    assert_int_equal(nrt_exchange_printf(exchange, "%1023d|%1024d|", 1, 2), 0);
    assert_int_equal(nrt_exchange_written(exchange), 2049);
    assert_int_equal(nrt_exchange_printf(exchange, "%*d", 64 * 1024, 1), NRT_ERR_USAGE);
    assert_int_equal(nrt_exchange_written(exchange), 2049);
}

static void what_is_printed_may_be_long_up_to_a_limit(void **state) {
    (void)state;
    get(say_much, "/");
    assert_int_equal(nrt__buf_len(&r.body), 2049);
    assert_int_equal(r.body.bytes[r.body.start + 2047], '2');
}

static void go_elsewhere(nrt_exchange *exchange, void *arg) {
    static const char *const bad[] = {"", "/a b", "/a\r\nX: y", "/\x7f", "/caf\xc3\xa9"};
    (void)arg;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(nrt_exchange_redirect(exchange, 302, bad[i]), NRT_ERR_URL);
    }
    assert_int_equal(nrt_exchange_redirect(exchange, 302, NULL), NRT_ERR_URL);
    assert_int_equal(nrt_exchange_redirect(exchange, 300, "/"), NRT_ERR_USAGE);
    assert_int_equal(nrt_exchange_redirect(exchange, 304, "/"), NRT_ERR_USAGE);
    assert_int_equal(nrt_exchange_status(exchange), 200);
    result = nrt_exchange_redirect(exchange, 303, "http://other.nats/x?y#z");
}

static void a_redirect_leads_where_it_may(void **state) {
    (void)state;
    get(go_elsewhere, "/");
    assert_int_equal(result, 0);
    assert_int_equal(r.message.status, 303);
    assert_view(field("Location"), "http://other.nats/x?y#z");
}

static void go_wrong(nrt_exchange *exchange, void *arg) {
    (void)arg;
    nrt_exchange_text(exchange, 200, "fine so far");
    result = nrt_exchange_error(exchange, NRT_ERR_MEDIA);
}

static void an_error_answers_with_its_status(void **state) {
    (void)state;
    get(go_wrong, "/");
    assert_int_equal(result, 0);
    assert_int_equal(r.message.status, 415);
    assert_view(field("Content-Type"), "application/problem+json");
    assert_absent(field("NRT-Error")); /* which is for what the way there did */
}

/* ---- query, form, cookies ---- */

static void tell_pairs(nrt_exchange *exchange, const nrt_pairs *pairs) {
    for (size_t i = 0; i < nrt_pairs_count(pairs); i++) {
        nrt_str name;
        nrt_str value;
        nrt_pairs_at(pairs, i, &name, &value);
        nrt_exchange_printf(exchange, "%.*s=%.*s;", NRT__ARG(name), NRT__ARG(value));
    }
}

static void tell_query(nrt_exchange *exchange, void *arg) {
    const nrt_pairs *pairs;
    const nrt_pairs *again;
    (void)arg;
    result = nrt_exchange_query(exchange, &pairs);
    assert_int_equal(nrt_exchange_query(exchange, &again), result);
    assert_ptr_equal(again, pairs);
    if (result < 0) {
        nrt_exchange_error(exchange, result);
    } else {
        tell_pairs(exchange, pairs);
    }
}

static void a_query_is_what_stands_behind_the_first_mark(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"/", ""}, {"/?", ""}, {"/a?b=c&d", "b=c;d=;"}, {"/a?b?c=d?", "b?c=d?;"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        get(tell_query, rows[i][0]);
        assert_view(nrt__buf_view(&r.body), rows[i][1]);
    }
    get(tell_query, "/?a=%");
    assert_int_equal(r.message.status, 400);
}

static void tell_form(nrt_exchange *exchange, void *arg) {
    const nrt_pairs *pairs;
    (void)arg;
    result = nrt_exchange_form(exchange, &pairs);
    if (result < 0) {
        assert_null(pairs);
        nrt_exchange_error(exchange, result);
    } else {
        tell_pairs(exchange, pairs);
    }
}

static void post(const char *type, const char *body) {
    char request[600];
    snprintf(request, sizeof(request),
             "POST / HTTP/1.1\r\nHost: weather.nats\r\n%s%s\r\nContent-Length: %zu\r\n\r\n%s",
             *type ? "Content-Type: " : "X: y", type, strlen(body), body);
    run(tell_form, "post", request);
}

static void a_form_has_its_type(void **state) {
    (void)state;
    static const char *const fine[] = {"application/x-www-form-urlencoded",
                                       "application/x-www-form-urlencoded; charset=utf-8",
                                       "Application/X-WWW-Form-URLEncoded ;x"};
    static const char *const other[] = {"", "application/json",
                                        "application/x-www-form-urlencodedx",
                                        "multipart/form-data; boundary=x"};
    for (size_t i = 0; i < COUNT(fine); i++) {
        post(fine[i], "a=1&b=%20");
        assert_view(nrt__buf_view(&r.body), "a=1;b= ;");
    }
    for (size_t i = 0; i < COUNT(other); i++) {
        post(other[i], "a=1");
        assert_int_equal(result, NRT_ERR_MEDIA);
        assert_int_equal(r.message.status, 415);
    }
    post(fine[0], "a=%4");
    assert_int_equal(r.message.status, 400);
    post(fine[0], "");
    assert_int_equal(r.message.status, 200);
}

static void tell_cookies(nrt_exchange *exchange, void *arg) {
    const nrt_pairs *pairs;
    nrt_cookie cookie;
    (void)arg;
    assert_int_equal(nrt_exchange_cookies(exchange, &pairs), 0);
    tell_pairs(exchange, pairs);
    nrt_cookie_init(&cookie);
    assert_int_equal(nrt_exchange_set_cookie(exchange, &cookie), NRT_ERR_FIELD);
    assert_int_equal(nrt_exchange_set_cookie(exchange, NULL), NRT_ERR_USAGE);
    cookie.name = "a";
    cookie.value = "1";
    assert_int_equal(nrt_exchange_set_cookie(exchange, &cookie), 0);
    cookie.name = "b";
    cookie.secure = false;
    cookie.size = offsetof(nrt_cookie, secure); /* an older program: what came later is default */
    assert_int_equal(nrt_exchange_set_cookie(exchange, &cookie), 0);
}

static void cookies_come_and_go(void **state) {
    (void)state;
    run(tell_cookies, "get",
        "GET / HTTP/1.1\r\nHost: weather.nats\r\nCookie: x=1; bad\r\nCookie: y=2\r\n\r\n");
    assert_view(nrt__buf_view(&r.body), "x=1;y=2;");
    nrt_str value;
    size_t found = 0;
    static const char *const wanted[] = {"a=1; Path=/; Secure; HttpOnly; SameSite=Lax",
                                         "b=1; Path=/; Secure; HttpOnly; SameSite=Lax"};
    for (size_t i = 0; i < nrt_fields_count(&r.message.fields); i++) {
        nrt_str name;
        nrt_fields_at(&r.message.fields, i, &name, &value);
        if (nrt__str_equal(name, NRT__STR("Set-Cookie"))) {
            assert_view(value, wanted[found++]);
        }
    }
    assert_int_equal(found, 2);
}

/* ---- memory ---- */

static void keep(nrt_exchange *exchange, void *arg) {
    static char one;
    static char two;
    (void)arg;
    assert_null(nrt_exchange_data(exchange, &one)); /* nothing of the exchange before this one */
    int *number = nrt_exchange_alloc(exchange, sizeof(*number));
    assert_non_null(number);
    *number = 7;
    assert_int_equal(nrt_exchange_set_data(exchange, &one, number), 0);
    assert_int_equal(nrt_exchange_set_data(exchange, &two, exchange), 0);
    assert_ptr_equal(nrt_exchange_data(exchange, &one), number);
    assert_ptr_equal(nrt_exchange_data(exchange, &two), exchange);
    assert_int_equal(nrt_exchange_set_data(exchange, &one, NULL), 0);
    assert_null(nrt_exchange_data(exchange, &one));
    assert_null(nrt_exchange_alloc(exchange, (size_t)17 << 20));
    assert_absent(nrt_exchange_path_value(exchange, "x"));
    assert_string_equal(nrt_exchange_pattern(exchange), "");
}

static void what_is_kept_lives_as_long_as_its_exchange(void **state) {
    (void)state;
    get(keep, "/");
    get(keep, "/");
    assert_int_equal(r.message.status, 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(text_is_utf_8),
        SERVICE_TEST(any_text_becomes_a_json_string),
        SERVICE_TEST(what_is_printed_may_be_long_up_to_a_limit),
        SERVICE_TEST(a_redirect_leads_where_it_may),
        SERVICE_TEST(an_error_answers_with_its_status),
        SERVICE_TEST(a_query_is_what_stands_behind_the_first_mark),
        SERVICE_TEST(a_form_has_its_type),
        SERVICE_TEST(cookies_come_and_go),
        SERVICE_TEST(what_is_kept_lives_as_long_as_its_exchange),
    };
    return cmocka_run_group_tests(tests, NULL, service_group_teardown);
}
