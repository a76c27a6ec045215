/* How `nrt doctor` asks a NATS server what is permitted: it tries, on subjects that nobody has, and
 * waits for the PONG behind the attempt. A refusal comes before that. */
#include <stdlib.h>
#include <time.h>

#include "cli/doctor/doctor.h"
#include "core/base/str.h"
#include "core/http/h1_whole.h"

const char *const nrt__doctor_methods[NRT__DOCTOR_METHODS] = {"get", "head",  "post",
                                                              "put", "patch", "delete"};

static double now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

void nrt__doctor_run(nrt__doctor *doctor, const bool *done, uint32_t ms) {
    double end = now_ms() + ms;
    double left = ms;
    while (!*done && !doctor->dialing.lost && left > 0) {
        if (nrt_conn_dispatch(doctor->conn, (int)left + 1) < 0) {
            doctor->dialing.lost = true;
        }
        left = end - now_ms();
    }
}

/* ---- one attempt ---- */

typedef struct attempt {
    nrt_str subject;
    bool denied;
    bool done;
    int error;
} attempt;

static void on_denied(nrt_str subject, void *arg) {
    attempt *one = arg;
    one->denied = one->denied || nrt__str_equal(subject, one->subject);
}

static void on_pong(int error, void *arg) {
    attempt *one = arg;
    one->error = error;
    one->done = true;
}

/* Where the PONG does not come the connection is of no use: its callback must not find `one` gone.
 */
static int await(nrt__doctor *doctor, attempt *one) {
    if (one->error == 0) {
        nrt__doctor_run(doctor, &one->done, doctor->wait_ms);
    }
    doctor->conn->on_denied = NULL;
    if (one->error == 0 && !one->done) {
        doctor->dialing.lost = true;
        nrt__session_mute(nrt__conn_session(doctor->conn));
        return NRT_ERR_TIMEOUT;
    }
    return one->error < 0 ? one->error : 0;
}

int nrt__doctor_may_publish(nrt__doctor *doctor, nrt_str subject, nrt_str reply, nrt_str payload) {
    nrt_conn *conn = doctor->conn;
    attempt one = {.subject = subject};
    if (doctor->dialing.lost) {
        return NRT_ERR_DISCONNECTED;
    }
    conn->on_denied = on_denied;
    conn->on_denied_arg = &one;
    nrt__loop_enter(nrt__conn_loop(conn));
    one.error = nrt__session_publish(nrt__conn_session(conn), subject, reply, &payload, 1);
    if (one.error == 0) {
        one.error = nrt__session_flush(nrt__conn_session(conn), on_pong, &one);
    }
    nrt__loop_leave(nrt__conn_loop(conn));
    int error = await(doctor, &one);
    return error < 0 ? error : !one.denied;
}

double nrt__doctor_ping(nrt__doctor *doctor) {
    nrt_conn *conn = doctor->conn;
    attempt one = {.denied = false};
    double begun = now_ms();
    if (doctor->dialing.lost) {
        return NRT_ERR_DISCONNECTED;
    }
    nrt__loop_enter(nrt__conn_loop(conn));
    one.error = nrt__session_flush(nrt__conn_session(conn), on_pong, &one);
    nrt__loop_leave(nrt__conn_loop(conn));
    int error = await(doctor, &one);
    return error < 0 ? error : now_ms() - begun;
}

static void on_nothing(const nrt__nats_msg *msg, void *arg) {
    (void)msg;
    (void)arg;
}

static void on_subscribed(int error, void *arg) {
    attempt *one = arg;
    one->denied = error < 0;
    one->done = true;
}

int nrt__doctor_may_subscribe(nrt__doctor *doctor, nrt_str subject, nrt_str queue) {
    nrt_conn *conn = doctor->conn;
    attempt one = {.done = false};
    if (doctor->dialing.lost) {
        return NRT_ERR_DISCONNECTED;
    }
    nrt__loop_enter(nrt__conn_loop(conn));
    nrt__sub *sub = nrt__session_subscribe(nrt__conn_session(conn), subject, queue, on_nothing,
                                           on_subscribed, &one);
    nrt__loop_leave(nrt__conn_loop(conn));
    one.error = sub ? 0 : NRT_ERR_MEMORY;
    int error = await(doctor, &one);
    nrt__loop_enter(nrt__conn_loop(conn));
    nrt__session_sub_destroy(nrt__conn_session(conn), sub); /* may be another by now */
    nrt__loop_leave(nrt__conn_loop(conn));
    return error < 0 ? error : !one.denied;
}

