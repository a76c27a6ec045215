/*
 * How directives are inherited, and which connections to NATS come of them.
 */

#include "ngx_http_nrt.h"

#include <stdlib.h>

#include "lib/creds.h"
#include "lib/file.h"
#include "lib/nkey.h"
#include "lib/tls.h"


void *
ngx_http_nrt_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_nrt_main_conf_t  *nmcf;

    nmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_nrt_main_conf_t));
    if (nmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&nmcf->peers, cf->pool, 2, sizeof(ngx_http_nrt_peer_t *))
        != NGX_OK)
    {
        return NULL;
    }

    /* the environment of a master lives as long as it does */

    nmcf->home = getenv("HOME");
    nmcf->config = getenv("XDG_CONFIG_HOME");

    return nmcf;
}


void *
ngx_http_nrt_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_conf_ctx_t       *http;
    ngx_http_nrt_loc_conf_t   *nlcf;
    ngx_http_nrt_main_conf_t  *nmcf;

    nlcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_nrt_loc_conf_t));
    if (nlcf == NULL) {
        return NULL;
    }

    /* the first one is that of http{} itself, which is merged with nothing */

    http = (ngx_http_conf_ctx_t *) cf->cycle->conf_ctx[ngx_http_module.index];
    nmcf = http->main_conf[ngx_http_nrt_module.ctx_index];

    if (nmcf->top == NULL) {
        nmcf->top = nlcf;
    }

    nlcf->login.tls_first = NGX_CONF_UNSET;
    nlcf->login.connect_timeout = NGX_CONF_UNSET_MSEC;
    nlcf->login.retry_on = NGX_CONF_UNSET_UINT;
    nlcf->login.retries = NGX_CONF_UNSET_UINT;
    nlcf->timeout = NGX_CONF_UNSET_MSEC;
    nlcf->max_body = NGX_CONF_UNSET;
    nlcf->buffering = NGX_CONF_UNSET;
    nlcf->request_buffering = NGX_CONF_UNSET;
    nlcf->pass_request_headers = NGX_CONF_UNSET;
    nlcf->intercept_errors = NGX_CONF_UNSET;
    nlcf->hide = NGX_CONF_UNSET_PTR;
    nlcf->show = NGX_CONF_UNSET_PTR;

    return nlcf;
}


static ngx_uint_t
ngx_http_nrt_same(ngx_str_t *one, ngx_str_t *two)
{
    return one->len == two->len
           && (one->len == 0
               || ngx_strncmp(one->data, two->data, one->len) == 0);
}


/* workers read files at each attempt to connect; here somebody is looking */

static ngx_int_t
ngx_http_nrt_check_secret(ngx_http_nrt_login_t *login, ngx_str_t *name,
    char *reason, size_t size)
{
    int          error;
    nrt_str      text, seed;
    nrt__nkey    nkey;
    nrt__creds   creds;

    error = nrt__file_read((char *) name->data, NRT__CREDS_MAX, &text, reason,
                           size);
    if (error < 0) {
        return NGX_ERROR;
    }

    ngx_memzero(&nkey, sizeof(nrt__nkey));

    if (name == &login->creds) {
        error = nrt__creds_read(&creds, text, reason, size);
        seed = creds.seed;

    } else {
        error = nrt__creds_read_seed(&seed, text, reason, size);
    }

    if (error == 0) {
        error = nrt__nkey_init(&nkey, seed, reason, size);
    }

    nrt__nkey_finish(&nkey);

    nrt__file_free(text);

    return error < 0 ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_http_nrt_check_files(ngx_conf_t *cf, ngx_http_nrt_login_t *login)
{
    char               reason[512];
    ngx_str_t         *secret;
    nrt__tls_files     files;
    nrt__tls_context  *context;

    reason[0] = '\0';

    secret = login->creds.len ? &login->creds : &login->nkey;

    if (secret->len && ngx_http_nrt_check_secret(login, secret, reason,
                                                 sizeof(reason))
                       != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "cannot use the credentials \"%V\": %s", secret,
                           reason);
        return NGX_ERROR;
    }

    ngx_memzero(&files, sizeof(nrt__tls_files));
    files.ca = login->tls_ca.len ? (char *) login->tls_ca.data : NULL;
    files.cert = login->tls_cert.len ? (char *) login->tls_cert.data : NULL;
    files.key = login->tls_key.len ? (char *) login->tls_key.data : NULL;

    if (files.ca || files.cert) {
        context = nrt__tls_context_create(&files, reason, sizeof(reason));

        if (context == NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "cannot use TLS to NATS: %s", reason);
            return NGX_ERROR;
        }

        nrt__tls_context_destroy(context);
    }

    return NGX_OK;
}


/* the connection with such a login: one that is there, or another one */

