/* `nrt top`: what changes from look to look, and how it is shown. Answers are made as services make
 * them. */
#include "unit.h"

#include <stdio.h>

#include "cli/top/view.h"
#include "core/base/str.h"
#include "core/discovery/read.h"

enum { SECOND = 1000000000 };

/* An answer of an instance; `slow` of its requests took 8 to 9 ms, the others 96 to 104 us. */
static void answer(nrt_discovery *found, const char *host, const char *id, const char *cluster,
                   unsigned requests, unsigned errors, unsigned slow) {
    char json[2048];
    char name[200];
    char quick_text[64] = ""; /* buckets that are empty are not told */
    char slow_text[64] = "";
    if (requests > slow) {
        (void)snprintf(quick_text, sizeof(quick_text), "[96,104,%u]", requests - slow);
    }
    if (slow > 0) {
        (void)snprintf(slow_text, sizeof(slow_text), "[8192,9216,%u]", slow);
    }
    (void)snprintf(name, sizeof(name), "%.*s", (int)(strlen(host) - 5), host);
    int len = snprintf(
        json, sizeof(json),
        "{\"type\":\"io.nats.micro.v1.stats_response\",\"name\":\"%s\",\"id\":\"%s\","
        "\"version\":\"1.0.0\",\"started\":\"2026-01-01T00:00:00Z\",\"metadata\":{"
        "\"nrt.host\":\"%s\",\"nrt.prefix\":\"nrt\",\"nrt.version\":\"0.1.0\","
        "\"nrt.server\":\"n1\",\"nrt.cluster\":\"%s\"},\"endpoints\":[{\"name\":\"http\","
        "\"subject\":\"s\",\"queue_group\":\"nrt\",\"num_requests\":%u,\"num_errors\":%u,"
        "\"last_error\":\"503 refused\",\"processing_time\":1,\"average_processing_time\":1,"
        "\"data\":{\"in_flight\":3,\"refused\":2,\"latency\":{\"unit\":\"us\",\"buckets\":"
        "[%s%s%s]}}}]}",
        name, id, host, cluster, requests, errors, quick_text,
        slow > 0 && requests > slow ? "," : "", slow_text);
    assert_int_equal(
        nrt__discovery_read(found, NRT__DISCOVERY_STATS, (nrt_str){json, (size_t)len}, 1000), 0);
}

static nrt_discovery *look_begin(void) {
    nrt_discovery *found = nrt__discovery_result_create();
    assert_non_null(found);
    return found;
}

static void look_end(nrt__top_model *model, nrt_discovery *found, int64_t at) {
    nrt__discovery_settle(found);
    assert_true(nrt__top_model_take(model, found, at));
}

static nrt__top_row *rows_of(nrt__top_model *model, const char *service, nrt__top_sort sort,
                             size_t *count) {
    nrt__top_query query = {.filter = "", .sort = sort};
    query.service = service ? nrt__top_model_service(model, service) : NULL;
    return nrt__top_model_rows(model, &query, count);
}

static void assert_near(double got, double want) {
    if (got < want * 0.99 || got > want * 1.01) {
        fail_msg("%f is not %f", got, want);
    }
}

static void two_looks(nrt__top_model *model) {
    nrt_discovery *found = look_begin();
    answer(found, "a.nats", "A1", "east", 1000, 0, 0);
    answer(found, "a.nats", "A2", "west", 500, 500, 0);
    answer(found, "b.nats", "B1", "", 7, 0, 0);
    look_end(model, found, SECOND);
    found = look_begin();
    answer(found, "a.nats", "A1", "east", 1300, 0, 0);
    answer(found, "a.nats", "A2", "west", 600, 540, 100);
    answer(found, "b.nats", "B1", "", 7, 0, 0);
    look_end(model, found, INT64_C(3) * SECOND);
}

static void rates_are_what_came_between_two_looks(void **state) {
    (void)state;
    size_t count;
    nrt__top_model *model = nrt__top_model_create();
    nrt_discovery *found = look_begin();
    answer(found, "a.nats", "A1", "east", 1000, 0, 0);
    look_end(model, found, SECOND);
    nrt__top_row *rows = rows_of(model, NULL, NRT__TOP_BY_RATE, &count);
    assert_int_equal(count, 1);
    assert_true(rows[0].rate < 0 && rows[0].error_share < 0 && rows[0].p50_ns < 0);
    assert_true(rows[0].in_flight == 3);
    free(rows);
    nrt__top_model_destroy(model);

    model = nrt__top_model_create();
    two_looks(model);
    rows = rows_of(model, NULL, NRT__TOP_BY_RATE, &count);
    assert_int_equal(count, 2);
    assert_string_equal(rows[0].label, "a.nats");
    assert_string_equal(rows[0].where, "east,west");
    assert_int_equal(rows[0].count, 2);
    assert_near(rows[0].rate, 200);
    assert_near(rows[0].error_share, 0.1);
    assert_true(rows[0].in_flight == 6 && rows[0].requests == 1900 && rows[0].refused == 4);
    assert_true(rows[0].p50_ns >= 96000 && rows[0].p50_ns <= 104000);
    assert_true(rows[0].p99_ns >= 8192000 && rows[0].p99_ns <= 9216000);
    assert_true(rows[0].history[NRT__TOP_HISTORY - 1] == rows[0].rate);
    assert_true(rows[0].history[NRT__TOP_HISTORY - 2] < 0);
    assert_string_equal(rows[1].label, "b.nats");
    assert_true(rows[1].rate == 0 && rows[1].error_share < 0 && rows[1].p50_ns < 0);
    free(rows);
    nrt__top_model_destroy(model);
}

