/* Which route takes a request, and what is answered where none does. The tables follow the
 * documentation of ServeMux in Go 1.22's net/http. */
#include "service_fixture.h"

#include <nrt/http.h>

#include "core/handler/mux.h"

static nrt_mux *mux;
static char went[512]; /* hooks and handlers, in their order */

static void note(const char *format, const char *text) {
    size_t len = strlen(went);
    snprintf(went + len, sizeof(went) - len, format, text);
}

/* Answers with the pattern it was reached by, and the values in it. */
static void tell(nrt_exchange *exchange, void *arg) {
    static const char *const names[] = {"x", "y", "rest", "missing"};
    (void)arg;
    note("handler ", "");
    nrt_exchange_printf(exchange, "%s", nrt_exchange_pattern(exchange));
    for (size_t i = 0; i < COUNT(names); i++) {
        nrt_str value = nrt_exchange_path_value(exchange, names[i]);
        if (value.ptr) {
            nrt_exchange_printf(exchange, " %s=%.*s", names[i], NRT__ARG(value));
        }
    }
}

static int mux_setup(void **state) {
    int error = service_setup(state);
    mux = nrt_mux_create();
    service->handler = nrt_mux_handle;
    service->arg = mux;
    went[0] = '\0';
    return mux ? error : -1;
}

static int mux_teardown(void **state) {
    int error = service_teardown(state);
    nrt_mux_destroy(mux);
    return error;
}

#define MUX_TEST(name) cmocka_unit_test_setup_teardown(name, mux_setup, mux_teardown)

static void add(const char *pattern) {
    if (nrt_mux_add(mux, pattern, tell, NULL) < 0) {
        fail_msg("%s", nrt_mux_error(mux));
    }
    assert_string_equal(nrt_mux_error(mux), "");
}

/* Sends a request; the response is in `r`. */
static void send(const char *method, const char *target) {
    char token[33] = "";
    char request[600];
    for (size_t i = 0; method[i]; i++) {
        token[i] = nrt__lower(method[i]);
    }
    snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: weather.nats\r\n\r\n", method,
             target);
    ask(token, request);
    read_reply_as(strcmp(method, "HEAD") == 0 ? NRT__H1_TO_HEAD : 0);
}

/* What came of a request, in a word: what the handler wrote, or the status and where to. */
static const char *come_of(const char *method, const char *target) {
    static char out[600];
    send(method, target);
    if (r.message.status == 200) {
        snprintf(out, sizeof(out), "%.*s", NRT__ARG(nrt__buf_view(&r.body)));
    } else {
        nrt_str more = field("Location").ptr ? field("Location") : field("Allow");
        snprintf(out, sizeof(out), "%d%s%.*s", r.message.status, more.len > 0 ? " " : "",
                 NRT__ARG(more));
    }
    return out;
}

typedef struct row {
    const char *method;
    const char *target;
    const char *outcome;
} row;

static void check(const row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *outcome = come_of(rows[i].method, rows[i].target);
        if (strcmp(outcome, rows[i].outcome) != 0) {
            fail_msg("%s %s: \"%s\", not \"%s\"", rows[i].method, rows[i].target, outcome,
                     rows[i].outcome);
        }
    }
}

static void the_most_specific_pattern_has_the_request(void **state) {
    (void)state;
    static const char *const patterns[] = {
        "/",
        "/a",
        "GET /a/{x}",
        "GET /a/b",
        "/a/b/{$}",
        "/a/{x}/c",
        "GET /a/b/c",
        "HEAD /a/b/c",
        "/img/{rest...}",
        "/img/thumbs/",
        "/img/thumbs/{x}/small",
        "POST /a/{x}",
    };
    static const row rows[] = {
        {"GET", "/", "/"},
        {"GET", "/z", "/"},
        {"GET", "/z/y", "/"},
        {"GET", "/a", "/a"},
        {"GET", "/a/", "/"}, /* {x} stands for no empty segment */
        {"GET", "/a/z", "GET /a/{x} x=z"},
        {"POST", "/a/z", "POST /a/{x} x=z"},
        {"PUT", "/a/z", "/"}, /* what is less specific takes what the others leave */
        {"POST", "/a/b", "POST /a/{x} x=b"},
        {"GET", "/a/b", "GET /a/b"},
        {"GET", "/a/b/", "/a/b/{$}"},
        {"GET", "/a/b/c", "GET /a/b/c"},
        {"POST", "/a/b/c", "/a/{x}/c x=b"}, /* comes back from the literal */
        {"GET", "/a/z/c", "/a/{x}/c x=z"},
        {"GET", "/a/z/d", "/"},
        {"GET", "/img/", "/img/{rest...} rest="},
        {"GET", "/img/a/b/", "/img/{rest...} rest=a/b/"},
        {"GET", "/img/thumbs/a", "/img/thumbs/"},
        {"GET", "/img/thumbs/a/small", "/img/thumbs/{x}/small x=a"},
        {"GET", "/img/thumbs/a/large", "/img/thumbs/"},
        {"GET", "/a?x=/img/", "/a"},
        {"GET", "/%61", "/a"},
        {"GET", "/a%2Fb", "/"},
        {"GET", "/A", "/"},
    };
    /* In every order in which they can be added, as far as rotations are all. */
    for (size_t turn = 0; turn < COUNT(patterns); turn++) {
        nrt_mux_destroy(mux);
        service->arg = mux = nrt_mux_create();
        for (size_t i = 0; i < COUNT(patterns); i++) {
            add(patterns[(i + turn) % COUNT(patterns)]);
        }
        check(rows, COUNT(rows));
    }
}

