/* The folder of contexts, and which of them is selected: shared with the nats CLI. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <nrt/error.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/base/suggest.h"
#include "lib/context.h"

enum { PATH_LEN_MAX = 4096, NAMES_TOLD = 10 };

static const char selected_file[] = "/context.txt";
static const char previous_file[] = "/previous-context.txt"; /* for "nats context previous" */

bool nrt__context_name_ok(const char *name) {
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f) {
            return false;
        }
    }
    return len > 0 && len <= NRT__CONTEXT_NAME_MAX && !strpbrk(name, "/\\") && !strstr(name, "..");
}

bool nrt__context_path(char *out, size_t size, const char *more) {
    const char *config = getenv("XDG_CONFIG_HOME");
    char folder[PATH_LEN_MAX];
    if (!config || !*config) {
        if (!nrt__home_path(folder, sizeof(folder), "/.config")) {
            return false;
        }
        config = folder;
    }
    int len = snprintf(out, size, "%s/nats%s", config, more);
    return len > 0 && (size_t)len < size;
}

bool nrt__context_file(char *out, size_t size, const char *name) {
    char more[NRT__CONTEXT_NAME_MAX + 16];
    snprintf(more, sizeof(more), "/context/%s.json", name);
    return nrt__context_path(out, size, more);
}

/* ---- reading ---- */

/* The bytes of a regular file, to be freed; NULL with errno set, EFBIG where it holds more than
 * `max`, EINVAL where it is something else. */
static char *read_file(const char *path, size_t max, size_t *len) {
    struct stat about;
    char *text = NULL;
    int failure = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return NULL;
    }
    *len = 0;
    if (fstat(fd, &about) != 0) {
        failure = errno;
    } else if (!S_ISREG(about.st_mode)) {
        failure = S_ISDIR(about.st_mode) ? EISDIR : EINVAL;
    } else if (about.st_size > (off_t)max) {
        failure = EFBIG;
    } else if (!(text = malloc(max + 1))) {
        failure = ENOMEM;
    }
    while (!failure) {
        ssize_t got = read(fd, text + *len, max + 1 - *len);
        if (got > 0) {
            *len += (size_t)got;
            failure = *len > max ? EFBIG : 0;
        } else if (got == 0) {
            break;
        } else if (errno != EINTR) {
            failure = errno;
        }
    }
    close(fd);
    if (failure) {
        free(text);
        text = NULL;
        errno = failure;
    }
    return text;
}

static const char *read_reason(int failure, char *space, size_t size) {
    switch (failure) {
    case EFBIG:
        return "larger than a context may be";
    case EINVAL:
        return "not a regular file";
    default:
        return strerror_r(failure, space, size);
    }
}

/* ---- listing ---- */

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void nrt__context_names_free(nrt__context_names *names) {
    for (size_t i = 0; i < names->count; i++) {
        free(names->list[i]);
    }
    free(names->list);
    memset(names, 0, sizeof(*names));
}

static int add_name(nrt__context_names *names, const char *file) {
    size_t len = strlen(file);
    if (len <= 5 || strcmp(file + len - 5, ".json") != 0) {
        return 0;
    }
    char *name = strndup(file, len - 5);
    if (name && !nrt__context_name_ok(name)) {
        free(name);
        return 0;
    }
    char **list = name ? realloc(names->list, (names->count + 1) * sizeof(*list)) : NULL;
    if (!list) {
        free(name);
        return NRT_ERR_MEMORY;
    }
    names->list = list;
    list[names->count++] = name;
    return 0;
}

int nrt__context_list(nrt__context_names *names) {
    char path[PATH_LEN_MAX];
    struct stat about;
    int error = 0;
    memset(names, 0, sizeof(*names));
    DIR *folder = nrt__context_path(path, sizeof(path), "/context") ? opendir(path) : NULL;
    if (!folder) {
        return 0;
    }
    const struct dirent *entry;
    /* cppcheck-suppress readdirCalled ; a folder of our own, and glibc's is safe then */
    while (error == 0 && names->count < NRT__CONTEXTS_MAX && (entry = readdir(folder))) {
        /* A link to a file is one; an empty file is none to the nats CLI either. */
        if (fstatat(dirfd(folder), entry->d_name, &about, 0) != 0 ||
            (S_ISREG(about.st_mode) && about.st_size > 0)) {
            error = add_name(names, entry->d_name);
        }
    }
    closedir(folder);
    if (error < 0) {
        nrt__context_names_free(names);
    } else if (names->count > 1) {
        qsort(names->list, names->count, sizeof(*names->list), by_name);
    }
    return error;
}

/* ---- one of them ---- */

/* `len` more bytes have been printed behind `*at`, or would have been. */
static void printed(size_t *at, size_t size, int len) {
    *at = len > 0 && (size_t)len < size - *at ? *at + (size_t)len : size - 1;
}

static void tell_unknown(const char *name, char *detail, size_t size) {
    nrt__context_names names;
    char folder[PATH_LEN_MAX] = "";
    size_t at = 0;
    (void)nrt__context_path(folder, sizeof(folder), "/context");
    printed(&at, size, snprintf(detail, size, "there is no context \"%s\" in %s", name, folder));
    if (nrt__context_list(&names) < 0) {
        return;
    }
    const char *near = nrt__suggest(name, (const char *const *)names.list, names.count);
    if (near) {
        printed(&at, size, snprintf(detail + at, size - at, "; did you mean \"%s\"?", near));
    }
    if (names.count == 0) {
        printed(&at, size, snprintf(detail + at, size - at, ", which has none"));
    }
    for (size_t i = 0; i < names.count && i < NAMES_TOLD; i++) {
        const char *before = i > 0 ? "," : near ? " There are:" : "; there are:";
        printed(&at, size, snprintf(detail + at, size - at, "%s %s", before, names.list[i]));
    }
    if (names.count > NAMES_TOLD) {
        snprintf(detail + at, size - at, " and %zu more", names.count - NAMES_TOLD);
    }
    nrt__context_names_free(&names);
}

