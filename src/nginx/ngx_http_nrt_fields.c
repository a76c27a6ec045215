/*
 * The head of a response: the library's fields to nginx's.
 */

#include "ngx_http_nrt.h"

#include "core/http/fields.h"


typedef struct {
    ngx_str_t   name;
    ngx_uint_t  offset;
} ngx_http_nrt_known_t;


/* what other parts of nginx look for by pointer */

static ngx_http_nrt_known_t  ngx_http_nrt_known[] = {
    { ngx_string("Server"), offsetof(ngx_http_headers_out_t, server) },
    { ngx_string("Date"), offsetof(ngx_http_headers_out_t, date) },
    { ngx_string("Content-Encoding"),
      offsetof(ngx_http_headers_out_t, content_encoding) },
    { ngx_string("Content-Range"),
      offsetof(ngx_http_headers_out_t, content_range) },
    { ngx_string("Accept-Ranges"),
      offsetof(ngx_http_headers_out_t, accept_ranges) },
    { ngx_string("Last-Modified"),
      offsetof(ngx_http_headers_out_t, last_modified) },
    { ngx_string("WWW-Authenticate"),
      offsetof(ngx_http_headers_out_t, www_authenticate) },
    { ngx_string("Expires"), offsetof(ngx_http_headers_out_t, expires) },
    { ngx_string("ETag"), offsetof(ngx_http_headers_out_t, etag) },
    { ngx_null_string, 0 }
};


/* for nginx, or about the server behind it: hidden, as with proxy_pass, unless nrt_pass_header asks */

static ngx_str_t  ngx_http_nrt_hidden[] = {
    ngx_string("Date"),
    ngx_string("Server"),
    ngx_string("X-Pad"),
    ngx_string("X-Accel-Expires"),
    ngx_string("X-Accel-Redirect"),
    ngx_string("X-Accel-Limit-Rate"),
    ngx_string("X-Accel-Buffering"),
    ngx_string("X-Accel-Charset"),
    ngx_null_string
};


/* of a response whose body comes from elsewhere, as nginx's own modules keep them */

static ngx_str_t  ngx_http_nrt_kept[] = {
    ngx_string("Content-Type"),
    ngx_string("Set-Cookie"),
    ngx_string("Content-Disposition"),
    ngx_string("Cache-Control"),
    ngx_string("Expires"),
    ngx_string("Accept-Ranges"),
    ngx_null_string
};


static u_char *
ngx_http_nrt_copy(ngx_pool_t *pool, nrt_str text)
{
    u_char  *p;

    p = ngx_pnalloc(pool, text.len + 1);

    if (p) {
        if (text.len) {
            ngx_memcpy(p, text.ptr, text.len);
        }

        p[text.len] = '\0';
    }

    return p;
}


