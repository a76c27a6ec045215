/* The service: a method, a target and a body come in; a status, a content type and a body go out.
 * How they travel, and where the weather comes from, is not known here. */
#include "weather.h"

#include <stdlib.h>

/* The part of a request target before the query (RFC 9112 section 3.2.1). */
static nrt_str path_of(nrt_str target) {
    const char *query = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;
    if (query) {
        target.len = (size_t)(query - target.ptr);
    }
    return target;
}

static const char *title_of(int status) {
    switch (status) {
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    case 502:
        return "Bad Gateway";
    default:
        return "Internal Server Error";
    }
}

/* Makes `value` (which may be NULL, and is given up) the body of the answer. */
static void answer_set(weather_answer *answer, int status, const char *type, json_t *value) {
    /* Six digits are more than any thermometer has; with all 17, 17.3 becomes 17.300000000000001.
     */
    answer->body = value ? json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : NULL;
    answer->status = answer->body ? status : 503;
    answer->type = answer->body ? type : NULL;
    json_decref(value);
}

/* An error, as RFC 9457 has it. `detail` tells the client what to do about it. */
static void answer_problem(weather_answer *answer, int status, const char *detail) {
    json_t *problem = json_pack("{s:s, s:s, s:i, s:s}", "type", "about:blank", "title",
                                title_of(status), "status", status, "detail", detail);
    answer_set(answer, status, "application/problem+json", problem);
}

/* Copies the city asked for, without outer spaces; false where the length is not 1 to
 * WEATHER_CITY_MAX. */
static bool city_copy(char city[static WEATHER_CITY_MAX + 1], const char *text) {
    text += strspn(text, " \t\r\n");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1])) {
        len--;
    }
    if (len == 0 || len > WEATHER_CITY_MAX) {
        return false;
    }
    memcpy(city, text, len);
    city[len] = '\0';
    return true;
}

static void answer_city(weather_answer *answer, const weather_source *source, nrt_str body) {
    char city[WEATHER_CITY_MAX + 1];
    weather_report report = {0};
    json_error_t error;
    json_t *question = json_loadb(body.len > 0 ? body.ptr : "", body.len, 0, &error);
    const char *text = json_string_value(json_object_get(question, "city"));

    if (!question) {
        answer_problem(answer, 400, "the body is not JSON; send an object: {\"city\":\"london\"}");
    } else if (!text || !city_copy(city, text)) {
        answer_problem(answer, 400,
                       "name the city, in at most 100 bytes, as a string: {\"city\":\"london\"}");
    } else {
        int status = source->look_up(city, &report, source->arg);
        if (status == 200) {
            answer_set(answer, 200, "application/json", report.weather);
        } else {
            answer_problem(answer, status, report.detail);
        }
    }
    json_decref(question);
}

void weather_answer_init(weather_answer *answer, const weather_source *source, nrt_str method,
                         nrt_str target, nrt_str body) {
    memset(answer, 0, sizeof(*answer));
    if (!nrt_str_is(path_of(target), "/city")) {
        answer_problem(answer, 404, "there is only /city here");
    } else if (!nrt_str_is(method, "GET") && !nrt_str_is(method, "POST")) {
        answer->allow = "GET, POST";
        answer_problem(answer, 405, "ask with GET or POST");
    } else if (body.len > WEATHER_BODY_MAX) {
        answer_problem(answer, 413, "the body is larger than 64 KiB");
    } else {
        answer_city(answer, source, body);
    }
}

void weather_answer_finish(weather_answer *answer) {
    free(answer->body);
    answer->body = NULL;
}
