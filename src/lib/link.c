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
    LASTED_MS = 1000,       /* a connection that was up for so long was a good one */
    REFUSED_PAUSE_MS = 250, /* at least, after a server refused us: that seldom changes soon */
};

static void attempt(nrt__link *link);
static void on_io(void *arg, unsigned events);

static nrt__env *env_of(nrt__link *link) {
    return &link->conn->loop.env;
}

static const nrt__server *server_of(const nrt__link *link) {
    return &link->conn->servers.list[link->conn->servers.at];
}

/* Servers that were told of take the credentials of the one that was given first. */
static const nrt__server *credentials_of(const nrt__link *link) {
    const nrt__server *server = server_of(link);
    return server->told ? &link->conn->servers.list[0] : server;
}

static void set_timer(nrt__link *link, uint32_t delay_ms, nrt__timer_fn fn) {
    nrt__timer_set(&link->conn->loop.timers, &link->timer, env_of(link)->now_ms + delay_ms, fn,
                   link);
}

/* TLS may want to write in order to read, and the other way round. */
static void watch(nrt__link *link) {
    nrt__io_set(&link->io, link->read_wants | link->write_wants);
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

/* The first attempt comes at once, then each server in turn, then growing pauses with jitter. */
static void try_again(nrt__link *link) {
    const nrt_options *options = &link->conn->options;
    nrt__servers *servers = &link->conn->servers;
    servers->at = (servers->at + 1) % servers->count;
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
    uint32_t jitter = nrt__random_below(env_of(link), pause / 2 + 1);
    link->pause_ms = pause + pause / 2 < options->reconnect_max_ms ? pause + pause / 2
                                                                   : options->reconnect_max_ms;
    link->state = NRT__LINK_PAUSED;
    set_timer(link, pause - pause / 4 + jitter, on_pause_over);
}

/* Where, and why: without a secret, even if the server repeats one. */
static void describe(nrt__link *link, int error, const char *reason, char *out, size_t size) {
    char url[300];
    char why[512];
    nrt__server_url(server_of(link), url, sizeof(url));
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
    link->conn->last_error = error;
    nrt__client_disconnected(link->conn->client, link->session, detail);
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
    char detail[896];
    describe(link, error, reason, detail, sizeof(detail));
    close_socket(link);
    link->state = NRT__LINK_IDLE;
    nrt__client_save(link->conn->client, link->session);
    nrt__session_stop(link->session);
    link->conn->last_error = error;
    bool lasted = env_of(link)->now_ms - link->up_since_ms >= LASTED_MS;
    link->failures = lasted ? 0 : link->failures + 1;
    link->pause_ms = lasted ? link->conn->options.reconnect_min_ms : link->pause_ms;
    nrt__client_disconnected(link->conn->client, link->session, detail);
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

static void receive(nrt__link *link);

/* How many bytes went out, or NRT__TLS_*; write_wants says when to go on. */
static ssize_t put_bytes(nrt__link *link, nrt_str out) {
    ssize_t put;
    if (link->tls) {
        put = nrt__tls_write(link->tls, out.ptr, out.len);
        if (put == NRT__TLS_AGAIN) {
            link->write_wants = nrt__tls_wants(link->tls);
        }
        return put;
    }
    do {
        put = send(link->fd, out.ptr, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (put < 0 && errno == EINTR);
    if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        link->write_wants = NRT_IO_WRITE;
        return NRT__TLS_AGAIN;
    }
    return put < 0 ? NRT__TLS_BROKEN : put;
}

/* The server closed; why, may stand in what it sent before. */
static void give_up_writing(nrt__link *link) {
    int code = errno;
    bool tls = link->tls != NULL;
    receive(link);
    if (!link->dying && link->fd >= 0) {
        die_later(link, NRT_ERR_CONNECT, tls ? "the server closed the connection" : strerror(code));
    }
}

static void flush(void *arg) {
    nrt__link *link = arg;
    if (link->dying) {
        link->dying = false;
        lost(link, link->error, link->reason);
        return;
    }
    if (link->fd < 0 || link->state == NRT__LINK_DIALING || link->state == NRT__LINK_SECURING) {
        return;
    }
    nrt_str out;
    link->write_wants = 0;
    while ((out = nrt__session_output(link->session)).len > 0) {
        ssize_t put = put_bytes(link, out);
        if (put == NRT__TLS_AGAIN) {
            break;
        }
        if (put < 0) {
            give_up_writing(link);
            return;
        }
        nrt__session_sent(link->session, (size_t)put);
    }
    watch(link);
}

static void die_later(nrt__link *link, int error, const char *reason) {
    if (!link->dying) {
        link->dying = true;
        link->error = error;
        snprintf(link->reason, sizeof(link->reason), "%s", reason);
        nrt__loop_defer(&link->conn->loop, &link->flush, flush, link);
    }
}

/* ---- TLS ---- */

static bool tls_is_insisted_on(const nrt__link *link) {
    const nrt_options *options = &link->conn->options;
    return server_of(link)->tls || options->tls_first || options->tls_ca || options->tls_cert;
}

static void start_session(nrt__link *link) {
    link->state = NRT__LINK_GREETING;
    link->login.nats.tls = link->tls != NULL;
    nrt__session_start(link->session, &link->login.nats);
}

static void shake_hands(nrt__link *link) {
    int done = nrt__tls_handshake(link->tls);
    if (done == NRT__TLS_AGAIN) {
        link->read_wants = nrt__tls_wants(link->tls);
        watch(link);
        return;
    }
    link->read_wants = NRT_IO_READ;
    if (done == NRT__TLS_END) {
        die_later(link, NRT_ERR_CONNECT, "the server closed the connection in the TLS handshake");
        return;
    }
    if (done < 0) {
        die_later(link, nrt__tls_error(link->tls), nrt__tls_reason(link->tls));
        return;
    }
    watch(link);
    if (nrt__session_state_get(link->session) == NRT__SESSION_SECURING) {
        link->state = NRT__LINK_GREETING;
        int error = nrt__session_secured(link->session);
        if (error < 0) {
            die_later(link, error, nrt__session_reason(link->session));
            return;
        }
    } else {
        start_session(link);
    }
    receive(link); /* what came with the end of the handshake is in memory already */
}

/* Files are read again each time: certificates are renewed while we run. */
static void secure(nrt__link *link) {
    const nrt_options *options = &link->conn->options;
    const nrt__server *server = server_of(link);
    nrt__tls_files files = {options->tls_ca, options->tls_cert, options->tls_key};
    char reason[NRT__REASON_SIZE];
    link->state = NRT__LINK_SECURING;
    nrt__tls_context *context = nrt__tls_context_create(&files, reason, sizeof(reason));
    if (context) {
        link->tls =
            nrt__tls_create(context, link->fd, server->tls_name ? server->tls_name : server->host);
        nrt__tls_context_destroy(context);
        snprintf(reason, sizeof(reason), "out of memory");
    }
    if (link->tls) {
        shake_hands(link);
    } else {
        die_later(link, NRT_ERR_TLS, reason);
    }
}

static int on_secure(const nrt__nats_info *info, void *arg) {
    nrt__link *link = arg;
    if (link->tls) {
        return 0;
    }
    if (!info->tls_required && !tls_is_insisted_on(link)) {
        return 0;
    }
    link->login.nats.tls = true;
    return info->tls_required || info->tls_available ? 1 : NRT_ERR_TLS;
}

/* ---- reading ---- */

/* How many bytes came, or NRT__TLS_*; *more: no event will tell of what else there is. */
static ssize_t get_bytes(nrt__link *link, char *to, size_t room, bool *more) {
    ssize_t got;
    if (link->tls) {
        got = nrt__tls_read(link->tls, to, room);
        link->read_wants = got == NRT__TLS_AGAIN ? nrt__tls_wants(link->tls) : NRT_IO_READ;
        *more = true; /* a read gives one record */
        return got;
    }
    do {
        got = recv(link->fd, to, room, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    *more = got > 0 && (size_t)got == room;
    if (got < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK ? NRT__TLS_AGAIN : NRT__TLS_BROKEN;
    }
    return got;
}

static void input_ended(nrt__link *link, ssize_t got) {
    if (got == NRT__TLS_END) {
        die_later(link, NRT_ERR_CONNECT, "the server closed the connection");
    } else if (link->tls) {
        die_later(link, nrt__tls_error(link->tls), nrt__tls_reason(link->tls));
    } else {
        die_later(link, NRT_ERR_CONNECT, strerror(errno));
    }
}

static void on_read_on(nrt__timer *timer, void *arg) {
    (void)timer;
    receive(arg);
}

static void receive(nrt__link *link) {
    bool more = !link->dying;
    for (int i = 0; i < READS_PER_EVENT && more; i++) {
        size_t room;
        char *to = nrt__session_room(link->session, &room);
        if (!to) {
            die_later(link, NRT_ERR_MEMORY, "out of memory");
            return;
        }
        ssize_t got = get_bytes(link, to, room, &more);
        if (got == NRT__TLS_AGAIN) {
            watch(link);
            return;
        }
        if (got <= 0) {
            input_ended(link, got);
            return;
        }
        int error = nrt__session_received(link->session, (size_t)got);
        if (error < 0) {
            die_later(link, error, nrt__session_reason(link->session));
            return;
        }
        if (link->fd < 0 || link->dying) {
            return;
        }
        if (nrt__session_state_get(link->session) == NRT__SESSION_SECURING) {
            secure(link);
            return;
        }
    }
    watch(link);
    if (link->tls && nrt__tls_pending(link->tls)) {
        nrt__timer_set(&link->conn->loop.timers, &link->read_on, env_of(link)->now_ms, on_read_on,
                       link);
    }
}

/* ---- dialling ---- */

static void on_attempt_timeout(nrt__timer *timer, void *arg) {
    (void)timer;
    nrt__link *link = arg;
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
    watch(link);
    char reason[NRT__REASON_SIZE];
    int error = nrt__login_load(&link->login, &link->conn->options, credentials_of(link), reason,
                                sizeof(reason));
    if (error < 0) {
        attempt_failed(link, error, reason);
    } else if (link->conn->options.tls_first) {
        secure(link);
    } else {
        start_session(link);
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
    if (link->dying) {
        return;
    }
    if (link->state == NRT__LINK_SECURING) {
        shake_hands(link);
        return;
    }
    if (events & (link->read_wants | NRT_IO_HANGUP)) {
        receive(link);
    }
    if (events & link->write_wants) {
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
    nrt__login_finish(&link->login);
    link->state = NRT__LINK_UP;
    link->up_since_ms = env_of(link)->now_ms;
    conn->last_error = 0;
    nrt__log(env_of(link), NRT_LOG_DEBUG, "connected to NATS server %s (%s:%u)", info->server_name,
             server_of(link)->host, server_of(link)->port);
    nrt__conn_event(conn, NRT_CONN_CONNECTED, 0, "");
    nrt__client_ready(conn->client);
    nrt__services_ready(conn->services);
}

static void on_denied(nrt_str subject, void *arg) {
    nrt__link *link = arg;
    uint64_t count;
    if (nrt__services_denied(link->conn->services, subject)) {
        return;
    }
    if (nrt__log_due(env_of(link), &link->denied, &count)) {
        nrt__log(env_of(link), NRT_LOG_WARN,
                 "NATS permissions do not allow publishing to %.*s (%llu refused)",
                 (int)subject.len, subject.ptr, (unsigned long long)count);
    }
    nrt__client_denied(link->conn->client, subject);
}

static void on_info(void *arg) {
    nrt__link *link = arg;
    nrt__servers_learn(&link->conn->servers, nrt__session_info(link->session),
                       link->login.nats.tls || link->tls);
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
        .secure = on_secure,
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
