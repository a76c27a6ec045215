/* A thread for a connection that nobody else drives. */
#include "lib/driver.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/conn_private.h"

typedef struct nrt__driver {
    nrt_conn *conn;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ready;
    bool running; /* it owns the connection */
    bool stop;    /* only on its own thread */
    bool gone;    /* the connection is: only on its own thread */
} nrt__driver;

static void driver_free(nrt__driver *driver) {
    pthread_cond_destroy(&driver->ready);
    pthread_mutex_destroy(&driver->lock);
    free(driver);
}

/* Nothing will happen on the connection any more, and nobody waits in a call that could say so. */
static void break_down(nrt_conn *conn, int error) {
    static const char why[] = "the event loop has failed: the connection stands still; destroy it";
    nrt__postbox_refuse(conn->box);
    nrt__log(&conn->loop.env, NRT_LOG_ERROR, "%s", why);
    nrt__conn_event(conn, NRT_CONN_BROKEN, error, why); /* may destroy it */
}

static void *drive(void *arg) {
    nrt__driver *driver = arg;
    nrt_conn *conn = driver->conn;
    pthread_mutex_lock(&driver->lock);
    conn->owner = pthread_self();
    conn->owner_fixed = true;
    driver->running = true;
    pthread_cond_signal(&driver->ready);
    pthread_mutex_unlock(&driver->lock);
    int count = 0;
    while (!driver->stop && !driver->gone && count >= 0) {
        count = nrt_conn_dispatch(conn, -1);
    }
    if (!driver->gone && count < 0) {
        break_down(conn, count);
    }
    if (driver->gone) { /* destroyed by one of its own callbacks: nobody will join */
        pthread_detach(pthread_self());
        driver_free(driver);
    }
    return NULL;
}

int nrt_conn_start(nrt_conn *conn) {
    int error = nrt__conn_check(conn);
    if (error < 0) {
        return error;
    }
    if (conn->owner_fixed || !conn->loop.epoll) {
        return nrt__conn_fail(conn, NRT_ERR_STATE, "the connection is driven already");
    }
    nrt__driver *driver = calloc(1, sizeof(*driver));
    if (!driver) {
        return nrt__conn_fail(conn, NRT_ERR_MEMORY, NULL);
    }
    driver->conn = conn;
    pthread_mutex_init(&driver->lock, NULL);
    pthread_cond_init(&driver->ready, NULL);
    /* Signals are for the program's own threads. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    conn->driver = driver;
    int failed = pthread_create(&driver->thread, NULL, drive, driver);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        conn->driver = NULL;
        driver_free(driver);
        return nrt__conn_fail(conn, NRT_ERR_SYSTEM, "no thread to drive the connection");
    }
    pthread_mutex_lock(&driver->lock);
    while (!driver->running) {
        pthread_cond_wait(&driver->ready, &driver->lock);
    }
    pthread_mutex_unlock(&driver->lock);
    return 0;
}

static void stop(nrt_conn *conn, void *arg) {
    (void)arg;
    conn->driver->stop = true;
}

bool nrt__driver_stop(nrt_conn *conn) {
    nrt__driver *driver = conn->driver;
    if (!driver) {
        return false;
    }
    if (pthread_equal(driver->thread, pthread_self())) {
        return true;
    }
    while (nrt_conn_post(conn, stop, NULL) == NRT_ERR_MEMORY) { /* there is no way around it */
    } /* one that has broken down has ended by itself */
    pthread_join(driver->thread, NULL);
    conn->driver = NULL;
    conn->owner = pthread_self();
    driver_free(driver);
    return false;
}

void nrt__driver_forget(nrt_conn *conn) {
    if (!conn->driver) {
        return;
    }
    if (conn->forked) { /* its thread does not exist here */
        free(conn->driver);
    } else {
        conn->driver->gone = true;
    }
    conn->driver = NULL;
}

/* ---- calls that wait ---- */

typedef struct call {
    nrt__post post;
    int (*fn)(nrt_conn *conn, void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool over;
    int result;
} call;

static void finish(call *one, int result) {
    pthread_mutex_lock(&one->lock);
    one->result = result;
    one->over = true;
    pthread_cond_signal(&one->done);
    pthread_mutex_unlock(&one->lock);
}

static void run_call(nrt_conn *conn, nrt__post *post) {
    call *one = (call *)post;
    finish(one, one->fn(conn, one->arg));
}

static void drop_call(nrt__post *post) {
    finish((call *)post, NRT_ERR_CANCELED);
}

int nrt__conn_call(nrt_conn *conn, int (*fn)(nrt_conn *conn, void *arg), void *arg) {
    int error = nrt__conn_check_process(conn);
    if (error < 0) {
        return error;
    }
    pthread_mutex_lock(&conn->claim);
    if (!conn->owner_fixed) { /* nobody drives it: it may be anybody's, one at a time */
        conn->owner = pthread_self();
        error = fn(conn, arg);
        pthread_mutex_unlock(&conn->claim);
        return error;
    }
    pthread_mutex_unlock(&conn->claim);
    if (nrt__conn_check(conn) == 0) {
        return fn(conn, arg);
    }
    call one = {.post = {NULL, run_call, drop_call, true}, .fn = fn, .arg = arg};
    pthread_mutex_init(&one.lock, NULL);
    pthread_cond_init(&one.done, NULL);
    nrt__postbox_put(conn->box, &one.post);
    pthread_mutex_lock(&one.lock);
    while (!one.over) {
        pthread_cond_wait(&one.done, &one.lock);
    }
    pthread_mutex_unlock(&one.lock);
    pthread_cond_destroy(&one.done);
    pthread_mutex_destroy(&one.lock);
    return one.result;
}
