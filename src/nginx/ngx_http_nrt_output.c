/*
 * The body of a response on its way through nginx's filters, and the credit that follows what has
 * gone out.
 */

#include "ngx_http_nrt.h"


/* the client does not take more; what a filter keeps, as gzip does, is no reason to give it nothing */

static ngx_uint_t
ngx_http_nrt_is_full(ngx_http_request_t *r)
{
    return (r->connection->buffered & NGX_LOWLEVEL_BUFFERED) ? 1 : 0;
}


static ngx_uint_t
ngx_http_nrt_is_blocked(ngx_http_request_t *r)
{
    return ngx_http_nrt_is_full(r) || r->postponed;
}


/* a tunnel whose service has said all goes on the other way; TLS has no such half */

static ngx_uint_t
ngx_http_nrt_is_half(ngx_http_nrt_ctx_t *ctx)
{
    return ctx->upgraded && ctx->ended && !ctx->closed
#if (NGX_HTTP_SSL)
           && ctx->request->connection->ssl == NULL
#endif
           ;
}


static ngx_uint_t
ngx_http_nrt_is_last(ngx_http_nrt_ctx_t *ctx)
{
    return ctx->ended && !ctx->last_sent && ctx->error != NRT_ERR_MEMORY
           && !ngx_http_nrt_is_half(ctx);
}


/* what is to go out now, with the marks at its end */

static ngx_int_t
ngx_http_nrt_take(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx,
    ngx_chain_t **out)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    *out = ctx->pending;
    ctx->pending = NULL;

    for (cl = *out; cl && cl->next; cl = cl->next) { /* void */ }

    if (cl) {
        b = cl->buf;

    } else if (ngx_http_nrt_is_last(ctx)) {
        b = ngx_calloc_buf(r->pool);
        cl = ngx_alloc_chain_link(r->pool);

        if (b == NULL || cl == NULL) {
            return NGX_ERROR;
        }

        cl->buf = b;
        cl->next = NULL;
        *out = cl;

    } else {
        return NGX_OK;
    }

    if (ngx_http_nrt_is_last(ctx)) {
        ctx->last_sent = 1;

        if (ngx_http_nrt_set_trailers(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        b->last_buf = (r == r->main) ? 1 : 0;
        b->last_in_chain = 1;

    } else if (ctx->flush || ctx->closed) {
        b->flush = 1;
    }

    return NGX_OK;
}


/* what the client has got, the service may send again */

static void
ngx_http_nrt_give_credit(ngx_http_nrt_ctx_t *ctx)
{
    off_t         left;
    ngx_chain_t  *cl;

    left = 0;

    for (cl = ctx->busy; cl; cl = cl->next) {
        left += ngx_buf_size(cl->buf);
    }

    for (cl = ctx->pending; cl; cl = cl->next) {
        left += ngx_buf_size(cl->buf);
    }

    left = ctx->received - left;

    if (ctx->id && left > ctx->consumed) {
        (void) nrt_stream_consume(ctx->peer->conn, ctx->id,
                                  (size_t) (left - ctx->consumed));
        ctx->consumed = left;
    }
}


/*
 * Where the end of the connection is the end of the response, a client could take it for the
 * whole: it gets a reset, and over TLS no close_notify.
 */

static void
ngx_http_nrt_break_off(ngx_http_request_t *r)
{
    struct linger      linger;
    ngx_connection_t  *c;

    c = r->connection;

    if (r->stream || r->chunked || r->headers_out.content_length_n >= 0) {
        return;
    }

    c->error = 1;

    linger.l_onoff = 1;
    linger.l_linger = 0;

    if (setsockopt(c->fd, SOL_SOCKET, SO_LINGER, (const void *) &linger,
                   sizeof(struct linger))
        == -1)
    {
        ngx_log_error(NGX_LOG_ALERT, c->log, ngx_socket_errno,
                      "setsockopt(SO_LINGER) failed");
    }
}


void
ngx_http_nrt_output(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_uint_t                 kept;
    ngx_chain_t               *out;
    ngx_event_t               *wev;
    ngx_http_core_loc_conf_t  *clcf;

    wev = r->connection->write;

    /* a filter may have waited for this, too: for another request, or for its own buffers */

    kept = r->buffered || r->connection->buffered;

    for ( ;; kept = 0) {
        out = NULL;

        if (!ngx_http_nrt_is_blocked(r)
            && ngx_http_nrt_take(r, ctx, &out) != NGX_OK)
        {
            ngx_http_nrt_finalize(r, ctx, NGX_ERROR);
            return;
        }

        if (out == NULL && !kept && !ngx_http_nrt_is_blocked(r)) {
            break;
        }

        rc = ngx_http_output_filter(r, out);

        if (rc == NGX_ERROR || ctx->last_sent) {

            /* nginx sends what is left by itself */

            ngx_http_nrt_finalize(r, ctx, rc);
            return;
        }

        ngx_chain_update_chains(r->pool, &ctx->free, &ctx->busy, &out,
                                (ngx_buf_tag_t) &ngx_http_nrt_module);

        if (ngx_http_nrt_is_blocked(r)) {
            break;
        }
    }

    ngx_http_nrt_give_credit(ctx);

    if (ngx_http_nrt_is_blocked(r)) {

        if (ngx_http_nrt_is_full(r) && r == r->connection->data) {
            clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

            if (!wev->delayed) {
                ngx_add_timer(wev, clcf->send_timeout);
            }

            if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
                ngx_http_nrt_finalize(r, ctx, NGX_ERROR);
            }
        }

        return;
    }

    if (wev->timer_set && !wev->delayed) {
        ngx_del_timer(wev);
    }

    if (ngx_http_nrt_is_half(ctx) && !ctx->half_closed) {
        ctx->half_closed = 1;

        if (ngx_shutdown_socket(r->connection->fd, NGX_WRITE_SHUTDOWN) == -1) {
            ngx_http_nrt_finalize(r, ctx, NGX_ERROR);
            return;
        }
    }

    if (ctx->closed || ctx->error == NRT_ERR_MEMORY) {

        /* it broke off: the client must not take it for the whole */

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "nrt: the response broke off: %V", &ctx->detail);

        ngx_http_nrt_break_off(r);
        ngx_http_nrt_finalize(r, ctx, NGX_ERROR);
    }
}
