/* Log lines and random text. */
#include "core/base/env.h"

#include <stdarg.h>
#include <stdio.h>

#include <nrt/error.h>

enum { LOG_EVERY_MS = 5000 };

void nrt__log(const nrt__env *env, nrt_log_level level, const char *format, ...) {
    if (!nrt__log_on(env, level)) {
        return;
    }
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    /* Text from peers may be quoted in it: what could move a terminal's cursor or forge a line does
     * not pass. */
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
    env->log(level, line, env->log_arg);
}

bool nrt__log_due(const nrt__env *env, nrt__log_gate *gate, uint64_t *count) {
    gate->count++;
    if (env->now_ms < gate->open_ms) {
        return false;
    }
    gate->open_ms = env->now_ms + LOG_EVERY_MS;
    *count = gate->count;
    gate->count = 0;
    return true;
}

int nrt__random_bytes(nrt__env *env, unsigned char *out, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (env->random_left == 0) {
            int error = env->random(env->random_arg, env->random_pool, sizeof(env->random_pool));
            if (error < 0) {
                return error;
            }
            env->random_left = sizeof(env->random_pool);
        }
        env->random_left--;
        out[i] = env->random_pool[env->random_left];
        env->random_pool[env->random_left] = 0; /* used once */
    }
    return 0;
}

int nrt__random_text(nrt__env *env, char *out, size_t len) {
    static const char alphabet[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";
    unsigned char bytes[64];
    if (len > sizeof(bytes)) {
        return NRT_ERR_USAGE;
    }
    int error = nrt__random_bytes(env, bytes, len);
    if (error < 0) {
        return error;
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = alphabet[bytes[i] & 63];
    }
    return 0;
}

uint32_t nrt__random_below(nrt__env *env, uint32_t bound) {
    unsigned char bytes[4];
    uint32_t value;
    if (bound == 0 || nrt__random_bytes(env, bytes, sizeof(bytes)) < 0) {
        return 0;
    }
    memcpy(&value, bytes, sizeof(value));
    return value % bound;
}
