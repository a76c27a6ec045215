/* The client of row (j), a large answer over plain HTTP/1.1: `http_bulk PORT`; takes `fetch BYTES`
 * on standard input, and asks for /BYTES on a connection that is kept. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bulk.h"
#include "load.h"

enum { PIECE = 256 * 1024 };

static int connect_to(const char *port) {
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        load_die(port, "cannot be connected to");
    }
    return fd;
}

static void fetch(int fd, uint64_t length) {
    static char piece[PIECE + 1];
    char text[128];
    size_t held = 0;
    const char *end = NULL;
    int64_t began = load_now();
    int len = snprintf(text, sizeof(text), "GET /%llu HTTP/1.1\r\nHost: bulk\r\n\r\n",
                       (unsigned long long)length);
    if (send(fd, text, (size_t)len, MSG_NOSIGNAL) != len) {
        load_die("send", "failed");
    }
    while (!end) { /* the head */
        ssize_t got = recv(fd, piece + held, PIECE - held, 0);
        if (got <= 0) {
            load_die("recv", "no head came");
        }
        held += (size_t)got;
        piece[held] = '\0';
        end = strstr(piece, "\r\n\r\n");
    }
    const char *body = end + 4;
    uint64_t at = held - (size_t)(body - piece);
    snprintf(text, sizeof(text), "\r\nContent-Length: %llu\r\n", (unsigned long long)length);
    bool right = strncmp(piece, "HTTP/1.1 200", 12) == 0 && strstr(piece, text) < end &&
                 strstr(piece, text) && bulk_is_right(0, body, (size_t)at);
    while (right && at < length) {
        ssize_t got = recv(fd, piece, PIECE, 0);
        if (got <= 0) {
            break;
        }
        right = bulk_is_right(at, piece, (size_t)got);
        at += (uint64_t)got;
    }
    bulk_report(at, right && at == length, load_now() - began);
}

int main(int argc, char **argv) {
    char line[128];
    if (argc != 2) {
        load_die("usage", "http_bulk PORT");
    }
    int fd = connect_to(argv[1]);
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        if (strncmp(line, "fetch ", 6) != 0) {
            load_die(line, "is no command");
        }
        fetch(fd, strtoull(line + 6, NULL, 10));
    }
    return 0;
}
