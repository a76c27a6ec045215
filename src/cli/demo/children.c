/* Child processes of `nrt demo`. What they are for is the demo's business. */
#include "cli/demo/children.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/common.h"

enum {
    TEXT_MAX = 256 * 1024, /* kept of what one child writes */
    READ_STEP = 4096,
    TERM_TIMEOUT_MS = 5000,
    KILL_TIMEOUT_MS = 5000,
};

int nrt__children_init(nrt__children *children) {
    *children = (nrt__children){.signals = -1};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0) {
        return -1;
    }
    children->signals = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    return children->signals < 0 ? -1 : 0;
}

/* ---- starting ---------------------------------------------------------------------------------
 */

static void set_environment(const char *const environment[]) {
    for (size_t i = 0; environment[i]; i++) {
        const char *equals = strchr(environment[i], '=');
        if (!equals) {
            (void)unsetenv(environment[i]);
            continue;
        }
        char name[64];
        (void)snprintf(name, sizeof(name), "%.*s", (int)(equals - environment[i]), environment[i]);
        (void)setenv(name, equals + 1, 1);
    }
}

/* In the child: becomes the program, or ends. */
static _Noreturn void become(const char *const argv[], const char *const environment[], int output,
                             pid_t parent) {
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (getppid() != parent || nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
        dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0) {
        _exit(127);
    }
    set_environment(environment);
    char **words = NULL; /* execv takes what it does not change */
    memcpy(&words, &argv, sizeof(words));
    (void)execv(argv[0], words);
    (void)dprintf(STDERR_FILENO, "cannot start %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

nrt__child *nrt__children_start(nrt__children *children, const char *name, const char *const argv[],
                                const char *const environment[]) {
    if (children->count == NRT__CHILDREN_MAX) {
        errno = EAGAIN;
        return NULL;
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return NULL;
    }
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pid_t parent = getpid();
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        become(argv, environment, ends[1], parent);
    }
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        return NULL;
    }
    nrt__child *child = &children->all[children->count++];
    *child = (nrt__child){.name = name, .pid = pid, .output = ends[0]};
    nrt__buf_init(&child->text, TEXT_MAX);
    return child;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static void echo_output(nrt__child *child, nrt_str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (!child->in_line) {
            (void)printf("  %-16s ", child->name);
        }
        (void)putchar(text.ptr[i]);
        child->in_line = text.ptr[i] != '\n';
    }
    (void)fflush(stdout);
}

static void read_output(nrt__children *children, nrt__child *child) {
    while (child->output >= 0) {
        char bytes[READ_STEP];
        ssize_t len = read(child->output, bytes, sizeof(bytes));
        if (len < 0 && errno == EINTR) {
            continue;
        }
        if (len < 0 && errno == EAGAIN) {
            return;
        }
        if (len <= 0) {
            (void)close(child->output);
            child->output = -1;
            return;
        }
        (void)nrt__buf_add(&child->text, bytes, (size_t)len);
        if (children->echo) {
            echo_output(child, (nrt_str){bytes, (size_t)len});
        }
    }
}

static void reap(nrt__children *children, nrt__child *child) {
    int status = 0;
    pid_t ended = waitpid(child->pid, &status, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR)) {
        return;
    }
    /* What it wrote is in the pipe; a grandchild that holds the pipe open must not keep us. */
    read_output(children, child);
    child->exited = true;
    child->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    child->pid = 0;
}

static void take_signals(nrt__children *children) {
    struct signalfd_siginfo info;
    while (read(children->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo != SIGCHLD) {
            children->signal = (int)info.ssi_signo;
            continue;
        }
        /* One SIGCHLD may stand for several. */
        for (size_t i = 0; i < children->count; i++) {
            if (children->all[i].pid > 0) {
                reap(children, &children->all[i]);
            }
        }
    }
}

/* One round over everything there is to wait for. -1 with errno. */
static int turn(nrt__children *children, int timeout_ms) {
    struct pollfd watched[1 + NRT__CHILDREN_MAX];
    watched[0] = (struct pollfd){.fd = children->signals, .events = POLLIN};
    for (size_t i = 0; i < children->count; i++) {
        watched[1 + i] = (struct pollfd){.fd = children->all[i].output, .events = POLLIN};
    }
    if (poll(watched, 1 + children->count, timeout_ms) < 0) {
        return errno == EINTR ? 0 : -1;
    }
    for (size_t i = 0; i < children->count; i++) {
        if (watched[1 + i].revents) {
            read_output(children, &children->all[i]);
        }
    }
    if (watched[0].revents) {
        take_signals(children);
    }
    return 0;
}

/* ---- waiting ----------------------------------------------------------------------------------
 */

