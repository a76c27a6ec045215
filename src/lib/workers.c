/* Threads of a service for handlers that block. */
#include "lib/workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct nrt__workers {
    pthread_mutex_t lock;
    pthread_cond_t some;
    nrt_exchange *first;
    nrt_exchange **last;
    void (*run)(nrt_exchange *exchange);
    bool stopping;
    unsigned count;
    pthread_t threads[];
};

static void *work(void *arg) {
    nrt__workers *workers = arg;
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        while (!workers->first && !workers->stopping) {
            pthread_cond_wait(&workers->some, &workers->lock);
        }
        if (workers->stopping) {
            break;
        }
        nrt_exchange *exchange = workers->first;
        workers->first = exchange->queued;
        if (!workers->first) {
            workers->last = &workers->first;
        }
        pthread_mutex_unlock(&workers->lock);
        workers->run(exchange);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

nrt__workers *nrt__workers_create(unsigned count, void (*run)(nrt_exchange *exchange)) {
    nrt__workers *workers = calloc(1, sizeof(*workers) + count * sizeof(pthread_t));
    if (!workers) {
        return NULL;
    }
    workers->run = run;
    workers->last = &workers->first;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->some, NULL);
    /* Signals are for the program's own threads. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (workers->count < count &&
           pthread_create(&workers->threads[workers->count], NULL, work, workers) == 0) {
        workers->count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (workers->count < count) {
        nrt__workers_destroy(workers, NULL);
        return NULL;
    }
    return workers;
}

void nrt__workers_put(nrt__workers *workers, nrt_exchange *exchange) {
    pthread_mutex_lock(&workers->lock);
    exchange->queued = NULL;
    *workers->last = exchange;
    workers->last = &exchange->queued;
    pthread_cond_signal(&workers->some);
    pthread_mutex_unlock(&workers->lock);
}

void nrt__workers_destroy(nrt__workers *workers, void (*drop)(nrt_exchange *exchange)) {
    if (!workers) {
        return;
    }
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    nrt_exchange *left = workers->first;
    workers->first = NULL;
    pthread_cond_broadcast(&workers->some);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->count; i++) {
        pthread_join(workers->threads[i], NULL);
    }
    while (left) {
        nrt_exchange *next = left->queued;
        if (drop) {
            drop(left);
        }
        left = next;
    }
    pthread_cond_destroy(&workers->some);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}

void nrt__workers_forget(nrt__workers *workers) {
    free(workers);
}
