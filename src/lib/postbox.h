/* The way into a connection's thread from any other: tasks, ended exchanges, resolved names. It
 * outlives the connection as long as somebody holds it; what comes too late is dropped. */
#ifndef NRT__POSTBOX_H
#define NRT__POSTBOX_H

#include <nrt/conn.h>
#include <nrt/service.h>

typedef struct nrt__postbox nrt__postbox;

/* `drop` frees what `arg` points to where the task will never run; may be NULL. */
typedef struct nrt__post {
    struct nrt__post *next;
    void (*run)(nrt_conn *conn, struct nrt__post *post); /* owns the post */
    void (*drop)(struct nrt__post *post);                /* likewise */
    bool waits; /* somebody waits for it, or has been told whether it will run */
} nrt__post;

/* NULL: no memory or no descriptor. The maker holds it. */
nrt__postbox *nrt__postbox_create(void);
nrt__postbox *nrt__postbox_hold(nrt__postbox *box);
void nrt__postbox_release(nrt__postbox *box);

/* A descriptor that is readable when something has been put in. */
int nrt__postbox_fd(const nrt__postbox *box);

/* From any thread. The box takes the post over; where nobody will read it any more it is dropped at
 * once, and this is false. */
bool nrt__postbox_put(nrt__postbox *box, nrt__post *post);

/* Has the connection's thread look, for other reasons. Any thread, and a handler of signals. */
void nrt__postbox_wake(const nrt__postbox *box);

/* The last end of an exchange has come, on whatever thread. */
void nrt__postbox_put_exchange(nrt__postbox *box, nrt_exchange *exchange);

/* On the connection's thread: runs what is there. */
void nrt__postbox_run(nrt__postbox *box, nrt_conn *conn);

/* The connection stands still: posts that somebody waits for are dropped, those that come too. All
 * else is the connection's thread's business, and waits for the end. */
void nrt__postbox_refuse(nrt__postbox *box);

/* The connection is gone: drops what is there and all that comes. */
void nrt__postbox_shut(nrt__postbox *box);

#endif
