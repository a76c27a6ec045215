/* The virtual clock, what happens when, and what chance decides. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { LIMIT_MS = 600000 };

uint64_t sim_random(world *w) { /* splitmix64 */
    uint64_t z = (w->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t sim_below(world *w, uint32_t bound) {
    return bound == 0 ? 0 : (uint32_t)(sim_random(w) % bound);
}

bool sim_chance(world *w, uint32_t percent) {
    return sim_below(w, 100) < percent;
}

/* ---- what is told ---- */

void sim_trace(const world *w, const char *format, ...) {
    va_list args;
    if (!w->verbose) {
        return;
    }
    printf("%7lld.%03d ", (long long)(w->now_ms / 1000), (int)(w->now_ms % 1000));
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

_Noreturn void sim_fail(const world *w, const char *invariant, const char *format, ...) {
    va_list args;
    printf("sim: seed %llu, after %lld ms: %s: ", (unsigned long long)w->seed, (long long)w->now_ms,
           invariant);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
    _Exit(1);
}

/* ---- events: a heap, by time and then by who was first ---- */

static bool is_before(const event *a, const event *b) {
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap(event *a, event *b) {
    event one = *a;
    *a = *b;
    *b = one;
}

void sim_after(world *w, uint32_t ms, event_fn fn, void *arg, uint32_t tag) {
    if (w->event_count == w->event_size) {
        w->event_size = w->event_size ? w->event_size * 2 : 64;
        w->events = realloc(w->events, w->event_size * sizeof(*w->events));
        if (!w->events) {
            abort();
        }
    }
    size_t at = w->event_count++;
    w->events[at] = (event){w->now_ms + ms, w->order++, fn, arg, tag};
    while (at > 0 && is_before(&w->events[at], &w->events[(at - 1) / 2])) {
        swap(&w->events[at], &w->events[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static event take_event(world *w) {
    event first = w->events[0];
    w->events[0] = w->events[--w->event_count];
    for (size_t at = 0;;) {
        size_t child = 2 * at + 1;
        if (child >= w->event_count) {
            break;
        }
        if (child + 1 < w->event_count && is_before(&w->events[child + 1], &w->events[child])) {
            child++;
        }
        if (!is_before(&w->events[child], &w->events[at])) {
            break;
        }
        swap(&w->events[child], &w->events[at]);
        at = child;
    }
    return first;
}

/* ---- the loop ---- */

/* The node whose timers are due first. */
static node *first_node(world *w, int64_t *at_ms) {
    node *first = NULL;
    for (size_t i = 0; i < w->node_count; i++) {
        int64_t next = node_next(&w->nodes[i]);
        if (next >= 0 && (!first || next < *at_ms)) {
            first = &w->nodes[i];
            *at_ms = next;
        }
    }
    return first;
}

static bool turn(world *w) {
    int64_t at_ms = 0;
    node *n = first_node(w, &at_ms);
    if (!n && w->event_count == 0) {
        return false;
    }
    bool timers = n && (w->event_count == 0 || at_ms < w->events[0].at_ms);
    at_ms = timers ? at_ms : w->events[0].at_ms;
    w->now_ms = at_ms > w->now_ms ? at_ms : w->now_ms;
    if (timers) {
        node_work(n);
    } else {
        event one = take_event(w);
        one.fn(w, one.arg, one.tag);
    }
    for (size_t i = 0; i < w->node_count; i++) {
        node_flush(&w->nodes[i]);
    }
    if (w->net.wrong) {
        sim_fail(w, "the server is obeyed", "%s", w->net.wrong);
    }
    return true;
}

static void heal(world *w, void *arg, uint32_t tag) {
    (void)arg;
    (void)tag;
    sim_trace(w, "---- no more faults");
    w->faults.lose = w->faults.repeat = 0;
    w->net.silent = false;
    for (size_t i = 0; i < w->node_count; i++) {
        node_heal(&w->nodes[i]);
    }
}

static void finish(world *w) {
    for (size_t i = 0; i < w->node_count; i++) {
        if (w->nodes[i].e) {
            node_kill(&w->nodes[i]);
        }
    }
    model_free(&w->net);
    wire_destroy(w->wire);
    free(w->events);
    free(w);
}

void sim_play(uint64_t seed, bool verbose) {
    world *w = calloc(1, sizeof(*w));
    if (!w) {
        abort();
    }
    w->seed = seed;
    w->random = seed * 0x2545f4914f6cdd1du + 1;
    w->verbose = verbose;
    w->now_ms = 1000;
    w->wire = wire_create();
    model_init(&w->net);
    w->net.judge = faults_judge;
    w->net.choose = faults_choose;
    w->net.output = node_output;
    w->net.arg = w;
    plan_world(w);
    for (size_t i = 0; i < w->node_count; i++) {
        node_start(&w->nodes[i]);
    }
    for (size_t i = 0; i < w->call_count; i++) {
        sim_after(w, (uint32_t)w->calls[i].begin_ms, call_begin, &w->calls[i], 0);
    }
    faults_plan(w);
    sim_after(w, FAULTS_END_MS, heal, NULL, 0);
    while (w->now_ms <= FAULTS_END_MS || !check_settled(w)) {
        check_in_time(w);
        if (w->now_ms > LIMIT_MS || !turn(w)) {
            check_quiet(w);
            sim_fail(w, "all comes to an end", "it does not");
        }
    }
    check_quiet(w);
    sim_trace(w, "---- all is over: %d messages", w->net.count);
    finish(w);
}
