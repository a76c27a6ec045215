/* A server that goes into lame duck mode tells so and closes some time later. Until then there are
 * two links: requests move to the new one at once, what is under way on the old one ends there. */
#include <stdio.h>

#include "lib/link.h"

enum {
    SPREAD_MS = 300, /* until every server of a cluster knows of the new subscriptions */
    LOOK_MS = 50,    /* how often it is asked whether the old link is done */
};

void nrt__lame_duck_begin(nrt_conn *conn) {
    const nrt__server *server = nrt__link_server(conn->link);
    char detail[400];
    char url[300];
    nrt__server_url(server, url, sizeof(url));
    snprintf(detail, sizeof(detail), "%s is in lame duck mode: it will close soon", url);
    nrt__conn_event(conn, NRT_CONN_LAME_DUCK, 0, detail);
    if (conn->other && conn->other->retiring) { /* the one before has had its time */
        nrt__link_lost(conn->other, NRT_ERR_CONNECT, "the next lame duck is here");
    }
    if (conn->destroying || conn->other || conn->servers.count < 2) {
        return; /* with no other server there is nothing to do but to wait for its end */
    }
    conn->other = nrt__link_create(conn, conn->link->session);
    if (conn->other) {
        size_t from = conn->link->server;
        size_t to = nrt__servers_after(&conn->servers, from, false);
        conn->servers.at = to != from ? to : nrt__servers_after(&conn->servers, from, true);
        nrt__link_start(conn->other);
    }
}

static void set_timer(nrt__link *link, uint32_t delay_ms, nrt__timer_fn fn) {
    nrt__timer_set(&link->conn->loop.timers, &link->timer, nrt__link_env(link)->now_ms + delay_ms,
                   fn, link);
}

/* All that the server had sent before it read our UNSUBs is here. */
static void on_fence(int error, void *arg) {
    nrt__link *old = arg;
    old->fenced = error == 0;
}

static void on_look(nrt__timer *timer, void *arg) {
    nrt__link *old = arg;
    nrt_conn *conn = old->conn;
    (void)timer;
    bool done = old->fenced && nrt__client_in_flight_on(conn->client, old->session) == 0 &&
                nrt__services_in_flight_on(conn->services, old->session) == 0 &&
                nrt__session_output(old->session).len == 0;
    if (done) {
        nrt__link_drop(old, "nothing is left to do on it");
    } else {
        set_timer(old, LOOK_MS, on_look);
    }
}

static void on_spread(nrt__timer *timer, void *arg) {
    nrt__link *old = arg;
    (void)timer;
    nrt__session_retire(old->session);
    if (nrt__session_flush(old->session, on_fence, old) < 0) {
        nrt__link_drop(old, "it takes no more");
        return;
    }
    set_timer(old, LOOK_MS, on_look);
}

/* The client last: it sends at once what has waited. */
static void switch_all(nrt_conn *conn) {
    nrt__session *session = conn->link->session;
    nrt__services_switch(conn->services, session);
    nrt__discovery_switch(conn->discovery, session);
    nrt__gathers_switch(conn->gathers, session);
    nrt__client_switch(conn->client, session);
}

void nrt__lame_duck_take_over(nrt_conn *conn) {
    nrt__link *old = conn->link;
    conn->link = conn->other;
    conn->other = old;
    old->retiring = true;
    set_timer(old, SPREAD_MS, on_spread);
    conn->connects++;
    nrt__conn_event(conn, NRT_CONN_CONNECTED, 0, "");
    switch_all(conn);
}

void nrt__lame_duck_inherit(nrt_conn *conn) {
    nrt__link *gone = conn->link;
    conn->link = conn->other;
    conn->other = NULL;
    nrt__services_forget(conn->services, gone->session);
    switch_all(conn);
    nrt__link_destroy(gone);
}

void nrt__lame_duck_over(nrt_conn *conn, const char *reason) {
    nrt__link *old = conn->other;
    nrt__log(&conn->loop.env, NRT_LOG_DEBUG, "the old session is over: %s", reason);
    conn->other = NULL;
    nrt__services_forget(conn->services, old->session);
    nrt__client_disconnected(conn->client, old->session, reason);
    nrt__link_destroy(old);
}
