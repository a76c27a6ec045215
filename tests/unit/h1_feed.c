/* Messages in pieces. */
#include "h1_feed.h"

#include "unit.h"

#include <sys/mman.h>
#include <unistd.h>

char *h1_guarded(nrt_str bytes) {
    static char *end; /* where mapped memory ends; one for the program */
    if (!end) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        char *map = mmap(NULL, H1_FEED_MAX + page, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(map, MAP_FAILED);
        assert_int_equal(mprotect(map + H1_FEED_MAX, page, PROT_NONE), 0);
        end = map + H1_FEED_MAX;
    }
    assert_true(bytes.len <= H1_FEED_MAX);
    char *at = end - bytes.len;
    if (bytes.len > 0) {
        memcpy(at, bytes.ptr, bytes.len);
    }
    return at;
}

static void put_fields(nrt__buf *text, const nrt_fields *fields) {
    for (size_t i = 0; i < fields->count; i++) {
        nrt__buf_put(text, fields->list[i].name);
        nrt__buf_lit(text, ": ");
        nrt__buf_put(text, fields->list[i].value);
        nrt__buf_lit(text, "\n");
    }
}

void h1_describe(nrt__buf *text, const nrt__message *message, nrt_str body) {
    if (message->is_request) {
        nrt__buf_put(text, message->method);
        nrt__buf_lit(text, " ");
        nrt__buf_put(text, message->target);
        nrt__buf_printf(text, " %d\n", message->minor);
    } else {
        nrt__buf_printf(text, "%d %d ", message->status, message->minor);
        nrt__buf_put(text, message->reason);
        nrt__buf_lit(text, "\n");
    }
    put_fields(text, &message->fields);
    nrt__buf_lit(text, "\n");
    nrt__buf_put(text, body);
    if (message->trailers.count > 0) {
        nrt__buf_lit(text, "\n--\n");
        put_fields(text, &message->trailers);
    }
}

/* One piece, until the reader wants another or the message is over. */
static int read_piece(nrt__h1_reader *reader, nrt_str piece, h1_outcome *out) {
    char *bytes = h1_guarded(piece);
    size_t at = 0;
    int event;
    do {
        size_t used = 0;
        nrt_str body = {NULL, 0};
        event = nrt__h1_read(reader, bytes + at, piece.len - at, &used, &body);
        assert_true(used <= piece.len - at);
        at += event < 0 ? 0 : used;
        if (event == NRT__H1_BODY) {
            assert_true(body.len > 0);
            assert_true(nrt__buf_put(&out->body, body));
        }
    } while (event == NRT__H1_HEAD || event == NRT__H1_BODY);
    if (event == NRT__H1_MORE) { /* its contract: everything was used */
        assert_int_equal(at, piece.len);
    }
    out->used += at;
    memset(bytes, '#', piece.len);
    return event;
}

void h1_feed(h1_outcome *out, nrt_str raw, unsigned flags, const nrt__h1_limits *limits,
             h1_pieces pieces, bool eof) {
    nrt__h1_reader reader;
    nrt__message message;
    memset(out, 0, sizeof(*out));
    nrt__buf_init(&out->text, SIZE_MAX / 2);
    nrt__buf_init(&out->body, SIZE_MAX / 2);
    nrt__h1_reader_init(&reader, limits);
    nrt__message_init(&message, flags & NRT__H1_REQUEST);
    nrt__h1_begin(&reader, &message, flags);
    size_t at = 0;
    int event = NRT__H1_MORE;
    for (size_t size = pieces.first; event == NRT__H1_MORE && at < raw.len; size = pieces.step) {
        size_t left = raw.len - at;
        nrt_str piece = {raw.ptr + at, size == 0 || size > left ? left : size};
        event = read_piece(&reader, piece, out);
        at += piece.len;
    }
    out->waiting = event == NRT__H1_MORE;
    if (out->waiting && eof) {
        event = nrt__h1_read_end(&reader);
        out->truncated = event < 0 && reader.truncated;
    }
    out->event = event;
    out->reason = reader.reason;
    if (event == NRT__H1_END) {
        h1_describe(&out->text, &message, nrt__buf_view(&out->body));
        assert_false(out->text.failed);
    }
    nrt__message_free(&message);
    nrt__h1_reader_free(&reader);
}

void h1_outcome_free(h1_outcome *out) {
    nrt__buf_free(&out->text);
    nrt__buf_free(&out->body);
}
