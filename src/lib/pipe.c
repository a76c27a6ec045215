/* The bodies of one exchange between the thread that handles it and the connection's. */
#include "lib/pipe.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/str.h"

enum {
    OUT_MAX = 256 * 1024,
    CREDIT_STEP = 4 * 1024, /* what was read is told in steps, or when all was */
};

struct nrt__pipe {
    nrt__post post; /* one at a time is on its way to the connection's thread */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    nrt__postbox *box;
    nrt_exchange *exchange;
    nrt_str whole;   /* what is not read of a request that was all there */
    nrt__buf in;     /* of the request: come, and not read */
    nrt__buf out;    /* of the response: written, and not sent */
    size_t taken;    /* read, and the client was not given credit for it */
    nrt__pipe_fn fn; /* is waited for */
    void *fn_arg;
    int fn_result;
    int error; /* why nothing moves any more */
    bool in_ended;
    bool posted;
    bool ended; /* with the next post */
};

void nrt__pipe_destroy(nrt__pipe *pipe) {
    if (pipe) {
        nrt__buf_free(&pipe->in);
        nrt__buf_free(&pipe->out);
        pthread_cond_destroy(&pipe->changed);
        pthread_mutex_destroy(&pipe->lock);
        nrt__postbox_release(pipe->box);
        free(pipe);
    }
}

static void fail(nrt__pipe *pipe, int error) {
    pipe->error = pipe->error < 0 ? pipe->error : error;
    pthread_cond_broadcast(&pipe->changed);
}

/* ---- on the connection's thread ---- */

/* What was written, first before the response began, then after it. 1 once nothing is left. */
static int send_out(nrt__pipe *pipe) {
    int done = nrt__exchange_flush(pipe->exchange);
    if (done == 1 && nrt__buf_len(&pipe->out) > 0) {
        size_t sent;
        int error = nrt__exchange_send(pipe->exchange, nrt__buf_view(&pipe->out), &sent);
        nrt__buf_consume(&pipe->out, sent);
        done = error < 0 ? error : nrt__buf_len(&pipe->out) == 0;
    }
    return done;
}

/* What can move, moves. */
static void pump(nrt__pipe *pipe) {
    int done = pipe->exchange->started ? send_out(pipe) : 1;
    nrt__exchange_take(pipe->exchange, pipe->taken);
    pipe->taken = 0;
    if (done == 1 && pipe->fn) {
        pipe->fn_result = pipe->fn(pipe->exchange, pipe->fn_arg);
        if (pipe->fn_result != NRT_ERR_BUSY) { /* then again, when there is room */
            pipe->fn = NULL;
        }
    }
    if (done < 0) {
        fail(pipe, done);
    }
    pthread_cond_broadcast(&pipe->changed);
}

static void locked_pump(nrt__pipe *pipe) {
    pthread_mutex_lock(&pipe->lock);
    if (pipe->exchange->service && pipe->error == 0) {
        pump(pipe);
    }
    pthread_mutex_unlock(&pipe->lock);
}

/* From here on the exchange is the connection's alone. */
static void take_back(nrt__pipe *pipe) {
    nrt_exchange *exchange = pipe->exchange;
    exchange->body.max = SIZE_MAX / 2; /* it holds the rest of a stream, which has no such limit */
    if (exchange->failed == 0 && !nrt__buf_put(&exchange->body, nrt__buf_view(&pipe->out))) {
        exchange->failed = NRT_ERR_MEMORY;
    }
    nrt__exchange_stream(exchange, NULL, NULL);
    exchange->pipe = NULL;
    nrt__pipe_destroy(pipe);
    nrt__postbox_release(exchange->owner);
    nrt__exchange_finish(exchange);
}

static void on_post(nrt_conn *conn, nrt__post *post) {
    nrt__pipe *pipe = (nrt__pipe *)post;
    (void)conn;
    pthread_mutex_lock(&pipe->lock);
    pipe->posted = false;
    bool ended = pipe->ended;
    pthread_mutex_unlock(&pipe->lock);
    locked_pump(pipe);
    if (ended) {
        take_back(pipe);
    }
}

