/* A NATS server in memory: no queue groups beyond the first subscriber, no permissions. */
#include "broker.h"

#include "unit.h"

void broker_init(broker *b) {
    memset(b, 0, sizeof(*b));
    b->lose = b->repeat = -1;
}

static void feed(broker *b, nrt__session *session, nrt_str bytes) {
    while (bytes.len > 0) {
        size_t room = 0;
        bool there = false;
        for (size_t i = 0; i < BROKER_PORTS; i++) { /* callbacks may have cut it */
            there |= b->ports[i] == session;
        }
        if (!there) {
            return;
        }
        char *to = nrt__session_room(session, &room);
        assert_non_null(to);
        size_t step = bytes.len < room ? bytes.len : room;
        memcpy(to, bytes.ptr, step);
        bytes.ptr += step;
        bytes.len -= step;
        assert_int_equal(nrt__session_received(session, step), 0);
    }
}

static void feed_text(broker *b, nrt__session *session, const char *text) {
    feed(b, session, nrt_str_from(text));
}

void broker_attach(broker *b, nrt__session *session, const nrt__nats_login *login) {
    size_t i = 0;
    while (i < BROKER_PORTS && b->ports[i]) {
        i++;
    }
    assert_true(i < BROKER_PORTS);
    b->ports[i] = session;
    nrt__session_start(session, login);
    feed_text(b, session, BROKER_INFO);
    broker_run(b);
    assert_int_equal(nrt__session_state_get(session), NRT__SESSION_READY);
}

void broker_detach(broker *b, const nrt__session *session) {
    for (size_t i = 0; i < BROKER_PORTS; i++) {
        b->ports[i] = b->ports[i] == session ? NULL : b->ports[i];
    }
    size_t kept = 0;
    for (size_t i = 0; i < b->sub_count; i++) {
        if (b->subs[i].session != session) {
            b->subs[kept++] = b->subs[i];
        }
    }
    b->sub_count = kept;
}

/* Patterns end in a token '*', or have no wildcard. */
static bool matches(const char *pattern, const char *subject) {
    size_t len = strlen(pattern);
    if (pattern[len - 1] != '*') {
        return strcmp(pattern, subject) == 0;
    }
    return strncmp(pattern, subject, len - 1) == 0 && !strchr(subject + len - 1, '.');
}

static void deliver(broker *b, const char *subject, const char *reply, size_t header,
                    nrt_str bytes) {
    size_t met = 0;
    for (size_t i = 0; i < b->sub_count; i++) {
        const broker_sub *sub = &b->subs[i];
        char line[1024];
        if (!matches(sub->subject, subject)) {
            continue;
        }
        if (header > 0) {
            snprintf(line, sizeof(line), "HMSG %s %s %s %zu %zu\r\n", subject, sub->sid, reply,
                     header, bytes.len);
        } else {
            snprintf(line, sizeof(line), "MSG %s %s %s %zu\r\n", subject, sub->sid, reply,
                     bytes.len);
        }
        met++;
        nrt__session *to = sub->session;
        feed_text(b, to, line);
        feed(b, to, bytes);
        feed_text(b, to, "\r\n");
    }
    if (met == 0 && reply[0] && !b->silent) {
        static const char none[] = "NATS/1.0 503\r\n\r\n";
        deliver(b, reply, "", sizeof(none) - 1, (nrt_str){none, sizeof(none) - 1});
    }
}

static void publish(broker *b, char *words[8], int count, bool headers, nrt_str bytes) {
    int number = b->count++;
    int sizes = headers ? 2 : 1;
    const char *reply = count - 2 - sizes == 1 ? words[2] : "";
    size_t header = headers ? strtoul(words[count - 2], NULL, 10) : 0;
    assert_true(count - 2 - sizes == 0 || count - 2 - sizes == 1); /* no empty subject */
    assert_true(bytes.len <= 65536);
    if (b->before) {
        b->before(number, b->arg);
    }
    for (int times = number == b->lose ? 0 : number == b->repeat ? 2 : 1; times > 0; times--) {
        deliver(b, words[1], reply, header, bytes);
    }
}

/* One command of `from`; where the next one begins. */
static const char *command(broker *b, nrt__session *from, const char *text) {
    const char *end = strstr(text, "\r\n");
    char line[1024];
    char *words[8];
    int count = 0;
    assert_non_null(end);
    snprintf(line, sizeof(line), "%.*s", (int)(end - text), text);
    for (char *at = line; at && count < 8;) { /* two spaces are an empty word */
        words[count++] = strsep(&at, " ");
        assert_true(words[count - 1][0] != '\0' || strncmp(line, "CONNECT", 7) == 0);
    }
    end += 2;
    if (strcmp(words[0], "PING") == 0) {
        feed_text(b, from, "PONG\r\n");
    } else if (strcmp(words[0], "SUB") == 0) {
        assert_true(b->sub_count < BROKER_SUBS);
        broker_sub *sub = &b->subs[b->sub_count++];
        sub->session = from;
        snprintf(sub->subject, sizeof(sub->subject), "%s", words[1]);
        snprintf(sub->sid, sizeof(sub->sid), "%s", words[count - 1]);
    } else if (strcmp(words[0], "UNSUB") == 0) {
        for (size_t i = 0; i < b->sub_count; i++) {
            if (b->subs[i].session == from && strcmp(b->subs[i].sid, words[1]) == 0) {
                b->subs[i] = b->subs[--b->sub_count];
                break;
            }
        }
    } else if (strcmp(words[0], "PUB") == 0 || strcmp(words[0], "HPUB") == 0) {
        size_t len = strtoul(words[count - 1], NULL, 10);
        publish(b, words, count, words[0][0] == 'H', (nrt_str){end, len});
        end += len + 2;
    }
    return end;
}

void broker_run(broker *b) {
    bool busy = true;
    for (int turns = 0; busy; turns++) {
        busy = false;
        assert_true(turns < 10000); /* somebody talks without end */
        for (size_t i = 0; i < BROKER_PORTS; i++) {
            nrt__session *from = b->ports[i];
            nrt_str out = from ? nrt__session_output(from) : (nrt_str){NULL, 0};
            if (out.len == 0) {
                continue;
            }
            char *copy = malloc(out.len + 1);
            assert_non_null(copy);
            memcpy(copy, out.ptr, out.len);
            copy[out.len] = '\0';
            size_t len = out.len;
            nrt__session_sent(from, len);
            for (const char *at = copy; at < copy + len;) {
                at = command(b, from, at);
            }
            free(copy);
            busy = true;
        }
    }
}
