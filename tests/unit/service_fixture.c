/* One service, connected. */
#include "service_fixture.h"

engine *e;
char sid[24];
nrt_service *service;
int handled;
char seen[16 * 1024];
char told[256];

static void on_ready(nrt_service *which, int error, const char *detail, void *arg) {
    (void)arg;
    (void)which;
    snprintf(told + strlen(told), sizeof(told) - strlen(told), "ready %d %s\n", error, detail);
}

void look(nrt_exchange *exchange, void *arg) {
    const nrt_request *request = nrt_exchange_request(exchange);
    (void)arg;
    handled++;
    int len = snprintf(seen, sizeof(seen), "%.*s %.*s\n", NRT__ARG(nrt_request_method(request)),
                       NRT__ARG(nrt_request_target(request)));
    for (size_t i = 0; i < nrt_fields_count(nrt_request_fields(request)); i++) {
        nrt_str name;
        nrt_str value;
        nrt_fields_at(nrt_request_fields(request), i, &name, &value);
        len += snprintf(seen + len, sizeof(seen) - (size_t)len, "%.*s: %.*s\n", NRT__ARG(name),
                        NRT__ARG(value));
    }
    snprintf(seen + len, sizeof(seen) - (size_t)len, "\n%.*s", NRT__ARG(nrt_request_body(request)));
    nrt_exchange_reply(exchange, 200, "text/plain", NRT__STR("fine"));
}

static nrt_service *serve(const char *host, nrt_handler_fn handler, unsigned max_in_flight) {
    nrt_service_options options = {.size = sizeof(options), .on_ready = on_ready};
    nrt_service *made = NULL;
    options.max_in_flight = max_in_flight;
    assert_int_equal(nrt__services_add(e->services, host, handler, NULL, &options, &made), 0);
    return made;
}

int service_setup(void **state) {
    return service_setup_with(state, false, false);
}

int service_setup_with(void **state, bool probe, bool multi_reply) {
    (void)state;
    handled = 0;
    seen[0] = told[0] = '\0';
    e = calloc(1, sizeof(*e));
    e->probe = probe;
    e->multi_reply = multi_reply;
    int error = engine_init(e, ENGINE_SERVICES);
    service = probe ? NULL : serve("Weather.nats", look, 2);
    if (error == 0) {
        error = engine_connect(e);
    }
    if (probe) { /* asked when it is added: the answer can be waited for */
        service = serve("Weather.nats", look, 2);
        snprintf(e->greeting, sizeof(e->greeting), "%s", engine_take(e));
    }
    engine_sid(e->greeting, SUBJECT "*", sid);
    return error;
}

int service_teardown(void **state) {
    (void)state;
    engine_finish(e);
    free(e);
    return 0;
}

void ask(const char *method_token, const char *request) {
    char subject[200];
    snprintf(subject, sizeof(subject), SUBJECT "%s", method_token);
    assert_int_equal(engine_message(e, sid, subject, "_INBOX.x.y", request), 0);
}

reply r;

void read_reply_as(unsigned flags) {
    engine_pub pub;
    const char *rest = engine_read_pub(engine_take(e), &pub);
    assert_non_null(rest);
    assert_string_equal(rest, "");
    assert_string_equal(pub.subject, "_INBOX.x.y");
    assert_string_equal(pub.reply, "");
    assert_absent(pub.header);
    assert_true(pub.payload.len < sizeof(r.raw));
    memcpy(r.raw, pub.payload.ptr, pub.payload.len);
    r.raw[pub.payload.len] = '\0';
    nrt__message_free(&r.message);
    nrt__h1_reader_free(&r.reader);
    nrt__h1_reader_init(&r.reader, NULL);
    nrt__message_init(&r.message, false);
    size_t used;
    nrt_str piece;
    nrt__buf_free(&r.body);
    nrt__buf_init(&r.body, sizeof(r.raw));
    nrt__h1_begin(&r.reader, &r.message, flags);
    size_t at = 0;
    int event = NRT__H1_MORE;
    do {
        event = nrt__h1_read(&r.reader, r.raw + at, pub.payload.len - at, &used, &piece);
        at += used;
        if (event == NRT__H1_BODY) {
            nrt__buf_put(&r.body, piece);
        }
    } while (event == NRT__H1_HEAD || event == NRT__H1_BODY);
    assert_int_equal(event, NRT__H1_END);
    assert_int_equal(at, pub.payload.len);
}

nrt_str field(const char *name) {
    return nrt_fields_get(&r.message.fields, name);
}

void assert_problem(int status, const char *code) {
    read_reply_as(0);
    assert_int_equal(r.message.status, status);
    assert_view(field("NRT-Error"), code);
    assert_view(field("Content-Type"), "application/problem+json");
    assert_int_equal(field("Retry-After").ptr != NULL, status == 503);
    assert_non_null(strstr(r.raw, "\r\n\r\n{"));
    assert_true(field("NRT-ID").len > 0);
}

int service_group_teardown(void **state) {
    (void)state;
    nrt__message_free(&r.message);
    nrt__h1_reader_free(&r.reader);
    nrt__buf_free(&r.body);
    return 0;
}

void end_both(nrt_exchange *exchange) {
    exchange->handler(exchange, exchange->arg);
    nrt__exchange_end_one(exchange);
    assert_true(nrt__exchange_end_one(exchange));
    nrt__exchange_finish(exchange);
}
