/* The reader's limits: each holds at N, and N + 1 is refused, in one piece and byte by byte. */
#include "unit.h"

#include "h1_feed.h"

enum { REQUEST = NRT__H1_REQUEST };

static nrt__buf text; /* the message being made */

static int setup(void **state) {
    (void)state;
    nrt__buf_init(&text, 1 << 20);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    nrt__buf_free(&text);
    return 0;
}

static void put(const char *line) {
    assert_true(nrt__buf_put(&text, nrt_str_from(line)));
}

static void put_many(char c, size_t count) {
    char *room = nrt__buf_room(&text, count);
    assert_non_null(room);
    memset(room, c, count);
    nrt__buf_added(&text, count);
}

/* The message comes to `event` within `limits`, in one piece, byte by byte, and in halves. */
static void assert_limits(const nrt__h1_limits *limits, unsigned flags, int event) {
    nrt_str raw = nrt__buf_view(&text);
    const h1_pieces pieces[] = {H1_WHOLE, H1_BYTES, {raw.len / 2, 0}, {raw.len - 1, 0}};
    for (size_t i = 0; i < COUNT(pieces); i++) {
        h1_outcome out;
        h1_feed(&out, raw, flags, limits, pieces[i], true);
        if (out.event != event) {
            print_error("got %d (%s), want %d; %zu then %zu bytes at a time\n", out.event,
                        out.reason, event, pieces[i].first, pieces[i].step);
        }
        assert_int_equal(out.event, event);
        h1_outcome_free(&out);
    }
    nrt__buf_clear(&text);
}

