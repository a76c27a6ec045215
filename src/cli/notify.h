/* What the service manager that started us wants to know: that we are ready, reload, stop, live. */
#ifndef NRT__NOTIFY_H
#define NRT__NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

#include "lib/loop.h"

typedef struct nrt__notify {
    int fd; /* -1: nobody asked */
    struct sockaddr_un address;
    socklen_t address_len;
    uint64_t watchdog_ms; /* how often it wants to hear of us; 0: never */
    nrt__loop *loop;
    nrt__timer watchdog;
} nrt__notify;

/* As NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID say; without the first, nothing is ever sent.
 * -1: there is a socket that cannot be used; `why` (at least 160 bytes) says why. */
int nrt__notify_open(nrt__notify *notify, char *why, size_t size);

/* Begins to tell the watchdog that this loop turns. Until nrt__notify_close. */
void nrt__notify_watch(nrt__notify *notify, nrt__loop *loop);

static inline bool nrt__notify_is_open(const nrt__notify *notify) {
    return notify->fd >= 0;
}

/* One message: lines of NAME=VALUE. What does not fit is cut; a failure is returned, as an errno,
 * and is 0 where nobody asked. */
int nrt__notify_send(nrt__notify *notify, const char *format, ...) NRT_PRINTF(2, 3);

/* STATUS=`text`, in which nothing begins another line. */
int nrt__notify_status(nrt__notify *notify, const char *text);

/* RELOADING=1 with the time, without which a manager takes it for one of before its request. */
int nrt__notify_reloading(nrt__notify *notify);

void nrt__notify_close(nrt__notify *notify);

#endif
