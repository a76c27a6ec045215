/* Batches of spans: one is collected while another one is on its way. */
#include "bridge/otlp.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/stream.h"
#include "bridge/target.h"
#include "core/base/str.h"
#include "core/http/h1_reader.h"
#include "core/http/http_date.h"
#include "core/http/span.h"

enum {
    QUEUE_SPANS = 4096, /* that are collected */
    QUEUE_BYTES = 4 << 20,
    SPAN_MAX = 64 * 1024,
    BATCH_SPANS = 512, /* so many do not wait for more */
    DELAY_MS = 1000,   /* fewer do, so long */
    TIMEOUT_MS = 10000,
    TRIES = 5,
    PAUSE_MS = 1000, /* before the second one; doubled with each further one */
    PAUSE_MAX_MS = 30000,
    INTERIM_MAX = 4,
    HEAD_MAX = 16 * 1024,
    BODY_MAX = 64 * 1024, /* of its answers: what is longer ends the connection */
    BATCH_KEEP = 1 << 20,
};

typedef enum otlp_state {
    OTLP_AT_REST = 0, /* spans are collected; the timer may say when they go */
    OTLP_FINDING,     /* the collector's name is being looked up */
    OTLP_DIALING,
    OTLP_SENDING, /* a batch is out: its answer is awaited */
    OTLP_PAUSED,  /* before it is sent again */
} otlp_state;

/* Spans, with commas between them. */
typedef struct batch {
    nrt__buf text;
    size_t count;
} batch;

struct nrt__otlp {
    nrt_conn *conn;
    nrt__target target;
    nrt__buf head;   /* of the request, up to the value of Content-Length */
    nrt__buf before; /* of its body: what stands before the spans */
    batch filling;
    batch sending;
    size_t mark; /* where the span begins that is being added */
    nrt__dial dial;
    nrt__stream stream;
    nrt__h1_reader reader;
    nrt__message response;
    nrt__buf answer;  /* body of the response */
    nrt__timer timer; /* of the state */
    otlp_state state;
    unsigned tries;   /* that failed, of this batch */
    unsigned interim; /* 1xx responses */
    bool kept;        /* the connection has answered before */
    bool heard;       /* bytes of this answer have come */
    nrt__log_gate trouble;
    nrt__otlp_counts counts;
    uint64_t told; /* of those dropped, in the log */
    bool finishing;
    nrt__timer limit;
    void (*done)(void *arg);
    void *done_arg;
};

const char *nrt__otlp_loss_name(nrt__otlp_loss loss) {
    switch (loss) {
    case NRT__OTLP_QUEUE_FULL:
        return "queue_full";
    case NRT__OTLP_UNAVAILABLE:
        return "unavailable";
    case NRT__OTLP_REJECTED:
        return "rejected";
    case NRT__OTLP_LOSSES:
        break;
    }
    return "";
}

static nrt__loop *loop_of(nrt__otlp *otlp) {
    return nrt__conn_loop(otlp->conn);
}

static void set_timer(nrt__otlp *otlp, int64_t delay_ms, nrt__timer_fn fn) {
    nrt__loop *loop = loop_of(otlp);
    nrt__timer_set(&loop->timers, &otlp->timer, loop->env.now_ms + delay_ms, fn, otlp);
}

static void hang_up(nrt__otlp *otlp) {
    nrt__dial_cancel(&otlp->dial);
    nrt__stream_close(&otlp->stream);
    otlp->kept = false;
}

/* Now and then, with how many were lost since the last time. */
static void tell(nrt__otlp *otlp, const char *reason) {
    nrt__env *env = &loop_of(otlp)->env;
    uint64_t count;
    if (!nrt__log_due(env, &otlp->trouble, &count)) {
        return;
    }
    char losses[96] = "trying again";
    uint64_t lost = 0;
    for (size_t i = 0; i < NRT__OTLP_LOSSES; i++) {
        lost += otlp->counts.dropped[i];
    }
    if (lost > otlp->told) {
        snprintf(losses, sizeof(losses), "%llu spans are lost, requests go on",
                 (unsigned long long)(lost - otlp->told));
    }
    nrt__log(env, NRT_LOG_WARN, "traces do not get through to %s: %s; %s", otlp->target.text,
             reason, losses);
    otlp->told = lost;
}

/* ---- batches ---- */

static void begin_try(nrt__otlp *otlp);

