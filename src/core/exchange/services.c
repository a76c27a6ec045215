/* The service half of exchanges: what arrives, and who may see it. Responses are in exchange.c. */
#include "core/exchange/services.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "core/exchange/services_private.h"
#include "core/http/h1_whole.h"
#include "core/nats/subject.h"

enum {
    POOL_MAX = 256,
    ARENA_ROUNDING = 32,   /* of two copies */
    ARENA_ROOM = 16 << 20, /* for what handlers add: fields, copies */
    /* Who answers, in fields: names, a number, and what is around them. */
    IDENTITY_MAX = 2 * NRT__NATS_NAME_MAX + 128,
    EXTRA_MAX = IDENTITY_MAX + 128,
};

static const char queue_group[] = "nrt";

nrt__services *nrt__services_create(nrt__env *env, nrt__timers *timers, nrt__session *session,
                                    const nrt__services_options *options, nrt__run_fn run,
                                    void *run_arg) {
    nrt__services *services = calloc(1, sizeof(*services));
    if (!services) {
        return NULL;
    }
    services->env = env;
    services->timers = timers;
    services->session = session;
    services->options = *options;
    services->run = run;
    services->run_arg = run_arg;
    services->in_flight.next = services->in_flight.prev = &services->in_flight;
    services->fresh.next = services->fresh.prev = &services->fresh;
    services->crowd.next = services->crowd.prev = &services->crowd;
    nrt__h1_reader_init(&services->reader, &options->limits);
    nrt__buf_init(&services->scratch, SIZE_MAX / 2);
    nrt__buf_init(&services->extra, EXTRA_MAX);
    nrt__buf_init(&services->identity, IDENTITY_MAX);
    nrt__buf_init(&services->probe, NRT__SUBJECT_MAX);
    nrt__message_init(&services->trailers, false);
    nrt__buf_init(&services->trailer_text, 2 * options->limits.head);
    nrt__buf_put(&services->probe, options->inbox_prefix);
    nrt__buf_lit(&services->probe, ".nrt.probe");
    /* Room for all of it: no field may be left half written when there is no memory later. */
    if (services->probe.failed || !nrt__buf_room(&services->extra, EXTRA_MAX) ||
        !nrt__buf_room(&services->identity, IDENTITY_MAX) ||
        nrt__random_text(env, services->instance, sizeof(services->instance)) < 0 ||
        nrt__random_text(env, services->id_prefix, sizeof(services->id_prefix)) < 0) {
        nrt__services_destroy(services);
        return NULL;
    }
    return services;
}

static void exchange_free(nrt_exchange *exchange) {
    nrt__message_free(&exchange->request.message);
    nrt__message_free(&exchange->response.message);
    nrt__buf_free(&exchange->body);
    nrt__buf_free(&exchange->upload);
    free(exchange);
}

static void cut(nrt_exchange *head) {
    nrt_exchange *next;
    for (nrt_exchange *exchange = head->next; exchange != head; exchange = next) {
        next = exchange->next;
        const nrt__served *served = exchange->served;
        /* The handler will never have it, or has done its part: nobody else will end it. */
        bool ours = served && (!served->begun || served->ending);
        nrt__served_destroy(exchange->service->services, exchange->served);
        exchange->next = exchange->prev = NULL;
        exchange->service = NULL;
        if (ours) {
            exchange_free(exchange);
        }
    }
    head->next = head->prev = head;
}

/* Each of them goes to the end before it is told: it may end itself. */
static void cancel_all(nrt_exchange *head) {
    size_t left = 0;
    for (const nrt_exchange *exchange = head->next; exchange != head; exchange = exchange->next) {
        left++;
    }
    for (; left > 0 && head->next != head; left--) {
        nrt_exchange *exchange = head->next;
        nrt__exchange_ring_remove(exchange);
        nrt__exchange_ring_add(head, exchange);
        bool told = atomic_exchange_explicit(&exchange->canceled, true, memory_order_relaxed);
        const nrt_exchange_events *events = nrt__exchange_listener(exchange);
        if (!told && events && events->canceled) {
            events->canceled(exchange, exchange->events_arg);
        }
    }
}

void nrt__services_cancel(nrt__services *services) {
    cancel_all(&services->in_flight);
    cancel_all(&services->fresh);
}

void nrt__services_cut(nrt__services *services) {
    cut(&services->in_flight);
    cut(&services->fresh);
}

