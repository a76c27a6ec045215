/* Metrics as Prometheus reads them. */
#include "unit.h"

#include "core/base/str.h"
#include "core/discovery/metrics.h"

static void assert_text(nrt__buf *out, const char *want) {
    nrt__buf_add(out, "", 1);
    assert_false(out->failed);
    assert_string_equal(nrt__buf_view(out).ptr, want);
    nrt__buf_free(out);
}

static void a_counter_has_its_suffix_where_each_format_wants_it(void **state) {
    (void)state;
    nrt__buf out;
    nrt__buf_init(&out, 4096);
    nrt__metrics m = {.out = &out};
    nrt__metrics_one(&m, "a", NRT__METRIC_COUNTER, "Help.", 7);
    nrt__metrics_end(&m);
    assert_text(&out, "# HELP a_total Help.\n# TYPE a_total counter\na_total 7\n");
    nrt__buf_init(&out, 4096);
    m.open = true;
    nrt__metrics_one(&m, "a", NRT__METRIC_COUNTER, "Help.", UINT64_MAX);
    nrt__metrics_one(&m, "b", NRT__METRIC_GAUGE, "Help.", 0);
    nrt__metrics_end(&m);
    assert_text(&out, "# HELP a Help.\n# TYPE a counter\na_total 18446744073709551615\n"
                      "# HELP b Help.\n# TYPE b gauge\nb 0\n# EOF\n");
}

static void labels_cannot_end_before_their_end(void **state) {
    (void)state;
    nrt__buf out;
    nrt__buf_init(&out, 4096);
    nrt__metrics m = {.out = &out};
    const nrt__label labels[] = {{"a", NRT__STR("x\"} 1\nforged 2\\")},
                                 {"b", NRT__STR("\xff\xc3\xa4\x01\x7f\r")},
                                 {"c", (nrt_str){"", 0}}};
    nrt__metrics_begin(&m, "n", NRT__METRIC_GAUGE, "Help.");
    nrt__metrics_count(&m, labels, 3, 1);
    assert_text(&out, "# HELP n Help.\n# TYPE n gauge\n"
                      "n{a=\"x\\\"} 1?forged 2\\\\\",b=\"?\xc3\xa4???\",c=\"\"} 1\n");
}

static void a_long_label_is_cut(void **state) {
    (void)state;
    nrt__buf out;
    char text[1000];
    memset(text, 'x', sizeof(text));
    nrt__buf_init(&out, 4096);
    nrt__metrics m = {.out = &out, .name = "n", .suffix = ""};
    nrt__metrics_count(&m, &(nrt__label){"a", {text, sizeof(text)}}, 1, 1);
    assert_int_equal(nrt__buf_len(&out), 256 + strlen("n{a=\"\"} 1\n"));
    nrt__buf_free(&out);
}

static void the_point_is_a_point_and_zeros_behind_it_are_left_out(void **state) {
    (void)state;
    const struct {
        uint64_t value;
        unsigned digits;
        const char *text;
    } cases[] = {{0, 9, "n 0\n"},
                 {1, 9, "n 0.000000001\n"},
                 {1500000000, 9, "n 1.5\n"},
                 {1000000001, 9, "n 1.000000001\n"},
                 {1230, 6, "n 0.00123\n"},
                 {17, 0, "n 17\n"},
                 {UINT64_MAX, 9, "n 18446744073.709551615\n"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        nrt__buf out;
        nrt__buf_init(&out, 256);
        nrt__metrics m = {.out = &out, .name = "n", .suffix = ""};
        nrt__metrics_fixed(&m, NULL, 0, cases[i].value, cases[i].digits);
        assert_text(&out, cases[i].text);
    }
}

static void a_histogram_adds_up(void **state) {
    (void)state;
    const nrt__ladder_bounds bounds = {2, {1000000, 2500000000}};
    nrt__ladder ladder = {{0}, 0};
    nrt__ladder_add(&ladder, &bounds, 1000000);
    nrt__ladder_add(&ladder, &bounds, 1000001);
    nrt__ladder_add(&ladder, &bounds, 2500000000);
    nrt__ladder_add(&ladder, &bounds, 2500000001);
    nrt__buf out;
    nrt__buf_init(&out, 4096);
    nrt__metrics m = {.out = &out};
    nrt__metrics_begin(&m, "t", NRT__METRIC_HISTOGRAM, "Help.");
    nrt__metrics_ladder(&m, &(nrt__label){"s", NRT__STR("x")}, 1, &ladder, &bounds, 9);
    nrt__metrics_ladder(&m, NULL, 0, &ladder, &(nrt__ladder_bounds){1, {4096}}, 0);
    assert_text(&out, "# HELP t Help.\n# TYPE t histogram\n"
                      "t_bucket{s=\"x\",le=\"0.001\"} 1\n"
                      "t_bucket{s=\"x\",le=\"2.5\"} 3\n"
                      "t_bucket{s=\"x\",le=\"+Inf\"} 4\n"
                      "t_sum{s=\"x\"} 5.002000002\n"
                      "t_count{s=\"x\"} 4\n"
                      "t_bucket{le=\"4096.0\"} 1\n"
                      "t_bucket{le=\"+Inf\"} 3\n"
                      "t_sum 5002000002\n"
                      "t_count 3\n");
}

static void what_does_not_fit_is_noted(void **state) {
    (void)state;
    nrt__buf out;
    nrt__buf_init(&out, 40);
    nrt__metrics m = {.out = &out};
    nrt__metrics_one(&m, "a", NRT__METRIC_COUNTER, "A help that is longer than that.", 7);
    assert_true(out.failed);
    nrt__buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counter_has_its_suffix_where_each_format_wants_it),
        cmocka_unit_test(labels_cannot_end_before_their_end),
        cmocka_unit_test(a_long_label_is_cut),
        cmocka_unit_test(the_point_is_a_point_and_zeros_behind_it_are_left_out),
        cmocka_unit_test(a_histogram_adds_up),
        cmocka_unit_test(what_does_not_fit_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
