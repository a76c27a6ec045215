/* The pool of connections to one origin, and the exchanges that wait for one. */
#include "bridge/origin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/origin_private.h"
#include "core/base/str.h"
#include "core/http/url.h"

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
    nrt__exchange_stream(exchange, NULL, NULL);
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

void nrt__origin_stop_waiting(nrt__origin *origin, nrt_exchange *exchange) {
    nrt__origin_wait **at = &origin->waits;
    while (*at && (*at)->exchange != exchange) {
        at = &(*at)->next;
    }
    nrt__origin_wait *wait = *at;
    if (wait) {
        *at = wait->next;
        if (!*at) {
            origin->last_wait = at;
        }
        origin->wait_count--;
        nrt__exchange_stream(exchange, NULL, NULL);
        free(wait);
    }
}

static bool add_wait(nrt__origin *origin, nrt_exchange *exchange, bool first) {
    nrt__origin_wait *wait = calloc(1, sizeof(*wait));
    if (!wait) {
        nrt__origin_fail(exchange, NRT_ERR_MEMORY, NULL);
        return false;
    }
    wait->exchange = exchange;
    nrt__exchange_stream(exchange, &nrt__origin_waiting_events, origin);
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

void nrt__origin_dial_failed(nrt__origin *origin, const char *reason, bool tls) {
    char detail[256];
    nrt__loop *loop = nrt__origin_loop(origin);
    uint64_t count;
    /* Where the origin is concerns its operator, not its clients. */
    if (nrt__log_due(&loop->env, &origin->failed, &count)) {
        nrt__log(&loop->env, NRT_LOG_WARN, "cannot connect to the origin %s: %s",
                 origin->target.text, reason);
    }
    /* Nor does whose certificate it has. */
    snprintf(detail, sizeof(detail), "cannot connect to the origin: %s",
             tls ? "no TLS with it" : reason);
    /* As many wait as attempts can be under way at once: those that have none left fail now, not at
     * their timeout. */
    while (origin->wait_count > origin->dialing) {
        nrt__origin_fail(take_wait(origin), NRT_ERR_ORIGIN, detail);
    }
}

static void dial_one(nrt__origin *origin) {
    int error = nrt__origin_dial(origin);
    if (error < 0) {
        nrt__origin_dial_failed(origin, error == NRT_ERR_MEMORY ? "out of memory" : strerror(errno),
                                false);
    }
}

static void on_found(const char *reason, void *arg) {
    nrt__origin *origin = arg;
    if (reason) {
        nrt__origin_dial_failed(origin, reason, false);
    } else {
        nrt__origin_next(origin);
    }
}

/* True where an address is at hand; else it is being looked up. */
static bool have_address(nrt__origin *origin) {
    int found = nrt__target_find(&origin->target, on_found, origin);
    if (found < 0) {
        nrt__origin_dial_failed(origin, "no thread for looking up its name", false);
    }
    return found > 0;
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
    if (origin->target.base[0] &&
        nrt__path_has_dots(nrt_request_target(nrt_exchange_request(exchange)))) {
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

static nrt__origin *origin_make(nrt_conn *conn, const nrt__origin_options *options) {
    nrt__origin *origin = calloc(1, sizeof(*origin));
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
    return origin;
}

nrt__origin *nrt__origin_open_with(nrt_conn *conn, nrt_connect_fn connect,
                                   void (*release)(void *arg), void *arg) {
    nrt__origin *origin = origin_make(conn, NULL);
    if (origin && nrt__target_init_with(&origin->target, conn, connect, release, arg) < 0) {
        nrt__origin_destroy(origin);
        return NULL;
    }
    return origin;
}

void nrt__origin_forget_release(nrt__origin *origin) {
    origin->target.release = NULL;
}

nrt__origin *nrt__origin_open(nrt_conn *conn, const char *target,
                              const nrt__origin_options *options, int *error, char *detail,
                              size_t detail_size) {
    nrt__origin *origin = origin_make(conn, options);
    *error = NRT_ERR_MEMORY;
    snprintf(detail, detail_size, "%s", nrt_error_text(NRT_ERR_MEMORY));
    if (!origin) {
        return NULL;
    }
    *error =
        nrt__target_init(&origin->target, conn, target, origin->options.tls, detail, detail_size);
    if (*error < 0) {
        nrt__origin_destroy(origin);
        return NULL;
    }
    return origin;
}

size_t nrt__origin_break_off(nrt__origin *origin) {
    size_t count = 0;
    nrt_exchange *exchange;
    while ((exchange = take_wait(origin))) {
        nrt__origin_fail(exchange, NRT_ERR_ORIGIN, "the sidecar is being stopped");
        count++;
    }
    nrt__origin_conn *next;
    for (nrt__origin_conn *conn = origin->conns.next; conn != &origin->conns; conn = next) {
        next = conn->next;
        if (conn->exchange) {
            nrt__origin_refuse_response(conn, NRT_ERR_ORIGIN, "the sidecar is being stopped");
            count++;
        }
    }
    return count;
}

void nrt__origin_destroy(nrt__origin *origin) {
    if (!origin) {
        return;
    }
    nrt__origin_break_off(origin);
    while (origin->conns.next != &origin->conns) {
        nrt__origin_conn_close(origin->conns.next);
    }
    nrt__target_finish(&origin->target);
    free(origin);
}
