/* Dates of HTTP, by arithmetic: the C library's functions know locales and time zones. */
#include "core/http/http_date.h"

#include <stdio.h>

#include "core/base/str.h"

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

typedef struct date {
    int64_t year;
    int month; /* 1 to 12 */
    int day;
    int hour;
    int minute;
    int second;
} date;

static bool is_leap(int64_t year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in(int64_t year, int month) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return lengths[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1 January 1 to 1 January of `year`, which is 1 or later. */
static int64_t days_before(int64_t year) {
    int64_t past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400;
}

enum { DAYS_TO_1970 = 719162, DAY_SECONDS = 86400 };

static int64_t to_seconds(const date *when) {
    int64_t day = days_before(when->year) - DAYS_TO_1970 + when->day - 1;
    for (int month = 1; month < when->month; month++) {
        day += days_in(when->year, month);
    }
    return ((day * 24 + when->hour) * 60 + when->minute) * 60 + when->second;
}

bool nrt__http_date_write(int64_t seconds, char out[NRT__HTTP_DATE_SIZE]) {
    int64_t first = -(int64_t)DAYS_TO_1970 * DAY_SECONDS;
    int64_t last = (days_before(10000) - DAYS_TO_1970) * DAY_SECONDS;
    if (seconds < first || seconds >= last) {
        return false;
    }
    int64_t since = seconds - first;
    int64_t day = since / DAY_SECONDS; /* 1 January 1 was a Monday */
    int rest = (int)(since % DAY_SECONDS);
    int weekday = (int)((day + 1) % 7);
    date when = {.year = day / 366 + 1, .month = 1}; /* or some years later */
    while (days_before(when.year + 1) <= day) {
        when.year++;
    }
    day -= days_before(when.year);
    while (day >= days_in(when.year, when.month)) {
        day -= days_in(when.year, when.month++);
    }
    snprintf(out, NRT__HTTP_DATE_SIZE, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
             days + (size_t)weekday * 3, (unsigned)(day + 1) % 100,
             months + (size_t)(when.month - 1) * 3, (unsigned)when.year % 10000,
             (unsigned)(rest / 3600) % 100, (unsigned)(rest / 60) % 60, (unsigned)rest % 60);
    return true;
}

/* ---- reading ---- */

/* The place of three letters (with case, as the RFC has it) in a list of them, from 1; 0: none. */
static int place_of(nrt_str *rest, const char *list) {
    for (int i = 0; rest->len >= 3 && list[i]; i += 3) {
        if (memcmp(rest->ptr, list + i, 3) == 0) {
            rest->ptr += 3;
            rest->len -= 3;
            return i / 3 + 1;
        }
    }
    return 0;
}

static bool take(nrt_str *rest, const char *text) {
    nrt_str wanted = nrt_str_from(text);
    if (!nrt__str_starts(*rest, wanted)) {
        return false;
    }
    rest->ptr += wanted.len;
    rest->len -= wanted.len;
    return true;
}

/* Exactly so many digits. */
static bool take_number(nrt_str *rest, size_t digits, int *number) {
    uint64_t value;
    if (rest->len < digits || !nrt__str_to_u64((nrt_str){rest->ptr, digits}, 9999, &value)) {
        return false;
    }
    *number = (int)value;
    rest->ptr += digits;
    rest->len -= digits;
    return true;
}

static bool take_time(nrt_str *rest, date *when) {
    return take_number(rest, 2, &when->hour) && take(rest, ":") &&
           take_number(rest, 2, &when->minute) && take(rest, ":") &&
           take_number(rest, 2, &when->second);
}

static bool take_month(nrt_str *rest, date *when) {
    when->month = place_of(rest, months);
    return when->month > 0;
}

/* "06 Nov 1994 08:49:37 GMT" */
static bool read_imf(nrt_str rest, date *when) {
    int year;
    bool fine = take_number(&rest, 2, &when->day) && take(&rest, " ") && take_month(&rest, when) &&
                take(&rest, " ") && take_number(&rest, 4, &year) && take(&rest, " ") &&
                take_time(&rest, when) && take(&rest, " GMT");
    when->year = fine ? year : 0;
    return fine && rest.len == 0;
}

/* "Nov  6 08:49:37 1994" */
static bool read_asctime(nrt_str rest, date *when) {
    int year;
    if (!take_month(&rest, when) || !take(&rest, " ")) {
        return false;
    }
    bool day =
        take(&rest, " ") ? take_number(&rest, 1, &when->day) : take_number(&rest, 2, &when->day);
    bool fine = day && take(&rest, " ") && take_time(&rest, when) && take(&rest, " ") &&
                take_number(&rest, 4, &year);
    when->year = fine ? year : 0;
    return fine && rest.len == 0;
}

/* "06-Nov-94 08:49:37 GMT"; more than 50 years ahead is the century before. */
static bool read_rfc850(nrt_str rest, int64_t now, date *when) {
    int year;
    bool fine = take_number(&rest, 2, &when->day) && take(&rest, "-") && take_month(&rest, when) &&
                take(&rest, "-") && take_number(&rest, 2, &year) && take(&rest, " ") &&
                take_time(&rest, when) && take(&rest, " GMT");
    if (!fine || rest.len > 0) {
        return false;
    }
    int64_t this_year = 1970 + now / ((int64_t)DAY_SECONDS * 146097 / 400);
    when->year = this_year / 100 * 100 + year;
    if (when->year > this_year + 50) {
        when->year -= 100;
    } else if (when->year <= this_year - 50) {
        when->year += 100;
    }
    return true;
}

bool nrt__http_date_read(nrt_str text, int64_t now, int64_t *seconds) {
    static const char *const tails[] = {"day", "sday", "nesday", "rsday", "urday"};
    date when = {0};
    nrt_str rest = text;
    bool fine = false;
    if (place_of(&rest, days) == 0) {
        return false;
    }
    if (take(&rest, ", ")) {
        fine = read_imf(rest, &when);
    } else if (take(&rest, " ")) {
        fine = read_asctime(rest, &when);
    } else {
        for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]) && !fine; i++) {
            nrt_str after = rest;
            fine = take(&after, tails[i]) && take(&after, ", ") && read_rfc850(after, now, &when);
        }
    }
    /* A leap second is one in UTC, but none in the seconds since 1970: it is the one after. */
    if (!fine || when.year < 1 || when.day < 1 || when.day > days_in(when.year, when.month) ||
        when.hour > 23 || when.minute > 59 || when.second > 60) {
        return false;
    }
    *seconds = to_seconds(&when);
    return true;
}
