/* Each piece of memory, descriptor and thread is refused in turn, while a connection is made,
 * serves three hosts and asks them: every call returns, every callback comes, nothing is lost, and
 * with memory again all of it works.
 *
 *     failmalloc SERVER ask|drain any|main|others once|onwards
 *     failmalloc SERVER wait waits once|onwards
 *
 * Prints how many requests for memory and the like there were. */
#include "check.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "failing.h"

enum {
    HOSTS = 3,
    LARGE = 100000, /* more than buffers keep */
    SHORT_MS = 50,  /* for what may get no answer */
    LONG_MS = 10000,
};

static const char *const hosts[HOSTS] = {"inline.nats", "worker.nats", "later.nats"};
static const char *const urls[HOSTS] = {"http://inline.nats/", "http://worker.nats/",
                                        "http://later.nats/"};
static char large[LARGE];
static const char *server;

/* ---- another thread: ends deferred exchanges, and posts ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t some;
    nrt_exchange *held[64];
    int count;
    bool hold; /* until it is let go */
    nrt_conn *post_to;
    int posted; /* what nrt_conn_post returned; 1: not yet */
} helper = {.lock = PTHREAD_MUTEX_INITIALIZER, .some = PTHREAD_COND_INITIALIZER};

static atomic_int tasks_run;

static void task(nrt_conn *conn, void *arg) {
    CHECK(conn != NULL && arg == &tasks_run);
    atomic_fetch_add(&tasks_run, 1);
}

static void *help(void *arg) {
    (void)arg;
    pthread_mutex_lock(&helper.lock);
    for (;;) {
        while (!helper.post_to && (helper.count == 0 || helper.hold)) {
            pthread_cond_wait(&helper.some, &helper.lock);
        }
        if (helper.post_to) {
            helper.posted = nrt_conn_post(helper.post_to, task, &tasks_run);
            helper.post_to = NULL;
            pthread_cond_broadcast(&helper.some);
            continue;
        }
        nrt_exchange *exchange = helper.held[--helper.count];
        pthread_mutex_unlock(&helper.lock);
        nrt_exchange_reply(exchange, 200, "text/plain", nrt_str_from("later"));
        nrt_exchange_end(exchange);
        pthread_mutex_lock(&helper.lock);
    }
    return NULL;
}

static void hold(bool held) {
    pthread_mutex_lock(&helper.lock);
    helper.hold = held;
    pthread_cond_broadcast(&helper.some);
    pthread_mutex_unlock(&helper.lock);
}

static int post_from_helper(nrt_conn *conn) {
    pthread_mutex_lock(&helper.lock);
    helper.posted = 1;
    helper.post_to = conn;
    pthread_cond_broadcast(&helper.some);
    while (helper.posted == 1) {
        pthread_cond_wait(&helper.some, &helper.lock);
    }
    int error = helper.posted;
    pthread_mutex_unlock(&helper.lock);
    return error;
}

/* ---- services ---- */

static void answer(nrt_exchange *exchange, void *arg) {
    nrt_str body = nrt_request_body(nrt_exchange_request(exchange));
    (void)arg;
    /* What does not succeed is told by another response, or by none. */
    nrt_fields_add(nrt_exchange_fields(exchange), nrt_str_from("X-Mine"), nrt_str_from("1"));
    nrt_exchange_reply(exchange, 200, "text/plain", body);
}

static void answer_later(nrt_exchange *exchange, void *arg) {
    (void)arg;
    nrt_exchange_defer(exchange);
    pthread_mutex_lock(&helper.lock);
    CHECK(helper.count < 64);
    helper.held[helper.count++] = exchange;
    pthread_cond_broadcast(&helper.some);
    pthread_mutex_unlock(&helper.lock);
}

typedef struct state {
    nrt_conn *conn;
    nrt_service *services[HOSTS];
    bool strict; /* nothing is refused: all must succeed */
    bool drained;
    int waiting; /* callbacks to come */
} state;

/* What must hold of anything that may run out of memory. */
static bool went_well(const state *all, int error) {
    CHECK(error <= 0);
    if (error < 0) {
        CHECK(*nrt_error_code(error) != '\0');
        CHECK_INT(all->strict ? error : 0, 0);
    }
    return error == 0;
}

static int serve(state *all, int host) {
    nrt_service_options options;
    nrt_service_options_init(&options);
    options.workers = host == 1 ? 2 : 0;
    return nrt_serve(all->conn, hosts[host], &options, host == 2 ? answer_later : answer, NULL,
                     &all->services[host]);
}

