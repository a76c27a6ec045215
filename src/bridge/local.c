/* The way in for HTTP clients of this very process: a front on a unix socket that nobody else can
 * reach; and the way out to an HTTP server in it. */
#include <nrt/bridge.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/front.h"
#include "bridge/origin.h"
#include "lib/conn_private.h"
#include "lib/driver.h"

/* ---- the way in ---- */

typedef struct local {
    nrt__front *front;
    char folder[64];
    char path[80];
} local;

static void local_close(void *arg) {
    local *one = arg;
    nrt__front_destroy(one->front); /* unlinks the socket */
    rmdir(one->folder);
    free(one);
}

/* XDG_RUNTIME_DIR belongs to the user; in /tmp the folder does. A socket's path is short. */
static int make_folder(local *one) {
    const char *run = getenv("XDG_RUNTIME_DIR");
    const char *where = run && *run == '/' && strlen(run) < 40 ? run : "/tmp";
    snprintf(one->folder, sizeof(one->folder), "%s/nrt-XXXXXX", where);
    if (!mkdtemp(one->folder)) { /* only this user may enter */
        snprintf(one->folder, sizeof(one->folder), "/tmp/nrt-XXXXXX");
        if (!mkdtemp(one->folder)) {
            return NRT_ERR_SYSTEM;
        }
    }
    snprintf(one->path, sizeof(one->path), "%s/http", one->folder);
    return 0;
}

static int local_open(nrt_conn *conn, void *arg) {
    char listen[96];
    char detail[256] = "";
    nrt__front_options options;
    (void)arg;
    if (conn->local) {
        return 0;
    }
    if (conn->closing || conn->destroying) {
        return nrt__conn_fail(conn, NRT_ERR_STATE, "the connection is draining");
    }
    local *one = calloc(1, sizeof(*one));
    if (!one) {
        return nrt__conn_fail(conn, NRT_ERR_MEMORY, NULL);
    }
    int error = make_folder(one);
    if (error < 0) {
        snprintf(detail, sizeof(detail), "no folder for a socket below %s: %s", one->folder,
                 strerror(errno));
        free(one);
        return nrt__conn_fail(conn, error, detail);
    }
    nrt__front_options_init(&options);
    options.proxy = true;
    options.in_process = true;
    options.long_poll = true; /* the client has a patience of its own */
    snprintf(listen, sizeof(listen), "unix:%s", one->path);
    one->front = nrt__front_open(conn, listen, &options, &error, detail, sizeof(detail));
    if (!one->front) {
        rmdir(one->folder);
        free(one);
        return nrt__conn_fail(conn, error, detail);
    }
    conn->local = one;
    conn->local_close = local_close;
    return 0;
}

/* Somebody has to drive it from now on. */
static int open_and_drive(nrt_conn *conn, void *arg) {
    int error = local_open(conn, arg);
    return error == 0 && !conn->owner_fixed ? nrt_conn_start(conn) : error;
}

int nrt_bridge_path(nrt_conn *conn, const char **path) {
    int error = nrt__conn_call(conn, open_and_drive, NULL);
    *path = NULL;
    if (error == 0) {
        *path = ((const local *)conn->local)->path;
    }
    return error;
}

/* ---- the way out ---- */

typedef struct way_out {
    const char *host;
    nrt_connect_fn connect;
    void (*release)(void *arg);
    void *arg;
    const nrt_service_options *options;
    nrt_service **service;
} way_out;

static void destroy_origin(void *arg) {
    nrt__origin_destroy(arg);
}

static int serve(nrt_conn *conn, void *arg) {
    const way_out *to = arg;
    nrt_service_options options;
    nrt_service_options_init(&options);
    int error = nrt__conn_read(conn, &options, sizeof(options), to->options, "nrt_service_options");
    if (error < 0) {
        return error;
    }
    if (!to->connect || options.workers > 0) {
        return nrt__conn_fail(conn, NRT_ERR_USAGE,
                              "nrt_serve_fd needs a connect function, and no workers");
    }
    options.streaming = true;
    nrt__origin *origin = nrt__origin_open_with(conn, to->connect, to->release, to->arg);
    if (!origin) {
        return nrt__conn_fail(conn, NRT_ERR_MEMORY, NULL);
    }
    error = nrt__serve_with(conn, to->host, &options, nrt__origin_handle, origin, destroy_origin,
                            to->service);
    if (error < 0) {
        nrt__origin_forget_release(origin);
        nrt__origin_destroy(origin);
    }
    return error;
}

int nrt_serve_fd(nrt_conn *conn, const char *host, const nrt_service_options *options,
                 nrt_connect_fn connect, void (*release)(void *arg), void *arg,
                 nrt_service **service) {
    way_out to = {host, connect, release, arg, options, service};
    if (service) {
        *service = NULL;
    }
    int error = nrt__conn_call(conn, serve, &to);
    if (error < 0 && release) {
        release(arg);
    }
    return error;
}
