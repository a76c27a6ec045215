/* The weather without a weather API: one observation for each of some cities. It is sample data,
 * plausible for the place and the season, and so an answer is always the same. */
#include "weather.h"

#include <stdio.h>

typedef struct observation {
    const char *city;        /* in lower case */
    int id;                  /* condition, group and icon: see https://openweathermap.org/ */
    const char *group;       /* "weather-conditions" */
    const char *description; /* in English */
    const char *icon;        /* ends in d or n: day or night at that place */
    double temperature;      /* degrees Celsius */
    int humidity;            /* percent */
    double wind;             /* metres a second */
    const char *observed;    /* RFC 3339 */
} observation;

static const observation observations[] = {
    {"auckland", 500, "Rain", "light rain", "10n", 13.6, 88, 6.7, "2025-10-14T12:10:00Z"},
    {"beijing", 721, "Haze", "haze", "50n", 14.1, 63, 1.4, "2025-10-14T12:05:00Z"},
    {"berlin", 803, "Clouds", "broken clouds", "04d", 12.9, 71, 4.1, "2025-10-14T12:20:00Z"},
    {"buenos aires", 800, "Clear", "clear sky", "01d", 16.2, 64, 3.6, "2025-10-14T12:00:00Z"},
    {"cairo", 800, "Clear", "clear sky", "01d", 29.8, 37, 4.6, "2025-10-14T12:00:00Z"},
    {"johannesburg", 211, "Thunderstorm", "thunderstorm", "11d", 21.3, 68, 5.2,
     "2025-10-14T12:15:00Z"},
    {"lisbon", 801, "Clouds", "few clouds", "02d", 22.7, 58, 3.1, "2025-10-14T12:30:00Z"},
    {"london", 804, "Clouds", "overcast clouds", "04d", 13.4, 79, 3.6, "2025-10-14T12:20:00Z"},
    {"mexico city", 741, "Fog", "fog", "50n", 11.8, 94, 1.0, "2025-10-14T11:50:00Z"},
    {"mumbai", 721, "Haze", "haze", "50d", 31.2, 62, 3.1, "2025-10-14T12:00:00Z"},
    {"nairobi", 802, "Clouds", "scattered clouds", "03d", 24.5, 48, 4.1, "2025-10-14T12:00:00Z"},
    {"new york", 501, "Rain", "moderate rain", "10d", 14.7, 86, 7.2, "2025-10-14T12:50:00Z"},
    {"oslo", 701, "Mist", "mist", "50d", 7.9, 93, 1.5, "2025-10-14T12:20:00Z"},
    {"paris", 804, "Clouds", "overcast clouds", "04d", 14.8, 74, 2.6, "2025-10-14T12:30:00Z"},
    {"reykjavik", 601, "Snow", "snow", "13d", 0.6, 91, 8.2, "2025-10-14T12:00:00Z"},
    {"san francisco", 701, "Mist", "mist", "50n", 12.2, 90, 2.1, "2025-10-14T12:55:00Z"},
    {"sao paulo", 300, "Drizzle", "light intensity drizzle", "09d", 18.9, 84, 2.6,
     "2025-10-14T12:00:00Z"},
    {"singapore", 211, "Thunderstorm", "thunderstorm", "11n", 27.4, 89, 2.1,
     "2025-10-14T12:05:00Z"},
    {"sydney", 801, "Clouds", "few clouds", "02n", 17.5, 66, 4.6, "2025-10-14T12:00:00Z"},
    {"tokyo", 500, "Rain", "light rain", "10n", 19.3, 85, 3.1, "2025-10-14T12:10:00Z"},
    {"toronto", 803, "Clouds", "broken clouds", "04d", 9.4, 77, 3.6, "2025-10-14T12:40:00Z"},
    {"valletta", 800, "Clear", "clear sky", "01d", 24.6, 61, 5.7, "2025-10-14T12:15:00Z"},
};

/* Compares without case, in ASCII, whatever the locale is. */
static bool same_name(const char *name, const char *lower) {
    while (*name && (*name >= 'A' && *name <= 'Z' ? *name + ('a' - 'A') : *name) == *lower) {
        name++;
        lower++;
    }
    return *name == *lower;
}

int weather_recorded(const char *city, weather_report *report, void *arg) {
    (void)arg;
    for (size_t i = 0; i < sizeof(observations) / sizeof(observations[0]); i++) {
        const observation *o = &observations[i];
        if (same_name(city, o->city)) {
            report->weather = json_pack("[{s:i, s:s, s:s, s:s, s:f, s:i, s:f, s:s}]", "id", o->id,
                                        "main", o->group, "description", o->description, "icon",
                                        o->icon, "temperature", o->temperature, "humidity",
                                        o->humidity, "wind", o->wind, "observed", o->observed);
            return 200;
        }
    }
    snprintf(report->detail, sizeof(report->detail),
             "no observation of \"%s\" is recorded here; try london, or tokyo", city);
    return 404;
}