static void get_takes_head_unless_head_has_its_own(void **state) {
    (void)state;
    add("GET /a");
    add("GET /b");
    add("HEAD /b");
    add("POST /a");
    add("/a"); /* takes what is left */
    send("HEAD", "/a");
    assert_int_equal(r.message.status, 200);
    assert_view(field("Content-Length"), "6");
    send("HEAD", "/b");
    assert_view(field("Content-Length"), "7");
}

static void values_are_decoded_segment_by_segment(void **state) {
    (void)state;
    add("/one/{x}");
    add("/two/{x}/{y}");
    add("/all/{rest...}");
    static const row rows[] = {
        {"GET", "/one/a%2Fb", "/one/{x} x=a/b"},
        {"GET", "/one/a%2fb", "/one/{x} x=a/b"},
        {"GET", "/one/caf%C3%A9", "/one/{x} x=caf\xc3\xa9"},
        {"GET", "/one/a+b", "/one/{x} x=a+b"},
        {"GET", "/one/%2B%25", "/one/{x} x=+%"},
        {"GET", "/one/a%3Fb?c", "/one/{x} x=a?b"},
        {"GET", "/two/%2F/%2f%2F", "/two/{x}/{y} x=/ y=//"},
        {"GET", "/one/%2F/b", "404"},
        {"GET", "/all/a%2Fb/c%20d", "/all/{rest...} rest=a/b/c d"},
        {"GET", "/all/%2F..%2F..%2Fetc", "/all/{rest...} rest=/../../etc"},
        {"GET", "/all/", "/all/{rest...} rest="},
    };
    check(rows, COUNT(rows));
}

static void a_path_that_is_not_validly_encoded_is_refused(void **state) {
    (void)state;
    add("/");
    static const char *const targets[] = {"/%",       "/a%",   "/%4", "/%4/", "/%zz",   "/%00",
                                          "/a/%00/b", "/%u00", "/%%", "/a%2", "/%-1/x", "/..%"};
    for (size_t i = 0; i < COUNT(targets); i++) {
        send("GET", targets[i]);
        assert_int_equal(r.message.status, 400);
        assert_view(field("Content-Type"), "application/problem+json");
    }
    assert_string_equal(come_of("GET", "/a?%zz%00"), "/"); /* the query is the handler's */
}

static void a_folder_without_its_slash_is_redirected(void **state) {
    (void)state;
    add("/tree/");
    add("GET /get/");
    add("/end/{$}");
    add("/rest/{rest...}");
    add("/both/");
    add("/both");
    add("/deep/{x}/");
    static const row rows[] = {
        {"GET", "/tree", "301 /tree/"},
        {"HEAD", "/tree", "301 /tree/"},
        {"POST", "/tree", "308 /tree/"},
        {"GET", "/tree?a=b&c", "301 /tree/?a=b&c"},
        {"GET", "/tree?", "301 /tree/?"},
        {"GET", "/get", "301 /get/"},
        {"POST", "/get", "405 GET, HEAD, OPTIONS"},
        {"GET", "/end", "301 /end/"},
        {"GET", "/rest", "301 /rest/"},
        {"GET", "/both", "/both"},
        {"GET", "/both/", "/both/"},
        {"GET", "/deep/a", "301 /deep/a/"},
        {"GET", "/deep/a%2Fb", "301 /deep/a%2Fb/"},
        {"GET", "/deep", "404"},
        {"GET", "/tree/a", "/tree/"},
        {"GET", "/x/../tree", "301 /tree/"},
    };
    check(rows, COUNT(rows));
}

