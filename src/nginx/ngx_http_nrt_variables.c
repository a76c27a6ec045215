/*
 * Variables for logs: what the service says of itself, and how the exchange went.
 */

#include "ngx_http_nrt.h"


static ngx_int_t ngx_http_nrt_field_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_nrt_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_nrt_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_variable_t  ngx_http_nrt_vars[] = {

    { ngx_string("nrt_id"), NULL, ngx_http_nrt_field_variable,
      (uintptr_t) "nrt-id", NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("nrt_instance"), NULL, ngx_http_nrt_field_variable,
      (uintptr_t) "nrt-client", NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("nrt_server"), NULL, ngx_http_nrt_field_variable,
      (uintptr_t) "nrt-connected-server", NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("nrt_cluster"), NULL, ngx_http_nrt_field_variable,
      (uintptr_t) "nrt-connected-cluster", NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("nrt_time"), NULL, ngx_http_nrt_time_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("nrt_status"), NULL, ngx_http_nrt_status_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_nrt_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_nrt_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


/* the last exchange of this request: a redirect, such as to an error page, takes its context away */

static ngx_http_nrt_ctx_t *
ngx_http_nrt_last(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;
    ngx_http_nrt_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_nrt_module);

    for (cln = r->pool->cleanup; cln && ctx == NULL; cln = cln->next) {

        if (cln->handler == ngx_http_nrt_forget) {
            ctx = cln->data;

            if (ctx->request != r) {
                ctx = NULL;
            }
        }
    }

    return ctx;
}


static ngx_int_t
ngx_http_nrt_set_variable(ngx_http_variable_value_t *v, u_char *data,
    size_t len)
{
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = data;
    v->len = len;

    return NGX_OK;
}


static ngx_int_t
ngx_http_nrt_field_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t           *value;
    ngx_http_nrt_ctx_t  *ctx;

    ctx = ngx_http_nrt_last(r);
    value = ctx ? ngx_http_nrt_field(ctx, (char *) data) : NULL;

    if (value == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_nrt_set_variable(v, value->data, value->len);
}


static ngx_int_t
ngx_http_nrt_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char              *p;
    ngx_msec_t           took;
    ngx_http_nrt_ctx_t  *ctx;

    ctx = ngx_http_nrt_last(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    took = ctx->closed ? ctx->took : ngx_current_msec - ctx->began;

    p = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + 4);
    if (p == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_nrt_set_variable(v, p,
                                     ngx_sprintf(p, "%T.%03M",
                                                 (time_t) took / 1000,
                                                 took % 1000) - p);
}


static ngx_int_t
ngx_http_nrt_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char              *p;
    ngx_uint_t           status;
    ngx_http_nrt_ctx_t  *ctx;

    ctx = ngx_http_nrt_last(r);

    status = ctx == NULL ? 0
                         : ctx->head ? ctx->status
                         : ctx->error ? (ngx_uint_t) nrt_error_status(ctx->error)
                         : 0;

    if (status == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_nrt_set_variable(v, p, ngx_sprintf(p, "%ui", status) - p);
}
