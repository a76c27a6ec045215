/* The simulation: clients, services and a NATS server in one program, on one virtual clock, with
 * all that chance decides taken from one seed. What is here is shared by its files; README.md says
 * what it is for. */
#ifndef NRT__SIM_H
#define NRT__SIM_H

#include "../unit/engine.h"
#include "core/exchange/frame.h"
#include "model.h"

enum {
    NODES_MAX = 6,
    CALLS_MAX = 12,
    EXECS_MAX = 96,
    BODY_MAX = 1 << 20,
    FAULTS_END_MS = 20000, /* from then on nothing is broken any more */
    SETTLE_MS = 60000,     /* by which a call is over, beyond its timeout and the faults */
};

/* unit.h has it too, with cmocka, which is not wanted here. */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef struct world world;
typedef struct node node;
typedef struct call call;
typedef struct exec exec;

typedef void (*event_fn)(world *w, void *arg, uint32_t tag);

typedef struct event {
    int64_t at_ms;
    uint64_t order;
    event_fn fn;
    void *arg;
    uint32_t tag;
} event;

/* One connection of a node. */
typedef struct plug {
    node *n;
    nrt__session *session; /* NULL: none */
    int port;              /* -1: not connected */
    nrt__buf up;           /* what has been handed to the socket and is on its way */
    bool up_due;
    bool down_due;
    uint32_t tag; /* changes with every connection: events of older ones do nothing */
    uint32_t latency_ms;
    size_t slow; /* bytes that it carries at a time; 0: all */
    int64_t frozen_until_ms;
} plug;

/* A process with a client, services, or both. */
struct node {
    world *w;
    int number;
    unsigned parts;
    uint32_t life; /* how often it was started */
    engine *e;     /* NULL: it is down */
    plug plugs[2];
    nrt_service *services[2];
    bool ducking; /* a second session is there, or on its way */
    bool switched;
    bool fenced; /* the old one has all that was sent to it */
};

typedef enum answer_when {
    ANSWER_AT_ONCE = 0,
    ANSWER_AFTER_REQUEST,
    ANSWER_AFTER_DELAY,
    ANSWER_KINDS,
} answer_when;

/* One request: what is planned, for both sides, and how far it has come at the client. */
struct call {
    world *w;
    node *by;
    int number;
    uint32_t life; /* of the node, in which it was made */
    /* the client's plan */
    int64_t begin_ms;
    const char *method;
    const char *host;
    bool whole;  /* message in, message out: nrt__client_send */
    bool opens;  /* nrt__client_open; else nrt__client_start */
    bool tunnel; /* asks for an upgrade */
    bool head;
    bool idempotent;
    bool sized; /* heads say how long bodies are */
    bool trailers;
    bool expects; /* Expect: 100-continue */
    bool long_poll;
    size_t up;
    size_t down;
    size_t piece_up;
    size_t piece_down;
    uint32_t timeout_ms;
    uint32_t pace_up_ms;
    uint32_t take_ms; /* later than they come; 0: at once */
    int cancel_at;    /* in so many callbacks; -1 */
    uint32_t cancel_ms;
    /* the service's */
    answer_when answer;
    uint32_t delay_ms;
    bool interim;
    bool starts; /* a head first, then pieces */
    bool early;  /* ends before the request does */
    bool late;   /* ends its body some time before the exchange */
    bool hold;
    bool refuses_upgrade;
    bool spins_out;  /* once canceled, it goes on for a while */
    size_t abort_at; /* of its body; SIZE_MAX: never */
    bool stops;      /* there, as if that was all */
    uint32_t pace_down_ms;
    uint32_t take_up_ms;
    /* the client's state */
    bool begun;
    nrt_exchange_id id;
    size_t written;
    bool pacing;
    bool up_ended;
    bool up_over; /* no more is wanted */
    int status;
    size_t got;
    size_t untaken;
    bool ended;
    int callbacks;
    bool closed;
    int error;
    int64_t closed_ms;
    exec *answered_by;
    int executions;
    bool meddled;        /* somebody who knows its secrets put in frames */
    bool doubled;        /* the broker delivered its request twice */
    int64_t orphaned_ms; /* who was answering it has died; 0 */
};

