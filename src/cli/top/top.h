/* What the files of `nrt top` share that talk to NATS and the terminal: top.c (asking, drawing,
 * what scripts get) and top_keys.c (what keys do). */
#ifndef NRT__TOP_TOP_H
#define NRT__TOP_TOP_H

#include <termios.h>

#include "cli/discover/discover.h"
#include "cli/get/get.h"
#include "cli/top/view.h"

enum { NRT__TOP_FILTER = 64 };

typedef struct nrt__top_options {
    nrt__asking asking;
    bool once;
    int sort; /* nrt__top_sort */
    bool reverse;
    const char *filter;
} nrt__top_options;

typedef struct nrt__top {
    const nrt__top_options *options;
    nrt__asking *asking;
    nrt__get_signals signals;
    nrt__top_model *model;
    nrt__top_screen screen;
    nrt__top_row *rows;
    nrt__top_page before_help;
    char service[NRT__TOP_LABEL];
    char instance[NRT__TOP_LABEL]; /* its id */
    char chosen[NRT__TOP_LABEL];   /* label of the selected row: it stays selected where it goes */
    char filter[NRT__TOP_FILTER];
    char notice[256];
    char clock[16];
    nrt__io keys;
    nrt__timer next;
    struct termios before;
    int64_t asked_ns;
    bool quit;
} nrt__top;

/* What the page shows, sorted; the row that was selected stays so. */
void nrt__top_update(nrt__top *t);

/* The frame as it is now. */
void nrt__top_show(nrt__top *t);

/* Something was typed (nrt__io_fn). */
void nrt__top_on_keys(void *arg, unsigned events);

#endif
