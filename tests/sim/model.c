/* A NATS server in memory. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

enum { IN_MAX = 32 << 20, LINE_MAX = 1400, WORDS_MAX = 8 };

void model_init(model *m) {
    memset(m, 0, sizeof(*m));
    m->max_payload = 65536;
}

void model_free(model *m) {
    for (int i = 0; i < MODEL_PORTS; i++) {
        nrt__buf_free(&m->ports[i].in);
        nrt__buf_free(&m->ports[i].out);
    }
}

static void wrong(model *m, const char *text) {
    m->wrong = m->wrong ? m->wrong : text;
}

static void put(model *m, int port, nrt_str text) {
    if (m->ports[port].open && !nrt__buf_put(&m->ports[port].out, text)) {
        abort();
    }
}

static void told(model *m, int port) {
    if (m->output && m->ports[port].open) {
        m->output(port, m->arg);
    }
}

int model_open(model *m) {
    char info[256];
    for (int i = 0; i < MODEL_PORTS; i++) {
        model_port *port = &m->ports[i];
        if (!port->open) {
            nrt__buf_free(&port->in);
            nrt__buf_free(&port->out);
            nrt__buf_init(&port->in, IN_MAX);
            nrt__buf_init(&port->out, SIZE_MAX / 2);
            port->open = true;
            int len = snprintf(info, sizeof(info),
                               "INFO {\"server_id\":\"A\",\"server_name\":\"n1\",\"version\":"
                               "\"2.10.1\",\"headers\":true,\"max_payload\":%zu,\"client_id\":7}"
                               "\r\n",
                               m->max_payload);
            put(m, i, (nrt_str){info, (size_t)len});
            told(m, i);
            return i;
        }
    }
    return -1;
}

void model_close(model *m, int port) {
    size_t kept = 0;
    m->ports[port].open = false;
    for (size_t i = 0; i < m->sub_count; i++) {
        if (m->subs[i].port != port) {
            m->subs[kept++] = m->subs[i];
        }
    }
    m->sub_count = kept;
    nrt__buf_clear(&m->ports[port].in);
    nrt__buf_clear(&m->ports[port].out);
}

nrt_str model_output(const model *m, int port) {
    return nrt__buf_view(&m->ports[port].out);
}

void model_sent(model *m, int port, size_t len) {
    nrt__buf_consume(&m->ports[port].out, len);
}

/* ---- routing ---- */

/* Token by token; '*' is any one, '>' all that follow. */
static bool matches(const char *pattern, nrt_str subject) {
    const char *at = subject.ptr;
    const char *end = at + subject.len;
    while (*pattern && at < end) {
        if (*pattern == '>') {
            return true;
        }
        if (*pattern == '*') {
            pattern++;
            while (at < end && *at != '.') {
                at++;
            }
        } else if (*pattern++ != *at++) {
            return false;
        }
    }
    return *pattern == '\0' && at == end;
}

static void deliver_to(model *m, const model_sub *sub, const model_message *msg) {
    char line[LINE_MAX];
    int len;
    size_t total = msg->header.len + msg->payload.len;
    const char *space = msg->reply.len > 0 ? " " : "";
    if (msg->header.len > 0) {
        len = snprintf(line, sizeof(line), "HMSG %.*s %s%s%.*s %zu %zu\r\n", NRT__ARG(msg->subject),
                       sub->sid, space, NRT__ARG(msg->reply), msg->header.len, total);
    } else {
        len = snprintf(line, sizeof(line), "MSG %.*s %s%s%.*s %zu\r\n", NRT__ARG(msg->subject),
                       sub->sid, space, NRT__ARG(msg->reply), total);
    }
    int port = sub->port;
    put(m, port, (nrt_str){line, (size_t)len});
    put(m, port, msg->header);
    put(m, port, msg->payload);
    put(m, port, NRT__STR("\r\n"));
    told(m, port);
}

/* Which subscriptions of a message's subject get it: all without a queue group, and `times` of the
 * members of each. */
