/* Options for those who operate a gateway or a sidecar. */
#include "cli/operation.h"

const nrt__opt nrt__operation_opts[NRT__OPERATION_OPTS] = {
    {.name = "admin",
     .value = "[ADDR:]PORT|unix:/PATH",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(nrt__operation, admin),
     .help =
         "where /metrics for Prometheus, /healthz, /readyz and /services (JSON) are: PORT alone "
         "on loopback, 0 picks one; whoever can connect may read them"},
};

int nrt__operation_open(const nrt__operation *operation, nrt__program *program,
                        const nrt_admin_options *options, const nrt__admin_gateway *gateway) {
    char detail[256] = "";
    const char *url = NULL;
    if (!operation->admin) {
        return 0;
    }
    int error = nrt__admin_open(program->conn, operation->admin, options, gateway, &url, detail,
                                sizeof(detail));
    if (error < 0) {
        nrt__report_event(&program->log, NRT_LOG_ERROR, error == NRT_ERR_USAGE ? "usage" : "failed",
                          NULL, "--admin: %s", detail);
        return error == NRT_ERR_USAGE ? NRT__EXIT_USAGE : NRT__EXIT_FAILED;
    }
    json_t *members = nrt__report_is_json(&program->log) ? json_pack("{s:s}", "url", url) : NULL;
    nrt__report_event(&program->log, NRT_LOG_INFO, "admin", members, "admin on %s", url);
    return 0;
}