static void serve_all(state *all) {
    for (int i = 0; i < HOSTS; i++) {
        if (!all->services[i] && !went_well(all, serve(all, i))) {
            all->services[i] = NULL;
        }
    }
}

/* ---- asking ---- */

static nrt_request *ask_for(const state *all, int host) {
    int error = 1;
    nrt_request *request = nrt_request_create("POST", urls[host], &error);
    CHECK((request != NULL) == (error == 0));
    if (went_well(all, error) &&
        !went_well(all, nrt_request_set_body(request, (nrt_str){large, host == 0 ? LARGE : 5}))) {
        nrt_request_destroy(request);
        request = NULL;
    }
    return request;
}

static void check_result(state *all, int error, const nrt_response *response) {
    bool good = error == 0 && nrt_response_status(response) == 200;
    CHECK((response != NULL) == (error == 0));
    if (response) { /* another status says why in NRT-Error; nothing is cut short */
        nrt_str code = nrt_fields_get(nrt_response_fields(response), "NRT-Error");
        CHECK(good == (code.ptr == NULL) || nrt_response_status(response) == 503);
        size_t len = nrt_response_body(response).len;
        CHECK(!good || len == LARGE || len == 5);
    }
    CHECK(good || !all->strict);
}

static void on_result(const nrt_result *result, void *arg) {
    state *all = arg;
    all->waiting--;
    check_result(all, result->error, result->response);
}

static void send_to(state *all, int host) {
    nrt_send_options options = {.size = sizeof(options), .timeout_ms = LONG_MS};
    nrt_request *request = ask_for(all, host);
    options.timeout_ms = all->strict ? LONG_MS : SHORT_MS;
    if (request && went_well(all, nrt_send(all->conn, request, &options, on_result, all, NULL))) {
        all->waiting++;
    }
    nrt_request_destroy(request);
}

static void do_one(state *all, int host) {
    nrt_send_options options = {.size = sizeof(options), .timeout_ms = LONG_MS};
    nrt_request *request = ask_for(all, host);
    nrt_response *response = NULL;
    options.timeout_ms = all->strict ? LONG_MS : SHORT_MS;
    if (request) {
        int error = nrt_do(all->conn, request, &options, &response);
        check_result(all, error, response);
    }
    nrt_response_destroy(response);
    nrt_request_destroy(request);
}

/* One turn, woken by the descriptor where there is one: it must know of the deadlines, too. */
static void turn(nrt_conn *conn) {
    struct pollfd one = {.fd = nrt_conn_fd(conn), .events = POLLIN};
    if (one.fd >= 0) {
        CHECK(poll(&one, 1, LONG_MS) >= 0);
    }
    CHECK(nrt_conn_dispatch(conn, one.fd >= 0 ? 0 : 20) >= 0);
}

/* Not being so in time is what would hang a program. */
#define TURN_UNTIL(conn, condition)                                                                \
    do {                                                                                           \
        double end_ = now_s() + LONG_MS / 1000.0;                                                  \
        while (!(condition)) {                                                                     \
            CHECK(now_s() < end_);                                                                 \
            turn(conn);                                                                            \
        }                                                                                          \
    } while (0)

static void on_stopped(nrt_conn *conn, void *arg) {
    state *all = arg;
    CHECK(conn == all->conn);
    all->waiting--;
}

static void on_drained(nrt_conn *conn, void *arg) {
    state *all = arg;
    CHECK(conn == all->conn);
    all->drained = true;
}

/* All that one does with a connection. */
static void use(state *all) {
    serve_all(all);
    if (!went_well(all, nrt_conn_wait(all->conn, all->strict ? LONG_MS : SHORT_MS))) {
        CHECK(*nrt_conn_error(all->conn) != '\0');
    }
    for (int i = 0; i < HOSTS; i++) {
        send_to(all, i);
    }
    TURN_UNTIL(all->conn, all->waiting == 0);
    do_one(all, 0);
    int tasks = atomic_load(&tasks_run);
    if (went_well(all, post_from_helper(all->conn))) {
        TURN_UNTIL(all->conn, atomic_load(&tasks_run) == tasks + 1);
    }
    for (int i = 0; i < 2; i++) {
        if (all->services[i]) {
            all->waiting++;
            CHECK_INT(nrt_service_stop(all->services[i], on_stopped, all), 0);
            all->services[i] = NULL;
            TURN_UNTIL(all->conn, all->waiting == 0);
        }
    }
    serve_all(all);
    do_one(all, 1);
}

