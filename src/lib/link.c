/* The socket to a NATS server: found, dialled, read, written, and got again when it is lost. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/link.h"

enum {
    LASTED_MS = 1000,       /* a connection that was up for so long was a good one */
    REFUSED_PAUSE_MS = 250, /* at least, after a server refused us: that seldom changes soon */
};

static void attempt(nrt__link *link);
static void dial_next(nrt__link *link);
static void on_io(void *arg, unsigned events);

const nrt__server *nrt__link_server(const nrt__link *link) {
    return &link->conn->servers.list[link->server];
}

/* Servers that were told of take the credentials of the one that was given first. */
static const nrt__server *credentials_of(const nrt__link *link) {
    const nrt__server *server = nrt__link_server(link);
    return server->told ? &link->conn->servers.list[0] : server;
}

static void set_timer(nrt__link *link, uint32_t delay_ms, nrt__timer_fn fn) {
    nrt__timer_set(&link->conn->loop.timers, &link->timer, nrt__link_env(link)->now_ms + delay_ms,
                   fn, link);
}

static void close_socket(nrt__link *link) {
    nrt__timer_clear(&link->conn->loop.timers, &link->timer);
    nrt__timer_clear(&link->conn->loop.timers, &link->read_on);
    nrt__io_close(&link->io);
    link->dying = false;
    if (link->tls && !link->conn->forked) {
        nrt__tls_shut(link->tls);
    }
    nrt__tls_destroy(link->tls);
    link->tls = NULL;
    nrt__login_finish(&link->login);
    if (link->fd >= 0) {
        close(link->fd);
        link->fd = -1;
    }
    nrt__resolve_cancel(link->resolve);
    link->resolve = NULL;
}

/* ---- losing it ---- */

static void on_pause_over(nrt__timer *timer, void *arg) {
    (void)timer;
    attempt(arg);
}

/* Not the one whose lame duck we flee from; those that have gone when no other has helped. */
static void next_server(nrt__link *link) {
    const nrt_conn *conn = link->conn;
    nrt__servers *servers = &link->conn->servers;
    bool any = link->failures >= nrt__servers_there(servers);
    servers->at = nrt__servers_after(servers, servers->at, any);
    if (link != conn->link && servers->at == conn->link->server) {
        servers->at = nrt__servers_after(servers, servers->at, any);
    }
}

/* The first attempt comes at once, then each server in turn, then growing pauses with jitter. */
static void try_again(nrt__link *link) {
    const nrt_options *options = &link->conn->options;
    nrt__servers *servers = &link->conn->servers;
    next_server(link);
    if (link->failures % servers->count != 0) {
        attempt(link);
        return;
    }
    int error = link->conn->last_error;
    uint32_t pause = link->pause_ms;
    if ((error == NRT_ERR_AUTH || error == NRT_ERR_TLS) && pause < REFUSED_PAUSE_MS) {
        pause = REFUSED_PAUSE_MS < options->reconnect_max_ms ? REFUSED_PAUSE_MS
                                                             : options->reconnect_max_ms;
    }
    uint32_t jitter = nrt__random_below(nrt__link_env(link), pause / 2 + 1);
    link->pause_ms = pause + pause / 2 < options->reconnect_max_ms ? pause + pause / 2
                                                                   : options->reconnect_max_ms;
    link->state = NRT__LINK_PAUSED;
    set_timer(link, pause - pause / 4 + jitter, on_pause_over);
}

/* Where, and why: without a secret, even if the server repeats one. */
static void describe(nrt__link *link, int error, const char *reason, char *out, size_t size) {
    char url[300];
    char why[512];
    nrt__server_url(nrt__link_server(link), url, sizeof(url));
    snprintf(why, sizeof(why), "%s", reason);
    if (nrt__login_in_text(&link->login, &link->conn->options, credentials_of(link), why)) {
        snprintf(why, sizeof(why), "the server's words repeat a secret of ours; not shown");
    }
    if (error == NRT_ERR_AUTH && link->state == NRT__LINK_GREETING) {
        nrt__login_explain(&link->login, why, sizeof(why));
    }
    snprintf(out, size, "%s: %s", url, why);
}

