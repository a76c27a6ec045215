/* PATH[,INTERVAL][,interval=DURATION][,fall=N][,rise=N] */
#include "cli/daemon/health_option.h"

#include <stdio.h>
#include <string.h>

#include "core/base/duration.h"
#include "core/base/str.h"

enum {
    PATH_MAX_BYTES = 1024,
    INTERVAL_MIN_MS = 100,
    INTERVAL_MAX_MS = 60 * 60 * 1000,
    CHECKS_MAX = 100,
};

enum { SEEN_INTERVAL = 1, SEEN_FALL = 2, SEEN_RISE = 4 };

static int read_path(nrt_str path, nrt__health_options *options, char *why, size_t why_size) {
    if (path.len == 0 || path.ptr[0] != '/' || path.len > PATH_MAX_BYTES ||
        !nrt__is_visible(path) || memchr(path.ptr, '#', path.len)) {
        snprintf(why, why_size,
                 "begins with the path to ask for, such as /healthz: '/' and then visible ASCII "
                 "without '#', at most %d bytes; a comma in it is written %%2C",
                 PATH_MAX_BYTES);
        return -1;
    }
    options->path = path;
    return 0;
}

static int read_interval(nrt_str value, nrt__health_options *options, char *why, size_t why_size) {
    char text[32];
    char reason[96];
    uint32_t ms;
    if (value.len >= sizeof(text)) {
        snprintf(why, why_size, "has an interval that is no duration: write 500ms, 2s or 1m");
        return -1;
    }
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    if (nrt__duration_parse(text, &ms, reason, sizeof(reason)) < 0) {
        snprintf(why, why_size, "has an interval, \"%s\", that %s", text, reason);
        return -1;
    }
    if (ms < INTERVAL_MIN_MS || ms > INTERVAL_MAX_MS) {
        snprintf(why, why_size, "has an interval of %s: it is from 100ms to 1h", text);
        return -1;
    }
    options->interval_ms = ms;
    return 0;
}

static int read_count(const char *name, nrt_str value, unsigned *count, char *why,
                      size_t why_size) {
    uint64_t number;
    if (!nrt__str_to_u64(value, CHECKS_MAX, &number) || number == 0) {
        snprintf(why, why_size, "says %s=%.*s: it is a number of checks from 1 to %d", name,
                 NRT__ARG(value), CHECKS_MAX);
        return -1;
    }
    *count = (unsigned)number;
    return 0;
}

static nrt_str until_comma(const char *text) {
    return (nrt_str){text, strcspn(text, ",")};
}

int nrt__health_option_parse(const char *text, nrt__health_options *options, char *why,
                             size_t why_size) {
    unsigned seen = 0;
    nrt_str item = until_comma(text);
    nrt__health_options_init(options);
    if (read_path(item, options, why, why_size) < 0) {
        return -1;
    }
    for (unsigned at = 1; item.ptr[item.len] == ','; at++) {
        item = until_comma(item.ptr + item.len + 1);
        const char *equals = memchr(item.ptr, '=', item.len);
        nrt_str name = {item.ptr, equals ? (size_t)(equals - item.ptr) : 0};
        nrt_str value = equals ? (nrt_str){equals + 1, item.len - name.len - 1} : item;
        unsigned which;
        int error;
        if ((!equals && at == 1) || nrt__str_equal(name, NRT__STR("interval"))) {
            which = SEEN_INTERVAL;
            error = read_interval(value, options, why, why_size);
        } else if (nrt__str_equal(name, NRT__STR("fall"))) {
            which = SEEN_FALL;
            error = read_count("fall", value, &options->fall, why, why_size);
        } else if (nrt__str_equal(name, NRT__STR("rise"))) {
            which = SEEN_RISE;
            error = read_count("rise", value, &options->rise, why, why_size);
        } else {
            snprintf(why, why_size,
                     "has \"%.*s\" in it: write PATH[,interval=DURATION][,fall=N][,rise=N]",
                     NRT__ARG(item));
            return -1;
        }
        if (error < 0) {
            return -1;
        }
        if (seen & which) {
            snprintf(why, why_size, "says \"%.*s\", but that is given twice", NRT__ARG(item));
            return -1;
        }
        seen |= which;
    }
    return 0;
}
