/* How far a long transfer of `nrt get` is: one line on a terminal, drawn again and again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/get/get.h"

enum {
    TEXT_SIZE = 32,
    BAR_MIN = 13,
    BAR_MAX = 63,
    WIDTH = 80,
    NEVER_S = 360000, /* 100 hours */
};

static const double show_after_s = 1.0;

void nrt__progress_begin(nrt__progress *progress, const char *what, uint64_t total, double now_s) {
    nrt__progress_end(progress);
    progress->what = what;
    progress->total = total;
    progress->began_s = progress->noted_s = now_s;
    progress->noted = 0;
    progress->per_s = -1;
}

/* "12.3 MiB" */
static const char *write_size(double bytes, char out[TEXT_SIZE]) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (bytes >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1024;
        unit++;
    }
    (void)snprintf(out, TEXT_SIZE, unit > 0 && bytes < 100 ? "%.1f %s" : "%.0f %s", bytes,
                   units[unit]);
    return out;
}

/* "1:02:03", "4:05" */
static const char *write_time(double seconds, char out[TEXT_SIZE]) {
    uint64_t left = (uint64_t)(seconds + 0.5);
    if (left >= 3600) {
        (void)snprintf(out, TEXT_SIZE, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, left / 3600,
                       left / 60 % 60, left % 60);
    } else {
        (void)snprintf(out, TEXT_SIZE, "%" PRIu64 ":%02" PRIu64, left / 60, left % 60);
    }
    return out;
}

/* What the last few seconds were like counts more than what was before. */
void nrt__progress_note(nrt__progress *progress, uint64_t done, double now_s) {
    static const double memory_s = 3;
    double passed = now_s - progress->noted_s;
    double come = done > progress->noted ? (double)(done - progress->noted) : 0;
    if (passed <= 0) {
        return;
    }
    double weight = progress->per_s < 0 ? 1 : passed / (passed + memory_s);
    double before = progress->per_s < 0 ? 0 : progress->per_s;
    progress->per_s = before + weight * (come / passed - before);
    progress->noted = done;
    progress->noted_s = now_s;
}

/* " [=====>    ]" of `width` characters; "" where that is too few to say something. */
static void write_bar(double share, size_t width, char out[BAR_MAX + 1]) {
    out[0] = '\0';
    if (width < BAR_MIN) {
        return;
    }
    size_t room = (width < BAR_MAX ? width : BAR_MAX) - 3;
    size_t full = (size_t)(share * (double)room);
    (void)snprintf(out, BAR_MAX + 1, " [%*s]", (int)room, "");
    memset(out + 2, '=', full);
    if (full < room) {
        out[2 + full] = '>';
    }
}

void nrt__progress_write(const nrt__progress *progress, uint64_t done, size_t width, char *out,
                         size_t size) {
    char part[TEXT_SIZE];
    char whole[TEXT_SIZE];
    char rate[TEXT_SIZE];
    char left[TEXT_SIZE];
    char numbers[120];
    char bar[BAR_MAX + 1];
    double per_s = progress->per_s > 0 ? progress->per_s : 0;
    size = width < size ? width : size; /* a line that is broken could not be drawn over */
    (void)write_size((double)done, part);
    (void)write_size(per_s, rate);
    if (progress->total == 0 || done > progress->total) {
        (void)snprintf(out, size, "%s %s, %s/s", progress->what, part, rate);
        return;
    }
    double share = (double)done / (double)progress->total;
    double rest = (double)(progress->total - done);
    bool soon = per_s > 0 && rest / per_s < NEVER_S;
    int len = snprintf(numbers, sizeof(numbers), "%s of %s, %s/s, %s left", part,
                       write_size((double)progress->total, whole), rate,
                       soon ? write_time(rest / per_s, left) : "-:--");
    size_t taken = strlen(progress->what) + (size_t)len + sizeof(" 100 %  ");
    write_bar(share, width > taken ? width - taken : 0, bar);
    (void)snprintf(out, size, "%s %3u %%%s  %s", progress->what, (unsigned)(100 * share), bar,
                   numbers);
}

/* Not by a program in the background: its terminal is someone else's line. */
static bool is_ours(void) {
    pid_t foreground = tcgetpgrp(STDERR_FILENO); /* fails where it is not what started us */
    return foreground < 0 || foreground == getpgrp();
}

/* Over what was drawn before; blanks where the terminal knows no other way. */
static void draw(const nrt__progress *progress, const char *line) {
    const char *term = getenv("TERM");
    if (!term || strcmp(term, "dumb") == 0) {
        (void)fprintf(stderr, "\r%-*s%s", (int)progress->drawn, line, *line ? "" : "\r");
    } else {
        (void)fprintf(stderr, "\r%s\033[K", line);
    }
    (void)fflush(stderr);
}

void nrt__progress_show(nrt__progress *progress, uint64_t done, double now_s) {
    char line[200];
    struct winsize size;
    if (!progress->wanted || !progress->what) {
        return;
    }
    nrt__progress_note(progress, done, now_s);
    if (now_s - progress->began_s < show_after_s || !is_ours()) {
        return;
    }
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    nrt__progress_write(progress, done, known ? size.ws_col : WIDTH, line, sizeof(line));
    draw(progress, line);
    progress->drawn = strlen(line);
}

void nrt__progress_end(nrt__progress *progress) {
    if (progress->drawn > 0 && is_ours()) {
        draw(progress, "");
    }
    progress->drawn = 0;
    progress->what = NULL;
}
