/* HTTP messages as values: fields, requests, responses (RFC 9110). No connection is needed to use
 * them. The const ones that an exchange hands out belong to it. */
#ifndef NRT_MESSAGE_H
#define NRT_MESSAGE_H

#include <nrt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A header or trailer section: part of a message, and as long-lived; or one of the program's own.
 */
typedef struct nrt_fields nrt_fields;

/* A request: method, host, target, fields, body. */
typedef struct nrt_request nrt_request;

/* A response: status, fields, body. */
typedef struct nrt_response nrt_response;

/* ---- fields: the header or trailer section, in the order of the message -------------------- */

/* A section of the program's own, empty: for nrt_stream_end, say, or to be kept. NULL when out of
 * memory. The caller owns it. */
NRT_API nrt_fields *nrt_fields_create(void);

/* Frees a section made by nrt_fields_create. NULL is allowed. */
NRT_API void nrt_fields_destroy(nrt_fields *fields);

/* How many field lines there are; one whose name occurs twice counts twice. */
NRT_API size_t nrt_fields_count(const nrt_fields *fields);

/* The field line at `index`, from 0; `name` and `value` may be NULL. NRT_ERR_USAGE where there is
 * none. The views live until their message ends, or the section does. */
NRT_API int nrt_fields_at(const nrt_fields *fields, size_t index, nrt_str *name, nrt_str *value);

/* The value of the first field called `name` (compared without case), or the absent string. It
 * lives until its message ends. Use nrt_fields_at to see all lines of a repeated field. */
NRT_API nrt_str nrt_fields_get(const nrt_fields *fields, const char *name);

/* Appends a field. NRT_ERR_FIELD for a name that is no token or a value with control characters or
 * outer white space (RFC 9110 section 5.5), NRT_ERR_MEMORY. */
NRT_API int nrt_fields_add(nrt_fields *fields, nrt_str name, nrt_str value);

/* Puts one field in the place of all those called `name`. Errors as nrt_fields_add. */
NRT_API int nrt_fields_set(nrt_fields *fields, nrt_str name, nrt_str value);

/* Removes all fields called `name` and returns how many there were. */
NRT_API size_t nrt_fields_remove(nrt_fields *fields, const char *name);

/* ---- requests -------------------------------------------------------------------------------- */

/* A request for an absolute URL, `http://HOST.nats[:PORT]/PATH?QUERY` (https:// means the same: the
 * transport's TLS is NATS's). The Host field follows from it; a fragment is dropped. The caller
 * owns the request. Returns NULL where that is not possible, and sets *error (may be NULL) to
 * NRT_ERR_METHOD, NRT_ERR_URL, NRT_ERR_HOST, NRT_ERR_USAGE (NULL) or NRT_ERR_MEMORY. */
NRT_API nrt_request *nrt_request_create(const char *method, const char *url, int *error);

/* Frees a request made by nrt_request_create. NULL is allowed. */
NRT_API void nrt_request_destroy(nrt_request *request);

/* The method, as sent: "GET". What these functions hand out lives as long as the request. */
NRT_API nrt_str nrt_request_method(const nrt_request *request);

/* The target, as sent: "/city?units=metric", or "*" for OPTIONS. nrt/http.h takes it apart. */
NRT_API nrt_str nrt_request_target(const nrt_request *request);

/* The host, in lower case and without port: "weather.nats". */
NRT_API nrt_str nrt_request_host(const nrt_request *request);

/* The body, with its transfer coding undone; empty where there is none, and where it comes in
 * pieces (nrt_exchange_is_whole). */
NRT_API nrt_str nrt_request_body(const nrt_request *request);

/* The header fields. */
NRT_API const nrt_fields *nrt_request_fields(const nrt_request *request);

/* The trailer fields, which come behind the body. Those of a body in pieces are told with its end,
 * and on a worker stand here when nrt_exchange_read has got to it. */
NRT_API const nrt_fields *nrt_request_trailers(const nrt_request *request);

/* The protocol that the client wants to change to (RFC 9110 section 7.8), such as "websocket";
 * empty where it wants none. */
NRT_API nrt_str nrt_request_upgrade(const nrt_request *request);

/* The header fields, for changing. Framing and hop-by-hop fields (Host, Content-Length,
 * Transfer-Encoding, Connection …) and NRT-* are made by the library: whatever stands here of them
 * is not sent. */
NRT_API nrt_fields *nrt_request_edit(nrt_request *request);

/* The trailer fields, for changing. Fields that are not for trailers (RFC 9110 section 6.5.1) are
 * not sent. */
NRT_API nrt_fields *nrt_request_edit_trailers(nrt_request *request);

/* Sets the body, any bytes. The method need not be one that usually has a body. NRT_ERR_MEMORY. */
NRT_API int nrt_request_set_body(nrt_request *request, nrt_str body);

/* ---- responses ------------------------------------------------------------------------------- */

/* The status: 200 to 599, or that of an interim response. What these functions hand out lives as
 * long as the response. */
NRT_API int nrt_response_status(const nrt_response *response);

/* The reason phrase as sent, which may be empty. It means nothing (RFC 9112 section 4). */
NRT_API nrt_str nrt_response_reason(const nrt_response *response);

/* The body, with its transfer coding undone; empty where there is none, and for nrt/stream.h. */
NRT_API nrt_str nrt_response_body(const nrt_response *response);

/* The header fields. */
NRT_API const nrt_fields *nrt_response_fields(const nrt_response *response);

/* The trailer fields, which came behind the body. */
NRT_API const nrt_fields *nrt_response_trailers(const nrt_response *response);

/* A copy of a response that a callback was shown; NULL when out of memory. The caller owns it. */
NRT_API nrt_response *nrt_response_copy(const nrt_response *response);

/* Frees a response that the caller owns (nrt_do, nrt_response_copy). NULL is allowed. */
NRT_API void nrt_response_destroy(nrt_response *response);

/* The standard reason phrase of a status (RFC 9110 section 15), such as "Not Found"; "" for an
 * unknown one. Static. */
NRT_API const char *nrt_status_reason(int status);

#ifdef __cplusplus
}
#endif
#endif
