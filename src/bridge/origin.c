/* The pool of connections to one origin, and the exchanges that wait for one. */
#include "bridge/origin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/origin_private.h"
#include "core/str.h"
#include "core/url.h"

enum { RESOLVED_FOR_MS = 5000 };

void nrt__origin_options_init(nrt__origin_options *options) {
    *options = (nrt__origin_options){
        .max_connections = 512,
        .max_waiting = 4096,
        .connect_timeout_ms = 5000,
        .timeout_ms = 30000,
        .idle_timeout_ms = 15000,
    };
}

void nrt__origin_fail(nrt_exchange *exchange, int error, const char *detail) {
    nrt__exchange_problem(exchange, nrt_error_status(error), nrt_error_code(error),
                          detail && *detail ? detail : nrt_error_text(error));
    nrt__exchange_end_here(exchange);
}

/* ---- those that wait ---- */

static nrt_exchange *take_wait(nrt__origin *origin) {
    nrt__origin_wait *wait = origin->waits;
    if (!wait) {
        return NULL;
    }
    nrt_exchange *exchange = wait->exchange;
    origin->waits = wait->next;
    if (!origin->waits) {
        origin->last_wait = &origin->waits;
    }
    origin->wait_count--;
    free(wait);
    return exchange;
}

static bool add_wait(nrt__origin *origin, nrt_exchange *exchange, bool first) {
    nrt__origin_wait *wait = calloc(1, sizeof(*wait));
    if (!wait) {
        nrt__origin_fail(exchange, NRT_ERR_MEMORY, NULL);
        return false;
    }
    wait->exchange = exchange;
    if (first) {
        wait->next = origin->waits;
        origin->waits = wait;
        if (!wait->next) {
            origin->last_wait = &wait->next;
        }
    } else {
        *origin->last_wait = wait;
        origin->last_wait = &wait->next;
    }
    origin->wait_count++;
    return true;
}

/* ---- getting connections ---- */

void nrt__origin_dial_failed(nrt__origin *origin, const char *reason) {
    char detail[256];
    nrt__loop *loop = nrt__origin_loop(origin);
    uint64_t count;
    /* Where the origin is concerns its operator, not its clients. */
    if (nrt__log_due(&loop->env, &origin->failed, &count)) {
        nrt__log(&loop->env, NRT_LOG_WARN, "cannot connect to the origin %s: %s", origin->target,
                 reason);
    }
    snprintf(detail, sizeof(detail), "cannot connect to the origin: %s", reason);
    /* As many wait as attempts can be under way at once: those that have none left fail now, not at
     * their timeout. */
    while (origin->wait_count > origin->dialing) {
        nrt__origin_fail(take_wait(origin), NRT_ERR_ORIGIN, detail);
    }
}

static void dial_one(nrt__origin *origin) {
    int error = NRT_ERR_CONNECT;
    if (origin->is_unix) {
        error =
            nrt__origin_dial(origin, (const struct sockaddr *)&origin->path, sizeof(origin->path));
    } else {
        for (size_t i = 0; error < 0 && i < origin->addresses.count; i++) {
            const nrt__address *address = &origin->addresses.list[i];
            error = nrt__origin_dial(origin, (const struct sockaddr *)&address->addr, address->len);
        }
    }
    if (error < 0) {
        nrt__origin_dial_failed(origin,
                                error == NRT_ERR_MEMORY ? "out of memory" : strerror(errno));
    }
}

static void on_resolved(const nrt__addresses *addresses, const char *reason, void *arg) {
    nrt__origin *origin = arg;
    origin->resolve = NULL;
    if (addresses->count == 0) {
        nrt__origin_dial_failed(origin, *reason ? reason : "the name has no address");
        return;
    }
    origin->addresses = *addresses;
    origin->resolved_ms = nrt__origin_loop(origin)->env.now_ms;
    nrt__origin_next(origin);
}

/* True where an address is at hand; else it is being looked up. */
static bool have_address(nrt__origin *origin) {
    int64_t now = nrt__origin_loop(origin)->env.now_ms;
    if (origin->is_unix || origin->resolved_ms == INT64_MAX ||
        (origin->addresses.count > 0 && now - origin->resolved_ms < RESOLVED_FOR_MS)) {
        return true;
    }
    if (!origin->resolve) {
        origin->resolve =
            nrt__resolve_start(origin->conn->box, origin->host, origin->port, on_resolved, origin);
        if (!origin->resolve) {
            nrt__origin_dial_failed(origin, "no thread for looking up its name");
        }
    }
    return false;
}

void nrt__origin_next(nrt__origin *origin) {
    while (origin->idle && origin->waits) {
        nrt__origin_use(origin->idle, take_wait(origin));
    }
    while (origin->wait_count > origin->dialing &&
           origin->conn_count < origin->options.max_connections && have_address(origin)) {
        dial_one(origin);
    }
}

