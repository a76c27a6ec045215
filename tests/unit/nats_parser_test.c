/* The NATS parser: each operation whole, byte by byte and at every split; sizes within limits;
 * nonsense is an error. */
#include "unit.h"

#include "core/nats/parser.h"

enum { MAX_MESSAGE = 1000 };

/* Reads all operations of `input`, which comes `first` bytes and then `step` at a time (0: the
 * rest), and notes each as a line. An error ends it with a line of its own. */
static void transcribe(const char *input, size_t len, size_t first, size_t step, char *out,
                       size_t size) {
    nrt__nats_parser parser;
    char *held = malloc(len + 1); /* what has come and was not used: exactly as long as it is */
    size_t have = 0;
    size_t at = 0;
    nrt__nats_parser_init(&parser, MAX_MESSAGE);
    out[0] = '\0';
    int op = NRT__NATS_MORE;
    for (size_t take = first; op >= 0 && at < len; take = step) {
        take = take == 0 || take > len - at ? len - at : take;
        memcpy(held + have, input + at, take);
        have += take;
        at += take;
        do {
            size_t used = 0;
            size_t need = 0;
            char *exact = malloc(have + 1); /* for the sanitizer: no byte behind it is ours */
            char *bytes = realloc(exact, have ? have : 1);
            memcpy(bytes, held, have);
            op = nrt__nats_read(&parser, bytes, have, &used, &need);
            size_t end = strlen(out);
            nrt_str text = parser.text;
            const nrt__nats_msg *msg = &parser.msg;
            if (op == NRT__NATS_MSG) {
                snprintf(out + end, size - end, "MSG %.*s %llu [%.*s] %d%s {%.*s} {%.*s}\n",
                         NRT__ARG(msg->subject), (unsigned long long)msg->sid, NRT__ARG(msg->reply),
                         msg->status, msg->oversized ? " oversized" : "", NRT__ARG(msg->header),
                         NRT__ARG(msg->payload));
            } else if (op == NRT__NATS_INFO || op == NRT__NATS_ERR) {
                snprintf(out + end, size - end, "%s {%.*s}\n",
                         op == NRT__NATS_INFO ? "INFO" : "ERR", NRT__ARG(text));
            } else if (op != NRT__NATS_MORE) {
                snprintf(out + end, size - end, "%s\n",
                         op == NRT__NATS_PING   ? "PING"
                         : op == NRT__NATS_PONG ? "PONG"
                         : op == NRT__NATS_OK   ? "OK"
                                                : "error");
            }
            assert_true(used <= have);
            if (op == NRT__NATS_MORE && need > 0) {
                assert_true(need > have - used);
            }
            have -= used;
            memmove(held, held + used, have);
            free(bytes);
        } while (op > NRT__NATS_MORE && have > 0);
    }
    if (op >= 0 && have > 0) {
        snprintf(out + strlen(out), size - strlen(out), "rest %zu\n", have);
    }
    free(held);
}

static void assert_ops(const char *input, size_t len, const char *want) {
    static char got[64 * 1024];
    transcribe(input, len, len, 0, got, sizeof(got));
    assert_string_equal(got, want);
    transcribe(input, len, 1, 1, got, sizeof(got));
    assert_string_equal(got, want);
    for (size_t at = 1; at < len && len < 2048; at++) {
        transcribe(input, len, at, 0, got, sizeof(got));
        assert_string_equal(got, want);
    }
}

#define OPS(input, want) assert_ops((input), sizeof(input) - 1, (want))

static void each_operation_is_read_however_it_comes(void **state) {
    (void)state;
    OPS("PING\r\n", "PING\n");
    OPS("PONG\r\n", "PONG\n");
    OPS("+OK\r\n", "OK\n");
    OPS("INFO {\"a\":1}\r\n", "INFO {{\"a\":1}}\n");
    OPS("-ERR 'Stale Connection'\r\n", "ERR {Stale Connection}\n");
    OPS("-ERR bare words \r\n", "ERR {bare words}\n");
    OPS("MSG a.b 7 5\r\nhello\r\n", "MSG a.b 7 [] 0 {} {hello}\n");
    OPS("MSG a.b 7 _INBOX.x 5\r\nhello\r\n", "MSG a.b 7 [_INBOX.x] 0 {} {hello}\n");
    OPS("MSG a 18446744073709551615 0\r\n\r\n", "MSG a 18446744073709551615 [] 0 {} {}\n");
    /* Written by another client, not by the server: passed over, and the payload is where it is. */
    OPS("HMSG a 1 0 2\r\nhi\r\n", "MSG a 1 [] 0 {} {hi}\n");
    OPS("HMSG a 1 10 12\r\nHTTP/1.0\r\nhi\r\n", "MSG a 1 [] 0 {} {hi}\n");
    OPS("HMSG a 1 8 8\r\nNATS/1.0\r\n",
        "MSG a 1 [] 0 {} {}\n"); /* the header would end inside its last CRLF */
}

