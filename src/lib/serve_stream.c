/* Bodies in pieces: the public face of the service half, and what waits on workers. */
#include "core/base/sized.h"
#include "core/base/str.h"
#include "lib/conn_private.h"
#include "lib/pipe.h"

bool nrt_exchange_is_whole(const nrt_exchange *exchange) {
    return exchange->pipe ? nrt__pipe_has_all(exchange->pipe) : nrt__exchange_has_all(exchange);
}

int nrt_exchange_set_events(nrt_exchange *exchange, const nrt_exchange_events *events, void *arg) {
    nrt_exchange_events read = {.size = sizeof(read)};
    size_t least = offsetof(nrt_exchange_events, data) + sizeof(read.data);
    if (exchange->on_worker || !nrt__sized_read(&read, sizeof(read), events, least)) {
        return NRT_ERR_USAGE;
    }
    nrt_exchange_events *kept = nrt__arena_get(&exchange->request.message.arena, sizeof(*kept));
    if (!kept) {
        return NRT_ERR_MEMORY;
    }
    *kept = read;
    nrt__exchange_stream(exchange, kept, arg);
    return nrt__exchange_has_all(exchange) ? 0 : nrt__exchange_continue(exchange);
}

void nrt_exchange_consume(nrt_exchange *exchange, size_t len) {
    if (!exchange->on_worker) {
        nrt__exchange_take(exchange, len);
    }
}

/* ---- what is done on the connection's thread, whoever asks for it ---- */

static int do_there(nrt_exchange *exchange, nrt__pipe_fn fn, void *arg) {
    return exchange->pipe ? nrt__pipe_do(exchange->pipe, fn, arg) : fn(exchange, arg);
}

static int interim(nrt_exchange *exchange, void *arg) {
    nrt__message *response = &exchange->response.message;
    int final = response->status;
    response->status = *(const int *)arg;
    int error = nrt__exchange_interim(exchange, response);
    response->status = final;
    return error;
}

int nrt_exchange_interim(nrt_exchange *exchange, int status) {
    if (status < 100 || status == 101 || status > 199) {
        return NRT_ERR_USAGE;
    }
    return do_there(exchange, interim, &status);
}

/* What was written before goes behind it at once, as far as there is room. */
static int start(nrt_exchange *exchange, void *arg) {
    (void)arg;
    int error = nrt__exchange_start(exchange);
    if (error == 0) {
        exchange->started = true;
        error = nrt__exchange_flush(exchange);
    }
    return error < 0 ? error : 0;
}

void nrt_exchange_set_length(nrt_exchange *exchange, uint64_t length) {
    exchange->response.message.has_length = true;
    exchange->response.message.length = length;
}

int nrt_exchange_start(nrt_exchange *exchange) {
    return do_there(exchange, start, NULL);
}

static int upgrade(nrt_exchange *exchange, void *arg) {
    nrt__message *response = &exchange->response.message;
    nrt_str protocol = nrt_str_from(arg);
    response->upgrade = nrt__arena_copy(&response->arena, protocol);
    if (!response->upgrade.ptr) {
        return NRT_ERR_MEMORY;
    }
    int before = response->status;
    response->status = 101;
    response->has_length = false;
    int error = start(exchange, NULL);
    if (error < 0) {
        response->status = before;
        response->upgrade = (nrt_str){NULL, 0};
    }
    return error;
}

int nrt_exchange_upgrade(nrt_exchange *exchange, const char *protocol) {
    if (!protocol || exchange->request.message.upgrade.len == 0 ||
        !nrt__is_field_value(nrt_str_from(protocol))) {
        return NRT_ERR_USAGE;
    }
    return do_there(exchange, upgrade, (void *)protocol);
}

static int shut(nrt_exchange *exchange, void *arg) {
    (void)arg;
    int done = nrt__exchange_flush(exchange);
    return done < 0 ? done : done == 0 ? NRT_ERR_BUSY : nrt__exchange_end_body(exchange);
}

int nrt_exchange_shut(nrt_exchange *exchange) {
    return do_there(exchange, shut, NULL);
}

/* ---- bytes ---- */

int nrt_exchange_send(nrt_exchange *exchange, nrt_str bytes, size_t *sent) {
    *sent = 0;
    if (exchange->pipe) {
        int error = exchange->started ? nrt_exchange_write(exchange, bytes) : NRT_ERR_STATE;
        *sent = error == 0 ? bytes.len : 0;
        return error;
    }
    int done = nrt__exchange_flush(exchange); /* what was written before goes before */
    return done == 1 ? nrt__exchange_send(exchange, bytes, sent) : done;
}

int nrt_exchange_write(nrt_exchange *exchange, nrt_str bytes) {
    if (exchange->pipe && exchange->started) {
        return exchange->failed < 0 ? exchange->failed : nrt__pipe_write(exchange->pipe, bytes);
    }
    int error = nrt__exchange_append(exchange, bytes);
    if (error == 0 && exchange->started) {
        error = nrt__exchange_flush(exchange);
    }
    return error < 0 ? error : 0;
}

int nrt_exchange_read(nrt_exchange *exchange, void *to, size_t size, int timeout_ms, size_t *got) {
    *got = 0;
    if (!exchange->pipe || size == 0) {
        return NRT_ERR_USAGE;
    }
    return nrt__pipe_read(exchange->pipe, to, size, timeout_ms, got);
}

void nrt_exchange_abort(nrt_exchange *exchange) {
    exchange->failed = NRT_ERR_ABORTED; /* whoever ends it says so */
    if (!exchange->pipe) {
        nrt__exchange_abort(exchange, nrt_error_code(NRT_ERR_ABORTED));
    }
}
