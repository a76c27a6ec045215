/* Targets: read, looked up, dialled. */
#include "bridge/target.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/http/url.h"

enum { FOUND_FOR_MS = 5000 };

/* ---- reading ---- */

static int read_unix(nrt__target *target, const char *path, char *detail, size_t size) {
    nrt__address *address = &target->addresses.list[0];
    struct sockaddr_un *to = (struct sockaddr_un *)&address->addr;
    if (*path == '\0' || strlen(path) >= sizeof(to->sun_path)) {
        snprintf(detail, size, "a unix socket's path has 1 to %zu characters",
                 sizeof(to->sun_path) - 1);
        return NRT_ERR_USAGE;
    }
    to->sun_family = AF_UNIX;
    memcpy(to->sun_path, path, strlen(path) + 1);
    address->len = sizeof(*to);
    target->addresses.count = 1;
    target->found_ms = INT64_MAX; /* good for ever */
    target->base = calloc(1, 1);
    return target->base ? 0 : NRT_ERR_MEMORY;
}

static int read_http(nrt__target *target, const char *text, char *detail, size_t size) {
    nrt__url url;
    bool secure = strncmp(text, "https://", 8) == 0;
    uint64_t port = secure ? 443 : 80;
    if (nrt__url_parse(nrt_str_from(text), &url) < 0 || url.userinfo.ptr || url.query.len > 0 ||
        url.fragment.len > 0 || (url.port.len > 0 && !nrt__str_to_u64(url.port, 65535, &port))) {
        snprintf(detail, size,
                 "\"%s\" is not a target: it looks like http://127.0.0.1:8080, "
                 "https://host:port/base or unix:/path",
                 text);
        return NRT_ERR_USAGE;
    }
    while (url.path.len > 0 && url.path.ptr[url.path.len - 1] == '/') {
        url.path.len--;
    }
    target->base = strndup(url.path.ptr, url.path.len);
    target->host = strndup(url.host.ptr, url.host.len);
    target->port = (uint16_t)port;
    if (!target->base || !target->host) {
        return NRT_ERR_MEMORY;
    }
    if (nrt__resolve_number(target->host, target->port, &target->addresses)) {
        target->found_ms = INT64_MAX;
    }
    return 0;
}

static int read_tls(nrt__target *target, const nrt__target_tls *tls, char *detail, size_t size) {
    const nrt__tls_files none = {.ca = NULL};
    const char *name = tls && tls->name ? tls->name : target->host;
    size_t len = strlen(name);
    bool bracketed = len > 2 && name[0] == '[' && name[len - 1] == ']';
    target->tls_name = bracketed ? strndup(name + 1, len - 2) : strdup(name);
    if (!target->tls_name) {
        return NRT_ERR_MEMORY;
    }
    target->tls = nrt__tls_context_create(tls ? &tls->files : &none, detail, size);
    if (!target->tls) {
        return NRT_ERR_CONFIG;
    }
    return nrt__tls_context_for_http(target->tls, tls && tls->any);
}

int nrt__target_init(nrt__target *target, nrt_conn *conn, const char *text,
                     const nrt__target_tls *tls, char *detail, size_t size) {
    int error;
    *target = (nrt__target){.conn = conn, .text = strdup(text)};
    if (!target->text) {
        error = NRT_ERR_MEMORY;
    } else if (strncmp(text, "unix:", 5) == 0) {
        error = read_unix(target, text + 5, detail, size);
    } else {
        error = read_http(target, text, detail, size);
        if (error == 0 && strncmp(text, "https://", 8) == 0) {
            error = read_tls(target, tls, detail, size);
        }
    }
    if (error == NRT_ERR_MEMORY) {
        snprintf(detail, size, "%s", nrt_error_text(error));
    }
    if (error < 0) {
        nrt__target_finish(target);
    }
    return error;
}

int nrt__target_secure(nrt__target *target, int fd, nrt__tls **tls) {
    if (!target->tls) {
        return 0;
    }
    *tls = nrt__tls_create(target->tls, fd, target->tls_name);
    return *tls ? 1 : NRT_ERR_MEMORY;
}

int nrt__target_init_with(nrt__target *target, nrt_conn *conn, nrt_connect_fn connect,
                          void (*release)(void *arg), void *arg) {
    *target = (nrt__target){.conn = conn,
                            .text = strdup("in this process"),
                            .base = calloc(1, 1),
                            .found_ms = INT64_MAX,
                            .connect = connect,
                            .connect_arg = arg};
    if (!target->text || !target->base) {
        nrt__target_finish(target);
        return NRT_ERR_MEMORY;
    }
    target->release = release;
    return 0;
}

