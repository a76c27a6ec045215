/* The NATS servers to connect to. */
#include "lib/servers.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "core/http/url.h"
#include "lib/resolver.h"

enum { DEFAULT_PORT = 4222 };

static void secret_free(char *text) {
    if (text) {
        OPENSSL_cleanse(text, strlen(text));
        free(text);
    }
}

static void server_free(nrt__server *server) {
    free(server->host);
    free(server->tls_name);
    free(server->user);
    secret_free(server->password);
    secret_free(server->token);
}

void nrt__servers_free(nrt__servers *servers) {
    for (size_t i = 0; i < servers->count; i++) {
        server_free(&servers->list[i]);
    }
    free(servers->list);
    memset(servers, 0, sizeof(*servers));
}

static int hex(char c) {
    c = nrt__lower(c);
    return nrt__is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A copy of `text` with %XX undone. NRT_ERR_URL where that is not valid, or not UTF-8 (NATS carries
 * it in JSON). */
static int decode(nrt_str text, char **copy) {
    char *out =
        calloc(1, text.len + 1); /* ends in NUL wherever decoding stops: it is wiped as text */
    size_t len = 0;
    if (!out) {
        return NRT_ERR_MEMORY;
    }
    *copy = out;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0) {
                return NRT_ERR_URL;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        out[len++] = c;
    }
    return nrt__is_utf8((nrt_str){out, len}) ? 0 : NRT_ERR_URL;
}

static int read_userinfo(nrt__server *server, nrt_str userinfo) {
    const char *colon = memchr(userinfo.ptr, ':', userinfo.len);
    if (!colon) {
        return decode(userinfo, &server->token);
    }
    nrt_str user = {userinfo.ptr, (size_t)(colon - userinfo.ptr)};
    nrt_str password = {colon + 1, userinfo.len - user.len - 1};
    int error = decode(user, &server->user);
    return error < 0 ? error : decode(password, &server->password);
}

static int read_authority(nrt__server *server, nrt_str authority) {
    nrt_str host;
    nrt_str port;
    uint64_t number = DEFAULT_PORT;
    for (size_t i = authority.len; i > 0; i--) {
        if (authority.ptr[i - 1] == '@') {
            int error = read_userinfo(server, (nrt_str){authority.ptr, i - 1});
            if (error < 0) {
                return error;
            }
            authority.ptr += i;
            authority.len -= i;
            break;
        }
    }
    if (!nrt__authority_split(authority, &host, &port) ||
        (port.len > 0 && !nrt__str_to_u64(port, 65535, &number))) {
        return NRT_ERR_URL;
    }
    /* No name that can be looked up needs %XX, and what is shown of it would not be it. */
    if (memchr(host.ptr, '%', host.len)) {
        return NRT_ERR_URL;
    }
    if (host.ptr[0] == '[') {
        host.ptr++;
        host.len -= 2;
    }
    server->port = (uint16_t)number;
    server->host = strndup(host.ptr, host.len);
    return server->host ? 0 : NRT_ERR_MEMORY;
}

static int add(nrt__servers *servers, const nrt__server *server) {
    nrt__server *list = realloc(servers->list, (servers->count + 1) * sizeof(*list));
    if (!list) {
        return NRT_ERR_MEMORY;
    }
    servers->list = list;
    list[servers->count++] = *server;
    return 0;
}

static int read_one(nrt__servers *servers, nrt_str text, char *detail, size_t detail_size) {
    nrt__server server = {0};
    nrt_str authority = text;
    int error = 0;
    const char *scheme_end = NULL;
    for (size_t i = 0; i + 3 <= text.len && !scheme_end; i++) {
        if (memcmp(text.ptr + i, "://", 3) == 0) {
            scheme_end = text.ptr + i;
        }
    }
    if (scheme_end) {
        nrt_str scheme = {text.ptr, (size_t)(scheme_end - text.ptr)};
        authority = (nrt_str){scheme_end + 3, text.len - scheme.len - 3};
        server.tls = nrt__str_same(scheme, NRT__STR("tls"));
        if (!server.tls && !nrt__str_same(scheme, NRT__STR("nats"))) {
            snprintf(detail, detail_size,
                     "a NATS server's URL begins with nats:// or tls://, not %.*s://",
                     NRT__ARG(scheme));
            return NRT_ERR_URL;
        }
    }
    if (authority.len > 0 && authority.ptr[authority.len - 1] == '/') {
        authority.len--;
    }
    error = read_authority(&server, authority);
    if (error == 0) {
        error = servers->count < NRT__SERVERS_MAX ? add(servers, &server) : NRT_ERR_URL;
    }
    if (error < 0) {
        server_free(&server);
        /* The text may hold a password: it is not repeated. */
        const char *at = memrchr(authority.ptr, '@', authority.len);
        size_t before = at ? (size_t)(at - authority.ptr) : 0;
        bool encoded = memchr(authority.ptr + before, '%', authority.len - before);
        snprintf(detail, detail_size,
                 encoded ? "the host in a NATS server's URL is written without %%"
                         : "a server's URL is not valid; it looks like nats://host:4222 or "
                           "nats://user:password@host:4222");
    }
    return error;
}

