/*
 * The connections to NATS: tried on paper when the configuration is read, opened by each worker,
 * kept until what is in flight is finished.
 */

#include "ngx_http_nrt.h"

#include <stdlib.h>


#define NGX_HTTP_NRT_HOLD  3600000


/* strings of the configuration end in NUL */

static const char *
ngx_http_nrt_text(ngx_str_t *value)
{
    return value->len ? (const char *) value->data : NULL;
}


static void
ngx_http_nrt_fill(nrt_options *options, ngx_http_nrt_login_t *login)
{
    nrt_options_init(options);

    options->name = "nginx";
    options->servers = ngx_http_nrt_text(&login->server);
    options->context = ngx_http_nrt_text(&login->context);
    options->prefix = ngx_http_nrt_text(&login->prefix);
    options->creds = ngx_http_nrt_text(&login->creds);
    options->nkey = ngx_http_nrt_text(&login->nkey);
    options->tls_ca = ngx_http_nrt_text(&login->tls_ca);
    options->tls_cert = ngx_http_nrt_text(&login->tls_cert);
    options->tls_key = ngx_http_nrt_text(&login->tls_key);
    options->tls_first = login->tls_first;
    options->connect_timeout_ms = login->connect_timeout;
    options->connect_wait_ms = login->connect_timeout;
    options->retries = login->retries;
    options->retry_on = login->retry_on;
}


/* a connection that is not driven connects to nothing; in words, why there is none */

ngx_int_t
ngx_http_nrt_try(ngx_http_nrt_login_t *login, char *detail, size_t size)
{
    int           error;
    nrt_conn     *conn;
    nrt_options   options;

    ngx_http_nrt_fill(&options, login);

    detail[0] = '\0';
    options.detail = detail;
    options.detail_size = size;

    conn = nrt_conn_open(&options, &error);

    if (conn == NULL) {
        if (detail[0] == '\0') {
            (void) ngx_cpystrn((u_char *) detail,
                               (u_char *) nrt_error_text(error), size);
        }

        return NGX_ERROR;
    }

    nrt_conn_destroy(conn);

    detail[0] = '\0';

    return NGX_OK;
}


/* says what is wrong as long as somebody is looking */

char *
ngx_http_nrt_check_peer(ngx_conf_t *cf, ngx_http_nrt_peer_t *peer)
{
    char  detail[512];

    if (ngx_http_nrt_try(&peer->login, detail, sizeof(detail)) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "cannot use this connection to NATS: %s", detail);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static void
ngx_http_nrt_on_event(nrt_conn *conn, nrt_conn_event event, int error,
    const char *detail, void *arg)
{
    ngx_uint_t            level;
    nrt_conn_info         info;
    ngx_http_nrt_peer_t  *peer = arg;

    info.size = sizeof(nrt_conn_info);

    switch (event) {

    case NRT_CONN_CONNECTED:
        if (nrt_conn_info_get(conn, &info) == 0) {
            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                          "nrt: connected to NATS at %s", info.url);
        }

        peer->told = 0;
        break;

    case NRT_CONN_LAME_DUCK:
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "nrt: the NATS server will close soon");
        break;

    default:

        /* attempts follow each other for as long as it takes: each is told once */

        level = (peer->told & (1u << event)) ? NGX_LOG_INFO : NGX_LOG_ERR;

        ngx_log_error(level, ngx_cycle->log, 0, "nrt: %s: %s",
                      event == NRT_CONN_DISCONNECTED
                          ? "the connection to NATS is lost"
                          : "cannot connect to NATS",
                      detail[0] ? detail : nrt_error_text(error));

        peer->told |= 1u << event;
    }
}


/* what the log has of the connection is not said again for each request that meets it */

ngx_uint_t
ngx_http_nrt_log_level(ngx_http_nrt_peer_t *peer, int error)
{
    if (nrt_error_status(error) < 500) {
        return NGX_LOG_INFO;
    }

    if (error != NRT_ERR_DISCONNECTED && error != NRT_ERR_ABORTED) {
        return NGX_LOG_ERR;
    }

    return peer->conn == NULL || peer->told ? NGX_LOG_INFO : NGX_LOG_ERR;
}


