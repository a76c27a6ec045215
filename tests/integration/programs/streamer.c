/* A service whose bodies come and go in pieces, by callbacks or, with workers, by calls that wait.
 *
 *     streamer SERVER HOST WORKERS
 *
 * /bytes/N sends N bytes and says so, /echo what comes, /sum says how many bytes came and their
 * sum, /ticks sends an event each second: its number and when it was sent, /hints sends 103 first,
 * /order writes before and after it starts, /ignore answers 2 MB and reads nothing, /handed answers
 * on a thread of its own, /patience reads and gives up, /broken breaks off, /wait waits for ever,
 * /protocol changes to any protocol and echoes. Prints "ready",
 * "canceled PATH" and, at SIGTERM, drains. */
#include "check.h"

#include <pthread.h>
#include <signal.h>

typedef struct work {
    struct work *next; /* of those that want ticks */
    struct work **at;
    nrt_exchange *exchange;
    char path[64];
    uint64_t left;  /* to be sent */
    uint64_t count; /* that came */
    uint64_t sum;
    char held[256 * 1024]; /* came, and not yet sent back */
    size_t held_len;
    bool ended;
    bool echoes;
} work;

static nrt_conn *connection;
static work *ticking;
static bool drained;

static void say(const char *what, const char *path) {
    printf("%s %s\n", what, path);
    fflush(stdout);
}

static void add(work *one, nrt_str bytes) {
    one->count += bytes.len;
    for (size_t i = 0; i < bytes.len; i++) {
        one->sum = (one->sum * 31 + (unsigned char)bytes.ptr[i]) % 1000000007;
    }
}

static nrt_str next_piece(work *one, char *room, size_t size) {
    size_t len = one->left < size ? (size_t)one->left : size;
    memset(room, 'x', len);
    return (nrt_str){room, len};
}

static void finish(work *one) {
    nrt_exchange *exchange = one->exchange;
    if (one->at) {
        *one->at = one->next;
        if (one->next) {
            one->next->at = one->at;
        }
    }
    free(one);
    nrt_exchange_end(exchange);
}

static void write_sum(work *one) {
    char text[64];
    snprintf(text, sizeof(text), "%llu %llu", (unsigned long long)one->count,
             (unsigned long long)one->sum);
    CHECK_INT(nrt_exchange_reply(one->exchange, 200, "text/plain", nrt_str_from(text)), 0);
}

/* ---- the same either way ---- */

static void write_in_order(nrt_exchange *exchange) {
    size_t sent;
    CHECK_INT(nrt_exchange_write(exchange, nrt_str_from("one, ")), 0);
    CHECK_INT(nrt_exchange_send(exchange, nrt_str_from("early"), &sent), NRT_ERR_STATE);
    CHECK_INT(sent, 0);
    CHECK_INT(nrt_exchange_start(exchange), 0);
    CHECK_INT(nrt_exchange_start(exchange), NRT_ERR_STATE);
    /* The head has gone: what would change it is refused, and adds nothing. */
    CHECK_INT(nrt_exchange_set_status(exchange, 201), NRT_ERR_STATE);
    CHECK_INT(nrt_exchange_reply(exchange, 201, NULL, nrt_str_from("late")), NRT_ERR_STATE);
    CHECK_INT(nrt_exchange_problem(exchange, 500, "late"), NRT_ERR_STATE);
    CHECK_INT(nrt_exchange_write(exchange, nrt_str_from("two, ")), 0);
    CHECK_INT(nrt_exchange_send(exchange, nrt_str_from("three"), &sent), 0);
    CHECK_INT(sent, 5);
}

/* False where the client takes one message, or nobody knows yet after a reconnect: what is written
 * is collected then. */
static bool begin(nrt_exchange *exchange) {
    int error = nrt_exchange_start(exchange);
    CHECK(error == 0 || error == NRT_ERR_UNSUPPORTED || error == NRT_ERR_CANCELED);
    return error != NRT_ERR_UNSUPPORTED;
}

static int write_bytes(work *one) {
    char room[30000];
    int error = 0;
    while (error == 0 && one->left > 0) {
        nrt_str piece = next_piece(one, room, sizeof(room));
        error = nrt_exchange_write(one->exchange, piece);
        one->left -= piece.len;
    }
    return error;
}

