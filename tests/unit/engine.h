/* The engine without I/O, for tests: a clock that moves when it is told to, seeded random bytes, a
 * NATS session fed with text whose output is text. Nothing here allocates but what it drives. */
#ifndef NRT__ENGINE_H
#define NRT__ENGINE_H

#include "core/discovery/discovery.h"
#include "core/discovery/gather.h"
#include "core/exchange/client.h"
#include "core/exchange/services.h"
#include "core/nats/session.h"

enum { ENGINE_TEXT_MAX = 512 * 1024 };

/* What the tests say of the server, unless they say something else. */
#define ENGINE_INFO                                                                                \
    "INFO {\"server_id\":\"A\",\"server_name\":\"n1\",\"version\":\"2.10.1\",\"headers\":true,"    \
    "\"max_payload\":4096,\"client_id\":7,\"cluster\":\"c1\"}\r\n"

typedef enum engine_tls {
    ENGINE_NO_TLS = 0, /* nobody here can do it */
    ENGINE_TLS_IF_ASKED,
    ENGINE_TLS_INSISTED,
} engine_tls;

typedef struct engine {
    nrt__env env;
    nrt__timers timers;
    nrt__session_options session_options;
    nrt__session *session;
    nrt__session *other; /* one beside it (engine_add_session) */
    nrt__client *client; /* these only where engine_init was told to */
    nrt__services *services;
    nrt__discovery *discovery;
    nrt__gathers *gathers;
    nrt__nats_login login;
    size_t max_waiting; /* the client's, unless 0; before engine_init, as the next */
    size_t max_body;    /* of both, unless 0 */
    unsigned retries;   /* the client's; none unless set before engine_init */
    unsigned retry_on;
    bool multi_reply; /* known to be allowed to the services */
    bool probe;       /* services ask whether they may send frames, as soon as a session is ready */
    engine_tls tls;   /* before engine_init */
    uint32_t window;  /* of both, unless 0 */
    uint64_t random;  /* where random bytes come from, unless 0 */
    bool quiet;       /* events are not written down */
    void (*stale)(void *arg); /* the session is; may be NULL */
    void *stale_arg;
    bool random_fails;
    char events[4096];   /* a line for each thing the session told */
    char log[4096];      /* and for each log line */
    char greeting[8192]; /* what engine_connect made it send */
    char text[ENGINE_TEXT_MAX];
    nrt_exchange *held[64]; /* accepted exchanges whose handler has not run (engine_hold) */
    size_t held_count;
    bool hold;
} engine;

enum {
    ENGINE_CLIENT = 1,
    ENGINE_SERVICES = 2,
    ENGINE_DISCOVERY = 4, /* services tell of themselves */
    ENGINE_GATHERS = 8,
};

/* 0, or NRT_ERR_MEMORY with nothing left to free but by engine_finish. `session_options` is filled
 * in with defaults where it is zero. */
int engine_init(engine *e, unsigned parts);
void engine_finish(engine *e);

/* Connects, answers as a server would, and keeps what was sent in `greeting`. */
int engine_connect(engine *e);

/* The connection is lost: what was not sent is saved first. */
void engine_disconnect(engine *e);

/* A second session with the same subscriptions, not connected. NRT_ERR_MEMORY. */
int engine_add_session(engine *e);

/* All that is fed, taken, connected and lost from now on is the other one's. */
void engine_swap(engine *e);

/* Destroys it, as the client and the services are told. */
void engine_drop_other(engine *e);

/* Received bytes. */
int engine_feed(engine *e, const char *text);
int engine_feed_bytes(engine *e, nrt_str bytes);

/* `MSG` for the subscription to `subject`, which must have been sent; `reply` may be NULL. */
int engine_message(engine *e, const char *sid, const char *subject, const char *reply,
                   const char *payload);

/* `HMSG`, likewise: `header` is the block behind its first line's "NATS/1.0" up to the last CRLF,
 * as " 503" or "\r\nNRT-Frame: t=accept". */
int engine_header_message(engine *e, const char *sid, const char *subject, const char *header,
                          const char *payload);

/* All output, which counts as sent; valid until the next call. */
const char *engine_take(engine *e);

/* Time goes on, timers fire when they are due. */
void engine_advance(engine *e, int64_t ms);

/* Lines of `events` since the last call, each with its LF; valid until the next event. */
const char *engine_events(engine *e);

typedef struct engine_pub {
    char subject[600];
    char reply[600];
    nrt_str header; /* of an HPUB; else absent */
    nrt_str payload;
} engine_pub;

/* Reads the next PUB or HPUB in `text`; where what follows begins, or NULL where there is none. */
const char *engine_read_pub(const char *text, engine_pub *pub);

/* The sid under which `subject` was subscribed in `text`; "" where it was not. */
const char *engine_sid(const char *text, const char *subject, char sid[24]);

#endif
