/*
 * nrt_pass: requests of nginx go to services on NATS. This is what nginx looks for in the module.
 */

#include "ngx_http_nrt.h"


static ngx_http_module_t  ngx_http_nrt_module_ctx = {
    ngx_http_nrt_add_variables,            /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_nrt_create_main_conf,         /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_nrt_create_loc_conf,          /* create location configuration */
    ngx_http_nrt_merge_loc_conf            /* merge location configuration */
};


ngx_module_t  ngx_http_nrt_module = {
    NGX_MODULE_V1,
    &ngx_http_nrt_module_ctx,              /* module context */
    ngx_http_nrt_commands,                 /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_nrt_init_process,             /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_nrt_exit_process,             /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* what load_module asks a dynamic module for */

extern ngx_module_t  *ngx_modules[];
extern char          *ngx_module_names[];
extern char          *ngx_module_order[];

ngx_module_t  *ngx_modules[] = {
    &ngx_http_nrt_module,
    NULL
};

char  *ngx_module_names[] = {
    "ngx_http_nrt_module",
    NULL
};

char  *ngx_module_order[] = {
    NULL
};
