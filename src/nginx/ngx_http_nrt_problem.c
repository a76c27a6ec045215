/*
 * Responses of our own: what failed, or was refused.
 */

#include "ngx_http_nrt.h"

#include "core/http/message.h"
#include "core/http/problem.h"


ngx_uint_t
ngx_http_nrt_has_page(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_uint_t                 i;
    ngx_http_err_page_t       *page;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->error_pages == NULL
        || (r->error_page && !clcf->recursive_error_pages))
    {
        return 0;
    }

    page = clcf->error_pages->elts;

    for (i = 0; i < clcf->error_pages->nelts; i++) {
        if ((ngx_uint_t) page[i].status == status) {
            return 1;
        }
    }

    return 0;
}


/* a response of our own, where the configuration has no page for it */

static ngx_int_t
ngx_http_nrt_problem(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx, int error,
    const char *detail)
{
    ngx_int_t      rc;
    ngx_buf_t     *b;
    ngx_chain_t    out;
    nrt__message   message;

    nrt__message_init(&message, 0);
    ngx_memzero(&ctx->fields, sizeof(ngx_array_t));

    rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    if (nrt__problem_write(&message, nrt_error_status(error),
                           nrt_error_code(error),
                           nrt__problem_detail(error, detail))
        != 0
        || ngx_http_nrt_copy_fields(r, &ctx->fields, &message.fields) != NGX_OK)
    {
        goto done;
    }

    b = ngx_create_temp_buf(r->pool, message.body.len + 1);
    if (b == NULL) {
        goto done;
    }

    b->last = ngx_cpymem(b->last, message.body.ptr, message.body.len);
    b->last_buf = 1;
    b->last_in_chain = 1;

    r->headers_out.status = nrt_error_status(error);
    r->headers_out.content_length_n = message.body.len;

    if (ngx_http_nrt_set_fields(r, ctx, 0) != NGX_OK) {
        goto done;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_OK && !r->header_only) {
        out.buf = b;
        out.next = NULL;
        rc = ngx_http_output_filter(r, &out);
    }

done:

    nrt__message_free(&message);

    return rc;
}


void
ngx_http_nrt_fail(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx, int error,
    const char *detail)
{
    ngx_int_t   rc;
    ngx_uint_t  status;

    if (ctx->done) {
        return;
    }

    ctx->error = error;
    status = nrt_error_status(error);

    if (detail == NULL || *detail == '\0') {
        detail = nrt_error_text(error);
    }

    ngx_log_error(ngx_http_nrt_log_level(ctx->peer, error),
                  r->connection->log, 0, "nrt: %s: %s", nrt_error_code(error),
                  detail);

    if (ctx->header_done) {
        ngx_http_nrt_finalize(r, ctx, NGX_ERROR);
        return;
    }

    if (r == r->main && r->request_body == NULL) {

        /* a client that waits for 100 is not told to go on */

        r->expect_tested = 1;

        rc = ngx_http_discard_request_body(r);

        if (rc != NGX_OK) {
            ngx_http_nrt_finalize(r, ctx, rc);
            return;
        }
    }

    ctx->header_done = 1;

    if (r != r->main || ngx_http_nrt_has_page(r, status)) {
        rc = status;

    } else {
        rc = ngx_http_nrt_problem(r, ctx, error, detail);
    }

    ngx_http_nrt_finalize(r, ctx, rc);
}
