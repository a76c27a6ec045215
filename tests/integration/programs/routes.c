/* A service with a mux and all that handlers may use of nrt/http.h.
 *
 *     routes SERVER HOST WORKERS FOLDER [streaming]
 *
 * Prints "ready" when it serves, and a line for each answer; SIGTERM drains it. */
#include "check.h"

#include <pthread.h>
#include <signal.h>

static nrt_conn *connection;
static const char user_key[] = "";

static void tell_pairs(nrt_exchange *exchange, int error, const nrt_pairs *pairs) {
    if (error < 0) {
        CHECK_INT(nrt_exchange_error(exchange, error), 0);
        return;
    }
    CHECK_INT(nrt_exchange_json(exchange, 200, nrt_str_from("[")), 0);
    for (size_t i = 0; i < nrt_pairs_count(pairs); i++) {
        nrt_str name, value;
        CHECK_INT(nrt_pairs_at(pairs, i, &name, &value), 0);
        if (nrt_exchange_printf(exchange, i ? ",[" : "[") < 0 ||
            nrt_exchange_write_json_string(exchange, name) < 0 ||
            nrt_exchange_printf(exchange, ",") < 0 ||
            nrt_exchange_write_json_string(exchange, value) < 0 ||
            nrt_exchange_printf(exchange, "]") < 0) {
            CHECK_INT(nrt_exchange_problem(exchange, 400, "only UTF-8 is taken"), 0);
            return;
        }
    }
    CHECK_INT(nrt_exchange_printf(exchange, "]"), 0);
}

static void on_query(nrt_exchange *exchange, void *arg) {
    const nrt_pairs *pairs;
    int error = nrt_exchange_query(exchange, &pairs);
    (void)arg;
    tell_pairs(exchange, error, pairs);
}

static void on_form(nrt_exchange *exchange, void *arg) {
    const nrt_pairs *pairs;
    int error = nrt_exchange_form(exchange, &pairs);
    (void)arg;
    tell_pairs(exchange, error, pairs);
}

static void on_cookies(nrt_exchange *exchange, void *arg) {
    const nrt_pairs *pairs;
    int error = nrt_exchange_cookies(exchange, &pairs);
    (void)arg;
    tell_pairs(exchange, error, pairs);
}

static void on_login(nrt_exchange *exchange, void *arg) {
    nrt_cookie cookie;
    (void)arg;
    nrt_cookie_init(&cookie);
    cookie.name = "sid";
    cookie.value = "31d4d96e";
    cookie.secure = false; /* tests speak plain HTTP */
    cookie.max_age_s = 60;
    CHECK_INT(nrt_exchange_set_cookie(exchange, &cookie), 0);
    CHECK_INT(nrt_exchange_redirect(exchange, 303, "/cookies"), 0);
}

static void on_city(nrt_exchange *exchange, void *arg) {
    nrt_str name = nrt_exchange_path_value(exchange, "name");
    const char *user = nrt_exchange_data(exchange, user_key);
    (void)arg;
    CHECK_INT(nrt_exchange_text(exchange, 200, ""), 0);
    CHECK_INT(
        nrt_exchange_printf(exchange, "%s %.*s", user ? user : "someone", (int)name.len, name.ptr),
        0);
}

static void on_file(nrt_exchange *exchange, void *folder) {
    int error = nrt_exchange_file(exchange, folder, nrt_exchange_path_value(exchange, "path"));
    CHECK(error == 0 || (error == NRT_ERR_CANCELED && nrt_exchange_is_canceled(exchange)));
}

static void *end_later(void *exchange) {
    sleep_ms(20);
    CHECK_INT(nrt_exchange_text(exchange, 202, "late"), 0);
    nrt_exchange_end(exchange);
    return NULL;
}

static void on_later(nrt_exchange *exchange, void *arg) {
    pthread_t thread;
    (void)arg;
    nrt_exchange_defer(exchange);
    CHECK_INT(pthread_create(&thread, NULL, end_later, exchange), 0);
    CHECK_INT(pthread_detach(thread), 0);
}

/* How many bytes a body has, however it comes. */
typedef struct counter {
    size_t count;
} counter;

static void tell_count(nrt_exchange *exchange, size_t count) {
    CHECK_INT(nrt_exchange_text(exchange, 200, ""), 0);
    CHECK_INT(nrt_exchange_printf(exchange, "%s %zu", nrt_exchange_pattern(exchange), count), 0);
}

static void on_data(nrt_exchange *exchange, nrt_str bytes, void *arg) {
    (void)exchange;
    ((counter *)arg)->count += bytes.len;
}

static void on_data_end(nrt_exchange *exchange, const nrt_fields *trailers, void *arg) {
    (void)trailers;
    tell_count(exchange, ((counter *)arg)->count);
    nrt_exchange_end(exchange);
}

static void on_count_canceled(nrt_exchange *exchange, void *arg) {
    (void)arg;
    nrt_exchange_end(exchange);
}

static const nrt_exchange_events count_events = {.size = sizeof(count_events),
                                                 .data = on_data,
                                                 .end = on_data_end,
                                                 .canceled = on_count_canceled};

