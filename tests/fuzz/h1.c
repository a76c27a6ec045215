/* HTTP/1.1 messages read in every way, compared, and written again. */
#include "h1.h"

#include <stdlib.h>

#include "core/http/h1_whole.h"
#include "core/http/h1_writer.h"
#include "fuzz.h"

const nrt__h1_limits fuzz_small_limits = {.head = 700, .fields = 6, .target = 24, .extension = 12};

/* ---- reading ---- */

/* One piece, until the reader wants another or the message is over. */
static int read_piece(fuzz_h1 *out, const char *bytes, size_t len, bool *head_seen) {
    size_t at = 0;
    int event;
    do {
        size_t used = 0;
        nrt_str body = {NULL, 0};
        event = nrt__h1_read(&out->reader, bytes + at, len - at, &used, &body);
        if (event < 0) {
            return event;
        }
        CHECK(used <= len - at);
        at += used;
        if (event == NRT__H1_HEAD) {
            CHECK(!*head_seen);
            *head_seen = true;
        }
        if (event == NRT__H1_BODY) {
            CHECK(*head_seen && body.len > 0);
            CHECK(fuzz_inside(body, (nrt_str){bytes, len}));
            nrt__buf_put(&out->body, body);
        }
    } while (event == NRT__H1_HEAD || event == NRT__H1_BODY);
    CHECK(event == NRT__H1_END || at == len); /* MORE has used everything */
    out->used += at;
    return event;
}

/* Every piece lies in memory of its own, which is gone when the next one comes. */
static int read_stream(fuzz_h1 *out, nrt_str input, fuzz_cut cut) {
    fuzz_dice dice;
    fuzz_dice_init(&dice, input);
    size_t at = 0;
    bool head_seen = false;
    int event = NRT__H1_MORE;
    while (event == NRT__H1_MORE && at < input.len) {
        size_t left = input.len - at;
        size_t len = cut == FUZZ_ALL     ? left
                     : cut == FUZZ_BYTES ? 1
                                         : 1 + fuzz_roll(&dice, fuzz_roll(&dice, 8) ? 24 : 400);
        len = len < left ? len : left;
        char *piece = fuzz_copy((nrt_str){input.ptr + at, len}, false);
        event = read_piece(out, piece, len, &head_seen);
        free(piece);
        at += len;
    }
    if (event == NRT__H1_MORE) {
        event = nrt__h1_read_end(&out->reader);
        CHECK(event != NRT__H1_HEAD && event != NRT__H1_BODY);
    }
    return event;
}

void fuzz_h1_read(fuzz_h1 *out, nrt_str input, unsigned flags, const nrt__h1_limits *limits,
                  fuzz_cut cut) {
    memset(out, 0, sizeof(*out));
    nrt__h1_reader_init(&out->reader, limits);
    nrt__message_init(&out->message, flags & NRT__H1_REQUEST);
    nrt__buf_init(&out->body, SIZE_MAX / 2);
    int event;
    if (cut == FUZZ_PAYLOAD) {
        event = nrt__h1_read_whole(&out->reader, &out->message, flags, input);
        event = event == 0 ? NRT__H1_END : event;
        out->used = input.len;
    } else {
        nrt__h1_begin(&out->reader, &out->message, flags);
        CHECK(nrt__h1_is_idle(&out->reader));
        event = read_stream(out, input, cut);
        out->message.body = nrt__buf_view(&out->body);
        /* However it ended, it has ended. */
        size_t used = 1;
        nrt_str body;
        CHECK(event == NRT__H1_MORE ||
              nrt__h1_read(&out->reader, "GET ", 4, &used, &body) == event);
        CHECK(event == NRT__H1_MORE || used == 0);
        CHECK(event == NRT__H1_MORE || nrt__h1_read_end(&out->reader) == event);
    }
    CHECK(event <= 0 || event == NRT__H1_END);
    CHECK(event >= 0 || (out->reader.reason && *out->reader.reason));
    bool cut_short = event == NRT__H1_MORE || (event < 0 && out->reader.truncated);
    out->verdict = event == NRT__H1_END ? FUZZ_ACCEPT : cut_short ? FUZZ_INCOMPLETE : FUZZ_REJECT;
    out->error = out->verdict == FUZZ_REJECT ? event : 0;
}

void fuzz_h1_free(fuzz_h1 *one) {
    nrt__message_free(&one->message);
    nrt__h1_reader_free(&one->reader);
    nrt__buf_free(&one->body);
}

/* ---- comparing ---- */