static void a_path_is_cleaned_by_a_redirect(void **state) {
    (void)state;
    add("/");
    static const row rows[] = {
        {"GET", "//", "301 /"},
        {"GET", "//a", "301 /a"},
        {"GET", "///a//b//", "301 /a/b/"},
        {"GET", "/./", "301 /"},
        {"GET", "/.", "301 /"},
        {"GET", "/..", "301 /"},
        {"GET", "/../../a", "301 /a"},
        {"GET", "/a/./b", "301 /a/b"},
        {"GET", "/a/../b", "301 /b"},
        {"GET", "/a/b/..", "301 /a"},
        {"GET", "/a/b/../", "301 /a/"},
        {"GET", "/a/b/.", "301 /a/b"},
        {"GET", "/a/%2e%2E/b", "301 /b"}, /* RFC 3986 section 6.2.2.2: the same */
        {"GET", "/a/.%2e/b?q=../x", "301 /b?q=../x"},
        {"POST", "/a//b", "308 /a/b"},
        {"GET", "/a/...", "/"},
        {"GET", "/.a/b.", "/"},
        {"GET", "/a/..b", "/"},
        {"GET", "//evil.example/..", "301 /"},
        {"GET", "//evil.example//", "301 /evil.example/"},
        {"GET", "/x/..//evil.example", "301 /evil.example"},
    };
    check(rows, COUNT(rows));
}

/* User agents take a backslash for a slash: "/\host" would be another host. */
static void no_redirect_leads_to_another_host(void **state) {
    (void)state;
    add("/{x}/");
    static const row rows[] = {
        {"GET", "/\\evil.example", "301 /%5Cevil.example/"},
        {"GET", "/\\evil.example//", "301 /%5Cevil.example/"},
        {"GET", "/./\\evil.example/", "301 /%5Cevil.example/"},
        {"GET", "//\\evil.example/", "301 /%5Cevil.example/"},
    };
    check(rows, COUNT(rows));
}

static void a_path_for_other_methods_gets_405_and_allow(void **state) {
    (void)state;
    add("GET /a");
    add("PUT /a");
    add("DELETE /{x}");
    add("M-SEARCH /a");
    add("/b/");
    static const row rows[] = {
        {"POST", "/a", "405 DELETE, GET, HEAD, M-SEARCH, OPTIONS, PUT"},
        {"GET", "/z", "405 DELETE, OPTIONS"},
        {"DELETE", "/a", "DELETE /{x} x=a"},
        {"POST", "/z/z", "404"},
        {"OPTIONS", "/a", "204 DELETE, GET, HEAD, M-SEARCH, OPTIONS, PUT"},
        {"OPTIONS", "/z", "204 DELETE, OPTIONS"},
        {"OPTIONS", "/z/z", "404"},
        {"OPTIONS", "/b/c", "/b/"},
        {"OPTIONS", "*", "204 DELETE, GET, HEAD, M-SEARCH, OPTIONS, PUT"},
    };
    check(rows, COUNT(rows));
    send("POST", "/a");
    assert_view(field("Content-Type"), "application/problem+json");
}

static void an_own_route_for_options_goes_first(void **state) {
    (void)state;
    add("OPTIONS /a");
    add("GET /a");
    assert_string_equal(come_of("OPTIONS", "/a"), "OPTIONS /a");
    assert_string_equal(come_of("PUT", "/a"), "405 GET, HEAD, OPTIONS");
}

static void an_empty_mux_answers_404(void **state) {
    (void)state;
    send("GET", "/");
    assert_int_equal(r.message.status, 404);
    assert_view(field("Content-Type"), "application/problem+json");
    assert_absent(field("Allow"));
    assert_string_equal(come_of("OPTIONS", "*"), "204 OPTIONS");
}

static void a_conflict_is_refused_and_changes_nothing(void **state) {
    (void)state;
    add("/posts/{x}");
    assert_int_equal(nrt_mux_add(mux, "GET /{x}/latest", tell, NULL), NRT_ERR_USAGE);
    assert_string_equal(nrt_mux_error(mux),
                        "\"GET /{x}/latest\" conflicts with \"/posts/{x}\", added before: both "
                        "match /posts/latest, and neither is more specific");
    assert_int_equal(nrt_mux_add(mux, "/posts/{y}", tell, NULL), NRT_ERR_USAGE);
    assert_int_equal(nrt_mux_add(mux, "/a", NULL, NULL), NRT_ERR_USAGE);
    assert_int_equal(nrt_mux_add(mux, NULL, tell, NULL), NRT_ERR_USAGE);
    assert_int_equal(nrt_mux_add(mux, "/fine", tell, NULL), 0);
    assert_non_null(strstr(nrt_mux_error(mux), "/{x}/latest")); /* the first one stays */
    assert_int_equal(nrt_mux_add(NULL, "/a", tell, NULL), NRT_ERR_MEMORY);
    assert_int_equal(nrt_mux_use(NULL, NULL, NULL, NULL), NRT_ERR_MEMORY);
    assert_string_equal(nrt_mux_error(NULL), "out of memory");
    static const row rows[] = {
        {"GET", "/posts/latest", "/posts/{x} x=latest"},
        {"GET", "/a/latest", "404"},
        {"OPTIONS", "*", "204 OPTIONS"},
    };
    check(rows, COUNT(rows));
}

