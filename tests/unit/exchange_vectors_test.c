/* tests/vectors/protocol/client.txt and service.txt: what comes in, what must come of it. README.md
 * there says how they are written. */
#include "unit.h"

#include <stdarg.h>

#include "core/exchange/services_private.h"
#include "engine.h"

enum { TEXT_MAX = 300000, WAIT_MS = 1000 };

#define CLIENT "_INBOX.x.y"

static engine *e;
static bool is_client; /* the half that is played */
static char where[300];
static char told[TEXT_MAX]; /* lines of what the user was told, not yet expected */
static char output[TEXT_MAX];
static const char *sent; /* what of it is not yet expected */
static nrt_exchange_id id;
static nrt_exchange *exchange;
static char inbox_sid[24];
static char request_sid[24];
static char stream_sid[24];
static char inbox[600];  /* the client's, of this exchange */
static char stream[600]; /* the service's */

static void tell(const char *format, ...) NRT_PRINTF(1, 2);

static void tell(const char *format, ...) {
    size_t len = strlen(told);
    va_list args;
    va_start(args, format);
    vsnprintf(told + len, sizeof(told) - len - 1, format, args);
    va_end(args);
    strcat(told, "\n");
}

/* ---- payloads ---- */

/* As it stands in the file: "x*3" is "xxx", \r and \n are what they are in C. */
static nrt_str payload(const char *text) {
    static char out[TEXT_MAX];
    size_t len = 0;
    if (text[0] && text[1] == '*') {
        len = strtoul(text + 2, NULL, 10);
        assert_true(len <= sizeof(out));
        memset(out, text[0], len);
        return (nrt_str){out, len};
    }
    for (; *text; text++) {
        if (text[0] == '\\' && (text[1] == 'r' || text[1] == 'n')) {
            out[len++] = *++text == 'r' ? '\r' : '\n';
        } else {
            out[len++] = *text;
        }
    }
    return (nrt_str){out, len};
}

/* And back. */
static const char *shown(nrt_str bytes) {
    static char out[4096];
    size_t same = 0;
    while (same < bytes.len && bytes.ptr[same] == bytes.ptr[0]) {
        same++;
    }
    if (bytes.len > 8 && same == bytes.len) {
        snprintf(out, sizeof(out), "%c*%zu", bytes.ptr[0], bytes.len);
    } else {
        snprintf(out, sizeof(out), "%.*s", NRT__ARG(bytes));
    }
    return out;
}

/* What stands behind "| ", cut off the line; "" where there is none. */
static const char *cut(char *line) {
    char *bar = strstr(line, " | ");
    if (!bar) {
        return "";
    }
    *bar = '\0';
    return bar + 3;
}

/* ---- the client's user ---- */

static void on_interim(const nrt_response *response, void *arg) {
    (void)arg;
    tell("interim %d", nrt_response_status(response));
}

static void on_data(nrt_str bytes, void *arg) {
    (void)arg;
    if (bytes.len > 0) {
        tell("data %s", shown(bytes));
    }
}

static void on_head(const nrt_response *response, bool whole, void *arg) {
    tell("head %d", nrt_response_status(response));
    if (whole) {
        on_data(nrt_response_body(response), arg);
        tell("end");
    }
}

static void on_end(const nrt_fields *trailers, void *arg) {
    (void)trailers;
    (void)arg;
    tell("end");
}

static void on_writable(void *arg) {
    (void)arg;
    tell("writable");
}

static void on_closed(const nrt_result *result, void *arg) {
    (void)arg;
    tell("closed %s", result->error == 0 ? "ok" : nrt_error_code(result->error));
}

static const nrt__call_events call_events = {
    .interim = on_interim,
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .writable = on_writable,
    .closed = on_closed,
};

static void begin(const char *line, const char *body) {
    char method[16];
    size_t taken;
    assert_int_equal(sscanf(line, "%*s %15s", method), 1);
    nrt_request *request = nrt_request_create(method, "http://weather.nats/city", NULL);
    nrt__message *message = &request->message;
    const char *length = strstr(line, "length=");
    message->upgrade = strstr(line, " upgrade") ? NRT__STR("echo") : message->upgrade;
    message->body = payload(body);
    message->has_length = length != NULL;
    message->length = length ? strtoul(length + 7, NULL, 10) : 0;
    int error = strncmp(line, "open", 4) == 0
                    ? nrt__client_open(e->client, message, 0, &call_events, NULL, &id, &taken)
                    : nrt__client_start(e->client, message, 0, &call_events, NULL, &id);
    nrt_request_destroy(request);
    assert_int_equal(error, 0);
}

