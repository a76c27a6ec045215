/* The weather from an OpenWeather-compatible API, by libcurl. What the API says of itself is
 * checked here; it is never passed on unseen, and the key goes into no message. */
#include "weather.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TIMEOUT_MS = 5000, URL_MAX = 4096, REPLY_MAX = 1024 * 1024 };

typedef struct api_reply {
    char *bytes;
    size_t len;
} api_reply;

static int report_fail(weather_report *report, int status, const char *format, ...)
    NRT_PRINTF(3, 4);

static int report_fail(weather_report *report, int status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(report->detail, sizeof(report->detail), format, args);
    va_end(args);
    return status;
}

/* libcurl's write callback: a short count ends the transfer with CURLE_WRITE_ERROR. */
static size_t reply_add(char *bytes, size_t size, size_t count, void *arg) {
    api_reply *reply = arg;
    size_t len = size * count; /* size is always 1 */
    if (len > REPLY_MAX - reply->len) {
        return 0;
    }
    char *grown = realloc(reply->bytes, reply->len + len);
    if (!grown) {
        return 0;
    }
    memcpy(grown + reply->len, bytes, len);
    reply->bytes = grown;
    reply->len += len;
    return len;
}

/* Writes the URL to ask at; false where it does not fit. */
static bool url_write(char url[static URL_MAX], const weather_api *api, CURL *curl,
                      const char *city) {
    char *q = curl_easy_escape(curl, city, 0);
    char *appid = curl_easy_escape(curl, api->key, 0);
    int len = -1;
    if (q && appid) {
        len = snprintf(url, URL_MAX, "%s/data/2.5/weather?q=%s&appid=%s&units=metric&lang=EN",
                       api->base, q, appid);
    }
    curl_free(appid);
    curl_free(q);
    return len > 0 && len < URL_MAX;
}

/* GET {base}/data/2.5/weather. The caller frees reply->bytes, whatever is returned. */
static CURLcode api_get(const weather_api *api, const char *city, api_reply *reply, long *status) {
    char url[URL_MAX];
    CURL *curl = curl_easy_init();
    if (!curl) {
        return CURLE_FAILED_INIT;
    }
    CURLcode code = CURLE_URL_MALFORMAT;
    if (url_write(url, api, curl, city)) {
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L); /* we have threads */
        curl_easy_setopt(curl, CURLOPT_USERAGENT, "nrt-weather");
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, reply_add);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
        code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    }
    curl_easy_cleanup(curl);
    return code;
}

/* The array to answer with: the reply's own `weather`, each object with the measurements added that
 * the reply has elsewhere. A new reference, or NULL where it is not such a reply. */
static json_t *weather_from(json_t *document) {
    json_t *conditions = NULL, *temperature = NULL, *humidity = NULL, *wind = NULL;
    json_int_t seconds = 0;
    if (json_unpack(document, "{s:o, s?{s?o, s?o}, s?{s?o}, s?I}", "weather", &conditions, "main",
                    "temp", &temperature, "humidity", &humidity, "wind", "speed", &wind, "dt",
                    &seconds) < 0 ||
        json_array_size(conditions) == 0) {
        return NULL;
    }

    char observed[32] = "";
    time_t when = (time_t)seconds;
    struct tm utc;
    if (seconds > 0 && gmtime_r(&when, &utc)) {
        strftime(observed, sizeof(observed), "%Y-%m-%dT%H:%M:%SZ", &utc);
    }

    json_t *weather = json_array();
    json_t *condition;
    size_t i;
    json_array_foreach(conditions, i, condition) {
        /* O takes a reference of its own; with *, a member that is not there is left out. */
        json_t *entry =
            json_pack("{s:O, s:O*, s:O*, s:O*, s:O*, s:O*, s:O*, s:s*}", "id",
                      json_object_get(condition, "id"), "main", json_object_get(condition, "main"),
                      "description", json_object_get(condition, "description"), "icon",
                      json_object_get(condition, "icon"), "temperature", temperature, "humidity",
                      humidity, "wind", wind, "observed", observed[0] ? observed : NULL);
        if (json_array_append_new(weather, entry) < 0) {
            json_decref(weather);
            return NULL;
        }
    }
    return weather;
}

int weather_live(const char *city, weather_report *report, void *arg) {
    const weather_api *api = arg;
    api_reply reply = {0};
    long status = 0;
    int result = 200;
    CURLcode code = api_get(api, city, &reply, &status);

    if (code == CURLE_WRITE_ERROR) {
        result = report_fail(report, 502, "the weather API's reply is larger than 1 MiB");
    } else if (code != CURLE_OK) {
        result = report_fail(report, 502, "the weather API cannot be reached: %s",
                             curl_easy_strerror(code));
    } else if (status == 404) {
        result = report_fail(report, 404, "the weather API knows no city \"%s\"", city);
    } else if (status == 401) {
        result = report_fail(report, 502, "the weather API refuses the key this service has");
    } else if (status != 200) {
        result = report_fail(report, 502, "the weather API answered with status %ld", status);
    } else {
        json_t *document = json_loadb(reply.bytes ? reply.bytes : "", reply.len, 0, NULL);
        report->weather = document ? weather_from(document) : NULL;
        if (!report->weather) {
            result = report_fail(report, 502, "the weather API's reply is not understood");
        }
        json_decref(document);
    }
    free(reply.bytes);
    return result;
}