static void attempt_failed(nrt__link *link, int error, const char *reason) {
    char detail[896];
    describe(link, error, reason, detail, sizeof(detail));
    close_socket(link);
    nrt__session_stop(link->session);
    link->failures++;
    nrt__log(nrt__link_env(link), NRT_LOG_DEBUG, "cannot connect to %s", detail);
    if (link == link->conn->link) { /* else there is one that is good yet */
        link->conn->last_error = error;
        nrt__client_disconnected(link->conn->client, link->session, detail);
        nrt__gathers_disconnected(link->conn->gathers, detail);
        nrt__conn_event(link->conn, NRT_CONN_FAILED, error, detail);
    }
    if (!link->conn->destroying) {
        try_again(link);
    }
}

/* Connected before: the first attempt is made at once, at another server if there is one. */
static void lost_in_use(nrt__link *link, int error, const char *detail) {
    nrt_conn *conn = link->conn;
    conn->last_error = error;
    bool lasted = nrt__link_env(link)->now_ms - link->up_since_ms >= LASTED_MS;
    link->failures = lasted ? 0 : link->failures + 1;
    link->pause_ms = lasted ? conn->options.reconnect_min_ms : link->pause_ms;
    nrt__client_disconnected(conn->client, link->session, detail);
    nrt__gathers_disconnected(conn->gathers, detail);
    nrt__log(nrt__link_env(link), NRT_LOG_DEBUG, "disconnected from %s", detail);
    nrt__conn_event(conn, NRT_CONN_DISCONNECTED, error, detail);
    if (conn->destroying) {
        return;
    }
    if (conn->other && !conn->other->retiring) {
        nrt__lame_duck_inherit(conn);
    } else if (lasted) {
        next_server(link);
        attempt(link);
    } else { /* a server that takes connections only to end them is not to be hammered */
        try_again(link);
    }
}

void nrt__link_lost(nrt__link *link, int error, const char *reason) {
    nrt_conn *conn = link->conn;
    if (link->state != NRT__LINK_UP) {
        attempt_failed(link, error, reason);
        return;
    }
    char detail[896];
    describe(link, error, reason, detail, sizeof(detail));
    close_socket(link);
    link->state = NRT__LINK_IDLE;
    nrt__client_save(conn->client, link->session);
    nrt__session_stop(link->session);
    nrt__services_lost(conn->services, link->session);
    if (link == conn->link) {
        lost_in_use(link, error, detail);
    } else {
        nrt__lame_duck_over(conn, detail);
    }
}

/* ---- dialling ---- */

static void on_attempt_timeout(nrt__timer *timer, void *arg) {
    (void)timer;
    nrt__link *link = arg;
    if (link->state == NRT__LINK_DIALING && link->address_at < link->addresses.count) {
        dial_next(link); /* a name has others: what does not answer may be one of them only */
        return;
    }
    attempt_failed(link, NRT_ERR_TIMEOUT,
                   link->state == NRT__LINK_SECURING ? "no answer in time, in the TLS handshake"
                                                     : "no answer in time");
}

