/*
 * From an exchange to a response of nginx. What the library tells is only noted; everything that
 * nginx does with it happens in an event of its own, behind those that are active, so that neither
 * finds itself inside the other.
 */

#include "ngx_http_nrt.h"

#include "core/http/message.h"


static void ngx_http_nrt_process(ngx_http_request_t *r,
    ngx_http_nrt_ctx_t *ctx);


static u_char  ngx_http_nrt_get[] = "GET";


/* ---- what the library tells ---- */

void
ngx_http_nrt_note(ngx_http_nrt_ctx_t *ctx)
{
    if (!ctx->done) {
        ngx_post_event(&ctx->event, &ngx_posted_events);
    }
}


/* the protocol that the service has changed to is no field of the message to the library */

static ngx_int_t
ngx_http_nrt_add_upgrade(ngx_http_nrt_ctx_t *ctx, const nrt_response *response)
{
    nrt_str           protocol;
    ngx_pool_t       *pool;
    ngx_table_elt_t  *h;

    protocol = response->message.upgrade;
    pool = ctx->request->pool;

    if (protocol.len == 0) {
        return NGX_OK;
    }

    h = ngx_array_push(&ctx->fields);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->value.data = ngx_pnalloc(pool, protocol.len);
    if (h->value.data == NULL) {
        ctx->fields.nelts--;
        return NGX_ERROR;
    }

    h->hash = 1;
    ngx_str_set(&h->key, "Upgrade");
    h->lowcase_key = (u_char *) "upgrade";
    h->value.len = protocol.len;
    ngx_memcpy(h->value.data, protocol.ptr, protocol.len);

    return NGX_OK;
}


static void
ngx_http_nrt_on_head(const nrt_response *response, void *arg)
{
    ngx_http_nrt_ctx_t  *ctx = arg;

    nrt_str              reason;
    ngx_http_request_t  *r;

    if (ctx->done) {
        return;
    }

    r = ctx->request;
    reason = nrt_response_reason(response);

    ctx->head = 1;
    ctx->status = nrt_response_status(response);

    if (ngx_http_nrt_copy_fields(r, &ctx->fields,
                                 nrt_response_fields(response))
        != NGX_OK)
    {
        ctx->error = NRT_ERR_MEMORY;
    }

    if (ctx->status == NGX_HTTP_SWITCHING_PROTOCOLS
        && ngx_http_nrt_add_upgrade(ctx, response) != NGX_OK)
    {
        ctx->error = NRT_ERR_MEMORY;
    }

    if (reason.len && ctx->status != NGX_HTTP_NO_CONTENT
        && ctx->status != NGX_HTTP_NOT_MODIFIED)
    {
        ctx->reason.data = ngx_pnalloc(r->pool, 4 + reason.len);

        if (ctx->reason.data) {
            ctx->reason.len = ngx_sprintf(ctx->reason.data, "%03ui %*s",
                                          ctx->status, reason.len, reason.ptr)
                              - ctx->reason.data;
        }
    }

    ngx_http_nrt_note(ctx);
}


/* room in the last buffer that is not handed on, or another one */

static ngx_buf_t *
ngx_http_nrt_room(ngx_http_nrt_ctx_t *ctx, size_t size)
{
    ngx_buf_t    *b;
    ngx_pool_t   *pool;
    ngx_chain_t  *cl, **ll;

    pool = ctx->request->pool;

    for (ll = &ctx->pending; *ll; ll = &(*ll)->next) {
        b = (*ll)->buf;

        if ((*ll)->next == NULL && b->last < b->end) {
            return b;
        }
    }

    cl = ctx->free;

    if (cl) {
        ctx->free = cl->next;
        b = cl->buf;

    } else {

        /* small responses get what they need, long ones get buffers that are used again */

        if (ctx->received || size > NGX_HTTP_NRT_BUFFER) {
            size = NGX_HTTP_NRT_BUFFER;
        }

        b = ngx_create_temp_buf(pool, ngx_max(size, 1024));
        cl = ngx_alloc_chain_link(pool);

        if (b == NULL || cl == NULL) {
            return NULL;
        }

        cl->buf = b;
    }

    b->pos = b->start;
    b->last = b->start;
    b->flush = 0;
    b->last_buf = 0;
    b->last_in_chain = 0;
    b->tag = (ngx_buf_tag_t) &ngx_http_nrt_module;

    cl->next = NULL;
    *ll = cl;

    return b;
}