ngx_int_t
ngx_http_nrt_copy_fields(ngx_http_request_t *r, ngx_array_t *to,
    const nrt_fields *from)
{
    size_t            i, n;
    nrt_str           name, value;
    ngx_table_elt_t  *h;

    n = from ? nrt_fields_count(from) : 0;

    if (to->elts == NULL
        && ngx_array_init(to, r->pool, n + 1, sizeof(ngx_table_elt_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        (void) nrt_fields_at(from, i, &name, &value);

        h = ngx_array_push(to);
        if (h == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(h, sizeof(ngx_table_elt_t));

        h->hash = 1;
        h->key.len = name.len;
        h->key.data = ngx_http_nrt_copy(r->pool, name);
        h->value.len = value.len;
        h->value.data = ngx_http_nrt_copy(r->pool, value);
        h->lowcase_key = ngx_pnalloc(r->pool, name.len);

        if (h->key.data == NULL || h->value.data == NULL
            || h->lowcase_key == NULL)
        {
            to->nelts--;
            return NGX_ERROR;
        }

        ngx_strlow(h->lowcase_key, h->key.data, name.len);
    }

    return NGX_OK;
}


ngx_str_t *
ngx_http_nrt_field(ngx_http_nrt_ctx_t *ctx, char *name)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    h = ctx->fields.elts;

    for (i = 0; i < ctx->fields.nelts; i++) {
        if (ngx_http_nrt_is_text(&h[i].key, name)) {
            return &h[i].value;
        }
    }

    return NULL;
}


/* what a service tells nginx, unless that is told not to listen */

ngx_str_t *
ngx_http_nrt_accel_field(ngx_http_nrt_ctx_t *ctx, char *name, ngx_uint_t bit)
{
    ngx_http_nrt_loc_conf_t  *nlcf;

    nlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_nrt_module);

    return (nlcf->ignore & bit) ? NULL : ngx_http_nrt_field(ctx, name);
}


/* charset= is nginx's to write, where the charset module may change it */

static void
ngx_http_nrt_set_content_type(ngx_http_request_t *r, ngx_str_t *value)
{
    u_char  *p, *last;

    r->headers_out.content_type = *value;
    r->headers_out.content_type_len = value->len;
    r->headers_out.content_type_lowcase = NULL;

    last = value->data + value->len;

    for (p = value->data; p < last && *p != ';'; p++) { /* void */ }

    if (p == last) {
        return;
    }

    r->headers_out.content_type_len = p - value->data;

    while (r->headers_out.content_type_len
           && value->data[r->headers_out.content_type_len - 1] == ' ')
    {
        r->headers_out.content_type_len--;
    }

    for (p++; p < last && *p == ' '; p++) { /* void */ }

    if (last - p <= 8 || ngx_strncasecmp(p, (u_char *) "charset=", 8) != 0
        || ngx_strlchr(p, last, ';'))
    {
        return;
    }

    p += 8;
    r->headers_out.content_type.len = r->headers_out.content_type_len;

    if (last - p > 2 && *p == '"' && last[-1] == '"') {
        p++;
        last--;
    }

    r->headers_out.charset.len = last - p;
    r->headers_out.charset.data = p;
}


static ngx_int_t
ngx_http_nrt_set_field(ngx_http_request_t *r, ngx_table_elt_t *field)
{
    off_t                  length;
    ngx_uint_t             i;
    ngx_table_elt_t       *h, **ph;
    ngx_http_nrt_known_t  *known;

    if (ngx_http_nrt_is_text(&field->key, "Content-Length")) {
        length = ngx_atoof(field->value.data, field->value.len);

        if (length != NGX_ERROR) {
            r->headers_out.content_length_n = length;
        }

        return NGX_OK;
    }

    if (ngx_http_nrt_is_text(&field->key, "Content-Type")) {
        ngx_http_nrt_set_content_type(r, &field->value);
        return NGX_OK;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = *field;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    if (ngx_http_nrt_is_text(&h->key, "Cache-Control")) {

#if (nginx_version >= 1023000)
        /* fields of a name are a list since then */
        for (ph = &r->headers_out.cache_control; *ph; ph = &(*ph)->next) {
            /* void */
        }
#else
        if (r->headers_out.cache_control.elts == NULL
            && ngx_array_init(&r->headers_out.cache_control, r->pool, 1,
                              sizeof(ngx_table_elt_t *))
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        ph = ngx_array_push(&r->headers_out.cache_control);
        if (ph == NULL) {
            return NGX_ERROR;
        }
#endif

        *ph = h;
        return NGX_OK;
    }

    for (i = 0; ngx_http_nrt_known[i].name.len; i++) {
        known = &ngx_http_nrt_known[i];

        if (ngx_http_nrt_is(&h->key, &known->name)) {
            ph = (ngx_table_elt_t **)
                     ((char *) &r->headers_out + known->offset);
            *ph = h;
        }
    }

    if (h == r->headers_out.last_modified) {
        r->headers_out.last_modified_time = ngx_parse_http_time(h->value.data,
                                                                h->value.len);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_nrt_is_in(ngx_array_t *list, ngx_str_t *name)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = list ? list->elts : NULL;

    for (i = 0; list && i < list->nelts; i++) {
        if (ngx_http_nrt_is(&value[i], name)) {
            return 1;
        }
    }

    return 0;
}


/* what is not for the client: of this connection only, for nginx, or hidden */

ngx_uint_t
ngx_http_nrt_is_hidden(ngx_http_nrt_ctx_t *ctx, ngx_str_t *name)
{
    uint8_t                   id, flags;
    nrt_str                   text;
    ngx_uint_t                i;
    ngx_http_nrt_loc_conf_t  *nlcf;

    nlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_nrt_module);

    text.ptr = (char *) name->data;
    text.len = name->len;

    nrt__field_look_up(text, &id, &flags);

    if (id == NRT__UPGRADE) {
        return ctx->status != NGX_HTTP_SWITCHING_PROTOCOLS;
    }

    if ((flags & NRT__FIELD_HOP) && id != NRT__TRAILER) {
        return 1;
    }

    if (ngx_http_nrt_is_in(nlcf->show, name)) {
        return 0;
    }

    for (i = 0; ngx_http_nrt_hidden[i].len; i++) {
        if (ngx_http_nrt_is(&ngx_http_nrt_hidden[i], name)) {
            return 1;
        }
    }

    return ngx_http_nrt_is_in(nlcf->hide, name);
}


ngx_int_t
ngx_http_nrt_set_fields(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx,
    ngx_uint_t redirect)
{
    ngx_uint_t        i, k;
    ngx_table_elt_t  *h;

    h = ctx->fields.elts;

    for (i = 0; i < ctx->fields.nelts; i++) {

        if (redirect) {
            for (k = 0; ngx_http_nrt_kept[k].len; k++) {
                if (ngx_http_nrt_is(&ngx_http_nrt_kept[k], &h[i].key)) {
                    break;
                }
            }

            if (ngx_http_nrt_kept[k].len == 0) {
                continue;
            }
        }

        if (!ngx_http_nrt_is_hidden(ctx, &h[i].key)
            && ngx_http_nrt_set_field(r, &h[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* a page in place of a 401 still says how to log in */

ngx_int_t
ngx_http_nrt_set_challenge(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    h = ctx->fields.elts;

    for (i = 0; i < ctx->fields.nelts; i++) {
        if (ngx_http_nrt_is_text(&h[i].key, "WWW-Authenticate")
            && ngx_http_nrt_set_field(r, &h[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_nrt_set_trailers(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *h, *to;

    h = ctx->trailers.elts;

    for (i = 0; i < ctx->trailers.nelts; i++) {
        to = ngx_list_push(&r->headers_out.trailers);
        if (to == NULL) {
            return NGX_ERROR;
        }

        *to = h[i];
    }

    return NGX_OK;
}
