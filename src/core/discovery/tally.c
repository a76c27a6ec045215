/* Counting requests to services. */
#include "core/discovery/tally.h"

#include <stdlib.h>

#include "core/base/str.h"

enum { MS = 1000 * 1000, SLOTS = 2 * NRT__TALLIES_MAX };

const nrt__ladder_bounds nrt__ladder_times = {
    17,
    {MS / 10, MS / 4, MS / 2, MS, 5 * MS / 2, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS,
     500 * MS, 1000 * MS, UINT64_C(2500) * MS, UINT64_C(5000) * MS, UINT64_C(10000) * MS,
     UINT64_C(30000) * MS},
};

const nrt__ladder_bounds nrt__ladder_sizes = {
    11,
    {0, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20},
};

static const char *const methods[NRT__TALLY_METHODS] = {"GET",    "HEAD",  "POST",    "PUT",
                                                        "DELETE", "PATCH", "OPTIONS", "other"};
static const char *const codes[NRT__TALLY_CODES] = {"1xx", "2xx", "3xx", "4xx", "5xx", "canceled"};

const char *nrt__tally_method(size_t method) {
    return methods[method];
}

const char *nrt__tally_code(size_t code) {
    return codes[code];
}

static size_t method_index(nrt_str method) {
    size_t i = 0;
    while (i < NRT__TALLY_METHODS - 1 && !nrt__str_equal(method, nrt_str_from(methods[i]))) {
        i++;
    }
    return i;
}

void nrt__tally_add(nrt__tally *tally, nrt_str method, int status, int64_t took_ns,
                    uint64_t request_bytes, uint64_t response_bytes) {
    size_t code =
        status >= 100 && status < 600 ? (size_t)status / 100 - 1 : (size_t)NRT__TALLY_CODES - 1;
    tally->requests[method_index(method)][code]++;
    nrt__ladder_add(&tally->times, &nrt__ladder_times, took_ns > 0 ? (uint64_t)took_ns : 0);
    nrt__ladder_add(&tally->request_sizes, &nrt__ladder_sizes, request_bytes);
    nrt__ladder_add(&tally->response_sizes, &nrt__ladder_sizes, response_bytes);
}

/* ---- by service ---- */

typedef struct entry {
    nrt__tally tally;
    size_t len;
    char host[]; /* `len` bytes */
} entry;

struct nrt__tallies {
    nrt__failures *failures;
    nrt__tally other;
    size_t count;
    entry *list[NRT__TALLIES_MAX]; /* in their order */
    entry *slots[SLOTS];           /* by hash; half of them stay empty */
};

nrt__tallies *nrt__tallies_create(void) {
    nrt__tallies *tallies = calloc(1, sizeof(*tallies));
    nrt__failures *failures = nrt__failures_create();
    if (!tallies || !failures) {
        nrt__failures_destroy(failures);
        free(tallies);
        return NULL;
    }
    tallies->failures = failures;
    return tallies;
}

void nrt__tallies_destroy(nrt__tallies *tallies) {
    for (size_t i = 0; tallies && i < tallies->count; i++) {
        free(tallies->list[i]);
    }
    if (tallies) {
        nrt__failures_destroy(tallies->failures);
    }
    free(tallies);
}

/* FNV-1a. */
static size_t hash_of(nrt_str text) {
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(1099511628211);
    }
    return (size_t)(hash ^ hash >> 32) % SLOTS;
}

nrt__tally *nrt__tallies_find(nrt__tallies *tallies, nrt_str host, bool make) {
    size_t slot = hash_of(host);
    for (; tallies->slots[slot]; slot = (slot + 1) % SLOTS) {
        entry *one = tallies->slots[slot];
        if (nrt__str_equal((nrt_str){one->host, one->len}, host)) {
            return &one->tally;
        }
    }
    if (!make || host.len == 0 || tallies->count == NRT__TALLIES_MAX) {
        return &tallies->other;
    }
    entry *one = calloc(1, sizeof(*one) + host.len);
    if (!one) {
        return &tallies->other;
    }
    one->len = host.len;
    memcpy(one->host, host.ptr, host.len);
    tallies->slots[slot] = tallies->list[tallies->count++] = one;
    return &one->tally;
}

const nrt__tally *nrt__tallies_at(const nrt__tallies *tallies, size_t index, nrt_str *host) {
    if (index > tallies->count) {
        return NULL;
    }
    if (index == 0) {
        *host = NRT__STR("other");
        return &tallies->other;
    }
    const entry *one = tallies->list[index - 1];
    *host = (nrt_str){one->host, one->len};
    return &one->tally;
}

nrt__failures *nrt__tallies_failures(const nrt__tallies *tallies) {
    return tallies->failures;
}
