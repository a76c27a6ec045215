/* How far a long transfer of `nrt get` is: one line on a terminal, drawn again and again. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/get/get.h"

enum { TEXT_SIZE = 32 };

static const double show_after_s = 1.0;

void nrt__progress_begin(nrt__progress *progress, const char *what, uint64_t total, double now_s) {
    nrt__progress_end(progress);
    progress->what = what;
    progress->total = total;
    progress->began_s = now_s;
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
    uint64_t left = seconds < 360000 ? (uint64_t)(seconds + 0.5) : 360000;
    if (left >= 3600) {
        (void)snprintf(out, TEXT_SIZE, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, left / 3600,
                       left / 60 % 60, left % 60);
    } else {
        (void)snprintf(out, TEXT_SIZE, "%" PRIu64 ":%02" PRIu64, left / 60, left % 60);
    }
    return out;
}

int nrt__progress_write(const nrt__progress *progress, uint64_t done, double now_s, char *out,
                        size_t size) {
    char part[TEXT_SIZE];
    char whole[TEXT_SIZE];
    char rate[TEXT_SIZE];
    char left[TEXT_SIZE];
    double passed = now_s - progress->began_s;
    double per_s = passed > 0 ? (double)done / passed : 0;
    (void)write_size((double)done, part);
    (void)write_size(per_s, rate);
    if (progress->total == 0 || done > progress->total) {
        return snprintf(out, size, "%s %s, %s/s", progress->what, part, rate);
    }
    double rest = (double)(progress->total - done);
    return snprintf(out, size, "%s %3u %%  %s of %s, %s/s, %s left", progress->what,
                    (unsigned)(100.0 * (double)done / (double)progress->total), part,
                    write_size((double)progress->total, whole), rate,
                    per_s > 0 ? write_time(rest / per_s, left) : "-:--");
}

void nrt__progress_show(nrt__progress *progress, uint64_t done, double now_s) {
    char line[160];
    if (!progress->wanted || !progress->what || now_s - progress->began_s < show_after_s) {
        return;
    }
    (void)nrt__progress_write(progress, done, now_s, line, sizeof(line));
    (void)fprintf(stderr, "\r%s\033[K", line);
    (void)fflush(stderr);
    progress->shown = true;
}

void nrt__progress_end(nrt__progress *progress) {
    if (progress->shown) {
        (void)fputs("\r\033[K", stderr);
        (void)fflush(stderr);
    }
    progress->shown = false;
    progress->what = NULL;
}