/* The next field from `at` on that has none of `skip` and is not Host where that is left out. */
static const nrt__field *next_field(const nrt_fields *fields, size_t *at, unsigned skip) {
    while (*at < fields->count) {
        const nrt__field *field = &fields->list[(*at)++];
        if (!(field->flags & skip) && (skip == 0 || field->id != NRT__HOST)) {
            return field;
        }
    }
    return NULL;
}

static void check_same_fields(const nrt_fields *a, const nrt_fields *b, unsigned skip) {
    size_t at_a = 0;
    size_t at_b = 0;
    for (;;) {
        const nrt__field *one = next_field(a, &at_a, skip);
        const nrt__field *two = next_field(b, &at_b, skip);
        CHECK(!one == !two);
        if (!one) {
            return;
        }
        CHECK(nrt__str_equal(one->name, two->name));
        CHECK(nrt__str_equal(one->value, two->value));
        CHECK(one->id == two->id);
    }
}

static void check_same_messages(const nrt__message *a, const nrt__message *b, unsigned skip,
                                unsigned skip_trailers) {
    CHECK(nrt__str_equal(a->method, b->method));
    CHECK(nrt__str_equal(a->target, b->target));
    CHECK(nrt__str_equal(a->host, b->host));
    CHECK(a->status == b->status);
    CHECK(nrt__str_equal(a->body, b->body));
    check_same_fields(&a->fields, &b->fields, skip);
    check_same_fields(&a->trailers, &b->trailers, skip_trailers);
}

void fuzz_h1_check_same(const fuzz_h1 *a, const fuzz_h1 *b) {
    CHECK(a->verdict == b->verdict);
    CHECK(a->error == b->error);
    CHECK(strcmp(a->reader.reason, b->reader.reason) == 0);
    if (a->verdict != FUZZ_ACCEPT) {
        return;
    }
    CHECK(a->used == b->used);
    CHECK(a->message.minor == b->message.minor);
    CHECK(a->message.framing == b->message.framing);
    CHECK(a->message.keep_alive == b->message.keep_alive);
    CHECK(a->message.has_length == b->message.has_length);
    CHECK(a->message.length == b->message.length);
    CHECK(nrt__str_equal(a->message.reason, b->message.reason));
    check_same_messages(&a->message, &b->message, 0, 0);
}

/* ---- accepted ones ---- */

static size_t check_clean_fields(const nrt_fields *fields, nrt__field_id id) {
    size_t found = 0;
    for (size_t i = 0; i < fields->count; i++) {
        const nrt__field *field = &fields->list[i];
        CHECK(nrt__is_token(field->name) && nrt__is_field_value(field->value));
        CHECK(fuzz_is_line_safe(field->name) && fuzz_is_line_safe(field->value));
        found += field->id == id;
    }
    return found;
}

static void check_clean_framing(const nrt__message *message) {
    const nrt_fields *fields = &message->fields;
    size_t lengths = check_clean_fields(fields, NRT__CONTENT_LENGTH);
    size_t codings = check_clean_fields(fields, NRT__TRANSFER_ENCODING);
    CHECK(lengths + codings <= 1);
    CHECK(message->has_length == (lengths == 1));
    CHECK(codings == 0 || message->minor > 0);
    CHECK(message->trailers.count == 0 || message->framing == NRT__FRAMING_CHUNKED);
    switch ((nrt__framing)message->framing) {
    case NRT__FRAMING_NONE:
        CHECK(message->body.len == 0);
        break;
    case NRT__FRAMING_LENGTH:
        CHECK(lengths == 1 && message->body.len == message->length);
        break;
    case NRT__FRAMING_CHUNKED:
        CHECK(codings == 1);
        break;
    case NRT__FRAMING_CLOSE:
        CHECK(!message->is_request && lengths + codings == 0);
        break;
    }
}

void fuzz_h1_check_clean(const fuzz_h1 *one, unsigned flags) {
    const nrt__message *message = &one->message;
    check_clean_framing(message);
    CHECK(check_clean_fields(&message->trailers, NRT__CONTENT_LENGTH) == 0);
    CHECK(check_clean_fields(&message->trailers, NRT__TRANSFER_ENCODING) == 0);
    CHECK(check_clean_fields(&message->trailers, NRT__HOST) == 0);
    CHECK(message->minor <= 1);
    if (flags & NRT__H1_REQUEST) {
        size_t hosts = check_clean_fields(&message->fields, NRT__HOST);
        CHECK(nrt__is_token(message->method) && nrt__is_visible(message->target));
        CHECK(hosts == 1 || (hosts == 0 && message->minor == 0));
        CHECK(!message->host.ptr || nrt__is_visible(message->host));
        CHECK(message->target.len <= one->reader.limits.target);
    } else {
        CHECK(message->status >= 100 && message->status <= 599);
        CHECK(fuzz_is_line_safe(message->reason));
        CHECK(!(flags & NRT__H1_TO_HEAD) || message->body.len == 0);
    }
    CHECK(message->fields.count <= one->reader.limits.fields);
    CHECK(message->trailers.count <= one->reader.limits.fields);
}

