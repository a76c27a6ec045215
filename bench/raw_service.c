/* The service of row (c): the official client's, no HTTP. Checks each request against the bytes of
 * a file and answers with those of another. `raw_service SERVERS SUBJECT REQUEST ANSWER MODE` */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "load.h"
#include "raw.h"

typedef struct bytes {
    char *ptr;
    size_t len;
} bytes;

typedef struct service {
    bytes request;
    bytes answer;
} service;

static void handle(natsConnection *conn, natsSubscription *sub, natsMsg *msg, void *arg) {
    const service *s = arg;
    (void)sub;
    if (natsMsg_GetReply(msg) && (size_t)natsMsg_GetDataLength(msg) == s->request.len &&
        memcmp(natsMsg_GetData(msg), s->request.ptr, s->request.len) == 0) {
        raw_check(
            natsConnection_Publish(conn, natsMsg_GetReply(msg), s->answer.ptr, (int)s->answer.len),
            "publish");
    } else {
        fprintf(stderr, "bench: raw_service: not the request that was expected\n");
    }
    natsMsg_Destroy(msg);
}

int main(int argc, char **argv) {
    service s = {0};
    natsSubscription *sub = NULL;
    if (argc != 6) {
        load_die("usage", "raw_service SERVERS SUBJECT REQUEST ANSWER MODE");
    }
    s.request.ptr = load_file(argv[3], &s.request.len);
    s.answer.ptr = load_file(argv[4], &s.answer.len);
    natsConnection *conn = raw_connect(argv[1], argv[5]);
    raw_check(natsConnection_QueueSubscribe(&sub, conn, argv[2], "bench", handle, &s), argv[2]);
    raw_check(natsConnection_Flush(conn), "flush");
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        pause();
    }
}
