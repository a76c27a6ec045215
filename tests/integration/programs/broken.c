/* The thread of nrt_conn_start cannot go on: its epoll set is closed under it, as a program does
 * that closes descriptors which are not its own. It says so, nobody waits for ever, and the end
 * tells of what was under way.
 *
 *     broken SERVER URL */
#include "check.h"

#include <dirent.h>
#include <pthread.h>
#include <unistd.h>

#include <nrt/bridge.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t some = PTHREAD_COND_INITIALIZER;
static int connected;
static int broken;
static int logged;
static int canceled;

static void on_event(nrt_conn *conn, nrt_conn_event event, int error, const char *detail,
                     void *arg) {
    (void)arg;
    pthread_mutex_lock(&lock);
    connected += event == NRT_CONN_CONNECTED;
    if (event == NRT_CONN_BROKEN) {
        CHECK_INT(error, NRT_ERR_SYSTEM);
        CHECK(strstr(detail, "event loop"));
        CHECK(strcmp(nrt_conn_error(conn), detail) == 0);
        broken++;
    }
    pthread_cond_signal(&some);
    pthread_mutex_unlock(&lock);
}

static void on_log(nrt_log_level level, const char *text, void *arg) {
    (void)arg;
    logged += level == NRT_LOG_ERROR && strstr(text, "event loop");
}

static void on_result(const nrt_result *result, void *arg) {
    (void)arg;
    CHECK_INT(result->error, NRT_ERR_CANCELED);
    canceled++;
}

static void ask(nrt_conn *conn, void *request) {
    CHECK_INT(nrt_send(conn, request, NULL, on_result, NULL, NULL), 0);
}

static void nothing(nrt_conn *conn, void *arg) {
    (void)conn, (void)arg;
}

static void wait_for(const int *count) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 30;
    pthread_mutex_lock(&lock);
    while (*count == 0) {
        CHECK_INT(pthread_cond_timedwait(&some, &lock, &end), 0);
    }
    pthread_mutex_unlock(&lock);
}

/* On its own thread: for TSan, a close() elsewhere would be the race that it is. */
static void close_epoll(nrt_conn *conn, void *arg) {
    DIR *folder = opendir("/proc/self/fd");
    int found = 0;
    (void)conn, (void)arg;
    CHECK(folder != NULL);
    for (struct dirent *one; (one = readdir(folder));) {
        char target[64] = "";
        if (readlinkat(dirfd(folder), one->d_name, target, sizeof(target) - 1) > 0 &&
            strcmp(target, "anon_inode:[eventpoll]") == 0) {
            CHECK_INT(close(atoi(one->d_name)), 0);
            found++;
        }
    }
    closedir(folder);
    CHECK_INT(found, 1);
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 3);
    int error = 0;
    const char *path = NULL;
    nrt_request *request = make_request("GET", argv[2]);
    nrt_options options = options_for(argv[1]);
    options.on_event = on_event;
    options.log = on_log;
    nrt_conn *conn = nrt_conn_open(&options, &error);
    CHECK(conn != NULL);
    CHECK_INT(nrt_conn_start(conn), 0);
    wait_for(&connected);
    CHECK_INT(nrt_conn_post(conn, ask, request), 0);
    CHECK_INT(nrt_conn_post(conn, close_epoll, NULL), 0);
    wait_for(&broken);
    CHECK_INT(nrt_conn_post(conn, nothing, NULL), NRT_ERR_SYSTEM);
    CHECK_INT(nrt_bridge_path(conn, &path), NRT_ERR_CANCELED);
    CHECK(path == NULL && canceled == 0);
    nrt_conn_destroy(conn);
    CHECK_INT(canceled, 1);
    CHECK_INT(broken, 1);
    CHECK_INT(logged, 1);
    nrt_request_destroy(request);
    return 0;
}
