/* Colours and widths of terminals. */
#include "cli/term.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const nrt__style plain = {"", "", "", "", "", "", "", ""};

static const nrt__style colored = {
    "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[34m", "\033[36m", "\033[0m",
};

bool nrt__term_has_colors(FILE *stream) {
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    if ((no_color && *no_color) || !term || strcmp(term, "dumb") == 0) {
        return false;
    }
    return isatty(fileno(stream)) == 1;
}

const nrt__style *nrt__term_style(FILE *stream) {
    return nrt__term_has_colors(stream) ? &colored : &plain;
}

size_t nrt__term_width(FILE *stream) {
    struct winsize size;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
        return 80;
    }
    if (size.ws_col < 60) {
        return 60;
    }
    return size.ws_col > 100 ? 100 : size.ws_col;
}
