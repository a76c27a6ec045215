/* tests/vectors/http1/cases.jsonl: messages from the tests of other projects, with known outcomes.
 * Whatever the outcome, it is the same whole, byte by byte, and at every split. NRT_TEST_VECTORS
 * names the folder of vectors. */
#include "unit.h"

#include <jansson.h>

#include "h1_feed.h"

enum { EVERY_SPLIT_UP_TO = 2048 };

static json_t *cases; /* an array of them */

static int setup(void **state) {
    (void)state;
    const char *folder = getenv("NRT_TEST_VECTORS");
    char path[4096];
    snprintf(path, sizeof(path), "%s/http1/cases.jsonl", folder ? folder : "tests/vectors");
    FILE *file = fopen(path, "r");
    if (!file) {
        print_error("NRT_TEST_VECTORS: %s cannot be opened\n", path);
        return -1;
    }
    char *line = NULL;
    size_t size = 0;
    cases = json_array();
    while (getline(&line, &size, file) > 0) {
        json_error_t error;
        if (json_array_append_new(cases, json_loads(line, 0, &error)) < 0) {
            print_error("%s: %s\n", path, error.text);
            return -1;
        }
    }
    free(line);
    fclose(file);
    return json_array_size(cases) > 600 ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    json_decref(cases);
    return 0;
}

static const char *text_of(const json_t *one, const char *key) {
    const char *text = json_string_value(json_object_get(one, key));
    return text ? text : "";
}

static nrt__buf decode_base64(const char *text) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    nrt__buf out;
    unsigned bits = 0;
    unsigned have = 0;
    nrt__buf_init(&out, SIZE_MAX / 2);
    for (; *text && *text != '='; text++) {
        const char *at = strchr(alphabet, *text);
        assert_non_null(at);
        bits = bits << 6 | (unsigned)(at - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            char byte = (char)(bits >> have & 255);
            nrt__buf_add(&out, &byte, 1);
        }
    }
    return out;
}

/* The cases hold bytes as Latin-1 characters. */
static void put_latin1(nrt__buf *out, const json_t *string) {
    const char *text = json_string_value(string);
    size_t len = json_string_length(string);
    for (size_t i = 0; i < len; i++) {
        char byte = text[i];
        if ((byte & 0xc0) == 0xc0) {
            byte = (char)((byte & 3) << 6 | (text[++i] & 0x3f));
        }
        nrt__buf_add(out, &byte, 1);
    }
}

static void put_fields(nrt__buf *out, const json_t *fields) {
    size_t i;
    json_t *pair;
    json_array_foreach(fields, i, pair) {
        put_latin1(out, json_array_get(pair, 0));
        nrt__buf_lit(out, ": ");
        put_latin1(out, json_array_get(pair, 1));
        nrt__buf_lit(out, "\n");
    }
}

/* As h1_describe has it, without what the cases do not tell: version and reason. */
static nrt__buf describe_wanted(const json_t *one) {
    nrt__buf out;
    nrt__buf_init(&out, SIZE_MAX / 2);
    if (strcmp(text_of(one, "kind"), "request") == 0) {
        put_latin1(&out, json_object_get(one, "method"));
        nrt__buf_lit(&out, " ");
        put_latin1(&out, json_object_get(one, "target"));
    } else {
        nrt__buf_printf(&out, "%d", (int)json_integer_value(json_object_get(one, "status")));
    }
    nrt__buf_lit(&out, "\n");
    put_fields(&out, json_object_get(one, "headers"));
    nrt__buf_lit(&out, "\n");
    nrt__buf body = decode_base64(text_of(one, "body_b64"));
    nrt__buf_put(&out, nrt__buf_view(&body));
    nrt__buf_free(&body);
    const json_t *trailers = json_object_get(one, "trailers");
    if (json_array_size(trailers) > 0) {
        nrt__buf_lit(&out, "\n--\n");
        put_fields(&out, trailers);
    }
    return out;
}

static nrt__buf without_version_and_reason(nrt_str text, bool is_request) {
    nrt__buf out;
    nrt__buf_init(&out, SIZE_MAX / 2);
    const char *lf = memchr(text.ptr, '\n', text.len);
    size_t keep = is_request ? (size_t)(lf - text.ptr) - 2 : 3;
    nrt__buf_add(&out, text.ptr, keep);
    nrt__buf_add(&out, lf, text.len - (size_t)(lf - text.ptr));
    return out;
}

static unsigned flags_of(const json_t *one) {
    return strcmp(text_of(one, "kind"), "request") == 0 ? NRT__H1_REQUEST : 0;
}

