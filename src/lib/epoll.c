/* The built-in loop: epoll, with a timer descriptor for programs that wait on nrt_conn_fd
 * themselves. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <nrt/error.h>

#include "lib/loop.h"

enum { EVENTS_MAX = 256 };

typedef struct watch {
    nrt_io_fn fn;
    void *arg;
    int fd;
} watch;

struct nrt__epoll {
    int epfd;
    int timerfd;       /* inside epfd, once somebody waits on that from outside; -1 before */
    watch timer_watch; /* stands for it */
    bool soon;
    struct epoll_event ready[EVENTS_MAX];
    int ready_count; /* being handed out */
    int ready_at;
};

static int attach(void *data, nrt_turn_fn turn, void *arg) {
    (void)data;
    (void)turn; /* nrt__epoll_wait's caller takes the turn itself */
    (void)arg;
    return 0;
}

static uint32_t to_epoll(unsigned events) {
    return (events & NRT_IO_READ ? EPOLLIN : 0u) | (events & NRT_IO_WRITE ? EPOLLOUT : 0u) |
           (events & NRT_IO_HANGUP ? EPOLLRDHUP : 0u);
}

static void *io_add(void *data, int fd, unsigned events, nrt_io_fn fn, void *arg) {
    nrt__epoll *epoll = data;
    watch *one = malloc(sizeof(*one));
    if (!one) {
        return NULL;
    }
    *one = (watch){fn, arg, fd};
    struct epoll_event event = {.events = to_epoll(events), .data.ptr = one};
    if (epoll_ctl(epoll->epfd, EPOLL_CTL_ADD, fd, &event) < 0) {
        free(one);
        return NULL;
    }
    return one;
}

static int io_set(void *data, void *io, unsigned events) {
    nrt__epoll *epoll = data;
    watch *one = io;
    struct epoll_event event = {.events = to_epoll(events), .data.ptr = one};
    return epoll_ctl(epoll->epfd, EPOLL_CTL_MOD, one->fd, &event) < 0 ? NRT_ERR_SYSTEM : 0;
}

static void io_remove(void *data, void *io) {
    nrt__epoll *epoll = data;
    watch *one = io;
    epoll_ctl(epoll->epfd, EPOLL_CTL_DEL, one->fd, NULL);
    /* It may be among those that are ready and not handed out yet. */
    for (int i = epoll->ready_at; i < epoll->ready_count; i++) {
        if (epoll->ready[i].data.ptr == one) {
            epoll->ready[i].data.ptr = NULL;
        }
    }
    free(one);
}

static void set_timerfd(nrt__epoll *epoll, int64_t delay_ms) {
    struct itimerspec spec = {0};
    if (delay_ms >= 0) {
        spec.it_value.tv_sec = delay_ms / 1000;
        spec.it_value.tv_nsec = delay_ms % 1000 * 1000000 + 1; /* zero would disarm it */
    }
    timerfd_settime(epoll->timerfd, 0, &spec, NULL);
}

static int timer_set(void *data, int64_t delay_ms) {
    nrt__epoll *epoll = data;
    if (epoll->timerfd >= 0) {
        set_timerfd(epoll, epoll->soon ? 0 : delay_ms);
    }
    return 0;
}

static int soon(void *data) {
    nrt__epoll *epoll = data;
    epoll->soon = true;
    if (epoll->timerfd >= 0) {
        set_timerfd(epoll, 0); /* wakes whoever waits on the descriptor */
    }
    return 0;
}

void nrt__epoll_abandon(nrt__epoll *epoll) {
    close(epoll->epfd);
    epoll->epfd = -1; /* epoll_ctl fails, harmlessly */
}

static void detach(void *data) {
    nrt__epoll *epoll = data;
    if (epoll->timerfd >= 0) {
        close(epoll->timerfd);
    }
    if (epoll->epfd >= 0) {
        close(epoll->epfd);
    }
    free(epoll);
}

nrt__epoll *nrt__epoll_create(nrt_loop *ops) {
    nrt__epoll *epoll = calloc(1, sizeof(*epoll));
    if (!epoll) {
        return NULL;
    }
    epoll->timerfd = -1;
    epoll->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll->epfd < 0) {
        free(epoll);
        return NULL;
    }
    *ops = (nrt_loop){
        .size = sizeof(*ops),
        .data = epoll,
        .attach = attach,
        .io_add = io_add,
        .io_set = io_set,
        .io_remove = io_remove,
        .timer_set = timer_set,
        .soon = soon,
        .detach = detach,
    };
    return epoll;
}

static unsigned from_epoll(uint32_t events) {
    unsigned out = (events & EPOLLIN ? NRT_IO_READ : 0u) | (events & EPOLLOUT ? NRT_IO_WRITE : 0u);
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        out |= NRT_IO_HANGUP;
    }
    if (events & (EPOLLHUP | EPOLLERR)) {
        out |= NRT_IO_READ | NRT_IO_WRITE;
    }
    return out;
}

/* It has expired, for a deadline or because of `soon`: either way it is not armed any more. */
static void on_timerfd(const nrt__epoll *epoll, nrt__loop *loop) {
    uint64_t times;
    ssize_t got = read(epoll->timerfd, &times, sizeof(times));
    (void)got;
    loop->armed_ms = -1;
}

int nrt__epoll_wait(nrt__epoll *epoll, nrt__loop *loop, int timeout_ms) {
    if (epoll->soon) {
        timeout_ms = 0;
    }
    int count = epoll_wait(epoll->epfd, epoll->ready, EVENTS_MAX, timeout_ms);
    if (count < 0) {
        return errno == EINTR ? 0 : NRT_ERR_SYSTEM;
    }
    epoll->ready_count = count;
    nrt__loop_enter(loop);
    for (epoll->ready_at = 0; epoll->ready_at < epoll->ready_count;) {
        const struct epoll_event *event = &epoll->ready[epoll->ready_at++];
        const watch *one = event->data.ptr;
        if (one == &epoll->timer_watch) {
            on_timerfd(epoll, loop);
        } else if (one) {
            one->fn(one->fd, from_epoll(event->events), one->arg);
        }
    }
    epoll->ready_count = epoll->ready_at = 0;
    epoll->soon = false;
    nrt__loop_turn(loop);
    nrt__loop_leave(loop);
    return count;
}

int nrt__epoll_fd(nrt__epoll *epoll) {
    if (epoll->timerfd < 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &epoll->timer_watch};
        epoll->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (epoll->timerfd < 0) {
            return NRT_ERR_SYSTEM;
        }
        if (epoll_ctl(epoll->epfd, EPOLL_CTL_ADD, epoll->timerfd, &event) < 0) {
            close(epoll->timerfd);
            epoll->timerfd = -1; /* a caller may try again, and nobody waits on half of it */
            return NRT_ERR_SYSTEM;
        }
        set_timerfd(epoll, 0); /* the first dispatch finds out what is due */
    }
    return epoll->epfd;
}
