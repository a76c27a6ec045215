/* Each allocation fails in turn, in a mux and in what its handlers use: an error comes back, or
 * another answer, or none, and nothing is lost. Hooks stay in pairs. */
#include "service_fixture.h"

#include <jansson.h>
#include <nrt/http.h>
#include <nrt/mux.h>

#include "failmalloc.h"

static int inside; /* hooks that were reached and not left */
static bool fine;  /* the handler has done all that it wanted */

static bool enter(nrt_exchange *exchange, void *arg) {
    inside++;
    return nrt_exchange_set_data(exchange, arg, &inside) == 0;
}

static void leave(nrt_exchange *exchange, void *arg) {
    (void)exchange, (void)arg;
    inside--;
}

static void handler(nrt_exchange *exchange, void *arg) {
    static char bytes[3000];
    const nrt_pairs *query;
    const nrt_pairs *cookies;
    nrt_cookie cookie;
    (void)arg;
    nrt_cookie_init(&cookie);
    cookie.name = "c";
    memset(bytes, 'b', sizeof(bytes));
    fine = nrt_exchange_query(exchange, &query) == 0 &&
           nrt_exchange_cookies(exchange, &cookies) == 0 &&
           nrt_exchange_set_cookie(exchange, &cookie) == 0 &&
           nrt_exchange_alloc(exchange, sizeof(bytes)) != NULL &&
           nrt_exchange_printf(exchange, "%.2000s", bytes) == 0;
    if (fine) {
        assert_view(nrt_pairs_get(query, "q"), "1 2");
        assert_view(nrt_pairs_get(cookies, "k"), "v");
        assert_view(nrt_exchange_path_value(exchange, "x"), "a/b");
    }
}

static void files(nrt_exchange *exchange, void *arg) {
    (void)arg;
    fine = nrt_exchange_file(exchange, "/etc", NRT__STR("passwd")) == 0 &&
           nrt_exchange_status(exchange) == 200;
}

static int build(nrt_mux **out) {
    nrt_mux *mux = nrt_mux_create();
    int error = nrt_mux_use(mux, enter, leave, &fine);
    error = error < 0 ? error : nrt_mux_add(mux, "GET /a/{x}/{rest...}", handler, NULL);
    error = error < 0 ? error : nrt_mux_add(mux, "GET /file", files, NULL);
    error = error < 0 ? error : nrt_mux_add(mux, "/dir/", handler, NULL);
    if (error < 0) {
        assert_string_equal(nrt_mux_error(mux), "out of memory");
        nrt_mux_destroy(mux);
        mux = NULL;
    }
    *out = mux;
    return error;
}

static void each_failure_while_it_is_built_is_told(void **state) {
    (void)state;
    for (long n = 1;; n++) {
        nrt_mux *mux;
        long before = alloc.live;
        alloc.count = 0;
        alloc.failed = false;
        alloc.at = n;
        int error = build(&mux);
        alloc.at = 0;
        assert_int_equal(error, alloc.failed ? NRT_ERR_MEMORY : 0);
        nrt_mux_destroy(mux);
        assert_int_equal(alloc.live, before);
        if (!alloc.failed) {
            assert_true(n > 15);
            return;
        }
    }
}

/* A route that could not be added is none, and can be added again. */
static void after_a_failure_it_can_be_built_on(void **state) {
    (void)state;
    for (long n = 1;; n++) {
        long before = alloc.live;
        nrt_mux *mux = nrt_mux_create();
        assert_int_equal(nrt_mux_add(mux, "/a/b", handler, NULL), 0);
        alloc.count = 0;
        alloc.failed = false;
        alloc.at = n;
        nrt_mux_add(mux, "PUT /a/long-literal/{x}", handler, NULL);
        alloc.at = 0;
        int again = nrt_mux_add(mux, "PUT /a/long-literal/{y}", handler, NULL);
        assert_int_equal(again, alloc.failed ? 0 : NRT_ERR_USAGE);
        nrt_mux_destroy(mux);
        assert_int_equal(alloc.live, before);
        if (!alloc.failed) {
            return;
        }
    }
}

/* Asks with the Nth allocation failing, for each N there is. */
static void ask_each(nrt_mux *mux, const char *request, bool onwards, bool handled_by_route) {
    char subject[] = SUBJECT "get";
    for (long n = 1;; n++) {
        memset(e, 0, sizeof(*e));
        long before = alloc.live;
        nrt_service_options options = {.size = sizeof(options), .max_in_flight = 5};
        assert_int_equal(engine_init(e, ENGINE_SERVICES), 0);
        assert_int_equal(
            nrt__services_add(e->services, "weather.nats", nrt_mux_handle, mux, &options, &service),
            0);
        assert_int_equal(engine_connect(e), 0);
        engine_sid(e->greeting, SUBJECT "*", sid);
        engine_take(e);
        fine = false;
        alloc.count = 0;
        alloc.failed = false;
        alloc.onwards = onwards;
        alloc.at = n;
        int fed = engine_message(e, sid, subject, "_INBOX.x.y", request);
        alloc.at = 0;
        bool failed = alloc.failed;
        assert_int_equal(inside, 0);
        assert_int_equal(nrt__services_in_flight(e->services), 0);
        if (!failed) {
            assert_int_equal(fed, 0);
            assert_int_equal(fine, handled_by_route);
        }
        engine_finish(e);
        assert_int_equal(alloc.live, before);
        if (!failed) {
            assert_true(n > 2);
            return;
        }
    }
}

static void each_failure_while_it_answers_is_survived(void **state) {
    (void)state;
    static const struct {
        const char *request;
        bool handled;
    } rows[] = {
        {"GET /a/a%2Fb/c%20d?q=1+2 HTTP/1.1\r\nHost: weather.nats\r\nCookie: k=v\r\n\r\n", true},
        {"GET /file HTTP/1.1\r\nHost: weather.nats\r\nRange: bytes=0-9\r\n\r\n", false},
        {"GET /file HTTP/1.1\r\nHost: weather.nats\r\n\r\n", true},
        {"GET /dir HTTP/1.1\r\nHost: weather.nats\r\n\r\n", false},
        {"GET /x//y HTTP/1.1\r\nHost: weather.nats\r\n\r\n", false},
        {"GET /none HTTP/1.1\r\nHost: weather.nats\r\n\r\n", false},
    };
    nrt_mux *mux;
    engine *before = e;
    static engine here;
    e = &here;
    assert_int_equal(build(&mux), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        ask_each(mux, rows[i].request, false, rows[i].handled);
        ask_each(mux, rows[i].request, true, rows[i].handled);
    }
    nrt_mux_destroy(mux);
    e = before;
}

static int setup(void **state) {
    (void)state;
    json_set_alloc_funcs(__wrap_malloc, __wrap_free);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failure_while_it_is_built_is_told),
        cmocka_unit_test(after_a_failure_it_can_be_built_on),
        cmocka_unit_test(each_failure_while_it_answers_is_survived),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
