/* The client of row (c): request-reply with the official client, no HTTP. N requests are in flight.
 * Each has a reply subject of its own below one inbox, as natsConnection_Request makes them; with
 * "-same" behind MODE they are used again, which spares the server work but lets a late answer be
 * taken for another request's. Runs what its standard input says, see load.h.
 * `raw_client SERVERS SUBJECT REQUEST ANSWER BODY MODE`: what comes must have the length of the
 * file ANSWER, begin as a 200 does, and end in the bytes of the file BODY. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "raw.h"

typedef struct client {
    natsConnection *conn;
    const char *subject;
    char inbox[64];
    char *request;
    char *answer;
    char *body;
    size_t request_len;
    size_t answer_len;
    size_t body_len;
    unsigned milliseconds;
    bool same;            /* reply subjects are used again */
    pthread_mutex_t lock; /* of `done`; all else is for the thread that messages come on */
    pthread_cond_t ended;
    bool done;
    load l;
} client;

static client the_client;

static bool send_one(load *l, unsigned slot, void *arg) {
    client *c = arg;
    char reply[96];
    unsigned long long number = c->same ? slot : l->sent * LOAD_SLOTS_MAX + slot;
    snprintf(reply, sizeof(reply), "%s.%llu", c->inbox, number);
    return natsConnection_PublishRequest(c->conn, c->subject, reply, c->request,
                                         (int)c->request_len) == NATS_OK;
}

static bool is_right(const client *c, const char *data, size_t len) {
    return len == c->answer_len && memcmp(data, "HTTP/1.1 200", 12) == 0 &&
           memcmp(data + len - c->body_len, c->body, c->body_len) == 0;
}

/* The last token of the subject is a number that tells the slot; `go` begins a run. */
static void answered(natsConnection *conn, natsSubscription *sub, natsMsg *msg, void *arg) {
    client *c = arg;
    const char *last = natsMsg_GetSubject(msg) + strlen(c->inbox) + 1;
    (void)conn;
    (void)sub;
    if (*last == 'g') {
        load_begin(&c->l, c->milliseconds);
    } else {
        load_answered(&c->l, (unsigned)(strtoull(last, NULL, 10) % LOAD_SLOTS_MAX),
                      is_right(c, natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)));
    }
    natsMsg_Destroy(msg);
    if (c->l.active == 0) {
        pthread_mutex_lock(&c->lock);
        c->done = true;
        pthread_cond_signal(&c->ended);
        pthread_mutex_unlock(&c->lock);
    }
}

static bool run(client *c, const char *line) {
    char go[96];
    if (!load_command(&c->l, line, &c->milliseconds)) {
        return false;
    }
    c->done = false;
    snprintf(go, sizeof(go), "%s.go", c->inbox);
    raw_check(natsConnection_PublishString(c->conn, go, ""), go);
    pthread_mutex_lock(&c->lock);
    while (!c->done) {
        pthread_cond_wait(&c->ended, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    load_report(&c->l);
    return true;
}

int main(int argc, char **argv) {
    client *c = &the_client;
    natsSubscription *sub = NULL;
    natsInbox *inbox = NULL;
    char line[128], all[96];
    if (argc != 7) {
        load_die("usage", "raw_client SERVERS SUBJECT REQUEST ANSWER BODY MODE");
    }
    c->subject = argv[2];
    c->request = load_file(argv[3], &c->request_len);
    c->answer = load_file(argv[4], &c->answer_len);
    c->body = load_file(argv[5], &c->body_len);
    c->same = strstr(argv[6], "-same");
    c->l.send = send_one;
    c->l.arg = c;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->ended, NULL);
    c->conn = raw_connect(argv[1], argv[6]);
    raw_check(natsInbox_Create(&inbox), "inbox");
    snprintf(c->inbox, sizeof(c->inbox), "%s", inbox);
    snprintf(all, sizeof(all), "%s.*", inbox);
    raw_check(natsConnection_Subscribe(&sub, c->conn, all, answered, c), all);
    raw_check(natsConnection_Flush(c->conn), "flush");
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        if (!run(c, line)) {
            load_die(line, "is no command");
        }
    }
    return 0;
}
