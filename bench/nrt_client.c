/* The client of row (d): requests to our service over one connection, with callbacks. Runs what its
 * standard input says, see load.h. `nrt_client SERVERS PATH FIELDS BODY` */
#include <nrt/nrt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "load.h"

enum { SERVICES_MAX = 1000 };

typedef struct client {
    nrt_conn *conn;
    nrt_request *requests[SERVICES_MAX];
    unsigned next;
    nrt_str body; /* that has to come */
    const char *path;
    char *fields;
    load l;
} client;

static client the_client; /* what callbacks need, by the address of a slot */

static void answered(const nrt_result *result, void *arg) {
    client *c = &the_client;
    bool right = result->error == 0 && nrt_response_status(result->response) == 200;
    if (right) {
        nrt_str body = nrt_response_body(result->response);
        right = body.len == c->body.len && memcmp(body.ptr, c->body.ptr, body.len) == 0;
    } else if (c->l.failed == 0) {
        fprintf(stderr, "bench: nrt_client: %s: %s\n", nrt_error_text(result->error),
                result->detail);
    }
    load_answered(&c->l, (unsigned)((int64_t *)arg - c->l.sent_at), right);
}

static bool send_one(load *l, unsigned slot, void *arg) {
    client *c = arg;
    unsigned number = l->services > 1 ? c->next++ % l->services : 0;
    return nrt_send(c->conn, c->requests[number], NULL, answered, &l->sent_at[slot], NULL) == 0;
}

static nrt_request *make_request(const client *c, unsigned number) {
    char url[256], line[1024];
    snprintf(url, sizeof(url), "http://bench-%u.nats%s", number, c->path);
    nrt_request *request = nrt_request_create("GET", url, NULL);
    for (const char *at = c->fields; request && *at;) {
        size_t len = strcspn(at, "\r\n");
        snprintf(line, sizeof(line), "%.*s", (int)len, at);
        char *colon = strchr(line, ':');
        if (colon) {
            nrt_fields_add(nrt_request_edit(request), (nrt_str){line, (size_t)(colon - line)},
                           nrt_str_from(colon + 2));
        }
        at += len;
        at += strspn(at, "\r\n");
    }
    return request;
}

static bool run(client *c, const char *line) {
    unsigned milliseconds = 0;
    if (!load_command(&c->l, line, &milliseconds) || c->l.services > SERVICES_MAX) {
        return false;
    }
    for (unsigned i = 0; i < c->l.services; i++) {
        if (!c->requests[i] && !(c->requests[i] = make_request(c, i))) {
            load_die(c->path, "no request can be made for it");
        }
    }
    load_begin(&c->l, milliseconds);
    while (c->l.active > 0) {
        if (nrt_conn_dispatch(c->conn, -1) < 0) {
            load_die("dispatch", nrt_conn_error(c->conn));
        }
    }
    load_report(&c->l);
    return true;
}

int main(int argc, char **argv) {
    client *c = &the_client;
    size_t len = 0;
    char line[128];
    if (argc != 5) {
        load_die("usage", "nrt_client SERVERS PATH FIELDS BODY");
    }
    c->path = argv[2];
    c->fields = load_file(argv[3], &len);
    c->body.ptr = load_file(argv[4], &c->body.len);
    c->l.send = send_one;
    c->l.arg = c;

    nrt_options options;
    nrt_options_init(&options);
    options.servers = argv[1];
    c->conn = nrt_conn_open(&options, NULL);
    if (!c->conn || nrt_conn_wait(c->conn, 10000) < 0) {
        load_die(argv[1], c->conn ? nrt_conn_error(c->conn) : "cannot be opened");
    }
    printf("ready\n");
    fflush(stdout);
    struct pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {nrt_conn_fd(c->conn), POLLIN, 0}};
    for (;;) {
        poll(fds, 2, -1);
        if (fds[1].revents && nrt_conn_dispatch(c->conn, 0) < 0) {
            load_die("dispatch", nrt_conn_error(c->conn));
        }
        if (fds[0].revents) {
            ssize_t got = read(STDIN_FILENO, line, sizeof(line) - 1); /* one command at a time */
            if (got <= 0) {
                break;
            }
            line[got] = '\0';
            if (!run(c, line)) {
                load_die(line, "is no command");
            }
        }
    }
    for (unsigned i = 0; i < SERVICES_MAX; i++) {
        nrt_request_destroy(c->requests[i]);
    }
    nrt_conn_destroy(c->conn);
    free(c->fields);
    return 0;
}
