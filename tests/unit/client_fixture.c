/* One client, connected. */
#include "client_fixture.h"

engine *e;
char sid[24];
static bool over; /* the test has returned: its answers are gone */

void on_result(const nrt_result *result, void *arg) {
    answer *a = arg;
    if (over) {
        return;
    }
    a->calls++;
    a->error = result->error;
    a->attempts = result->attempts;
    assert_non_null(result->detail);
    snprintf(a->detail, sizeof(a->detail), "%s", result->detail);
    assert_int_equal(result->response == NULL, result->error != 0);
    if (result->response) {
        a->status = nrt_response_status(result->response);
        snprintf(a->body, sizeof(a->body), "%.*s", NRT__ARG(nrt_response_body(result->response)));
    }
}

int client_setup_with(unsigned retries, unsigned retry_on) {
    over = false;
    e = calloc(1, sizeof(*e));
    e->retries = retries;
    e->retry_on = retry_on;
    int error = engine_init(e, ENGINE_CLIENT);
    if (error == 0) {
        error = engine_connect(e);
    }
    const char *inbox = strstr(e->greeting, "SUB _INBOX.");
    sscanf(inbox, "SUB %*s %23s", sid);
    return error;
}

int client_setup(void **state) {
    (void)state;
    return client_setup_with(0, 0);
}

int client_setup_retries(void **state) {
    (void)state;
    return client_setup_with(2, NRT_RETRY_REFUSED | NRT_RETRY_IDEMPOTENT);
}

int client_setup_disconnected(void **state) {
    int error = client_setup(state);
    nrt__session_stop(e->session);
    return error;
}

int client_teardown(void **state) {
    (void)state;
    over = true;
    engine_finish(e);
    free(e);
    return 0;
}

int send_for(answer *a, const char *method, const char *url, uint32_t timeout_ms,
             nrt_exchange_id *id) {
    int error;
    int before = a->calls;
    nrt_request *request = nrt_request_create(method, url, &error);
    assert_non_null(request);
    error = nrt__client_send(e->client, &request->message, timeout_ms, on_result, a, id);
    nrt_request_destroy(request);
    assert_int_equal(a->calls, before); /* never from inside */
    return error;
}

void get(answer *a, nrt_exchange_id *id) {
    assert_int_equal(send_for(a, "GET", URL, 0, id), 0);
}

engine_pub sent(void) {
    engine_pub pub;
    const char *rest = engine_read_pub(engine_take(e), &pub);
    assert_non_null(rest);
    assert_string_equal(rest, "");
    return pub;
}

void assert_nothing_sent(void) {
    assert_string_equal(engine_take(e), "");
}

void reply(const char *subject, const char *payload) {
    assert_int_equal(engine_message(e, sid, subject, NULL, payload), 0);
}

void reply_frame(const char *subject, const char *frame) {
    char header[256];
    snprintf(header, sizeof(header), "\r\nNRT-Frame: %s", frame);
    assert_int_equal(engine_header_message(e, sid, subject, header, ""), 0);
}

void reply_no_responders(const char *subject) {
    assert_int_equal(engine_header_message(e, sid, subject, " 503", ""), 0);
}
