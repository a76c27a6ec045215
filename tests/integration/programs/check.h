/* What the test programs share: CHECK, and options that point at the test's server. They use the
 * public API only. */
#ifndef CHECK_H
#define CHECK_H

#include <nrt/nrt.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);              \
            exit(3);                                                                               \
        }                                                                                          \
    } while (0)

#define CHECK_INT(got, wanted)                                                                     \
    do {                                                                                           \
        long long got_ = (got), wanted_ = (wanted);                                                \
        if (got_ != wanted_) {                                                                     \
            fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, got_,       \
                    wanted_);                                                                      \
            exit(3);                                                                               \
        }                                                                                          \
    } while (0)

static inline nrt_options options_for(const char *server) {
    nrt_options options;
    nrt_options_init(&options);
    options.servers = server;
    return options;
}

static inline nrt_conn *open_conn(const char *server) {
    nrt_options options = options_for(server);
    int error = 0;
    nrt_conn *conn = nrt_conn_open(&options, &error);
    CHECK_INT(error, 0);
    CHECK(conn != NULL);
    return conn;
}

static inline nrt_request *make_request(const char *method, const char *url) {
    int error = 0;
    nrt_request *request = nrt_request_create(method, url, &error);
    CHECK_INT(error, 0);
    CHECK(request != NULL);
    return request;
}

/* The clock that Python's time.monotonic() reads too. */
static inline double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline void sleep_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

#endif
