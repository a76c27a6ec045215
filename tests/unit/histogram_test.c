/* Buckets of latencies, and the quantiles read off them. */
#include "unit.h"

#include "core/base/histogram.h"

/* Every value lies in the bucket whose bounds it is between, and buckets follow on each other. */
static void buckets_cover_all_values_without_a_gap(void **state) {
    (void)state;
    uint64_t before = 0;
    for (size_t i = 0; i < NRT__HISTOGRAM_BUCKETS; i++) {
        uint64_t from;
        uint64_t to;
        nrt__histogram_bounds(i, &from, &to);
        assert_int_equal(from, before);
        assert_true(to > from);
        assert_int_equal(nrt__histogram_bucket(from), i);
        assert_int_equal(nrt__histogram_bucket(to - 1), i);
        assert_true(from < 8 ? to - from == 1 : (to - from) * 8 <= from);
        before = to;
    }
    assert_int_equal(before, UINT64_C(1) << 32);
    assert_int_equal(nrt__histogram_bucket(UINT64_MAX), NRT__HISTOGRAM_BUCKETS - 1);
    assert_int_equal(nrt__histogram_bucket(UINT64_C(1) << 32), NRT__HISTOGRAM_BUCKETS - 1);
}

static void assert_near(double got, double want) {
    if (got < want * 0.93 || got > want * 1.07) {
        fail_msg("%f is not within 7 %% of %f", got, want);
    }
}

static void quantiles_are_near_the_truth(void **state) {
    (void)state;
    nrt__histogram histogram = {{0}};
    assert_true(nrt__histogram_quantile(&histogram, 0.5) == 0);
    for (uint64_t us = 1; us <= 100000; us++) {
        nrt__histogram_add(&histogram, us);
    }
    assert_near(nrt__histogram_quantile(&histogram, 0.5), 50000);
    assert_near(nrt__histogram_quantile(&histogram, 0.9), 90000);
    assert_near(nrt__histogram_quantile(&histogram, 0.99), 99000);
    assert_near(nrt__histogram_quantile(&histogram, 0.01), 1000);
    assert_near(nrt__histogram_quantile(&histogram, 1), 100000);
    assert_true(nrt__histogram_quantile(&histogram, 0) >= 0);
}

static void one_slow_one_among_many_shows_only_in_the_tail(void **state) {
    (void)state;
    nrt__histogram histogram = {{0}};
    for (int i = 0; i < 980; i++) {
        nrt__histogram_add(&histogram, 200);
    }
    for (int i = 0; i < 20; i++) {
        nrt__histogram_add(&histogram, 3000000);
    }
    assert_near(nrt__histogram_quantile(&histogram, 0.5), 200);
    assert_near(nrt__histogram_quantile(&histogram, 0.97), 200);
    assert_near(nrt__histogram_quantile(&histogram, 0.995), 3000000);
}

/* What strangers told may not add up in an integer. */
static void counts_of_any_size_do_no_harm(void **state) {
    (void)state;
    nrt__histogram histogram = {{0}};
    histogram.counts[100] = histogram.counts[101] = histogram.counts[239] = UINT64_MAX;
    double value = nrt__histogram_quantile(&histogram, 0.5);
    uint64_t from;
    uint64_t to;
    nrt__histogram_bounds(101, &from, &to);
    assert_true(value >= (double)from && value <= (double)to);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_cover_all_values_without_a_gap),
        cmocka_unit_test(quantiles_are_near_the_truth),
        cmocka_unit_test(one_slow_one_among_many_shows_only_in_the_tail),
        cmocka_unit_test(counts_of_any_size_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