static void
ngx_http_nrt_on_data(nrt_str bytes, void *arg)
{
    ngx_http_nrt_ctx_t  *ctx = arg;

    size_t      n;
    ngx_buf_t  *b;

    if (ctx->done) {
        return;
    }

    while (bytes.len) {
        b = ngx_http_nrt_room(ctx, bytes.len);

        if (b == NULL) {
            ctx->error = NRT_ERR_MEMORY;
            break;
        }

        n = ngx_min(bytes.len, (size_t) (b->end - b->last));

        b->last = ngx_cpymem(b->last, bytes.ptr, n);
        bytes.ptr += n;
        bytes.len -= n;
        ctx->received += n;
    }

    ngx_http_nrt_note(ctx);
}


static void
ngx_http_nrt_on_end(const nrt_fields *trailers, void *arg)
{
    ngx_http_nrt_ctx_t  *ctx = arg;

    if (ctx->done) {
        return;
    }

    ctx->ended = 1;

    if (trailers && nrt_fields_count(trailers)
        && ngx_http_nrt_copy_fields(ctx->request, &ctx->trailers, trailers)
           != NGX_OK)
    {
        ctx->error = NRT_ERR_MEMORY;
    }

    ngx_http_nrt_note(ctx);
}


static void
ngx_http_nrt_on_writable(void *arg)
{
    ngx_http_nrt_note(arg);
}


static void
ngx_http_nrt_on_closed(const nrt_result *result, void *arg)
{
    ngx_http_nrt_ctx_t  *ctx = arg;

    ctx->id = 0;
    ctx->closed = 1;
    ctx->took = ngx_current_msec - ctx->began;

    ngx_http_nrt_release(ctx->peer);

    if (ctx->done) {
        return;
    }

    if (result->error) {
        ctx->error = result->error;
        ctx->detail.len = ngx_strlen(result->detail);
        ctx->detail.data = ngx_pnalloc(ctx->request->pool, ctx->detail.len + 1);

        if (ctx->detail.data) {
            ngx_memcpy(ctx->detail.data, result->detail, ctx->detail.len + 1);
        }
    }

    ngx_http_nrt_note(ctx);
}


const nrt_stream_events  ngx_http_nrt_events = {
    sizeof(nrt_stream_events),
    ngx_http_nrt_on_closed,
    ngx_http_nrt_on_interim,
    ngx_http_nrt_on_head,
    ngx_http_nrt_on_data,
    ngx_http_nrt_on_end,
    ngx_http_nrt_on_writable
};


/* ---- what nginx does with it ---- */

void
ngx_http_nrt_wake(ngx_event_t *ev)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r = ev->data;
    ngx_http_nrt_ctx_t  *ctx;

    c = r->connection;
    ctx = ngx_http_get_module_ctx(r, ngx_http_nrt_module);

    ngx_http_set_log_request(c->log, r);

    ngx_http_nrt_process(r, ctx);

    ngx_http_run_posted_requests(c);
}


void
ngx_http_nrt_write_handler(ngx_http_request_t *r)
{
    ngx_event_t         *wev;
    ngx_http_nrt_ctx_t  *ctx;

    wev = r->connection->write;
    ctx = ngx_http_get_module_ctx(r, ngx_http_nrt_module);

    if (wev->timedout) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, NGX_ETIMEDOUT,
                      "client timed out");
        r->connection->timedout = 1;

        ngx_http_nrt_finalize(r, ctx, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if (ctx->header_done) {
        ngx_http_nrt_output(r, ctx);
    }
}


/* the service names what to answer with instead */

