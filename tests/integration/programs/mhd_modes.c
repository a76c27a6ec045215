/* A libmicrohttpd daemon on NATS in each of its threading modes.
 *
 *     mhd_modes SERVER HOST MODE
 *
 * MODE: auto, select, poll, epoll, thread (one for each connection), pool, external (no thread of
 * its own), hidden (no listening socket), tls and deaf (neither listens nor is told: both refused).
 * /echo answers what comes, /slow suspends the connection and resumes it from another thread,
 * /upgrade changes to an echo protocol. Prints "ready" or why not; ends when its input does. */
#include "check.h"

#include <nrt/mhd.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

typedef struct upload {
    char *bytes;
    size_t len;
    bool resumed;
} upload;

static struct MHD_Daemon *httpd;

static void *resume_later(void *arg) {
    sleep_ms(50);
    MHD_resume_connection(arg);
    return NULL;
}

static atomic_int tunnels; /* a daemon may be stopped when all of them have been closed */

typedef struct tunnel {
    MHD_socket sock;
    struct MHD_UpgradeResponseHandle *handle;
} tunnel;

static void *echo(void *arg) {
    tunnel *one = arg;
    char room[4096];
    struct pollfd ready = {.fd = one->sock, .events = POLLIN};
    while (poll(&ready, 1, 10000) > 0) {
        ssize_t got = recv(one->sock, room, sizeof(room), 0);
        if (got <= 0 || send(one->sock, room, (size_t)got, MSG_NOSIGNAL) != got) {
            break;
        }
    }
    MHD_upgrade_action(one->handle, MHD_UPGRADE_ACTION_CLOSE);
    free(one);
    tunnels--;
    return NULL;
}

static void on_upgrade(void *cls, struct MHD_Connection *connection, void *con_cls,
                       const char *extra, size_t extra_len, MHD_socket sock,
                       struct MHD_UpgradeResponseHandle *handle) {
    (void)cls, (void)connection, (void)con_cls, (void)extra;
    CHECK_INT((long long)extra_len, 0);
    tunnel *one = malloc(sizeof(*one));
    pthread_t thread;
    *one = (tunnel){sock, handle};
    tunnels++;
    CHECK_INT(pthread_create(&thread, NULL, echo, one), 0);
    CHECK_INT(pthread_detach(thread), 0);
}

static enum MHD_Result upgrade(struct MHD_Connection *connection) {
    struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgrade, NULL);
    MHD_add_response_header(response, "Upgrade", "echo");
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_SWITCHING_PROTOCOLS, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **con_cls) {
    upload *all = *con_cls;
    (void)cls, (void)method, (void)version;
    if (!all) {
        *con_cls = calloc(1, sizeof(*all));
        return MHD_YES;
    }
    if (*size > 0) {
        all->bytes = realloc(all->bytes, all->len + *size);
        memcpy(all->bytes + all->len, data, *size);
        all->len += *size;
        *size = 0;
        return MHD_YES;
    }
    if (strcmp(url, "/upgrade") == 0) {
        return upgrade(connection);
    }
    if (strcmp(url, "/slow") == 0 && !all->resumed) {
        pthread_t thread;
        all->resumed = true;
        MHD_suspend_connection(connection);
        CHECK_INT(pthread_create(&thread, NULL, resume_later, connection), 0);
        CHECK_INT(pthread_detach(thread), 0);
        return MHD_YES;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(
        all->len, all->bytes ? all->bytes : "", MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "X-Url", url);
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static void completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                      enum MHD_RequestTerminationCode code) {
    upload *all = *con_cls;
    (void)cls, (void)connection, (void)code;
    if (all) {
        free(all->bytes);
        free(all);
    }
}

static const struct {
    const char *name;
    unsigned flags;
    unsigned pool;
} modes[] = {
    {"auto", MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD, 0},
    {"select", MHD_USE_INTERNAL_POLLING_THREAD, 0},
    {"poll", MHD_USE_POLL | MHD_USE_INTERNAL_POLLING_THREAD, 0},
    {"epoll", MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD, 0},
    {"thread", MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, 0},
    {"pool", MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD, 4},
    {"external", 0, 0},
    {"hidden", MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC | MHD_USE_INTERNAL_POLLING_THREAD, 0},
    {"deaf", MHD_USE_NO_LISTEN_SOCKET, 0},
};

/* A daemon without a thread runs on the program's. */
static void run_external(void) {
    struct pollfd in = {.fd = 0, .events = POLLIN};
    while (poll(&in, 1, 0) == 0) {
        fd_set reads, writes, excepts;
        int max = 0;
        struct timeval wait = {0, 5000};
        FD_ZERO(&reads);
        FD_ZERO(&writes);
        FD_ZERO(&excepts);
        CHECK_INT(MHD_get_fdset(httpd, &reads, &writes, &excepts, &max), MHD_YES);
        select(max + 1, &reads, &writes, &excepts, &wait);
        MHD_run_from_select(httpd, &reads, &writes, &excepts);
    }
}

int main(int argc, char **argv) {
    CHECK_INT(argc, 4);
    size_t mode = 0;
    while (strcmp(modes[mode].name, argv[3]) != 0) {
        mode++;
        CHECK(mode < sizeof(modes) / sizeof(modes[0]));
    }
    unsigned flags = modes[mode].flags | MHD_ALLOW_UPGRADE;
    if (!(flags & MHD_USE_THREAD_PER_CONNECTION)) { /* those cannot be suspended */
        flags |= MHD_ALLOW_SUSPEND_RESUME;
    }
    struct MHD_OptionItem pool[] = {{MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)modes[mode].pool, NULL},
                                    {MHD_OPTION_END, 0, NULL}};
    if (modes[mode].pool == 0) {
        pool[0] = pool[1];
    }
    httpd = MHD_start_daemon(flags, 0, NULL, NULL, answer, NULL, MHD_OPTION_NOTIFY_COMPLETED,
                             completed, NULL, MHD_OPTION_ARRAY, pool, MHD_OPTION_END);
    CHECK(httpd != NULL);
    nrt_conn *conn = open_conn(argv[1]);
    int error = nrt_serve_mhd(conn, argv[2], httpd);
    printf("%s\n", error ? nrt_error_code(error) : "ready");
    fflush(stdout);
    if (strcmp(argv[3], "external") == 0) {
        run_external();
    } else {
        (void)getchar();
    }
    nrt_conn_destroy(conn);
    while (tunnels > 0) {
        sleep_ms(1);
    }
    MHD_stop_daemon(httpd);
    return 0;
}