static int client_does(const char *line, const char *rest) {
    size_t done;
    if (strncmp(line, "open ", 5) == 0 || strncmp(line, "send ", 5) == 0) {
        begin(line, rest);
        return 0;
    }
    if (strcmp(line, "write") == 0) {
        return nrt__client_write(e->client, id, payload(rest), &done);
    }
    if (strcmp(line, "end") == 0) {
        return nrt__client_end(e->client, id, NULL);
    }
    if (strncmp(line, "take ", 5) == 0) {
        nrt__client_take(e->client, id, strtoul(line + 5, NULL, 10));
        return 0;
    }
    if (strcmp(line, "cancel") == 0) {
        return nrt__client_cancel(e->client, id);
    }
    fail_msg("%s: what is: do %s", where, line);
    return -1;
}

/* ---- the service's ---- */

static void on_body(nrt_exchange *of, nrt_str bytes, void *arg) {
    (void)of;
    on_data(bytes, arg);
}

static void on_body_end(nrt_exchange *of, const nrt_fields *trailers, void *arg) {
    (void)of;
    on_end(trailers, arg);
}

static void on_room(nrt_exchange *of, void *arg) {
    (void)of;
    on_writable(arg);
}

static void on_canceled(nrt_exchange *of, void *arg) {
    (void)of;
    (void)arg;
    tell("canceled");
}

static const nrt_exchange_events exchange_events = {
    .size = sizeof(nrt_exchange_events),
    .hold = true,
    .data = on_body,
    .end = on_body_end,
    .writable = on_room,
    .canceled = on_canceled,
};

static void handle(nrt_exchange *of, void *arg) {
    const nrt_request *request = nrt_exchange_request(of);
    exchange = of;
    nrt_exchange_defer(of);
    nrt__exchange_stream(of, &exchange_events, NULL);
    tell("request %.*s", NRT__ARG(nrt_request_method(request)));
    on_data(nrt_request_body(request), arg);
}

static int service_does(const char *line, const char *rest) {
    size_t done;
    nrt__message interim;
    if (strcmp(line, "start") == 0) {
        return nrt__exchange_start(exchange);
    }
    if (strcmp(line, "send") == 0) {
        return nrt__exchange_send(exchange, payload(rest), &done);
    }
    if (strcmp(line, "end") == 0) {
        return nrt__exchange_end_body(exchange);
    }
    if (strcmp(line, "finish") == 0) {
        assert_true(nrt__exchange_end_one(exchange));
        nrt__exchange_finish(exchange);
        exchange = NULL;
        return 0;
    }
    if (strncmp(line, "take ", 5) == 0) {
        nrt__exchange_take(exchange, strtoul(line + 5, NULL, 10));
        return 0;
    }
    if (strncmp(line, "interim ", 8) == 0) {
        nrt__message_init(&interim, false);
        interim.status = atoi(line + 8);
        int error = nrt__exchange_interim(exchange, &interim);
        nrt__message_free(&interim);
        return error;
    }
    if (strcmp(line, "abort") == 0) {
        nrt__exchange_abort(exchange, "aborted");
        return 0;
    }
    fail_msg("%s: what is: do %s", where, line);
    return -1;
}

/* ---- messages ---- */

static void deliver(const char *subject, const char *to, const char *reply, const char *header,
                    nrt_str body) {
    char line[2048];
    size_t len = strlen(header);
    if (len > 0) {
        snprintf(line, sizeof(line), "HMSG %s %s %s %zu %zu\r\n%s", subject, to, reply, len,
                 len + body.len, header);
    } else {
        snprintf(line, sizeof(line), "MSG %s %s %s %zu\r\n", subject, to, reply, body.len);
    }
    assert_int_equal(engine_feed(e, line), 0);
    assert_int_equal(engine_feed_bytes(e, body), 0);
    assert_int_equal(engine_feed(e, "\r\n"), 0);
}

