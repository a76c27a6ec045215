/* Parts of the engine by themselves, on the messages of one exchange: `micro REQUEST ANSWER PART
 * COUNT` does PART so often, and prints how much CPU that took. `micro` alone names the parts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/http/h1_whole.h"
#include "core/http/h1_writer.h"
#include "core/nats/session.h"
#include "load.h"

enum { BATCH = 64 }; /* messages in one read, or one write */

typedef struct work {
    nrt_str request; /* as NATS carries them */
    nrt_str answer;
    uint64_t bytes; /* that were handled */
} work;

static void must(bool well, const char *what) {
    if (!well) {
        load_die(what, "failed");
    }
}

/* ---- HTTP ---- */

static void read_http(work *w, uint64_t count, nrt_str payload, unsigned flags) {
    nrt__h1_limits limits = NRT__H1_LIMITS_DEFAULT;
    nrt__h1_reader reader;
    nrt__message message;
    nrt__h1_reader_init(&reader, &limits);
    nrt__message_init(&message, flags & NRT__H1_REQUEST);
    for (uint64_t i = 0; i < count; i++) {
        must(nrt__h1_read_whole(&reader, &message, flags, payload) >= 0, "read");
        w->bytes += payload.len;
    }
    nrt__message_free(&message);
    nrt__h1_reader_free(&reader);
}

static void read_request(work *w, uint64_t count) {
    read_http(w, count, w->request, NRT__H1_REQUEST);
}

static void read_response(work *w, uint64_t count) {
    read_http(w, count, w->answer, 0);
}

static void write_http(work *w, uint64_t count, nrt_str payload, unsigned flags) {
    nrt__h1_limits limits = NRT__H1_LIMITS_DEFAULT;
    nrt__h1_reader reader;
    nrt__message message;
    nrt__buf out;
    nrt_str parts[2];
    nrt__h1_reader_init(&reader, &limits);
    nrt__message_init(&message, flags & NRT__H1_REQUEST);
    nrt__buf_init(&out, 1 << 20);
    must(nrt__h1_read_whole(&reader, &message, flags, payload) >= 0, "read");
    for (uint64_t i = 0; i < count; i++) {
        nrt__buf_clear(&out);
        must(nrt__h1_write_parts(&out, &message, 0, NRT__STR(""), false, parts), "write");
        w->bytes += parts[0].len + parts[1].len;
    }
    nrt__buf_free(&out);
    nrt__message_free(&message);
    nrt__h1_reader_free(&reader);
}

static void write_request(work *w, uint64_t count) {
    write_http(w, count, w->request, NRT__H1_REQUEST);
}

static void write_response(work *w, uint64_t count) {
    write_http(w, count, w->answer, 0);
}

/* ---- NATS ---- */

static void read_nats(work *w, uint64_t count) {
    nrt__nats_parser parser;
    nrt__buf in;
    char line[256];
    nrt__buf_init(&in, 1 << 20);
    for (int i = 0; i < BATCH; i++) {
        int len = snprintf(line, sizeof(line),
                           "MSG _INBOX.aaaaaaaaaaaaaaaaaaaaaa.%d.bbbbbbbbbbbbbbbb 1 %zu\r\n", i,
                           w->answer.len);
        must(nrt__buf_add(&in, line, (size_t)len) &&
                 nrt__buf_add(&in, w->answer.ptr, w->answer.len) && nrt__buf_add(&in, "\r\n", 2),
             "memory");
    }
    nrt__nats_parser_init(&parser, 1 << 20);
    nrt_str left = {0};
    for (uint64_t i = 0; i < count; i++) {
        size_t used = 0, need = 0;
        left = left.len == 0 ? nrt__buf_view(&in) : left;
        must(nrt__nats_read(&parser, left.ptr, left.len, &used, &need) == NRT__NATS_MSG, "read");
        left = (nrt_str){left.ptr + used, left.len - used};
        w->bytes += used;
    }
    nrt__buf_free(&in);
}

static void feed(nrt__session *session, const char *text) {
    size_t room = 0;
    char *to = nrt__session_room(session, &room);
    must(to && room >= strlen(text), "room");
    memcpy(to, text, strlen(text));
    must(nrt__session_received(session, strlen(text)) == 0, "session");
}

static void nothing(void *arg) {
    (void)arg;
}

static void publish_nats(work *w, uint64_t count) {
    static nrt__env env = {.now_ms = 1000};
    static nrt__timers timers;
    nrt__nats_login login = {.name = "micro"};
    nrt__session_options options = {
        .max_output = 1 << 20, .max_message = 1 << 20, .ping_interval_ms = 10000};
    nrt__session_events events = {
        .ready = nothing, .info = nothing, .stale = nothing, .drained = nothing, .output = nothing};
    nrt__timers_init(&timers, env.now_ms);
    nrt__session *session = nrt__session_create(&env, &timers, &options, &events);
    must(session, "memory");
    nrt__session_start(session, &login);
    feed(session,
         "INFO {\"server_id\":\"A\",\"server_name\":\"n\",\"version\":\"2.9.10\",\"headers\":true,"
         "\"max_payload\":1048576,\"client_id\":7}\r\nPONG\r\n");
    must(nrt__session_state_get(session) == NRT__SESSION_READY, "login");
    for (uint64_t i = 0; i < count; i++) {
        must(nrt__session_publish(session,
                                  NRT__STR("_INBOX.aaaaaaaaaaaaaaaaaaaaaa.17.bbbbbbbbbbbbbbbb"),
                                  (nrt_str){0}, &w->answer, 1) == 0,
             "publish");
        if (i % BATCH == BATCH - 1 || i == count - 1) {
            size_t len = nrt__session_output(session).len;
            nrt__session_sent(session, len);
            w->bytes += len;
        }
    }
    nrt__session_stop(session);
    nrt__session_destroy(session);
}

static const struct {
    const char *name;
    void (*run)(work *w, uint64_t count);
} parts[] = {
    {"http-read-request", read_request},
    {"http-read-response", read_response},
    {"http-write-request", write_request},
    {"http-write-response", write_response},
    {"nats-read", read_nats},
    {"nats-publish", publish_nats},
};

int main(int argc, char **argv) {
    work w = {0};
    if (argc != 5) {
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
            printf("%s\n", parts[i].name);
        }
        return argc != 1;
    }
    w.request.ptr = load_file(argv[1], &w.request.len);
    w.answer.ptr = load_file(argv[2], &w.answer.len);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strcmp(parts[i].name, argv[3]) == 0) {
            uint64_t count = strtoull(argv[4], NULL, 10);
            int64_t began = load_cpu_now();
            parts[i].run(&w, count);
            printf("{\"messages\": %llu, \"bytes\": %llu, \"ns\": %lld}\n",
                   (unsigned long long)count, (unsigned long long)w.bytes,
                   (long long)(load_cpu_now() - began));
            return 0;
        }
    }
    load_die(argv[3], "is no part");
}
