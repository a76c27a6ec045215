/* Files as answers: found below a folder and nowhere else, and read. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <nrt/http.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/exchange/services.h"
#include "core/handler/conditional.h"
#include "core/http/http_date.h"
#include "lib/serve_file.h"

/* What follows from a name's ending (IANA's registry of media types). */
static const char *type_of(nrt_str path) {
    static const char *const types[] = {
        "avif",  "image/avif",
        "css",   "text/css; charset=utf-8",
        "csv",   "text/csv; charset=utf-8",
        "gif",   "image/gif",
        "gz",    "application/gzip",
        "htm",   "text/html; charset=utf-8",
        "html",  "text/html; charset=utf-8",
        "ico",   "image/vnd.microsoft.icon",
        "jpeg",  "image/jpeg",
        "jpg",   "image/jpeg",
        "js",    "text/javascript; charset=utf-8",
        "json",  "application/json",
        "md",    "text/markdown; charset=utf-8",
        "mjs",   "text/javascript; charset=utf-8",
        "mp3",   "audio/mpeg",
        "mp4",   "video/mp4",
        "pdf",   "application/pdf",
        "png",   "image/png",
        "svg",   "image/svg+xml",
        "txt",   "text/plain; charset=utf-8",
        "wasm",  "application/wasm",
        "webm",  "video/webm",
        "webp",  "image/webp",
        "woff2", "font/woff2",
        "xml",   "application/xml",
        "zip",   "application/zip",
    };
    size_t dot = path.len;
    while (dot > 0 && path.ptr[dot - 1] != '.' && path.ptr[dot - 1] != '/') {
        dot--;
    }
    nrt_str ending = {path.ptr + dot, path.len - dot};
    bool has_ending = dot > 0 && path.ptr[dot - 1] == '.';
    for (size_t i = 0; has_ending && i < sizeof(types) / sizeof(types[0]); i += 2) {
        if (nrt__str_same(ending, nrt_str_from(types[i]))) {
            return types[i + 1];
        }
    }
    return "application/octet-stream";
}

/* ---- opening ---- */

/* Names with single slashes between, none of which begins with a dot; with a NUL into `out`. */
static bool copy_path(nrt_str path, char out[PATH_MAX]) {
    if (path.len == 0 || path.len >= PATH_MAX || memchr(path.ptr, '\0', path.len)) {
        return false;
    }
    for (size_t i = 0; i < path.len; i++) {
        bool begins = i == 0 || path.ptr[i - 1] == '/';
        if (begins && (path.ptr[i] == '/' || path.ptr[i] == '.')) {
            return false;
        }
    }
    memcpy(out, path.ptr, path.len);
    out[path.len] = '\0';
    return path.ptr[path.len - 1] != '/';
}

/* Neither waits for a FIFO's other end nor takes a terminal. */
enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

/* Name by name, following no link. */
static int open_stepwise(int root, char *path) {
    int folder = root;
    char *name = path;
    char *slash = strchr(name, '/');
    while (slash && folder >= 0) {
        *slash = '\0';
        int next = openat(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int error = errno;
        if (folder != root) {
            close(folder);
        }
        errno = error;
        folder = next;
        name = slash + 1;
        slash = strchr(name, '/');
    }
    if (folder < 0) {
        return -1;
    }
    int file = openat(folder, name, OPEN_FLAGS | O_NOFOLLOW);
    int error = errno;
    if (folder != root) {
        close(folder);
    }
    errno = error;
    return file;
}

int nrt__file_open_below(int root, nrt_str path, bool stepwise) {
    char copy[PATH_MAX];
    if (!copy_path(path, copy)) {
        errno = ENOENT;
        return -1;
    }
    struct open_how how = {.flags = (unsigned)OPEN_FLAGS,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long file = -1;
    if (!stepwise) {
        file = syscall(SYS_openat2, root, copy, &how, sizeof(how));
        /* An older kernel, or a filter of system calls that does not know it. */
        stepwise = file < 0 && (errno == ENOSYS || errno == EPERM);
    }
    return stepwise ? open_stepwise(root, copy) : (int)file;
}

/* ---- answering ---- */

typedef struct file_answer {
    nrt_exchange *exchange;
    int file;
    nrt__representation what;
    char etag[64];
    char modified[NRT__HTTP_DATE_SIZE];
    uint64_t first;
    uint64_t last;   /* of a part */
    uint64_t length; /* of what is to be sent; 0 where that is no file */
} file_answer;

static int set(nrt_exchange *exchange, const char *name, const char *value) {
    return nrt_fields_set(nrt_exchange_fields(exchange), nrt_str_from(name), nrt_str_from(value));
}

static void describe(file_answer *answer, const struct stat *about) {
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    answer->what.size = (uint64_t)about->st_size;
    answer->what.modified_s = about->st_mtim.tv_sec;
    answer->what.now_s = now.tv_sec;
    if (!nrt__http_date_write(answer->what.modified_s, answer->modified)) {
        answer->modified[0] = '\0';
    }
    /* The same on all machines that have the same copy (the inode would not be). */
    snprintf(answer->etag, sizeof(answer->etag), "\"%llx-%llx.%lx\"",
             (unsigned long long)answer->what.size, (unsigned long long)about->st_mtim.tv_sec,
             (unsigned long)about->st_mtim.tv_nsec);
    answer->what.etag = nrt_str_from(answer->etag);
}

/* More than this is sent in pieces, where the client takes them. */
enum { STREAM_FROM = 128 * 1024 };

/* The bytes from `first` on become the body. */
static int send_body(file_answer *answer) {
    nrt_exchange *exchange = answer->exchange;
    uint64_t wanted = answer->length;
    if (wanted > STREAM_FROM) {
        int error = nrt__file_stream(exchange, answer->file, answer->first, wanted);
        if (error != NRT_ERR_UNSUPPORTED) {
            return error;
        }
    }
    if (wanted > exchange->max_body) {
        exchange->failed = NRT_ERR_RESPONSE_TOO_LARGE;
        return 0;
    }
    char *room = nrt__buf_room(&exchange->body, wanted);
    if (!room) {
        exchange->failed = NRT_ERR_MEMORY;
        return NRT_ERR_MEMORY;
    }
    size_t got = 0;
    while (got < wanted) {
        ssize_t count = pread(answer->file, room + got, wanted - got, (off_t)(answer->first + got));
        if (count <= 0 && !(count < 0 && errno == EINTR)) {
            nrt_exchange_problem(exchange, 500,
                                 count < 0 ? "the file cannot be read"
                                           : "the file became shorter while it was read");
            return 0;
        }
        got += count > 0 ? (size_t)count : 0;
    }
    nrt__buf_added(&exchange->body, got);
    return 0;
}

/* What is said of the range that is to come, which may be all of it. */
static int announce_range(file_answer *answer, nrt__range range) {
    nrt_exchange *exchange = answer->exchange;
    unsigned long long size = answer->what.size;
    char text[80];
    answer->length = size;
    switch (range) {
    case NRT__RANGE_WHOLE:
        answer->first = 0;
        if (exchange->to_head) { /* told without reading it */
            exchange->response.message.length = size;
            exchange->response.message.has_length = true;
            answer->length = 0;
        }
        return 0;
    case NRT__RANGE_PART:
        answer->length = answer->last - answer->first + 1;
        nrt_exchange_set_status(exchange, 206);
        snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)answer->first,
                 (unsigned long long)answer->last, size);
        break;
    case NRT__RANGE_NONE:
        answer->length = 0;
        nrt_exchange_problem(exchange, 416, "the range begins behind the end of the file");
        snprintf(text, sizeof(text), "bytes */%llu", size);
        break;
    }
    return set(exchange, "Content-Range", text);
}

