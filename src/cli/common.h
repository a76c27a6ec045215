/* What every command that talks to NATS has in common: its options, its connection, its signals. */
#ifndef NRT__COMMON_H
#define NRT__COMMON_H

#include <nrt/conn.h>

#include "cli/args.h"
#include "cli/notify.h"
#include "cli/report.h"

/* Exit codes; 18, 22, 23 and 65 are curl's. */
enum {
    NRT__EXIT_OK = 0,
    NRT__EXIT_FAILED = 1,
    NRT__EXIT_USAGE = 2,
    NRT__EXIT_PARTIAL = 18,
    NRT__EXIT_HTTP_ERROR = 22,
    NRT__EXIT_WRITE = 23,
    NRT__EXIT_REWIND = 65,
};

typedef struct nrt__common {
    nrt_options options; /* those that have a flag; not set: not given */
    size_t max_head;     /* limits on what is read; 0: the library's */
    unsigned max_fields;
    size_t max_target;
    int log_format; /* nrt__report_format */
    bool verbose;
    bool no_wait;
} nrt__common;

enum { NRT__COMMON_OPTS = 18, NRT__LIMIT_OPTS = 3, NRT__RETRY_OPTS = 2 };
extern const nrt__opt nrt__common_opts[NRT__COMMON_OPTS];
extern const nrt__opt nrt__limit_opts[NRT__LIMIT_OPTS];
extern const nrt__opt nrt__retry_opts[NRT__RETRY_OPTS];

/* The group for a command whose options struct has an nrt__common called `common`. */
#define NRT__COMMON_GROUP(options_type)                                                            \
    { "Connection", nrt__common_opts, NRT__COMMON_OPTS, offsetof(options_type, common) }

/* For those that read HTTP from others for long: likewise. */
#define NRT__LIMIT_GROUP(options_type)                                                             \
    { "Limits", nrt__limit_opts, NRT__LIMIT_OPTS, offsetof(options_type, common) }

/* For those that send requests: likewise. */
#define NRT__RETRY_GROUP(options_type)                                                             \
    { "Retries", nrt__retry_opts, NRT__RETRY_OPTS, offsetof(options_type, common) }

/* Nothing given. `name` is the connection's. */
void nrt__common_init(nrt__common *common, const char *name);

/* The flag that sets a field of nrt_options ("--tlsca" for "tls_ca"); NULL where there is none. */
const char *nrt__common_flag(const char *field);

/* The flag's name, where a message of the library's begins with a field's: "tls_ca: ...". Returns
 * `out`. */
const char *nrt__common_explain(const char *detail, char *out, size_t size);

/* A connection in the foreground of a program. */
typedef struct nrt__program nrt__program;
struct nrt__program {
    nrt_conn *conn;
    const nrt__common *common;
    const nrt_options *options; /* what the connection goes by: flags, environment, context */
    size_t servers;             /* how many were given */
    nrt__report log;

    /* All optional, set after nrt__program_open. */
    void (*on_first_connect)(nrt__program *program);
    void (*on_stop)(nrt__program *program); /* the first signal; calls nrt__program_end some time */
    void (*on_stats)(nrt__program *program);  /* SIGUSR1 */
    void (*on_hangup)(nrt__program *program); /* SIGHUP; NULL: as SIGTERM, unless that is ignored
                                                 or a service manager is there */
    void *on_hangup_arg;
    void *arg; /* the command's own */

    bool quiet;     /* says nothing about the connection: the command does */
    bool connected; /* now */
    bool was_connected;
    bool told_first_connect;
    int signals;       /* signalfd of SIGHUP, SIGINT, SIGTERM and SIGUSR1; -1: none */
    bool nohup;        /* SIGHUP was ignored when we were started */
    int signal;        /* the first one; 0: none yet */
    unsigned attempts; /* that failed since the connection was lost */
    unsigned refusals; /* the last ones of them in which a server did not want us, or we not it */
    int failure;       /* why the last one did: NRT_ERR_* */
    uint64_t down_since_ms;
    uint64_t told_ms; /* when a failed attempt was last mentioned */
    bool ended;
    int exit_code;

    nrt__notify notify; /* the service manager's; only for a service */
    bool ready;         /* it has been told so */
    char status[256];   /* what it was told we do, while there is a connection */
};

/* For the service manager, if one asked (NOTIFY_SOCKET): the program does what it is for, and what
 * that is, as a sentence for `systemctl status`. Again for another sentence. */
void nrt__program_ready(nrt__program *program, const char *format, ...) NRT_PRINTF(2, 3);

/* Opens the connection. With `service`, it takes over SIGHUP, SIGINT, SIGTERM and SIGUSR1 and tells
 * of the connection; without, it is quiet and for nrt_do. `called` begins messages ("nrt serve").
 * Returns 0, or the exit code once it has said what is wrong. */
int nrt__program_open(nrt__program *program, const nrt__common *common, const char *called,
                      bool service);

/* Runs until nrt__program_end; returns the exit code. Only for a service. */
int nrt__program_run(nrt__program *program);

/* Makes nrt__program_run return. The first call counts. */
void nrt__program_end(nrt__program *program, int exit_code);

void nrt__program_close(nrt__program *program);

/* True where there was no connection yet and waiting for one is over: with --no-wait when no server
 * has answered an attempt, and always when each server refused us, or we it. */
bool nrt__program_gave_up(const nrt__program *program);

/* Milliseconds of the monotonic clock. */
uint64_t nrt__program_now_ms(void);

#endif
