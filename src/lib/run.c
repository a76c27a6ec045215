/* Driving a connection: one turn, or until something has happened. */
#include "lib/conn_private.h"
#include "lib/link.h"

/* The built-in loop may be driven by the thread that opened the connection, or by the one that
 * first dispatches it. */
static int check_dispatch(nrt_conn *conn) {
    if (!conn) {
        return NRT_ERR_USAGE;
    }
    if (!conn->owner_fixed && nrt__conn_check_process(conn) == 0) {
        conn->owner = pthread_self();
        conn->owner_fixed = true;
    }
    int error = nrt__conn_check(conn);
    if (error < 0) {
        return error;
    }
    if (!conn->loop.epoll) {
        return nrt__conn_fail(conn, NRT_ERR_STATE, "the connection runs on a loop of the caller's");
    }
    if (conn->loop.depth > 0) {
        return nrt__conn_fail(conn, NRT_ERR_STATE, "not possible inside a callback");
    }
    return 0;
}

int nrt__conn_hold(nrt_conn *conn) {
    int error = check_dispatch(conn);
    if (error == 0) {
        conn->held = true;
    }
    return error;
}

void nrt__conn_release(nrt_conn *conn) {
    conn->held = false;
    if (conn->destroying) {
        nrt_conn_destroy(conn);
    }
}

int nrt_conn_fd(nrt_conn *conn) {
    int error = check_dispatch(conn);
    if (error < 0) {
        return error;
    }
    conn->loop.armed_ms = -1;
    return nrt__epoll_fd(conn->loop.epoll);
}

int nrt_conn_dispatch(nrt_conn *conn, int timeout_ms) {
    int error = check_dispatch(conn);
    if (error < 0) {
        return error;
    }
    int64_t next = nrt__timers_next(&conn->loop.timers);
    if (next >= 0 && timeout_ms != 0) {
        /* The clock of the last turn is old by the time spent outside. */
        nrt__loop_tick(&conn->loop);
        int64_t wait = next - conn->loop.env.now_ms;
        wait = wait < 0 ? 0 : wait;
        timeout_ms = timeout_ms < 0 || wait < timeout_ms ? (int)wait : timeout_ms;
    }
    int count = nrt__epoll_wait(conn->loop.epoll, &conn->loop, timeout_ms);
    /* conn may be gone, if a callback destroyed it */
    return count;
}

static int wait_until_up(nrt_conn *conn, int timeout_ms) {
    nrt__loop_tick(&conn->loop);
    int64_t end = conn->loop.env.now_ms + timeout_ms;
    while (conn->link->state != NRT__LINK_UP) {
        int64_t left = timeout_ms < 0 ? -1 : end - conn->loop.env.now_ms;
        if (timeout_ms >= 0 && left <= 0) {
            return conn->last_error < 0
                       ? conn->last_error
                       : nrt__conn_fail(conn, NRT_ERR_TIMEOUT, "not connected in time");
        }
        int count = nrt_conn_dispatch(conn, (int)left);
        if (count < 0 || conn->destroying) {
            return count < 0 ? count : NRT_ERR_CANCELED;
        }
    }
    return 0;
}

int nrt_conn_wait(nrt_conn *conn, int timeout_ms) {
    int error = nrt__conn_hold(conn);
    if (error == 0) {
        error = wait_until_up(conn, timeout_ms);
        nrt__conn_release(conn);
    }
    return error;
}

int nrt__conn_turn(nrt_conn *conn) {
    int count = 0;
    while (count >= 0 && !conn->drained && !conn->destroying &&
           !atomic_exchange(&conn->stopped, false)) {
        count = nrt_conn_dispatch(conn, -1);
    }
    return count < 0 ? count : 0;
}

int nrt_conn_run(nrt_conn *conn) {
    int error = nrt__conn_hold(conn);
    if (error < 0) {
        return error;
    }
    error = nrt__conn_turn(conn);
    nrt__conn_release(conn);
    return error;
}

int nrt_conn_stop(nrt_conn *conn) {
    int error = nrt__conn_check_process(conn);
    if (error < 0) {
        return error;
    }
    atomic_store(&conn->stopped, true);
    nrt__postbox_wake(conn->box);
    return 0;
}