static ngx_http_nrt_peer_t *
ngx_http_nrt_find_peer(ngx_conf_t *cf, ngx_http_nrt_login_t *login)
{
    ngx_uint_t                 i;
    ngx_http_nrt_login_t      *have;
    ngx_http_nrt_peer_t       *peer, **peers;
    ngx_http_nrt_main_conf_t  *nmcf;

    nmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_nrt_module);

    peers = nmcf->peers.elts;

    for (i = 0; i < nmcf->peers.nelts; i++) {
        have = &peers[i]->login;

        if (ngx_http_nrt_same(&have->server, &login->server)
            && ngx_http_nrt_same(&have->context, &login->context)
            && ngx_http_nrt_same(&have->prefix, &login->prefix)
            && ngx_http_nrt_same(&have->creds, &login->creds)
            && ngx_http_nrt_same(&have->nkey, &login->nkey)
            && ngx_http_nrt_same(&have->tls_ca, &login->tls_ca)
            && ngx_http_nrt_same(&have->tls_cert, &login->tls_cert)
            && ngx_http_nrt_same(&have->tls_key, &login->tls_key)
            && have->tls_first == login->tls_first
            && have->connect_timeout == login->connect_timeout
            && have->retry_on == login->retry_on
            && have->retries == login->retries)
        {
            return peers[i];
        }
    }

    peer = ngx_pcalloc(cf->pool, sizeof(ngx_http_nrt_peer_t));
    if (peer == NULL) {
        return NULL;
    }

    peer->login = *login;

    if (ngx_http_nrt_check_peer(cf, peer) != NGX_CONF_OK
        || ngx_http_nrt_check_files(cf, login) != NGX_OK
        || ngx_http_nrt_check_user(cf, login) != NGX_CONF_OK)
    {
        return NULL;
    }

    peers = ngx_array_push(&nmcf->peers);
    if (peers == NULL) {
        return NULL;
    }

    *peers = peer;

    return peer;
}


/* what one level says must not contradict itself; another level may say otherwise */

static ngx_int_t
ngx_http_nrt_check_together(ngx_conf_t *cf, ngx_http_nrt_loc_conf_t *conf)
{
    ngx_str_t   *hide, *show;
    ngx_uint_t   i, k;

    if (conf->login.server.data && conf->login.context.data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "nrt_server and nrt_context \"%V\" are both here: "
                           "each says where NATS is, remove one",
                           &conf->login.context);
        return NGX_ERROR;
    }

    if (conf->hide == NGX_CONF_UNSET_PTR || conf->show == NGX_CONF_UNSET_PTR) {
        return NGX_OK;
    }

    hide = conf->hide->elts;
    show = conf->show->elts;

    for (i = 0; i < conf->hide->nelts; i++) {
        for (k = 0; k < conf->show->nelts; k++) {

            if (ngx_http_nrt_is(&hide[i], &show[k])) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "nrt_hide_header and nrt_pass_header both "
                                   "have \"%V\": remove one", &hide[i]);
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


char *
ngx_http_nrt_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_nrt_loc_conf_t  *prev = parent;
    ngx_http_nrt_loc_conf_t  *conf = child;

    ngx_uint_t                 passes;
    ngx_http_nrt_login_t      *have, *from;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_nrt_main_conf_t  *nmcf;

    have = &conf->login;
    from = &prev->login;

    nmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_nrt_module);

    if (ngx_http_nrt_check_together(cf, conf) != NGX_OK
        || (prev == nmcf->top
            && ngx_http_nrt_check_together(cf, prev) != NGX_OK))
    {
        return NGX_CONF_ERROR;
    }

    /* a server and a context exclude each other, so the nearer one wins */

    if (have->server.data == NULL && have->context.data == NULL) {
        have->server = from->server;
        have->context = from->context;
    }

    ngx_conf_merge_str_value(have->prefix, from->prefix, "");

    /* likewise ways to log in */

    if (have->creds.data == NULL && have->nkey.data == NULL) {
        have->creds = from->creds;
        have->nkey = from->nkey;
    }

    ngx_conf_merge_str_value(have->tls_ca, from->tls_ca, "");
    ngx_conf_merge_str_value(have->tls_cert, from->tls_cert, "");
    ngx_conf_merge_str_value(have->tls_key, from->tls_key, "");
    ngx_conf_merge_value(have->tls_first, from->tls_first, 0);
    ngx_conf_merge_msec_value(have->connect_timeout, from->connect_timeout,
                              2000);
    if (have->retry_on == NGX_CONF_UNSET_UINT) {
        have->retries = from->retries;
    }

    ngx_conf_merge_uint_value(have->retry_on, from->retry_on,
                              NRT_RETRY_REFUSED|NRT_RETRY_IDEMPOTENT);
    if (have->retries == NGX_CONF_UNSET_UINT) {
        have->retries = 2;
    }

    ngx_conf_merge_msec_value(conf->timeout, prev->timeout, 30000);
    ngx_conf_merge_off_value(conf->max_body, prev->max_body, 0);
    ngx_conf_merge_value(conf->buffering, prev->buffering, 1);
    ngx_conf_merge_value(conf->request_buffering, prev->request_buffering, 1);
    ngx_conf_merge_value(conf->pass_request_headers,
                         prev->pass_request_headers, 1);
    ngx_conf_merge_value(conf->intercept_errors, prev->intercept_errors, 0);
    ngx_conf_merge_ptr_value(conf->hide, prev->hide, NULL);
    ngx_conf_merge_ptr_value(conf->show, prev->show, NULL);
    ngx_conf_merge_bitmask_value(conf->ignore, prev->ignore,
                                 (NGX_CONF_BITMASK_SET|0));

    if (conf->set == NULL) {
        conf->set = prev->set;
    }

    /* an `if` and a limit_except without a pass of their own */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname && conf->pass == NULL && conf->host.data == NULL) {
        conf->pass = prev->pass;
        conf->host = prev->host;
        conf->uri = prev->uri;
        conf->location = prev->location;
    }

    passes = conf->pass || conf->host.data;

    if (clcf->lmt_excpt && clcf->handler == NULL && passes) {
        clcf->handler = ngx_http_nrt_handler;
    }

    if (passes) {

        /* nginx counts while it reads, and has only its own limit */

        if (conf->max_body && (clcf->client_max_body_size == 0
                               || clcf->client_max_body_size > conf->max_body))
        {
            clcf->client_max_body_size = conf->max_body;
        }

        conf->peer = ngx_http_nrt_find_peer(cf, have);
        if (conf->peer == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}
