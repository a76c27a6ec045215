/* What the files of the front share: front.c (listening), front_conn.c (a connection and its
 * states), front_request.c (requests to exchanges), front_response.c (what becomes of them). */
#ifndef NRT__FRONT_PRIVATE_H
#define NRT__FRONT_PRIVATE_H

#include <netinet/in.h>

#include "bridge/front.h"
#include "bridge/listen.h"
#include "bridge/stream.h"
#include "core/http/h1_reader.h"
#include "lib/conn_private.h"

/* Bytes kept that came before they could be used. */
enum { NRT__FRONT_PENDING_MAX = 64 * 1024 };

typedef enum nrt__front_state {
    NRT__FRONT_READING = 0, /* a head, or a body that may yet go out as one message */
    NRT__FRONT_UPLOADING,   /* the exchange has begun; the body is passed on as it comes */
    NRT__FRONT_WAITING,     /* the request is complete: the response is awaited, or passed on */
    NRT__FRONT_TUNNEL,      /* after a 101: all bytes are passed on, both ways */
    NRT__FRONT_CLOSING,     /* the last response is going out */
    NRT__FRONT_LINGERING, /* it has gone out; what the client still sends is passed over, so that it
                             is not reset */
} nrt__front_state;

struct nrt__front_conn {
    struct nrt__front_conn *next; /* the ring of all */
    struct nrt__front_conn *prev;
    nrt__front *front;
    nrt__stream stream;
    nrt__h1_reader reader;
    nrt__message request;
    nrt__buf body;    /* of the request: collected, or what the exchange has not taken yet */
    nrt__buf pending; /* bytes that came behind: of the body, the tunnel, or the next request */
    nrt__timer timer;
    nrt_exchange_id exchange;
    unsigned attempts;            /* at the exchange, known when it is over */
    uint64_t sent_seen;           /* of the stream, when the timer last looked */
    uint64_t requests;            /* on this connection so far */
    uint64_t body_len;            /* of the request, so far */
    int64_t began_ms;             /* the request, for the record */
    int64_t began_ns;             /* the same, where it is counted or logged in detail */
    int64_t asked_ns;             /* when it went to NATS, likewise; 0: not yet */
    int64_t headed_ns;            /* and when the response's head came */
    nrt_str about[5];             /* who answered: as in the record, and NRT-Error */
    nrt__trace trace;             /* where `traced` */
    nrt_str host;                 /* the service's, in the request's arena */
    nrt__route_settings settings; /* of its route, with the front's where that has none */
    uint64_t bytes;               /* of the response's body */
    size_t held;        /* of them: not yet with the socket, so no credit was given for them */
    size_t lingered;    /* bytes passed over */
    const char *why;    /* with failed: in words, static; or NULL */
    int failed;         /* we broke the exchange off: NRT_ERR_* */
    int status;         /* of the response; 0: none has gone out yet */
    uint8_t framing;    /* of the response: nrt__framing */
    uint8_t state;      /* nrt__front_state */
    bool traced;        /* it has spans of ours */
    bool answered;      /* a service has: its host is no invention of the client's */
    bool answering;     /* the request is with options.answer */
    bool got_bytes;     /* of the request now being read */
    bool collecting;    /* its head is there and its body is being collected */
    bool continued;     /* it has got its 100 */
    bool trusted;       /* its X-Forwarded-* are believed */
    bool local;         /* it came by a unix socket */
    bool keep_alive;    /* after this response */
    bool to_head;       /* the request is a HEAD */
    bool request_ended; /* all of the request is here; some of it may wait in `body` */
    bool client_ended;  /* a tunnel: nothing more comes from the client */
    bool service_ended; /* or from the service */
    bool reset;         /* closing must not look like an orderly end */
    char *client_cert;  /* that it has shown, as a field's value; NULL */
    struct sockaddr_storage peer;
    char peer_name[INET6_ADDRSTRLEN];
};

struct nrt__front {
    nrt_conn *conn;
    nrt__front_options options;
    nrt__io listener;
    nrt__cidr *trusted;
    nrt__front_conn conns; /* head of the ring */
    size_t conn_count;
    bool draining;
    void (*drained)(void *arg);
    void *drained_arg;
    nrt__timer drain_timer;  /* what is not over by then is broken off */
    nrt__timer accept_timer; /* descriptors ran out: try again later */
    char via[64];
    char url[256];
    char scratch[64 * 1024]; /* what one read brings */
};

/* ---- front.c ---- */

/* Tells who drains, where that was the last connection. */
void nrt__front_check_drained(nrt__front *front);

/* ---- front_conn.c ---- */

/* Takes over a connected descriptor. */
void nrt__front_conn_open(nrt__front *front, int fd, const struct sockaddr_storage *peer);

/* Whether its X-Forwarded-* are believed: by what the front goes by now. */
void nrt__front_conn_trust(nrt__front_conn *conn);

/* Closes it at once; an exchange under way is canceled. */
void nrt__front_conn_close(nrt__front_conn *conn);

/* Nothing has been asked, and nothing is on its way out. */
bool nrt__front_conn_is_idle(const nrt__front_conn *conn);

/* Reads on through what is pending, as far as may be now. */
void nrt__front_conn_run(nrt__front_conn *conn);

/* A tunnel of which one side has ended, and on the other side something moves. */
void nrt__front_touch_tunnel(nrt__front_conn *conn);

/* A response is in the stream's output: on to the next request, or to the end of the connection. */
void nrt__front_answered(nrt__front_conn *conn);

void nrt__front_set_timer(nrt__front_conn *conn, uint32_t delay_ms);
void nrt__front_clear_timer(nrt__front_conn *conn);

static inline bool nrt__front_timer_is_set(const nrt__front_conn *conn) {
    return nrt__timer_is_set(&conn->timer);
}

/* ---- front_request.c ---- */

/* The head is there: may the body come, and how is it to be sent? 0, or the error to answer with
 * (`*detail` says why). */
int nrt__front_on_head(nrt__front_conn *conn, const char **detail);

/* A piece of the body; all of the request. */
int nrt__front_on_body(nrt__front_conn *conn, nrt_str bytes);
void nrt__front_on_end(nrt__front_conn *conn);

/* What is collected goes out as the beginning of a stream. */
int nrt__front_open_stream(nrt__front_conn *conn, nrt_str body);

/* What waits for room goes on. */
void nrt__front_pump_body(nrt__front_conn *conn);

/* Likewise of a tunnel, and `bytes` behind it. */
void nrt__front_pump_tunnel(nrt__front_conn *conn, nrt_str bytes);

/* The exchange ends here, for a reason of ours; `why` is static, or NULL. */
void nrt__front_break_off(nrt__front_conn *conn, int error, const char *why);

/* ---- front_response.c ---- */

extern const nrt__call_events nrt__front_events;

/* The time for what is measured; 0 where nothing is. */
int64_t nrt__front_now_ns(nrt__front *front);

/* Answers by ourselves; `detail` may be NULL. */
void nrt__front_refuse(nrt__front_conn *conn, int error, const char *detail);

/* Bytes have gone to the socket: the service may send more. */
void nrt__front_give_credit(nrt__front_conn *conn);

/* What happened, for logs. `error` 0 is success. */
void nrt__front_record_request(nrt__front_conn *conn, int error, const char *detail);

static inline nrt__env *nrt__front_env(nrt__front *front) {
    return &nrt__conn_loop(front->conn)->env;
}

static inline nrt__client *nrt__front_client(nrt__front_conn *conn) {
    return conn->front->conn->client;
}

#endif
