/* A thread for a connection that nobody else drives, and calls into it that wait. */
#ifndef NRT__DRIVER_H
#define NRT__DRIVER_H

#include <nrt/conn.h>

/* Runs `fn(conn, arg)` on the connection's thread and waits for its result: at once where that is
 * this thread. Any other thread; somebody must drive the connection then. NRT_ERR_MEMORY,
 * NRT_ERR_FORK, NRT_ERR_CANCELED (the connection went away). */
int nrt__conn_call(nrt_conn *conn, int (*fn)(nrt_conn *conn, void *arg), void *arg);

/* Ends the thread, if there is one, and gives the connection to the caller's. True where that could
 * not be, for the caller is that thread: it ends when the connection is gone. */
bool nrt__driver_stop(nrt_conn *conn);

/* The connection is gone, on its own thread or in a child after fork(). */
void nrt__driver_forget(nrt_conn *conn);

#endif
