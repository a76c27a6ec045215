/* Frames of `nrt top`. */
#include "cli/top/view.h"

#include <stdio.h>

#include "cli/discover/discover.h"
#include "core/base/str.h"

enum { SPARK_MAX = NRT__TOP_HISTORY, BARS_MAX = 16 };

static const char *const sort_names[NRT__TOP_SORTS] = {"load",      "errors",    "p50", "p99",
                                                       "in flight", "instances", "name"};

const char *nrt__top_sort_name(nrt__top_sort sort) {
    return sort_names[sort];
}

/* ---- a line, clipped to the screen ---- */

typedef struct line {
    nrt__buf *out;
    const nrt__top_screen *screen;
    size_t used; /* columns */
} line;

/* Columns that a text takes: characters, of which UTF-8 needs one or more bytes each. */
static size_t width_of(const char *text) {
    size_t width = 0;
    for (; *text; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

static void put_blanks(line *to, size_t count) {
    size_t left = to->screen->width - to->used;
    for (size_t i = 0; i < count && i < left; i++) {
        nrt__buf_lit(to->out, " ");
        to->used++;
    }
}

/* As much of the text as there are columns for; an end that is cut off is marked. */
static void put_text(line *to, const char *style, const char *text, size_t most) {
    size_t left = to->screen->width - to->used;
    size_t columns = most < left ? most : left;
    size_t width = width_of(text);
    bool cut = width > columns;
    size_t keep = cut && columns > 0 ? columns - 1 : width;
    size_t seen = 0;
    if (columns == 0) {
        return;
    }
    nrt__buf_put(to->out, nrt_str_from(style));
    for (const char *c = text; *c; c++) {
        seen += ((unsigned char)*c & 0xc0) != 0x80;
        if (seen > keep) {
            break;
        }
        nrt__buf_add(to->out, c, 1);
    }
    if (cut) {
        nrt__buf_put(to->out, to->screen->unicode ? NRT__STR("\xe2\x80\xa6") : NRT__STR("~"));
    }
    if (*style) {
        nrt__buf_put(to->out, nrt_str_from(to->screen->style->reset));
    }
    to->used += cut ? columns : width;
}

/* A text in a column of `width`, and the gap behind it. */
static void put_cell(line *to, const char *style, const char *text, size_t width, bool right) {
    size_t taken = width_of(text);
    size_t fill = taken < width ? width - taken : 0;
    put_blanks(to, right ? fill : 0);
    put_text(to, style, text, width);
    put_blanks(to, (right ? 0 : fill) + 1);
}

static void end_line(line *to, bool last) {
    if (!last) {
        nrt__buf_lit(to->out, "\n");
    }
    to->used = 0;
}

/* ---- cells ---- */

static const char *rate_text(double rate, char out[32]) {
    if (rate < 0) {
        return "-";
    }
    if (rate >= 99950) {
        (void)snprintf(out, 32, "%.0fk", rate / 1000);
    } else {
        (void)snprintf(out, 32, "%.*f", rate < 10 && rate > 0 ? 1 : 0, rate);
    }
    return out;
}

static const char *share_text(double share, char out[32]) {
    if (share < 0) {
        return "-";
    }
    (void)snprintf(out, 32, "%.*f", share > 0 && share < 0.0995 ? 1 : 0, share * 100);
    return out;
}

static const char *time_text(double ns, char out[32]) {
    return ns < 0 ? "-" : nrt__ns_format(ns, out, 32);
}

static const char *count_text(double count, char out[32]) {
    if (count < 0) {
        return "-";
    }
    (void)snprintf(out, 32, "%.0f", count);
    return out;
}

/* The last rates, each as high as its share of the highest one. */
static const char *spark_text(const nrt__top_row *row, size_t width, bool unicode,
                              char out[SPARK_MAX * 3 + 1]) {
    static const char *const levels[] = {"\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83",
                                         "\xe2\x96\x84", "\xe2\x96\x85", "\xe2\x96\x86",
                                         "\xe2\x96\x87", "\xe2\x96\x88"};
    static const char plain[] = "_.-:=+*#";
    size_t len = 0;
    double most = 0;
    width = width < SPARK_MAX ? width : (size_t)SPARK_MAX;
    for (size_t i = NRT__TOP_HISTORY - width; i < NRT__TOP_HISTORY; i++) {
        most = row->history[i] > most ? row->history[i] : most;
    }
    for (size_t i = NRT__TOP_HISTORY - width; i < NRT__TOP_HISTORY; i++) {
        double value = row->history[i];
        int level = most > 0 && value > 0 ? (int)(value * 7 / most + 0.5) : 0;
        if (value < 0) {
            out[len++] = ' ';
        } else if (unicode) {
            memcpy(out + len, levels[level], 3);
            len += 3;
        } else {
            out[len++] = plain[level];
        }
    }
    out[len] = '\0';
    return out;
}

/* ---- tables ---- */

/* Widths of the first two columns and the last: the rest is the same everywhere. */
typedef struct layout {
    size_t label;
    size_t count; /* instances, or version */
    size_t where;
    size_t spark;
} layout;

enum { NUMBERS = 8 + 1 + 6 + 1 + 7 + 1 + 7 + 1 + 6 + 1 }; /* REQ/S ERR % P50 P99 FLIGHT */

static layout layout_of(const nrt__top_screen *screen) {
    bool services = screen->page == NRT__TOP_SERVICES;
    layout wide = {services ? 16 : 10, services ? 4 : 7, services ? 7 : 9, 8};
    size_t least = wide.label + 1 + wide.count + 1 + wide.where + 1 + NUMBERS + wide.spark;
    size_t more = screen->width > least ? screen->width - least : 0;
    size_t spark = more / 3 < SPARK_MAX - wide.spark ? more / 3 : SPARK_MAX - wide.spark;
    size_t where = (more - spark) / 3;
    wide.spark += spark;
    wide.where += where;
    wide.label += more - spark - where;
    return wide;
}

static void put_titles(line *to, const layout *wide) {
    const nrt__top_screen *screen = to->screen;
    const char *style = screen->style->bold;
    bool services = screen->page == NRT__TOP_SERVICES;
    put_cell(to, style, services ? "SERVICE" : "INSTANCE", wide->label, false);
    put_cell(to, style, services ? "INST" : "VERSION", wide->count, services);
    put_cell(to, style, services ? "CLUSTER" : "WHERE", wide->where, false);
    put_cell(to, style, "REQ/S", 8, true);
    put_cell(to, style, "ERR %", 6, true);
    put_cell(to, style, "P50", 7, true);
    put_cell(to, style, "P99", 7, true);
    put_cell(to, style, "FLIGHT", 6, true);
    put_text(to, style, "LATELY", wide->spark);
}

static void put_row(line *to, const nrt__top_row *row, const layout *wide, bool selected) {
    const nrt__top_screen *screen = to->screen;
    char text[32];
    char spark[SPARK_MAX * 3 + 1];
    bool services = screen->page == NRT__TOP_SERVICES;
    const char *red = selected ? "" : screen->style->red;
    const char *label = selected ? "" : *row->instances[0]->host ? screen->style->green : "";
    if (selected) {
        nrt__buf_put(to->out, NRT__STR("\033[7m"));
    }
    put_cell(to, label, row->label, wide->label, false);
    put_cell(to, "", services ? count_text((double)row->count, text) : row->instances[0]->version,
             wide->count, services);
    put_cell(to, "", *row->where ? row->where : "-", wide->where, false);
    put_cell(to, "", rate_text(row->rate, text), 8, true);
    put_cell(to, row->error_share > 0 ? red : "", share_text(row->error_share, text), 6, true);
    put_cell(to, "", time_text(row->p50_ns, text), 7, true);
    put_cell(to, "", time_text(row->p99_ns, text), 7, true);
    put_cell(to, "", count_text(row->in_flight, text), 6, true);
    put_text(to, "", spark_text(row, wide->spark, screen->unicode, spark), wide->spark);
    if (selected) {
        put_blanks(to, screen->width);
        nrt__buf_put(to->out, NRT__STR("\033[0m"));
    }
}

/* ---- an instance ---- */

static void put_fact(line *to, const char *name, const char *value) {
    put_cell(to, to->screen->style->dim, name, 12, false);
    put_text(to, "", *value ? value : "-", to->screen->width);
    end_line(to, false);
}

static const char *last_error_of(const nrt_instance *instance) {
    const char *last = "";
    for (size_t i = 0; i < instance->endpoint_count; i++) {
        last = *instance->endpoints[i]->last_error ? instance->endpoints[i]->last_error : last;
    }
    return last;
}

/* A bar for each power of two in which something was: as many as there is room for. */
static size_t put_bars(line *to, const nrt__top_row *row, size_t room) {
    double rows[33] = {0};
    double most = 0;
    double total = 0;
    size_t first = 33;
    size_t last = 0;
    size_t drawn = 0;
    for (size_t i = 0; i < NRT__HISTOGRAM_BUCKETS; i++) {
        uint64_t from;
        uint64_t to_us;
        size_t at = 0;
        nrt__histogram_bounds(i, &from, &to_us);
        for (; at < 32 && (UINT64_C(1) << at) <= from; at++) {
        }
        rows[at] += row->recent[i];
        total += row->recent[i];
        most = rows[at] > most ? rows[at] : most;
        if (row->recent[i] > 0.005) {
            first = at < first ? at : first;
            last = at;
        }
    }
    for (size_t i = first; i <= last && drawn < room && total > 0; i++, drawn++) {
        char text[64];
        char below[32];
        size_t width = to->screen->width > 30 ? to->screen->width - 30 : 1;
        size_t bar = (size_t)(rows[i] * (double)width / most + 0.5);
        (void)snprintf(text, sizeof(text), "< %s",
                       nrt__ns_format((double)(UINT64_C(1) << i) * 1000, below, sizeof(below)));
        put_cell(to, "", text, 12, true);
        (void)snprintf(text, sizeof(text), "%.1f %%", rows[i] * 100 / total);
        put_cell(to, "", text, 8, true);
        nrt__buf_put(to->out, nrt_str_from(to->screen->style->green));
        for (size_t j = 0; j < bar && to->used < to->screen->width; j++, to->used++) {
            nrt__buf_lit(to->out, "#");
        }
        nrt__buf_put(to->out, nrt_str_from(to->screen->style->reset));
        end_line(to, false);
    }
    return drawn;
}

/* How many lines it took. */
static size_t put_detail(line *to, const nrt__top_row *row, size_t room) {
    const nrt_instance *one = row->instances[0];
    char text[400];
    char numbers[4][32];
    char spark[SPARK_MAX * 3 + 1];
    enum { FACTS = 10 };
    if (room < FACTS) {
        return 0;
    }
    put_fact(to, "instance", one->id);
    (void)snprintf(text, sizeof(text), "%s, version %s, %s%s", *one->host ? one->host : one->name,
                   one->version, *one->library ? "by nrt " : "not of nrt", one->library);
    put_fact(to, "service", text);
    put_fact(to, "where", row->where);
    put_fact(to, "started", one->started);
    (void)snprintf(text, sizeof(text), "%llu, of which %llu errors, %llu refused",
                   (unsigned long long)row->requests, (unsigned long long)row->errors,
                   (unsigned long long)row->refused);
    put_fact(to, "requests", text);
    put_fact(to, "last error", last_error_of(one));
    (void)snprintf(text, sizeof(text), "%s requests/s, %s %% errors, %s in flight",
                   rate_text(row->rate, numbers[0]), share_text(row->error_share, numbers[1]),
                   count_text(row->in_flight, numbers[2]));
    put_fact(to, "now", text);
    put_fact(to, "lately", spark_text(row, SPARK_MAX, to->screen->unicode, spark));
    (void)snprintf(text, sizeof(text), "p50 %s, p99 %s", time_text(row->p50_ns, numbers[0]),
                   time_text(row->p99_ns, numbers[1]));
    put_fact(to, "latency", text);
    end_line(to, false);
    return FACTS + put_bars(to, row, room - FACTS < BARS_MAX ? room - FACTS : (size_t)BARS_MAX);
}

static size_t put_help(line *to, size_t room) {
    static const char *const lines[] = {
        "up, down, j, k      select a row; page up and down, home, end",
        "enter, right, l     look inside: a service's instances, an instance's numbers",
        "esc, left, h        back",
        "s, S                sort by the next, the previous column; r turns it around",
        "/                   show only rows with these letters; esc ends it",
        "space               hold still, and go on",
        "q                   end",
        "",
        "REQ/S is between the last two looks; ERR %, P50 and P99 are of the last few",
        "seconds, as the services count them; FLIGHT is being handled now.",
    };
    size_t count = 0;
    for (; count < sizeof(lines) / sizeof(lines[0]) && count < room; count++) {
        put_text(to, "", lines[count], to->screen->width);
        end_line(to, false);
    }
    return count;
}

/* ---- the frame ---- */

/* `rows`: how many of them there is room for. */
static void put_head(line *to, size_t rows) {
    const nrt__top_screen *screen = to->screen;
    char text[200];
    char rate[32];
    double sum = 0;
    size_t instances = 0;
    for (size_t i = 0; i < screen->count; i++) {
        sum += screen->rows[i].rate > 0 ? screen->rows[i].rate : 0;
        instances += screen->rows[i].count;
    }
    put_text(to, screen->style->bold, "nrt top", screen->width);
    if (*screen->service) {
        put_text(to, "", " > ", screen->width);
        put_text(to, screen->style->green, screen->service, screen->width / 3);
    }
    size_t len =
        (size_t)snprintf(text, sizeof(text), "  %s%s", screen->clock, *screen->clock ? "  " : "");
    if (screen->page == NRT__TOP_SERVICES) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%zu service%s, ", screen->count,
                                screen->count == 1 ? "" : "s");
    }
    (void)snprintf(text + len, sizeof(text) - len, "%zu instance%s, %s requests/s", instances,
                   instances == 1 ? "" : "s", rate_text(sum, rate));
    put_text(to, "", text, screen->width);
    end_line(to, false);
    if (*screen->notice) {
        put_text(to, screen->style->red, screen->notice, screen->width);
    } else {
        (void)snprintf(text, sizeof(text), "every %.3g s, by %s%s%s%s%s%s", screen->interval_s,
                       sort_names[screen->sort], screen->reverse ? ", turned around" : "",
                       *screen->filter || screen->typing ? ", with \"" : "", screen->filter,
                       *screen->filter || screen->typing ? "\"" : "",
                       screen->paused ? ", held" : "");
        size_t end = strlen(text);
        if (rows > 0 && rows < screen->count) {
            (void)snprintf(text + end, sizeof(text) - end, ", rows %zu-%zu of %zu",
                           screen->first + 1, screen->first + rows, screen->count);
        }
        put_text(to, screen->style->dim, text, screen->width);
    }
    end_line(to, false);
}

