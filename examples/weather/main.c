/* nrt-weather: one service, reachable over NATS as http://weather.nats/ and over plain HTTP. Here
 * are the settings, the NATS side, and the life of the program; weather.c has the service. */
#include "weather.h"

#include <curl/curl.h>
#include <errno.h>
#include <nrt/nrt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { WORKERS = 16 };

static const char help[] =
    "usage: nrt-weather\n"
    "\n"
    "Answers GET or POST /city with the body {\"city\":\"london\"} with the weather there, over\n"
    "NATS as http://weather.nats/city and, if asked to, over plain HTTP.\n"
    "\n"
    "Settings, from the environment:\n"
    "  NATS_URL     servers: nats://[user:password@]host[:port],... (nats://127.0.0.1:4222)\n"
    "  NATS_PREFIX  first token of the subjects (nrt)\n"
    "  NATS_*       all of libnrt's variables: credentials, contexts, TLS\n"
    "  HTTP_PORT    serve plain HTTP too, on this port; 0 picks a free one (no plain HTTP)\n"
    "  HTTP_ADDR    on this IPv4 address (127.0.0.1)\n"
    "  WEATHER_API  key for live data from OpenWeather (without: recorded observations)\n"
    "  WEATHER_URL  another API of that kind (https://api.openweathermap.org)\n";

/* A setting from the environment; one that is empty counts as not set. */
static const char *setting(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

/* ---- the NATS side ----------------------------------------------------------------------------*/

static void on_exchange(nrt_exchange *exchange, void *source) {
    const nrt_request *request = nrt_exchange_request(exchange);
    weather_answer answer;
    weather_answer_init(&answer, source, nrt_request_method(request), nrt_request_target(request),
                        nrt_request_body(request));
    if (answer.allow) {
        nrt_fields_set(nrt_exchange_fields(exchange), nrt_str_from("Allow"),
                       nrt_str_from(answer.allow));
    }
    /* Should this fail, the library answers with an error by itself: nothing to do here. */
    nrt_exchange_reply(exchange, answer.status, answer.type, nrt_str_from(answer.body));
    weather_answer_finish(&answer);
}

static void on_ready(nrt_service *service, int error, const char *detail, void *arg) {
    (void)arg;
    if (error) {
        fprintf(stderr, "cannot serve weather.nats: %s\n", detail);
        return;
    }
    nrt_str subject = nrt_service_subject(service);
    fprintf(stderr, "serving weather.nats on %.*s (queue nrt)\n", (int)subject.len, subject.ptr);
}

/* The library keeps trying by itself; this says so, once for each time NATS is away. */
static void on_event(nrt_conn *conn, nrt_conn_event event, int error, const char *detail,
                     void *arg) {
    bool *told = arg;
    (void)conn;
    (void)error;
    if (event == NRT_CONN_CONNECTED) {
        *told = false;
    } else if (!*told) {
        *told = true;
        fprintf(stderr, "not connected to NATS, trying again: %s\n", detail);
    }
}

/* ---- the life of the program ------------------------------------------------------------------*/

static void on_drained(nrt_conn *conn, void *done) {
    (void)conn;
    *(bool *)done = true;
}

/* Dispatches until a signal has come and everything begun is finished. 0, or NRT_ERR_*. */
static int run(nrt_conn *conn, weather_http *http, int signals, const sigset_t *leave) {
    struct pollfd ready[] = {{.fd = nrt_conn_fd(conn), .events = POLLIN},
                             {.fd = signals, .events = POLLIN}};
    bool done = false;
    int result = 0;
    while (!done && result >= 0) {
        poll(ready, 2, -1);
        struct signalfd_siginfo info;
        if (ready[1].revents && read(signals, &info, sizeof(info)) == sizeof(info)) {
            /* From here on a second signal does what it does by default: ends us at once. */
            signal(SIGINT, SIG_DFL);
            signal(SIGTERM, SIG_DFL);
            pthread_sigmask(SIG_UNBLOCK, leave, NULL);
            if (http) {
                weather_http_drain(http);
            }
            result = nrt_conn_drain(conn, on_drained, &done);
        }
        if (!done && result >= 0) {
            result = nrt_conn_dispatch(conn, 0);
        }
    }
    return result < 0 ? result : 0;
}

int main(int argc, char **argv) {
    if (argc > 1) {
        bool asked = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
        fputs(help, asked ? stdout : stderr);
        return asked ? 0 : 2;
    }

    weather_api api = {.base = setting("WEATHER_URL", "https://api.openweathermap.org"),
                       .key = setting("WEATHER_API", NULL)};
    weather_source source = {.look_up = api.key ? weather_live : weather_recorded, .arg = &api};
    const char *port_text = setting("HTTP_PORT", NULL);
    char *end = NULL;
    unsigned long port = port_text ? strtoul(port_text, &end, 10) : 0;
    if (port_text && (*end || port_text[0] < '0' || port_text[0] > '9' || port > UINT16_MAX)) {
        fprintf(stderr, "HTTP_PORT is not a port: %s\n", port_text);
        return 2;
    }

    /* Signals are read from a descriptor. They are blocked before the first thread starts, so that
     * all threads inherit it. */
    sigset_t leave;
    sigemptyset(&leave);
    sigaddset(&leave, SIGINT);
    sigaddset(&leave, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &leave, NULL);
    int signals = signalfd(-1, &leave, SFD_CLOEXEC | SFD_NONBLOCK);
    signal(SIGPIPE, SIG_IGN);              /* as libcurl asks of programs with threads */
    curl_global_init(CURL_GLOBAL_DEFAULT); /* before threads, too */

    int error = 0;
    bool told = false;
    weather_http *http = NULL;
    nrt_options options;
    nrt_options_init(&options);
    char detail[512];
    options.environment = true; /* NATS_URL, NATS_CONTEXT and so on */
    options.detail = detail;
    options.detail_size = sizeof(detail);
    options.name = "nrt-weather";
    options.on_event = on_event;
    options.on_event_arg = &told;
    nrt_conn *conn = nrt_conn_open(&options, &error);
    if (!conn) {
        fprintf(stderr, "cannot use NATS: %s\n", detail);
        goto finish;
    }

    nrt_service_options service;
    nrt_service_options_init(&service);
    service.on_ready = on_ready;
    /* Asking the API blocks: that is for threads of its own. A look at a table is done faster than
     * handed over. */
    service.workers = api.key ? WORKERS : 0;
    error = nrt_serve(conn, "weather.nats", &service, on_exchange, &source, NULL);
    if (error) {
        fprintf(stderr, "cannot serve weather.nats: %s\n", nrt_error_text(error));
        goto finish;
    }

    if (port_text) {
        const char *address = setting("HTTP_ADDR", "127.0.0.1");
        http = weather_http_create(address, (uint16_t)port, &source);
        if (!http) {
            fprintf(stderr, "cannot listen on %s:%s: %s\n", address, port_text, strerror(errno));
            error = NRT_ERR_SYSTEM;
            goto finish;
        }
        fprintf(stderr, "listening on http://%s:%u\n", address, weather_http_port(http));
    }

    error = run(conn, http, signals, &leave);
    if (error) {
        fprintf(stderr, "%s\n", nrt_error_text(error));
    }

finish:
    weather_http_destroy(http);
    nrt_conn_destroy(conn);
    curl_global_cleanup();
    close(signals);
    return error ? 1 : 0;
}
