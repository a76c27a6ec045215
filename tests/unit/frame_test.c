/* Frames and NRT-Accept: tests/vectors/protocol/frames.txt, and where frames stand in NATS headers.
 * NRT_TEST_VECTORS names the folder of vectors. */
#include "unit.h"

#include <inttypes.h>

#include "core/exchange/frame.h"

#define BLOCK(value) "NATS/1.0\r\nNRT-Frame: " value "\r\n\r\n"

static const char *const names[] = {[NRT__FRAME_NONE] = "",
#define NAME(name, text) [NRT__FRAME_##name] = text,
                                    NRT__FRAME_MAP(NAME)
#undef NAME
};

static const char *describe(const nrt__frame *frame) {
    static char text[256];
    size_t len = (size_t)snprintf(text, sizeof(text), "%s", names[frame->type]);
    const struct {
        unsigned bit;
        const char *name;
        uint64_t value;
    } numbers[] = {{NRT__FRAME_HAS_N, "n", frame->n},
                   {NRT__FRAME_HAS_MAX, "max", frame->max},
                   {NRT__FRAME_HAS_LENGTH, "length", frame->length}};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        if (frame->has & numbers[i].bit) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, " %s=%" PRIu64, numbers[i].name,
                                    numbers[i].value);
        }
    }
    if (frame->code.len > 0) {
        len +=
            (size_t)snprintf(text + len, sizeof(text) - len, " code=%.*s", NRT__ARG(frame->code));
    }
    if (frame->retry_after > 0) {
        snprintf(text + len, sizeof(text) - len, " retry-after=%" PRIu32, frame->retry_after);
    }
    return text;
}

static int read_value(nrt__frame *frame, const char *value, char block[512]) {
    int len = snprintf(block, 512, BLOCK("%s"), value);
    return nrt__frame_read(frame, (nrt_str){block, (size_t)len});
}

static void check_frame(const char *value, const char *want, bool exact) {
    char block[512];
    char out[NRT__FRAME_TEXT_MAX];
    nrt__frame frame;
    if (read_value(&frame, value, block) != 1) {
        fail_msg("this is a frame: %s", value);
    }
    assert_string_equal(describe(&frame), want);
    nrt_str written = nrt__frame_write(&frame, out);
    if (exact) {
        assert_view(written, block);
    }
    nrt__frame again; /* as it was meant, in any case */
    assert_int_equal(nrt__frame_read(&again, written), 1);
    assert_string_equal(describe(&again), want);
}

static void check_none(const char *value) {
    char block[512];
    nrt__frame frame;
    if (read_value(&frame, value, block) != NRT_ERR_PROTOCOL) {
        fail_msg("this is no frame: %s", value);
    }
}

static void check_accept(const char *value, const char *want) {
    char text[128];
    char out[NRT__ACCEPT_TEXT_MAX];
    nrt__accept accept;
    nrt__accept_read(&accept, nrt_str_from(value));
    snprintf(text, sizeof(text), "%u %" PRIu64 " %" PRIu32, accept.version, accept.window,
             accept.timeout_ms);
    assert_string_equal(text, want);
    nrt_str line = nrt__accept_write(&accept, out);
    assert_true(line.len > 14 && line.len < sizeof(out));
    assert_memory_equal(line.ptr, "NRT-Accept: ", 12);
    assert_memory_equal(line.ptr + line.len - 2, "\r\n", 2);
    nrt__accept again;
    nrt__accept_read(&again, (nrt_str){line.ptr + 12, line.len - 14});
    assert_int_equal(again.version, accept.version);
    assert_int_equal(again.window, accept.window);
    assert_int_equal(again.timeout_ms, accept.timeout_ms);
}

/* The next line that says something, without its LF. */
static char *next_line(FILE *file, char *line, size_t size) {
    while (fgets(line, (int)size, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0' && line[0] != '#') {
            return line;
        }
    }
    return NULL;
}

