/* What the files of `nrt gateway` share: gateway.c (options, the program), gateway_setup.c (what
 * the options and the configuration file come to), gateway_listen.c (listeners), gateway_reload.c
 * (another configuration for a gateway that runs). */
#ifndef NRT__GATEWAY_H
#define NRT__GATEWAY_H

#include "bridge/front.h"
#include "cli/common.h"
#include "cli/daemon/config_file.h"
#include "cli/daemon/operation.h"
#include "cli/daemon/tls_option.h"
#include "core/base/timers.h"

typedef struct nrt__gateway_options {
    nrt__common common;
    nrt__operation operation;
    nrt__config_option config;
    nrt__listen_tls tls;
    nrt__arg_list listen;
    const char *listen_mode;
    nrt__arg_list routes;
    bool proxy;
    bool long_poll;
    nrt__arg_list trusted;
    size_t max_body;
    unsigned max_connections;
    unsigned max_requests;
    uint32_t head_timeout_ms;
    uint32_t idle_timeout_ms;
    uint32_t drain_timeout_ms;
} nrt__gateway_options;

/* Where to listen, and what is peculiar to that. */
typedef struct nrt__gateway_place {
    const char *address;
    const char *where; /* it is from, for messages: "--listen", or a place in the file */
    unsigned mode;     /* of a unix socket's file; 0: what the umask leaves */
    bool plain;        /* plain HTTP, although others have TLS */
} nrt__gateway_place;

/* A configuration: the command line, what the file says where that is silent, and what comes of
 * both. */
typedef struct nrt__gateway_setup {
    nrt__gateway_options options;
    nrt__config_file file;
    nrt__routes *routes;
    const char **trusted;
    nrt__tls_context *tls; /* NULL: plain HTTP */
    nrt__gateway_place *places;
    size_t place_count;
    uint32_t timeout_ms; /* 0: the connection's */
} nrt__gateway_setup;

typedef struct nrt__gateway_listener {
    struct nrt__gateway_listener *next;
    struct nrt__gateway *gateway;
    char *address;
    nrt__front *front;
    bool retired; /* it goes when its last connection does */
    bool drained;
    nrt__timer end;
} nrt__gateway_listener;

typedef struct nrt__gateway {
    const nrt__gateway_options *given; /* the command line */
    const nrt__operands *operands;
    nrt__gateway_setup *setup; /* in force */
    nrt__program *program;
    nrt__tallies *tallies; /* NULL without an admin listener */
    size_t connections;
    nrt__gateway_listener *listeners;
    bool listening;
    void (*on_drained)(nrt__program *program);
    nrt__operating operating;
} nrt__gateway;

/* ---- gateway.c ---- */

/* What fronts of the gateway go by under `setup`. */
void nrt__gateway_front_options(nrt__gateway *state, const nrt__gateway_setup *setup,
                                const nrt__gateway_place *place, nrt__front_options *out);

/* For the admin listener. */
void nrt__gateway_admin(nrt__gateway *state, nrt_admin_options *options,
                        nrt__admin_gateway *counted);

/* ---- gateway_setup.c ---- */

/* What a route or a listener may be written as, in a configuration file. */
enum { NRT__GATEWAY_OBJECTS = 2 };
extern const nrt__opt_object nrt__gateway_objects[NRT__GATEWAY_OBJECTS];

/* Reads the file, if one is named, and checks all that needs no connection. NULL once it has said
 * what is wrong; *code is for the exit then. */
nrt__gateway_setup *nrt__gateway_setup_create(const nrt__gateway_options *given,
                                              const nrt__operands *operands, const nrt__report *log,
                                              int *code);
void nrt__gateway_setup_destroy(nrt__gateway_setup *setup, const nrt__operands *operands);

/* ---- gateway_listen.c ---- */

/* Opens what `setup` wants and is not there yet. 0, or the exit code once it has said what is
 * wrong: nothing of it is open then. Those that are to go share their ports until
 * nrt__gateway_settle. */
int nrt__gateway_listen(nrt__gateway *gateway, const nrt__gateway_setup *setup);

/* Closes again what nrt__gateway_listen has opened. */
void nrt__gateway_unlisten(nrt__gateway *gateway, const nrt__gateway_setup *setup);

/* All listeners go by `setup` from now on, and those that it does not have are retired. */
void nrt__gateway_settle(nrt__gateway *gateway, const nrt__gateway_setup *setup);

/* All of them are drained; then `done(program)`. */
void nrt__gateway_drain(nrt__gateway *gateway, void (*done)(nrt__program *program));

void nrt__gateway_close(nrt__gateway *gateway);

/* ---- gateway_reload.c ---- */

/* Reads the configuration anew and goes by it, or says why not and leaves all as it is. */
void nrt__gateway_reload(nrt__gateway *gateway);

#endif
