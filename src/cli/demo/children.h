/* Child processes of `nrt demo`: started, read line by line, ended by their id and waited for. */
#ifndef NRT__DEMO_CHILDREN_H
#define NRT__DEMO_CHILDREN_H

#include <sys/types.h>

#include "core/base/buf.h"

enum { NRT__CHILDREN_MAX = 8 };

typedef struct nrt__child {
    const char *name; /* for messages: "nats-server" */
    pid_t pid;        /* 0: not started, or waited for */
    int output;       /* what it writes to standard output and error; -1: ended */
    nrt__buf text;    /* all of that, up to a ceiling; later output is dropped */
    bool in_line;     /* echo: something of a line stands there already */
    bool exited;
    int exit_code; /* 128 + signal where one ended it */
} nrt__child;

typedef struct nrt__children {
    nrt__child all[NRT__CHILDREN_MAX];
    size_t count;
    int signals; /* signalfd of SIGINT, SIGTERM and SIGCHLD */
    int signal;  /* that came; 0: none. Everything that waits ends then */
    bool echo;   /* pass on what children write, to standard output, with their names */
} nrt__children;

typedef enum nrt__wait {
    NRT__WAIT_DONE,
    NRT__WAIT_ENDED,   /* the child ended before */
    NRT__WAIT_LATE,    /* not in time */
    NRT__WAIT_SIGNAL,  /* somebody wants the program to end */
    NRT__WAIT_FAILURE, /* a system call failed */
} nrt__wait;

/* Takes over these signals. 0, or -1 with errno. */
int nrt__children_init(nrt__children *children);

/* Starts argv[0], a path, with `environment`: "NAME=VALUE" sets and "NAME" removes a variable; both
 * end in NULL. Its own process group, so that Ctrl-C reaches this program alone; it is told to end
 * should this program die. NULL with errno where that fails. */
nrt__child *nrt__children_start(nrt__children *children, const char *name, const char *const argv[],
                                const char *const environment[]);

/* Waits until the child has written `text`; `line` gets the rest of that line, without its end.
 * The other children are read meanwhile. */
nrt__wait nrt__children_await(nrt__children *children, nrt__child *child, const char *text,
                              uint32_t timeout_ms, char *line, size_t line_size);

/* Waits until the child has ended and all of its output is read. */
nrt__wait nrt__children_join(nrt__children *children, nrt__child *child, uint32_t timeout_ms);

/* Waits until any child ends, or a signal comes. Returns the child that ended, or NULL. */
nrt__child *nrt__children_watch(nrt__children *children);

/* Forgets the youngest child, which has ended. */
void nrt__children_drop_last(nrt__children *children);

/* Ends all, the youngest first: SIGTERM, and SIGKILL for those who do not follow in time. */
void nrt__children_finish(nrt__children *children);

/* The path of a program: looked for in `folders` (NULL at the end), then on PATH, then in the sbin
 * beside each bin of PATH, where servers are but users do not look. False where there is none. */
bool nrt__children_find(const char *program, const char *const folders[], char *path, size_t size);

#endif
