/* The weather service, as its parts see one another. The service itself, weather.c, knows neither
 * NATS nor HTTP connections: main.c and http.c carry requests to it, observations.c and live.c are
 * the two places it learns the weather from. */
#ifndef WEATHER_H
#define WEATHER_H

#include <jansson.h>
#include <nrt/base.h>

/* The longest request body and city name (in bytes) that are looked at. */
enum { WEATHER_BODY_MAX = 64 * 1024, WEATHER_CITY_MAX = 100 };

/* ---- where the weather comes from ------------------------------------------------------------ */

/* What a source knows of a city: `weather` is the array that becomes the response, owned by whoever
 * asked; where there is none it is NULL and `detail` says why, in words meant for the client. */
typedef struct weather_report {
    json_t *weather;
    char detail[256];
} weather_report;

/* Asks for the weather in `city` (UTF-8, 1 to WEATHER_CITY_MAX bytes). Returns the HTTP status that
 * fits: 200, 404 for a city it does not know, 502 when it fails. May block; any thread. */
typedef int (*weather_lookup_fn)(const char *city, weather_report *report, void *arg);

typedef struct weather_source {
    weather_lookup_fn look_up;
    void *arg;
} weather_source;

/* The observations compiled into the program. Never blocks; `arg` is not used. */
int weather_recorded(const char *city, weather_report *report, void *arg);

/* An OpenWeather-compatible API; `arg` is a weather_api. Blocks, for five seconds at most. */
typedef struct weather_api {
    const char *base; /* such as "https://api.openweathermap.org", without a slash at the end */
    const char *key;  /* secret: goes to the API, and nowhere else */
} weather_api;

int weather_live(const char *city, weather_report *report, void *arg);

/* ---- the service ----------------------------------------------------------------------------- */

typedef struct weather_answer {
    int status;
    const char *type;  /* Content-Type; static, NULL where there is no body */
    const char *allow; /* Allow; static, NULL where the field is not needed */
    char *body;        /* text; NULL only when out of memory */
} weather_answer;

/* Answers one request, however it came. Always leaves an answer, to be given to
 * weather_answer_finish. Blocks where the source does; any thread. */
void weather_answer_init(weather_answer *answer, const weather_source *source, nrt_str method,
                         nrt_str target, nrt_str body);
void weather_answer_finish(weather_answer *answer);

/* ---- the same service over plain HTTP -------------------------------------------------------- */

typedef struct weather_http weather_http;

/* Listens on an IPv4 address and a port (0: a free one), with threads of its own. `source` must
 * outlive it. NULL, with errno set, where it cannot. */
weather_http *weather_http_create(const char *address, uint16_t port, const weather_source *source);

/* The port it listens on. */
uint16_t weather_http_port(const weather_http *http);

/* Takes no more connections. */
void weather_http_drain(weather_http *http);

/* Waits until every request that has begun is answered, then closes. NULL is allowed. */
void weather_http_destroy(weather_http *http);

#endif
