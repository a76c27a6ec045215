/* The connection of `nrt doctor`: the settings, the way to the servers, what the server says of
 * itself. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/doctor/doctor.h"
#include "core/base/duration.h"

enum {
    ALL_SERVERS_MS = 30000, /* for --all-servers and for the first connection, together */
    PINGS = 5,
    FAR_MS = 250,
    SMALL_PAYLOAD = 64 * 1024,
    LARGE_PAYLOAD = 8 * 1024 * 1024, /* what the library takes in, and NATS advises */
};

static void on_event(nrt_conn *conn, nrt_conn_event event, int error, const char *detail,
                     void *arg) {
    nrt__dialing *dialing = arg;
    switch (event) {
    case NRT_CONN_CONNECTED:
        dialing->up = true;
        break;
    case NRT_CONN_DISCONNECTED:
        dialing->lost = true;
        (void)snprintf(dialing->lost_why, sizeof(dialing->lost_why), "%s",
                       *detail ? detail : nrt_error_text(error));
        break;
    case NRT_CONN_FAILED:
        if (dialing->up) {
            break;
        }
        if (dialing->count < NRT__DOCTOR_FAILURES) {
            nrt__doctor_failure *failure = &dialing->failures[dialing->count];
            failure->error = error;
            failure->stage = conn->link->state;
            (void)snprintf(failure->detail, sizeof(failure->detail), "%s",
                           *detail ? detail : nrt_error_text(error));
        }
        dialing->count++;
        break;
    case NRT_CONN_LAME_DUCK:
    case NRT_CONN_BROKEN: /* of threads that this has none of */
        break;
    }
}

/* Each server once, at most. */
static void dial(nrt__dialing *dialing, uint64_t deadline_ms) {
    size_t servers = dialing->conn->servers.count;
    while (!dialing->up && dialing->count < servers) {
        uint64_t now = nrt__program_now_ms();
        if (now >= deadline_ms || nrt_conn_dispatch(dialing->conn, (int)(deadline_ms - now)) < 0) {
            break;
        }
    }
}

/* ---- settings ---- */

static void tell_unusable(nrt__doctor *doctor, int error, const char *detail) {
    char text[1100];
    nrt__doctor_tell(doctor, NRT__MARK_PROBLEM, "settings", "%s",
                     *detail ? nrt__common_explain(detail, text, sizeof(text))
                             : nrt_error_text(error));
    nrt__doctor_set(doctor, "error", json_string(nrt_error_code(error)));
    if (strstr(detail, "there is no context")) {
        nrt__doctor_advise(doctor, "nrt context lists those that there are; to use none, leave "
                                   "--context and NATS_CONTEXT out, or set NATS_ENV=true");
    } else if (strstr(detail, "No such file") || strstr(detail, "Permission denied")) {
        nrt__doctor_advise(doctor, "correct the path or the file's mode, or take the setting out: "
                                   "nrt context show tells where each comes from");
    } else {
        nrt__doctor_advise(doctor, "correct it, or take it out; docs/configuration.md and nrt(1) "
                                   "say what a setting may be");
    }
}

static void tell_settings(nrt__doctor *doctor) {
    const nrt__config *config = &doctor->dialing.conn->config;
    char *servers = nrt__servers_mask(config->options.servers, "********@");
    char where[NRT__WHERE_SIZE];
    char from[NRT__WHERE_SIZE + 32];
    nrt__config_where(config, NRT__SET_SERVERS, config->from[NRT__SET_SERVERS], where,
                      sizeof(where));
    bool is_default = config->from[NRT__SET_SERVERS] == NRT__FROM_DEFAULT;
    nrt__doctor_tell(
        doctor, NRT__MARK_OK, "settings", "server %s (%s)%s%s%s", servers ? servers : "",
        is_default ? "the default" : nrt__common_explain(where, from, sizeof(from)),
        config->context ? ", context " : ", no context", config->context ? config->context : "",
        config->selected ? ", the selected one" : "");
    free(servers);
}

/* ---- connecting ---- */

static bool start(nrt__doctor *doctor) {
    char detail[1024] = "";
    int error = 0;
    nrt_options options = doctor->common.options;
    options.detail = detail;
    options.detail_size = sizeof(detail);
    options.on_event = on_event;
    options.on_event_arg = &doctor->dialing;
    doctor->dialing.conn = nrt_conn_open(&options, &error);
    if (!doctor->dialing.conn) {
        tell_unusable(doctor, error, detail);
        return false;
    }
    doctor->conn = doctor->dialing.conn;
    doctor->prefix = nrt__conn_options(doctor->conn)->prefix;
    doctor->inbox = nrt__conn_options(doctor->conn)->inbox_prefix;
    tell_settings(doctor);
    return true;
}

