/* Frames: what the messages of an exchange are that are not its one request and its one reply. Each
 * carries one NATS header, `NRT-Frame`, a dictionary (RFC 8941); docs/protocol.md has the table. */
#ifndef NRT__FRAME_H
#define NRT__FRAME_H

#include <nrt/error.h>

/* X(name, text) */
#define NRT__FRAME_MAP(X)                                                                          \
    X(OPEN, "open")                                                                                \
    X(ACCEPT, "accept")                                                                            \
    X(REFUSE, "refuse")                                                                            \
    X(INFO, "info")                                                                                \
    X(HEAD, "head")                                                                                \
    X(DATA, "data")                                                                                \
    X(END, "end")                                                                                  \
    X(CREDIT, "credit")                                                                            \
    X(PING, "ping")                                                                                \
    X(ABORT, "abort")

typedef enum nrt__frame_type {
    NRT__FRAME_NONE = 0,
#define NRT__FRAME_ENUM(name, text) NRT__FRAME_##name,
    NRT__FRAME_MAP(NRT__FRAME_ENUM)
#undef NRT__FRAME_ENUM
} nrt__frame_type;

/* Which parameters are there. */
enum {
    NRT__FRAME_HAS_N = 1,
    NRT__FRAME_HAS_MAX = 2,
    NRT__FRAME_HAS_LENGTH = 4,
};

enum {
    NRT__FRAME_CODE_MAX = 32,
    NRT__FRAME_TEXT_MAX = 192, /* a whole NATS header block of ours */
};

typedef struct nrt__frame {
    nrt__frame_type type;
    unsigned has;
    uint64_t n;           /* number of this content frame, or of the next one (ping) */
    uint64_t max;         /* absolute body offset up to which the peer may send */
    uint64_t length;      /* of the whole body */
    uint32_t retry_after; /* seconds; 0: not said */
    nrt_str code;         /* of refuse (reason) and abort (code); a token, or absent */
} nrt__frame;

/* Reads the NATS header block of a message. 1; 0 where it holds no NRT-Frame; NRT_ERR_PROTOCOL.
 * `frame->code` is a view into `header`. */
int nrt__frame_read(nrt__frame *frame, nrt_str header);

/* Writes the header block that says `frame`. */
nrt_str nrt__frame_write(const nrt__frame *frame, char out[NRT__FRAME_TEXT_MAX]);

/* ---- NRT-Accept: what a client says with its request ---- */

typedef struct nrt__accept {
    unsigned version;    /* 0: it knows nothing of frames */
    uint64_t window;     /* body bytes it takes before it gives credit; 0: no streams */
    uint32_t timeout_ms; /* how long it waits for the response head; 0: not said */
} nrt__accept;

enum {
    NRT__ACCEPT_TEXT_MAX = 80,
    NRT__WINDOW_MAX = 256 * 1024,
};

/* Reads the field's value; one that is not valid is as if it were not there. */
void nrt__accept_read(nrt__accept *accept, nrt_str value);

/* Writes the whole field line. */
nrt_str nrt__accept_write(const nrt__accept *accept, char out[NRT__ACCEPT_TEXT_MAX]);

#endif
