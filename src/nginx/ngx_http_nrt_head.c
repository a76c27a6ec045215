/*
 * The head of a request: nginx's to the library's, and what is not let through.
 */

#include "ngx_http_nrt.h"

#include "core/http/message.h"
#include "core/base/str.h"
#include "core/http/url.h"


/* `http://` HOST TARGET: as the client wrote it, unless it was rewritten or nrt_pass says otherwise */

static char *
ngx_http_nrt_url(ngx_http_request_t *r, ngx_str_t *host, ngx_str_t *uri)
{
    size_t                    len, skip;
    u_char                   *p, *url;
    uintptr_t                 escape;
    ngx_str_t                 whole, instead;
    ngx_http_nrt_loc_conf_t  *nlcf;

    nlcf = ngx_http_get_module_loc_conf(r, ngx_http_nrt_module);

    ngx_str_null(&whole);
    ngx_str_null(&instead);
    escape = 0;
    skip = 0;

    if (nlcf->pass && uri->len) {
        whole = *uri;

    } else if (uri->len == 0 && r->valid_unparsed_uri && r == r->main) {
        whole = r->unparsed_uri;
    }

    len = whole.len;

    if (whole.data == NULL) {

        /* the part of nrt_pass stands for the location's, unless that was rewritten */

        if (r->valid_location && uri->len) {
            instead = *uri;
            skip = nlcf->location.len;
        }

        escape = 2 * ngx_escape_uri(NULL, r->uri.data + skip,
                                    r->uri.len - skip, NGX_ESCAPE_URI);
        len = instead.len + r->uri.len - skip + escape + 1 + r->args.len;
    }

    url = ngx_pnalloc(r->pool, 7 + host->len + len + 1);
    if (url == NULL) {
        return NULL;
    }

    p = ngx_cpymem(url, "http://", 7);
    p = ngx_cpymem(p, host->data, host->len);

    if (whole.data) {
        p = ngx_cpymem(p, whole.data, whole.len);

    } else {
        if (instead.data) {
            p = ngx_cpymem(p, instead.data, instead.len);
        }

        if (escape) {
            p = (u_char *) ngx_escape_uri(p, r->uri.data + skip,
                                          r->uri.len - skip, NGX_ESCAPE_URI);
        } else {
            p = ngx_cpymem(p, r->uri.data + skip, r->uri.len - skip);
        }

        if (r->args.len) {
            *p++ = '?';
            p = ngx_cpymem(p, r->args.data, r->args.len);
        }
    }

    *p = '\0';

    /* a NUL in it would hide the rest */

    return ngx_strlen(url) == (size_t) (p - url) ? (char *) url : NULL;
}


static ngx_uint_t
ngx_http_nrt_is_set(ngx_http_nrt_loc_conf_t *nlcf, ngx_str_t *name)
{
    ngx_uint_t             i;
    ngx_http_nrt_field_t  *field;

    if (nlcf->set == NULL) {
        return 0;
    }

    field = nlcf->set->elts;

    for (i = 0; i < nlcf->set->nelts; i++) {
        if (ngx_http_nrt_is(&field[i].name, name)) {
            return 1;
        }
    }

    return 0;
}


static int
ngx_http_nrt_add(nrt_fields *fields, ngx_str_t *name, ngx_str_t *value)
{
    nrt_str  n, v;

    n.ptr = (char *) name->data;
    n.len = name->len;
    v.ptr = value->len ? (char *) value->data : "";
    v.len = value->len;

    /* nginx takes a tab for a part of the value */

    return nrt_fields_add(fields, n, nrt__str_trim(v));
}


static int
ngx_http_nrt_add_fields(ngx_http_request_t *r, nrt_fields *fields)
{
    int                       error;
    nrt_str                   text;
    ngx_str_t                 value;
    ngx_uint_t                i;
    ngx_list_part_t          *part;
    ngx_table_elt_t          *h;
    ngx_http_nrt_field_t     *field;
    ngx_http_nrt_loc_conf_t  *nlcf;

    nlcf = ngx_http_get_module_loc_conf(r, ngx_http_nrt_module);

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; nlcf->pass_request_headers; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        /* Host follows from nrt_pass, Content-Length from the body; nginx has met what was expected */

        if (ngx_http_nrt_is_text(&h[i].key, "Host")
            || ngx_http_nrt_is_text(&h[i].key, "Content-Length")
            || ngx_http_nrt_is_text(&h[i].key, "Expect")
            || ngx_http_nrt_is_set(nlcf, &h[i].key))
        {
            continue;
        }

        error = ngx_http_nrt_add(fields, &h[i].key, &h[i].value);
        if (error < 0) {
            return error;
        }
    }

    /* with what Connection nominates */

    nrt__fields_strip_hop(fields);

    field = nlcf->set ? nlcf->set->elts : NULL;

    for (i = 0; field && i < nlcf->set->nelts; i++) {

        if (ngx_http_complex_value(r, &field[i].value, &value) != NGX_OK) {
            return NRT_ERR_MEMORY;
        }

        text.ptr = (char *) value.data;
        text.len = value.len;
        text = nrt__str_trim(text);

        if (text.len == 0) {
            continue;
        }

        value.data = (u_char *) text.ptr;
        value.len = text.len;

        error = ngx_http_nrt_add(fields, &field[i].name, &value);
        if (error < 0) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "nrt_set_header \"%V\" gives what cannot be the value "
                          "of a field, from \"%V\"", &field[i].name,
                          &field[i].value.value);
            return error;
        }
    }

    return 0;
}


nrt_request *
ngx_http_nrt_create_request(ngx_http_request_t *r, ngx_str_t *host,
    ngx_str_t *uri, int *error)
{
    char         *url;
    u_char       *method;
    nrt_request  *request;

    method = ngx_pnalloc(r->pool, r->method_name.len + 1);
    url = ngx_http_nrt_url(r, host, uri);

    if (method == NULL || url == NULL) {
        *error = method ? NRT_ERR_URL : NRT_ERR_MEMORY;
        return NULL;
    }

    (void) ngx_cpystrn(method, r->method_name.data, r->method_name.len + 1);

    request = nrt_request_create((char *) method, url, error);
    if (request == NULL) {
        return NULL;
    }

    *error = ngx_http_nrt_add_fields(r, nrt_request_edit(request));

    if (*error < 0) {
        nrt_request_destroy(request);
        return NULL;
    }

    return request;
}