void nrt__target_finish(nrt__target *target) {
    nrt__resolve_cancel(target->resolve);
    if (target->release) {
        target->release(target->connect_arg);
    }
    nrt__tls_context_destroy(target->tls);
    free(target->tls_name);
    free(target->host);
    free(target->base);
    free(target->text);
    *target = (nrt__target){0};
}

/* ---- looking up ---- */

static void on_resolved(const nrt__addresses *addresses, const char *reason, void *arg) {
    nrt__target *target = arg;
    target->resolve = NULL;
    if (addresses->count == 0) {
        target->fn(*reason ? reason : "the name has no address", target->arg);
        return;
    }
    target->addresses = *addresses;
    target->first %= addresses->count; /* what did not answer is not begun with again */
    target->found_ms = nrt__conn_loop(target->conn)->env.now_ms;
    target->fn(NULL, target->arg);
}

int nrt__target_find(nrt__target *target, nrt__target_found_fn fn, void *arg) {
    int64_t now = nrt__conn_loop(target->conn)->env.now_ms;
    if (target->found_ms == INT64_MAX ||
        (target->addresses.count > 0 && now - target->found_ms < FOUND_FOR_MS)) {
        return 1;
    }
    if (!target->resolve) {
        target->fn = fn;
        target->arg = arg;
        target->resolve =
            nrt__resolve_start(target->conn->box, target->host, target->port, on_resolved, target);
    }
    return target->resolve ? 0 : NRT_ERR_SYSTEM;
}

/* ---- dialling ---- */

static void on_dialed(void *arg, unsigned events);

static int begin(nrt__dial *dial, const nrt__address *address) {
    int fd = socket(address->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return NRT_ERR_CONNECT;
    }
    /* A full backlog of a unix socket answers EAGAIN: as good as refused. */
    if ((connect(fd, (const struct sockaddr *)&address->addr, address->len) < 0 &&
         errno != EINPROGRESS) ||
        nrt__io_open(nrt__conn_loop(dial->target->conn), &dial->io, fd, NRT_IO_WRITE, on_dialed,
                     dial) < 0) {
        int code = errno;
        close(fd);
        errno = code;
        return NRT_ERR_CONNECT;
    }
    return 0;
}

static int begin_next(nrt__dial *dial) {
    const nrt__addresses *addresses = &dial->target->addresses;
    int error = NRT_ERR_CONNECT;
    while (error < 0 && dial->left > 0) {
        dial->left--;
        dial->at = (dial->at + 1) % addresses->count; /* it may have been looked up anew */
        error = begin(dial, &addresses->list[dial->at]);
    }
    return error;
}

static void on_dialed(void *arg, unsigned events) {
    nrt__dial *dial = arg;
    int code = 0;
    int on = 1;
    socklen_t len = sizeof(code);
    int fd = dial->io.fd;
    (void)events;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0) {
        code = errno;
    }
    nrt__io_close(&dial->io);
    if (code == 0) {
        dial->target->first = dial->at;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        dial->fn(fd, 0, dial->arg);
        return;
    }
    close(fd);
    errno = code;
    if (begin_next(dial) < 0) {
        dial->fn(-1, errno, dial->arg);
    }
}

/* A socket of the program's, connected or connecting. */
static int begin_given(nrt__dial *dial) {
    nrt__target *target = dial->target;
    int fd = target->connect(target->connect_arg);
    if (fd < 0) {
        return NRT_ERR_CONNECT;
    }
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
        nrt__io_open(nrt__conn_loop(target->conn), &dial->io, fd, NRT_IO_WRITE, on_dialed, dial) <
            0) {
        int code = errno;
        close(fd);
        errno = code;
        return NRT_ERR_CONNECT;
    }
    return 0;
}

int nrt__dial_start(nrt__dial *dial, nrt__target *target, nrt__dialed_fn fn, void *arg) {
    if (target->connect) {
        *dial = (nrt__dial){.target = target, .fn = fn, .arg = arg};
        return begin_given(dial);
    }
    const size_t count = target->addresses.count;
    *dial = (nrt__dial){.target = target,
                        .at = target->first + count - 1, /* the one before */
                        .left = count,
                        .fn = fn,
                        .arg = arg};
    return begin_next(dial);
}

void nrt__dial_cancel(nrt__dial *dial) {
    if (nrt__io_is_open(&dial->io)) {
        int fd = dial->io.fd;
        nrt__io_close(&dial->io);
        close(fd);
    }
}

void nrt__dial_time_out(nrt__dial *dial) {
    nrt__target *target = dial->target;
    if (nrt__io_is_open(&dial->io) && target->addresses.count > 0) {
        target->first = (dial->at + 1) % target->addresses.count;
    }
    nrt__dial_cancel(dial);
}
