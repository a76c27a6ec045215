/* Our reader against llhttp as it comes, strict mode, fed with the same bytes: a message ends at
 * the same byte and has the same fields and body in both, or one of the differences below explains
 * why not. An input that begins with "HTTP/" is a response, to GET and to HEAD; all else is a
 * request. */
#include <stdio.h>

#include "core/http/url.h"
#include "fuzz.h"
#include "h1.h"

typedef struct plain {
    llhttp_t parser;
    nrt__buf target;
    nrt__buf fields; /* and trailers: name, LF, value, LF; a fold is taken out */
    nrt__buf body;
    size_t head; /* bytes of `fields` that are not trailers */
    size_t used;
    bool to_head;
    bool complete;
    llhttp_errno_t code;
} plain;

typedef struct pair {
    nrt_str input;
    const fuzz_h1 *ours;
    const plain *theirs;
} pair;

/* ---- llhttp as it comes ---- */

static int on_target(llhttp_t *parser, const char *at, size_t len) {
    plain *one = parser->data;
    nrt__buf_add(&one->target, at, len);
    return 0;
}

static int on_text(llhttp_t *parser, const char *at, size_t len) {
    plain *one = parser->data;
    nrt__buf_add(&one->fields, at, len);
    return 0;
}

static int on_text_end(llhttp_t *parser) {
    plain *one = parser->data;
    nrt__buf_lit(&one->fields, "\n");
    return 0;
}

static int on_value_end(llhttp_t *parser) {
    plain *one = parser->data;
    nrt__buf *text = &one->fields;
    while (text->end > 0 &&
           (text->bytes[text->end - 1] == ' ' || text->bytes[text->end - 1] == '\t')) {
        text->end--; /* OWS behind a value is not part of it, but llhttp gives it */
    }
    return on_text_end(parser);
}

static int on_head(llhttp_t *parser) {
    plain *one = parser->data;
    one->head = nrt__buf_len(&one->fields);
    return one->to_head ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
    plain *one = parser->data;
    nrt__buf_add(&one->body, at, len);
    return 0;
}

static int on_end(llhttp_t *parser) {
    plain *one = parser->data;
    one->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_target,
    .on_header_field = on_text,
    .on_header_field_complete = on_text_end,
    .on_header_value = on_text,
    .on_header_value_complete = on_value_end,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_end,
};

static void plain_read(plain *out, nrt_str input, unsigned flags) {
    memset(out, 0, sizeof(*out));
    nrt__buf_init(&out->target, SIZE_MAX / 2);
    nrt__buf_init(&out->fields, SIZE_MAX / 2);
    nrt__buf_init(&out->body, SIZE_MAX / 2);
    out->to_head = flags & NRT__H1_TO_HEAD;
    llhttp_init(&out->parser, flags & NRT__H1_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    out->parser.data = out;
    out->code = llhttp_execute(&out->parser, input.ptr, input.len);
    out->used = input.len;
    if (out->complete) {
        out->used = (size_t)(llhttp_get_error_pos(&out->parser) - input.ptr);
    } else if (out->code == HPE_OK) {
        out->code = llhttp_finish(&out->parser);
    }
}

static void plain_free(plain *one) {
    nrt__buf_free(&one->target);
    nrt__buf_free(&one->fields);
    nrt__buf_free(&one->body);
}

#include "h1_differences.h"

/* ---- both ---- */

static void say(const pair *both) {
    const plain *theirs = both->theirs;
    const fuzz_h1 *ours = both->ours;
    const char *reason = llhttp_get_error_reason(&theirs->parser);
    fprintf(stderr,
            "ours: verdict %d, used %zu, \"%s\"; llhttp: complete %d, used %zu, %s \"%s\"\n",
            (int)ours->verdict, ours->used, ours->reader.reason, theirs->complete, theirs->used,
            llhttp_errno_name(theirs->code), reason ? reason : "");
}

static bool explained(const pair *both, const difference *table, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *reason = table[i].reason;
        if ((!reason || strcmp(reason, both->ours->reader.reason) == 0) && table[i].holds(both)) {
            return true;
        }
    }
    say(both);
    return false;
}

#define EXPLAINED(both, table) explained((both), (table), sizeof(table) / sizeof((table)[0]))

static void put_fields(nrt__buf *out, const nrt_fields *fields) {
    for (size_t i = 0; i < fields->count; i++) {
        nrt__buf_put(out, fields->list[i].name);
        nrt__buf_lit(out, "\n");
        nrt__buf_put(out, fields->list[i].value);
        nrt__buf_lit(out, "\n");
    }
}

static bool same_start(const nrt__message *ours, const llhttp_t *theirs) {
    if (!ours->is_request) {
        return ours->status == theirs->status_code && ours->minor == theirs->http_minor;
    }
    const char *method = llhttp_method_name((llhttp_method_t)theirs->method);
    return nrt__str_equal(ours->method, nrt_str_from(method)) && ours->minor == theirs->http_minor;
}

static bool same(const pair *both) {
    const nrt__message *ours = &both->ours->message;
    const plain *theirs = both->theirs;
    nrt__buf text;
    nrt__buf_init(&text, SIZE_MAX / 2);
    put_fields(&text, &ours->fields);
    size_t head = nrt__buf_len(&text);
    put_fields(&text, &ours->trailers);
    bool equal = same_start(ours, &theirs->parser) &&
                 nrt__str_equal(nrt__buf_view(&text), nrt__buf_view(&theirs->fields)) &&
                 head == theirs->head && both->ours->used == theirs->used &&
                 nrt__str_equal(ours->body, nrt__buf_view(&theirs->body)) &&
                 nrt__str_equal(ours->target, nrt__buf_view(&theirs->target));
    nrt__buf_free(&text);
    return equal;
}

static void check(nrt_str input, unsigned flags) {
    fuzz_h1 ours;
    plain theirs;
    fuzz_h1_read(&ours, input, flags, NULL, FUZZ_ALL);
    plain_read(&theirs, input, flags);
    pair both = {input, &ours, &theirs};
    if (ours.verdict == FUZZ_ACCEPT && !theirs.complete) {
        CHECK(EXPLAINED(&both, only_ours_accepts));
    } else if (ours.verdict == FUZZ_ACCEPT) {
        CHECK(same(&both) || EXPLAINED(&both, read_otherwise));
    } else if (theirs.complete) {
        CHECK(EXPLAINED(&both, only_llhttp_accepts));
    }
    fuzz_h1_free(&ours);
    plain_free(&theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    nrt_str input = {(const char *)data, size};
    if (nrt__str_starts(input, NRT__STR("HTTP/"))) {
        check(input, 0);
        check(input, NRT__H1_TO_HEAD);
    } else {
        check(input, NRT__H1_REQUEST);
    }
    return 0;
}
