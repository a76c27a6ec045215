/*
 * Responses before the response, such as 103 with early hints. This version of nginx has no way for
 * them, so they are written as its header filter writes heads; to clients of HTTP/1.1 only.
 */

#include "ngx_http_nrt.h"

#include "core/http/message.h"


#define NGX_HTTP_NRT_INTERIM_MAX  16


static u_char *
ngx_http_nrt_put(u_char *p, nrt_str text)
{
    return ngx_cpymem(p, text.ptr, text.len);
}


static ngx_uint_t
ngx_http_nrt_is_kept(ngx_http_nrt_ctx_t *ctx, nrt_str name)
{
    uint8_t    id, flags;
    ngx_str_t  text;

    nrt__field_look_up(name, &id, &flags);

    text.data = (u_char *) name.ptr;
    text.len = name.len;

    return !(flags & (NRT__FIELD_FRAMING|NRT__FIELD_NRT))
           && !ngx_http_nrt_is_hidden(ctx, &text);
}


void
ngx_http_nrt_on_interim(const nrt_response *response, void *arg)
{
    ngx_http_nrt_ctx_t  *ctx = arg;

    size_t               i, n, size;
    nrt_str              name, value, reason;
    ngx_buf_t           *b;
    ngx_chain_t         *cl, **ll;
    const nrt_fields    *fields;
    ngx_http_request_t  *r;

    r = ctx->request;

    /* nginx has said 100 by itself, before it read the body */

    if (ctx->done || nrt_response_status(response) == NGX_HTTP_CONTINUE
        || r != r->main || r->stream || r->http_version < NGX_HTTP_VERSION_11)
    {
        return;
    }

    n = 0;

    for (ll = &ctx->interim; *ll; ll = &(*ll)->next) {
        n++;
    }

    if (n == NGX_HTTP_NRT_INTERIM_MAX) {
        return;
    }

    fields = nrt_response_fields(response);
    reason = nrt_response_reason(response);
    n = nrt_fields_count(fields);
    size = sizeof("HTTP/1.1 103 " CRLF CRLF) - 1 + reason.len;

    for (i = 0; i < n; i++) {
        (void) nrt_fields_at(fields, i, &name, &value);
        size += name.len + sizeof(": " CRLF) - 1 + value.len;
    }

    b = ngx_create_temp_buf(r->pool, size);
    cl = ngx_alloc_chain_link(r->pool);

    if (b == NULL || cl == NULL) {
        ctx->error = NRT_ERR_MEMORY;
        return;
    }

    b->last = ngx_sprintf(b->last, "HTTP/1.1 %03d ",
                          nrt_response_status(response));
    b->last = ngx_http_nrt_put(b->last, reason);
    *b->last++ = CR; *b->last++ = LF;

    for (i = 0; i < n; i++) {
        (void) nrt_fields_at(fields, i, &name, &value);

        if (ngx_http_nrt_is_kept(ctx, name)) {
            b->last = ngx_http_nrt_put(b->last, name);
            *b->last++ = ':'; *b->last++ = ' ';
            b->last = ngx_http_nrt_put(b->last, value);
            *b->last++ = CR; *b->last++ = LF;
        }
    }

    *b->last++ = CR; *b->last++ = LF;
    b->flush = 1;

    cl->buf = b;
    cl->next = NULL;
    *ll = cl;

    ngx_http_nrt_note(ctx);
}


ngx_int_t
ngx_http_nrt_send_interim(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx)
{
    ngx_chain_t  *out;

    out = ctx->interim;
    ctx->interim = NULL;

    if (out == NULL || ctx->header_done) {
        return NGX_OK;
    }

    return ngx_http_write_filter(r, out) == NGX_ERROR ? NGX_ERROR : NGX_OK;
}