/* One run of a handler. */
struct exec {
    call *c;
    node *by;
    int number; /* of all */
    nrt_exchange *exchange;
    size_t received;
    size_t untaken;
    size_t answered;
    bool request_ended;
    bool answering;
    bool whole; /* its response was made as a whole */
    bool body_ended;
    bool aborted;
    bool pacing;
    bool canceled;
    bool done;
};

/* What may go wrong in this seed; rates are in percent, or none at all. */
typedef struct plan_of_faults {
    bool calm; /* nothing that may harm a call */
    uint32_t lose;
    uint32_t repeat;
    uint32_t slow_link;
    int cuts;
    int kills;
    int freezes;
    int ducks;
    int strangers; /* forged frames by who does not know the secrets */
    int insiders;  /* and by who does */
    int pauses;
} plan_of_faults;

struct world {
    uint64_t seed;
    uint64_t random;
    int64_t now_ms;
    bool verbose;
    event *events; /* a heap */
    size_t event_count;
    size_t event_size;
    uint64_t order;
    model net;
    node nodes[NODES_MAX];
    size_t node_count;
    size_t client_count; /* the first ones; the rest serve */
    call calls[CALLS_MAX];
    size_t call_count;
    exec execs[EXECS_MAX];
    size_t exec_count;
    plan_of_faults faults;
    uint32_t window;
    bool multi_reply;
    uint32_t max_in_flight;
    unsigned retry_on;
    struct wire *wire;
};

/* ---- world.c ---- */

uint64_t sim_random(world *w);
uint32_t sim_below(world *w, uint32_t bound); /* 0 where bound is 0 */
bool sim_chance(world *w, uint32_t percent);
void sim_after(world *w, uint32_t ms, event_fn fn, void *arg, uint32_t tag);
void sim_trace(const world *w, const char *format, ...) NRT_PRINTF(2, 3);

/* Says which invariant does not hold, how to see it again, and ends the process. */
_Noreturn void sim_fail(const world *w, const char *invariant, const char *format, ...)
    NRT_PRINTF(3, 4);

/* Plays a seed to its end. */
void sim_play(uint64_t seed, bool verbose);

/* ---- node.c ---- */

void node_start(node *n);
void node_kill(node *n);
void node_work(node *n);    /* due timers */
int64_t node_next(node *n); /* when; -1 */
void node_flush(node *n);   /* output goes to the socket */
void node_cut(plug *p);     /* a connection is lost, some of what was on its way as well */
void node_duck(node *n);    /* its server goes into lame duck mode */
void node_heal(node *n);    /* faults of its links are over */
void node_output(int port, void *arg);

/* ---- plan.c ---- */

void plan_world(world *w);
void plan_call(world *w, call *c);

/* ---- calls.c: the clients' side ---- */

void call_begin(world *w, void *arg, uint32_t tag);

/* ---- execs.c: the services' side ---- */

void exec_handle(nrt_exchange *exchange, void *arg);
void exec_orphan(node *n); /* its process is gone */

/* ---- faults.c ---- */

void faults_plan(world *w);
int faults_judge(const model_message *message, void *arg);
size_t faults_choose(size_t count, void *arg);

/* Reads the frames that are forged (tests/vectors/protocol). False: not there. */
bool faults_load(const char *folder);
void faults_unload(void);

/* ---- body.c ---- */

/* The bytes of a body from `at` on: a function of exchange, direction and offset. */
nrt_str body_piece(int owner, bool up, size_t at, size_t len);

/* They must be those. */
void body_check(const world *w, int owner, bool up, size_t at, nrt_str bytes, const char *where);

/* ---- wire.c: what peers may say to each other ---- */

struct wire *wire_create(void);
void wire_destroy(struct wire *wire);
void wire_see(world *w, const model_message *message);

/* Two of an exchange's subjects, for who forges: false where there is none. `stream` may come back
 * empty. */
bool wire_pick(world *w, char inbox[MODEL_SUBJECT_MAX], char stream[MODEL_SUBJECT_MAX], call **c);

/* Whether a frame of this number would be taken for the exchange's next one, in any direction. */
bool wire_is_next(const world *w, const char *inbox, uint64_t n);

/* Whose exchange listens there; NULL: nobody's. */
call *wire_call(const world *w, nrt_str subject);

/* From now on its numbers and credit say nothing. */
void wire_excuse(world *w, const char *inbox);

/* ---- check.c ---- */

void check_closed(call *c, const nrt_result *result);
void check_quiet(world *w);
bool check_settled(world *w);
void check_in_time(world *w);

#endif
