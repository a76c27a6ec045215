/* Text and JSON lines on standard error. */
#include "cli/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/buf.h"
#include "core/base/str.h"

/* A line is cut there: nobody reads more, and what strangers send must not fill a disk. */
enum { LINE_MAX_BYTES = 8 * 1024 };

void nrt__report_init(nrt__report *log, const char *program, nrt__report_format format,
                      bool verbose) {
    log->program = program;
    log->format = format;
    log->level = verbose ? NRT_LOG_DEBUG : NRT_LOG_INFO;
    log->style = nrt__term_style(stderr);
}

/* Appends `text` with what is not valid UTF-8 replaced. C0 and C1 controls are written as \xNN
 * where `escape` says so: a terminal would obey them. */
static void put_clean(nrt__buf *out, nrt_str text, bool escape) {
    while (text.len > 0) {
        size_t len = nrt__utf8_len(text);
        unsigned char first = (unsigned char)text.ptr[0];
        bool control = first < 0x20 || first == 0x7f;
        bool control_c1 = len == 2 && first == 0xc2 && (unsigned char)text.ptr[1] < 0xa0;
        if (len == 0) {
            (void)nrt__buf_lit(out, "\xef\xbf\xbd");
            len = 1;
        } else if (escape && (control || control_c1)) {
            (void)nrt__buf_printf(out, "\\x%02x", (unsigned char)text.ptr[len - 1]);
        } else {
            (void)nrt__buf_add(out, text.ptr, len);
        }
        text.ptr += len;
        text.len -= len;
    }
}

json_t *nrt__report_string(nrt_str bytes) {
    nrt__buf clean;
    nrt__buf_init(&clean, LINE_MAX_BYTES);
    put_clean(&clean, bytes, false);
    nrt_str view = nrt__buf_view(&clean);
    json_t *string = json_stringn(view.ptr, view.len);
    nrt__buf_free(&clean);
    return string;
}

static const char *level_name(nrt_log_level level) {
    switch (level) {
    case NRT_LOG_ERROR:
        return "error";
    case NRT_LOG_WARN:
        return "warning";
    case NRT_LOG_INFO:
        return "info";
    case NRT_LOG_DEBUG:
        break;
    }
    return "debug";
}

/* The time now as RFC 3339 in UTC, with milliseconds. */
static void format_time(char *out, size_t size) {
    struct timespec now;
    struct tm parts;
    char seconds[32];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (!gmtime_r(&now.tv_sec, &parts) ||
        strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
        seconds[0] = '\0';
    }
    (void)snprintf(out, size, "%s.%03dZ", seconds, (int)(now.tv_nsec / 1000000));
}

static void write_json(nrt_log_level level, const char *event, json_t *members, nrt_str text) {
    char time_text[48];
    format_time(time_text, sizeof(time_text));
    json_t *line = json_object();
    (void)json_object_set_new(line, "time", json_string(time_text));
    (void)json_object_set_new(line, "level", json_string(level_name(level)));
    (void)json_object_set_new(line, "event", json_string(event));
    (void)json_object_set_new(line, "text", nrt__report_string(text));
    if (members) {
        (void)json_object_update_missing(line, members);
    }
    char *dump = json_dumps(line, JSON_COMPACT);
    if (dump) {
        (void)fprintf(stderr, "%s\n", dump);
    }
    free(dump);
    json_decref(line);
}

static void write_text(const nrt__report *log, nrt_log_level level, nrt_str text) {
    const nrt__style *style = log->style;
    nrt__buf line;
    nrt__buf_init(&line, (size_t)LINE_MAX_BYTES * 2);
    switch (level) {
    case NRT_LOG_ERROR:
        (void)nrt__buf_printf(&line, "%s%s:%s ", style->red, log->program, style->reset);
        break;
    case NRT_LOG_WARN:
        (void)nrt__buf_printf(&line, "%s%s:%s ", style->yellow, log->program, style->reset);
        break;
    case NRT_LOG_INFO:
        break;
    case NRT_LOG_DEBUG:
        (void)nrt__buf_printf(&line, "%s", style->dim);
        break;
    }
    put_clean(&line, text, true);
    if (level == NRT_LOG_DEBUG) {
        (void)nrt__buf_printf(&line, "%s", style->reset);
    }
    (void)nrt__buf_lit(&line, "\n");
    nrt_str view = nrt__buf_view(&line);
    (void)fwrite(view.ptr, 1, view.len, stderr);
    nrt__buf_free(&line);
}

void nrt__report_event(const nrt__report *log, nrt_log_level level, const char *event,
                       json_t *members, const char *format, ...) {
    if (level <= log->level) {
        char text[LINE_MAX_BYTES / 2];
        va_list values;
        va_start(values, format);
        (void)vsnprintf(text, sizeof(text), format, values);
        va_end(values);
        if (nrt__report_is_json(log)) {
            write_json(level, event, members, nrt_str_from(text));
        } else {
            write_text(log, level, nrt_str_from(text));
        }
    }
    json_decref(members);
}

void nrt__report_library(nrt_log_level level, const char *text, void *log) {
    nrt__report_event(log, level, "library", NULL, "%s", text);
}
