/* Trace Context: whatever a request says of its trace, what goes on is one valid traceparent, and a
 * state only with it. The first line is a traceparent, each further one a tracestate. */
#include "core/http/trace.h"

#include <stdlib.h>

#include "fuzz.h"

static int fixed(void *arg, void *bytes, size_t len) {
    (void)arg;
    memset(bytes, 0xa5, len);
    return 0;
}

/* Read in the plainest way: version, ids and flags, each of its length, and what may follow. */
static bool is_valid(nrt_str text) {
    static const size_t lengths[] = {2, 32, 16, 2};
    nrt_str rest = text;
    bool first = true;
    for (size_t i = 0; i < 4; i++) {
        nrt_str part = fuzz_before(rest, '-', &rest);
        size_t zeros = 0, effs = 0;
        for (size_t j = 0; j < part.len; j++) {
            if (!part.ptr[j] || !strchr("0123456789abcdef", part.ptr[j])) {
                return false;
            }
            zeros += part.ptr[j] == '0';
            effs += part.ptr[j] == 'f';
        }
        if (part.len != lengths[i] || ((i == 1 || i == 2) && zeros == part.len) ||
            (i == 0 && effs == 2) || (i < 3 && !rest.ptr)) {
            return false;
        }
        first = i == 0 ? zeros == 2 : first;
    }
    return !first || !rest.ptr;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const nrt__trace_options options = {.unsampled = 1, .pairs = true};
    char *copy = fuzz_copy((nrt_str){(const char *)data, size}, false);
    nrt_str rest = {copy, size};
    nrt_str line;
    nrt__arena arena = {0};
    nrt_fields fields;
    nrt__trace trace;
    nrt__trace again;
    nrt__env env = {.random = fixed};
    nrt__fields_init(&fields, &arena);
    for (size_t i = 0; fuzz_line(&rest, &line); i++) {
        nrt_str name = i == 0 ? NRT__STR("traceparent") : NRT__STR("tracestate");
        CHECK(nrt__fields_append(&fields, name, line));
    }
    bool given = fields.count > 0 && is_valid(fields.list[0].value);
    size_t states = fields.count > 0 ? fields.count - 1 : 0;
    CHECK(nrt__trace_begin(&env, &fields, &options, &trace) == 0);
    CHECK(trace.continued == given);
    bool fine = nrt__tracestate_is_valid(&fields);
    CHECK(nrt__trace_put(&trace, &fields));
    CHECK(fields.count == 1 + (given && fine ? states : 0));
    CHECK(nrt__trace_find(&fields, &again) && !memcmp(again.id, trace.id, NRT__TRACE_ID) &&
          !memcmp(again.parent, trace.sent, NRT__SPAN_ID) && again.flags == trace.flags);
    CHECK(is_valid(nrt_fields_get(&fields, "traceparent")));
    nrt__arena_free(&arena);
    free(copy);
    return 0;
}
