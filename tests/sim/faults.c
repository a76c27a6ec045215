/* What goes wrong, when, and for whom. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/base/token.h"
#include "sim.h"

enum { FORGED_MAX = 512 };

static char *forged[FORGED_MAX];
static size_t forged_count;

/* The frame that a line of a vector names, if any; what stands behind it is cut off. */
static const char *frame_of(char *line) {
    static const char *const words[] = {"frame ", "exact ", "none ", "<- t=", "-> t="};
    line[strcspn(line, "\n|")] = '\0';
    char *from = strstr(line, " from ");
    if (from) {
        *from = '\0';
    }
    for (size_t i = 0; i < COUNT(words); i++) {
        if (strncmp(line, words[i], strlen(words[i])) == 0) {
            return line + (i < 3 ? strlen(words[i]) : 3);
        }
    }
    return NULL;
}

bool faults_load(const char *folder) {
    static const char *const files[] = {"frames", "client", "service"};
    char path[512];
    char line[512];
    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof(path), "%s/protocol/%s.txt", folder, files[i]);
        FILE *file = fopen(path, "r");
        if (!file) {
            return false;
        }
        while (fgets(line, sizeof(line), file) && forged_count < FORGED_MAX) {
            const char *frame = frame_of(line);
            if (frame) {
                forged[forged_count++] = strdup(frame);
            }
        }
        fclose(file);
    }
    return forged_count > 0;
}

void faults_unload(void) {
    while (forged_count > 0) {
        free(forged[--forged_count]);
    }
}

/* ---- messages ---- */

/* A call that a message begins: requests name it in their target. */
static call *call_of(world *w, const model_message *message) {
    const char *space = memchr(message->payload.ptr, ' ', message->payload.len);
    const char *end = message->payload.ptr + message->payload.len;
    size_t number = 0;
    if (!space || end - space < 3 || space[1] != '/') {
        return NULL;
    }
    for (space += 2; space < end && nrt__is_digit(*space); space++) {
        number = number * 10 + (size_t)(*space - '0');
    }
    return number < w->call_count ? &w->calls[number] : NULL;
}

int faults_judge(const model_message *message, void *arg) {
    world *w = arg;
    wire_see(w, message);
    const call *of = wire_call(w, message->subject);
    /* Two instances that answer the same request are told apart by their heads: one fault at a
     * time. */
    bool doubled = of && of->doubled;
    if (!doubled && sim_chance(w, w->faults.lose)) {
        sim_trace(w, "  lost");
        return 0;
    }
    if (sim_chance(w, w->faults.repeat)) {
        call *c = call_of(w, message);
        sim_trace(w, "  twice");
        if (c && memmem(message->subject.ptr, message->subject.len, ".requests.", 10)) {
            c->doubled = true;
        }
        return 2;
    }
    return 1;
}

size_t faults_choose(size_t count, void *arg) {
    return sim_below(arg, (uint32_t)count);
}

/* ---- forged frames ---- */

static void forge_by_stranger(world *w, void *arg, uint32_t tag) {
    char inbox[MODEL_SUBJECT_MAX];
    char stream[MODEL_SUBJECT_MAX];
    char header[600];
    call *c;
    (void)arg;
    (void)tag;
    if (!wire_pick(w, inbox, stream, &c)) {
        return;
    }
    char *subject = stream[0] && sim_chance(w, 50) ? stream : inbox;
    size_t len = strlen(subject);
    size_t at = len - 1 - sim_below(w, NRT__SECRET_CHARS); /* the slot is no secret */
    subject[at] = subject[at] == 'x' ? 'y' : 'x';
    int size = snprintf(header, sizeof(header), "NATS/1.0\r\nNRT-Frame: %s\r\n\r\n",
                        forged[sim_below(w, (uint32_t)forged_count)]);
    sim_trace(w, "a stranger: %.*s to %s", size - 14, header + 10, subject);
    bool plain = sim_chance(w, 20);
    model_publish(&w->net, (nrt_str){subject, len}, NRT__STR("_INBOX.stranger"),
                  (nrt_str){header, plain ? 0 : (size_t)size},
                  sim_chance(w, 50) ? NRT__STR("HTTP/1.1 200 OK\r\n\r\n") : NRT__STR("more"));
}