static void on_dialed(nrt__link *link) {
    int on = 1;
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(link->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    link->read_wants = NRT_IO_READ;
    link->write_wants = 0;
    nrt__link_watch(link);
    char reason[NRT__REASON_SIZE];
    int error = nrt__login_load(&link->login, &link->conn->options, credentials_of(link), reason,
                                sizeof(reason));
    if (error < 0) {
        attempt_failed(link, error, reason);
    } else if (link->conn->options.tls_first) {
        nrt__link_secure(link);
    } else {
        nrt__link_greet(link);
    }
}

static void dial(nrt__link *link) {
    const char *reason = "no address";
    while (link->address_at < link->addresses.count) {
        const nrt__address *address = &link->addresses.list[link->address_at++];
        int fd = socket(address->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            reason = strerror(errno);
            continue;
        }
        int code = connect(fd, (const struct sockaddr *)&address->addr, address->len);
        if (code < 0 && errno != EINPROGRESS) {
            reason = strerror(errno);
            close(fd);
            continue;
        }
        link->fd = fd;
        link->state = NRT__LINK_DIALING;
        if (nrt__io_open(&link->conn->loop, &link->io, fd, NRT_IO_WRITE, on_io, link) < 0) {
            attempt_failed(link, NRT_ERR_SYSTEM, strerror(errno));
        }
        return;
    }
    attempt_failed(link, NRT_ERR_CONNECT, reason);
}

static void dial_next(nrt__link *link) {
    nrt__io_close(&link->io);
    close(link->fd);
    link->fd = -1;
    set_timer(link, link->conn->options.connect_timeout_ms, on_attempt_timeout);
    dial(link);
}

static void on_io(void *arg, unsigned events) {
    nrt__link *link = arg;
    if (link->state == NRT__LINK_DIALING) {
        int code = 0;
        socklen_t len = sizeof(code);
        if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0) {
            code = errno;
        }
        if (code == 0) {
            on_dialed(link);
        } else if (link->address_at < link->addresses.count) {
            dial_next(link);
        } else {
            attempt_failed(link, NRT_ERR_CONNECT, strerror(code));
        }
        return;
    }
    if (link->dying) {
        return;
    }
    if (link->state == NRT__LINK_SECURING) {
        nrt__link_shake_hands(link);
        return;
    }
    if (events & (link->read_wants | NRT_IO_HANGUP)) {
        nrt__link_receive(link);
    }
    if (events & link->write_wants) {
        nrt__loop_defer(&link->conn->loop, &link->flush, nrt__link_flush, link);
    }
}

static void on_resolved(const nrt__addresses *addresses, const char *reason, void *arg) {
    nrt__link *link = arg;
    link->resolve = NULL;
    if (addresses->count == 0) {
        attempt_failed(link, NRT_ERR_RESOLVE, *reason ? reason : "the name has no address");
        return;
    }
    link->addresses = *addresses;
    dial(link);
}

static void attempt(nrt__link *link) {
    link->server = link->conn->servers.at;
    const nrt__server *server = nrt__link_server(link);
    link->address_at = 0;
    set_timer(link, link->conn->options.connect_timeout_ms, on_attempt_timeout);
    if (nrt__resolve_number(server->host, server->port, &link->addresses)) {
        dial(link);
        return;
    }
    link->state = NRT__LINK_RESOLVING;
    link->resolve =
        nrt__resolve_start(link->conn->box, server->host, server->port, on_resolved, link);
    if (!link->resolve) {
        attempt_failed(link, NRT_ERR_SYSTEM, "no thread for looking up the name");
    }
}

/* ---- the session's events ---- */

/* A second session is asked when it takes over. */
static void on_greeted(void *arg) {
    nrt__link *link = arg;
    if (link == link->conn->link) {
        nrt__services_greeted(link->conn->services);
    }
}

static void on_ready(void *arg) {
    nrt__link *link = arg;
    nrt_conn *conn = link->conn;
    const nrt__nats_info *info = nrt__session_info(link->session);
    nrt__timer_clear(&conn->loop.timers, &link->timer);
    nrt__login_finish(&link->login);
    link->state = NRT__LINK_UP;
    link->up_since_ms = nrt__link_env(link)->now_ms;
    nrt__log(nrt__link_env(link), NRT_LOG_DEBUG, "connected to NATS server %s (%s:%u)",
             info->server_name, nrt__link_server(link)->host, nrt__link_server(link)->port);
    conn->last_error = 0;
    if (link != conn->link) {
        nrt__lame_duck_take_over(conn);
        return;
    }
    conn->connects++;
    nrt__conn_event(conn, NRT_CONN_CONNECTED, 0, "");
    nrt__client_ready(conn->client);
    nrt__gathers_ready(conn->gathers);
}

