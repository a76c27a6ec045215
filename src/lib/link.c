/* The socket to a NATS server: found, dialled, read, written, and got again when it is lost. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/conn_private.h"

enum {
    READS_PER_EVENT = 8,
    LASTED_MS = 1000, /* a connection that was up for so long was a good one */
};

static void attempt(nrt__link *link);
static void on_io(void *arg, unsigned events);

static nrt__env *env_of(nrt__link *link) {
    return &link->conn->loop.env;
}

static const nrt__server *server_of(const nrt__link *link) {
    return &link->conn->servers.list[link->conn->servers.at];
}

static void set_timer(nrt__link *link, uint32_t delay_ms, nrt__timer_fn fn) {
    nrt__timer_set(&link->conn->loop.timers, &link->timer, env_of(link)->now_ms + delay_ms, fn,
                   link);
}

static void close_socket(nrt__link *link) {
    nrt__timer_clear(&link->conn->loop.timers, &link->timer);
    nrt__io_close(&link->io);
    link->dying = false;
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

/* The first attempt comes at once, then each server in turn, then growing pauses with jitter. */
static void try_again(nrt__link *link) {
    const nrt_options *options = &link->conn->options;
    nrt__servers *servers = &link->conn->servers;
    servers->at = (servers->at + 1) % servers->count;
    if (link->failures % servers->count != 0) {
        attempt(link);
        return;
    }
    uint32_t pause = link->pause_ms;
    uint32_t jitter = nrt__random_below(env_of(link), pause / 2 + 1);
    link->pause_ms = pause + pause / 2 < options->reconnect_max_ms ? pause + pause / 2
                                                                   : options->reconnect_max_ms;
    link->state = NRT__LINK_PAUSED;
    set_timer(link, pause - pause / 4 + jitter, on_pause_over);
}

static void attempt_failed(nrt__link *link, int error, const char *reason) {
    char url[300];
    char detail[640];
    nrt__server_url(server_of(link), url, sizeof(url));
    snprintf(detail, sizeof(detail), "%s: %s", url, reason);
    close_socket(link);
    nrt__session_stop(link->session);
    link->failures++;
    link->conn->last_error = error;
    nrt__client_disconnected(link->conn->client, detail);
    nrt__gathers_disconnected(link->conn->gathers, detail);
    nrt__log(env_of(link), NRT_LOG_DEBUG, "cannot connect to %s", detail);
    nrt__conn_event(link->conn, NRT_CONN_FAILED, error, detail);
    if (!link->conn->destroying) {
        try_again(link);
    }
}

/* Connected before: the first attempt is made at once. */
static void lost(nrt__link *link, int error, const char *reason) {
    if (link->state != NRT__LINK_UP) {
        attempt_failed(link, error, reason);
        return;
    }
    char url[300];
    char detail[640];
    nrt__server_url(server_of(link), url, sizeof(url));
    snprintf(detail, sizeof(detail), "%s: %s", url, reason);
    close_socket(link);
    link->state = NRT__LINK_IDLE;
    nrt__client_save(link->conn->client);
    nrt__session_stop(link->session);
    link->conn->last_error = error;
    bool lasted = env_of(link)->now_ms - link->up_since_ms >= LASTED_MS;
    link->failures = lasted ? 0 : link->failures + 1;
    link->pause_ms = lasted ? link->conn->options.reconnect_min_ms : link->pause_ms;
    nrt__client_disconnected(link->conn->client, detail);
    nrt__gathers_disconnected(link->conn->gathers, detail);
    nrt__log(env_of(link), NRT_LOG_DEBUG, "disconnected from %s", detail);
    nrt__conn_event(link->conn, NRT_CONN_DISCONNECTED, error, detail);
    if (link->conn->destroying) {
        return;
    }
    if (lasted) {
        attempt(link);
    } else { /* a server that takes connections only to end them is not to be hammered */
        try_again(link);
    }
}

/* Errors are found deep inside callbacks of the session; it must not be stopped there. */
static void die_later(nrt__link *link, int error, const char *reason);

static void flush(void *arg) {
    nrt__link *link = arg;
    if (link->dying) {
        link->dying = false;
        lost(link, link->error, link->reason);
        return;
    }
    if (link->fd < 0 || link->state == NRT__LINK_DIALING) {
        return;
    }
    nrt_str out;
    while ((out = nrt__session_output(link->session)).len > 0) {
        ssize_t put = send(link->fd, out.ptr, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            nrt__io_set(&link->io, NRT_IO_READ | NRT_IO_WRITE);
            return;
        }
        if (put < 0) {
            lost(link, NRT_ERR_CONNECT, strerror(errno));
            return;
        }
        nrt__session_sent(link->session, (size_t)put);
    }
    nrt__io_set(&link->io, NRT_IO_READ);
}

static void die_later(nrt__link *link, int error, const char *reason) {
    if (!link->dying) {
        link->dying = true;
        link->error = error;
        snprintf(link->reason, sizeof(link->reason), "%s", reason);
        nrt__loop_defer(&link->conn->loop, &link->flush, flush, link);
    }
}

/* ---- reading ---- */

static void receive(nrt__link *link) {
    for (int i = 0; i < READS_PER_EVENT && link->fd >= 0 && !link->dying; i++) {
        size_t room;
        char *to = nrt__session_room(link->session, &room);
        if (!to) {
            die_later(link, NRT_ERR_MEMORY, "out of memory");
            return;
        }
        ssize_t got = recv(link->fd, to, room, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return;
        }
        if (got <= 0) {
            die_later(link, NRT_ERR_CONNECT,
                      got == 0 ? "the server closed the connection" : strerror(errno));
            return;
        }
        int error = nrt__session_received(link->session, (size_t)got);
        if (error < 0) {
            die_later(link, error, nrt__session_reason(link->session));
            return;
        }
        if ((size_t)got < room) {
            return;
        }
    }
}

/* ---- dialling ---- */

static void on_attempt_timeout(nrt__timer *timer, void *arg) {
    (void)timer;
    attempt_failed(arg, NRT_ERR_TIMEOUT, "no answer in time");
}

/* Servers that were told of take the credentials of the one that was given first. */
static void start_session(nrt__link *link) {
    const nrt__server *server = server_of(link);
    const nrt__server *from = server->told ? &link->conn->servers.list[0] : server;
    nrt__nats_login login = {
        .name = link->conn->options.name,
        .user = from->user,
        .password = from->password,
        .token = from->token,
    };
    nrt__session_start(link->session, &login);
}

static void on_dialed(nrt__link *link) {
    int on = 1;
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(link->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    link->state = NRT__LINK_GREETING;
    nrt__io_set(&link->io, NRT_IO_READ);
    start_session(link);
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
            nrt__io_close(&link->io);
            close(link->fd);
            link->fd = -1;
            dial(link);
        } else {
            attempt_failed(link, NRT_ERR_CONNECT, strerror(code));
        }
        return;
    }
    if (events & (NRT_IO_READ | NRT_IO_HANGUP)) {
        receive(link);
    }
    if (events & NRT_IO_WRITE) {
        nrt__loop_defer(&link->conn->loop, &link->flush, flush, link);
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
    const nrt__server *server = server_of(link);
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

static void on_ready(void *arg) {
    nrt__link *link = arg;
    nrt_conn *conn = link->conn;
    const nrt__nats_info *info = nrt__session_info(link->session);
    nrt__timer_clear(&conn->loop.timers, &link->timer);
    link->state = NRT__LINK_UP;
    link->up_since_ms = env_of(link)->now_ms;
    conn->last_error = 0;
    nrt__log(env_of(link), NRT_LOG_DEBUG, "connected to NATS server %s (%s:%u)", info->server_name,
             server_of(link)->host, server_of(link)->port);
    nrt__conn_event(conn, NRT_CONN_CONNECTED, 0, "");
    nrt__client_ready(conn->client);
    nrt__gathers_ready(conn->gathers);
}

static void on_denied(nrt_str subject, void *arg) {
    nrt__link *link = arg;
    uint64_t count;
    if (nrt__log_due(env_of(link), &link->denied, &count)) {
        nrt__log(env_of(link), NRT_LOG_WARN,
                 "NATS permissions do not allow publishing to %.*s (%llu refused)",
                 (int)subject.len, subject.ptr, (unsigned long long)count);
    }
    nrt__client_denied(link->conn->client, subject);
    nrt__gathers_denied(link->conn->gathers, subject);
}

static void on_info(void *arg) {
    nrt__link *link = arg;
    nrt__servers_learn(&link->conn->servers, nrt__session_info(link->session));
    nrt__services_connected(link->conn->services);
}

static void on_stale(void *arg) {
    die_later(arg, NRT_ERR_CONNECT, "the server does not answer pings");
}

void nrt__link_drop(nrt__link *link, const char *reason) {
    die_later(link, NRT_ERR_TIMEOUT, reason);
}

static void on_output(void *arg) {
    nrt__link *link = arg;
    nrt__loop_defer(&link->conn->loop, &link->flush, flush, link);
}

/* ---- */

int nrt__link_init(nrt__link *link, nrt_conn *conn) {
    const nrt_options *options = &conn->options;
    nrt__session_options session = {
        .max_output = options->max_output,
        .max_message = options->max_message,
        .ping_interval_ms = options->ping_interval_ms,
    };
    nrt__session_events events = {
        .ready = on_ready,
        .denied = on_denied,
        .info = on_info,
        .stale = on_stale,
        .output = on_output,
        .arg = link,
    };
    link->conn = conn;
    link->fd = -1;
    link->pause_ms = options->reconnect_min_ms;
    link->session = nrt__session_create(&conn->loop.env, &conn->loop.timers, &session, &events);
    return link->session ? 0 : NRT_ERR_MEMORY;
}

void nrt__link_start(nrt__link *link) {
    attempt(link);
}

void nrt__link_finish(nrt__link *link) {
    if (link->conn) {
        close_socket(link);
        nrt__loop_undefer(&link->conn->loop, &link->flush);
    }
    nrt__session_destroy(link->session);
    link->session = NULL;
}
