/* Lines to a file, by a thread. */
#include "cli/daemon/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    KEPT_MAX = 4 << 20,     /* bytes of lines that wait; what comes beyond is lost */
    KEPT_EARLY = 64 * 1024, /* so much is written at once, */
    GATHER_MS = 200,        /* less waits so long for more */
    CLOSE_MS = 2000,
};

struct nrt__log_file {
    pthread_mutex_t lock; /* for all below it, up to the next comment */
    pthread_cond_t changed;
    nrt__buf kept;
    size_t before; /* bytes in it when the line being added was begun */
    bool ending;
    bool reopen;
    bool over; /* the thread has ended */
    uint64_t lost;
    int error;
    bool reopen_failed;
    /* The thread's. */
    pthread_t thread;
    nrt__buf writing;
    int fd;
    bool cut;    /* the last line in the file is not whole: a newline comes before the next one */
    char path[]; /* "-": standard output */
};

/* A named pipe without a reader is an error, not something to wait for. */
static int open_path(const char *path) {
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    int flags = fd < 0 ? 0 : fcntl(fd, F_GETFL);
    if (flags > 0) { /* the thread may wait */
        (void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    }
    return fd;
}

static bool is_stdout(const nrt__log_file *file) {
    return strcmp(file->path, "-") == 0;
}

static uint64_t count_lines(nrt_str text) {
    uint64_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += text.ptr[i] == '\n';
    }
    return count;
}

static void note_trouble(nrt__log_file *file, uint64_t lost, int error, bool reopening) {
    pthread_mutex_lock(&file->lock);
    file->lost += lost;
    file->error = error;
    file->reopen_failed = file->reopen_failed || reopening;
    pthread_mutex_unlock(&file->lock);
}

/* Waits with the lock held; false when the time was up. */
static bool wait_ms(nrt__log_file *file, long ms) {
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += ms % 1000 * 1000000;
    end.tv_sec += ms / 1000 + end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    return pthread_cond_timedwait(&file->changed, &file->lock, &end) == 0;
}

static void write_all(nrt__log_file *file) {
    nrt__buf *buf = &file->writing;
    while (nrt__buf_len(buf) > 0) {
        if (file->cut) {
            if (write(file->fd, "\n", 1) != 1) {
                note_trouble(file, count_lines(nrt__buf_view(buf)), errno, false);
                break;
            }
            file->cut = false;
        }
        nrt_str left = nrt__buf_view(buf);
        ssize_t put = write(file->fd, left.ptr, left.len);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            /* The line that was begun is half there; those behind it not at all. */
            note_trouble(file, count_lines(left), put < 0 ? errno : EIO, false);
            break;
        }
        file->cut = left.ptr[put - 1] != '\n';
        nrt__buf_consume(buf, (size_t)put);
    }
    nrt__buf_shrink(buf, KEPT_EARLY * 2);
}

static void reopen(nrt__log_file *file) {
    int fd = is_stdout(file) ? file->fd : open_path(file->path);
    if (fd < 0) {
        note_trouble(file, 0, errno, true);
    } else if (fd != file->fd) {
        close(file->fd);
        file->fd = fd;
        file->cut = false;
    }
}

static void *run(void *arg) {
    nrt__log_file *file = arg;
    sigset_t all; /* SIGPIPE above all: the error of the write is enough */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    pthread_mutex_lock(&file->lock);
    for (;;) {
        while (nrt__buf_len(&file->kept) == 0 && !file->ending && !file->reopen) {
            pthread_cond_wait(&file->changed, &file->lock);
        }
        while (nrt__buf_len(&file->kept) < KEPT_EARLY && !file->ending && !file->reopen &&
               wait_ms(file, GATHER_MS)) {
        }
        if (nrt__buf_len(&file->kept) == 0 && file->ending) {
            break;
        }
        nrt__buf swap = file->kept;
        file->kept = file->writing;
        file->writing = swap;
        bool anew = file->reopen;
        file->reopen = false;
        pthread_mutex_unlock(&file->lock);
        write_all(file);
        if (anew) {
            reopen(file);
        }
        pthread_mutex_lock(&file->lock);
    }
    file->over = true;
    pthread_cond_broadcast(&file->changed);
    pthread_mutex_unlock(&file->lock);
    return NULL;
}

