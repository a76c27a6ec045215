/* Deadlines: a hashed wheel. */
#include "core/base/timers.h"

static size_t slot_of(int64_t tick) {
    return (size_t)(tick % NRT__WHEEL_SLOTS);
}

static int64_t tick_of(int64_t at_ms) {
    return (at_ms + NRT__WHEEL_TICK_MS - 1) / NRT__WHEEL_TICK_MS; /* never early */
}

void nrt__timers_init(nrt__timers *timers, int64_t now_ms) {
    memset(timers, 0, sizeof(*timers));
    for (size_t i = 0; i < NRT__WHEEL_SLOTS; i++) {
        timers->slots[i].next = timers->slots[i].prev = &timers->slots[i];
    }
    timers->tick = now_ms / NRT__WHEEL_TICK_MS;
}

static void link_into(nrt__timer *head, nrt__timer *timer) {
    timer->prev = head->prev;
    timer->next = head;
    head->prev->next = timer;
    head->prev = timer;
}

static void unlink_from(nrt__timer *timer) {
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->next = timer->prev = NULL;
}

void nrt__timer_set(nrt__timers *timers, nrt__timer *timer, int64_t at_ms, nrt__timer_fn fn,
                    void *arg) {
    nrt__timer_clear(timers, timer);
    int64_t tick = tick_of(at_ms);
    if (tick < timers->tick) {
        tick = timers->tick; /* overdue: the next run */
    }
    size_t slot = slot_of(tick);
    timer->at_ms = at_ms;
    timer->fn = fn;
    timer->arg = arg;
    link_into(&timers->slots[slot], timer);
    timers->used[slot / 64] |= UINT64_C(1) << (slot % 64);
    timers->count++;
}

void nrt__timer_clear(nrt__timers *timers, nrt__timer *timer) {
    if (timer->next) {
        unlink_from(timer);
        timers->count--;
    }
}

/* Runs the due ones of one slot. Those to be looked at are moved to a ring of their own first, so
 * that callbacks may do what they like; the ones for later turns go back. */
static void run_slot(nrt__timers *timers, size_t slot, int64_t now_ms) {
    nrt__timer *head = &timers->slots[slot];
    timers->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    if (head->next == head) {
        return;
    }
    nrt__timer ring = *head;
    ring.next->prev = ring.prev->next = &ring;
    head->next = head->prev = head;
    while (ring.next != &ring) {
        nrt__timer *timer = ring.next;
        unlink_from(timer);
        if (timer->at_ms <= now_ms) {
            timers->count--;
            timer->fn(timer, timer->arg);
        } else {
            link_into(head, timer);
            timers->used[slot / 64] |= UINT64_C(1) << (slot % 64);
        }
    }
}

void nrt__timers_run(nrt__timers *timers, int64_t now_ms) {
    int64_t last = now_ms / NRT__WHEEL_TICK_MS;
    if (timers->count == 0 || last - timers->tick >= NRT__WHEEL_SLOTS) {
        /* Nothing set, or more than a turn has passed: each slot once is enough. */
        int64_t first = timers->count == 0 ? last + 1 : last - NRT__WHEEL_SLOTS + 1;
        if (first > timers->tick) {
            timers->tick = first;
        }
    }
    while (timers->tick <= last) {
        size_t slot = slot_of(timers->tick);
        timers->tick++; /* first: what a callback sets for now belongs to the next tick */
        if (timers->used[slot / 64] & (UINT64_C(1) << (slot % 64))) {
            run_slot(timers, slot, now_ms);
        }
    }
}

int64_t nrt__timers_next(const nrt__timers *timers) {
    if (timers->count == 0) {
        return -1;
    }
    for (int64_t i = 0; i < NRT__WHEEL_SLOTS;) {
        size_t slot = slot_of(timers->tick + i);
        uint64_t word = timers->used[slot / 64] >> (slot % 64);
        if (word == 0) {
            i += (int64_t)(64 - slot % 64);
        } else {
            i += __builtin_ctzll(word);
            return (timers->tick + i) * NRT__WHEEL_TICK_MS;
        }
    }
    return (timers->tick + NRT__WHEEL_SLOTS) * NRT__WHEEL_TICK_MS;
}
