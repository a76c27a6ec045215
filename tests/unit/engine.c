/* The engine, driven by hand. */
#include "engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/str.h"

static void append(char *to, size_t size, const char *format, ...) NRT_PRINTF(3, 4);

static void append(char *to, size_t size, const char *format, ...) {
    size_t len = strlen(to);
    va_list args;
    va_start(args, format);
    vsnprintf(to + len, size - len, format, args);
    va_end(args);
}

static int seeded(void *arg, void *bytes, size_t len) {
    engine *e = arg;
    unsigned char *out = bytes;
    if (e->random_fails) {
        return NRT_ERR_SYSTEM;
    }
    for (size_t i = 0; i < len; i++) { /* xorshift64* */
        e->random ^= e->random >> 12;
        e->random ^= e->random << 25;
        e->random ^= e->random >> 27;
        out[i] = (unsigned char)(e->random * UINT64_C(2685821657736338717) >> 56);
    }
    return 0;
}

static void on_log(nrt_log_level level, const char *text, void *arg) {
    engine *e = arg;
    append(e->log, sizeof(e->log), "%d %s\n", (int)level, text);
}

static void note(engine *e, const char *event) {
    if (!e->quiet) {
        append(e->events, sizeof(e->events), "%s\n", event);
    }
}

/* As lib/link.c does it. */
static void on_greeted(void *arg) {
    engine *e = arg;
    if (e->services && e->probe) {
        nrt__services_greeted(e->services);
    }
}

static void on_ready(void *arg) {
    engine *e = arg;
    note(e, "ready");
    if (e->services) {
        nrt__services_connected(e->services);
    }
    if (e->client) {
        nrt__client_ready(e->client);
    }
    if (e->gathers) {
        nrt__gathers_ready(e->gathers);
    }
}

static void on_denied(nrt_str subject, void *arg) {
    engine *e = arg;
    append(e->events, sizeof(e->events), "denied %.*s\n", NRT__ARG(subject));
    if (e->services && nrt__services_denied(e->services, subject)) {
        return;
    }
    if (e->client) {
        nrt__client_denied(e->client, subject);
    }
    if (e->gathers) {
        nrt__gathers_denied(e->gathers, subject);
    }
}

static int on_secure(const nrt__nats_info *info, void *arg) {
    engine *e = arg;
    note(e, "secure");
    if (e->tls == ENGINE_TLS_IF_ASKED) {
        return info->tls_required;
    }
    return info->tls_required || info->tls_available ? 1 : NRT_ERR_TLS;
}

static void on_info(void *arg) {
    engine *e = arg;
    note(e, "info");
}

static void on_stale(void *arg) {
    engine *e = arg;
    note(e, "stale");
    if (e->stale) {
        e->stale(e->stale_arg);
    }
}

static void on_output(void *arg) {
    engine *e = arg;
    note(e, "output");
}

static void on_plenty(void *arg) {
    engine *e = arg;
    note(e, "plenty");
}

/* As lib/serve.c does it, without threads. */
static void run(nrt_exchange *exchange, void *arg) {
    engine *e = arg;
    if (e->hold) {
        e->held[e->held_count++] = exchange;
        return;
    }
    exchange->handler(exchange, exchange->arg);
    if (!exchange->deferred) {
        nrt__exchange_end_one(exchange);
    }
    if (nrt__exchange_end_one(exchange)) {
        nrt__exchange_finish(exchange);
    }
}

static void on_drained(void *arg) {
    engine *e = arg;
    note(e, "drained");
    if (e->services) {
        nrt__services_drained(e->services);
    }
    if (e->client) {
        nrt__client_drained(e->client);
    }
}

static nrt__session_events events_of(engine *e) {
    return (nrt__session_events){
        .greeted = on_greeted,
        .ready = on_ready,
        .secure = e->tls == ENGINE_NO_TLS ? NULL : on_secure,
        .denied = on_denied,
        .info = on_info,
        .stale = on_stale,
        .output = on_output,
        .plenty = on_plenty,
        .drained = on_drained,
        .arg = e,
    };
}

