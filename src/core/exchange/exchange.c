/* One exchange as its handler sees it, and the response as it goes out. */
#include <jansson.h>
#include <stdio.h>

#include "core/base/str.h"
#include "core/exchange/services_private.h"
#include "core/http/h1_writer.h"
#include "core/http/problem.h"

const nrt_request *nrt_exchange_request(const nrt_exchange *exchange) {
    return &exchange->request;
}

const char *nrt_exchange_id_text(const nrt_exchange *exchange) {
    return exchange->id;
}

int nrt_exchange_set_status(nrt_exchange *exchange, int status) {
    if (status < 200 || status > 599) {
        return NRT_ERR_USAGE;
    }
    if (exchange->started) {
        return NRT_ERR_STATE;
    }
    exchange->response.message.status = status;
    exchange->response.message.reason = (nrt_str){NULL, 0};
    return 0;
}

nrt_fields *nrt_exchange_fields(nrt_exchange *exchange) {
    return &exchange->response.message.fields;
}

int nrt__exchange_append(nrt_exchange *exchange, nrt_str bytes) {
    if (exchange->failed < 0) {
        return exchange->failed;
    }
    if (!nrt__buf_put(&exchange->body, bytes)) {
        bool full = nrt__buf_len(&exchange->body) + bytes.len > exchange->max_body;
        exchange->failed = full ? NRT_ERR_RESPONSE_TOO_LARGE : NRT_ERR_MEMORY;
    }
    return exchange->failed;
}

nrt_fields *nrt_exchange_trailers(nrt_exchange *exchange) {
    return &exchange->response.message.trailers;
}

bool nrt_exchange_is_canceled(const nrt_exchange *exchange) {
    return atomic_load_explicit(&exchange->canceled, memory_order_relaxed);
}

void nrt_exchange_defer(nrt_exchange *exchange) {
    exchange->deferred = true;
}

int nrt_exchange_reply(nrt_exchange *exchange, int status, const char *type, nrt_str body) {
    int error = nrt_exchange_set_status(exchange, status);
    if (error == 0 && type) {
        error = nrt_fields_set(nrt_exchange_fields(exchange), NRT__STR("Content-Type"),
                               nrt_str_from(type));
        if (error == NRT_ERR_MEMORY) { /* not an empty 200, where the handler does not look */
            exchange->failed = error;
        }
    }
    return error < 0 ? error : nrt__exchange_append(exchange, body);
}

void nrt__exchange_problem(nrt_exchange *exchange, int status, const char *code,
                           const char *detail) {
    nrt__message problem;
    nrt__message *response = &exchange->response.message;
    nrt__message_init(&problem, false);
    exchange->failed = 0;
    nrt__buf_clear(&exchange->body);
    /* Without memory for the explanation the status alone must do. */
    response->fields.count = 0;
    response->trailers.count = 0;
    response->status = status;
    response->reason = (nrt_str){NULL, 0};
    exchange->body.max = SIZE_MAX / 2;
    if (nrt__problem_write(&problem, status, code, detail) == 0) {
        for (size_t i = 0; i < problem.fields.count; i++) {
            /* Names and values are static, or codes from the error table. */
            nrt__fields_append(&response->fields, problem.fields.list[i].name,
                               problem.fields.list[i].value);
        }
        nrt__buf_put(&exchange->body, problem.body);
    }
    exchange->body.max = exchange->max_body;
    exchange->is_problem = code != NULL;
    nrt__message_free(&problem);
}

int nrt_exchange_problem(nrt_exchange *exchange, int status, const char *detail) {
    if (status < 400 || status > 599) {
        return NRT_ERR_USAGE;
    }
    if (exchange->started) { /* on a worker, the body is the connection's thread's by now */
        return NRT_ERR_STATE;
    }
    nrt__exchange_problem(exchange, status, NULL, detail);
    return 0;
}