/* ---- as a service would ---- */

static void on_own_request(const nrt__nats_msg *msg, void *arg) {
    (void)msg;
    *(bool *)arg = true;
}

/* allow_responses lets only those publish to a reply subject to whom a message with it was
 * delivered: we ask ourselves. Nobody listens on that reply subject. */
nrt__replies nrt__doctor_replies(nrt__doctor *doctor, nrt_str subject) {
    nrt_conn *conn = doctor->conn;
    const nrt_str none = {NULL, 0};
    char reply[NRT__SUBJECT_MAX];
    bool arrived = false;
    nrt__replies replies = NRT__REPLIES_UNKNOWN;
    if (doctor->dialing.lost) {
        return replies;
    }
    (void)snprintf(reply, sizeof(reply), "%s.nrt.%s.reply", doctor->inbox, doctor->token);
    nrt__loop_enter(nrt__conn_loop(conn));
    nrt__sub *sub = nrt__session_subscribe(nrt__conn_session(conn), subject, none, on_own_request,
                                           NULL, &arrived);
    nrt__loop_leave(nrt__conn_loop(conn));
    if (sub && nrt__doctor_may_publish(doctor, subject, nrt_str_from(reply), none) == 1 &&
        arrived) {
        int first = nrt__doctor_may_publish(doctor, nrt_str_from(reply), none, none);
        int second =
            first == 1 ? nrt__doctor_may_publish(doctor, nrt_str_from(reply), none, none) : 0;
        replies = first < 0 || second < 0 ? NRT__REPLIES_UNKNOWN
                  : first == 0            ? NRT__REPLIES_NONE
                  : second == 0           ? NRT__REPLIES_ONE
                                          : NRT__REPLIES_SOME;
    }
    nrt__loop_enter(nrt__conn_loop(conn));
    nrt__session_sub_destroy(nrt__conn_session(conn), sub); /* may be another by now */
    nrt__loop_leave(nrt__conn_loop(conn));
    return replies;
}

/* ---- a host ---- */

typedef struct waiting {
    nrt__probe *probe;
    nrt_str reply; /* of the probe on its way */
    double sent_ms;
    bool done;
} waiting;

static void copy(char *out, size_t size, nrt_str value) {
    (void)snprintf(out, size, "%.*s", NRT__ARG(value));
}

/* Half a second at most is lost to Date's resolution. */
static void read_date(nrt__probe *probe, nrt_str value) {
    char text[64];
    struct tm tm = {.tm_sec = 0};
    copy(text, sizeof(text), value);
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    probe->has_skew = value.len < sizeof(text) && end && *end == '\0';
    if (probe->has_skew) {
        probe->skew_s = (int64_t)timegm(&tm) - (int64_t)time(NULL);
    }
}

static void read_answer(nrt__probe *probe, nrt_str payload) {
    nrt__h1_reader reader;
    nrt__message message;
    nrt__h1_limits limits = NRT__H1_LIMITS_DEFAULT;
    nrt__h1_reader_init(&reader, &limits);
    nrt__message_init(&message, false);
    probe->outcome = NRT__PROBED_INVALID;
    if (nrt__h1_read_whole(&reader, &message, NRT__H1_OLD_PEER, payload) == 0) {
        const nrt_fields *fields = &message.fields;
        nrt_str mismatch = nrt_str_from(nrt_error_code(NRT_ERR_MISMATCH));
        probe->outcome = NRT__PROBED_ANSWER;
        probe->status = message.status;
        probe->refused_as_meant =
            message.status == 403 && nrt__str_equal(nrt_fields_get(fields, "NRT-Error"), mismatch);
        probe->ours = nrt_fields_get(fields, "NRT-ID").ptr != NULL;
        probe->frames = nrt__fields_find(fields, NRT__NRT_VERSION, NULL) != NULL;
        copy(probe->server, sizeof(probe->server), nrt_fields_get(fields, "NRT-Connected-Server"));
        copy(probe->client, sizeof(probe->client), nrt_fields_get(fields, "NRT-Client"));
        copy(probe->cluster, sizeof(probe->cluster),
             nrt_fields_get(fields, "NRT-Connected-Cluster"));
        read_date(probe, nrt__fields_value(fields, NRT__DATE));
    }
    nrt__message_free(&message);
    nrt__h1_reader_free(&reader);
}

