/*
 * Whether the workers will be able to read what the master just has read: they are not root, and
 * read credentials and certificates again at each connection.
 */

#include "ngx_http_nrt.h"

#include <grp.h>
#include <sys/prctl.h>


#define NGX_HTTP_NRT_GROUPS  256


typedef struct {
    gid_t   gid;
    int     n;
    gid_t   groups[NGX_HTTP_NRT_GROUPS];
} ngx_http_nrt_user_t;


static ngx_int_t
ngx_http_nrt_user_leave(ngx_http_nrt_user_t *was)
{
    if (seteuid(0) == -1 || setegid(was->gid) == -1
        || setgroups(was->n, was->groups) == -1)
    {
        return NGX_ERROR;
    }

    /* a change of the user takes core dumps away */

    (void) prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);

    return NGX_OK;
}


static ngx_int_t
ngx_http_nrt_user_enter(ngx_core_conf_t *ccf, ngx_http_nrt_user_t *was)
{
    was->gid = getegid();
    was->n = getgroups(NGX_HTTP_NRT_GROUPS, was->groups);

    if (was->n == -1) {
        return NGX_DECLINED;
    }

    if (initgroups(ccf->username, ccf->group) == -1
        || setegid(ccf->group) == -1 || seteuid(ccf->user) == -1)
    {
        return ngx_http_nrt_user_leave(was) == NGX_OK ? NGX_DECLINED
                                                      : NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_str_t *
ngx_http_nrt_user_unreadable(ngx_http_nrt_login_t *login, ngx_err_t *err)
{
    ngx_fd_t     fd;
    ngx_uint_t   i;
    ngx_str_t   *files[] = { &login->creds, &login->nkey, &login->tls_ca,
                             &login->tls_cert, &login->tls_key };

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i]->len == 0) {
            continue;
        }

        fd = ngx_open_file(files[i]->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

        if (fd == NGX_INVALID_FILE) {
            *err = ngx_errno;
            return files[i];
        }

        (void) ngx_close_file(fd);
    }

    return NULL;
}


char *
ngx_http_nrt_check_user(ngx_conf_t *cf, ngx_http_nrt_login_t *login)
{
    char                  detail[512];
    ngx_err_t             err;
    ngx_int_t             rc;
    ngx_str_t            *file;
    ngx_core_conf_t      *ccf;
    ngx_http_nrt_user_t   was;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                           ngx_core_module);

    /* a `user` behind http{} is not known here: then the workers say it */

    if (geteuid() != 0 || ccf->user == (ngx_uid_t) NGX_CONF_UNSET_UINT
        || ccf->user == 0)
    {
        return NGX_CONF_OK;
    }

    rc = ngx_http_nrt_user_enter(ccf, &was);

    if (rc == NGX_DECLINED) {
        return NGX_CONF_OK;
    }

    file = NULL;
    detail[0] = '\0';

    if (rc == NGX_OK) {
        file = ngx_http_nrt_user_unreadable(login, &err);

        if (file == NULL && login->context.len) {
            (void) ngx_http_nrt_try(login, detail, sizeof(detail));
        }

        rc = ngx_http_nrt_user_leave(&was);
    }

    if (rc != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "cannot become root again");
        return NGX_CONF_ERROR;
    }

    if (file) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, err,
                           "the workers are user \"%s\" and cannot read "
                           "\"%V\": let a group of theirs read it",
                           ccf->username, file);
        return NGX_CONF_ERROR;
    }

    if (detail[0]) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the workers are user \"%s\" and cannot use the "
                           "context \"%V\": %s", ccf->username,
                           &login->context, detail);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
