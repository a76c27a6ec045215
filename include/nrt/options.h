/* What a connection can be told, and what it tells of itself. */
#ifndef NRT_OPTIONS_H
#define NRT_OPTIONS_H

#include <nrt/error.h>
#include <nrt/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A connection to NATS: nrt/conn.h. */
typedef struct nrt_conn nrt_conn;

/* How much a line of the log matters. */
typedef enum nrt_log_level {
    NRT_LOG_ERROR = 0, /* something does not work, and somebody must see to it */
    NRT_LOG_WARN = 1,  /* something went wrong, or is not as it should be; the work goes on */
    NRT_LOG_INFO = 2,  /* what an operator likes to know */
    NRT_LOG_DEBUG = 3, /* each connection, each refusal */
} nrt_log_level;

/* One line for the log, without a newline and without a secret; valid during the call. Comes on the
 * connection's thread. */
typedef void (*nrt_log_fn)(nrt_log_level level, const char *text, void *arg);

/* What has become of a connection. */
typedef enum nrt_conn_event {
    NRT_CONN_CONNECTED = 0,    /* ready: subscriptions are in place again */
    NRT_CONN_DISCONNECTED = 1, /* was connected, is no more; reconnecting has begun */
    NRT_CONN_FAILED = 2,    /* an attempt to connect failed; the next one follows by itself, after
                               a longer pause where the server refused us (NRT_ERR_AUTH) or we
                               the server (NRT_ERR_TLS) */
    NRT_CONN_LAME_DUCK = 3, /* the server will close soon; another one is connected to meanwhile,
                               and CONNECTED comes again */
    NRT_CONN_BROKEN = 4, /* the thread of nrt_conn_start cannot go on, because epoll fails: nothing
                            happens any more until nrt_conn_destroy, which tells of all that was
                            under way */
} nrt_conn_event;

/* What another attempt may follow, as bits; see docs/protocol.md, Retry. Never more of them than a
 * fifth of the recent requests to that host (but a few each second), and never beyond the timeout.
 */
typedef enum nrt_retry {
    NRT_RETRY_REFUSED = 1,    /* the service refused it: certainly not executed */
    NRT_RETRY_IDEMPOTENT = 2, /* lost on the way or silent, but doing it twice does no harm (RFC
                                 9110 section 9.2.2, or an Idempotency-Key) */
    NRT_RETRY_NO_SERVICE = 4, /* nobody listens: someone may in a moment; once */
} nrt_retry;

/* Tells of changes of the connection; `error` and `detail` say why (0 and "" when connected):
 * NRT_ERR_RESOLVE, NRT_ERR_CONNECT, NRT_ERR_TIMEOUT, NRT_ERR_TLS, NRT_ERR_AUTH, NRT_ERR_SERVER,
 * NRT_ERR_SYSTEM, NRT_ERR_MEMORY. Comes on the connection's thread, never from inside
 * nrt_conn_open; `detail` is valid during the call. */
typedef void (*nrt_conn_event_fn)(nrt_conn *conn, nrt_conn_event event, int error,
                                  const char *detail, void *arg);

/* The settings of a connection. What stands behind the last semicolon of a comment is the default;
 * of strings, NULL means "not set", and nrt_conn_open copies them. 0 of a number that has a default
 * is NRT_ERR_USAGE, unless its comment says what 0 means. */