/* workers have no environment left, and contexts lie below the home of whoever started nginx */

static char *
ngx_http_nrt_swap_env(const char *name, const char *value)
{
    char  *before;

    before = getenv(name);
    before = before ? strdup(before) : NULL;

    if (value) {
        (void) setenv(name, value, 1);

    } else {
        (void) unsetenv(name);
    }

    return before;
}


static void
ngx_http_nrt_open(ngx_http_nrt_peer_t *peer, ngx_http_nrt_main_conf_t *nmcf)
{
    int           error;
    char         *home, *config;
    char          detail[512];
    nrt_loop      loop;
    nrt_options   options;

    ngx_http_nrt_loop_init(&loop);
    if (loop.data == NULL) {
        return;
    }

    ngx_http_nrt_fill(&options, &peer->login);

    detail[0] = '\0';
    options.detail = detail;
    options.detail_size = sizeof(detail);
    options.loop = &loop;
    options.on_event = ngx_http_nrt_on_event;
    options.on_event_arg = peer;

    home = ngx_http_nrt_swap_env("HOME", nmcf->home);
    config = ngx_http_nrt_swap_env("XDG_CONFIG_HOME", nmcf->config);

    peer->conn = nrt_conn_open(&options, &error);

    free(ngx_http_nrt_swap_env("HOME", home));
    free(ngx_http_nrt_swap_env("XDG_CONFIG_HOME", config));
    free(home);
    free(config);

    if (peer->conn == NULL) {
        ngx_log_error(NGX_LOG_EMERG, ngx_cycle->log, 0,
                      "nrt: this worker cannot use its connection to NATS, "
                      "its requests will get 503: %s",
                      detail[0] ? detail : nrt_error_text(error));

        ngx_http_nrt_loop_release(&loop);
    }
}


static void
ngx_http_nrt_hold_handler(ngx_event_t *ev)
{
    ngx_add_timer(ev, NGX_HTTP_NRT_HOLD);
}


ngx_int_t
ngx_http_nrt_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                 i;
    ngx_http_nrt_peer_t      **peers;
    ngx_http_nrt_main_conf_t  *nmcf;

    /* the cache manager comes here, too */

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    nmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_nrt_module);
    if (nmcf == NULL) {
        return NGX_OK;
    }

    peers = nmcf->peers.elts;

    for (i = 0; i < nmcf->peers.nelts; i++) {
        peers[i]->told = 0;
        peers[i]->dummy.fd = (ngx_socket_t) -1;
        peers[i]->hold.data = &peers[i]->dummy;
        peers[i]->hold.log = cycle->log;
        peers[i]->hold.handler = ngx_http_nrt_hold_handler;

        ngx_http_nrt_open(peers[i], nmcf);
    }

    return NGX_OK;
}


void
ngx_http_nrt_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                 i;
    ngx_http_nrt_peer_t      **peers;
    ngx_http_nrt_main_conf_t  *nmcf;

    nmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_nrt_module);
    if (nmcf == NULL) {
        return;
    }

    peers = nmcf->peers.elts;

    for (i = 0; i < nmcf->peers.nelts; i++) {
        nrt_conn_destroy(peers[i]->conn);
        peers[i]->conn = NULL;
    }
}


/* a worker that is to exit does so when no timer is left, and a request that waits has none */

void
ngx_http_nrt_hold(ngx_http_nrt_peer_t *peer)
{
    if (peer->in_flight++ == 0) {
        ngx_add_timer(&peer->hold, NGX_HTTP_NRT_HOLD);
    }
}


void
ngx_http_nrt_release(ngx_http_nrt_peer_t *peer)
{
    if (--peer->in_flight == 0 && peer->hold.timer_set) {
        ngx_del_timer(&peer->hold);
    }
}