static void check_finished(nrt__otlp *otlp) {
    if (otlp->finishing && otlp->done && otlp->state == OTLP_AT_REST && otlp->filling.count == 0) {
        void (*done)(void *) = otlp->done;
        otlp->done = NULL;
        nrt__timer_clear(&loop_of(otlp)->timers, &otlp->limit);
        done(otlp->done_arg);
    }
}

/* At rest, with something to send. */
static void send_batch(nrt__otlp *otlp) {
    batch empty = otlp->sending;
    otlp->sending = otlp->filling;
    otlp->filling = empty;
    otlp->tries = 0;
    begin_try(otlp);
}

static void on_due(nrt__timer *timer, void *arg) {
    nrt__otlp *otlp = arg;
    (void)timer;
    send_batch(otlp);
}

/* Spans have come, or a batch is over: when does the next one go? */
static void settle(nrt__otlp *otlp) {
    if (otlp->state != OTLP_AT_REST || otlp->filling.count == 0) {
        return;
    }
    bool full = otlp->filling.count >= BATCH_SPANS || otlp->finishing;
    if (full || !nrt__timer_is_set(&otlp->timer)) {
        set_timer(otlp, full ? 0 : DELAY_MS, on_due);
    }
}

/* The batch is done with: taken, or dropped. */
static void batch_over(nrt__otlp *otlp) {
    nrt__timer_clear(&loop_of(otlp)->timers, &otlp->timer);
    otlp->state = OTLP_AT_REST;
    otlp->sending.count = 0;
    nrt__buf_shrink(&otlp->sending.text, BATCH_KEEP);
    settle(otlp);
    check_finished(otlp);
}

static void drop(nrt__otlp *otlp, nrt__otlp_loss why, size_t count, const char *reason) {
    otlp->counts.dropped[why] += count;
    tell(otlp, reason);
}

static void on_pause_over(nrt__timer *timer, void *arg) {
    (void)timer;
    begin_try(arg);
}

/* It did not work out; the collector may have said how long to wait: negative, if not. */
static void try_failed(nrt__otlp *otlp, int64_t wait_ms, const char *format, ...) NRT_PRINTF(3, 4);

static void try_failed(nrt__otlp *otlp, int64_t wait_ms, const char *format, ...) {
    char reason[256];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    nrt__env *env = &loop_of(otlp)->env;
    int64_t pause = PAUSE_MS << otlp->tries;
    hang_up(otlp);
    otlp->tries++;
    if (otlp->tries >= TRIES || otlp->finishing) {
        drop(otlp, NRT__OTLP_UNAVAILABLE, otlp->sending.count, reason);
        batch_over(otlp);
        return;
    }
    tell(otlp, reason);
    if (wait_ms < 0) { /* many that lost the same collector do not come back at once */
        wait_ms = pause / 2 + nrt__random_below(env, (uint32_t)pause);
    }
    otlp->state = OTLP_PAUSED;
    set_timer(otlp, wait_ms < PAUSE_MAX_MS ? wait_ms : PAUSE_MAX_MS, on_pause_over);
}

static void on_timeout(nrt__timer *timer, void *arg) {
    nrt__otlp *otlp = arg;
    (void)timer;
    if (otlp->state == OTLP_DIALING) {
        nrt__dial_time_out(&otlp->dial);
    }
    try_failed(otlp, -1, "%s within %d s",
               otlp->state == OTLP_FINDING   ? "its name could not be looked up"
               : otlp->state == OTLP_DIALING ? "no connection"
                                             : "no answer",
               TIMEOUT_MS / 1000);
}

/* ---- the answer ---- */

/* RFC 9110 section 10.2.3; negative where it says nothing. */
static int64_t retry_after_ms(const nrt__message *response) {
    nrt_str text = nrt_fields_get(&response->fields, "Retry-After");
    int64_t now = (int64_t)time(NULL);
    int64_t at;
    uint64_t seconds;
    if (nrt__str_to_u64(text, 86400, &seconds)) {
        return (int64_t)seconds * 1000;
    }
    if (text.ptr && nrt__http_date_read(text, now, &at)) {
        return at > now ? (at - now) * 1000 : 0;
    }
    return -1;
}