/* Our own fields: who answered, and when. */
nrt_str nrt__exchange_extra(nrt__services *services, const nrt_exchange *exchange) {
    nrt__buf *out = &services->extra;
    const nrt_fields *fields = &exchange->response.message.fields;
    nrt__buf_clear(out);
    if (services->env->date[0] && !nrt__fields_find(fields, NRT__DATE, NULL)) {
        nrt__buf_lit(out, "Date: ");
        nrt__buf_put(out, nrt_str_from(services->env->date));
        nrt__buf_lit(out, "\r\n");
    }
    if (exchange->framed) {
        nrt__buf_lit(out, "NRT-Version: 1\r\n");
    }
    nrt__buf_lit(out, "NRT-ID: ");
    nrt__buf_put(out, nrt_str_from(exchange->id));
    nrt__buf_lit(out, "\r\n");
    nrt__buf_put(out, nrt__buf_view(&services->identity));
    return nrt__buf_view(out);
}

static int publish(nrt__services *services, nrt_exchange *exchange) {
    nrt__message *response = &exchange->response.message;
    nrt_str parts[2];
    response->body = nrt__buf_view(&exchange->body);
    nrt__buf_clear(&services->scratch);
    unsigned skip = exchange->is_problem ? 0 : NRT__FIELD_NRT;
    if (!nrt__h1_write_parts(&services->scratch, response, skip,
                             nrt__exchange_extra(services, exchange), exchange->to_head, parts)) {
        return NRT_ERR_MEMORY;
    }
    return nrt__session_publish(nrt__exchange_session(exchange), exchange->reply,
                                (nrt_str){NULL, 0}, parts, 2);
}

/* The response cannot go out: why, in its place. */
static void replace_response(nrt_exchange *exchange, int error) {
    char detail[NRT__SINGLE_MAX + 128];
    char why[NRT__SINGLE_MAX];
    if (error == NRT_ERR_RESPONSE_TOO_LARGE) {
        nrt__exchange_single(exchange, why, sizeof(why));
        snprintf(detail, sizeof(detail), "%s of %zu bytes%s%s", nrt_error_text(error),
                 exchange->max_body, *why ? ": " : "", why);
    } else {
        snprintf(detail, sizeof(detail), "%s", nrt_error_text(error));
    }
    nrt__exchange_problem(exchange, nrt_error_status(error), nrt_error_code(error), detail);
}

void nrt__services_note_failures(nrt__services *services, nrt__failures *failures) {
    services->failures = failures;
}

/* A problem of ours says in its body what is wrong. */
static void note_failure(const nrt_exchange *exchange, int status, const char *date,
                         nrt__failures *failures) {
    const nrt__message *request = &exchange->request.message;
    nrt_str body = nrt__buf_view(&exchange->body);
    nrt__failure failure = {
        .service = exchange->service->host,
        .method = request->method,
        .target = request->target,
        .id = nrt_str_from(exchange->id),
        .status = status,
    };
    json_t *problem = NULL;
    if (exchange->refused) { /* maybe by a frame */
        failure.code = nrt_str_from(nrt_error_code(NRT_ERR_REFUSED));
        failure.detail = nrt_str_from(nrt_error_text(NRT_ERR_REFUSED));
    }
    if (exchange->is_problem) {
        failure.code = nrt_fields_get(&exchange->response.message.fields, "NRT-Error");
        problem = body.len > 0 ? json_loadb(body.ptr, body.len, 0, NULL) : NULL;
        const char *detail = json_string_value(json_object_get(problem, "detail"));
        failure.detail = nrt_str_from(detail ? detail : "");
    }
    nrt__failures_add(failures, date, &failure);
    json_decref(problem);
}

void nrt__exchange_note(const nrt_exchange *exchange, int status, int64_t took_ns) {
    const nrt__services *services = exchange->service->services;
    const nrt__served *served = exchange->served;
    nrt__service_record record = {exchange, status, took_ns, exchange->request.message.body.len,
                                  exchange->to_head ? 0 : nrt__buf_len(&exchange->body)};
    if (served && served->opened) {
        record.request_bytes = served->flow.in_got;
    }
    if (served && served->started) {
        record.response_bytes = served->flow.out_sent;
    }
    nrt__tally_add(&exchange->service->tally, exchange->request.message.method, status, took_ns,
                   record.request_bytes, record.response_bytes);
    if (status >= 500 && services->failures) {
        note_failure(exchange, status, services->env->date, services->failures);
    }
    if (services->observe) {
        services->observe(&record, services->observe_arg);
    }
}

