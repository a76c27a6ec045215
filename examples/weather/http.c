/* The service over plain HTTP, by libmicrohttpd: collects a request's body, asks weather.c, hands
 * the answer back. */
#include "weather.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, IDLE_TIMEOUT_S = 30 };

struct weather_http {
    struct MHD_Daemon *daemon;
    const weather_source *source;
    uint16_t port;

    pthread_mutex_t lock;
    pthread_cond_t idle; /* in_flight has become 0 */
    unsigned in_flight;  /* requests that have begun and are not answered */
    bool draining;
};

/* A request in the making. One byte more than the limit is kept, so that weather.c can see that a
 * body is too large; what comes after it is dropped. */
typedef struct upload_body {
    size_t len;
    char bytes[WEATHER_BODY_MAX + 1];
} upload_body;

static void upload_add(upload_body *upload, const char *bytes, size_t len) {
    size_t room = sizeof(upload->bytes) - upload->len;
    size_t taken = len < room ? len : room;
    memcpy(upload->bytes + upload->len, bytes, taken);
    upload->len += taken;
}

static enum MHD_Result reply(weather_http *http, struct MHD_Connection *connection,
                             const weather_answer *answer) {
    struct MHD_Response *response = MHD_create_response_from_buffer(
        answer->body ? strlen(answer->body) : 0, answer->body, MHD_RESPMEM_MUST_COPY);
    if (!response) {
        return MHD_NO;
    }
    if (answer->type) {
        MHD_add_response_header(response, "Content-Type", answer->type);
    }
    if (answer->allow) {
        MHD_add_response_header(response, "Allow", answer->allow);
    }
    pthread_mutex_lock(&http->lock);
    bool last = http->draining;
    pthread_mutex_unlock(&http->lock);
    if (last) {
        MHD_add_response_header(response, "Connection", "close");
    }
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    return result;
}

/* libmicrohttpd calls this once when the head has come, then for each piece of the body, and a last
 * time, with no bytes, when the request is complete. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *len, void **state) {
    weather_http *http = arg;
    upload_body *body = *state;
    (void)version;
    if (!body) {
        body = malloc(sizeof(*body));
        if (!body) {
            return MHD_NO;
        }
        body->len = 0;
        *state = body;
        pthread_mutex_lock(&http->lock);
        http->in_flight++;
        pthread_mutex_unlock(&http->lock);
        return MHD_YES;
    }
    if (*len > 0) {
        upload_add(body, bytes, *len);
        *len = 0;
        return MHD_YES;
    }

    weather_answer answer;
    nrt_str content = {body->bytes, body->len};
    weather_answer_init(&answer, http->source, nrt_str_from(method), nrt_str_from(path), content);
    enum MHD_Result result = reply(http, connection, &answer);
    weather_answer_finish(&answer);
    return result;
}

/* The response is written, or the client is gone. */
static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code) {
    weather_http *http = arg;
    (void)connection;
    (void)code;
    if (*state) {
        free(*state);
        *state = NULL;
        pthread_mutex_lock(&http->lock);
        if (--http->in_flight == 0) {
            pthread_cond_signal(&http->idle);
        }
        pthread_mutex_unlock(&http->lock);
    }
}

weather_http *weather_http_create(const char *address, uint16_t port,
                                  const weather_source *source) {
    struct sockaddr_in listen = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, address, &listen.sin_addr) != 1) {
        errno = EINVAL;
        return NULL;
    }
    weather_http *http = calloc(1, sizeof(*http));
    if (!http) {
        return NULL;
    }
    http->source = source;
    pthread_mutex_init(&http->lock, NULL);
    pthread_cond_init(&http->idle, NULL);
    /* A thread for each connection, because the source may block: a thread of a pool takes several
     * connections, and while one of them waits for the source the others would wait with it. */
    http->daemon =
        MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                             MHD_USE_POLL | MHD_USE_ITC,
                         port, NULL, NULL, on_request, http, MHD_OPTION_SOCK_ADDR,
                         (struct sockaddr *)&listen, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
                         http, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_END);
    if (!http->daemon) {
        int error = errno;
        weather_http_destroy(http);
        errno = error;
        return NULL;
    }
    http->port = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    return http;
}

uint16_t weather_http_port(const weather_http *http) {
    return http->port;
}

void weather_http_drain(weather_http *http) {
    MHD_socket listening = MHD_quiesce_daemon(http->daemon);
    if (listening != MHD_INVALID_SOCKET) {
        close(listening);
    }
    pthread_mutex_lock(&http->lock);
    http->draining = true;
    pthread_mutex_unlock(&http->lock);
}

void weather_http_destroy(weather_http *http) {
    if (!http) {
        return;
    }
    if (http->daemon) {
        pthread_mutex_lock(&http->lock);
        while (http->in_flight > 0) {
            pthread_cond_wait(&http->idle, &http->lock);
        }
        pthread_mutex_unlock(&http->lock);
        MHD_stop_daemon(http->daemon);
    }
    pthread_cond_destroy(&http->idle);
    pthread_mutex_destroy(&http->lock);
    free(http);
}
