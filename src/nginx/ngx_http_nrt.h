/*
 * What the files of the nginx module share. They are written as nginx is: its types, its names,
 * its layout; what they know of HTTP over NATS is the library's public API and a few of its parts.
 */

#ifndef _NGX_HTTP_NRT_H_INCLUDED_
#define _NGX_HTTP_NRT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include <nrt/stream.h>


#define NGX_HTTP_NRT_SMALL_BODY  65536
#define NGX_HTTP_NRT_BUFFER      16384

#define NGX_HTTP_NRT_REDIRECT    2
#define NGX_HTTP_NRT_LIMIT_RATE  4
#define NGX_HTTP_NRT_BUFFERING   8
#define NGX_HTTP_NRT_CHARSET     16


/* what makes one connection to NATS another than the next */

typedef struct {
    ngx_str_t                   server;
    ngx_str_t                   context;
    ngx_str_t                   prefix;
    ngx_str_t                   creds;
    ngx_str_t                   nkey;
    ngx_str_t                   tls_ca;
    ngx_str_t                   tls_cert;
    ngx_str_t                   tls_key;
    ngx_flag_t                  tls_first;
    ngx_msec_t                  connect_timeout;
    ngx_uint_t                  retry_on;
    ngx_uint_t                  retries;
} ngx_http_nrt_login_t;


/* one of them; the worker's connection is shared by all its requests */

typedef struct {
    ngx_http_nrt_login_t        login;
    nrt_conn                   *conn;
    ngx_uint_t                  in_flight;
    ngx_event_t                 hold;     /* keeps a worker that is to exit */
    ngx_connection_t            dummy;    /* for the debug log of timers */
    ngx_uint_t                  told;     /* bits of nrt_conn_event */
} ngx_http_nrt_peer_t;


typedef struct {
    ngx_array_t                 peers;    /* ngx_http_nrt_peer_t * */
    void                       *top;      /* what http{} says for all */
    char                       *home;     /* of the environment that workers */
    char                       *config;   /* no longer have */
} ngx_http_nrt_main_conf_t;


typedef struct {
    ngx_str_t                   name;
    ngx_http_complex_value_t    value;
} ngx_http_nrt_field_t;


typedef struct {
    ngx_http_nrt_peer_t        *peer;
    ngx_http_complex_value_t   *pass;     /* where it has variables */
    ngx_str_t                   host;     /* where it has none */
    ngx_str_t                   uri;
    ngx_str_t                   location; /* what uri stands for */

    ngx_http_nrt_login_t        login;
    ngx_msec_t                  timeout;
    off_t                       max_body;
    ngx_flag_t                  buffering;
    ngx_flag_t                  request_buffering;
    ngx_flag_t                  pass_request_headers;
    ngx_flag_t                  intercept_errors;
    ngx_array_t                *set;      /* ngx_http_nrt_field_t */
    ngx_array_t                *hide;     /* ngx_str_t */
    ngx_array_t                *show;     /* ngx_str_t, of what is hidden else */
    ngx_uint_t                  ignore;   /* of X-Accel-* */
} ngx_http_nrt_loc_conf_t;


typedef struct {
    ngx_http_request_t         *request;
    ngx_http_nrt_peer_t        *peer;
    nrt_exchange_id             id;
    ngx_event_t                 event;

    ngx_msec_t                  began;
    ngx_msec_t                  took;

    /* the response, as the library tells of it */
    ngx_uint_t                  status;
    ngx_str_t                   reason;
    ngx_array_t                 fields;   /* ngx_table_elt_t */
    ngx_array_t                 trailers; /* ngx_table_elt_t */
    ngx_chain_t                *interim;  /* heads that go out before */
    ngx_chain_t                *pending;  /* not handed to the filters */
    ngx_chain_t                *busy;
    ngx_chain_t                *free;
    off_t                       received;
    off_t                       consumed;
    int                         error;
    ngx_str_t                   detail;

    /* the request's body, or what comes through a tunnel */
    ngx_chain_t                *body;
    ngx_buf_t                  *tunnel;
    u_char                     *scratch;

    unsigned                    head:1;   /* the response's head is here */
    unsigned                    ended:1;  /* all of the response is here */
    unsigned                    closed:1; /* the exchange is over */
    unsigned                    header_done:1;
    unsigned                    last_sent:1;
    unsigned                    flush:1;
    unsigned                    upgrade:1;    /* asked for */
    unsigned                    upgraded:1;
    unsigned                    client_ended:1;
    unsigned                    half_closed:1;    /* towards the client */
    unsigned                    uploading:1;
    unsigned                    done:1;   /* nothing may be touched any more */
} ngx_http_nrt_ctx_t;


extern ngx_module_t  ngx_http_nrt_module;


/* names of fields */

static ngx_inline ngx_uint_t
ngx_http_nrt_is(ngx_str_t *name, ngx_str_t *other)
{
    return name->len == other->len
           && ngx_strncasecmp(name->data, other->data, name->len) == 0;
}


static ngx_inline ngx_uint_t
ngx_http_nrt_is_text(ngx_str_t *name, const char *text)
{
    return name->len == ngx_strlen(text)
           && ngx_strncasecmp(name->data, (u_char *) text, name->len) == 0;
}


/* ngx_http_nrt_conf.c */

extern ngx_command_t  ngx_http_nrt_commands[];