static void headers_are_told_from_payloads(void **state) {
    (void)state;
    OPS("HMSG a 1 12 12\r\nNATS/1.0\r\n\r\n\r\n", "MSG a 1 [] 0 {NATS/1.0\r\n\r\n} {}\n");
    OPS("HMSG a 1 r 20 23\r\nNATS/1.0\r\nA: b c\r\n\r\nxyz\r\n",
        "MSG a 1 [r] 0 {NATS/1.0\r\nA: b c\r\n\r\n} {xyz}\n");
    OPS("HMSG a 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n", "MSG a 1 [] 503 {NATS/1.0 503\r\n\r\n} {}\n");
    OPS("HMSG a 1 30 30\r\nNATS/1.0 503 No Responders\r\n\r\n\r\n",
        "MSG a 1 [] 503 {NATS/1.0 503 No Responders\r\n\r\n} {}\n");
    OPS("HMSG a 1 22 22\r\nNATS/1.0   404 100\r\n\r\n\r\n",
        "MSG a 1 [] 404 {NATS/1.0   404 100\r\n\r\n} {}\n");
}

static void many_operations_come_in_one_piece(void **state) {
    (void)state;
    OPS("PING\r\nMSG a 1 2\r\n\r\n\r\nPONG\r\nMSG b 2 r 9\r\nPING\r\nX\r\n\r\n+OK\r\n",
        "PING\nMSG a 1 [] 0 {} {\r\n}\nPONG\nMSG b 2 [r] 0 {} {PING\r\nX\r\n}\nOK\n");
}

static void case_and_spacing_are_those_of_the_protocol(void **state) {
    (void)state;
    OPS("ping\r\n", "PING\n");
    OPS("msg a\t1   2 \r\nhi\r\n", "MSG a 1 [] 0 {} {hi}\n");
    OPS("info  {}  \r\n", "INFO {{}}\n");
}

static void a_message_too_large_is_passed_over(void **state) {
    (void)state;
    static char input[8000];
    for (size_t size = MAX_MESSAGE; size <= MAX_MESSAGE + 1; size++) {
        int len = snprintf(input, sizeof(input), "MSG a 1 r %zu\r\n", size);
        memset(input + len, 'x', size);
        strcpy(input + len + size, "\r\nPING\r\n");
        char want[3000];
        snprintf(want, sizeof(want), "MSG a 1 [r] 0%s {} {%.*s}\nPING\n",
                 size > MAX_MESSAGE ? " oversized" : "", size > MAX_MESSAGE ? 0 : (int)size,
                 input + len);
        assert_ops(input, strlen(input), want);
    }
    int len = snprintf(input, sizeof(input), "HMSG a 1 12 5000\r\nNATS/1.0\r\n\r\n");
    memset(input + len, 'x', 4988);
    strcpy(input + len + 4988, "\r\nMSG b 2 2\r\nhi\r\n");
    assert_ops(input, strlen(input), "MSG a 1 [] 0 oversized {} {}\nMSG b 2 [] 0 {} {hi}\n");
}

static void what_is_not_the_protocol_is_an_error(void **state) {
    (void)state;
    static const char *const bad[] = {
        "\r\n",
        "HTTP/1.1 200 OK\r\n",
        "PINGX\r\n",
        "PING\n",
        "\n",
        "MSG\r\n",
        "MSG a 1\r\n",
        "MSG a 1 r 2 3\r\nhi\r\n",
        "MSG a x 2\r\nhi\r\n",
        "MSG a -1 2\r\nhi\r\n",
        "MSG a 18446744073709551616 2\r\nhi\r\n",
        "MSG a 1 x\r\n",
        "MSG a 1 -2\r\nhi\r\n",
        "MSG a 1 4294967296\r\n",
        "MSG a 1 99999999999999999999\r\n",
        "MSG a 1 2\r\nhello\r\n",
        "MSG a 1 3\r\nhi\r\n\r\n",
        "HMSG a 1 2\r\nhi\r\n",
        "HMSG a 1 r x 20\r\n",
        "HMSG a 1 13 12\r\nNATS/1.0\r\n\r\n\r\n",
        "SUB a 1\r\n",
        "CONNECT {}\r\n",
    };
    static char got[1024];
    for (size_t i = 0; i < COUNT(bad); i++) {
        size_t len = strlen(bad[i]);
        transcribe(bad[i], len, len, 0, got, sizeof(got));
        if (strcmp(got, "error\n") != 0) {
            fail_msg("%s: %s", bad[i], got);
        }
        transcribe(bad[i], len, 1, 1, got, sizeof(got));
        assert_string_equal(got, "error\n");
    }
}

