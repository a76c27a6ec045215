/*
 * How directives are inherited, and which connections to NATS come of them.
 */

#include "ngx_http_nrt.h"

#include <stdlib.h>


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
    ngx_http_nrt_loc_conf_t  *nlcf;

    nlcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_nrt_loc_conf_t));
    if (nlcf == NULL) {
        return NULL;
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

    if (ngx_http_nrt_check_peer(cf, peer) != NGX_CONF_OK) {
        return NULL;
    }

    peers = ngx_array_push(&nmcf->peers);
    if (peers == NULL) {
        return NULL;
    }

    *peers = peer;

    return peer;
}


char *
ngx_http_nrt_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_nrt_loc_conf_t  *prev = parent;
    ngx_http_nrt_loc_conf_t  *conf = child;

    ngx_uint_t                 passes;
    ngx_http_nrt_login_t      *have, *from;
    ngx_http_core_loc_conf_t  *clcf;

    have = &conf->login;
    from = &prev->login;

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