ngx_int_t ngx_http_nrt_split(ngx_pool_t *pool, ngx_str_t *value,
    ngx_str_t *host, ngx_str_t *uri);

/* ngx_http_nrt_merge.c */

void *ngx_http_nrt_create_main_conf(ngx_conf_t *cf);
void *ngx_http_nrt_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_nrt_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);

/* ngx_http_nrt_conn.c */

char *ngx_http_nrt_check_peer(ngx_conf_t *cf, ngx_http_nrt_peer_t *peer);
ngx_int_t ngx_http_nrt_try(ngx_http_nrt_login_t *login, char *detail,
    size_t size);
ngx_uint_t ngx_http_nrt_log_level(ngx_http_nrt_peer_t *peer, int error);
ngx_int_t ngx_http_nrt_init_process(ngx_cycle_t *cycle);
void ngx_http_nrt_exit_process(ngx_cycle_t *cycle);
void ngx_http_nrt_hold(ngx_http_nrt_peer_t *peer);
void ngx_http_nrt_release(ngx_http_nrt_peer_t *peer);

/* ngx_http_nrt_loop.c */

void ngx_http_nrt_loop_init(nrt_loop *loop);
void ngx_http_nrt_loop_release(nrt_loop *loop);

/* ngx_http_nrt_request.c */

ngx_int_t ngx_http_nrt_handler(ngx_http_request_t *r);
void ngx_http_nrt_cancel(ngx_http_nrt_ctx_t *ctx);
void ngx_http_nrt_forget(void *data);
void ngx_http_nrt_finalize(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx,
    ngx_int_t rc);

/* ngx_http_nrt_body.c */

ngx_uint_t ngx_http_nrt_is_whole(ngx_http_request_t *r,
    ngx_http_nrt_ctx_t *ctx, ngx_str_t *host, off_t size);
int ngx_http_nrt_set_body(ngx_http_request_t *r, nrt_request *request,
    size_t size);
ngx_int_t ngx_http_nrt_take_body(ngx_http_request_t *r,
    ngx_http_nrt_ctx_t *ctx);
void ngx_http_nrt_pump(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx);
void ngx_http_nrt_read_body(ngx_http_request_t *r);

/* ngx_http_nrt_strict.c */

ngx_int_t ngx_http_nrt_check(ngx_http_request_t *r, const char **why);

/* ngx_http_nrt_chunks.c */

ngx_int_t ngx_http_nrt_check_chunks(ngx_http_request_t *r);
const char *ngx_http_nrt_bad_chunks(ngx_http_request_t *r);
nrt_fields *ngx_http_nrt_request_trailers(ngx_http_request_t *r);

/* ngx_http_nrt_head.c */

nrt_request *ngx_http_nrt_create_request(ngx_http_request_t *r,
    ngx_str_t *host, ngx_str_t *uri, int *error);

/* ngx_http_nrt_fields.c */

ngx_int_t ngx_http_nrt_copy_fields(ngx_http_request_t *r, ngx_array_t *to,
    const nrt_fields *from);
ngx_uint_t ngx_http_nrt_is_hidden(ngx_http_nrt_ctx_t *ctx, ngx_str_t *name);
ngx_int_t ngx_http_nrt_set_fields(ngx_http_request_t *r,
    ngx_http_nrt_ctx_t *ctx, ngx_uint_t redirect);
ngx_int_t ngx_http_nrt_set_challenge(ngx_http_request_t *r,
    ngx_http_nrt_ctx_t *ctx);
ngx_int_t ngx_http_nrt_set_trailers(ngx_http_request_t *r,
    ngx_http_nrt_ctx_t *ctx);
ngx_str_t *ngx_http_nrt_field(ngx_http_nrt_ctx_t *ctx, char *name);
ngx_str_t *ngx_http_nrt_accel_field(ngx_http_nrt_ctx_t *ctx, char *name,
    ngx_uint_t bit);

/* ngx_http_nrt_response.c */

extern const nrt_stream_events  ngx_http_nrt_events;

void ngx_http_nrt_note(ngx_http_nrt_ctx_t *ctx);
void ngx_http_nrt_wake(ngx_event_t *ev);
void ngx_http_nrt_write_handler(ngx_http_request_t *r);

/* ngx_http_nrt_problem.c */

ngx_uint_t ngx_http_nrt_has_page(ngx_http_request_t *r, ngx_uint_t status);
void ngx_http_nrt_fail(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx,
    int error, const char *detail);

/* ngx_http_nrt_interim.c */

void ngx_http_nrt_on_interim(const nrt_response *response, void *arg);
ngx_int_t ngx_http_nrt_send_interim(ngx_http_request_t *r,
    ngx_http_nrt_ctx_t *ctx);

/* ngx_http_nrt_output.c */

void ngx_http_nrt_output(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx);

/* ngx_http_nrt_tunnel.c */

void ngx_http_nrt_check_client(ngx_http_request_t *r);
void ngx_http_nrt_tunnel_start(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx);
void ngx_http_nrt_tunnel_pump(ngx_http_request_t *r, ngx_http_nrt_ctx_t *ctx);

/* ngx_http_nrt_user.c */

char *ngx_http_nrt_check_user(ngx_conf_t *cf, ngx_http_nrt_login_t *login);

/* ngx_http_nrt_variables.c */

ngx_int_t ngx_http_nrt_add_variables(ngx_conf_t *cf);


#endif /* _NGX_HTTP_NRT_H_INCLUDED_ */
