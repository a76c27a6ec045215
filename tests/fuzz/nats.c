/* What a NATS server sends: the same operations come out however the bytes come, as views into
 * them, and within the limits. INFO's JSON is read too. */
#include <stdlib.h>

#include "core/nats/info.h"
#include "core/nats/parser.h"
#include "fuzz.h"

enum { SMALL = 40, LARGE = 64 * 1024 }; /* of a message */

static void put_view(nrt__buf *out, const char *name, nrt_str view) {
    nrt__buf_printf(out, " %s=%s%zu:", name, view.ptr ? "" : "absent", view.len);
    nrt__buf_put(out, view);
}

static void check_info(nrt_str json) {
    nrt__nats_info info;
    if (nrt__nats_info_read(&info, json) < 0) {
        return;
    }
    const char *names[] = {info.server_name, info.cluster, info.version, info.nonce};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CHECK(nrt__is_field_value(nrt_str_from(names[i])));
    }
    CHECK(info.url_count <= NRT__NATS_URLS_MAX);
    for (size_t i = 0; i < info.url_count; i++) {
        CHECK(memchr(info.urls[i], '\0', sizeof(info.urls[i])));
        CHECK(nrt__is_visible(nrt_str_from(info.urls[i])));
    }
    CHECK(info.client_id <= INT64_MAX && info.max_payload <= INT64_MAX);
}

static void check_message(const nrt__nats_parser *parser, nrt_str bytes) {
    const nrt__nats_msg *msg = &parser->msg;
    CHECK(msg->subject.len > 0 && !memchr(msg->subject.ptr, ' ', msg->subject.len));
    CHECK(!msg->reply.ptr || msg->reply.len > 0);
    CHECK(!msg->reply.ptr || !memchr(msg->reply.ptr, ' ', msg->reply.len));
    CHECK(fuzz_inside(msg->subject, bytes) && fuzz_inside(msg->reply, bytes));
    CHECK(fuzz_inside(msg->header, bytes) && fuzz_inside(msg->payload, bytes));
    CHECK(msg->header.len + msg->payload.len <= parser->max_message);
    CHECK(!msg->oversized || (msg->header.len == 0 && msg->payload.len == 0));
    CHECK(msg->status >= 0 && msg->status <= 999);
    CHECK(msg->header.len > 0 || msg->status == 0);
    if (msg->header.len > 0) {
        static const char *const names[] = {"", "a", "Status", "Nats-Service-Error", "NRT-Frame"};
        CHECK(nrt__str_starts(msg->header, NRT__STR("NATS/1.0")));
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            CHECK(fuzz_inside(nrt__nats_header_get(msg->header, names[i]), msg->header));
        }
    }
}

/* Writes down what came out, so that two ways can be compared. */
static void tell(nrt__buf *out, int op, const nrt__nats_parser *parser, nrt_str bytes) {
    const nrt__nats_msg *msg = &parser->msg;
    nrt__buf_printf(out, "%d", op);
    if (op == NRT__NATS_MSG) {
        check_message(parser, bytes);
        put_view(out, "subject", msg->subject);
        put_view(out, "reply", msg->reply);
        put_view(out, "header", msg->header);
        put_view(out, "payload", msg->payload);
        nrt__buf_printf(out, " sid=%llu status=%d%s", (unsigned long long)msg->sid, msg->status,
                        msg->oversized ? " oversized" : "");
    } else if (op == NRT__NATS_INFO || op == NRT__NATS_ERR) {
        CHECK(fuzz_inside(parser->text, bytes));
        CHECK(!parser->text.len || !memchr(parser->text.ptr, '\n', parser->text.len));
        put_view(out, "text", parser->text);
    }
    nrt__buf_lit(out, "\n");
    if (op == NRT__NATS_INFO) {
        check_info(parser->text);
    }
}

/* Reads off `held` what is whole in it. False after an error. */
static bool read_held(nrt__nats_parser *parser, nrt__buf *held, nrt__buf *out) {
    int op;
    do {
        nrt_str view = nrt__buf_view(held);
        char *copy = fuzz_copy(view, false); /* of exactly that size */
        nrt_str bytes = {copy, view.len};
        size_t used;
        size_t need;
        op = nrt__nats_read(parser, bytes.ptr, bytes.len, &used, &need);
        if (op < 0) {
            CHECK(op == NRT_ERR_SERVER && *parser->reason);
            nrt__buf_printf(out, "error: %s\n", parser->reason);
        } else {
            CHECK(used <= bytes.len && (used > 0 || op == NRT__NATS_MORE));
            if (op == NRT__NATS_MORE) {
                CHECK(need == 0 || need > bytes.len - used);
                CHECK(need <= NRT__NATS_LINE_MAX + 4 + parser->max_message);
            } else {
                tell(out, op, parser, bytes);
            }
            nrt__buf_consume(held, used);
        }
        free(copy);
    } while (op > 0 && nrt__buf_len(held) > 0);
    return op >= 0;
}

/* Pieces of up to `most` bytes; their sizes are chosen from the input. */
static void read_all(nrt__buf *out, nrt_str input, size_t most, size_t max_message) {
    nrt__nats_parser parser;
    nrt__buf held;
    fuzz_dice dice;
    fuzz_dice_init(&dice, input);
    nrt__nats_parser_init(&parser, max_message);
    nrt__buf_init(&held, SIZE_MAX / 2);
    nrt__buf_init(out, SIZE_MAX / 2);
    bool fine = true;
    while (fine && input.len > 0) {
        size_t len = most > input.len ? input.len : 1 + fuzz_roll(&dice, most);
        len = len < input.len ? len : input.len;
        nrt__buf_add(&held, input.ptr, len);
        input.ptr += len;
        input.len -= len;
        fine = read_held(&parser, &held, out);
    }
    nrt__buf_free(&held);
}

static void check(nrt_str input, size_t max_message) {
    nrt__buf whole;
    read_all(&whole, input, SIZE_MAX / 2, max_message);
    for (size_t most = 1; most <= 64; most *= 8) {
        nrt__buf other;
        read_all(&other, input, most, max_message);
        CHECK(nrt__str_equal(nrt__buf_view(&whole), nrt__buf_view(&other)));
        nrt__buf_free(&other);
    }
    nrt__buf_free(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    nrt_str input = {(const char *)data, size};
    check(input, LARGE);
    check(input, SMALL);
    return 0;
}
