/* The closed loop that all clients of the bench run: N requests are in flight, each answer is the
 * cause of the next request, until time is up. What differs is how a request is sent. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOAD_SLOTS_MAX = 16384,
    LOAD_BUCKETS = 64 * 64, /* for each power of two of nanoseconds 64 steps: 1.6 % apart */
};

typedef struct load load;

/* Sends the next request of a slot; load_answered comes for it, later. False: it cannot. */
typedef bool (*load_send_fn)(load *l, unsigned slot, void *arg);

struct load {
    load_send_fn send;
    void *arg;
    unsigned in_flight; /* wanted */
    unsigned services;  /* requests go to this many, in turn */
    unsigned active;    /* in flight now */
    uint64_t limit;     /* no more than so many are sent */
    uint64_t sent;
    uint64_t answered; /* and right */
    uint64_t failed;   /* not sent, an error, or not the answer that was expected */
    int64_t began;
    int64_t deadline;
    int64_t ended; /* when the last answer came; 0 while it runs */
    int64_t sent_at[LOAD_SLOTS_MAX];
    uint64_t histogram[LOAD_BUCKETS];
};

int64_t load_now(void);

/* Of this process alone. */
int64_t load_cpu_now(void);

/* A command is one line of standard input: `run IN-FLIGHT MILLISECONDS [SERVICES]`, or `count
 * IN-FLIGHT REQUESTS [SERVICES]`. False where it is none. */
bool load_command(load *l, const char *line, unsigned *milliseconds);

void load_begin(load *l, unsigned milliseconds);

/* The answer of a slot is here; the next request goes out unless time is up. */
void load_answered(load *l, unsigned slot, bool right);

/* Prints what the run was, one line of JSON. */
void load_report(const load *l);

/* A whole file, with a NUL behind it; ends the program where there is none. */
char *load_file(const char *path, size_t *len);

/* Says why, and ends the program with code 1. */
_Noreturn void load_die(const char *what, const char *why);

#endif