/* What discovery will tell of it. An answer that the limit made is no error: it is counted apart.
 */
static void count(nrt__services *services, const nrt_exchange *exchange, int lost) {
    nrt__service_stats *stats = &exchange->service->stats;
    int status = exchange->response.message.status;
    int64_t took = nrt__env_ns(services->env) - exchange->began_ns;
    bool left = exchange->served && exchange->served->canceled;
    nrt__exchange_note(exchange, left ? 0 : lost < 0 ? nrt_error_status(lost) : status, took);
    if (exchange->handled) {
        nrt__stats_handled(stats, took);
    }
    stats->refused += exchange->refused;
    if (lost < 0) {
        nrt__stats_error(stats, nrt_error_status(lost), nrt_str_from(nrt_error_code(lost)));
    } else if (status >= 500 && !exchange->refused) {
        nrt_str code = {NULL, 0};
        if (exchange->is_problem) { /* else a handler's field, which may say anything */
            code = nrt_fields_get(&exchange->response.message.fields, "NRT-Error");
        }
        nrt__stats_error(stats, status, code);
    }
}

/* Larger than the client takes at once. */
static bool wants_stream(const nrt_exchange *exchange) {
    return !exchange->to_head && nrt__exchange_can_stream(exchange) &&
           nrt__buf_len(&exchange->body) > exchange->accept.window;
}

static void tell_lost(nrt__services *services, const nrt_exchange *exchange, int error) {
    uint64_t lost;
    if (error < 0 && nrt__log_due(services->env, &services->lost, &lost)) {
        nrt__log(services->env, NRT_LOG_WARN, "%.*s: %llu responses are lost, the last one %s: %s",
                 NRT__ARG(exchange->service->host), (unsigned long long)lost, exchange->id,
                 nrt_error_text(error));
    }
}

/* False where more of it goes out later. */
static bool respond(nrt__services *services, nrt_exchange *exchange) {
    const nrt__served *served = exchange->served;
    int error = 0;
    if (served && served->canceled) {
        return true; /* nobody waits for it */
    }
    if (served && served->started && exchange->failed < 0) {
        nrt__exchange_abort(exchange, nrt_error_code(exchange->failed));
        error = exchange->failed;
    } else {
        if (exchange->failed < 0) {
            replace_response(exchange, exchange->failed);
        }
        bool streams = (served && served->started) || wants_stream(exchange);
        if (!streams) {
            error = publish(services, exchange);
            streams = error == NRT_ERR_TOO_LARGE && nrt__exchange_can_stream(exchange);
        }
        if (streams) {
            int done = nrt__exchange_stream_out(exchange);
            if (done >= 0) {
                return done;
            }
            error = done;
        }
        if (error == NRT_ERR_TOO_LARGE) {
            replace_response(exchange, NRT_ERR_RESPONSE_TOO_LARGE);
            error = publish(services, exchange);
        }
    }
    exchange->failed = error;
    return true;
}

void nrt__exchange_over(nrt_exchange *exchange) {
    nrt_service *service = exchange->service;
    nrt__services *services = service->services;
    if (exchange->reply.ptr) {
        count(services, exchange, exchange->failed);
        tell_lost(services, exchange, exchange->failed);
    }
    service->in_flight--;
    nrt__exchange_release(services, exchange);
    nrt__service_check_stopped(service);
}

void nrt__exchange_finish(nrt_exchange *exchange) {
    nrt_service *service = exchange->service;
    if (!service) { /* its connection is gone */
        nrt__exchange_drop(exchange);
    } else if (!exchange->reply.ptr || respond(service->services, exchange)) {
        nrt__exchange_over(exchange);
    }
}
