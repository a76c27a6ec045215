/* A program that was compiled with older headers: its structs end earlier, and what stands behind
 * them in memory is none of the library's business. One with a `size` that cannot be is refused.
 * Everything goes over one connection, to a service on it.
 *
 *     older SERVER */
#include "check.h"

#include <stddef.h>

static nrt_conn *conn;
static int data_seen;
static int closed_seen;
static int ended;

static _Noreturn void trap(void) {
    fprintf(stderr, "older: what stands behind the struct was called\n");
    exit(3);
}

/* What was never filled in, or is another struct. */
static const size_t absurd[] = {0, 1, sizeof(size_t), 4097, SIZE_MAX};
#define EACH_ABSURD(size) for (size_t i_ = 0; i_ < 5 && ((size) = absurd[i_], true); i_++)

/* ---- the service ---- */

static void on_data(nrt_exchange *exchange, nrt_str bytes, void *arg) {
    (void)arg;
    data_seen += (int)bytes.len;
    nrt_exchange_write(exchange, bytes);
}

static void on_end(nrt_exchange *exchange, const nrt_fields *trailers, void *arg) {
    (void)arg;
    ended += nrt_str_is(nrt_fields_get(trailers, "Checksum"), "none");
    nrt_exchange_end(exchange);
}

static void handle(nrt_exchange *exchange, void *arg) {
    (void)arg;
    if (nrt_exchange_is_whole(exchange)) {
        nrt_exchange_write(exchange, nrt_str_from("whole"));
        return;
    }
    nrt_exchange_events events = {.data = on_data, .end = on_end};
    events.writable = (void (*)(nrt_exchange *, void *))trap;
    events.canceled = (void (*)(nrt_exchange *, void *))trap;
    EACH_ABSURD(events.size) {
        CHECK_INT(nrt_exchange_set_events(exchange, &events, NULL), NRT_ERR_USAGE);
    }
    events.size = offsetof(nrt_exchange_events, writable);
    CHECK_INT(nrt_exchange_set_events(exchange, &events, NULL), 0);
    memset(&events, 0xff, sizeof(events)); /* it has been copied */
    nrt_exchange_defer(exchange);
}

/* ---- the client ---- */

static void on_head(const nrt_response *response, void *arg) {
    CHECK_INT(nrt_response_status(response), 200);
    ++*(int *)arg;
}

static void on_closed(const nrt_result *result, void *arg) {
    (void)arg;
    CHECK_INT(result->error, 0);
    closed_seen++;
}

static void on_result(const nrt_result *result, void *arg) {
    *(int *)arg = result->error ? result->error : nrt_response_status(result->response);
}

static void streams(void) {
    nrt_request *request = make_request("POST", "http://older.nats/");
    nrt_fields *trailers = nrt_fields_create();
    CHECK(trailers != NULL);
    CHECK_INT(nrt_fields_add(trailers, nrt_str_from("Checksum"), nrt_str_from("none")), 0);
    nrt_stream_options options;
    nrt_stream_options_init(&options);
    options.body_follows = true;
    options.upgrade = "nonsense"; /* behind what it knows */
    options.size = offsetof(nrt_stream_options, hold);
    nrt_stream_events events = {.closed = on_closed, .head = on_head};
    events.data = (void (*)(nrt_str, void *))trap;
    events.end = (void (*)(const nrt_fields *, void *))trap;
    events.writable = (void (*)(void *))trap;
    nrt_exchange_id id = 0;
    int heads = 0;
    EACH_ABSURD(events.size) {
        CHECK_INT(nrt_stream_open(conn, request, &options, &events, &heads, &id), NRT_ERR_USAGE);
    }
    events.size = offsetof(nrt_stream_events, data);
    events.closed = NULL;
    CHECK_INT(nrt_stream_open(conn, request, &options, &events, &heads, &id), NRT_ERR_USAGE);
    events.closed = on_closed;
    CHECK_INT(nrt_stream_open(conn, request, &options, &events, &heads, &id), 0);
    memset(&events, 0xff, sizeof(events));
    size_t sent = 0;
    while (sent == 0) { /* `writable` cannot tell */
        CHECK(nrt_conn_dispatch(conn, 100) >= 0);
        CHECK_INT(nrt_stream_write(conn, id, nrt_str_from("five!"), &sent), 0);
    }
    CHECK_INT((int)sent, 5);
    CHECK_INT(nrt_stream_end(conn, id, trailers), 0);
    nrt_fields_destroy(trailers);
    while (closed_seen == 0) {
        CHECK(nrt_conn_dispatch(conn, -1) >= 0);
    }
    CHECK_INT(heads, 1);
    CHECK_INT(data_seen, 5);
    CHECK_INT(ended, 1);
    EACH_ABSURD(options.size) {
        CHECK_INT(nrt_stream_do(conn, request, &options, &(nrt_stream_bodies){.size = 16}, NULL),
                  NRT_ERR_USAGE);
        CHECK(strstr(nrt_conn_error(conn), "nrt_stream_options_init"));
    }
    nrt_request_destroy(request);
}

