/* Columns of text, aligned. */
#ifndef NRT__TABLE_H
#define NRT__TABLE_H

#include <stdio.h>

#include <nrt/base.h>

typedef struct nrt__table_cell {
    char *text;
    const char *style; /* one of nrt__style's; static */
} nrt__table_cell;

/* Cells are added row by row. */
typedef struct nrt__table {
    const char *align; /* a letter for each column: 'l' or 'r' */
    nrt__table_cell *cells;
    size_t count;
    size_t size;
    bool failed; /* out of memory */
} nrt__table;

/* `align` must outlive it. */
void nrt__table_init(nrt__table *table, const char *align);
void nrt__table_free(nrt__table *table);

/* The next cell; `style` "" for none. The text may hold anything that a terminal may be shown. */
void nrt__table_add(nrt__table *table, const char *style, const char *format, ...) NRT_PRINTF(3, 4);

/* Prints all rows; false when memory was short for some. */
bool nrt__table_print(const nrt__table *table, FILE *out);

#endif