static void once_requests_have_come_nothing_is_added(void **state) {
    (void)state;
    add("/a");
    come_of("GET", "/a");
    assert_int_equal(nrt_mux_add(mux, "/b", tell, NULL), NRT_ERR_STATE);
    assert_non_null(strstr(nrt_mux_error(mux), "requests have come already"));
    assert_int_equal(nrt_mux_use(mux, NULL, NULL, NULL), NRT_ERR_STATE);
}

static void there_may_be_64_methods(void **state) {
    (void)state;
    char pattern[16];
    for (int i = 0; i < NRT__MUX_METHODS_MAX; i++) {
        snprintf(pattern, sizeof(pattern), "M%d /", i);
        add(pattern);
    }
    assert_int_equal(nrt_mux_add(mux, "MORE /", tell, NULL), NRT_ERR_USAGE);
    assert_int_equal(nrt_mux_add(mux, "GET /", tell, NULL), NRT_ERR_USAGE);
    send("OPTIONS", "*");
    assert_non_null(strstr(r.raw, "M63"));
    assert_null(strstr(r.raw, "MORE"));
}

static void deep_and_long_paths_are_looked_at_as_far_as_patterns_go(void **state) {
    (void)state;
    char path[512] = "";
    char outcome[600];
    for (size_t i = 0; i < NRT__SEGMENTS_MAX - 1; i++) {
        strcat(path, "/a");
    }
    char pattern[512];
    snprintf(pattern, sizeof(pattern), "%s/{rest...}", path);
    add(pattern);
    snprintf(outcome, sizeof(outcome), "%s rest=a/a/a/a/a/a/", pattern);
    snprintf(pattern, sizeof(pattern), "%s/a/a/a/a/a/a/", path);
    assert_string_equal(come_of("GET", pattern), outcome);
    assert_string_equal(come_of("GET", "/a/a/a"), "404");
    snprintf(outcome, sizeof(outcome), "301 %s/", path);
    assert_string_equal(come_of("GET", path), outcome);
}

static void thousands_of_routes_are_told_apart(void **state) {
    (void)state;
    char text[64];
    char outcome[64];
    for (int i = 0; i < 2000; i++) {
        snprintf(text, sizeof(text), "/r%d/{x}/tail%d", i % 50, i);
        add(text);
    }
    for (int i = 0; i < 2000; i += 7) {
        snprintf(text, sizeof(text), "/r%d/v/tail%d", i % 50, i);
        snprintf(outcome, sizeof(outcome), "/r%d/{x}/tail%d x=v", i % 50, i);
        assert_string_equal(come_of("GET", text), outcome);
    }
    assert_string_equal(come_of("GET", "/r1/v/tail0"), "404");
}

/* ---- hooks ---- */

static bool before(nrt_exchange *exchange, void *arg) {
    note("before(%s) ", arg);
    note("%s ", nrt_exchange_pattern(exchange));
    return strncmp(arg, "stop", 4) != 0 || nrt_exchange_text(exchange, 401, "who are you") < 0;
}

static void after(nrt_exchange *exchange, void *arg) {
    char status[8];
    note("after(%s) ", arg);
    snprintf(status, sizeof(status), "%d ", nrt_exchange_status(exchange));
    note("%s", status);
}

static void use(const char *name) {
    assert_int_equal(nrt_mux_use(mux, before, after, (void *)name), 0);
}

static void hooks_run_around_a_handler_in_both_orders(void **state) {
    (void)state;
    add("/a");
    use("1");
    use("2");
    come_of("GET", "/a");
    assert_string_equal(went, "before(1) /a before(2) /a handler after(2) 200 after(1) 200 ");
}

static void hooks_run_around_what_the_mux_answers(void **state) {
    (void)state;
    use("1");
    come_of("GET", "/a");
    assert_string_equal(went, "before(1)  after(1) 404 ");
}