/* Of a batch that was taken, how many spans were not: {"partialSuccess":{"rejectedSpans":"5"}}. */
static size_t rejected(const nrt__otlp *otlp, char *reason, size_t size) {
    nrt_str text = nrt__buf_view(&otlp->answer);
    json_t *root = json_loadb(text.ptr, text.len, 0, NULL);
    json_t *part = json_object_get(root, "partialSuccess");
    json_t *number = json_object_get(part, "rejectedSpans");
    const char *digits = json_string_value(number);
    const char *message = json_string_value(json_object_get(part, "errorMessage"));
    uint64_t count = 0;
    if (json_is_integer(number)) {
        count = json_integer_value(number) > 0 ? (uint64_t)json_integer_value(number) : 0;
    } else if (digits && !nrt__str_to_u64(nrt_str_from(digits), UINT32_MAX, &count)) {
        count = 0;
    }
    snprintf(reason, size, "it rejects spans: %s", message ? message : "it does not say why");
    json_decref(root);
    return count < otlp->sending.count ? (size_t)count : otlp->sending.count;
}

static void answered(nrt__otlp *otlp) {
    char reason[256];
    int status = otlp->response.status;
    if (!otlp->response.keep_alive || otlp->reader.to_close) {
        hang_up(otlp);
    } else {
        otlp->kept = true;
    }
    if (status < 300) {
        size_t lost = rejected(otlp, reason, sizeof(reason));
        otlp->counts.exported += otlp->sending.count - lost;
        if (lost > 0) {
            drop(otlp, NRT__OTLP_REJECTED, lost, reason);
        }
        batch_over(otlp);
    } else if (status == 429 || (status >= 502 && status <= 504)) {
        try_failed(otlp, retry_after_ms(&otlp->response), "it answers %d", status);
    } else {
        snprintf(reason, sizeof(reason), "it answers %d", status);
        drop(otlp, NRT__OTLP_REJECTED, otlp->sending.count, reason);
        batch_over(otlp);
    }
}

/* Feeds what was read, as far as it belongs to the answer. */
static void feed(nrt__otlp *otlp, nrt_str bytes) {
    for (;;) {
        size_t used;
        nrt_str body;
        int event = nrt__h1_read(&otlp->reader, bytes.ptr, bytes.len, &used, &body);
        bytes.ptr += used;
        bytes.len -= used;
        if (event < 0) {
            try_failed(otlp, -1, "its answer is not valid: %s", otlp->reader.reason);
            return;
        }
        switch ((nrt__h1_event)event) {
        case NRT__H1_MORE:
            return;
        case NRT__H1_HEAD:
            if (otlp->response.status < 200 &&
                (otlp->response.status == 101 || ++otlp->interim > INTERIM_MAX)) {
                try_failed(otlp, -1, "its answer is not valid: %d", otlp->response.status);
                return;
            }
            break;
        case NRT__H1_BODY:
            if (!nrt__buf_put(&otlp->answer, body)) {
                nrt__buf_clear(&otlp->answer); /* its status has said what counts */
                otlp->response.keep_alive = false;
                answered(otlp);
                return;
            }
            break;
        case NRT__H1_END:
            if (otlp->response.status >= 200) {
                otlp->response.keep_alive = otlp->response.keep_alive && bytes.len == 0;
                answered(otlp);
                return;
            }
            nrt__h1_begin(&otlp->reader, &otlp->response, 0);
            break;
        }
    }
}

/* ---- the connection ---- */

/* One that was kept may have been closed while the request was on its way. */
static void broke_off(nrt__otlp *otlp, const char *reason) {
    if (otlp->kept && !otlp->heard) {
        hang_up(otlp);
        begin_try(otlp);
    } else {
        try_failed(otlp, -1, "%s", reason);
    }
}

static void on_readable(void *arg) {
    nrt__otlp *otlp = arg;
    char bytes[8 * 1024];
    ssize_t got = nrt__stream_read(&otlp->stream, bytes, sizeof(bytes));
    if (got == NRT__STREAM_AGAIN) {
        return;
    }
    if (otlp->state != OTLP_SENDING) { /* the end, or what nobody asked for */
        hang_up(otlp);
    } else if (got == NRT__STREAM_END) {
        if (otlp->heard && nrt__h1_read_end(&otlp->reader) == NRT__H1_END) {
            otlp->response.keep_alive = false;
            answered(otlp);
        } else {
            broke_off(otlp, "it closed the connection before its answer was complete");
        }
    } else if (got == NRT__STREAM_BROKEN) {
        broke_off(otlp, nrt__stream_reason(&otlp->stream));
    } else {
        otlp->heard = true;
        feed(otlp, (nrt_str){bytes, (size_t)got});
    }
}

static void on_drained(void *arg) {
    (void)arg;
}

