/* Addresses of NATS servers: as given in the first line, and as other servers tell of them, one in
 * each line behind it. What is shown of one names it, and no secret. */
#include "lib/servers.h"

#include <stdlib.h>

#include "fuzz.h"

enum { DETAIL = 160, URL = 2048 };

static void check_server(const nrt__server *server) {
    char url[URL];
    char detail[DETAIL];
    CHECK(server->host && *server->host && server->port > 0);
    CHECK(fuzz_is_text(server->host)); /* it is shown, and looked up */
    CHECK(!strchr(server->host, '%'));
    CHECK(!server->user == !server->password);
    CHECK(!server->token || !server->user);
    nrt__server_url(server, url, sizeof(url));
    CHECK(fuzz_is_text(url) && !strchr(url, '@'));
    if (strchr(server->host, ',')) {
        return; /* a name that RFC 3986 allows and no list of servers can hold; told of only */
    }
    nrt__servers again = {.count = 0};
    CHECK(nrt__servers_read(&again, url, detail, sizeof(detail)) == 0);
    CHECK(again.count == 1 && again.list[0].port == server->port);
    CHECK(strcmp(again.list[0].host, server->host) == 0);
    CHECK(!again.list[0].user && !again.list[0].token);
    nrt__servers_free(&again);
}

static void learn(nrt__servers *servers, nrt_str rest) {
    nrt__nats_info *info = calloc(1, sizeof(*info));
    nrt_str line;
    CHECK(info);
    while (fuzz_line(&rest, &line) && info->url_count < NRT__NATS_URLS_MAX) {
        if (line.len < sizeof(info->urls[0]) && nrt__is_visible(line)) { /* as INFO's reader does */
            memcpy(info->urls[info->url_count], line.ptr, line.len);
            info->url_count++;
        }
    }
    size_t before = servers->count;
    nrt__servers_learn(servers, servers->at, servers->at, info, strchr(info->urls[0], 't') != NULL);
    CHECK(servers->count >= before && servers->count <= before + info->url_count);
    size_t after = servers->count;
    nrt__servers_learn(servers, servers->at, servers->at, info, strchr(info->urls[0], 't') != NULL);
    CHECK(servers->count == after); /* known now */
    free(info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    nrt_str rest = {(const char *)data, size};
    nrt_str line = {"", 0};
    char detail[DETAIL] = "";
    fuzz_line(&rest, &line);
    char *text = fuzz_copy(line, true);
    nrt__servers servers = {.count = 0};
    int error = nrt__servers_read(&servers, text, detail, sizeof(detail));
    CHECK(error < 0 ? servers.count == 0 && *detail : servers.count > 0);
    if (error == 0) {
        learn(&servers, rest);
    }
    CHECK(servers.count <= NRT__SERVERS_MAX);
    for (size_t i = 0; i < servers.count; i++) {
        check_server(&servers.list[i]);
    }
    nrt__servers_free(&servers);
    free(text);
    return 0;
}