/* The connection is gone. */
static void on_dropped(nrt__post *post) {
    nrt__pipe *pipe = (nrt__pipe *)post;
    pthread_mutex_lock(&pipe->lock);
    pipe->posted = false;
    bool ended = pipe->ended;
    fail(pipe, NRT_ERR_CANCELED);
    pthread_mutex_unlock(&pipe->lock);
    if (ended) {
        take_back(pipe);
    }
}

static void on_data(nrt_exchange *exchange, nrt_str bytes, void *arg) {
    nrt__pipe *pipe = arg;
    (void)exchange;
    pthread_mutex_lock(&pipe->lock);
    if (!nrt__buf_put(&pipe->in, bytes)) {
        fail(pipe, NRT_ERR_MEMORY);
    }
    pthread_cond_broadcast(&pipe->changed);
    pthread_mutex_unlock(&pipe->lock);
}

static void on_end(nrt_exchange *exchange, const nrt_fields *trailers, void *arg) {
    nrt__pipe *pipe = arg;
    pthread_mutex_lock(&pipe->lock);
    if (!nrt__fields_copy(&exchange->request.message.trailers, trailers)) {
        fail(pipe, NRT_ERR_MEMORY);
    }
    pipe->in_ended = true;
    pthread_cond_broadcast(&pipe->changed);
    pthread_mutex_unlock(&pipe->lock);
}

static void on_writable(nrt_exchange *exchange, void *arg) {
    (void)exchange;
    locked_pump(arg);
}

static void on_canceled(nrt_exchange *exchange, void *arg) {
    nrt__pipe *pipe = arg;
    (void)exchange;
    pthread_mutex_lock(&pipe->lock);
    fail(pipe, NRT_ERR_CANCELED);
    pthread_mutex_unlock(&pipe->lock);
}

static const nrt_exchange_events pipe_events = {
    .size = sizeof(nrt_exchange_events),
    .hold = true,
    .data = on_data,
    .end = on_end,
    .writable = on_writable,
    .canceled = on_canceled,
};

/* Timeouts are to be of time that passes, whatever is done to the date. */
static bool init_sync(nrt__pipe *pipe) {
    pthread_condattr_t clock;
    if (pthread_condattr_init(&clock) != 0) {
        return false;
    }
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    bool fine = pthread_cond_init(&pipe->changed, &clock) == 0;
    pthread_condattr_destroy(&clock);
    pthread_mutex_init(&pipe->lock, NULL);
    return fine;
}

nrt__pipe *nrt__pipe_create(nrt_exchange *exchange, nrt__postbox *box) {
    nrt__pipe *pipe = calloc(1, sizeof(*pipe));
    if (!pipe || !init_sync(pipe)) {
        free(pipe);
        return NULL;
    }
    pipe->post.run = on_post;
    pipe->post.drop = on_dropped;
    pipe->box = nrt__postbox_hold(box);
    pipe->exchange = exchange;
    pipe->in_ended = nrt__exchange_has_all(exchange);
    pipe->whole = exchange->request.message.body; /* nothing, where it comes in pieces */
    nrt__buf_init(&pipe->in, 2 * NRT__WINDOW_MAX);
    nrt__buf_init(&pipe->out, OUT_MAX);
    nrt__exchange_stream(exchange, &pipe_events, pipe);
    return pipe;
}

/* ---- on the thread that has the exchange ---- */

/* Asks for a pump; the lock is held. */
static void ask(nrt__pipe *pipe) {
    if (pipe->posted) {
        return;
    }
    pipe->posted = true;
    pthread_mutex_unlock(&pipe->lock);
    nrt__postbox_put(pipe->box, &pipe->post); /* may drop it at once, which takes the lock */
    pthread_mutex_lock(&pipe->lock);
}

