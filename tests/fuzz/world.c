/* A connection without a network. */
#include "world.h"

#include <stdlib.h>

#include "core/nats/subject.h"

static const char greeting[] =
    "INFO {\"server_name\":\"n1\",\"version\":\"2.9.10\",\"headers\":true,\"client_id\":7,"
    "\"max_payload\":2048,\"cluster\":\"c1\"}\r\nPONG\r\n";

/* ---- what the engine needs ---- */

static int fill(void *arg, void *bytes, size_t len) {
    fuzz_world *world = arg;
    for (size_t i = 0; i < len; i++) {
        ((unsigned char *)bytes)[i] = (unsigned char)fuzz_roll(&world->random, 256);
    }
    return 0;
}

static void on_log(nrt_log_level level, const char *text, void *arg) {
    (void)level;
    (void)arg;
    CHECK(fuzz_is_text(text)); /* nothing of a peer can forge a line or move a cursor */
}

static void on_info(void *arg) {
    fuzz_world *world = arg;
    nrt__services_connected(world->services);
}

static void on_ready(void *arg) {
    fuzz_world *world = arg;
    nrt__client_ready(world->client);
}

static void on_denied(nrt_str subject, void *arg) {
    fuzz_world *world = arg;
    nrt__client_denied(world->client, subject);
}

static void on_stale(void *arg) {
    fuzz_world *world = arg;
    world->dying = true;
}

static void end(nrt_exchange *exchange) {
    if (nrt__exchange_end_one(exchange)) {
        nrt__exchange_finish(exchange);
    }
}

/* As lib does it, without threads. */
static void run(nrt_exchange *exchange, void *arg) {
    fuzz_world *world = arg;
    exchange->handler(exchange, exchange->arg);
    if (!exchange->deferred) {
        nrt__exchange_end_one(exchange);
    } else if (world->deferred_count < FUZZ_DEFERRED_MAX) {
        world->deferred[world->deferred_count++] = exchange;
    } else {
        nrt__exchange_end_one(exchange);
    }
    end(exchange);
}

/* ---- open and close ---- */

void fuzz_world_open(fuzz_world *world, nrt_handler_fn handler, void *arg) {
    memset(world, 0, sizeof(*world));
    fuzz_dice_init(&world->random, NRT__STR("always the same"));
    world->env.now_ms = 1000;
    memcpy(world->env.date, "Sun, 06 Nov 1994 08:49:37 GMT", 30);
    world->env.random = fill;
    world->env.random_arg = world;
    world->env.log = on_log;
    world->env.log_level = NRT_LOG_DEBUG;
    nrt__timers_init(&world->timers, world->env.now_ms);
    nrt__session_options session = {
        .max_output = FUZZ_MAX_OUTPUT, .max_message = FUZZ_MAX_MESSAGE, .ping_interval_ms = 10000};
    nrt__session_events events = {
        .ready = on_ready, .info = on_info, .denied = on_denied, .stale = on_stale, .arg = world};
    world->session = nrt__session_create(&world->env, &world->timers, &session, &events);
    CHECK(world->session);
    nrt__client_options client = {.prefix = NRT__STR("nrt"),
                                  .inbox_prefix = NRT__STR("_INBOX"),
                                  .limits = NRT__H1_LIMITS_DEFAULT,
                                  .timeout_ms = 30000,
                                  .connect_wait_ms = 2000,
                                  .max_exchanges = 64,
                                  .max_waiting = 16 * 1024};
    world->client = nrt__client_create(&world->env, &world->timers, world->session, &client);
    nrt__services_options services = {.prefix = NRT__STR("nrt"),
                                      .inbox_prefix = NRT__STR("_INBOX"),
                                      .limits = NRT__H1_LIMITS_DEFAULT};
    world->services =
        nrt__services_create(&world->env, &world->timers, world->session, &services, run, world);
    CHECK(world->client && world->services);
    /* Else the first request does it, when the greeting may be long over. */
    CHECK(nrt__client_listen(world->client) == 0);
    nrt_service_options service = {.size = sizeof(service), .max_in_flight = 8};
    CHECK(nrt__services_add(world->services, FUZZ_HOST, handler, arg, &service, &world->service) ==
          0);
    nrt__session_start(world->session, &world->login);
}

