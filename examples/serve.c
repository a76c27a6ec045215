/* A service on NATS: notes that live as long as the program, as http://notes.nats/notes/NAME. */
#include <nrt/nrt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { NOTES_MAX = 100 };

static struct {
    char name[64];
    char text[256];
} notes[NOTES_MAX];

/* The note called `name`, with "" a place that is free, or NOTES_MAX. */
static int find(nrt_str name) {
    int at = 0;
    while (at < NOTES_MAX && !nrt_str_is(name, notes[at].name)) {
        at++;
    }
    return at;
}

static void on_get(nrt_exchange *exchange, void *arg) {
    int at = find(nrt_exchange_path_value(exchange, "name"));
    (void)arg;
    if (at == NOTES_MAX) {
        nrt_exchange_problem(exchange, 404, "there is no such note; PUT makes one");
        return;
    }
    if (nrt_exchange_json(exchange, 200, nrt_str_from("{\"text\":")) < 0 ||
        nrt_exchange_write_json_string(exchange, nrt_str_from(notes[at].text)) < 0 ||
        nrt_exchange_printf(exchange, "}\n") < 0) {
        nrt_exchange_problem(exchange, 500, "the note is not UTF-8");
    }
}

static void on_put(nrt_exchange *exchange, void *arg) {
    nrt_str name = nrt_exchange_path_value(exchange, "name");
    nrt_str text = nrt_request_body(nrt_exchange_request(exchange));
    int at = find(name);
    int status = at < NOTES_MAX ? 204 : 201;
    (void)arg;
    if (name.len >= sizeof(notes[0].name) || text.len >= sizeof(notes[0].text)) {
        nrt_exchange_problem(exchange, 413, "a name has up to 63 bytes, a note up to 255");
        return;
    }
    at = at < NOTES_MAX ? at : find(nrt_str_from(""));
    if (at == NOTES_MAX) {
        nrt_exchange_problem(exchange, 507, "all notes are taken; DELETE some");
        return;
    }
    snprintf(notes[at].name, sizeof(notes[at].name), "%.*s", (int)name.len, name.ptr);
    snprintf(notes[at].text, sizeof(notes[at].text), "%.*s", (int)text.len, text.ptr);
    nrt_exchange_set_status(exchange, status);
}

/* After each answer, whoever made it. */
static void on_answered(nrt_exchange *exchange, void *arg) {
    (void)arg;
    fprintf(stderr, "%d \"%s\"\n", nrt_exchange_status(exchange), nrt_exchange_pattern(exchange));
}

static void on_drained(nrt_conn *conn, void *done) {
    *(bool *)done = conn != NULL;
}

int main(void) {
    bool done = false;
    sigset_t leave;
    sigemptyset(&leave);
    sigaddset(&leave, SIGTERM);
    sigprocmask(SIG_BLOCK, &leave, NULL);
    nrt_options options;
    nrt_options_init(&options);
    options.environment = true; /* NATS_URL and the like */
    nrt_conn *conn = nrt_conn_open(&options, NULL);
    nrt_mux *mux = nrt_mux_create();
    if (!conn || nrt_mux_add(mux, "GET /notes/{name}", on_get, NULL) < 0 ||
        nrt_mux_add(mux, "PUT /notes/{name}", on_put, NULL) < 0 ||
        nrt_mux_use(mux, NULL, on_answered, NULL) < 0 ||
        nrt_serve(conn, "notes.nats", nrt_mux_handle, mux, NULL, NULL) < 0) {
        return 1;
    }
    struct pollfd ready[] = {{nrt_conn_fd(conn), POLLIN, 0}, {signalfd(-1, &leave, 0), POLLIN, 0}};
    while (!done && poll(ready, 2, -1) > 0) {
        if (ready[1].revents) { /* SIGTERM: what has begun is finished */
            nrt_conn_drain(conn, on_drained, &done);
            close(ready[1].fd);
            ready[1].fd = -1;
        }
        nrt_conn_dispatch(conn, 0);
    }
    nrt_conn_destroy(conn);
    nrt_mux_destroy(mux);
    return 0;
}
