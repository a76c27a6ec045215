/* TLS with HTTP clients (`nrt gateway`) and with HTTP servers (`nrt serve`): options, files, and
 * what is said of them. TLS with NATS is cli/common's. */
#ifndef NRT__DAEMON_TLS_OPTION_H
#define NRT__DAEMON_TLS_OPTION_H

#include "bridge/target.h"
#include "cli/args.h"
#include "cli/report.h"
#include "lib/tls.h"

/* ---- nrt gateway ---- */

typedef struct nrt__listen_tls {
    nrt__arg_list certs; /* none: plain HTTP */
    nrt__arg_list keys;  /* as many, in the same order; none: they are in the same files */
    const char *client_ca;
} nrt__listen_tls;

enum { NRT__LISTEN_TLS_OPTS = 3, NRT__LISTEN_TLS_MAX = 100 };
extern const nrt__opt nrt__listen_tls_opts[NRT__LISTEN_TLS_OPTS];

/* The group for a command whose options struct has an nrt__listen_tls called `tls`. */
#define NRT__LISTEN_TLS_GROUP(options_type)                                                        \
    {                                                                                              \
        "TLS with HTTP clients", nrt__listen_tls_opts, NRT__LISTEN_TLS_OPTS,                       \
            offsetof(options_type, tls)                                                            \
    }

/* Reads the files, and warns of what will trouble clients, such as a certificate that has expired.
 * 0 with *context (NULL: plain HTTP), or the exit code once it has said what is wrong. The same at
 * the start and when they are to be read anew. */
int nrt__listen_tls_read(const nrt__listen_tls *options, const nrt__report *log,
                         nrt__tls_context **context);

/* ---- nrt serve ---- */

typedef struct nrt__origin_tls {
    const char *ca;
    const char *cert;
    const char *key;
    const char *name;
    bool insecure;
} nrt__origin_tls;

enum { NRT__ORIGIN_TLS_OPTS = 5 };
extern const nrt__opt nrt__origin_tls_opts[NRT__ORIGIN_TLS_OPTS];

#define NRT__ORIGIN_TLS_GROUP(options_type)                                                        \
    {                                                                                              \
        "TLS with https:// targets", nrt__origin_tls_opts, NRT__ORIGIN_TLS_OPTS,                   \
            offsetof(options_type, tls)                                                            \
    }

/* What they mean for targets; `any` says whether there is an https:// one at all. 0, or the exit
 * code once it has said what is wrong. */
int nrt__origin_tls_read(const nrt__origin_tls *options, bool any, const nrt__report *log,
                         nrt__target_tls *out);

#endif
