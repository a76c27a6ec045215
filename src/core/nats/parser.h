/* Reads what a NATS server sends: INFO, MSG, HMSG, PING, PONG, +OK, -ERR. Bytes go in as they come;
 * one operation at a time comes out, as views into the bytes given. The server is not trusted:
 * every size and number has a limit. */
#ifndef NRT__NATS_PARSER_H
#define NRT__NATS_PARSER_H

#include <nrt/error.h>

typedef enum nrt__nats_op {
    NRT__NATS_MORE = 0, /* not a whole operation yet */
    NRT__NATS_INFO,
    NRT__NATS_MSG, /* MSG and HMSG */
    NRT__NATS_PING,
    NRT__NATS_PONG,
    NRT__NATS_OK,
    NRT__NATS_ERR,
} nrt__nats_op;

/* Views live as long as the bytes given to the read. */
typedef struct nrt__nats_msg {
    nrt_str subject;
    nrt_str reply;  /* absent where there is none */
    nrt_str header; /* the NATS header block, "NATS/1.0…" and all; absent in MSG */
    nrt_str payload;
    uint64_t sid;
    int status;     /* of the header's first line (503: no responders), else 0 */
    bool oversized; /* larger than the limit: header and payload were passed over, and are empty */
} nrt__nats_msg;

typedef struct nrt__nats_parser {
    size_t max_message; /* header and payload together */
    uint64_t skip;      /* bytes of an oversized message still to be passed over */
    size_t scanned;     /* of an incomplete control line: no LF up to here */
    nrt_str text;       /* of INFO and -ERR */
    nrt__nats_msg msg;
    const char *reason; /* after an error: what was wrong, static */
} nrt__nats_parser;

enum {
    NRT__NATS_LINE_MAX = 8 * 1024,   /* of a control line, but for INFO */
    NRT__NATS_INFO_MAX = 256 * 1024, /* it lists every server of a cluster */
};

void nrt__nats_parser_init(nrt__nats_parser *parser, size_t max_message);

/* Reads one operation off the bytes. *used of them were used (0 with MORE, which wants the same
 * bytes again with more behind them; *need then says how many bytes the operation takes in all,
 * where that is known, else 0). NRT_ERR_SERVER. */
int nrt__nats_read(nrt__nats_parser *parser, const char *bytes, size_t len, size_t *used,
                   size_t *need);

/* The value of a NATS header field, by exact name, or the absent string. */
nrt_str nrt__nats_header_get(nrt_str header, const char *name);

#endif