static void on_reply(const nrt__nats_msg *msg, void *arg) {
    waiting *wait = arg;
    if (wait->done || !nrt__str_equal(msg->subject, wait->reply)) {
        return; /* too late, or to one before */
    }
    wait->done = true;
    wait->probe->rtt_ms = now_ms() - wait->sent_ms;
    if (msg->status == 503 && msg->payload.len == 0) {
        wait->probe->outcome = NRT__PROBED_NOBODY;
    } else {
        read_answer(wait->probe, msg->payload);
    }
}

/* One message; false where there is no use in sending more. */
static bool probe_once(nrt__doctor *doctor, waiting *wait, const char *inbox, size_t number) {
    char subject[NRT__SUBJECT_MAX];
    char reply[NRT__SUBJECT_MAX];
    char secret[12] = "";
    char request[NRT__HOST_MAX + 128];
    nrt__env *env = &nrt__conn_loop(doctor->conn)->env;
    (void)snprintf(subject, sizeof(subject), "%s.requests.%s.%s", doctor->prefix, doctor->host,
                   nrt__doctor_methods[number]);
    if (nrt__random_text(env, secret, sizeof(secret) - 1) < 0) {
        return false;
    }
    (void)snprintf(reply, sizeof(reply), "%.*s%s", (int)strlen(inbox) - 1, inbox, secret);
    (void)snprintf(request, sizeof(request),
                   "OPTIONS * HTTP/1.1\r\nHost: %s\r\nUser-Agent: nrt-doctor\r\n\r\n",
                   doctor->host);
    wait->probe = &doctor->probes[number];
    wait->reply = nrt_str_from(reply);
    wait->done = false;
    wait->sent_ms = now_ms();
    int may =
        nrt__doctor_may_publish(doctor, nrt_str_from(subject), wait->reply, nrt_str_from(request));
    wait->probe->sent = may == 1;
    doctor->permits.methods[number] = may == 1;
    if (may == 1 && doctor->permits.inbox) {
        nrt__doctor_run(doctor, &wait->done, doctor->wait_ms);
    }
    if (may == 0) {
        wait->probe->outcome = NRT__PROBED_DENIED;
        wait->done = true;
    }
    wait->reply = nrt_str_from("");
    return may >= 0 && (wait->done || !doctor->permits.inbox);
}

void nrt__doctor_probe_host(nrt__doctor *doctor) {
    nrt_conn *conn = doctor->conn;
    waiting wait = {.probe = NULL};
    char inbox[NRT__SUBJECT_MAX];
    (void)snprintf(inbox, sizeof(inbox), "%s.%s%s.*", doctor->inbox, "doctor", doctor->token);
    nrt__loop_enter(nrt__conn_loop(conn));
    nrt__sub *sub = nrt__session_subscribe(nrt__conn_session(conn), nrt_str_from(inbox),
                                           (nrt_str){NULL, 0}, on_reply, NULL, &wait);
    nrt__loop_leave(nrt__conn_loop(conn));
    bool answering = sub != NULL;
    for (size_t i = 0; i < NRT__DOCTOR_METHODS && !doctor->dialing.lost; i++) {
        if (answering) {
            answering = probe_once(doctor, &wait, inbox, i);
        } else { /* silence is waited for once: the others are not asked, and count as the first */
            doctor->permits.methods[i] = doctor->permits.methods[0];
        }
    }
    nrt__loop_enter(nrt__conn_loop(conn));
    nrt__session_sub_destroy(nrt__conn_session(conn), sub); /* may be another by now */
    nrt__loop_leave(nrt__conn_loop(conn));
}
