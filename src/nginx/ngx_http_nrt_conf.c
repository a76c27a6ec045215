/*
 * Directives, and how they are inherited. What a directive names is looked at here, so that
 * `nginx -t` refuses what could not work.
 */

#include "ngx_http_nrt.h"

#include <stdlib.h>

#include "core/fields.h"
#include "core/subject.h"


static char *ngx_http_nrt_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_http_nrt_server(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_nrt_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_http_nrt_retry(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_http_nrt_set_header(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#define NGX_HTTP_NRT_ANY                                                      \
    (NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF)

#define NGX_HTTP_NRT_LOC(name, args, set, field)                              \
    { ngx_string(name), NGX_HTTP_NRT_ANY|args, set, NGX_HTTP_LOC_CONF_OFFSET, \
      offsetof(ngx_http_nrt_loc_conf_t, field), NULL }


ngx_command_t  ngx_http_nrt_commands[] = {

    { ngx_string("nrt_pass"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_HTTP_LMT_CONF|NGX_CONF_TAKE1,
      ngx_http_nrt_pass,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    NGX_HTTP_NRT_LOC("nrt_server", NGX_CONF_1MORE, ngx_http_nrt_server, login),
    NGX_HTTP_NRT_LOC("nrt_context", NGX_CONF_TAKE1, ngx_conf_set_str_slot,
                     login.context),
    NGX_HTTP_NRT_LOC("nrt_prefix", NGX_CONF_TAKE1, ngx_conf_set_str_slot,
                     login.prefix),
    NGX_HTTP_NRT_LOC("nrt_creds", NGX_CONF_TAKE1, ngx_http_nrt_file,
                     login.creds),
    NGX_HTTP_NRT_LOC("nrt_nkey", NGX_CONF_TAKE1, ngx_http_nrt_file,
                     login.nkey),
    NGX_HTTP_NRT_LOC("nrt_tls_ca", NGX_CONF_TAKE1, ngx_http_nrt_file,
                     login.tls_ca),
    NGX_HTTP_NRT_LOC("nrt_tls_certificate", NGX_CONF_TAKE1, ngx_http_nrt_file,
                     login.tls_cert),
    NGX_HTTP_NRT_LOC("nrt_tls_certificate_key", NGX_CONF_TAKE1,
                     ngx_http_nrt_file, login.tls_key),
    NGX_HTTP_NRT_LOC("nrt_tls_first", NGX_CONF_FLAG, ngx_conf_set_flag_slot,
                     login.tls_first),
    NGX_HTTP_NRT_LOC("nrt_connect_timeout", NGX_CONF_TAKE1,
                     ngx_conf_set_msec_slot, login.connect_timeout),
    NGX_HTTP_NRT_LOC("nrt_retry", NGX_CONF_1MORE, ngx_http_nrt_retry, login),

    NGX_HTTP_NRT_LOC("nrt_timeout", NGX_CONF_TAKE1, ngx_conf_set_msec_slot,
                     timeout),
    NGX_HTTP_NRT_LOC("nrt_max_body", NGX_CONF_TAKE1, ngx_conf_set_off_slot,
                     max_body),
    NGX_HTTP_NRT_LOC("nrt_buffering", NGX_CONF_FLAG, ngx_conf_set_flag_slot,
                     buffering),
    NGX_HTTP_NRT_LOC("nrt_request_buffering", NGX_CONF_FLAG,
                     ngx_conf_set_flag_slot, request_buffering),
    NGX_HTTP_NRT_LOC("nrt_pass_request_headers", NGX_CONF_FLAG,
                     ngx_conf_set_flag_slot, pass_request_headers),
    NGX_HTTP_NRT_LOC("nrt_intercept_errors", NGX_CONF_FLAG,
                     ngx_conf_set_flag_slot, intercept_errors),
    NGX_HTTP_NRT_LOC("nrt_set_header", NGX_CONF_TAKE2, ngx_http_nrt_set_header,
                     set),
    NGX_HTTP_NRT_LOC("nrt_hide_header", NGX_CONF_TAKE1,
                     ngx_conf_set_str_array_slot, hide),

      ngx_null_command
};


static char *
ngx_http_nrt_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_nrt_loc_conf_t  *nlcf = conf;

    char                               host[NRT__HOST_MAX + 1];
    nrt_str                            text;
    ngx_str_t                         *value;
    ngx_http_core_loc_conf_t          *clcf;
    ngx_http_compile_complex_value_t   ccv;

    if (nlcf->pass) {
        return "is duplicate";
    }

    value = cf->args->elts;

    nlcf->pass = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (nlcf->pass == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = nlcf->pass;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    text.ptr = (char *) value[1].data;
    text.len = value[1].len;

    if (nlcf->pass->lengths == NULL && nrt__host_canonical(text, host) < 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not the name of a service: write a host "
                           "that ends in .nats, without scheme, port or path, "
                           "such as weather.nats", &value[1]);
        return NGX_CONF_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_nrt_handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_nrt_server(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_nrt_loc_conf_t  *nlcf = conf;

    u_char      *p;
    size_t       len;
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (nlcf->login.server.data) {
        return "is duplicate";
    }

    value = cf->args->elts;
    len = 0;

    for (i = 1; i < cf->args->nelts; i++) {
        len += value[i].len + 1;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    nlcf->login.server.data = p;
    nlcf->login.server.len = len - 1;

    for (i = 1; i < cf->args->nelts; i++) {
        p = ngx_cpymem(p, value[i].data, value[i].len);
        *p++ = ',';
    }

    p[-1] = '\0';

    return NGX_CONF_OK;
}


static char *
ngx_http_nrt_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char             *rv;
    ngx_str_t        *name;
    ngx_file_info_t   fi;

    rv = ngx_conf_set_str_slot(cf, cmd, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    name = (ngx_str_t *) ((char *) conf + cmd->offset);

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_file_info(name->data, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%V\": cannot find the file \"%V\"", &cmd->name,
                           name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* nrt_retry off | [refused] [idempotent] [no_service] [tries=N] */

static char *
ngx_http_nrt_retry(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_nrt_loc_conf_t  *nlcf = conf;

    ngx_int_t    n;
    ngx_str_t   *value;
    ngx_uint_t   i, on;

    if (nlcf->login.retry_on != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    on = 0;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "off") == 0 && cf->args->nelts == 2) {
            nlcf->login.retry_on = 0;
            nlcf->login.retries = 0;
            return NGX_CONF_OK;
        }

        if (ngx_strcmp(value[i].data, "refused") == 0) {
            on |= NRT_RETRY_REFUSED;

        } else if (ngx_strcmp(value[i].data, "idempotent") == 0) {
            on |= NRT_RETRY_IDEMPOTENT;

        } else if (ngx_strcmp(value[i].data, "no_service") == 0) {
            on |= NRT_RETRY_NO_SERVICE;

        } else if (ngx_strncmp(value[i].data, "tries=", 6) == 0) {
            n = ngx_atoi(value[i].data + 6, value[i].len - 6);

            if (n < 1 || n > 10) {
                return "has a number of tries that is not from 1 to 10";
            }

            nlcf->login.retries = n;

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "nrt_retry does not know \"%V\"; it takes off, "
                               "or some of refused, idempotent, no_service and "
                               "tries=N", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    nlcf->login.retry_on = on ? on : NRT_RETRY_REFUSED|NRT_RETRY_IDEMPOTENT;

    return NGX_CONF_OK;
}


static char *
ngx_http_nrt_set_header(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_nrt_loc_conf_t  *nlcf = conf;

    uint8_t                            id, flags;
    nrt_str                            name;
    ngx_str_t                         *value;
    ngx_http_nrt_field_t              *field;
    ngx_http_compile_complex_value_t   ccv;

    value = cf->args->elts;

    name.ptr = (char *) value[1].data;
    name.len = value[1].len;

    nrt__field_look_up(name, &id, &flags);

    if (id == NRT__HOST
        || (flags & (NRT__FIELD_HOP|NRT__FIELD_FRAMING|NRT__FIELD_NRT)))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "nrt_set_header cannot set \"%V\": the library "
                           "makes it from the message itself", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (nlcf->set == NULL) {
        nlcf->set = ngx_array_create(cf->pool, 4, sizeof(ngx_http_nrt_field_t));
        if (nlcf->set == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    field = ngx_array_push(nlcf->set);
    if (field == NULL) {
        return NGX_CONF_ERROR;
    }

    field->name = value[1];

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[2];
    ccv.complex_value = &field->value;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


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

    if (conf->set == NULL) {
        conf->set = prev->set;
    }

    /* an `if` and a limit_except without a pass of their own */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->pass == NULL && clcf->noname) {
        conf->pass = prev->pass;
    }

    if (clcf->lmt_excpt && clcf->handler == NULL && conf->pass) {
        clcf->handler = ngx_http_nrt_handler;
    }

    if (conf->pass) {
        conf->peer = ngx_http_nrt_find_peer(cf, have);
        if (conf->peer == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}