void fuzz_h1_check_again(fuzz_h1 *one, unsigned flags) {
    nrt__message *message = &one->message;
    const unsigned skip = NRT__FIELD_HOP | NRT__FIELD_FRAMING;
    if (message->is_request && !message->host.ptr) {
        return; /* HTTP/1.0 without Host: callers refuse it or give it one */
    }
    nrt__buf text;
    nrt_str parts[2];
    nrt__buf_init(&text, SIZE_MAX / 2);
    nrt__fields_strip_hop(&message->fields);
    CHECK(nrt__h1_write_parts(&text, message, 0, NRT__STR(""), flags & NRT__H1_TO_HEAD, parts));
    nrt_str body = parts[1];
    if (body.len > 0) { /* it may lie anywhere but in `text` */
        nrt__buf_put(&text, body);
    }
    /* Framing that was not there before may be there now. */
    nrt__h1_limits limits = NRT__H1_LIMITS_DEFAULT;
    limits.head += 256;
    limits.fields += 4;
    fuzz_h1 again;
    nrt_str written = nrt__buf_view(&text);
    fuzz_h1_read(&again, written, flags & ~(unsigned)NRT__H1_OLD_PEER, &limits, FUZZ_ALL);
    CHECK(again.verdict == FUZZ_ACCEPT);
    CHECK(again.used == written.len);
    CHECK(again.message.has_length == message->has_length);
    CHECK(!message->has_length || again.message.length == message->length);
    CHECK(again.message.framing == message->framing);
    check_same_messages(message, &again.message, skip, skip | NRT__FIELD_NO_TRAILER);
    if (!message->is_request && message->status != 200 && message->reason.len > 0) {
        CHECK(nrt__str_equal(message->reason, again.message.reason));
    }
    fuzz_h1_check_clean(&again, flags);
    fuzz_h1_free(&again);
    nrt__buf_free(&text);
}

/* ---- all together ---- */

static int malformed(unsigned flags) {
    return flags & NRT__H1_REQUEST ? NRT_ERR_BAD_REQUEST : NRT_ERR_PROTOCOL;
}

/* A payload is one message from its first byte to its last: no empty line before it, nothing
 * behind it (but what old servers send behind an answer to HEAD). All else is as in a stream. */
static void check_payload(const fuzz_h1 *stream, nrt_str input, unsigned flags,
                          const nrt__h1_limits *limits) {
    char *copy = fuzz_copy(input, false);
    fuzz_h1 payload;
    fuzz_h1_read(&payload, (nrt_str){copy, input.len}, flags, limits, FUZZ_PAYLOAD);
    bool goes_on = stream->used < input.len && !(flags & NRT__H1_TO_HEAD);
    if (input.len > 0 && input.ptr[0] == '\r') {
        CHECK(payload.verdict != FUZZ_ACCEPT);
    } else if (stream->verdict == FUZZ_INCOMPLETE) {
        CHECK(payload.verdict != FUZZ_ACCEPT);
        CHECK(payload.error == 0 || payload.error == malformed(flags)); /* not even begun */
    } else if (stream->verdict == FUZZ_ACCEPT && goes_on) {
        CHECK(payload.verdict == FUZZ_REJECT && payload.error == malformed(flags));
    } else {
        payload.used = stream->used;
        fuzz_h1_check_same(stream, &payload);
    }
    fuzz_h1_free(&payload);
    free(copy);
}

static void check_ways(nrt_str input, unsigned flags, const nrt__h1_limits *limits) {
    fuzz_h1 all;
    fuzz_h1 other;
    fuzz_h1_read(&all, input, flags, limits, FUZZ_ALL);
    for (int cut = FUZZ_BYTES; cut <= FUZZ_PIECES; cut++) {
        fuzz_h1_read(&other, input, flags, limits, (fuzz_cut)cut);
        fuzz_h1_check_same(&all, &other);
        fuzz_h1_free(&other);
    }
    check_payload(&all, input, flags, limits);
    if (all.verdict == FUZZ_ACCEPT) {
        CHECK(all.used <= input.len);
        fuzz_h1_check_clean(&all, flags);
        fuzz_h1_check_again(&all, flags);
    }
    fuzz_h1_free(&all);
}

void fuzz_h1_check_all(nrt_str input, unsigned flags) {
    check_ways(input, flags, NULL);
    check_ways(input, flags, &fuzz_small_limits);
}
