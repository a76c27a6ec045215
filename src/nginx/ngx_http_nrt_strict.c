/*
 * What nginx lets through in heads, and RFC 9110 and 9112 do not: they are looked at again, as they
 * came, and refused before anything is published.
 */

#include "ngx_http_nrt.h"

#include "core/http/h1_reader.h"
#include "core/base/str.h"
#include "core/http/url.h"


#define NGX_HTTP_NRT_NOMINATIONS  100
#define NGX_HTTP_NRT_SINGLES      16


/* ---- lines ---- */

/* the end of what nginx has read into the buffer that holds `p`; NULL where none does */

static u_char *
ngx_http_nrt_buffer_end(ngx_http_request_t *r, const u_char *p,
    u_char **start)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = r->connection->buffer;
    cl = r->http_connection->busy;

    for ( ;; ) {

        if (b && p >= b->start && p < b->end) {
            *start = b->start;
            return b->last;
        }

        if (cl == NULL) {
            return NULL;
        }

        b = cl->buf;
        cl = cl->next;
    }
}


/*
 * Whether each line that ends in there does so in CRLF; nginx has put NUL over the first CR. Lines
 * behind the first are such as nginx has left out, which have to have a name that might be one.
 */

static ngx_uint_t
ngx_http_nrt_is_crlf(u_char *from, const u_char *to, ngx_uint_t *lines)
{
    u_char   *p, *line;
    nrt_str   name;

    line = from;

    for (p = from; p < to; p++) {

        if (*p != LF) {
            continue;
        }

        if (p == from || (p[-1] != CR && p - 1 != from)) {
            return 0;
        }

        /* the empty line is the last */

        if ((*lines)++ && p - line > 1) {
            name.ptr = (char *) line;
            name.len = ngx_strlchr(line, p, ':')
                       ? ngx_strlchr(line, p, ':') - line : 0;

            if (!nrt__is_token(name)) {
                return 0;
            }
        }

        line = p + 1;
    }

    return 1;
}


/*
 * From the end of each value to the next name there is white space and one CRLF. Lines that nginx
 * has left out, for their names, lie there as well. Where nginx went on in another buffer, the
 * beginning of a line that was moved there is left in the first.
 */

static ngx_uint_t
ngx_http_nrt_are_lines(ngx_http_request_t *r)
{
    u_char           *end, *next, *last, *start;
    ngx_uint_t        i, lines;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    end = r->request_line.data + r->request_line.len;

    if (*end != CR) {
        return 0;
    }

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        next = h[i].key.data;

        /* no colon: the name ends where the value begins */

        if (h[i].value.data == h[i].key.data + h[i].key.len) {
            return 0;
        }

        last = ngx_http_nrt_buffer_end(r, end, &start);
        lines = 0;

        if (last == NULL) {
            return 0;
        }

        if (next < end || next > last) {

            if (!ngx_http_nrt_is_crlf(end, last, &lines) || lines == 0) {
                return 0;
            }

            last = ngx_http_nrt_buffer_end(r, next, &start);

            if (last == NULL || !ngx_http_nrt_is_crlf(start, next, &lines)) {
                return 0;
            }

        } else if (!ngx_http_nrt_is_crlf(end, next, &lines) || lines == 0) {
            return 0;
        }

        end = h[i].value.data + h[i].value.len;
    }

    if (r->request_body || r->discard_body || r->internal) {
        return 1;
    }

    /* nobody has looked at the body yet: it begins behind the empty line */

    next = r->header_in->pos;

    if (next - r->header_in->start < 2 || next[-2] != CR) {
        return 0;
    }

    lines = 0;

    if (end < r->header_in->start || end >= next) {
        end = r->header_in->start;
        lines++;
    }

    return ngx_http_nrt_is_crlf(end, next, &lines) && lines >= 2;
}


/* ---- the head ---- */

/*
 * METHOD SP TARGET SP VERSION. A target that names a host names the one in Host (RFC 9112 section
 * 3.2): nginx has chosen its server by the first, and nrt_pass may look at the other.
 */

static ngx_int_t
ngx_http_nrt_check_line(ngx_http_request_t *r, const char **why)
{
    u_char     *p, *last, *end;
    nrt_str     text;
    nrt__url    url;
    ngx_str_t   host;

    last = r->request_line.data + r->request_line.len;
    p = r->request_line.data + r->method_name.len + 1;
    end = ngx_strlchr(p, last, ' ');

    if (end == NULL || end == p || last - end != sizeof(" HTTP/1.1") - 1) {
        *why = "the request line is not a method, a target and a version with "
               "one space between them";
        return NRT_ERR_BAD_REQUEST;
    }

    if (*p == '/') {
        return 0;
    }

    text.ptr = (char *) p;
    text.len = end - p;

    if (nrt__url_parse(text, &url) < 0) {
        *why = "the target is not a valid http:// or https:// URL";
        return NRT_ERR_BAD_REQUEST;
    }

    host.data = (u_char *) url.host.ptr;
    host.len = url.host.len + (url.port.ptr ? url.port.len + 1 : 0);

    if (r->headers_in.host
        && !ngx_http_nrt_is(&r->headers_in.host->value, &host))
    {
        *why = "the target names another host than Host does";
        return NRT_ERR_BAD_REQUEST;
    }

    return 0;
}