typedef struct nrt_options {
    size_t size;         /* set by nrt_options_init; lets older programs use newer libraries */
    const char *servers; /* nats:// or tls://[user:password@|token@]host[:port],…;
                            nats://127.0.0.1:4222 */
    const char *name;    /* shown by the server's monitoring; "nrt" */
    const char *prefix;  /* first token(s) of every subject; "nrt" */

    /* Where what is not set here comes from: docs/configuration.md. Read once, by nrt_conn_open;
     * the environment must not change meanwhile. */
    bool environment;    /* NATS_* variables, and the selected context of the nats CLI */
    const char *context; /* this context of the nats CLI; one that is not there is an error */
    char *detail;        /* where nrt_conn_open says what is wrong when it fails, NUL-terminated, */
    size_t detail_size;  /* and the room there: 512 is plenty. Never a secret. NULL: nowhere */

    /* Who we are: one kind of it, user and password, token, creds, nkey, or jwt and seed; or what
     * the servers' URLs have. What a server tells of takes the credentials of the first URL. Files
     * are read again at each attempt to connect: regular files, up to 64 KiB. */
    const char *user;     /* a name, */
    const char *password; /* and its password */
    const char *token;    /* a token alone */
    const char *creds;    /* file with a JWT and an nkey seed, as nsc writes it */
    const char *nkey;     /* file with an nkey seed */
    const char *jwt;      /* the JWT itself; with `seed`, unless it is a bearer's */
    const char *seed;     /* the nkey seed itself; alone, it is a login by nkey */

    /* TLS (1.2 or newer) is used where the server asks for it. With tls:// or any of these it is
     * insisted on: NRT_ERR_TLS where there is none. The server's certificate must be for the host
     * or address of the URL, by subjectAltName; what was learned through TLS is connected to
     * through TLS, an address under the name of the server that told of it. Files are read again
     * at each attempt to connect. */
    const char *tls_ca;   /* file of certificates to trust (PEM); the system's */
    const char *tls_cert; /* file of a client certificate, with its chain (PEM) */
    const char *tls_key;  /* file of its key (PEM), not encrypted; in tls_cert's */
    bool tls_first;       /* TLS before the server's greeting */

    const char *inbox_prefix; /* where replies go; "_INBOX" */

    uint32_t timeout_ms;         /* from nrt_send to the response head; 0: 30,000 */
    uint32_t connect_timeout_ms; /* an attempt at an address: TCP, TLS, NATS greeting; 2,000 */
    uint32_t connect_wait_ms;    /* how long an exchange waits for a connection at most; 2,000 */
    uint32_t reconnect_min_ms;   /* after the first attempt, which is made at once; 20 */
    uint32_t reconnect_max_ms;   /* backoff grows by half, with jitter, up to this; 2,000 */
    unsigned retries;            /* further attempts at a request, at most; 2 */
    unsigned retry_on;           /* after what: NRT_RETRY_*; REFUSED and IDEMPOTENT */
    bool multi_reply;            /* services may answer with several messages even where the library
                                    cannot find that out: see docs/operations.md, Permissions */
    uint32_t ping_interval_ms;   /* two unanswered pings end the connection; 10,000 */

    size_t max_output;    /* what may wait for the NATS socket before NRT_ERR_BUSY; 16 MiB */
    size_t max_message;   /* the largest message taken in; larger ones fail their exchange; 8 MiB */
    size_t max_body;      /* of a message that is asked for, or handled, as a whole; 16 MiB */
    size_t max_exchanges; /* requests in flight as a client before NRT_ERR_BUSY; 65,536 */
    size_t max_head;      /* HTTP message head; 64 KiB. From NATS, 1 KiB and max_fields bytes more:
                             peers add fields to what was at the same limit */
    size_t max_fields;    /* fields in a head; 100. From NATS, 8 more */
    size_t max_target;    /* request target; 8 KiB */

    nrt_log_fn log;          /* NULL: silent */
    void *log_arg;           /* for `log` */
    nrt_log_level log_level; /* up to which; NRT_LOG_INFO */

    nrt_conn_event_fn on_event; /* NULL: nobody is told */
    void *on_event_arg;         /* for `on_event` */

    /* NULL: the built-in one, driven by nrt_conn_dispatch. Copied; its `data` must outlive the
     * connection. NRT_ERR_USAGE where an operation is missing. */
    const nrt_loop *loop;
} nrt_options;

/* What nrt_options_init calls: `size` is sizeof(nrt_options) as the caller was compiled. */
NRT_API void nrt_options_init_sized(nrt_options *options, size_t size);

/* Fills in the defaults. Without it nrt_conn_open gives NRT_ERR_USAGE, or worse. */
static inline void nrt_options_init(nrt_options *options) {
    nrt_options_init_sized(options, sizeof(*options));
}

#ifdef __cplusplus
}
#endif
#endif
