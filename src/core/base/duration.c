/* Quantities as people type and read them. What an option may be set to is the option table's
 * business (args.c). */
#include "core/base/duration.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit;

static const unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"min", 60 * 1000}, {"h", 60 * 60 * 1000},
};

static const unit size_units[] = {
    {"", 1},
    {"b", 1},
    {"k", 1024},
    {"kb", 1024},
    {"kib", 1024},
    {"m", 1024 * 1024},
    {"mb", 1024 * 1024},
    {"mib", 1024 * 1024},
    {"g", 1024 * 1024 * 1024},
    {"gb", 1024 * 1024 * 1024},
    {"gib", 1024 * 1024 * 1024},
};

/* More digits than this are a mistake, and fewer keep all arithmetic below within 64 bits. */
enum { DIGITS_MAX = 12, FRACTION_MAX = 6 };

/* The number in front of a unit as millionths; NULL where there is none, else what follows it. */
static const char *read_number(const char *text, uint64_t *millionths) {
    uint64_t whole = 0;
    uint64_t fraction = 0;
    int digits = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++, digits++) {
        whole = whole * 10 + (uint64_t)(*at - '0');
        if (digits >= DIGITS_MAX) {
            return NULL;
        }
    }
    if (digits == 0) {
        return NULL;
    }
    if (*at == '.') {
        at++;
        int places = 0;
        for (; *at >= '0' && *at <= '9'; at++, places++) {
            if (places >= FRACTION_MAX) {
                return NULL;
            }
            fraction = fraction * 10 + (uint64_t)(*at - '0');
        }
        if (places == 0) {
            return NULL;
        }
        for (; places < FRACTION_MAX; places++) {
            fraction *= 10;
        }
    }
    *millionths = whole * 1000000 + fraction;
    return at;
}

static bool same_unit(const char *typed, const char *name) {
    for (; *typed && *name; typed++, name++) {
        char lower = (char)(*typed >= 'A' && *typed <= 'Z' ? *typed + ('a' - 'A') : *typed);
        if (lower != *name) {
            return false;
        }
    }
    return *typed == *name;
}

/* number * factor in `*result`; false where it does not fit. */
static bool scale(uint64_t millionths, uint64_t factor, uint64_t *result) {
    uint64_t whole = 0;
    if (__builtin_mul_overflow(millionths / 1000000, factor, &whole)) {
        return false;
    }
    uint64_t rest = (millionths % 1000000) * factor / 1000000; /* < 1e6 * 2^30: fits */
    return !__builtin_add_overflow(whole, rest, result);
}

/* The unit that `text` begins with, up to the next digit; NULL where it is not one. */
static const unit *find_duration_unit(const char *text, size_t len) {
    for (size_t i = 0; i < sizeof(duration_units) / sizeof(duration_units[0]); i++) {
        if (strncmp(text, duration_units[i].name, len) == 0 && !duration_units[i].name[len]) {
            return &duration_units[i];
        }
    }
    return NULL;
}

int nrt__duration_parse(const char *text, uint32_t *ms, char *why, size_t why_size) {
    uint64_t total = 0;
    const char *at = text;
    do {
        uint64_t millionths = 0;
        uint64_t value = 0;
        const char *rest = read_number(at, &millionths);
        if (!rest) {
            (void)snprintf(why, why_size, "is not a duration: write 500ms, 30s, 2m or 1h");
            return -1;
        }
        if (*rest == '\0') {
            (void)snprintf(why, why_size,
                           "has no unit: write %ss for seconds or %sms for milliseconds", text,
                           text);
            return -1;
        }
        size_t len = strcspn(rest, "0123456789");
        const unit *of = find_duration_unit(rest, len);
        if (!of) {
            (void)snprintf(why, why_size, "has an unknown unit \"%.*s\": use ms, s, m or h",
                           (int)len, rest);
            return -1;
        }
        if (!scale(millionths, of->factor, &value) || value > UINT32_MAX ||
            (total += value) > UINT32_MAX) {
            (void)snprintf(why, why_size, "is too long: 1000h is possible, 2000h is not");
            return -1;
        }
        at = rest + len;
    } while (*at);
    *ms = (uint32_t)total;
    return 0;
}

int nrt__size_parse(const char *text, size_t *bytes, char *why, size_t why_size) {
    uint64_t millionths = 0;
    const char *rest = read_number(text, &millionths);
    if (!rest) {
        (void)snprintf(why, why_size, "is not a size: write 65536, 64k or 8M");
        return -1;
    }
    for (size_t i = 0; i < sizeof(size_units) / sizeof(size_units[0]); i++) {
        if (!same_unit(rest, size_units[i].name)) {
            continue;
        }
        uint64_t value = 0;
        if (!scale(millionths, size_units[i].factor, &value) || value > SIZE_MAX) {
            (void)snprintf(why, why_size, "is too large");
            return -1;
        }
        *bytes = (size_t)value;
        return 0;
    }
    (void)snprintf(why, why_size, "has an unknown unit \"%s\": use k, M or G", rest);
    return -1;
}

const char *nrt__duration_format(uint64_t ms, char *out, size_t size) {
    if (ms < 1000) {
        (void)snprintf(out, size, "%" PRIu64 " ms", ms);
    } else if (ms < 60 * 1000) {
        uint64_t tenths = ms / 100;
        (void)snprintf(out, size, "%" PRIu64 ".%" PRIu64 " s", tenths / 10, tenths % 10);
    } else if (ms < 60 * 60 * 1000) {
        (void)snprintf(out, size, "%" PRIu64 " min %" PRIu64 " s", ms / 60000, ms / 1000 % 60);
    } else {
        (void)snprintf(out, size, "%" PRIu64 " h %" PRIu64 " min", ms / 3600000, ms / 60000 % 60);
    }
    return out;
}

const char *nrt__size_format(uint64_t bytes, char *out, size_t size) {
    static const char *const names[] = {"kB", "MB", "GB", "TB"};
    if (bytes < 1000) {
        (void)snprintf(out, size, "%" PRIu64 " B", bytes);
        return out;
    }
    size_t step = 0;
    uint64_t unit_size = 1000;
    while (step + 1 < sizeof(names) / sizeof(names[0]) && bytes / unit_size >= 1000) {
        unit_size *= 1000;
        step++;
    }
    uint64_t tenths = bytes / (unit_size / 10);
    (void)snprintf(out, size, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, names[step]);
    return out;
}
