/* What a process has counted, as Prometheus reads it. All labels come from a bounded set: services
 * that are configured or have answered, methods and error codes of fixed lists. */
#include "bridge/admin_private.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/discovery/metrics.h"
#include "lib/link.h"

/* ---- the process ---- */

/* Memory in use; 0 where the system does not tell. */
static uint64_t resident_bytes(void) {
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text));
    if (fd >= 0) {
        close(fd);
    }
    const char *space = len > 0 ? memchr(text, ' ', (size_t)len) : NULL; /* the second number */
    uint64_t pages = 0;
    for (const char *c = space ? space + 1 : NULL; c && c < text + len && *c >= '0' && *c <= '9';
         c++) {
        pages = pages * 10 + (uint64_t)(*c - '0');
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Descriptors that are open; 0 where the system does not tell. */
static uint64_t open_descriptors(void) {
    DIR *list = opendir("/proc/self/fd");
    uint64_t count = 0;
    if (!list) {
        return 0;
    }
    /* cppcheck-suppress readdirCalled ; a folder of our own, and glibc's is safe then */
    for (const struct dirent *entry; (entry = readdir(list));) {
        count += entry->d_name[0] != '.';
    }
    closedir(list);
    return count > 0 ? count - 1 : 0; /* without the one for looking */
}

/* When the process started, in hundredths of a second since 1970; 0 where the system does not tell.
 * It says so in ticks since the machine started. */
static uint64_t started_at(void) {
    char text[1024];
    unsigned long long ticks = 0;
    unsigned long long booted = 0;
    const long rate = sysconf(_SC_CLK_TCK);
    FILE *stat = fopen("/proc/self/stat", "re");
    FILE *machine = fopen("/proc/stat", "re");
    if (stat && fgets(text, sizeof(text), stat)) {
        const char *at = strrchr(text, ')'); /* the name may hold anything */
        /* The twentieth number behind it. */
        for (int i = 0; at && i < 20; i++) {
            at = strchr(at + 1, ' ');
        }
        ticks = at ? strtoull(at, NULL, 10) : 0;
    }
    while (machine && fgets(text, sizeof(text), machine)) {
        if (strncmp(text, "btime ", 6) == 0) {
            booted = strtoull(text + 6, NULL, 10);
            break;
        }
    }
    if (stat) {
        fclose(stat);
    }
    if (machine) {
        fclose(machine);
    }
    return ticks > 0 && booted > 0 && rate > 0 ? booted * 100 + ticks * 100 / (unsigned long)rate
                                               : 0;
}

static void write_process(nrt__metrics *m) {
    struct rusage usage;
    const nrt__label version = {"version", NRT__STR(NRT_VERSION_STRING)};
    nrt__metrics_begin(m, "nrt_build_info", NRT__METRIC_GAUGE, "The version of nrt, always 1.");
    nrt__metrics_count(m, &version, 1, 1);
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        uint64_t us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                      (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
        nrt__metrics_begin(m, "process_cpu_seconds", NRT__METRIC_COUNTER,
                           "User and system time of the process in seconds.");
        nrt__metrics_fixed(m, NULL, 0, us, 6);
    }
    nrt__metrics_one(m, "process_resident_memory_bytes", NRT__METRIC_GAUGE,
                     "Memory of the process that is in use, in bytes.", resident_bytes());
    uint64_t started = started_at();
    if (started > 0) {
        nrt__metrics_begin(m, "process_start_time_seconds", NRT__METRIC_GAUGE,
                           "When the process started, in seconds since 1970.");
        nrt__metrics_fixed(m, NULL, 0, started, 2);
    }
    nrt__metrics_one(m, "process_open_fds", NRT__METRIC_GAUGE, "File descriptors that are open.",
                     open_descriptors());
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        nrt__metrics_one(m, "process_max_fds", NRT__METRIC_GAUGE,
                         "The most file descriptors that the process may have open.",
                         limit.rlim_cur);
    }
}

/* ---- the connection to NATS ---- */

static void write_connection(nrt__metrics *m, nrt_conn *conn) {
    nrt_conn_info info = {.size = sizeof(info)};
    nrt__metrics_one(m, "nrt_nats_connected", NRT__METRIC_GAUGE,
                     "Whether there is a connection to a NATS server.",
                     conn->link->state == NRT__LINK_UP);
    if (nrt_conn_info_get(conn, &info) == 0 && info.connected) {
        const nrt__label labels[] = {{"server", nrt_str_from(info.server)},
                                     {"cluster", nrt_str_from(info.cluster)},
                                     {"server_version", nrt_str_from(info.version)}};
        nrt__metrics_begin(m, "nrt_nats_server_info", NRT__METRIC_GAUGE,
                           "The NATS server that it is connected to, always 1.");
        nrt__metrics_count(m, labels, 3, 1);
    }
    nrt__metrics_one(m, "nrt_nats_reconnects", NRT__METRIC_COUNTER,
                     "Connections to NATS servers after the first one.",
                     conn->connects > 0 ? conn->connects - 1 : 0);
    nrt__metrics_one(m, "nrt_nats_received_bytes", NRT__METRIC_COUNTER,
                     "Bytes that came from NATS servers.", conn->received_bytes);
    nrt__metrics_one(m, "nrt_nats_sent_bytes", NRT__METRIC_COUNTER,
                     "Bytes that went to NATS servers.", conn->sent_bytes);
    nrt__metrics_one(m, "nrt_nats_unsent_bytes", NRT__METRIC_GAUGE,
                     "Bytes that wait for the NATS server to take them.",
                     nrt__session_output(nrt__conn_session(conn)).len);
}