int nrt__pipe_do(nrt__pipe *pipe, nrt__pipe_fn fn, void *arg) {
    pthread_mutex_lock(&pipe->lock);
    if (pipe->error == 0) {
        pipe->fn = fn;
        pipe->fn_arg = arg;
        ask(pipe);
    }
    while (pipe->fn && pipe->error == 0) {
        pthread_cond_wait(&pipe->changed, &pipe->lock);
    }
    int error = pipe->error < 0 ? pipe->error : pipe->fn_result;
    pipe->fn = NULL;
    pthread_mutex_unlock(&pipe->lock);
    return error;
}

int nrt__pipe_write(nrt__pipe *pipe, nrt_str bytes) {
    pthread_mutex_lock(&pipe->lock);
    while (bytes.len > 0 && pipe->error == 0) {
        size_t room = OUT_MAX - nrt__buf_len(&pipe->out);
        if (room == 0) {
            pthread_cond_wait(&pipe->changed, &pipe->lock);
            continue;
        }
        size_t len = bytes.len < room ? bytes.len : room;
        if (!nrt__buf_put(&pipe->out, (nrt_str){bytes.ptr, len})) {
            fail(pipe, NRT_ERR_MEMORY);
            break;
        }
        bytes.ptr += len;
        bytes.len -= len;
        ask(pipe);
    }
    int error = pipe->error;
    pthread_mutex_unlock(&pipe->lock);
    return error;
}

static struct timespec deadline_after(int timeout_ms) {
    struct timespec at = {0};
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (at.tv_nsec >= 1000000000L) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000L;
    }
    return at;
}

/* Until there is something to be told; the lock is held. 0 or NRT_ERR_TIMEOUT. */
static int wait_for_bytes(nrt__pipe *pipe, int timeout_ms) {
    struct timespec until = deadline_after(timeout_ms > 0 ? timeout_ms : 0);
    while (nrt__buf_len(&pipe->in) == 0 && !pipe->in_ended && pipe->error == 0) {
        if (timeout_ms < 0) {
            pthread_cond_wait(&pipe->changed, &pipe->lock);
        } else if (pthread_cond_timedwait(&pipe->changed, &pipe->lock, &until) != 0) {
            return NRT_ERR_TIMEOUT;
        }
    }
    return 0;
}

static size_t take_bytes(nrt__pipe *pipe, void *to, size_t size) {
    nrt_str view = pipe->whole.len > 0 ? pipe->whole : nrt__buf_view(&pipe->in);
    size_t len = view.len < size ? view.len : size;
    if (len == 0) {
        return 0;
    }
    memcpy(to, view.ptr, len);
    if (pipe->whole.len > 0) {
        pipe->whole.ptr += len;
        pipe->whole.len -= len;
        return len;
    }
    nrt__buf_consume(&pipe->in, len);
    pipe->taken += len;
    if (!pipe->in_ended && (pipe->taken >= CREDIT_STEP || nrt__buf_len(&pipe->in) == 0)) {
        ask(pipe);
    }
    return len;
}

int nrt__pipe_read(nrt__pipe *pipe, void *to, size_t size, int timeout_ms, size_t *got) {
    pthread_mutex_lock(&pipe->lock);
    int error = wait_for_bytes(pipe, timeout_ms);
    error = pipe->error < 0 ? pipe->error : error;
    *got = error == 0 ? take_bytes(pipe, to, size) : 0;
    pthread_mutex_unlock(&pipe->lock);
    return error;
}

bool nrt__pipe_has_all(nrt__pipe *pipe) {
    pthread_mutex_lock(&pipe->lock);
    bool all = pipe->in_ended;
    pthread_mutex_unlock(&pipe->lock);
    return all;
}

void nrt__pipe_end(nrt__pipe *pipe) {
    nrt__postbox *box = nrt__postbox_hold(pipe->box); /* the pipe may be gone at once */
    pthread_mutex_lock(&pipe->lock);
    bool posted = pipe->posted;
    pipe->posted = pipe->ended = true;
    pthread_mutex_unlock(&pipe->lock);
    if (!posted) {
        nrt__postbox_put(box, &pipe->post);
    }
    nrt__postbox_release(box);
}
