/* A hostile server against a whole connection: a client with requests under way, a service with
 * requests in its hands. Whatever comes, each callback comes once, what goes out can be understood,
 * and nothing is left. Lines that begin with '!' are not from the server: they say what else
 * happens here and now (see the table). */
#include <stdlib.h>

#include "fuzz.h"
#include "world.h"

enum { STEPS_MAX = 200, SENDS_MAX = 300 };

typedef struct play {
    fuzz_world world;
    size_t sent;  /* requests that nrt__client_send took */
    size_t told;  /* of their callbacks */
    size_t asked; /* flushes */
    size_t flushed;
    size_t handled;
    size_t stopping;
    size_t stopped;
    nrt__sub *sub; /* one more, that comes and goes */
    nrt_exchange_id last;
    bool nested; /* a callback sends, too */
} play;

/* ---- callbacks ---- */

static void send_one(play *talk, const char *method);

static void on_result(const nrt_result *result, void *arg) {
    play *talk = arg;
    talk->told++;
    CHECK(talk->told <= talk->sent);
    CHECK(!result->response == (result->error != 0));
    CHECK(result->error ? fuzz_is_text(result->detail) : *result->detail == '\0');
    if (talk->nested && result->error != NRT_ERR_CANCELED) {
        send_one(talk, "GET");
    }
}

static void on_flush(int error, void *arg) {
    play *talk = arg;
    (void)error;
    talk->flushed++;
}

static void on_message(const nrt__nats_msg *msg, void *arg) {
    play *talk = arg;
    CHECK(talk->sub && msg->subject.len > 0);
}

static void on_stopped(nrt_service *service, void *arg) {
    play *talk = arg;
    CHECK(service == talk->world.service);
    talk->world.service = NULL;
    talk->stopped++;
}

/* Every second answer is given later. */
static void handle(nrt_exchange *exchange, void *arg) {
    play *talk = arg;
    talk->handled++;
    nrt_exchange_reply(exchange, 200, "text/plain", NRT__STR("hello\n"));
    if (talk->handled % 2 == 0) {
        nrt_exchange_defer(exchange);
    }
}

/* ---- what can happen ---- */

static void send_one(play *talk, const char *method) {
    if (talk->sent >= SENDS_MAX) {
        return;
    }
    nrt_request *request = nrt_request_create(method, "http://" FUZZ_HOST "/a?b", NULL);
    CHECK(request);
    talk->sent++; /* the callback may not come before send returns, but what if */
    size_t told = talk->told;
    if (nrt__client_send(talk->world.client, &request->message, 0, on_result, talk, &talk->last) <
        0) {
        talk->sent--;
    }
    CHECK(talk->told == told);
    nrt_request_destroy(request);
}

static void do_get(play *talk) {
    send_one(talk, "GET");
}

static void do_head(play *talk) {
    send_one(talk, "HEAD");
}

static void do_cancel(play *talk) {
    size_t told = talk->told;
    bool nested = talk->nested;
    talk->nested = false;
    int error = nrt__client_cancel(talk->world.client, talk->last);
    CHECK(talk->told == told + (error == 0));
    talk->nested = nested;
}

static void do_nest(play *talk) {
    talk->nested = !talk->nested;
}

static void do_tick(play *talk) {
    fuzz_world_pass(&talk->world, 1900);
}

static void do_wait(play *talk) {
    fuzz_world_tick(&talk->world, 10100);
}

static void do_drain(play *talk) {
    fuzz_sent sent;
    while (fuzz_world_sent(&talk->world, &sent)) {
    }
}

static void do_flush(play *talk) {
    if (nrt__session_flush(talk->world.session, on_flush, talk) == 0) {
        talk->asked++;
    }
}

static void do_sub(play *talk) {
    if (!talk->sub) {
        talk->sub = nrt__session_subscribe(talk->world.session, NRT__STR("x.>"), (nrt_str){NULL, 0},
                                           on_message, NULL, talk);
    }
}

static void do_unsub(play *talk) {
    nrt__session_sub_destroy(talk->world.session, talk->sub);
    talk->sub = NULL;
}

static void do_end(play *talk) {
    fuzz_world_end_one(&talk->world);
}

static void do_stop(play *talk) {
    if (talk->world.service && talk->stopping == 0) {
        talk->stopping++;
        nrt__service_stop(talk->world.service, on_stopped, talk);
    }
}

static void do_lose(play *talk) {
    do_drain(talk);
    fuzz_world_lose(&talk->world);
}

static void do_break(play *talk) {
    fuzz_world_lose(&talk->world);
}

static void do_cut(play *talk) {
    fuzz_world_cut(&talk->world);
}

static const struct {
    const char *name;
    void (*happen)(play *talk);
} table[] = {
    {"get", do_get},   {"head", do_head},   {"cancel", do_cancel}, {"nest", do_nest},
    {"tick", do_tick}, {"wait", do_wait},   {"drain", do_drain},   {"flush", do_flush},
    {"sub", do_sub},   {"unsub", do_unsub}, {"end", do_end},       {"stop", do_stop},
    {"lose", do_lose}, {"break", do_break}, {"cut", do_cut},
};

/* False where the line is the server's after all. */
static bool happens(play *talk, nrt_str line) {
    if (line.len == 0 || line.ptr[0] != '!') {
        return false;
    }
    nrt_str name = {line.ptr + 1, line.len - 1};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (nrt__str_equal(name, nrt_str_from(table[i].name))) {
            table[i].happen(talk);
            return true;
        }
    }
    return false;
}

/* ---- */

static void receive(play *talk, fuzz_dice *dice, nrt_str bytes) {
    while (bytes.len > 0) {
        size_t len = 1 + fuzz_roll(dice, 2 * bytes.len);
        len = len < bytes.len ? len : bytes.len;
        if (talk->world.dying || !fuzz_world_receive(&talk->world, (nrt_str){bytes.ptr, len})) {
            do_lose(talk); /* the rest is what the next server says */
        }
        bytes.ptr += len;
        bytes.len -= len;
    }
}

static void check_all_done(const play *talk) {
    CHECK(talk->told == talk->sent);
    CHECK(talk->flushed == talk->asked);
    CHECK(talk->stopped <= talk->stopping);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    play talk;
    fuzz_dice dice;
    nrt_str input = {(const char *)data, size};
    nrt_str line;
    fuzz_dice_init(&dice, input);
    memset(&talk, 0, sizeof(talk));
    fuzz_world_open(&talk.world, handle, &talk);
    for (size_t steps = 0; steps < STEPS_MAX; steps++) {
        const char *start = input.ptr;
        if (!fuzz_line(&input, &line)) {
            break;
        }
        if (!happens(&talk, line)) {
            receive(&talk, &dice, (nrt_str){start, (size_t)(input.ptr - start)});
        }
        CHECK(nrt__client_in_flight(talk.world.client) == talk.sent - talk.told);
        CHECK(nrt__services_in_flight(talk.world.services) == talk.world.deferred_count);
        CHECK(nrt__session_output(talk.world.session).len <= FUZZ_OUTPUT_MAX);
    }
    do_drain(&talk);
    talk.nested = false;
    do_unsub(&talk);
    fuzz_world_close(&talk.world);
    check_all_done(&talk);
    return 0;
}
