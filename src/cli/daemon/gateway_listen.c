/* The listeners of `nrt gateway`, each a front: opened, kept or retired as configurations come. */
#include <stdlib.h>
#include <string.h>

#include "cli/daemon/gateway.h"
#include "lib/conn_private.h"

static const nrt__gateway_place *place_of(const nrt__gateway_setup *setup, const char *address) {
    for (size_t i = 0; i < setup->place_count; i++) {
        if (strcmp(setup->places[i].address, address) == 0) {
            return &setup->places[i];
        }
    }
    return NULL;
}

static nrt__gateway_listener *listener_on(const nrt__gateway *gateway, const char *address) {
    for (nrt__gateway_listener *one = gateway->listeners; one; one = one->next) {
        if (!one->retired && strcmp(one->address, address) == 0) {
            return one;
        }
    }
    return NULL;
}

/* Those that `setup` has no more let others bind their ports, or not. */
static void share_ports(const nrt__gateway *gateway, const nrt__gateway_setup *setup, bool share) {
    for (nrt__gateway_listener *one = gateway->listeners; one; one = one->next) {
        if (!one->retired && !place_of(setup, one->address)) {
            nrt__front_share_port(one->front, share);
        }
    }
}

/* It is on the list no more. */
static void listener_destroy(nrt__gateway_listener *listener) {
    nrt__timer_clear(&nrt__conn_loop(listener->gateway->program->conn)->timers, &listener->end);
    nrt__front_destroy(listener->front);
    free(listener->address);
    free(listener);
}

static void remove_listener(nrt__gateway_listener *listener) {
    nrt__gateway_listener **link = &listener->gateway->listeners;
    while (*link != listener) {
        link = &(*link)->next;
    }
    *link = listener->next;
    listener_destroy(listener);
}

static int open_one(nrt__gateway *gateway, const nrt__gateway_setup *setup,
                    const nrt__gateway_place *place) {
    nrt__program *program = gateway->program;
    nrt__front_options options;
    char detail[256] = "";
    int error = NRT_ERR_MEMORY;
    nrt__gateway_listener *one = calloc(1, sizeof(*one));
    if (one) {
        one->address = strdup(place->address);
    }
    if (one && one->address) {
        nrt__gateway_front_options(gateway, setup, place, &options);
        options.share_port = gateway->listening;
        one->front = nrt__front_open(program->conn, place->address, &options, &error, detail,
                                     sizeof(detail));
    }
    if (!one || !one->front) {
        nrt__report_event(&program->log, NRT_LOG_ERROR, "failed", NULL, "--listen: %s",
                          *detail ? detail : nrt_error_text(error));
        free(one ? one->address : NULL);
        free(one);
        return error == NRT_ERR_USAGE ? NRT__EXIT_USAGE : NRT__EXIT_FAILED;
    }
    one->gateway = gateway;
    nrt__gateway_listener **link = &gateway->listeners;
    while (*link) {
        link = &(*link)->next;
    }
    *link = one;
    const char *url = nrt__front_url(one->front);
    json_t *members = nrt__report_is_json(&program->log) ? json_pack("{s:s}", "url", url) : NULL;
    nrt__report_event(&program->log, NRT_LOG_INFO, "listening", members, "listening on %s", url);
    return 0;
}

int nrt__gateway_listen(nrt__gateway *gateway, const nrt__gateway_setup *setup) {
    int code = 0;
    share_ports(gateway, setup, true);
    for (size_t i = 0; i < setup->place_count && code == 0; i++) {
        if (!listener_on(gateway, setup->places[i].address)) {
            code = open_one(gateway, setup, &setup->places[i]);
        }
    }
    if (code != 0) {
        nrt__gateway_unlisten(gateway, setup);
    }
    return code;
}

void nrt__gateway_unlisten(nrt__gateway *gateway, const nrt__gateway_setup *setup) {
    nrt__gateway_listener *next;
    for (nrt__gateway_listener *one = gateway->listeners; one; one = next) {
        next = one->next;
        if (!one->retired && !(gateway->listening && place_of(gateway->setup, one->address))) {
            remove_listener(one);
        }
    }
    share_ports(gateway, setup, false);
}

/* Not from within its own callback. */
static void on_end(nrt__timer *timer, void *arg) {
    (void)timer;
    remove_listener(arg);
}

static void on_retired(void *arg) {
    nrt__gateway_listener *one = arg;
    nrt__loop *loop = nrt__conn_loop(one->gateway->program->conn);
    nrt__timer_set(&loop->timers, &one->end, loop->env.now_ms, on_end, one);
}

void nrt__gateway_settle(nrt__gateway *gateway, const nrt__gateway_setup *setup) {
    const nrt__report *log = &gateway->program->log;
    for (nrt__gateway_listener *one = gateway->listeners; one; one = one->next) {
        const nrt__gateway_place *place = place_of(setup, one->address);
        nrt__front_options options;
        if (one->retired) {
            /* Its connections go by what is in force, too: the old routes are gone. */
            place = &(nrt__gateway_place){0};
        }
        nrt__gateway_front_options(gateway, setup, place ? place : &(nrt__gateway_place){0},
                                   &options);
        (void)nrt__front_update(one->front, &options);
        if (!place) {
            nrt__report_event(log, NRT_LOG_INFO, "not-listening", NULL, "no more listening on %s",
                              nrt__front_url(one->front));
            one->retired = true;
            nrt__front_retire(one->front, on_retired, one);
        } else if (!one->retired) {
            nrt__front_share_port(one->front, false);
        }
    }
}

/* ---- the end ---- */

static void on_drained(void *arg) {
    nrt__gateway_listener *one = arg;
    nrt__gateway *gateway = one->gateway;
    bool all = true;
    one->drained = true;
    for (const nrt__gateway_listener *each = gateway->listeners; each; each = each->next) {
        all = all && each->drained;
    }
    if (all) {
        gateway->on_drained(gateway->program);
    }
}

void nrt__gateway_drain(nrt__gateway *gateway, void (*done)(nrt__program *program)) {
    nrt__timers *timers = &nrt__conn_loop(gateway->program->conn)->timers;
    gateway->on_drained = done;
    for (nrt__gateway_listener *one = gateway->listeners; one; one = one->next) {
        nrt__timer_clear(timers, &one->end);
        nrt__front_drain(one->front, on_drained, one);
    }
}

void nrt__gateway_close(nrt__gateway *gateway) {
    nrt__gateway_listener *one;
    while ((one = gateway->listeners)) {
        gateway->listeners = one->next;
        listener_destroy(one);
    }
}
