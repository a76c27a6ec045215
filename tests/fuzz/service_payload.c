/* A request's whole way through a service: a payload comes in, one valid response goes out, with a
 * status that docs/protocol.md knows, whatever the payload was. */
#include <stdlib.h>

#include "core/http/h1_whole.h"
#include "fuzz.h"
#include "h1.h"
#include "world.h"

typedef struct handled {
    int calls;
    int status; /* as the handler set it; 0: left alone */
    size_t body_len;
} handled;

/* ---- the handler: does with its answer what the target says ---- */

static void check_request(const nrt_request *request) {
    const nrt_fields *fields = nrt_request_fields(request);
    nrt_str target = nrt_request_target(request);
    CHECK(nrt__is_token(nrt_request_method(request)));
    CHECK(nrt__str_equal(nrt_request_host(request), NRT__STR(FUZZ_HOST)));
    CHECK(nrt__is_visible(target) && (target.ptr[0] == '/' || target.ptr[0] == '*'));
    for (size_t i = 0; i < nrt_fields_count(fields); i++) {
        const nrt__field *field = &fields->list[i];
        CHECK(nrt__is_token(field->name) && nrt__is_field_value(field->value));
        CHECK(!(field->flags & (NRT__FIELD_HOP | NRT__FIELD_NRT)) && field->id != NRT__EXPECT);
    }
}

static int number_in(nrt_str text) {
    int number = 0;
    for (size_t i = 0; i < text.len && number < 1000; i++) {
        if (nrt__is_digit(text.ptr[i])) {
            number = number * 10 + (text.ptr[i] - '0');
        }
    }
    return number;
}

/* What came is sent back, fields and all: none of them may break the answer. */
static void handle(nrt_exchange *exchange, void *arg) {
    handled *seen = arg;
    const nrt_request *request = nrt_exchange_request(exchange);
    const nrt_fields *fields = nrt_request_fields(request);
    nrt_str name;
    nrt_str value;
    check_request(request);
    seen->calls++;
    seen->body_len = nrt_request_body(request).len;
    int status = number_in(nrt_request_target(request));
    if (nrt_exchange_set_status(exchange, status) == 0) {
        seen->status = status;
    }
    for (size_t i = 0; nrt_fields_at(fields, i, &name, &value) == 0; i++) {
        CHECK(nrt_fields_add(nrt_exchange_fields(exchange), name, value) == 0);
    }
    nrt_fields_add(nrt_exchange_fields(exchange), NRT__STR("NRT-ID"), NRT__STR("forged"));
    nrt_exchange_write(exchange, nrt_request_body(request));
}

/* ---- the answer ---- */

/* The code that NRT-Error may carry with this status, or none. */
static bool is_documented(int status, nrt_str code) {
#define CASE(name, number, text, http, sentence)                                                   \
    if (http == status && nrt__str_equal(code, NRT__STR(text))) {                                  \
        int error = NRT_ERR_##name;                                                                \
        return error == NRT_ERR_TOO_LARGE || error == NRT_ERR_BAD_REQUEST ||                       \
               error == NRT_ERR_HEAD_TOO_LARGE || error == NRT_ERR_TARGET_TOO_LONG ||              \
               error == NRT_ERR_MISMATCH || error == NRT_ERR_MISDIRECTED ||                        \
               error == NRT_ERR_REFUSED || error == NRT_ERR_RESPONSE_TOO_LARGE ||                  \
               error == NRT_ERR_METHOD || error == NRT_ERR_UNSUPPORTED;                            \
    }
    NRT_ERROR_MAP(CASE)
#undef CASE
    return false;
}

static size_t count_named(const nrt_fields *fields, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < fields->count; i++) {
        count += nrt__str_same(fields->list[i].name, nrt_str_from(name));
    }
    return count;
}

