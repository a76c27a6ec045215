/*
 * From a request of nginx to an exchange: where it goes.
 */

#include "ngx_http_nrt.h"


static void ngx_http_nrt_body_handler(ngx_http_request_t *r);
static void ngx_http_nrt_cleanup(void *data);


/* This version of nginx looks into Connection, and does not keep it. */

static ngx_uint_t
ngx_http_nrt_connection_upgrades(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == sizeof("Connection") - 1
                && ngx_strncasecmp(h[i].key.data, (u_char *) "Connection",
                                   h[i].key.len) == 0
                && ngx_strcasestrn(h[i].value.data, (char *) "upgrade", 7 - 1))
            {
                return 1;
            }
        }
    }

    return 0;
}


ngx_int_t
ngx_http_nrt_handler(ngx_http_request_t *r)
{
    int                       error;
    ngx_int_t                 rc;
    const char               *why;
    ngx_http_cleanup_t       *cln;
    ngx_pool_cleanup_t       *mark;
    ngx_http_nrt_ctx_t       *ctx;
    ngx_http_nrt_loc_conf_t  *nlcf;

    nlcf = ngx_http_get_module_loc_conf(r, ngx_http_nrt_module);

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_nrt_ctx_t));
    cln = ngx_http_cleanup_add(r, 0);
    mark = ngx_pool_cleanup_add(r->pool, 0);

    if (ctx == NULL || cln == NULL || mark == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->request = r;
    ctx->peer = nlcf->peer;
    ctx->began = ngx_current_msec;
    ctx->event.data = r;
    ctx->event.log = r->connection->log;
    ctx->event.handler = ngx_http_nrt_wake;

    cln->handler = ngx_http_nrt_cleanup;
    cln->data = ctx;

    /* by this the log finds it, where a redirect has taken it away */

    mark->handler = ngx_http_nrt_forget;
    mark->data = ctx;

    ngx_http_set_ctx(r, ctx, ngx_http_nrt_module);

    why = NULL;
    error = ngx_http_nrt_check(r, &why);

    if (error == 0 && nlcf->max_body
        && r->headers_in.content_length_n > nlcf->max_body)
    {
        error = NRT_ERR_TOO_LARGE;    /* nginx has looked outside of this `if` */
    }

    if (error < 0) {
        r->keepalive = 0;
        r->main->count++;
        ngx_http_nrt_fail(r, ctx, error, why);
        return NGX_DONE;
    }

    if (ngx_http_nrt_check_chunks(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->upgrade = r == r->main
                   && r->headers_in.upgrade
                   && r->headers_in.upgrade->value.len
                   && ngx_http_nrt_connection_upgrades(r)
                   && r->http_version == NGX_HTTP_VERSION_11
                   && r->headers_in.content_length_n <= 0
                   && !r->headers_in.chunked;

    if (!nlcf->request_buffering && r == r->main) {
        r->request_body_no_buffering = 1;
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_nrt_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        why = ngx_http_nrt_bad_chunks(r);

        if (why == NULL) {
            return rc;
        }

        r->keepalive = 0;
        r->main->count++;
        ngx_http_nrt_fail(r, ctx, NRT_ERR_BAD_REQUEST, why);
    }

    return NGX_DONE;
}


/* where it goes; what a variable gives is only known now */

static int
ngx_http_nrt_target(ngx_http_request_t *r, ngx_str_t *host, ngx_str_t *uri,
    const char **why)
{
    ngx_int_t                 rc;
    ngx_str_t                 value;
    ngx_http_nrt_loc_conf_t  *nlcf;

    nlcf = ngx_http_get_module_loc_conf(r, ngx_http_nrt_module);

    if (nlcf->pass == NULL) {
        *host = nlcf->host;
        *uri = nlcf->uri;
        return 0;
    }

    if (ngx_http_complex_value(r, nlcf->pass, &value) != NGX_OK) {
        return NRT_ERR_MEMORY;
    }

    rc = ngx_http_nrt_split(r->pool, &value, host, uri);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "nrt_pass \"%V\" gives \"%V\", which is not the name of "
                      "a service: a host that ends in .nats, without scheme "
                      "and port", &nlcf->pass->value, &value);
        *why = "what is asked for does not lead to a service here";
        return NRT_ERR_CONFIG;
    }

    return rc == NGX_OK ? 0 : NRT_ERR_MEMORY;
}


