/* Errors as HTTP responses. */
#include "core/http/problem.h"

#include <jansson.h>
#include <stdlib.h>

#include "core/base/str.h"

const char *nrt__problem_detail(int error, const char *detail) {
    return detail && *detail && error != NRT_ERR_DISCONNECTED ? detail : nrt_error_text(error);
}

int nrt__problem_write(nrt__message *response, int status, const char *code, const char *detail) {
    int error = NRT_ERR_MEMORY;
    char *text = NULL;
    nrt_str body = {NULL, 0};
    nrt__message_reset(response);
    response->status = status;
    json_t *problem = json_pack("{s:s, s:i}", "title", nrt_status_reason(status), "status", status);
    if (!problem) {
        goto done;
    }
    /* A detail may quote what a peer sent; where that is no UTF-8 the sentence is left out, not the
     * answer. */
    if (detail && *detail) {
        json_object_set_new(problem, "detail", json_string(detail));
    }
    if (code && json_object_set_new(problem, "code", json_string(code)) < 0) {
        goto done;
    }
    text = json_dumps(problem, JSON_INDENT(2));
    if (text) {
        size_t len = strlen(text);
        text[len] = '\n'; /* in place of the NUL: the copy brings its own */
        body = nrt__arena_copy(&response->arena, (nrt_str){text, len + 1});
    }
    if (!body.ptr) {
        goto done;
    }
    if (nrt__fields_append(&response->fields, NRT__STR("Content-Type"),
                           NRT__STR("application/problem+json")) &&
        (!code ||
         nrt__fields_append(&response->fields, NRT__STR("NRT-Error"), nrt_str_from(code))) &&
        (status != 503 ||
         nrt__fields_append(&response->fields, NRT__STR("Retry-After"), NRT__STR("1")))) {
        response->body = body;
        error = 0;
    }
done:
    free(text);
    json_decref(problem);
    return error;
}