static void tell_failures(nrt__doctor *doctor, nrt__dialing *dialing, nrt__mark mark) {
    size_t told = dialing->count < NRT__DOCTOR_FAILURES ? dialing->count : NRT__DOCTOR_FAILURES;
    for (size_t i = 0; i < told; i++) {
        nrt__doctor_failed(doctor, mark, &dialing->conn->config, &dialing->failures[i]);
    }
    if (dialing->count > told) {
        nrt__doctor_tell(doctor, mark, "connection", "%zu more servers, likewise",
                         dialing->count - told);
    }
}

bool nrt__doctor_connect(nrt__doctor *doctor) {
    nrt__dialing *dialing = &doctor->dialing;
    if (!start(doctor)) {
        return false;
    }
    dial(dialing, nrt__program_now_ms() + ALL_SERVERS_MS);
    if (!dialing->up || !doctor->all_servers) { /* else each is told of by itself */
        tell_failures(doctor, dialing, dialing->up ? NRT__MARK_WARNING : NRT__MARK_PROBLEM);
    }
    if (!dialing->up && dialing->count == 0) {
        nrt__doctor_tell(doctor, NRT__MARK_PROBLEM, "connection", "no server answered in time");
    }
    return dialing->up;
}

/* ---- the server ---- */

static bool is_older(const char *version, long major, long minor) {
    char *end;
    long first = strtol(version, &end, 10);
    long second = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
    return first < major || (first == major && second < minor);
}

static void tell_connected(nrt__doctor *doctor, const nrt__nats_info *info) {
    char url[300];
    nrt__server_url(nrt__link_server(doctor->conn->link), url, sizeof(url));
    nrt__doctor_tell(doctor, NRT__MARK_OK, "connection", "connected to %s at %s%s%s",
                     *info->server_name ? info->server_name : "a server without a name", url,
                     *info->cluster ? ", cluster " : "", info->cluster);
    nrt__doctor_set(doctor, "server", nrt__report_string(nrt_str_from(info->server_name)));
    nrt__doctor_set(doctor, "url", nrt__report_string(nrt_str_from(url)));
    nrt__doctor_set(doctor, "cluster", nrt__report_string(nrt_str_from(info->cluster)));
    if (info->lame_duck) {
        nrt__doctor_tell(doctor, NRT__MARK_WARNING, "lame-duck",
                         "the server is in lame duck mode: it will close its connections soon");
        nrt__doctor_advise(doctor, "name other servers of the cluster as well, so that "
                                   "connections can move there");
    }
}

static void tell_version(nrt__doctor *doctor, const nrt__nats_info *info) {
    if (is_older(info->version, 2, 9)) {
        nrt__doctor_tell(doctor, NRT__MARK_WARNING, "version",
                         "nats-server %s: headers work, but 2.9 is the oldest that nrt is tested "
                         "with",
                         info->version);
        nrt__doctor_advise(doctor, "upgrade it");
    } else {
        nrt__doctor_tell(doctor, NRT__MARK_OK, "version", "nats-server %s, with headers",
                         info->version);
    }
    nrt__doctor_set(doctor, "version", nrt__report_string(nrt_str_from(info->version)));
}

static void tell_payload(nrt__doctor *doctor, const nrt__nats_info *info) {
    char size[32];
    nrt__size_format(info->max_payload, size, sizeof(size));
    if (info->max_payload < SMALL_PAYLOAD) {
        nrt__doctor_tell(doctor, NRT__MARK_WARNING, "max-payload",
                         "a message may have %s: larger requests get 413, larger responses 502, "
                         "and long heads alone may be too much",
                         size);
        nrt__doctor_advise(doctor, "raise it in the NATS server's configuration, on every server "
                                   "alike");
        nrt__doctor_paste(doctor, "max_payload: 1MB");
    } else if (info->max_payload > LARGE_PAYLOAD) {
        nrt__doctor_tell(doctor, NRT__MARK_WARNING, "max-payload",
                         "a message may have %s, but nrt takes in 8 MiB at most, and NATS advises "
                         "no more",
                         size);
        nrt__doctor_advise(doctor, "lower it in the NATS server's configuration, on every server "
                                   "alike");
        nrt__doctor_paste(doctor, "max_payload: 8MB");
    } else {
        nrt__doctor_tell(doctor, NRT__MARK_OK, "max-payload", "a message may have %s", size);
    }
    nrt__doctor_set(doctor, "max_payload", json_integer((json_int_t)info->max_payload));
}