/* ---- as a client ---- */

static void write_client(nrt__metrics *m, const nrt__client *client) {
    const nrt_client_stats *stats = nrt__client_stats(client);
    const uint64_t *failures = nrt__client_failures(client);
    nrt__metrics_one(m, "nrt_client_requests", NRT__METRIC_COUNTER,
                     "Requests that were to be sent to services.", stats->requests);
    nrt__metrics_one(m, "nrt_client_attempts", NRT__METRIC_COUNTER,
                     "Messages that were published for them.", stats->attempts);
    nrt__metrics_begin(m, "nrt_client_failures", NRT__METRIC_COUNTER,
                       "Requests without a response of a service, by what was in the way: "
                       "no-service where nobody listened.");
    for (int i = 0; i < NRT__CLIENT_ERRORS; i++) {
        const nrt__label error = {"error", nrt_str_from(nrt_error_code(-i))};
        if (failures[i] > 0 || -i == NRT_ERR_NO_SERVICE) {
            nrt__metrics_count(m, &error, 1, failures[i]);
        }
    }
    const struct {
        const char *reason;
        uint64_t count;
    } retries[] = {{"refused", stats->retries_refused},
                   {"no-service", stats->retries_no_service},
                   {"idempotent", stats->retries_idempotent}};
    nrt__metrics_begin(m, "nrt_client_retries", NRT__METRIC_COUNTER,
                       "Further attempts, by what came before.");
    for (size_t i = 0; i < sizeof(retries) / sizeof(retries[0]); i++) {
        const nrt__label reason = {"reason", nrt_str_from(retries[i].reason)};
        nrt__metrics_count(m, &reason, 1, retries[i].count);
    }
    nrt__metrics_one(m, "nrt_client_retries_denied", NRT__METRIC_COUNTER,
                     "Further attempts that the budget for retries did not allow.",
                     stats->retries_denied);
    nrt__metrics_one(m, "nrt_client_orphans", NRT__METRIC_COUNTER,
                     "Replies that came too late, or were forged.", stats->orphans);
    nrt__metrics_one(m, "nrt_client_requests_in_flight", NRT__METRIC_GAUGE,
                     "Requests whose response is not complete.", nrt__client_in_flight(client));
    nrt__metrics_one(m, "nrt_client_streams", NRT__METRIC_GAUGE,
                     "Of them, those whose bodies come or go in pieces.",
                     nrt__client_streams(client));
}

/* ---- requests by service ---- */

/* Where tallies come from: services of ours, or a gateway's requests. */
typedef struct source {
    const char *names[4]; /* of the families */
    const nrt_service *service;
    const nrt__tallies *tallies;
} source;

/* The one at `*at`, and on to the next; false at the end. */
static bool next_tally(const source *from, const nrt_service **service, size_t *index,
                       const nrt__tally **tally, nrt_str *host) {
    if (from->tallies) {
        *tally = nrt__tallies_at(from->tallies, (*index)++, host);
        return *tally != NULL;
    }
    const nrt_service *one = *service;
    if (!one) {
        return false;
    }
    *tally = &one->tally;
    *host = one->host;
    *service = one->next;
    return true;
}

static void write_requests(nrt__metrics *m, const nrt__tally *tally, nrt_str host) {
    for (size_t i = 0; i < NRT__TALLY_METHODS; i++) {
        for (size_t j = 0; j < NRT__TALLY_CODES; j++) {
            const nrt__label labels[] = {{"service", host},
                                         {"method", nrt_str_from(nrt__tally_method(i))},
                                         {"code", nrt_str_from(nrt__tally_code(j))}};
            if (tally->requests[i][j] > 0) {
                nrt__metrics_count(m, labels, 3, tally->requests[i][j]);
            }
        }
    }
}

/* Family by family: the samples of each stand together. */
static void write_tallies(nrt__metrics *m, const source *from) {
    static const char *const helps[4] = {
        "Requests by service, method and kind of status; canceled: the client left first.",
        "From the arrival of a request to the end of its response, in seconds.",
        "Bytes of request bodies.", "Bytes of response bodies."};
    for (size_t family = 0; family < 4; family++) {
        const nrt_service *service = from->service;
        const nrt__tally *tally;
        size_t index = 0;
        nrt_str host;
        nrt__metrics_begin(m, from->names[family],
                           family == 0 ? NRT__METRIC_COUNTER : NRT__METRIC_HISTOGRAM,
                           helps[family]);
        while (next_tally(from, &service, &index, &tally, &host)) {
            const nrt__label label = {"service", host};
            if (family == 0) {
                write_requests(m, tally, host);
            } else if (family == 1) {
                nrt__metrics_ladder(m, &label, 1, &tally->times, &nrt__ladder_times, 9);
            } else {
                nrt__metrics_ladder(m, &label, 1,
                                    family == 2 ? &tally->request_sizes : &tally->response_sizes,
                                    &nrt__ladder_sizes, 0);
            }
        }
    }
}