static void put_foot(line *to) {
    const nrt__top_screen *screen = to->screen;
    const char *text =
        screen->page == NRT__TOP_SERVICES
            ? "enter: its instances  s: sort  /: filter  space: hold  ?: help  q: end"
        : screen->page == NRT__TOP_INSTANCES
            ? "enter: its numbers  esc: back  s: sort  /: filter  ?: help  q: end"
            : "esc: back  q: end";
    if (screen->typing) {
        text = "type what rows must hold; enter: done  esc: all rows";
    }
    put_text(to, screen->style->dim, text, screen->width);
}

static void settle(nrt__top_screen *screen, size_t room) {
    if (screen->selected >= screen->count) {
        screen->selected = screen->count > 0 ? screen->count - 1 : 0;
    }
    if (screen->selected < screen->first) {
        screen->first = screen->selected;
    }
    if (screen->selected >= screen->first + room) {
        screen->first = screen->selected - room + 1;
    }
    if (screen->first + room >
        screen->count) { /* no empty lines below where there are rows above */
        screen->first = screen->count > room ? screen->count - room : 0;
    }
}

static size_t put_table(line *to, nrt__top_screen *screen, size_t room) {
    layout wide = layout_of(screen);
    size_t used = 1;
    put_titles(to, &wide);
    end_line(to, false);
    for (size_t i = screen->first; i < screen->count && used < room; i++, used++) {
        put_row(to, &screen->rows[i], &wide, i == screen->selected);
        end_line(to, false);
    }
    if (screen->count == 0 && used < room) {
        put_text(to, "",
                 screen->waiting   ? "asking who is there"
                 : *screen->filter ? "no row holds that"
                                   : "no service answers",
                 screen->width);
        end_line(to, false);
        used++;
    }
    return used;
}