static void write_much(nrt_exchange *exchange) {
    char room[20000];
    memset(room, 'x', sizeof(room));
    int error = 0;
    for (int i = 0; i < 100 && error == 0; i++) {
        error = nrt_exchange_write(exchange, (nrt_str){room, sizeof(room)});
    }
    CHECK(error == 0 || error == NRT_ERR_RESPONSE_TOO_LARGE); /* an old client */
}

static void give_hints(nrt_exchange *exchange) {
    CHECK_INT(nrt_fields_add(nrt_exchange_fields(exchange), nrt_str_from("Link"),
                             nrt_str_from("</a.css>; rel=preload")),
              0);
    CHECK_INT(nrt_exchange_interim(exchange, 101), NRT_ERR_USAGE);
    CHECK_INT(nrt_exchange_interim(exchange, 103), 0);
    CHECK_INT(nrt_exchange_write(exchange, nrt_str_from("done")), 0);
}

static void break_off(nrt_exchange *exchange) {
    CHECK_INT(nrt_exchange_start(exchange), 0);
    CHECK_INT(nrt_exchange_write(exchange, nrt_str_from("half")), 0);
    nrt_exchange_abort(exchange);
}

static bool change_protocol(nrt_exchange *exchange) {
    char protocol[64];
    nrt_str asked = nrt_request_upgrade(nrt_exchange_request(exchange));
    snprintf(protocol, sizeof(protocol), "%.*s", (int)asked.len, asked.ptr);
    int error = nrt_exchange_upgrade(exchange, protocol);
    if (error < 0) {
        CHECK_INT(error, NRT_ERR_USAGE); /* it was not asked for */
        CHECK_INT(nrt_exchange_problem(exchange, 426, "ask for a protocol"), 0);
    }
    return error == 0;
}

/* ---- by callbacks ---- */

static void send_bytes(work *one) {
    char room[30000];
    while (one->left > 0) {
        size_t sent;
        int error = nrt_exchange_send(one->exchange, next_piece(one, room, sizeof(room)), &sent);
        one->left -= sent;
        if (error < 0 || sent == 0) {
            CHECK_INT(error, 0);
            return; /* on_writable goes on */
        }
    }
    finish(one);
}

/* Bytes count as taken when they have gone back: the client is held up by itself. */
/* The trailer field Check comes back as well. */
static void return_check(nrt_exchange *exchange, const nrt_fields *trailers) {
    nrt_str value = nrt_fields_get(trailers, "Check");
    if (value.ptr) {
        CHECK_INT(nrt_fields_add(nrt_exchange_trailers(exchange), nrt_str_from("Check"), value), 0);
    }
}

static void send_back(work *one) {
    size_t sent;
    CHECK_INT(nrt_exchange_send(one->exchange, (nrt_str){one->held, one->held_len}, &sent), 0);
    memmove(one->held, one->held + sent, one->held_len - sent);
    one->held_len -= sent;
    nrt_exchange_consume(one->exchange, sent);
    if (one->ended && one->held_len == 0) {
        finish(one);
    }
}

static void want_ticks(work *one) {
    nrt_fields *fields = nrt_exchange_fields(one->exchange);
    CHECK_INT(
        nrt_fields_add(fields, nrt_str_from("Content-Type"), nrt_str_from("text/event-stream")), 0);
    CHECK_INT(nrt_exchange_start(one->exchange), 0);
    one->next = ticking;
    one->at = &ticking;
    if (ticking) {
        ticking->at = &one->next;
    }
    ticking = one;
}

static void tick(unsigned number) {
    char text[64];
    int len = snprintf(text, sizeof(text), "data: %u %.3f\n\n", number, now_s());
    for (work *one = ticking; one; one = one->next) {
        size_t sent;
        CHECK_INT(nrt_exchange_send(one->exchange, (nrt_str){text, (size_t)len}, &sent), 0);
        CHECK_INT(sent, len);
    }
}

static void on_data(nrt_exchange *exchange, nrt_str bytes, void *arg) {
    work *one = arg;
    add(one, bytes);
    if (one->echoes) {
        CHECK(bytes.len <= sizeof(one->held) - one->held_len);
        memcpy(one->held + one->held_len, bytes.ptr, bytes.len);
        one->held_len += bytes.len;
        send_back(one);
    } else {
        nrt_exchange_consume(exchange, bytes.len);
    }
}

static void on_end(nrt_exchange *exchange, const nrt_fields *trailers, void *arg) {
    work *one = arg;
    one->ended = true;
    if (one->echoes) {
        return_check(exchange, trailers);
        send_back(one);
    } else if (one->left == 0) {
        write_sum(one);
        finish(one);
    }
}