static void forget_left(nrt__service_left *left) {
    nrt_service *service = left->service;
    nrt__service_left **at = &service->left;
    while (*at != left) {
        at = &(*at)->next;
    }
    *at = left->next;
    nrt__session_sub_destroy(service->services->session, left->sub);
    free(left);
}

static void service_free(nrt_service *service) {
    nrt__session *session = service->services->session;
    nrt__service_left *next;
    for (nrt__service_left *left = service->left; left; left = next) {
        next = left->next;
        nrt__session_sub_destroy(session, left->sub);
        free(left);
    }
    nrt__session_sub_destroy(session, service->sub);
    nrt__session_sub_destroy(session, service->stream_sub);
    free(service);
}

void nrt__services_destroy(nrt__services *services) {
    if (!services) {
        return;
    }
    nrt__services_cut(services);
    nrt__timer_clear(services->timers, &services->accept_timer);
    while (services->first) {
        nrt_service *service = services->first;
        services->first = service->next;
        service_free(service);
    }
    while (services->pool) {
        nrt_exchange *exchange = services->pool;
        services->pool = exchange->next;
        exchange_free(exchange);
    }
    nrt__h1_reader_free(&services->reader);
    nrt__buf_free(&services->scratch);
    nrt__buf_free(&services->extra);
    nrt__buf_free(&services->identity);
    nrt__buf_free(&services->probe);
    nrt__message_free(&services->trailers);
    nrt__buf_free(&services->trailer_text);
    nrt__timer_clear(services->timers, &services->streams.tick);
    free(services->streams.list);
    free(services);
}

void nrt__services_announce(nrt__services *services, nrt__discovery *discovery) {
    services->discovery = discovery;
}

nrt_service *nrt__services_first(nrt__services *services) {
    return services->first;
}

size_t nrt__services_in_flight(const nrt__services *services) {
    return services->count;
}

void nrt__services_observe(nrt__services *services, nrt__observe_fn fn, void *arg) {
    services->observe = fn;
    services->observe_arg = arg;
}

size_t nrt__services_streams(const nrt__services *services) {
    return services->streams.count;
}

/* ---- the fields that say who answered ---- */

void nrt__services_connected(nrt__services *services) {
    const nrt__nats_info *info = nrt__session_info(services->session);
    nrt__buf *out = &services->identity;
    nrt__buf_clear(out);
    nrt__buf_lit(out, "NRT-Connected-Server: ");
    nrt__buf_put(out, nrt_str_from(info->server_name));
    nrt__buf_lit(out, "\r\nNRT-Client: ");
    nrt__buf_u64(out, info->client_id);
    nrt__buf_lit(out, "\r\n");
    if (info->cluster[0]) {
        nrt__buf_lit(out, "NRT-Connected-Cluster: ");
        nrt__buf_put(out, nrt_str_from(info->cluster));
        nrt__buf_lit(out, "\r\n");
    }
}

/* A random prefix and a count: unique, and says nothing about reply tokens. */
static void write_id(nrt__services *services, char out[24]) {
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t len = sizeof(services->id_prefix);
    uint64_t count = services->id_count++;
    memcpy(out, services->id_prefix, len);
    for (size_t i = 23; i-- > len;) {
        out[i] = digits[count % 62];
        count /= 62;
    }
    out[23] = '\0';
}

/* ---- exchanges ---- */

static nrt_exchange *exchange_take(nrt_service *service, const nrt__nats_msg *msg) {
    nrt__services *services = service->services;
    nrt_exchange *exchange = services->pool;
    if (exchange) {
        services->pool = exchange->next;
        services->pooled--;
    } else {
        exchange = calloc(1, sizeof(*exchange));
        if (!exchange) {
            return NULL;
        }
        nrt__message_init(&exchange->request.message, true);
        nrt__message_init(&exchange->response.message, false);
        nrt__buf_init(&exchange->body, 0);
        nrt__buf_init(&exchange->upload, 0);
    }
    nrt__exchange_ring_add(&services->in_flight, exchange);
    services->count++;
    service->in_flight++;
    exchange->service = service;
    exchange->handler = service->handler;
    exchange->arg = service->arg;
    exchange->owner = service->owner;
    exchange->served = NULL;
    exchange->events = NULL;
    exchange->scope = NULL;
    exchange->completed = NULL;
    exchange->pipe = NULL;
    exchange->on_worker = exchange->started = false;
    atomic_store_explicit(&exchange->canceled, false, memory_order_relaxed);
    exchange->session = nrt__session_delivering(services->session);
    exchange->accept = (nrt__accept){0};
    exchange->arrived_ms = services->env->now_ms;
    exchange->failed = 0;
    exchange->deferred = exchange->to_head = exchange->is_problem = exchange->framed = false;
    exchange->handled = exchange->refused = false;
    exchange->began_ns = nrt__env_ns(services->env);
    exchange->headed_ns = 0;
    service->stats.requests++;
    atomic_store_explicit(&exchange->ends, NRT__EXCHANGE_ENDS, memory_order_relaxed);
    exchange->max_body = nrt__session_info(services->session)->max_payload;
    exchange->body.max = exchange->max_body;
    exchange->response.message.status = 200;
    write_id(services, exchange->id);
    /* The payload will be copied into it: the exchange may outlive the input buffer. */
    nrt__arena *arena = &exchange->response.message.arena;
    arena->limit = msg->payload.len + ARENA_ROOM;
    nrt__arena_expect(arena, msg->reply.len + msg->payload.len + ARENA_ROUNDING);
    exchange->reply = nrt__arena_copy(arena, msg->reply);
    return exchange;
}