static void a_service_has_rows_for_its_instances(void **state) {
    (void)state;
    size_t count;
    nrt__top_model *model = nrt__top_model_create();
    two_looks(model);
    nrt__top_row *rows = rows_of(model, "a.nats", NRT__TOP_BY_ERRORS, &count);
    assert_int_equal(count, 2);
    assert_string_equal(rows[0].label, "A2");
    assert_string_equal(rows[0].where, "west/n1");
    assert_near(rows[0].error_share, 0.4);
    assert_string_equal(rows[1].label, "A1");
    assert_true(rows[1].error_share == 0);
    free(rows);
    assert_null(nrt__top_model_service(model, "c.nats"));
    nrt__top_model_destroy(model);
}

static void who_does_not_answer_is_gone_and_comes_back_as_it_was(void **state) {
    (void)state;
    size_t count;
    nrt__top_model *model = nrt__top_model_create();
    two_looks(model);
    nrt_discovery *found = look_begin();
    answer(found, "b.nats", "B1", "", 7, 0, 0);
    look_end(model, found, INT64_C(4) * SECOND);
    nrt__top_row *rows = rows_of(model, NULL, NRT__TOP_BY_NAME, &count);
    assert_int_equal(count, 1);
    free(rows);
    found = look_begin();
    answer(found, "a.nats", "A1", "east", 1500, 0, 0);
    look_end(model, found, INT64_C(5) * SECOND);
    rows = rows_of(model, NULL, NRT__TOP_BY_NAME, &count);
    assert_int_equal(count, 1);
    assert_near(rows[0].rate, 100); /* 200 in the two seconds since it was heard */
    free(rows);
    nrt__top_model_destroy(model);
}

static void counters_that_begin_anew_are_no_flood(void **state) {
    (void)state;
    size_t count;
    nrt__top_model *model = nrt__top_model_create();
    two_looks(model);
    nrt_discovery *found = look_begin();
    answer(found, "b.nats", "B1", "", 5, 0, 0);
    look_end(model, found, INT64_C(4) * SECOND);
    nrt__top_row *rows = rows_of(model, NULL, NRT__TOP_BY_NAME, &count);
    assert_near(rows[0].rate, 5);
    free(rows);
    nrt__top_model_destroy(model);
}

static void rows_are_sorted_turned_around_and_filtered(void **state) {
    (void)state;
    size_t count;
    nrt__top_model *model = nrt__top_model_create();
    nrt_discovery *found = look_begin();
    answer(found, "a.nats", "A1", "east", 1, 0, 0);
    answer(found, "b.nats", "B1", "west", 1, 0, 0);
    answer(found, "b.nats", "B2", "west", 1, 0, 0);
    answer(found, "c.nats", "C1", "east", 1, 0, 0);
    look_end(model, found, SECOND);
    for (int sort = 0; sort < NRT__TOP_SORTS; sort++) {
        nrt__top_query query = {.filter = "", .sort = (nrt__top_sort)sort};
        nrt__top_row *rows = nrt__top_model_rows(model, &query, &count);
        bool by_weight = sort == NRT__TOP_BY_INSTANCES || sort == NRT__TOP_BY_IN_FLIGHT;
        assert_int_equal(count, 3);
        assert_string_equal(rows[0].label, by_weight ? "b.nats" : "a.nats");
        free(rows);
        query.reverse = true;
        rows = nrt__top_model_rows(model, &query, &count);
        assert_string_equal(rows[2].label, by_weight ? "b.nats" : "a.nats");
        free(rows);
    }
    nrt__top_query query = {.filter = "EAST", .sort = NRT__TOP_BY_NAME};
    nrt__top_row *rows = nrt__top_model_rows(model, &query, &count);
    assert_int_equal(count, 2);
    assert_string_equal(rows[1].label, "c.nats");
    free(rows);
    query.filter = "nobody";
    assert_null(nrt__top_model_rows(model, &query, &count));
    assert_int_equal(count, 0);
    nrt__top_model_destroy(model);
}

/* ---- frames ---- */

static const nrt__style no_style = {"", "", "", "", "", "", "", ""};

