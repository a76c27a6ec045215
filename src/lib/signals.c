/* Programs that end by a signal: the first one drains the connections that run, a second one ends
 * the process at once.
 *
 * What becomes of a signal is the process's, and so is what stands here: one descriptor that the
 * handler writes to, watched by each connection that runs. It works on whichever thread the signal
 * comes, and however many connections and threads there are. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/conn_private.h"

enum { SIGNALS = 2 };

static const int signals[SIGNALS] = {SIGINT, SIGTERM};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned running; /* connections */
static struct sigaction before[SIGNALS];
static bool taken[SIGNALS];

/* For the handler. The descriptor stays open for as long as the process lives: a handler that is
 * late, on another thread, must not write to what has its number then. */
static atomic_int wake_fd = -1;
static atomic_int wake_process; /* whose it is: a child after fork() has it too */
static atomic_bool signaled;

static void on_signal(int number) {
    uint64_t one = 1;
    int code = errno;
    if (getpid() != atomic_load(&wake_process) || atomic_exchange(&signaled, true)) {
        (void)signal(number, SIG_DFL);
        (void)raise(number); /* when this has returned */
    } else {
        ssize_t put = write(atomic_load(&wake_fd), &one, sizeof(one));
        (void)put; /* cannot fail: its counter is at 0 */
    }
    errno = code;
}

/* The descriptor, with nothing in it. In a child that a fork made the parent's is left alone. */
static int open_fd(void) {
    int fd = atomic_load(&wake_fd);
    uint64_t count;
    if (fd >= 0 && atomic_load(&wake_process) == getpid()) {
        ssize_t got = read(fd, &count, sizeof(count));
        (void)got;
    } else {
        fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd < 0) {
            return NRT_ERR_SYSTEM;
        }
        atomic_store(&wake_fd, fd);
        atomic_store(&wake_process, getpid());
    }
    atomic_store(&signaled, false);
    return 0;
}

/* A signal that the program's parent had it ignore (nohup, `&` of a shell) stays ignored. */
static int enter(void) {
    pthread_mutex_lock(&lock);
    int error = running == 0 || atomic_load(&wake_process) != getpid() ? open_fd() : 0;
    if (error == 0 && running++ == 0) {
        struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        sigemptyset(&ours.sa_mask);
        for (int i = 0; i < SIGNALS; i++) {
            taken[i] = sigaction(signals[i], NULL, &before[i]) == 0 &&
                       before[i].sa_handler != SIG_IGN && sigaction(signals[i], &ours, NULL) == 0;
        }
    }
    pthread_mutex_unlock(&lock);
    return error;
}

static void leave(void) {
    pthread_mutex_lock(&lock);
    if (--running == 0) {
        for (int i = 0; i < SIGNALS; i++) {
            if (taken[i]) {
                (void)sigaction(signals[i], &before[i], NULL);
            }
        }
    }
    pthread_mutex_unlock(&lock);
}

typedef struct watching {
    nrt_conn *conn;
    nrt__io io;
} watching;

static void on_wake(void *arg, unsigned events) {
    watching *watch = arg;
    (void)events;
    nrt__io_close(&watch->io); /* it stays readable, for the others */
    (void)nrt_conn_drain(watch->conn, NULL, NULL);
}

static int run(nrt_conn *conn) {
    watching watch = {.conn = conn};
    int error =
        nrt__io_open(&conn->loop, &watch.io, atomic_load(&wake_fd), NRT_IO_READ, on_wake, &watch);
    if (error < 0) {
        return nrt__conn_fail(conn, error, NULL);
    }
    sigset_t ours;
    sigset_t blocked;
    sigemptyset(&ours);
    for (int i = 0; i < SIGNALS; i++) {
        sigaddset(&ours, signals[i]);
    }
    /* Where all other threads block them, they come here. */
    pthread_sigmask(SIG_UNBLOCK, &ours, &blocked);
    error = nrt__conn_turn(conn);
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    nrt__io_close(&watch.io);
    return error;
}

int nrt_conn_run_until_signal(nrt_conn *conn) {
    int error = nrt__conn_hold(conn);
    if (error < 0) {
        return error;
    }
    error = enter();
    if (error == 0) {
        error = run(conn);
        leave();
    } else {
        nrt__conn_fail(conn, error, "no descriptor to wait for signals");
    }
    nrt__conn_release(conn);
    return error;
}
