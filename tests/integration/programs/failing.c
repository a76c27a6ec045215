/* Memory, descriptors, threads and random bytes that run out when they are told to. */
#include "failing.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *memory);
int __real_socket(int domain, int type, int protocol);
int __real_eventfd(unsigned value, int flags);
int __real_timerfd_create(int clock, int flags);
int __real_epoll_create1(int flags);
int __real_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout);
int __real_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg);
int __real_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found);
int __real_RAND_bytes(unsigned char *bytes, int len);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *memory);
char *__wrap_strndup(const char *text, size_t max);
char *__wrap_strdup(const char *text);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_eventfd(unsigned value, int flags);
int __wrap_timerfd_create(int clock, int flags);
int __wrap_epoll_create1(int flags);
int __wrap_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout);
int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found);
int __wrap_RAND_bytes(unsigned char *bytes, int len);

static atomic_long refuse_at; /* 0: nothing is refused */
static atomic_long asked;
static atomic_long live;
static atomic_bool all_that_follow;
static atomic_bool refused;
static atomic_int of_whom;
static _Thread_local bool is_main;

static bool count_one(void) {
    long at = atomic_load(&refuse_at);
    if (at == 0) {
        return false;
    }
    long number = atomic_fetch_add(&asked, 1) + 1;
    if (number != at && !(atomic_load(&all_that_follow) && number > at)) {
        return false;
    }
    atomic_store(&refused, true);
    errno = ENOMEM;
    return true;
}

static bool refuse(void) {
    switch ((failing_who)atomic_load(&of_whom)) {
    case FAILING_ANY:
        return count_one();
    case FAILING_MAIN:
        return is_main && count_one();
    case FAILING_OTHERS:
        return !is_main && count_one();
    case FAILING_WAITS:
        return false;
    }
    return false;
}

static void *counted(void *memory) {
    atomic_fetch_add(&live, memory != NULL);
    return memory;
}

void *__wrap_malloc(size_t size) {
    return refuse() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size) {
    return refuse() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size) {
    if (refuse()) {
        return NULL;
    }
    bool grows = old != NULL;
    void *memory = __real_realloc(old, size);
    return grows ? memory : counted(memory);
}

void __wrap_free(void *memory) {
    atomic_fetch_sub(&live, memory != NULL);
    __real_free(memory);
}

char *__wrap_strndup(const char *text, size_t max) {
    size_t len = strnlen(text, max);
    char *copy = __wrap_malloc(len + 1);
    if (copy) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

char *__wrap_strdup(const char *text) {
    return __wrap_strndup(text, SIZE_MAX);
}

int __wrap_socket(int domain, int type, int protocol) {
    return refuse() ? -1 : __real_socket(domain, type, protocol);
}

int __wrap_eventfd(unsigned value, int flags) {
    return refuse() ? -1 : __real_eventfd(value, flags);
}

int __wrap_timerfd_create(int clock, int flags) {
    return refuse() ? -1 : __real_timerfd_create(clock, flags);
}

int __wrap_epoll_create1(int flags) {
    return refuse() ? -1 : __real_epoll_create1(flags);
}

int __wrap_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout) {
    bool refused_now = atomic_load(&of_whom) == FAILING_WAITS && count_one();
    return refused_now ? -1 : __real_epoll_wait(epfd, events, max, timeout);
}

int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event) {
    return op == EPOLL_CTL_ADD && refuse() ? -1 : __real_epoll_ctl(epfd, op, fd, event);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg) {
    return refuse() ? EAGAIN : __real_pthread_create(thread, attr, fn, arg);
}

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found) {
    return refuse() ? EAI_MEMORY : __real_getaddrinfo(host, port, hints, found);
}

int __wrap_RAND_bytes(unsigned char *bytes, int len) {
    return refuse() ? 0 : __real_RAND_bytes(bytes, len);
}

void failing_init(void) {
    is_main = true;
    json_set_alloc_funcs(__wrap_malloc, __wrap_free);
}

void failing_begin(failing_who who, long at, bool onwards) {
    atomic_store(&of_whom, (int)who);
    atomic_store(&all_that_follow, onwards);
    atomic_store(&refused, false);
    atomic_store(&asked, 0);
    atomic_store(&refuse_at, at);
}

bool failing_end(void) {
    atomic_store(&refuse_at, 0);
    return atomic_load(&refused);
}

long failing_live(void) {
    return atomic_load(&live);
}

long failing_descriptors(void) {
    long count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder)) {
        count++;
    }
    if (folder) {
        closedir(folder);
    }
    return count;
}