void fuzz_world_close(fuzz_world *world) {
    nrt__session_stop(world->session);
    nrt__client_destroy(world->client);
    nrt__services_destroy(world->services);
    while (world->deferred_count > 0) { /* their connection is gone: nothing is sent */
        end(world->deferred[--world->deferred_count]);
    }
    nrt__session_destroy(world->session);
    CHECK(world->timers.count == 0);
}

void fuzz_world_greet(fuzz_world *world) {
    fuzz_sent sent;
    CHECK(fuzz_world_receive(world, (nrt_str){greeting, sizeof(greeting) - 1}));
    CHECK(nrt__session_state_get(world->session) == NRT__SESSION_READY);
    while (fuzz_world_sent(world, &sent)) {
    }
    CHECK(world->inbox_sid > 0 && world->service_sid > 0);
}

/* ---- in ---- */

bool fuzz_world_receive(fuzz_world *world, nrt_str bytes) {
    while (bytes.len > 0 && !world->dying) {
        size_t room;
        char *to = nrt__session_room(world->session, &room);
        CHECK(to && room > 0);
        size_t len = bytes.len < room ? bytes.len : room;
        memcpy(to, bytes.ptr, len);
        bytes.ptr += len;
        bytes.len -= len;
        if (nrt__session_received(world->session, len) < 0) {
            CHECK(fuzz_is_text(nrt__session_reason(world->session)));
            world->dying = true;
        }
    }
    return !world->dying;
}

void fuzz_world_deliver(fuzz_world *world, nrt_str subject, uint64_t sid, nrt_str reply,
                        nrt_str payload) {
    nrt__buf text;
    nrt__buf_init(&text, SIZE_MAX / 2);
    nrt__buf_lit(&text, "MSG ");
    nrt__buf_put(&text, subject);
    nrt__buf_lit(&text, " ");
    nrt__buf_u64(&text, sid);
    nrt__buf_lit(&text, " ");
    if (reply.len > 0) {
        nrt__buf_put(&text, reply);
        nrt__buf_lit(&text, " ");
    }
    nrt__buf_u64(&text, payload.len);
    nrt__buf_lit(&text, "\r\n");
    nrt__buf_put(&text, payload);
    nrt__buf_lit(&text, "\r\n");
    CHECK(fuzz_world_receive(world, nrt__buf_view(&text)));
    nrt__buf_free(&text);
}

/* ---- out ---- */

static nrt_str next_word(nrt_str *rest) {
    nrt_str word = fuzz_before(*rest, ' ', rest);
    CHECK(word.len > 0); /* single spaces, and none at an end */
    return word;
}

static uint64_t next_number(nrt_str *rest) {
    uint64_t value = 0;
    CHECK(nrt__str_to_u64(next_word(rest), UINT64_MAX, &value));
    return value;
}

static void read_sub(fuzz_world *world, fuzz_sent *sent, nrt_str rest) {
    sent->op = FUZZ_SUB;
    sent->subject = next_word(&rest);
    nrt_str queue = rest;
    size_t spaces = 0;
    for (size_t i = 0; i < rest.len; i++) {
        spaces += rest.ptr[i] == ' ';
    }
    if (spaces == 1) {
        sent->reply = next_word(&queue);
        rest = queue;
    }
    sent->sid = next_number(&rest);
    CHECK(!rest.ptr);
    if (nrt__str_starts(sent->subject, NRT__STR("_INBOX."))) {
        world->inbox_sid = sent->sid;
    } else if (nrt__str_equal(sent->subject, NRT__STR("nrt.requests." FUZZ_HOST ".*"))) {
        CHECK(nrt__str_equal(sent->reply, NRT__STR("nrt")));
        world->service_sid = sent->sid;
    }
}

/* What a subscription to nrt.requests.FUZZ_HOST.* gets. */
static bool is_for_service(nrt_str subject) {
    const nrt_str begin = NRT__STR("nrt.requests." FUZZ_HOST ".");
    return nrt__str_starts(subject, begin) && subject.len > begin.len &&
           !memchr(subject.ptr + begin.len, '.', subject.len - begin.len);
}