/* The rest of the first complete line in which `wanted` stands. */
static bool find_line(const nrt__child *child, const char *wanted, char *line, size_t size) {
    nrt_str text = nrt__buf_view(&child->text);
    const char *at = memmem(text.ptr, text.len, wanted, strlen(wanted));
    if (!at) {
        return false;
    }
    at += strlen(wanted);
    size_t left = text.len - (size_t)(at - text.ptr);
    const char *end = memchr(at, '\n', left);
    if (!end) {
        return false;
    }
    (void)snprintf(line, size, "%.*s", (int)(end - at), at);
    return true;
}

/* Whether a wait goes on, given that it is not done; NRT__WAIT_DONE: yes, after another turn. */
static nrt__wait wait_on(nrt__children *children, uint64_t deadline) {
    uint64_t now = nrt__program_now_ms();
    if (children->signal) {
        return NRT__WAIT_SIGNAL;
    }
    if (now >= deadline) {
        return NRT__WAIT_LATE;
    }
    return turn(children, (int)(deadline - now)) == 0 ? NRT__WAIT_DONE : NRT__WAIT_FAILURE;
}

nrt__wait nrt__children_await(nrt__children *children, nrt__child *child, const char *text,
                              uint32_t timeout_ms, char *line, size_t line_size) {
    uint64_t deadline = nrt__program_now_ms() + timeout_ms;
    nrt__wait state = NRT__WAIT_DONE;
    while (!find_line(child, text, line, line_size)) {
        if (child->exited) {
            return NRT__WAIT_ENDED;
        }
        state = wait_on(children, deadline);
        if (state != NRT__WAIT_DONE) {
            return state;
        }
    }
    return NRT__WAIT_DONE;
}

nrt__wait nrt__children_join(nrt__children *children, nrt__child *child, uint32_t timeout_ms) {
    uint64_t deadline = nrt__program_now_ms() + timeout_ms;
    while (!child->exited) {
        nrt__wait state = wait_on(children, deadline);
        if (state != NRT__WAIT_DONE) {
            return state;
        }
    }
    return NRT__WAIT_DONE;
}

nrt__child *nrt__children_watch(nrt__children *children) {
    for (;;) {
        for (size_t i = 0; i < children->count; i++) {
            if (children->all[i].exited) {
                return &children->all[i];
            }
        }
        if (children->signal || turn(children, -1) != 0) {
            return NULL;
        }
    }
}

/* ---- ending -----------------------------------------------------------------------------------
 */

/* Sends a signal and waits for the end; further signals to this program do not matter now. */
static void end_with(nrt__children *children, nrt__child *child, int number, uint32_t timeout_ms) {
    uint64_t deadline = nrt__program_now_ms() + timeout_ms;
    if (child->pid > 0) {
        (void)kill(child->pid, number);
    }
    while (child->pid > 0) {
        uint64_t now = nrt__program_now_ms();
        if (now >= deadline || turn(children, (int)(deadline - now)) != 0) {
            return;
        }
    }
}

void nrt__children_drop_last(nrt__children *children) {
    nrt__child *child = &children->all[--children->count];
    if (child->output >= 0) {
        (void)close(child->output);
    }
    nrt__buf_free(&child->text);
}

void nrt__children_finish(nrt__children *children) {
    children->echo = false;
    while (children->count > 0) {
        nrt__child *child = &children->all[children->count - 1];
        end_with(children, child, SIGTERM, TERM_TIMEOUT_MS);
        end_with(children, child, SIGKILL, KILL_TIMEOUT_MS);
        nrt__children_drop_last(children);
    }
    if (children->signals >= 0) {
        (void)close(children->signals);
        children->signals = -1;
    }
}

/* ---- finding programs -------------------------------------------------------------------------
 */

static bool is_program(nrt_str folder, const char *program, char *path, size_t size) {
    int len = snprintf(path, size, "%.*s/%s", (int)folder.len, folder.ptr, program);
    return len > 0 && (size_t)len < size && access(path, X_OK) == 0;
}

/* In the folders of PATH, or in the "sbin" beside those that are called "bin". */
static bool find_on_path(const char *program, bool beside, char *path, size_t size) {
    const char *list = getenv("PATH");
    while (list && *list) {
        nrt_str folder = {list, strcspn(list, ":")};
        char sbin[512];
        list += folder.len + (list[folder.len] == ':');
        if (beside) {
            if (folder.len < 4 || memcmp(folder.ptr + folder.len - 4, "/bin", 4) != 0) {
                continue;
            }
            int len = snprintf(sbin, sizeof(sbin), "%.*s/sbin", (int)folder.len - 4, folder.ptr);
            folder = (nrt_str){sbin, len > 0 && (size_t)len < sizeof(sbin) ? (size_t)len : 0};
        }
        if (folder.len > 0 && is_program(folder, program, path, size)) {
            return true;
        }
    }
    return false;
}

bool nrt__children_find(const char *program, const char *const folders[], char *path, size_t size) {
    for (size_t i = 0; folders[i]; i++) {
        if (is_program(nrt_str_from(folders[i]), program, path, size)) {
            return true;
        }
    }
    return find_on_path(program, false, path, size) || find_on_path(program, true, path, size);
}
