/* A connection with credentials and TLS, and what becomes of it, one line for each thing:
 *
 *     login SERVERS [OPTION=VALUE…]
 *
 * Options are those of nrt_options, and: get=URL and times=N, in_flight=N, bytes=N (requests once
 * connected), until=connected|failed|answered (the default: SIGTERM), in which case it ends.
 * Prints "connected URL", "disconnected CODE DETAIL", "failed CODE DETAIL", "log TEXT",
 * "answered FINE OF_ALL SECONDS", "open CODE". */
#include "check.h"

#include <signal.h>

static struct {
    const char *url;
    const char *until;
    long times;
    long in_flight;
    long bytes;
    long sent;
    long fine;
    long ended;
    double start;
} plan = {.times = 1, .in_flight = 1};

static volatile sig_atomic_t stop;
static bool over;

static void on_signal(int number) {
    stop = number;
}

static void say(const char *what, const char *code, const char *detail) {
    printf("%s %s%s%s\n", what, code, *code ? " " : "", detail);
    fflush(stdout);
    over = over || (plan.until && strcmp(plan.until, what) == 0);
}

static void send_one(nrt_conn *conn);

static void on_result(const nrt_result *result, void *arg) {
    nrt_conn *conn = arg;
    plan.ended++;
    if (result->error) {
        say("error", nrt_error_code(result->error), result->detail);
    } else if (nrt_response_status(result->response) == 200 &&
               nrt_response_body(result->response).len >= (size_t)plan.bytes) {
        plan.fine++;
    }
    if (plan.sent < plan.times) {
        send_one(conn);
    } else if (plan.ended == plan.times) {
        char text[100];
        snprintf(text, sizeof(text), "%ld %ld %.3f", plan.fine, plan.times, now_s() - plan.start);
        say("answered", "", text);
    }
}

/* The service gives the body back, and tells of the request in front of it. */
static void send_one(nrt_conn *conn) {
    nrt_request *request = make_request("POST", plan.url);
    char *body = malloc((size_t)plan.bytes + 1);
    CHECK(body != NULL);
    memset(body, 'b', (size_t)plan.bytes);
    CHECK_INT(nrt_request_set_body(request, (nrt_str){body, (size_t)plan.bytes}), 0);
    free(body);
    plan.sent++;
    CHECK_INT(nrt_send(conn, request, NULL, on_result, conn, NULL), 0);
    nrt_request_destroy(request);
}

static void on_event(nrt_conn *conn, nrt_conn_event event, int error, const char *detail,
                     void *arg) {
    (void)arg;
    if (event == NRT_CONN_CONNECTED) {
        nrt_conn_info info = {.size = sizeof(info)};
        CHECK_INT(nrt_conn_info_get(conn, &info), 0);
        say("connected", "", info.url);
        plan.start = now_s();
        for (long i = 0; plan.url && plan.sent < plan.times && i < plan.in_flight; i++) {
            send_one(conn);
        }
    } else {
        say(event == NRT_CONN_FAILED ? "failed" : "disconnected", nrt_error_code(error), detail);
    }
}

static void on_log(nrt_log_level level, const char *text, void *arg) {
    (void)level;
    (void)arg;
    say("log", "", text);
}

static void take(nrt_options *options, const char *name, const char *value) {
    const struct {
        const char *name;
        const char **place;
    } texts[] = {
        {"user", &options->user},
        {"password", &options->password},
        {"token", &options->token},
        {"creds", &options->creds},
        {"nkey", &options->nkey},
        {"jwt", &options->jwt},
        {"seed", &options->seed},
        {"tls_ca", &options->tls_ca},
        {"tls_cert", &options->tls_cert},
        {"tls_key", &options->tls_key},
        {"get", &plan.url},
        {"until", &plan.until},
    };
    const struct {
        const char *name;
        long *place;
    } numbers[] = {{"times", &plan.times}, {"in_flight", &plan.in_flight}, {"bytes", &plan.bytes}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(texts[i].name, name) == 0) {
            *texts[i].place = value;
            return;
        }
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(numbers[i].name, name) == 0) {
            *numbers[i].place = atol(value);
            return;
        }
    }
    if (strcmp(name, "tls_first") == 0) {
        options->tls_first = true;
    } else {
        CHECK(strcmp(name, "connect_timeout_ms") == 0);
        options->connect_timeout_ms = (uint32_t)atol(value);
    }
}

int main(int argc, char **argv) {
    CHECK(argc > 1);
    nrt_options options = options_for(argv[1]);
    for (int i = 2; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        CHECK(value != NULL);
        *value = '\0';
        take(&options, argv[i], value + 1);
    }
    signal(SIGTERM, on_signal);
    options.on_event = on_event;
    options.log = on_log;
    options.log_level = NRT_LOG_DEBUG;
    int error = 0;
    nrt_conn *conn = nrt_conn_open(&options, &error);
    if (!conn) {
        say("open", "", nrt_error_code(error));
        return 0;
    }
    while (!over && !stop) {
        CHECK(nrt_conn_dispatch(conn, 50) >= 0 || stop);
    }
    nrt_conn_destroy(conn);
    return 0;
}