/* ---- as a service ---- */

static void write_services(nrt__metrics *m, nrt__services *services) {
    const nrt_service *first = nrt__services_first(services);
    const source from = {{"nrt_service_requests", "nrt_service_request_duration_seconds",
                          "nrt_service_request_size_bytes", "nrt_service_response_size_bytes"},
                         first,
                         NULL};
    if (!first) {
        return;
    }
    write_tallies(m, &from);
    nrt__metrics_begin(m, "nrt_service_errors", NRT__METRIC_COUNTER,
                       "Requests that ended with a status of 5xx, refusals left aside, or whose "
                       "response was lost.");
    for (const nrt_service *one = first; one; one = one->next) {
        nrt__metrics_count(m, &(nrt__label){"service", one->host}, 1, one->stats.errors);
    }
    nrt__metrics_begin(m, "nrt_service_refused", NRT__METRIC_COUNTER,
                       "Requests that were refused at the limit of those in flight.");
    for (const nrt_service *one = first; one; one = one->next) {
        nrt__metrics_count(m, &(nrt__label){"service", one->host}, 1, one->stats.refused);
    }
    nrt__metrics_begin(m, "nrt_service_requests_in_flight", NRT__METRIC_GAUGE,
                       "Requests that are being handled, or wait for it.");
    for (const nrt_service *one = first; one; one = one->next) {
        nrt__metrics_count(m, &(nrt__label){"service", one->host}, 1, one->in_flight);
    }
    nrt__metrics_begin(m, "nrt_service_up", NRT__METRIC_GAUGE,
                       "Whether the service is in its queue group: not while it is paused, or "
                       "its health check fails.");
    for (const nrt_service *one = first; one; one = one->next) {
        nrt__metrics_count(m, &(nrt__label){"service", one->host}, 1,
                           one->sub && one->confirmed && !one->leaving);
    }
    nrt__metrics_one(m, "nrt_service_streams", NRT__METRIC_GAUGE,
                     "Requests in flight whose bodies come or go in pieces.",
                     nrt__services_streams(services));
}

/* ---- as a gateway ---- */

static void write_gateway(nrt__metrics *m, const nrt__admin_gateway *gateway) {
    const source from = {{"nrt_gateway_requests", "nrt_gateway_request_duration_seconds",
                          "nrt_gateway_request_size_bytes", "nrt_gateway_response_size_bytes"},
                         NULL,
                         gateway->tallies};
    if (!gateway->tallies) {
        return;
    }
    write_tallies(m, &from);
    nrt__metrics_one(m, "nrt_gateway_connections", NRT__METRIC_GAUGE,
                     "Connections of HTTP clients.", *gateway->connections);
}

/* ---- spans ---- */

static void write_spans(nrt__metrics *m, const nrt__otlp_counts *counts) {
    if (!counts) {
        return;
    }
    nrt__metrics_one(m, "nrt_trace_spans_exported", NRT__METRIC_COUNTER,
                     "Spans that the collector has taken.", counts->exported);
    nrt__metrics_begin(m, "nrt_trace_spans_dropped", NRT__METRIC_COUNTER,
                       "Spans that did not reach it: there was no room for more, it could not be "
                       "reached, or it did not want them.");
    for (int i = 0; i < NRT__OTLP_LOSSES; i++) {
        const nrt__label reason = {"reason", nrt_str_from(nrt__otlp_loss_name(i))};
        nrt__metrics_count(m, &reason, 1, counts->dropped[i]);
    }
}

bool nrt__admin_metrics(nrt__admin *admin, bool open) {
    nrt__admin_text *kept = &admin->metrics[open];
    const nrt__env *env = &nrt__conn_loop(admin->conn)->env;
    int64_t began = nrt__env_ns(env);
    if (kept->made_ns > 0 && began - kept->made_ns < NRT__ADMIN_SHARE * kept->cost_ns) {
        return !kept->text.failed;
    }
    nrt__metrics m = {.out = &kept->text, .open = open};
    nrt__buf_clear(&kept->text);
    write_process(&m);
    write_connection(&m, admin->conn);
    write_client(&m, admin->conn->client);
    write_services(&m, admin->conn->services);
    write_gateway(&m, &admin->gateway);
    write_spans(&m, admin->spans);
    nrt__metrics_end(&m);
    kept->made_ns = nrt__env_ns(env);
    kept->cost_ns = kept->made_ns - began;
    return !kept->text.failed;
}
