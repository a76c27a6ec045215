/* Trace Context: what is valid, as the specification and its own tests have it, and what of it goes
 * on. */
#include "unit.h"

#include <nrt/error.h>
#include <nrt/trace.h>

#include "core/http/trace.h"

#define ID "12345678901234567890123456789012"
#define PARENT "1234567890123456"

/* ---- random bytes that count ---- */

static int counting(void *arg, void *bytes, size_t len) {
    unsigned char *next = arg;
    for (size_t i = len; i-- > 0;) { /* the pool is used from its end */
        ((unsigned char *)bytes)[i] = (*next)++;
    }
    return 0;
}

static int none(void *arg, void *bytes, size_t len) {
    (void)arg;
    (void)bytes;
    (void)len;
    return NRT_ERR_SYSTEM;
}

typedef struct fixture {
    nrt__arena arena;
    nrt_fields fields;
    unsigned char next;
    nrt__env env;
    nrt__trace trace;
} fixture;

static void begin(fixture *f) {
    memset(f, 0, sizeof(*f));
    f->env.random = counting;
    f->env.random_arg = &f->next;
    nrt__fields_init(&f->fields, &f->arena);
}

static void add(fixture *f, const char *name, const char *value) {
    assert_non_null(nrt__fields_append(&f->fields, nrt_str_from(name), nrt_str_from(value)));
}

static void finish(fixture *f) {
    nrt__arena_free(&f->arena);
}

/* ---- traceparent ---- */

static void a_traceparent_comes_apart(void **state) {
    (void)state;
    nrt__trace trace;
    assert_true(nrt__traceparent_read(
        NRT__STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), &trace));
    assert_memory_equal(trace.id, "0af7651916cd43dd8448eb211c80319c", NRT__TRACE_ID);
    assert_memory_equal(trace.parent, "b7ad6b7169203331", NRT__SPAN_ID);
    assert_int_equal(trace.flags, NRT__TRACE_SAMPLED);
}

static void of_the_flags_those_stay_that_mean_something(void **state) {
    (void)state;
    nrt__trace trace;
    assert_true(nrt__traceparent_read(NRT__STR("00-" ID "-" PARENT "-ff"), &trace));
    assert_int_equal(trace.flags, NRT__TRACE_SAMPLED | NRT__TRACE_RANDOM);
    assert_true(nrt__traceparent_read(NRT__STR("00-" ID "-" PARENT "-fc"), &trace));
    assert_int_equal(trace.flags, 0);
}

static void a_later_version_is_read_as_far_as_it_is_known(void **state) {
    (void)state;
    static const char *const good[] = {
        "cc-" ID "-" PARENT "-01",
        "cc-" ID "-" PARENT "-01-what-the-future-will-be-like",
        "01-" ID "-" PARENT "-00-",
    };
    nrt__trace trace;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(nrt__traceparent_read(nrt_str_from(good[i]), &trace));
        assert_memory_equal(trace.id, ID, NRT__TRACE_ID);
    }
}

static void what_is_no_traceparent_is_not_read(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "00",
        "00-" ID "-" PARENT "-01.",
        "00-" ID "-" PARENT "-01-what-the-future-will-be-like",
        "cc-" ID "-" PARENT "-01.what-the-future-will-be-like",
        "ff-" ID "-" PARENT "-01",
        ".0-" ID "-" PARENT "-01",
        "0.-" ID "-" PARENT "-01",
        "000-" ID "-" PARENT "-01",
        "0000-" ID "-" PARENT "-01",
        "0-" ID "-" PARENT "-01",
        "CC-" ID "-" PARENT "-01",
        "00-00000000000000000000000000000000-" PARENT "-01",
        "00-.2345678901234567890123456789012-" PARENT "-01",
        "00-1234567890123456789012345678901.-" PARENT "-01",
        "00-1234567890123456789012345678901A-" PARENT "-01",
        "00-1234567890123456789012345678901g-" PARENT "-01",
        "00-123456789012345678901234567890123-" PARENT "-01",
        "00-1234567890123456789012345678901-" PARENT "-01",
        "00-" ID "-0000000000000000-01",
        "00-" ID "-.234567890123456-01",
        "00-" ID "-123456789012345.-01",
        "00-" ID "-12345678901234567-01",
        "00-" ID "-123456789012345-01",
        "00-" ID "-" PARENT "-.0",
        "00-" ID "-" PARENT "-0.",
        "00-" ID "-" PARENT "-001",
        "00-" ID "-" PARENT "-1",
        "00-" ID "-" PARENT,
        "00_" ID "-" PARENT "-01",
        "00-" ID "_" PARENT "-01",
        "00-" ID "-" PARENT "_01",
        " 00-" ID "-" PARENT "-01",
    };
    nrt__trace trace;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (nrt__traceparent_read(nrt_str_from(bad[i]), &trace)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

static void each_prefix_but_the_whole_is_refused(void **state) {
    (void)state;
    static const char text[] = "00-" ID "-" PARENT "-01";
    nrt__trace trace;
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        char *copy = malloc(len + 1); /* so that a read behind its end is seen */
        assert_non_null(copy);
        memcpy(copy, text, len);
        assert_false(nrt__traceparent_read((nrt_str){copy, len}, &trace));
        free(copy);
    }
}

