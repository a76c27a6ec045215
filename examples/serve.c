/* A service on NATS: notes that live as long as the program, as http://notes.nats/notes/NAME. */
#include <nrt/nrt.h>
#include <stdio.h>

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

int main(void) {
    nrt_conn *conn = nrt_conn_open(NULL, NULL); /* where NATS_URL and the like say */
    nrt_mux *mux = nrt_mux_create();
    nrt_mux_add(mux, "GET /notes/{name}", on_get, NULL);
    nrt_mux_add(mux, "PUT /notes/{name}", on_put, NULL);
    nrt_mux_use(mux, NULL, on_answered, NULL);
    int error = nrt_serve(conn, "notes.nats", NULL, nrt_mux_handle, mux, NULL);
    if (error == 0) {
        error = nrt_conn_run_until_signal(conn); /* SIGTERM: what has begun is finished */
    }
    if (error < 0) {
        fprintf(stderr, "serve: %s\n", nrt_conn_error(conn));
    }
    nrt_conn_destroy(conn);
    nrt_mux_destroy(mux);
    return error < 0;
}