static void check_response(nrt_str payload, const handled *seen, bool to_head) {
    nrt__h1_reader reader;
    nrt__message message;
    nrt__h1_limits limits = NRT__H1_LIMITS_DEFAULT;
    limits.fields += 8; /* ours come on top of as many as a request may have */
    nrt__h1_reader_init(&reader, &limits);
    nrt__message_init(&message, false);
    CHECK(payload.len <= FUZZ_MAX_PAYLOAD);
    CHECK(nrt__h1_read_whole(&reader, &message, to_head ? NRT__H1_TO_HEAD : 0, payload) == 0);
    const nrt_fields *fields = &message.fields;
    CHECK(message.framing != NRT__FRAMING_CLOSE && message.minor == 1);
    CHECK(count_named(fields, "NRT-ID") == 1);
    CHECK(!nrt__str_equal(nrt_fields_get(fields, "NRT-ID"), NRT__STR("forged")));
    CHECK(nrt__str_equal(nrt_fields_get(fields, "NRT-Connected-Server"), NRT__STR("n1")));
    CHECK(count_named(fields, "NRT-Connected-Server") == 1);
    CHECK(nrt__str_equal(nrt_fields_get(fields, "NRT-Client"), NRT__STR("7")));
    CHECK(nrt__fields_value(fields, NRT__DATE).ptr);
    CHECK(!nrt__fields_value(fields, NRT__CONNECTION).ptr);
    nrt_str code = nrt_fields_get(fields, "NRT-Error");
    if (code.ptr) {
        CHECK(count_named(fields, "NRT-Error") == 1);
        CHECK(is_documented(message.status, code));
        CHECK(seen->calls == 0 || nrt__str_equal(code, NRT__STR("response-too-large")));
    } else {
        CHECK(seen->calls == 1);
        CHECK(message.status == (seen->status ? seen->status : 200));
    }
    nrt__message_free(&message);
    nrt__h1_reader_free(&reader);
}

/* ---- */

static bool starts_with_head(nrt_str payload) {
    return nrt__str_starts(payload, NRT__STR("HEAD "));
}

/* What a handler was called for is a whole request for its host, as a reader sees it that knows
 * nothing of services. */
static void check_meant(nrt_str payload, const handled *seen) {
    fuzz_h1 read;
    fuzz_h1_read(&read, payload, NRT__H1_REQUEST, NULL, FUZZ_PAYLOAD);
    CHECK(read.verdict == FUZZ_ACCEPT && payload.len <= FUZZ_MAX_MESSAGE);
    CHECK(nrt__str_same(read.message.host, NRT__STR(FUZZ_HOST)));
    CHECK(!nrt__str_equal(read.message.method, NRT__STR("CONNECT")));
    CHECK(seen->body_len == read.message.body.len);
    fuzz_h1_free(&read);
}

static void exchange(fuzz_world *world, handled *seen, nrt_str subject, nrt_str payload) {
    fuzz_sent sent;
    memset(seen, 0, sizeof(*seen));
    fuzz_world_deliver(world, subject, world->service_sid, NRT__STR(FUZZ_REPLY), payload);
    CHECK(seen->calls <= 1);
    if (seen->calls > 0) {
        check_meant(payload, seen);
    }
    CHECK(fuzz_world_sent(world, &sent));
    CHECK(sent.op == FUZZ_PUB && nrt__str_equal(sent.subject, NRT__STR(FUZZ_REPLY)));
    /* Refused before it was known to be HEAD, it may be answered with a body: that is how old
     * servers answer, too. */
    check_response(sent.payload, seen, starts_with_head(payload));
    CHECK(!fuzz_world_sent(world, &sent));
    CHECK(nrt__services_in_flight(world->services) == 0);
}

/* The subject that a good client would send it to, if there is one. */
static void put_subject(nrt__buf *out, nrt_str payload) {
    nrt_str rest;
    nrt_str method = fuzz_before(payload, ' ', &rest);
    bool fits = nrt__is_token(method) && method.len <= 32 && !memchr(method.ptr, '.', method.len) &&
                !memchr(method.ptr, '*', method.len);
    method = fits ? method : NRT__STR("GET");
    nrt__buf_lit(out, "nrt.requests." FUZZ_HOST ".");
    for (size_t i = 0; i < method.len; i++) {
        char c = nrt__lower(method.ptr[i]);
        nrt__buf_add(out, &c, 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    nrt_str payload = {(const char *)data, size};
    handled seen;
    fuzz_world world;
    nrt__buf subject;
    nrt__buf_init(&subject, 256);
    put_subject(&subject, payload);
    fuzz_world_open(&world, handle, &seen);
    fuzz_world_greet(&world);
    exchange(&world, &seen, nrt__buf_view(&subject), payload);
    /* Mapped subjects end in the method, and that is all that is looked at: a permission for it is
     * none for another. */
    exchange(&world, &seen, NRT__STR("v2.x.get"), payload);
    CHECK(seen.calls == 0 || nrt__str_starts(payload, NRT__STR("GET ")) ||
          nrt__str_starts(payload, NRT__STR("get ")));
    fuzz_world_close(&world);
    nrt__buf_free(&subject);
    return 0;
}