static void message_comes(char *line) {
    char header[1100] = "";
    const char *body = cut(line);
    char *from = strstr(line, " from ");
    if (from) {
        *from = '\0';
        from += 6;
    }
    if (strcmp(line, "503") == 0) {
        snprintf(header, sizeof(header), "NATS/1.0 503\r\n\r\n");
    } else if (strcmp(line, "response") != 0) {
        snprintf(header, sizeof(header), "NATS/1.0\r\nNRT-Frame: %s\r\n\r\n", line);
    }
    deliver(is_client ? inbox : stream, is_client ? inbox_sid : stream_sid, from ? from : "",
            header, payload(body));
}

static void request_comes(char *line) {
    nrt_str body = payload(cut(line));
    bool open = strncmp(line, "open", 4) == 0;
    const char *window = strstr(line, "window=");
    const char *length = strstr(line, "length=");
    char text[1024];
    char sized[64] = "";
    size_t whole = length ? strtoul(length + 7, NULL, 10) : body.len;
    if (length || (!open && body.len > 0)) {
        snprintf(sized, sizeof(sized), "Content-Length: %zu\r\n", whole);
    }
    int len = snprintf(text, sizeof(text),
                       "%sPOST / HTTP/1.1\r\nHost: weather.nats\r\nNRT-Accept: v=1, window=%lu, "
                       "timeout=30000\r\n%s\r\n%.*s",
                       open ? "NRT/1\r\n" : "", window ? strtoul(window + 7, NULL, 10) : 262144,
                       sized, NRT__ARG(body));
    deliver("nrt.requests.weather.nats.post", request_sid, CLIENT,
            open ? "NATS/1.0\r\nNRT-Frame: t=open, n=0\r\n\r\n" : "", (nrt_str){text, (size_t)len});
}

/* Where a message must go, and what it must say of where we are. */
static void check_subjects(const engine_pub *pub, const char *what) {
    bool open = strncmp(what, "t=open", 6) == 0 || strcmp(what, "request") == 0;
    if (is_client && open) {
        assert_non_null(strstr(pub->subject, "nrt.requests.weather.nats."));
        snprintf(inbox, sizeof(inbox), "%s", pub->reply);
    } else if (is_client) {
        assert_true(strcmp(pub->subject, "PEER") == 0 || strncmp(pub->subject, "_R_.", 4) == 0);
    } else {
        assert_string_equal(pub->subject, CLIENT);
    }
    if (strncmp(what, "t=ping", 6) == 0 || strncmp(what, "t=accept", 8) == 0) {
        assert_true(pub->reply[0] != '\0');
    }
    if (!is_client && pub->reply[0]) {
        snprintf(stream, sizeof(stream), "%s", pub->reply);
    }
}

static void expect_sent(char *line) {
    engine_pub pub;
    static const char start[] = "NATS/1.0\r\nNRT-Frame: ";
    char frame[256];
    nrt_str body = payload(cut(line));
    const char *rest = engine_read_pub(sent, &pub);
    if (!rest) {
        fail_msg("%s: nothing was sent, but: %s", where, line);
    }
    sent = rest;
    snprintf(frame, sizeof(frame), "%s", is_client ? "request" : "response");
    if (pub.header.len > 0) {
        snprintf(frame, sizeof(frame), "%.*s", (int)(pub.header.len - sizeof(start) - 3),
                 pub.header.ptr + sizeof(start) - 1);
    }
    if (strcmp(frame, line) != 0) {
        fail_msg("%s: sent %s, not %s", where, frame, line);
    }
    check_subjects(&pub, line);
    const char *head = memmem(pub.payload.ptr, pub.payload.len, "\r\n\r\n", 4);
    if (head) {
        size_t len = (size_t)(head + 4 - pub.payload.ptr);
        pub.payload = (nrt_str){head + 4, pub.payload.len - len};
    }
    assert_int_equal(pub.payload.len, body.len);
    assert_memory_equal(pub.payload.ptr, body.len ? body.ptr : "", body.len);
}

static void expect_told(const char *line) {
    size_t len = strcspn(told, "\n");
    if (strlen(line) != len || strncmp(told, line, len) != 0) {
        fail_msg("%s: told \"%.*s\", not \"%s\"", where, (int)len, told, line);
    }
    memmove(told, told + len + 1, strlen(told + len + 1) + 1);
}