static void on_count(nrt_exchange *exchange, void *arg) {
    (void)arg;
    if (nrt_exchange_is_whole(exchange)) {
        tell_count(exchange, nrt_request_body(nrt_exchange_request(exchange)).len);
        return;
    }
    counter *counts = nrt_exchange_alloc(exchange, sizeof(*counts));
    CHECK(counts);
    counts->count = 0;
    nrt_exchange_defer(exchange);
    CHECK_INT(nrt_exchange_set_events(exchange, &count_events, counts), 0);
}

/* Whoever comes with a password is known by it; without one, all but /private is open. */
static bool authenticate(nrt_exchange *exchange, void *arg) {
    const nrt_request *request = nrt_exchange_request(exchange);
    nrt_str given = nrt_fields_get(nrt_request_fields(request), "Authorization");
    (void)arg;
    if (given.ptr) {
        char *user = nrt_exchange_alloc(exchange, given.len + 1);
        CHECK(user);
        memcpy(user, given.ptr, given.len);
        user[given.len] = '\0';
        CHECK_INT(nrt_exchange_set_data(exchange, user_key, user), 0);
    } else if (strcmp(nrt_exchange_pattern(exchange), "/private/{name}") == 0) {
        CHECK_INT(nrt_exchange_problem(exchange, 401, "say who you are"), 0);
        CHECK_INT(nrt_fields_set(nrt_exchange_fields(exchange), nrt_str_from("WWW-Authenticate"),
                                 nrt_str_from("Basic realm=\"routes\"")),
                  0);
        return false;
    }
    return true;
}

static void write_log(nrt_exchange *exchange, void *arg) {
    (void)arg;
    printf("answered \"%s\" %d %zu\n", nrt_exchange_pattern(exchange),
           nrt_exchange_status(exchange), nrt_exchange_written(exchange));
    fflush(stdout);
}

static void on_ready(nrt_service *service, int error, const char *detail, void *arg) {
    (void)service, (void)arg, (void)detail;
    printf(error ? "not ready: %s\n" : "ready\n", nrt_error_code(error));
    fflush(stdout);
}

static void drain(nrt_conn *conn, void *arg) {
    (void)arg;
    CHECK_INT(nrt_conn_drain(conn, NULL, NULL), 0);
}

static void *wait_signal(void *arg) {
    int number;
    sigwait(arg, &number);
    CHECK_INT(nrt_conn_post(connection, drain, NULL), 0);
    return NULL;
}

/* Nobody looks at what nrt_mux_add returns, and it is told all the same. */
static void refuse_a_mux_that_lacks_a_route(void) {
    nrt_mux *lacking = nrt_mux_create();
    nrt_mux_add(lacking, "/city/{name}", on_city, NULL);
    nrt_mux_add(lacking, "/{any}/london", on_city, NULL);
    nrt_mux_add(lacking, "no path", on_city, NULL);
    nrt_mux_add(lacking, "/fine", on_city, NULL);
    CHECK_INT(nrt_serve(connection, "lacking.nats", NULL, nrt_mux_handle, lacking, NULL),
              NRT_ERR_USAGE);
    CHECK(strstr(nrt_conn_error(connection), "/{any}/london") &&
          strstr(nrt_conn_error(connection), "/city/{name}"));
    CHECK(strcmp(nrt_conn_error(connection), nrt_mux_error(lacking)) == 0);
    nrt_mux_destroy(lacking);
    CHECK_INT(nrt_serve(connection, "lacking.nats", NULL, nrt_mux_handle, NULL, NULL),
              NRT_ERR_MEMORY);
}

int main(int argc, char **argv) {
    CHECK(argc == 5 || argc == 6);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, &signals, NULL), 0);

    nrt_mux *mux = nrt_mux_create();
    const struct {
        const char *pattern;
        nrt_handler_fn handler;
        void *arg;
    } routes[] = {
        {"GET /query", on_query, NULL},      {"POST /form", on_form, NULL},
        {"GET /cookies", on_cookies, NULL},  {"POST /login", on_login, NULL},
        {"GET /city/{name}", on_city, NULL}, {"PUT /city/{name}", on_city, NULL},
        {"/private/{name}", on_city, NULL},  {"/files/{path...}", on_file, argv[4]},
        {"GET /later", on_later, NULL},      {"POST /count/{name}", on_count, NULL},
    };
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        CHECK_INT(nrt_mux_add(mux, routes[i].pattern, routes[i].handler, routes[i].arg), 0);
    }
    CHECK_INT(nrt_mux_use(mux, NULL, write_log, NULL), 0);
    CHECK_INT(nrt_mux_use(mux, authenticate, NULL, NULL), 0);

    connection = open_conn(argv[1]);
    refuse_a_mux_that_lacks_a_route();
    nrt_service_options options;
    nrt_service_options_init(&options);
    options.workers = (unsigned)atoi(argv[3]);
    options.streaming = argc == 6 && strcmp(argv[5], "streaming") == 0;
    options.on_ready = on_ready;
    CHECK_INT(nrt_serve(connection, argv[2], &options, nrt_mux_handle, mux, NULL), 0);

    pthread_t waiter;
    CHECK_INT(pthread_create(&waiter, NULL, wait_signal, &signals), 0);
    CHECK_INT(nrt_conn_run(connection), 0);
    CHECK_INT(pthread_join(waiter, NULL), 0);
    nrt_conn_destroy(connection);
    nrt_mux_destroy(mux);
    return 0;
}
