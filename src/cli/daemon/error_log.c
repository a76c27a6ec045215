/* What to do about requests that fail. */
#include "cli/daemon/error_log.h"

#include <inttypes.h>

#include "core/base/str.h"

typedef struct kind {
    const char *code;
    const char *advice[2]; /* at a gateway, behind a sidecar; NULL: said elsewhere, or no matter */
} kind;

static const kind kinds[] = {
    {"no-service",
     {"start an instance of it (nrt serve), or find out with nrt doctor HOST what is in its way",
      NULL}},
    {"timeout",
     {"see with nrt stats HOST whether its instances are busy; a longer --timeout gives them more "
      "time",
      "see whether the server behind this sidecar hangs; a longer --timeout gives it more time"}},
    {"refused",
     {"all instances that were asked are at their limit: start more of them, or raise their "
      "--max-in-flight",
      "this instance is at its limit: start more of them, or raise --max-in-flight"}},
    {"aborted",
     {"an instance or a NATS server went away in the middle of it: look at their logs", NULL}},
    {"permission", {"nrt doctor HOST shows the lines that grant it", NULL}},
    {"bad-response",
     {"what answers there speaks no HTTP over NATS: see with nrt info HOST who that is", NULL}},
    {"bad-origin-response", {NULL, "the server behind this sidecar breaks HTTP/1.1: see its log"}},
    {"response-too-large",
     {NULL, "the client takes one message only, and this does not fit: a larger max_payload of the "
            "NATS servers helps"}},
    {"busy",
     {"it is at --max-connections, or at what may be in flight: raise the limit, or start more "
      "gateways",
      NULL}},
    {"out-of-memory", {"give it more memory", "give it more memory"}},
};

_Static_assert(sizeof(kinds) / sizeof(kinds[0]) <= NRT__ERROR_LOG_KINDS, "a gate for each");

void nrt__error_log_add(nrt__error_log *log, const nrt__report *report, const nrt__env *env,
                        nrt_str host, const char *code, const char *detail, bool sidecar) {
    uint64_t count;
    size_t at = 0;
    while (at < sizeof(kinds) / sizeof(kinds[0]) && strcmp(kinds[at].code, code) != 0) {
        at++;
    }
    if (at == sizeof(kinds) / sizeof(kinds[0]) || !kinds[at].advice[sidecar] ||
        !nrt__log_due(env, &log->gates[at], &count)) {
        return;
    }
    char many[64] = "";
    if (count > 1) {
        (void)snprintf(many, sizeof(many), " (%" PRIu64 " requests since the last such line)",
                       count);
    }
    json_t *members = NULL;
    if (nrt__report_is_json(report)) {
        members = json_pack("{s:o, s:s, s:s, s:I}", "host", nrt__report_string(host), "error", code,
                            "advice", kinds[at].advice[sidecar], "count", (json_int_t)count);
    }
    nrt__report_event(report, NRT_LOG_WARN, "request-failed", members, "%s%s; %s", detail, many,
                      kinds[at].advice[sidecar]);
}
