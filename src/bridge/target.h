/* Where an HTTP server is, and how a connection to it is got: the text that an operator writes, the
 * name in it looked up, connect() without blocking. Runs on the connection's loop; origin and
 * health both stand on it. */
#ifndef NRT__TARGET_H
#define NRT__TARGET_H

#include <nrt/bridge.h>

#include "lib/conn_private.h"
#include "lib/tls.h"

/* Once a lookup is over: `reason` is NULL where an address is at hand now. May finish the target.
 */
typedef void (*nrt__target_found_fn)(const char *reason, void *arg);

/* How TLS is to be with an https:// server. Read by nrt__target_init only. */
typedef struct nrt__target_tls {
    nrt__tls_files files;
    const char *name; /* that its certificate is for, and that it is asked for; NULL: of the URL */
    bool any;         /* its certificate is not looked at */
} nrt__target_tls;

typedef struct nrt__target {
    nrt_conn *conn;
    char *text; /* as given, for messages */
    char *base; /* prefix of every request's target, without a trailing '/'; "" */
    char *host; /* name or address; NULL: a unix socket */
    uint16_t port;
    nrt__tls_context *tls; /* NULL: plain */
    char *tls_name;
    nrt__addresses addresses;
    size_t first;     /* the one that took a connection last */
    int64_t found_ms; /* when; names are asked for again after a while */
    nrt__resolve *resolve;
    nrt__target_found_fn fn;
    void *arg;
    nrt_connect_fn connect; /* gives connections instead of all this; NULL */
    void (*release)(void *arg);
    void *connect_arg;
} nrt__target;

/* Reads `http://host:port[/base]`, `https://...` or `unix:/path`. `tls` may be NULL: as a browser
 * would. NRT_ERR_USAGE, NRT_ERR_CONFIG (a file cannot be used), NRT_ERR_MEMORY, with what is wrong
 * in words in `detail`; nothing is left to finish then. */
int nrt__target_init(nrt__target *target, nrt_conn *conn, const char *text,
                     const nrt__target_tls *tls, char *detail, size_t size);

/* TLS for a connection to it, where it is for that: 1 with `*tls`, 0 where it is plain,
 * NRT_ERR_MEMORY. */
int nrt__target_secure(nrt__target *target, int fd, nrt__tls **tls);

/* One that `connect(arg)` leads to; `release` (may be NULL) follows at the end. NRT_ERR_MEMORY. */
int nrt__target_init_with(nrt__target *target, nrt_conn *conn, nrt_connect_fn connect,
                          void (*release)(void *arg), void *arg);

/* Harmless on one that is zeroed or finished. Dials must be over. */
void nrt__target_finish(nrt__target *target);

/* 1 where an address is at hand; 0 where it is being looked up: then `fn` is called later (once,
 * however often this is asked meanwhile); NRT_ERR_SYSTEM: no thread for that. */
int nrt__target_find(nrt__target *target, nrt__target_found_fn fn, void *arg);

/* `fd` is connected and the callee's; or it is -1, and `code` says why (errno). */
typedef void (*nrt__dialed_fn)(int fd, int code, void *arg);

/* A connect() under way, through the addresses until one takes it. Zeroed is idle. */
typedef struct nrt__dial {
    nrt__target *target;
    nrt__io io;
    size_t at;   /* the address being tried */
    size_t left; /* that may still be tried */
    nrt__dialed_fn fn;
    void *arg;
} nrt__dial;

/* Needs an address at hand. `fn` is called once, later, unless canceled; never on
 * NRT_ERR_CONNECT: no attempt could begin, and errno says why. */
int nrt__dial_start(nrt__dial *dial, nrt__target *target, nrt__dialed_fn fn, void *arg);

/* Harmless on one that is idle. */
void nrt__dial_cancel(nrt__dial *dial);

/* Cancels it because no answer came: the next one begins with another address. */
void nrt__dial_time_out(nrt__dial *dial);

#endif
