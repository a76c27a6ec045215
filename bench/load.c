/* The closed loop of the bench's clients: see load.h. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t load_now(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t load_cpu_now(void) {
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static unsigned bucket_of(uint64_t ns) {
    if (ns < 64) {
        return (unsigned)ns;
    }
    unsigned shift = 57U - (unsigned)__builtin_clzll(ns); /* leaves 64 to 127 */
    unsigned bucket = shift * 64 + (unsigned)(ns >> shift);
    return bucket < LOAD_BUCKETS ? bucket : LOAD_BUCKETS - 1;
}

/* The middle of a bucket. */
static double bucket_ns(unsigned bucket) {
    if (bucket < 128) {
        return bucket;
    }
    unsigned shift = bucket / 64 - 1;
    return ((double)(bucket % 64 + 64) + 0.5) * (double)(UINT64_C(1) << shift);
}

bool load_command(load *l, const char *line, unsigned *milliseconds) {
    unsigned long long limit = UINT64_MAX;
    l->services = 1;
    *milliseconds = 600 * 1000;
    bool known = sscanf(line, "run %u %u %u", &l->in_flight, milliseconds, &l->services) >= 2 ||
                 sscanf(line, "count %u %llu %u", &l->in_flight, &limit, &l->services) >= 2;
    l->limit = limit;
    return known && l->in_flight > 0 && l->in_flight <= LOAD_SLOTS_MAX && l->services > 0 &&
           limit >= l->in_flight;
}

static void send_next(load *l, unsigned slot, int64_t now) {
    l->sent_at[slot] = now;
    l->sent++;
    l->active++;
    if (!l->send(l, slot, l->arg)) {
        l->active--;
        l->failed++;
    }
}

void load_begin(load *l, unsigned milliseconds) {
    memset(l->histogram, 0, sizeof(l->histogram));
    l->sent = l->answered = l->failed = 0;
    l->ended = 0;
    l->began = load_now();
    l->deadline = l->began + milliseconds * INT64_C(1000000);
    for (unsigned slot = 0; slot < l->in_flight; slot++) {
        send_next(l, slot, l->began);
    }
}

void load_answered(load *l, unsigned slot, bool right) {
    int64_t now = load_now();
    l->active--;
    if (right) {
        l->answered++;
        l->histogram[bucket_of((uint64_t)(now - l->sent_at[slot]))]++;
    } else {
        l->failed++;
    }
    if (now < l->deadline && l->sent < l->limit) {
        send_next(l, slot, now);
    } else if (l->active == 0) {
        l->ended = now;
    }
}

static double quantile(const load *l, double part) {
    uint64_t want = (uint64_t)((double)l->answered * part), seen = 0;
    for (unsigned i = 0; i < LOAD_BUCKETS; i++) {
        seen += l->histogram[i];
        if (seen > want) {
            return bucket_ns(i) / 1000;
        }
    }
    return 0;
}

void load_report(const load *l) {
    printf("{\"requests\": %llu, \"failed\": %llu, \"seconds\": %.9f, \"p50_us\": %.3f, "
           "\"p99_us\": %.3f}\n",
           (unsigned long long)l->answered, (unsigned long long)l->failed,
           (double)(l->ended - l->began) / 1e9, quantile(l, 0.5), quantile(l, 0.99));
    fflush(stdout);
}

char *load_file(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    char *text = malloc(1024 * 1024 + 1);
    if (!file || !text) {
        load_die(path, "cannot be read");
    }
    *len = fread(text, 1, 1024 * 1024, file);
    text[*len] = '\0';
    fclose(file);
    return text;
}

void load_die(const char *what, const char *why) {
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(1);
}
