#include <nrt/nrt.h>
#include <stdio.h>

static void hello(nrt_exchange *exchange, void *arg) {
    (void)arg;
    nrt_str name = nrt_exchange_path_value(exchange, "name");
    nrt_exchange_printf(exchange, "hello %.*s\n", (int)name.len, name.ptr);
}

int main(void) {
    nrt_conn *conn = nrt_conn_open(NULL, NULL); /* where NATS_URL and the like say */
    nrt_mux *mux = nrt_mux_create();
    nrt_mux_add(mux, "GET /hello/{name}", hello, NULL);
    int error = nrt_serve(conn, "hello.nats", NULL, nrt_mux_handle, mux, NULL);
    if (error == 0) {
        error = nrt_conn_run_until_signal(conn); /* SIGTERM: what has begun is finished */
    }
    if (error < 0) {
        fprintf(stderr, "hello: %s\n", nrt_conn_error(conn));
    }
    nrt_conn_destroy(conn);
    nrt_mux_destroy(mux);
    return error < 0;
}