static void on_denied(nrt_str subject, void *arg) {
    nrt__link *link = arg;
    uint64_t count;
    if (link->conn->on_denied) {
        link->conn->on_denied(subject, link->conn->on_denied_arg);
    }
    if (nrt__services_denied(link->conn->services, subject)) {
        return;
    }
    if (nrt__log_due(nrt__link_env(link), &link->denied, &count)) {
        nrt__log(nrt__link_env(link), NRT_LOG_WARN,
                 "NATS permissions do not allow publishing to %.*s (%llu refused)",
                 (int)subject.len, subject.ptr, (unsigned long long)count);
    }
    nrt__client_denied(link->conn->client, subject);
    nrt__gathers_denied(link->conn->gathers, subject);
}

static void on_info(void *arg) {
    nrt__link *link = arg;
    const nrt__link *other = link == link->conn->link ? link->conn->other : link->conn->link;
    nrt__servers_learn(&link->conn->servers, link->server, other ? other->server : link->server,
                       nrt__session_info(link->session), link->login.nats.tls || link->tls);
    if (link != link->conn->link) {
        return; /* what services say of themselves changes when it takes over */
    }
    nrt__services_connected(link->conn->services);
    if (nrt__session_info(link->session)->lame_duck && link->state == NRT__LINK_UP) {
        nrt__lame_duck_begin(link->conn);
    }
}

static void on_stale(void *arg) {
    nrt__link_die(arg, NRT_ERR_CONNECT, "the server does not answer pings");
}

void nrt__link_drop(nrt__link *link, const char *reason) {
    nrt__link_die(link, NRT_ERR_TIMEOUT, reason);
}

/* Bodies go on, at the end of the turn: not in the middle of writing. */
static void go_on(void *arg) {
    nrt__link *link = arg;
    nrt_conn *conn = link->conn;
    nrt__services_drained(conn->services);
    if (!conn->destroying) {
        nrt__client_drained(conn->client);
    }
}

static void on_drained(void *arg) {
    nrt__link *link = arg;
    nrt__loop_defer(&link->conn->loop, &link->go_on, go_on, link);
}

static void on_output(void *arg) {
    nrt__link *link = arg;
    nrt__loop_defer(&link->conn->loop, &link->flush, nrt__link_flush, link);
}

/* ---- */

nrt__link *nrt__link_create(nrt_conn *conn, nrt__session *beside) {
    const nrt_options *options = &conn->options;
    nrt__link *link = calloc(1, sizeof(*link));
    if (!link) {
        return NULL;
    }
    nrt__session_options session = {
        .max_output = options->max_output,
        .max_message = options->max_message,
        .ping_interval_ms = options->ping_interval_ms,
    };
    nrt__session_events events = {
        .greeted = on_greeted,
        .ready = on_ready,
        .secure = nrt__link_on_secure,
        .denied = on_denied,
        .info = on_info,
        .stale = on_stale,
        .output = on_output,
        .plenty = nrt__link_flush_some,
        .drained = on_drained,
        .arg = link,
    };
    link->conn = conn;
    link->fd = -1;
    link->pause_ms = options->reconnect_min_ms;
    link->session =
        beside ? nrt__session_create_beside(beside, &events)
               : nrt__session_create(&conn->loop.env, &conn->loop.timers, &session, &events);
    if (!link->session) {
        free(link);
        return NULL;
    }
    return link;
}

void nrt__link_start(nrt__link *link) {
    attempt(link);
}

void nrt__link_destroy(nrt__link *link) {
    if (!link) {
        return;
    }
    close_socket(link);
    nrt__loop_undefer(&link->conn->loop, &link->flush);
    nrt__loop_undefer(&link->conn->loop, &link->go_on);
    nrt__session_destroy(link->session);
    free(link);
}
