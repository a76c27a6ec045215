/* A small file, whole and in memory. */
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void nrt__file_free(nrt_str text) {
    if (text.ptr) {
        OPENSSL_cleanse((char *)text.ptr, text.len);
        free((char *)text.ptr);
    }
}

/* Up to `size` bytes: fewer at the end of the file. */
static ssize_t read_all(int fd, char *to, size_t size) {
    size_t len = 0;
    while (len < size) {
        ssize_t got = read(fd, to + len, size - len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        len += (size_t)got;
    }
    return (ssize_t)len;
}

int nrt__file_read(const char *path, size_t max, nrt_str *text, char *reason, size_t size) {
    struct stat about;
    char *bytes = NULL;
    ssize_t got = -1;
    *text = (nrt_str){NULL, 0};
    /* Without waiting: a pipe would hold up the loop for as long as nobody writes. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &about) < 0) {
        snprintf(reason, size, "%s: %s", path, strerror(errno));
        goto fail;
    }
    if (!S_ISREG(about.st_mode)) {
        snprintf(reason, size, "%s: not a regular file", path);
        goto fail;
    }
    if ((uint64_t)about.st_size > max) {
        snprintf(reason, size, "%s: larger than %zu KiB", path, max / 1024);
        goto fail;
    }
    size_t room = (size_t)about.st_size;
    bytes = malloc(room + 1);
    if (!bytes) {
        close(fd);
        snprintf(reason, size, "out of memory");
        return NRT_ERR_MEMORY;
    }
    got = read_all(fd, bytes, room);
    if (got < 0) {
        snprintf(reason, size, "%s: %s", path, strerror(errno));
        goto fail;
    }
    close(fd);
    bytes[got] = '\0';
    *text = (nrt_str){bytes, (size_t)got};
    return 0;
fail:
    free(bytes);
    if (fd >= 0) {
        close(fd);
    }
    return NRT_ERR_SYSTEM;
}
