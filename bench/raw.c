/* Connections of the official client: see raw.h. */
#include "raw.h"

#include <nats/adapters/libevent.h>
#include <pthread.h>
#include <string.h>

#include "load.h"

void raw_check(natsStatus status, const char *what) {
    if (status != NATS_OK) {
        load_die(what, natsStatus_GetText(status));
    }
}

static void *turn(void *base) {
    event_base_dispatch(base);
    return NULL;
}

natsConnection *raw_connect(const char *servers, const char *mode) {
    natsOptions *options = NULL;
    natsConnection *conn = NULL;
    struct event_base *base = NULL;
    raw_check(natsOptions_Create(&options), "options");
    raw_check(natsOptions_SetURL(options, servers), servers);
    if (strstr(mode, "asap")) {
        raw_check(natsOptions_SetSendAsap(options, true), mode);
    }
    if (strncmp(mode, "loop", 4) == 0) {
        natsLibevent_Init();
        base = event_base_new();
        raw_check(natsOptions_SetEventLoop(options, base, natsLibevent_Attach, natsLibevent_Read,
                                           natsLibevent_Write, natsLibevent_Detach),
                  mode);
    }
    raw_check(natsConnection_Connect(&conn, options), servers);
    pthread_t thread;
    if (base && pthread_create(&thread, NULL, turn, base) != 0) {
        load_die(mode, "no thread");
    }
    natsOptions_Destroy(options);
    return conn;
}