static void
ngx_http_nrt_redirect(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx,
    ngx_str_t *to)
{
    ngx_str_t   uri, args;
    ngx_uint_t  flags;

    uri = *to;

    if (uri.len == 0 || ngx_http_nrt_set_fields(r, ctx, 1) != NGX_OK) {
        ngx_http_nrt_finalize(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ngx_http_nrt_cancel(ctx);

    if (uri.data[0] == '@') {
        ngx_http_named_location(r, &uri);

    } else {
        ngx_str_null(&args);
        flags = NGX_HTTP_LOG_UNSAFE;

        if (ngx_http_parse_unsafe_uri(r, &uri, &args, &flags) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_HTTP_NOT_FOUND);
            return;
        }

        if (r->method != NGX_HTTP_HEAD) {
            r->method = NGX_HTTP_GET;
            r->method_name.len = 3;
            r->method_name.data = ngx_http_nrt_get;
        }

        ngx_http_internal_redirect(r, &uri, &args);
    }

    ngx_http_finalize_request(r, NGX_DONE);
}


static void
ngx_http_nrt_accel(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx)
{
    ngx_int_t                 n;
    ngx_str_t                *value;
    ngx_http_nrt_loc_conf_t  *nlcf;

    nlcf = ngx_http_get_module_loc_conf(r, ngx_http_nrt_module);

    ctx->flush = !nlcf->buffering || ctx->upgraded;

    if (r->headers_out.content_type_len == sizeof("text/event-stream") - 1
        && ngx_strncasecmp(r->headers_out.content_type.data,
                           (u_char *) "text/event-stream",
                           sizeof("text/event-stream") - 1)
           == 0)
    {
        ctx->flush = 1;
    }

    value = ngx_http_nrt_accel_field(ctx, (char *) "x-accel-buffering",
                                     NGX_HTTP_NRT_BUFFERING);

    if (value && value->len == 2
        && ngx_strncasecmp(value->data, (u_char *) "no", 2) == 0)
    {
        ctx->flush = 1;

    } else if (value && value->len == 3
               && ngx_strncasecmp(value->data, (u_char *) "yes", 3) == 0)
    {
        ctx->flush = 0;
    }

    value = ngx_http_nrt_accel_field(ctx, (char *) "x-accel-limit-rate",
                                     NGX_HTTP_NRT_LIMIT_RATE);

    if (value) {
        n = ngx_atoi(value->data, value->len);

        if (n != NGX_ERROR) {
            r->limit_rate = (size_t) n;
            r->limit_rate_set = 1;
        }
    }

    value = ngx_http_nrt_accel_field(ctx, (char *) "x-accel-charset",
                                     NGX_HTTP_NRT_CHARSET);

    if (value) {
        r->headers_out.override_charset = value;
    }
}


/* false where the request went another way */

static ngx_uint_t
ngx_http_nrt_send_head(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx)
{
    ngx_int_t                 rc;
    ngx_str_t                *to;
    ngx_http_nrt_loc_conf_t  *nlcf;

    nlcf = ngx_http_get_module_loc_conf(r, ngx_http_nrt_module);

    to = ngx_http_nrt_accel_field(ctx, (char *) "x-accel-redirect",
                                  NGX_HTTP_NRT_REDIRECT);

    if (to) {
        ngx_http_nrt_redirect(r, ctx, to);
        return 0;
    }

    if (nlcf->intercept_errors && ctx->status >= NGX_HTTP_SPECIAL_RESPONSE
        && ngx_http_nrt_has_page(r, ctx->status))
    {
        if (ctx->status == NGX_HTTP_UNAUTHORIZED
            && ngx_http_nrt_set_challenge(r, ctx) != NGX_OK)
        {
            ctx->status = NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_http_nrt_finalize(r, ctx, ctx->status);
        return 0;
    }

    r->headers_out.status = ctx->status;
    r->headers_out.status_line = ctx->reason;
    r->headers_out.content_length_n = -1;
    r->disable_not_modified = 1;

    if (ngx_http_nrt_set_fields(r, ctx, 0) != NGX_OK) {
        ngx_http_nrt_finalize(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return 0;
    }

    if (ctx->status == NGX_HTTP_SWITCHING_PROTOCOLS) {
        ngx_http_nrt_tunnel_start(r, ctx);

        if (ctx->done) {
            return 0;
        }
    }

    ngx_http_nrt_accel(r, ctx);

    if (r->headers_out.content_length_n == -1 && !ctx->upgraded) {
        r->expect_trailers = 1;
    }

    /* the rest of the request's body is not wanted, and would be taken for the next request */

    if (r->reading_body) {
        r->keepalive = 0;
    }

    ctx->header_done = 1;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only || r->post_action) {
        ngx_http_nrt_finalize(r, ctx, rc);
        return 0;
    }

    if (ctx->flush && ngx_http_send_special(r, NGX_HTTP_FLUSH) == NGX_ERROR) {
        ngx_http_nrt_finalize(r, ctx, NGX_ERROR);
        return 0;
    }

    return 1;
}


static void
ngx_http_nrt_process(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx)
{
    if (ctx->interim && ngx_http_nrt_send_interim(r, ctx) != NGX_OK) {
        ngx_http_nrt_finalize(r, ctx, NGX_ERROR);
        return;
    }

    if (!ctx->header_done) {

        if (!ctx->head) {
            if (ctx->closed) {
                ngx_http_nrt_fail(r, ctx, ctx->error, (char *) ctx->detail.data);

            } else {
                ngx_http_nrt_pump(r, ctx);
            }

            return;
        }

        if (!ngx_http_nrt_send_head(r, ctx)) {
            return;
        }
    }

    if (ctx->uploading) {
        ngx_http_nrt_pump(r, ctx);
    }

    if (ctx->upgraded && !ctx->done) {
        ngx_http_nrt_tunnel_pump(r, ctx);
    }

    if (!ctx->done) {
        ngx_http_nrt_output(r, ctx);
    }
}
