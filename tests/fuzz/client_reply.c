/* A reply's whole way through a client: whatever the payload is, the callback comes exactly once,
 * with a response that is clean or with an error that says why there is none. */
#include <stdlib.h>

#include "fuzz.h"
#include "h1.h"
#include "world.h"

#define NO_REPLY ((nrt_str){NULL, 0})

typedef struct outcome {
    int calls;
    int error;
    int status;
    nrt_response *response; /* a copy */
} outcome;

static void check_fields(const nrt_fields *fields) {
    for (size_t i = 0; i < nrt_fields_count(fields); i++) {
        const nrt__field *field = &fields->list[i];
        CHECK(nrt__is_token(field->name) && nrt__is_field_value(field->value));
        CHECK(!(field->flags & NRT__FIELD_HOP));
    }
}

static void on_result(const nrt_result *result, void *arg) {
    outcome *told = arg;
    told->calls++;
    told->error = result->error;
    CHECK(!result->response == (result->error != 0));
    CHECK(result->error ? fuzz_is_text(result->detail) : *result->detail == '\0');
    if (result->response) {
        told->status = nrt_response_status(result->response);
        CHECK(told->status >= 200 && told->status <= 599);
        CHECK(fuzz_is_line_safe(nrt_response_reason(result->response)));
        check_fields(nrt_response_fields(result->response));
        told->response = nrt_response_copy(result->response);
        CHECK(told->response);
    }
}

/* What was told is what a reader says that knows nothing of exchanges. */
static void check_told(const outcome *told, nrt_str payload, unsigned flags) {
    fuzz_h1 read;
    fuzz_h1_read(&read, payload, flags | NRT__H1_OLD_PEER, NULL, FUZZ_PAYLOAD);
    bool fine = read.verdict == FUZZ_ACCEPT && read.message.status >= 200 &&
                payload.len <= FUZZ_MAX_MESSAGE;
    CHECK(fine == (told->error == 0));
    if (fine) {
        CHECK(told->status == read.message.status);
        CHECK(nrt__str_equal(nrt_response_body(told->response), read.message.body));
        CHECK(nrt_fields_count(nrt_response_trailers(told->response)) ==
              read.message.trailers.count);
    } else if (payload.len > FUZZ_MAX_MESSAGE) {
        CHECK(told->error == NRT_ERR_RESPONSE_TOO_LARGE);
    } else {
        CHECK(told->error == NRT_ERR_PROTOCOL);
    }
    fuzz_h1_free(&read);
}

static void exchange(fuzz_world *world, const char *method, nrt_str payload, unsigned flags) {
    outcome told = {.calls = 0};
    fuzz_sent sent;
    char reply[128];
    nrt_request *request = nrt_request_create(method, "http://" FUZZ_HOST "/", NULL);
    CHECK(request);
    CHECK(nrt__client_send(world->client, &request->message, 0, on_result, &told, NULL) == 0);
    nrt_request_destroy(request);
    CHECK(fuzz_world_sent(world, &sent) && sent.op == FUZZ_PUB && sent.reply.len < sizeof(reply));
    memcpy(reply, sent.reply.ptr, sent.reply.len);
    nrt_str to = {reply, sent.reply.len};
    CHECK(!fuzz_world_sent(world, &sent));
    /* A guess that is wrong in one character does nothing. */
    char *last = &reply[to.len - 1];
    char right = *last;
    *last = right == 'A' ? 'B' : 'A';
    fuzz_world_deliver(world, to, world->inbox_sid, NO_REPLY, payload);
    CHECK(told.calls == 0);
    *last = right;
    fuzz_world_deliver(world, to, world->inbox_sid, NO_REPLY, payload);
    CHECK(told.calls == 1);
    check_told(&told, payload, flags);
    /* Nor does the same once more, nor time. */
    fuzz_world_deliver(world, to, world->inbox_sid, NO_REPLY, payload);
    fuzz_world_tick(world, 60000);
    CHECK(told.calls == 1);
    CHECK(nrt__client_in_flight(world->client) == 0);
    nrt_response_destroy(told.response);
    while (fuzz_world_sent(world, &sent)) {
        CHECK(sent.op == FUZZ_PING);
    }
}

static void handle(nrt_exchange *exchange, void *arg) {
    (void)exchange;
    (void)arg;
    fuzz_fail("no request was sent to the service", __FILE__, __LINE__);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    nrt_str payload = {(const char *)data, size};
    fuzz_world world;
    fuzz_world_open(&world, handle, NULL);
    fuzz_world_greet(&world);
    exchange(&world, "GET", payload, 0);
    exchange(&world, "HEAD", payload, NRT__H1_TO_HEAD);
    fuzz_world_close(&world);
    return 0;
}