static void check_vector(const char *kind, const char *value, const char *want) {
    if (strcmp(kind, "none") == 0) {
        check_none(value);
    } else if (strcmp(kind, "accept") == 0) {
        check_accept(value, want);
    } else {
        assert_true(strcmp(kind, "frame") == 0 || strcmp(kind, "exact") == 0);
        check_frame(value, want, kind[0] == 'e');
    }
}

static void the_vectors_hold(void **state) {
    (void)state;
    char path[4096];
    char line[256];
    char below[256];
    const char *folder = getenv("NRT_TEST_VECTORS");
    snprintf(path, sizeof(path), "%s/protocol/frames.txt", folder ? folder : "tests/vectors");
    FILE *file = fopen(path, "r");
    if (!file) {
        fail_msg("NRT_TEST_VECTORS: %s cannot be opened", path);
    }
    size_t count = 0;
    while (next_line(file, line, sizeof(line))) {
        char *value = line + strcspn(line, " ");
        value += *value ? 1 : 0;
        char kind[16];
        snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(line, " "), line);
        const char *want = "";
        if (strcmp(kind, "none") != 0) {
            assert_non_null(next_line(file, below, sizeof(below)));
            assert_memory_equal(below, "-> ", 3);
            want = below + 3;
        }
        check_vector(kind, value, want);
        count++;
    }
    fclose(file);
    assert_true(count > 60);
}

static void a_frame_is_found_among_other_headers(void **state) {
    (void)state;
    static const struct {
        const char *block;
        int want;
    } blocks[] = {
        {BLOCK("t=accept"), 1},
        {"NATS/1.0\r\nNats-Request-Info: {}\r\nNRT-Frame:t=accept\r\nX: y\r\n\r\n", 1},
        {"NATS/1.0\r\nNRT-Frame: \t t=accept \t\r\n\r\n", 1},
        {"NATS/1.0\r\nX: NRT-Frame: t=accept\r\n\r\n", 0},
        {"NATS/1.0\r\nXNRT-Frame: t=accept\r\n\r\n", 0},
        {"NATS/1.0\r\nNRT-Frames: t=accept\r\n\r\n", 0},
        {"NATS/1.0\r\n\r\n", 0},
        {"", 0},
        {BLOCK(""), NRT_ERR_PROTOCOL},
        {BLOCK("t=accept,"), NRT_ERR_PROTOCOL},
    };
    for (size_t i = 0; i < COUNT(blocks); i++) {
        nrt__frame frame;
        size_t len = strlen(blocks[i].block);
        char *exact = malloc(len + (len == 0));
        memcpy(exact, blocks[i].block, len);
        assert_int_equal(nrt__frame_read(&frame, (nrt_str){exact, len}), blocks[i].want);
        assert_int_equal(frame.type, blocks[i].want == 1 ? NRT__FRAME_ACCEPT : frame.type);
        free(exact);
    }
}

static void the_longest_frame_fits(void **state) {
    (void)state;
    char out[NRT__FRAME_TEXT_MAX];
    char line[NRT__ACCEPT_TEXT_MAX];
    for (nrt__frame_type type = NRT__FRAME_OPEN; type <= NRT__FRAME_ABORT; type++) {
        const nrt__frame frame = {.type = type,
                                  .has =
                                      NRT__FRAME_HAS_N | NRT__FRAME_HAS_MAX | NRT__FRAME_HAS_LENGTH,
                                  .n = UINT64_MAX,
                                  .max = UINT64_MAX,
                                  .length = UINT64_MAX,
                                  .retry_after = UINT32_MAX,
                                  .code = NRT__STR("abcdefghijklmnopqrstuvwxyz012345")};
        nrt_str text = nrt__frame_write(&frame, out);
        assert_true(text.len < sizeof(out));
        assert_memory_equal(text.ptr + text.len - 4, "\r\n\r\n", 4);
    }
    const nrt__accept accept = {UINT32_MAX, UINT64_MAX, UINT32_MAX};
    nrt_str text = nrt__accept_write(&accept, line);
    assert_true(text.len < sizeof(line));
    assert_memory_equal(text.ptr + text.len - 2, "\r\n", 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_hold),
        cmocka_unit_test(a_frame_is_found_among_other_headers),
        cmocka_unit_test(the_longest_frame_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
