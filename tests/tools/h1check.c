/* Reads JSON lines with HTTP/1.1 messages on standard input, feeds each to the reader that
 * connections and payloads use, and prints what came of it as a JSON line. --step N: N bytes at a
 * time (0: all at once). */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/http/h1_reader.h"

static size_t decode_base64(const char *text, char *out) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0;
    unsigned have = 0;
    size_t len = 0;
    for (; *text && *text != '='; text++) {
        const char *at = strchr(alphabet, *text);
        if (!at) {
            continue;
        }
        bits = bits << 6 | (unsigned)(at - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[len++] = (char)(bits >> have & 255);
        }
    }
    return len;
}

static char *encode_base64(nrt_str bytes) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = malloc(bytes.len / 3 * 4 + 5);
    size_t len = 0;
    for (size_t i = 0; out && i < bytes.len; i += 3) {
        unsigned group = 0;
        for (size_t j = 0; j < 3; j++) {
            group = group << 8 | (i + j < bytes.len ? (unsigned char)bytes.ptr[i + j] : 0u);
        }
        for (size_t j = 0; j < 4; j++) {
            bool pad = i + j > bytes.len;
            out[len++] = pad ? '=' : alphabet[group >> (18 - 6 * j) & 63];
        }
    }
    if (out) {
        out[len] = '\0';
    }
    return out;
}

/* Latin-1 bytes as JSON text: one character a byte, as the cases have them. */
static json_t *latin1(nrt_str bytes) {
    char *text = malloc(bytes.len * 2 + 1);
    size_t len = 0;
    for (size_t i = 0; text && i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        if (c < 0x80) {
            text[len++] = (char)c;
        } else {
            text[len++] = (char)(0xc0 | c >> 6);
            text[len++] = (char)(0x80 | (c & 0x3f));
        }
    }
    json_t *value = text ? json_stringn(text, len) : NULL;
    free(text);
    return value;
}

static json_t *pairs(const nrt_fields *fields) {
    json_t *list = json_array();
    for (size_t i = 0; i < fields->count; i++) {
        json_t *pair = json_array();
        json_array_append_new(pair, latin1(fields->list[i].name));
        json_array_append_new(pair, latin1(fields->list[i].value));
        json_array_append_new(list, pair);
    }
    return list;
}

static void describe(json_t *out, const nrt__message *message, nrt_str body) {
    if (message->is_request) {
        json_object_set_new(out, "method", latin1(message->method));
        json_object_set_new(out, "target", latin1(message->target));
    } else {
        json_object_set_new(out, "status", json_integer(message->status));
    }
    json_object_set_new(out, "headers", pairs(&message->fields));
    json_object_set_new(out, "trailers", pairs(&message->trailers));
    char *text = encode_base64(body);
    json_object_set_new(out, "body_b64", json_string(text));
    free(text);
}

/* Reads the first message. Interim responses are passed over, as an origin's are. */
static int check(nrt_str raw, unsigned flags, size_t step, json_t *out) {
    nrt__h1_reader reader;
    nrt__message message;
    nrt__buf body;
    size_t at = 0;
    nrt__h1_reader_init(&reader, NULL);
    nrt__message_init(&message, flags & NRT__H1_REQUEST);
    nrt__buf_init(&body, SIZE_MAX / 2);
    nrt__h1_begin(&reader, &message, flags);
    int event = NRT__H1_MORE;
    bool ended = false;
    while (event >= 0 && event != NRT__H1_END && !ended) {
        size_t end = step == 0 || raw.len - at < step ? raw.len : at + step;
        ended = at == raw.len;
        do {
            size_t used = 0;
            nrt_str piece;
            event = ended ? nrt__h1_read_end(&reader)
                          : nrt__h1_read(&reader, raw.ptr + at, end - at, &used, &piece);
            at += used;
            if (event == NRT__H1_BODY) {
                nrt__buf_put(&body, piece);
            }
        } while (event == NRT__H1_HEAD || event == NRT__H1_BODY);
    }
    bool cut = event < 0 && ended && reader.truncated;
    json_object_set_new(out, "verdict",
                        json_string(event == NRT__H1_END ? "accept"
                                    : event >= 0 || cut  ? "incomplete"
                                                         : "reject"));
    json_object_set_new(out, "reason", json_string(reader.reason ? reader.reason : ""));
    if (event < 0) {
        json_object_set_new(out, "code", json_string(nrt_error_code(event)));
    }
    if (event == NRT__H1_END) {
        describe(out, &message, nrt__buf_view(&body));
        json_object_set_new(out, "consumed", json_integer((json_int_t)at));
    }
    nrt__buf_free(&body);
    nrt__message_free(&message);
    nrt__h1_reader_free(&reader);
    return 0;
}

int main(int argc, char **argv) {
    size_t step = 0;
    if (argc == 3 && strcmp(argv[1], "--step") == 0) {
        step = (size_t)strtoul(argv[2], NULL, 10);
    } else if (argc != 1) {
        fprintf(stderr, "usage: h1check [--step N] < cases.jsonl\n");
        return 2;
    }
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        json_error_t error;
        json_t *in = json_loads(line, 0, &error);
        const char *raw64 = json_string_value(json_object_get(in, "raw_b64"));
        const char *kind = json_string_value(json_object_get(in, "kind"));
        if (!raw64 || !kind) {
            fprintf(stderr, "h1check: not a case: %s\n", error.text);
            return 2;
        }
        char *raw = malloc(strlen(raw64) + 1);
        json_t *out = json_object();
        json_object_set(out, "id", json_object_get(in, "id"));
        size_t len = decode_base64(raw64, raw);
        check((nrt_str){raw, len}, strcmp(kind, "request") == 0 ? NRT__H1_REQUEST : 0, step, out);
        json_dumpf(out, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(out);
        json_decref(in);
        free(raw);
    }
    free(line);
    return ferror(stdout) || fflush(stdout) != 0;
}
