/* Serving: the public face of the service half, and where handlers run. */
#include <stdlib.h>

#include "core/handler/mux.h"
#include "lib/conn_private.h"
#include "lib/pipe.h"
#include "lib/workers.h"

enum { WORKERS_MAX = 1024 };

/* What the library adds to a service of the engine. */
typedef struct service_owner {
    nrt_conn *conn;
    nrt__workers *workers;
    nrt_task_fn on_stopped;
    void *on_stopped_arg;
    void (*finish)(void *arg); /* the handler's own, when the service is gone */
    void *finish_arg;
} service_owner;

void nrt_service_options_init_sized(nrt_service_options *options, size_t size) {
    nrt_service_options defaults = {.size = size, .max_in_flight = 1024};
    memset(options, 0, size);
    memcpy(options, &defaults, size < sizeof(defaults) ? size : sizeof(defaults));
}

/* ---- ends of exchanges ---- */

/* The exchange goes back to its connection's thread. Its owner is the postbox, which outlives the
 * connection. */
static void end_elsewhere(nrt_exchange *exchange) {
    nrt__postbox *box = exchange->owner;
    if (exchange->pipe) {
        nrt__pipe_end(exchange->pipe);
        return;
    }
    nrt__postbox_put_exchange(box, exchange);
    nrt__postbox_release(box);
}

void nrt_exchange_end(nrt_exchange *exchange) {
    if (nrt__exchange_end_one(exchange)) {
        end_elsewhere(exchange);
    }
}

void nrt__exchange_end_here(nrt_exchange *exchange) {
    if (nrt__exchange_end_one(exchange)) {
        nrt__postbox_release(exchange->owner);
        nrt__exchange_finish(exchange);
    }
}

static void run_handler(nrt_exchange *exchange) {
    exchange->handler(exchange, exchange->arg);
}

/* On a worker. */
static void run_on_worker(nrt_exchange *exchange) {
    run_handler(exchange);
    if (!exchange->deferred) {
        nrt__exchange_end_one(exchange);
    }
    if (nrt__exchange_end_one(exchange)) {
        end_elsewhere(exchange);
    }
}

static void drop_pipe(nrt_exchange *exchange) {
    nrt__exchange_stream(exchange, NULL, NULL);
    nrt__pipe_destroy(exchange->pipe);
    exchange->pipe = NULL;
}

/* On the worker the handler may wait for its client: a pipe leads there and back. */
static void run_elsewhere(nrt_exchange *exchange, service_owner *owner) {
    exchange->on_worker = true;
    exchange->pipe = nrt__pipe_create(exchange, owner->conn->box);
    int error = exchange->pipe ? 0 : NRT_ERR_MEMORY;
    if (error == 0 && !nrt__exchange_has_all(exchange)) {
        error = nrt__exchange_continue(exchange);
    }
    if (error == 0) {
        nrt__workers_put(owner->workers, exchange);
        return;
    }
    drop_pipe(exchange);
    exchange->failed = error;
    nrt__exchange_end_one(exchange);
    nrt__exchange_end_here(exchange);
}

void nrt__serve_run(nrt_exchange *exchange, void *arg) {
    nrt_conn *conn = arg;
    service_owner *owner = exchange->service->owner;
    exchange->owner = nrt__postbox_hold(conn->box);
    if (owner->workers) {
        run_elsewhere(exchange, owner);
        return;
    }
    run_handler(exchange);
    if (!exchange->deferred) {
        nrt__exchange_end_one(exchange);
    }
    nrt__exchange_end_here(exchange);
}

/* ---- services ---- */

int nrt_serve(nrt_conn *conn, const char *host, const nrt_service_options *options,
              nrt_handler_fn handler, void *arg, nrt_service **service) {
    return nrt__serve_with(conn, host, options, handler, arg, NULL, service);
}