static void an_error_says_what_was_wrong(void **state) {
    (void)state;
    nrt__nats_parser parser;
    size_t used;
    size_t need;
    nrt__nats_parser_init(&parser, 10);
    assert_string_equal(parser.reason, "");
    assert_int_equal(nrt__nats_read(&parser, "XYZ\r\n", 5, &used, &need), NRT_ERR_SERVER);
    assert_string_not_equal(parser.reason, "");
}

static void assert_line(const char *start, size_t len, bool terminated, int want) {
    nrt__nats_parser parser;
    size_t used;
    size_t need;
    char *line = malloc(len + 2);
    nrt__nats_parser_init(&parser, 10);
    memset(line, 'x', len);
    memcpy(line, start, strlen(start));
    if (terminated) {
        memcpy(line + len - 1, "\r\n", 2); /* its LF does not count */
    }
    assert_int_equal(nrt__nats_read(&parser, line, terminated ? len + 1 : len, &used, &need), want);
    free(line);
}

static void control_lines_have_a_limit_and_info_a_larger_one(void **state) {
    (void)state;
    assert_line("-ERR ", NRT__NATS_LINE_MAX, false, NRT__NATS_MORE);
    assert_line("-ERR ", NRT__NATS_LINE_MAX + 1, false, NRT_ERR_SERVER);
    assert_line("-ERR ", NRT__NATS_LINE_MAX, true, NRT__NATS_ERR);
    assert_line("-ERR ", NRT__NATS_LINE_MAX + 1, true, NRT_ERR_SERVER);
    assert_line("INFO ", NRT__NATS_LINE_MAX + 1, true, NRT__NATS_INFO);
    assert_line("INFO ", NRT__NATS_INFO_MAX, false, NRT__NATS_MORE);
    assert_line("INFO ", NRT__NATS_INFO_MAX, true, NRT__NATS_INFO);
    assert_line("INFO ", NRT__NATS_INFO_MAX + 1, false, NRT_ERR_SERVER);
    assert_line("INFO ", NRT__NATS_INFO_MAX + 1, true, NRT_ERR_SERVER);
}

static void an_incomplete_message_tells_how_much_it_takes(void **state) {
    (void)state;
    static const char input[] = "MSG a 1 500\r\nabc";
    nrt__nats_parser parser;
    size_t used = 77;
    size_t need = 77;
    nrt__nats_parser_init(&parser, MAX_MESSAGE);
    assert_int_equal(nrt__nats_read(&parser, input, sizeof(input) - 1, &used, &need),
                     NRT__NATS_MORE);
    assert_int_equal(used, 0);
    assert_int_equal(need, 13 + 500 + 2);
    assert_int_equal(nrt__nats_read(&parser, input, 5, &used, &need), NRT__NATS_MORE);
    assert_int_equal(need, 0);
}

static void header_fields_are_found_by_exact_name(void **state) {
    (void)state;
    nrt_str header = NRT__STR("NATS/1.0 200 X:y\r\nNRT-Frame: t=data, n=5 \r\nA:\r\nB:b:c\r\n\r\n");
    assert_view(nrt__nats_header_get(header, "NRT-Frame"), "t=data, n=5");
    assert_view(nrt__nats_header_get(header, "A"), "");
    assert_view(nrt__nats_header_get(header, "B"), "b:c");
    assert_absent(nrt__nats_header_get(header, "nrt-frame"));
    assert_absent(nrt__nats_header_get(header, "Frame"));
    assert_absent(nrt__nats_header_get(header, "C"));
    assert_absent(nrt__nats_header_get((nrt_str){NULL, 0}, "A"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_is_read_however_it_comes),
        cmocka_unit_test(headers_are_told_from_payloads),
        cmocka_unit_test(many_operations_come_in_one_piece),
        cmocka_unit_test(case_and_spacing_are_those_of_the_protocol),
        cmocka_unit_test(a_message_too_large_is_passed_over),
        cmocka_unit_test(what_is_not_the_protocol_is_an_error),
        cmocka_unit_test(an_error_says_what_was_wrong),
        cmocka_unit_test(control_lines_have_a_limit_and_info_a_larger_one),
        cmocka_unit_test(an_incomplete_message_tells_how_much_it_takes),
        cmocka_unit_test(header_fields_are_found_by_exact_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
