/* Engines on the ports of a NATS server in memory. */
#include "broker.h"

#include "unit.h"

static int judge(const model_message *message, void *arg) {
    broker *b = arg;
    int number = b->count++;
    (void)message;
    if (b->before) {
        b->before(number, b->arg);
    }
    b->model.silent = b->silent;
    return number == b->lose ? 0 : number == b->repeat ? 2 : 1;
}

/* Callbacks may have cut it. */
static bool is_there(const broker *b, int port, const nrt__session *session) {
    return b->model.ports[port].open && b->ports[port] == session;
}

static void on_output(int port, void *arg) {
    broker *b = arg;
    nrt__session *session = b->ports[port];
    while (session && is_there(b, port, session) && model_output(&b->model, port).len > 0) {
        nrt_str bytes = model_output(&b->model, port);
        size_t room = 0;
        char *to = nrt__session_room(session, &room);
        assert_non_null(to);
        size_t step = bytes.len < room ? bytes.len : room;
        memcpy(to, bytes.ptr, step);
        model_sent(&b->model, port, step);
        assert_int_equal(nrt__session_received(session, step), 0);
    }
}

void broker_init(broker *b) {
    memset(b, 0, sizeof(*b));
    b->lose = b->repeat = -1;
    model_init(&b->model);
    b->model.judge = judge;
    b->model.output = on_output;
    b->model.arg = b;
}

void broker_free(broker *b) {
    model_free(&b->model);
}

void broker_attach(broker *b, nrt__session *session, const nrt__nats_login *login) {
    nrt__session_start(session, login);
    int port = model_open(&b->model); /* nobody is there yet: INFO waits */
    assert_in_range(port, 0, BROKER_PORTS - 1);
    b->ports[port] = session;
    on_output(port, b);
    broker_run(b);
    assert_int_equal(nrt__session_state_get(session), NRT__SESSION_READY);
}

void broker_detach(broker *b, const nrt__session *session) {
    for (int i = 0; i < BROKER_PORTS; i++) {
        if (b->ports[i] == session) {
            b->ports[i] = NULL;
            model_close(&b->model, i);
        }
    }
}

void broker_turn_round(broker *b) {
    model *m = &b->model;
    for (size_t i = 0; i < m->sub_count / 2; i++) {
        model_sub sub = m->subs[i];
        m->subs[i] = m->subs[m->sub_count - 1 - i];
        m->subs[m->sub_count - 1 - i] = sub;
    }
}

void broker_run(broker *b) {
    bool busy = true;
    for (int turns = 0; busy; turns++) {
        busy = false;
        assert_true(turns < 10000); /* somebody talks without end */
        for (int i = 0; i < BROKER_PORTS; i++) {
            nrt__session *from = b->ports[i];
            nrt_str out = from ? nrt__session_output(from) : (nrt_str){NULL, 0};
            if (out.len == 0) {
                continue;
            }
            char *copy = malloc(out.len);
            size_t len = out.len;
            assert_non_null(copy);
            memcpy(copy, out.ptr, len);
            nrt__session_sent(from, len);
            model_receive(&b->model, i, (nrt_str){copy, len});
            assert_null(b->model.wrong);
            free(copy);
            busy = true;
        }
    }
}
