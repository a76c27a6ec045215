/* Messages as values: what makes a request, what a copy holds, and the target as a server sees it.
 */
#include "unit.h"

#include "core/http/h1_whole.h"
#include "core/http/message.h"

static void a_url_makes_a_request(void **state) {
    (void)state;
    static const struct {
        const char *url;
        const char *host;
        const char *target;
    } rows[] = {
        {"http://weather.nats", "weather.nats", "/"},
        {"http://Weather.NATS:80?x", "weather.nats", "/?x"},
        {"https://weather.nats/city?u=1#frag", "weather.nats", "/city?u=1"},
        {"http://weather.nats/#", "weather.nats", "/"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int error = 1;
        nrt_request *request = nrt_request_create("DELETE", rows[i].url, &error);
        assert_non_null(request);
        assert_int_equal(error, 0);
        assert_view(nrt_request_method(request), "DELETE");
        assert_view(nrt_request_host(request), rows[i].host);
        assert_view(nrt_request_target(request), rows[i].target);
        assert_view(nrt_request_body(request), "");
        assert_int_equal(nrt_fields_count(nrt_request_fields(request)), 0);
        nrt_request_destroy(request);
    }
}

static void what_makes_no_request_says_why(void **state) {
    (void)state;
    static const struct {
        const char *method;
        const char *url;
        int error;
    } rows[] = {
        {NULL, "http://a.nats/", NRT_ERR_USAGE},
        {"GET", NULL, NRT_ERR_USAGE},
        {"", "http://a.nats/", NRT_ERR_METHOD},
        {"G T", "http://a.nats/", NRT_ERR_METHOD},
        {"GET", "a.nats/", NRT_ERR_URL},
        {"GET", "http://a.nats/\n", NRT_ERR_URL},
        {"GET", "http://a.example/", NRT_ERR_HOST},
        {"GET", "http://*.nats/", NRT_ERR_HOST},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int error = 1;
        assert_null(nrt_request_create(rows[i].method, rows[i].url, &error));
        assert_int_equal(error, rows[i].error);
        assert_null(nrt_request_create(rows[i].method, rows[i].url, NULL));
    }
}

static void a_body_is_copied(void **state) {
    (void)state;
    char bytes[] = "hello";
    nrt_request *request = nrt_request_create("POST", "http://a.nats/", NULL);
    assert_int_equal(nrt_request_set_body(request, nrt_str_from(bytes)), 0);
    bytes[0] = 'j';
    assert_view(nrt_request_body(request), "hello");
    /* One that is too large for any message leaves the other where it is. */
    assert_int_equal(nrt_request_set_body(request, (nrt_str){bytes, SIZE_MAX / 2}), NRT_ERR_MEMORY);
    assert_view(nrt_request_body(request), "hello");
    nrt_request_destroy(request);
    nrt_request_destroy(NULL);
}

static void a_copy_of_a_response_stands_by_itself(void **state) {
    (void)state;
    char text[] = "HTTP/1.1 299 Rather Fine\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "2\r\nhi\r\n0\r\nT: u\r\n\r\n";
    nrt__h1_limits limits = NRT__H1_LIMITS_DEFAULT;
    nrt__h1_reader reader;
    nrt_response response;
    nrt__h1_reader_init(&reader, &limits);
    nrt__message_init(&response.message, false);
    assert_int_equal(nrt__h1_read_whole(&reader, &response.message, 0, nrt_str_from(text)), 0);
    nrt_response *copy = nrt_response_copy(&response);
    assert_non_null(copy);
    memset(text, '!', sizeof(text)); /* what the original's views look at */
    nrt__message_free(&response.message);
    nrt__h1_reader_free(&reader);
    assert_int_equal(nrt_response_status(copy), 299);
    assert_view(nrt_response_reason(copy), "Rather Fine");
    assert_view(nrt_response_body(copy), "hi");
    assert_view(nrt_fields_get(nrt_response_fields(copy), "a"), "b");
    assert_view(nrt_fields_get(nrt_response_trailers(copy), "t"), "u");
    nrt_response_destroy(copy);
    nrt_response_destroy(NULL);
}

/* RFC 9112 section 3.2.2: an absolute-form target says the host, whatever Host says. */
static void an_absolute_target_becomes_a_path_and_its_host(void **state) {
    (void)state;
    static const struct {
        const char *target;
        const char *settled; /* NULL: refused */
        const char *host;
    } rows[] = {
        {"/x?y", "/x?y", "before"},
        {"*", "*", "before"},
        {"http://a.nats/x?y", "/x?y", "a.nats"},
        {"http://a.nats:8080/", "/", "a.nats:8080"},
        {"http://a.nats", "/", "a.nats"},
        {"http://a.nats?y", "/?y", "a.nats"},
        {"ftp://a.nats/", NULL, NULL},
        {"a.nats:80", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        nrt__message message;
        nrt__message_init(&message, true);
        message.target = nrt_str_from(rows[i].target);
        assert_int_equal(nrt_fields_add(&message.fields, NRT__STR("Host"), NRT__STR("before")), 0);
        int error = nrt__message_settle_target(&message);
        if (rows[i].settled) {
            assert_int_equal(error, 0);
            assert_view(message.target, rows[i].settled);
            assert_view(nrt_fields_get(&message.fields, "host"), rows[i].host);
        } else {
            assert_int_equal(error, NRT_ERR_BAD_REQUEST);
        }
        nrt__message_free(&message);
    }
}

static void a_target_that_does_not_fit_is_an_error(void **state) {
    (void)state;
    nrt__message message;
    nrt__message_init(&message, true);
    message.arena.limit = 4;
    message.target = NRT__STR("http://a.nats?query");
    assert_int_equal(nrt__message_settle_target(&message), NRT_ERR_MEMORY);
    nrt__message_free(&message);
}

static void methods_whose_repetition_does_no_harm_are_idempotent(void **state) {
    static const char *const names[] = {"GET",   "HEAD",  "PUT",      "DELETE", "OPTIONS",
                                        "TRACE", "QUERY", "PROPFIND", "SEARCH", "REPORT"};
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_true(nrt__method_is_idempotent(nrt_str_from(names[i])));
    }
}

static void all_others_are_not(void **state) {
    static const char *const names[] = {"POST", "PATCH", "LOCK", "CONNECT", "GETX",
                                        "GE",   "get",   "Put",  "",        "UNKNOWN"};
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_false(nrt__method_is_idempotent(nrt_str_from(names[i])));
    }
    assert_false(nrt__method_is_idempotent((nrt_str){NULL, 0}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_makes_a_request),
        cmocka_unit_test(what_makes_no_request_says_why),
        cmocka_unit_test(a_body_is_copied),
        cmocka_unit_test(a_copy_of_a_response_stands_by_itself),
        cmocka_unit_test(an_absolute_target_becomes_a_path_and_its_host),
        cmocka_unit_test(a_target_that_does_not_fit_is_an_error),
        cmocka_unit_test(methods_whose_repetition_does_no_harm_are_idempotent),
        cmocka_unit_test(all_others_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
