/* The last reasons for which requests failed. */
#include "core/discovery/failures.h"

#include <stdlib.h>

#include "core/base/json_text.h"
#include "core/base/str.h"
#include "core/discovery/text.h"

typedef struct reason {
    uint64_t count; /* 0: free */
    uint64_t turn;  /* when it was met last, in additions */
    int status;
    char first[24]; /* RFC 3339 */
    char last[24];
    char service[NRT__FAILURE_SERVICE_MAX];
    char code[NRT__FAILURE_CODE_MAX];
    char detail[NRT__FAILURE_DETAIL_MAX];
    char method[NRT__FAILURE_METHOD_MAX]; /* of the last one, as what follows */
    char path[NRT__FAILURE_PATH_MAX];
    char id[NRT__FAILURE_ID_MAX];
} reason;

struct nrt__failures {
    uint64_t turn;
    reason list[NRT__FAILURES_KEPT];
};

nrt__failures *nrt__failures_create(void) {
    return calloc(1, sizeof(nrt__failures));
}

void nrt__failures_destroy(nrt__failures *failures) {
    free(failures);
}

/* Cuts it to what there is room for, with a NUL. */
static void keep(char *out, size_t size, nrt_str text) {
    size_t len = text.len < size - 1 ? text.len : size - 1;
    if (len > 0) {
        memcpy(out, text.ptr, len);
    }
    out[len] = '\0';
}

/* Whether `kept` is `text`, as keep() leaves it. */
static bool is_kept(const char *kept, size_t size, nrt_str text) {
    size_t len = text.len < size - 1 ? text.len : size - 1;
    return strlen(kept) == len && (len == 0 || memcmp(kept, text.ptr, len) == 0);
}

/* Its own place, or the one to overwrite. */
static reason *place(nrt__failures *failures, const nrt__failure *failure) {
    reason *oldest = failures->list;
    for (size_t i = 0; i < NRT__FAILURES_KEPT; i++) {
        reason *one = &failures->list[i];
        if (one->count > 0 && one->status == failure->status &&
            is_kept(one->code, sizeof(one->code), failure->code) &&
            is_kept(one->service, sizeof(one->service), failure->service) &&
            is_kept(one->detail, sizeof(one->detail), failure->detail)) {
            return one;
        }
        oldest = one->turn < oldest->turn ? one : oldest;
    }
    oldest->count = 0;
    return oldest;
}

static nrt_str path_of(nrt_str target) {
    const char *query = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;
    return (nrt_str){target.ptr, query ? (size_t)(query - target.ptr) : target.len};
}

void nrt__failures_add(nrt__failures *failures, const char *date, const nrt__failure *failure) {
    reason *one = place(failures, failure);
    nrt__discovery_rfc3339(date, one->last);
    if (one->count == 0) {
        memcpy(one->first, one->last, sizeof(one->first));
        one->status = failure->status;
        keep(one->service, sizeof(one->service), failure->service);
        keep(one->code, sizeof(one->code), failure->code);
        keep(one->detail, sizeof(one->detail), failure->detail);
    }
    one->count++;
    one->turn = ++failures->turn;
    keep(one->method, sizeof(one->method), failure->method);
    keep(one->path, sizeof(one->path), path_of(failure->target));
    keep(one->id, sizeof(one->id), failure->id);
}

static void put(nrt__buf *out, const char *name, const char *value) {
    nrt__buf_printf(out, "\"%s\":", name);
    nrt__json_string(out, nrt_str_from(value), SIZE_MAX);
    nrt__buf_lit(out, ",");
}

static void write_one(const reason *one, nrt__buf *out) {
    nrt__buf_lit(out, "{");
    put(out, "last", one->last);
    put(out, "first", one->first);
    put(out, "service", one->service);
    put(out, "code", one->code);
    put(out, "detail", one->detail);
    put(out, "method", one->method);
    put(out, "path", one->path);
    put(out, "id", one->id);
    nrt__buf_printf(out, "\"status\":%d,\"count\":", one->status);
    nrt__buf_u64(out, one->count);
    nrt__buf_lit(out, "}");
}

/* The one that was met last of those met before `turn`; NULL: no more. */
static const reason *before(const nrt__failures *failures, uint64_t turn) {
    const reason *last = NULL;
    for (size_t i = 0; i < NRT__FAILURES_KEPT; i++) {
        const reason *one = &failures->list[i];
        if (one->count > 0 && one->turn < turn && (!last || one->turn > last->turn)) {
            last = one;
        }
    }
    return last;
}

void nrt__failures_write(const nrt__failures *failures, nrt__buf *out) {
    const char *comma = "";
    nrt__buf_lit(out, "[");
    for (const reason *one = before(failures, UINT64_MAX); one; one = before(failures, one->turn)) {
        nrt__buf_printf(out, "%s\n", comma);
        write_one(one, out);
        comma = ",";
    }
    nrt__buf_lit(out, "]");
}
