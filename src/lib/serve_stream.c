/* Bodies in pieces: the public face of the service half, and what waits on workers. */
#include "core/str.h"
#include "lib/conn_private.h"
#include "lib/pipe.h"

bool nrt_exchange_is_whole(const nrt_exchange *exchange) {
    return nrt__exchange_has_all(exchange);
}

int nrt_exchange_set_events(nrt_exchange *exchange, const nrt_exchange_events *events, void *arg) {
    if (!events || events->size < sizeof(*events) || exchange->on_worker) {
        return NRT_ERR_USAGE;
    }
    nrt__exchange_stream(exchange, events, arg);
    return nrt__exchange_has_all(exchange) ? 0 : nrt__exchange_continue(exchange);
}

void nrt_exchange_consume(nrt_exchange *exchange, size_t len) {
    nrt__exchange_take(exchange, len);
}

int nrt_exchange_interim(nrt_exchange *exchange, int status) {
    if (status < 100 || status == 101 || status > 199 || exchange->on_worker) {
        return NRT_ERR_USAGE;
    }
    nrt__message *response = &exchange->response.message;
    int final = response->status;
    response->status = status;
    int error = nrt__exchange_interim(exchange, response);
    response->status = final;
    return error;
}

int nrt_exchange_start(nrt_exchange *exchange) {
    if (!exchange->on_worker) {
        return nrt__exchange_start(exchange);
    }
    return exchange->pipe ? nrt__pipe_start(exchange->pipe) : NRT_ERR_UNSUPPORTED;
}

int nrt_exchange_send(nrt_exchange *exchange, nrt_str bytes, size_t *sent) {
    *sent = 0;
    if (!exchange->on_worker) {
        return nrt__exchange_send(exchange, bytes, sent);
    }
    int error = nrt_exchange_write(exchange, bytes);
    *sent = error == 0 ? bytes.len : 0;
    return error;
}

int nrt_exchange_write(nrt_exchange *exchange, nrt_str bytes) {
    if (exchange->pipe && nrt__pipe_is_started(exchange->pipe)) {
        return nrt__pipe_write(exchange->pipe, bytes);
    }
    return nrt__exchange_append(exchange, bytes);
}

int nrt_exchange_read(nrt_exchange *exchange, void *to, size_t size, size_t *got) {
    *got = 0;
    return exchange->pipe ? nrt__pipe_read(exchange->pipe, to, size, got) : NRT_ERR_USAGE;
}

void nrt_exchange_abort(nrt_exchange *exchange) {
    exchange->failed = NRT_ERR_ABORTED; /* whoever ends it says so */
    if (!exchange->on_worker) {
        nrt__exchange_abort(exchange, nrt_error_code(NRT_ERR_ABORTED));
    }
}

int nrt_exchange_upgrade(nrt_exchange *exchange, const char *protocol) {
    nrt__message *response = &exchange->response.message;
    if (exchange->on_worker || !protocol || exchange->request.message.upgrade.len == 0 ||
        !nrt__is_field_value(nrt_str_from(protocol))) {
        return NRT_ERR_USAGE;
    }
    response->upgrade = nrt__arena_copy(&response->arena, nrt_str_from(protocol));
    if (!response->upgrade.ptr) {
        return NRT_ERR_MEMORY;
    }
    int before = response->status;
    response->status = 101;
    response->has_length = false;
    int error = nrt__exchange_start(exchange);
    if (error < 0) {
        response->status = before;
        response->upgrade = (nrt_str){NULL, 0};
    }
    return error;
}

int nrt_exchange_shut(nrt_exchange *exchange) {
    return exchange->on_worker ? NRT_ERR_USAGE : nrt__exchange_end_body(exchange);
}
