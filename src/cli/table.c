/* Columns of text, aligned. */
#include "cli/table.h"

#include <stdarg.h>
#include <stdlib.h>

#include "cli/term.h"

enum { COLUMNS_MAX = 16, GAP = 2 };

void nrt__table_init(nrt__table *table, const char *align) {
    *table = (nrt__table){.align = align};
}

void nrt__table_free(nrt__table *table) {
    for (size_t i = 0; i < table->count; i++) {
        free(table->cells[i].text);
    }
    free(table->cells);
    *table = (nrt__table){.align = table->align};
}

void nrt__table_add(nrt__table *table, const char *style, const char *format, ...) {
    if (table->count == table->size) {
        size_t size = table->size ? table->size * 2 : 64;
        nrt__table_cell *cells = realloc(table->cells, size * sizeof(*cells));
        if (!cells) {
            table->failed = true;
            return;
        }
        table->cells = cells;
        table->size = size;
    }
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0) {
        text = NULL;
        table->failed = true;
    }
    va_end(args);
    table->cells[table->count++] = (nrt__table_cell){text, style};
}

/* Characters, of which UTF-8 needs one or more bytes each. */
static size_t width_of(const char *text) {
    size_t width = 0;
    for (; text && *text; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

bool nrt__table_print(const nrt__table *table, FILE *out) {
    const nrt__style *style = nrt__term_style(out);
    size_t columns = strlen(table->align);
    size_t widths[COLUMNS_MAX] = {0};
    for (size_t i = 0; i < table->count; i++) {
        size_t width = width_of(table->cells[i].text);
        if (width > widths[i % columns]) {
            widths[i % columns] = width;
        }
    }
    for (size_t i = 0; i < table->count; i++) {
        const nrt__table_cell *cell = &table->cells[i];
        size_t column = i % columns;
        int fill = (int)(widths[column] - width_of(cell->text));
        bool right = table->align[column] == 'r';
        bool last = column + 1 == columns;
        (void)fprintf(out, "%*s%s%s%s%*s", right ? fill : 0, "", cell->style,
                      cell->text ? cell->text : "", *cell->style ? style->reset : "",
                      last ? 0 : (right ? 0 : fill) + GAP, "");
        if (last) {
            (void)fputc('\n', out);
        }
    }
    return !table->failed;
}
