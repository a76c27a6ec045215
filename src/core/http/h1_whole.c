/* Whole messages in one piece of memory. */
#include "core/http/h1_whole.h"

/* A body in several pieces (chunked) is put together; one piece stays where it is. */
typedef struct body_pieces {
    nrt_str body;
    char *joined;
} body_pieces;

static bool add_piece(nrt__message *message, body_pieces *pieces, nrt_str piece, size_t left) {
    if (pieces->body.len == 0) {
        pieces->body = piece;
        return true;
    }
    if (!pieces->joined) {
        /* The pieces together cannot be longer than what is left of the payload. */
        pieces->joined = nrt__arena_get(&message->arena, pieces->body.len + piece.len + left);
        if (!pieces->joined) {
            return false;
        }
        memcpy(pieces->joined, pieces->body.ptr, pieces->body.len);
        pieces->body.ptr = pieces->joined;
    }
    memcpy(pieces->joined + pieces->body.len, piece.ptr, piece.len);
    pieces->body.len += piece.len;
    return true;
}

int nrt__h1_read_whole(nrt__h1_reader *reader, nrt__message *message, unsigned flags,
                       nrt_str payload) {
    size_t at = 0;
    body_pieces pieces = {{"", 0}, NULL};
    nrt__h1_begin(reader, message, flags | NRT__H1_WHOLE);
    for (;;) {
        size_t used;
        nrt_str piece;
        int event = nrt__h1_read(reader, payload.ptr + at, payload.len - at, &used, &piece);
        at += used;
        if (event == NRT__H1_MORE) {
            event = nrt__h1_read_end(reader);
            if (event == NRT__H1_MORE) {
                return nrt__h1_malformed(reader, payload.len == 0 ? "the message is empty"
                                                                  : "the head is not complete");
            }
        }
        if (event < 0) {
            return event;
        }
        if (event == NRT__H1_BODY && !add_piece(message, &pieces, piece, payload.len - at)) {
            return nrt__h1_fail(reader, NRT_ERR_MEMORY, "out of memory");
        }
        if (event == NRT__H1_END) {
            break;
        }
    }
    if (at < payload.len && !(flags & NRT__H1_TO_HEAD)) {
        return nrt__h1_malformed(reader, "bytes follow the message");
    }
    message->body = pieces.body;
    return 0;
}

int nrt__h1_read_head(nrt__h1_reader *reader, nrt__message *message, unsigned flags,
                      nrt_str payload, size_t *len) {
    nrt_str body;
    nrt__h1_begin(reader, message, flags | NRT__H1_WHOLE);
    int event = nrt__h1_read(reader, payload.ptr, payload.len, len, &body);
    if (event < 0) {
        return event;
    }
    if (event != NRT__H1_HEAD) {
        return nrt__h1_malformed(reader, "the head is not complete");
    }
    if (message->framing == NRT__FRAMING_CHUNKED) {
        return nrt__h1_malformed(reader, "frames have no transfer coding");
    }
    return 0;
}

int nrt__h1_read_trailers(nrt__h1_reader *reader, nrt__message *message, nrt_str payload,
                          nrt__buf *scratch) {
    size_t len;
    nrt__buf_clear(scratch);
    nrt__buf_lit(scratch, "HTTP/1.1 200 OK\r\n");
    nrt__buf_put(scratch, payload);
    if (!nrt__buf_lit(scratch, "\r\n")) {
        scratch->failed = false;
        return nrt__h1_fail(reader, NRT_ERR_MEMORY, "out of memory");
    }
    nrt_str text = nrt__buf_view(scratch);
    int error = nrt__h1_read_head(reader, message, 0, text, &len);
    if (error == 0 && len != text.len) {
        return nrt__h1_malformed(reader, "the trailer section holds an empty line");
    }
    if (error == 0) {
        nrt__fields_drop(&message->fields, NRT__FIELD_NO_TRAILER);
        message->trailers = message->fields;
        nrt__fields_init(&message->fields, &message->arena);
    }
    return error;
}
