/* What the engine needs from outside and must not fetch by itself: the time, random bytes, a place
 * for log lines. One per connection (or per simulation), filled in by whoever drives the engine. */
#ifndef NRT__ENV_H
#define NRT__ENV_H

#include <nrt/options.h>

typedef struct nrt__env {
    int64_t now_ms; /* monotonic; set before every call into the engine */
    /* The same clock now, in nanoseconds, for how long things take. NULL: now_ms will do. */
    int64_t (*clock_ns)(void);
    char date[32]; /* the wall clock's second as an HTTP date (RFC 9110 section 5.6.7), for Date */
    /* Fills `bytes` with unpredictable ones; 0 or NRT_ERR_SYSTEM. */
    int (*random)(void *arg, void *bytes, size_t len);
    void *random_arg;
    nrt_log_fn log;
    void *log_arg;
    nrt_log_level log_level;
    unsigned char random_pool[1024]; /* so that not every token costs a call */
    size_t random_left;
} nrt__env;

static inline int64_t nrt__env_ns(const nrt__env *env) {
    return env->clock_ns ? env->clock_ns() : env->now_ms * 1000000;
}

/* False where nobody would see the line: then nothing need be formatted. */
static inline bool nrt__log_on(const nrt__env *env, nrt_log_level level) {
    return env->log && level <= env->log_level;
}

/* For lines that a peer can cause: one in a while, with how many there were. */
typedef struct nrt__log_gate {
    int64_t open_ms; /* from when on the next line may be written */
    uint64_t count;  /* since the last one */
} nrt__log_gate;

/* Counts; true where a line is due: *count then says for how many it stands. */
bool nrt__log_due(const nrt__env *env, nrt__log_gate *gate, uint64_t *count);

void nrt__log(const nrt__env *env, nrt_log_level level, const char *format, ...) NRT_PRINTF(3, 4);

/* Fills `out` with unpredictable bytes. 0 or NRT_ERR_SYSTEM. */
int nrt__random_bytes(nrt__env *env, unsigned char *out, size_t len);

/* `len` characters of [0-9A-Za-z_-], 6 random bits each. 0 or NRT_ERR_SYSTEM. */
int nrt__random_text(nrt__env *env, char *out, size_t len);

/* A number in [0, bound). Not for secrets: for jitter. */
uint32_t nrt__random_below(nrt__env *env, uint32_t bound);

#endif