static ngx_int_t
ngx_http_nrt_check_connection(ngx_str_t *value, ngx_uint_t *count)
{
    nrt_str  list, name;

    list.ptr = (char *) value->data;
    list.len = value->len;

    while (nrt__str_next(&list, &name)) {
        if (!nrt__is_token(name) || ++*count > NGX_HTTP_NRT_NOMINATIONS) {
            return NRT_ERR_BAD_REQUEST;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_nrt_check_fields(ngx_http_request_t *r, const char **why)
{
    uint8_t           id, flags;
    nrt_str           name, value, host, port;
    nrt_str           singles[NGX_HTTP_NRT_SINGLES];
    size_t            size;
    ngx_uint_t        i, k, n, fields, nominations;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    n = 0;
    size = 0;
    fields = 0;
    nominations = 0;
    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        name.ptr = (char *) h[i].key.data;
        name.len = h[i].key.len;
        value.ptr = (char *) h[i].value.data;
        value.len = h[i].value.len;

        if (!nrt__is_token(name)) {
            *why = "a field name is not a token";
            return NRT_ERR_BAD_REQUEST;
        }

        if (!nrt__is_field_value(nrt__str_trim(value))) {
            *why = "a field value holds a control character";
            return NRT_ERR_BAD_REQUEST;
        }

        size += name.len + sizeof(": " CRLF) - 1 + value.len;

        if (++fields > NRT__H1_LIMITS_DEFAULT.fields
            || size > NRT__H1_LIMITS_DEFAULT.head)
        {
            *why = "too many fields, or too long ones";
            return NRT_ERR_HEAD_TOO_LARGE;
        }

        nrt__field_look_up(name, &id, &flags);

        for (k = 0; (flags & NRT__FIELD_SINGLETON) && k <= n; k++) {

            if (k == NGX_HTTP_NRT_SINGLES
                || (k < n && nrt__str_same(singles[k], name)))
            {
                *why = "a field that must be single is repeated";
                return NRT_ERR_BAD_REQUEST;
            }

            if (k == n) {
                singles[n++] = name;
                break;
            }
        }

        if (id == NRT__HOST && !nrt__authority_split(value, &host, &port)) {
            *why = "Host is not valid";
            return NRT_ERR_BAD_REQUEST;
        }

        if (r->stream && (flags & NRT__FIELD_HOP) && id != NRT__TRAILER
            && (id != NRT__TE || !ngx_http_nrt_is_text(&h[i].value,
                                                       "trailers")))
        {
            *why = "a field of one connection has no place in HTTP/2";
            return NRT_ERR_BAD_REQUEST;
        }

        if (id == NRT__CONNECTION
            && ngx_http_nrt_check_connection(&h[i].value, &nominations) != 0)
        {
            *why = "Connection is not a short list of names";
            return NRT_ERR_BAD_REQUEST;
        }

        if (id == NRT__EXPECT && value.len
            && !ngx_http_nrt_is_text(&h[i].value, "100-continue"))
        {
            *why = "only Expect: 100-continue can be met";
            return NRT_ERR_EXPECTATION;
        }
    }

    return 0;
}


/* whether the request is as strict as one for NATS has to be, and can go there at all */

ngx_int_t
ngx_http_nrt_check(ngx_http_request_t *r, const char **why)
{
    u_char            ch;
    size_t            i;
    ngx_int_t         error;
    ngx_table_elt_t  *h;

    if (r->http_version < NGX_HTTP_VERSION_10) {
        r->http_version = NGX_HTTP_VERSION_10;    /* or nginx sends no head */
        *why = "the version is not HTTP/1.0 or HTTP/1.1";
        return NRT_ERR_BAD_REQUEST;
    }

    /* heads of HTTP/2 have no lines */

    if (r == r->main && r->stream == NULL) {

        if (!ngx_http_nrt_are_lines(r)) {
            *why = "a line of the head does not end in CRLF, or has no colon";
            return NRT_ERR_BAD_REQUEST;
        }

        error = ngx_http_nrt_check_line(r, why);
        if (error < 0) {
            return error;
        }
    }

    error = ngx_http_nrt_check_fields(r, why);
    if (error < 0) {
        return error;
    }

    if (r->unparsed_uri.len > NRT__H1_LIMITS_DEFAULT.target) {
        return NRT_ERR_TARGET_TOO_LONG;
    }

    for (i = 0; i < r->unparsed_uri.len; i++) {
        ch = r->unparsed_uri.data[i];

        if (ch <= ' ' || ch >= 0x7f || ch == '#') {
            *why = "the target has a fragment, or a character that no URI has";
            return NRT_ERR_BAD_REQUEST;
        }
    }

    h = r->headers_in.upgrade;

    if (h && ngx_strcasestrn(h->value.data, (char *) "h2c", 3 - 1)) {
        *why = "HTTP/2 by an upgrade (h2c) is not supported";
        return NRT_ERR_UNSUPPORTED;
    }

    h = r->headers_in.content_type;

    if (h && h->value.len >= 16
        && ngx_strncasecmp(h->value.data, (u_char *) "application/grpc", 16)
           == 0)
    {
        *why = "gRPC is not supported";
        return NRT_ERR_UNSUPPORTED;
    }

    return 0;
}