static void two_of_them_are_none(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    assert_false(nrt__trace_find(&f.fields, &f.trace));
    add(&f, "TraceParent", "00-" ID "-" PARENT "-01");
    assert_true(nrt__trace_find(&f.fields, &f.trace));
    add(&f, "traceparent", "00-" ID "-" PARENT "-01");
    assert_false(nrt__trace_find(&f.fields, &f.trace));
    finish(&f);
}

/* ---- tracestate ---- */

static bool is_state(const char *const *lines, size_t count) {
    fixture f;
    begin(&f);
    for (size_t i = 0; i < count; i++) {
        add(&f, "tracestate", lines[i]);
    }
    bool valid = nrt__tracestate_is_valid(&f.fields);
    finish(&f);
    return valid;
}

static void what_stands_in_a_tracestate_is_checked(void **state) {
    (void)state;
    static const char *const good[] = {
        "foo=1",
        "foo=1,bar=2",
        "foo=1 \t , \t bar=2, \t baz=3",
        " foo=1 ",
        "",
        ",",
        "foo=1,,bar=2,",
        "1a-2f@foo=bar1",
        ("abcdefghijklmnopqrstuvwxyz0123456789_-*/@a-z0-9_-*/="
         "!\"#$%&'()*+-./0123456789:;<>?@A[\\]^_`az{|}~"),
        "foo=a b",
        "foo@=1",
        "foo=1,foo=2",
    };
    static const char *const bad[] = {
        "foo",          "foo=",     "=1",          "foo =1",     "FOO=1",     "foo.bar=1",
        "@foo=1",       "_foo=1",   "foo=bar=baz", "foo=,bar=3", "foo=1,bar", "foo=1;bar=2\x7f",
        "foo=\xc3\xa4", "foo=a\tb",
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        if (!is_state(&good[i], 1)) {
            fail_msg("refused: %s", good[i]);
        }
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (is_state(&bad[i], 1)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

static void its_lines_are_one_list(void **state) {
    (void)state;
    static const char sixteen[] = "a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1,k=1,l=1,m=1,n=1,o=1,p=1";
    const char *const fine[] = {sixteen, "", sixteen};
    const char *const beyond[] = {sixteen, "q=1", sixteen};
    assert_true(is_state(fine, 3));
    assert_false(is_state(beyond, 3));
}

static void its_members_keys_and_values_have_limits(void **state) {
    (void)state;
    char text[700];
    const char *const line = text;
    for (int members = 32; members <= 33; members++) {
        size_t len = 0;
        for (int i = 0; i < members; i++) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "k%d=1,", i);
        }
        assert_int_equal(is_state(&line, 1), members == 32);
    }
    for (int size = 256; size <= 257; size++) {
        snprintf(text, sizeof(text), "%0*d=1", size, 1);
        assert_int_equal(is_state(&line, 1), size == 256);
        snprintf(text, sizeof(text), "a=%0*d", size, 1);
        assert_int_equal(is_state(&line, 1), size == 256);
    }
}

/* ---- spans of ours ---- */

static void assert_sent(const fixture *f, const char *traceparent, const char *tracestate) {
    assert_view(nrt_fields_get(&f->fields, "traceparent"), traceparent);
    if (tracestate) {
        assert_view(nrt_fields_get(&f->fields, "tracestate"), tracestate);
    } else {
        assert_absent(nrt_fields_get(&f->fields, "tracestate"));
    }
}

static void a_trace_begins_where_there_is_none(void **state) {
    (void)state;
    static const nrt__trace_options options = {0};
    fixture f;
    begin(&f);
    add(&f, "tracestate", "foo=1");
    add(&f, "Accept", "*/*");
    assert_int_equal(nrt__trace_begin(&f.env, &f.fields, &options, &f.trace), 0);
    assert_false(f.trace.continued);
    assert_true(nrt__trace_put(&f.trace, &f.fields));
    assert_sent(&f, "00-000102030405060708090a0b0c0d0e0f-1011121314151617-03", NULL);
    assert_int_equal(f.fields.count, 2);
    finish(&f);
}

static void a_trace_goes_on_with_a_span_of_ours(void **state) {
    (void)state;
    static const nrt__trace_options options = {0};
    fixture f;
    begin(&f);
    add(&f, "traceparent", "00-" ID "-" PARENT "-00");
    add(&f, "tracestate", "foo=1,bar=2");
    assert_int_equal(nrt__trace_begin(&f.env, &f.fields, &options, &f.trace), 0);
    assert_true(f.trace.continued);
    assert_memory_equal(f.trace.parent, PARENT, NRT__SPAN_ID);
    assert_true(nrt__trace_put(&f.trace, &f.fields));
    assert_sent(&f, "00-" ID "-0001020304050607-00", "foo=1,bar=2");
    assert_int_equal(f.fields.count, 2);
    finish(&f);
}

static void a_state_that_is_not_valid_does_not_go_on(void **state) {
    (void)state;
    static const nrt__trace_options options = {0};
    fixture f;
    begin(&f);
    add(&f, "traceparent", "00-" ID "-" PARENT "-01");
    add(&f, "tracestate", "foo=1");
    add(&f, "tracestate", "FOO=1");
    assert_int_equal(nrt__trace_begin(&f.env, &f.fields, &options, &f.trace), 0);
    assert_true(nrt__trace_put(&f.trace, &f.fields));
    assert_sent(&f, "00-" ID "-0001020304050607-01", NULL);
    finish(&f);
}

static void all_that_is_not_valid_is_replaced(void **state) {
    (void)state;
    static const nrt__trace_options options = {0};
    fixture f;
    begin(&f);
    add(&f, "traceparent", "00-" ID "-" PARENT "-01");
    add(&f, "traceparent", "00-" ID "-" PARENT "-01");
    add(&f, "tracestate", "foo=1");
    assert_int_equal(nrt__trace_begin(&f.env, &f.fields, &options, &f.trace), 0);
    assert_true(nrt__trace_put(&f.trace, &f.fields));
    assert_sent(&f, "00-000102030405060708090a0b0c0d0e0f-1011121314151617-03", NULL);
    assert_int_equal(f.fields.count, 1);
    finish(&f);
}

static void what_is_sent_on_may_have_a_span_of_its_own(void **state) {
    (void)state;
    static const nrt__trace_options options = {.pairs = true};
    fixture f;
    begin(&f);
    add(&f, "traceparent", "00-" ID "-" PARENT "-01");
    assert_int_equal(nrt__trace_begin(&f.env, &f.fields, &options, &f.trace), 0);
    assert_memory_equal(f.trace.span, "0001020304050607", NRT__SPAN_ID);
    assert_memory_equal(f.trace.sent, "08090a0b0c0d0e0f", NRT__SPAN_ID);
    finish(&f);
    begin(&f); /* nobody will see the spans of a trace that is not sampled */
    add(&f, "traceparent", "00-" ID "-" PARENT "-00");
    assert_int_equal(nrt__trace_begin(&f.env, &f.fields, &options, &f.trace), 0);
    assert_memory_equal(f.trace.sent, f.trace.span, NRT__SPAN_ID);
    finish(&f);
}

/* The id's last 56 bits are 0x090a0b0c0d0e0f: a share of them above that is not sampled. */
static void a_share_of_new_traces_is_sampled(void **state) {
    (void)state;
    static const struct {
        uint64_t unsampled;
        bool sampled;
    } cases[] = {{0, true},
                 {UINT64_C(0x090a0b0c0d0e0f), true},
                 {UINT64_C(0x090a0b0c0d0e10), false},
                 {UINT64_C(1) << NRT__TRACE_SHARES, false}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const nrt__trace_options options = {.unsampled = cases[i].unsampled};
        fixture f;
        begin(&f);
        assert_int_equal(nrt__trace_begin(&f.env, &f.fields, &options, &f.trace), 0);
        assert_int_equal(nrt__trace_is_sampled(&f.trace), cases[i].sampled);
        finish(&f);
        begin(&f); /* but what began elsewhere stays as it is */
        add(&f, "traceparent", "00-" ID "-" PARENT "-01");
        assert_int_equal(nrt__trace_begin(&f.env, &f.fields, &options, &f.trace), 0);
        assert_true(nrt__trace_is_sampled(&f.trace));
        finish(&f);
    }
}

static void without_random_bytes_there_is_no_span(void **state) {
    (void)state;
    static const nrt__trace_options options = {0};
    fixture f;
    begin(&f);
    f.env.random = none;
    assert_int_equal(nrt__trace_begin(&f.env, &f.fields, &options, &f.trace), NRT_ERR_SYSTEM);
    add(&f, "traceparent", "00-" ID "-" PARENT "-01");
    assert_int_equal(nrt__trace_begin(&f.env, &f.fields, &options, &f.trace), NRT_ERR_SYSTEM);
    finish(&f);
}

/* ---- for programs ---- */

static void a_program_reads_the_trace_of_a_request(void **state) {
    (void)state;
    fixture f;
    nrt_trace trace = {.size = sizeof(trace), .trace_id = "before"};
    begin(&f);
    assert_int_equal(nrt_trace_read(&f.fields, &trace), NRT_ERR_FIELD);
    assert_string_equal(trace.trace_id, "before");
    add(&f, "traceparent", "00-" ID "-" PARENT "-03");
    assert_int_equal(nrt_trace_read(&f.fields, &trace), 0);
    assert_string_equal(trace.trace_id, ID);
    assert_string_equal(trace.span_id, PARENT);
    assert_int_equal(trace.flags, NRT_TRACE_SAMPLED);
    assert_int_equal(nrt_trace_read(&f.fields, NULL), NRT_ERR_USAGE);
    assert_int_equal(nrt_trace_read(NULL, &trace), NRT_ERR_USAGE);
    trace.size = 0;
    assert_int_equal(nrt_trace_read(&f.fields, &trace), NRT_ERR_USAGE);
    /* A program that was built when the struct was smaller. */
    nrt_trace older = {.size = offsetof(nrt_trace, flags), .flags = 77};
    assert_int_equal(nrt_trace_read(&f.fields, &older), 0);
    assert_string_equal(older.span_id, PARENT);
    assert_int_equal(older.flags, 77);
    finish(&f);
}

static void a_program_passes_the_trace_on(void **state) {
    (void)state;
    fixture from, to;
    begin(&from);
    begin(&to);
    add(&from, "traceparent", "00-" ID "-" PARENT "-01");
    add(&from, "tracestate", "a=1");
    add(&from, "tracestate", "b=2");
    add(&to, "traceparent", "old");
    add(&to, "Accept", "*/*");
    add(&to, "tracestate", "old=1");
    assert_int_equal(nrt_trace_pass(&from.fields, &to.fields), 0);
    assert_sent(&to, "00-" ID "-" PARENT "-01", "a=1");
    assert_int_equal(to.fields.count, 4);
    add(&from, "tracestate", "B=2"); /* no state any more */
    assert_int_equal(nrt_trace_pass(&from.fields, &to.fields), 0);
    assert_sent(&to, "00-" ID "-" PARENT "-01", NULL);
    add(&from, "traceparent", "00-" ID "-" PARENT "-01"); /* nor a trace */
    assert_int_equal(nrt_trace_pass(&from.fields, &to.fields), 0);
    assert_int_equal(to.fields.count, 1);
    assert_int_equal(nrt_trace_pass(NULL, &to.fields), NRT_ERR_USAGE);
    assert_int_equal(nrt_trace_pass(&from.fields, NULL), NRT_ERR_USAGE);
    finish(&from);
    finish(&to);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_traceparent_comes_apart),
        cmocka_unit_test(of_the_flags_those_stay_that_mean_something),
        cmocka_unit_test(a_later_version_is_read_as_far_as_it_is_known),
        cmocka_unit_test(what_is_no_traceparent_is_not_read),
        cmocka_unit_test(each_prefix_but_the_whole_is_refused),
        cmocka_unit_test(two_of_them_are_none),
        cmocka_unit_test(what_stands_in_a_tracestate_is_checked),
        cmocka_unit_test(its_lines_are_one_list),
        cmocka_unit_test(its_members_keys_and_values_have_limits),
        cmocka_unit_test(a_trace_begins_where_there_is_none),
        cmocka_unit_test(a_trace_goes_on_with_a_span_of_ours),
        cmocka_unit_test(a_state_that_is_not_valid_does_not_go_on),
        cmocka_unit_test(all_that_is_not_valid_is_replaced),
        cmocka_unit_test(what_is_sent_on_may_have_a_span_of_its_own),
        cmocka_unit_test(a_share_of_new_traces_is_sampled),
        cmocka_unit_test(without_random_bytes_there_is_no_span),
        cmocka_unit_test(a_program_reads_the_trace_of_a_request),
        cmocka_unit_test(a_program_passes_the_trace_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
