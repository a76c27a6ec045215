/*
 * Directives. What one names is looked at here, so that `nginx -t` refuses what could not work.
 */

#include "ngx_http_nrt.h"

#include "core/http/fields.h"
#include "core/base/str.h"
#include "core/nats/subject.h"


static char *ngx_http_nrt_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_http_nrt_server(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_nrt_text(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_http_nrt_time(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_http_nrt_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_http_nrt_retry(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_http_nrt_set_header(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_nrt_name(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#define NGX_HTTP_NRT_TIME_MAX  (24 * 24 * 3600 * 1000U)

#define NGX_HTTP_NRT_ANY                                                      \
    (NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF)

#define NGX_HTTP_NRT_LOC(name, args, set, field)                              \
    { ngx_string(name), NGX_HTTP_NRT_ANY|args, set, NGX_HTTP_LOC_CONF_OFFSET, \
      offsetof(ngx_http_nrt_loc_conf_t, field), NULL }


static ngx_conf_bitmask_t  ngx_http_nrt_accel_headers[] = {
    { ngx_string("X-Accel-Redirect"), NGX_HTTP_NRT_REDIRECT },
    { ngx_string("X-Accel-Limit-Rate"), NGX_HTTP_NRT_LIMIT_RATE },
    { ngx_string("X-Accel-Buffering"), NGX_HTTP_NRT_BUFFERING },
    { ngx_string("X-Accel-Charset"), NGX_HTTP_NRT_CHARSET },
    { ngx_null_string, 0 }
};


ngx_command_t  ngx_http_nrt_commands[] = {

    { ngx_string("nrt_pass"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_HTTP_LMT_CONF|NGX_CONF_TAKE1,
      ngx_http_nrt_pass,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    NGX_HTTP_NRT_LOC("nrt_server", NGX_CONF_1MORE, ngx_http_nrt_server, login),
    NGX_HTTP_NRT_LOC("nrt_context", NGX_CONF_TAKE1, ngx_http_nrt_text,
                     login.context),
    NGX_HTTP_NRT_LOC("nrt_prefix", NGX_CONF_TAKE1, ngx_http_nrt_text,
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
    NGX_HTTP_NRT_LOC("nrt_connect_timeout", NGX_CONF_TAKE1, ngx_http_nrt_time,
                     login.connect_timeout),
    NGX_HTTP_NRT_LOC("nrt_retry", NGX_CONF_1MORE, ngx_http_nrt_retry, login),

    NGX_HTTP_NRT_LOC("nrt_timeout", NGX_CONF_TAKE1, ngx_http_nrt_time,
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
    NGX_HTTP_NRT_LOC("nrt_hide_header", NGX_CONF_TAKE1, ngx_http_nrt_name,
                     hide),
    NGX_HTTP_NRT_LOC("nrt_pass_header", NGX_CONF_TAKE1, ngx_http_nrt_name,
                     show),

    { ngx_string("nrt_ignore_headers"),
      NGX_HTTP_NRT_ANY|NGX_CONF_1MORE,
      ngx_conf_set_bitmask_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_nrt_loc_conf_t, ignore),
      &ngx_http_nrt_accel_headers },

      ngx_null_command
};


/* HOST[URI]: the host as the library writes it, and what is behind it */

ngx_int_t
ngx_http_nrt_split(ngx_pool_t *pool, ngx_str_t *value, ngx_str_t *host,
    ngx_str_t *uri)
{
    u_char   *p;
    nrt_str   text;

    p = ngx_strlchr(value->data, value->data + value->len, '/');

    text.ptr = (char *) value->data;
    text.len = p ? (size_t) (p - value->data) : value->len;

    uri->data = value->data + text.len;
    uri->len = value->len - text.len;

    host->data = ngx_pnalloc(pool, NRT__HOST_MAX + 1);
    if (host->data == NULL) {
        return NGX_ERROR;
    }

    if (nrt__host_canonical(text, (char *) host->data) < 0) {
        return NGX_DECLINED;
    }

    host->len = ngx_strlen(host->data);

    return NGX_OK;
}


/* in a location, in an `if` in one, in a limit_except */

static char *
ngx_http_nrt_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_nrt_loc_conf_t  *nlcf = conf;

    ngx_int_t                          rc;
    ngx_str_t                         *value;
    ngx_http_core_loc_conf_t          *clcf;
    ngx_http_compile_complex_value_t   ccv;

    if (nlcf->pass || nlcf->host.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_nrt_handler;

    if (clcf->name.len && clcf->name.data[clcf->name.len - 1] == '/') {
        clcf->auto_redirect = 1;
    }

    if (ngx_http_script_variables_count(&value[1])) {

        nlcf->pass = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
        if (nlcf->pass == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &value[1];
        ccv.complex_value = nlcf->pass;

        return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                              : NGX_CONF_ERROR;
    }

    rc = ngx_http_nrt_split(cf->pool, &value[1], &nlcf->host, &nlcf->uri);

    if (rc == NGX_DECLINED) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not the name of a service: write a host "
                           "that ends in .nats, without scheme and port, "
                           "such as weather.nats", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (rc != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (nlcf->uri.len
        && (clcf->named
#if (NGX_PCRE)
            || clcf->regex
#endif
            || clcf->noname))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "nrt_pass \"%V\" cannot have the path \"%V\" here: "
                           "what it would stand for is not known in a location "
                           "given by a regular expression, in a named one, in "
                           "an \"if\" and in a limit_except", &value[1],
                           &nlcf->uri);
        return NGX_CONF_ERROR;
    }

    nlcf->location = clcf->name;

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

        if (value[i].len == 0 || ngx_strlchr(value[i].data, value[i].data
                                                            + value[i].len, ','))
        {
            return "has a URL that is empty, or has a comma: write them with "
                   "spaces in between";
        }

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


/* what is empty would stand for the default, which nobody means */

static char *
ngx_http_nrt_text(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "is empty";
    }

    return ngx_conf_set_str_slot(cf, cmd, conf);
}


static char *
ngx_http_nrt_time(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char        *rv;
    ngx_msec_t  *msec;

    rv = ngx_conf_set_msec_slot(cf, cmd, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    msec = (ngx_msec_t *) ((char *) conf + cmd->offset);

    return *msec < 1 || *msec > NGX_HTTP_NRT_TIME_MAX ? "is not from 1ms to 24d"
                                                      : NGX_CONF_OK;
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
    ngx_uint_t   i, on, bit;

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

        bit = 0;

        if (ngx_strcmp(value[i].data, "refused") == 0) {
            bit = NRT_RETRY_REFUSED;

        } else if (ngx_strcmp(value[i].data, "idempotent") == 0) {
            bit = NRT_RETRY_IDEMPOTENT;

        } else if (ngx_strcmp(value[i].data, "no_service") == 0) {
            bit = NRT_RETRY_NO_SERVICE;

        } else if (ngx_strncmp(value[i].data, "tries=", 6) == 0) {
            n = ngx_atoi(value[i].data + 6, value[i].len - 6);

            if (nlcf->login.retries != NGX_CONF_UNSET_UINT) {
                return "has the number of tries twice";
            }

            if (n < 2 || n > 10) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "nrt_retry \"%V\": it may be tried 2 to 10 "
                                   "times, the first one counts; write "
                                   "\"nrt_retry off;\" where once is enough",
                                   &value[i]);
                return NGX_CONF_ERROR;
            }

            nlcf->login.retries = n - 1;

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "nrt_retry does not know \"%V\" here; it takes "
                               "off alone, or some of refused, idempotent, "
                               "no_service and tries=N", &value[i]);
            return NGX_CONF_ERROR;
        }

        if (on & bit) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "nrt_retry has \"%V\" twice", &value[i]);
            return NGX_CONF_ERROR;
        }

        on |= bit;
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
    const char                        *why;
    ngx_http_nrt_field_t              *field;
    ngx_http_compile_complex_value_t   ccv;

    value = cf->args->elts;

    name.ptr = (char *) value[1].data;
    name.len = value[1].len;

    nrt__field_look_up(name, &id, &flags);

    why = NULL;

    if (!nrt__is_token(name)) {
        why = "it is not a valid name";

    } else if (id == NRT__HOST) {
        why = "the host is that of nrt_pass; what the client has asked for may "
              "go in X-Forwarded-Host";

    } else if (id == NRT__CONNECTION || id == NRT__UPGRADE) {
        why = "it concerns one connection only; a WebSocket needs no directive";

    } else if (flags & (NRT__FIELD_HOP|NRT__FIELD_FRAMING)
               || id == NRT__EXPECT)
    {
        why = "it follows from the message and its body";

    } else if (flags & NRT__FIELD_NRT) {
        why = "names that begin in NRT- belong to HTTP over NATS";
    }

    if (why) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "nrt_set_header cannot set \"%V\": %s", &value[1],
                           why);
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


static char *
ngx_http_nrt_name(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    nrt_str     name;
    ngx_str_t  *value;

    value = cf->args->elts;

    name.ptr = (char *) value[1].data;
    name.len = value[1].len;

    if (!nrt__is_token(name)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has \"%V\", which is not the name of a "
                           "field", &cmd->name, &value[1]);
        return NGX_CONF_ERROR;
    }

    return ngx_conf_set_str_array_slot(cf, cmd, conf);
}
