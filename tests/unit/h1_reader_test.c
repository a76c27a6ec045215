/* The HTTP/1.1 reader: the same outcome whole, byte by byte and at every split; nothing that is cut
 * short is accepted; each limit holds at its value and not one below. Limits have a file of their
 * own: h1_limits_test.c. */
#include "unit.h"

#include "core/http/h1_whole.h"
#include "h1_feed.h"

enum { REQUEST = NRT__H1_REQUEST, RESPONSE = 0 };

static void check_pieces(nrt_str raw, unsigned flags, h1_pieces pieces, int event,
                         const char *text) {
    h1_outcome out;
    h1_feed(&out, raw, flags, NULL, pieces, true);
    if (out.event != event) {
        print_error("got %d (%s), want %d; %zu then %zu at a time of:\n%.*s\n", out.event,
                    out.reason, event, pieces.first, pieces.step, NRT__ARG(raw));
    }
    assert_int_equal(out.event, event);
    if (text) {
        assert_view(nrt__buf_view(&out.text), text);
    }
    h1_outcome_free(&out);
}

/* The message comes out as `text`, or with that error, however it is cut into pieces. */
static void check(nrt_str raw, unsigned flags, int event, const char *text) {
    check_pieces(raw, flags, H1_WHOLE, event, text);
    check_pieces(raw, flags, H1_BYTES, event, text);
    for (size_t at = 1; at < raw.len; at++) {
        check_pieces(raw, flags, (h1_pieces){at, 0}, event, text);
    }
}

#define ACCEPT(flags, raw, text) check(NRT__STR(raw), (flags), NRT__H1_END, (text))
#define REFUSE(flags, raw, error) check(NRT__STR(raw), (flags), (error), NULL)