/* Status and fields of an answer with the file, or with a part of it. */
static int announce(file_answer *answer, nrt_str path) {
    nrt_exchange *exchange = answer->exchange;
    const nrt_request *request = nrt_exchange_request(exchange);
    bool typed = nrt_fields_get(nrt_exchange_fields(exchange), "Content-Type").ptr;
    nrt_exchange_set_status(exchange, 200);
    int error = typed ? 0 : set(exchange, "Content-Type", type_of(path));
    if (error == 0) {
        error = set(exchange, "Accept-Ranges", "bytes");
    }
    if (error == 0) {
        nrt__range range = nrt__range_read(nrt_request_method(request), nrt_request_fields(request),
                                           &answer->what, &answer->first, &answer->last);
        error = announce_range(answer, range);
    }
    return error;
}

static int answer_file(file_answer *answer, nrt_str path) {
    nrt_exchange *exchange = answer->exchange;
    const nrt_request *request = nrt_exchange_request(exchange);
    int error = 0;
    int status = nrt__conditional_check(nrt_request_method(request), nrt_request_fields(request),
                                        &answer->what);
    if (status == 412) {
        nrt_exchange_problem(exchange, 412, "the file is not the one that the condition is for");
    } else if (status == 304) {
        nrt_exchange_set_status(exchange, 304);
    } else {
        error = announce(answer, path);
    }
    /* Validators of what is here now; behind what makes a problem, which begins anew. */
    if (error == 0) {
        error = set(exchange, "ETag", answer->etag);
    }
    if (error == 0 && answer->modified[0]) {
        error = set(exchange, "Last-Modified", answer->modified);
    }
    return error < 0 || answer->length == 0 ? error : send_body(answer);
}

static int refuse_method(nrt_exchange *exchange) {
    nrt_exchange_problem(exchange, 405, "files are read with GET and HEAD");
    return set(exchange, "Allow", "GET, HEAD");
}

static int open_and_answer(nrt_exchange *exchange, int root, nrt_str path) {
    file_answer answer = {.exchange = exchange};
    struct stat about;
    int error = 0;
    answer.file = nrt__file_open_below(root, path, false);
    if (answer.file < 0 || fstat(answer.file, &about) < 0 || !S_ISREG(about.st_mode)) {
        nrt_exchange_problem(exchange, 404, "there is no such file");
    } else {
        describe(&answer, &about);
        error = answer_file(&answer, path);
    }
    if (answer.file >= 0) {
        close(answer.file);
    }
    return error;
}

int nrt_exchange_file(nrt_exchange *exchange, const char *root, nrt_str path) {
    nrt_str method = nrt_request_method(nrt_exchange_request(exchange));
    int error = NRT_ERR_USAGE;
    nrt__buf_clear(&exchange->body); /* the file is all of it */
    if (!nrt__str_equal(method, NRT__STR("GET")) && !nrt__str_equal(method, NRT__STR("HEAD"))) {
        error = refuse_method(exchange);
    } else if (root) {
        int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int saved = errno;
        error = NRT_ERR_SYSTEM;
        if (folder >= 0) {
            error = open_and_answer(exchange, folder, path);
            close(folder);
        }
        errno = saved;
    }
    if (error < 0) {
        nrt_exchange_error(exchange, error);
    }
    return error;
}