void nrt__exchange_release(nrt__services *services, nrt_exchange *exchange) {
    nrt__exchange_ring_remove(exchange);
    nrt__served_destroy(services, exchange->served);
    services->count--;
    if (services->pooled >= POOL_MAX) {
        exchange_free(exchange);
        return;
    }
    nrt__message_reset(&exchange->request.message);
    nrt__message_reset(&exchange->response.message);
    nrt__buf_shrink(&exchange->body, 16 * 1024);
    nrt__buf_free(&exchange->upload);
    exchange->next = services->pool;
    services->pool = exchange;
    services->pooled++;
}

void nrt__exchange_drop(nrt_exchange *exchange) {
    exchange_free(exchange);
}

/* Everything that must hold before a handler sees the request; PROTOCOL's table, in its order. */
static int check(nrt_service *service, nrt_exchange *exchange, const nrt__nats_msg *msg, bool open,
                 const char **detail) {
    nrt__services *services = service->services;
    nrt__message *request = &exchange->request.message;
    if (msg->oversized) {
        *detail = "the request is larger than this service takes in";
        return NRT_ERR_TOO_LARGE;
    }
    /* The arena of the request is reset by the reader: the copy lies in the response's. */
    nrt_str payload = nrt__arena_copy(&exchange->response.message.arena, msg->payload);
    if (!payload.ptr || !exchange->reply.ptr) {
        return NRT_ERR_MEMORY;
    }
    size_t head;
    int error = open ? nrt__exchange_read_open(exchange, payload, &head, detail)
                     : nrt__h1_read_whole(&services->reader, request, NRT__H1_REQUEST, payload);
    *detail = open ? *detail : services->reader.reason;
    if (error < 0) { /* a payload is HTTP/1.1 or it is not valid */
        return error == NRT_ERR_VERSION ? NRT_ERR_BAD_REQUEST : error;
    }
    exchange->to_head = nrt__str_equal(request->method, NRT__STR("HEAD"));
    nrt__exchange_read_accept(exchange);
    *detail = NULL;
    if (!nrt__method_is_token(request->method, nrt__subject_last(msg->subject))) {
        return NRT_ERR_MISMATCH;
    }
    error = nrt__method_check(request->method);
    if (error < 0) {
        return error;
    }
    if (!request->host.ptr) {
        *detail = "Host is missing";
        return NRT_ERR_BAD_REQUEST;
    }
    if (!nrt__str_same(request->host, service->host)) {
        return NRT_ERR_MISDIRECTED;
    }
    request->host = service->host;
    if (nrt__str_equal(request->method, NRT__STR("CONNECT"))) {
        return NRT_ERR_UNSUPPORTED;
    }
    error = nrt__message_settle_target(request);
    if (error < 0) {
        return error;
    }
    if (service->in_flight > service->options.max_in_flight) {
        return NRT_ERR_REFUSED;
    }
    if (!open) {
        nrt__fields_drop_id(&request->fields, NRT__EXPECT); /* its content is here already */
    }
    nrt__fields_strip_hop(&request->fields);
    nrt__fields_drop(&request->fields, NRT__FIELD_NRT);
    return 0;
}

