/* What --trace-sample takes. */
#include "unit.h"

#include "cli/daemon/otel.h"
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

/* ---- OpenTelemetry's variables ---- */

static const char *const variables[] = {
    "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_HEADERS",  "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_SERVICE_NAME",           "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",           "OTEL_TRACES_EXPORTER",
};

static int without_variables(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(variables); i++) {
        unsetenv(variables[i]);
    }
    return 0;
}

static void a_url_without_a_path_gets_one(void **state) {
    (void)state;
    static const struct {
        const char *given;
        const char *url;
    } cases[] = {{"http://a:4318", "http://a:4318/v1/traces"},
                 {"http://a:4318/", "http://a:4318/v1/traces"},
                 {"http://a/x", "http://a/x"},
                 {"http://a/v1/traces", "http://a/v1/traces"},
                 {"unix:/run/a", "unix:/run/a"}};
    char url[64];
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(nrt__otel_url(cases[i].given, true, url, sizeof(url)), 1);
        assert_string_equal(url, cases[i].url);
        assert_int_equal(nrt__otel_url(cases[i].given, false, url, sizeof(url)), 1);
        assert_string_equal(url, cases[i].given);
    }
    assert_true(nrt__otel_url("http://a", true, url, 18) < 0);
}

static void the_environment_names_an_endpoint(void **state) {
    (void)state;
    char url[64];
    char why[512];
    const char *from = NULL;
    assert_int_equal(nrt__otel_endpoint(url, sizeof(url), &from, why, sizeof(why)), 0);
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318/base/", 1);
    assert_int_equal(nrt__otel_endpoint(url, sizeof(url), &from, why, sizeof(why)), 1);
    assert_string_equal(url, "http://a:4318/base/v1/traces");
    setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b", 1);
    assert_int_equal(nrt__otel_endpoint(url, sizeof(url), &from, why, sizeof(why)), 1);
    assert_string_equal(url, "http://b");
    assert_string_equal(from, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", 1);
    assert_true(nrt__otel_endpoint(url, sizeof(url), &from, why, sizeof(why)) < 0);
    assert_non_null(strstr(why, "OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\""));
    setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf", 1); /* the same port takes JSON */
    assert_int_equal(nrt__otel_endpoint(url, sizeof(url), &from, why, sizeof(why)), 1);
    setenv("OTEL_SDK_DISABLED", "TRUE", 1);
    assert_int_equal(nrt__otel_endpoint(url, sizeof(url), &from, why, sizeof(why)), 0);
}

static void its_headers_are_lines_of_the_head(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *lines; /* NULL: it is refused */
    } cases[] = {{"", ""},
                 {"a=1", "a: 1\r\n"},
                 {" a = 1 ,, b=%41%20b ,", "a: 1\r\nb: A b\r\n"},
                 {"authorization=Basic a=b=", "authorization: Basic a=b=\r\n"},
                 {"a", NULL},
                 {"=1", NULL},
                 {"a b=1", NULL},
                 {"a=%0d%0aHost: b", NULL},
                 {"a=%4", NULL},
                 {"Host=b", NULL},
                 {"Connection=close", NULL},
                 {"content-length=5", NULL},
                 {"Content-Type=text/plain", NULL}};
    char why[512];
    for (size_t i = 0; i < COUNT(cases); i++) {
        nrt__buf out;
        nrt__buf_init(&out, 1024);
        setenv("OTEL_EXPORTER_OTLP_HEADERS", cases[i].text, 1);
        int error = nrt__otel_fields(&out, why, sizeof(why));
        if ((error < 0) != !cases[i].lines) {
            fail_msg("%s", cases[i].text);
        }
        if (cases[i].lines) {
            assert_view(nrt__buf_view(&out), cases[i].lines);
        }
        nrt__buf_free(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_url_without_a_path_gets_one, without_variables),
        cmocka_unit_test_setup(the_environment_names_an_endpoint, without_variables),
        cmocka_unit_test_setup(its_headers_are_lines_of_the_head, without_variables),
        cmocka_unit_test(a_share_is_a_number_or_a_percentage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
