/* What keys do in `nrt top`. */
#include "cli/top/top.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void choose(nrt__top *t, size_t index) {
    if (t->screen.count > 0) {
        t->screen.selected = index < t->screen.count ? index : t->screen.count - 1;
        (void)snprintf(t->chosen, sizeof(t->chosen), "%s", t->rows[t->screen.selected].label);
    }
}

static void go_to(nrt__top *t, nrt__top_page page) {
    t->screen.page = page;
    t->screen.service = t->service;
    t->screen.selected = t->screen.first = 0;
    t->filter[0] = '\0';
}

static void enter(nrt__top *t) {
    const nrt__top_screen *screen = &t->screen;
    if (screen->count == 0) {
        return;
    }
    const char *label = t->rows[screen->selected].label;
    if (screen->page == NRT__TOP_SERVICES) {
        (void)snprintf(t->service, sizeof(t->service), "%s", label);
        go_to(t, NRT__TOP_INSTANCES);
        t->chosen[0] = '\0';
    } else if (screen->page == NRT__TOP_INSTANCES) {
        (void)snprintf(t->instance, sizeof(t->instance), "%s", label);
        go_to(t, NRT__TOP_DETAIL);
    }
}

static void leave(nrt__top *t) {
    switch (t->screen.page) {
    case NRT__TOP_SERVICES:
        t->filter[0] = '\0';
        break;
    case NRT__TOP_INSTANCES:
        if (*t->filter) {
            t->filter[0] = '\0';
            break;
        }
        (void)snprintf(t->chosen, sizeof(t->chosen), "%s", t->service);
        t->service[0] = '\0';
        go_to(t, NRT__TOP_SERVICES);
        break;
    case NRT__TOP_DETAIL:
        go_to(t, NRT__TOP_INSTANCES);
        (void)snprintf(t->chosen, sizeof(t->chosen), "%s", t->instance);
        break;
    case NRT__TOP_HELP:
        t->screen.page = t->before_help;
        break;
    }
}

static void sort_by(nrt__top *t, int step) {
    t->screen.sort = (nrt__top_sort)((t->screen.sort + NRT__TOP_SORTS + step) % NRT__TOP_SORTS);
    t->screen.first = 0;
}

static void on_filter_key(nrt__top *t, char key) {
    size_t len = strlen(t->filter);
    if (key == '\r' || key == '\n') {
        t->screen.typing = false;
    } else if (key == '\033') {
        t->screen.typing = false;
        t->filter[0] = '\0';
    } else if ((key == 0x7f || key == '\b') && len > 0) {
        t->filter[len - 1] = '\0';
    } else if (key > 0x20 && key < 0x7f && len + 1 < sizeof(t->filter)) {
        t->filter[len] = key;
        t->filter[len + 1] = '\0';
    }
    t->screen.selected = t->screen.first = 0;
    t->chosen[0] = '\0';
}

static void on_key(nrt__top *t, char key) {
    size_t page = t->screen.height > 8 ? t->screen.height - 8 : 1;
    size_t at = t->screen.selected;
    switch (key) {
    case 'q':
        t->quit = true;
        break;
    case 'k':
        choose(t, at > 0 ? at - 1 : 0);
        break;
    case 'j':
        choose(t, at + 1);
        break;
    case 'b':
        choose(t, at > page ? at - page : 0);
        break;
    case 'f':
        choose(t, at + page);
        break;
    case 'g':
        choose(t, 0);
        break;
    case 'G':
        choose(t, SIZE_MAX);
        break;
    case 'l':
    case '\r':
    case '\n':
        enter(t);
        break;
    case 'h':
    case '\033':
    case 0x7f:
        leave(t);
        break;
    case 's':
        sort_by(t, 1);
        break;
    case 'S':
        sort_by(t, -1);
        break;
    case 'r':
        t->screen.reverse = !t->screen.reverse;
        break;
    case '/':
        t->screen.typing = t->screen.page <= NRT__TOP_INSTANCES;
        break;
    case ' ':
        t->screen.paused = !t->screen.paused;
        break;
    case '?':
        if (t->screen.page != NRT__TOP_HELP) {
            t->before_help = t->screen.page;
            t->screen.page = NRT__TOP_HELP;
        }
        break;
    default:
        break;
    }
}

/* Keys that terminals send as several bytes, as the letters that mean the same; 0: none of them.
 * *used of the bytes were one. */
static char long_key(const char *bytes, size_t len, size_t *used) {
    static const struct {
        const char *bytes;
        char key;
    } all[] = {{"[A", 'k'}, {"[B", 'j'}, {"[C", 'l'},  {"[D", 'h'},  {"OA", 'k'}, {"OB", 'j'},
               {"OC", 'l'}, {"OD", 'h'}, {"[5~", 'b'}, {"[6~", 'f'}, {"[H", 'g'}, {"[F", 'G'},
               {"OH", 'g'}, {"OF", 'G'}, {"[1~", 'g'}, {"[4~", 'G'}};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        size_t size = strlen(all[i].bytes);
        if (len > size && memcmp(bytes + 1, all[i].bytes, size) == 0) {
            *used = size + 1;
            return all[i].key;
        }
    }
    return 0;
}

void nrt__top_on_keys(void *arg, unsigned events) {
    nrt__top *t = arg;
    char bytes[64];
    (void)events;
    ssize_t got = read(STDIN_FILENO, bytes, sizeof(bytes));
    if (got <= 0) {
        t->quit = got == 0 || errno != EINTR; /* the terminal is gone */
        return;
    }
    for (size_t at = 0; at < (size_t)got && !t->quit;) {
        size_t used = 1;
        char key = bytes[at];
        if (key == '\033') {
            char meant = long_key(bytes + at, (size_t)got - at, &used);
            key = meant ? meant : key;
        }
        if (t->screen.typing && used == 1) {
            on_filter_key(t, key);
        } else if (!t->screen.typing) {
            on_key(t, key);
        }
        at += used;
        nrt__top_update(t);
    }
    if (!t->quit) {
        nrt__top_show(t);
    }
}
