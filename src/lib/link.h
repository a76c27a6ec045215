/* One link of a connection: what link.c, link_io.c and lame_duck.c share, and conn.c uses. */
#ifndef NRT__LINK_H
#define NRT__LINK_H

#include "lib/conn_private.h"
#include "lib/login.h"
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

/* The socket to one NATS server, and how a new one is got when it is lost. A connection has one,
 * and two during a lame duck. */
struct nrt__link {
    nrt_conn *conn;
    nrt__link_state state;
    size_t server; /* in conn->servers: the one in use or tried last */
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
    nrt__task go_on; /* bodies that waited for less output */
    int64_t up_since_ms;
    size_t failures; /* attempts in a row */
    uint32_t pause_ms;
    nrt__log_gate denied; /* publishes that the server refused */
    bool retiring;        /* another one has taken over */
    bool fenced;          /* and all that was sent to this one has arrived */
    bool dying; /* an error was found inside the session; handled at the end of the turn */
    int error;
    char reason[NRT__REASON_SIZE];
};

static inline nrt__env *nrt__link_env(nrt__link *link) {
    return &link->conn->loop.env;
}

/* ---- link.c ---- */

/* With subscriptions of its own, or with those of the session `beside`. NULL when out of memory. */
nrt__link *nrt__link_create(nrt_conn *conn, nrt__session *beside);
void nrt__link_destroy(nrt__link *link);

/* Connects to the server at conn->servers.at, and then to others until there is a connection. */
void nrt__link_start(nrt__link *link);

/* Gives the connection up, at the end of this turn. */
void nrt__link_drop(nrt__link *link, const char *reason);

const nrt__server *nrt__link_server(const nrt__link *link);

/* The connection is gone, or the attempt has failed. The link may be gone then, too. */
void nrt__link_lost(nrt__link *link, int error, const char *reason);

/* ---- link_io.c ---- */

/* Watches for what reading and writing wait for: TLS may want to write in order to read, and the
 * other way round. */
void nrt__link_watch(nrt__link *link);

void nrt__link_receive(nrt__link *link);

/* Writes all there is (nrt__task's function). */
void nrt__link_flush(void *arg);

/* Writes some of it in the middle of a turn (the session's event). */
void nrt__link_flush_some(void *arg);

/* Errors are found deep inside callbacks of the session; it must not be stopped there: lost at the
 * end of this turn. */
void nrt__link_die(nrt__link *link, int error, const char *reason);

/* The server's greeting is next. */
void nrt__link_greet(nrt__link *link);

/* TLS is next; then the greeting, or what follows it. */
void nrt__link_secure(nrt__link *link);
void nrt__link_shake_hands(nrt__link *link);

/* The session's event. */
int nrt__link_on_secure(const nrt__nats_info *info, void *arg);

/* ---- lame_duck.c ---- */

/* The server of the link in use will close soon: another one is looked for. */
void nrt__lame_duck_begin(nrt_conn *conn);

/* The other link is ready: it takes over. */
void nrt__lame_duck_take_over(nrt_conn *conn);

/* The link in use is gone before another was ready: what is being tried goes on as its successor.
 */
void nrt__lame_duck_inherit(nrt_conn *conn);

/* The old link is gone; whatever waits for it goes on. */
void nrt__lame_duck_over(nrt_conn *conn, const char *reason);

#endif