static void on_request(const nrt__nats_msg *msg, void *arg) {
    nrt_service *service = arg;
    nrt__services *services = service->services;
    const char *detail = NULL;
    if (!nrt__reply_is_safe(msg->reply)) {
        /* Nobody to answer, or someone who wants our answer to hit a third party: nothing is done.
         */
        uint64_t count;
        if (nrt__log_due(services->env, &services->dropped, &count)) {
            nrt__log(services->env, NRT_LOG_WARN,
                     "%.*s: %llu requests without a proper reply subject were dropped",
                     NRT__ARG(service->host), (unsigned long long)count);
        }
        return;
    }
    nrt_exchange *exchange = exchange_take(service, msg);
    if (!exchange) {
        nrt__log(services->env, NRT_LOG_ERROR, "%.*s: out of memory, a request was dropped",
                 NRT__ARG(service->host));
        return;
    }
    char why[NRT__SINGLE_MAX];
    nrt__frame frame;
    bool open = nrt__exchange_is_open(msg, &frame);
    int error = check(service, exchange, msg, open, &detail);
    if (error == 0 && open && !nrt__exchange_can_stream(exchange)) {
        nrt__exchange_single(exchange, why, sizeof(why));
        if (nrt__exchange_refuse(exchange, "single-reply")) {
            return;
        }
        error = NRT_ERR_UNSUPPORTED;
        detail = "a stream is not for a client that says nothing of a window";
    }
    if (error == 0 && open) {
        error = nrt__exchange_opened(exchange, &frame, &detail);
        if (error == 0) {
            return;
        }
    }
    if (error == 0) {
        exchange->handled = true;
        nrt__exchange_expect(exchange);
        services->run(exchange, services->run_arg);
        return;
    }
    exchange->refused = error == NRT_ERR_REFUSED;
    if (exchange->refused && nrt__exchange_refuse(exchange, "busy")) {
        return;
    }
    nrt__log(services->env, NRT_LOG_DEBUG, "%.*s: request refused: %s", NRT__ARG(service->host),
             detail ? detail : nrt_error_text(error));
    nrt__exchange_problem(exchange, nrt_error_status(error), nrt_error_code(error),
                          detail ? detail : nrt_error_text(error));
    nrt__exchange_finish(exchange);
}

/* ---- services ---- */

static void on_sub_state(int error, void *arg) {
    nrt_service *service = arg;
    if (service->leaving) {
        return;
    }
    service->confirmed = error == 0;
    char detail[NRT__SUBJECT_MAX + 96] = "";
    if (error < 0) {
        snprintf(detail, sizeof(detail),
                 "NATS permissions do not allow subscribing to %.*s in queue group nrt",
                 NRT__ARG(service->subject));
    }
    if (error < 0 && !service->options.on_ready) { /* else the caller tells */
        nrt__log(service->services->env, NRT_LOG_ERROR, "%s", detail);
    }
    if (service->options.on_ready) {
        service->options.on_ready(service, error, detail, service->options.on_ready_arg);
    }
}

/* The server lets us hear frames, or it does not: then each request gets one reply. */
static void on_streams_state(int error, void *arg) {
    nrt_service *service = arg;
    service->streams_ready = error == 0;
    if (error < 0) {
        nrt__log(service->services->env, NRT_LOG_WARN,
                 "NATS permissions do not allow subscribing to %.*s*: bodies are limited to one "
                 "message; grant subscribe: \"%.*s.streams.%.*s.>\"",
                 NRT__ARG(service->stream_prefix), NRT__ARG(service->services->options.prefix),
                 NRT__ARG(service->host));
    }
}

static nrt_service *service_make(nrt__services *services, const char *host) {
    nrt_str name = nrt_str_from(host);
    nrt__buf text;
    nrt__buf_init(&text, 4 * NRT__SUBJECT_MAX);
    nrt__buf_put(&text, name);
    nrt__buf_lit(&text, "\0");
    nrt__subject_service(&text, services->options.prefix, name);
    size_t stream_at = nrt__buf_len(&text);
    nrt__subject_streams(&text, services->options.prefix, name,
                         (nrt_str){services->instance, sizeof(services->instance)});
    nrt_str view = nrt__buf_view(&text);
    nrt_service *service = text.failed ? NULL : calloc(1, sizeof(*service) + view.len);
    if (service) {
        memcpy(service->text, view.ptr, view.len);
        service->services = services;
        service->host = (nrt_str){service->text, name.len};
        service->subject = (nrt_str){service->text + name.len + 1, stream_at - name.len - 1};
        /* Without the '*' of the subscription. */
        service->stream_prefix = (nrt_str){service->text + stream_at, view.len - stream_at - 1};
    }
    nrt__buf_free(&text);
    return service;
}

