/* Lists services with the library: one line each of name, host, id, cluster/server, requests and
 * median latency in microseconds.
 *
 *     who SERVER [NAME] */
#include "check.h"

#include <nrt/discovery.h>

int main(int argc, char **argv) {
    CHECK(argc == 2 || argc == 3);
    nrt_conn *conn = open_conn(argv[1]);
    nrt_discover_options options;
    nrt_discover_options_init(&options);
    options.kind = NRT_DISCOVER_STATS;
    options.name = argc == 3 ? argv[2] : NULL;
    options.timeout_ms = 10000;
    nrt_discovery *found = NULL;
    int error = nrt_discover(conn, &options, &found);
    if (error < 0) {
        printf("%s: %s\n", nrt_error_code(error), nrt_conn_error(conn));
    }
    for (size_t i = 0; found && i < nrt_discovery_count(found); i++) {
        const nrt_instance *one = nrt_discovery_at(found, i);
        unsigned long long requests = 0;
        for (size_t j = 0; j < one->endpoint_count; j++) {
            requests += one->endpoints[j]->requests;
        }
        printf("%s %s %s %s/%s %llu %.0f\n", one->name, one->host, one->id, one->cluster,
               one->server, requests, nrt_instances_latency(&one, 1, 0.5) / 1000);
    }
    options.name = "not.a.name";
    nrt_discovery *none = found;
    CHECK_INT(nrt_discover(conn, &options, &none), NRT_ERR_USAGE);
    CHECK(!none);
    CHECK(*nrt_conn_error(conn));
    nrt_discovery_destroy(found);
    nrt_conn_destroy(conn);
    return 0;
}
