/* The connection's inside: what the files of lib/ share, and bridges need of it. */
#ifndef NRT__CONN_PRIVATE_H
#define NRT__CONN_PRIVATE_H

#include <pthread.h>

#include <nrt/conn.h>

#include "core/client.h"
#include "core/services.h"
#include "core/session.h"
#include "lib/config.h"
#include "lib/login.h"
#include "lib/loop.h"
#include "lib/postbox.h"
#include "lib/resolver.h"
#include "lib/servers.h"
#include "lib/tls.h"

typedef enum nrt__link_state {
    NRT__LINK_IDLE = 0,  /* nothing yet, or destroyed */
    NRT__LINK_RESOLVING, /* the server's name */
    NRT__LINK_DIALING,   /* connect() is under way */
    NRT__LINK_GREETING,  /* INFO, CONNECT, PING, PONG */
    NRT__LINK_SECURING,  /* the TLS handshake: behind INFO, or before it (tls_first) */
    NRT__LINK_UP,
    NRT__LINK_PAUSED, /* waiting before the next attempt */
} nrt__link_state;

/* The socket to one NATS server, and how a new one is got when it is lost. A connection has one;
 * during a lame duck it will have two. */
typedef struct nrt__link {
    nrt_conn *conn;
    nrt__link_state state;
    nrt__session *session;
    nrt__io io;
    int fd; /* -1: none */
    nrt__addresses addresses;
    size_t address_at;
    nrt__resolve *resolve;
    nrt__timer timer;    /* of the attempt, or of the pause */
    nrt__login login;    /* until we are in */
    nrt__tls *tls;       /* NULL: plain */
    unsigned read_wants; /* NRT_IO_*: what reading and writing wait for */
    unsigned write_wants;
    nrt__timer read_on; /* there is more than one turn should read, and no event will tell */
    nrt__task flush;
    int64_t up_since_ms;
    size_t failures; /* attempts in a row */
    uint32_t pause_ms;
    nrt__log_gate denied; /* publishes that the server refused */
    bool dying; /* an error was found inside the session; handled at the end of the turn */
    int error;
    char reason[NRT__REASON_SIZE];
} nrt__link;

struct nrt_conn {
    nrt__config config;  /* where the options come from, and their strings */
    nrt_options options; /* its result */
    nrt__loop loop;
    nrt__servers servers;
    nrt__link link;
    nrt__client *client;
    nrt__services *services;
    nrt__postbox *box;
    nrt__io box_io;
    pthread_t owner;
    unsigned fork_generation;
    bool owner_fixed; /* somebody has dispatched */
    bool destroying;
    bool forked;   /* being freed in a child: nothing shared with the parent is touched, nobody is
                      told */
    bool closing;  /* a drain has begun: nothing new */
    bool draining; /* and is not complete yet */
    bool stopped;
    bool drained;
    size_t stopping; /* services whose end a drain waits for */
    nrt_task_fn on_drained;
    void *on_drained_arg;
    nrt__task drain_check;
    nrt__timer drain_timer;  /* asks whether the server still lives */
    uint64_t drain_received; /* bytes from it when it was last asked */
    int last_error;          /* of the last attempt to connect */
    char error[1024];
    char url[300]; /* for nrt_conn_info_get */
};

/* 0 on the right thread of the right process, else NRT_ERR_THREAD or NRT_ERR_FORK. */
int nrt__conn_check(nrt_conn *conn);

/* Notes why a call failed, for nrt_conn_error, and answers with `error`. */
int nrt__conn_fail(nrt_conn *conn, int error, const char *detail);

void nrt__conn_event(nrt_conn *conn, nrt_conn_event event, int error, const char *detail);

static inline nrt__loop *nrt__conn_loop(nrt_conn *conn) {
    return &conn->loop;
}

/* What the connection goes by, complete. */
static inline const nrt_options *nrt__conn_options(const nrt_conn *conn) {
    return &conn->options;
}

/* ---- lib/link.c ---- */

int nrt__link_init(nrt__link *link, nrt_conn *conn);
void nrt__link_start(nrt__link *link);
void nrt__link_finish(nrt__link *link);

/* Gives the connection up, at the end of this turn. */
void nrt__link_drop(nrt__link *link, const char *reason);

/* ---- lib/serve.c ---- */

/* The handler of an accepted exchange is to run (nrt__run_fn). */
void nrt__serve_run(nrt_exchange *exchange, void *arg);
void nrt__serve_finish(nrt_conn *conn);

/* nrt_exchange_end for callers on the connection's thread: no way around through the postbox. */
void nrt__exchange_end_here(nrt_exchange *exchange);

#endif