static void requests_come_out_as_they_were_sent(void **state) {
    (void)state;
    ACCEPT(REQUEST, "GET / HTTP/1.1\r\nHost: a.nats\r\n\r\n", "GET / 1\nHost: a.nats\n\n");
    ACCEPT(REQUEST,
           "POST /x?y=1 HTTP/1.1\r\nHost:a.nats\r\nX-A:  b c\t \r\nContent-Length: 5\r\n\r\nhello",
           "POST /x?y=1 1\nHost: a.nats\nX-A: b c\nContent-Length: 5\n\nhello");
    ACCEPT(REQUEST, "GET / HTTP/1.0\r\n\r\n", "GET / 0\n\n");
    ACCEPT(REQUEST, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * 1\nHost: a\n\n");
    ACCEPT(REQUEST, "GET http://b.nats/p HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET http://b.nats/p 1\nHost: a\n\n");
    ACCEPT(REQUEST, "CONNECT a.nats:443 HTTP/1.1\r\nHost: a\r\n\r\n",
           "CONNECT a.nats:443 1\nHost: a\n\n");
    ACCEPT(REQUEST, "M-SEARCH /\x7e HTTP/1.1\r\nHost: a\r\nE:\r\n\r\n",
           "M-SEARCH /~ 1\nHost: a\nE: \n\n");
    ACCEPT(REQUEST, "GET / HTTP/1.1\r\nHost: a\r\nL: caf\xe9\r\n\r\n",
           "GET / 1\nHost: a\nL: caf\xe9\n\n");
}

static void responses_come_out_as_they_were_sent(void **state) {
    (void)state;
    ACCEPT(RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
           "200 1 OK\nContent-Length: 2\n\nhi");
    ACCEPT(RESPONSE, "HTTP/1.1 404 Not Found \xe9\r\nContent-Length: 0\r\n\r\n",
           "404 1 Not Found \xe9\nContent-Length: 0\n\n");
    ACCEPT(RESPONSE, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 1 \nContent-Length: 0\n\n");
    ACCEPT(RESPONSE, "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 1 \nContent-Length: 0\n\n");
    ACCEPT(RESPONSE, "HTTP/1.1 599 X\r\nContent-Length: 1\r\n\r\n\n",
           "599 1 X\nContent-Length: 1\n\n\n");
}

static void chunks_are_put_together(void **state) {
    (void)state;
    ACCEPT(REQUEST,
           "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
           "4\r\nWiki\r\n5;x=\"y;z\"\r\npedia\r\nA\r\n0123456789\r\n0\r\n\r\n",
           "POST / 1\nHost: a\nTransfer-Encoding: chunked\n\nWikipedia0123456789");
    ACCEPT(RESPONSE,
           "HTTP/1.1 200 OK\r\ntransfer-encoding: "
           "CHUNKED\r\n\r\n0a\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
           "200 1 OK\ntransfer-encoding: CHUNKED\n\n\r\n\r\n\r\n\r\n\r\n");
    ACCEPT(RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "200 1 OK\nTransfer-Encoding: chunked\n\n");
}

static void trailers_are_kept_apart(void **state) {
    (void)state;
    ACCEPT(RESPONSE,
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
           "1\r\nx\r\n0\r\nDigest: abc\r\nEmpty:\r\nX-Sum:  1 2 \r\n\r\n",
           "200 1 OK\nTransfer-Encoding: chunked\n\nx\n--\nDigest: abc\nEmpty: \nX-Sum: 1 2\n");
}

static void trailers_that_must_not_be_are_refused(void **state) {
    (void)state;
#define TRAILER(line)                                                                              \
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n" line "\r\n\r\n"
    REFUSE(RESPONSE, TRAILER("Content-Length: 5"), NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, TRAILER("Transfer-Encoding: chunked"), NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, TRAILER("Host: evil"), NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, TRAILER("Authorization: x"), NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, TRAILER("A B: x"), NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, TRAILER("A : x"), NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, TRAILER(": x"), NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, TRAILER("A: x\x01"), NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, TRAILER("A"), NRT_ERR_PROTOCOL);
}

/* RFC 9112 section 5.2 and 2.2: what is refused in the head is refused in the trailers. */
static void trailers_are_not_folded(void **state) {
    (void)state;
    REFUSE(RESPONSE, TRAILER("A: x\r\n y"), NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, TRAILER("A: x\r\n\ty"), NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, TRAILER("A:\r\n y"), NRT_ERR_PROTOCOL);
}

static void trailer_lines_end_in_crlf(void **state) {
    (void)state;
    REFUSE(RESPONSE, TRAILER("A: x\nB: y"), NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, TRAILER("A: x\rB: y"), NRT_ERR_PROTOCOL);
}

static void answers_to_head_have_no_body_whatever_they_say(void **state) {
    (void)state;
    ACCEPT(NRT__H1_TO_HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
           "200 1 OK\nContent-Length: 5\n\n");
    ACCEPT(NRT__H1_TO_HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
           "200 1 OK\nTransfer-Encoding: chunked\n\n");
    ACCEPT(NRT__H1_TO_HEAD, "HTTP/1.1 200 OK\r\n\r\n", "200 1 OK\n\n");
}

static void statuses_without_a_body_have_none(void **state) {
    (void)state;
    ACCEPT(RESPONSE, "HTTP/1.1 204 No Content\r\n\r\n", "204 1 No Content\n\n");
    ACCEPT(RESPONSE, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
           "304 1 Not Modified\nContent-Length: 9\n\n");
    ACCEPT(RESPONSE, "HTTP/1.1 100 Continue\r\n\r\n", "100 1 Continue\n\n");
    ACCEPT(RESPONSE, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
           "103 1 Early Hints\nLink: x\n\n");
    REFUSE(RESPONSE, "HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n", NRT_ERR_PROTOCOL);
}

static void an_interim_response_ends_before_the_final_one(void **state) {
    (void)state;
    static const char raw[] = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                              "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    h1_outcome out;
    h1_feed(&out, nrt_str_from(raw), RESPONSE, NULL, H1_WHOLE, false);
    assert_int_equal(out.event, NRT__H1_END);
    size_t used = out.used;
    assert_int_equal(used, 37);
    h1_outcome_free(&out);
    h1_feed(&out, nrt_str_from(raw + used), RESPONSE, NULL, H1_WHOLE, false);
    assert_view(nrt__buf_view(&out.text), "200 1 OK\nContent-Length: 2\n\nhi");
    h1_outcome_free(&out);
}

static void a_response_without_framing_ends_with_its_connection(void **state) {
    (void)state;
    static const char raw[] = "HTTP/1.1 200 OK\r\nX: y\r\n\r\nto the end\r\n0\r\n\r\n";
    ACCEPT(RESPONSE, "HTTP/1.1 200 OK\r\nX: y\r\n\r\nto the end\r\n0\r\n\r\n",
           "200 1 OK\nX: y\n\nto the end\r\n0\r\n\r\n");
    ACCEPT(RESPONSE, "HTTP/1.0 200 OK\r\n\r\n", "200 0 OK\n\n");
    h1_outcome out;
    h1_feed(&out, NRT__STR(raw), RESPONSE, NULL, H1_WHOLE, false);
    assert_true(out.waiting);
    h1_outcome_free(&out);
}

static void version_0_0_is_for_old_peers_only(void **state) {
    (void)state;
    static const char raw[] = "HTTP/0.0 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    ACCEPT(NRT__H1_OLD_PEER, "HTTP/0.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
           "200 1 OK\nContent-Length: 2\n\nhi");
    check(NRT__STR(raw), RESPONSE, NRT_ERR_PROTOCOL, NULL);
    REFUSE(NRT__H1_OLD_PEER, "HTTP/0.1 200 OK\r\nContent-Length: 0\r\n\r\n", NRT_ERR_PROTOCOL);
    REFUSE(NRT__H1_OLD_PEER, "HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n", NRT_ERR_PROTOCOL);
    REFUSE(NRT__H1_OLD_PEER, "HTTP/0.0 000 \r\nContent-Length: 0\r\n\r\n", NRT_ERR_PROTOCOL);
    REFUSE(REQUEST, "GET / HTTP/0.0\r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
}

static void other_versions_are_told_apart_from_nonsense(void **state) {
    (void)state;
    REFUSE(REQUEST, "GET / HTTP/2.0\r\nHost: a\r\n\r\n", NRT_ERR_VERSION);
    REFUSE(REQUEST, "GET / HTTP/1.2\r\nHost: a\r\n\r\n", NRT_ERR_VERSION);
    REFUSE(REQUEST, "GET / http/1.1\r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, "GET / HTTP/1\r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, "GET /\r\n\r\n", NRT_ERR_BAD_REQUEST);
    REFUSE(RESPONSE, "HTTP/2.0 200 OK\r\n\r\n", NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, "HTTP/2 200\r\n\r\n", NRT_ERR_PROTOCOL);
}

/* What is told first is what comes first, also where all of it has come. */
static void a_bad_start_line_is_told_before_what_follows_it(void **state) {
    (void)state;
    REFUSE(REQUEST, "GET / HTTP/2.0\r\nHost: a\n\r\n", NRT_ERR_VERSION);
    REFUSE(REQUEST, "GET / HTTP/2.0\r\n Host: a\r\n\r\n", NRT_ERR_VERSION);
    REFUSE(REQUEST, "GET / HTTP/2.0\r\nA: b\rc\r\n\r\n", NRT_ERR_VERSION);
    REFUSE(REQUEST, "GET /\r HTTP/2.0\r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
}

static void framing_has_one_meaning_or_none(void **state) {
    (void)state;
#define FRAMED(lines) "POST / HTTP/1.1\r\nHost: a\r\n" lines "\r\n\r\n0\r\n\r\n"
    REFUSE(REQUEST, FRAMED("Content-Length: 5\r\nTransfer-Encoding: chunked"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, FRAMED("Transfer-Encoding: chunked\r\nContent-Length: 5"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, FRAMED("Content-Length: 5\r\nContent-Length: 5"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, FRAMED("Content-Length: 5, 5"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, FRAMED("Content-Length: +5"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, FRAMED("Content-Length: -5"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, FRAMED("Content-Length: 0x5"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, FRAMED("Content-Length:"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, FRAMED("Content-Length: 5 5"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, FRAMED("Content-Length: 9223372036854775808"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, FRAMED("Content-Length: 18446744073709551621"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, FRAMED("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
           NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, FRAMED("Transfer-Encoding: chunked, chunked"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, FRAMED("Transfer-Encoding: gzip, chunked"), NRT_ERR_UNSUPPORTED);
    REFUSE(REQUEST, FRAMED("Transfer-Encoding: gzip"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, FRAMED("Transfer-Encoding: xchunked"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           NRT_ERR_BAD_REQUEST);
}

/* llhttp, which looks for the end of the body, does not take HTAB for white space there: it would
 * read on to the end of the connection what we take for chunks. So the head is refused, at once. */
static void chunked_with_a_tab_behind_it_is_refused(void **state) {
    (void)state;
    const nrt_str head = NRT__STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n");
    nrt__h1_reader reader;
    nrt__message message;
    size_t used;
    nrt_str body;
    nrt__h1_reader_init(&reader, NULL);
    nrt__message_init(&message, false);
    nrt__h1_begin(&reader, &message, RESPONSE);
    assert_int_equal(nrt__h1_read(&reader, head.ptr, head.len, &used, &body), NRT_ERR_PROTOCOL);
    nrt__message_free(&message);
    nrt__h1_reader_free(&reader);
    REFUSE(REQUEST, FRAMED("Transfer-Encoding: chunked\t"), NRT_ERR_BAD_REQUEST);
}

static void malformed_chunks_are_refused(void **state) {
    (void)state;
#define CHUNKED(body) "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" body
    REFUSE(REQUEST, CHUNKED("\r\n0\r\n\r\n"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, CHUNKED("g\r\n"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, CHUNKED("-1\r\nx\r\n0\r\n\r\n"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, CHUNKED("0x1\r\nx\r\n0\r\n\r\n"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, CHUNKED("1\nx\r\n0\r\n\r\n"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, CHUNKED("1\r\nx\n0\r\n\r\n"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, CHUNKED("1\r\nxy\r\n0\r\n\r\n"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, CHUNKED("1\r\nx0\r\n\r\n"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, CHUNKED("10000000000000001\r\nx"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, CHUNKED("1;a\nb\r\nx\r\n0\r\n\r\n"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, CHUNKED("1 \r\nx\r\n0\r\n\r\n"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, CHUNKED("0\r\n\r\r\n"), NRT_ERR_BAD_REQUEST);
}

/* RFC 9112 section 7.1: last-chunk trailer-section CRLF. A bare LF is where two readers of one
 * stream part ways. */
static void the_empty_line_behind_the_last_chunk_ends_in_crlf(void **state) {
    (void)state;
    REFUSE(REQUEST, CHUNKED("0\r\n\n"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, CHUNKED("0\r\nA: b\r\n\n"), NRT_ERR_BAD_REQUEST);
}

static void malformed_heads_are_refused(void **state) {
    (void)state;
#define HEAD(lines) "GET / HTTP/1.1\r\nHost: a\r\n" lines "\r\n\r\n"
    REFUSE(REQUEST, HEAD("A: b\nC: d"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, HEAD("A: b\rC: d"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, HEAD("A: b\r\n c"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, HEAD("A : b"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, HEAD(" A: b"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, HEAD("A B: c"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, HEAD(": c"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, HEAD("A"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, HEAD("A: \0"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, HEAD("A: \x7f"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, HEAD("\xc3\xa4: b"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, HEAD("Host: a"), NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, "GET / HTTP/1.1\n\n", NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, " GET / HTTP/1.1\r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, "GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, "GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, "GET * HTTP/1.1\r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, "GET / HTTP/1.1\r\n\r\n", NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", NRT_ERR_BAD_REQUEST);
    REFUSE(RESPONSE, "HTTP/1.1 20 OK\r\n\r\n", NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, "HTTP/1.1 2000 OK\r\n\r\n", NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, "HTTP/1.1 099 OK\r\n\r\n", NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, "HTTP/1.1 600 OK\r\n\r\n", NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, "HTTP/1.1  200 OK\r\n\r\n", NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, "HTTP/1.1 200 O\x01K\r\n\r\n", NRT_ERR_PROTOCOL);
    REFUSE(RESPONSE, "\r\nHTTP/1.1 200 OK\r\n\r\n", NRT_ERR_PROTOCOL);
}

/* RFC 9112 section 2.2: one empty line may stand before a request. */
static void one_empty_line_before_a_request_is_passed_over(void **state) {
    (void)state;
    ACCEPT(REQUEST, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / 1\nHost: a\n\n");
    REFUSE(REQUEST, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
    REFUSE(REQUEST, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
}

static void two_empty_lines_are_refused_however_they_come(void **state) {
    (void)state;
    REFUSE(REQUEST, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", NRT_ERR_BAD_REQUEST);
}

static void what_is_cut_short_is_incomplete_and_never_accepted(void **state) {
    (void)state;
    static const struct {
        const char *raw;
        unsigned flags;
    } good[] = {
        {"GET / HTTP/1.1\r\nHost: a.nats\r\nA: b\r\n\r\n", REQUEST},
        {"GET / HTTP/1.0\r\n\r\n", REQUEST},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world", REQUEST},
        {CHUNKED("4;a=b\r\nWiki\r\n0005\r\npedia\r\n0\r\nA: b\r\nC: d\r\n\r\n"), REQUEST},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", RESPONSE},
        {"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", RESPONSE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", NRT__H1_TO_HEAD},
        {TRAILER("A: x"), RESPONSE},
        {"HTTP/0.0 200 OK\r\nContent-Length: 1\r\n\r\nx", NRT__H1_OLD_PEER},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        nrt_str raw = nrt_str_from(good[i].raw);
        check(raw, good[i].flags, NRT__H1_END, NULL);
        for (size_t len = 0; len < raw.len; len++) {
            for (size_t step = 0; step <= 1; step++) {
                h1_outcome out;
                h1_feed(&out, (nrt_str){raw.ptr, len}, good[i].flags, NULL,
                        (h1_pieces){step ? 1 : SIZE_MAX, step}, true);
                assert_true(out.waiting);
                assert_int_equal(out.truncated, len > 0);
                int error = good[i].flags & REQUEST ? NRT_ERR_BAD_REQUEST : NRT_ERR_PROTOCOL;
                assert_int_equal(out.event, len > 0 ? error : NRT__H1_MORE);
                h1_outcome_free(&out);
            }
        }
    }
}

static void pipelined_messages_come_one_at_a_time(void **state) {
    (void)state;
    static const char raw[] =
        "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"
        "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n" CHUNKED(
            "3\r\nabc\r\n0\r\nT: u\r\n\r\n") "\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n";
    static const char *const want[] = {
        "POST /1 1\nHost: a\nContent-Length: 3\n\none", "GET /2 1\nHost: a\n\n",
        "POST / 1\nHost: a\nTransfer-Encoding: chunked\n\nabc\n--\nT: u\n",
        "GET /4 1\nHost: a\n\n"};
    for (size_t step = 1; step < sizeof(raw); step++) {
        nrt__h1_reader reader;
        nrt__message message;
        nrt__buf body;
        nrt__buf text;
        nrt__h1_reader_init(&reader, NULL);
        nrt__message_init(&message, true);
        nrt__buf_init(&body, 100);
        nrt__buf_init(&text, 1000);
        nrt__h1_begin(&reader, &message, REQUEST);
        size_t done = 0;
        for (size_t at = 0; at < sizeof(raw) - 1; at += step) {
            size_t left = sizeof(raw) - 1 - at;
            nrt_str piece = {raw + at, step < left ? step : left};
            char *bytes = h1_guarded(piece);
            size_t from = 0;
            int event;
            do {
                size_t used;
                nrt_str content;
                event = nrt__h1_read(&reader, bytes + from, piece.len - from, &used, &content);
                assert_true(event >= 0);
                from += used;
                if (event == NRT__H1_BODY) {
                    assert_true(nrt__buf_put(&body, content));
                } else if (event == NRT__H1_END) {
                    nrt__buf_clear(&text);
                    h1_describe(&text, &message, nrt__buf_view(&body));
                    assert_view(nrt__buf_view(&text), want[done++]);
                    nrt__buf_clear(&body);
                    nrt__h1_begin(&reader, &message, REQUEST);
                }
            } while (event != NRT__H1_MORE);
            assert_int_equal(from, piece.len);
        }
        assert_int_equal(done, 4);
        assert_true(nrt__h1_is_idle(&reader));
        assert_int_equal(nrt__h1_read_end(&reader), NRT__H1_MORE);
        nrt__buf_free(&text);
        nrt__buf_free(&body);
        nrt__message_free(&message);
        nrt__h1_reader_free(&reader);
    }
}

static void an_error_stays_an_error(void **state) {
    (void)state;
    nrt__h1_reader reader;
    nrt__message message;
    size_t used;
    nrt_str body;
    nrt__h1_reader_init(&reader, NULL);
    nrt__message_init(&message, true);
    nrt__h1_begin(&reader, &message, REQUEST);
    assert_int_equal(nrt__h1_read(&reader, "bad\r\n\r\n", 7, &used, &body), NRT_ERR_BAD_REQUEST);
    assert_string_not_equal(reader.reason, "");
    assert_int_equal(nrt__h1_read(&reader, "GET / HTTP/1.0\r\n\r\n", 18, &used, &body),
                     NRT_ERR_BAD_REQUEST);
    assert_int_equal(nrt__h1_read_end(&reader), NRT_ERR_BAD_REQUEST);
    nrt__h1_begin(&reader, &message, REQUEST);
    assert_int_equal(nrt__h1_read(&reader, "GET / HTTP/1.0\r\n\r\n", 18, &used, &body),
                     NRT__H1_HEAD);
    assert_int_equal(nrt__h1_read(&reader, "", 0, &used, &body), NRT__H1_END);
    assert_int_equal(nrt__h1_read(&reader, "more", 4, &used, &body), NRT__H1_END);
    assert_int_equal(used, 0);
    nrt__message_free(&message);
    nrt__h1_reader_free(&reader);
}

static void an_upgrade_is_a_request_like_any_other(void **state) {
    (void)state;
    ACCEPT(REQUEST,
           "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
           "GET / 1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\n\n");
    ACCEPT(REQUEST,
           "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
           "Content-Length: 2\r\n\r\nhi",
           "POST / 1\nHost: a\nConnection: Upgrade\nUpgrade: h2c\nContent-Length: 2\n\nhi");
    ACCEPT(
        REQUEST,
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
        "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "POST / 1\nHost: a\nConnection: Upgrade\nUpgrade: h2c\nTransfer-Encoding: chunked\n\nhi");
    ACCEPT(RESPONSE,
           "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
           "101 1 Switching Protocols\nConnection: Upgrade\nUpgrade: x\n\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_come_out_as_they_were_sent),
        cmocka_unit_test(responses_come_out_as_they_were_sent),
        cmocka_unit_test(chunks_are_put_together),
        cmocka_unit_test(trailers_are_kept_apart),
        cmocka_unit_test(trailers_that_must_not_be_are_refused),
        cmocka_unit_test(trailers_are_not_folded),
        cmocka_unit_test(trailer_lines_end_in_crlf),
        cmocka_unit_test(answers_to_head_have_no_body_whatever_they_say),
        cmocka_unit_test(statuses_without_a_body_have_none),
        cmocka_unit_test(an_interim_response_ends_before_the_final_one),
        cmocka_unit_test(a_response_without_framing_ends_with_its_connection),
        cmocka_unit_test(version_0_0_is_for_old_peers_only),
        cmocka_unit_test(other_versions_are_told_apart_from_nonsense),
        cmocka_unit_test(a_bad_start_line_is_told_before_what_follows_it),
        cmocka_unit_test(framing_has_one_meaning_or_none),
        cmocka_unit_test(chunked_with_a_tab_behind_it_is_refused),
        cmocka_unit_test(malformed_chunks_are_refused),
        cmocka_unit_test(the_empty_line_behind_the_last_chunk_ends_in_crlf),
        cmocka_unit_test(malformed_heads_are_refused),
        cmocka_unit_test(one_empty_line_before_a_request_is_passed_over),
        cmocka_unit_test(two_empty_lines_are_refused_however_they_come),
        cmocka_unit_test(what_is_cut_short_is_incomplete_and_never_accepted),
        cmocka_unit_test(pipelined_messages_come_one_at_a_time),
        cmocka_unit_test(an_error_stays_an_error),
        cmocka_unit_test(an_upgrade_is_a_request_like_any_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