/* It may have answered without reading: what it said is still to be read. */
static void on_broken(void *arg) {
    nrt__otlp *otlp = arg;
    if (nrt__stream_is_securing(&otlp->stream)) {
        try_failed(otlp, -1, "cannot connect: %s", nrt__stream_reason(&otlp->stream));
        return;
    }
    nrt__buf_clear(&otlp->stream.out);
}

/* Writes the request; the connection is there. */
static void ask(nrt__otlp *otlp) {
    nrt__buf *out = &otlp->stream.out;
    nrt_str spans = nrt__buf_view(&otlp->sending.text);
    nrt__buf end;
    nrt__buf_init(&end, 64);
    nrt__spans_end(&end);
    otlp->state = OTLP_SENDING;
    otlp->interim = 0;
    otlp->heard = false;
    nrt__buf_clear(&otlp->answer);
    nrt__h1_begin(&otlp->reader, &otlp->response, 0);
    nrt__buf_put(out, nrt__buf_view(&otlp->head));
    nrt__buf_u64(out, nrt__buf_len(&otlp->before) + spans.len + nrt__buf_len(&end));
    nrt__buf_lit(out, "\r\n\r\n");
    nrt__buf_put(out, nrt__buf_view(&otlp->before));
    nrt__buf_put(out, spans);
    nrt__buf_put(out, nrt__buf_view(&end));
    bool fine = !out->failed && !end.failed;
    nrt__buf_free(&end);
    if (fine) {
        nrt__stream_written(&otlp->stream);
    } else {
        try_failed(otlp, -1, "out of memory");
    }
}

static void on_secured(void *arg) {
    ask(arg);
}

static const nrt__stream_events stream_events = {
    .readable = on_readable,
    .drained = on_drained,
    .broken = on_broken,
    .secured = on_secured,
};

static void on_dialed(int fd, int code, void *arg) {
    nrt__otlp *otlp = arg;
    nrt__tls *tls = NULL;
    if (fd >= 0 && nrt__stream_open(&otlp->stream, loop_of(otlp), fd, &stream_events, otlp) < 0) {
        code = errno;
    }
    int secure = code == 0 ? nrt__target_secure(&otlp->target, fd, &tls) : 0;
    if (code != 0 || secure < 0) {
        try_failed(otlp, -1, "cannot connect: %s",
                   secure < 0 ? nrt_error_text(secure) : strerror(code));
    } else if (secure) {
        nrt__stream_secure(&otlp->stream, tls);
    } else {
        ask(otlp);
    }
}

static void dial(nrt__otlp *otlp) {
    otlp->state = OTLP_DIALING;
    if (nrt__dial_start(&otlp->dial, &otlp->target, on_dialed, otlp) < 0) {
        try_failed(otlp, -1, "cannot connect: %s", strerror(errno));
    }
}

static void on_found(const char *reason, void *arg) {
    nrt__otlp *otlp = arg;
    if (otlp->state != OTLP_FINDING) { /* too late for its try */
        return;
    }
    if (reason) {
        try_failed(otlp, -1, "its name cannot be looked up: %s", reason);
    } else {
        dial(otlp);
    }
}

static void begin_try(nrt__otlp *otlp) {
    set_timer(otlp, TIMEOUT_MS, on_timeout);
    if (nrt__stream_is_open(&otlp->stream)) {
        ask(otlp);
        return;
    }
    otlp->state = OTLP_FINDING;
    int found = nrt__target_find(&otlp->target, on_found, otlp);
    if (found > 0) {
        dial(otlp);
    } else if (found < 0) {
        try_failed(otlp, -1, "no thread for looking up its name");
    }
}

/* ---- adding ---- */

nrt__buf *nrt__otlp_begin(nrt__otlp *otlp) {
    batch *into = &otlp->filling;
    if (otlp->finishing || into->count >= QUEUE_SPANS ||
        nrt__buf_len(&into->text) > QUEUE_BYTES - SPAN_MAX) {
        drop(otlp, NRT__OTLP_QUEUE_FULL, 1, "it does not take them as fast as they come");
        return NULL;
    }
    otlp->mark = nrt__buf_len(&into->text);
    return &into->text;
}

void nrt__otlp_end(nrt__otlp *otlp) {
    nrt__buf *text = &otlp->filling.text;
    if (text->failed) { /* half a span is none */
        text->end = text->start + otlp->mark;
        text->failed = false;
        drop(otlp, NRT__OTLP_QUEUE_FULL, 1, "out of memory");
        return;
    }
    otlp->filling.count++;
    settle(otlp);
}