static int by_value(const void *a, const void *b) {
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static void tell_pings(nrt__doctor *doctor) {
    double ms[PINGS];
    for (size_t i = 0; i < PINGS; i++) {
        ms[i] = nrt__doctor_ping(doctor);
        if (ms[i] < 0) {
            return; /* that the connection is gone is told at the end */
        }
    }
    qsort(ms, PINGS, sizeof(ms[0]), by_value);
    bool far = ms[PINGS / 2] > FAR_MS;
    nrt__doctor_tell(doctor, far ? NRT__MARK_WARNING : NRT__MARK_OK, "round-trip",
                     "%.2f ms to the server and back (the middle of %d; the longest %.2f ms)",
                     ms[PINGS / 2], PINGS, ms[PINGS - 1]);
    nrt__doctor_set(doctor, "rtt_ms", json_real(ms[PINGS / 2]));
    if (far) {
        nrt__doctor_advise(doctor, "each exchange takes this twice: connect to a server that is "
                                   "nearer, or look what slows the way or this machine");
    }
}

void nrt__doctor_server(nrt__doctor *doctor) {
    const nrt__nats_info *info = nrt__session_info(nrt__conn_session(doctor->conn));
    tell_connected(doctor, info);
    tell_version(doctor, info);
    tell_payload(doctor, info);
    tell_pings(doctor);
}

/* ---- --all-servers ---- */

/* As the connection would go to that server: with the first one's credentials where it was told of,
 * and under the name that its certificate must have. */
static nrt_conn *open_one(nrt__doctor *doctor, const nrt__server *server, nrt__dialing *dialing) {
    const nrt_options *from = nrt__conn_options(doctor->conn);
    const nrt__server *login = server->told ? &doctor->conn->servers.list[0] : server;
    nrt_options options = *from;
    char url[300];
    int error = 0;
    nrt__server_url(server, url, sizeof(url));
    options.environment = false;
    options.context = NULL;
    options.detail = NULL;
    options.servers = url;
    options.on_event = on_event;
    options.on_event_arg = dialing;
    if (login->user || login->token) {
        options.user = login->user;
        options.password = login->password;
        options.token = login->token;
    }
    dialing->conn = nrt_conn_open(&options, &error);
    if (dialing->conn && server->tls_name) {
        dialing->conn->servers.list[0].tls_name = strdup(server->tls_name);
        doctor->failed = doctor->failed || !dialing->conn->servers.list[0].tls_name;
    }
    return dialing->conn;
}

static void try_one(nrt__doctor *doctor, const nrt__server *server, uint64_t deadline) {
    nrt__dialing *dialing = calloc(1, sizeof(*dialing));
    char url[300];
    nrt__server_url(server, url, sizeof(url));
    if (!dialing || !open_one(doctor, server, dialing)) {
        nrt__doctor_tell(doctor, NRT__MARK_UNCHECKED, "server", "%s: no connection can be made",
                         url);
        free(dialing);
        return;
    }
    dial(dialing, deadline);
    if (dialing->up) {
        const nrt__nats_info *info = nrt__session_info(nrt__conn_session(dialing->conn));
        nrt__doctor_tell(doctor, NRT__MARK_OK, "server", "%s: %s, nats-server %s%s", url,
                         info->server_name, info->version,
                         info->lame_duck ? ", in lame duck mode" : "");
    } else {
        tell_failures(doctor, dialing, NRT__MARK_PROBLEM);
    }
    nrt_conn_destroy(dialing->conn);
    free(dialing);
}

void nrt__doctor_servers(nrt__doctor *doctor) {
    const nrt_conn *conn = doctor->conn;
    uint64_t deadline = nrt__program_now_ms() + ALL_SERVERS_MS;
    size_t left = 0;
    for (size_t i = 0; i < conn->servers.count; i++) {
        if (i == conn->link->server) {
            continue;
        }
        if (nrt__program_now_ms() < deadline) {
            try_one(doctor, &conn->servers.list[i], deadline);
        } else {
            left++;
        }
    }
    if (left > 0) {
        nrt__doctor_tell(doctor, NRT__MARK_UNCHECKED, "server",
                         "%zu more servers: the time for it is over", left);
    }
}