int engine_init(engine *e, unsigned parts) {
    nrt__session_events events = events_of(e);
    e->env.now_ms = e->env.now_ms ? e->env.now_ms : 1000000;
    e->env.random = seeded;
    e->env.random_arg = e;
    e->env.log = e->quiet ? NULL : on_log;
    e->env.log_arg = e;
    e->env.log_level = NRT_LOG_DEBUG;
    e->random = e->random ? e->random : 88172645463325252u;
    e->login.name = "test";
    strcpy(e->env.date, "Sun, 06 Nov 1994 08:49:37 GMT");
    nrt__timers_init(&e->timers, e->env.now_ms);
    nrt__session_options *options = &e->session_options;
    options->max_output = options->max_output ? options->max_output : 64 * 1024;
    options->max_message = options->max_message ? options->max_message : 16 * 1024;
    options->ping_interval_ms = options->ping_interval_ms ? options->ping_interval_ms : 10000;
    e->session = nrt__session_create(&e->env, &e->timers, options, &events);
    if (!e->session) {
        return NRT_ERR_MEMORY;
    }
    if (parts & ENGINE_CLIENT) {
        nrt__client_options client = {.prefix = NRT__STR("nrt"),
                                      .inbox_prefix = NRT__STR("_INBOX"),
                                      .retries = e->retries,
                                      .retry_on = e->retry_on,
                                      .limits = NRT__H1_LIMITS_DEFAULT,
                                      .timeout_ms = 30000,
                                      .connect_wait_ms = 2000,
                                      .max_exchanges = 100,
                                      .window = e->window,
                                      .max_body = e->max_body ? e->max_body : 300000,
                                      .max_waiting = e->max_waiting ? e->max_waiting : 4096};
        e->client = nrt__client_create(&e->env, &e->timers, e->session, &client);
        if (e->client && nrt__client_listen(e->client) < 0) { /* in the greeting, for all to see */
            nrt__client_destroy(e->client);
            e->client = NULL;
        }
        if (!e->client) {
            return NRT_ERR_MEMORY;
        }
    }
    if (parts & ENGINE_SERVICES) {
        nrt__services_options services = {.prefix = NRT__STR("nrt"),
                                          .inbox_prefix = NRT__STR("_INBOX"),
                                          .window = e->window,
                                          .max_body = e->max_body ? e->max_body : 300000,
                                          .limits = NRT__H1_LIMITS_DEFAULT,
                                          .multi_reply = e->multi_reply};
        e->services = nrt__services_create(&e->env, &e->timers, e->session, &services, run, e);
        if (!e->services) {
            return NRT_ERR_MEMORY;
        }
    }
    if (parts & ENGINE_DISCOVERY) {
        e->discovery = nrt__discovery_create(&e->env, &e->timers, e->session, NRT__STR("nrt"));
        if (!e->discovery) {
            return NRT_ERR_MEMORY;
        }
        nrt__services_announce(e->services, e->discovery);
    }
    if (parts & ENGINE_GATHERS) {
        e->gathers = nrt__gathers_create(&e->env, &e->timers, e->session, NRT__STR("_INBOX"));
        if (!e->gathers) {
            return NRT_ERR_MEMORY;
        }
    }
    return 0;
}

int engine_add_session(engine *e) {
    nrt__session_events events = events_of(e);
    e->other = nrt__session_create_beside(e->session, &events);
    return e->other ? 0 : NRT_ERR_MEMORY;
}

void engine_swap(engine *e) {
    nrt__session *other = e->other;
    e->other = e->session;
    e->session = other;
}

void engine_drop_other(engine *e) {
    nrt__session *other = e->other;
    e->other = NULL;
    if (e->client) {
        nrt__client_save(e->client, other);
    }
    nrt__session_stop(other);
    if (e->client) {
        nrt__client_disconnected(e->client, other, "closed");
    }
    if (e->services) {
        nrt__services_forget(e->services, other);
    }
    nrt__session_destroy(other);
}

void engine_finish(engine *e) {
    if (e->other) {
        nrt__session_stop(e->other);
    }
    if (e->session) {
        nrt__session_stop(e->session);
    }
    nrt__client_destroy(e->client);
    nrt__services_destroy(e->services);
    nrt__discovery_destroy(e->discovery);
    nrt__gathers_destroy(e->gathers);
    e->discovery = NULL;
    e->gathers = NULL;
    nrt__session_destroy(e->session);
    nrt__session_destroy(e->other);
    e->client = NULL;
    e->services = NULL;
    e->session = e->other = NULL;
}

int engine_feed_bytes(engine *e, nrt_str bytes) {
    int error = 0;
    while (error == 0 && bytes.len > 0) {
        size_t room = 0;
        char *to = nrt__session_room(e->session, &room);
        if (!to) {
            return NRT_ERR_MEMORY;
        }
        size_t step = bytes.len < room ? bytes.len : room;
        memcpy(to, bytes.ptr, step);
        bytes.ptr += step;
        bytes.len -= step;
        error = nrt__session_received(e->session, step);
    }
    return error;
}

int engine_feed(engine *e, const char *text) {
    return engine_feed_bytes(e, nrt_str_from(text));
}

int engine_message(engine *e, const char *sid, const char *subject, const char *reply,
                   const char *payload) {
    static char text[ENGINE_TEXT_MAX];
    int len = snprintf(text, sizeof(text), "MSG %s %s %s %zu\r\n%s\r\n", subject, sid,
                       reply ? reply : "", strlen(payload), payload);
    return engine_feed_bytes(e, (nrt_str){text, (size_t)len});
}

