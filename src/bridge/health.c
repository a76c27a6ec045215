/* Health checks: one at a time, each on a fresh connection, so that what a kept one hides shows. */
#include "bridge/health.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/stream.h"
#include "bridge/target.h"
#include "core/base/str.h"
#include "core/http/h1_reader.h"
#include "core/http/h1_writer.h"

enum {
    TIMEOUT_MAX_MS = 5000,
    INTERIM_MAX = 4,
    HEAD_MAX = 16 * 1024,
    BODY_MAX = 64 * 1024, /* what is longer is not read to its end: the head has said it */
};

typedef enum check_state {
    CHECK_NONE = 0, /* the next one is to come */
    CHECK_FINDING,  /* the name is being looked up */
    CHECK_DIALING,  /* the TLS handshake included */
    CHECK_ASKING,   /* the request is out */
} check_state;

struct nrt__health {
    nrt_conn *conn;
    nrt__health_options options;
    nrt__health_fn fn;
    void *arg;
    nrt__target target;
    nrt__buf request; /* the same each time */
    nrt__dial dial;
    nrt__stream stream;
    nrt__h1_reader reader;
    nrt__message response;
    nrt__timer timer; /* the next check, or the end of this one */
    int64_t next_ms;  /* when the next check begins */
    uint32_t timeout_ms;
    check_state state;
    unsigned interim; /* 1xx responses of this check */
    size_t body;      /* bytes of this check's body */
    unsigned streak;  /* checks in a row that contradict the verdict */
    bool well;        /* the verdict */
};

void nrt__health_options_init(nrt__health_options *options) {
    *options =
        (nrt__health_options){.path = NRT__STR("/"), .interval_ms = 5000, .fall = 2, .rise = 1};
}

static nrt__loop *loop_of(nrt__health *health) {
    return nrt__conn_loop(health->conn);
}

static void set_timer(nrt__health *health, int64_t at_ms, nrt__timer_fn fn) {
    nrt__timer_set(&loop_of(health)->timers, &health->timer, at_ms, fn, health);
}

static void hang_up(nrt__health *health) {
    nrt__timer_clear(&loop_of(health)->timers, &health->timer);
    nrt__dial_cancel(&health->dial);
    nrt__stream_close(&health->stream);
    health->state = CHECK_NONE;
}

/* ---- the end of a check ---- */

static void begin(nrt__timer *timer, void *arg);

/* The health may be gone after this. `reason` "": it succeeded. */
static void over(nrt__health *health, const char *reason) {
    bool fine = *reason == '\0';
    nrt__env *env = &loop_of(health)->env;
    hang_up(health);
    set_timer(health, health->next_ms > env->now_ms ? health->next_ms : env->now_ms, begin);
    nrt__log(env, NRT_LOG_DEBUG, "health of %s: %s", health->target.text, fine ? "fine" : reason);
    if (fine == health->well) {
        health->streak = 0;
    } else if (++health->streak >= (fine ? health->options.rise : health->options.fall)) {
        health->streak = 0;
        health->well = fine;
    }
    health->fn(health->well, reason, health->arg);
}

static void fail(nrt__health *health, const char *format, ...) NRT_PRINTF(2, 3);

static void fail(nrt__health *health, const char *format, ...) {
    char reason[256];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    over(health, reason);
}

static void on_timeout(nrt__timer *timer, void *arg) {
    nrt__health *health = arg;
    (void)timer;
    switch (health->state) {
    case CHECK_NONE:
        break;
    case CHECK_FINDING:
        fail(health, "its name could not be looked up within %u ms", health->timeout_ms);
        break;
    case CHECK_DIALING:
        nrt__dial_time_out(&health->dial);
        fail(health, "no connection within %u ms", health->timeout_ms);
        break;
    case CHECK_ASKING:
        fail(health, "no answer within %u ms", health->timeout_ms);
        break;
    }
}

/* ---- the answer ---- */

/* Feeds what was read; the health may be gone after this. */
static void feed(nrt__health *health, nrt_str bytes) {
    for (;;) {
        size_t used;
        nrt_str body;
        int event = nrt__h1_read(&health->reader, bytes.ptr, bytes.len, &used, &body);
        int status = health->response.status;
        bytes.ptr += used;
        bytes.len -= used;
        if (event < 0) {
            fail(health, "its answer is not valid: %s", health->reader.reason);
            return;
        }
        switch ((nrt__h1_event)event) {
        case NRT__H1_MORE:
            return;
        case NRT__H1_HEAD:
            if (status == 101 || (status < 200 && ++health->interim > INTERIM_MAX)) {
                fail(health, "its answer is not valid: %s",
                     status == 101 ? "101 although no upgrade was asked for"
                                   : "too many interim responses");
                return;
            }
            if (status >= 400) {
                fail(health, "it answered %d", status);
                return;
            }
            break;
        case NRT__H1_BODY:
            health->body += body.len;
            if (health->body > BODY_MAX) {
                over(health, "");
                return;
            }
            break;
        case NRT__H1_END:
            if (status >= 200) {
                over(health, "");
                return;
            }
            nrt__h1_begin(&health->reader, &health->response, 0);
            break;
        }
    }
}

static void on_end(nrt__health *health) {
    if (nrt__h1_read_end(&health->reader) == NRT__H1_END && health->response.status >= 200) {
        over(health, "");
    } else {
        over(health, "it closed the connection before its answer was complete");
    }
}

static void on_readable(void *arg) {
    nrt__health *health = arg;
    char bytes[8 * 1024];
    ssize_t got = nrt__stream_read(&health->stream, bytes, sizeof(bytes));
    if (got == NRT__STREAM_END) {
        on_end(health);
    } else if (got == NRT__STREAM_BROKEN) {
        fail(health, "the connection to it broke: %s", nrt__stream_reason(&health->stream));
    } else if (got != NRT__STREAM_AGAIN) {
        feed(health, (nrt_str){bytes, (size_t)got});
    }
}

