/* What the files of `nrt demo` share. */
#ifndef NRT__DEMO_DEMO_H
#define NRT__DEMO_DEMO_H

#include "cli/demo/children.h"
#include "cli/term.h"

enum { NRT__DEMO_PATH = 1024, NRT__DEMO_URL = 128 };

typedef struct nrt__demo {
    nrt__children children;
    bool keep;                     /* everything stays: its requests are worth showing */
    const nrt__style *style;       /* of standard output */
    const nrt__style *error_style; /* of standard error */
    char nrt[NRT__DEMO_PATH + 8];  /* as a user would type it */
    char nrt_path[NRT__DEMO_PATH];
    char nats_path[NRT__DEMO_PATH];
    char curl_path[NRT__DEMO_PATH];
    char weather_path[NRT__DEMO_PATH];
    char nats_url[NRT__DEMO_URL];
    char plain_url[NRT__DEMO_URL]; /* the plain HTTP server behind the sidecar */
    char gateway_url[NRT__DEMO_URL];
    char nats_variable[NRT__DEMO_URL + 16];  /* "NATS_URL=..." */
    char proxy_variable[NRT__DEMO_URL + 16]; /* "http_proxy=..." */
} nrt__demo;

/* Sends a request each way, with the commands that a user would type. False, told, where one does
 * not answer as it should. */
bool nrt__demo_show(nrt__demo *demo);

/* What is running where, and how to talk to it. */
void nrt__demo_tell_running(const nrt__demo *demo);

/* What to try after the demo. */
void nrt__demo_tell_next(const nrt__demo *demo);

/* Prints lines indented; what could steer a terminal is left out. */
void nrt__demo_indent(FILE *out, nrt_str text, const nrt__style *style);

#endif
