/* One service, and the word that it is there. */
#include "serving.h"

#include <stdio.h>

#include "load.h"

static void ready(nrt_service *service, int error, const char *detail, void *arg) {
    (void)service;
    (void)arg;
    if (error < 0) {
        load_die("service", detail);
    }
    printf("ready\n");
    fflush(stdout);
}

int serving_run(nrt_conn *conn, const char *host, nrt_handler_fn handler, unsigned max_in_flight) {
    nrt_service_options service;
    nrt_service_options_init(&service);
    service.on_ready = ready;
    service.max_in_flight = max_in_flight;
    if (nrt_serve(conn, host, &service, handler, NULL, NULL) < 0) {
        load_die(host, "cannot be served");
    }
    return nrt_conn_run(conn) < 0;
}