static void on_writable(nrt_exchange *exchange, void *arg) {
    work *one = arg;
    (void)exchange;
    if (one->echoes) {
        send_back(one);
    } else {
        send_bytes(one);
    }
}

static void on_canceled(nrt_exchange *exchange, void *arg) {
    work *one = arg;
    CHECK(nrt_exchange_is_canceled(exchange));
    say("canceled", one->path);
    finish(one);
}

static const nrt_exchange_events events = {
    .size = sizeof(nrt_exchange_events),
    .hold = true,
    .data = on_data,
    .end = on_end,
    .writable = on_writable,
    .canceled = on_canceled,
};

static void handle(nrt_exchange *exchange, work *one) {
    const nrt_request *request = nrt_exchange_request(exchange);
    nrt_exchange_defer(exchange);
    CHECK_INT(nrt_exchange_set_events(exchange, &events, one), 0);
    if (nrt_exchange_is_whole(exchange)) {
        add(one, nrt_request_body(request));
        one->ended = true;
    }
    if (strncmp(one->path, "/bytes/", 7) == 0) {
        one->left = strtoull(one->path + 7, NULL, 10);
        nrt_exchange_set_length(exchange, one->left);
        if (begin(exchange)) {
            send_bytes(one);
        } else {
            write_bytes(one);
            finish(one);
        }
    } else if (strcmp(one->path, "/order") == 0) {
        write_in_order(exchange);
        finish(one);
    } else if (strcmp(one->path, "/ignore") == 0) { /* what comes now finds nobody */
        write_much(exchange);
        finish(one);
    } else if (strcmp(one->path, "/echo") == 0) {
        one->echoes = true;
        CHECK_INT(nrt_exchange_start(exchange), 0);
        nrt_str body = nrt_request_body(request);
        memcpy(one->held, body.ptr, body.len);
        one->held_len = body.len;
        send_back(one);
    } else if (strcmp(one->path, "/protocol") == 0) {
        one->echoes = true;
        one->ended = false;
        if (!change_protocol(exchange)) {
            finish(one);
        }
    } else if (strcmp(one->path, "/hints") == 0) {
        give_hints(exchange);
        finish(one);
    } else if (strcmp(one->path, "/broken") == 0) {
        break_off(exchange);
        finish(one);
    } else if (strcmp(one->path, "/wait") == 0) {
        say("waiting", one->path);
    } else if (strcmp(one->path, "/ticks") == 0) {
        want_ticks(one);
    } else if (one->ended) {
        write_sum(one);
        finish(one);
    }
}

/* ---- by calls that wait ---- */

static int copy_back(work *one, int error) {
    size_t got;
    char room[10000];
    while (error == 0) {
        error = nrt_exchange_read(one->exchange, room, sizeof(room), -1, &got);
        if (error < 0 || got == 0) {
            break;
        }
        error = nrt_exchange_write(one->exchange, (nrt_str){room, got});
    }
    if (error == 0) {
        return_check(one->exchange, nrt_request_trailers(nrt_exchange_request(one->exchange)));
    }
    return error;
}

static int send_all(work *one) {
    one->left = strtoull(one->path + 7, NULL, 10);
    nrt_exchange_set_length(one->exchange, one->left);
    begin(one->exchange);
    return write_bytes(one);
}

static int read_all(work *one) {
    size_t got = 1;
    char room[10000];
    int error = 0;
    while (error == 0 && got > 0) {
        error = nrt_exchange_read(one->exchange, room, sizeof(room), -1, &got);
        add(one, (nrt_str){room, got});
    }
    if (error == 0) {
        write_sum(one);
    }
    return error;
}

static int wait_until_canceled(work *one) {
    say("waiting", one->path);
    while (!nrt_exchange_is_canceled(one->exchange)) {
        sleep_ms(5);
    }
    return NRT_ERR_CANCELED;
}

/* The client sends no more than its first bytes for a while. */
static int give_up(work *one) {
    char room[1000];
    size_t got;
    int error = 0;
    while (error == 0) {
        error = nrt_exchange_read(one->exchange, room, sizeof(room), 50, &got);
    }
    CHECK_INT(error, NRT_ERR_TIMEOUT);
    CHECK_INT(nrt_exchange_read(one->exchange, room, sizeof(room), 0, &got), NRT_ERR_TIMEOUT);
    CHECK(!nrt_exchange_is_whole(one->exchange));
    return nrt_exchange_reply(one->exchange, 408, NULL, nrt_str_from("no more came"));
}

