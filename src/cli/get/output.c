/* What `nrt get` prints: bytes exactly as they came, when they came, and every failed write told.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/get/get.h"
#include "core/base/str.h"

enum { HEAD_MAX = 1024 * 1024 };

void nrt__get_output_init(nrt__get_output *output, const char *path) {
    bool standard = !path || strcmp(path, "-") == 0;
    *output =
        (nrt__get_output){.path = standard ? NULL : path, .any_bytes = path && standard, .fd = -1};
    nrt__buf_init(&output->head, HEAD_MAX);
    nrt__buf_init(&output->queue, SIZE_MAX / 2); /* a window of the body, or one message */
}

nrt_str nrt__get_output_head(nrt__get_output *output, const nrt_response *response) {
    const nrt_fields *fields = nrt_response_fields(response);
    nrt_str reason = nrt_response_reason(response);
    nrt__buf *head = &output->head;
    nrt__buf_clear(head);
    (void)nrt__buf_printf(head, "HTTP/1.1 %03d %.*s\r\n", nrt_response_status(response),
                          NRT__ARG(reason));
    for (size_t i = 0; i < nrt_fields_count(fields); i++) {
        nrt_str name;
        nrt_str value;
        if (nrt_fields_at(fields, i, &name, &value) == 0) {
            (void)nrt__buf_put(head, name);
            (void)nrt__buf_lit(head, ": ");
            (void)nrt__buf_put(head, value);
            (void)nrt__buf_lit(head, "\r\n");
        }
    }
    (void)nrt__buf_lit(head, "\r\n");
    return nrt__buf_view(head);
}

static int write_failed(const nrt__get_output *output, int error, char *why, size_t why_size) {
    (void)snprintf(why, why_size, "cannot write to %s: %s",
                   output->path ? output->path : "standard output", strerror(error));
    return NRT__EXIT_WRITE;
}

/* ---- writing, without ever keeping the connection waiting ---- */

/* Notes why nothing can be written any more. */
static void fail(nrt__get_output *output, int error) {
    output->error = output->error ? output->error : error;
    nrt__buf_clear(&output->queue);
    if (output->watched) {
        nrt__io_set(&output->io, 0);
    }
}

static void on_writable(void *arg, unsigned events);

/* A terminal or pipe that others have as well is not made non-blocking under their hands: it is
 * opened anew, which gives us flags of our own. Where that cannot be, a piece that poll() has room
 * for must do. */
static void open_standard(nrt__get_output *output) {
    struct stat about;
    output->fd = STDOUT_FILENO;
    output->chunk = PIPE_BUF;
    if (fstat(STDOUT_FILENO, &about) == 0 &&
        (S_ISFIFO(about.st_mode) || isatty(STDOUT_FILENO) == 1)) {
        int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd >= 0) {
            output->fd = fd;
            output->chunk = SIZE_MAX;
        }
    }
}

