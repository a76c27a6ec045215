/* What is counted of requests. */
#include "unit.h"

#include <stdio.h>

#include "core/base/str.h"
#include "core/discovery/tally.h"

static void a_request_is_counted_where_it_belongs(void **state) {
    (void)state;
    nrt__tally tally = {0};
    nrt__tally_add(&tally, NRT__STR("GET"), 204, 1000000, 0, 256);
    nrt__tally_add(&tally, NRT__STR("PATCH"), 599, 1000001, 1, 257);
    nrt__tally_add(&tally, NRT__STR("get"), 0, -5, UINT64_MAX / 2, 0);
    nrt__tally_add(&tally, NRT__STR(""), 600, INT64_MAX, 0, 0);
    assert_int_equal(tally.requests[0][1], 1);
    assert_int_equal(tally.requests[5][4], 1);
    assert_int_equal(tally.requests[NRT__TALLY_METHODS - 1][NRT__TALLY_CODES - 1], 2);
    assert_string_equal(nrt__tally_method(0), "GET");
    assert_string_equal(nrt__tally_method(5), "PATCH");
    assert_string_equal(nrt__tally_method(NRT__TALLY_METHODS - 1), "other");
    assert_string_equal(nrt__tally_code(1), "2xx");
    assert_string_equal(nrt__tally_code(4), "5xx");
    assert_string_equal(nrt__tally_code(NRT__TALLY_CODES - 1), "canceled");
    assert_int_equal(tally.times.counts[0], 1); /* a clock that stood still */
    assert_int_equal(tally.times.counts[3], 1); /* a bound is inclusive */
    assert_int_equal(tally.times.counts[4], 1);
    assert_int_equal(tally.times.counts[nrt__ladder_times.count], 1);
    assert_int_equal(tally.response_sizes.counts[0], 2);
    assert_int_equal(tally.response_sizes.counts[1], 1);
    assert_int_equal(tally.response_sizes.counts[2], 1);
    assert_int_equal(tally.response_sizes.sum, 513);
    assert_int_equal(tally.request_sizes.counts[nrt__ladder_sizes.count], 1);
}

static void bounds_ascend_and_fit(void **state) {
    (void)state;
    const nrt__ladder_bounds *all[] = {&nrt__ladder_times, &nrt__ladder_sizes};
    for (size_t i = 0; i < 2; i++) {
        assert_true(all[i]->count <= NRT__LADDER_STEPS);
        for (size_t j = 1; j < all[i]->count; j++) {
            assert_true(all[i]->bounds[j] > all[i]->bounds[j - 1]);
        }
    }
}

static void each_service_has_its_own_tally(void **state) {
    (void)state;
    nrt__tallies *tallies = nrt__tallies_create();
    assert_non_null(tallies);
    nrt_str host;
    const nrt__tally *other = nrt__tallies_at(tallies, 0, &host);
    assert_memory_equal(host.ptr, "other", 5);
    assert_ptr_equal(nrt__tallies_find(tallies, NRT__STR("a.nats"), false), other);
    nrt__tally *a = nrt__tallies_find(tallies, NRT__STR("a.nats"), true);
    nrt__tally *b = nrt__tallies_find(tallies, NRT__STR("b.nats"), true);
    assert_true(a != b && a != other && b != other);
    assert_ptr_equal(nrt__tallies_find(tallies, NRT__STR("a.nats"), false), a);
    assert_ptr_equal(nrt__tallies_find(tallies, NRT__STR("b.nats"), true), b);
    assert_ptr_equal(nrt__tallies_find(tallies, (nrt_str){"", 0}, true), other);
    assert_ptr_equal(nrt__tallies_at(tallies, 1, &host), a);
    assert_int_equal(host.len, 6);
    assert_memory_equal(host.ptr, "a.nats", 6);
    assert_ptr_equal(nrt__tallies_at(tallies, 2, &host), b);
    assert_null(nrt__tallies_at(tallies, 3, &host));
    nrt__tallies_destroy(tallies);
    nrt__tallies_destroy(NULL);
}

static void there_are_only_so_many(void **state) {
    (void)state;
    nrt__tallies *tallies = nrt__tallies_create();
    nrt_str host;
    const nrt__tally *other = nrt__tallies_at(tallies, 0, &host);
    nrt__tally *seen[NRT__TALLIES_MAX];
    char name[32];
    for (size_t i = 0; i < NRT__TALLIES_MAX + 100; i++) {
        int len = snprintf(name, sizeof(name), "host-%zu.nats", i);
        nrt__tally *one = nrt__tallies_find(tallies, (nrt_str){name, (size_t)len}, true);
        assert_true((one == other) == (i >= NRT__TALLIES_MAX));
        if (i < NRT__TALLIES_MAX) {
            seen[i] = one;
        }
    }
    for (size_t i = 0; i < NRT__TALLIES_MAX; i++) {
        int len = snprintf(name, sizeof(name), "host-%zu.nats", i);
        assert_ptr_equal(nrt__tallies_find(tallies, (nrt_str){name, (size_t)len}, false), seen[i]);
    }
    nrt__tallies_destroy(tallies);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_counted_where_it_belongs),
        cmocka_unit_test(bounds_ascend_and_fit),
        cmocka_unit_test(each_service_has_its_own_tally),
        cmocka_unit_test(there_are_only_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