int nrt__services_add(nrt__services *services, const char *host, nrt_handler_fn handler, void *arg,
                      const nrt_service_options *options, nrt_service **out) {
    char canonical[NRT__HOST_MAX + 1];
    int error = nrt__host_canonical(nrt_str_from(host), canonical);
    if (error < 0) {
        return error;
    }
    for (const nrt_service *other = services->first; other; other = other->next) {
        if (!other->leaving && nrt__str_equal(other->host, nrt_str_from(canonical))) {
            return NRT_ERR_USAGE;
        }
    }
    nrt_service *service = service_make(services, canonical);
    if (!service) {
        return NRT_ERR_MEMORY;
    }
    service->handler = handler;
    service->arg = arg;
    service->options = *options;
    service->options.version = service->options.description = NULL; /* the listing has copies */
    service->options.metadata = NULL;
    if (services->discovery && !options->no_discovery) {
        error = nrt__discovery_add(services->discovery, service, options, &service->listing);
    }
    /* What requests may have is asked before, and so answered before the first of them comes. */
    nrt__services_probe(services);
    service->streams_ready = true; /* until it is refused */
    const nrt_str streams = {service->stream_prefix.ptr, service->stream_prefix.len + 1};
    if (error == 0) {
        service->stream_sub =
            nrt__session_subscribe(services->session, streams, (nrt_str){NULL, 0},
                                   nrt__service_on_frame, on_streams_state, service);
        error = service->stream_sub ? 0 : NRT_ERR_MEMORY;
    }
    if (error == 0) {
        nrt__session_sub_stays(service->stream_sub);
        error = options->paused ? 0 : nrt__service_resume(service);
    }
    if (error < 0) {
        nrt__discovery_remove(services->discovery, service->listing);
        service_free(service);
        return error;
    }
    service->next = services->first;
    services->first = service;
    *out = service;
    return 0;
}

/* ---- leaving ---- */

int nrt__service_resume(nrt_service *service) {
    if (service->leaving) {
        return NRT_ERR_STATE;
    }
    if (!service->sub) {
        service->sub =
            nrt__session_subscribe(service->services->session, service->subject,
                                   nrt_str_from(queue_group), on_request, on_sub_state, service);
    }
    return service->sub ? 0 : NRT_ERR_MEMORY;
}

/* All that the server had sent for it is here now, or will never come. */
static void on_left(int error, void *arg) {
    nrt__service_left *left = arg;
    nrt_service *service = left->service;
    (void)error;
    forget_left(left);
    nrt__service_check_stopped(service);
}

int nrt__service_pause(nrt_service *service) {
    nrt__session *session = service->services->session;
    if (service->leaving) {
        return NRT_ERR_STATE;
    }
    if (!service->sub) {
        return 0;
    }
    nrt__service_left *left = calloc(1, sizeof(*left));
    if (!left) {
        return NRT_ERR_MEMORY;
    }
    *left = (nrt__service_left){service->left, service, service->sub};
    service->left = left;
    service->sub = NULL;
    service->confirmed = false;
    nrt__session_unsubscribe(session, left->sub);
    if (nrt__session_fence(session, on_left, left) < 0) { /* no session: nothing comes for it */
        forget_left(left);
    }
    return 0;
}

void nrt__service_check_stopped(nrt_service *service) {
    if (!service->leaving || !service->fenced || service->left || service->in_flight > 0) {
        return;
    }
    nrt__services *services = service->services;
    nrt_service **at = &services->first;
    while (*at != service) {
        at = &(*at)->next;
    }
    *at = service->next;
    if (service->on_stopped) {
        service->on_stopped(service, service->on_stopped_arg);
    }
    service_free(service);
}

/* All that the server had sent before it read our UNSUB is here now. */
static void on_fence(int error, void *arg) {
    nrt_service *service = arg;
    (void)error; /* without a session nothing more can come either */
    service->fenced = true;
    nrt__service_check_stopped(service);
}

void nrt__service_stop(nrt_service *service, void (*fn)(nrt_service *, void *), void *arg) {
    nrt__session *session = service->services->session;
    if (service->leaving) {
        return;
    }
    service->leaving = true;
    service->on_stopped = fn;
    service->on_stopped_arg = arg;
    nrt__discovery_remove(service->services->discovery, service->listing);
    service->listing = NULL;
    if (service->sub) {
        nrt__session_unsubscribe(session, service->sub);
    }
    if (nrt__session_fence(session, on_fence, service) < 0) {
        service->fenced = true;
        nrt__service_check_stopped(service);
    }
}
