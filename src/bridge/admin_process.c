/* What this process is, whether it can do its work, and which of its requests failed lately, as
 * JSON: what /metrics has no words for. */
#include "bridge/admin_private.h"

#include <stdio.h>
#include <unistd.h>

#include "core/base/json_text.h"
#include "core/base/str.h"
#include "lib/link.h"

enum { TEXT_MAX = 512 };

static void put(nrt__buf *out, const char *name, nrt_str value) {
    nrt__buf_printf(out, "\"%s\":", name);
    nrt__json_string(out, value, TEXT_MAX);
    nrt__buf_lit(out, ",");
}

/* Written with a comma behind each: the last one goes. */
static void end_list(nrt__buf *out, const char *end) {
    if (!out->failed && out->bytes[out->end - 1] == ',') {
        out->end--;
    }
    nrt__buf_put(out, nrt_str_from(end));
}

static void put_missing(nrt_str who, const char *what, void *arg) {
    char text[TEXT_MAX];
    int len = snprintf(text, sizeof(text), "%.*s%s", NRT__ARG(who), what);
    size_t most = sizeof(text) - 1;
    nrt__buf *out = arg;
    nrt__json_string(out, (nrt_str){text, len > 0 && (size_t)len < most ? (size_t)len : most},
                     TEXT_MAX);
    nrt__buf_lit(out, ",");
}

static void put_nats(nrt__buf *out, nrt_conn *conn) {
    nrt_conn_info info = {.size = sizeof(info)};
    bool up = nrt_conn_info_get(conn, &info) == 0 && info.connected;
    nrt__buf_printf(out, "\"nats\":{\"connected\":%s,", up ? "true" : "false");
    if (up) {
        put(out, "server", nrt_str_from(info.server));
        put(out, "cluster", nrt_str_from(info.cluster));
        put(out, "version", nrt_str_from(info.version));
    } else {
        put(out, "why", nrt_str_from(nrt_conn_error(conn)));
    }
    end_list(out, "},");
}

static void put_services(nrt__buf *out, nrt_conn *conn) {
    nrt__buf_lit(out, "\"services\":[");
    for (const nrt_service *one = nrt__services_first(conn->services); one; one = one->next) {
        nrt__buf_lit(out, "{");
        put(out, "host", one->host);
        put(out, "id", nrt_str_from(nrt__listing_id(one->listing)));
        end_list(out, "},");
    }
    end_list(out, "],");
}

void nrt__admin_write_process(nrt__buf *out, nrt__admin *admin) {
    nrt_conn *conn = admin->conn;
    const char *role = admin->gateway.tallies                ? "gateway"
                       : nrt__services_first(conn->services) ? "service"
                                                             : "client";
    nrt__buf_lit(out, "{");
    put(out, "role", nrt_str_from(role));
    put(out, "version", NRT__STR(NRT_VERSION_STRING));
    nrt__buf_printf(out, "\"pid\":%ld,", (long)getpid());
    put_nats(out, conn);
    nrt__buf_lit(out, "\"missing\":[");
    nrt__admin_missing(admin, put_missing, out);
    end_list(out, "],");
    put_services(out, conn);
    nrt__buf_lit(out, "\"failures\":");
    nrt__failures_write(admin->failures, out);
    nrt__buf_lit(out, "}\n");
}