int nrt__serve_with(nrt_conn *conn, const char *host, const nrt_service_options *given,
                    nrt_handler_fn handler, void *arg, void (*finish)(void *arg),
                    nrt_service **out) {
    nrt_service_options options;
    nrt_service *service = NULL;
    service_owner *owner = NULL;
    int error = nrt__conn_check(conn);
    if (out) {
        *out = NULL;
    }
    if (error < 0) {
        return error;
    }
    nrt_service_options_init(&options);
    error = nrt__conn_read(conn, &options, sizeof(options), given, "nrt_service_options");
    if (error < 0) {
        return error;
    }
    if (!host || !handler || options.workers > WORKERS_MAX || options.max_in_flight == 0) {
        return nrt__conn_fail(conn, NRT_ERR_USAGE, NULL);
    }
    if (conn->closing || conn->destroying) {
        return nrt__conn_fail(conn, NRT_ERR_STATE, "the connection is draining");
    }
    const nrt_mux *mux = handler == nrt_mux_handle ? arg : NULL;
    if (handler == nrt_mux_handle && (!mux || mux->failed < 0)) {
        return nrt__conn_fail(conn, mux ? mux->failed : NRT_ERR_MEMORY, nrt_mux_error(mux));
    }
    const char *why = NULL;
    error = nrt__discovery_check(&options, &why);
    if (error < 0) {
        return nrt__conn_fail(conn, error, why);
    }
    error = NRT_ERR_MEMORY;
    owner = calloc(1, sizeof(*owner));
    if (!owner) {
        goto done;
    }
    *owner = (service_owner){.conn = conn, .finish = finish, .finish_arg = arg};
    if (options.workers > 0) {
        owner->workers = nrt__workers_create(options.workers, run_on_worker);
        if (!owner->workers) {
            error = NRT_ERR_SYSTEM;
            goto done;
        }
    }
    nrt__loop_enter(&conn->loop);
    error = nrt__services_add(conn->services, host, handler, arg, &options, &service);
    if (error == 0) {
        service->owner = owner;
        owner = NULL;
        if (out) {
            *out = service;
        }
    }
    nrt__loop_leave(&conn->loop);
done:
    if (owner) {
        nrt__workers_destroy(owner->workers, NULL);
        free(owner);
    }
    return nrt__conn_fail(conn, error,
                          error == NRT_ERR_USAGE ? "this host is served already" : NULL);
}

static void on_stopped(nrt_service *service, void *arg) {
    service_owner *owner = service->owner;
    nrt_conn *conn = owner->conn;
    nrt_task_fn fn = owner->on_stopped;
    void *fn_arg = owner->on_stopped_arg;
    (void)arg;
    nrt__workers_destroy(owner->workers, NULL); /* idle: nothing is in flight */
    if (owner->finish) {
        owner->finish(owner->finish_arg);
    }
    free(owner);
    if (fn) {
        fn(conn, fn_arg);
    }
}

int nrt_service_stop(nrt_service *service, nrt_task_fn fn, void *arg) {
    if (!service) {
        return NRT_ERR_USAGE;
    }
    service_owner *owner = service->owner;
    nrt_conn *conn = owner->conn;
    int error = nrt__conn_check(conn);
    if (error < 0) {
        return error;
    }
    if (service->leaving) {
        return nrt__conn_fail(conn, NRT_ERR_STATE, "the service is being stopped already");
    }
    owner->on_stopped = fn;
    owner->on_stopped_arg = arg;
    nrt__loop_enter(&conn->loop);
    nrt__service_stop(service, on_stopped, NULL);
    nrt__loop_leave(&conn->loop);
    return 0;
}

static int enter_or_leave(nrt_service *service, int (*change)(nrt_service *)) {
    if (!service) {
        return NRT_ERR_USAGE;
    }
    nrt_conn *conn = ((service_owner *)service->owner)->conn;
    int error = nrt__conn_check(conn);
    if (error < 0) {
        return error;
    }
    nrt__loop_enter(&conn->loop);
    error = change(service);
    nrt__loop_leave(&conn->loop);
    if (error < 0) {
        return nrt__conn_fail(conn, error,
                              error == NRT_ERR_STATE ? "the service is being stopped" : NULL);
    }
    return 0;
}

int nrt_service_pause(nrt_service *service) {
    return enter_or_leave(service, nrt__service_pause);
}

int nrt_service_resume(nrt_service *service) {
    return enter_or_leave(service, nrt__service_resume);
}

/* One that waited for a worker when the connection went away. */
static void drop_waiting(nrt_exchange *exchange) {
    nrt__postbox *box = exchange->owner;
    drop_pipe(exchange);
    nrt__exchange_finish(exchange);
    nrt__postbox_release(box);
}

void nrt__serve_finish(nrt_conn *conn) {
    if (!conn->services) {
        return;
    }
    if (!conn->forked) {
        nrt__services_cancel(conn->services);
    }
    nrt__services_cut(conn->services);
    for (nrt_service *service = nrt__services_first(conn->services); service;
         service = service->next) {
        service_owner *owner = service->owner;
        if (conn->forked) {
            nrt__workers_forget(owner->workers);
        } else {
            nrt__workers_destroy(owner->workers, drop_waiting);
        }
        if (owner->finish) {
            owner->finish(owner->finish_arg);
        }
        free(owner);
        service->owner = NULL;
    }
}

nrt_str nrt_service_host(const nrt_service *service) {
    return service->host;
}

nrt_str nrt_service_subject(const nrt_service *service) {
    return service->subject;
}
