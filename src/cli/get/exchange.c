/* One request of `nrt get`, as it happens: the body goes out as it is read, and what comes is
 * printed when it comes. The reader of our output holds up the service, and nothing else. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/get/get.h"
#include "core/base/str.h"
#include "lib/conn_private.h"

enum {
    PATIENCE_MS = 100, /* a body of unknown length may still end */
    EXPECT_MS = 1000,  /* then it goes unasked, as curl has it */
    PROGRESS_MS = 200,
};

static nrt_conn *conn_of(const nrt__get_exchange *exchange) {
    return exchange->program->conn;
}

static nrt__loop *loop_of(const nrt__get_exchange *exchange) {
    return nrt__conn_loop(conn_of(exchange));
}

double nrt__get_now_s(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Something is wrong on our side: the service is told that nobody waits. */
static void stop(nrt__get_exchange *exchange, int code) {
    exchange->code = exchange->code ? exchange->code : code;
    if (!exchange->closed && exchange->id != 0) {
        (void)nrt_cancel(conn_of(exchange), exchange->id);
    }
}

/* ---- before it begins ---- */

static void watch_source(nrt__get_exchange *exchange, nrt__io_fn fn) {
    nrt__source *source = exchange->source;
    exchange->source_watched =
        !source->ready && nrt__io_open(loop_of(exchange), &exchange->source_io, source->fd,
                                       NRT_IO_READ, fn, exchange) == 0;
    source->ready = !exchange->source_watched; /* /dev/null and its like */
}

static void unwatch_source(nrt__get_exchange *exchange) {
    if (exchange->source_watched) {
        nrt__io_close(&exchange->source_io);
        exchange->source_watched = false;
    }
}

static void read_source(nrt__get_exchange *exchange) {
    int code = nrt__source_read(exchange->source, exchange->why, exchange->why_size);
    if (code != 0) {
        stop(exchange, code);
    }
}

static void on_collectable(void *arg, unsigned events) {
    (void)events;
    read_source(arg);
}

static bool is_collected(const nrt__get_exchange *exchange) {
    const nrt__source *source = exchange->source;
    return source->ended || exchange->code != 0 || *exchange->signal != 0 ||
           nrt__buf_len(&source->held) > NRT__SOURCE_COLLECT;
}

int nrt__get_collect(nrt__get_exchange *exchange, bool all) {
    nrt__source *source = exchange->source;
    double until = nrt__get_now_s() + PATIENCE_MS / 1e3;
    int error = 0;
    if (source->length > NRT__SOURCE_COLLECT) {
        return 0; /* in pieces, in any case */
    }
    watch_source(exchange, on_collectable);
    while (!is_collected(exchange) && error >= 0) {
        if (!exchange->source_watched) {
            read_source(exchange);
            continue;
        }
        double left = until - nrt__get_now_s();
        if (!all && left <= 0) {
            break;
        }
        error = nrt_conn_dispatch(conn_of(exchange), all ? -1 : (int)(left * 1e3) + 1);
    }
    unwatch_source(exchange);
    return exchange->code;
}

/* ---- what is sent ---- */

/* The end of the body, once. */
static void end_body(nrt__get_exchange *exchange) {
    exchange->body_ended = true;
    unwatch_source(exchange);
    int error = nrt_stream_end(conn_of(exchange), exchange->id, NULL);
    if (error < 0 && error != NRT_ERR_STATE) {
        (void)snprintf(exchange->why, exchange->why_size, "the body: %s", nrt_error_text(error));
        stop(exchange, NRT__EXIT_FAILED);
    }
}

/* What was read goes on its way; false where there is no room for more. */
static bool send_held(nrt__get_exchange *exchange) {
    nrt__source *source = exchange->source;
    nrt_str held = nrt__buf_view(&source->held);
    size_t sent = 0;
    if (held.len == 0) {
        return true;
    }
    int error = nrt_stream_write(conn_of(exchange), exchange->id, held, &sent);
    nrt__source_sent(source, sent);
    exchange->uploaded += sent;
    if (error == NRT_ERR_STATE) { /* no more is wanted: the response says why */
        exchange->body_ended = true;
        unwatch_source(exchange);
    } else if (error < 0) {
        (void)snprintf(exchange->why, exchange->why_size, "the body: %s", nrt_error_text(error));
        stop(exchange, NRT__EXIT_FAILED);
    }
    return sent == held.len;
}

static void feed(nrt__get_exchange *exchange) {
    nrt__source *source = exchange->source;
    while (!exchange->waits && !exchange->body_ended && !exchange->closed && exchange->code == 0) {
        bool room = send_held(exchange);
        if (exchange->source_watched) {
            nrt__io_set(&exchange->source_io, room && !source->ended ? NRT_IO_READ : 0);
        }
        if (!room || exchange->body_ended) {
            return; /* on_writable goes on */
        }
        if (source->ended) {
            end_body(exchange);
        } else if (exchange->source_watched) {
            return; /* on_readable goes on */
        } else {
            read_source(exchange);
        }
    }
}

static void on_readable(void *arg, unsigned events) {
    nrt__get_exchange *exchange = arg;
    (void)events;
    if (exchange->source_io.events == 0) { /* the other end has gone: what is left is all there */
        unwatch_source(exchange);
        exchange->source->ready = true;
        return;
    }
    read_source(exchange);
    feed(exchange);
}

static void on_writable(void *arg) {
    nrt__get_exchange *exchange = arg;
    if (exchange->streams) {
        feed(exchange);
    }
}

static void stop_waiting(nrt__get_exchange *exchange) {
    if (exchange->waits) {
        nrt__timer_clear(&loop_of(exchange)->timers, &exchange->expect);
        exchange->waits = false;
        feed(exchange);
    }
}

static void on_expect_timer(nrt__timer *timer, void *arg) {
    (void)timer;
    stop_waiting(arg);
}

/* ---- what comes ---- */

static void on_interim(const nrt_response *response, void *arg) {
    nrt__get_exchange *exchange = arg;
    if (exchange->options->common.verbose) {
        nrt__get_show_response(response);
    }
    if (nrt_response_status(response) == 100) {
        stop_waiting(exchange);
    }
}

static uint64_t length_of(const nrt_response *response) {
    const nrt__message *message = &response->message;
    return message->has_length ? message->length : message->body.len;
}

static void on_head(const nrt_response *response, void *arg) {
    nrt__get_exchange *exchange = arg;
    exchange->response = nrt_response_copy(response);
    if (!exchange->response) {
        (void)snprintf(exchange->why, exchange->why_size, "out of memory");
        stop(exchange, NRT__EXIT_FAILED);
        return;
    }
    if (exchange->options->common.verbose) {
        nrt__get_show_response(response);
    }
    exchange->wish = exchange->on_head(response, exchange->arg);
    if (exchange->wish == NRT__GET_LEAVE || exchange->code != 0) {
        stop(exchange, exchange->code);
        return;
    }
    nrt__progress_begin(exchange->progress, "received", length_of(response), nrt__get_now_s());
}

/* Credit for what has been written. */
static void on_moved(void *arg) {
    nrt__get_exchange *exchange = arg;
    size_t left = nrt__get_output_left(exchange->output);
    int code = nrt__get_output_check(exchange->output, exchange->why, exchange->why_size);
    if (code != 0) {
        stop(exchange, code);
        return;
    }
    left = left < exchange->held ? left : exchange->held;
    if (exchange->held > left && !exchange->closed) {
        (void)nrt_stream_consume(conn_of(exchange), exchange->id, exchange->held - left);
    }
    exchange->held = left;
}

static void on_data(nrt_str bytes, void *arg) {
    nrt__get_exchange *exchange = arg;
    if (exchange->code != 0 || exchange->wish == NRT__GET_LEAVE) {
        return;
    }
    exchange->held += bytes.len;
    if (exchange->wish == NRT__GET_PRINT) {
        exchange->downloaded += bytes.len;
        int code =
            nrt__get_output_write(exchange->output, bytes, exchange->why, exchange->why_size);
        if (code != 0) {
            stop(exchange, code);
            return;
        }
    }
    on_moved(exchange);
}

static void on_end(const nrt_fields *trailers, void *arg) {
    const nrt__get_exchange *exchange = arg;
    if (exchange->options->common.verbose) {
        nrt__get_show_trailers(trailers);
    }
}

/* nrt_conn_error says why, as it does for nrt_do. */
static void on_closed(const nrt_result *result, void *arg) {
    nrt__get_exchange *exchange = arg;
    exchange->closed = true;
    exchange->error = exchange->wish == NRT__GET_LEAVE ? 0 : result->error;
    if (result->error < 0) {
        (void)nrt__conn_fail(conn_of(exchange), result->error, result->detail);
    }
    unwatch_source(exchange);
}

static const nrt_stream_events events = {
    .size = sizeof(nrt_stream_events),
    .interim = on_interim,
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .writable = on_writable,
    .closed = on_closed,
};

/* ---- all of it ---- */

static void on_progress(nrt__timer *timer, void *arg) {
    nrt__get_exchange *exchange = arg;
    uint64_t done = exchange->response ? exchange->downloaded : exchange->uploaded;
    nrt__progress_show(exchange->progress, done, nrt__get_now_s());
    nrt__timer_set(&loop_of(exchange)->timers, timer, loop_of(exchange)->env.now_ms + PROGRESS_MS,
                   on_progress, exchange);
}

static int begin(nrt__get_exchange *exchange, const nrt_request *request) {
    nrt_stream_options options;
    nrt_stream_options_init(&options);
    options.hold = true;
    options.long_poll = exchange->options->long_poll;
    options.body_follows = exchange->streams;
    options.length = exchange->streams ? exchange->source->length : -1;
    int error =
        nrt_stream_open(conn_of(exchange), request, &options, &events, exchange, &exchange->id);
    if (error < 0 || !exchange->streams) {
        return error;
    }
    nrt__loop *loop = loop_of(exchange);
    uint64_t total = exchange->source->length >= 0 ? (uint64_t)exchange->source->length : 0;
    nrt__progress_begin(exchange->progress, "sent", total, nrt__get_now_s());
    exchange->waits = nrt_fields_get(nrt_request_fields(request), "Expect").ptr != NULL;
    if (exchange->waits) {
        nrt__timer_set(&loop->timers, &exchange->expect, loop->env.now_ms + EXPECT_MS,
                       on_expect_timer, exchange);
    }
    watch_source(exchange, on_readable);
    if (exchange->source_watched) {
        nrt__io_set(&exchange->source_io, 0); /* until there is room for it */
    }
    return 0;
}

/* All that came is printed, or cannot be. */
static bool is_done(const nrt__get_exchange *exchange) {
    bool printed = nrt__get_output_left(exchange->output) == 0;
    return exchange->closed && (printed || exchange->code != 0 || *exchange->signal != 0);
}

int nrt__get_exchange_run(nrt__get_exchange *exchange, const nrt_request *request) {
    nrt__loop *loop = loop_of(exchange);
    const nrt__source *source = exchange->source;
    exchange->streams = source && !source->ended;
    exchange->output->loop = loop;
    exchange->output->moved = on_moved;
    exchange->output->moved_arg = exchange;
    int error = begin(exchange, request);
    if (error < 0) {
        return error;
    }
    on_progress(&exchange->timer, exchange);
    while (!is_done(exchange) && error >= 0) {
        error = nrt_conn_dispatch(conn_of(exchange), -1);
        if (*exchange->signal != 0) {
            stop(exchange, 0);
        }
    }
    nrt__progress_end(exchange->progress);
    nrt__timer_clear(&loop->timers, &exchange->timer);
    nrt__timer_clear(&loop->timers, &exchange->expect);
    unwatch_source(exchange);
    exchange->output->moved = NULL;
    if (exchange->code != 0) {
        return exchange->code;
    }
    return error < 0 ? error : exchange->error;
}
