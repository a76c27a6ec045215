/* The service of row (d) and of all rows that end at ours: checks each request, answers with the
 * bytes of a file. `nrt_service SERVERS PATH FIELDS BODY [SERVICES]` */
#include <nrt/nrt.h>
#include <stdio.h>
#include <stdlib.h>

#include "load.h"

typedef struct answer {
    nrt_str path; /* that is asked for */
    nrt_str body;
    nrt_str names[16];
    nrt_str values[16];
    size_t count;   /* of fields */
    unsigned waits; /* services that are not ready yet */
} answer;

static bool equal(nrt_str a, nrt_str b) {
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

static void handle(nrt_exchange *exchange, void *arg) {
    const answer *a = arg;
    const nrt_request *request = nrt_exchange_request(exchange);
    if (!equal(nrt_request_method(request), nrt_str_from("GET")) ||
        !equal(nrt_request_target(request), a->path)) {
        nrt_exchange_problem(exchange, 404, NULL);
        return;
    }
    nrt_fields *fields = nrt_exchange_fields(exchange);
    for (size_t i = 0; i < a->count; i++) {
        nrt_fields_add(fields, a->names[i], a->values[i]);
    }
    nrt_exchange_write(exchange, a->body);
}

/* `Name: value` lines. */
static void take_fields(answer *a, char *text) {
    for (char *line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n")) {
        char *colon = strchr(line, ':');
        if (!colon || a->count == 16) {
            load_die(line, "is no field, or one too many");
        }
        *colon = '\0';
        a->names[a->count] = nrt_str_from(line);
        a->values[a->count++] = nrt_str_from(colon + 2);
    }
}

static void ready(nrt_service *service, int error, const char *detail, void *arg) {
    answer *a = arg;
    (void)service;
    if (error < 0) {
        load_die("service", detail);
    }
    if (--a->waits == 0) {
        printf("ready\n");
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    answer a = {0};
    size_t len = 0;
    if (argc < 5) {
        load_die("usage", "nrt_service SERVERS PATH FIELDS BODY [SERVICES]");
    }
    a.path = nrt_str_from(argv[2]);
    take_fields(&a, load_file(argv[3], &len));
    a.body.ptr = load_file(argv[4], &a.body.len);
    a.waits = argc > 5 ? (unsigned)strtoul(argv[5], NULL, 10) : 1;

    nrt_options options;
    nrt_options_init(&options);
    options.servers = argv[1];
    nrt_conn *conn = nrt_conn_open(&options, NULL);
    nrt_service_options service;
    nrt_service_options_init(&service);
    service.on_ready = ready;
    service.on_ready_arg = &a;
    for (unsigned i = 0, count = a.waits; i < count; i++) {
        char host[32];
        snprintf(host, sizeof(host), "bench-%u.nats", i);
        if (!conn || nrt_serve(conn, host, &service, handle, &a, NULL) < 0) {
            load_die(host, "cannot be served");
        }
    }
    return nrt_conn_run(conn) < 0;
}
