/* ^C and its like in `nrt get`. */
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/get/get.h"

static void on_signal(void *arg, unsigned events) {
    nrt__get_signals *signals = arg;
    struct signalfd_siginfo info;
    (void)events;
    while (read(signals->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (signals->number != 0) {
            _exit(128 + (int)info.ssi_signo);
        }
        signals->number = (int)info.ssi_signo;
    }
}

void nrt__get_signals_take(nrt__get_signals *signals) {
    static const int numbers[] = {SIGINT, SIGTERM};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction before;
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
            sigaddset(&set, numbers[i]);
        }
    }
    signals->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    signals->taken = signals->fd >= 0 && sigprocmask(SIG_BLOCK, &set, NULL) == 0;
}

void nrt__get_signals_watch(nrt__get_signals *signals, nrt__loop *loop) {
    if (signals->taken) {
        (void)nrt__io_open(loop, &signals->io, signals->fd, NRT_IO_READ, on_signal, signals);
    }
}

void nrt__get_signals_unwatch(nrt__get_signals *signals) {
    if (signals->taken) {
        nrt__io_close(&signals->io);
        (void)close(signals->fd);
    }
}

void nrt__get_signals_end(nrt__get_signals *signals) {
    sigset_t set;
    if (signals->number != 0) {
        sigemptyset(&set);
        sigaddset(&set, signals->number);
        (void)signal(signals->number, SIG_DFL);
        (void)raise(signals->number);
        (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    }
}