static int read_none(void *to, size_t size, size_t *got, void *arg) {
    (void)to, (void)size, (void)arg;
    *got = 0;
    return 0;
}

static int see_head(const nrt_response *response, void *arg) {
    on_head(response, arg);
    return 0;
}

static void bodies(void) {
    nrt_request *request = make_request("GET", "http://older.nats/");
    nrt_stream_bodies these = {.read = read_none, .head = see_head};
    these.write = (int (*)(nrt_str, void *))trap;
    int heads = 0;
    EACH_ABSURD(these.size) {
        CHECK_INT(nrt_stream_do(conn, request, NULL, &these, &heads), NRT_ERR_USAGE);
    }
    these.size = offsetof(nrt_stream_bodies, write);
    CHECK_INT(nrt_stream_do(conn, request, NULL, &these, &heads), 0);
    CHECK_INT(heads, 1);
    nrt_request_destroy(request);
}

static void whole(void) {
    nrt_response *response = NULL;
    nrt_send_options options;
    nrt_send_options_init(&options);
    EACH_ABSURD(options.size) {
        CHECK_INT(nrt_get(conn, "http://older.nats/", &options, &response), NRT_ERR_USAGE);
        CHECK(strstr(nrt_conn_error(conn), "nrt_send_options_init"));
    }
    options.size = offsetof(nrt_send_options, long_poll);
    memset((char *)&options + options.size, 0xff, sizeof(options) - options.size);
    CHECK_INT(nrt_get(conn, "http://older.nats/", &options, &response), 0);
    CHECK(nrt_str_is(nrt_response_body(response), "whole"));
    nrt_response_destroy(response);
    CHECK_INT(nrt_get(conn, "http://older.example/", NULL, &response), NRT_ERR_HOST);
    CHECK(response == NULL && *nrt_conn_error(conn));
    CHECK_INT(nrt_get(NULL, "http://older.nats/", NULL, &response), NRT_ERR_USAGE);
    CHECK(*nrt_conn_error(NULL));
    int result = 0;
    nrt_request *request = make_request("GET", "http://older.nats/");
    CHECK_INT(nrt_send(conn, request, &options, on_result, &result, NULL), 0);
    while (result == 0) {
        CHECK(nrt_conn_dispatch(conn, -1) >= 0);
    }
    CHECK_INT(result, 200);
    nrt_request_destroy(request);
}

/* What the library fills in: no more than the caller has room for. */
static void facts(void) {
    nrt_client_stats stats;
    nrt_conn_info info;
    memset(&stats, 0x5a, sizeof(stats));
    memset(&info, 0x5a, sizeof(info));
    EACH_ABSURD(stats.size) {
        CHECK_INT(nrt_client_stats_get(conn, &stats), NRT_ERR_USAGE);
    }
    EACH_ABSURD(info.size) {
        CHECK_INT(nrt_conn_info_get(conn, &info), NRT_ERR_USAGE);
    }
    stats.size = offsetof(nrt_client_stats, failures);
    info.size = offsetof(nrt_conn_info, cluster);
    CHECK_INT(nrt_client_stats_get(conn, &stats), 0);
    CHECK_INT(nrt_conn_info_get(conn, &info), 0);
    CHECK(stats.requests > 0 && stats.failures == UINT64_C(0x5a5a5a5a5a5a5a5a));
    CHECK(*info.server && info.client_id == UINT64_C(0x5a5a5a5a5a5a5a5a));
    struct { /* of a newer program */
        nrt_client_stats stats;
        uint64_t more;
    } newer = {.stats.size = sizeof(newer), .more = 1};
    CHECK_INT(nrt_client_stats_get(conn, &newer.stats), 0);
    CHECK(newer.stats.requests > 0 && newer.more == 0);
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 2);
    conn = open_conn(argv[1]);
    nrt_service_options service;
    nrt_service_options_init(&service);
    EACH_ABSURD(service.size) {
        CHECK_INT(nrt_serve(conn, "older.nats", &service, handle, NULL, NULL), NRT_ERR_USAGE);
    }
    nrt_service_options_init(&service);
    service.streaming = true;
    service.version = (const char *)trap; /* behind what it knows */
    service.size = offsetof(nrt_service_options, version);
    CHECK_INT(nrt_serve(conn, "older.nats", &service, handle, NULL, NULL), 0);
    nrt_discover_options discover;
    nrt_discover_options_init(&discover);
    nrt_discovery *found = NULL;
    EACH_ABSURD(discover.size) {
        CHECK_INT(nrt_discover(conn, &discover, &found), NRT_ERR_USAGE);
    }
    nrt_admin_options admin = {.size = 0};
    CHECK_INT(nrt_admin_open(conn, "0", &admin, NULL), NRT_ERR_USAGE);
    CHECK(strstr(nrt_conn_error(conn), "nrt_admin_options_init"));
    whole();
    streams();
    bodies();
    facts();
    nrt_conn_destroy(conn);
    return 0;
}