static void on_drained(void *arg) {
    (void)arg;
}

/* It may have answered without reading: what it said is still to be read. */
static void on_broken(void *arg) {
    nrt__health *health = arg;
    if (health->state == CHECK_DIALING) {
        fail(health, "cannot connect to it: %s", nrt__stream_reason(&health->stream));
        return;
    }
    nrt__buf_clear(&health->stream.out);
}

/* ---- the question ---- */

static void ask(void *arg) {
    nrt__health *health = arg;
    health->state = CHECK_ASKING;
    nrt__h1_begin(&health->reader, &health->response, 0);
    nrt__buf_put(&health->stream.out, nrt__buf_view(&health->request));
    if (health->stream.out.failed) {
        over(health, nrt_error_text(NRT_ERR_MEMORY));
        return;
    }
    nrt__stream_written(&health->stream);
}

static const nrt__stream_events stream_events = {
    .readable = on_readable,
    .drained = on_drained,
    .broken = on_broken,
    .secured = ask,
};

static void on_dialed(int fd, int code, void *arg) {
    nrt__health *health = arg;
    nrt__tls *tls = NULL;
    if (fd >= 0 &&
        nrt__stream_open(&health->stream, loop_of(health), fd, &stream_events, health) < 0) {
        code = errno;
    }
    int secure = code == 0 ? nrt__target_secure(&health->target, fd, &tls) : 0;
    if (code != 0 || secure < 0) {
        fail(health, "cannot connect to it: %s",
             secure < 0 ? nrt_error_text(secure) : strerror(code));
    } else if (secure) {
        nrt__stream_secure(&health->stream, tls);
    } else {
        ask(health);
    }
}

static void dial(nrt__health *health) {
    health->state = CHECK_DIALING;
    if (nrt__dial_start(&health->dial, &health->target, on_dialed, health) < 0) {
        fail(health, "cannot connect to it: %s", strerror(errno));
    }
}

static void on_found(const char *reason, void *arg) {
    nrt__health *health = arg;
    if (health->state != CHECK_FINDING) { /* too late for its check; the next one asks again */
        return;
    }
    if (reason) {
        fail(health, "its name cannot be looked up: %s", reason);
    } else {
        dial(health);
    }
}

static void begin(nrt__timer *timer, void *arg) {
    nrt__health *health = arg;
    nrt__env *env = &loop_of(health)->env;
    uint32_t interval = health->options.interval_ms;
    (void)timer;
    /* Many that were started together do not stay in step. */
    health->next_ms =
        env->now_ms + interval - interval / 10 + nrt__random_below(env, interval / 5 + 1);
    health->interim = 0;
    health->body = 0;
    health->state = CHECK_FINDING;
    set_timer(health, env->now_ms + health->timeout_ms, on_timeout);
    int found = nrt__target_find(&health->target, on_found, health);
    if (found > 0) {
        dial(health);
    } else if (found < 0) {
        over(health, "no thread for looking up its name");
    }
}

/* ---- opening ---- */

static bool write_request(nrt__health *health, nrt_str host) {
    nrt__buf target;
    nrt__message request;
    nrt__buf_init(&target, SIZE_MAX / 2);
    nrt__buf_put(&target, nrt_str_from(health->target.base));
    nrt__buf_put(&target, health->options.path);
    nrt__message_init(&request, true);
    request.method = NRT__STR("GET");
    request.target = nrt__buf_view(&target);
    request.host = host;
    nrt__h1_write_head(&health->request, &request, 0,
                       NRT__STR("User-Agent: nrt-health\r\nAccept: */*\r\nConnection: close\r\n"));
    bool fine = !target.failed && !health->request.failed;
    nrt__message_free(&request);
    nrt__buf_free(&target);
    return fine;
}

nrt__health *nrt__health_open(nrt_conn *conn, const char *target, nrt_str host,
                              const nrt__health_options *options, nrt__health_fn fn, void *arg,
                              int *error, char *detail, size_t detail_size) {
    const nrt__h1_limits limits = {
        .head = HEAD_MAX, .fields = 100, .target = 1024, .extension = 1024};
    nrt__health *health = calloc(1, sizeof(*health));
    *error = NRT_ERR_MEMORY;
    snprintf(detail, detail_size, "%s", nrt_error_text(NRT_ERR_MEMORY));
    if (!health) {
        return NULL;
    }
    health->conn = conn;
    health->options = *options;
    health->fn = fn;
    health->arg = arg;
    health->timeout_ms =
        options->interval_ms < TIMEOUT_MAX_MS ? options->interval_ms : TIMEOUT_MAX_MS;
    nrt__buf_init(&health->request, SIZE_MAX / 2);
    nrt__h1_reader_init(&health->reader, &limits);
    nrt__message_init(&health->response, false);
    *error = nrt__target_init(&health->target, conn, target, options->tls, detail, detail_size);
    if (*error == 0 && !write_request(health, host)) {
        *error = NRT_ERR_MEMORY;
    }
    if (*error < 0) {
        nrt__health_destroy(health);
        return NULL;
    }
    nrt__loop_enter(loop_of(health));
    set_timer(health, loop_of(health)->env.now_ms, begin);
    nrt__loop_leave(loop_of(health));
    return health;
}

void nrt__health_destroy(nrt__health *health) {
    if (!health) {
        return;
    }
    hang_up(health);
    nrt__h1_reader_free(&health->reader);
    nrt__message_free(&health->response);
    nrt__buf_free(&health->request);
    nrt__target_finish(&health->target);
    free(health);
}
