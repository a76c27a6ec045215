/* The connection's inside: what the files of lib/ share, and bridges need of it. */
#ifndef NRT__CONN_PRIVATE_H
#define NRT__CONN_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <nrt/conn.h>

#include "core/discovery/gather.h"
#include "core/exchange/client.h"
#include "core/exchange/services.h"
#include "core/nats/session.h"
#include "lib/config.h"
#include "lib/loop.h"
#include "lib/postbox.h"
#include "lib/resolver.h"
#include "lib/servers.h"

typedef struct nrt__link nrt__link;
typedef struct nrt__driver nrt__driver;

struct nrt_conn {
    nrt__config config;  /* where the options come from, and their strings */
    nrt_options options; /* its result */
    nrt__loop loop;
    nrt__servers servers;
    nrt__link *link; /* the one that requests go out on */
    nrt__link
        *other; /* in a lame duck: the one that will take over, or the one it took over from */
    nrt__client *client;
    nrt__services *services;
    nrt__discovery *discovery; /* what its services tell of themselves */
    nrt__gathers *gathers;     /* what is asked of others */
    nrt__postbox *box;
    nrt__io box_io;
    pthread_t owner;
    unsigned fork_generation;
    bool owner_fixed;      /* somebody has dispatched */
    pthread_mutex_t claim; /* whose it becomes, while nobody drives it */
    nrt__driver *driver;   /* the thread that drives it, where that is ours */
    void *local;           /* the bridge's: the way in for HTTP clients of this process, */
    void (*local_close)(void *local); /* which ends before the connection does */
    void *admin;                      /* likewise its admin listener */
    void (*admin_close)(void *admin);
    bool destroying;
    bool held;     /* a call that waits uses it when callbacks have returned */
    bool forked;   /* being freed in a child: nothing shared with the parent is touched, nobody is
                      told */
    bool closing;  /* a drain has begun: nothing new */
    bool draining; /* and is not complete yet */
    atomic_bool stopped; /* by any thread, or a handler of signals */
    bool drained;
    size_t stopping; /* services whose end a drain waits for */
    nrt_task_fn on_drained;
    void *on_drained_arg;
    nrt__task begin; /* the first attempt to connect */
    nrt__task drain_check;
    nrt__timer drain_timer;                        /* asks whether the server still lives */
    uint64_t drain_received;                       /* bytes from it when it was last asked */
    void (*on_denied)(nrt_str subject, void *arg); /* hears of every publish that is refused */
    void *on_denied_arg;
    uint64_t received_bytes; /* from NATS servers, over all connections so far */
    uint64_t sent_bytes;
    uint64_t connects; /* connections there have been, lame ducks' successors included */
    int last_error;    /* of the last attempt to connect */
    char error[1024];
    char url[300]; /* for nrt_conn_info_get */
};

/* 0 on the right thread of the right process, else NRT_ERR_THREAD or NRT_ERR_FORK. The second one
 * asks about the process only. */
int nrt__conn_check(nrt_conn *conn);
int nrt__conn_check_process(const nrt_conn *conn);

/* For calls that wait, which callbacks may destroy the connection in. The first says whether it may
 * be driven here and now (0, else they have their error); between the two it stays, and
 * `conn->destroying` is to be looked at; after the second it may be gone. */
int nrt__conn_hold(nrt_conn *conn);
void nrt__conn_release(nrt_conn *conn);

/* What nrt_conn_run does between the two. */
int nrt__conn_turn(nrt_conn *conn);

/* Copies options of the program's, which may be NULL, over the defaults at `to`: the struct begins
 * with its size (core/sized.h). NRT_ERR_USAGE, noted, where that was not filled in. */
int nrt__conn_read(nrt_conn *conn, void *to, size_t size, const void *from, const char *name);

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

/* The session that requests go out on. */
nrt__session *nrt__conn_session(const nrt_conn *conn);

/* ---- lib/serve.c ---- */

/* As nrt_serve; `finish(arg)` is called when the service is gone. */
int nrt__serve_with(nrt_conn *conn, const char *host, const nrt_service_options *given,
                    nrt_handler_fn handler, void *arg, void (*finish)(void *arg),
                    nrt_service **out);

/* The handler of an accepted exchange is to run (nrt__run_fn). */
void nrt__serve_run(nrt_exchange *exchange, void *arg);
void nrt__serve_finish(nrt_conn *conn);

/* nrt_exchange_end for callers on the connection's thread: no way around through the postbox. */
void nrt__exchange_end_here(nrt_exchange *exchange);

#endif
