/* The way into a connection's thread from any other. */
#include "lib/postbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/exchange/services.h"

struct nrt__postbox {
    pthread_mutex_t lock;
    atomic_int holders;
    int fd;
    bool shut;
    bool refusing; /* posts that somebody waits for */
    nrt__post *first;
    nrt__post **last;
    nrt_exchange *ended;
    nrt_exchange **last_ended;
};

nrt__postbox *nrt__postbox_create(void) {
    nrt__postbox *box = calloc(1, sizeof(*box));
    if (!box) {
        return NULL;
    }
    box->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (box->fd < 0 || pthread_mutex_init(&box->lock, NULL) != 0) {
        if (box->fd >= 0) {
            close(box->fd);
        }
        free(box);
        return NULL;
    }
    atomic_init(&box->holders, 1);
    box->last = &box->first;
    box->last_ended = &box->ended;
    return box;
}

nrt__postbox *nrt__postbox_hold(nrt__postbox *box) {
    atomic_fetch_add(&box->holders, 1);
    return box;
}

void nrt__postbox_release(nrt__postbox *box) {
    if (box && atomic_fetch_sub(&box->holders, 1) == 1) {
        close(box->fd);
        pthread_mutex_destroy(&box->lock);
        free(box);
    }
}

int nrt__postbox_fd(const nrt__postbox *box) {
    return box->fd;
}

void nrt__postbox_wake(const nrt__postbox *box) {
    uint64_t one = 1;
    ssize_t put = write(box->fd, &one, sizeof(one));
    (void)put; /* fails only when the counter is full: then it is readable anyway */
}

bool nrt__postbox_put(nrt__postbox *box, nrt__post *post) {
    pthread_mutex_lock(&box->lock);
    bool shut = box->shut || (box->refusing && post->waits);
    bool first = !box->first && !box->ended;
    if (!shut) {
        post->next = NULL;
        *box->last = post;
        box->last = &post->next;
        if (first) {
            nrt__postbox_wake(box);
        }
    }
    pthread_mutex_unlock(&box->lock);
    if (shut && post->drop) {
        post->drop(post);
    }
    return !shut;
}

void nrt__postbox_put_exchange(nrt__postbox *box, nrt_exchange *exchange) {
    pthread_mutex_lock(&box->lock);
    bool shut = box->shut;
    bool first = !box->first && !box->ended;
    if (!shut) {
        exchange->queued = NULL;
        *box->last_ended = exchange;
        box->last_ended = &exchange->queued;
        if (first) {
            nrt__postbox_wake(box);
        }
    }
    pthread_mutex_unlock(&box->lock);
    if (shut) {
        nrt__exchange_finish(exchange); /* its connection is gone: this frees it */
    }
}

/* Empties the box into the caller's hands. */
static void take(nrt__postbox *box, nrt__post **posts, nrt_exchange **ended) {
    uint64_t count;
    pthread_mutex_lock(&box->lock);
    ssize_t got = read(box->fd, &count, sizeof(count));
    (void)got;
    *posts = box->first;
    *ended = box->ended;
    box->first = NULL;
    box->last = &box->first;
    box->ended = NULL;
    box->last_ended = &box->ended;
    pthread_mutex_unlock(&box->lock);
}

static void finish_all(nrt_exchange *ended) {
    while (ended) {
        nrt_exchange *next = ended->queued;
        nrt__exchange_finish(ended);
        ended = next;
    }
}

void nrt__postbox_run(nrt__postbox *box, nrt_conn *conn) {
    nrt__post *posts;
    nrt_exchange *ended;
    take(box, &posts, &ended);
    finish_all(ended);
    while (posts) {
        nrt__post *next = posts->next;
        posts->run(conn, posts);
        posts = next;
    }
}

static void drop_all(nrt__post *posts) {
    while (posts) {
        nrt__post *next = posts->next;
        if (posts->drop) {
            posts->drop(posts);
        }
        posts = next;
    }
}

void nrt__postbox_refuse(nrt__postbox *box) {
    nrt__post *refused = NULL;
    nrt__post **last = &refused;
    pthread_mutex_lock(&box->lock);
    box->refusing = true;
    nrt__post **at = &box->first;
    while (*at) {
        nrt__post *post = *at;
        if (post->waits) {
            *at = post->next;
            post->next = NULL;
            *last = post;
            last = &post->next;
        } else {
            at = &post->next;
        }
    }
    box->last = at;
    pthread_mutex_unlock(&box->lock);
    drop_all(refused);
}

void nrt__postbox_shut(nrt__postbox *box) {
    nrt__post *posts;
    nrt_exchange *ended;
    pthread_mutex_lock(&box->lock);
    box->shut = true;
    pthread_mutex_unlock(&box->lock);
    take(box, &posts, &ended);
    finish_all(ended);
    drop_all(posts);
}