/* Columns of what a terminal would show, without what only changes how. */
static size_t columns_of(nrt_str text) {
    size_t columns = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\033') {
            while (text.ptr[i] != 'm') {
                i++;
            }
        } else {
            columns += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
        }
    }
    return columns;
}

static void check_frame(nrt__top_screen *screen) {
    nrt__buf out;
    nrt__buf_init(&out, 1 << 20);
    nrt__top_draw(&out, screen);
    assert_false(out.failed);
    nrt_str left = nrt__buf_view(&out);
    size_t lines = 0;
    while (left.len > 0) {
        const char *newline = memchr(left.ptr, '\n', left.len);
        size_t len = newline ? (size_t)(newline - left.ptr) : left.len;
        assert_true(columns_of((nrt_str){left.ptr, len}) <= screen->width);
        assert_true(nrt__is_utf8((nrt_str){left.ptr, len}));
        lines++;
        left.ptr += len + (newline != NULL);
        left.len -= len + (newline != NULL);
    }
    assert_true(lines == screen->height || screen->height < 6);
    if (screen->page <= NRT__TOP_INSTANCES && screen->count > 0 && screen->height >= 6) {
        assert_true(screen->selected >= screen->first);
        assert_true(screen->selected < screen->first + screen->height - 4);
    }
    nrt__buf_free(&out);
}

static void frames_fit_terminals_of_all_sizes(void **state) {
    (void)state;
    static const size_t sizes[][2] = {{80, 24}, {1, 1}, {20, 6}, {79, 7}, {81, 25}, {300, 100}};
    size_t count;
    nrt__top_model *model = nrt__top_model_create();
    for (int64_t at = 1; at <= 3; at++) {
        nrt_discovery *found = look_begin();
        for (unsigned i = 0; i < 60; i++) {
            char host[200];
            char id[32];
            (void)snprintf(host, sizeof(host), "%s%u.nats",
                           i % 2 ? "x" : "a-name-that-is-much-longer-than-any-column-of-a-terminal",
                           i);
            (void)snprintf(id, sizeof(id), "ID%u", i);
            answer(found, host, id, i % 3 ? "a-cluster-with-quite-a-long-name" : "c",
                   (unsigned)at * 1000000 * i, i, i);
        }
        look_end(model, found, at * SECOND);
    }
    nrt__top_row *rows = rows_of(model, NULL, NRT__TOP_BY_NAME, &count);
    assert_int_equal(count, 60);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int page = 0; page <= NRT__TOP_HELP; page++) {
            for (size_t selected = 0; selected < 61; selected += 20) {
                nrt__top_screen screen = {
                    .width = sizes[i][0],
                    .height = sizes[i][1],
                    .page = (nrt__top_page)page,
                    .service = page ? rows[0].label : "",
                    .rows = rows,
                    .count = page == NRT__TOP_DETAIL ? 1 : count,
                    .selected = selected,
                    .filter = "abc",
                    .typing = selected == 20,
                    .notice = selected == 40 ? "lost the connection to NATS, or so it seems, to "
                                               "anybody who reads this long line"
                                             : "",
                    .clock = "12:34:56",
                    .interval_s = 1,
                    .unicode = page % 2 == 0,
                    .style = &no_style,
                };
                check_frame(&screen);
                screen.count = 0;
                check_frame(&screen);
            }
        }
    }
    free(rows);
    nrt__top_model_destroy(model);
}

static void at_80_columns_a_row_reads_well(void **state) {
    (void)state;
    size_t count;
    nrt__top_model *model = nrt__top_model_create();
    two_looks(model);
    nrt__top_row *rows = rows_of(model, NULL, NRT__TOP_BY_RATE, &count);
    nrt__top_screen screen = {.width = 80,
                              .height = 24,
                              .service = "",
                              .rows = rows,
                              .count = count,
                              .filter = "",
                              .notice = "",
                              .clock = "",
                              .style = &no_style};
    nrt__buf out;
    nrt__buf_init(&out, 1 << 16);
    nrt__top_list(&out, &screen);
    nrt__buf_add(&out, "", 1);
    assert_string_equal(
        nrt__buf_view(&out).ptr,
        "SERVICE            INST CLUSTER    REQ/S  ERR %     P50     P99 FLIGHT LATELY\n"
        "a.nats                2 east,w~      200     10  101 us 9.18 ms      6         #\n"
        "b.nats                1 -              0      -       -       -      3         _\n");
    nrt__buf_free(&out);
    free(rows);
    nrt__top_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_what_came_between_two_looks),
        cmocka_unit_test(a_service_has_rows_for_its_instances),
        cmocka_unit_test(who_does_not_answer_is_gone_and_comes_back_as_it_was),
        cmocka_unit_test(counters_that_begin_anew_are_no_flood),
        cmocka_unit_test(rows_are_sorted_turned_around_and_filtered),
        cmocka_unit_test(frames_fit_terminals_of_all_sizes),
        cmocka_unit_test(at_80_columns_a_row_reads_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