static void a_hook_that_stops_has_answered(void **state) {
    (void)state;
    add("/a");
    use("1");
    use("stop");
    use("3");
    assert_string_equal(come_of("GET", "/a"), "401");
    assert_string_equal(went, "before(1) /a before(stop) /a after(stop) 401 after(1) 401 ");
}

static void either_function_of_a_hook_may_be_missing(void **state) {
    (void)state;
    add("/a");
    assert_int_equal(nrt_mux_use(mux, NULL, after, "a"), 0);
    assert_int_equal(nrt_mux_use(mux, before, NULL, "b"), 0);
    come_of("GET", "/a");
    assert_string_equal(went, "before(b) /a handler after(a) 200 ");
}

static void a_deferred_answer_is_complete_when_it_is_ended(void **state) {
    (void)state;
    add("/a");
    use("1");
    e->hold = true;
    ask("get", "GET /a HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    nrt_exchange *exchange = e->held[0];
    nrt_exchange_defer(exchange);
    exchange->handler(exchange, exchange->arg);
    assert_false(nrt__exchange_end_one(exchange)); /* the handler has returned */
    assert_string_equal(went, "before(1) /a handler ");
    nrt_exchange_set_status(exchange, 202);
    assert_true(nrt__exchange_end_one(exchange));
    assert_string_equal(went, "before(1) /a handler after(1) 202 ");
    nrt__exchange_finish(exchange);
    read_reply_as(0);
    assert_int_equal(r.message.status, 202);
}

static void a_mux_in_a_mux_keeps_the_hooks_of_both(void **state) {
    (void)state;
    nrt_mux *inner = nrt_mux_create();
    assert_int_equal(nrt_mux_add(mux, "/in/", nrt_mux_handle, inner), 0);
    assert_int_equal(nrt_mux_add(inner, "/in/{x}", tell, NULL), 0);
    use("outer");
    assert_int_equal(nrt_mux_use(inner, before, after, "inner"), 0);
    assert_string_equal(come_of("GET", "/in/a"), "/in/{x} x=a");
    assert_string_equal(went, "before(outer) /in/ before(inner) /in/{x} handler after(inner) 200 "
                              "after(outer) 200 ");
    nrt_mux_destroy(inner);
}

static void there_may_be_64_hooks(void **state) {
    (void)state;
    for (int i = 0; i < NRT__MUX_HOOKS_MAX; i++) {
        assert_int_equal(nrt_mux_use(mux, NULL, NULL, NULL), 0);
    }
    assert_int_equal(nrt_mux_use(mux, NULL, NULL, NULL), NRT_ERR_USAGE);
    assert_non_null(strstr(nrt_mux_error(mux), "too many hooks"));
}

static void without_a_mux_the_answer_is_503(void **state) {
    (void)state;
    service->arg = NULL;
    send("GET", "/");
    assert_int_equal(r.message.status, 503);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        MUX_TEST(the_most_specific_pattern_has_the_request),
        MUX_TEST(get_takes_head_unless_head_has_its_own),
        MUX_TEST(values_are_decoded_segment_by_segment),
        MUX_TEST(a_path_that_is_not_validly_encoded_is_refused),
        MUX_TEST(a_folder_without_its_slash_is_redirected),
        MUX_TEST(a_path_is_cleaned_by_a_redirect),
        MUX_TEST(no_redirect_leads_to_another_host),
        MUX_TEST(a_path_for_other_methods_gets_405_and_allow),
        MUX_TEST(an_own_route_for_options_goes_first),
        MUX_TEST(an_empty_mux_answers_404),
        MUX_TEST(a_conflict_is_refused_and_changes_nothing),
        MUX_TEST(once_requests_have_come_nothing_is_added),
        MUX_TEST(there_may_be_64_methods),
        MUX_TEST(deep_and_long_paths_are_looked_at_as_far_as_patterns_go),
        MUX_TEST(thousands_of_routes_are_told_apart),
        MUX_TEST(hooks_run_around_a_handler_in_both_orders),
        MUX_TEST(hooks_run_around_what_the_mux_answers),
        MUX_TEST(a_hook_that_stops_has_answered),
        MUX_TEST(either_function_of_a_hook_may_be_missing),
        MUX_TEST(a_deferred_answer_is_complete_when_it_is_ended),
        MUX_TEST(a_mux_in_a_mux_keeps_the_hooks_of_both),
        MUX_TEST(there_may_be_64_hooks),
        MUX_TEST(without_a_mux_the_answer_is_503),
    };
    return cmocka_run_group_tests(tests, NULL, service_group_teardown);
}
