/* HTTP messages as values: fields, requests, responses. No connection is needed to use them, and
 * a message is used by one thread at a time. */
#ifndef NRT_MESSAGE_H
#define NRT_MESSAGE_H

#include <nrt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nrt_fields nrt_fields;
typedef struct nrt_request nrt_request;
typedef struct nrt_response nrt_response;

/* ---- fields: the header or trailer section, in the order of the message -------------------- */

NRT_API size_t nrt_fields_count(const nrt_fields *fields);

/* The field at `index` (0-based). Either pointer may be NULL. Returns 0, or NRT_ERR_USAGE where
 * there is none. The views live until the fields change or their message ends. */
NRT_API int nrt_fields_at(const nrt_fields *fields, size_t index, nrt_str *name, nrt_str *value);

/* The value of the first field called `name` (compared without case), or the absent string. Same
 * lifetime as nrt_fields_at. Use nrt_fields_at to see all lines of a repeated field. */
NRT_API nrt_str nrt_fields_get(const nrt_fields *fields, const char *name);

/* Appends a field; copies both. NRT_ERR_FIELD for a name that is no token or a value with control
 * characters or outer white space (RFC 9110 section 5.5), NRT_ERR_MEMORY. */
NRT_API int nrt_fields_add(nrt_fields *fields, nrt_str name, nrt_str value);

/* Replaces all fields called `name` by one. Errors as nrt_fields_add. */
NRT_API int nrt_fields_set(nrt_fields *fields, nrt_str name, nrt_str value);

/* Removes all fields called `name` and returns how many there were. */
NRT_API size_t nrt_fields_remove(nrt_fields *fields, const char *name);

/* ---- requests -------------------------------------------------------------------------------- */

/* A request for an absolute URL, `http://HOST.nats[:PORT]/PATH?QUERY` (https:// means the same: the
 * transport's TLS is NATS's). Host in fields follows from the URL; a fragment is dropped. Returns
 * NULL and sets *error (which may be NULL): NRT_ERR_URL, NRT_ERR_HOST, NRT_ERR_METHOD,
 * NRT_ERR_MEMORY. The caller owns the request. */
NRT_API nrt_request *nrt_request_create(const char *method, const char *url, int *error);

/* Frees a request made by nrt_request_create. NULL is allowed. */
NRT_API void nrt_request_destroy(nrt_request *request);

/* The parts of a request. The views live as long as the request is unchanged. */
NRT_API nrt_str nrt_request_method(const nrt_request *request);
NRT_API nrt_str nrt_request_target(const nrt_request *request); /* as sent: "/city?units=metric" */
NRT_API nrt_str nrt_request_host(const nrt_request *request);   /* lower case, without port */
NRT_API nrt_str nrt_request_body(const nrt_request *request); /* content, transfer coding undone */
NRT_API const nrt_fields *nrt_request_fields(const nrt_request *request);
NRT_API const nrt_fields *nrt_request_trailers(const nrt_request *request);
NRT_API nrt_str nrt_request_upgrade(const nrt_request *request); /* the protocol asked for, or "" */

/* The same fields, for changing. Framing and hop-by-hop fields (Host, Content-Length,
 * Transfer-Encoding, Connection …) and NRT-* are made by the library: whatever stands here of them
 * is not sent. */
NRT_API nrt_fields *nrt_request_edit(nrt_request *request);

/* Sets the body; copies it. NRT_ERR_MEMORY. */
NRT_API int nrt_request_set_body(nrt_request *request, nrt_str body);

/* ---- responses ------------------------------------------------------------------------------- */

/* The parts of a response. The views live as long as the response. */
NRT_API int nrt_response_status(const nrt_response *response); /* 200 to 599 */
NRT_API nrt_str nrt_response_reason(const nrt_response *response);
NRT_API nrt_str nrt_response_body(const nrt_response *response);
NRT_API const nrt_fields *nrt_response_fields(const nrt_response *response);
NRT_API const nrt_fields *nrt_response_trailers(const nrt_response *response);

/* A copy of a borrowed response that the caller owns; NULL when out of memory. */
NRT_API nrt_response *nrt_response_copy(const nrt_response *response);

/* Frees a response that the caller owns (nrt_do, nrt_response_copy). NULL is allowed. */
NRT_API void nrt_response_destroy(nrt_response *response);

/* The standard reason phrase of a status (RFC 9110 section 15), "" for an unknown one. Static. */
NRT_API const char *nrt_status_reason(int status);

#ifdef __cplusplus
}
#endif
#endif
