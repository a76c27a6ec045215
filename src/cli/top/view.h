/* How `nrt top` shows rows: a frame of lines for a terminal of whatever size. Pure: no I/O. */
#ifndef NRT__TOP_VIEW_H
#define NRT__TOP_VIEW_H

#include "cli/term.h"
#include "cli/top/model.h"
#include "core/base/buf.h"

typedef enum nrt__top_page {
    NRT__TOP_SERVICES = 0,
    NRT__TOP_INSTANCES, /* of one service */
    NRT__TOP_DETAIL,    /* of one instance */
    NRT__TOP_HELP,
} nrt__top_page;

typedef struct nrt__top_screen {
    size_t width;
    size_t height;
    nrt__top_page page;
    const char *service; /* whose instances; "" on the first page */
    const nrt__top_row *rows;
    size_t count;
    size_t selected;
    size_t first; /* row at the top; the drawing sees to it that the selected one shows */
    nrt__top_sort sort;
    bool reverse;
    const char *filter;
    bool typing; /* the filter */
    bool paused;
    bool waiting;       /* nothing is known yet */
    const char *notice; /* what is wrong; "" */
    const char *clock;  /* "12:34:56" */
    double interval_s;
    bool unicode;
    const nrt__style *style;
} nrt__top_screen;

/* Appends `height` lines, each but the last with a newline, none wider than `width`. */
void nrt__top_draw(nrt__buf *out, nrt__top_screen *screen);

/* Appends the rows as a table, however many there are: for --once. */
void nrt__top_list(nrt__buf *out, nrt__top_screen *screen);

/* "load", "name": what rows are sorted by. Static. */
const char *nrt__top_sort_name(nrt__top_sort sort);

#endif
