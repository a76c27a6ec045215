/* Messages as values: the public requests and responses. */
#include "core/http/message.h"

#include <stdlib.h>

#include "core/base/str.h"
#include "core/http/url.h"
#include "core/nats/subject.h"

void nrt__message_init(nrt__message *message, bool is_request) {
    memset(message, 0, sizeof(*message));
    message->is_request = is_request;
    message->minor = 1;
    nrt__fields_init(&message->fields, &message->arena);
    nrt__fields_init(&message->trailers, &message->arena);
}

void nrt__message_reset(nrt__message *message) {
    nrt__arena arena = message->arena;
    nrt__arena_reset(&arena);
    nrt__message_init(message, message->is_request);
    message->arena = arena;
}

void nrt__message_free(nrt__message *message) {
    nrt__arena_free(&message->arena);
}

bool nrt__method_is_idempotent(nrt_str method) {
    static const char *const names[] = {"GET",   "HEAD",  "PUT",      "DELETE", "OPTIONS",
                                        "TRACE", "QUERY", "PROPFIND", "SEARCH", "REPORT"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (nrt__str_equal(method, nrt_str_from(names[i]))) {
            return true;
        }
    }
    return false;
}

bool nrt__status_is_bodyless(int status) {
    return status < 200 || status == 204 || status == 304;
}

int nrt__message_settle_target(nrt__message *request) {
    nrt__url url;
    if (request->target.ptr[0] == '/' || nrt__str_equal(request->target, NRT__STR("*"))) {
        return 0;
    }
    if (nrt__url_parse(request->target, &url) < 0) {
        return NRT_ERR_BAD_REQUEST;
    }
    nrt__field *host = nrt__fields_find(&request->fields, NRT__HOST, NULL);
    if (host) {
        host->value =
            url.port.len > 0 ? (nrt_str){url.host.ptr, url.host.len + 1 + url.port.len} : url.host;
    }
    if (url.path.len > 0) {
        request->target = (nrt_str){url.path.ptr, url.path.len + url.query.len};
        return 0;
    }
    char *target = nrt__arena_get(&request->arena, url.query.len + 1);
    if (!target) {
        return NRT_ERR_MEMORY;
    }
    target[0] = '/';
    if (url.query.len > 0) {
        memcpy(target + 1, url.query.ptr, url.query.len);
    }
    request->target = (nrt_str){target, url.query.len + 1};
    return 0;
}

nrt_request *nrt_request_create(const char *method, const char *url, int *error) {
    int code = NRT_ERR_MEMORY;
    nrt__url parts;
    nrt_str verb = nrt_str_from(method);
    nrt_request *request = calloc(1, sizeof(*request));
    if (!request) {
        goto fail;
    }
    nrt__message_init(&request->message, true);
    if (!method || !url) {
        code = NRT_ERR_USAGE;
        goto fail;
    }
    code = nrt__method_check(verb);
    if (code < 0) {
        goto fail;
    }
    code = nrt__url_parse(nrt_str_from(url), &parts);
    if (code < 0) {
        goto fail;
    }
    char host[NRT__HOST_MAX + 1];
    code = nrt__host_canonical(parts.host, host);
    if (code < 0) {
        goto fail;
    }
    nrt__message *message = &request->message;
    code = NRT_ERR_MEMORY;
    message->method = nrt__arena_copy(&message->arena, verb);
    message->host = nrt__arena_copy(&message->arena, nrt_str_from(host));
    size_t size = parts.path.len + parts.query.len + 2;
    char *target = nrt__arena_get(&message->arena, size);
    if (!message->method.ptr || !message->host.ptr || !target) {
        goto fail;
    }
    size_t len = 0;
    if (parts.path.len == 0) {
        target[len++] = '/';
    } else {
        memcpy(target, parts.path.ptr, parts.path.len);
        len = parts.path.len;
    }
    if (parts.query.len > 0) { /* with its question mark */
        memcpy(target + len, parts.query.ptr, parts.query.len);
        len += parts.query.len;
    }
    message->target = (nrt_str){target, len};
    if (error) {
        *error = 0;
    }
    return request;
fail:
    nrt_request_destroy(request);
    if (error) {
        *error = code;
    }
    return NULL;
}

void nrt_request_destroy(nrt_request *request) {
    if (request) {
        nrt__message_free(&request->message);
        free(request);
    }
}

nrt_str nrt_request_method(const nrt_request *request) {
    return request->message.method;
}

nrt_str nrt_request_target(const nrt_request *request) {
    return request->message.target;
}

nrt_str nrt_request_host(const nrt_request *request) {
    return request->message.host;
}

nrt_str nrt_request_body(const nrt_request *request) {
    return request->message.body;
}

const nrt_fields *nrt_request_trailers(const nrt_request *request) {
    return &request->message.trailers;
}

nrt_str nrt_request_upgrade(const nrt_request *request) {
    nrt_str protocol = request->message.upgrade;
    return protocol.ptr ? protocol : (nrt_str){"", 0};
}

const nrt_fields *nrt_request_fields(const nrt_request *request) {
    return &request->message.fields;
}

nrt_fields *nrt_request_edit(nrt_request *request) {
    return &request->message.fields;
}

nrt_fields *nrt_request_edit_trailers(nrt_request *request) {
    return &request->message.trailers;
}

int nrt_request_set_body(nrt_request *request, nrt_str body) {
    nrt_str copy = nrt__arena_copy(&request->message.arena, body);
    if (!copy.ptr) {
        return NRT_ERR_MEMORY;
    }
    request->message.body = copy;
    return 0;
}

int nrt_response_status(const nrt_response *response) {
    return response->message.status;
}

nrt_str nrt_response_reason(const nrt_response *response) {
    return response->message.reason;
}

nrt_str nrt_response_body(const nrt_response *response) {
    return response->message.body;
}

const nrt_fields *nrt_response_fields(const nrt_response *response) {
    return &response->message.fields;
}

const nrt_fields *nrt_response_trailers(const nrt_response *response) {
    return &response->message.trailers;
}

nrt_response *nrt_response_copy(const nrt_response *response) {
    nrt_response *copy = calloc(1, sizeof(*copy));
    if (!copy) {
        return NULL;
    }
    const nrt__message *from = &response->message;
    nrt__message *to = &copy->message;
    nrt__message_init(to, false);
    to->arena.limit = SIZE_MAX; /* bounded already by what was received */
    to->keep_alive = from->keep_alive;
    to->minor = from->minor;
    to->framing = from->framing;
    to->status = from->status;
    to->length = from->length;
    to->has_length = from->has_length;
    to->reason = nrt__arena_copy(&to->arena, from->reason);
    to->body = nrt__arena_copy(&to->arena, from->body);
    if (!to->reason.ptr || !to->body.ptr || !nrt__fields_copy(&to->fields, &from->fields) ||
        !nrt__fields_copy(&to->trailers, &from->trailers)) {
        nrt_response_destroy(copy);
        return NULL;
    }
    return copy;
}

void nrt_response_destroy(nrt_response *response) {
    if (response) {
        nrt__message_free(&response->message);
        free(response);
    }
}
