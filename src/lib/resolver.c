/* Names to addresses. getaddrinfo blocks, so it runs on a detached thread that reports through the
 * postbox. */
#include "lib/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct nrt__resolve {
    nrt__post post; /* first: the postbox hands it back */
    nrt__postbox *box;
    nrt__resolved_fn fn;
    void *arg;
    bool canceled; /* read and written on the connection's thread only */
    nrt__addresses addresses;
    char reason[128];
    char port[8];
    char host[];
};

bool nrt__resolve_number(const char *host, uint16_t port, nrt__addresses *out) {
    char bare[INET6_ADDRSTRLEN + 2];
    size_t len = strlen(host);
    memset(out, 0, sizeof(*out));
    if (len >= sizeof(bare)) {
        return false;
    }
    memcpy(bare, host, len + 1);
    if (len > 2 && bare[0] == '[' && bare[len - 1] == ']') {
        memmove(bare, bare + 1, len - 2);
        bare[len - 2] = '\0';
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)&out->list[0].addr;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->list[0].addr;
    if (inet_pton(AF_INET, bare, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        out->list[0].len = sizeof(*v4);
    } else if (inet_pton(AF_INET6, bare, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        out->list[0].len = sizeof(*v6);
    } else {
        return false;
    }
    out->count = 1;
    return true;
}

static void run(nrt_conn *conn, nrt__post *post) {
    nrt__resolve *resolve = (nrt__resolve *)post;
    (void)conn;
    if (!resolve->canceled) {
        resolve->fn(&resolve->addresses, resolve->reason, resolve->arg);
    }
    nrt__postbox_release(resolve->box);
    free(resolve);
}

static void drop(nrt__post *post) {
    nrt__resolve *resolve = (nrt__resolve *)post;
    nrt__postbox_release(resolve->box);
    free(resolve);
}

static void *look_up(void *arg) {
    nrt__resolve *resolve = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(resolve->host, resolve->port, &hints, &found);
    if (code != 0) {
        snprintf(resolve->reason, sizeof(resolve->reason), "%s", gai_strerror(code));
    }
    for (const struct addrinfo *one = found; one && resolve->addresses.count < NRT__ADDRESSES_MAX;
         one = one->ai_next) {
        nrt__address *address = &resolve->addresses.list[resolve->addresses.count++];
        memcpy(&address->addr, one->ai_addr, one->ai_addrlen);
        address->len = one->ai_addrlen;
    }
    if (found) {
        freeaddrinfo(found);
    }
    /* Held on its own: the put may free `resolve`, and with it the last hold but this. */
    nrt__postbox *box = nrt__postbox_hold(resolve->box);
    nrt__postbox_put(box, &resolve->post);
    nrt__postbox_release(box);
    return NULL;
}

nrt__resolve *nrt__resolve_start(nrt__postbox *box, const char *host, uint16_t port,
                                 nrt__resolved_fn fn, void *arg) {
    size_t len = strlen(host);
    nrt__resolve *resolve = calloc(1, sizeof(*resolve) + len + 1);
    if (!resolve) {
        return NULL;
    }
    memcpy(resolve->host, host, len + 1);
    snprintf(resolve->port, sizeof(resolve->port), "%u", port);
    resolve->post.run = run;
    resolve->post.drop = drop;
    resolve->box = nrt__postbox_hold(box);
    resolve->fn = fn;
    resolve->arg = arg;
    /* Signals are for the program's own threads. */
    sigset_t all;
    sigset_t before;
    pthread_t thread;
    pthread_attr_t attr;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&thread, &attr, look_up, resolve);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (code != 0) {
        drop(&resolve->post);
        return NULL;
    }
    return resolve;
}

void nrt__resolve_cancel(nrt__resolve *resolve) {
    if (resolve) {
        resolve->canceled = true;
    }
}
