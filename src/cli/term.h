/* Colours and widths of terminals. Styles are strings that are empty where there is no terminal, so
 * that callers print them without asking. */
#ifndef NRT__TERM_H
#define NRT__TERM_H

#include <stdbool.h>
#include <stdio.h>

typedef struct nrt__style {
    const char *bold;
    const char *dim;
    const char *red;
    const char *green;
    const char *yellow;
    const char *blue;
    const char *cyan;
    const char *reset;
} nrt__style;

/* Colours are for terminals, unless NO_COLOR is set (https://no-color.org) or TERM is "dumb". */
bool nrt__term_has_colors(FILE *stream);

/* The styles for `stream`; static. */
const nrt__style *nrt__term_style(FILE *stream);

/* The columns to fill: the terminal's, between 60 and 100; 80 where there is no terminal. */
size_t nrt__term_width(FILE *stream);

#endif
