/* `nrt doctor`: looks at everything that a connection to NATS needs, and says what to change. */
#include "cli/doctor/doctor.h"

#include <stdlib.h>

#include "cli/commands.h"

static const nrt__opt doctor_opts[] = {
    {.name = "role",
     .value = "client|service|gateway|all",
     .kind = NRT__OPT_CHOICE,
     .offset = offsetof(nrt__doctor, role),
     .help = "what the user must be able to be; default: with HOST a client, else any"},
    {.name = "all-servers",
     .kind = NRT__OPT_FLAG,
     .offset = offsetof(nrt__doctor, all_servers),
     .help = "connect to each server by itself, those that the first one tells of included"},
    {.name = "json",
     .kind = NRT__OPT_FLAG,
     .offset = offsetof(nrt__doctor, json),
     .help = "print one JSON object"},
};

static void doctor_init(void *arg) {
    nrt__doctor *doctor = arg;
    *doctor = (nrt__doctor){.role = NRT__ROLE_NOT_GIVEN};
    nrt__common_init(&doctor->common, "nrt-doctor");
}

static int wrong_host(const nrt__doctor *doctor, const char *typed) {
    nrt__report log;
    char with[NRT__HOST_MAX + 8];
    char canonical[NRT__HOST_MAX + 1];
    (void)snprintf(with, sizeof(with), "%.*s.nats", NRT__HOST_MAX, typed);
    bool meant = nrt__host_canonical(nrt_str_from(with), canonical) == 0;
    nrt__report_init(&log, "nrt doctor", (nrt__report_format)doctor->common.log_format, false);
    nrt__report_event(&log, NRT_LOG_ERROR, "usage", NULL,
                      "\"%s\" is not a host such as weather.nats%s%s%s", typed,
                      meant ? "; did you mean " : "", meant ? canonical : "", meant ? "?" : "");
    return NRT__EXIT_USAGE;
}

/* In lower case: it becomes part of hosts. */
static int make_token(nrt__doctor *doctor) {
    size_t len = sizeof(doctor->token) - 1;
    int error = nrt__random_text(&nrt__conn_loop(doctor->conn)->env, doctor->token, len);
    for (size_t i = 0; i < len && error == 0; i++) {
        unsigned char c = (unsigned char)doctor->token[i];
        doctor->token[i] = (char)('a' + c % 26);
    }
    return error;
}

static void examine(nrt__doctor *doctor) {
    if (!nrt__doctor_connect(doctor)) {
        nrt__doctor_tell(doctor, NRT__MARK_UNCHECKED, "permissions",
                         "permissions and services: that takes a connection");
        return;
    }
    if (make_token(doctor) < 0) {
        nrt__doctor_tell(doctor, NRT__MARK_PROBLEM, "system",
                         "this system gives no random numbers");
        return;
    }
    nrt__doctor_server(doctor);
    nrt__doctor_trust(doctor);
    nrt__doctor_permits(doctor);
    if (!doctor->dialing.lost) {
        nrt__doctor_roles(doctor);
    }
    if (*doctor->host && doctor->role != NRT__ROLE_SERVICE && !doctor->dialing.lost) {
        nrt__doctor_host(doctor);
    }
    if (doctor->all_servers) {
        nrt__doctor_servers(doctor);
    }
    if (doctor->dialing.lost) {
        const char *why = doctor->dialing.lost_why;
        nrt__doctor_tell(doctor, NRT__MARK_PROBLEM, "connection",
                         "the connection was lost meanwhile, the rest is not checked: %s",
                         *why ? why : "the server does not answer");
        nrt__doctor_advise(doctor, "the NATS server's log says why it closed it, or that it was "
                                   "stopped");
    }
}

static int doctor_run(void *arg, const nrt__operands *operands) {
    nrt__doctor *doctor = arg;
    const char *typed = operands->count > 0 ? operands->items[0] : NULL;
    if (typed && nrt__host_canonical(nrt_str_from(typed), doctor->host) != 0) {
        return wrong_host(doctor, typed);
    }
    uint32_t given = doctor->common.options.timeout_ms;
    doctor->wait_ms = given ? given : NRT__DOCTOR_WAIT_MS;
    doctor->checks = json_array();
    doctor->whole = json_object();
    examine(doctor);
    int code = nrt__doctor_print(doctor);
    nrt_conn_destroy(doctor->dialing.conn);
    json_decref(doctor->checks);
    json_decref(doctor->whole);
    return code;
}

static const nrt__opt_group doctor_groups[] = {
    {"Options", doctor_opts, sizeof(doctor_opts) / sizeof(doctor_opts[0]), 0},
    NRT__COMMON_GROUP(nrt__doctor),
};

const nrt__command nrt__doctor_command = {
    .name = "doctor",
    .summary = "find out what is wrong with a connection, and what to change",
    .operands = "[HOST]",
    .about =
        "Checks settings, servers, certificates, credentials, what the NATS server allows, and "
        "permissions; with HOST, who serves it and how it answers. Each finding is ok, info, a "
        "warning, a problem, or not checked; problems come with what to do, and where a "
        "permission is missing with the lines that grant it.\n\n"
        "Permissions are tried on subjects that nobody has. With HOST six requests are sent that "
        "no handler sees: services of nrt refuse them by themselves.\n\n"
        "Ends with 0: no problem, warnings or not; 1: a problem; 2: wrong usage.",
    .examples =
        "  nrt doctor\n"
        "  nrt doctor weather.nats\n"
        "  nrt doctor --role service --creds service.creds weather.nats\n"
        "  nrt doctor --all-servers --json | jq '.checks[] | select(.status==\"problem\")'\n",
    .groups = doctor_groups,
    .group_count = sizeof(doctor_groups) / sizeof(doctor_groups[0]),
    .min_operands = 0,
    .max_operands = 1,
    .options_size = sizeof(nrt__doctor),
    .init = doctor_init,
    .run = doctor_run,
};