static size_t takers(model *m, const model_message *msg, int times, model_sub out[MODEL_SUBS]) {
    size_t count = 0;
    for (size_t i = 0; i < m->sub_count; i++) {
        const model_sub *sub = &m->subs[i];
        size_t members[MODEL_SUBS];
        size_t found = 0;
        bool first = true;
        if (!matches(sub->subject, msg->subject)) {
            continue;
        }
        if (!sub->queue[0]) {
            for (int n = 0; n < times; n++) {
                out[count++] = *sub;
            }
            continue;
        }
        for (size_t other = 0; other < m->sub_count; other++) {
            if (matches(m->subs[other].subject, msg->subject) &&
                strcmp(m->subs[other].queue, sub->queue) == 0) {
                first = first && other >= i;
                members[found++] = other;
            }
        }
        if (!first) {
            continue; /* the group has had its turn */
        }
        size_t at = m->choose ? m->choose(found, m->arg) : 0;
        for (int n = 0; n < times; n++) {
            out[count++] = m->subs[members[(at + (size_t)n) % found]];
        }
    }
    return count;
}

static void route(model *m, const model_message *msg, int times) {
    static const char none[] = "NATS/1.0 503\r\n\r\n";
    model_sub *out = malloc(MODEL_SUBS * 2 * sizeof(*out)); /* what is told may change the list */
    if (!out) {
        abort();
    }
    size_t count = takers(m, msg, times, out);
    for (size_t i = 0; i < count; i++) {
        deliver_to(m, &out[i], msg);
    }
    free(out);
    if (count == 0 && times > 0 && msg->reply.len > 0 && !m->silent) {
        const model_message answer = {.from = -1,
                                      .subject = msg->reply,
                                      .header = {none, sizeof(none) - 1},
                                      .payload = {"", 0}};
        route(m, &answer, 1);
    }
}

void model_publish(model *m, nrt_str subject, nrt_str reply, nrt_str header, nrt_str payload) {
    const model_message msg = {-1, m->count, subject, reply, header, payload};
    route(m, &msg, 1);
}

/* ---- commands ---- */

static bool is_literal(nrt_str subject) {
    bool empty = true;
    for (size_t i = 0; i < subject.len; i++) {
        char c = subject.ptr[i];
        if (c <= ' ' || c == '*' || c == '>' || (c == '.' && empty)) {
            return false;
        }
        empty = c == '.';
    }
    return !empty && subject.len < MODEL_SUBJECT_MAX;
}

static void publish(model *m, int port, nrt_str words[WORDS_MAX], int count, size_t header,
                    nrt_str bytes) {
    int sizes = header > 0 ? 2 : 1;
    model_message msg = {.from = port,
                         .number = m->count++,
                         .subject = words[1],
                         .reply = {"", 0},
                         .header = {bytes.ptr, header},
                         .payload = {bytes.ptr + header, bytes.len - header}};
    if (count - 2 - sizes == 1) {
        msg.reply = words[2];
    } else if (count - 2 - sizes != 0) {
        wrong(m, "a PUB has not as many words as it should");
        return;
    }
    if (!is_literal(msg.subject) || (msg.reply.len > 0 && !is_literal(msg.reply))) {
        wrong(m, "a subject of a PUB is none");
        return;
    }
    if (bytes.len > m->max_payload) {
        wrong(m, "a message is larger than max_payload");
        return;
    }
    route(m, &msg, m->judge ? m->judge(&msg, m->arg) : 1);
}

static void subscribe(model *m, int port, nrt_str words[WORDS_MAX], int count) {
    if (m->sub_count == MODEL_SUBS || (count != 3 && count != 4) ||
        words[1].len >= MODEL_SUBJECT_MAX) {
        wrong(m, "a SUB is not valid");
        return;
    }
    model_sub *sub = &m->subs[m->sub_count++];
    sub->port = port;
    snprintf(sub->subject, sizeof(sub->subject), "%.*s", NRT__ARG(words[1]));
    snprintf(sub->queue, sizeof(sub->queue), "%.*s", count == 4 ? (int)words[2].len : 0,
             words[2].ptr);
    snprintf(sub->sid, sizeof(sub->sid), "%.*s", NRT__ARG(words[count - 1]));
}