static size_t run_accepted(const json_t *one, nrt_str raw) {
    unsigned flags = flags_of(one);
    h1_outcome out;
    h1_feed(&out, raw, flags, NULL, H1_WHOLE, true);
    bool fine = out.event == NRT__H1_END;
    if (!fine) {
        print_error("%s: refused: %s\n", text_of(one, "id"), out.reason);
    } else {
        nrt__buf want = describe_wanted(one);
        nrt__buf got = without_version_and_reason(nrt__buf_view(&out.text), flags != 0);
        json_int_t trailing = json_integer_value(json_object_get(one, "trailing_bytes"));
        if (!nrt__str_equal(nrt__buf_view(&got), nrt__buf_view(&want))) {
            print_error("%s: got\n%.*s\nwant\n%.*s\n", text_of(one, "id"),
                        NRT__ARG(nrt__buf_view(&got)), NRT__ARG(nrt__buf_view(&want)));
            fine = false;
        }
        if (out.used != raw.len - (size_t)trailing) {
            print_error("%s: %zu bytes were used\n", text_of(one, "id"), out.used);
            fine = false;
        }
        nrt__buf_free(&want);
        nrt__buf_free(&got);
    }
    h1_outcome_free(&out);
    return fine ? 0 : 1;
}

static void accepted_messages_come_out_as_their_source_says(void **state) {
    (void)state;
    size_t count = 0;
    size_t wrong = 0;
    size_t i;
    json_t *one;
    json_array_foreach(cases, i, one) {
        if (strcmp(text_of(one, "expect"), "accept") == 0) {
            nrt__buf raw = decode_base64(text_of(one, "raw_b64"));
            wrong += run_accepted(one, nrt__buf_view(&raw));
            count++;
            nrt__buf_free(&raw);
        }
    }
    assert_int_equal(wrong, 0);
    assert_int_equal(count, 243);
}

static void rejected_messages_are_refused(void **state) {
    (void)state;
    size_t count = 0;
    size_t wrong = 0;
    size_t i;
    json_t *one;
    json_array_foreach(cases, i, one) {
        if (strcmp(text_of(one, "expect"), "reject") != 0) {
            continue;
        }
        nrt__buf raw = decode_base64(text_of(one, "raw_b64"));
        h1_outcome out;
        h1_feed(&out, nrt__buf_view(&raw), flags_of(one), NULL, H1_WHOLE, true);
        /* One that is complete is refused for what it is, not for its end. */
        bool whole = json_is_true(json_object_get(one, "complete"));
        if (out.event >= 0 || (whole && out.truncated)) {
            print_error("%s (%s): %s\n", text_of(one, "id"), text_of(one, "note"),
                        out.event >= 0 ? "taken" : "taken for the beginning of one");
            wrong++;
        }
        if (strcmp(text_of(one, "layer"), "limit") == 0) {
            assert_true(out.event == NRT_ERR_HEAD_TOO_LARGE ||
                        out.event == NRT_ERR_TARGET_TOO_LONG);
        }
        count++;
        h1_outcome_free(&out);
        nrt__buf_free(&raw);
    }
    assert_int_equal(wrong, 0);
    assert_int_equal(count, 204);
}

static void truncated_messages_are_never_accepted(void **state) {
    (void)state;
    size_t i;
    json_t *one;
    json_array_foreach(cases, i, one) {
        if (json_is_false(json_object_get(one, "complete")) &&
            strcmp(text_of(one, "prefer"), "accept") != 0) {
            nrt__buf raw = decode_base64(text_of(one, "raw_b64"));
            h1_outcome out;
            h1_feed(&out, nrt__buf_view(&raw), flags_of(one), NULL, H1_WHOLE, true);
            if (out.event == NRT__H1_END) {
                fail_msg("%s: accepted", text_of(one, "id"));
            }
            h1_outcome_free(&out);
            nrt__buf_free(&raw);
        }
    }
}

static size_t compare(const json_t *one, const h1_outcome *whole, nrt_str raw, h1_pieces pieces) {
    h1_outcome out;
    h1_feed(&out, raw, flags_of(one), NULL, pieces, true);
    bool same = out.event == whole->event && out.truncated == whole->truncated &&
                nrt__str_equal(nrt__buf_view(&out.text), nrt__buf_view(&whole->text)) &&
                (out.event < 0 || out.used == whole->used);
    if (!same) {
        print_error("%s: whole %d (%s), %zu then %zu bytes at a time %d (%s)\n", text_of(one, "id"),
                    whole->event, whole->reason, pieces.first, pieces.step, out.event, out.reason);
    }
    h1_outcome_free(&out);
    return same ? 0 : 1;
}

static void pieces_make_no_difference(void **state) {
    (void)state;
    size_t wrong = 0;
    size_t i;
    json_t *one;
    json_array_foreach(cases, i, one) {
        nrt__buf bytes = decode_base64(text_of(one, "raw_b64"));
        nrt_str raw = nrt__buf_view(&bytes);
        h1_outcome whole;
        h1_feed(&whole, raw, flags_of(one), NULL, H1_WHOLE, true);
        size_t differs = compare(one, &whole, raw, H1_BYTES);
        for (size_t at = 1; at < raw.len && raw.len <= EVERY_SPLIT_UP_TO && !differs; at++) {
            differs = compare(one, &whole, raw, (h1_pieces){at, 0});
        }
        wrong += differs;
        h1_outcome_free(&whole);
        nrt__buf_free(&bytes);
    }
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted_messages_come_out_as_their_source_says),
        cmocka_unit_test(rejected_messages_are_refused),
        cmocka_unit_test(truncated_messages_are_never_accepted),
        cmocka_unit_test(pieces_make_no_difference),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
