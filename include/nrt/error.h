/* Every error of the library, from one table: its number, the code that goes on the wire
 * (`NRT-Error`, problem+json), the HTTP status a gateway answers with, and a sentence. */
#ifndef NRT_ERROR_H
#define NRT_ERROR_H

#include <nrt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The table: X(name, number, wire code, HTTP status, sentence). For programs that want all of them;
 * there may be more in later versions, and the numbers stay. */
#define NRT_ERROR_MAP(X)                                                                           \
    X(MEMORY, -1, "out-of-memory", 503, "out of memory")                                           \
    X(USAGE, -2, "usage", 500, "an argument is missing or out of range")                           \
    X(THREAD, -3, "wrong-thread", 500,                                                             \
      "called on another thread than the one that drives the connection")                          \
    X(FORK, -4, "forked", 500, "the connection belongs to the process before fork()")              \
    X(STATE, -5, "bad-state", 500, "not possible in this state")                                   \
    X(BUSY, -6, "busy", 503, "at a limit: too much is waiting already")                            \
    X(SYSTEM, -7, "system", 500, "a system call failed")                                           \
    X(URL, -8, "bad-url", 400, "not a valid http:// or https:// URL")                              \
    X(HOST, -9, "bad-host", 400, "not a valid host name that ends in .nats")                       \
    X(METHOD, -10, "bad-method", 501, "the method cannot be a subject token")                      \
    X(FIELD, -11, "bad-field", 400, "not a valid field name or value")                             \
    X(BAD_REQUEST, -12, "bad-request", 400, "not exactly one well-formed HTTP/1.1 request")        \
    X(HEAD_TOO_LARGE, -13, "head-too-large", 431, "the message head is larger than the limit")     \
    X(TARGET_TOO_LONG, -14, "target-too-long", 414, "the request target is longer than the limit") \
    X(TOO_LARGE, -15, "too-large", 413,                                                            \
      "larger than is taken: max_body, or one NATS message where streams are not possible")        \
    X(RESPONSE_TOO_LARGE, -16, "response-too-large", 502,                                          \
      "the response is larger than is taken: max_body, or one NATS message without streams")       \
    X(MISMATCH, -17, "method-mismatch", 403,                                                       \
      "the subject's last token is not the request's method")                                      \
    X(MISDIRECTED, -18, "misdirected", 421, "the request is for a host not served here")           \
    X(NO_SERVICE, -19, "no-service", 503, "no service answers")                                    \
    X(TIMEOUT, -20, "timeout", 504, "no answer in time")                                           \
    X(DISCONNECTED, -21, "disconnected", 503, "not connected to NATS; the request was not sent")   \
    X(PERMISSION, -22, "permission", 403, "NATS permissions do not allow this subject")            \
    X(PROTOCOL, -23, "bad-response", 502, "the reply is not a valid HTTP/1.1 response")            \
    X(ABORTED, -24, "aborted", 502,                                                                \
      "broken off after the request was sent; it may have been executed")                          \
    X(REFUSED, -25, "refused", 503, "the service is at its limit or is being stopped")             \
    X(CANCELED, -26, "canceled", 499, "canceled by the caller")                                    \
    X(RESOLVE, -27, "resolve", 503, "the server's name cannot be resolved")                        \
    X(CONNECT, -28, "connect", 503, "cannot connect to the server")                                \
    X(AUTH, -29, "auth", 503, "the NATS server refuses the credentials")                           \
    X(SERVER, -30, "server", 503,                                                                  \
      "the NATS server broke the protocol or asks for what is missing")                            \
    X(ORIGIN, -31, "origin-failed", 502, "the origin behind the sidecar cannot be reached")        \
    X(ORIGIN_RESPONSE, -32, "bad-origin-response", 502, "the origin's response is not valid")      \
    X(NO_ROUTE, -33, "no-route", 404, "no route leads to a service")                               \
    X(UNSUPPORTED, -34, "unsupported", 501, "not supported")                                       \
    X(REQUEST_TIMEOUT, -36, "request-timeout", 408, "the request did not come in time")            \
    X(EXPECTATION, -37, "expectation-failed", 417, "the expectation cannot be met")                \
    X(CONFIG, -39, "config", 500, "the configuration is not valid")                                \
    X(VERSION, -35, "http-version", 505, "only HTTP/1.1 and HTTP/1.0 are understood")              \
    X(MEDIA, -40, "unsupported-media-type", 415, "the body is not of a type that is taken here")   \
    X(TLS, -38, "tls", 503, "no TLS connection to the NATS server can be made")

/* Their names: NRT_ERR_MEMORY is -1. Functions return them as int. */
typedef enum nrt_error {
    NRT_OK = 0, /* no error */
#define NRT__ERROR_ENUM(name, number, code, status, text) NRT_ERR_##name = number,
    NRT_ERROR_MAP(NRT__ERROR_ENUM)
#undef NRT__ERROR_ENUM
} nrt_error;

/* The sentence for `error`, such as "no service answers"; "unknown error" for a number that is not
 * in the table. Static. What happened in particular is in nrt_conn_error, nrt_mux_error or the
 * `detail` of a callback. */
NRT_API const char *nrt_error_text(int error);

/* The code on the wire, such as "no-service" (docs/protocol.md); "unknown" for a number that is not
 * in the table. Static. */
NRT_API const char *nrt_error_code(int error);

/* The HTTP status that a gateway answers with (RFC 9110 section 15); 500 for a number that is not
 * in the table. */
NRT_API int nrt_error_status(int error);

#ifdef __cplusplus
}
#endif
#endif