/* The operation takes `line` and so many bytes behind it. */
static size_t read_pub(fuzz_sent *sent, nrt_str rest, nrt_str behind) {
    nrt_str all = rest;
    size_t words = 0;
    while (all.ptr) {
        next_word(&all);
        words++;
    }
    CHECK(words == 2 || words == 3);
    sent->op = FUZZ_PUB;
    sent->subject = next_word(&rest);
    if (words == 3) {
        sent->reply = next_word(&rest);
        CHECK(fuzz_is_plain_subject(sent->reply)); /* an inbox of ours */
    }
    uint64_t len = next_number(&rest);
    CHECK(len <= behind.len && behind.len - len >= 2);
    CHECK(memcmp(behind.ptr + len, "\r\n", 2) == 0);
    sent->payload = (nrt_str){behind.ptr, (size_t)len};
    CHECK(fuzz_is_line_safe(sent->subject) && sent->subject.len <= NRT__SUBJECT_MAX);
    /* A request of ours, or what a peer asked us to answer to, which is none. */
    bool request = is_for_service(sent->subject);
    CHECK(request == (sent->reply.len > 0));
    CHECK(!request || fuzz_is_plain_subject(sent->subject));
    CHECK(request || nrt__reply_is_safe(sent->subject));
    return (size_t)len + 2;
}

bool fuzz_world_sent(fuzz_world *world, fuzz_sent *sent) {
    memset(sent, 0, sizeof(*sent));
    nrt__session_sent(world->session, world->taken);
    world->taken = 0;
    nrt_str rest = nrt__session_output(world->session);
    nrt_str line;
    if (rest.len == 0) {
        return false;
    }
    const char *start = rest.ptr;
    fuzz_line(&rest, &line);
    CHECK(rest.ptr[-1] == '\n' && line.len > 0 && line.ptr[line.len - 1] == '\r');
    line.len--;
    CHECK(line.len <= 4096 && fuzz_is_line_safe(line));
    nrt_str words;
    nrt_str op = fuzz_before(line, ' ', &words);
    size_t more = 0;
    if (nrt__str_equal(op, NRT__STR("PUB"))) {
        more = read_pub(sent, words, rest);
    } else if (nrt__str_equal(op, NRT__STR("SUB"))) {
        read_sub(world, sent, words);
    } else if (nrt__str_equal(op, NRT__STR("UNSUB"))) {
        sent->op = FUZZ_UNSUB;
        sent->sid = next_number(&words);
        CHECK(!words.ptr);
    } else if (nrt__str_equal(op, NRT__STR("CONNECT"))) {
        sent->op = FUZZ_CONNECT;
        CHECK(words.len > 2 && words.ptr[0] == '{' && words.ptr[words.len - 1] == '}');
    } else {
        sent->op = nrt__str_equal(line, NRT__STR("PING")) ? FUZZ_PING : FUZZ_PONG;
        CHECK(sent->op == FUZZ_PING || nrt__str_equal(line, NRT__STR("PONG")));
    }
    world->taken = (size_t)(rest.ptr - start) + more;
    return true;
}

/* ---- what happens ---- */

void fuzz_world_lose(fuzz_world *world) {
    world->dying = false;
    world->taken = 0;
    if (nrt__session_state_get(world->session) == NRT__SESSION_READY) {
        nrt__client_save(world->client, world->session);
    }
    nrt__session_stop(world->session);
    nrt__client_disconnected(world->client, world->session, "it was lost");
    nrt__session_start(world->session, &world->login);
}

void fuzz_world_cut(fuzz_world *world) {
    nrt__session_sent(world->session, world->taken);
    world->taken = 0;
    nrt__session_sent(world->session, nrt__session_output(world->session).len / 2);
    fuzz_world_lose(world);
}

void fuzz_world_tick(fuzz_world *world, uint32_t ms) {
    world->env.now_ms += ms;
    nrt__timers_run(&world->timers, world->env.now_ms);
}

void fuzz_world_pass(fuzz_world *world, uint32_t ms) {
    int64_t until = world->env.now_ms + ms;
    int64_t next;
    while ((next = nrt__timers_next(&world->timers)) >= 0 && next <= until) {
        world->env.now_ms = next > world->env.now_ms ? next : world->env.now_ms;
        nrt__timers_run(&world->timers, world->env.now_ms);
        next = nrt__timers_next(&world->timers);
        CHECK(next < 0 ? world->timers.count == 0 : next > world->env.now_ms); /* no spinning */
    }
    world->env.now_ms = until;
}

void fuzz_world_end_one(fuzz_world *world) {
    if (world->deferred_count > 0) {
        nrt_exchange *exchange = world->deferred[0];
        world->deferred_count--;
        memmove(world->deferred, world->deferred + 1,
                world->deferred_count * sizeof(world->deferred[0]));
        end(exchange);
    }
}
