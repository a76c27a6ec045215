/* What NATS itself moves: libnats publishes SIZE bytes in messages of 64 KiB on one connection and
 * takes them on another. Prints bytes per second.
 *
 *     raw_stream SERVER SIZE */
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MESSAGE = 64 * 1024,
    AHEAD = 128
}; /* messages on their way, 8 MiB: the server drops who has
      64 MiB waiting */

static void need(natsStatus status) {
    if (status != NATS_OK) {
        fprintf(stderr, "raw_stream: %s\n", natsStatus_GetText(status));
        exit(3);
    }
}

int main(int argc, char **argv) {
    static char data[MESSAGE];
    if (argc != 3) {
        return 2;
    }
    int64_t count = (strtoll(argv[2], NULL, 10) + MESSAGE - 1) / MESSAGE;
    natsConnection *to = NULL, *from = NULL;
    natsSubscription *sub = NULL;
    need(natsConnection_ConnectTo(&to, argv[1]));
    need(natsConnection_ConnectTo(&from, argv[1]));
    need(natsConnection_SubscribeSync(&sub, from, "raw"));
    need(natsSubscription_SetPendingLimits(sub, -1, -1));
    need(natsConnection_Flush(from));
    int64_t start = nats_NowInNanoSeconds();
    for (int64_t sent = 0, got = 0; got < count;) {
        for (; sent < count && sent - got < AHEAD; sent++) {
            need(natsConnection_Publish(to, "raw", data, sizeof(data)));
        }
        natsMsg *msg = NULL;
        need(natsSubscription_NextMsg(&msg, sub, 10000));
        natsMsg_Destroy(msg);
        got++;
    }
    double seconds = (double)(nats_NowInNanoSeconds() - start) / 1e9;
    printf("%.0f\n", (double)count * MESSAGE / seconds);
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(from);
    natsConnection_Destroy(to);
    nats_Close();
    return 0;
}