/* Knows where to send, and sends what has no place there. A frame that is right in every respect
 * would be taken, as it must. */
static void forge_by_insider(world *w, void *arg, uint32_t tag) {
    char inbox[MODEL_SUBJECT_MAX];
    char stream[MODEL_SUBJECT_MAX];
    char header[600];
    nrt__frame frame;
    call *c;
    (void)arg;
    (void)tag;
    if (!wire_pick(w, inbox, stream, &c)) {
        return;
    }
    const char *subject = stream[0] && sim_chance(w, 50) ? stream : inbox;
    const char *text = forged[sim_below(w, (uint32_t)forged_count)];
    if (sim_chance(w, 20)) { /* more than there is room for, or less than was given */
        text = sim_chance(w, 50) ? "t=credit, max=999999999999999" : "t=credit, max=1";
    }
    int size = snprintf(header, sizeof(header), "NATS/1.0\r\nNRT-Frame: %s\r\n\r\n", text);
    nrt_str block = {header, (size_t)size};
    int known = nrt__frame_read(&frame, block);
    bool content = (frame.has & NRT__FRAME_HAS_N) && frame.type != NRT__FRAME_PING;
    if (known == 1 && ((content && wire_is_next(w, inbox, frame.n)) ||
                       frame.type == NRT__FRAME_REFUSE || frame.type == NRT__FRAME_ACCEPT)) {
        return;
    }
    sim_trace(w, "an insider: %.*s to %s", size - 14, header + 10, subject);
    c->meddled = true;
    wire_excuse(w, inbox);
    model_publish(&w->net, nrt_str_from(subject), (nrt_str){"", 0}, block, NRT__STR("more"));
}

/* ---- the rest ---- */

static node *any_node(world *w) {
    return &w->nodes[sim_below(w, (uint32_t)w->node_count)];
}

static void cut(world *w, void *arg, uint32_t tag) {
    node *n = any_node(w);
    (void)arg;
    (void)tag;
    node_cut(&n->plugs[sim_chance(w, 80) ? 0 : 1]);
}

static void kill_one(world *w, void *arg, uint32_t tag) {
    (void)arg;
    (void)tag;
    node_kill(any_node(w));
}

static void freeze(world *w, void *arg, uint32_t tag) {
    node *n = any_node(w);
    (void)arg;
    (void)tag;
    uint32_t ms = sim_below(w, sim_chance(w, 50) ? 3000 : 15000);
    sim_trace(w, "node %d: nothing passes for %u ms", n->number, ms);
    n->plugs[0].frozen_until_ms = n->plugs[1].frozen_until_ms = w->now_ms + ms;
}

static void duck(world *w, void *arg, uint32_t tag) {
    (void)arg;
    (void)tag;
    node_duck(any_node(w));
}

static void resume(world *w, void *arg, uint32_t tag) {
    node *n = arg;
    for (size_t i = 0; i < 2 && n->e && n->life == tag; i++) {
        n->e->env.now_ms = w->now_ms;
        nrt__service_resume(n->services[i]);
    }
}

static void pause_services(world *w, void *arg, uint32_t tag) {
    node *n = any_node(w);
    (void)arg;
    (void)tag;
    if (!n->e || n->number < (int)w->client_count) {
        return;
    }
    sim_trace(w, "node %d pauses", n->number);
    n->e->env.now_ms = w->now_ms;
    for (size_t i = 0; i < 2; i++) {
        nrt__service_pause(n->services[i]);
    }
    sim_after(w, sim_below(w, 2000), resume, n, n->life);
}

/* At some times in the first part, when most happens, or later. */
static void spread(world *w, int count, event_fn fn) {
    for (int i = 0; i < count; i++) {
        uint32_t ms = sim_chance(w, 60) ? 300 + sim_below(w, 1500) : sim_below(w, FAULTS_END_MS);
        sim_after(w, ms, fn, NULL, 0);
    }
}

void faults_plan(world *w) {
    const plan_of_faults *faults = &w->faults;
    spread(w, faults->cuts, cut);
    spread(w, faults->kills, kill_one);
    spread(w, faults->freezes, freeze);
    spread(w, faults->ducks, duck);
    spread(w, faults->strangers, forge_by_stranger);
    spread(w, faults->insiders, forge_by_insider);
    spread(w, faults->pauses, pause_services);
}