void nrt__origin_again(nrt__origin *origin, nrt_exchange *exchange) {
    if (add_wait(origin, exchange, true)) {
        nrt__origin_next(origin);
    }
}

void nrt__origin_handle(nrt_exchange *exchange, void *arg) {
    nrt__origin *origin = arg;
    nrt_exchange_defer(exchange);
    if (origin->base[0] && nrt__path_has_dots(nrt_request_target(nrt_exchange_request(exchange)))) {
        nrt__origin_fail(exchange, NRT_ERR_BAD_REQUEST, "the path holds . or .. segments");
        return;
    }
    if (origin->idle && !origin->waits) {
        nrt__origin_use(origin->idle, exchange);
        return;
    }
    if (origin->wait_count >= origin->options.max_waiting) {
        nrt__origin_fail(exchange, NRT_ERR_REFUSED, "too many requests wait for the origin");
        return;
    }
    if (add_wait(origin, exchange, false)) {
        nrt__origin_next(origin);
    }
}

/* ---- opening ---- */

static int read_target(nrt__origin *origin, const char *target, char *detail, size_t size) {
    nrt__url url;
    uint64_t port = 80;
    if (strncmp(target, "unix:", 5) == 0) {
        const char *path = target + 5;
        origin->is_unix = true;
        origin->path.sun_family = AF_UNIX;
        if (*path == '\0' || strlen(path) >= sizeof(origin->path.sun_path)) {
            snprintf(detail, size, "a unix socket's path has 1 to %zu characters",
                     sizeof(origin->path.sun_path) - 1);
            return NRT_ERR_USAGE;
        }
        memcpy(origin->path.sun_path, path, strlen(path) + 1);
        origin->base = calloc(1, 1);
        return origin->base ? 0 : NRT_ERR_MEMORY;
    }
    if (strncmp(target, "https://", 8) == 0) {
        snprintf(detail, size, "https:// origins are not supported yet: use http://");
        return NRT_ERR_UNSUPPORTED;
    }
    if (nrt__url_parse(nrt_str_from(target), &url) < 0 || url.userinfo.ptr || url.query.len > 0 ||
        url.fragment.len > 0 || (url.port.len > 0 && !nrt__str_to_u64(url.port, 65535, &port))) {
        snprintf(detail, size,
                 "\"%s\" is not a target: it looks like http://127.0.0.1:8080, "
                 "http://host:port/base or unix:/path",
                 target);
        return NRT_ERR_USAGE;
    }
    while (url.path.len > 0 && url.path.ptr[url.path.len - 1] == '/') {
        url.path.len--;
    }
    origin->base = strndup(url.path.ptr, url.path.len);
    origin->host = strndup(url.host.ptr, url.host.len);
    origin->port = (uint16_t)port;
    if (!origin->base || !origin->host) {
        return NRT_ERR_MEMORY;
    }
    if (nrt__resolve_number(origin->host, origin->port, &origin->addresses)) {
        origin->resolved_ms = INT64_MAX; /* good for ever */
    }
    return 0;
}

nrt__origin *nrt__origin_open(nrt_conn *conn, const char *target,
                              const nrt__origin_options *options, int *error, char *detail,
                              size_t detail_size) {
    nrt__origin *origin = calloc(1, sizeof(*origin));
    *error = NRT_ERR_MEMORY;
    snprintf(detail, detail_size, "%s", nrt_error_text(NRT_ERR_MEMORY));
    if (!origin) {
        return NULL;
    }
    origin->conn = conn;
    nrt__origin_options_init(&origin->options);
    if (options) {
        origin->options = *options;
    }
    origin->conns.next = origin->conns.prev = &origin->conns;
    origin->last_wait = &origin->waits;
    origin->target = strdup(target);
    if (origin->target) {
        *error = read_target(origin, target, detail, detail_size);
    }
    if (*error < 0) {
        nrt__origin_destroy(origin);
        return NULL;
    }
    return origin;
}

void nrt__origin_destroy(nrt__origin *origin) {
    if (!origin) {
        return;
    }
    nrt_exchange *exchange;
    while ((exchange = take_wait(origin))) {
        nrt__origin_fail(exchange, NRT_ERR_ORIGIN, "the sidecar is being stopped");
    }
    while (origin->conns.next != &origin->conns) {
        nrt__origin_conn *conn = origin->conns.next;
        exchange = conn->exchange;
        conn->exchange = NULL;
        nrt__origin_conn_close(conn);
        if (exchange) {
            nrt__origin_fail(exchange, NRT_ERR_ORIGIN, "the sidecar is being stopped");
        }
    }
    nrt__resolve_cancel(origin->resolve);
    free(origin->host);
    free(origin->base);
    free(origin->target);
    free(origin);
}