/* 0, or an exit code with `why` set. */
static int open_output(nrt__get_output *output, char *why, size_t why_size) {
    if (!output->path) {
        open_standard(output);
    } else {
        output->fd = open(output->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        output->chunk = PIPE_BUF;
        if (output->fd < 0) {
            return write_failed(output, errno, why, why_size);
        }
    }
    /* Regular files are always writable, and cannot be watched. */
    output->watched =
        nrt__io_open(output->loop, &output->io, output->fd, 0, on_writable, output) == 0;
    return 0;
}

/* How much of `bytes` was taken now. */
static size_t write_now(nrt__get_output *output, nrt_str bytes) {
    size_t done = 0;
    while (done < bytes.len && output->error == 0) {
        size_t len = bytes.len - done;
        len = output->watched && len > output->chunk ? output->chunk : len;
        struct pollfd ready = {.fd = output->fd, .events = POLLOUT};
        if (output->watched && output->chunk < SIZE_MAX && poll(&ready, 1, 0) != 1) {
            break;
        }
        ssize_t wrote = write(output->fd, bytes.ptr + done, len);
        if (wrote >= 0) {
            done += (size_t)wrote;
        } else if (errno == EAGAIN && output->watched) {
            break;
        } else if (errno == EAGAIN) {
            (void)poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            fail(output, errno);
        }
    }
    return done;
}

static void on_writable(void *arg, unsigned events) {
    nrt__get_output *output = arg;
    (void)events;
    size_t done = write_now(output, nrt__buf_view(&output->queue));
    if (output->error == 0) {
        nrt__buf_consume(&output->queue, done);
        nrt__io_set(&output->io, nrt__buf_len(&output->queue) > 0 ? NRT_IO_WRITE : 0);
    }
    if (output->moved) {
        output->moved(output->moved_arg);
    }
}

int nrt__get_output_write(nrt__get_output *output, nrt_str bytes, char *why, size_t why_size) {
    int code = output->fd < 0 ? open_output(output, why, why_size) : 0;
    if (code != 0 || bytes.len == 0) {
        return code;
    }
    if (!output->path && !output->any_bytes && memchr(bytes.ptr, 0, bytes.len) &&
        isatty(STDOUT_FILENO)) {
        (void)snprintf(why, why_size,
                       "the body is binary and would upset this terminal; -o FILE saves it, "
                       "-o - shows it all the same");
        return NRT__EXIT_WRITE;
    }
    size_t done = nrt__buf_len(&output->queue) > 0 ? 0 : write_now(output, bytes);
    if (output->error == 0 &&
        !nrt__buf_put(&output->queue, (nrt_str){bytes.ptr + done, bytes.len - done})) {
        fail(output, ENOMEM);
    }
    if (output->error) {
        return write_failed(output, output->error, why, why_size);
    }
    if (done < bytes.len) {
        nrt__io_set(&output->io, NRT_IO_WRITE);
    }
    return 0;
}

size_t nrt__get_output_left(const nrt__get_output *output) {
    return nrt__buf_len(&output->queue);
}

int nrt__get_output_check(const nrt__get_output *output, char *why, size_t why_size) {
    return output->error ? write_failed(output, output->error, why, why_size) : 0;
}

int nrt__get_output_finish(nrt__get_output *output, char *why, size_t why_size) {
    if (output->fd < 0) {
        return 0;
    }
    if (output->watched) {
        nrt__io_close(&output->io);
        output->watched = false;
    }
    if (output->fd != STDOUT_FILENO && close(output->fd) != 0) {
        fail(output, errno);
    }
    output->fd = -1;
    nrt__buf_free(&output->queue);
    return nrt__get_output_check(output, why, why_size);
}

/* Terminals and logs of scripts are no place for credentials. */
static nrt_str without_secret(nrt_str name, nrt_str value) {
    static const char *const secret[] = {"Authorization", "Proxy-Authorization", "Cookie"};
    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
        if (nrt__str_same(name, nrt_str_from(secret[i]))) {
            return NRT__STR("(not shown)");
        }
    }
    return value;
}

static void show_fields(const nrt_fields *fields, const char *mark) {
    for (size_t i = 0; i < nrt_fields_count(fields); i++) {
        nrt_str name;
        nrt_str value;
        if (nrt_fields_at(fields, i, &name, &value) == 0) {
            value = without_secret(name, value);
            (void)fprintf(stderr, "%s %.*s: %.*s\n", mark, NRT__ARG(name), NRT__ARG(value));
        }
    }
}

void nrt__get_show_request(const nrt_request *request, int64_t length) {
    nrt_str method = nrt_request_method(request);
    nrt_str target = nrt_request_target(request);
    nrt_str host = nrt_request_host(request);
    size_t body = nrt_request_body(request).len;
    length = length >= 0 ? length : (int64_t)body;
    (void)fprintf(stderr, "> %.*s %.*s HTTP/1.1\n> Host: %.*s\n", NRT__ARG(method),
                  NRT__ARG(target), NRT__ARG(host));
    show_fields(nrt_request_fields(request), ">");
    if (length > 0) {
        (void)fprintf(stderr, "> Content-Length: %" PRId64 "\n", length);
    }
    (void)fprintf(stderr, ">\n");
}

void nrt__get_show_response(const nrt_response *response) {
    nrt_str reason = nrt_response_reason(response);
    (void)fprintf(stderr, "< HTTP/1.1 %03d %.*s\n", nrt_response_status(response),
                  NRT__ARG(reason));
    show_fields(nrt_response_fields(response), "<");
    (void)fprintf(stderr, "<\n");
}

void nrt__get_show_trailers(const nrt_fields *trailers) {
    if (nrt_fields_count(trailers) > 0) {
        show_fields(trailers, "<");
    }
}