const nrt__otlp_counts *nrt__otlp_counted(const nrt__otlp *otlp) {
    return &otlp->counts;
}

/* ---- opened and closed ---- */

static bool write_head(nrt__otlp *otlp, nrt_str fields) {
    const nrt__target *target = &otlp->target;
    const char *path = *target->base ? target->base : target->host ? "/" : "/v1/traces";
    nrt__buf_printf(&otlp->head, "POST %s HTTP/1.1\r\nHost: %s", path,
                    target->host ? target->host : "localhost");
    if (target->host) {
        nrt__buf_printf(&otlp->head, ":%u", target->port);
    }
    nrt__buf_lit(&otlp->head, "\r\nUser-Agent: nrt/" NRT_VERSION_STRING
                              "\r\nContent-Type: application/json\r\n");
    nrt__buf_put(&otlp->head, fields);
    nrt__buf_lit(&otlp->head, "Content-Length: ");
    return !otlp->head.failed;
}

nrt__otlp *nrt__otlp_open(nrt_conn *conn, const char *url, nrt_str fields, nrt_str resource,
                          int *error, char *detail, size_t detail_size) {
    const nrt__h1_limits limits = {
        .head = HEAD_MAX, .fields = 100, .target = 1024, .extension = 1024};
    /* As a browser would; there is an environment variable of OpenSSL's for other CAs. */
    const nrt__target_tls tls = {.files = {.ca_option = "SSL_CERT_FILE"}};
    nrt__otlp *otlp = calloc(1, sizeof(*otlp));
    *error = NRT_ERR_MEMORY;
    snprintf(detail, detail_size, "%s", nrt_error_text(NRT_ERR_MEMORY));
    if (!otlp) {
        return NULL;
    }
    otlp->conn = conn;
    nrt__buf_init(&otlp->head, HEAD_MAX);
    nrt__buf_init(&otlp->before, HEAD_MAX);
    nrt__buf_init(&otlp->filling.text, QUEUE_BYTES);
    nrt__buf_init(&otlp->sending.text, QUEUE_BYTES);
    nrt__buf_init(&otlp->answer, BODY_MAX);
    nrt__h1_reader_init(&otlp->reader, &limits);
    nrt__message_init(&otlp->response, false);
    nrt__buf_put(&otlp->before, resource);
    *error = nrt__target_init(&otlp->target, conn, url, &tls, detail, detail_size);
    if (*error == 0 && (otlp->before.failed || !write_head(otlp, fields))) {
        *error = NRT_ERR_MEMORY;
    }
    if (*error < 0) {
        nrt__otlp_destroy(otlp);
        return NULL;
    }
    return otlp;
}

/* What is not out by now never goes. */
static void on_limit(nrt__timer *timer, void *arg) {
    nrt__otlp *otlp = arg;
    (void)timer;
    hang_up(otlp);
    drop(otlp, NRT__OTLP_UNAVAILABLE, otlp->sending.count + otlp->filling.count,
         "it is too slow for the end of the program");
    otlp->filling.count = 0;
    batch_over(otlp);
}

void nrt__otlp_finish(nrt__otlp *otlp, uint32_t limit_ms, void (*done)(void *arg), void *arg) {
    nrt__loop *loop = loop_of(otlp);
    nrt__loop_enter(loop);
    otlp->finishing = true;
    otlp->done = done;
    otlp->done_arg = arg;
    nrt__timer_set(&loop->timers, &otlp->limit, loop->env.now_ms + limit_ms, on_limit, otlp);
    if (otlp->state == OTLP_PAUSED) {
        begin_try(otlp);
    }
    settle(otlp);
    check_finished(otlp);
    nrt__loop_leave(loop);
}

void nrt__otlp_destroy(nrt__otlp *otlp) {
    if (!otlp) {
        return;
    }
    nrt__timer_clear(&loop_of(otlp)->timers, &otlp->timer);
    nrt__timer_clear(&loop_of(otlp)->timers, &otlp->limit);
    hang_up(otlp);
    nrt__h1_reader_free(&otlp->reader);
    nrt__message_free(&otlp->response);
    nrt__buf_free(&otlp->head);
    nrt__buf_free(&otlp->before);
    nrt__buf_free(&otlp->filling.text);
    nrt__buf_free(&otlp->sending.text);
    nrt__buf_free(&otlp->answer);
    nrt__target_finish(&otlp->target);
    free(otlp);
}
