/* Where to listen, and who a peer is. */
#include "bridge/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/str.h"
#include "lib/resolver.h"

void nrt__listen_share(int fd, bool share) {
    const int value = share;
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, sizeof(value));
}

void nrt__listen_chmod(const char *path, unsigned mode) {
    if (mode == 0) {
        mode_t mask = umask(0);
        umask(mask);
        mode = 0777 & ~mask;
    }
    chmod(path, mode);
}

/* Nobody can connect before it listens: the mode is right from the start. */
static int open_socket(const struct sockaddr *addr, socklen_t len,
                       const nrt__listen_options *options) {
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0) {
        return -1;
    }
    if (addr->sa_family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        nrt__listen_share(fd, options->share_port);
    }
    if (bind(fd, addr, len) < 0 ||
        (addr->sa_family == AF_UNIX && options->mode &&
         chmod(((const struct sockaddr_un *)addr)->sun_path, options->mode) < 0) ||
        listen(fd, NRT__BACKLOG) < 0) {
        int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

/* A socket file that nobody listens on is left from a run that was killed; one that answers is in
 * use. */
static bool is_stale(const struct sockaddr_un *addr) {
    struct stat st;
    if (stat(addr->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    bool refused =
        connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int listen_unix(const char *path, const nrt__listen_options *options, char *url,
                       size_t url_size, char *detail, size_t detail_size) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (*path == '\0' || strlen(path) >= sizeof(addr.sun_path)) {
        snprintf(detail, detail_size, "a unix socket's path has 1 to %zu characters",
                 sizeof(addr.sun_path) - 1);
        return NRT_ERR_USAGE;
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    if (is_stale(&addr)) {
        unlink(path);
    }
    int fd = open_socket((const struct sockaddr *)&addr, sizeof(addr), options);
    if (fd < 0) {
        snprintf(detail, detail_size, "cannot listen on unix:%s: %s", path, strerror(errno));
        return NRT_ERR_SYSTEM;
    }
    snprintf(url, url_size, "unix:%s", path);
    return fd;
}

static void write_url(int fd, char *url, size_t size) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound = {0};
    socklen_t len = sizeof(bound);
    char text[INET6_ADDRSTRLEN] = "";
    getsockname(fd, &bound.any, &len);
    if (bound.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &bound.v6.sin6_addr, text, sizeof(text));
        snprintf(url, size, "http://[%s]:%u", text, ntohs(bound.v6.sin6_port));
    } else {
        inet_ntop(AF_INET, &bound.v4.sin_addr, text, sizeof(text));
        snprintf(url, size, "http://%s:%u", text, ntohs(bound.v4.sin_port));
    }
}

/* What to do where a port cannot be had, for what happens to people. */
static const char *advice(int why) {
    switch (why) {
    case EADDRINUSE:
        return "; \"ss -ltnp\" shows which program has it";
    case EACCES:
        return "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
    case EADDRNOTAVAIL:
        return "; this machine does not have that address: \"ip addr\" shows those that it has";
    default:
        return "";
    }
}

int nrt__listen(const char *text, const nrt__listen_options *options, char *url, size_t url_size,
                char *detail, size_t detail_size) {
    if (strncmp(text, "unix:", 5) == 0) {
        return listen_unix(text + 5, options, url, url_size, detail, detail_size);
    }
    const char *colon = strrchr(text, ':');
    const char *port_text = colon ? colon + 1 : text;
    uint64_t port = 0;
    char host[INET6_ADDRSTRLEN + 3] = "127.0.0.1";
    nrt__addresses addresses;
    bool fine = nrt__str_to_u64(nrt_str_from(port_text), 65535, &port);
    if (colon) {
        size_t len = (size_t)(colon - text);
        fine = fine && len < sizeof(host);
        if (fine) {
            memcpy(host, text, len);
            host[len] = '\0';
        }
    }
    bool all = colon == text;
    if (!fine || (!all && !nrt__resolve_number(host, (uint16_t)port, &addresses))) {
        snprintf(detail, detail_size,
                 "\"%s\" is not PORT, ADDR:PORT, :PORT or unix:/path (ADDR is an IP address; IPv6 "
                 "in brackets)",
                 text);
        return NRT_ERR_USAGE;
    }
    int fd = -1;
    if (all) { /* both families in one socket, or IPv4 where there is no IPv6 */
        nrt__resolve_number("::", (uint16_t)port, &addresses);
        fd =
            open_socket((struct sockaddr *)&addresses.list[0].addr, addresses.list[0].len, options);
        if (fd < 0 && errno != EADDRINUSE && errno != EACCES) {
            nrt__resolve_number("0.0.0.0", (uint16_t)port, &addresses);
            fd = open_socket((struct sockaddr *)&addresses.list[0].addr, addresses.list[0].len,
                             options);
        }
    } else {
        fd =
            open_socket((struct sockaddr *)&addresses.list[0].addr, addresses.list[0].len, options);
    }
    if (fd < 0) {
        int why = errno;
        snprintf(detail, detail_size, "cannot listen on %s: %s%s", text, strerror(why),
                 advice(why));
        return NRT_ERR_SYSTEM;
    }
    write_url(fd, url, url_size);
    return fd;
}

static bool to_v6(const struct sockaddr_storage *peer, unsigned char out[16]) {
    if (peer->ss_family == AF_INET) {
        static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
        memcpy(out, mapped, sizeof(mapped));
        memcpy(out + 12, &((const struct sockaddr_in *)peer)->sin_addr, 4);
        return true;
    }
    if (peer->ss_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)peer)->sin6_addr, 16);
        return true;
    }
    return false;
}

void nrt__peer_name(const struct sockaddr_storage *peer, char *out, size_t size) {
    unsigned char bytes[16];
    if (!to_v6(peer, bytes)) {
        snprintf(out, size, "unix");
        return;
    }
    bool v4 = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)bytes);
    inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? bytes + 12 : bytes, out, (socklen_t)size);
}

int nrt__cidr_read(const char *text, nrt__cidr *out) {
    char host[INET6_ADDRSTRLEN + 3];
    nrt__addresses addresses;
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    uint64_t bits = 0;
    *out = (nrt__cidr){.local = strcmp(text, "unix") == 0};
    if (out->local) {
        return 0;
    }
    if (len >= sizeof(host)) {
        return NRT_ERR_USAGE;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    if (!nrt__resolve_number(host, 0, &addresses) || !to_v6(&addresses.list[0].addr, out->bytes)) {
        return NRT_ERR_USAGE;
    }
    unsigned all = addresses.list[0].addr.ss_family == AF_INET ? 32 : 128;
    if (!slash) {
        bits = all;
    } else if (!nrt__str_to_u64(nrt_str_from(slash + 1), all, &bits)) {
        return NRT_ERR_USAGE;
    }
    out->bits = (unsigned)bits + (128 - all);
    return 0;
}

bool nrt__cidr_has(const nrt__cidr *cidr, const struct sockaddr_storage *peer) {
    unsigned char bytes[16];
    if (!to_v6(peer, bytes)) {
        return cidr->local;
    }
    if (cidr->local) {
        return false;
    }
    for (unsigned i = 0; i < cidr->bits; i++) {
        if ((bytes[i / 8] ^ cidr->bytes[i / 8]) >> (7 - i % 8) & 1) {
            return false;
        }
    }
    return true;
}