static void *answer_elsewhere(void *arg) {
    nrt_exchange *exchange = arg;
    work one = {.exchange = exchange};
    sleep_ms(20); /* the handler has returned by now, or not: both are fine */
    CHECK_INT(read_all(&one), 0);
    CHECK_INT(nrt_exchange_start(exchange), 0);
    write_much(exchange);
    nrt_exchange_end(exchange);
    return NULL;
}

static int hand_over(work *one) {
    pthread_t thread;
    nrt_exchange_defer(one->exchange);
    CHECK_INT(pthread_create(&thread, NULL, answer_elsewhere, one->exchange), 0);
    CHECK_INT(pthread_detach(thread), 0);
    return 0;
}

static int work_at(work *one) {
    nrt_exchange *exchange = one->exchange;
    if (strncmp(one->path, "/bytes/", 7) == 0) {
        return send_all(one);
    } else if (strcmp(one->path, "/echo") == 0) {
        return copy_back(one, nrt_exchange_start(exchange));
    } else if (strcmp(one->path, "/protocol") == 0) {
        return change_protocol(exchange) ? copy_back(one, 0) : 0;
    } else if (strcmp(one->path, "/wait") == 0) {
        return wait_until_canceled(one);
    } else if (strcmp(one->path, "/patience") == 0) {
        return give_up(one);
    } else if (strcmp(one->path, "/handed") == 0) {
        return hand_over(one);
    } else if (strcmp(one->path, "/order") == 0) {
        write_in_order(exchange);
    } else if (strcmp(one->path, "/ignore") == 0) {
        write_much(exchange);
    } else if (strcmp(one->path, "/hints") == 0) {
        give_hints(exchange);
    } else if (strcmp(one->path, "/broken") == 0) {
        break_off(exchange);
    } else {
        return read_all(one);
    }
    return 0;
}

static void work_through(work *one) {
    int error = work_at(one);
    if (error == NRT_ERR_CANCELED) { /* not deferred: the exchange is there until we return */
        CHECK(nrt_exchange_is_canceled(one->exchange));
        say("canceled", one->path);
    } else {
        CHECK_INT(error, 0);
    }
    free(one);
}

/* ---- */

static void on_request(nrt_exchange *exchange, void *arg) {
    const unsigned *workers = arg;
    nrt_str target = nrt_request_target(nrt_exchange_request(exchange));
    work *one = calloc(1, sizeof(*one));
    CHECK(one != NULL);
    one->exchange = exchange;
    snprintf(one->path, sizeof(one->path), "%.*s", (int)target.len, target.ptr);
    if (*workers > 0) {
        work_through(one);
    } else {
        handle(exchange, one);
    }
}

static void on_ready(nrt_service *service, int error, const char *detail, void *arg) {
    (void)service, (void)arg, (void)detail;
    printf(error ? "not ready: %s\n" : "ready\n", nrt_error_code(error));
    fflush(stdout);
}

static void on_drained(nrt_conn *conn, void *arg) {
    (void)conn, (void)arg;
    drained = true;
}

static void drain(nrt_conn *conn, void *arg) {
    (void)arg;
    while (ticking) {
        finish(ticking);
    }
    CHECK_INT(nrt_conn_drain(conn, on_drained, NULL), 0);
}

static void *wait_signal(void *arg) {
    int number;
    sigwait(arg, &number);
    CHECK_INT(nrt_conn_post(connection, drain, NULL), 0);
    return NULL;
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 4);
    unsigned workers = (unsigned)atoi(argv[3]);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, &signals, NULL), 0);
    connection = open_conn(argv[1]);
    nrt_service_options options;
    nrt_service_options_init(&options);
    options.workers = workers;
    options.streaming = true;
    options.max_in_flight = 10000;
    options.on_ready = on_ready;
    CHECK_INT(nrt_serve(connection, argv[2], &options, on_request, &workers, NULL), 0);
    pthread_t waiter;
    CHECK_INT(pthread_create(&waiter, NULL, wait_signal, &signals), 0);
    unsigned ticks = 0;
    for (double next = now_s(); !drained;) {
        CHECK(nrt_conn_dispatch(connection, 20) >= 0);
        if (now_s() >= next) {
            tick(ticks++);
            next += 1.0;
        }
    }
    CHECK_INT(pthread_join(waiter, NULL), 0);
    nrt_conn_destroy(connection);
    return 0;
}
