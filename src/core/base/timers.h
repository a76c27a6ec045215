/* Deadlines: a hashed wheel. Setting and clearing one costs the same whether ten or ten thousand
 * are set. */
#ifndef NRT__TIMERS_H
#define NRT__TIMERS_H

#include <nrt/base.h>

typedef struct nrt__timer nrt__timer;
typedef void (*nrt__timer_fn)(nrt__timer *timer, void *arg);

/* Lies in whatever waits. Zeroed is unset. */
struct nrt__timer {
    nrt__timer *next;
    nrt__timer *prev;
    int64_t at_ms;
    nrt__timer_fn fn;
    void *arg;
};

enum {
    NRT__WHEEL_TICK_MS = 8, /* a timer fires up to this late */
    NRT__WHEEL_SLOTS = 512, /* one turn of the wheel is 4 s; what is later stays for more turns */
};

typedef struct nrt__timers {
    nrt__timer slots[NRT__WHEEL_SLOTS]; /* heads of rings */
    uint64_t used[NRT__WHEEL_SLOTS / 64];
    int64_t tick; /* the next tick to look at */
    size_t count;
} nrt__timers;

void nrt__timers_init(nrt__timers *timers, int64_t now_ms);

/* Sets or moves a timer; `fn(timer, arg)` is called from nrt__timers_run, with the timer unset
 * again. */
void nrt__timer_set(nrt__timers *timers, nrt__timer *timer, int64_t at_ms, nrt__timer_fn fn,
                    void *arg);

/* No effect on one that is not set. */
void nrt__timer_clear(nrt__timers *timers, nrt__timer *timer);

static inline bool nrt__timer_is_set(const nrt__timer *timer) {
    return timer->next != NULL;
}

/* Runs what is due. Callbacks may set and clear any timer. */
void nrt__timers_run(nrt__timers *timers, int64_t now_ms);

/* When to run again at the latest, or -1 with nothing set. */
int64_t nrt__timers_next(const nrt__timers *timers);

#endif
