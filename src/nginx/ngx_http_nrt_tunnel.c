/*
 * The client's side of the connection while a response is waited for, and after an upgrade.
 */

#include "ngx_http_nrt.h"


static void ngx_http_nrt_tunnel_read(ngx_http_request_t *r);


/* a client that leaves, or ends its stream, ends the exchange: as with nginx's own modules */

void
ngx_http_nrt_check_client(ngx_http_request_t *r)
{
    char                 buf[1];
    ssize_t              n;
    ngx_err_t            err;
    ngx_event_t         *rev;
    ngx_connection_t    *c;
    ngx_http_nrt_ctx_t  *ctx;

    c = r->connection;
    rev = c->read;
    ctx = ngx_http_get_module_ctx(r, ngx_http_nrt_module);

    if (!c->error) {

        if (r->stream) {
            return;
        }

        if (!rev->pending_eof) {
            n = recv(c->fd, buf, 1, MSG_PEEK);
            err = ngx_socket_errno;

            if (n > 0 || (n == -1 && err == NGX_EAGAIN)) {

                /* a request behind this one would be told of again and again */

                if ((ngx_event_flags & NGX_USE_LEVEL_EVENT) && rev->active
                    && ngx_del_event(rev, NGX_READ_EVENT, 0) != NGX_OK)
                {
                    ngx_http_nrt_finalize(r, ctx,
                                          NGX_HTTP_INTERNAL_SERVER_ERROR);
                }

                return;
            }
        }

        rev->eof = 1;
        c->error = 1;
    }

    ngx_log_error(NGX_LOG_INFO, c->log, 0,
                  "client closed its connection, so the request to the "
                  "service is canceled");

    ngx_http_nrt_finalize(r, ctx, NGX_HTTP_CLIENT_CLOSED_REQUEST);
}


void
ngx_http_nrt_tunnel_start(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx)
{
    ngx_connection_t  *c;

    c = r->connection;

    r->keepalive = 0;
    c->log->action = "passing on an upgraded connection";

    ctx->upgraded = 1;
    ctx->tunnel = r->header_in;

    r->read_event_handler = ngx_http_nrt_tunnel_read;

    if (ngx_tcp_nodelay(c) != NGX_OK) {
        ngx_http_nrt_finalize(r, ctx, NGX_ERROR);
        return;
    }

    /* what is there already may have been told of before anybody wanted it */

    ngx_post_event(c->read, &ngx_posted_events);
}


static void
ngx_http_nrt_tunnel_read(ngx_http_request_t *r)
{
    ngx_http_nrt_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_nrt_module);

    if (r->connection->error) {
        ngx_http_nrt_finalize(r, ctx, NGX_HTTP_CLIENT_CLOSED_REQUEST);
        return;
    }

    ngx_http_nrt_tunnel_pump(r, ctx);
}


/* from the client to the service */

void
ngx_http_nrt_tunnel_pump(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx)
{
    int                error;
    size_t             sent;
    nrt_str            bytes;
    ssize_t            n;
    ngx_buf_t         *b;
    ngx_connection_t  *c;

    c = r->connection;

    while (ctx->id && !ctx->done && !ctx->client_ended) {
        b = ctx->tunnel;

        if (b->pos < b->last) {
            bytes.ptr = (char *) b->pos;
            bytes.len = b->last - b->pos;

            error = nrt_stream_write(ctx->peer->conn, ctx->id, bytes, &sent);

            if (error == NRT_ERR_STATE) {
                sent = bytes.len;    /* nobody wants it any more */

            } else if (error < 0) {
                ngx_http_nrt_finalize(r, ctx, NGX_ERROR);
                return;
            }

            b->pos += sent;

            if (sent < bytes.len) {
                return;
            }
        }

        if (b == r->header_in) {
            b = ngx_create_temp_buf(r->pool, NGX_HTTP_NRT_BUFFER);
            if (b == NULL) {
                ngx_http_nrt_finalize(r, ctx, NGX_ERROR);
                return;
            }

            ctx->tunnel = b;
        }

        b->pos = b->start;
        b->last = b->start;

        n = c->recv(c, b->start, b->end - b->start);

        if (n == NGX_AGAIN) {
            if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
                ngx_http_nrt_finalize(r, ctx, NGX_ERROR);
            }

            return;
        }

        if (n == NGX_ERROR) {
            ngx_http_nrt_finalize(r, ctx, NGX_HTTP_CLIENT_CLOSED_REQUEST);
            return;
        }

        if (n == 0) {
            ctx->client_ended = 1;
            (void) nrt_stream_end(ctx->peer->conn, ctx->id, NULL);
            return;
        }

        b->last = b->start + n;
    }
}