void nrt__top_draw(nrt__buf *out, nrt__top_screen *screen) {
    line to = {.out = out, .screen = screen};
    enum { AROUND = 3 }; /* two lines above, one below */
    if (screen->height < AROUND + 3) {
        put_text(&to, "", "too small", screen->width);
        return;
    }
    size_t room = screen->height - AROUND;
    size_t used = 0;
    bool table = screen->page == NRT__TOP_SERVICES || screen->page == NRT__TOP_INSTANCES;
    if (table) {
        settle(screen, room - 1);
    }
    put_head(&to, table ? room - 1 : 0);
    switch (screen->page) {
    case NRT__TOP_SERVICES:
    case NRT__TOP_INSTANCES:
        used = put_table(&to, screen, room);
        break;
    case NRT__TOP_DETAIL:
        used = screen->count > 0 ? put_detail(&to, &screen->rows[0], room) : 0;
        if (screen->count == 0) {
            put_text(&to, screen->style->red, "this instance answers no more", screen->width);
            end_line(&to, false);
            used = 1;
        }
        break;
    case NRT__TOP_HELP:
        used = put_help(&to, room);
        break;
    }
    for (; used < room; used++) {
        end_line(&to, false);
    }
    put_foot(&to);
}

void nrt__top_list(nrt__buf *out, nrt__top_screen *screen) {
    line to = {.out = out, .screen = screen};
    layout wide = layout_of(screen);
    put_titles(&to, &wide);
    end_line(&to, false);
    for (size_t i = 0; i < screen->count; i++) {
        put_row(&to, &screen->rows[i], &wide, false);
        end_line(&to, false);
    }
}
