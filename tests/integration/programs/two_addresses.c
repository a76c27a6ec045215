/* A name with two addresses, of which the first one answers nothing: says when it is connected to
 * the other one.
 *
 *     two_addresses DEAD ALIVE PORT */
#include "check.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

static const char *texts[2];
static struct sockaddr_in addresses[2];
static struct addrinfo answers[2];

/* In the place of the C library's. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **found) {
    CHECK(strcmp(host, "two.example") == 0 && hints->ai_socktype == SOCK_STREAM);
    for (size_t i = 0; i < 2; i++) {
        addresses[i] =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
        CHECK(inet_pton(AF_INET, texts[i], &addresses[i].sin_addr) == 1);
        answers[i] = (struct addrinfo){.ai_family = AF_INET,
                                       .ai_socktype = SOCK_STREAM,
                                       .ai_addr = (struct sockaddr *)&addresses[i],
                                       .ai_addrlen = sizeof(addresses[i]),
                                       .ai_next = i == 0 ? &answers[1] : NULL};
    }
    *found = answers;
    return 0;
}

void freeaddrinfo(struct addrinfo *found) {
    CHECK(found == answers);
}

int main(int argc, char **argv) {
    CHECK(argc == 4);
    char url[64];
    nrt_options options;
    nrt_conn_info info = {.size = sizeof(info)};
    texts[0] = argv[1];
    texts[1] = argv[2];
    snprintf(url, sizeof(url), "nats://two.example:%s", argv[3]);
    nrt_options_init(&options);
    options.servers = url;
    options.connect_timeout_ms = 300;
    nrt_conn *conn = nrt_conn_open(&options, NULL);
    CHECK(conn);
    int error = nrt_conn_wait(conn, 20000);
    CHECK_INT(error, 0);
    CHECK_INT(nrt_conn_info_get(conn, &info), 0);
    printf("connected to %s\n", info.server);
    nrt_conn_destroy(conn);
    return 0;
}
