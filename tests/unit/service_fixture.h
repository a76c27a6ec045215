/* A service for weather.nats in an engine that is connected: what the tests of services share. */
#ifndef NRT__SERVICE_FIXTURE_H
#define NRT__SERVICE_FIXTURE_H

#include "unit.h"

#include "engine.h"

#define SUBJECT "nrt.requests.weather.nats."

/* The one response that was sent, as a message; it must be valid. */
typedef struct reply {
    nrt__h1_reader reader;
    nrt__message message;
    nrt__buf body;
    char raw[8192];
} reply;

/* Of the test that runs. */
extern engine *e;
extern char sid[24];         /* of the service's subscription */
extern nrt_service *service; /* takes two requests at a time */
extern int handled;          /* calls of look */
extern char seen[16 * 1024]; /* by its last call: request line, fields, body */
extern char told[256];       /* a line each time it became ready */
extern reply r;

int service_setup(void **state);
/* It asks whether it may send frames as soon as it is ready, or knows that it may. */
int service_setup_with(void **state, bool probe, bool multi_reply);
int service_teardown(void **state);
int service_group_teardown(void **state);

#define SERVICE_TEST(name) cmocka_unit_test_setup_teardown(name, service_setup, service_teardown)

/* The handler: writes down what it sees, answers 200 "fine". */
void look(nrt_exchange *exchange, void *arg);

/* A request comes whose subject ends in `method_token`. */
void ask(const char *method_token, const char *request);

/* Reads the one response that was sent into `r`, flags as nrt__h1_begin. */
void read_reply_as(unsigned flags);
nrt_str field(const char *name);

/* It is a problem with that status and NRT-Error. */
void assert_problem(int status, const char *code);

/* Runs the handler of an exchange that was held, and ends it. */
void end_both(nrt_exchange *exchange);

#endif
