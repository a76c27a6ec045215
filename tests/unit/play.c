/* An exchange, played by both sides. */
#include "play.h"

#include "core/exchange/services_private.h"

static play *now_played; /* for who has no argument */

static char byte_at(size_t at) {
    return (char)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

/* Views of a body, from where it is. */
static nrt_str piece_at(size_t at, size_t end) {
    static char bytes[2 << 20];
    static bool filled;
    for (size_t i = 0; !filled && i < sizeof(bytes); i++) {
        bytes[i] = byte_at(i);
    }
    filled = true;
    return (nrt_str){bytes + at, end - at};
}

static void check(nrt_str bytes, size_t at, size_t end) {
    assert_true(bytes.len <= end - at);
    assert_memory_equal(bytes.ptr, piece_at(at, at + bytes.len).ptr, bytes.len);
}

/* True where what was done there may have been the end. */
static void at_place(play *p, play_place place) {
    if (p->place == place) {
        p->place = PLAY_NOWHERE;
        p->act(p);
    }
}

/* ---- the client ---- */

static void write_more(play *p) {
    while (p->sent < p->up) {
        size_t sent;
        int error = nrt__client_write(p->client.client, p->id, piece_at(p->sent, p->up), &sent);
        if (error < 0) {
            assert_true(error == NRT_ERR_STATE || error == NRT_ERR_DISCONNECTED);
            return;
        }
        p->sent += sent;
        if (sent == 0) {
            return;
        }
    }
    if (!p->up_ended) {
        p->up_ended = nrt__client_end(p->client.client, p->id, NULL) == 0;
    }
}

static void on_head(const nrt_response *response, bool whole, void *arg) {
    play *p = arg;
    assert_int_equal(p->closed, 0);
    p->heads++;
    assert_int_equal(nrt_response_status(response), 200);
    if (whole) {
        nrt_str body = nrt_response_body(response);
        check(body, 0, p->down);
        p->got = body.len;
        p->ends++;
    }
    at_place(p, PLAY_HEAD);
}

static void on_data(nrt_str bytes, void *arg) {
    play *p = arg;
    assert_int_equal(p->closed, 0);
    assert_int_equal(p->heads, 1);
    check(bytes, p->got, p->down);
    p->got += bytes.len;
    at_place(p, PLAY_DATA);
    if (p->client.client) {
        nrt__client_take(p->client.client, p->id, bytes.len);
    }
}

static void on_end(const nrt_fields *trailers, void *arg) {
    play *p = arg;
    (void)trailers;
    assert_int_equal(p->closed, 0);
    assert_int_equal(p->got, p->down);
    p->ends++;
    at_place(p, PLAY_END);
}

static void on_writable(void *arg) {
    play *p = arg;
    assert_int_equal(p->closed, 0);
    at_place(p, PLAY_WRITABLE);
    if (p->closed == 0) {
        write_more(p);
    }
}

static void on_closed(const nrt_result *result, void *arg) {
    play *p = arg;
    p->closed++;
    p->error = result->error;
    assert_null(result->response);
    at_place(p, PLAY_CLOSED);
}

static void on_result(const nrt_result *result, void *arg) {
    play *p = arg;
    p->closed++;
    p->error = result->error;
    if (result->response) {
        nrt_str body = nrt_response_body(result->response);
        assert_int_equal(nrt_response_status(result->response), 200);
        check(body, 0, p->down);
        p->got = body.len;
        p->heads = p->ends = 1;
    }
    at_place(p, PLAY_CLOSED);
}

static const nrt__call_events call_events = {
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .writable = on_writable,
    .closed = on_closed,
};

void play_begin(play *p) {
    int error;
    nrt_request *request = nrt_request_create("POST", "http://weather.nats/city", &error);
    assert_non_null(request);
    nrt__client *client = p->client.client;
    if (p->by_pieces) {
        size_t taken;
        error = nrt__client_open(client, &request->message, 0, &call_events, p, &p->id, &taken);
    } else {
        request->message.body = piece_at(0, p->up);
        error = nrt__client_send(client, &request->message, 0, on_result, p, &p->id);
        p->up_ended = true;
    }
    nrt_request_destroy(request);
    assert_int_equal(error, 0);
}

/* ---- the service ---- */

void play_end_exchange(play *p) {
    nrt_exchange *exchange = p->exchange;
    if (!exchange || p->done) {
        return;
    }
    p->done = true;
    if (nrt__exchange_end_one(exchange)) {
        nrt__exchange_finish(exchange);
    }
}

static void answer_more(play *p) {
    if (p->done || p->canceled) {
        return;
    }
    if (!p->started) {
        int error = nrt__exchange_start(p->exchange);
        p->started = true;
        assert_int_equal(error, 0);
    }
    while (p->answered < p->down) {
        size_t sent;
        int error = nrt__exchange_send(p->exchange, piece_at(p->answered, p->down), &sent);
        p->answered += sent;
        if (error < 0 || sent == 0) {
            return;
        }
    }
    if (p->request_ended) {
        play_end_exchange(p);
    }
}

static void on_body(nrt_exchange *exchange, nrt_str bytes, void *arg) {
    play *p = arg;
    assert_false(p->done || p->canceled || p->request_ended);
    check(bytes, p->taken, p->up);
    p->taken += bytes.len;
    at_place(p, PLAY_BODY);
    if (!p->done) {
        nrt__exchange_take(exchange, bytes.len);
    }
}

static void on_body_end(nrt_exchange *exchange, const nrt_fields *trailers, void *arg) {
    play *p = arg;
    (void)exchange;
    (void)trailers;
    assert_false(p->done || p->canceled);
    assert_int_equal(p->taken, p->up);
    p->request_ended = true;
    at_place(p, PLAY_BODY_END);
    answer_more(p);
}

static void on_service_writable(nrt_exchange *exchange, void *arg) {
    play *p = arg;
    (void)exchange;
    assert_false(p->done || p->canceled);
    at_place(p, PLAY_SERVICE_WRITABLE);
    answer_more(p);
}

static void on_canceled(nrt_exchange *exchange, void *arg) {
    play *p = arg;
    (void)exchange;
    assert_false(p->done || p->canceled);
    p->canceled = true;
    play_end_exchange(p);
}

static const nrt_exchange_events exchange_events = {
    .size = sizeof(nrt_exchange_events),
    .hold = true,
    .data = on_body,
    .end = on_body_end,
    .writable = on_service_writable,
    .canceled = on_canceled,
};

static void handle(nrt_exchange *exchange, void *arg) {
    play *p = now_played;
    (void)arg;
    p->runs++;
    if (p->streaming) {
        p->exchange = exchange;
        nrt_exchange_defer(exchange);
        nrt__exchange_stream(exchange, &exchange_events, p);
        nrt_str all = nrt_request_body(nrt_exchange_request(exchange)); /* or nothing yet */
        check(all, 0, p->up);
        p->taken = all.len;
        p->request_ended = nrt__exchange_has_all(exchange);
        at_place(p, PLAY_HANDLER);
        answer_more(p);
        return;
    }
    nrt_str body = nrt_request_body(nrt_exchange_request(exchange));
    assert_int_equal(body.len, p->up);
    check(body, 0, p->up);
    p->taken = p->up;
    p->request_ended = true;
    at_place(p, PLAY_HANDLER);
    assert_int_equal(nrt_exchange_write(exchange, piece_at(0, p->down)), 0);
}

/* ---- both ---- */

play *play_create(bool by_pieces, bool streaming, size_t up, size_t down) {
    play *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    now_played = p;
    p->by_pieces = by_pieces;
    p->streaming = streaming;
    p->up = up;
    p->down = down;
    broker_init(&p->net);
    engine *const both[] = {&p->client, &p->services};
    for (size_t i = 0; i < COUNT(both); i++) {
        both[i]->session_options.max_output = 4 << 20;
        both[i]->session_options.max_message = 1 << 20;
        both[i]->max_waiting = 1 << 20;
        both[i]->max_body = 2 << 20;
        both[i]->multi_reply = true;
        assert_int_equal(engine_init(both[i], i == 0 ? ENGINE_CLIENT : ENGINE_SERVICES), 0);
    }
    const nrt_service_options options = {.size = sizeof(options), .max_in_flight = 10};
    assert_int_equal(nrt__services_add(p->services.services, "weather.nats", handle, NULL, &options,
                                       &p->service),
                     0);
    p->service->options.streaming = streaming;
    for (size_t i = 0; i < COUNT(both); i++) {
        broker_attach(&p->net, both[i]->session, &both[i]->login);
    }
    p->net.count = 0;
    return p;
}

void play_advance(play *p, int64_t ms) {
    engine_advance(&p->client, ms);
    broker_run(&p->net);
    engine_advance(&p->services, ms);
    broker_run(&p->net);
}

void play_finish(play *p) {
    broker_run(&p->net);
    for (int s = 0; s < 62; s++) {
        bool over = p->closed &&
                    (!p->services.services || nrt__services_in_flight(p->services.services) == 0);
        if (over && s > 0) {
            break;
        }
        play_advance(p, 500);
        play_advance(p, 500);
    }
    assert_int_equal(p->closed, 1);
    if (p->client.client) {
        assert_int_equal(nrt__client_in_flight(p->client.client), 0);
    }
    if (p->services.services) {
        assert_int_equal(nrt__services_in_flight(p->services.services), 0);
    }
    if (p->error == 0) {
        assert_int_equal(p->heads, 1);
        assert_int_equal(p->ends, 1);
        assert_int_equal(p->got, p->down);
    }
    if (p->request_ended) {
        assert_int_equal(p->taken, p->up);
    }
}

void play_destroy(play *p) {
    p->place = PLAY_NOWHERE;
    engine_finish(&p->client);
    engine_finish(&p->services);
    play_end_exchange(p); /* as it was cut loose, this frees it */
    broker_free(&p->net);
    free(p);
}
