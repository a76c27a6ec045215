/* A client in an engine that is connected: what the tests of clients share. */
#ifndef NRT__CLIENT_FIXTURE_H
#define NRT__CLIENT_FIXTURE_H

#include "unit.h"

#include "engine.h"

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* Of a service that sends frames. */
#define FRAMED_REPLY "HTTP/1.1 200 OK\r\nNRT-Version: 1\r\nContent-Length: 2\r\n\r\nhi"

/* What every request says of us. */
#define ACCEPT "NRT-Accept: v=1, window=262144, timeout=30000\r\n"

#define URL "http://weather.nats/city"

/* What a callback was told, and how often. */
typedef struct answer {
    int calls;
    int error;
    int status;
    unsigned attempts;
    char detail[256];
    char body[64];
} answer;

/* Of the test that runs. */
extern engine *e;
extern char sid[24]; /* of the inbox */

int client_setup_with(unsigned retries, unsigned retry_on);
int client_setup(void **state); /* no retries */
int client_setup_disconnected(void **state);
int client_setup_retries(void **state); /* two more attempts, after a refusal or where harmless */
int client_teardown(void **state);

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, client_setup, client_teardown)
#define DISCONNECTED_TEST(name)                                                                    \
    cmocka_unit_test_setup_teardown(name, client_setup_disconnected, client_teardown)
#define RETRY_TEST(name)                                                                           \
    cmocka_unit_test_setup_teardown(name, client_setup_retries, client_teardown)

/* nrt_result_fn; `arg` is an answer. */
void on_result(const nrt_result *result, void *arg);

int send_for(answer *a, const char *method, const char *url, uint32_t timeout_ms,
             nrt_exchange_id *id);

/* GET URL, which is taken. */
void get(answer *a, nrt_exchange_id *id);

/* The one message that was sent. */
engine_pub sent(void);
void assert_nothing_sent(void);

/* What comes to a reply subject: a response, a frame ("t=accept"), the server's 503. */
void reply(const char *subject, const char *payload);
void reply_frame(const char *subject, const char *frame);
void reply_no_responders(const char *subject);

#endif
