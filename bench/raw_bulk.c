/* Row (h), a large amount of messages of 64 KiB with the official client: `raw_bulk send SERVERS
 * MODE`, `raw_bulk fetch SERVERS MODE`; the latter takes `fetch BYTES` on standard input. Nothing
 * here limits what is under way but the sockets. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bulk.h"
#include "load.h"
#include "raw.h"

/* ---- the sender ---- */

/* The message says how many bytes are wanted. */
static void send_all(natsConnection *conn, natsSubscription *sub, natsMsg *msg, void *arg) {
    char text[32];
    (void)sub;
    (void)arg;
    snprintf(text, sizeof(text), "%.*s", natsMsg_GetDataLength(msg), natsMsg_GetData(msg));
    uint64_t length = strtoull(text, NULL, 10);
    for (uint64_t offset = 0; offset < length; offset += BULK_PERIOD) {
        uint64_t left = length - offset;
        int want = left < BULK_PERIOD ? (int)left : BULK_PERIOD;
        raw_check(natsConnection_Publish(conn, natsMsg_GetReply(msg), bulk_bytes(), want),
                  "publish");
    }
    natsConnection_Flush(conn);
    natsMsg_Destroy(msg);
}

/* ---- who gets it ---- */

typedef struct transfer {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    uint64_t length;
    uint64_t got;
    bool right;
} transfer;

static void take(natsConnection *conn, natsSubscription *sub, natsMsg *msg, void *arg) {
    transfer *t = arg;
    (void)conn;
    (void)sub;
    size_t len = (size_t)natsMsg_GetDataLength(msg);
    t->right = t->right && bulk_is_right(t->got, natsMsg_GetData(msg), len);
    natsMsg_Destroy(msg);
    if (t->got + len < t->length) {
        t->got += len;
        return;
    }
    pthread_mutex_lock(&t->lock);
    t->got += len;
    pthread_cond_signal(&t->ended);
    pthread_mutex_unlock(&t->lock);
}

static void fetch(natsConnection *conn, transfer *t, const char *inbox, const char *bytes) {
    t->length = strtoull(bytes, NULL, 10);
    t->got = 0;
    t->right = true;
    int64_t began = load_now();
    raw_check(natsConnection_PublishRequest(conn, "bulk", inbox, bytes, (int)strlen(bytes)),
              "publish");
    raw_check(natsConnection_Flush(conn), "flush");
    pthread_mutex_lock(&t->lock);
    while (t->got < t->length) {
        pthread_cond_wait(&t->ended, &t->lock);
    }
    pthread_mutex_unlock(&t->lock);
    bulk_report(t->got, t->right && t->got == t->length, load_now() - began);
}

int main(int argc, char **argv) {
    natsSubscription *sub = NULL;
    natsInbox *inbox = NULL;
    transfer t = {0};
    char line[128];
    if (argc != 4) {
        load_die("usage", "raw_bulk send|fetch SERVERS MODE");
    }
    natsConnection *conn = raw_connect(argv[2], argv[3]);
    bulk_bytes();
    if (strcmp(argv[1], "send") == 0) {
        raw_check(natsConnection_Subscribe(&sub, conn, "bulk", send_all, NULL), "bulk");
        raw_check(natsConnection_Flush(conn), "flush");
        printf("ready\n");
        fflush(stdout);
        for (;;) {
            pause();
        }
    }
    pthread_mutex_init(&t.lock, NULL);
    pthread_cond_init(&t.ended, NULL);
    raw_check(natsInbox_Create(&inbox), "inbox");
    raw_check(natsConnection_Subscribe(&sub, conn, inbox, take, &t), inbox);
    raw_check(natsSubscription_SetPendingLimits(sub, -1, -1), "limits"); /* it drops none */
    raw_check(natsConnection_Flush(conn), "flush");
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "fetch ", 6) != 0) {
            load_die(line, "is no command");
        }
        fetch(conn, &t, inbox, line + 6);
    }
    return 0;
}
