/*
 * What nginx lets through in chunks, and RFC 9112 does not: they are read by the library's strict
 * reader on their way to nginx's, which throws trailers away as well.
 */

#include "ngx_http_nrt.h"

#include "core/http/h1_reader.h"


typedef struct {
    nrt__h1_reader       reader;
    nrt__message         message;
    ngx_recv_pt          recv;     /* of the connection, before ours */
    ngx_http_request_t  *request;
    ngx_event_t          refuse;     /* where nginx would, with a page of its own */
    unsigned             ended:1;
    unsigned             failed:1;
    unsigned             spoiled:1;  /* nginx has been given what it refuses */
    unsigned             held:1;     /* or has been given nothing more */
} ngx_http_nrt_chunks_t;


static ssize_t ngx_http_nrt_recv(ngx_connection_t *c, u_char *buf, size_t size);


/*
 * Reads on in bytes that nginx is about to. What is wrong is made so wrong that nginx refuses it,
 * too: CR and something else than LF is nowhere in chunks, but in their data, and the reader stops
 * in front of that. How many bytes nginx is to see. While it gathers a body by itself, it would
 * answer by itself, too: then it sees nothing more.
 */

static size_t
ngx_http_nrt_read_chunks(ngx_http_nrt_chunks_t *chunks, u_char *buf, size_t n,
    size_t size, ngx_uint_t gathering)
{
    int      event;
    size_t   at, used;
    nrt_str  body;

    for (at = 0; at < n && !chunks->ended; at += used) {
        event = nrt__h1_read(&chunks->reader, (char *) buf + at, n - at, &used,
                             &body);

        if (event < 0) {
            ngx_log_error(NGX_LOG_INFO, chunks->request->connection->log, 0,
                          "nrt: %s: %s", nrt_error_code(event),
                          chunks->reader.reason);

            chunks->failed = 1;

            if (gathering) {
                chunks->held = 1;
                ngx_post_event(&chunks->refuse, &ngx_posted_events);

                return at;
            }

            buf[at++] = CR;

            if (at < size) {
                chunks->spoiled = 1;
                buf[at++] = 'x';
            }

            return at;
        }

        chunks->ended = event == NRT__H1_END;
    }

    return n;
}


static void
ngx_http_nrt_chunks_cleanup(void *data)
{
    ngx_http_nrt_chunks_t  *chunks = data;

    ngx_connection_t  *c;

    c = chunks->request->connection;

    if (c->recv == ngx_http_nrt_recv) {
        c->recv = chunks->recv;
    }

    if (chunks->refuse.posted) {
        ngx_delete_posted_event(&chunks->refuse);
    }

    nrt__h1_reader_free(&chunks->reader);
    nrt__message_free(&chunks->message);
}


/* a redirect takes the context of a request away, but no cleanup */

static ngx_http_nrt_chunks_t *
ngx_http_nrt_chunks(ngx_http_request_t *r)
{
    ngx_http_cleanup_t  *cln;

    for (cln = r->main->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_nrt_chunks_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


static ssize_t
ngx_http_nrt_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    ssize_t                 n;
    ngx_http_nrt_chunks_t  *chunks;

    chunks = ngx_http_nrt_chunks(c->data);

    if (chunks->refuse.posted) {
        c->read->ready = 0;
        return NGX_AGAIN;
    }

    if (chunks->failed && !chunks->spoiled && !chunks->held) {
        chunks->spoiled = 1;
        buf[0] = 'x';
        return 1;
    }

    n = chunks->recv(c, buf, size);

    if (n <= 0 || chunks->failed) {
        return n;
    }

    n = ngx_http_nrt_read_chunks(chunks, buf, n, size,
                                 !chunks->request->request_body_no_buffering);

    if (n == 0) {    /* which would be the end of the connection */
        c->read->ready = 0;
        return NGX_AGAIN;
    }

    return n;
}


static void
ngx_http_nrt_refuse_chunks(ngx_event_t *ev)
{
    ngx_connection_t       *c;
    ngx_http_nrt_ctx_t     *ctx;
    ngx_http_request_t     *r;
    ngx_http_nrt_chunks_t  *chunks = ev->data;

    r = chunks->request;
    c = r->connection;
    ctx = ngx_http_get_module_ctx(r, ngx_http_nrt_module);

    ngx_http_set_log_request(c->log, r);

    r->keepalive = 0;

    if (ctx) {
        ngx_http_nrt_fail(r, ctx, NRT_ERR_BAD_REQUEST, chunks->reader.reason);

    } else {
        ngx_http_finalize_request(r, NGX_HTTP_BAD_REQUEST);
    }

    ngx_http_run_posted_requests(c);
}


/* from here on until the request is over, what the client sends is looked at */

ngx_int_t
ngx_http_nrt_check_chunks(ngx_http_request_t *r)
{
    size_t                  used, n;
    nrt_str                 body;
    ngx_buf_t              *b;
    ngx_connection_t       *c;
    ngx_http_cleanup_t     *cln;
    ngx_http_nrt_chunks_t  *chunks;

    static char  head[] = "POST / HTTP/1.1" CRLF
                          "Host: x" CRLF
                          "Transfer-Encoding: chunked" CRLF CRLF;

    if (r != r->main || r->stream || !r->headers_in.chunked
        || r->request_body || r->discard_body)
    {
        return NGX_OK;
    }

    chunks = ngx_pcalloc(r->pool, sizeof(ngx_http_nrt_chunks_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (chunks == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    c = r->connection;

    chunks->request = r;
    chunks->recv = c->recv;
    chunks->refuse.data = chunks;
    chunks->refuse.log = c->log;
    chunks->refuse.handler = ngx_http_nrt_refuse_chunks;

    nrt__message_init(&chunks->message, 1);
    nrt__h1_reader_init(&chunks->reader, NULL);
    nrt__h1_begin(&chunks->reader, &chunks->message, NRT__H1_REQUEST);

    cln->handler = ngx_http_nrt_chunks_cleanup;
    cln->data = chunks;

    if (nrt__h1_read(&chunks->reader, head, sizeof(head) - 1, &used, &body)
        != NRT__H1_HEAD)
    {
        return NGX_ERROR;
    }

    c->recv = ngx_http_nrt_recv;

    b = r->header_in;
    n = b->last - b->pos;

    if (n) {
        (void) ngx_http_nrt_read_chunks(chunks, b->pos, n, n, 0);
    }

    return NGX_OK;
}


/* why a body was refused; NULL where it was not */

const char *
ngx_http_nrt_bad_chunks(ngx_http_request_t *r)
{
    ngx_http_nrt_chunks_t  *chunks;

    chunks = ngx_http_nrt_chunks(r);

    return chunks && chunks->failed ? chunks->reader.reason : NULL;
}


/* those of a request that has ended; NULL where there are none */

nrt_fields *
ngx_http_nrt_request_trailers(ngx_http_request_t *r)
{
    ngx_http_nrt_chunks_t  *chunks;

    chunks = ngx_http_nrt_chunks(r);

    return chunks && chunks->ended && chunks->message.trailers.count
           ? &chunks->message.trailers : NULL;
}
