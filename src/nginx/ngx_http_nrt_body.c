/*
 * The body of a request on its way to the service: in one message with the head, or as a stream,
 * read first or as it comes.
 */

#include "ngx_http_nrt.h"

#include "core/exchange/client.h"
#include "lib/conn_private.h"


/*
 * Whether it goes in one message with the head: all of it is here, and it is short, or not known to
 * be for a service that takes streams. What has trailers is a stream.
 */

ngx_uint_t
ngx_http_nrt_is_whole(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx,
    ngx_str_t *host, off_t size)
{
    nrt_str        name;
    nrt_conn_info  info;

    if (r->reading_body || ngx_http_nrt_request_trailers(r)) {
        return 0;
    }

    if (size <= NGX_HTTP_NRT_SMALL_BODY) {
        return 1;
    }

    name.ptr = (char *) host->data;
    name.len = host->len;
    info.size = sizeof(nrt_conn_info);

    return !nrt__client_is_framed(ctx->peer->conn->client, name)
           && nrt_conn_info_get(ctx->peer->conn, &info) == 0
           && size <= (off_t) info.max_payload;
}


int
ngx_http_nrt_set_body(ngx_http_request_t *r, nrt_request *request, size_t size)
{
    u_char       *start, *p;
    off_t         n;
    nrt_str       body;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    start = ngx_pnalloc(r->pool, size);
    if (start == NULL) {
        return NRT_ERR_MEMORY;
    }

    p = start;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);

        } else if (b->in_file) {
            n = b->file_last - b->file_pos;

            if (ngx_read_file(b->file, p, (size_t) n, b->file_pos) != n) {
                return NRT_ERR_SYSTEM;
            }

            p += n;
        }
    }

    body.ptr = (char *) start;
    body.len = size;

    return nrt_request_set_body(request, body);
}


/* a body that is all here stays: a redirect may need it, and requests inside this one share it */

ngx_int_t
ngx_http_nrt_take_body(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl, **ll, *in;

    in = r->request_body->bufs;

    if (r->reading_body) {
        ctx->body = in;
        r->request_body->bufs = NULL;
        return NGX_OK;
    }

    for (ll = &ctx->body; in; in = in->next) {
        b = ngx_alloc_buf(r->pool);
        cl = ngx_alloc_chain_link(r->pool);

        if (b == NULL || cl == NULL) {
            return NGX_ERROR;
        }

        *b = *in->buf;

        cl->buf = b;
        cl->next = NULL;
        *ll = cl;
        ll = &cl->next;
    }

    return NGX_OK;
}


/* bytes of a buffer: in memory, or read from the file that nginx has put them in */

static ngx_int_t
ngx_http_nrt_bytes(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx,
    ngx_buf_t *b, nrt_str *bytes)
{
    size_t   size;
    ssize_t  n;

    if (ngx_buf_in_memory(b)) {
        bytes->ptr = (char *) b->pos;
        bytes->len = b->last - b->pos;
        return NGX_OK;
    }

    if (!b->in_file) {
        bytes->len = 0;
        return NGX_OK;
    }

    if (ctx->scratch == NULL) {
        ctx->scratch = ngx_pnalloc(r->pool, NGX_HTTP_NRT_BUFFER);
        if (ctx->scratch == NULL) {
            return NGX_ERROR;
        }
    }

    size = (size_t) ngx_min(b->file_last - b->file_pos, NGX_HTTP_NRT_BUFFER);

    n = size ? ngx_read_file(b->file, ctx->scratch, size, b->file_pos) : 0;

    if (n != (ssize_t) size) {
        return NGX_ERROR;
    }

    bytes->ptr = (char *) ctx->scratch;
    bytes->len = size;

    return NGX_OK;
}


/* the body goes on: false where it has to wait, or is over */

static ngx_uint_t
ngx_http_nrt_write_body(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx)
{
    int         error;
    size_t      sent;
    nrt_str     bytes;
    ngx_buf_t  *b;

    while (ctx->body) {
        b = ctx->body->buf;

        if (ngx_http_nrt_bytes(r, ctx, b, &bytes) != NGX_OK) {
            ngx_http_nrt_finalize(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
            return 0;
        }

        if (bytes.len == 0) {
            ctx->body = ctx->body->next;
            continue;
        }

        error = nrt_stream_write(ctx->peer->conn, ctx->id, bytes, &sent);

        if (error == NRT_ERR_STATE) {

            /* the service wants no more of it: its response says why */

            ctx->uploading = 0;
            r->read_event_handler = ngx_http_nrt_check_client;
            return 0;
        }

        if (error < 0) {
            ngx_http_nrt_fail(r, ctx, error, NULL);
            return 0;
        }

        if (ngx_buf_in_memory(b)) {
            b->pos += sent;

        } else {
            b->file_pos += sent;
        }

        if (sent < bytes.len) {

            /* it is not the client who makes it wait */

            if (r->connection->read->timer_set) {
                ngx_del_timer(r->connection->read);
            }

            return 0;
        }
    }

    return 1;
}


void
ngx_http_nrt_pump(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx)
{
    int          error;
    ngx_int_t    rc;
    const char  *why;

    while (ctx->uploading && !ctx->done && ctx->id) {

        if (!ngx_http_nrt_write_body(r, ctx)) {
            return;
        }

        if (!r->reading_body) {
            ctx->uploading = 0;
            r->read_event_handler = ngx_http_nrt_check_client;

            if (r->connection->read->timer_set) {
                ngx_del_timer(r->connection->read);
            }

            error = nrt_stream_end(ctx->peer->conn, ctx->id,
                                   ngx_http_nrt_request_trailers(r));

            if (error < 0 && error != NRT_ERR_STATE) {
                ngx_http_nrt_fail(r, ctx, error, NULL);
            }

            return;
        }

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            why = ngx_http_nrt_bad_chunks(r);

            if (why) {
                r->keepalive = 0;
                ngx_http_nrt_fail(r, ctx, NRT_ERR_BAD_REQUEST, why);

            } else {
                ngx_http_nrt_finalize(r, ctx, rc);
            }

            return;
        }

        ctx->body = r->request_body->bufs;
        r->request_body->bufs = NULL;

        if (ctx->body == NULL && r->reading_body) {
            return;
        }
    }
}


void
ngx_http_nrt_read_body(ngx_http_request_t *r)
{
    ngx_http_nrt_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_nrt_module);

    ngx_http_nrt_pump(r, ctx);
}