static void unsubscribe(model *m, int port, nrt_str sid) {
    for (size_t i = 0; i < m->sub_count; i++) {
        if (m->subs[i].port == port && nrt__str_equal(nrt_str_from(m->subs[i].sid), sid)) {
            memmove(&m->subs[i], &m->subs[i + 1], (m->sub_count - i - 1) * sizeof(m->subs[0]));
            m->sub_count--;
            return;
        }
    }
}

static size_t number_of(nrt_str text) {
    uint64_t value;
    return nrt__str_to_u64(text, SIZE_MAX / 4, &value) ? (size_t)value : SIZE_MAX / 2;
}

/* The words of a line; two spaces make an empty one, which no command has. */
static int split(model *m, nrt_str line, nrt_str words[WORDS_MAX]) {
    int count = 0;
    while (count < WORDS_MAX) {
        const char *space = memchr(line.ptr, ' ', line.len);
        size_t len = space ? (size_t)(space - line.ptr) : line.len;
        words[count++] = (nrt_str){line.ptr, len};
        if (len == 0) {
            wrong(m, "a command has an empty word");
        }
        if (!space) {
            break;
        }
        line = (nrt_str){space + 1, line.len - len - 1};
    }
    return count;
}

/* The first command of what has come: how many bytes it takes, 0 where it is not whole. */
static size_t command(model *m, int port, nrt_str text) {
    const char *end = memchr(text.ptr, '\n', text.len);
    nrt_str words[WORDS_MAX];
    if (!end) {
        return 0;
    }
    size_t len = (size_t)(end - text.ptr) + 1;
    if (len < 2 || end[-1] != '\r') {
        wrong(m, "a line does not end in CRLF");
        return len;
    }
    nrt_str line = {text.ptr, len - 2};
    if (nrt__str_starts(line, NRT__STR("CONNECT "))) {
        return len;
    }
    int count = split(m, line, words);
    bool headers = nrt__str_equal(words[0], NRT__STR("HPUB"));
    if (nrt__str_equal(words[0], NRT__STR("PING"))) {
        put(m, port, NRT__STR("PONG\r\n"));
        told(m, port);
    } else if (nrt__str_equal(words[0], NRT__STR("SUB"))) {
        subscribe(m, port, words, count);
    } else if (nrt__str_equal(words[0], NRT__STR("UNSUB")) && count > 1) {
        unsubscribe(m, port, words[1]);
    } else if ((headers || nrt__str_equal(words[0], NRT__STR("PUB"))) && count >= 3) {
        size_t size = number_of(words[count - 1]);
        size_t header = headers ? number_of(words[count - 2]) : 0;
        if (size > IN_MAX / 2 || header > size || (headers && header == 0)) {
            wrong(m, "a PUB's sizes are none");
            return len;
        }
        if (text.len - len < size + 2) {
            return 0;
        }
        if (memcmp(text.ptr + len + size, "\r\n", 2) != 0) {
            wrong(m, "a payload is not as long as its PUB says");
        }
        publish(m, port, words, count, header, (nrt_str){text.ptr + len, size});
        len += size + 2;
    } else if (!nrt__str_equal(words[0], NRT__STR("PONG"))) {
        wrong(m, "a command is not known");
    }
    return len;
}

void model_receive(model *m, int port, nrt_str bytes) {
    nrt__buf *in = &m->ports[port].in;
    size_t len = 1;
    if (!nrt__buf_put(in, bytes)) {
        abort();
    }
    while (m->ports[port].open && nrt__buf_len(in) > 0 && len > 0) {
        len = command(m, port, nrt__buf_view(in));
        if (m->ports[port].open) { /* what was told may have closed it */
            nrt__buf_consume(in, len);
        }
    }
}
