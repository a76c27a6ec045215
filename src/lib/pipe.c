/* The bodies of one exchange between a worker and the connection's thread. */
#include "lib/pipe.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/str.h"

enum { OUT_MAX = 256 * 1024 };

struct nrt__pipe {
    nrt__post post; /* one at a time is on its way to the connection's thread */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    nrt__postbox *box;
    nrt_exchange *exchange; /* NULL once the handler has returned */
    nrt__buf in;            /* of the request: come, and not read */
    nrt__buf out;           /* of the response: written, and not sent */
    size_t taken;           /* read, and the client was not given credit for it */
    unsigned holders;       /* the worker, and a post */
    int error;              /* why nothing moves any more */
    bool in_ended;
    bool start; /* the head is to go out */
    bool started;
    bool posted;
};

static void drop_hold(nrt__pipe *pipe) {
    pthread_mutex_lock(&pipe->lock);
    bool last = --pipe->holders == 0;
    pthread_mutex_unlock(&pipe->lock);
    if (last) {
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

/* What can move, moves. */
static void pump(nrt__pipe *pipe) {
    nrt_exchange *exchange = pipe->exchange;
    int error = 0;
    nrt__exchange_take(exchange, pipe->taken);
    pipe->taken = 0;
    if (pipe->start && !pipe->started) {
        error = nrt__exchange_start(exchange);
        pipe->started = error == 0;
        if (error == NRT_ERR_BUSY) { /* again with the next post or `writable` */
            return;
        }
    }
    if (error == 0 && pipe->started && nrt__buf_len(&pipe->out) > 0) {
        size_t sent;
        error = nrt__exchange_send(exchange, nrt__buf_view(&pipe->out), &sent);
        nrt__buf_consume(&pipe->out, sent);
    }
    if (error < 0) {
        fail(pipe, error);
    }
    pthread_cond_broadcast(&pipe->changed);
}

static void locked_pump(nrt__pipe *pipe) {
    pthread_mutex_lock(&pipe->lock);
    if (pipe->exchange && pipe->exchange->service && pipe->error == 0) {
        pump(pipe);
    }
    pthread_mutex_unlock(&pipe->lock);
}

static void on_post(nrt_conn *conn, nrt__post *post) {
    nrt__pipe *pipe = (nrt__pipe *)post;
    (void)conn;
    pthread_mutex_lock(&pipe->lock);
    pipe->posted = false;
    pthread_mutex_unlock(&pipe->lock);
    locked_pump(pipe);
    drop_hold(pipe);
}

static void on_dropped(nrt__post *post) {
    nrt__pipe *pipe = (nrt__pipe *)post;
    pthread_mutex_lock(&pipe->lock);
    pipe->posted = false;
    fail(pipe, NRT_ERR_CANCELED);
    pthread_mutex_unlock(&pipe->lock);
    drop_hold(pipe);
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

nrt__pipe *nrt__pipe_create(nrt_exchange *exchange, nrt__postbox *box) {
    nrt__pipe *pipe = calloc(1, sizeof(*pipe));
    if (!pipe) {
        return NULL;
    }
    pthread_mutex_init(&pipe->lock, NULL);
    pthread_cond_init(&pipe->changed, NULL);
    pipe->post.run = on_post;
    pipe->post.drop = on_dropped;
    pipe->box = nrt__postbox_hold(box);
    pipe->exchange = exchange;
    pipe->holders = 1;
    pipe->in_ended = nrt__exchange_has_all(exchange);
    nrt__buf_init(&pipe->in, 2 * NRT__WINDOW_MAX);
    nrt__buf_init(&pipe->out, OUT_MAX);
    if (pipe->in_ended) { /* read from there like any other; it fits what was let in whole */
        pipe->in.max = SIZE_MAX / 2;
        if (!nrt__buf_put(&pipe->in, exchange->request.message.body)) {
            drop_hold(pipe);
            return NULL;
        }
    }
    nrt__exchange_stream(exchange, &pipe_events, pipe);
    return pipe;
}

/* ---- on the worker ---- */

/* Asks for a pump; the lock is held. */
static void ask(nrt__pipe *pipe) {
    if (pipe->posted) {
        return;
    }
    pipe->posted = true;
    pipe->holders++;
    pthread_mutex_unlock(&pipe->lock);
    nrt__postbox_put(pipe->box, &pipe->post); /* may drop it at once, which takes the lock */
    pthread_mutex_lock(&pipe->lock);
}

int nrt__pipe_start(nrt__pipe *pipe) {
    pthread_mutex_lock(&pipe->lock);
    int error = pipe->start ? NRT_ERR_STATE : pipe->error;
    pipe->start = true;
    if (error == 0) {
        ask(pipe);
    }
    while (error == 0 && !pipe->started) {
        error = pipe->error;
        if (error == 0) {
            pthread_cond_wait(&pipe->changed, &pipe->lock);
        }
    }
    if (pipe->error == NRT_ERR_UNSUPPORTED) { /* one message then: what is written is collected */
        pipe->error = 0;
        pipe->start = false;
    }
    pthread_mutex_unlock(&pipe->lock);
    return error;
}

bool nrt__pipe_is_started(nrt__pipe *pipe) {
    pthread_mutex_lock(&pipe->lock);
    bool started = pipe->started;
    pthread_mutex_unlock(&pipe->lock);
    return started;
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

int nrt__pipe_read(nrt__pipe *pipe, void *to, size_t size, size_t *got) {
    pthread_mutex_lock(&pipe->lock);
    while (nrt__buf_len(&pipe->in) == 0 && !pipe->in_ended && pipe->error == 0) {
        pthread_cond_wait(&pipe->changed, &pipe->lock);
    }
    nrt_str view = nrt__buf_view(&pipe->in);
    *got = pipe->error < 0 ? 0 : view.len < size ? view.len : size;
    if (*got > 0) {
        memcpy(to, view.ptr, *got);
        nrt__buf_consume(&pipe->in, *got);
        pipe->taken += *got;
        if (!pipe->in_ended) {
            ask(pipe);
        }
    }
    int error = pipe->error;
    pthread_mutex_unlock(&pipe->lock);
    return error;
}

void nrt__pipe_close(nrt__pipe *pipe) {
    pthread_mutex_lock(&pipe->lock);
    while (pipe->error == 0 && nrt__buf_len(&pipe->out) > 0) {
        pthread_cond_wait(&pipe->changed, &pipe->lock);
    }
    pipe->exchange = NULL;
    pthread_mutex_unlock(&pipe->lock);
    drop_hold(pipe);
}
