/* The bytes of a link: read and written, plain or through TLS. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "lib/link.h"

enum { READS_PER_EVENT = 8 };

/* TLS may want to write in order to read, and the other way round. */
void nrt__link_watch(nrt__link *link) {
    nrt__io_set(&link->io, link->read_wants | link->write_wants);
}

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
    nrt__link_receive(link);
    if (!link->dying && link->fd >= 0) {
        nrt__link_die(link, NRT_ERR_CONNECT,
                      tls ? "the server closed the connection" : strerror(code));
    }
}

void nrt__link_flush(void *arg) {
    nrt__link *link = arg;
    if (link->dying) {
        link->dying = false;
        nrt__link_lost(link, link->error, link->reason);
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
        link->conn->sent_bytes += (uint64_t)put;
        nrt__session_sent(link->session, (size_t)put);
    }
    nrt__link_watch(link);
}

void nrt__link_flush_some(void *arg) {
    nrt__link *link = arg;
    if (link->dying || link->state != NRT__LINK_UP || link->write_wants) {
        return;
    }
    /* An error shows again at the end of the turn, where it can be handled. */
    ssize_t put = put_bytes(link, nrt__session_output(link->session));
    if (put > 0) {
        nrt__session_sent(link->session, (size_t)put);
    }
}

void nrt__link_die(nrt__link *link, int error, const char *reason) {
    if (!link->dying) {
        link->dying = true;
        link->error = error;
        snprintf(link->reason, sizeof(link->reason), "%s", reason);
        nrt__loop_defer(&link->conn->loop, &link->flush, nrt__link_flush, link);
    }
}

/* ---- TLS ---- */

static bool tls_is_insisted_on(const nrt__link *link) {
    const nrt_options *options = &link->conn->options;
    return nrt__link_server(link)->tls || options->tls_first || options->tls_ca ||
           options->tls_cert;
}

void nrt__link_greet(nrt__link *link) {
    link->state = NRT__LINK_GREETING;
    link->login.nats.tls = link->tls != NULL;
    nrt__session_start(link->session, &link->login.nats);
}

void nrt__link_shake_hands(nrt__link *link) {
    int done = nrt__tls_handshake(link->tls);
    if (done == NRT__TLS_AGAIN) {
        link->read_wants = nrt__tls_wants(link->tls);
        nrt__link_watch(link);
        return;
    }
    link->read_wants = NRT_IO_READ;
    if (done == NRT__TLS_END) {
        nrt__link_die(link, NRT_ERR_CONNECT,
                      "the server closed the connection in the TLS handshake");
        return;
    }
    if (done < 0) {
        nrt__link_die(link, nrt__tls_error(link->tls), nrt__tls_reason(link->tls));
        return;
    }
    nrt__link_watch(link);
    if (nrt__session_state_get(link->session) == NRT__SESSION_SECURING) {
        link->state = NRT__LINK_GREETING;
        int error = nrt__session_secured(link->session);
        if (error < 0) {
            nrt__link_die(link, error, nrt__session_reason(link->session));
            return;
        }
    } else {
        nrt__link_greet(link);
    }
    nrt__link_receive(link); /* what came with the end of the handshake is in memory already */
}

/* Files are read again each time: certificates are renewed while we run. */
void nrt__link_secure(nrt__link *link) {
    const nrt_options *options = &link->conn->options;
    const nrt__server *server = nrt__link_server(link);
    nrt__tls_files files = {
        .ca = options->tls_ca, .cert = options->tls_cert, .key = options->tls_key};
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
        nrt__link_shake_hands(link);
    } else {
        nrt__link_die(link, NRT_ERR_TLS, reason);
    }
}

int nrt__link_on_secure(const nrt__nats_info *info, void *arg) {
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
        nrt__link_die(link, NRT_ERR_CONNECT, "the server closed the connection");
    } else if (link->tls) {
        nrt__link_die(link, nrt__tls_error(link->tls), nrt__tls_reason(link->tls));
    } else {
        nrt__link_die(link, NRT_ERR_CONNECT, strerror(errno));
    }
}

static void on_read_on(nrt__timer *timer, void *arg) {
    (void)timer;
    nrt__link_receive(arg);
}

void nrt__link_receive(nrt__link *link) {
    bool more = !link->dying;
    for (int i = 0; i < READS_PER_EVENT && more; i++) {
        size_t room;
        char *to = nrt__session_room(link->session, &room);
        if (!to) {
            nrt__link_die(link, NRT_ERR_MEMORY, "out of memory");
            return;
        }
        ssize_t got = get_bytes(link, to, room, &more);
        if (got == NRT__TLS_AGAIN) {
            nrt__link_watch(link);
            return;
        }
        if (got <= 0) {
            input_ended(link, got);
            return;
        }
        link->conn->received_bytes += (uint64_t)got;
        int error = nrt__session_received(link->session, (size_t)got);
        if (error < 0) {
            nrt__link_die(link, error, nrt__session_reason(link->session));
            return;
        }
        if (link->fd < 0 || link->dying) {
            return;
        }
        if (nrt__session_state_get(link->session) == NRT__SESSION_SECURING) {
            nrt__link_secure(link);
            return;
        }
    }
    nrt__link_watch(link);
    if (link->tls && nrt__tls_pending(link->tls)) {
        nrt__timer_set(&link->conn->loop.timers, &link->read_on, nrt__link_env(link)->now_ms,
                       on_read_on, link);
    }
}