/* All that came of the line before has been expected. */
static void nothing_is_left(void) {
    engine_pub pub;
    if (told[0]) {
        fail_msg("%s: told as well: %s", where, told);
    }
    if (engine_read_pub(sent, &pub)) {
        fail_msg("%s: sent as well: %.*s to %s", where, NRT__ARG(pub.header), pub.subject);
    }
}

/* ---- vectors ---- */

static void set_up(void) {
    nrt_service *service;
    const nrt_service_options options = {
        .size = sizeof(options), .max_in_flight = 5, .streaming = true};
    e = calloc(1, sizeof(*e));
    e->session_options.max_output = 4 << 20;
    e->session_options.max_message = 1 << 20;
    e->max_waiting = 1 << 20;
    e->multi_reply = true;
    assert_int_equal(engine_init(e, is_client ? ENGINE_CLIENT : ENGINE_SERVICES), 0);
    if (!is_client) {
        assert_int_equal(
            nrt__services_add(e->services, "weather.nats", handle, NULL, &options, &service), 0);
    }
    assert_int_equal(engine_connect(e), 0);
    assert_int_equal(engine_feed(e, "INFO {\"max_payload\":1048576}\r\n"), 0);
    if (is_client) {
        sscanf(strstr(e->greeting, "SUB _INBOX."), "SUB %*s %23s", inbox_sid);
    } else {
        char subject[600];
        snprintf(subject, sizeof(subject), "%.*s*", NRT__ARG(service->stream_prefix));
        engine_sid(e->greeting, subject, stream_sid);
        engine_sid(e->greeting, "nrt.requests.weather.nats.*", request_sid);
    }
    exchange = NULL;
    id = 0;
    told[0] = '\0';
    sent = "";
}

static void tear_down(void) {
    if (!e) {
        return;
    }
    nothing_is_left();
    if (exchange) {
        atomic_store(&exchange->ends, 0); /* nobody is told of the end of the test */
    }
    engine_finish(e);
    if (exchange) {
        nrt__exchange_finish(exchange);
    }
    free(e);
    e = NULL;
}

static void do_line(char *line) {
    const char *rest = cut(line);
    if (strncmp(line, "wait ", 5) == 0) {
        engine_advance(e, strtol(line + 5, NULL, 10));
        return;
    }
    int error = is_client ? client_does(line, rest) : service_does(line, rest);
    if (error != 0) {
        fail_msg("%s: do %s: %s", where, line, nrt_error_text(error));
    }
}

static void play_line(char *line) {
    if (strncmp(line, "== ", 3) == 0) {
        tear_down();
        set_up();
    } else if (strncmp(line, "! ", 2) == 0) {
        expect_told(line + 2);
    } else if (strncmp(line, "-> ", 3) == 0) {
        expect_sent(line + 3);
    } else {
        nothing_is_left();
        if (strncmp(line, "do ", 3) == 0) {
            do_line(line + 3);
        } else if (strncmp(line, "<- ", 3) == 0) {
            message_comes(line + 3);
        } else if (strncmp(line, "ask ", 4) == 0) {
            request_comes(line + 4);
        } else {
            fail_msg("%s: what is: %s", where, line);
        }
        snprintf(output, sizeof(output), "%s", "");
        const char *text = engine_take(e);
        assert_true(strlen(text) < sizeof(output));
        strcpy(output, text);
        sent = output;
    }
}

static int play_file(const char *name) {
    char path[4096];
    char line[1024];
    const char *folder = getenv("NRT_TEST_VECTORS");
    int vectors = 0;
    snprintf(path, sizeof(path), "%s/protocol/%s", folder ? folder : "tests/vectors", name);
    FILE *file = fopen(path, "r");
    if (!file) {
        fail_msg("NRT_TEST_VECTORS: %s cannot be opened", path);
    }
    for (int number = 1; fgets(line, sizeof(line), file); number++) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0' && line[0] != '#') {
            snprintf(where, sizeof(where), "%s, line %d", name, number);
            vectors += line[0] == '=';
            play_line(line);
        }
    }
    fclose(file);
    tear_down();
    return vectors;
}

static void the_clients_vectors_hold(void **state) {
    (void)state;
    is_client = true;
    assert_true(play_file("client.txt") > 30);
}

static void the_services_vectors_hold(void **state) {
    (void)state;
    is_client = false;
    assert_true(play_file("service.txt") > 15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clients_vectors_hold),
        cmocka_unit_test(the_services_vectors_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