static void open_all(state *all) {
    nrt_options options = options_for(server);
    int error = 1;
    options.connect_timeout_ms = 2000;
    options.connect_wait_ms = all->strict ? 2000 : SHORT_MS;
    options.reconnect_min_ms = 1;
    options.reconnect_max_ms = 20;
    all->conn = nrt_conn_open(&options, &error);
    CHECK((all->conn != NULL) == (error == 0));
    if (!went_well(all, error)) { /* the URLs are good, whatever else is not there */
        CHECK(error == NRT_ERR_MEMORY || error == NRT_ERR_SYSTEM);
    }
}

/* ---- scenarios: with memory that ends, then with enough ---- */

static bool ask(failing_who who, long at, bool onwards) {
    state all = {0};
    failing_begin(who, at, onwards);
    open_all(&all);
    if (all.conn) {
        use(&all);
    }
    bool failed = failing_end();
    all.strict = true;
    if (!all.conn) {
        open_all(&all);
    }
    use(&all);
    nrt_conn_destroy(all.conn);
    return failed;
}

/* Exchanges are under way when the connection is drained, and some still are when it goes. */
static bool drain(failing_who who, long at, bool onwards) {
    state all = {.strict = true};
    open_all(&all);
    serve_all(&all);
    CHECK_INT(nrt_conn_wait(all.conn, LONG_MS), 0);
    all.strict = false;
    hold(true);
    failing_begin(who, at, onwards);
    for (int i = 0; i < HOSTS; i++) {
        send_to(&all, i);
    }
    CHECK_INT(nrt_conn_drain(all.conn, on_drained, &all), 0);
    CHECK(nrt_conn_dispatch(all.conn, 20) >= 0);
    hold(at % 2 == 0);
    if (at % 2 != 0) {
        TURN_UNTIL(all.conn, all.drained);
        CHECK_INT(all.waiting, 0);
    }
    nrt_conn_destroy(all.conn);
    CHECK_INT(all.waiting, 0);
    bool failed = failing_end();
    hold(false);
    return failed;
}

/* nrt_do cannot go on: the exchange ends with it, though its answer is yet to come. */
static bool wait_fails(failing_who who, long at, bool onwards) {
    state all = {.strict = true};
    open_all(&all);
    serve_all(&all);
    CHECK_INT(nrt_conn_wait(all.conn, LONG_MS), 0);
    hold(true);
    all.strict = false;
    failing_begin(who, at, onwards);
    do_one(&all, 2);
    bool failed = failing_end();
    hold(false);
    all.strict = true;
    do_one(&all, 2);
    nrt_conn_destroy(all.conn);
    return failed;
}

/* Threads that were let go may still be about to free what they hold. */
static void check_nothing_lost(long memory, long descriptors, long at) {
    double end = now_s() + LONG_MS / 1000.0;
    while (failing_live() != memory || failing_descriptors() != descriptors) {
        if (now_s() > end) {
            fprintf(stderr, "%ld refused: %ld pieces of memory and %ld descriptors are lost\n", at,
                    failing_live() - memory, failing_descriptors() - descriptors);
            exit(3);
        }
        sleep_ms(1);
    }
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 5);
    failing_init();
    memset(large, 'x', sizeof(large));
    server = argv[1];
    bool (*scenario)(failing_who, long, bool) = strcmp(argv[2], "ask") == 0     ? ask
                                                : strcmp(argv[2], "drain") == 0 ? drain
                                                                                : wait_fails;
    failing_who who = strcmp(argv[3], "any") == 0      ? FAILING_ANY
                      : strcmp(argv[3], "main") == 0   ? FAILING_MAIN
                      : strcmp(argv[3], "others") == 0 ? FAILING_OTHERS
                                                       : FAILING_WAITS;
    bool onwards = strcmp(argv[4], "onwards") == 0;
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, help, NULL), 0);
    CHECK_INT(pthread_detach(thread), 0);
    scenario(who, 0, false); /* what libraries make once and keep is made now */
    /* Threads do not ask in the same order each time: a few may miss the last ones. */
    long at = 1;
    for (int missed = 0; missed < 3; at++) {
        CHECK(at < 5000);
        long memory = failing_live();
        long descriptors = failing_descriptors();
        bool failed = scenario(who, at, onwards);
        check_nothing_lost(memory, descriptors, at);
        missed = failed ? 0 : missed + 1;
    }
    printf("%ld\n", at - 4);
    return 0;
}
