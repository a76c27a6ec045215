/* The protocol of sd_notify(3): a datagram of NAME=VALUE lines to the socket that NOTIFY_SOCKET
 * names. It is spoken here because it is less than what libsystemd would bring along: a program
 * that faces the network is to have few libraries in it. */
#include "cli/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "core/base/str.h"

enum {
    MESSAGE_MAX = 1024,
    PATIENCE_S = 2, /* for a manager that does not read: READY=1 is worth waiting for */
};

/* 0 without a watchdog, or where it is for another process. */
static uint64_t watchdog_ms(void) {
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    uint64_t value = 0;
    uint64_t whose = 0;
    if (!usec || !nrt__str_to_u64(nrt_str_from(usec), INT64_MAX, &value)) {
        return 0;
    }
    if (pid &&
        (!nrt__str_to_u64(nrt_str_from(pid), INT32_MAX, &whose) || whose != (uint64_t)getpid())) {
        return 0;
    }
    uint64_t half = value / 2000; /* twice in that time, as sd_watchdog_enabled(3) advises */
    return value > 0 && half == 0 ? 1 : half;
}

int nrt__notify_open(nrt__notify *notify, char *why, size_t size) {
    const char *path = getenv("NOTIFY_SOCKET");
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    *notify = (nrt__notify){.fd = -1, .address = {.sun_family = AF_UNIX}};
    if (!path || !*path) {
        return 0;
    }
    size_t len = strlen(path);
    if ((*path != '/' && *path != '@') || len < 2 || len >= sizeof(notify->address.sun_path)) {
        (void)snprintf(why, size,
                       "NOTIFY_SOCKET=%.80s is neither a path of a socket nor @ and a name", path);
        return -1;
    }
    memcpy(notify->address.sun_path, path, len);
    if (*path == '@') {
        notify->address.sun_path[0] = '\0'; /* an abstract socket's name */
    }
    notify->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0) {
        (void)snprintf(why, size, "no socket for NOTIFY_SOCKET: %s", strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return -1;
    }
    notify->fd = fd;
    notify->watchdog_ms = watchdog_ms();
    return 0;
}

static int send_text(const nrt__notify *notify, const char *text, size_t len) {
    ssize_t sent;
    do {
        sent = sendto(notify->fd, text, len, MSG_NOSIGNAL,
                      (const struct sockaddr *)&notify->address, notify->address_len);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? errno : 0;
}

int nrt__notify_send(nrt__notify *notify, const char *format, ...) {
    char text[MESSAGE_MAX];
    va_list args;
    if (notify->fd < 0) {
        return 0;
    }
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len < 0) {
        return EINVAL;
    }
    return send_text(notify, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

int nrt__notify_status(nrt__notify *notify, const char *text) {
    char line[MESSAGE_MAX / 2];
    (void)snprintf(line, sizeof(line), "%s", text);
    bool utf8 = nrt__is_utf8(nrt_str_from(line)); /* else systemd takes no notice of it */
    for (char *p = line; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < ' ' || c == 0x7f || (c > 0x7f && !utf8)) {
            *p = c > 0x7f ? '?' : ' ';
        }
    }
    return nrt__notify_send(notify, "STATUS=%s", line);
}

int nrt__notify_reloading(nrt__notify *notify) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return nrt__notify_send(notify, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                            (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

static void on_watchdog(nrt__timer *timer, void *arg) {
    nrt__notify *notify = arg;
    (void)nrt__notify_send(notify, "WATCHDOG=1");
    nrt__timer_set(&notify->loop->timers, timer,
                   notify->loop->env.now_ms + (int64_t)notify->watchdog_ms, on_watchdog, notify);
}

void nrt__notify_watch(nrt__notify *notify, nrt__loop *loop) {
    if (notify->fd < 0 || notify->watchdog_ms == 0) {
        return;
    }
    notify->loop = loop;
    nrt__timer_set(&loop->timers, &notify->watchdog, loop->env.now_ms, on_watchdog, notify);
}

void nrt__notify_close(nrt__notify *notify) {
    if (notify->loop) {
        nrt__timer_clear(&notify->loop->timers, &notify->watchdog);
        notify->loop = NULL;
    }
    if (notify->fd >= 0) {
        (void)close(notify->fd);
        notify->fd = -1;
    }
}
