/*
 * The library on nginx's event loop: descriptors as connections, one timer, and events posted
 * behind those that are active.
 */

#include "ngx_http_nrt.h"


typedef struct {
    void              *pad[3];    /* the debug log takes `data` of a timer */
    ngx_socket_t       fd;        /* for a connection, and prints its fd */

    ngx_event_t        timer;
    ngx_event_t        soon;
    nrt_turn_fn        turn;
    void              *arg;
    ngx_uint_t         turned;
} ngx_http_nrt_loop_t;


typedef struct {
    ngx_connection_t  *connection;
    nrt_io_fn          fn;
    void              *arg;
} ngx_http_nrt_io_t;


static void
ngx_http_nrt_loop_on_turn(ngx_event_t *ev)
{
    ngx_http_nrt_loop_t  *loop = ev->data;

    loop->turned = 1;

    loop->turn(loop->arg);
}


static void
ngx_http_nrt_loop_on_io(ngx_event_t *ev)
{
    ngx_connection_t   *c = ev->data;
    ngx_http_nrt_io_t  *io = c->data;

    io->fn(c->fd, ev->write ? NRT_IO_WRITE : NRT_IO_READ, io->arg);
}


static int
ngx_http_nrt_loop_attach(void *data, nrt_turn_fn turn, void *arg)
{
    ngx_http_nrt_loop_t  *loop = data;

    loop->turn = turn;
    loop->arg = arg;

    return 0;
}


/* level-triggered, which nginx's epoll module does when it is not told NGX_CLEAR_EVENT */

static int
ngx_http_nrt_loop_io_set(void *data, void *handle, unsigned events)
{
    ngx_int_t           rc;
    ngx_uint_t          want;
    ngx_event_t        *rev, *wev;
    ngx_http_nrt_io_t  *io = handle;

    rev = io->connection->read;
    wev = io->connection->write;
    rc = NGX_OK;

    want = (events & (NRT_IO_READ|NRT_IO_HANGUP)) ? 1 : 0;

    if (want && !rev->active) {
        rc = ngx_add_event(rev, NGX_READ_EVENT, NGX_LEVEL_EVENT);

    } else if (!want && rev->active) {
        rc = ngx_del_event(rev, NGX_READ_EVENT, 0);
    }

    if (rc != NGX_OK) {
        return NRT_ERR_SYSTEM;
    }

    want = (events & NRT_IO_WRITE) ? 1 : 0;

    if (want && !wev->active) {
        rc = ngx_add_event(wev, NGX_WRITE_EVENT, NGX_LEVEL_EVENT);

    } else if (!want && wev->active) {
        rc = ngx_del_event(wev, NGX_WRITE_EVENT, 0);
    }

    return rc == NGX_OK ? 0 : NRT_ERR_SYSTEM;
}


static void
ngx_http_nrt_loop_io_remove(void *data, void *handle)
{
    ngx_connection_t   *c;
    ngx_http_nrt_io_t  *io = handle;

    c = io->connection;

    (void) ngx_http_nrt_loop_io_set(data, io, 0);

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    /* the descriptor is the library's to close */

    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;

    ngx_free(io);
}


static void *
ngx_http_nrt_loop_io_add(void *data, int fd, unsigned events, nrt_io_fn fn,
    void *arg)
{
    ngx_log_t          *log = ngx_cycle->log;
    ngx_connection_t   *c;
    ngx_http_nrt_io_t  *io;

    io = ngx_alloc(sizeof(ngx_http_nrt_io_t), log);
    if (io == NULL) {
        return NULL;
    }

    c = ngx_get_connection(fd, log);
    if (c == NULL) {
        ngx_free(io);
        return NULL;
    }

    io->connection = c;
    io->fn = fn;
    io->arg = arg;

    c->data = io;
    c->log = log;
    c->read->log = log;
    c->write->log = log;
    c->read->handler = ngx_http_nrt_loop_on_io;
    c->write->handler = ngx_http_nrt_loop_on_io;

    /*
     * as those of nginx's resolver, it is no client's: a shutdown does not
     * close it, and does not complain that it is open
     */

    c->read->resolver = 1;

    if (ngx_http_nrt_loop_io_set(data, io, events) != 0) {
        ngx_http_nrt_loop_io_remove(data, io);
        return NULL;
    }

    return io;
}


static int
ngx_http_nrt_loop_timer_set(void *data, int64_t delay)
{
    ngx_http_nrt_loop_t  *loop = data;

    /* a timer that is set is moved by small amounts only if it is deleted */

    if (loop->timer.timer_set) {
        ngx_del_timer(&loop->timer);
    }

    if (delay >= 0) {
        ngx_add_timer(&loop->timer, (ngx_msec_t) delay);
    }

    return 0;
}


static int
ngx_http_nrt_loop_soon(void *data)
{
    ngx_http_nrt_loop_t  *loop = data;

    /*
     * A worker that starts waits for events first, and nobody may come for
     * long: only what is posted for the next round keeps it from waiting.
     */

    ngx_post_event(&loop->soon, loop->turned ? &ngx_posted_events
                                             : &ngx_posted_next_events);

    return 0;
}


static void
ngx_http_nrt_loop_detach(void *data)
{
    ngx_http_nrt_loop_t  *loop = data;

    if (loop->timer.timer_set) {
        ngx_del_timer(&loop->timer);
    }

    if (loop->soon.posted) {
        ngx_delete_posted_event(&loop->soon);
    }

    ngx_free(loop);
}


void
ngx_http_nrt_loop_init(nrt_loop *loop)
{
    ngx_http_nrt_loop_t  *self;

    ngx_memzero(loop, sizeof(nrt_loop));

    self = ngx_calloc(sizeof(ngx_http_nrt_loop_t), ngx_cycle->log);
    if (self == NULL) {
        return;
    }

    self->fd = (ngx_socket_t) -1;

    self->timer.data = self;
    self->timer.log = ngx_cycle->log;
    self->timer.handler = ngx_http_nrt_loop_on_turn;
    self->timer.cancelable = 1;    /* alone, it does not keep a worker */

    self->soon.data = self;
    self->soon.log = ngx_cycle->log;
    self->soon.handler = ngx_http_nrt_loop_on_turn;

    loop->size = sizeof(nrt_loop);
    loop->data = self;
    loop->attach = ngx_http_nrt_loop_attach;
    loop->io_add = ngx_http_nrt_loop_io_add;
    loop->io_set = ngx_http_nrt_loop_io_set;
    loop->io_remove = ngx_http_nrt_loop_io_remove;
    loop->timer_set = ngx_http_nrt_loop_timer_set;
    loop->soon = ngx_http_nrt_loop_soon;
    loop->detach = ngx_http_nrt_loop_detach;
}


void
ngx_http_nrt_loop_release(nrt_loop *loop)
{
    ngx_free(loop->data);
    loop->data = NULL;
}