int nrt__servers_read(nrt__servers *servers, const char *text, char *detail, size_t detail_size) {
    int error = 0;
    while (error == 0 && *text) {
        size_t len = strcspn(text, ",");
        nrt_str one = nrt__str_trim((nrt_str){text, len});
        if (one.len > 0) {
            error = read_one(servers, one, detail, detail_size);
        }
        text += len + (text[len] == ',');
    }
    if (error == 0 && servers->count == 0) {
        snprintf(detail, detail_size, "no NATS server is given");
        error = NRT_ERR_URL;
    }
    if (error < 0) {
        nrt__servers_free(servers);
    }
    return error;
}

static bool is_address(const char *host) {
    nrt__addresses addresses;
    return nrt__resolve_number(host, DEFAULT_PORT, &addresses);
}

/* False out of memory. */
static bool inherit(nrt__server *server, const nrt__server *from, bool tls) {
    const char *name = from->tls_name ? from->tls_name : from->host;
    server->tls = tls;
    if (!tls || is_address(name) || !is_address(server->host)) {
        return true;
    }
    server->tls_name = strdup(name);
    return server->tls_name != NULL;
}

/* The number of one that is known; `count` where it is not. */
static size_t find(const nrt__servers *servers, const nrt__server *server) {
    size_t i = 0;
    while (i < servers->count && (servers->list[i].port != server->port ||
                                  strcmp(servers->list[i].host, server->host) != 0)) {
        i++;
    }
    return i;
}

/* Into the place of one that has gone. */
static bool take_place(nrt__servers *servers, size_t by, size_t also, const nrt__server *server) {
    for (size_t i = 0; i < servers->count; i++) {
        if (servers->list[i].gone && i != by && i != also && i != servers->at) {
            server_free(&servers->list[i]);
            servers->list[i] = *server;
            return true;
        }
    }
    return false;
}

void nrt__servers_learn(nrt__servers *servers, size_t by, size_t also, const nrt__nats_info *info,
                        bool tls) {
    for (size_t i = 0; i < servers->count && info->url_count > 0; i++) {
        servers->list[i].gone = servers->list[i].told;
    }
    for (size_t i = 0; i < info->url_count; i++) { /* before any makes room for another */
        nrt__server server = {.told = true};
        size_t known = servers->count;
        if (read_authority(&server, nrt_str_from(info->urls[i])) == 0) {
            known = find(servers, &server);
        }
        if (known < servers->count) {
            servers->list[known].gone = false;
        }
        server_free(&server);
    }
    for (size_t i = 0; i < info->url_count; i++) {
        nrt__server server = {.told = true};
        bool wanted = read_authority(&server, nrt_str_from(info->urls[i])) == 0 &&
                      find(servers, &server) == servers->count &&
                      inherit(&server, &servers->list[by], tls);
        if (!wanted ||
            (servers->count < NRT__SERVERS_MAX ? add(servers, &server) < 0
                                               : !take_place(servers, by, also, &server))) {
            server_free(&server);
        }
    }
}

size_t nrt__servers_there(const nrt__servers *servers) {
    size_t count = 0;
    for (size_t i = 0; i < servers->count; i++) {
        count += !servers->list[i].gone;
    }
    return count;
}

size_t nrt__servers_after(const nrt__servers *servers, size_t at, bool any) {
    do {
        at = (at + 1) % servers->count;
    } while (!any && servers->list[at].gone); /* those that were given never are */
    return at;
}

void nrt__server_url(const nrt__server *server, char *out, size_t size) {
    bool v6 = strchr(server->host, ':') != NULL;
    snprintf(out, size, "%s://%s%s%s:%u", server->tls ? "tls" : "nats", v6 ? "[" : "", server->host,
             v6 ? "]" : "", server->port);
}