static void free_file(nrt__log_file *file) {
    pthread_mutex_destroy(&file->lock);
    pthread_cond_destroy(&file->changed);
    nrt__buf_free(&file->kept);
    nrt__buf_free(&file->writing);
    if (file->fd >= 0 && !is_stdout(file)) {
        close(file->fd);
    }
    free(file);
}

nrt__log_file *nrt__log_file_open(const char *path) {
    pthread_condattr_t monotonic;
    nrt__log_file *file = calloc(1, sizeof(*file) + strlen(path) + 1);
    if (!file) {
        errno = ENOMEM;
        return NULL;
    }
    memcpy(file->path, path, strlen(path) + 1);
    nrt__buf_init(&file->kept, KEPT_MAX);
    nrt__buf_init(&file->writing, KEPT_MAX);
    pthread_mutex_init(&file->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&file->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    file->fd = is_stdout(file) ? STDOUT_FILENO : open_path(path);
    int code = file->fd < 0 ? errno : pthread_create(&file->thread, NULL, run, file);
    if (code != 0) {
        free_file(file);
        errno = code;
        return NULL;
    }
    return file;
}

nrt__buf *nrt__log_file_begin(nrt__log_file *file) {
    pthread_mutex_lock(&file->lock);
    file->before = nrt__buf_len(&file->kept);
    return &file->kept;
}

void nrt__log_file_end(nrt__log_file *file) {
    nrt__buf *kept = &file->kept;
    if (kept->failed) { /* what there is of this line goes again */
        kept->failed = false;
        while (nrt__buf_len(kept) > 0 && kept->bytes[kept->end - 1] != '\n') {
            kept->end--;
        }
        file->lost++;
        file->error = ENOBUFS;
    }
    size_t len = nrt__buf_len(kept); /* the thread is woken once, not for each line */
    if ((file->before == 0 && len > 0) || (file->before < KEPT_EARLY && len >= KEPT_EARLY)) {
        pthread_cond_signal(&file->changed);
    }
    pthread_mutex_unlock(&file->lock);
}

void nrt__log_file_reopen(nrt__log_file *file) {
    pthread_mutex_lock(&file->lock);
    file->reopen = true;
    pthread_cond_signal(&file->changed);
    pthread_mutex_unlock(&file->lock);
}

bool nrt__log_file_trouble(nrt__log_file *file, uint64_t *lost, int *error, bool *reopening) {
    pthread_mutex_lock(&file->lock);
    bool any = file->error != 0;
    *lost = file->lost;
    *error = file->error;
    *reopening = file->reopen_failed;
    file->lost = 0;
    file->error = 0;
    file->reopen_failed = false;
    pthread_mutex_unlock(&file->lock);
    return any;
}

void nrt__log_file_finish(nrt__log_file *file) {
    pthread_mutex_lock(&file->lock);
    file->ending = true;
    pthread_cond_broadcast(&file->changed);
    while (!file->over && wait_ms(file, CLOSE_MS)) {
    }
    if (!file->over) {
        file->lost += count_lines(nrt__buf_view(&file->kept));
        file->error = ENOBUFS;
    }
    pthread_mutex_unlock(&file->lock);
}

void nrt__log_file_close(nrt__log_file *file) {
    if (!file) {
        return;
    }
    pthread_mutex_lock(&file->lock);
    bool over = file->over;
    pthread_mutex_unlock(&file->lock);
    if (over) {
        pthread_join(file->thread, NULL);
        free_file(file);
    } else { /* stuck in a write: it goes with the process */
        pthread_detach(file->thread);
    }
}