int engine_header_message(engine *e, const char *sid, const char *subject, const char *header,
                          const char *payload) {
    char text[4096];
    size_t block = strlen("NATS/1.0\r\n\r\n") + strlen(header);
    int len = snprintf(text, sizeof(text), "HMSG %s %s %zu %zu\r\nNATS/1.0%s\r\n\r\n%s\r\n",
                       subject, sid, block, block + strlen(payload), header, payload);
    return engine_feed_bytes(e, (nrt_str){text, (size_t)len});
}

const char *engine_take(engine *e) {
    nrt_str output = nrt__session_output(e->session);
    if (output.len >= sizeof(e->text)) {
        abort();
    }
    memcpy(e->text, output.ptr, output.len);
    e->text[output.len] = '\0';
    if (output.len > 0) {
        nrt__session_sent(e->session, output.len);
    }
    return e->text;
}

int engine_connect(engine *e) {
    nrt__session_start(e->session, &e->login);
    int error = engine_feed(e, ENGINE_INFO);
    if (error == 0) {
        snprintf(e->greeting, sizeof(e->greeting), "%s", engine_take(e));
        error = engine_feed(e, strstr(e->greeting, "probe") ? "PONG\r\nPONG\r\n" : "PONG\r\n");
    }
    e->events[0] = '\0';
    return error;
}

/* As lib/link.c does it. */
void engine_disconnect(engine *e) {
    if (e->client) {
        nrt__client_save(e->client, e->session);
    }
    nrt__session_stop(e->session);
    if (e->services) {
        nrt__services_lost(e->services, e->session);
    }
    if (e->client) {
        nrt__client_disconnected(e->client, e->session, "cut");
    }
    if (e->gathers) {
        nrt__gathers_disconnected(e->gathers, "cut");
    }
}

void engine_advance(engine *e, int64_t ms) {
    int64_t end = e->env.now_ms + ms;
    for (;;) {
        int64_t next = nrt__timers_next(&e->timers);
        if (next < 0 || next > end) {
            break;
        }
        e->env.now_ms = next > e->env.now_ms ? next : e->env.now_ms + 1;
        nrt__timers_run(&e->timers, e->env.now_ms);
    }
    e->env.now_ms = end;
    nrt__timers_run(&e->timers, end);
}

const char *engine_events(engine *e) {
    static char taken[sizeof(e->events)];
    strcpy(taken, e->events);
    e->events[0] = '\0';
    return taken;
}

/* Where the next line begins that starts with `word`; payloads have none. */
static const char *find_line(const char *text, const char *word) {
    while (text && strncmp(text, word, strlen(word)) != 0) {
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    return text;
}

const char *engine_read_pub(const char *text, engine_pub *pub) {
    const char *plain = find_line(text, "PUB ");
    const char *at = find_line(text, "HPUB ");
    bool with_header = at && (!plain || at < plain);
    at = with_header ? at : plain;
    if (!at) {
        return NULL;
    }
    const char *end = strstr(at, "\r\n");
    char line[1300] = "";
    if (!end || (size_t)(end - at) >= sizeof(line)) {
        return NULL;
    }
    memcpy(line, at, (size_t)(end - at));
    char words[4][600];
    int max = with_header ? 4 : 3; /* with a reply subject */
    int count = sscanf(line, "%*s %599s %599s %599s %599s", words[0], words[1], words[2], words[3]);
    if (count < max - 1 || count > max) {
        return NULL;
    }
    bool has_reply = count == max;
    size_t len = strtoul(words[count - 1], NULL, 10);
    size_t header = with_header ? strtoul(words[count - 2], NULL, 10) : 0;
    snprintf(pub->subject, sizeof(pub->subject), "%s", words[0]);
    snprintf(pub->reply, sizeof(pub->reply), "%s", has_reply ? words[1] : "");
    if (header > len || strlen(end) < len + 4 || strncmp(end + 2 + len, "\r\n", 2) != 0) {
        return NULL;
    }
    pub->header = (nrt_str){with_header ? end + 2 : NULL, header};
    pub->payload = (nrt_str){end + 2 + header, len - header};
    return end + 2 + len + 2;
}

const char *engine_sid(const char *text, const char *subject, char sid[24]) {
    char start[600];
    snprintf(start, sizeof(start), "SUB %s ", subject);
    sid[0] = '\0';
    for (const char *at = strstr(text, start); at; at = strstr(at + 1, start)) {
        if (at == text || at[-1] == '\n') {
            const char *end = strstr(at, "\r\n");
            const char *space = end;
            while (space && space > at && *space != ' ') {
                space--;
            }
            if (end && end - space < 24) {
                memcpy(sid, space + 1, (size_t)(end - space - 1));
                sid[end - space - 1] = '\0';
            }
            break;
        }
    }
    return sid;
}
