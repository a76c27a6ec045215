/* A program that SIGTERM and SIGINT end: it answers each request when a byte has come on its
 * standard input, and says what it does.
 *
 *     until_signal SERVER HOST plain|blocked|thread|fork|two */
#include "check.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void *answer(void *arg) {
    char byte;
    CHECK_INT(read(0, &byte, 1), 1);
    nrt_exchange_text(arg, 200, "done\n");
    nrt_exchange_end(arg);
    return NULL;
}

/* TSan has a signal wait for the end of a read(): that thread is to get none. */
static void handle(nrt_exchange *exchange, void *arg) {
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    (void)arg;
    sigfillset(&all);
    CHECK_INT(pthread_sigmask(SIG_SETMASK, &all, &before), 0);
    nrt_exchange_defer(exchange);
    puts("handling");
    fflush(stdout);
    CHECK_INT(pthread_create(&thread, NULL, answer, exchange), 0);
    CHECK_INT(pthread_detach(thread), 0);
    CHECK_INT(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
}

static void *serve(void *arg) {
    char **argv = arg;
    nrt_conn *conn = open_conn(argv[1]);
    CHECK_INT(nrt_serve(conn, argv[2], NULL, handle, NULL, NULL), 0);
    CHECK_INT(nrt_conn_run_until_signal(conn), 0);
    nrt_conn_destroy(conn);
    return NULL;
}

static void *idle(void *arg) {
    for (;;) {
        poll(NULL, 0, 100); /* under TSan, what comes before a pause() would wait for its end */
    }
    return arg;
}

static void own(int number) {
    (void)number;
}

/* It has this program's handlers and descriptors, and is not this program. */
static void *fork_once(void *arg) {
    char **argv = arg;
    nrt_conn *probe = open_conn(argv[1]);
    CHECK_INT(nrt_conn_wait(probe, 5000), 0); /* by now, most likely, the other one runs */
    nrt_conn_destroy(probe);
    struct sigaction now;
    do {
        CHECK_INT(sigaction(SIGTERM, NULL, &now), 0);
    } while (now.sa_handler == own);
    pid_t child = fork();
    if (child == 0) {
        idle(NULL);
    }
    int status = 0;
    CHECK_INT(kill(child, SIGTERM), 0);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    puts("the child is gone");
    fflush(stdout);
    return NULL;
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 4);
    pthread_t other;
    sigset_t set;
    sigset_t after;
    struct sigaction now;
    struct sigaction ours = {.sa_handler = own};
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    CHECK_INT(sigaction(SIGTERM, &ours, NULL), 0);
    CHECK(signal(SIGINT, SIG_IGN) == SIG_DFL);
    if (strcmp(argv[3], "blocked") == 0) {
        CHECK_INT(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    } else if (strcmp(argv[3], "thread") == 0) {
        CHECK_INT(pthread_create(&other, NULL, idle, NULL), 0);
    } else if (strcmp(argv[3], "fork") == 0) {
        CHECK_INT(pthread_create(&other, NULL, fork_once, argv), 0);
    } else if (strcmp(argv[3], "two") == 0) {
        char *more[] = {argv[0], argv[1], "other.nats", argv[3], NULL};
        CHECK_INT(pthread_create(&other, NULL, serve, more), 0);
        serve(argv);
        CHECK_INT(pthread_join(other, NULL), 0);
    }
    if (strcmp(argv[3], "two") != 0) {
        serve(argv);
    }
    CHECK_INT(sigaction(SIGTERM, NULL, &now), 0);
    CHECK(now.sa_handler == own);
    CHECK_INT(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    CHECK_INT(sigismember(&after, SIGTERM), strcmp(argv[3], "blocked") == 0);
    serve(argv); /* and again */
    puts("left");
    return 0;
}