int nrt__context_load(nrt__context *context, const char *name, char *detail, size_t detail_size) {
    char path[PATH_LEN_MAX];
    char why[512] = "";
    size_t len = 0;
    memset(context, 0, sizeof(*context));
    if (!nrt__context_name_ok(name)) {
        snprintf(detail, detail_size,
                 "that is not the name of a context: a name is not empty, has no /, \\ or .. in it "
                 "and at most %d bytes",
                 NRT__CONTEXT_NAME_MAX);
        return NRT_ERR_CONFIG;
    }
    if (!nrt__context_file(path, sizeof(path), name)) {
        snprintf(detail, detail_size,
                 "context \"%s\": there is no home folder to look in; set XDG_CONFIG_HOME", name);
        return NRT_ERR_CONFIG;
    }
    char *text = read_file(path, NRT__CONTEXT_FILE_MAX, &len);
    int failure = errno;
    if (!text && failure == ENOENT) {
        tell_unknown(name, detail, detail_size);
        return NRT_ERR_CONFIG;
    }
    if (!text && failure == ENOMEM) {
        return NRT_ERR_MEMORY;
    }
    int error = NRT_ERR_CONFIG;
    const char *reason = why;
    if (text) {
        error = nrt__context_read(context, (nrt_str){text, len}, why, sizeof(why));
        OPENSSL_cleanse(text, len);
        free(text);
    } else {
        reason = read_reason(failure, why, sizeof(why));
    }
    if (error == NRT_ERR_CONFIG) {
        snprintf(detail, detail_size, "context \"%s\" (%s): %s", name, path, reason);
    }
    return error;
}

/* ---- the selection ---- */

/* What a selection file says, trimmed; "" where there is none. False with errno set. */
static bool read_selection(const char *file, char name[NRT__CONTEXT_NAME_MAX + 1], char *path,
                           size_t path_size) {
    size_t len = 0;
    name[0] = '\0';
    if (!nrt__context_path(path, path_size, file)) {
        return true; /* no home: nothing selected */
    }
    char *text = read_file(path, NRT__CONTEXT_NAME_MAX + 16, &len);
    if (!text) {
        return errno == ENOENT || errno == ENOTDIR;
    }
    nrt_str found = {text, len};
    while (found.len > 0 && strchr(" \t\r\n", found.ptr[0])) {
        found.ptr++;
        found.len--;
    }
    while (found.len > 0 && strchr(" \t\r\n", found.ptr[found.len - 1])) {
        found.len--;
    }
    bool ok = found.len <= NRT__CONTEXT_NAME_MAX && !memchr(found.ptr, '\0', found.len);
    if (ok) {
        memcpy(name, found.ptr, found.len);
        name[found.len] = '\0';
        ok = found.len == 0 || nrt__context_name_ok(name);
    }
    free(text);
    errno = EBADMSG;
    return ok;
}

int nrt__context_selected(char name[NRT__CONTEXT_NAME_MAX + 1], char *detail, size_t detail_size) {
    char path[PATH_LEN_MAX] = "";
    char space[128];
    if (read_selection(selected_file, name, path, sizeof(path))) {
        return 0;
    }
    int failure = errno;
    name[0] = '\0';
    snprintf(detail, detail_size, "%s: %s", path,
             failure == EBADMSG ? "does not hold the name of a context; select one, or remove it"
                                : read_reason(failure, space, sizeof(space)));
    return NRT_ERR_CONFIG;
}

/* Readers see the old text or the new one. 0, or -1 with errno set. */
static int replace_file(const char *path, const char *text) {
    char temporary[PATH_LEN_MAX + 16];
    size_t len = strlen(text);
    snprintf(temporary, sizeof(temporary), "%s.tmp-XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    if (fd < 0) {
        return -1;
    }
    ssize_t wrote = write(fd, text, len);
    int failed = wrote != (ssize_t)len;
    int failure = failed && wrote >= 0 ? ENOSPC : errno;
    if (!failed && fsync(fd) != 0) {
        failed = 1;
        failure = errno;
    }
    close(fd);
    if (!failed && rename(temporary, path) != 0) {
        failed = 1;
        failure = errno;
    }
    if (failed) {
        unlink(temporary);
        errno = failure;
    }
    return failed ? -1 : 0;
}

int nrt__context_select(const char *name, char *detail, size_t detail_size) {
    char old[NRT__CONTEXT_NAME_MAX + 1];
    char path[PATH_LEN_MAX];
    char space[128];
    nrt__context context;
    int error = nrt__context_load(&context, name, detail, detail_size);
    nrt__context_finish(&context);
    if (error < 0) {
        return error;
    }
    bool had = read_selection(selected_file, old, path, sizeof(path)) && *old;
    if ((had && strcmp(old, name) != 0 && nrt__context_path(path, sizeof(path), previous_file) &&
         replace_file(path, old) != 0) ||
        (nrt__context_path(path, sizeof(path), selected_file) && replace_file(path, name) != 0)) {
        snprintf(detail, detail_size, "%s: %s", path, strerror_r(errno, space, sizeof(space)));
        return NRT_ERR_CONFIG;
    }
    return 0;
}
