/* What --trace-sample takes. */
#include "unit.h"

#include "cli/daemon/tracing.h"

static void a_share_is_a_number_or_a_percentage(void **state) {
    (void)state;
    const uint64_t all = UINT64_C(1) << NRT__TRACE_SHARES;
    static const struct {
        const char *text;
        double share;
    } good[] = {{"1", 1},     {"0", 0},       {"0.5", 0.5},   {".25", 0.25},        {"1.", 1},
                {"100%", 1},  {"0%", 0},      {"10%", 0.1},   {"0.1", 0.1},         {"2.5%", 0.025},
                {"1.000", 1}, {"00.50", 0.5}, {"100.00%", 1}, {"0.000000001", 1e-9}};
    static const char *const bad[] = {"",
                                      ".",
                                      "%",
                                      "1.1",
                                      "101%",
                                      "-1",
                                      "+1",
                                      "0,1",
                                      "1e1",
                                      "0.1.1",
                                      "0.0000000001",
                                      "x",
                                      " 1",
                                      "1 ",
                                      "1%%",
                                      "inf",
                                      "18446744073709551617"};
    for (size_t i = 0; i < COUNT(good); i++) {
        uint64_t unsampled;
        if (!nrt__share_read(good[i].text, &unsampled)) {
            fail_msg("refused: %s", good[i].text);
        }
        double share = (double)(all - unsampled) / (double)all;
        assert_true(share > good[i].share - 1e-12 && share < good[i].share + 1e-12);
        assert_int_equal(unsampled == 0, good[i].share == 1);
        assert_int_equal(unsampled == all, good[i].share == 0);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint64_t unsampled;
        if (nrt__share_read(bad[i], &unsampled)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_is_a_number_or_a_percentage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