static int
ngx_http_nrt_open(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx,
    const char **why)
{
    int                       error;
    off_t                     size;
    char                     *upgrade;
    ngx_str_t                 host, uri;
    ngx_chain_t              *cl;
    nrt_request              *request;
    nrt_stream_options        options;
    ngx_http_nrt_loc_conf_t  *nlcf;

    nlcf = ngx_http_get_module_loc_conf(r, ngx_http_nrt_module);

    if (ctx->peer->conn == NULL) {
        *why = "this worker has no connection to NATS: see the error log";
        return NRT_ERR_DISCONNECTED;
    }

    error = ngx_http_nrt_target(r, &host, &uri, why);
    if (error < 0) {
        return error;
    }

    size = 0;

    for (cl = r->request_body ? r->request_body->bufs : NULL; cl; cl = cl->next)
    {
        size += ngx_buf_size(cl->buf);
    }

    request = ngx_http_nrt_create_request(r, &host, &uri, &error);
    if (request == NULL) {
        return error;
    }

    nrt_stream_options_init(&options);

    options.timeout_ms = nlcf->timeout;
    options.hold = 1;

    if (ctx->upgrade) {
        upgrade = ngx_pnalloc(r->pool, r->headers_in.upgrade->value.len + 1);
        if (upgrade == NULL) {
            nrt_request_destroy(request);
            return NRT_ERR_MEMORY;
        }

        (void) ngx_cpystrn((u_char *) upgrade,
                           r->headers_in.upgrade->value.data,
                           r->headers_in.upgrade->value.len + 1);
        options.upgrade = upgrade;

    } else if (!ngx_http_nrt_is_whole(r, ctx, &host, size)) {
        options.body_follows = 1;
        ctx->uploading = 1;

        /* what has a length has no trailers; of chunks, nginx counts there what has come */

        if (ngx_http_nrt_request_trailers(r)
            || (r->reading_body && r->headers_in.chunked))
        {
            options.length = -1;

        } else {
            options.length = r->reading_body ? r->headers_in.content_length_n
                                             : size;
        }

    } else if (size) {
        error = ngx_http_nrt_set_body(r, request, (size_t) size);
    }

    if (error == 0) {
        error = nrt_stream_open(ctx->peer->conn, request, &options,
                                &ngx_http_nrt_events, ctx, &ctx->id);
    }

    nrt_request_destroy(request);

    return error;
}


static void
ngx_http_nrt_body_handler(ngx_http_request_t *r)
{
    int                  error;
    const char          *why;
    ngx_connection_t    *c;
    ngx_http_nrt_ctx_t  *ctx;

    c = r->connection;
    ctx = ngx_http_get_module_ctx(r, ngx_http_nrt_module);

    why = NULL;
    error = ngx_http_nrt_open(r, ctx, &why);

    if (error < 0) {
        ctx->id = 0;
        ngx_http_nrt_fail(r, ctx, error, why);
        return;
    }

    ngx_http_nrt_hold(ctx->peer);

    r->read_event_handler = ctx->uploading && r->reading_body
                            ? ngx_http_nrt_read_body
                            : ngx_http_nrt_check_client;
    r->write_event_handler = ngx_http_nrt_write_handler;

    if (!r->reading_body && c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    /* A stream of HTTP/2 has no socket of its own. */
    if ((ngx_event_flags & NGX_USE_CLEAR_EVENT) && !c->write->active
        && r->stream == NULL)
    {
        if (ngx_add_event(c->write, NGX_WRITE_EVENT, NGX_CLEAR_EVENT)
            == NGX_ERROR)
        {
            ngx_http_nrt_finalize(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
            return;
        }
    }

    if (ctx->uploading) {

        if (ngx_http_nrt_take_body(r, ctx) != NGX_OK) {
            ngx_http_nrt_finalize(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
            return;
        }

        ngx_http_nrt_pump(r, ctx);
        return;
    }

    /* a client that left while its body was read */

    if (c->read->pending_eof) {
        ngx_http_nrt_check_client(r);
    }
}


void
ngx_http_nrt_cancel(ngx_http_nrt_ctx_t *ctx)
{
    ctx->done = 1;

    if (ctx->event.posted) {
        ngx_delete_posted_event(&ctx->event);
    }

    if (ctx->id) {
        (void) nrt_cancel(ctx->peer->conn, ctx->id);
    }
}


void
ngx_http_nrt_forget(void *data)
{
    /* void */
}


static void
ngx_http_nrt_cleanup(void *data)
{
    ngx_http_nrt_cancel(data);
}


void
ngx_http_nrt_finalize(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx,
    ngx_int_t rc)
{
    if (ctx->done) {
        return;
    }

    ngx_http_nrt_cancel(ctx);

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_finalize_request(r, rc);
}
