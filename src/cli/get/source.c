/* Where the body of `nrt get` comes from when it is a file or standard input: read piece by piece,
 * as the service takes it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/get/get.h"
#include "core/base/str.h"

enum { PIECE = 64 * 1024 };

static const char *shown_name(const nrt__source *source) {
    return strcmp(source->name, "-") == 0 ? "standard input" : source->name;
}

int nrt__source_open(nrt__source *source, const char *path, bool strip, char *why,
                     size_t why_size) {
    struct stat about;
    bool standard = strcmp(path, "-") == 0;
    *source = (nrt__source){.name = path, .strip = strip, .length = -1};
    nrt__buf_init(&source->held, NRT__SOURCE_COLLECT + PIECE);
    source->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    source->is_open = source->fd >= 0;
    if (!source->is_open || fstat(source->fd, &about) != 0 || S_ISDIR(about.st_mode)) {
        (void)snprintf(why, why_size, "cannot read %s: %s", shown_name(source),
                       source->is_open && S_ISDIR(about.st_mode) ? strerror(EISDIR)
                                                                 : strerror(errno));
        return NRT__EXIT_USAGE;
    }
    source->start = S_ISREG(about.st_mode) ? lseek(source->fd, 0, SEEK_CUR) : -1;
    source->regular = source->ready = source->start >= 0;
    /* Files that are made as they are read (/proc) say 0. */
    if (source->regular && !strip && about.st_size > source->start) {
        source->length = about.st_size - source->start;
    }
    return 0;
}

void nrt__source_close(nrt__source *source) {
    if (source->is_open && source->fd != STDIN_FILENO) {
        (void)close(source->fd);
    }
    source->is_open = false;
    nrt__buf_free(&source->held);
}

/* Drops what -d drops of a file: CR, LF and NUL. */
static size_t strip_lines(char *bytes, size_t len) {
    size_t kept = 0;
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != '\r' && bytes[i] != '\n' && bytes[i] != '\0') {
            bytes[kept++] = bytes[i];
        }
    }
    return kept;
}

/* What is left of the length that was told. */
static size_t wanted(const nrt__source *source) {
    uint64_t left = PIECE;
    if (source->length >= 0) {
        left = (uint64_t)source->length - source->got;
    }
    return left < PIECE ? (size_t)left : PIECE;
}

int nrt__source_read(nrt__source *source, char *why, size_t why_size) {
    size_t size = wanted(source);
    char *room = size > 0 ? nrt__buf_room(&source->held, size) : NULL;
    if (size == 0) {
        source->ended = true;
        return 0;
    }
    if (!room) {
        (void)snprintf(why, why_size, "out of memory");
        return NRT__EXIT_FAILED;
    }
    ssize_t got = read(source->fd, room, size);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    if (got < 0) {
        (void)snprintf(why, why_size, "cannot read %s: %s", shown_name(source), strerror(errno));
        return NRT__EXIT_FAILED;
    }
    if (got == 0 && source->length >= 0) {
        (void)snprintf(why, why_size, "%s became shorter while it was sent", shown_name(source));
        return NRT__EXIT_FAILED;
    }
    source->ended = got == 0;
    source->got += (uint64_t)got;
    nrt__buf_added(&source->held, source->strip ? strip_lines(room, (size_t)got) : (size_t)got);
    source->ended = source->ended || (source->length >= 0 && wanted(source) == 0);
    return 0;
}

void nrt__source_sent(nrt__source *source, size_t len) {
    source->sent += len;
    nrt__buf_consume(&source->held, len);
}

bool nrt__source_rewind(nrt__source *source) {
    if (source->sent == 0) {
        return true; /* all that was read is still here */
    }
    if (!source->regular || lseek(source->fd, source->start, SEEK_SET) < 0) {
        return false;
    }
    nrt__buf_clear(&source->held);
    source->got = source->sent = 0;
    source->ended = false;
    return true;
}
