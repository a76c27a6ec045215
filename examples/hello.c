#include <nrt/nrt.h>

static void hello(nrt_exchange *exchange, void *arg) {
    (void)arg;
    nrt_str name = nrt_exchange_path_value(exchange, "name");
    nrt_exchange_printf(exchange, "hello %.*s\n", (int)name.len, name.ptr);
}

int main(void) {
    nrt_options options;
    nrt_options_init(&options);
    options.environment = true; /* NATS_URL and the like */
    nrt_conn *conn = nrt_conn_open(&options, NULL);
    nrt_mux *mux = nrt_mux_create();
    if (!conn || nrt_mux_add(mux, "GET /hello/{name}", hello, NULL) < 0 ||
        nrt_serve(conn, "hello.nats", nrt_mux_handle, mux, NULL, NULL) < 0) {
        return 1;
    }
    return nrt_run(conn) < 0;
}