static void a_head_has_so_many_bytes(void **state) {
    (void)state;
    const nrt__h1_limits limits = {100, 10, 50, 10};
    static const char start[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    for (size_t size = 100; size <= 101; size++) {
        put(start);
        put_many('x', size - strlen(start) - 4);
        put("\r\n\r\n");
        assert_limits(&limits, REQUEST, size == 100 ? NRT__H1_END : NRT_ERR_HEAD_TOO_LARGE);
    }
    put("HTTP/1.1 200 ");
    put_many('r', 100 - 13 - 4);
    put("\r\n\r\n");
    assert_limits(&limits, 0, NRT__H1_END);
    put("HTTP/1.1 200 ");
    put_many('r', 100 - 13 - 3);
    put("\r\n\r\n");
    assert_limits(&limits, 0, NRT_ERR_HEAD_TOO_LARGE);
}

static void an_empty_line_in_front_is_no_part_of_the_head(void **state) {
    (void)state;
    const nrt__h1_limits limits = {100, 10, 50, 10};
    static const char start[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    for (size_t size = 97; size <= 101; size++) {
        put("\r\n");
        put(start);
        put_many('x', size - strlen(start) - 4);
        put("\r\n\r\n");
        assert_limits(&limits, REQUEST, size <= 100 ? NRT__H1_END : NRT_ERR_HEAD_TOO_LARGE);
    }
}

static void a_body_does_not_count_as_head(void **state) {
    (void)state;
    const nrt__h1_limits limits = {80, 10, 50, 10};
    put("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n");
    put_many('b', 5000);
    assert_limits(&limits, REQUEST, NRT__H1_END);
}

static void a_head_without_end_is_given_up(void **state) {
    (void)state;
    put("GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 5000; i++) {
        put("A: 0123456789\r\n");
    }
    assert_limits(NULL, REQUEST, NRT_ERR_HEAD_TOO_LARGE);
    put("GET / HTTP/1.1\r\nHost: a\r\nA: ");
    put_many('a', 70000);
    assert_limits(NULL, REQUEST, NRT_ERR_HEAD_TOO_LARGE);
    put("HTTP/1.1 200 ");
    put_many('a', 70000);
    assert_limits(NULL, 0, NRT_ERR_HEAD_TOO_LARGE);
}

static void a_head_has_so_many_fields(void **state) {
    (void)state;
    const nrt__h1_limits limits = {1000, 5, 50, 10};
    for (int fields = 5; fields <= 6; fields++) {
        put("GET / HTTP/1.1\r\nHost: a\r\n");
        for (int i = 1; i < fields; i++) {
            put("A: b\r\n");
        }
        put("\r\n");
        assert_limits(&limits, REQUEST, fields == 5 ? NRT__H1_END : NRT_ERR_HEAD_TOO_LARGE);
    }
}

static void trailers_have_limits_of_their_own(void **state) {
    (void)state;
    const nrt__h1_limits limits = {100, 4, 50, 10};
    static const char start[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\nC: d\r\n"
                                "\r\n1\r\nx\r\n0\r\n";
    for (int fields = 4; fields <= 5; fields++) {
        put(start);
        for (int i = 0; i < fields; i++) {
            put("T: u\r\n");
        }
        put("\r\n");
        assert_limits(&limits, 0, fields == 4 ? NRT__H1_END : NRT_ERR_HEAD_TOO_LARGE);
    }
    put(start);
    put("T: ");
    put_many('u', 90);
    put("\r\n\r\n");
    assert_limits(&limits, 0, NRT__H1_END);
    put(start);
    put("T: ");
    put_many('u', 101);
    put("\r\n\r\n");
    assert_limits(&limits, 0, NRT_ERR_HEAD_TOO_LARGE);
    put(start);
    put("T: ");
    put_many('u', 60);
    put("\r\nV: ");
    put_many('w', 60);
    put("\r\n\r\n");
    assert_limits(&limits, 0, NRT_ERR_HEAD_TOO_LARGE);
}

static void a_target_has_so_many_bytes(void **state) {
    (void)state;
    const nrt__h1_limits limits = {4000, 10, 50, 10};
    for (size_t target = 50; target <= 51; target++) {
        put("GET /");
        put_many('t', target - 1);
        put(" HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_limits(&limits, REQUEST, target == 50 ? NRT__H1_END : NRT_ERR_TARGET_TOO_LONG);
    }
    put("GET /");
    put_many('t', 3000);
    assert_limits(&limits, REQUEST, NRT_ERR_TARGET_TOO_LONG); /* without waiting for its end */
    put_many('M', 3000);
    assert_limits(&limits, REQUEST, NRT_ERR_TARGET_TOO_LONG);
}

static void chunk_extensions_have_so_many_bytes(void **state) {
    (void)state;
    const nrt__h1_limits limits = {200, 10, 50, 20};
    static const char start[] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (size_t size = 20; size <= 21; size++) {
        put(start);
        put("1;");
        put_many('e', size);
        put("\r\nx\r\n0\r\n\r\n");
        assert_limits(&limits, REQUEST, size == 20 ? NRT__H1_END : NRT_ERR_BAD_REQUEST);
    }
    for (int chunks = 6; chunks <= 7; chunks++) {
        put(start);
        for (int i = 0; i < chunks; i++) {
            put("1;a=b\r\nx\r\n");
        }
        put("0\r\n\r\n");
        assert_limits(&limits, REQUEST, chunks == 6 ? NRT__H1_END : NRT_ERR_BAD_REQUEST);
    }
}

/* What has no name and no value is bytes too. */
static void chunk_size_lines_are_not_endless(void **state) {
    (void)state;
    static const char start[] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    put(start);
    put("1");
    for (int i = 0; i < 20000; i++) {
        put(";");
    }
    put("\r\nx\r\n0\r\n\r\n");
    assert_limits(NULL, REQUEST, NRT_ERR_BAD_REQUEST);
    put(start);
    put("1;a=\"");
    put_many('e', 20000);
    put("\"\r\nx\r\n0\r\n\r\n");
    assert_limits(NULL, REQUEST, NRT_ERR_BAD_REQUEST);
}

/* A peer must not keep a message going for ever with bytes that no limit counts. */
static void zeros_before_a_chunk_size_are_not_endless(void **state) {
    (void)state;
    put("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    put_many('0', 100000);
    put("1\r\nx\r\n0\r\n\r\n");
    assert_limits(NULL, REQUEST, NRT_ERR_BAD_REQUEST);
}

static void white_space_in_trailers_counts(void **state) {
    (void)state;
    put("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA:");
    put_many(' ', 100000);
    put("x\r\n\r\n");
    assert_limits(NULL, 0, NRT_ERR_HEAD_TOO_LARGE);
}

static void a_connection_nominates_so_many_fields(void **state) {
    (void)state;
    for (int names = 100; names <= 101; names++) {
        put("GET / HTTP/1.1\r\nHost: a\r\nConnection: n");
        for (int i = 1; i < names; i++) {
            put(",n");
        }
        put("\r\n\r\n");
        assert_limits(NULL, REQUEST, names == 100 ? NRT__H1_END : NRT_ERR_BAD_REQUEST);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_head_has_so_many_bytes),         TEST(an_empty_line_in_front_is_no_part_of_the_head),
        TEST(a_body_does_not_count_as_head),    TEST(a_head_without_end_is_given_up),
        TEST(a_head_has_so_many_fields),        TEST(trailers_have_limits_of_their_own),
        TEST(a_target_has_so_many_bytes),       TEST(chunk_extensions_have_so_many_bytes),
        TEST(chunk_size_lines_are_not_endless), TEST(zeros_before_a_chunk_size_are_not_endless),
        TEST(white_space_in_trailers_counts),   TEST(a_connection_nominates_so_many_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
